"""Stored weights as one string of bytes and back: sorted by significance, then entropy-coded.

Before the coding stand, for all tensors in the order of their names: a byte each for how it is stored, then all steps,
all floats of 32 and of 16 bits (these three by planes: first all most significant bytes, and so on), then the lower
bytes of all codes, then the upper ones of those tensors that need them. Codes are folded: 0, -1, 1, -2 is 0, 1, 2, 3.
The coder is LZMA's adaptive range coder, set so that no byte's coding depends on its place or on its neighbours.
"""

from __future__ import annotations

import lzma
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import FileFormatError
from dinr_studio.fields.quantised import Quantised, Stored

FLOAT32, FLOAT16, ONE_STEP, STEP_BY_ROW = range(4)  # how a tensor is stored
WIDE = 4  # added where codes have an upper byte
FILTERS = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 0, "lp": 0, "pb": 0}]

Shapes = Mapping[str, tuple[int, ...]]


@dataclass
class _Sections:
    """What stands one after the other in the packed bytes."""

    kinds: bytearray = field(default_factory=bytearray)
    steps: list[NDArray[Any]] = field(default_factory=list)
    singles: list[NDArray[Any]] = field(default_factory=list)
    halves: list[NDArray[Any]] = field(default_factory=list)
    codes: list[NDArray[np.uint16]] = field(default_factory=list)
    wide: list[NDArray[np.uint16]] = field(default_factory=list)

    def add(self, stored: Stored) -> None:
        """Sorts one tensor in."""
        if not isinstance(stored, Quantised):
            half = stored.dtype == np.float16
            self.kinds.append(FLOAT16 if half else FLOAT32)
            (self.halves if half else self.singles).append(stored.reshape(-1))
            return
        folded = fold(stored.codes.reshape(-1))
        wide = bool(folded.max(initial=0) > 0xFF)
        self.kinds.append((ONE_STEP if len(stored.steps) == 1 else STEP_BY_ROW) + WIDE * wide)
        self.steps.append((stored.steps.view(np.uint32) >> 16).astype(np.uint16))
        self.codes.append(folded)
        if wide:
            self.wide.append(folded)

    def bytes(self) -> bytes:
        """All sections."""
        singles = [one.astype("<f4").view("<u4") for one in self.singles]
        halves = [one.astype("<f2").view("<u2") for one in self.halves]
        lower = [(one & 0xFF).astype(np.uint8).tobytes() for one in self.codes]
        upper = [(one >> 8).astype(np.uint8).tobytes() for one in self.wide]
        planes = [_planes(self.steps, 2), _planes(singles, 4), _planes(halves, 2)]
        return b"".join([bytes(self.kinds), *planes, *lower, *upper])


def pack(stored: Mapping[str, Stored]) -> bytes:
    """The bytes of stored tensors, in the order of their names."""
    sections = _Sections()
    for name in sorted(stored):
        sections.add(stored[name])
    return lzma.compress(sections.bytes(), format=lzma.FORMAT_RAW, filters=FILTERS)


def unpack(packed: bytes, shapes: Shapes) -> dict[str, Stored]:
    """The tensors of given shapes; FileFormatError where the bytes are not those of such tensors.

    Takes no more memory than the shapes call for.
    """
    reader = _Reader(packed)
    names = sorted(shapes)
    kinds = dict(zip(names, reader.take(len(names)), strict=True))
    if max(kinds.values(), default=0) > STEP_BY_ROW + WIDE or any(k in (WIDE, WIDE + 1) for k in kinds.values()):
        raise FileFormatError("its weights are stored in a way that is not known")
    sizes = {name: math.prod(shapes[name]) for name in names}
    steps = _split(reader.planes, 2, {n: _rows(kinds[n], shapes[n]) for n in names if kinds[n] & 2})
    singles = _split(reader.planes, 4, {n: sizes[n] for n in names if kinds[n] == FLOAT32})
    halves = _split(reader.planes, 2, {n: sizes[n] for n in names if kinds[n] == FLOAT16})
    codes = _split(reader.planes, 1, {n: sizes[n] for n in names if kinds[n] & 2})
    upper = _split(reader.planes, 1, {n: sizes[n] for n in names if kinds[n] & 2 and kinds[n] & WIDE})
    reader.end()
    floats = {n: one.view("<f4") for n, one in singles.items()} | {n: one.view("<f2") for n, one in halves.items()}
    found: dict[str, Stored] = {name: array.reshape(shapes[name]) for name, array in floats.items()}
    for name, lower in codes.items():
        folded = lower.astype(np.uint16)
        if name in upper:
            folded += upper[name].astype(np.uint16) << 8
        found[name] = Quantised(unfold(folded).reshape(shapes[name]), _as_steps(steps[name]))
    return {name: found[name] for name in shapes}


class _Reader:
    """Takes bytes out of the entropy-coded ones, no more than are asked for."""

    def __init__(self, packed: bytes) -> None:
        self._coder, self._packed = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=FILTERS), packed

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        parts, missing = [], count
        while missing:
            try:
                part = b"" if self._coder.eof else self._coder.decompress(self._packed, missing)
            except (lzma.LZMAError, EOFError):
                part = b""
            if not part and not self._packed:
                raise FileFormatError("its weights are damaged, or fewer than its settings call for")
            self._packed, missing = b"", missing - len(part)
            parts.append(part)
        return b"".join(parts)

    def planes(self, count: int, width: int) -> NDArray[Any]:
        """The next `count` numbers of `width` bytes."""
        raw = np.frombuffer(self.take(count * width), dtype=np.uint8).reshape(width, count)
        return np.ascontiguousarray(raw[::-1].T).view(f"<u{width}").reshape(count)

    def end(self) -> None:
        """FileFormatError where there is more."""
        try:
            more = not self._coder.eof and self._coder.decompress(b"", 1)
        except (lzma.LZMAError, EOFError):
            more = b"?"
        if more or self._coder.unused_data:
            raise FileFormatError("it holds more weights than its settings call for")


def _split(planes: Any, width: int, sizes: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """The next numbers by the names that they belong to."""
    numbers = planes(sum(sizes.values()), width)
    ends = np.cumsum(list(sizes.values()), dtype=np.int64)[:-1]
    return dict(zip(sizes, np.split(numbers, ends) if sizes else [], strict=True))


def _planes(arrays: list[NDArray[Any]], width: int) -> bytes:
    """Unsigned numbers of `width` bytes, first the most significant byte of each."""
    if not arrays:
        return b""
    numbers = np.concatenate(arrays).astype(f"<u{width}")
    return numbers.view(np.uint8).reshape(-1, width)[:, ::-1].T.tobytes()


def _rows(kind: int, shape: tuple[int, ...]) -> int:
    return math.prod(shape[:-1]) if kind & 1 else 1


def fold(codes: NDArray[np.int16]) -> NDArray[np.uint16]:
    """Signed numbers as unsigned ones, small where they are small: 0, -1, 1, -2 become 0, 1, 2, 3."""
    wide = codes.astype(np.int32)
    return np.where(wide < 0, -2 * wide - 1, 2 * wide).astype(np.uint16)


def unfold(folded: NDArray[np.uint16]) -> NDArray[np.int16]:
    """The signed numbers that were folded."""
    wide = folded.astype(np.int32)
    return np.where(wide & 1, -(wide + 1) // 2, wide // 2).astype(np.int16)


def _as_steps(halves: NDArray[Any]) -> NDArray[np.float32]:
    return (halves.astype(np.uint32) << 16).view(np.float32)
