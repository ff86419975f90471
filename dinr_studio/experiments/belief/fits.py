"""Fits that belong together, one after another, each in a run file of its own; what is there already is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinr_studio.config import FitConfig
from dinr_studio.errors import ConfigError, OutputError, RunFileError
from dinr_studio.experiments.steps import Steps
from dinr_studio.stages import Stage
from dinr_studio.training.fit import fit
from dinr_studio.training.run import Run
from dinr_studio.training.run_data import what_changed
from dinr_studio.training.run_file import read_run
from dinr_studio.volume import Volume


@dataclass(frozen=True)
class Fit:
    """One fit to make: its run file, data and settings, and how the data was opened."""

    path: Path
    volume: Volume
    config: FitConfig
    open_options: Mapping[str, Any] = field(default_factory=dict)


def made(one: Fit) -> Steps[Run]:
    """The finished run: the one in the file where that is it, else one that is gone on with or fitted anew.

    Closing it keeps what was trained so far. Raises ConfigError or RunFileError where the file holds another run.
    """
    kept = kept_run(one)
    if kept is not None and kept.finished:
        return kept
    run = kept
    resumed = kept if kept is not None and kept.state is not None else None
    snapshots = fit(one.volume, one.config, path=one.path, resume=resumed, open_options=one.open_options)
    with closing(snapshots):
        for snapshot in snapshots:
            whole = snapshot.elapsed + snapshot.remaining
            share = snapshot.elapsed / whole if math.isfinite(whole) and whole > 0 else 0.0
            psnr = "" if snapshot.best_psnr is None else f", {snapshot.best_psnr:.1f} dB held-out"
            run = snapshot.run or run
            yield Stage(min(1.0, share), f"fitting {one.path.name}, epoch {snapshot.epoch:.1f}{psnr}")
    if run is None:
        raise AssertionError("a fit ends with its run")
    return run


def kept_run(one: Fit) -> Run | None:
    """The run that the file holds; None where there is none."""
    if not one.path.exists():
        return None
    run = read_run(one.path)
    if what_changed(run, one.volume) or run.grid.shape != one.volume.grid.shape:
        raise RunFileError(
            f"{one.path} was fitted to {Path(run.provenance.file).name} as it was, or to another part of it; choose "
            "another folder."
        )
    if (run.config.field, run.config.training) != (one.config.field, one.config.training):
        raise ConfigError(
            f"{one.path} was fitted with other settings ({', '.join(_differing(run.config, one.config))}); leave the "
            "settings out to go on with what is there, or choose another folder."
        )
    return run


def folder_at(path: Path) -> None:
    """Makes a folder for the runs, where it is not there; OutputError where that is refused."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {path} cannot be made ({error.strerror}); choose another place.") from error


def _differing(first: FitConfig, second: FitConfig) -> list[str]:
    groups = ((first.field, second.field), (first.training, second.training))
    return [name for a, b in groups for name, value in dict(a).items() if value != getattr(b, name)]
