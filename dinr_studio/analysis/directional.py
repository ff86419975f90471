"""Directional resolution: Fourier shell correlation within cones, and one number for how alike directions are."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.fsc import Map, check_maps, crossing, length_in_words, transformed
from dinr_studio.fourier import Shells, shells_of

CONE = 20.0  # degrees from a cone's axis to its side, as is usual for directional correlations
DIRECTIONS = {2: 36, 3: 60}  # over half a circle, over a hemisphere: opposite directions are one
FEWEST_MODES = 12  # of a cone's shell: one with fewer is judged together with all within it, else chance decides
ALIKE = 1.25  # ratio of resolutions up to which one speaks of no preferred direction
INNER = (0.1, 0.9)  # quantiles of the directions that this is judged by: single cones vary by chance


@dataclass(frozen=True)
class Directional:
    """The resolution by direction at one threshold.

    directions: unit vectors (n, axes) in z, y, x order. frequency: (n,), where the correlation within the cone about
    each first falls below the threshold, in cycles per unit; the Nyquist frequency where it never does. sphericity: of
    the surface that these frequencies span, 1 where all directions are alike; in 2D that of the curve.
    """

    directions: NDArray[np.float64]
    frequency: NDArray[np.float64]
    threshold: float
    cone: float
    sphericity: float
    nyquist: float
    unit: str

    @property
    def best(self) -> int:
        """The direction of the finest resolution."""
        return int(np.argmax(self.frequency))

    @property
    def worst(self) -> int:
        """The direction of the coarsest resolution."""
        return int(np.argmin(self.frequency))

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, fit for JSON; directions as z, y, x (y, x in 2D)."""
        lengths = 1.0 / self.frequency
        return {
            "threshold": self.threshold,
            "cone_degrees": self.cone,
            "sphericity": self.sphericity,
            "finest": float(lengths.min()),
            "finest_direction": self.directions[self.best].tolist(),
            "coarsest": float(lengths.max()),
            "coarsest_direction": self.directions[self.worst].tolist(),
            "directions": self.directions.tolist(),
            "resolution": lengths.tolist(),
            "unit": self.unit,
            "verdict": verdict(self),
        }


def directional(
    first: Map,
    second: Map,
    voxel_size: Sequence[float],
    *,
    unit: str = "",
    mask: NDArray[np.float64] | None = None,
    threshold: float = 0.143,
    cone: float = CONE,
) -> Generator[float, None, Directional]:
    """The resolution of two maps by direction; yields the share done, returns the result.

    mask: as in `fsc`; no control is taken off, so that resolutions are those of the masked maps. Raises as `fsc`.
    """
    check_maps(first, second, voxel_size)
    shells = shells_of(first.shape, voxel_size)
    a, b = transformed(first, mask), transformed(second, mask)
    directions = half_circle(DIRECTIONS[2]) if first.ndim == 2 else hemisphere(DIRECTIONS[3])
    sums = np.zeros((len(directions), 4, shells.count))
    within = math.cos(math.radians(cone))
    parts = list(shells.parts())
    for done, part in enumerate(parts):
        x, y = a[part], b[part]
        product = x.real * y.real + x.imag * y.imag
        powers = (np.square(np.abs(x)), np.square(np.abs(y)))
        for number, along in enumerate(_along(shells, part, directions)):
            inside = along >= within
            sums[number] += shells.sums(part, *(inside * one for one in (product, *powers, np.ones(()))))
            yield (done + (number + 1) / len(directions)) / len(parts)
    few = sums[:, 3:] < FEWEST_MODES
    sums = np.where(few, np.cumsum(sums, axis=2), sums)
    scale = np.sqrt(sums[:, 1] * sums[:, 2])
    enough = (scale > 0) & (sums[:, 3] >= FEWEST_MODES)
    curves = np.divide(sums[:, 0], scale, out=np.ones_like(scale), where=enough)
    frequency = np.array([_limit(shells, curve, threshold) for curve in curves])
    return Directional(directions, frequency, threshold, cone, sphericity(directions, frequency), shells.nyquist, unit)


