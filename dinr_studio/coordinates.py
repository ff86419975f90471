"""Where voxels are: index, world and network coordinates, and the only place that swaps z,y,x with x,y,z.

Axis order is z, y, x everywhere, with time first where there is one: t, z, y, x. Voxel centres carry the values.

- **index**: 0 at the centre of the first voxel, 1 at the centre of the next.
- **world**: origin + index * voxel_size, in each axis's unit. `origin` is the centre of the first voxel. Where a volume
  lies turned in space (a scanner's, say), this is along the volume's own axes, and an `Orientation` says how these lie.
- **network**: what the field sees. The spatial box (outer faces of the outer voxels) is centred on 0 and its longest
  edge spans [-1, 1]; time spans [0, 1] from the first frame's start to the last one's end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from dinr_studio.epoch import Epoch
from dinr_studio.errors import ConfigError

TIME_AXIS = "t"
SPATIAL_AXES = ("z", "y", "x")
MAX_AXES = 4
LARGEST_AXIS = 2**31
FLATTEST = 1e-4  # volume that three unit vectors must span at least to count as independent

Scaling = Literal["physical", "per-axis"]
T = TypeVar("T")


def reversed_axes(sequence: Sequence[T]) -> tuple[T, ...]:
    """A z,y,x sequence as x,y,z or back: the one place where the order is swapped."""
    return tuple(reversed(sequence))


@dataclass(frozen=True)
class Orientation:
    """How the three spatial axes of a volume lie in space.

    directions: one unit vector, with z, y, x components, for each of the axes z, y, x. space: which way the space's own
    x and y point in a patient: "RAS" (right, anterior, superior: NIfTI), "LPS" (DICOM, ITK), or "" where there is none.
    """

    directions: tuple[tuple[float, ...], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    space: Literal["", "RAS", "LPS"] = ""

    def __post_init__(self) -> None:
        matrix = np.asarray(self.directions, dtype=np.float64)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < FLATTEST:
            raise ConfigError(f"The directions of the axes are {self.directions}; three independent ones are needed.")


@dataclass(frozen=True)
class Grid:
    """A regular grid of voxels in the world.

    shape, voxel_size, origin, units and axes each have one entry per axis, in z, y, x order (t first).
    voxel_size is positive; origin is the world position of the first voxel's centre; a unit may be "" (unknown).
    orientation: of a volume of three spatial axes, where it is known how these lie in space. epoch: of a volume with
    time, the date from which that counts, where it is known.
    """

    shape: tuple[int, ...]
    voxel_size: tuple[float, ...]
    origin: tuple[float, ...]
    units: tuple[str, ...]
    axes: tuple[str, ...]
    orientation: Orientation | None = None
    epoch: Epoch | None = None

    def __post_init__(self) -> None:
        dimensions = len(self.shape)
        lengths = {len(self.voxel_size), len(self.origin), len(self.units), len(self.axes)}
        if lengths != {dimensions}:
            raise ConfigError(f"A grid of {dimensions} axes needs {dimensions} voxel sizes, origins, units and names.")
        if not 1 <= dimensions <= MAX_AXES:
            raise ConfigError(f"The volume has {dimensions} axes; 1 to {MAX_AXES} are allowed: choose a part of it.")
        if any(not 1 <= n <= LARGEST_AXIS for n in self.shape):
            raise ConfigError(f"The grid's shape is {self.shape}; every axis needs 1 to {LARGEST_AXIS} voxels.")
        if any(not (math.isfinite(size) and size > 0) for size in self.voxel_size):
            raise ConfigError(f"The voxel size is {self.voxel_size}; it must be positive: state it with --voxel-size.")
        if any(not math.isfinite(position) for position in self.origin):
            raise ConfigError(f"The origin is {self.origin}; it must be finite numbers.")
        if len(set(self.axes)) != dimensions:
            raise ConfigError(f"The axes are {self.axes}; each name may stand once.")
        if self.orientation is not None and len(self.spatial) != len(SPATIAL_AXES):
            raise ConfigError(f"The axes are {self.axes}; only a volume of z, y and x can lie turned in space.")

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def spatial(self) -> tuple[int, ...]:
        """Positions of the axes that are not time."""
        return tuple(i for i, name in enumerate(self.axes) if name != TIME_AXIS)

    @property
    def extent(self) -> tuple[float, ...]:
        """Length of the box along each axis, outer face to outer face, in world units."""
        return tuple(n * size for n, size in zip(self.shape, self.voxel_size, strict=True))

    def world(self, index: NDArray[Any]) -> NDArray[np.float64]:
        """World position of (fractional) voxel indices, both (..., axes)."""
        world: NDArray[np.float64] = np.asarray(index, dtype=np.float64) * self.voxel_size + np.asarray(self.origin)
        return world

    def index(self, world: NDArray[Any]) -> NDArray[np.float64]:
        """Fractional voxel index of world positions, both (..., axes)."""
        index: NDArray[np.float64] = (np.asarray(world, dtype=np.float64) - self.origin) / self.voxel_size
        return index

    def axis_positions(self, axis: int) -> NDArray[np.float64]:
        """World position of every voxel centre along one axis, (shape[axis],)."""
        return np.arange(self.shape[axis], dtype=np.float64) * self.voxel_size[axis] + self.origin[axis]

    def moment(self, time: float) -> str:
        """A time, in the time axis's unit, as a date; "" where that is not known."""
        if self.epoch is None or TIME_AXIS not in self.axes:
            return ""
        return self.epoch.moment(time, self.units[self.axes.index(TIME_AXIS)])

    def upsampled(self, factor: Sequence[float]) -> Grid:
        """The grid of round(shape * factor) voxels that fills the same physical box."""
        return self.with_shape(tuple(max(1, round(_allowed(n * f))) for n, f in zip(self.shape, factor, strict=True)))

    def with_shape(self, shape: Sequence[int]) -> Grid:
        """The grid of another shape that fills the same physical box."""
        if len(shape) != len(self.shape) or min(shape) < 1:
            raise ConfigError(f"The shape asked for is {tuple(shape)}; give {len(self.shape)} positive whole numbers.")
        size = tuple(extent / n for extent, n in zip(self.extent, shape, strict=True))
        start = (o - v / 2 for o, v in zip(self.origin, self.voxel_size, strict=True))
        origin = tuple(s + v / 2 for s, v in zip(start, size, strict=True))
        return replace(self, shape=tuple(int(n) for n in shape), voxel_size=size, origin=origin)

    def with_voxel_size(self, voxel_size: Sequence[float]) -> Grid:
        """The grid of exactly this voxel size that covers the same box from the same outer face.

        Where the box is no whole number of voxels long, the last voxel reaches past it by less than one voxel.
        """
        if len(voxel_size) != len(self.shape) or not all(math.isfinite(v) and v > 0 for v in voxel_size):
            raise ConfigError(f"The voxel size is {tuple(voxel_size)}; give {len(self.shape)} positive numbers.")
        shape = tuple(max(1, math.ceil(_allowed(e / v - 1e-6))) for e, v in zip(self.extent, voxel_size, strict=True))
        origin = tuple(
            o - old / 2 + new / 2 for o, old, new in zip(self.origin, self.voxel_size, voxel_size, strict=True)
        )
        return replace(self, shape=shape, voxel_size=tuple(float(v) for v in voxel_size), origin=origin)

    def rescaled(self, voxel_size: Sequence[float]) -> Grid:
        """The same voxels of another size, where a file lies: the origin scales along, so nothing moves in voxels."""
        if len(voxel_size) != len(self.shape) or not all(math.isfinite(v) and v > 0 for v in voxel_size):
            raise ConfigError(
                f"The voxel size {', '.join(f'{v:g}' for v in voxel_size)} does not fit axes {', '.join(self.axes)}; "
                "give one positive number, or one for each axis."
            )
        origin = tuple(o / old * new for o, old, new in zip(self.origin, self.voxel_size, voxel_size, strict=True))
        return replace(self, voxel_size=tuple(float(v) for v in voxel_size), origin=origin)

    def with_unit(self, unit: str) -> Grid:
        """The same grid with another unit of length along its spatial axes."""
        return replace(self, units=tuple(unit if i in self.spatial else old for i, old in enumerate(self.units)))

    def along(self, axes: Sequence[int]) -> Grid:
        """The grid of some of the axes alone."""
        return Grid(
            tuple(self.shape[i] for i in axes),
            tuple(self.voxel_size[i] for i in axes),
            tuple(self.origin[i] for i in axes),
            tuple(self.units[i] for i in axes),
            tuple(self.axes[i] for i in axes),
        )

    def cropped(self, start: Sequence[int], stop: Sequence[int]) -> Grid:
        """The grid of voxels start <= index < stop along each axis."""
        bounds = list(zip(start, stop, self.shape, strict=True))
        if any(not 0 <= a < b <= n for a, b, n in bounds):
            raise ConfigError(f"The box {tuple(start)} to {tuple(stop)} must lie within the shape {self.shape}.")
        origin = tuple(o + a * v for o, a, v in zip(self.origin, start, self.voxel_size, strict=True))
        return replace(self, shape=tuple(b - a for a, b, _ in bounds), origin=origin)


