"""The chain of a TIFF file's pages, followed before the library does, which may go round in it for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dinr_studio.errors import FileFormatError

ORDERS: dict[bytes, Any] = {b"II": "little", b"MM": "big"}
CLASSIC, BIG = 42, 43
ENTRY_BYTES = {4: 12, 8: 20}  # by the length of a place in the file


def check_pages(path: Path) -> None:
    """Raises FileFormatError where a page of a TIFF or BigTIFF file is followed by one before it."""
    size, seen = path.stat().st_size, set[int]()
    with open(path, "rb") as file:
        start = file.read(16)
        order = ORDERS.get(start[:2])
        version = int.from_bytes(start[2:4], order or "little")
        if order is None or version not in (CLASSIC, BIG):
            return  # another dialect, or none: the library's to tell
        width = 8 if version == BIG else 4
        counted = 8 if version == BIG else 2
        place = int.from_bytes(start[width : 2 * width], order)
        while 0 < place < size:
            if place in seen:
                raise FileFormatError(f"{path.name} is damaged: its pages go round in a circle; use an intact copy.")
            seen.add(place)
            file.seek(place)
            entries = int.from_bytes(file.read(counted), order)
            after = place + counted + entries * ENTRY_BYTES[width]
            if after + width > size:
                return
            file.seek(after)
            place = int.from_bytes(file.read(width), order)
