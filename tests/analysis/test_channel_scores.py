"""Scores of channels by themselves, and of channels in different units together."""

import numpy as np
import pytest

from dinr_studio.analysis.judge import judge
from dinr_studio.analysis.scores import pointwise, psnr, score
from dinr_studio.coordinates import Grid
from dinr_studio.volume import make_volume

SHAPE = (12, 14, 16)


@pytest.fixture
def make_pair():
    """Two smooth channels, the second one some thousand times as large."""

    def make(names, unit):
        z, y, x = np.meshgrid(*(np.linspace(0, 3, n) for n in SHAPE), indexing="ij")
        values = np.stack([np.sin(x + y), 300 + 1000 * np.cos(z + x)], axis=-1)
        grid = Grid(SHAPE, (1.0,) * 3, (0.0,) * 3, ("mm",) * 3, ("z", "y", "x"))
        return make_volume(values, grid, channel_names=names, value_unit=unit)

    return make


def held_out(volume):
    return np.random.default_rng(0).random(volume.grid.shape) < 0.05


def test_each_channel_is_reported_by_its_own_range(make_pair):
    volume = make_pair(("u [m/s]", "T [K]"), "")
    mask = held_out(volume)
    truth = volume.in_memory.reshape(-1, 2)
    off = np.array([0.02, 20.0])
    report = judge(volume, mask, lambda flat: truth[flat] + off, seed=0)
    first, second = report.by_channel
    assert (first.name, first.unit, second.name, second.unit) == ("u", "m/s", "T", "K")
    for channel, error, (low, high) in zip(report.by_channel, off, volume.channel_ranges, strict=True):
        assert channel.data_range == pytest.approx(high - low)
        assert channel.field.psnr == pytest.approx(20 * np.log10((high - low) / error))
        assert channel.field.mae == pytest.approx(error)
        assert set(channel.interpolation) == set(report.interpolation)
    assert report.as_dict()["by_channel"][1]["interpolation"]["cubic"]["psnr"] == second.interpolation["cubic"].psnr


def test_channels_in_different_units_count_alike(make_pair):
    mixed, alike = make_pair(("u [m/s]", "T [K]"), ""), make_pair(("u", "v"), "m/s")
    voxels = np.flatnonzero(held_out(mixed))
    ranges = np.array([high - low for low, high in mixed.channel_ranges])
    predicted = mixed.in_memory.reshape(-1, 2)[voxels] + ranges * np.array([0.1, 0.0])
    found = score(mixed, voxels, predicted, data_range=mixed.data_range)
    assert found.psnr == pytest.approx(20 + 10 * np.log10(2))
    assert found.mae == pytest.approx(0.05)
    assert 0 < found.ssim < 1
    assert score(alike, voxels, predicted, data_range=alike.data_range).psnr > 60  # the small channel hardly counts


def test_one_range_for_all_is_the_usual_score():
    true, predicted = np.random.default_rng(1).random((2, 50, 3))
    same = np.full(3, 0.7)
    assert psnr(true, predicted, same) == pytest.approx(psnr(true, predicted, 0.7))
    assert pointwise(true, predicted, same).psnr == pytest.approx(pointwise(true, predicted, 0.7).psnr)


def test_a_single_channel_has_no_report_of_its_own(make_smooth_volume):
    volume = make_smooth_volume(SHAPE)
    report = judge(volume, held_out(volume), lambda flat: volume.in_memory.reshape(-1, 1)[flat], seed=0)
    assert report.by_channel == ()
