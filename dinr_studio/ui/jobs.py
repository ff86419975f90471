"""Exports, meshes, pictures and movies that are being written: begun here, and told of in a bar above the pictures."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QSettings, QUrl, Slot
from PySide6.QtGui import QDesktopServices

from dinr_studio.io.unfinished import part_of, share_done
from dinr_studio.ui.background import spare_threads
from dinr_studio.ui.exporting import ExportJob
from dinr_studio.ui.notice import Notice
from dinr_studio.ui.studio import Studio

log = logging.getLogger(__name__)


class Jobs(QObject):
    """All jobs under way, in `running`."""

    def __init__(self, studio: Studio, notice: Notice, settings: QSettings, parent: QObject) -> None:
        super().__init__(parent)
        self._studio, self._notice, self._settings = studio, notice, settings
        self.running: list[ExportJob] = []

    def start(self, job: ExportJob) -> None:
        """Begins a job, beside a fit with one thread."""
        self.running.append(job)
        self._settings.setValue("export folder", str(job.path.parent))
        job.setParent(self)
        job.threads = 1 if self._studio.fit.running else spare_threads()
        job.told.connect(self._on_told)
        job.done.connect(self._on_done)
        job.failed.connect(self._on_failed)
        job.ended.connect(self._on_ended)
        job.start()

    def cancel_all(self) -> None:
        """Asks all jobs to stop; for closing the program."""
        for job in self.running:
            job.cancel()

    @Slot(str)
    def _on_told(self, sentence: str) -> None:
        job = self.sender()
        if isinstance(job, ExportJob):
            self._notice.work(sentence, job.cancel)

    @Slot(str)
    def _on_done(self, sentence: str) -> None:
        job = self.sender()
        log.info(sentence, extra={"repeat": job.repeat if isinstance(job, ExportJob) else None})
        if isinstance(job, ExportJob):
            offer, shown = ("Open", job.path) if job.opens else ("Open folder", job.path.parent)
            self._notice.tell(sentence, offer, partial(_open, str(shown)))

    @Slot(str)
    def _on_failed(self, sentence: str) -> None:
        log.error(sentence)
        self._notice.warn(sentence)

    @Slot()
    def _on_ended(self) -> None:
        job = self.sender()
        if isinstance(job, ExportJob):
            self.running.remove(job)
            if job.cancelled:
                self._notice.tell(f"The export was cancelled; {_left_behind(job.path)}.")


def _left_behind(path: Path) -> str:
    done = share_done(path)
    if done is None:
        return "no file was left behind"
    return (
        f"{part_of(path).name} holds {100 * done:.0f} % of it, and exporting to the same file again can go on with it"
    )


def _open(place: str) -> None:
    """Shows a file or a folder in the system's own program for it."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(place))
