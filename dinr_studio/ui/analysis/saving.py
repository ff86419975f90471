"""Taking the results of an analysis out: figures and tables as files, written off the window's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dinr_studio.io.csv_writing import Columns, write_csv
from dinr_studio.ui.dialogs.place import PlaceRow
from dinr_studio.ui.dialogs.saving import SaveDialog, Step, stem_of
from dinr_studio.ui.exporting import ExportJob

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.ui.analysis.window import AnalysisWindow

FIGURES = {".svg": "SVG", ".pdf": "PDF", ".png": "PNG"}
TABLES = {".csv": "CSV"}


def save_figure_of(window: AnalysisWindow, draw: Callable[[], Figure]) -> None:
    """Asks where to, then draws and writes in the background."""

    def write(path: Path) -> None:
        from dinr_studio.experiments.figures.style import save_figure

        save_figure(draw(), path, force=True)

    _save(window, "Save the figure", FIGURES, write, "The figure is in {path}.")


def save_table_of(window: AnalysisWindow, columns: Columns) -> None:
    """Asks where to, then writes in the background."""
    _save(
        window, "Save the table", TABLES, lambda path: write_csv(columns, path, force=True), "The table is in {path}."
    )


def _save(
    window: AnalysisWindow, title: str, formats: dict[str, str], write: Callable[[Path], None], said: str
) -> None:
    save_as(window, title, window.name.removeprefix("analyse-"), formats, write, said)


def save_as(
    window: AnalysisWindow, title: str, name: str, formats: dict[str, str], write: Callable[[Path], None], said: str
) -> None:
    """Asks where to, then writes in the background. said: a sentence with {path}, once it is done."""
    folder = Path(str(window.main.settings.value("export folder") or Path.home()))
    place = PlaceRow(folder, f"{stem_of(window.studio.file)}_{name}{next(iter(formats))}", formats)
    dialog = SaveDialog(title, place, window)
    dialog.lay_out({})
    if dialog.exec():
        path = dialog.place.path
        job = ExportJob(path, lambda threads: _steps(path, write), lambda report: said.format(path=path))
        job.done.connect(window.say)
        job.failed.connect(window.say)
        window.main.jobs.start(job)
    dialog.deleteLater()


def _steps(path: Path, write: Callable[[Path], None]) -> Iterator[Step]:
    write(path)
    yield Step(1, 1, 0.0, path)
