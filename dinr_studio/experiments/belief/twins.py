"""Twin fits: two fields fitted to two half maps independently; where they agree there is signal, not noise.

Fields are smooth: past the resolution of the half maps they have hardly any power, and what little there is agrees for
reasons other than signal (edges of the box and of the mask, the common architecture). So each field is held against the
other half map as well, whose noise it has never seen: the square root of the half maps' correlation is what a perfect
map reaches there, so that 0.143 between half maps amounts to 0.378, and a field's resolution is read at that.

The seeds differ, for fields of one seed would share the random features that their errors are made of. Half maps have
independent noise, as those of a cryo-EM reconstruction do. One volume can be split into two disjoint halves of its
voxels instead, which says the same only where the noise of neighbouring voxels is independent.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.fsc import Resolution, crossing, length_in_words
from dinr_studio.config import FitConfig, changed
from dinr_studio.errors import ConfigError, DataError
from dinr_studio.experiments.belief.correlation import Correlated, Wish, correlated
from dinr_studio.experiments.belief.ensembles import Asked, psnr_of
from dinr_studio.experiments.belief.fits import Fit, folder_at, made
from dinr_studio.experiments.belief.maps import Choice, check_alike, map_of_field, map_of_volume
from dinr_studio.experiments.steps import Steps, part, within
from dinr_studio.io.atomic import atomic_output
from dinr_studio.sampling.target import frame_of
from dinr_studio.stages import Stage
from dinr_studio.training.device import resolve_device
from dinr_studio.training.fit import field_of
from dinr_studio.training.run import Run
from dinr_studio.training.run_file import read_run
from dinr_studio.volume import Volume

CROSS_THRESHOLD = float(np.sqrt(0.143))
NAMES = ("half-1.dinr", "half-2.dinr")
TABLE, FIGURE = "fsc.csv", "fsc.svg"
SPLIT_NOTE = (
    "Both fields were fitted to disjoint halves of one volume's voxels: they agree on noise, too, as far as that of "
    "neighbouring voxels is not independent, and there are no half maps to compare them with."
)


@dataclass(frozen=True)
class Half:
    """One of the data sets: its volume and how it was opened."""

    volume: Volume
    open_options: Mapping[str, Any]


@dataclass(frozen=True)
class Twins:
    """The correlation of both fields, and of both half maps (None for the halves of one volume).

    cross: of each field with the other half map, the mean of both, by shell; None where there are no half maps.
    """

    folder: str
    runs: tuple[str, str]
    psnr: tuple[float | None, float | None]
    fields: Correlated
    halves: Correlated | None
    cross: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()

    @property
    def reached(self) -> Resolution | None:
        """Where the fields' correlation with the other half maps falls below 0.378; None where there are none."""
        if self.cross is None:
            return None
        frequency = self.fields.fsc.frequency
        return Resolution(crossing(frequency, self.cross, np.full(len(frequency), CROSS_THRESHOLD)))

    def as_dict(self) -> dict[str, Any]:
        """All of it by name, fit for JSON."""
        return {
            "folder": self.folder,
            "runs": list(self.runs),
            "held_out_psnr": list(self.psnr),
            "table": str(Path(self.folder) / TABLE),
            "figure": str(Path(self.folder) / FIGURE),
            "fields": self.fields.as_dict(),
            "halves": None if self.halves is None else self.halves.as_dict(),
            "cross": None if self.cross is None else self.cross.tolist(),
            "cross_threshold": CROSS_THRESHOLD,
            "cross_resolution": None if self.reached is None else self.reached.length,
            "verdict": verdict(self),
            "notes": list(self.notes),
        }


def half_maps(first: Half, second: Half) -> tuple[Half, Half]:
    """Two half maps of two files; raises ConfigError where they are one."""
    if first.volume.provenance.sha256 == second.volume.provenance.sha256:
        raise ConfigError("Both half maps are one file, whose noise is the same; give two, or one to be split.")
    return first, second


def split(volume: Volume, seed: int) -> tuple[Volume, Volume]:
    """Two volumes, each with a random half of the voxels missing that the other has."""
    loaded = volume.loaded()
    if loaded.samples is not None:
        raise DataError("Scattered samples cannot be split here; split the table, and give both parts.")
    first = np.random.default_rng(seed).random(loaded.grid.shape) < 0.5
    return loaded.without(~first), loaded.without(first)


