"""The volume that a run was fitted to, found again."""

from __future__ import annotations

from pathlib import Path

from dinr_studio.errors import DataNotFound
from dinr_studio.io import open_volume
from dinr_studio.training.run import Run
from dinr_studio.volume import Volume


def volume_of(run: Run, run_path: Path, data: str | None = None) -> Volume:
    """The volume, from `data`, or from where it was, or from beside the run file; DataNotFound where it is gone."""
    file = data or run.provenance.file
    if data is None and not _exists(Path(file)):
        file = str(run_path.parent / Path(file).name)
        if not _exists(Path(file)):
            raise DataNotFound(
                f"The data file {run.provenance.file} is not there any more; say where it is with --data FILE."
            )
    volume = open_volume(file, **run.open_options)
    if volume.provenance.sha256 != run.provenance.sha256:
        raise DataNotFound(f"{file} is not the file that the run was fitted to; give the right one with --data FILE.")
    return volume


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # no system allows such a name
        return False
