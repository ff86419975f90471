"""The window of the latent dynamics: alignment of Jacobians, trajectories, and where the dynamics work hardest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QLineEdit, QSplitter, QTabWidget, QVBoxLayout, QWidget

from dinr_studio.errors import ConfigError
from dinr_studio.stages import Stage, Stages
from dinr_studio.ui.analysis.course_plot import CoursePlot
from dinr_studio.ui.analysis.parts import course_looks, decimal_number, shell_command, whole_number
from dinr_studio.ui.analysis.quantity_view import QuantityView
from dinr_studio.ui.analysis.window import AnalysisWindow
from dinr_studio.ui.monitor.plots import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.inside.jacobian_study import JacobianStudy
    from dinr_studio.experiments.inside.trajectory_study import TrajectoryStudy
    from dinr_studio.io.csv_writing import Columns
    from dinr_studio.sampling.quantity_slice import QuantitySlice
    from dinr_studio.training.run import Run

COLOURS = ("blue", "violet", "orange", "green", "red", "grey")
NO_COURSE = "The course of alignment comes here: choose how many looks, then press Run. It trains the run again."
SHARES = ("alignment_next", "alignment_first", "change", "displacement")
SIZES = ("product_rank", "norm")
STATIC = "The family {family} is static: there are no dynamics to look at."
MAP_POINTS = 128  # pixels, about, of the energy map's longer side


@dataclass(frozen=True)
class Dynamics:
    """What is known so far."""

    trajectories: TrajectoryStudy | None = None
    energy: QuantitySlice | None = None
    jacobians: JacobianStudy | None = None


def _looked_at(run: Run, places: int, points: int, data: Any, **jacobians: Any) -> Stages:
    """All of it, one after another; what comes first is shown first."""
    from dinr_studio.experiments.inside.jacobian_study import study_jacobians
    from dinr_studio.experiments.inside.trajectory_study import study_trajectories
    from dinr_studio.sampling.quantity_slice import quantity_slice
    from dinr_studio.stages import within
    from dinr_studio.training.device import resolve_device
    from dinr_studio.training.fit import field_of

    known = Dynamics()
    known = replace(known, trajectories=(yield from within(study_trajectories(run, points), 0, 0.2)))
    yield Stage(0.2, "energy map", known)
    if len(run.grid.shape) > 1:
        field = field_of(run, resolve_device(run.config.training.device))
        factor = min(4.0, max(0.25, MAP_POINTS / max(run.grid.shape)))
        known = replace(
            known, energy=(yield from within(quantity_slice(field, "kinetic-energy", factor=factor), 0.2, 0.3))
        )
    yield Stage(0.3, "Jacobians", known)
    share = 0.1 if jacobians["course"] else 0.3  # a course takes longest
    for stage in study_jacobians(run, places, data=data, **jacobians):
        known = replace(known, jacobians=stage.result) if stage.result is not None else known
        yield Stage(share + (1 - share) * stage.share, stage.doing, None if stage.result is None else known)


class DynamicsWindow(AnalysisWindow):
    """What the field's dynamics do, and whether they are more than a static map."""

    title = "Latent dynamics"

    def controls(self) -> Mapping[str, QWidget]:
        """How many points, and which other seeds."""
        self.points = whole_number(
            "Points for trajectories", "Voxels from which trajectories are followed, at most", 8, 512, 8192
        )
        self.places = whole_number("Places for Jacobians", "Voxels at which Jacobians are taken, at most", 4, 32, 4096)
        self.seeds = QLineEdit()
        self.seeds.setPlaceholderText("such as 1, 2")
        self.seeds.setAccessibleName("Other seeds")
        self.seeds.setToolTip("Jacobians of fields of other seeds stand beside those of this one")
        self.train = decimal_number(
            "Seconds to train other seeds", "0: they are looked at as they begin", 0, 0, 86_400, "s"
        )
        self.train.setSpecialValueText("not at all")
        self.looks = course_looks()
        return {
            "&Points for trajectories": self.points,
            "Places for &Jacobians": self.places,
            "Other &seeds": self.seeds,
            "Train them f&or": self.train,
            "Cours&e: looks": self.looks,
        }

    def results(self) -> QWidget:
        """Four tabs."""
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.way = Plot("Norm and speed", "latent time t", "root mean square")
        self.way.begin_at_zero()
        self.curvature = Plot("Curvature", "latent time t", "curvature of the path")
        self.curvature.begin_at_zero()
        self.energy = Plot("Kinetic energy", "step", "kinetic energy")
        self.error = Plot("Solver error", "steps", "error at the end")
        self.error.getPlotItem().setLogMode(x=True, y=True)
        self.align = Plot("Alignment", "step", "mean squared cosine")
        self.angles = Plot("Principal angles", "principal angle", "degrees to the next step")
        self.ranks = Plot("Ranks", "step", "effective rank")
        self.norms = Plot("Norms of Jacobians", "step", "|J| (spectral)")
        self.map = QuantityView("Kinetic energy map")
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(_four(self.way, self.curvature, self.energy, self.error), "Trajectories")
        plots = _four(self.align, self.angles, self.ranks, self.norms)
        self.tabs.addTab(_below(self.verdict, plots), "Jacobians")
        self.tabs.addTab(self.map, "Where they work hardest")
        self.shares = CoursePlot("Course of alignment", "share")
        self.sizes = CoursePlot("Course of ranks and norms", "rank, and norm")
        self.course_note = QLabel(NO_COURSE)
        self.course_note.setWordWrap(True)
        self.tabs.addTab(_below(self.course_note, _beside(self.shares, self.sizes)), "Over training")
        self.tabs.currentChanged.connect(self.follow)
        self._known = Dynamics()
        self._plots = (
            self.way,
            self.curvature,
            self.energy,
            self.error,
            self.align,
            self.angles,
            self.ranks,
            self.norms,
            self.shares,
            self.sizes,
        )
        return self.tabs

    def fault(self) -> str:
        """A static field has no dynamics."""
        run = self.run
        if run is not None and not run.config.field.family.startswith("dinr-"):
            return STATIC.format(family=run.config.field.family)
        return super().fault()

    def prepare(self) -> Callable[[], Stages]:
        """All studies of the present weights."""
        run, volume, seeds = self.run, self.studio.fitted_volume, self._seeds()
        assert run is not None
        train = self.train.value() if seeds else 0.0
        jacobians = {"seeds": seeds, "train": train, "course": self.looks.value()}
        return partial(_looked_at, run, self.places.value(), self.points.value(), lambda: volume, **jacobians)

    def _seeds(self) -> tuple[int, ...]:
        words = self.seeds.text().replace(",", " ").split()
        if not all(word.isdecimal() for word in words):
            raise ConfigError(f"Other seeds are {self.seeds.text()!r}; write whole numbers with commas, such as 1, 2.")
        return tuple(int(word) for word in words)

    def show_result(self, result: Dynamics) -> None:
        """Draws what is known so far."""
        self.clear()
        self._known = result
        if result.trajectories is not None:
            self._draw_trajectories(result.trajectories)
        if result.energy is not None:
            self.map.show_slice(result.energy)
        if result.jacobians is not None:
            self._draw_jacobians(result.jacobians)
        self.follow()

    def _draw_trajectories(self, study: TrajectoryStudy) -> None:
        for plot, spread, name, colour in (
            (self.way, study.norm, "|z|", "blue"),
            (self.way, study.speed, "|f|", "orange"),
            (self.curvature, study.curvature, "mean", "green"),
        ):
            plot.curve(name, study.times, spread.mean, colour, dots=True)
            for edge, values in (("10 %", spread.low), ("90 %", spread.high)):
                plot.curve(f"{name} {edge}", study.times, values, colour, faint=0.4, width=1, listed=False)
        self.energy.curve(
            "energy", np.arange(1.0, len(study.energy) + 1), study.energy, "violet", dots=True, listed=False
        )
        steps = [one.steps for one in study.solved]
        self.error.curve("latent, of its norm", steps, [one.latent for one in study.solved], "blue", dots=True)
        for channel, colour in zip(range(len(study.solved[0].value)), COLOURS[2:], strict=False):
            off = [one.value[channel] for one in study.solved]
            name = "values" if len(study.solved[0].value) == 1 else f"channel {channel}"
            self.error.curve(f"{name} ({study.unit})" if study.unit else name, steps, off, colour, dots=True)

    def _draw_jacobians(self, study: JacobianStudy) -> None:
        self.verdict.setText(study.verdict)
        for one, colour in zip(study.all, COLOURS, strict=False):
            steps = np.arange(1, len(one.norm) + 1, dtype=np.float64)
            self.align.curve(f"{one.name}: next step", steps[:-1], one.alignment_next, colour, dots=True)
            self.align.curve(f"{one.name}: first step", steps[1:], one.alignment_first, colour, dashed=True, dots=True)
            self.ranks.curve(f"{one.name}: product", steps, one.product_rank, colour, dots=True)
            self.ranks.curve(f"{one.name}: J", steps, one.jacobian_rank, colour, dashed=True, dots=True)
            self.norms.curve(one.name, steps, one.norm, colour, dots=True)
        if study.course is not None:
            self.course_note.setText(study.course.note)
            self.shares.show_course(study.course, SHARES)
            self.sizes.show_course(study.course, SIZES)
        self.align.line("by chance", study.chance, "grey")
        rows = study.now.angles_next
        for k, row in enumerate(rows):
            index = np.arange(1, len(row) + 1, dtype=np.float64)
            name = f"step {k + 1} to {k + 2}"
            self.angles.curve(
                name, index, row, "blue", faint=0.3 + 0.7 * (k + 1) / len(rows), dots=True, listed=len(rows) < 6
            )

    def clear(self) -> None:
        """Shows nothing."""
        self._known = Dynamics()
        self.verdict.setText("")
        self.course_note.setText(NO_COURSE)
        self.map.clear_slice()
        for plot in self._plots:
            plot.clear_all()

    def figure(self) -> Callable[[], Figure] | None:
        """The tab in front for print."""
        known, jacobians = self._known, self._known.jacobians
        course = None if jacobians is None or jacobians.course is None else jacobians
        study = (known.trajectories, jacobians, known.energy, course)[self.tabs.currentIndex()]
        return None if study is None else partial(_figure, self.tabs.currentIndex(), study)

    def table(self) -> Columns | None:
        """The numbers of the tab in front, by step."""
        known, tab = self._known, self.tabs.currentIndex()
        if tab == 0 and known.trajectories is not None:
            return _trajectory_columns(known.trajectories)
        if tab == 1 and known.jacobians is not None:
            return _jacobian_columns(known.jacobians)
        if tab == 3 and known.jacobians is not None and known.jacobians.course is not None:
            return known.jacobians.course.columns()
        return None

    def command(self) -> str:
        """The command of the tab in front."""
        path = self.studio.run_path
        if path is None or self.run is None:
            return ""
        if self.tabs.currentIndex() in (1, 3):
            seeds = ",".join(self.seeds.text().replace(",", " ").split())
            words = (
                ["--seeds", seeds, *(["--train", f"{self.train.value():g}s"] * bool(self.train.value()))]
                if seeds
                else []
            )
            words += ["--course", str(self.looks.value())] if self.looks.value() else []
            return shell_command("jacobians", path, "--points", self.places.value(), *words)
        if self.tabs.currentIndex() == 2:
            return shell_command("export", path, "-o", "kinetic-energy.h5", "--quantity", "kinetic-energy")
        return shell_command("trajectories", path, "--points", self.points.value())


