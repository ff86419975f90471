import itertools
import threading

import numpy as np
import pytest

from dinr_studio.stored import Blocks
from dinr_studio.training.pools import PoolReader, pool_plan

BLOCKS = Blocks((10, 12, 14), (3, 5, 14))


def global_numbers(plan, number):
    """Flat voxel numbers of a pool, by counting through the blocks."""
    everywhere = np.arange(np.prod(BLOCKS.shape)).reshape(BLOCKS.shape)
    found = []
    for block, positions in plan.shares(number):
        box = tuple(slice(a, b) for a, b in zip(*BLOCKS.box(block), strict=True))
        found.append(everywhere[box].reshape(-1)[positions])
    return np.concatenate(found)


@pytest.mark.parametrize("voxels", [50, 300, 10_000])
def test_an_epoch_of_pools_holds_every_voxel_once_and_the_next_one_in_another_order(voxels):
    plan = pool_plan(BLOCKS, seed=3, voxels=voxels)
    epochs = [[global_numbers(plan, epoch * plan.in_epoch + i) for i in range(plan.in_epoch)] for epoch in range(2)]
    for pools in epochs:
        np.testing.assert_array_equal(np.sort(np.concatenate(pools)), np.arange(np.prod(BLOCKS.shape)))
        assert max(map(len, pools)) <= plan.most_voxels
    assert not np.array_equal(np.concatenate(epochs[0]), np.concatenate(epochs[1]))


def test_a_pool_takes_a_part_of_many_blocks_rather_than_all_of_a_few():
    plan = pool_plan(BLOCKS, seed=3, voxels=210)
    assert plan.parts > 1
    shares = list(plan.shares(0))
    assert len(shares) == plan.together > 1
    assert all(len(positions) <= -(-210 // plan.parts) for _, positions in shares)


def reader(fault_in=None):
    calls = []

    def read(block, positions):
        calls.append(block)
        if len(calls) == fault_in:
            raise OSError("the disk is gone")
        return block * 1000 + positions, np.ones((len(positions), 1))

    return PoolReader(pool_plan(BLOCKS, seed=0, voxels=400), read), calls


def test_a_pool_depends_on_its_number_alone_in_whatever_order_they_are_asked_for():
    one, other = reader()[0], reader()[0]
    forward = [one.pool(i).flat for i in (0, 1, 2)]
    backward = [other.pool(i).flat for i in (2, 1, 0)][::-1]
    for a, b in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in itertools.combinations(forward, 2):
        assert not np.array_equal(a, b)


def test_a_pool_that_was_prepared_is_read_once():
    pools, calls = reader()
    pools.prepare(0)
    pools.prepare(0)
    pools.pool(0)
    assert len(calls) == len(list(pools.plan.shares(0)))


def test_what_reading_raises_is_told_to_whoever_asks():
    with pytest.raises(OSError, match="the disk is gone"):
        reader(fault_in=2)[0].pool(0)


def test_no_thread_is_left_when_nobody_asks_any_more():
    started, released = threading.Event(), threading.Event()

    def read(block, positions):
        started.set()
        released.wait(10)
        return positions, np.ones((len(positions), 1))

    pools = PoolReader(pool_plan(BLOCKS, seed=0, voxels=400), read)
    pools.prepare(0)
    started.wait(10)
    thread = next(t for t in threading.enumerate() if t.name == "pool")
    del pools
    released.set()
    thread.join(10)
    assert not thread.is_alive()
