"""How figures for print look, and how they are written: black on white, labelled with units, whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinr_studio.errors import OutputError
from dinr_studio.io.atomic import atomic_output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".svg", ".pdf", ".png")
DOTS_PER_INCH = 300  # of a PNG
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
COLUMN = 3.5  # inches: the width of a journal's column; two and the gap between are 7.2
BLUE, ORANGE, GREEN, RED, PURPLE, BROWN = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#7F6000"
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, BROWN)  # told apart by the colour-blind (Okabe and Ito)
STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # names and units come from files, and $ means nothing there
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.2,
    "svg.fonttype": "none",  # writing stays writing
    "pdf.fonttype": 42,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Everything that is drawn or written within looks as figures for print do."""
    from cycler import cycler
    from matplotlib import rc_context

    look: Any = {**STYLE, "axes.prop_cycle": cycler(color=COLOURS)}
    with rc_context(look):
        yield


def new_figure(width: float = COLUMN, height: float = 2.4) -> Figure:
    """An empty figure, in inches, that no window knows of; draw on it within `figure_style`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def check_figure_name(path: Path) -> None:
    """Raises OutputError where a name ends in no format that figures are written in; for asking before the work."""
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{path.name} is no figure's name; end it in {', '.join(FORMATS)}.")


def save_figure(figure: Figure, path: Path, *, force: bool = False) -> None:
    """Writes a figure in the format that its name ends in; raises OutputError."""
    check_figure_name(path)
    _name_powers_in_letters(figure)
    with figure_style(), atomic_output(path, force=force) as temporary:
        figure.savefig(temporary, dpi=DOTS_PER_INCH, format=path.suffix[1:].lower())


def logarithmic(axes: Any, *which: str) -> None:
    """Makes axes (`x`, `y`) logarithmic, with powers of ten in plain letters, since formulas are not typeset here."""
    for name in which:
        getattr(axes, f"set_{name}scale")("log")
        _name_in_letters(getattr(axes, f"{name}axis"))


def _name_powers_in_letters(figure: Figure) -> None:
    """Mends every axis whose ticks would be named by formulas."""
    from matplotlib.ticker import LogFormatterMathtext

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
                _name_in_letters(axis)


def _name_in_letters(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogFormatter

    class Between(LogFormatter):
        """Says which ticks between powers of ten there is room to name, in plain numbers."""

        def __call__(self, value: float, pos: int | None = None) -> str:
            return f"{value:g}" if super().__call__(value, pos) else ""

    axis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    axis.set_minor_formatter(Between(labelOnlyBase=False, minor_thresholds=(1, 0.4)))


def _power(value: float) -> str:
    """A power of ten, or another number, as a tick's label."""
    if value <= 0:
        return ""
    exponent = math.log10(value)
    if abs(exponent - round(exponent)) > 1e-6 or -3 < exponent < 4:
        return f"{value:g}"
    return f"10{str(round(exponent)).translate(SUPERSCRIPTS)}"
