"""Tables as text: CSV, TSV and columns set apart by spaces, read a part at a time.

The first line with two numbers or more begins the data, and the nearest line before it with as many cells names the
columns; what stands above is passed over. Lines that begin with # or % are comments; the last may name the columns.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import FileFormatError
from dinr_studio.io.compressed import is_compressed, opened
from dinr_studio.io.table_columns import AXIS_NAMES, Columns, Kind, plain_name

LONGEST_LINE = 1 << 17  # characters
LOOKED_AT = 200  # lines in which the data has to begin
TYPICAL = 1000  # rows that tell numbers from text
ROWS_AT_ONCE, TEXT_AT_ONCE = 1 << 14, 1 << 22  # of which lists of cells are made
MOST_TEXT = 100  # times its length that a compressed table may be long
MOST_EMPTY = 200_000  # lines together without a row
PEEKED = 1 << 16  # bytes that tell how the text is encoded
COMMENTS = ("#", "%")
SEPARATORS = ("\t", ";", ",", " ")
ABSENT = {"", "nan", "na", "n/a", "#n/a", "null", "none", "-", "--", "nodata", "missing"}
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+$")  # 12,345: thousands, or a decimal comma
WORD = re.compile(r'"[^"]*"|[^\s\[(]+(?:\s{0,8}[\[(][^\])]{0,80}[\])])?')  # `x [mm]` is one name, also between spaces

Row = list[str]


@dataclass(frozen=True)
class Layout:
    """How a text is a table: separator (" " for any white space), names of the columns, and lines before the data."""

    separator: str
    names: tuple[str, ...]
    skipped: int


def text_columns(path: Path) -> Columns:
    """The columns of a text; FileFormatError where it is no table whose columns have names."""
    layout = _layout(path)
    with _text(path) as file:
        rows = list(islice(_rows(path, file, layout), TYPICAL))
    kinds = tuple(_kind([row[i] for row in rows if i < len(row)], layout.separator) for i in range(len(layout.names)))
    return Columns(layout.names, kinds, lambda wanted: _read(path, layout, kinds, wanted))


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    """The characters of a file, decompressed and decoded as they are read."""
    with opened(path) as file:
        encoding = _encoding(path, file.read(PEEKED))
    most = MOST_TEXT * path.stat().st_size + PEEKED if is_compressed(path) else None
    with opened(path, most) as file, io.TextIOWrapper(file, encoding=encoding, errors="replace") as text:
        yield text
        if most is not None and file.raw.left <= 0:
            raise FileFormatError(f"{path.name} unpacks to more than {MOST_TEXT} times its length; unpack it first.")


def _encoding(path: Path, start: bytes) -> str:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in start:
        raise FileFormatError(f"{path.name} is not text, as a table of its ending should be; check the file.")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """Lines, none of which may be endless."""
    while line := file.readline(LONGEST_LINE):
        if len(line) >= LONGEST_LINE:
            raise FileFormatError(
                f"{path.name} has a line of more than {LONGEST_LINE:,} characters, so it is no table; check the file."
            )
        yield line


def _layout(path: Path) -> Layout:
    """Finds where the data begins, and what its columns are called."""
    before: list[str] = []
    with _text(path) as file:
        for line in islice(_lines(path, file), LOOKED_AT):
            if line.strip() and not line.startswith(COMMENTS):
                for separator in SEPARATORS:
                    names = _names(line, before, separator)
                    if names:
                        return Layout(separator, names, len(before))
            before.append(line)
    for separator in SEPARATORS:
        if any(_begins(line, separator) for line in before):
            raise FileFormatError(
                f"No line of {path.name} names the columns of its numbers; add one before them, such as x,y,u."
            )
    raise FileFormatError(f"{path.name} has no rows of numbers in its first {LOOKED_AT} lines; it is no table.")


def _begins(line: str, separator: str) -> bool:
    """Whether a line may be the first of the data: two numbers or dates at least, and no name of an axis."""
    cells = split(line, separator)
    known = {name for names in AXIS_NAMES.values() for name in names}
    numbers = sum(_number(cell, separator) is not None or _moment(cell) is not None for cell in cells)
    return numbers >= 2 and not any(plain_name(cell) in known for cell in cells)


def _names(line: str, before: Sequence[str], separator: str) -> tuple[str, ...]:
    """The names, from the lines before, for the cells of a line that may begin the data; none where there are none."""
    if not _begins(line, separator):
        return ()
    count = len(split(line, separator))
    for candidate in reversed(before):
        names = split(candidate.lstrip("".join(COMMENTS)), separator, WORD)
        words = [name for name in names if name and _number(name, separator) is None and name.lower() not in ABSENT]
        if len(names) == count and len(words) >= min(2, count):
            return tuple(names)
    return ()


def split(line: str, separator: str, word: re.Pattern[str] = re.compile(r"\S+")) -> Row:
    """The cells of a line, without what surrounds them and without an empty last one; word: a cell between spaces."""
    if separator == " ":
        return [cell.strip('"') for cell in word.findall(line)]
    try:
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []
    return cells[:-1] if len(cells) > 1 and not cells[-1] and separator != "\t" else cells


def _number(cell: str, separator: str) -> float | None:
    """The number in a cell, None where there is none; a decimal comma counts where commas separate nothing."""
    try:
        return float(cell)
    except ValueError:
        if separator == "," or "," not in cell:
            return None
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return None


def _moment(cell: str) -> float | None:
    """A date and time in ISO 8601 as seconds since 1970, None where there is none; UTC where no zone is given."""
    try:
        found = datetime.fromisoformat(cell)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _kind(cells: Row, separator: str) -> Kind:
    """What most of some typical cells of a column hold; reading finds those that are something else."""
    present = [cell.strip() for cell in cells if cell.strip().lower() not in ABSENT]
    if 2 * sum(_number(cell, separator) is not None for cell in present) > len(present):
        return "number"
    return "time" if 2 * sum(_moment(cell) is not None for cell in present) > len(present) else "text"


def _rows(path: Path, file: TextIO, layout: Layout) -> Iterator[Row]:
    """The cells of each row of data."""
    lines = _full(path, islice(_lines(path, file), layout.skipped, None))
    if layout.separator == " ":
        yield from (line.split() for line in lines)
        return
    try:
        yield from csv.reader(lines, delimiter=layout.separator, skipinitialspace=True)
    except csv.Error as error:
        raise FileFormatError(f"{path.name} is damaged ({error}); use an intact copy.") from error


def _full(path: Path, lines: Iterator[str]) -> Iterator[str]:
    """The lines that are neither empty nor comments; FileFormatError where there is no end to those."""
    left = MOST_EMPTY
    for line in lines:
        if line.strip() and line[0] not in COMMENTS:
            yield line
            left = MOST_EMPTY
        left -= 1
        if left < 0:
            raise FileFormatError(f"{path.name} has more than {MOST_EMPTY:,} empty lines together; it is damaged.")


@dataclass
class _Commas:
    """What was seen of decimal commas, which may also be those between thousands."""

    point: bool = False
    comma: bool = False
    certain: bool = False
    first: str = field(default="")

    def check(self, path: Path) -> None:
        """Raises FileFormatError where the commas may mean two things."""
        if self.comma and (self.point or not self.certain):
            raise FileFormatError(
                f"{path.name} has numbers such as {self.first}, whose comma may be a decimal one or stand between "
                "thousands; save it with decimal points."
            )


def _read(path: Path, layout: Layout, kinds: Sequence[Kind], wanted: Sequence[int]) -> list[NDArray[np.float64]]:
    """The wanted columns of all rows."""
    parts: list[list[NDArray[np.float64]]] = [[] for _ in wanted]
    seen, commas = 0, _Commas()
    with _text(path) as file:
        for block in _blocks(_rows(path, file, layout)):
            _check_lengths(path, layout, block, seen)
            for part, at in zip(parts, wanted, strict=True):
                cells = [row[at] if at < len(row) else "" for row in block]
                part.append(_converted(path, layout, cells, at, kinds[at], seen, commas))
            seen += len(block)
            _check_memory(path, seen * len(wanted) * 8)
    commas.check(path)
    return [np.concatenate(part) if part else np.empty(0) for part in parts]


def _blocks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    block: list[Row] = []
    length = 0
    for row in rows:
        block.append(row)
        length += sum(map(len, row))
        if len(block) >= ROWS_AT_ONCE or length > TEXT_AT_ONCE:
            yield block
            block, length = [], 0
    if block:
        yield block


def _check_lengths(path: Path, layout: Layout, block: list[Row], seen: int) -> None:
    """A row may lack its last cells; more of them than names would mean that they are not what they seem."""
    count = len(layout.names)
    for number, row in enumerate(block):
        if len(row) > count and any(cell.strip() for cell in row[count:]):
            raise FileFormatError(
                f"Row {seen + number + 1} of {path.name} has {len(row)} cells and there are {count} columns: "
                "the file is damaged, or has commas inside its numbers."
            )


def _converted(
    path: Path, layout: Layout, cells: Row, at: int, kind: Kind, seen: int, commas: _Commas
) -> NDArray[np.float64]:
    """Numbers (rows,) of a column's cells, NaN where they are empty; FileFormatError names a cell that is no number."""
    if kind == "number":
        try:
            numbers = np.array(cells, dtype=np.float64)
        except ValueError:
            pass
        else:
            commas.point = commas.point or any("." in cell for cell in cells)
            return numbers
    numbers = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        text = cell.strip()
        if text.lower() in ABSENT:
            continue
        found = _moment(text) if kind == "time" else _number(text, layout.separator)
        if found is None:
            raise FileFormatError(
                f"Row {seen + i + 1} of {path.name} has {text[:40]!r} in the column {layout.names[at]}, which is no "
                f"{'date' if kind == 'time' else 'number'}; put it right, or choose other columns."
            )
        numbers[i] = found
        if kind == "number":
            _note(commas, text)
    return numbers


def _note(commas: _Commas, text: str) -> None:
    commas.point = commas.point or "." in text
    if "," in text:
        commas.comma, commas.first = True, commas.first or text
        commas.certain = commas.certain or not GROUPED.match(text)


def _check_memory(path: Path, size: int) -> None:
    import psutil

    if 4 * size > int(psutil.virtual_memory().available):
        raise FileFormatError(f"{path.name} does not fit into memory; keep fewer of its rows or columns.")
