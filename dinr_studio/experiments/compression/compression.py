"""Compressing a run: its weights in few bits, as a small file that is read back and judged against the data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from dinr_studio.errors import ConfigError, RunFileError
from dinr_studio.experiments.compression.finetuning import finetuned
from dinr_studio.experiments.compression.quantising import FLOATS, Candidate, Quantiser
from dinr_studio.experiments.compression.yardstick import MOST_SEARCHED, Yardstick, raw_bytes, stored_bytes, yardstick
from dinr_studio.experiments.steps import Steps, part
from dinr_studio.sampling.evaluate import values_at_indices
from dinr_studio.stages import Stage
from dinr_studio.training.fit import field_of
from dinr_studio.training.run import Run
from dinr_studio.training.run_data import check_not_data
from dinr_studio.training.run_file import read_run
from dinr_studio.training.small_file import write_small
from dinr_studio.volume import Volume

LOSS = 0.1  # dB that storing weights in few bits may cost by default
ROOM = 0.985  # of the bytes that a ratio allows: finetuned weights may take some more
UNKNOWN = 1e-3  # mean squared error, in network units, that a search begins with where none is known
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Wish:
    """How small. bits: of each weight, None as few as the others allow; at most one of the others is given.

    target_psnr: the least PSNR in dB; ratio: of the raw values' bytes to those of the whole small file, at least.
    loss: dB that may be lost where neither is given. finetune: seconds of training on with rounded weights, kept where
    that helps and the ratio stays.
    """

    bits: int | None = None
    target_psnr: float | None = None
    ratio: float | None = None
    loss: float = LOSS
    finetune: float = 0.0

    def __post_init__(self) -> None:
        given = [name for name in ("bits", "target_psnr", "ratio") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ConfigError(f"{' and '.join(given)} contradict each other; give one of them.")
        if self.ratio is not None and not 1 <= self.ratio <= 1e9:
            raise ConfigError(f"The ratio is {self.ratio:g}; give a number of at least 1.")
        if self.finetune < 0 or (self.finetune and self.bits in FLOATS):
            raise ConfigError("Floats of 32 or 16 bits have nothing to finetune; choose fewer bits, or leave it out.")


@dataclass(frozen=True)
class CompressionReport:
    """What came of it; sizes in bytes, PSNRs in dB.

    description_bytes, weight_bytes: of `bytes`, all that the small file takes. bits: None where each tensor has steps
    of its own; weights: their number. raw_bytes: the values as numbers of raw_type; stored_bytes: the data's file, None
    where it is not there or holds more. psnr_before, psnr: of the run and of the small file as it was read back, on
    `voxels` voxels of the data (all of them where `whole`); None where the data was not at hand. deviation_psnr: of the
    small file against the run's field.
    """

    file: str
    bits: int | None
    weights: int
    bytes: int
    description_bytes: int
    weight_bytes: int
    raw_bytes: int
    raw_type: str
    stored_bytes: int | None
    psnr_before: float | None
    psnr: float | None
    deviation_psnr: float
    voxels: int
    whole: bool
    seconds: float

    @property
    def ratio(self) -> float:
        """Bytes of the raw values over those of the small file."""
        return self.raw_bytes / self.bytes

    @property
    def stored_ratio(self) -> float | None:
        """Bytes of the data's file over those of the small file."""
        return None if self.stored_bytes is None else self.stored_bytes / self.bytes

    @property
    def bits_per_weight(self) -> float:
        """Bits that a weight takes in the file."""
        return 8 * self.weight_bytes / self.weights


@dataclass(frozen=True)
class _Judges:
    """What a run is judged by: little of the data for searching and much for the end, and its own field's values."""

    run: Run
    data: Yardstick | None
    some: Yardstick | None
    own: Yardstick

    def error(self) -> float:
        """The mean squared error of the run's field, in network units."""
        if self.some is None:
            return UNKNOWN
        found = self.some.predict(field_of(self.run, CPU), self.some.numbers)
        return max(1e-12, float(np.mean(np.square((found - self.some.true) / self.run.normalisation.scale))))


