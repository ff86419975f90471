"""Looking: linked slices, what they say under the cursor, proportions, zoom and what each pane shows."""

import re

import numpy as np
import pytest
import torch
from PySide6.QtCore import QPointF, Qt
from scipy.stats import spearmanr

from dinr_studio.sampling.evaluate import values_at
from dinr_studio.training.fit import field_of

LEFT = Qt.MouseButton.LeftButton
KEY = Qt.Key


@pytest.fixture
def window(lent_window):
    """One window for all tests."""
    return lent_window


def place_of(pane, x, y):
    """The pixel of a pane's view at a position in the world."""
    return pane.view.mapFromScene(pane.box.mapViewToScene(QPointF(x, y)))


def voxel_place(pane, row, column):
    """The pixel of a voxel's centre in a pane."""
    grid = pane.studio.volume.grid
    rows, columns = pane.plane.rows, pane.plane.columns
    return place_of(
        pane,
        grid.origin[columns] + column * grid.voxel_size[columns],
        grid.origin[rows] + row * grid.voxel_size[rows],
    )


def hover(qtbot, mouse, pane, voxel, said):
    """Holds the cursor over a voxel until something is said; pyqtgraph passes over movements that come too fast."""

    def tried():
        mouse.move(pane.view.viewport(), voxel_place(pane, *voxel))
        return said()

    qtbot.waitUntil(tried)


def true_slice(window, number):
    """The data of one of the three slices through the crosshair: XY, XZ, YZ, as rows and columns."""
    z, y, x = (round(i) for i in window.studio.crosshair)
    values = window.studio.volume.values[..., 0]
    return (values[z], values[:, y], values[:, :, x])[number]


def test_a_slice_shows_every_voxel_at_its_place(opened, qtbot, pixels):
    low, high = opened.studio.volume.value_range
    opened.studio.set_limits(low, high)
    opened.studio.move_crosshair({0: 7, 1: 5, 2: 6})
    rng = np.random.default_rng(1)
    for number, pane in enumerate(opened.slices.panes):
        opened.slices.show_alone(pane)
        pane.view.scale_bar.hide()  # it lies over some voxels
        expected = true_slice(opened, number)
        found = [(rng.integers(expected.shape[0]), rng.integers(expected.shape[1])) for _ in range(40)]
        cross = {round(opened.studio.crosshair[axis]) for axis in (pane.plane.rows, pane.plane.columns)}
        found = [place for place in found if not cross & set(place)]  # those lie under the crosshair's lines

        def shown(pane=pane, found=found):
            picture = pixels(pane.view)
            places = [voxel_place(pane, *place) for place in found]
            return np.array([picture[at.y(), at.x()] for at in places])

        values = np.array([expected[place] for place in found])
        qtbot.waitUntil(lambda shown=shown, values=values: spearmanr(shown(), values).statistic > 0.995)


def test_a_click_moves_the_crosshair_in_all_slices(opened, qtbot):
    xy, xz, yz = opened.slices.shown
    qtbot.mouseClick(xy.view.viewport(), LEFT, pos=voxel_place(xy, 4, 11))
    z, y, x = opened.studio.crosshair
    assert z == 10
    assert (y, x) == (pytest.approx(4, abs=0.3), pytest.approx(11, abs=0.3))
    world = opened.studio.volume.grid.world(np.array([z, y, x]))
    for pane, (across, up) in ((xy, (2, 1)), (xz, (2, 0)), (yz, (1, 0))):
        assert pane.view.lines[0].value() == pytest.approx(world[across])
        assert pane.view.lines[1].value() == pytest.approx(world[up])
    assert xz.place.text().startswith("y 5/18")
    assert yz.place.text().startswith("x 12/16")
    for number, pane in enumerate((xy, xz, yz)):
        np.testing.assert_array_equal(pane.content.data, true_slice(opened, number))


