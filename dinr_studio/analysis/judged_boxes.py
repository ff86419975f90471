"""The honest judgement of a field fitted to a volume larger than memory: in boxes spread at random through it.

Each box is read with a margin, from whose voxels interpolation predicts the box's held-out ones as it would in the
whole volume; the errors of all boxes count together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.channel_scores import by_channel, common_peak, named_channels
from dinr_studio.analysis.held_out_rule import Flat, HeldOutRule
from dinr_studio.analysis.interpolation import CUBIC_NEIGHBOURS
from dinr_studio.analysis.judge import MOST_JUDGED, HeldOutReport, Predict, rival_values, verdict
from dinr_studio.analysis.outliers import Limits, isolated_outliers
from dinr_studio.analysis.scores import Peak, Scores, pointwise, ssim
from dinr_studio.permutation import permuted
from dinr_studio.stored import Blocks
from dinr_studio.volume import Volume

BOXES = 27
TRIES = 8  # boxes looked into for each one wanted, where many hold no value
LEAST_EDGE = 8
LARGEST_MARGIN = 24  # also that across planes held out, which a spline is drawn through
LARGEST_BOX = 1 << 21  # voxels, margin not counted

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """A part of the volume in memory: its held-out voxels, and those of its middle that it is judged by.

    held_out: of the part's shape. voxels: flat indices (N,) in the part; flat: the same ones' in the whole volume.
    """

    part: Volume
    held_out: NDArray[np.bool_]
    voxels: Flat
    flat: Flat

    @property
    def true(self) -> Values:
        """The data's values (N, channels) at the judged voxels."""
        values: Values = self.part.in_memory.reshape(-1, self.part.channels)[self.voxels].astype(np.float64)
        return values


def judge_boxes(
    volume: Volume,
    rule: HeldOutRule,
    limits: Limits | None,
    predict: Predict,
    *,
    data_range: Peak,
    seed: int,
    most: int = MOST_JUDGED,
) -> HeldOutReport | None:
    """Scores a field and its rivals on about `most` held-out voxels; None where no box has any.

    limits: beyond which isolated voxels count as missing, or None to keep them. predict: flat indices (N,) of the
    volume -> the field's values (N, channels). data_range: of every PSNR and SSIM, as in `scores.psnr`.
    """
    boxes = list(judged_boxes(volume, rule, limits, seed, most))
    if not boxes:
        return None
    values, rivals = [predict(box.flat) for box in boxes], _rival_values(boxes)
    field = _score(boxes, values, data_range)
    scores = {name: _score(boxes, found, data_range) for name, found in rivals.items()}
    count = sum(len(box.voxels) for box in boxes)
    named = named_channels(volume.channel_names, volume.value_unit, volume.channel_ranges)
    true = np.concatenate([box.true for box in boxes])
    joined = {name: np.concatenate(found) for name, found in rivals.items()}
    return HeldOutReport(
        field,
        scores,
        count,
        round(volume.count * rule.share),
        common_peak(data_range),
        verdict(field, scores, count),
        by_channel=by_channel(true, np.concatenate(values), joined, named),
    )


def rival_scores_in_boxes(
    volume: Volume, rule: HeldOutRule, limits: Limits | None, *, data_range: Peak, seed: int, most: int = MOST_JUDGED
) -> dict[str, Scores]:
    """Scores of each interpolation alone, as `judge_boxes` gives them."""
    boxes = list(judged_boxes(volume, rule, limits, seed, most))
    return {name: _score(boxes, found, data_range) for name, found in _rival_values(boxes).items()}


def judged_boxes(volume: Volume, rule: HeldOutRule, limits: Limits | None, seed: int, most: int) -> Iterator[Box]:
    """Boxes at random places that do not overlap, those without a held-out voxel left out."""
    random = np.random.default_rng(seed)
    shape = volume.grid.shape
    edges = _edges(shape, min(LARGEST_BOX, max(1, most // BOXES) / rule.share))
    reach = math.ceil((CUBIC_NEIGHBOURS / (1 - rule.share)) ** (1 / len(shape)))
    margin = LARGEST_MARGIN if rule.layers else min(LARGEST_MARGIN, reach)
    places = Blocks(shape, edges)
    found = 0
    for number in permuted(np.arange(min(places.count, BOXES * TRIES)), places.count, (seed, BOXES)):
        box = _box(volume, rule, limits, *places.box(int(number)), margin)
        if len(box.voxels):
            found += 1
            yield _thinned(box, max(1, most // BOXES), random)
        if found == BOXES:
            return


def _edges(shape: tuple[int, ...], voxels: float) -> tuple[int, ...]:
    """Edges of a box of about so many voxels, as even as a volume's shape allows."""
    edges = list(shape)
    left = sorted(range(len(shape)), key=lambda axis: shape[axis])
    for done, axis in enumerate(left):
        even = voxels ** (1 / (len(left) - done))
        edges[axis] = min(shape[axis], max(LEAST_EDGE, math.ceil(even)))
        voxels = max(1.0, voxels / edges[axis])
    return tuple(edges)


def _box(
    volume: Volume,
    rule: HeldOutRule,
    limits: Limits | None,
    start: tuple[int, ...],
    stop: tuple[int, ...],
    margin: int,
) -> Box:
    shape = volume.grid.shape
    first = tuple(max(0, s - margin) for s in start)
    last = tuple(min(n, s + margin) for n, s in zip(shape, stop, strict=True))
    part = volume.cropped(first, last).loaded()
    outlying = None if limits is None else isolated_outliers(part, limits)
    if outlying is not None:
        part = part.without(outlying)
    held_out = rule.within(first, last)
    if part.missing is not None:
        held_out &= ~part.missing
    middle = np.zeros(held_out.shape, dtype=bool)
    middle[tuple(slice(a - f, b - f) for a, b, f in zip(start, stop, first, strict=True))] = True
    voxels = np.flatnonzero(held_out & middle)
    index = np.unravel_index(voxels, held_out.shape)
    flat = np.ravel_multi_index(tuple(i + f for i, f in zip(index, first, strict=True)), shape)
    return Box(part, held_out, voxels, flat)


def _thinned(box: Box, most: int, random: np.random.Generator) -> Box:
    if len(box.voxels) <= most:
        return box
    kept = np.sort(random.choice(len(box.voxels), most, replace=False))
    return Box(box.part, box.held_out, box.voxels[kept], box.flat[kept])


def _rival_values(boxes: list[Box]) -> dict[str, list[Values]]:
    """Values of each interpolation, box by box."""
    found = [rival_values(box.part, box.held_out, box.voxels) for box in boxes]
    return {name: [values[name] for values in found] for name in (found[0] if found else ())}


def _score(boxes: list[Box], predicted: list[Values], data_range: Peak) -> Scores:
    """All scores over the voxels of all boxes; the SSIM of each box counts by its voxels."""
    true, values = np.concatenate([box.true for box in boxes]), np.concatenate(predicted)
    similar = [
        (ssim(box.part, box.voxels, one, data_range=data_range), len(box.voxels))
        for box, one in zip(boxes, predicted, strict=True)
    ]
    known = [(one, count) for one, count in similar if one is not None]
    mean = sum(one * count for one, count in known) / sum(count for _, count in known) if known else None
    return replace(pointwise(true, values, data_range), ssim=mean)
