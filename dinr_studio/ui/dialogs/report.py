"""Writing a report of runs, as HTML or PDF, in the background."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel

from dinr_studio.experiments.repeat import reporting
from dinr_studio.ui.dialogs.place import PlaceRow
from dinr_studio.ui.dialogs.saving import SaveDialog, stem_of
from dinr_studio.ui.exporting import ExportJob

if TYPE_CHECKING:
    from dinr_studio.experiments.report.making import Written
    from dinr_studio.ui.main_window import MainWindow

FORMATS = {".html": "HTML", ".pdf": "PDF"}
THOUSAND = 1000


@dataclass(frozen=True)
class Progress:
    """How far a report is, in thousandths, as jobs are followed; report comes with the last one."""

    done: int
    remaining: float
    report: Written | None = None
    total: int = THOUSAND
    phase: str = ""


class ReportDialog(SaveDialog):
    """Asks for what runs and where to."""

    def __init__(self, runs: Sequence[Path], folder: Path, name: str, parent: MainWindow) -> None:
        super().__init__("Write a report", PlaceRow(folder, f"{name}_report.html", FORMATS), parent)
        self.format = QComboBox()
        for suffix, title in FORMATS.items():
            self.format.addItem(title, suffix)
        self.format.setAccessibleName("Format")
        self.format.setToolTip("HTML is one page that any browser shows and prints; PDF is for sending on")
        self.format.activated.connect(lambda: self.place.set_suffix(self.format.currentData()))
        self.about = QLabel(", ".join(path.stem for path in runs))
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setWordWrap(True)
        self.lay_out({"R&uns": self.about, "F&ormat": self.format})

    def follow(self) -> None:
        """The format is that of the name."""
        super().follow()
        at = self.format.findData(self.place.suffix)
        if at >= 0:
            self.format.setCurrentIndex(at)


def save_report(window: MainWindow, runs: Sequence[Path], folder: Path) -> None:
    """Asks, then writes."""
    name = stem_of(window.studio.file) if len(runs) == 1 and window.studio.file else "runs"
    dialog = ReportDialog(runs, folder, name, window)
    if dialog.exec():
        job = report_job(tuple(runs), dialog.place.path)
        window.jobs.start(job)
    dialog.deleteLater()


def report_job(runs: tuple[Path, ...], path: Path) -> ExportJob:
    """Writes a report on the runs in files; PDF or HTML by the name of its file."""

    def make(threads: int) -> Iterator[Progress]:
        import time

        import torch

        torch.set_num_threads(threads)
        from dinr_studio.experiments.report.making import make_report
        from dinr_studio.experiments.steps import told

        began = time.perf_counter()
        for stage in told(make_report(runs, path, None, "auto", force=True)):
            elapsed = time.perf_counter() - began
            left = elapsed * (1 - stage.share) / stage.share if stage.share > 0 else float("nan")
            yield Progress(round(THOUSAND * stage.share), left, stage.result)

    job = ExportJob(path, make, _in_words)
    job.opens = True
    job.repeat = reporting([str(run) for run in runs], str(path))
    return job


def _in_words(written: Written) -> str:
    path = Path(written.file)
    left_out = f" Left out: {' '.join(written.left_out)}" if written.left_out else ""
    return f"Wrote the report {path.name} in {path.parent}.{left_out}"