def test_arrows_move_the_crosshair_and_page_keys_and_sliders_the_slice(opened, qtbot):
    xy, xz, _ = opened.slices.shown
    xy.view.setFocus()
    for key, expected in (
        (KEY.Key_Right, (10, 9, 9)),
        (KEY.Key_Up, (10, 10, 9)),
        (KEY.Key_Left, (10, 10, 8)),
        (KEY.Key_Down, (10, 9, 8)),
        (KEY.Key_PageUp, (11, 9, 8)),
        (KEY.Key_PageDown, (10, 9, 8)),
    ):
        qtbot.keyClick(xy.view, key)
        assert opened.studio.crosshair == expected
    qtbot.keyClick(xz.slider, KEY.Key_Right)
    assert opened.studio.crosshair == (10, 10, 8)
    assert xz.place.text().startswith("y 11/18")
    for _ in range(30):
        qtbot.keyClick(xy.view, KEY.Key_Left)
    assert opened.studio.crosshair == (10, 10, 0)  # it stays within


def test_the_status_line_says_where_the_cursor_is_and_what_is_there_with_units(opened, qtbot, mouse):
    pane = opened.slices.shown[1]  # z by x
    hover(qtbot, mouse, pane, (2, 3), lambda: "data" in opened.status.place.text())
    before, at = opened.status.place.text(), voxel_place(pane, 14, 5)
    hover(qtbot, mouse, pane, (14, 5), lambda: opened.status.place.text() != before)
    said = opened.status.place.text().replace("−", "-")
    (z, z_unit), (y, _), (x, _) = (re.search(rf"{axis} (\S+) (\w+)", said).groups() for axis in "zyx")
    grid = opened.studio.volume.grid
    here = pane.box.mapSceneToView(pane.view.mapToScene(at))
    assert z_unit == "angstrom"
    assert float(z) == pytest.approx(here.y(), abs=0.05)
    assert float(x) == pytest.approx(here.x(), abs=0.05)
    assert float(y) == pytest.approx(grid.world(np.array(opened.studio.crosshair))[1], abs=0.01)
    value = float(re.search(r"data (\S+)", said).group(1))
    assert value == pytest.approx(true_slice(opened, 1)[14, 5], abs=1e-3)
    hover(qtbot, mouse, pane, (0, -8), lambda: opened.status.place.text() == "")


def test_voxels_of_unlike_sizes_have_their_true_proportions(opened):
    for pane in opened.slices.shown:
        a, b = place_of(pane, 0, 0), place_of(pane, 100, 100)
        assert abs(b.x() - a.x()) == pytest.approx(abs(b.y() - a.y()), rel=0.03)  # as many pixels for 100 angstrom
    xz = opened.slices.shown[1]
    first, last = voxel_place(xz, 0, 0), voxel_place(xz, 19, 15)
    assert (first.y() - last.y()) / (last.x() - first.x()) == pytest.approx(19 * 2.0 / (15 * 1.0), rel=0.03)


def test_the_wheel_zooms_about_the_cursor_and_with_shift_moves_through_the_slices(opened, mouse):
    pane = opened.slices.shown[0]
    viewport, at = pane.view.viewport(), voxel_place(pane, 4, 12)
    before, under = pane.box.viewRange(), pane.box.mapSceneToView(pane.view.mapToScene(at))
    mouse.wheel(viewport, at, 5)
    after = pane.box.viewRange()
    assert np.ptp(after[0]) < 0.7 * np.ptp(before[0])
    now = pane.box.mapSceneToView(pane.view.mapToScene(at))
    assert (now.x(), now.y()) == (pytest.approx(under.x(), abs=0.2), pytest.approx(under.y(), abs=0.2))
    mouse.wheel(viewport, at, 2, Qt.KeyboardModifier.ShiftModifier)
    assert opened.studio.crosshair[0] == 12
    assert pane.box.viewRange() == after
    mouse.wheel(viewport, at, -1, Qt.KeyboardModifier.ShiftModifier)
    assert opened.studio.crosshair[0] == 11


