"""Folders that are one volume: which format a folder has, if any."""

from __future__ import annotations

from pathlib import Path

ZARR_MARKS = ("zarr.json", ".zgroup", ".zarray")


def folder_format(path: Path) -> str | None:
    """The format (a key of `reading.READERS`) of a folder that can be opened as a volume, or None."""
    if is_zarr_store(path) or path.suffix.lower() == ".zarr":
        return "Zarr"
    return None


def is_zarr_store(path: Path) -> bool:
    """Whether a folder has the metadata of a Zarr group or array at its root, whatever its name."""
    return path.is_dir() and any((path / mark).is_file() for mark in ZARR_MARKS)
