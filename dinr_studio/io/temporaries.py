"""Temporary files and folders beside what they become, and clearing away those whose writers were killed.

Their names tell who writes them: `.NAME.PLACE-PROCESS-RANDOM.part`, where PLACE stands for this machine (and, on Linux,
for the container on it), so that process numbers of one place are never looked up in another.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import psutil

STEM_BYTES = 64  # of the name that is to be taken: with the rest of the temporary name far from any limit
ENDING = ".part"
OURS = re.compile(r"\..*\.([0-9a-f]{8})-(\d+)-\w+\.part", re.DOTALL)


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """A new empty file beside `path`, of a name that nothing has; gone after the block, unless it was moved."""
    clear_left(path.parent)
    handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=ENDING, dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """The same for a folder."""
    clear_left(path.parent)
    folder = new_folder(path, ENDING)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_folder(path: Path, ending: str) -> Path:
    """A new folder beside `path`; what ends in anything but the usual is never cleared away."""
    return Path(tempfile.mkdtemp(prefix=_prefix(path), suffix=ending, dir=path.parent))


def clear_left(folder: Path) -> None:
    """Removes what processes of this machine that are no more have left half written in a folder."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(ENDING) and _is_left(entry.name):
                _remove(entry)


def _is_left(name: str) -> bool:
    found = OURS.fullmatch(name)
    return found is not None and found[1] == _here() and not psutil.pid_exists(int(found[2]))


def _remove(entry: os.DirEntry[str]) -> None:
    with suppress(OSError):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)


def _prefix(path: Path) -> str:
    stem = os.fsencode(path.name)[:STEM_BYTES].decode("utf-8", "ignore")
    return f".{stem}.{_here()}-{os.getpid()}-"


@lru_cache(maxsize=1)
def _here() -> str:
    """Where process numbers mean what they mean here."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{platform.node()} {space}".encode("utf-8", "replace")).hexdigest()[:8]
