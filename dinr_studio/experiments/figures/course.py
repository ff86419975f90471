"""The panels of a course: measures over the steps of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dinr_studio.experiments.figures.style import COLOURS, logarithmic

if TYPE_CHECKING:
    from dinr_studio.experiments.inside.course import Course


def draw_course(axes: Any, course: Course, names: tuple[str, ...], label: str) -> None:
    """Some measures of a course on one panel, steps in logarithms; label: of the measures' axis."""
    for name, colour in zip(names, COLOURS, strict=False):
        axes.plot(course.steps, course.values(name), "o-", color=colour, markersize=3, label=course.titles[name])
    logarithmic(axes, "x")
    axes.set(xlabel="optimiser step", ylabel=label)
    if len(names) > 1:
        above = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "ncols": 2}  # where no curve is
        axes.legend(fontsize=5, **above)
