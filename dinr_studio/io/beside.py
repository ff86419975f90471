"""Data files that a header file names: only ones in the header's own folder are ever opened."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from dinr_studio.errors import FileFormatError


def data_file(header: Path, name: str) -> Path:
    """The file of values that a header names; FileFormatError where it is elsewhere, or missing."""
    parts = PureWindowsPath(name).parts  # splits at both kinds of slash
    elsewhere = PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor or ".." in parts or "\0" in name
    path = header.parent / name
    if not elsewhere:
        try:
            elsewhere = not path.resolve().is_relative_to(header.parent.resolve())
        except (OSError, RuntimeError):  # links in a circle
            elsewhere = True
    if elsewhere:
        raise FileFormatError(
            f"{header.name} takes its values from {name[:80]!r}, outside its own folder, which is not opened; "
            "put the data file beside it and name it so."
        )
    if not path.is_file():
        raise FileFormatError(
            f"{header.name} takes its values from {name[:80]!r}, which is not beside it; copy both files together."
        )
    return path
