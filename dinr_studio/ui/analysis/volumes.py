"""Saving a volume that an analysis found: asked for like an export, written in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dinr_studio.coordinates import Grid
from dinr_studio.io.writing import VolumeHeader, types_for, writers
from dinr_studio.ui.dialogs.place import PlaceRow
from dinr_studio.ui.dialogs.saving import SaveDialog, Step, stem_of
from dinr_studio.ui.exporting import ExportJob

if TYPE_CHECKING:
    from dinr_studio.ui.analysis.window import AnalysisWindow


def save_volume_of(
    window: AnalysisWindow, title: str, name: str, grid: Grid, write: Callable[[Path], None], channels: int = 1
) -> None:
    """Asks where to, in any format that can carry the grid, then writes in the background."""
    import numpy as np

    header = VolumeHeader(grid, channels, np.dtype("float32"))
    known = {suffix: one.name for suffix, one in writers().items() if types_for(header, Path(f"a{suffix}"))}
    folder = Path(str(window.main.settings.value("export folder") or Path.home()))
    place = PlaceRow(folder, f"{stem_of(window.studio.file)}_{name}{next(iter(known))}", known)
    dialog = SaveDialog(title, place, window)
    dialog.lay_out({})
    if dialog.exec():
        path = dialog.place.path
        job = ExportJob(path, lambda threads: _steps(path, write), lambda report: f"The volume is in {path}.")
        job.done.connect(window.say)
        job.failed.connect(window.say)
        window.main.jobs.start(job)
    dialog.deleteLater()


def _steps(path: Path, write: Callable[[Path], None]) -> Iterator[Step]:
    write(path)
    yield Step(1, 1, 0.0, path)
