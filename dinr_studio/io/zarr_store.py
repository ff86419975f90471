"""A Zarr store on the disk, a folder or a ZIP file: its keys, their lengths, and the JSON in it. Links are refused."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from dinr_studio.errors import FileFormatError
from dinr_studio.io.folders import ZARR_MARKS
from dinr_studio.io.optional import needed

MOST_JSON = 8 << 20  # bytes of metadata, in one file and in all
DEEPEST, MOST_OBJECTS = 16, 10_000


class ZarrStore(Protocol):
    """What reading needs of a store; keys are paths with / below its root."""

    path: Path

    def content(self, key: str) -> bytes | None:
        """What stands under a key, or None; FileFormatError where that is longer than metadata can be."""

    def tail(self, key: str, start: int, length: int) -> bytes:
        """Some bytes of what stands under a key; a negative start counts from its end."""

    def length(self, key: str) -> int | None:
        """How many bytes stand under a key, or None where there is none."""

    def below(self, key: str) -> dict[str, int]:
        """Length of everything below a key, by its path from there."""

    def children(self, key: str) -> list[str]:
        """Names of what may be groups or arrays just below a key."""

    def opened(self) -> Any:
        """The store as the library opens it, to read only."""

    @property
    def prefix(self) -> str:
        """What the library puts before keys."""


def zarr_store(path: Path) -> ZarrStore:
    """The store in a folder or a ZIP file."""
    return FolderStore(path) if path.is_dir() else ZipStore(path)


class FolderStore:
    """A store that is a folder."""

    prefix = ""

    def __init__(self, path: Path) -> None:
        self.path = path

    def content(self, key: str) -> bytes | None:
        """What stands under a key, or None."""
        file = self.path / key
        if not os.path.lexists(file):
            return None
        _refuse_links(self.path, file)
        _refuse_oddities(self.path, file)
        if not file.is_file():
            return None
        _check_length(self.path, key, file.stat().st_size)
        return file.read_bytes()

    def tail(self, key: str, start: int, length: int) -> bytes:
        """Some bytes of what stands under a key."""
        with open(self.path / key, "rb") as file:
            file.seek(start, os.SEEK_END if start < 0 else os.SEEK_SET)
            return file.read(length)

    def length(self, key: str) -> int | None:
        """How many bytes stand under a key, or None."""
        file = self.path / key
        try:
            size = file.lstat().st_size
        except OSError:
            return None
        _refuse_links(self.path, file)
        return size

    def below(self, key: str) -> dict[str, int]:
        """Length of everything below a key."""
        root = self.path / key
        _refuse_links(self.path, root)
        return dict(_lengths(self.path, str(root), ""))

    def children(self, key: str) -> list[str]:
        """Names of the folders just below a key."""
        with os.scandir(self.path / key) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    def opened(self) -> Any:
        """The store as the library opens it."""
        return needed("zarr.storage", "zarr", "Zarr").LocalStore(self.path, read_only=True)


def _lengths(store: Path, folder: str, prefix: str) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                raise _link(store, Path(entry.path))
            if entry.is_dir(follow_symlinks=False):
                yield from _lengths(store, entry.path, f"{prefix}{entry.name}/")
            else:
                _refuse_oddities(store, Path(entry.path))
                yield f"{prefix}{entry.name}", entry.stat(follow_symlinks=False).st_size


def _refuse_links(store: Path, file: Path) -> None:
    """Raises FileFormatError where a file, or a folder between it and the store, is a link."""
    while file != store:
        if file.is_symlink():
            raise _link(store, file)
        file = file.parent


def _refuse_oddities(store: Path, file: Path) -> None:
    """Raises FileFormatError where something is neither a file nor a folder: a pipe or a device may never end."""
    kind = os.lstat(file).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise FileFormatError(f"{file.relative_to(store)} in {store.name} is no plain file; copy the store without it.")


def _link(store: Path, file: Path) -> FileFormatError:
    return FileFormatError(
        f"{file.relative_to(store)} in {store.name} is a link, which is not followed; copy the store with its files."
    )


class ZipStore:
    """A store in a ZIP file, at its root or in the one folder there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with zipfile.ZipFile(path) as file:
            self._lengths = {info.filename: info.file_size for info in file.infolist() if not info.is_dir()}
        tops = {name.partition("/")[0] for name in self._lengths}
        at_root = any(mark in self._lengths for mark in ZARR_MARKS)
        self.prefix = f"{next(iter(tops))}/" if len(tops) == 1 and not at_root else ""
        if not any(f"{self.prefix}{mark}" in self._lengths for mark in ZARR_MARKS):
            raise FileFormatError(f"{path.name} is a ZIP file without a Zarr store in it; unpack it and open a file.")

    def content(self, key: str) -> bytes | None:
        """What stands under a key, or None."""
        name = self.prefix + key
        if name not in self._lengths:
            return None
        _check_length(self.path, key, self._lengths[name])
        with zipfile.ZipFile(self.path) as file:
            return file.read(name)

    def tail(self, key: str, start: int, length: int) -> bytes:
        """Some bytes of what stands under a key."""
        with zipfile.ZipFile(self.path) as file, file.open(self.prefix + key) as entry:
            entry.seek(max(0, start + self._lengths[self.prefix + key]) if start < 0 else start)
            return entry.read(length)

    def length(self, key: str) -> int | None:
        """How many bytes stand under a key, or None."""
        return self._lengths.get(self.prefix + key)

    def below(self, key: str) -> dict[str, int]:
        """Length of everything below a key."""
        folder = self._folder(key)
        return {name[len(folder) :]: size for name, size in self._lengths.items() if name.startswith(folder)}

    def children(self, key: str) -> list[str]:
        """Names of the folders just below a key."""
        return sorted({name.partition("/")[0] for name in self.below(key) if "/" in name})

    def opened(self) -> Any:
        """The store as the library opens it."""
        return needed("zarr.storage", "zarr", "Zarr").ZipStore(self.path, mode="r")

    def _folder(self, key: str) -> str:
        return f"{self.prefix}{key}/" if key else self.prefix


