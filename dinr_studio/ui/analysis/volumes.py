"""Saving a volume that an analysis found: asked for like an export, written in the background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dinr_studio.coordinates import Grid
from dinr_studio.io.writing import VolumeHeader, types_for, writers
from dinr_studio.ui.analysis.saving import save_as

if TYPE_CHECKING:
    from dinr_studio.ui.analysis.window import AnalysisWindow


def save_volume_of(
    window: AnalysisWindow, title: str, name: str, grid: Grid, write: Callable[[Path], None], channels: int = 1
) -> None:
    """Asks where to, in any format that can carry the grid, then writes in the background."""
    import numpy as np

    header = VolumeHeader(grid, channels, np.dtype("float32"))
    known = {suffix: one.name for suffix, one in writers().items() if types_for(header, Path(f"a{suffix}"))}
    save_as(window, title, name, known, write, "The volume is in {path}.")
