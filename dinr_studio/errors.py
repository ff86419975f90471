"""The errors a user can meet: one sentence each, saying what was found, what is allowed and what to do."""

from __future__ import annotations

import re
import unicodedata

TAG = re.compile(r"<(?=[A-Za-z/!?])")
LONGEST_TEXT = 2000  # characters that are shown of a text from a file


def printable(text: str) -> str:
    """A text in one line that any terminal can show.

    Control characters and what is no Unicode, both of which names of files can hold, are written as escapes.
    """
    odd = ("Cc", "Cs")
    return "".join(
        letter.encode("unicode_escape").decode("ascii") if unicodedata.category(letter) in odd else letter
        for letter in text
    )


def plain(text: str) -> str:
    """A text from a file as one line that is text everywhere: nothing in it steers a terminal or is drawn as a tag."""
    line = "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\ufffd" for letter in text[:LONGEST_TEXT]
    )
    return TAG.sub("\u2039", line)


class DinrError(Exception):
    """Base of every error whose message is written for the user; the shell prints it and exits with status 2.

    Messages quote files, so each becomes one plain line.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(plain(printable(message)))


class ConfigError(DinrError):
    """A setting has a value that is not allowed, or two settings contradict each other."""


class FileFormatError(DinrError):
    """A file cannot be read or written as asked: unknown format, damaged, empty, or not what it claims to be."""


class DataError(DinrError):
    """The values themselves cannot be used: complex, empty, constant, or all missing."""


class RunFileError(DinrError):
    """A run file is damaged, from a newer version, or not a run file at all."""


class DataNotFound(RunFileError):
    """The data that a run was fitted to is not where it was, or is no longer the same."""


class OutputError(DinrError):
    """A result cannot be written: it exists already, the disk is full, or the folder refuses."""


class TrainingDiverged(DinrError):
    """Training went to NaN or infinity and did not recover at a lower learning rate."""


class TeamLost(DinrError):
    """Another process of a team that trains together ended, or no longer answers."""


class MemoryShort(DinrError):
    """The work asked for needs more memory than there is; micro_batch is one that would do, where that helps."""

    def __init__(self, message: str, micro_batch: int | None = None) -> None:
        super().__init__(message)
        self.micro_batch = micro_batch