def test_dragging_pans_and_keys_zoom_and_show_all_again(opened, qtbot, mouse):
    pane = opened.slices.shown[0]
    whole = pane.box.viewRange()
    pane.view.setFocus()
    qtbot.keyClick(pane.view, KEY.Key_Plus)
    close = pane.box.viewRange()
    assert np.ptp(close[0]) == pytest.approx(np.ptp(whole[0]) / 1.25)
    start = voxel_place(pane, 9, 8)
    mouse.drag(pane.view.viewport(), start, QPointF(start) + QPointF(40, 25))
    moved = pane.box.viewRange()
    assert moved[0][0] < close[0][0] - 0.5
    assert moved[1][0] > close[1][0] + 0.5
    assert opened.studio.crosshair == (10, 9, 8)  # a drag is no click
    qtbot.keyClick(pane.view, KEY.Key_Home)
    assert pane.box.viewRange()[0] == pytest.approx(whole[0])
    qtbot.keyClick(pane.view, KEY.Key_Minus)
    assert np.ptp(pane.box.viewRange()[0]) > np.ptp(whole[0])
    qtbot.keyClick(opened, KEY.Key_0, Qt.KeyboardModifier.ControlModifier)
    assert pane.box.viewRange()[0] == pytest.approx(whole[0])


def test_the_enlarge_key_shows_the_pane_with_the_focus_alone_and_then_all_again(opened, qtbot):
    places = (*opened.slices.panes, opened.volume_view)
    opened.slices.panes[2].view.setFocus()
    qtbot.keyClick(opened.slices.panes[2].view, KEY.Key_F)
    assert [place.isVisible() for place in places] == [False, False, True, False]
    assert opened.slices.panes[2].enlarge.isChecked()
    qtbot.keyClick(opened.slices.panes[2].view, KEY.Key_F)
    assert all(place.isVisible() for place in places)
    qtbot.mouseClick(opened.volume_view.enlarge, LEFT)
    assert [place.isVisible() for place in places] == [False, False, False, True]
    qtbot.mouseClick(opened.volume_view.enlarge, LEFT)
    assert all(place.isVisible() for place in places)


def test_panes_that_were_away_show_the_present_when_they_come_back(fitted, qtbot, type_in):
    xy, xz, _ = fitted.slices.panes
    xy.view.setFocus()
    qtbot.keyClick(xy.view, KEY.Key_3)
    qtbot.keyClick(xy.view, KEY.Key_F)
    qtbot.keyClick(xy.view, KEY.Key_Up)
    type_in(fitted.data_panel.low, "0.05")
    xy.view.setFocus()
    qtbot.keyClick(xy.view, KEY.Key_F)
    assert xz.isVisible()
    assert xz.place.text().startswith("y 11/18")
    assert xz.slider.value() == 10
    qtbot.waitUntil(lambda: (found := xz.content.residual()) is not None and bool(np.isfinite(found).all()))
    expected = fitted.studio.volume.values[:, 10, :, 0]
    field = field_of(fitted.studio.run, torch.device("cpu"))
    index = np.stack(np.meshgrid(np.arange(20), [10], np.arange(16), indexing="ij"), axis=-1).reshape(-1, 3)
    whole = values_at(field, fitted.studio.run.grid.world(index)).reshape(20, 16)
    np.testing.assert_allclose(xz.content.residual(), whole - expected, atol=1e-5)


def test_number_keys_choose_what_all_slices_show(fitted, qtbot):
    for key, mode in ((KEY.Key_1, "Data"), (KEY.Key_3, "Residual"), (KEY.Key_4, "Wipe"), (KEY.Key_2, "Field")):
        qtbot.keyClick(fitted, key)
        assert [pane.mode.currentText() for pane in fitted.slices.panes] == [mode] * 3
        assert all(pane.left.isVisible() == (mode == "Wipe") for pane in fitted.slices.panes)
    qtbot.keyClick(fitted.slices.panes[1].mode, KEY.Key_Up)  # one pane alone
    assert [pane.mode.currentText() for pane in fitted.slices.panes] == ["Field", "Data", "Field"]


