"""Files and folders, wholly there or not at all: written under a temporary name, then moved into place."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinr_studio.errors import OutputError
from dinr_studio.io.exchanging import exchange
from dinr_studio.io.folders import is_zarr_store
from dinr_studio.io.temporaries import new_folder, temporary_file, temporary_folder

SPARE_BYTES = 16 << 20  # left free on the disk beside what a file needs
LONGEST_NAME = 255  # bytes, on all common file systems


@contextmanager
def atomic_output(path: Path, *, force: bool) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well; on any exception nothing is left.

    Without `force` an existing file is never replaced, not even one that appears meanwhile. A link stays one: what it
    leads to is written. Every refusal of the operating system (disk full, no permission, folder missing) becomes an
    OutputError.
    """
    path = Path(path)
    with refusals_in_words(path):
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        _check_kind(path)
        if os.path.lexists(path) and not force:
            raise exists_already(path)
        with temporary_file(target) as temporary:
            yield temporary
            _put_in_place(temporary, target, force)


@contextmanager
def atomic_folder(path: Path, *, force: bool) -> Iterator[Path]:
    """As `atomic_output`, for a new folder, empty at first; `force` replaces a Zarr store and no other folder.

    What was there changes names with the new folder, and is deleted at the very end.
    """
    path = Path(path)
    with refusals_in_words(path):
        check_replaced(path, force)
        with temporary_folder(path) as temporary:
            yield temporary
            complete_folder(temporary)
            put_folder_in_place(temporary, path, force)


def _check_kind(path: Path) -> None:
    """Raises OutputError where a name stands for something that no file may take the place of."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file.")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is no file but a device, a pipe or a socket; name a file.")


def check_replaced(path: Path, force: bool) -> None:
    """Raises OutputError where a new folder may not take a name."""
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir():
        raise OutputError(f"{path} is a file or a link, and a folder is to be written; choose another name.")
    if not force:
        raise exists_already(path)
    if not is_zarr_store(path):
        raise OutputError(f"{path} is a folder that is no Zarr store; it is never replaced: choose another name.")


def complete_folder(temporary: Path) -> None:
    """Puts a folder's files on the disk and gives it the usual permissions."""
    for place, _, names in os.walk(temporary):
        for name in names:
            with open(Path(place, name), "rb+") as content:
                os.fsync(content.fileno())
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, 0o777 & ~mask)


def put_folder_in_place(temporary: Path, path: Path, force: bool) -> None:
    """Gives a complete folder its name; what had it before is then in the temporary one's place, or gone."""
    check_replaced(path, force)
    if not path.exists():
        os.rename(temporary, path)
    elif not exchange(temporary, path):
        _replace_in_two_steps(temporary, path)


def _replace_in_two_steps(temporary: Path, path: Path) -> None:
    """Where there is no exchange: for a moment nothing has the name, and the old folder stands aside."""
    aside = new_folder(path, ".old")
    try:
        os.rename(path, aside / path.name)
        try:
            os.rename(temporary, path)
        except OSError:
            os.rename(aside / path.name, path)
            raise
    except OSError:
        os.rmdir(aside)  # refuses where the old folder is still in it
        raise
    shutil.rmtree(aside, ignore_errors=True)


def check_place(path: Path) -> None:
    """Raises OutputError where no file can be made under a name, before any work is done for it."""
    path = Path(path).absolute()
    with refusals_in_words(path):
        if len(os.fsencode(path.name)) > LONGEST_NAME:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        if not (path.suffix.lower() == ".zarr" and path.is_dir() and is_zarr_store(path)):
            _check_kind(path)
        os.listdir(path.parent)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError


def free_bytes(path: Path) -> int:
    """Free space on the disk of `path`, whose folder must exist."""
    with refusals_in_words(path):
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
        raise exists_already(path) from None
    except OSError:  # a file system without hard links
        if path.exists():
            raise exists_already(path) from None
        os.replace(temporary, path)


def exists_already(path: Path) -> OutputError:
    """The refusal to replace what is there without being told to."""
    return OutputError(f"{path} exists already; choose another name or give --force to replace it.")


@contextmanager
def refusals_in_words(path: Path) -> Iterator[None]:
    """Within the block every refusal of the operating system becomes an OutputError about `path`."""
    try:
        yield
    except OSError as error:
        raise OutputError(_in_words(path, error)) from error


def _in_words(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
        return f"The disk is full: {path} was not written; make room or choose another disk."
    if error.errno == errno.EFBIG:
        return f"{path} would be larger than a file may be here and was not written; choose another disk."
    if isinstance(error, FileNotFoundError):
        return f"The folder {Path(path).parent} does not exist; make it first or choose another."
    if isinstance(error, NotADirectoryError):
        return f"{Path(path).parent} is not a folder; choose a folder that exists."
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"{path} may not be written (no permission); choose a folder that is yours."
    if error.errno == errno.ENAMETOOLONG:
        return f"The name {Path(path).name[:40]}... or its folder's is too long; choose a shorter one."
    return f"{path} could not be written: {error.strerror or error}."


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
