"""A report as PDF: sentences, tables, code and pictures laid out on A4 pages, without anything but matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinr_studio.errors import plain
from dinr_studio.experiments.figures.style import BLUE, RED, figure_style
from dinr_studio.experiments.report.document import (
    WIDTH,
    Block,
    Code,
    Document,
    Heading,
    Paragraph,
    Picture,
    Table,
    draw_on,
)

if TYPE_CHECKING:
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

PAGE = (8.27, 11.69)  # inches, A4
LEFT = (PAGE[0] - WIDTH) / 2
TOP, BOTTOM = 0.75, 0.8
LEADING = 1.38  # of a line, in letters' heights
INK, QUIET, LINE, CARD, MARK = "#000000", "#555555", "#bbbbbb", "#f3f4f6", "#fff4b0"
SERIES = "sans-serif"
MONO = "monospace"
GAP = 0.14  # inches between two columns of a table
NARROWEST = 0.7  # inches of a column that gives way to others
IMAGE_MARGINS, MARGINS = (0.45, 0.5, 0.45, 0.22), (0.62, 0.12, 0.45, 0.2)  # left, right, below and above of a panel


def write_pdf(document: Document, path: Path) -> None:
    """Writes all pages to a file."""
    from matplotlib.backends.backend_pdf import PdfPages

    with figure_style(), PdfPages(path, metadata={"Title": plain(document.title), "Creator": "DINR Studio"}) as pdf:
        pages = _Pages(pdf, plain(document.title))
        pages.write(document.title, size=16, bold=True, after=0.05)
        pages.write(document.subtitle, colour=QUIET, after=0.15)
        for number, block in enumerate(document.blocks):
            behind = document.blocks[number + 1 : number + 4]
            if number and behind and isinstance(block, Heading) and block.level == 1:
                pages.turn()
            _put(pages, block, behind)
        pages.finish()


def _put(pages: _Pages, block: Block, behind: Sequence[Block]) -> None:
    if isinstance(block, Heading):
        size = 14 if block.level == 1 else 11
        pages.need(0.45 + _room_for(behind))
        pages.skip(0.16)
        pages.write(block.text, size=size, bold=True, after=0.06)
    elif isinstance(block, Paragraph):
        colour = {"quiet": QUIET, "warning": RED}.get(block.role, INK)
        bar = {"verdict": BLUE, "warning": RED}.get(block.role, "")
        pages.write(block.text, size=8.5 if block.role == "quiet" else 9.5, colour=colour, bar=bar, after=0.08)
    elif isinstance(block, Table):
        _put_table(pages, block)
    elif isinstance(block, Code):
        pages.code(block.text)
    else:
        _put_picture(pages, block)


def _room_for(behind: Sequence[Block]) -> float:
    """Inches that a heading wants to have below it on its page: for what follows, up to the first picture or table."""
    room = 0.0
    for block in behind:
        if isinstance(block, Picture):
            return room + block.height + 0.3
        if not isinstance(block, Paragraph):
            break
        room += len(wrapped(plain(block.text), 9.5, WIDTH)) * 9.5 * LEADING / 72 + 0.08
    return room + 0.75


class _Pages:
    """A page being filled from its top, and those before it; all lengths in inches."""

    def __init__(self, pdf: PdfPages, title: str) -> None:
        self._pdf, self._title = pdf, title
        self._count = 0
        self._begin()

    def _begin(self) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.figure: Figure = Figure(figsize=PAGE)
        FigureCanvasAgg(self.figure)
        self.down, self._empty = TOP, True
        self._count += 1

    def turn(self) -> None:
        """Ends the page, unless it is empty, and begins another."""
        if self._empty:
            return
        foot = 1 - 0.35 / PAGE[1]
        footer: dict[str, Any] = {"fontsize": 7, "color": QUIET, "va": "top"}
        title = shortened(self._title, 7, WIDTH - 0.6)
        self.figure.text(LEFT / PAGE[0], 1 - foot, title, ha="left", **footer)
        self.figure.text(1 - LEFT / PAGE[0], 1 - foot, str(self._count), ha="right", **footer)
        self._pdf.savefig(self.figure)  # type: ignore[no-untyped-call]
        self._begin()

    def finish(self) -> None:
        """Ends the last page."""
        self.turn()

    def used(self) -> None:
        """Notes that something is on the page."""
        self._empty = False

    def need(self, height: float) -> None:
        """Turns the page where less is left of it."""
        if self.down + height > PAGE[1] - BOTTOM:
            self.turn()

    def skip(self, height: float) -> None:
        """Leaves some room, but for at the top of a page."""
        if not self._empty:
            self.down += height

    def text(self, x: float, line: str, size: float, **look: Any) -> None:
        """A line of text at x from the left margin, whose top is where the page is filled to."""
        self._empty = False
        place = (LEFT + x) / PAGE[0], 1 - self.down / PAGE[1]
        self.figure.text(*place, line, fontsize=size, va="top", **{"color": INK, **look})

    def rule(self, start: float, stop: float, colour: str = LINE, width: float = 0.6) -> None:
        """A horizontal line."""
        from matplotlib.lines import Line2D

        y = 1 - self.down / PAGE[1]
        ends = [(LEFT + start) / PAGE[0], (LEFT + stop) / PAGE[0]]
        self.figure.add_artist(Line2D(ends, [y, y], color=colour, linewidth=width))

    def box(self, x: float, width: float, height: float, colour: str) -> None:
        """A filled box from where the page is filled to."""
        from matplotlib.patches import Rectangle

        corner = (LEFT + x) / PAGE[0], 1 - (self.down + height) / PAGE[1]
        self.figure.add_artist(
            Rectangle(corner, width / PAGE[0], height / PAGE[1], facecolor=colour, edgecolor="none", zorder=-1)
        )

    def write(
        self, text: str, *, size: float = 9.5, bold: bool = False, colour: str = INK, bar: str = "", after: float = 0
    ) -> None:
        """A paragraph, over as many lines and pages as it takes; bar: colour of a bar to its left."""
        height = size * LEADING / 72
        weight, inset = "bold" if bold else "normal", 0.12 if bar else 0.0
        for line in wrapped(plain(text), size, WIDTH - inset, weight=weight):
            self.need(height)
            if bar:
                self.box(0, 0.03, height, bar)
            self.text(inset, line, size, color=colour, fontweight=weight)
            self.down += height
        self.down += after

    def code(self, text: str, size: float = 7.5) -> None:
        """Lines to copy, on grey."""
        height = size * 1.45 / 72
        self.skip(0.04)
        for line in text.split("\n"):
            for part in wrapped(_printable(line), size, WIDTH - 0.2, family=MONO):
                self.need(height)
                self.box(0, WIDTH, height + 0.002, CARD)
                self.text(0.1, part, size, family=MONO)
                self.down += height
        self.down += 0.12


def _put_table(pages: _Pages, table: Table, size: float = 7.8) -> None:
    rows = [tuple(plain(cell) for cell in row) for row in table.rows]
    widths = _widths([table.columns, *rows], size)
    height = size * LEADING / 72
    header, whole = any(table.columns), sum(widths) + GAP * (len(widths) - 1)

    def line(cells: Sequence[str], *, bold: bool, mark: bool) -> None:
        parts = [wrapped(cell, size, width, weight=_weight(bold)) for cell, width in zip(cells, widths, strict=True)]
        tall = max(map(len, parts)) * height + 0.05
        pages.need(tall)
        if mark:
            pages.box(0, whole, tall, MARK)
        top, x = pages.down, 0.0
        for number, (lines, width) in enumerate(zip(parts, widths, strict=True)):
            right = table.numbers and number > 0
            for i, part in enumerate(lines):
                pages.down = top + 0.025 + i * height
                pages.text(x + width * right, part, size, ha="right" if right else "left", fontweight=_weight(bold))
            x += width + GAP
        pages.down = top + tall
        pages.rule(0, whole, width=1.0 if bold else 0.4)

    pages.need(4 * height)
    if header:
        line(tuple(plain(name) for name in table.columns), bold=True, mark=False)
    else:
        pages.rule(0, whole, width=0.8)
    for number, row in enumerate(rows):
        before = pages.figure
        pages.need(height * 1.5)
        if pages.figure is not before and header:
            line(tuple(plain(name) for name in table.columns), bold=True, mark=False)
        line(row, bold=False, mark=number in table.marked)
    pages.down += 0.05
    if table.caption:
        pages.write(table.caption, size=8, colour=QUIET)
    pages.down += 0.1


def _weight(bold: bool) -> str:
    return "bold" if bold else "normal"


def _widths(rows: Sequence[Sequence[str]], size: float) -> list[float]:
    """Widths of the columns: what their texts take, the widest giving way where that is too much."""
    wanted = [
        max(text_width(row[column], size, weight="bold") for row in rows) + 0.02 for column in range(len(rows[0]))
    ]
    room = WIDTH - GAP * (len(wanted) - 1)
    while sum(wanted) > room + 1e-6:
        widest = max(range(len(wanted)), key=wanted.__getitem__)
        others = sum(wanted) - wanted[widest]
        second = max((w for i, w in enumerate(wanted) if i != widest), default=0.0)
        smaller = max(NARROWEST, min(wanted[widest] * 0.9, max(room - others, second)))
        if smaller >= wanted[widest]:
            break
        wanted[widest] = smaller
    return [w * min(1.0, room / sum(wanted)) for w in wanted]


def _put_picture(pages: _Pages, picture: Picture) -> None:
    caption = wrapped(plain(picture.caption), 8, WIDTH)
    pages.need(picture.height + len(caption) * 8 * LEADING / 72 + 0.1)
    pages.used()
    each = min(WIDTH / len(picture.panels), 4.2)
    axes = []
    for number, panel in enumerate(picture.panels):
        left, right, below, above = IMAGE_MARGINS if panel.image else MARGINS
        x, y = LEFT + number * each + left, PAGE[1] - pages.down - picture.height + below
        width, height = each - left - right, picture.height - below - above
        axes.append(pages.figure.add_axes((x / PAGE[0], y / PAGE[1], width / PAGE[0], height / PAGE[1])))
    draw_on(picture, axes)
    pages.down += picture.height
    pages.write(picture.caption, size=8, colour=QUIET, after=0.14)


# Measuring text


@cache
def _font(family: str, weight: str) -> Any:
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    font = FT2Font(findfont(FontProperties(family=family, weight=weight)))  # of our own: others change its size
    font.set_size(100, 72)
    return font


@cache
def _advance(letter: str, family: str, weight: str) -> float:
    """How far a letter of size 1 moves on, in points."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font has not is as wide as its placeholder
        return float(_font(family, weight).load_char(ord(letter)).linearHoriAdvance) / 65536 / 100


