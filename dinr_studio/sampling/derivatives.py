"""What can be derived of a field: gradients, Hessians, vorticity and the like, in physical units, at any place.

A quantity of a field is a field itself: on the same grid, with channels, names and units of its own, so that all that
evaluates, draws or exports fields takes it. Derivatives are those of the network (automatic differentiation), times
its normalisation's scale, per unit of length along the axes of space: where a volume lies turned, those of the space
that its orientation gives, else its own.

Components of vector fields: channels named u, v, w or by an x, y, z (or 0, 1, 2) at the end are the components along
x, y and z; channels without such names count as x, y, z in their order. x, y, z are right-handed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dinr_studio.channels import labelled, name_and_unit, unit_of, units_differ
from dinr_studio.coordinates import TIME_AXIS, Grid, reversed_axes
from dinr_studio.errors import ConfigError
from dinr_studio.fields.differentiated import in_full_precision, jacobian, jacobian_and_hessian
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.sampling.kinetic_map import check_has_dynamics, kinetic_energy_field

CHUNK = 1024  # points whose graph of derivatives is in memory at once
ENDINGS = {"u": "x", "v": "y", "w": "z", "x": "x", "y": "y", "z": "z", "0": "x", "1": "y", "2": "z"}
CYCLE = {"x": ("y", "z"), "y": ("z", "x"), "z": ("x", "y")}  # curl along a = d(v_c)/d(b) - d(v_b)/d(c)


@dataclass(frozen=True)
class Frame:
    """A field's axes and channels as derivatives need them.

    axes: names of the spatial axes, in the grid's order. units: of length along each. names, value_units: by channel.
    """

    axes: tuple[str, ...]
    units: tuple[str, ...]
    names: tuple[str, ...]
    value_units: tuple[str, ...]


@dataclass(frozen=True)
class Quantity:
    """One thing that can be derived.

    labels: of a frame, the name and unit of each of its channels; ConfigError where the field has no such thing.
    compute: of first (N, channels, axes) and second derivatives (N, channels, axes, axes; empty for order 1), both in
    physical units and by spatial axes alone, and the frame, its values (N, own channels). signed: whether 0 is a
    middle.
    """

    title: str
    order: int
    signed: bool
    labels: Callable[[Frame], list[tuple[str, str]]]
    compute: Callable[[Tensor, Tensor, Frame], Tensor]


# Labels


def per(value: str, length: str, power: int = 1) -> str:
    """The unit of a value per length (to a power); "" where the length's is unknown."""
    if not length:
        return ""
    raised = "" if power == 1 else f"^{power}"
    if power == 1 and value.startswith(f"{length}/"):
        return f"1/{value.removeprefix(f'{length}/')}"
    return f"{f'({value})' if set('/ ') & set(value) else value or '1'}/{length}{raised}"


def _one_length(frame: Frame) -> str:
    if len(set(frame.units)) > 1:
        measured = zip(frame.axes, frame.units, strict=True)
        listed = ", ".join(f"{axis} in {unit or 'unknown units'}" for axis, unit in measured)
        raise ConfigError(f"The axes have no common unit of length ({listed}); choose gradient, which is by axis.")
    return frame.units[0]


def _prefix(frame: Frame, channel: int) -> str:
    return f"{frame.names[channel]} " if len(frame.names) > 1 else ""


def _gradient_labels(frame: Frame) -> list[tuple[str, str]]:
    return [
        (f"{_prefix(frame, c)}d/d{axis}", per(value, unit))
        for c, value in enumerate(frame.value_units)
        for axis, unit in zip(frame.axes, frame.units, strict=True)
    ]


def _hessian_labels(frame: Frame) -> list[tuple[str, str]]:
    _one_length(frame)
    labels = []
    for c, value in enumerate(frame.value_units):
        for i, j in _pairs(frame):
            a, b = frame.axes[i], frame.axes[j]
            name = f"d2/d{a}2" if i == j else f"d2/d{a}d{b}"
            labels.append((f"{_prefix(frame, c)}{name}", per(value, frame.units[0], 2)))
    return labels


def _by_channel(title: str, power: int) -> Callable[[Frame], list[tuple[str, str]]]:
    def labels(frame: Frame) -> list[tuple[str, str]]:
        length = _one_length(frame)
        return [(f"{_prefix(frame, c)}{title}", per(v, length, power)) for c, v in enumerate(frame.value_units)]

    return labels


def _of_vector(title: str, power: int = 1) -> Callable[[Frame], list[tuple[str, str]]]:
    def labels(frame: Frame) -> list[tuple[str, str]]:
        _components(frame)
        unit = per(frame.value_units[0], _one_length(frame))
        return [(title, unit if power == 1 else _squared(unit))]

    return labels


def _curl_labels(frame: Frame) -> list[tuple[str, str]]:
    _components(frame)
    unit = per(frame.value_units[0], _one_length(frame))
    return [(f"curl {axis}", unit) for axis in _curl_axes(frame)]


