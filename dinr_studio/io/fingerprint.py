"""What tells whether a file, or a folder that is one volume, is still the one that it was."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

WHOLE_BYTES = 2 << 30  # up to here all of the content is hashed
PIECES, PIECE_BYTES = 64, 1 << 20  # of larger content: so many pieces, evenly spread
MOST_FILES = 4096  # of a folder whose content is looked at; of the others only name and size


def fingerprint(path: Path, files: Sequence[Path] = ()) -> str:
    """The SHA-256 of a file; of large ones and of folders a hash, marked as such, of what stands for it all.

    Large files: length and evenly spread pieces (`sampled:`). Folders: names and lengths of all files, and the content
    of each, sampled where that is much (`folder:`). Where several files were read, as `files` says: the
    fingerprints of all (`files:`).
    """
    if files:
        parts = "\n".join(fingerprint(file) for file in files)
        return "files:" + hashlib.sha256(parts.encode()).hexdigest()
    if path.is_dir():
        return _of_folder(path)
    size = path.stat().st_size
    if size > WHOLE_BYTES:
        return "sampled:" + _sampled(path, size, PIECES)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_folder(folder: Path) -> str:
    files = sorted(file for file in plain_files(folder) if not file.name.endswith(".part"))
    sizes = [file.stat().st_size for file in files]
    whole = sum(sizes) <= WHOLE_BYTES
    digest = hashlib.sha256()
    for i, (file, size) in enumerate(zip(files, sizes, strict=True)):
        digest.update(f"{file.relative_to(folder).as_posix()}\0{size}\0".encode("utf-8", "surrogateescape"))
        if whole:
            with open(file, "rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        elif i % (-(-len(files) // MOST_FILES)) == 0:
            digest.update(_sampled(file, size, 1).encode())
    return "folder:" + digest.hexdigest()


def plain_files(folder: Path) -> Iterator[Path]:
    """The files below a folder; no links, which may lead anywhere, and no pipes or devices, which may never end."""
    for place, _, names in os.walk(folder):
        for name in names:
            if stat.S_ISREG(os.lstat(os.path.join(place, name)).st_mode):
                yield Path(place, name)


def _sampled(path: Path, size: int, pieces: int) -> str:
    """Hash of a file's length and of evenly spread pieces, its first and last among them."""
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        for i in range(pieces):
            file.seek(max(0, size - PIECE_BYTES) * i // max(1, pieces - 1))
            digest.update(file.read(PIECE_BYTES))
    return digest.hexdigest()