def compress(run: Run, path: Path, wish: Wish, volume: Volume | None, *, force: bool) -> Steps[CompressionReport]:
    """Writes a run as a small file and returns the report.

    volume: the data that the run was fitted to; None where it is not at hand, so that only the difference to the run's
    field is known. Closing the generator leaves nothing behind. Raises ConfigError where the wish can't be fulfilled,
    or needs the data; OutputError.
    """
    began = time.perf_counter()
    check_not_data(run, path)
    yield Stage(0.0, "measuring what the weights do to the values")
    quantiser, judges = Quantiser(run), _judges(run, volume)
    yield Stage(0.2, "choosing the bits of the weights")
    chosen = quantiser.in_bits(wish.bits) if wish.bits else _searched(quantiser, judges, wish, volume)
    if wish.finetune:
        chosen = yield from part(_better(quantiser.run, chosen, judges, wish, volume), 0.3, 0.5)
    yield Stage(0.5, "evaluating the field")
    before = None if judges.data is None else judges.data.psnr(field_of(run, CPU))
    yield Stage(0.7, "evaluating the field of the small file")
    psnr = None if judges.data is None else judges.data.psnr(field_of(chosen.run, CPU))
    deviation = judges.own.psnr(field_of(chosen.run, CPU))
    voxels = 0 if judges.data is None else len(judges.data.numbers)
    content = chosen.content(psnr, before, voxels)
    write_small(content, path, force=force)
    check_decoded(path, chosen)
    yield Stage(1.0, "done")
    raw, raw_type = _raw(run, volume)
    return CompressionReport(
        file=str(path),
        bits=chosen.bits,
        weights=chosen.weights,
        bytes=path.stat().st_size,
        description_bytes=len(content[0]) + len(content[1]),
        weight_bytes=len(content[2]),
        raw_bytes=raw,
        raw_type=raw_type,
        stored_bytes=None if volume is None else stored_bytes(volume, run.open_options),
        psnr_before=before,
        psnr=psnr,
        deviation_psnr=deviation,
        voxels=voxels,
        whole=judges.data is not None and judges.data.whole,
        seconds=time.perf_counter() - began,
    )


def _better(run: Run, chosen: Candidate, judges: _Judges, wish: Wish, volume: Volume | None) -> Steps[Candidate]:
    """The candidate after training with rounded weights, or as it was where that is no better or no longer fits."""
    if volume is None or judges.some is None:
        raise ConfigError("Without the data there is nothing to finetune on; give it with --data FILE.")
    trained = yield from finetuned(run, chosen, volume, wish.finetune)
    if wish.ratio is not None and trained.size > _raw(run, volume)[0] / wish.ratio:
        return chosen
    return max(chosen, trained, key=lambda one: judges.some.psnr(field_of(one.run, CPU)) if judges.some else 0.0)


def check_decoded(path: Path, chosen: Candidate) -> None:
    """RunFileError where a small file does not give back, bit by bit, the weights that were judged."""
    read = read_run(path).best
    if set(read) != set(chosen.run.best) or any(not np.array_equal(read[n], a) for n, a in chosen.run.best.items()):
        raise RunFileError(f"{path} does not give back the weights that were written; the disk may be failing.")


def _raw(run: Run, volume: Volume | None) -> tuple[int, str]:
    """Bytes of the raw values, and of what type they are; float32 where the data is not at hand."""
    if volume is None:
        return 4 * run.channels * (run.scattered or run.grid.size), "float32"
    return raw_bytes(volume), "float64" if volume.samples is not None else str(volume.values.dtype)


def _judges(run: Run, volume: Volume | None) -> _Judges:
    field = field_of(run, CPU)
    size = run.grid.size
    numbers = np.unique(np.random.default_rng(0).integers(0, size, MOST_SEARCHED))
    low, high = min(r[0] for r in run.channel_ranges), max(r[1] for r in run.channel_ranges)
    peak = high - low if volume is None else volume.data_range
    own = Yardstick(values_at_indices(field, numbers), numbers, values_at_indices, peak, len(numbers) == size)
    if volume is None:
        return _Judges(run, None, None, own)
    of = partial(yardstick, volume, run.config.training, run.open_options)
    return _Judges(run, of(), of(MOST_SEARCHED), own)


def _searched(quantiser: Quantiser, judges: _Judges, wish: Wish, volume: Volume | None) -> Candidate:
    """The candidate with as few bits as the wish allows."""
    error = judges.error()
    start = quantiser.noise_for(wish.loss, error)
    if wish.ratio is not None:
        most = _raw(judges.run, volume)[0] / wish.ratio * (ROOM if wish.finetune else 1.0)
        return quantiser.finest(lambda candidate: candidate.size <= most, start)
    judge, goal = _goal(judges, wish)
    return quantiser.coarsest(lambda candidate: judge.psnr(field_of(candidate.run, CPU)) >= goal, start)


def _goal(judges: _Judges, wish: Wish) -> tuple[Yardstick, float]:
    """By what the search is judged, and the PSNR (dB) that suffices."""
    field = field_of(judges.run, CPU)
    if judges.some is None or judges.data is None:
        return judges.own, _without_data(judges.run, wish)
    found = judges.some.psnr(field)
    if wish.target_psnr is None:
        return judges.some, found - wish.loss
    whole = judges.data.psnr(field)
    if whole < wish.target_psnr:
        raise ConfigError(
            f"The run's field itself has {whole:.2f} dB, less than the {wish.target_psnr:g} dB asked for; fit for "
            "longer or with a greater width."
        )
    return judges.some, found - (whole - wish.target_psnr)


def _without_data(run: Run, wish: Wish) -> float:
    """How close (dB) the values must stay to the run's own so that no more than wish.loss is lost."""
    train = run.scores.get("train")
    if wish.target_psnr is not None or not isinstance(train, dict):
        raise ConfigError(
            "Without the data nothing tells how many bits suffice; give it with --data FILE, or choose --bits 8."
        )
    return float(train["psnr"]) - 10 * float(np.log10(10 ** (wish.loss / 10) - 1))
