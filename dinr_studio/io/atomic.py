"""Files that are either wholly there or not there: written under a temporary name, then moved into place."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinr_studio.errors import OutputError

SPARE_BYTES = 16 << 20  # left free on the disk beside what a file needs
LONGEST_NAME = 255  # bytes, on all common file systems


@contextmanager
def atomic_output(path: Path, *, force: bool) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well; on any exception nothing is left.

    Without `force` an existing file is never replaced, not even one that appears meanwhile. Every refusal of the
    operating system (disk full, no permission, folder missing) becomes an OutputError.
    """
    path = Path(path)
    with _refusals_in_words(path):
        if path.is_dir():
            raise OutputError(f"{path} is a folder; name a file.")
        if path.exists() and not force:
            raise _exists(path)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:64]}.", suffix=".part", dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        with _refusals_in_words(path):
            yield temporary
            _put_in_place(temporary, path, force)
    finally:
        temporary.unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Raises OutputError where no file can be made under a name, before any work is done for it."""
    path = Path(path).absolute()
    with _refusals_in_words(path):
        if len(os.fsencode(path.name)) > LONGEST_NAME:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        if path.is_dir():
            raise OutputError(f"{path} is a folder; name a file.")
        os.listdir(path.parent)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError


def free_bytes(path: Path) -> int:
    """Free space on the disk of `path`, whose folder must exist."""
    with _refusals_in_words(path):
        return shutil.disk_usage(Path(path).absolute().parent).free


def check_free_space(path: Path, needed: int) -> None:
    """Raises OutputError where the disk of `path` has not `needed` bytes free (and a little to spare)."""
    free = free_bytes(path)
    if free < needed + SPARE_BYTES:
        raise OutputError(
            f"{path} needs {_gigabytes(needed)} and the disk has {_gigabytes(free)} free; "
            "make room, choose another disk, or export at a lower resolution."
        )


def _put_in_place(temporary: Path, path: Path, force: bool) -> None:
    """Moves the finished file to its name, with its content on the disk first and the usual permissions."""
    with open(temporary, "rb+") as content:
        os.fsync(content.fileno())
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o666 & ~mask)
    if force:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # fails where the name exists by now, which a rename would not
    except FileExistsError:
        raise _exists(path) from None
    except OSError:  # a file system without hard links
        if path.exists():
            raise _exists(path) from None
        os.replace(temporary, path)


def _exists(path: Path) -> OutputError:
    return OutputError(f"{path} exists already; choose another name or give --force to replace it.")


@contextmanager
def _refusals_in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(_in_words(path, error)) from error


def _in_words(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
        return f"The disk is full: {path} was not written; make room or choose another disk."
    if isinstance(error, FileNotFoundError):
        return f"The folder {Path(path).parent} does not exist; make it first or choose another."
    if isinstance(error, NotADirectoryError):
        return f"{Path(path).parent} is not a folder; choose a folder that exists."
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"{path} may not be written (no permission); choose a folder that is yours."
    if error.errno == errno.ENAMETOOLONG:
        return f"The file name {Path(path).name[:40]}... is too long; choose a shorter one."
    return f"{path} could not be written: {error.strerror or error}."


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
