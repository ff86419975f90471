"""How much of an export the data do not confirm: of fields whose waves are known, and in files."""

import math

import h5py
import numpy as np
import pytest
import torch

from dinr_studio.coordinates import CoordinateMap
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.beyond import beyond_nyquist, boxes
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.sampling.export import export
from dinr_studio.sampling.exports import header_for
from dinr_studio.sampling.tiled_export import description


class Waves(torch.nn.Module):
    """A wave of amplitude 1 below the data's Nyquist frequency and one of 0.5 above, along the last axis."""

    def __init__(self, coordinates, voxel):
        super().__init__()
        self.coordinates, self.voxel = coordinates, voxel

    def forward(self, x):
        at = self.coordinates.world(x.double().numpy())[:, -1] / self.voxel
        low, high = np.cos(2 * np.pi * 0.25 * at), 0.5 * np.cos(2 * np.pi * 0.75 * at)
        return torch.from_numpy(low + high)[:, None]


@pytest.fixture
def waves(make_grid):
    def make(shape):
        grid = make_grid(shape)
        coordinates = CoordinateMap.of(grid)
        module = Waves(coordinates, grid.voxel_size[-1])
        return FieldOnGrid(module, coordinates, Normalisation((1.0,), (0.0,)), grid, 1)

    return make


@pytest.mark.parametrize("shape", [(10, 12, 16), (3, 8, 12, 16), (40, 48)])
def test_the_share_is_that_of_the_waves_which_are_finer_than_the_data(waves, shape):
    field = waves(shape)
    found = list(beyond_nyquist(field, field.grid.upsampled([1] * (len(shape) - 2) + [2, 2])))[-1]
    assert found.share == pytest.approx(0.2, abs=0.02)
    assert found.of == math.prod(shape) * 4


def test_of_a_large_export_some_boxes_are_looked_at(waves):
    field = waves((40, 48, 64))
    grid = field.grid.upsampled((2, 2, 2))
    found = list(beyond_nyquist(field, grid))[-1]
    assert found.share == pytest.approx(0.2, abs=0.02)
    assert found.voxels <= grid.size / 8
    assert f"by {found.voxels:,} of {grid.size:,} voxels" in found.note


@pytest.mark.parametrize("shape", [(500, 400, 300), (9, 200, 300, 3), (2000, 3000), (100_000,)])
def test_boxes_lie_within_the_grid_and_are_a_small_share_of_it(make_grid, shape):
    grid = make_grid(shape, voxel_size=(1.0,) * len(shape), origin=(0.0,) * len(shape))
    found = boxes(grid)
    assert sum(box.size for box in found) <= max(1 << 15, grid.size / 8)
    for box in found:
        assert min(box.origin) >= 0
        assert all(o + n <= whole for o, n, whole in zip(box.origin, box.shape, shape, strict=True))


def test_nothing_is_said_where_the_grid_is_no_finer_than_the_data(waves):
    field = waves((8, 12, 16))
    assert list(beyond_nyquist(field, field.grid)) == []
    assert list(beyond_nyquist(field, field.grid.upsampled((0.5, 0.5, 0.5)))) == []


@pytest.mark.parametrize("name", ["out.h5", "out.zarr"])
def test_an_export_says_it_in_its_report_and_in_the_file(waves, tmp_path, name):
    field = waves((10, 12, 16))
    steps = list(export(field, field.grid.upsampled((2, 2, 2)), tmp_path / name, notes=("a note",)))
    assert steps[-1].report.beyond.share == pytest.approx(0.2, abs=0.02)
    if name == "out.h5":
        with h5py.File(tmp_path / name) as file:
            notes = next(iter(file.values())).attrs["notes"]
    else:
        notes = (tmp_path / name / "zarr.json").read_text(encoding="utf-8")
    assert "a note" in notes
    assert "energy beyond the data's Nyquist frequency: 20 % of the variance" in notes


def test_an_export_is_gone_on_with_whatever_the_last_digit_of_the_share(waves):
    field = waves((10, 12, 16))
    with_note, without = (
        description(field, header_for(field, field.grid, "float32", ("a", *more), ""), "")
        for more in (("energy beyond the data's Nyquist frequency: 1 %",), ())
    )
    assert with_note == without
