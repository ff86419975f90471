"""A volume that stays in its file made ready for training: read block by block, judged in boxes, never whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dinr_studio.analysis.held_out_rule import HeldOutRule, held_out_rule
from dinr_studio.analysis.judge import HeldOutReport
from dinr_studio.analysis.judged_boxes import judge_boxes, rival_scores_in_boxes
from dinr_studio.analysis.outliers import Limits, isolated_outliers, ordinary_limits
from dinr_studio.analysis.scores import Scores
from dinr_studio.config import TrainingConfig
from dinr_studio.coordinates import CoordinateMap, flat_to_index
from dinr_studio.errors import DataError
from dinr_studio.normalisation import NORMALISATIONS, Normalisation, present_sample
from dinr_studio.permutation import permuted
from dinr_studio.sampling.evaluate import FieldOnGrid, values_at_indices
from dinr_studio.stored import Blocks, StoredValues
from dinr_studio.training.batches import Drawn, Samples
from dinr_studio.training.pools import READ_AHEAD, Flat, Pool, PoolReader, Values, pool_plan
from dinr_studio.training.task import WATCHED_VOXELS, Numbers, Task, some_of
from dinr_studio.volume import SAMPLED, Volume

SURVEYED = 128  # blocks that statistics, watched voxels and the training score come from
SCORED_VOXELS = 20_000  # trained ones that are kept for the training score


@dataclass(frozen=True)
class BlockReader:
    """Reads what can be trained on from the blocks of a stored volume; used by more than one thread.

    limits: beyond which isolated voxels are outliers, or None to keep them. clip: to which least and greatest value by
    channel outliers are clipped; None leaves them out.
    """

    volume: Volume
    blocks: Blocks
    rule: HeldOutRule
    limits: Limits | None
    clip: tuple[tuple[float, float], ...] | None = None

    def block(self, number: int) -> Volume:
        """A whole block in memory, its outliers clipped or missing."""
        return self.mended(self.volume.cropped(*self.blocks.box(number)).loaded())[0]

    def mended(self, part: Volume) -> tuple[Volume, int]:
        """A part of the volume with its outliers clipped or missing, and how many there are."""
        outlying = None if self.limits is None else isolated_outliers(part, self.limits)
        if outlying is None:
            return part, 0
        if self.clip is None:
            return part.without(outlying), int(np.count_nonzero(outlying))
        values = part.in_memory.copy()
        values[outlying] = np.clip(values[outlying], *np.asarray(self.clip).T)
        return replace(part, values=values), int(np.count_nonzero(outlying))

    def flat(self, number: int, positions: Flat) -> Flat:
        """Flat indices in the volume of flat positions (N,) in a block."""
        start, stop = self.blocks.box(number)
        index = np.unravel_index(positions, tuple(b - a for a, b in zip(start, stop, strict=True)))
        return np.ravel_multi_index(tuple(i + s for i, s in zip(index, start, strict=True)), self.blocks.shape)

    def trained(self, number: int, positions: Flat) -> tuple[Flat, Values]:
        """Of flat positions in a block, flat indices and values of those that are present and not held out."""
        part = self.block(number)
        flat = self.flat(number, positions)
        used = ~self.rule.of(flat)
        if part.missing is not None:
            used &= ~part.missing.reshape(-1)[positions]
        return flat[used], part.in_memory.reshape(-1, part.channels)[positions[used]]


class StreamedSource:
    """Makes samples of a stored volume from their numbers.

    The first numbers stand for samples that are always at hand (`kept`); the others for places in pools, of which only
    the last one asked for and the one after it are there.
    """

    def __init__(
        self, kept: Pool, reader: PoolReader, coordinates: CoordinateMap, normalisation: Normalisation, volume: Volume
    ) -> None:
        self._kept, self._reader, self._normalisation = kept, reader, normalisation
        self._shape = volume.grid.shape
        self._slope, self._intercept = coordinates.index_affine(volume.grid)
        self._stride = reader.plan.most_voxels

    def numbers(self, pool: int, first: int, last: int) -> Numbers:
        """Numbers of the samples from place `first` to before `last` of a pool."""
        return np.arange(first, last) + (len(self._kept.flat) + pool * self._stride)

    def flat(self, numbers: Numbers) -> Flat:
        """Flat voxel indices of samples (N,)."""
        pool, places = self._places(numbers)
        return pool.flat[places]

    def coordinates(self, numbers: Numbers) -> Tensor:
        """Network coordinates of samples (N,): (N, axes) float32."""
        index = flat_to_index(self.flat(numbers), self._shape)
        return torch.from_numpy((index * self._slope + self._intercept).astype(np.float32))

    def values(self, numbers: Numbers) -> NDArray[np.float64]:
        """The data's own values of samples (N,): (N, channels)."""
        pool, places = self._places(numbers)
        return pool.values[places].astype(np.float64)

    def samples(self, numbers: Numbers) -> Samples:
        """What the network trains on for samples (N,)."""
        return Samples(
            self.coordinates(numbers), torch.from_numpy(self._normalisation.to_network(self.values(numbers)))
        )

    def _places(self, numbers: Numbers) -> tuple[Pool, Numbers]:
        """Where samples are, all of them in one pool, and at which places in there."""
        kept = len(self._kept.flat)
        if len(numbers) == 0 or numbers[0] < kept:
            return self._kept, numbers
        pool = int(numbers[0] - kept) // self._stride
        return self._reader.pool(pool), numbers - (kept + pool * self._stride)


