"""Exports in the background: one file each, volume or mesh, beside a fit that may be in progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from dinr_studio.channels import Component
from dinr_studio.experiments.repeat import Repeat
from dinr_studio.training.run import Run
from dinr_studio.ui.background import Work
from dinr_studio.ui.colours import number, with_unit
from dinr_studio.volume import Volume
from dinr_studio.words import bytes_in_words, seconds_in_words

if TYPE_CHECKING:
    from dinr_studio.sampling.evaluate import FieldOnGrid
    from dinr_studio.sampling.exports import ExportReport
    from dinr_studio.sampling.mesh import MeshReport

EVERY = 0.25  # seconds between two sentences of progress, at least
DOING = {
    "preparing": "filling in missing voxels",
    "coarser levels": "making the coarser levels",
    "meshing": "making the surface",
    "writing": "writing the file",
}

Make = Callable[[int], Iterator[Any]]


class ExportJob(QObject):
    """Writes one file from a frozen run.

    told carries progress in a sentence; done says where the file is, what is in it and what was lost; ended comes last,
    always. threads: that the evaluation may use, to be set before the start. repeat: what does the same again. opens:
    whether the file is for reading, so that it is offered to be opened.
    """

    told = Signal(str)
    done = Signal(str)
    failed = Signal(str)
    ended = Signal()

    def __init__(self, path: Path, make: Make, describe: Callable[[Any], str]) -> None:
        """make(threads) yields the core's progress, whose last item has a report; describe puts that into words."""
        super().__init__()
        self.path = path
        self.threads = 1
        self.repeat: Repeat | None = None
        self.opens = False
        self.cancelled = False
        self._make, self._describe = make, describe
        self._work: Work | None = None
        self._report: Any = None
        self._faulty = False
        self._told_at = 0.0

    def start(self) -> None:
        """Begins."""
        self._work = Work(self._steps, self)
        self._work.made.connect(self._on_made)
        self._work.failed.connect(self._on_failed)
        self._work.ended.connect(self._on_ended)
        self._tell("beginning")
        self._work.start()

    def cancel(self) -> None:
        """Asks it to stop; no file is left behind, unless it was finished already."""
        if self._work is not None:
            self.cancelled = True
            self._work.cancel()

    def _steps(self) -> Iterator[Any]:
        """The core's progress, in the work's thread; notes the report even where nobody is told any more."""
        for step in self._make(self.threads):
            if step.report is not None:
                self._report = step.report
            yield step

    @Slot(object)
    def _on_made(self, step: Any) -> None:
        now = time.perf_counter()
        if step.report is None and now - self._told_at >= EVERY:
            self._told_at = now
            left = f"{100 * step.done / step.total:.0f} %, {seconds_in_words(step.remaining)} left"
            self._tell(DOING.get(getattr(step, "phase", ""), left))

    def _tell(self, doing: str) -> None:
        self.told.emit(f"Exporting {self.path.name}: {doing}")

    @Slot(str)
    def _on_failed(self, sentence: str) -> None:
        self._faulty = True
        self.failed.emit(sentence)

    @Slot()
    def _on_ended(self) -> None:
        self._work = None
        self.cancelled = self.cancelled and self._report is None and not self._faulty
        if self._report is not None:
            self.done.emit(self._describe(self._report))
        self.ended.emit()
        self.deleteLater()


def volume_job(run: Run, target: Mapping[str, Any], path: Path, options: Mapping[str, Any]) -> ExportJob:
    """Writes the field on a grid. target: the arguments of target_grid. options: keywords of `export`."""

    def make(threads: int) -> Iterator[Any]:
        from dinr_studio.sampling.export import export
        from dinr_studio.sampling.target import target_grid
        from dinr_studio.training.run_data import check_not_data

        check_not_data(run, path)
        grid = target_grid(run.grid, **target)
        field = field_in_thread(run, threads)
        yield from export(field, grid, path, notes=run.notes, **options)

    return ExportJob(path, make, volume_in_words)


def stacked_job(
    run: Run,
    volume: Volume,
    weights: tuple[float, ...],
    target: Mapping[str, Any],
    path: Path,
    options: Mapping[str, Any],
) -> ExportJob:
    """Writes the weighted mean of field and cubic spline through the volume that the run was fitted to, on a grid.

    weights: the field's share by channel. target: the arguments of target_grid. options: keywords of `export`.
    """

    def make(threads: int) -> Iterator[Any]:
        from dinr_studio.sampling.export import export
        from dinr_studio.sampling.target import target_grid
        from dinr_studio.training.run_data import check_not_data
        from dinr_studio.training.stack_offer import stack_mark, stack_notes
        from dinr_studio.training.stacked_run import stacked_export

        check_not_data(run, path)
        yield from export(
            field_in_thread(run, threads),
            target_grid(run.grid, **target),
            path,
            notes=stack_notes(run, weights),
            slabs=stacked_export(run, volume, weights),
            mark=stack_mark(weights),
            **options,
        )

    return ExportJob(path, make, volume_in_words)


def mesh_job(
    run: Run, target: Mapping[str, Any], path: Path, *, level: float, channel: Component, frame: int | None, force: bool
) -> ExportJob:
    """Writes an isosurface. target: the arguments of target_grid, for the frame."""

    def make(threads: int) -> Iterator[Any]:
        from dinr_studio.sampling.mesh import mesh
        from dinr_studio.sampling.target import frame_of, target_grid

        grid = target_grid(frame_of(run.grid, frame), **target)
        field = field_in_thread(run, threads)
        yield from mesh(field, grid, path, level=level, channel=channel, force=force, notes=run.notes)

    return ExportJob(path, make, mesh_in_words)


def field_in_thread(run: Run, threads: int) -> FieldOnGrid:
    """A run's field for the calling thread, which takes so many processors."""
    import torch

    torch.set_num_threads(threads)
    from dinr_studio.training.device import resolve_device
    from dinr_studio.training.fit import field_of

    return field_of(run, resolve_device(run.config.training.device))


def volume_in_words(report: ExportReport) -> str:
    """Where a volume is, what it is, and what the file could not carry."""
    path, grid = Path(report.file), report.grid
    shape = " × ".join(map(str, grid.shape))
    alike = len(set(grid.units)) == 1
    size = " × ".join(number(v) if alike else with_unit(v, u) for v, u in zip(grid.voxel_size, grid.units, strict=True))
    size = f"{size} {grid.units[0]}".rstrip() if alike else size
    length = bytes_in_words(path.stat().st_size) if path.exists() else "gone since"
    beyond = () if report.beyond is None else (report.beyond.in_words,)
    written = f"Wrote {path.name} in {path.parent}: {shape} voxels of {size}, {report.dtype}, {length}."
    return " ".join([written, *beyond, *report.lost])


def mesh_in_words(report: MeshReport) -> str:
    """Where a mesh is, what it is, and what the file could not carry."""
    path = Path(report.file)
    length = bytes_in_words(path.stat().st_size) if path.exists() else "gone since"
    level = with_unit(report.level, report.value_unit)
    size = f"{report.triangles:,} triangles, {report.vertices:,} vertices"
    return " ".join([f"Wrote {path.name} in {path.parent}: surface at {level}, {size}, {length}.", *report.notes])