def text_width(text: str, size: float, *, family: str = SERIES, weight: str = "normal") -> float:
    """The length of a line in inches."""
    return sum(_advance(letter, family, weight) for letter in text) * size / 72


def wrapped(text: str, size: float, width: float, *, family: str = SERIES, weight: str = "normal") -> list[str]:
    """A text in lines no longer than `width` inches; words that are longer are cut."""
    lines, line = [], ""
    for piece in _pieces(text, size, width, family, weight):
        if line and text_width((line + piece).rstrip(), size, family=family, weight=weight) > width:
            lines.append(line.rstrip())
            line = piece.lstrip() if family == SERIES else piece
        else:
            line += piece
    return [*lines, line.rstrip()]


def _pieces(text: str, size: float, width: float, family: str, weight: str) -> Iterator[str]:
    """Words, each with the blank behind it, and what of longer ones fits into a line."""
    for piece in text.replace(" ", " \0").split("\0"):
        word = piece
        while text_width(word.rstrip(), size, family=family, weight=weight) > width:
            fits = 1
            while text_width(word[: fits + 1], size, family=family, weight=weight) <= width:
                fits += 1
            yield word[:fits]
            word = word[fits:]
        yield word


def shortened(text: str, size: float, width: float) -> str:
    """A text cut to a width, with a sign that it was."""
    while text and text_width(f"{text}…", size) > width:
        text = text[:-1]
    return text if text_width(text, size) <= width and not text.endswith("…") else f"{text}…"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
