"""From settings to a field, and from stored weights back to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dinr_studio.config import STEPS, FieldConfig, changed
from dinr_studio.fields.dinr import DinrField
from dinr_studio.fields.static import StaticField

Field = DinrField | StaticField


def build_field(config: FieldConfig, axes: int, channels: int, *, seed: int, precision: str = "fp32") -> Field:
    """A field with fresh weights drawn from `seed`; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _construct(config, axes, channels, precision)


def weight_shapes(config: FieldConfig, axes: int, channels: int) -> dict[str, tuple[int, ...]]:
    """Shapes of all weights by name, without taking memory for them."""
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in _construct(config, axes, channels).state_dict().items()}


def parameter_count(config: FieldConfig, axes: int, channels: int) -> int:
    """Number of trained parameters (fixed Fourier frequencies do not count)."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in _construct(config, axes, channels).parameters())


def load_field(
    config: FieldConfig, axes: int, channels: int, weights: Mapping[str, NDArray[Any]], *, precision: str = "fp32"
) -> Field:
    """A field with given weights, ready to evaluate (not to train), with as many steps as belong to the weights."""
    if STEPS in weights:
        config = changed(config, steps=int(weights[STEPS]))
    field = build_field(config, axes, channels, seed=0, precision=precision)
    set_weights(field, weights)
    return field.eval().requires_grad_(False)


def set_weights(field: Field, weights: Mapping[str, NDArray[Any]]) -> None:
    """Gives a field other weights, in place."""
    field.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items() if name != STEPS})


def frozen_weights(field: Field) -> dict[str, NDArray[Any]]:
    """A read-only copy of all weights, safe to hand to another thread or a file; see STEPS."""
    weights = {name: value.detach().cpu().numpy().copy() for name, value in field.state_dict().items()}
    if isinstance(field, DinrField) and field.steps != field.config.steps:
        weights[STEPS] = np.array(field.steps, dtype=np.float32)
    for array in weights.values():
        array.flags.writeable = False
    return weights


def _construct(config: FieldConfig, axes: int, channels: int, precision: str = "fp32") -> Field:
    kind = DinrField if config.family.startswith("dinr-") else StaticField
    return kind(config, axes, channels, precision=precision)
