"""Tiles of a plane: what they show of a field, alone or several at once."""

import numpy as np
import pytest

from dinr_studio.sampling.plane import TILE_PIXELS, Plane, Tile, evaluate_tiles, tile_grid, tiles_in


@pytest.fixture
def field(make_grid, exact_field):
    """The smooth function on a grid that is no whole number of tiles large."""
    return exact_field(make_grid((5, 40, 70)))


@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (2, 1), (0, 2)])
def test_tiles_evaluated_at_once_hold_the_field_at_their_pixels(field, truth, rows, columns):
    plane = Plane(rows, columns, (2.0, 17.5, 33.0))
    tiles = [tile for level in (-1, 1) for tile in tiles_in(plane, field.grid, level, (-1.0, 80.0), (-1.0, 80.0))]
    outside = Tile(plane, 0, 90, 0)
    found = evaluate_tiles(field, [*tiles[:2], outside, *tiles[2:]])
    assert found.pop(2) is None
    assert len(found) == len(tiles) > 4
    for tile, values in zip(tiles, found, strict=True):
        index = np.empty((*values.shape[:2], 3))
        index[:] = plane.at
        step = 2.0**-tile.level
        index[..., rows] = ((tile.row * TILE_PIXELS + np.arange(values.shape[0]) + 0.5) * step - 0.5)[:, None]
        index[..., columns] = (tile.column * TILE_PIXELS + np.arange(values.shape[1]) + 0.5) * step - 0.5
        np.testing.assert_allclose(values[..., 0], truth(field.grid.world(index)), atol=1e-4)
        assert not values.flags.writeable
        np.testing.assert_allclose(values, evaluate_tiles(field, [tile])[0], rtol=1e-6)


def test_a_tile_outside_the_volume_has_no_grid_and_no_values(field):
    outside = Tile(Plane(1, 2, (0.0, 0.0, 0.0)), 0, 0, 9)
    assert tile_grid(outside, field.grid) is None
    assert evaluate_tiles(field, [outside]) == [None]
    assert evaluate_tiles(field, []) == []
