"""The volume that a run was fitted to, found again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from dinr_studio.errors import DataNotFound, OutputError, RunFileError
from dinr_studio.io import open_volume
from dinr_studio.io.reading import MASK_MARK, SAMPLE_PREFIX
from dinr_studio.io.series import is_pattern
from dinr_studio.training.run import Run
from dinr_studio.volume import Volume


def volume_of(run: Run, run_path: Path, data: str | None = None) -> Volume:
    """The volume, from `data`, or from where it was, or from beside the run file; DataNotFound where it is gone."""
    file = data or run.provenance.file
    if not file:
        raise DataNotFound(
            "The run was fitted to an array, which no file holds; what needs its data can only be done from Python."
        )
    if data is None and not _exists(Path(file)):
        file = str(run_path.parent / Path(file).name)
        if not _exists(Path(file)):
            raise DataNotFound(
                f"The data file {run.provenance.file} is not there any more; say where it is with --data FILE."
            )
    volume = open_volume(file, **options_of(run, run_path))
    changed = what_changed(run, volume)
    if changed == "mask":
        raise RunFileError(f"The mask {run.open_options['mask']} has changed since the fit; put the old one back.")
    if changed:
        raise DataNotFound(f"{file} is not the file that the run was fitted to; give the right one with --data FILE.")
    _check_grid(run, volume)
    return volume


def check_fits(run: Run, volume: Volume) -> None:
    """Raises DataNotFound where a volume is not the one that a run was fitted to."""
    if what_changed(run, volume):
        raise DataNotFound("The data is not what the run was fitted to; open that, with its mask.")
    _check_grid(run, volume)


def _check_grid(run: Run, volume: Volume) -> None:
    """Raises DataNotFound where a volume has other voxels or channels than a run."""
    if (volume.grid.shape, volume.channels) != (run.grid.shape, run.channels):
        raise DataNotFound(
            f"The data has shape {volume.grid.shape} and {volume.channels} channels, and the run was fitted to "
            f"{run.grid.shape} and {run.channels}, a part of it that the run does not name; open that part."
        )


def options_of(run: Run, run_path: Path) -> dict[str, Any]:
    """How to open the run's data again: as at the fit, the mask from beside the run file where it is not where it was.

    Raises RunFileError where it is gone.
    """
    options = dict(run.open_options)
    mask = str(options.get("mask") or "")
    if mask and not mask.startswith(SAMPLE_PREFIX) and not _exists(Path(mask)):
        beside = run_path.parent / Path(mask).name
        if not _exists(beside):
            raise RunFileError(f"The mask {mask} is not there any more; put it back, or beside {run_path.name}.")
        options["mask"] = str(beside)
    return options


def what_changed(run: Run, volume: Volume) -> str:
    """What of a run's data is no longer what it was fitted to: "data", "mask" or nothing."""
    (now, _, mask), (then, _, old_mask) = (one.provenance.sha256.partition(MASK_MARK) for one in (volume, run))
    return "data" if now != then else "mask" if mask != old_mask else ""


def check_not_data(run: Run, path: Path) -> None:
    """Raises OutputError where a file to be written, even by force, is what the run was fitted to, or its mask."""
    for file in (run.provenance.file, str(run.open_options.get("mask") or "")):
        with suppress(OSError, ValueError):
            if file and os.path.samefile(file, path):
                raise OutputError(
                    f"{path} is what the run was fitted to, and measured data is never replaced; choose another name."
                )


def _exists(path: Path) -> bool:
    if str(path).startswith(("//", "\\\\")):  # a share of another machine is asked for by the user alone
        return False
    try:
        return path.exists() or (is_pattern(path) and path.parent.exists())
    except (OSError, ValueError):  # no system allows such a name
        return False