def _squared(unit: str) -> str:
    if unit.startswith("1/") and not set("/ ^") & set(unit[2:]):
        return f"{unit}^2"
    return f"({unit})^2" if unit else ""


def _pairs(frame: Frame) -> list[tuple[int, int]]:
    count = len(frame.axes)
    return [(i, j) for i in range(count) for j in range(i, count)]


def _components(frame: Frame) -> tuple[int, ...]:
    """By spatial axis, the channel that is the component along it; ConfigError where there is no such vector."""
    if len(frame.axes) < 2 or len(frame.names) != len(frame.axes) or len(set(frame.value_units)) > 1:
        raise ConfigError(
            f"This needs a vector field, with a component of one unit for each of its {len(frame.axes)} axes in space; "
            f"the field's channels are {', '.join(frame.names)}."
        )
    named = [ENDINGS.get(name_and_unit(name)[0][-1:].lower(), "") for name in frame.names]
    if sorted(named) != sorted(frame.axes):
        named = sorted(frame.axes)  # x, y, z in their order
    return tuple(named.index(axis) for axis in frame.axes)


def _curl_axes(frame: Frame) -> tuple[str, ...]:
    """Along which axes a curl has components: x, y, z in 3D, the missing one in 2D."""
    if len(frame.axes) == 3:
        return reversed_axes(frame.axes)
    return tuple(axis for axis in ("x", "y", "z") if axis not in frame.axes)


# Values


def _gradient(first: Tensor, second: Tensor, frame: Frame) -> Tensor:
    return first.flatten(1)


def _magnitude(first: Tensor, second: Tensor, frame: Frame) -> Tensor:
    return first.square().sum(dim=2).sqrt()


def _hessian(first: Tensor, second: Tensor, frame: Frame) -> Tensor:
    return torch.stack([second[:, :, i, j] for i, j in _pairs(frame)], dim=2).flatten(1)


def _laplacian(first: Tensor, second: Tensor, frame: Frame) -> Tensor:
    return second.diagonal(dim1=2, dim2=3).sum(dim=2)


def _velocity_gradient(first: Tensor, frame: Frame) -> Tensor:
    """(N, component, axis), components in the order of the axes."""
    return first[:, list(_components(frame))]


def _divergence(first: Tensor, second: Tensor, frame: Frame) -> Tensor:
    return _velocity_gradient(first, frame).diagonal(dim1=1, dim2=2).sum(dim=1)[:, None]


def _curl(first: Tensor, second: Tensor, frame: Frame) -> Tensor:
    gradient, at = _velocity_gradient(first, frame), {axis: i for i, axis in enumerate(frame.axes)}
    parts = []
    for axis in _curl_axes(frame):
        b, c = CYCLE[axis]
        parts.append(gradient[:, at[c], at[b]] - gradient[:, at[b], at[c]])
    return torch.stack(parts, dim=1)


def _vorticity(first: Tensor, second: Tensor, frame: Frame) -> Tensor:
    return _curl(first, second, frame).square().sum(dim=1, keepdim=True).sqrt()


def _q_criterion(first: Tensor, second: Tensor, frame: Frame) -> Tensor:
    """(|Omega|^2 - |S|^2) / 2 = -(sum of J_ij J_ji) / 2. Source: Hunt, Wray and Moin, 1988."""
    gradient = _velocity_gradient(first, frame)
    return -0.5 * (gradient * gradient.transpose(1, 2)).sum(dim=(1, 2))[:, None]


QUANTITIES: dict[str, Quantity] = {
    "gradient": Quantity("gradient", 1, True, _gradient_labels, _gradient),
    "gradient-magnitude": Quantity("gradient magnitude", 1, False, _by_channel("gradient magnitude", 1), _magnitude),
    "laplacian": Quantity("Laplacian", 2, True, _by_channel("Laplacian", 2), _laplacian),
    "hessian": Quantity("Hessian", 2, True, _hessian_labels, _hessian),
    "divergence": Quantity("divergence", 1, True, _of_vector("divergence"), _divergence),
    "curl": Quantity("curl", 1, True, _curl_labels, _curl),
    "vorticity-magnitude": Quantity("vorticity magnitude", 1, False, _of_vector("vorticity magnitude"), _vorticity),
    "q-criterion": Quantity("Q-criterion", 1, True, _of_vector("Q-criterion", 2), _q_criterion),
}
TIME_DERIVATIVE, KINETIC_ENERGY = "time-derivative", "kinetic-energy"
NAMES = (*QUANTITIES, TIME_DERIVATIVE, KINETIC_ENERGY)


# Fields of quantities


