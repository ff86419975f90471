"""A report before it is a file: headings, sentences, tables, pictures and code, in the order of reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Role = Literal["plain", "quiet", "verdict", "warning"]
Draw = Callable[[Any], None]  # on matplotlib axes

WIDTH = 6.9  # inches: of a picture, and of a page's text


@dataclass(frozen=True)
class Heading:
    """level: 1 for a run, 2 for what is told of it."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Some sentences."""

    text: str
    role: Role = "plain"


@dataclass(frozen=True)
class Table:
    """Rows of texts; the first column names them. marked: numbers of rows that stand out. caption: below it.

    numbers: whether the other columns are figures, and so stand to the right.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    marked: frozenset[int] = frozenset()
    numbers: bool = False


@dataclass(frozen=True)
class Panel:
    """One drawing of a picture. image: whether it is a slice with a colour bar beside it."""

    draw: Draw
    image: bool = False


@dataclass(frozen=True)
class Picture:
    """Panels side by side, as high as `height` inches, and what they show in words."""

    panels: tuple[Panel, ...]
    caption: str
    height: float = 2.4


@dataclass(frozen=True)
class Code:
    """Lines to copy."""

    text: str


Block = Heading | Paragraph | Table | Picture | Code


@dataclass(frozen=True)
class Document:
    """A report: title, a line below it, and what follows."""

    title: str
    subtitle: str
    blocks: tuple[Block, ...]


def drawn(picture: Picture, width: float = WIDTH) -> Figure:
    """A picture as a figure of its own; to be written within `figure_style`, as it was drawn."""
    from dinr_studio.experiments.figures.style import new_figure

    share = min(1.0, len(picture.panels) / 2) if len(picture.panels) < 2 else 1.0
    figure = new_figure(max(3.6, width * share), picture.height)
    axes = figure.subplots(1, len(picture.panels), squeeze=False)[0]
    draw_on(picture, axes)
    return figure


def draw_on(picture: Picture, axes: Iterable[Any]) -> None:
    """Draws each panel on its axes; slices beside each other name their vertical axis once."""
    for number, (panel, pane) in enumerate(zip(picture.panels, axes, strict=True)):
        panel.draw(pane)
        if panel.image and number:
            pane.set_ylabel("")
