"""The seal of a run file: its first line, which names the format and is a checksum over all that follows it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

from dinr_studio.errors import DinrError, RunFileError

FORMAT, VERSION = "dinr-studio-run", 3
VERSION_WITHOUT_BLOCKS = 2  # so that older programs read what they can
SMALL_VERSION = 4  # a small file, whose seal is no longer than its line
SEAL_BYTES = 512
MOST_BYTES = 8 << 30  # of all that a run file holds
MOST_INFLATION = 1100  # gzip can't shrink further; a file that claims more is not honest
SEAL = re.compile(rb"dinr-studio-run (\d{1,9}) ([0-9a-f]{64})\n")


def seal(path: Path, version: int = VERSION) -> None:
    """Writes version and checksum into the user block of a finished file."""
    with open(path, "r+b") as file:
        file.write(f"{FORMAT} {version} {_checksum(file, SEAL_BYTES)}\n".encode().ljust(SEAL_BYTES, b"\0"))


def sealed_small(content: bytes) -> bytes:
    """A small file of some content."""
    return f"{FORMAT} {SMALL_VERSION} {hashlib.sha256(content).hexdigest()}\n".encode() + content


def sealed_version(path: Path) -> int | None:
    """The format version that a file says it has; None where it can't be read, or is no run file."""
    try:
        with open(path, "rb") as file:
            found = SEAL.match(file.read(SEAL_BYTES))
    except (OSError, ValueError):
        return None
    return None if found is None else int(found[1])


def check_seal(path: Path) -> int:
    """How many bytes of a run file its seal takes; RunFileError where it is none, newer, or not what was sealed."""
    with open(path, "rb") as file:
        found = SEAL.match(file.read(SEAL_BYTES))
        if found is None:
            raise RunFileError(f"{path} is not a run file; give a .dinr file that `fit` has written.")
        if int(found[1]) > SMALL_VERSION:
            raise RunFileError(
                f"{path} has format version {int(found[1])} and this program reads up to {SMALL_VERSION}; "
                "update DINR Studio."
            )
        length = found.end() if int(found[1]) == SMALL_VERSION else SEAL_BYTES
        if _checksum(file, length) != found[2].decode():
            raise damaged(path, "it is truncated, or was altered after it was written")
    return length


@contextmanager
def faults_in_words(path: Path) -> Iterator[None]:
    """Within the block every fault becomes a RunFileError about the run file at `path`."""
    try:
        yield
    except FileNotFoundError:
        raise RunFileError(f"{path} does not exist; check the name.") from None
    except IsADirectoryError:
        raise RunFileError(f"{path} is a folder; give a .dinr file.") from None
    except PermissionError:
        raise RunFileError(f"{path} may not be read (no permission).") from None
    except RunFileError:
        raise
    except DinrError as error:
        raise damaged(path, str(error)) from None
    except Exception as error:
        raise damaged(path, "it is truncated or altered") from error


def damaged(path: Path, what: str) -> RunFileError:
    """What is said of a run file that cannot be used."""
    return RunFileError(f"{path} cannot be read: {what}; use an intact copy or fit again.")


def _checksum(file: BufferedIOBase, start: int) -> str:
    """SHA-256 of all behind the seal; leaves the file at its start."""
    file.seek(start)
    checksum = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return checksum