class DerivedField(nn.Module):
    """Network coordinates (N, axes) -> a quantity of another field, (N, own channels), in physical units.

    axis_scale: network units per world unit, by axis. value_scale: physical per normalised values, by channel.
    spatial: which axes are of space. turn: rows of the matrix that brings derivatives along the volume's own axes to
    those of space.
    """

    def __init__(self, module: nn.Module, quantity: str, frame: Frame, field: FieldOnGrid) -> None:
        super().__init__()
        self.field, self.quantity = in_full_precision(module), quantity
        self.axis_scale, self.value_scale = field.coordinates.scale, field.normalisation.scale
        self.spatial = field.grid.spatial
        self.turn = tuple(tuple(float(v) for v in row) for row in _turn(field.grid))
        self._frame = frame

    def forward(self, x: Tensor) -> Tensor:
        """The quantity at coordinates."""
        return torch.cat([self._values(part) for part in x.split(CHUNK)])  # type: ignore[no-untyped-call]

    def _values(self, x: Tensor) -> Tensor:
        if self.quantity == TIME_DERIVATIVE:
            (axis,) = set(range(x.shape[1])) - set(self.spatial)
            first = jacobian(self.field, x)
            return first[:, :, axis] * first.new_tensor(self.value_scale) * self.axis_scale[axis]
        quantity = QUANTITIES[self.quantity]
        first, second = jacobian_and_hessian(self.field, x) if quantity.order == 2 else (jacobian(self.field, x), None)
        values = first.new_tensor(self.value_scale)
        axes = list(self.spatial)
        scale = first.new_tensor([self.axis_scale[axis] for axis in axes])
        turn = first.new_tensor(self.turn)
        first = (first[:, :, axes] * scale * values[:, None]) @ turn.T
        if second is None:
            return quantity.compute(first, first.new_empty(0), self._frame)
        second = second[:, :, axes][..., axes] * scale[:, None] * scale * values[:, None, None]
        return quantity.compute(first, turn @ second @ turn.T, self._frame)


def _turn(grid: Grid) -> NDArray[np.float64]:
    """What brings a gradient along the volume's own axes to the axes of its space: the inverse of its directions."""
    if grid.orientation is None:
        return np.eye(len(grid.spatial))
    return np.linalg.inv(np.asarray(grid.orientation.directions, dtype=np.float64))


def quantity_field(field: FieldOnGrid, name: str) -> FieldOnGrid:
    """A quantity of a field as a field; raises ConfigError for one that is not known, or that this field has not."""
    labels = _labels(field, name)
    if name == KINETIC_ENERGY:
        return kinetic_energy_field(field)
    names, unit = labelled([label for label, _ in labels], [one for _, one in labels])
    return replace(
        field,
        module=DerivedField(field.module, name, _frame_of(field), field).to(field.device),
        normalisation=Normalisation((1.0,) * len(labels), (0.0,) * len(labels)),
        channels=len(labels),
        channel_names=names,
        value_unit=unit,
    )


def _labels(field: FieldOnGrid, name: str) -> list[tuple[str, str]]:
    """Names and units of a quantity's channels, for this field."""
    if name not in NAMES:
        raise ConfigError(f"There is no quantity {name!r}; choose one of {', '.join(NAMES)}.")
    if name == KINETIC_ENERGY:
        check_has_dynamics(field)
        return [("kinetic energy", "")]
    frame = _frame_of(field)
    if name == TIME_DERIVATIVE:
        return _time_labels(field, frame)
    if not frame.axes:
        raise ConfigError("The field has no axis in space to derive it by; choose time-derivative.")
    return QUANTITIES[name].labels(frame)


def quantities_of(field: FieldOnGrid) -> tuple[str, ...]:
    """The quantities that a field has."""
    possible = []
    for name in NAMES:
        try:
            _labels(field, name)
        except ConfigError:
            continue
        possible.append(name)
    return tuple(possible)


def note_on(name: str, field: FieldOnGrid) -> str:
    """A sentence for the metadata of a file with a quantity: what it is of, and along which axes."""
    if name == KINETIC_ENERGY:
        return "Kinetic energy of the latent dynamics at each place, without a unit"
    title = "time derivative" if name == TIME_DERIVATIVE else QUANTITIES[name].title
    turned = "of space, as the orientation turns them" if field.grid.orientation else "of the volume"
    return f"{title} of the field by automatic differentiation, along the axes {turned}"


def is_signed(name: str) -> bool:
    """Whether 0 is a middle of a quantity's values."""
    return name == TIME_DERIVATIVE or (name in QUANTITIES and QUANTITIES[name].signed)


def _frame_of(field: FieldOnGrid) -> Frame:
    grid = field.grid
    names = tuple(field.channel_names) or tuple(f"channel {c}" for c in range(field.channels))
    units = tuple(unit_of(field.channel_names, field.value_unit, c) for c in range(field.channels))
    return Frame(
        tuple(grid.axes[i] for i in grid.spatial), tuple(grid.units[i] for i in grid.spatial),
        tuple(name_and_unit(name)[0] for name in names) if units_differ(names, field.value_unit) else names, units,
    )  # fmt: skip


def _time_labels(field: FieldOnGrid, frame: Frame) -> list[tuple[str, str]]:
    if TIME_AXIS not in field.grid.axes:
        raise ConfigError(f"The field has no time to derive it by; its axes are {', '.join(field.grid.axes)}.")
    unit = field.grid.units[field.grid.axes.index(TIME_AXIS)]
    return [(f"{_prefix(frame, c)}d/dt", per(value, unit)) for c, value in enumerate(frame.value_units)]