def hemisphere(count: int) -> NDArray[np.float64]:
    """Directions (count, 3) evenly spread over a hemisphere, z upwards, along a golden spiral."""
    turn = math.pi * (3 - math.sqrt(5)) * np.arange(count)
    height = 1 - (np.arange(count) + 0.5) / count
    radius = np.sqrt(1 - height**2)
    return np.stack([height, radius * np.sin(turn), radius * np.cos(turn)], axis=-1)


def half_circle(count: int) -> NDArray[np.float64]:
    """Directions (count, 2) evenly spread over half a circle."""
    turn = math.pi * np.arange(count) / count
    return np.stack([np.sin(turn), np.cos(turn)], axis=-1)


def sphericity(directions: NDArray[np.float64], radius: NDArray[np.float64]) -> float:
    """How near the surface of points radius * (+-directions) is to a sphere: 1 for a sphere, towards 0 for a disc.

    pi^(1/3) (6 V)^(2/3) / A of the surface, 4 pi A / P^2 of the curve in 2D, over that of equal radii at the same
    directions, so that a sphere has 1 exactly.
    """
    both = np.concatenate([directions, -directions])
    radii = np.concatenate([radius, radius])
    shape = _roundness_of_curve if directions.shape[1] == 2 else _roundness_of_surface
    return float(shape(both, radii) / shape(both, np.ones_like(radii)))


def verdict(found: Directional) -> str:
    """In a sentence: whether the resolution depends on direction."""
    coarsest, finest = np.quantile(found.frequency, INNER)
    low, high = (length_in_words(1 / f, found.unit, found.nyquist) for f in (finest, coarsest))
    if finest <= ALIKE * coarsest:
        return f"Directions are about alike: {low} to {high} in four of five, sphericity {found.sphericity:.2f}."
    axes = "zyx"[-found.directions.shape[1] :]
    direction = ", ".join(f"{v:.2f}" for v in found.directions[found.worst])
    return (
        f"The resolution depends on direction: {low} to {high} in four of five, coarsest along ({axes}) = "
        f"({direction}); "
        f"sphericity {found.sphericity:.2f}."
    )


def _along(shells: Shells, part: slice, directions: NDArray[np.float64]) -> Any:
    """For each direction: the cosine of its angle with each mode of a part; 1 at the zeroth mode."""
    vectors, lengths = shells.vectors(part), shells.lengths(part)
    for direction in directions:
        dot: NDArray[np.float64] = np.zeros(())
        for component, share in zip(vectors, direction, strict=True):
            dot = dot + component * share
        yield np.divide(np.abs(dot), lengths, out=np.ones_like(lengths), where=lengths > 0)


def _limit(shells: Shells, curve: NDArray[np.float64], threshold: float) -> float:
    """Where a cone's curve falls below the threshold, at least half a shell and at most the Nyquist frequency."""
    found = crossing(shells.frequency, curve, np.full(shells.count, threshold))
    return shells.nyquist if found is None else max(found, 0.5 * shells.width)


def _roundness_of_surface(directions: NDArray[np.float64], radii: NDArray[np.float64]) -> float:
    from scipy.spatial import ConvexHull

    corners = (directions * radii[:, np.newaxis])[ConvexHull(directions).simplices]
    volume = np.abs(np.linalg.det(corners)).sum() / 6
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    return float(np.cbrt(np.pi) * np.cbrt(6 * volume) ** 2 / area)


def _roundness_of_curve(directions: NDArray[np.float64], radii: NDArray[np.float64]) -> float:
    corners = (directions * radii[:, np.newaxis])[np.argsort(np.arctan2(directions[:, 0], directions[:, 1]))]
    following = np.roll(corners, -1, axis=0)
    area = np.abs((corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]).sum()) / 2
    return float(4 * np.pi * area / np.linalg.norm(following - corners, axis=1).sum() ** 2)
