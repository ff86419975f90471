"""Blocks of a grid: they cover it, overlap as asked, and what cannot be is refused in words."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dinr_studio.coordinates import CoordinateMap
from dinr_studio.errors import ConfigError
from dinr_studio.partition import AUTO_VOXELS, Partition, automatic_counts, block_maps, partition_of


@st.composite
def partitions(draw):
    counts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    overlap = [draw(st.integers(0, 5)) if n > 1 else 0 for n in counts]
    shape = [n * max(1, o) + draw(st.integers(0, 7)) for n, o in zip(counts, overlap, strict=True)]
    return Partition(tuple(shape), tuple(counts), tuple(overlap))


@given(partitions())
@settings(deadline=None)
def test_cores_tile_the_grid_and_neighbours_share_the_overlap(partition):
    covered = np.zeros(partition.shape, dtype=int)
    for number in range(partition.count):
        start, stop = partition.core(number)
        covered[tuple(map(slice, start, stop))] += 1
        outer_start, outer_stop = partition.box(number)
        assert all(0 <= a <= b < c <= d for a, b, c, d in zip(outer_start, start, stop, outer_stop, strict=True))
        assert (np.subtract(outer_stop, outer_start) <= partition.largest).all()
    assert (covered == 1).all()
    for axis, overlap in enumerate(partition.overlap):
        line = Partition((partition.shape[axis],), (partition.counts[axis],), (overlap,))
        boxes = [line.box(number) for number in range(line.count)]
        shared = [before[1][0] - after[0][0] for before, after in itertools.pairwise(boxes)]
        assert shared == [overlap] * (line.count - 1)
        ramps = line.ramps(0)
        assert all(high - low == overlap for low, high in ramps)
        assert all(one[1] <= two[0] for one, two in itertools.pairwise(ramps))


def test_one_number_counts_for_space_and_overlaps_have_a_sensible_default(make_grid):
    grid = make_grid((5, 40, 12, 9))
    assert partition_of(grid, [2]) == Partition(grid.shape, (1, 2, 2, 2), (0, 8, 3, 2))
    assert partition_of(grid, [2, 1, 2]).counts == (1, 2, 1, 2)
    assert partition_of(grid, [1, 2, 2, 1], (2,)).overlap == (0, 2, 2, 0)
    assert partition_of(grid, [1, 2, 2, 1], (0.25, 0.25, 0.5)).overlap == (0, 5, 2, 0)


@pytest.mark.parametrize(
    ("counts", "overlap", "said"),
    [
        ([2, 2], (), "one for each of the axes z, y, x"),
        ([0, 1, 1], (), "1 to 4,096 blocks"),
        ([4096, 2, 1], (), "at least 4 are needed"),
        ([7, 1, 1], (), "fewer blocks"),
        ([1, 2, 1], (), "at least 4 are needed"),
        ([2, 1, 1], (5,), "less overlap"),
        ([2, 1, 1], (0,), "whole voxels"),
        ([2, 1, 1], (1.5,), "whole voxels"),
        ([2, 1, 1], (float("nan"),), "whole voxels"),
    ],
)
def test_blocks_that_cannot_be_are_refused_in_words(make_grid, counts, overlap, said):
    with pytest.raises(ConfigError, match=said):
        partition_of(make_grid((8, 7, 6)), counts, overlap)


@pytest.mark.parametrize(
    ("shape", "counts"),
    [
        ((64, 64, 64), (1, 1, 1)),
        ((256, 256, 256), (2, 2, 2)),
        ((129, 128, 128), (2, 1, 1)),
        ((10, 3000, 3000), (1, 7, 7)),
    ],
)
def test_automatic_blocks_are_few_and_small(make_grid, shape, counts):
    assert automatic_counts(make_grid(shape)) == counts
    assert np.prod(partition_of(make_grid(shape), counts, (1,)).core(0)[1]) <= AUTO_VOXELS


def test_automatic_blocks_never_are_too_many(make_grid):
    counts = automatic_counts(make_grid((4096, 4096, 4096)))
    assert 2048 < np.prod(counts) <= 4096


def test_each_block_fills_the_network_box_by_itself(make_grid):
    grid = make_grid((10, 12, 14))
    partition = partition_of(grid, [2], (2,))
    for number, own in enumerate(block_maps(grid, partition, "physical")):
        part = grid.cropped(*partition.box(number))
        assert own == CoordinateMap.of(part)
        faces = [own.network(part.world(np.array(index))) for index in ([-0.5] * 3, np.subtract(part.shape, 0.5))]
        assert np.abs(faces).max() == pytest.approx(1)


def test_too_many_blocks_are_refused(make_grid):
    with pytest.raises(ConfigError, match="1 to 4,096 blocks"):
        partition_of(make_grid((100, 100, 100)), [17], (1,))
