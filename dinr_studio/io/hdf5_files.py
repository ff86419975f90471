"""HDF5 files to write to that survive a full disk.

HDF5's library cannot close a file whose last writes fail: it complains, and crashes the process later. So it is handed
a file that never fails it. That file keeps the first refusal of the operating system and drops what comes after, and
whoever writes learns of the refusal here.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dinr_studio.errors import FileFormatError

MOST_LINKS = 20_000


class ForgivingFile(io.RawIOBase):
    """A file on the disk that takes every write; refusal is the first error that it met, or None."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = io.FileIO(path, "w+")
        self.refusal: OSError | None = None

    def write(self, content: Any) -> int:
        """Writes all of it, or drops it once a write was refused; says that it was written either way."""
        left = memoryview(content).cast("B")
        size = len(left)
        while len(left) and self.refusal is None:
            try:
                left = left[self._file.write(left) or 0 :]
            except OSError as error:
                self.refusal = error
        if len(left):
            self._file.seek(len(left), os.SEEK_CUR)
        return size

    def truncate(self, size: int | None = None) -> int:
        """Makes the file as long as asked, unless a write was refused."""
        if self.refusal is None:
            try:
                return self._file.truncate(size)
            except OSError as error:
                self.refusal = error
        return self.tell() if size is None else size

    def readinto(self, buffer: Any) -> int:
        """Reads into a buffer; zeros stand for what was dropped."""
        view = memoryview(buffer).cast("B")
        got = self._file.readinto(view) or 0
        view[got:] = bytes(len(view) - got)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a place in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place in the file."""
        return self._file.tell()

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()


class Hdf5Output:
    """A new HDF5 file on a ForgivingFile: `file` is h5py's, and `check` and `close` raise what the disk refused."""

    def __init__(self, path: Path, **options: Any) -> None:
        import h5py

        self._disk = ForgivingFile(path)
        self.file = h5py.File(self._disk, "w", **options)

    def check(self) -> None:
        """Raises the OSError of the first write that was refused, if any was."""
        if self._disk.refusal is not None:
            raise self._disk.refusal

    def close(self) -> None:
        """Closes the file, in any case, and checks it."""
        try:
            self.file.close()
        finally:
            self._disk.close()
        self.check()


@contextmanager
def hdf5_output(path: Path, **options: Any) -> Iterator[Any]:
    """A new HDF5 file for the time of the block; raises the OSError of the first write that was refused."""
    output = Hdf5Output(path, **options)
    try:
        yield output.file
    finally:
        output.close()


def bytes_held(stored: Any) -> int:
    """Bytes that it takes to read a dataset: those of its values and of one chunk, by what it claims."""
    one = math.prod(stored.chunks) if stored.chunks else 0
    return int((int(stored.size or 0) + one) * stored.dtype.itemsize)


def check_inward(path: Path) -> None:
    """Raises FileFormatError where anything in an HDF5 file points to another file, which is never opened."""
    import h5py

    with h5py.File(path, "r") as file:
        waiting, seen, count = [file["/"]], set[int](), 0
        while waiting:
            group = waiting.pop()
            if hash(group.id) in seen:  # the same for every name of a group
                raise FileFormatError(f"{path.name} has a group within itself, or twice; copy what you want of it.")
            seen.add(hash(group.id))
            for name in group:
                count += 1
                if count > MOST_LINKS:
                    raise FileFormatError(f"{path.name} holds more than {MOST_LINKS:,} objects; copy what you want.")
                link = group.get(name, getlink=True)
                item = group[name] if isinstance(link, h5py.HardLink) else None
                outward = isinstance(item, h5py.Dataset) and (item.is_virtual or item.external)
                if outward or isinstance(link, h5py.ExternalLink):
                    raise FileFormatError(
                        f"{name} in {path.name} points to other files; copy its values into one file."
                    )
                if isinstance(item, h5py.Group):
                    waiting.append(item)


def inward(group: Any, path: str, left: int = 16) -> Any:
    """What a path below a group leads to, by hard and soft links; None where it leads nowhere or to another file."""
    import h5py

    item = group["/"] if path.startswith("/") else group
    for name in filter(None, path.split("/")):
        link = item.get(name, getlink=True) if isinstance(item, h5py.Group) else None
        if isinstance(link, h5py.SoftLink) and left > 0:
            item = inward(item, link.path, left - 1)
        elif isinstance(link, h5py.HardLink):
            item = item[name]
        else:
            return None
    return item