def _below(label: QLabel, plots: QWidget) -> QWidget:
    """Plots with words above them."""
    whole = QWidget()
    layout = QVBoxLayout(whole)
    layout.setContentsMargins(0, 4, 0, 0)
    layout.addWidget(label)
    layout.addWidget(plots, 1)
    return whole


def _beside(*plots: Plot) -> QSplitter:
    """Plots beside each other."""
    row = QSplitter(Qt.Orientation.Horizontal)
    for plot in plots:
        row.addWidget(plot)
    row.setSizes([500] * len(plots))
    return row


def _four(*plots: Plot) -> QSplitter:
    """Four plots, two by two."""
    whole = QSplitter(Qt.Orientation.Vertical)
    for pair in (plots[:2], plots[2:]):
        whole.addWidget(_beside(*pair))
    whole.setSizes([300, 300])
    return whole


def _trajectory_columns(study: TrajectoryStudy) -> dict[str, Any]:
    columns: dict[str, Any] = {"latent time": study.times.tolist()}
    for name, spread in (("|z|", study.norm), ("|f|", study.speed), ("curvature", study.curvature)):
        columns |= {f"{name}, mean": spread.mean.tolist(), f"{name}, 10 %": spread.low.tolist(),
                    f"{name}, 90 %": spread.high.tolist()}  # fmt: skip
    columns["kinetic energy of the step"] = study.energy.tolist()
    columns[f"relative latent error against {study.reference}"] = study.error.tolist()
    return columns


def _jacobian_columns(study: JacobianStudy) -> dict[str, Any]:
    columns: dict[str, Any] = {"step": list(range(1, len(study.now.norm) + 1))}
    for one in study.all:
        columns |= {
            f"|J|, {one.name}": one.norm.tolist(),
            f"rank of J, {one.name}": one.jacobian_rank.tolist(),
            f"rank of I + dt J, {one.name}": one.step_rank.tolist(),
            f"rank of the product, {one.name}": one.product_rank.tolist(),
            f"alignment with the next step, {one.name}": one.alignment_next.tolist(),
            f"alignment of the next step with the first, {one.name}": one.alignment_first.tolist(),
        }
    return columns


def _figure(tab: int, study: Any) -> Figure:
    from dinr_studio.experiments.figures.dynamics import jacobian_figure, trajectory_figure
    from dinr_studio.experiments.figures.quantity import quantity_figure

    if tab == 0:
        return trajectory_figure(study)
    return quantity_figure(study, "") if tab == 2 else jacobian_figure(study)
