import numpy as np
import pytest

from dinr_studio.affine import affine_of, placement
from dinr_studio.coordinates import Grid, Orientation
from dinr_studio.errors import FileFormatError

TURN = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])


def grid_of(found, shape=(3, 4, 5)):
    return Grid(
        shape,
        tuple(found.voxel_size[a] for a in "zyx"),
        tuple(found.origin[a] for a in "zyx"),
        ("mm",) * 3,
        ("z", "y", "x"),
        found.orientation,
    )


def affine(turn=TURN, sizes=(0.5, 1.0, 3.0), origin=(-7.0, 2.5, 11.0)):
    matrix = np.eye(4)
    matrix[:3, :3] = turn * sizes
    matrix[:3, 3] = origin
    return matrix


def test_a_turned_volume_keeps_the_position_of_every_voxel():
    given = affine()
    grid = grid_of(placement(given, "RAS"))
    assert grid.voxel_size == pytest.approx((3.0, 1.0, 0.5))
    np.testing.assert_allclose(affine_of(grid, "RAS"), given, atol=1e-12)


def test_the_other_patient_space_turns_x_and_y_round():
    grid = grid_of(placement(affine(), "RAS"))
    np.testing.assert_allclose(affine_of(grid, "LPS"), np.diag([-1, -1, 1, 1]) @ affine(), atol=1e-12)


def test_a_part_of_a_turned_volume_lies_where_it_lay_in_the_whole():
    grid = grid_of(placement(affine(), "LPS"))
    part = affine_of(grid.cropped((1, 2, 3), (3, 4, 5)), "LPS")
    np.testing.assert_allclose(part @ [0, 0, 0, 1], affine() @ [3, 2, 1, 1], atol=1e-12)


def test_a_finer_grid_of_a_turned_volume_fills_the_same_box():
    grid = grid_of(placement(affine(), "LPS"))
    fine = affine_of(grid.upsampled((2, 2, 2)), "LPS")
    np.testing.assert_allclose(fine @ [0.5, 0.5, 0.5, 1], affine() @ [0, 0, 0, 1], atol=1e-12)


def test_a_straight_volume_in_no_patient_has_no_orientation():
    assert placement(affine(np.eye(3)), "").orientation is None
    assert placement(affine(np.eye(3)), "RAS").orientation == Orientation(space="RAS")


def test_a_mirrored_axis_counts_as_a_direction():
    found = placement(affine(np.diag([-1.0, 1.0, 1.0])), "")
    assert found.orientation.directions[2] == (0.0, 0.0, -1.0)
    assert found.origin["x"] == 7.0


def test_sheared_axes_are_told_and_still_keep_their_positions():
    sheared = TURN + np.array([[0, 0.2, 0], [0, 0, 0], [0, 0, 0]])
    given = affine(sheared)
    found = placement(given, "RAS")
    assert "not perpendicular" in found.notes[0]
    np.testing.assert_allclose(affine_of(grid_of(found), "RAS"), given, atol=1e-12)


@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.full((4, 4), np.nan), affine(np.ones((3, 3)))])
def test_an_affine_that_places_nothing_is_refused(bad):
    with pytest.raises(FileFormatError, match="affine"):
        placement(bad, "RAS")
