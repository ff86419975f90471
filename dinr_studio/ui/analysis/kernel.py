"""The window of the neural tangent kernel: spectrum, ranks and eigenfunctions, beside the static twin's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QWidget

from dinr_studio.stages import Stages
from dinr_studio.ui.analysis.course_plot import CoursePlot
from dinr_studio.ui.analysis.parts import (
    MeasureTable,
    PictureStrip,
    choice,
    course_looks,
    decimal_number,
    shell_command,
    whole_number,
)
from dinr_studio.ui.analysis.window import AnalysisWindow
from dinr_studio.ui.colours import number
from dinr_studio.ui.monitor.plots import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.inside.kernel_forecast import Forecast
    from dinr_studio.experiments.inside.kernel_study import KernelStudy
    from dinr_studio.io.csv_writing import Columns

WHERE = {"an even sub-grid": "grid", "random voxels": "random", "held-out voxels": "held-out"}
AGAINST = {"nothing": "none", "its static twin, as many parameters": "static"}
MEASURES = {
    "effective rank (participation ratio)": "effective_rank",
    "effective rank (entropy)": "entropy_rank",
    "condition number": "condition_number",
    "decay exponent": "decay",
    "floor of 32 bits": "floor",
}
COLOURS = {
    "field": "blue",
    "field at its start": "violet",
    "static twin, trained": "green",
    "static twin at its start": "orange",
}
PICTURES = 12


class KernelWindow(AnalysisWindow):
    """How many directions the field can learn in, and which."""

    title = "Neural tangent kernel"
    _study: KernelStudy | None = None

    def controls(self) -> Mapping[str, QWidget]:
        """Points, where they lie, and what the kernel is held against."""
        self.points = whole_number("Points", "Voxels at which the kernel is taken, at most", 16, 1024, 8192)
        self.points.setSingleStep(128)
        self.where = choice("Where the points lie", "A sub-grid shows eigenfunctions as pictures", WHERE)
        self.against = choice("Compare with", "The same field without dynamics, its width adjusted", AGAINST)
        self.seconds = decimal_number(
            "Seconds to train the twin", "0: the twin is looked at as it begins, only", 0, 0, 86_400, "s"
        )
        self.seconds.setSpecialValueText("not at all")
        self.seconds.setEnabled(False)
        self.against.currentIndexChanged.connect(lambda: self.seconds.setEnabled(self.against.currentData() != "none"))
        self.looks = course_looks()
        return {
            "&Points, at most": self.points,
            "&Where": self.where,
            "Com&pare with": self.against,
            "&Train the twin for": self.seconds,
            "Cours&e: looks": self.looks,
        }

    def results(self) -> QWidget:
        """Two plots above, eigenfunctions and measures below."""
        self.spectrum = Plot("Kernel eigenvalues", "index", "eigenvalue")
        self.spectrum.getPlotItem().setLogMode(x=True, y=True)
        self.share = Plot("Cumulative share", "index", "share of the trace")
        self.share.getPlotItem().setLogMode(x=True, y=False)
        self.forecast = Plot("Forecast of training", "frequency", "mean squared error")
        self.forecast.getPlotItem().setLogMode(x=False, y=True)
        self.forecast.setToolTip(
            "Errors as the kernel at the start forecasts them, were it to stay and training a gradient flow, its time "
            "set by the training loss; beside what was measured (normalised units)"
        )
        self.course = CoursePlot("Course of the kernel's measures", "measure (no unit)")
        self.modes, self.measures = PictureStrip("Leading eigenfunctions"), MeasureTable("Measures of the kernels")
        halves = QSplitter(Qt.Orientation.Vertical)
        self.spectrum.legend.setOffset((8, -6))  # below left and below right, where the curves are not
        for plot in (self.share, self.forecast):
            plot.legend.setOffset((-8, -6))
        above: tuple[QWidget, ...] = (self.spectrum, self.share, self.forecast)
        below: tuple[QWidget, ...] = (self.modes, self.course, self.measures)
        for widgets, widths in ((above, (500, 400, 400)), (below, (400, 350, 500))):
            row = QSplitter(Qt.Orientation.Horizontal)
            for widget in widgets:
                row.addWidget(widget)
            row.setSizes(widths)
            halves.addWidget(row)
        halves.setSizes([340, 260])
        self.clear()
        return halves

    def prepare(self) -> Callable[[], Stages]:
        """The study of the present weights."""
        run, volume = self.run, self.studio.fitted_volume
        assert run is not None
        options: dict[str, Any] = {
            "points": self.points.value(),
            "where": self.where.currentData(),
            "against": self.against.currentData(),
            "train_twin": self.seconds.value() if self.seconds.isEnabled() else 0.0,
            "course": self.looks.value(),
        }

        def make() -> Stages:
            from dinr_studio.experiments.inside.kernel_study import KernelWish, study_kernel

            return study_kernel(run, KernelWish(**options), lambda: volume)  # type: ignore[arg-type,return-value]

        self._asked = options
        return make

    def show_result(self, result: KernelStudy) -> None:
        """Draws the study."""
        self.clear()
        self._study = result
        for one in result.all:
            values = one.spectrum.eigenvalues
            index = np.arange(1, len(values) + 1, dtype=np.float64)
            colour, dashed = COLOURS[one.name], one is not result.now
            self.spectrum.curve(one.name, index, values, colour, dashed=dashed)
            self.share.curve(one.name, index, one.spectrum.cumulative_share, colour, dashed=dashed)
        self.spectrum.line("floor of 32 bits", result.now.spectrum.floor, "grey", named_at=0.5)  # beside the legend
        if result.places.pictured:
            pictures = [result.places.picture(mode) for mode in result.now.modes[:PICTURES]]
            self.modes.show_signed(pictures, [str(i + 1) for i in range(len(pictures))])
        else:
            self.modes.say("Eigenfunctions make pictures on an even sub-grid of two axes or more.")
        if result.forecast is not None:
            self._draw_forecast(result.forecast)
        if result.course is not None:
            self.course.show_course(result.course, tuple(result.course.titles))
            self.course.show()
        rows = [*MEASURES, "parameters", "width", "seconds"]
        self.measures.show_measures(rows, {one.name: _cells(one) for one in result.all})

    def _draw_forecast(self, forecast: Forecast) -> None:
        title, bands = forecast.shown
        self.forecast.getPlotItem().setLabel("bottom", title)
        middles = [(band.low + band.high) / 2 for band in bands]
        for name, colour in (("before", "violet"), ("forecast", "orange"), ("measured", "blue")):
            values = [float(getattr(band, name)) for band in bands]
            self.forecast.curve("at the start" if name == "before" else name, middles, values, colour, dots=True)

    def clear(self) -> None:
        """Shows nothing."""
        self._study = None
        self.forecast.clear_all()
        self.course.clear_all()
        self.course.hide()
        self.spectrum.clear_all()
        self.share.clear_all()
        self.modes.say("The leading eigenfunctions come here.")
        self.measures.show_measures([], {})

    def figure(self) -> Callable[[], Figure] | None:
        """Draws the study for print."""
        study = self._study
        return None if study is None else partial(_figure, study)

    def table(self) -> Columns | None:
        """Eigenvalues and cumulative shares, and the course of training."""
        study = self._study
        if study is None:
            return None
        columns: dict[str, Any] = {"index": list(range(1, study.places.count + 1))}
        for one in study.all:
            columns[f"eigenvalue, {one.name}"] = [float(value) for value in one.spectrum.eigenvalues]
            columns[f"cumulative share, {one.name}"] = [float(value) for value in one.spectrum.cumulative_share]
        return columns if study.course is None else columns | study.course.columns()

    def command(self) -> str:
        """`dinr-studio ntk` with the same choices."""
        if self.studio.run_path is None or self.run is None:
            return ""
        words: list[object] = ["ntk", self.studio.run_path, "--points", self.points.value()]
        words += ["--where", self.where.currentData()]
        if self.against.currentData() != "none":
            words += ["--against", self.against.currentData()]
            words += ["--train-twin", f"{self.seconds.value():g}s"] if self.seconds.value() else []
        words += ["--course", self.looks.value()] if self.looks.value() else []
        return shell_command(*words)


def _cells(one: Any) -> list[str]:
    measures = [number(getattr(one.spectrum, attribute), 4) for attribute in MEASURES.values()]
    return [*measures, f"{one.parameters:,}", str(one.width), number(one.seconds, 3)]


def _figure(study: KernelStudy) -> Figure:
    from dinr_studio.experiments.figures.kernel import kernel_figure

    return kernel_figure(study)
