"""Folders that are written in parts and can be gone on with: what was interrupted stays, with a journal of it.

Until it is finished the folder OUT lies in OUT.part, beside a description of what it is to be and the journals of those
who write it. A part stands in a journal only after its files are on the disk, so whatever ends the work, the power of
the machine included, what the journals name is whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

from dinr_studio.errors import OutputError
from dinr_studio.io.atomic import check_replaced, complete_folder, put_folder_in_place, refusals_in_words

VALUES, DESCRIPTION, JOURNAL = "values", "description.json", re.compile(r"journal-\d+\.jsonl")
SUFFIX = ".part"
PARTS = "parts"  # in a description: how many there are
VERSION = 1

Left = Literal["refuse", "resume", "discard"]
Record = dict[str, Any]  # of one part that is done: its number, and what is known of its values


class PartialFolder:
    """A folder on its way. values: where its content goes; done: what the journals name, by number, at the start."""

    def __init__(self, folder: Path, description: Mapping[str, Any]) -> None:
        self.folder, self.values = folder, folder / VALUES
        self.fresh = not (folder / DESCRIPTION).exists()
        self.done = {} if self.fresh else journaled(folder)
        self._description = description

    def describe(self) -> None:
        """Says on the disk what it is to be, once all parts have a place: from now on it can be gone on with."""
        for place, _, names in os.walk(self.values):
            sync([Path(place, name) for name in names], self.folder)
        temporary = self.folder / f"{DESCRIPTION}{SUFFIX}"
        temporary.write_text(_text(self._description), encoding="utf-8")
        sync([temporary], self.folder)
        os.replace(temporary, self.folder / DESCRIPTION)
        sync([], self.folder)


class Journal:
    """What one process has done of a folder in parts. writer: its number among those that write at once."""

    def __init__(self, folder: Path, writer: int) -> None:
        self._folder = folder
        self._file: BinaryIO = open(folder / f"journal-{writer}.jsonl", "ab")  # noqa: SIM115  (closed in close)
        self._file.write(b"\n")  # ends a line that was cut off
        self._file.flush()
        sync([], folder)

    def note(self, record: Record, files: list[Path]) -> None:
        """Puts files on the disk, and then what is in them into the journal."""
        sync(files, self._folder)
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def part_of(path: Path) -> Path:
    """Where what is unfinished of a folder lies."""
    return path.with_name(path.name + SUFFIX)


def is_unfinished(folder: Path) -> bool:
    """Whether a folder is the unfinished part of another, which can be gone on with."""
    return folder.name.endswith(SUFFIX) and (folder / DESCRIPTION).is_file() and (folder / VALUES).is_dir()


def share_done(path: Path) -> float | None:
    """Share of its parts that are done of what an interrupted work has left of a folder; None where it left nothing."""
    folder = part_of(path)
    if not is_unfinished(folder):
        return None
    parts = _described(folder).get(PARTS)
    return len(journaled(folder)) / parts if isinstance(parts, int) and parts > 0 else 0.0


def differences(path: Path, description: Mapping[str, Any]) -> list[str]:
    """Names of what an unfinished folder was to be and what is asked for now differ in; none where it can go on."""
    known, wanted = _described(part_of(path)), json.loads(_text(description))
    return sorted(name for name in known.keys() | wanted.keys() if known.get(name) != wanted.get(name))


def journaled(folder: Path) -> dict[int, Record]:
    """What the journals of a folder name, by number; lines that were cut off do not count."""
    found: dict[int, Record] = {}
    for file in sorted(folder.glob("journal-*.jsonl")):
        for line in file.read_bytes().split(b"\n")[:-1]:
            try:
                record = json.loads(line) if line else None
            except ValueError:
                continue
            if isinstance(record, dict) and isinstance(record.get("part"), int):
                found[record["part"]] = record
    return found


@contextmanager
def folder_in_parts(path: Path, description: Mapping[str, Any], *, force: bool, left: Left) -> Iterator[PartialFolder]:
    """The folder on its way to `path`, which takes its place when the block ends well.

    description: all that the content depends on, as JSON. left: what to do with what an earlier one has left: go on
    with it where the description is the same, or begin anew. On an exception it stays where a journal names a part, and
    nothing is left where none does. `force` replaces a Zarr store that has the name. Raises OutputError.
    """
    folder = part_of(path)
    with refusals_in_words(path):
        check_replaced(path, force)
        _check_left(path, description, left)
        folder.mkdir(exist_ok=True)
        with locked(folder):
            partial = PartialFolder(folder, description)
            partial.values.mkdir(exist_ok=True)
            try:
                yield partial
                _finish(partial, path, force)
            except BaseException:
                if not journaled(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                raise
            shutil.rmtree(folder, ignore_errors=True)


def _finish(partial: PartialFolder, path: Path, force: bool) -> None:
    """Gives the content its name; what is left then, the old content perhaps, must not pass for the new one."""
    complete_folder(partial.values)
    (partial.folder / DESCRIPTION).unlink(missing_ok=True)
    try:
        put_folder_in_place(partial.values, path, force)
    except BaseException:
        partial.describe()
        raise


def _check_left(path: Path, description: Mapping[str, Any], left: Left) -> None:
    """Makes the name of the part free, or sure that it can be gone on with; else OutputError."""
    folder = part_of(path)
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir() or not all(map(_own, os.listdir(folder))):
        raise OutputError(f"{folder} is in the way and no part of an export; move it, or choose another name.")
    if (folder / DESCRIPTION).exists() and left == "refuse":
        raise OutputError(
            f"{folder} holds an unfinished export to {path.name}; --resume goes on with it, --force begins anew."
        )
    if (folder / DESCRIPTION).exists() and left == "resume":
        if unlike := differences(path, description):
            raise OutputError(
                f"{folder} is of an export with another {' and '.join(unlike)}; ask for the same again to go on with "
                "it, or begin anew with --force."
            )
        return
    with locked(folder):
        shutil.rmtree(folder)


def _own(name: str) -> bool:
    return name in (VALUES, DESCRIPTION, f"{DESCRIPTION}{SUFFIX}") or JOURNAL.fullmatch(name) is not None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within the block no other process writes the same; OutputError where one does. A lock ends with its process."""
    if os.name == "nt":  # which has no such locks: two processes that write the same are not told apart
        yield
        return
    import fcntl

    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(f"Another process is writing {folder}; wait for it, or choose another name.") from None
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(place)


def sync(files: list[Path], root: Path) -> None:
    """Puts files on the disk, and the folders between them and a root, so that a power failure leaves them whole."""
    folders = {root}
    for file in files:
        with open(file, "rb+") as content:
            os.fsync(content.fileno())
        folders.update(parent for parent in file.parents if parent.is_relative_to(root))
    if os.name == "nt":  # which has no such call for folders
        return
    for folder in sorted(folders, reverse=True):
        place = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)


def _described(folder: Path) -> dict[str, Any]:
    """What a folder is to be, as it stands there; nothing where that is damaged."""
    try:
        known = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def _text(description: Mapping[str, Any]) -> str:
    return json.dumps({"version": VERSION, **description}, sort_keys=True, allow_nan=False)
