"""Volumes: what is missing, what is refused, and that nobody can change one."""

import numpy as np
import pytest

from dinr_studio.errors import ConfigError, DataError
from dinr_studio.volume import make_volume


def test_values_that_are_not_finite_or_equal_the_fill_are_missing(make_grid):
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    values[0, 0, 0], values[1, 2, 3], values[0, 1, 1] = np.nan, np.inf, -999
    volume = make_volume(values, make_grid(values.shape), fill=-999)
    assert np.argwhere(volume.missing).tolist() == [[0, 0, 0], [0, 1, 1], [1, 2, 3]]
    assert volume.missing_share == 3 / 24
    assert volume.value_range == (1, 22)


def test_an_integer_volume_keeps_its_type_and_may_have_a_fill(make_grid):
    values = np.array([[1, 2], [255, 4]], dtype=np.uint8)
    volume = make_volume(values, make_grid(values.shape), fill=255)
    assert volume.values.dtype == np.uint8
    assert volume.missing.tolist() == [[False, False], [True, False]]


def test_a_voxel_is_missing_where_any_of_its_channels_is(make_grid):
    values = np.ones((2, 2, 3))
    values[..., 1] = [[1, 2], [3, np.nan]]
    volume = make_volume(values, make_grid((2, 2)))
    assert volume.missing.tolist() == [[False, False], [False, True]]
    assert volume.channel_ranges[1] == (1, 3)


def test_big_endian_values_are_turned_into_native_ones(make_grid):
    values = np.arange(4, dtype=">f4").reshape(2, 2)
    volume = make_volume(values, make_grid((2, 2)))
    assert volume.values.dtype.isnative
    assert volume.value_range == (0, 3)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (np.ones((2, 2), dtype=complex), "complex"),
        (np.array([["a", "b"]]), "type .U1"),
        (np.full((3, 3), 7), "equal 7"),
        (np.full((3, 3), np.nan), "missing"),
        (np.ones((2, 2, 17)), "17 channels"),
    ],
)
def test_data_that_no_field_can_be_fitted_to_is_refused_in_words(make_grid, values, word):
    with pytest.raises(DataError, match=word):
        make_volume(values, make_grid(values.shape[:2]))


def test_values_that_do_not_fit_the_grid_are_refused(make_grid):
    with pytest.raises(ConfigError, match="do not fit"):
        make_volume(np.ones((3, 3)), make_grid((3, 4)))


def test_a_volume_cannot_be_changed(make_smooth_volume):
    volume = make_smooth_volume((3, 4, 5))
    with pytest.raises(ValueError, match="read-only"):
        volume.values[0] = 1


def test_voxels_declared_missing_join_those_that_are(make_grid):
    values = np.array([[np.nan, 1.0], [2.0, 3.0]])
    volume = make_volume(values, make_grid((2, 2)))
    less = volume.without(np.array([[False, False], [False, True]]))
    assert less.missing.tolist() == [[True, False], [False, True]]
    assert less.value_range == (1, 2)
    assert volume.value_range == (1, 3)


@pytest.mark.parametrize("fill", [266, 10.5, -1, np.nan, np.inf])
def test_a_fill_that_an_integer_type_cannot_hold_marks_nothing(make_grid, fill):
    values = np.array([[0, 10], [255, 4]], dtype=np.uint8)
    assert make_volume(values, make_grid((2, 2)), fill=fill).missing is None


def test_a_fill_beyond_a_short_float_marks_what_became_infinite_alone(make_grid):
    values = np.array([[0, 10], [np.inf, 4]], dtype=np.float16)
    assert make_volume(values, make_grid((2, 2)), fill=1e20).missing.tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize("scale", [1e200, 1e308, 1e-40])
def test_values_beyond_single_precision_are_refused(make_grid, scale):
    with pytest.raises(DataError, match="another unit"):
        make_volume(np.array([[0.1, 1.0], [-1.0, 0.5]]) * scale, make_grid((2, 2)))
