"""The monitor: its tabs, and what each of them is told when."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import QTabWidget, QWidget

from dinr_studio.analysis.diagnosis import Finding, HashGrid, Signs, diagnose
from dinr_studio.config import OF_EMBEDDING, FieldConfig
from dinr_studio.training.run import Run
from dinr_studio.ui.evaluator import Answer, Question
from dinr_studio.ui.monitor.held_out import HeldOutTab
from dinr_studio.ui.monitor.kernel import KernelTab
from dinr_studio.ui.monitor.log_tab import LogTab
from dinr_studio.ui.monitor.loss import Curve, LossTab
from dinr_studio.ui.monitor.runs_tab import RunsTab
from dinr_studio.ui.monitor.spectrum import SpectrumTab
from dinr_studio.ui.monitor.trajectory import TrajectoryTab
from dinr_studio.ui.monitor.watch import Look, Watch
from dinr_studio.ui.studio import Studio

if TYPE_CHECKING:
    from dinr_studio.sampling.latent import LatentProfile

DRAW_EVERY = 400  # milliseconds: plots are dear to draw, and nobody reads them faster
LIST_EVERY = 15_000  # milliseconds between readings of the table while a fit saves itself
OVERLAID, COMPARED = "overlaid runs", "compared run"


class Monitor(QTabWidget):
    """All tabs. remedy_chosen carries the settings (by name) that a warning's button takes over."""

    remedy_chosen = Signal(dict)

    def __init__(self, studio: Studio, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.studio = studio
        self.watch = Watch(studio, self)
        self.loss, self.held_out = LossTab(), HeldOutTab()
        self.kernel, self.spectrum = KernelTab(self.watch.points), SpectrumTab()
        self.trajectory, self.runs, self.log = TrajectoryTab(), RunsTab(), LogTab()
        self._profile: LatentProfile | None = None
        for tab, name, tip in (
            (self.loss, "Loss", "What the training minimises, and how fast it goes"),
            (self.held_out, "Held-out", "The error on voxels the field never saw, against interpolation"),
            (self.kernel, "NTK", "The neural tangent kernel: in how many directions the field can learn"),
            (self.spectrum, "Spectrum", "Power by spatial frequency: which detail is learnt"),
            (self.trajectory, "Trajectory", "How the latent state moves, what goes wrong, and the latent time slider"),
            (self.runs, "Runs", "Every fit of the session and earlier ones"),
            (self.log, "Log", "What the program did"),
        ):
            self.addTab(tab, name)
            self.setTabToolTip(self.count() - 1, tip)
        self.setDocumentMode(True)
        self._drawing = QTimer(self, singleShot=True, interval=DRAW_EVERY)
        self._drawing.timeout.connect(self._draw_tab_in_front)
        self.currentChanged.connect(self._draw_tab_in_front)
        self._listing = QTimer(self, interval=LIST_EVERY)
        self._listing.timeout.connect(self.runs.refresh)
        fit = studio.fit
        fit.begun.connect(self._on_begun)
        fit.progressed.connect(self._on_progressed)
        fit.ended.connect(self._on_ended)
        studio.volume_opened.connect(self._on_volume)
        studio.analyses.answered.connect(self._on_answered)
        self.watch.looked.connect(self._on_look)
        self.watch.rivals_known.connect(self._draw_scores)
        self.kernel.points_changed.connect(self.watch.set_points)
        self.trajectory.time_chosen.connect(studio.set_latent_time)
        self.trajectory.remedy_chosen.connect(self._on_remedy)
        self.runs.overlay_changed.connect(self._on_overlay)
        self.runs.compare_asked.connect(self._on_compare)
        self.runs.failed.connect(studio.failed)

    # The fit in progress, or the run that is open

    def _restart(self, run: Run | None) -> None:
        self._profile = None
        self.loss.restart()
        self.held_out.restart()
        self.kernel.restart()
        self.spectrum.restart()
        if run is not None and run.partition is not None:
            self.kernel.explain("A kernel is that of one field; this run has one for each of its blocks.")
        dynamic = run is not None and run.config.field.family.startswith("dinr-")
        self.trajectory.restart(run.config.field.horizon if dynamic and run is not None else None)

    @Slot()
    def _on_begun(self) -> None:
        self._restart(self.studio.fit.run)
        self.runs.busy = self.studio.fit.path
        self._listing.start()
        self.runs.refresh()

    @Slot()
    def _on_volume(self) -> None:
        run = self.studio.run
        self._restart(run)
        if run is not None:
            self.loss.show_curve(run.history.columns, run.config.training.kinetic_weight)
            self._draw_scores()
            self.runs.refresh(self.studio.run_path)

    def curve(self) -> Curve:
        """The curve of the fit in progress, or of the run that is open."""
        fit = self.studio.fit
        if fit.run is not None and self.studio.run is not None and fit.run.run_id == self.studio.run.run_id:
            return fit.curve()
        return {} if self.studio.run is None else self.studio.run.history.columns

    @Slot(object)
    def _on_progressed(self, snapshot: object) -> None:
        if getattr(snapshot, "phase", "") != "training":
            self._draw_losses()
            self._draw_scores()
        elif not self._drawing.isActive():
            self._drawing.start()

    @Slot()
    def _draw_tab_in_front(self) -> None:
        if self.currentWidget() is self.loss:
            self._draw_losses()
        elif self.currentWidget() is self.held_out:
            self._draw_scores()

    def _draw_losses(self) -> None:
        fit = self.studio.fit
        self.loss.show_curve(fit.curve(), fit.config.training.kinetic_weight if fit.config is not None else 0.0)

    @Slot()
    def _draw_scores(self) -> None:
        run = self.studio.run
        held = run.scores.get("held_out") if run is not None else None
        verdict = str(held["verdict"]) if isinstance(held, Mapping) else ""
        judged = run is None or run.config.training.held_out_share > 0
        together = held.get("stacked") if isinstance(held, Mapping) else None
        stacked = float(together["psnr"]) if isinstance(together, Mapping) and together["worthwhile"] else None
        volume = self.studio.volume
        of = "voxels" if volume is None or volume.samples is None else "samples"
        self.held_out.show_curve(self.curve(), self.watch.rivals, verdict, judged=judged, stacked=stacked, of=of)
        self.held_out.show_channels(held.get("by_channel", ()) if isinstance(held, Mapping) else ())

    @Slot(str)
    def _on_ended(self, outcome: str) -> None:
        self.runs.busy = None
        self._listing.stop()
        self.runs.refresh()
        self.loss.show_curve(
            self.curve(), self.studio.fit.config.training.kinetic_weight if self.studio.fit.config else 0
        )
        self._draw_scores()

    @Slot(object)
    def _on_look(self, look: Look) -> None:
        if look.kind == "kernel":
            self.kernel.add(look.epoch, look.value, self.watch.share)
        elif look.kind == "static":
            self.kernel.add_static(look.value)
        elif look.kind == "spectra" and self.studio.volume is not None:
            self.spectrum.show_spectra(look.value, self.studio.unit)
        elif look.kind == "profile":
            self._profile = look.value
            self.trajectory.show_profile(look.value)
        self._diagnose()

    def _diagnose(self) -> None:
        run, curve = self.studio.run, self.curve()
        if run is None:
            return
        field, training = run.config.field, run.config.training
        findings = diagnose(
            Signs(
                latent=() if self._profile is None else tuple(self._profile.latent),
                speed=() if self._profile is None else tuple(self._profile.speed),
                horizon=field.horizon,
                data_loss=curve.get("data_loss"),
                held_out_psnr=curve.get("held_out_psnr"),
                ranks=self.kernel.ranks,
                kinetic_weight=training.kinetic_weight,
                omega_0=field.omega_0 if "omega_0" in OF_EMBEDDING[field.embedding] else None,
                hash_grid=_hash_grid(field),
                learning_rate=training.learning_rate,
            )
        )
        self.trajectory.warn(findings)
        mark = " ⚠" if findings else ""
        self.setTabText(self.indexOf(self.trajectory), f"Trajectory{mark}")

    @Slot(object)
    def _on_remedy(self, finding: Finding) -> None:
        self.remedy_chosen.emit(dict(finding.changes))

    # Other runs

    @Slot(tuple)
    def _on_overlay(self, paths: tuple[str, ...]) -> None:
        self.studio.analyses.ask(OVERLAID, [Question(paths, lambda: _curves(paths))])

    @Slot(str)
    def _on_compare(self, path: str) -> None:
        self.studio.analyses.ask(COMPARED, [Question(path, lambda: _run(path))])

    @Slot(object)
    def _on_answered(self, answer: Answer) -> None:
        if answer.asker not in (OVERLAID, COMPARED):
            return
        if answer.fault:
            self.studio.failed.emit(answer.fault)
        elif answer.asker == OVERLAID:
            self.loss.overlay(answer.value)
            self.held_out.overlay(answer.value)
            self.setCurrentWidget(self.held_out)
        else:
            self._compare(answer.value)

    def _compare(self, run: Run) -> None:
        field = self.studio.field
        if field is None:
            self.studio.failed.emit("There is no field yet to compare with; fit one or open a run, then compare.")
            return
        own = field.run.grid
        if run.grid.shape != own.shape or not np.allclose(run.grid.voxel_size, own.voxel_size):
            self.studio.failed.emit("That run was fitted to another grid or part; compare runs of the same voxels.")
            return
        self.studio.compare_with(run, Path(run.provenance.file).stem)
        self.studio.told.emit("Choose Wipe in a slice, and 'Other run' on one of its sides.")

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        for tab in (self.loss, self.held_out, self.kernel, self.spectrum, self.trajectory):
            tab.restyle()


def _hash_grid(field: FieldConfig) -> HashGrid | None:
    if field.embedding != "hashgrid":
        return None
    return HashGrid(field.finest_resolution, field.coarsest_resolution, field.interpolation)


def _run(path: str) -> Any:
    from dinr_studio.training.blended_run import check_fitted
    from dinr_studio.training.run_file import read_run

    run = read_run(Path(path))
    check_fitted(run)
    return run


def _curves(paths: tuple[str, ...]) -> dict[str, Curve]:
    from dinr_studio.training.run_file import read_run

    return {Path(path).stem: read_run(Path(path)).history.columns for path in paths}
