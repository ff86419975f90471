"""The hash grid: interpolation that reproduces what it should, rows by an independent hash, and two ways alike."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dinr_studio.config import FieldConfig
from dinr_studio.errors import ConfigError
from dinr_studio.fields.build import build_field
from dinr_studio.fields.hash_grid import HashGrid, level_cells

INTERPOLATIONS = ["linear", "smooth"]


def made(cells, interpolation="linear", features=2, table_size=14):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return HashGrid(cells, features, table_size, interpolation).double()


def places(count, axes, spread=1.0):
    random = torch.Generator().manual_seed(axes)
    return (2 * torch.rand(count, axes, generator=random, dtype=torch.float64) - 1) * spread


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_vertices_of_an_affine_function_give_that_function(axes, interpolation):
    cells = [5, 3, 4, 2][:axes]
    grid = made([cells], interpolation, features=1)
    first = -1 if interpolation == "smooth" else 0
    ranges = [[2 * i / n - 1 for i in range(first, n + 1 - first)] for n in cells]
    vertices = torch.tensor(list(itertools.product(*ranges)), dtype=torch.float64)
    slope = torch.arange(1.0, axes + 1, dtype=torch.float64)[:, None]
    with torch.no_grad():
        grid.table.copy_(vertices @ slope + 0.5)
    x = places(100, axes)
    torch.testing.assert_close(grid(x), x @ slope + 0.5, rtol=0, atol=1e-12)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_beyond_the_box_the_features_are_those_of_its_faces(interpolation):
    grid = made([[4, 4], [9, 9]], interpolation, table_size=6)
    x = places(200, 2, spread=1.4)
    assert (x.abs() > 1).any()
    assert torch.equal(grid(x), grid(x.clamp(-1, 1)))
    edges = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    torch.testing.assert_close(grid(edges), grid(edges * (1 - 1e-9)), rtol=0, atol=1e-7)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(4, 12), st.sampled_from(INTERPOLATIONS))
@settings(max_examples=40, deadline=None)
def test_weights_add_up_to_one_and_rows_lie_in_their_level_s_part_of_the_table(cells, table_size, interpolation):
    levels = [[max(1, n // 3) for n in cells], cells]
    grid = made(levels, interpolation, table_size=table_size)
    rows, weights = grid.corners(places(50, len(cells), spread=1.2))
    assert (weights.sum(dim=2) - 1).abs().max() < 1e-12
    assert weights.min() >= 0
    assert rows[:, 0].min() >= 0
    assert rows[:, 0].max() < grid.starts[1]
    assert rows[:, 1].min() >= grid.starts[1]
    assert rows[:, 1].max() < len(grid.table) <= 2 * 2**table_size


def test_a_grid_that_fits_has_a_row_for_each_vertex_and_a_larger_one_shares_them_by_the_hash():
    grid = made([[3, 4], [50, 60]], table_size=8)
    assert grid.dense == 1
    assert len(grid.table) == 4 * 5 + 256
    corner = torch.tensor([[0.31, -0.67]], dtype=torch.float64)
    rows, _ = grid.corners(corner)
    y, x = int((0.31 + 1) / 2 * 3), int((-0.67 + 1) / 2 * 4)
    assert rows[0, 0].tolist() == [y * 5 + x, y * 5 + x + 1, (y + 1) * 5 + x, (y + 1) * 5 + x + 1]
    y, x = int((0.31 + 1) / 2 * 50), int((-0.67 + 1) / 2 * 60)
    hashed = [20 + ((i ^ (j * 2_654_435_761)) % 256) for i in (y, y + 1) for j in (x, x + 1)]
    assert rows[0, 1].tolist() == hashed


def slope_jumps(interpolation):
    """Greatest jump of the slope between neighbours along a line through a one-dimensional grid, over their spread."""
    grid = made([[6]], interpolation, features=1)
    with torch.no_grad():
        grid.table.copy_(torch.randn(len(grid.table), 1, generator=torch.Generator().manual_seed(3)).double())
    x = torch.linspace(-0.99, 0.99, 4001, dtype=torch.float64)[:, None].requires_grad_(True)
    (slope,) = torch.autograd.grad(grid(x).sum(), x)
    return float(slope.diff(dim=0).abs().max() / slope.std())


def test_smooth_interpolation_has_a_continuous_gradient_and_linear_has_not():
    assert slope_jumps("smooth") < 0.02
    assert slope_jumps("linear") > 0.5


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_the_quick_way_of_training_has_values_and_gradients_of_the_plain_one(interpolation):
    grid = made([[3, 4, 2], [9, 9, 9]], interpolation, features=3, table_size=7)
    x, wanted = places(80, 3), torch.randn(80, 6, dtype=torch.float64)
    quick = grid.train()(x)
    (quick * wanted).sum().backward()
    found, grid.table.grad = grid.table.grad, None
    plain = grid(x.requires_grad_(True))
    (plain * wanted).sum().backward()
    torch.testing.assert_close(quick, plain, rtol=0, atol=1e-12)
    torch.testing.assert_close(found, grid.table.grad, rtol=0, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(grid.eval()(x), plain, rtol=0, atol=1e-12)


def test_second_derivatives_of_a_smooth_grid_pass_gradgradcheck():
    grid = made([[3, 4]], "smooth")
    x = places(3, 2).requires_grad_(True)
    assert torch.autograd.gradcheck(grid, x)
    assert torch.autograd.gradgradcheck(grid, x)


def test_levels_grow_by_one_factor_and_keep_the_aspect_of_the_axes():
    assert level_cells(8, [64, 64], 4) == [[8, 8], [16, 16], [32, 32], [64, 64]]
    assert level_cells(4, [64, 16, 1], 3) == [[4, 1, 1], [16, 4, 1], [64, 16, 1]]
    assert level_cells(10, [30], 1) == [[30]]


def test_resolutions_for_another_number_of_axes_are_refused_in_words():
    config = FieldConfig(embedding="hashgrid", finest_resolution="16 x 32")
    assert config.finest_resolution == (16, 32)
    with pytest.raises(ConfigError, match="2 numbers and the volume 3 axes"):
        build_field(config, 3, 1, seed=0)