def fit_twins(halves: tuple[Half, Half], folder: Path, asked: Asked, choice: Choice, mask: str) -> Steps[Twins]:
    """Fits both halves, correlates the fields and the half maps, and writes table and figure beside the runs.

    What is in the folder already is kept. Raises a DinrError where it holds something else.
    """
    maps = [map_of_volume(half.volume, f"half map {i + 1}", choice) for i, half in enumerate(halves)]
    are_split = any(half.volume.provenance == halves[0].volume.provenance for half in halves[1:])
    check_alike(maps[0], maps[1])
    folder_at(folder)
    paths = tuple(folder / name for name in NAMES)
    config = asked.config_for(halves[0].volume, read_run(paths[0]) if paths[0].exists() else None)
    runs = []
    for number, half in enumerate(halves):
        one = Fit(paths[number], half.volume, _for_half(config, number), half.open_options)
        runs.append((yield from part(made(one), 0.42 * number, 0.42 * (number + 1))))
    fields = []
    for number, run in enumerate(runs):
        grid = frame_of(run.grid, choice.frame)
        steps = map_of_field(field_of(run, resolve_device(choice.device)), grid, f"field {number + 1}", choice.channel)
        start = 0.84 + 0.05 * number
        fields.append((yield from within(steps, "evaluating the fields", start, start + 0.05)))
    of_fields = yield from part(correlated(fields[0], fields[1], Wish(mask)), 0.94, 0.97)
    of_halves, cross = None, None
    if not are_split:
        of_halves = yield from part(correlated(maps[0], maps[1], Wish(mask)), 0.97, 0.98)
        both = []
        for field, other in ((fields[0], maps[1]), (fields[1], maps[0])):
            both.append((yield from part(correlated(field, other, Wish(mask)), 0.98, 0.99)).fsc)
        cross = np.mean([one.curves[one.best] for one in both], axis=0)
    twins = _twins(folder, runs, of_fields, of_halves, cross)
    yield Stage(0.99, "writing table and figure")
    _write(twins, folder)
    return twins


def verdict(found: Twins) -> str:
    """In a sentence: whether the fields agree up to a finer resolution than the half maps."""
    fields = found.fields.fsc
    own = fields.resolution("0.143")
    said = f"The fields agree up to {length_in_words(own.length, fields.unit, fields.nyquist)} at 0.143"
    if found.halves is None:
        return f"{said}."
    raw = found.halves.fsc.resolution("0.143")
    other = length_in_words(raw.length, fields.unit, fields.nyquist)
    limits = [fields.nyquist if one.frequency is None else one.frequency for one in (own, raw)]
    if abs(limits[0] - limits[1]) < fields.frequency[1]:
        return f"{said}, as the half maps do ({other})."
    if limits[0] < limits[1]:
        return f"{said}, coarser than the half maps ({other}): detail that the half maps share is not learnt yet."
    believed = ""
    if found.reached is not None:
        length = length_in_words(found.reached.length, fields.unit, fields.nyquist)
        believed = (
            f" Held against the other half map, whose noise it has never seen, a field reaches {length} at "
            f"{CROSS_THRESHOLD:.3f}, which 0.143 between half maps amounts to: that is the number to believe."
        )
    return (
        f"{said}, finer than the half maps ({other}), but what smooth fields share beyond those need not be "
        f"signal.{believed}"
    )


def table_of(found: Twins) -> str:
    """The curves as comma-separated values, frequencies first."""
    columns: dict[str, Any] = {f"frequency (1/{found.fields.fsc.unit or 'unit'})": found.fields.fsc.frequency}
    columns["modes"] = found.fields.fsc.modes
    for name, one in (("fields", found.fields), ("half maps", found.halves)):
        if one is not None:
            columns |= {f"{name}, {curve}": values for curve, values in one.fsc.curves.items()}
    if found.cross is not None:
        columns["field against the other half map"] = found.cross
    columns["half-bit"] = found.fields.fsc.half_bit
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([f"{value:.9g}" for value in row] for row in zip(*columns.values(), strict=True))
    return text.getvalue()


def _for_half(config: FitConfig, number: int) -> FitConfig:
    """The same settings with another seed; voxels are held out independently, too."""
    return changed(config, training=changed(config.training, seed=config.training.seed + number))


def _twins(
    folder: Path,
    runs: list[Run],
    fields: Correlated,
    halves: Correlated | None,
    cross: NDArray[np.float64] | None,
) -> Twins:
    first, second = (psnr_of(run) for run in runs)
    names = (str(folder / NAMES[0]), str(folder / NAMES[1]))
    return Twins(str(folder), names, (first, second), fields, halves, cross, () if halves else (SPLIT_NOTE,))


def _write(twins: Twins, folder: Path) -> None:
    """The table and the figure, which replace those of before."""
    from dinr_studio.experiments.figures.fsc import twin_figure
    from dinr_studio.experiments.figures.style import save_figure

    with atomic_output(folder / TABLE, force=True) as temporary:
        temporary.write_text(table_of(twins), encoding="utf-8")
    save_figure(twin_figure(twins.fields, twins.halves, twins.cross), folder / FIGURE, force=True)
