"""Ensembles: the same fit from several seeds, in a folder; the held-out voxels are the same for all members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dinr_studio.config import FitConfig, changed, with_changes
from dinr_studio.errors import ConfigError, DinrError, RunFileError
from dinr_studio.experiments.belief.fits import Fit, folder_at, made
from dinr_studio.experiments.steps import Steps, part
from dinr_studio.training.choosing import chosen_config
from dinr_studio.training.run import Run
from dinr_studio.training.run_file import read_run
from dinr_studio.volume import Volume

FEWEST_MEMBERS, MOST_MEMBERS = 2, 100
NAME = "member-{:02d}.dinr"


@dataclass(frozen=True)
class Asked:
    """What was asked for of fits: a preset, a family, and settings by name."""

    preset: str = "auto"
    family: str | None = None
    changes: Mapping[str, Any] | None = None

    def config_for(self, volume: Volume, kept: Run | None) -> FitConfig:
        """The settings; those of a run that is there already, unless what was asked for is something else."""
        changes = dict(self.changes or {})
        if kept is None:
            return chosen_config(self.preset, self.family, changes, volume)
        config = kept.config
        other = (self.preset not in ("auto", config.preset)) or self.family not in (None, config.field.family)
        seedless = {name: value for name, value in changes.items() if name not in ("seed", "held_out_seed")}
        if other or with_changes(config, seedless) != config:
            raise ConfigError(
                "The folder holds runs with other settings; leave the settings out to go on with these, or choose "
                "another folder."
            )
        return config


@dataclass(frozen=True)
class EnsembleReport:
    """The members of an ensemble: their files and held-out PSNRs in dB (None where nothing was held out)."""

    folder: str
    members: tuple[str, ...]
    psnr: tuple[float | None, ...]
    seeds: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, fit for JSON."""
        return {
            "folder": self.folder,
            "members": [
                {"run_file": name, "seed": seed, "held_out_psnr": psnr}
                for name, seed, psnr in zip(self.members, self.seeds, self.psnr, strict=True)
            ],
        }


def fit_ensemble(
    volume: Volume, folder: Path, members: int, asked: Asked, open_options: Mapping[str, Any]
) -> Steps[EnsembleReport]:
    """Fits what is not there yet of an ensemble; raises a DinrError where the folder holds something else."""
    if not FEWEST_MEMBERS <= members <= MOST_MEMBERS:
        raise ConfigError(f"An ensemble of {members} is not possible; {FEWEST_MEMBERS} to {MOST_MEMBERS} members are.")
    folder_at(folder)
    paths = [folder / NAME.format(number + 1) for number in range(members)]
    first = read_run(paths[0]) if paths[0].exists() else None
    config = asked.config_for(volume, first)
    seed = config.training.seed
    psnrs = []
    for number, path in enumerate(paths):
        training = changed(config.training, seed=seed + number, held_out_seed=config.training.choice_seed)
        one = Fit(path, volume, changed(config, training=training), open_options)
        run = yield from part(made(one), number / members, (number + 1) / members)
        psnrs.append(psnr_of(run))
    seeds = tuple(seed + number for number in range(members))
    return EnsembleReport(str(folder), tuple(map(str, paths)), tuple(psnrs), seeds)


def members_in(folder: Path) -> list[Run]:
    """The finished members in a folder, all fitted to the same data with the same voxels held out."""
    paths = sorted(folder.glob("*.dinr"))
    runs = [run for run in map(read_run, paths) if run.finished]
    if len(runs) < FEWEST_MEMBERS:
        raise RunFileError(
            f"{folder} holds {len(runs)} finished run files; an ensemble has {FEWEST_MEMBERS} or more: `ensemble` fits "
            "them."
        )
    for run in runs[1:]:
        _check_alike(folder, runs[0], run)
    return runs


def psnr_of(run: Run) -> float | None:
    """A run's PSNR on held-out voxels, in dB; None where none were."""
    held_out = run.scores.get("held_out")
    return None if not isinstance(held_out, Mapping) else float(held_out["psnr"])


def _check_alike(folder: Path, first: Run, other: Run) -> None:
    same_data = first.provenance.sha256 == other.provenance.sha256 and first.grid == other.grid
    if not same_data or first.normalisation != other.normalisation:
        raise _no_ensemble(folder, "fitted to different data")
    if first.held_out.shape != other.held_out.shape or (first.held_out != other.held_out).any():
        raise _no_ensemble(folder, "judged on different held-out voxels")


def _no_ensemble(folder: Path, why: str) -> DinrError:
    return RunFileError(f"The runs in {folder} were {why}, so they are no ensemble; fit one with `ensemble`.")