def _allowed(voxels: float) -> float:
    """A number of voxels along one axis of a grid that was asked for, or ConfigError where no grid may be so long."""
    if voxels > LARGEST_AXIS:
        raise ConfigError(
            f"The grid asked for has {voxels:.3g} voxels along one axis and {LARGEST_AXIS:,} are allowed; "
            "choose a smaller factor or larger voxels."
        )
    return voxels


@dataclass(frozen=True)
class CoordinateMap:
    """The affine map, per axis, between a grid's world and the coordinates that a network sees.

    network = (world - centre) * scale + offset. Frozen at the fit, it goes with the field wherever that is evaluated.
    """

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]

    @classmethod
    def of(cls, grid: Grid, scaling: Scaling = "physical") -> CoordinateMap:
        """The map for a grid: `physical` keeps the spatial aspect, `per-axis` stretches every axis to [-1, 1].

        Voxels of axes with unlike units (mm and degrees, say) have no common length, so such axes scale on their own.
        """
        centre = tuple(o + (n - 1) / 2 * v for o, n, v in zip(grid.origin, grid.shape, grid.voxel_size, strict=True))
        alike = {grid.units[i] for i in grid.spatial}
        longest = max((grid.extent[i] for i in grid.spatial), default=1.0)
        scale, offset = [], []
        for i, extent in enumerate(grid.extent):
            is_time = grid.axes[i] == TIME_AXIS
            length = longest if scaling == "physical" and len(alike) == 1 and not is_time else extent
            scale.append((1.0 if is_time else 2.0) / length)
            offset.append(0.5 if is_time else 0.0)
        return cls(centre, tuple(scale), tuple(offset))

    def network(self, world: NDArray[Any]) -> NDArray[np.float64]:
        """Network coordinates of world positions, both (..., axes)."""
        network: NDArray[np.float64] = (np.asarray(world, dtype=np.float64) - self.centre) * self.scale + self.offset
        return network

    def world(self, network: NDArray[Any]) -> NDArray[np.float64]:
        """World positions of network coordinates, both (..., axes)."""
        world: NDArray[np.float64] = (np.asarray(network, dtype=np.float64) - self.offset) / self.scale + self.centre
        return world

    def rescaled(self, factors: Sequence[float]) -> CoordinateMap:
        """The map after every world position was multiplied by a factor per axis: network coordinates stay."""
        return replace(
            self,
            centre=tuple(c * f for c, f in zip(self.centre, factors, strict=True)),
            scale=tuple(s / f for s, f in zip(self.scale, factors, strict=True)),
        )

    def index_affine(self, grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Slope and intercept, each (axes,), with network = index * slope + intercept for a grid's voxel indices."""
        slope = np.asarray(grid.voxel_size) * self.scale
        return slope, self.network(np.asarray(grid.origin))


def flat_to_index(flat: NDArray[np.integer[Any]], shape: Sequence[int]) -> NDArray[np.int64]:
    """Voxel indices (N, axes) of positions (N,) in the flattened (C order) grid."""
    return np.stack(np.unravel_index(flat, tuple(shape)), axis=-1).astype(np.int64, copy=False)
