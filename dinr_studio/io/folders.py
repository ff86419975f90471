"""Folders that are one volume: which format a folder has, if any."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from dinr_studio.io.dicom_headers import files_below, is_dicom
from dinr_studio.io.fingerprint import plain_files
from dinr_studio.io.series import files_of, is_pattern, series_in

MOST_LOOKED_AT = 2000  # files in folders below, before a folder counts as one without DICOM images
ZARR_MARKS = ("zarr.json", ".zgroup", ".zarray")


def folder_format(path: Path) -> str | None:
    """The format (a key of `reading.READERS`) of a folder, or of files that fit a pattern, as one volume, or None."""
    if is_pattern(path):
        return _format_of_files(path)
    if is_zarr_store(path) or path.suffix.lower() == ".zarr":
        return "Zarr"
    if (kind := _format_of_files(path)) is not None:
        return kind
    return "DICOM" if any(is_dicom(file) for file in islice(files_below(path), MOST_LOOKED_AT)) else None


def _format_of_files(path: Path) -> str | None:
    if any(is_dicom(file) for file in files_of(path)):
        return "DICOM"
    return "series" if series_in(path) else None


def is_zarr_store(path: Path) -> bool:
    """Whether a folder has the metadata of a Zarr group or array at its root, whatever its name."""
    return path.is_dir() and any((path / mark).is_file() for mark in ZARR_MARKS)


def length_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(file.stat().st_size for file in plain_files(path))
