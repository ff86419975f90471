import h5py
import numpy as np
import pytest

from dinr_studio.stored import StoredValues

PLAIN = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def stored(array=PLAIN, **more):
    """z, y, x with one channel, unless told otherwise."""
    settings = {"axes": (0, 1, 2, None), "start": (0, 0, 0, 0), "shape": (*array.shape, 1)} | more
    return StoredValues(array, **settings)


INDICES = [
    (slice(None),),
    (slice(1, 3), 2),
    (..., 0),
    (0, ..., 0),
    (slice(None, None, 2), slice(1, 5, 3)),
    (-1,),
    (slice(0, 0),),
    (2, 3, 4, 0),
]


@pytest.mark.parametrize("index", INDICES)
def test_a_part_is_the_same_as_of_an_array(index):
    np.testing.assert_array_equal(stored()[index], PLAIN[..., np.newaxis][index])


@pytest.mark.parametrize("index", INDICES)
def test_axes_in_another_order_and_running_the_other_way(index):
    in_file = np.flip(PLAIN.transpose(2, 0, 1), 1)  # x, falling z, y
    values = StoredValues(in_file, (1, 2, 0, None), (0,) * 4, (4, 5, 6, 1), falling=(0,))
    np.testing.assert_array_equal(values[index], PLAIN[..., np.newaxis][index])


def test_a_crop_of_a_crop_reads_its_own_place():
    values = stored().cropped((1, 0, 2), (4, 5, 6)).cropped((1, 1, 1), (3, 4, 3))
    np.testing.assert_array_equal(values[...], PLAIN[2:4, 1:4, 3:5, np.newaxis])


def test_channels_come_last_and_can_be_taken_singly():
    in_file = np.stack([PLAIN, 10 * PLAIN])
    values = StoredValues(in_file, (1, 2, 3, 0), (0,) * 4, (4, 5, 6, 2))
    np.testing.assert_array_equal(values[1, 2], np.moveaxis(in_file, 0, -1)[1, 2])
    np.testing.assert_array_equal(values.one_channel(1)[...], 10 * PLAIN[..., np.newaxis])


def test_packed_values_are_unpacked_and_missing_ones_are_not_numbers():
    values = stored(fill=7, scale=0.5, offset=1.0)
    assert values.dtype == np.float32
    got = values[0, 1, :, 0]
    np.testing.assert_allclose(got, [4.0, np.nan, 5.0, 5.5, 6.0, 6.5])


def test_infinite_values_are_missing():
    array = PLAIN.astype(">f4")
    array[0, 0, 0] = np.inf
    got = stored(array)[0, 0]
    assert np.isnan(got[0, 0])
    assert got.dtype == np.dtype("=f4")


@pytest.mark.parametrize("chunk", [None, (2, 2, 4)])
def test_blocks_hold_every_voxel_once(chunk):
    blocks = stored(chunk=chunk).blocks()
    seen = np.zeros(PLAIN.shape, dtype=int)
    for number in range(blocks.count):
        start, stop = blocks.box(number)
        seen[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] += 1
    assert (seen == 1).all()


def test_blocks_of_a_plain_file_are_runs_of_it_and_those_of_a_chunked_one_whole_chunks():
    big = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (2000, 1000, 1000), (0, 0, 0))
    values = StoredValues(big, (0, 1, 2, None), (0,) * 4, (*big.shape, 1))
    assert values.blocks().edge[2] == 1000
    assert values.blocks().edge[0] == 1
    chunked = StoredValues(big, (0, 1, 2, None), (0,) * 4, (*big.shape, 1), chunk=(64, 64, 64))
    assert chunked.blocks().edge == (64, 64, 64)
    huge = StoredValues(big, (0, 1, 2, None), (0,) * 4, (*big.shape, 1), chunk=(2000, 1000, 1000))
    assert np.prod(huge.blocks().edge) <= 1 << 24


def test_a_dataset_of_hdf5_is_read_by_parts(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("v", data=PLAIN, chunks=(2, 5, 3))
        values = StoredValues(dataset, (0, 1, 2, None), (0,) * 4, (4, 5, 6, 1), chunk=(2, 5, 3))
        np.testing.assert_array_equal(values[1:3, ::2, 5], PLAIN[1:3, ::2, 5, np.newaxis])
