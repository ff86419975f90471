"""Files that may be compressed as a whole, by gzip or bzip2; told by their first bytes, whatever their name."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

GZIP, BZIP2 = b"\x1f\x8b", b"BZh"


def is_compressed(path: Path) -> bool:
    """Whether a file begins as gzip and bzip2 files do."""
    return _opener(path) is not open


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The content of a file, decompressed as it is read."""
    with _opener(path)(path, "rb") as file:
        yield file


def _opener(path: Path) -> Any:
    with open(path, "rb") as file:
        start = file.read(3)
    return gzip.open if start.startswith(GZIP) else bz2.open if start == BZIP2 else open