def test_without_a_field_the_panes_say_what_to_do(opened, qtbot):
    qtbot.keyClick(opened, KEY.Key_2)
    assert all(pane.sign.text() == "no field yet: press Fit" for pane in opened.slices.panes)
    assert opened.volume_view.sign.text() == ""
    qtbot.keyClick(opened, KEY.Key_1)
    assert all(pane.sign.text() == "" for pane in opened.slices.panes)


def test_the_residual_is_the_field_less_the_data_in_colours_about_zero(fitted, qtbot, mouse):
    fitted.studio.move_crosshair({0: 6, 1: 11, 2: 3})
    qtbot.keyClick(fitted, KEY.Key_3)
    panes = fitted.slices.shown
    qtbot.waitUntil(
        lambda: all((found := pane.content.residual()) is not None and np.isfinite(found).all() for pane in panes),
        timeout=30_000,
    )
    field = field_of(fitted.studio.run, torch.device("cpu"))
    grid = fitted.studio.volume.grid
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    wholly = values_at(field, grid.world(index.reshape(-1, 3)))[:, 0].reshape(grid.shape)
    residual = wholly - fitted.studio.volume.values[..., 0]
    for pane, expected in zip(panes, (residual[6], residual[:, 11], residual[:, :, 3]), strict=True):
        np.testing.assert_allclose(pane.content.residual(), expected, atol=1e-5)
        qtbot.waitUntil(lambda pane=pane: not pane._redraw.isActive())
        low, high = pane.view.bar.levels()
        assert low == -high
        assert high == pytest.approx(np.percentile(np.abs(expected), 99.5), rel=1e-3)

    near = np.linspace(-0.5, 0.5, 9)  # of the voxel's centre: where finer tiles are there, the value is that of theirs
    index = np.stack(np.meshgrid([6], 2 + near, 12 + near, indexing="ij"), axis=-1)
    around = values_at(field, grid.world(index.reshape(-1, 3)))[:, 0]

    def said():  # the pointer may have lain on another voxel before
        value = re.search(r"field (\S+)", fitted.status.place.text().replace("−", "-"))
        return value is not None and around.min() - 1e-3 < float(value.group(1)) < around.max() + 1e-3

    hover(qtbot, mouse, panes[0], (2, 12), said)


def test_a_wipe_shows_one_side_left_and_the_other_right_of_a_line_that_can_be_dragged(fitted, qtbot, mouse, pixels):
    fitted.slices.show_alone(fitted.slices.panes[0])
    pane = fitted.slices.panes[0]

    def settled(key):
        qtbot.keyClick(fitted, key)
        qtbot.waitUntil(lambda: pane.tiles.open_tiles == 0, timeout=30_000)
        qtbot.waitUntil(lambda: not pane._redraw.isActive() and not pane._settled.isActive())
        qtbot.waitUntil(lambda: pane.tiles.open_tiles == 0 and not pane._redraw.isActive(), timeout=30_000)
        return pixels(pane.view)

    data, field = settled(KEY.Key_1), settled(KEY.Key_2)
    settled(KEY.Key_4)
    start, stop = place_of(pane, pane.view.wipe.value(), -2), voxel_place(pane, 3, 4)
    mouse.drag(pane.view.viewport(), start, QPointF(stop.x(), start.y()))
    assert place_of(pane, pane.view.wipe.value(), 0).x() == pytest.approx(stop.x(), abs=2)
    mouse.move(pane.view.viewport(), QPointF(5, 5))
    wiped = pixels(pane.view)
    left, right = voxel_place(pane, 0, 0), voxel_place(pane, 15, 15)
    rows = slice(right.y(), left.y())
    one, other = (rows, slice(left.x(), stop.x() - 5)), (rows, slice(stop.x() + 5, right.x()))
    assert np.abs(data - field)[other].mean() > 0.5  # they differ, so the test can fail
    assert np.abs(wiped - data)[one].mean() < 0.1
    assert np.abs(wiped - field)[other].mean() < 0.1
    assert np.abs(wiped - field)[one].mean() > 0.5