class StreamedBatches:
    """The batches of a stored volume: consecutive places of shuffled pools; their number is the same in each pool."""

    def __init__(self, source: StreamedSource, reader: PoolReader, trained: float, batch: int, fallback: Numbers):
        """trained: how many voxels of an epoch are trained on, about. fallback: in place of a pool without any."""
        self._source, self._reader, self._fallback, self._batch = source, reader, fallback, batch
        self._in_pool = max(1, round(trained / reader.plan.in_epoch / batch))
        self.per_epoch = self._in_pool * reader.plan.in_epoch

    def voxels(self, step: int) -> Numbers:
        """Numbers of the samples of step `step`, counted from 0."""
        number, at = divmod(step, self._in_pool)
        size = len(self._reader.pool(number).flat)
        if at >= READ_AHEAD * self._in_pool:
            self._reader.prepare(number + 1)
        if size == 0:
            return self._fallback[: self._batch]
        first = at * size // self._in_pool
        return self._source.numbers(number, first, max(first + 1, (at + 1) * size // self._in_pool))


class _Survey:
    """What is known of a stored volume from some of its blocks, at random: each part evenly from all of them.

    sample: values (N, channels), NaN where missing. at_hand: held-out voxels to watch, then trained ones to score.
    outliers: about how many there are in the whole volume.
    """

    def __init__(self, reader: BlockReader, seed: int) -> None:
        count = min(reader.blocks.count, SURVEYED)
        numbers = permuted(np.arange(count), reader.blocks.count, (seed, SURVEYED))
        self._reader, self._random = reader, np.random.default_rng(seed)
        sample: list[Values] = []
        watched: list[Pool] = []
        trained: list[Pool] = []
        outliers = 0
        for number in np.sort(numbers):
            part, found = reader.mended(reader.volume.cropped(*reader.blocks.box(int(number))).loaded())
            outliers += found
            sample.append(_sampled(part, SAMPLED // count))
            for kept, here in zip((watched, trained), self._split(part, int(number)), strict=True):
                kept.append(here)
        self.outliers = round(outliers * reader.blocks.count / count)
        self.sample: Values = np.concatenate(sample)
        self.watched, self.trained = _even(watched, WATCHED_VOXELS), _even(trained, SCORED_VOXELS)
        if not len(self.trained.flat):
            raise DataError("No voxel was found to train on; lower the held-out share, or check what is missing.")
        self.at_hand = _joined([self.watched, self.trained])

    def _split(self, part: Volume, number: int) -> tuple[Pool, Pool]:
        """Held-out and trained voxels of a block in random order, not more of each than could be kept."""
        positions = self._random.permutation(part.grid.size)
        if part.missing is not None:
            positions = positions[~part.missing.reshape(-1)[positions]]
        flat = self._reader.flat(number, positions)
        held_out, values = self._reader.rule.of(flat), part.in_memory.reshape(-1, part.channels)
        chosen = (np.flatnonzero(held_out)[:WATCHED_VOXELS], np.flatnonzero(~held_out)[:SCORED_VOXELS])
        held, trained = (Pool(flat[some], values[positions[some]]) for some in chosen)
        return held, trained


def _sampled(part: Volume, most: int) -> Values:
    """About `most` values of a block, (N, channels), NaN where they are missing."""
    step = -(-part.grid.size // max(1, most))
    values: Values = part.in_memory.reshape(-1, part.channels)[::step]
    if part.missing is None:
        return values
    return np.where(part.missing.reshape(-1)[::step, np.newaxis], np.nan, values)


def _even(pools: list[Pool], most: int) -> Pool:
    """About `most` samples, the same number of each pool as far as it has them."""
    low, high = 0, max((len(pool.flat) for pool in pools), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(middle, len(pool.flat)) for pool in pools) <= most:
            low = middle
        else:
            high = middle - 1
    return _joined([Pool(pool.flat[:low], pool.values[:low]) for pool in pools])


def _joined(pools: list[Pool]) -> Pool:
    return Pool(np.concatenate([pool.flat for pool in pools]), np.concatenate([pool.values for pool in pools]))


@dataclass(frozen=True)
class StreamedTask(Task):
    """A stored volume: held-out voxels follow a rule instead of a mask, and those watched are always at hand.

    volume: with the statistics of the blocks surveyed. kept: numbers of trained samples at hand for the training score.
    """

    source: StreamedSource
    reader: PoolReader
    rule: HeldOutRule
    limits: Limits | None
    kept: Numbers

    @property
    def held_out_numbers(self) -> Numbers:
        """None in a run file: the rule tells them."""
        return np.empty(0, dtype=np.int64)

    def batches(self, batch: int, seed: int) -> Drawn:
        """Batches from shuffled pools; their order is that of the task's own seed."""
        return StreamedBatches(self.source, self.reader, self.volume.count * (1 - self.rule.share), batch, self.kept)

    def some_trained(self, most: int, seed: int) -> Numbers:
        """Some of the samples trained on, in order."""
        return some_of(self.kept, most, seed)

    def predicted(self, field: FieldOnGrid, numbers: Numbers) -> NDArray[np.float64]:
        """The field at samples."""
        return values_at_indices(field, self.source.flat(numbers))

    def judged(self, field: FieldOnGrid, seed: int) -> HeldOutReport | None:
        """The judgement in boxes spread through the volume."""
        if self.rule.share == 0:
            return None
        return judge_boxes(
            self.volume,
            self.rule,
            self.limits,
            lambda flat: values_at_indices(field, flat),
            data_range=self.data_range,
            seed=seed,
        )

    def rivals(self, seed: int) -> dict[str, Scores]:
        """Interpolation of held-out voxels from the others, in the same boxes."""
        if self.rule.share == 0:
            return {}
        return rival_scores_in_boxes(self.volume, self.rule, self.limits, data_range=self.data_range, seed=seed)


def prepare_streamed(original: Volume, config: TrainingConfig) -> StreamedTask:
    """The task of fitting to a volume that stays in its file; raises DataError where nothing is left to train on."""
    if not isinstance(original.values, StoredValues):
        raise AssertionError("a volume in memory")
    limits = None if config.outliers == "keep" else ordinary_limits(original)
    rule = held_out_rule(original.grid, config.held_out_scheme, config.held_out_share, config.choice_seed)
    blocks = original.values.blocks()
    survey = _Survey(BlockReader(original, blocks, rule, limits), config.seed)
    volume = original.with_sample(survey.sample)
    clip = volume.channel_ranges if config.outliers == "clip" else None
    reader = BlockReader(original, blocks, rule, limits, clip)
    pools = PoolReader(pool_plan(blocks, config.seed), reader.trained)
    normalisation = NORMALISATIONS[config.normalisation](volume)
    coordinates = CoordinateMap.of(volume.grid, config.scaling)
    watched = len(survey.watched.flat)
    return StreamedTask(
        volume=volume,
        source=StreamedSource(survey.at_hand, pools, coordinates, normalisation, volume),
        coordinates=coordinates,
        normalisation=normalisation,
        watched=np.arange(watched),
        variance=float(normalisation.to_network(present_sample(volume)).var(axis=0).mean()),
        outliers=survey.outliers,
        reader=pools,
        rule=rule,
        limits=limits,
        kept=np.arange(watched, len(survey.at_hand.flat)),
    )
