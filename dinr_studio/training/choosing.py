"""The settings of a fit from what a person asked for: a preset, a family, and settings by name; the rest from data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dinr_studio.config import PROBE, FitConfig, changed, with_changes
from dinr_studio.volume import Volume

PROBED_WITH = {"device", "held_out_share", "held_out_scheme", "seed"}  # settings by hand that leave the family open


def left_open(preset: str, family: str | None, changes: Mapping[str, Any]) -> bool:
    """Whether the family is to be found by trial."""
    return family is None and preset == "auto" and set(changes) <= PROBED_WITH


def chosen_config(preset: str, family: str | None, changes: Mapping[str, Any], volume: Volume) -> FitConfig:
    """The settings that were asked for, the rest derived from a volume; raises ConfigError in a sentence.

    family: None takes the preset's own, or one by trial where `left_open`. changes: settings by name.
    """
    from dinr_studio.training.presets import preset_config

    with_changes(FitConfig(), changes)  # refuses what is no setting before anything takes time
    tried = PROBE if left_open(preset, family, changes) else family
    device, share = changes.get("device", "auto"), changes.get("held_out_share")
    chosen = preset_config(preset, volume, tried, device, share, changes.get("embedding"))
    return changed(with_changes(chosen, changes), reasons=chosen.reasons + by_hand(changes))


def by_hand(changes: Mapping[str, Any]) -> tuple[str, ...]:
    """What the user set, which the preset's reasons do not hold for, in a sentence; none where nothing was."""
    return (f"set by hand: {', '.join(f'{name}={value}' for name, value in changes.items())}",) if changes else ()
