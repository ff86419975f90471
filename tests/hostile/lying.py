"""What lies are made of: seeds with other bytes, and streams that unpack to far more than they are long."""

from __future__ import annotations

import bz2
import functools
import lzma
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from seeds import SEEDS

LIES: dict[str, Callable[[Path], Path]] = {}
BOMB = 260 << 20  # bytes that a bomb unpacks to


def lie(name: str) -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
    def add(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
        LIES[name] = make
        return make

    return add


def changed(seed: str, *changes: tuple[int, bytes]) -> Callable[[Path], Path]:
    """A seed with other bytes at some places."""

    def make(folder: Path) -> Path:
        path = SEEDS[seed](folder)
        raw = bytearray(path.read_bytes())
        for at, new in changes:
            raw[at : at + len(new)] = new
        path.write_bytes(raw)
        return path

    return make


def replaced(seed: str, old: bytes, new: bytes, file: str = "") -> Callable[[Path], Path]:
    """A seed in which some text, in the named one of its files, stands otherwise."""

    def make(folder: Path) -> Path:
        path = SEEDS[seed](folder)
        target = path / file if file else path
        raw = target.read_bytes()
        if old not in raw:
            raise AssertionError(f"{old!r} is not in {seed}: {raw[:300]!r}")
        target.write_bytes(raw.replace(old, new, 1))
        return path

    return make


@functools.cache
def zeros(kind: str = "zlib", before: bytes = b"") -> bytes:
    """BOMB zeros, packed; of deflate after some other bytes. Made of one packed piece, over and over."""
    if kind == "bz2":
        return bz2.compress(bytes(1 << 20)) * (BOMB >> 20)
    if kind == "lzma":
        return lzma.compress(bytes(1 << 20)) * (BOMB >> 20)
    window = {"zlib": 15, "gzip": 31, "deflate": -15}[kind]
    return repeated(window, bytes(1 << 20), before)


def repeated(window: int, piece: bytes, before: bytes = b"") -> bytes:
    """A stream of some bytes and then a piece as often as a bomb needs."""
    pack = zlib.compressobj(1, zlib.DEFLATED, window)
    start = pack.compress(before) + pack.flush(zlib.Z_FULL_FLUSH)
    one = pack.compress(piece) + pack.flush(zlib.Z_FULL_FLUSH)
    return start + one * (BOMB >> 20) + pack.flush()[:-8]  # its sum would be wrong, and is met after all of it


i4, i2, f4, i8, f8 = (lambda v, code=code: struct.pack(f"<{code}", v) for code in ("i", "h", "f", "q", "d"))


def written_to(path: Path, raw: bytes) -> Path:
    path.write_bytes(raw)
    return path


LAUGHS = "".join(
    f'<!ENTITY l{i} "{"".join(f"&l{i - 1};" for _ in range(10))}">' if i else '<!ENTITY l0 "lollollollol">'
    for i in range(9)
)
