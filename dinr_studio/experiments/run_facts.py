"""What a finished fit comes down to, in plain numbers: for tables that put runs beside each other, and for reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.judge import IN_WORDS
from dinr_studio.training.run import Run
from dinr_studio.words import seconds_in_words

ALIKE = ("stored", "voxel_size", "unit")  # ways of opening that leave the values as they are
FIGURES = ("psnr", "ssim", "mae", "relative_l2")


@dataclass(frozen=True)
class RunFacts:
    """One run. held_out and rivals: scores (`FIGURES`) of the field and of each interpolation; empty where not judged.

    seconds: of training. memory_bytes: the most that the process held at any look; NaN where that was not kept.
    """

    name: str
    file: str
    run: Run
    parameters: int
    steps: int
    epochs: float
    seconds: float
    memory_bytes: float
    held_out: Mapping[str, Any]
    rivals: Mapping[str, Mapping[str, Any]]

    @property
    def gain(self) -> float | None:
        """Held-out PSNR over that of the best interpolation, in dB; None where not judged."""
        if not self.held_out or not self.rivals:
            return None
        return float(self.held_out["psnr"] - max(float(rival["psnr"]) for rival in self.rivals.values()))

    @property
    def train_psnr(self) -> float | None:
        """PSNR on voxels that were trained on, in dB; None where not judged."""
        train = self.run.scores.get("train")
        return float(train["psnr"]) if isinstance(train, Mapping) else None

    @property
    def verdict(self) -> str:
        """The sentence of the judgement; "" where there is none."""
        return str(self.held_out.get("verdict", ""))

    def curve(self, name: str) -> NDArray[np.float64]:
        """A column of the history; empty where it was not kept."""
        return self.run.history.columns.get(name, np.empty(0))

    def as_dict(self) -> dict[str, Any]:
        """The facts by name, fit for JSON; what is not known is None."""
        run = self.run
        best = max(self.rivals, key=lambda name: self.rivals[name]["psnr"]) if self.rivals else None
        return {
            "name": self.name,
            "file": self.file,
            "data": run.provenance.file,
            "data_sha256": run.provenance.sha256,
            "preset": run.config.preset,
            "family": run.config.field.family,
            "value_unit": run.value_unit,
            "parameters": self.parameters,
            "steps_trained": self.steps,
            "epochs": self.epochs,
            "seconds": self.seconds,
            "memory_bytes": None if np.isnan(self.memory_bytes) else self.memory_bytes,
            "finished": run.finished,
            "end_reason": run.end_reason,
            "held_out": {name: self.held_out[name] for name in FIGURES} if self.held_out else None,
            "held_out_voxels": self.held_out.get("voxels"),
            "best_interpolation": best,
            "over_best_interpolation": self.gain,
            "train_psnr": self.train_psnr,
            "curve": {name: _finite(self.curve(name)) for name in ("step", "elapsed", "data_loss", "held_out_psnr")},
        }


def facts_of(run: Run, name: str, file: str) -> RunFacts:
    """The facts of one run."""
    from dinr_studio.fields.build import parameter_count

    columns = run.history.columns
    blocks = 1 if run.partition is None else run.partition.count
    held = run.scores.get("held_out")
    rivals = held.get("interpolation") if isinstance(held, Mapping) else None
    state = run.state
    return RunFacts(
        name=name,
        file=file,
        run=run,
        parameters=parameter_count(run.config.field, len(run.grid.shape), run.channels) * blocks,
        steps=state.step if state is not None else int(_last(columns, "step")),
        epochs=_last(columns, "epoch"),
        seconds=state.elapsed if state is not None else _last(columns, "elapsed"),
        memory_bytes=_most(columns.get("memory_bytes")),
        held_out=held if isinstance(held, Mapping) else {},
        rivals=rivals if isinstance(rivals, Mapping) else {},
    )


def read_facts(paths: Sequence[Path]) -> tuple[RunFacts, ...]:
    """The facts of some run files, named so that all names differ; RunFileError where one cannot be read."""
    from dinr_studio.training.run_file import read_run

    names = names_of([str(path) for path in paths])
    return tuple(facts_of(read_run(path), name, str(path)) for path, name in zip(paths, names, strict=True))


def names_of(files: Sequence[str]) -> list[str]:
    """Short names of files, with as many folders before them as it takes to tell them apart."""
    parts = [(*PurePath(file).parts[:-1], PurePath(file).stem) for file in files]
    names = ["/".join(part[-1:]) for part in parts]
    for depth in range(2, max(map(len, parts), default=0) + 1):
        again = [name for name in names if names.count(name) > 1]
        names = ["/".join(part[-depth:]) if name in again else name for name, part in zip(names, parts, strict=True)]
    return [f"{name} ({i + 1})" if names.count(name) > 1 else name for i, name in enumerate(names)]


def held_out_alike(facts: Sequence[RunFacts]) -> tuple[bool, str]:
    """Whether runs were judged on the same held-out voxels, and that, or why they were not, in a sentence."""
    unjudged = [one.name for one in facts if not one.held_out]
    if unjudged:
        return False, f"{', '.join(unjudged)}: not judged on held-out voxels, so scores cannot be compared."
    first, *others = facts
    for other in others:
        if different := _different_data(first.run, other.run):
            return False, f"{first.name} and {other.name} were judged on {different}: their scores do not compare."
        if not _same_voxels(first.run, other.run):
            said = " and ".join(f"{one.name} {_holdout_in_words(one.run)}" for one in (first, other))
            return False, f"Not judged on the same held-out voxels ({said}): their scores compare only roughly."
    return (
        True,
        f"All were judged on the same {first.held_out['voxels']:,} held-out {first.held_out.get('of', 'voxels')}.",
    )


def _different_data(first: Run, second: Run) -> str:
    """What of the data of two runs is not the same, or nothing."""
    if first.provenance.sha256 != second.provenance.sha256:
        return "different data"
    ways = [{name: option for name, option in run.open_options.items() if name not in ALIKE} for run in (first, second)]
    same = ways[0] == ways[1] and first.grid.shape == second.grid.shape
    return "" if same else "different parts or channels of the data"


def _same_voxels(first: Run, second: Run) -> bool:
    if len(first.held_out) or len(second.held_out):
        return bool(np.array_equal(first.held_out, second.held_out))
    rules = [(run.config.training.held_out_scheme, *_share_and_seed(run)) for run in (first, second)]
    return rules[0] == rules[1]


def _share_and_seed(run: Run) -> tuple[float, int]:
    return run.config.training.held_out_share, run.config.training.seed


def _holdout_in_words(run: Run) -> str:
    share, seed = _share_and_seed(run)
    return f"{100 * share:g} % {run.config.training.held_out_scheme}, seed {seed}"


def interpolation_in_words(name: str) -> str:
    """An interpolation's name for a table."""
    return f"{IN_WORDS.get(name, name)} interpolation"


def cost_in_words(facts: RunFacts) -> str:
    """How long a run took, in a line."""
    return f"{seconds_in_words(facts.seconds)}, {facts.steps:,} steps, {facts.epochs:.1f} epochs"


def _last(columns: Mapping[str, NDArray[np.float64]], name: str) -> float:
    column = columns.get(name, np.empty(0))
    return float(column[-1]) if len(column) and np.isfinite(column[-1]) else 0.0


def _most(column: NDArray[np.float64] | None) -> float:
    known = column[np.isfinite(column)] if column is not None else np.empty(0)
    return float(known.max()) if len(known) else float("nan")


def _finite(column: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in column]
