"""Files that may be compressed as a whole, by gzip or bzip2; told by their first bytes, whatever their name."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PIECE_BYTES = 1 << 20
GZIP, BZIP2 = b"\x1f\x8b", b"BZh"


def is_compressed(path: Path) -> bool:
    """Whether a file begins as gzip and bzip2 files do."""
    return _opener(path) is not open


@contextmanager
def opened(path: Path, most: int | None = None) -> Iterator[Any]:
    """The content of a file, decompressed as it is read; most: bytes after which it counts as ended."""
    with _opener(path)(path, "rb") as file:
        if most is None:
            yield file
        else:
            with io.BufferedReader(Beginning(file, most)) as start:
                yield start


def skip(file: Any, count: int) -> None:
    """Reads so many bytes, a piece at a time, and forgets them."""
    while count > 0 and (piece := file.read(min(count, PIECE_BYTES))):
        count -= len(piece)


def unpacked_length(file: Any, window: int, most: int) -> int:
    """How many bytes a zlib, gzip or bare deflate stream unpacks to, kept nowhere; stops counting beyond `most`.

    window: the wbits of zlib. Members that follow each other count together; damage ends the count.
    """
    count, packed, unpacker = 0, b"", zlib.decompressobj(window)
    while count <= most:
        if unpacker.eof:
            packed, unpacker = unpacker.unused_data, zlib.decompressobj(window)
        packed = packed or file.read(PIECE_BYTES)
        try:
            count += len(unpacker.decompress(packed, PIECE_BYTES))
        except zlib.error:
            break
        if not packed:
            break
        packed = unpacker.unconsumed_tail
    return count


class Beginning(io.RawIOBase):
    """The first bytes of a stream, which may unpack to far more than anybody wants."""

    def __init__(self, file: Any, most: int) -> None:
        super().__init__()
        self._file, self.left = file, most

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads into a buffer what is left of the beginning."""
        view = memoryview(buffer).cast("B")
        found = self._file.read(min(len(view), self.left, PIECE_BYTES))
        view[: len(found)] = found
        self.left -= len(found)
        return len(found)


def _opener(path: Path) -> Any:
    with open(path, "rb") as file:
        start = file.read(3)
    return gzip.open if start.startswith(GZIP) else bz2.open if start == BZIP2 else open
