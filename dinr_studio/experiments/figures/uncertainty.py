"""Figures of uncertainty: how often errors lie within the intervals that were promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dinr_studio.analysis.calibration import CURVE, LEVELS
from dinr_studio.experiments.figures.style import BLUE, COLUMN, GREEN, ORANGE, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.analysis.calibration import Calibration


def calibration_figure(found: Calibration, method: str) -> Figure:
    """The reliability curve, and coverage at 50, 68, 90 and 95 %, without and with the factor."""
    with figure_style():
        figure = new_figure(2 * COLUMN, 2.8)
        curve: Any = figure.add_subplot(1, 2, 1)
        curve.plot([0, 1], [0, 1], color="#666666", linewidth=0.7, linestyle="--", label="ideal")
        curve.plot(CURVE, found.raw_curve, color=ORANGE, label="as they stand")
        curve.plot(CURVE, found.scaled_curve, color=BLUE, label=f"times {found.factor:.3g}")
        curve.set(xlabel="promised share", ylabel="share of held-out values within", xlim=(0, 1), ylim=(0, 1))
        curve.set_title(method)
        curve.legend(loc="lower right")
        bars: Any = figure.add_subplot(1, 2, 2)
        places = range(len(LEVELS))
        for shift, values, colour in ((-0.2, found.raw, ORANGE), (0.2, found.scaled, BLUE)):
            bars.bar([place + shift for place in places], [100 * v for v in values], width=0.38, color=colour)
        for place, level in zip(places, LEVELS, strict=True):
            bars.plot([place - 0.42, place + 0.42], [100 * level] * 2, color=GREEN, linewidth=1.5)
        bars.set_xticks(list(places), [f"{100 * level:.0f} %" for level in LEVELS])
        bars.set(xlabel="interval", ylabel="held-out values within (%)", ylim=(0, 105))
        bars.set_title(f"rank correlation {found.rank_correlation:.2f}, {found.gain:+.2f} nats over a constant")
        return figure