def _check_length(store: Path, key: str, length: int) -> None:
    if length > MOST_JSON:
        raise FileFormatError(f"{key} in {store.name} is {length:,} bytes long, too long for metadata; it is damaged.")


def metadata(store: ZarrStore, key: str) -> tuple[dict[str, Any] | None, int]:
    """The JSON object under a key, or None where there is none, and its length; FileFormatError where it is no such."""
    content = store.content(key)
    if content is None:
        return None, 0
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{key} in {store.path.name} is no JSON ({error}); use an intact copy.") from error
    if not isinstance(found, dict):
        raise FileFormatError(f"{key} in {store.path.name} is no JSON object; use an intact copy.")
    return found, len(content)


class Node:
    """A group or an array: its path in the store, its metadata as it stands there, its attributes, and their length."""

    def __init__(self, path: str, metadata: dict[str, Any], attributes: dict[str, Any], length: int = 0) -> None:
        self.path, self.metadata, self.attributes, self.length = path, metadata, attributes, length

    @property
    def is_array(self) -> bool:
        """Whether it holds values."""
        return (
            self.metadata.get("node_type") == "array"
            if self.metadata.get("zarr_format") == 3
            else ("shape" in self.metadata)
        )


def nodes(store: ZarrStore) -> Iterator[Node]:
    """All groups and arrays of a store, parents before children; FileFormatError where their metadata is damaged."""
    waiting = [("", 0)]
    count, left = 0, MOST_JSON
    while waiting and count < MOST_OBJECTS:
        path, depth = waiting.pop()
        count += 1
        node = node_at(store, path)
        left -= node.length
        if left < 0:
            raise FileFormatError(
                f"{store.path.name} has more than {MOST_JSON:,} bytes of metadata; open a part of it."
            )
        yield node
        if not node.is_array and depth < DEEPEST:
            below = [f"{path}/{name}" if path else name for name in store.children(path)]
            waiting += [(child, depth + 1) for child in reversed(below)]


def node_at(store: ZarrStore, path: str) -> Node:
    """The group or array at a path; a folder that says nothing counts as a group without attributes."""
    prefix = f"{path}/" if path else ""
    found, length = metadata(store, f"{prefix}zarr.json")
    if found is not None:
        return Node(path, found, _mapping(found.get("attributes")), length)
    for name in (".zarray", ".zgroup"):
        found, length = metadata(store, prefix + name)
        if found:
            break
    attributes, more = metadata(store, f"{prefix}.zattrs")
    return Node(path, found or {}, attributes or {}, length + more)


def _mapping(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
