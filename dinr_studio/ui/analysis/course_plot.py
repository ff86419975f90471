"""A plot of measures over the steps of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinr_studio.ui.monitor.plots import LABELS, Plot

if TYPE_CHECKING:
    from dinr_studio.experiments.inside.course import Course

COLOURS = ("blue", "orange", "green", "violet", "red", "grey")


class CoursePlot(Plot):
    """Some measures of a course, both axes in logarithms; none has a unit."""

    def __init__(self, name: str, label: str) -> None:
        super().__init__(name, LABELS["step"], label)
        self.getPlotItem().setLogMode(x=True, y=True)

    def show_course(self, course: Course, names: tuple[str, ...]) -> None:
        """Draws the measures; how far training again repeats the run is in the tip."""
        for name, colour in zip(names, COLOURS, strict=False):
            self.curve(course.titles[name], course.steps, course.values(name), colour, dots=True)
        self.setToolTip(course.note)
