"""Fits for compression: every voxel is trained on, and the width is the greatest that a small file has room for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dinr_studio.config import FitConfig, changed, with_changes
from dinr_studio.errors import ConfigError
from dinr_studio.fields.build import parameter_count
from dinr_studio.training.presets import preset_config
from dinr_studio.volume import Volume

PLANNED_BITS = 5.5  # of a weight in the file: at equal bytes, more weights of fewer bits gained less than they lost
PLANNED_DESCRIPTION = 400  # bytes
WIDEST = 1024
ENDLESS = 1_000_000  # epochs: the time limit ends the fit


def representation_config(
    volume: Volume, width: int, seconds: float, family: str = "dinr-siren", changes: Mapping[str, Any] | None = None
) -> FitConfig:
    """The settings of a fit of some width to every voxel in some seconds; changes: other settings by name."""
    given = dict(changes or {})
    device = given.get("device", "auto")
    chosen = preset_config("auto", volume, family, device, 0.0)
    task = {"held_out_share": 0.0, "patience": 0, "outliers": "keep", "time_limit": seconds, "max_epochs": ENDLESS}
    return with_changes(chosen, {**task, "width": width, "features": max(2, 2 * width), "kinetic_weight": 0.0, **given})


def width_for(config: FitConfig, axes: int, channels: int, size: float) -> int:
    """The greatest width whose field fits into `size` bytes at the planned bits; ConfigError where none does."""
    most = 8 * (size - PLANNED_DESCRIPTION) / PLANNED_BITS
    low, high = 0, WIDEST
    while low < high:
        middle = (low + high + 1) // 2
        if parameter_count(with_width(config, middle).field, axes, channels) <= most:
            low = middle
        else:
            high = middle - 1
    if low < 2:
        raise ConfigError(f"No field fits into {size:,.0f} bytes; ask for a smaller ratio.")
    return low


def with_width(config: FitConfig, width: int) -> FitConfig:
    """The same settings with another width, and as many more Fourier features."""
    return changed(config, field=changed(config.field, width=width, features=max(2, 2 * width)))
