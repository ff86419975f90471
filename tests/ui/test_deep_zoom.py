"""Deep zoom: past the data's pixels the field is evaluated afresh, coarse to fine, and only for what is in view."""

import threading

import numpy as np
import pytest
import torch
from PySide6.QtCore import QObject, QPointF, Qt

from dinr_studio.errors import DataError
from dinr_studio.sampling.evaluate import values_at
from dinr_studio.sampling.plane import TILE_PIXELS
from dinr_studio.training.fit import field_of
from dinr_studio.ui.evaluator import Evaluator, Question
from dinr_studio.ui.views import field_tiles


@pytest.fixture
def window(lent_window):
    """One window for all tests."""
    return lent_window


@pytest.fixture
def pane(fitted, qtbot):
    """The XY slice, which alone shows the field of a run."""
    pane, *others = fitted.slices.panes
    for one in others:
        one.mode.setCurrentText("Data")
    fitted.volume_view.shown.setCurrentText("Data")
    settle(qtbot, pane)
    return pane


@pytest.fixture
def evaluator(qapp):
    """A thread that answers, and the answers so far."""
    owner = QObject()
    found = Evaluator(owner)
    found.answers = []
    found.answered.connect(lambda answer: found.answers.append((answer.asker, answer.key, answer.value, answer.fault)))
    yield found
    found.stop()
    assert found._thread.wait(30_000)


def settle(qtbot, pane):
    """Waits until a pane has asked for its view and has all tiles of it."""
    qtbot.waitUntil(
        lambda: not pane._settled.isActive() and not pane._redraw.isActive() and pane.tiles.open_tiles == 0,
        timeout=30_000,
    )


def zoom_to_a_corner(mouse, pane):
    """Turns the wheel over a place right of and above the middle."""
    grid = pane.studio.volume.grid
    place = pane.box.mapViewToScene(QPointF(grid.origin[2] + 11.3, grid.origin[1] + 12.9))
    mouse.wheel(pane.view.viewport(), pane.view.mapFromScene(place), 16)


def pixel_positions(pane, tile):
    """World positions (rows, columns, 3) of a tile's pixels, worked out anew: its pixels are 2^-level voxels wide."""
    grid = pane.studio.field.run.grid
    first = [TILE_PIXELS * number * 2.0**-tile.level - 0.5 for number in (tile.row, tile.column)]
    index, count = np.zeros((TILE_PIXELS, TILE_PIXELS, 3)), np.arange(TILE_PIXELS)
    index[..., 0] = pane.studio.crosshair[0]
    index[..., 1] = first[0] + (count[:, None] + 0.5) * 2.0**-tile.level
    index[..., 2] = first[1] + (count[None, :] + 0.5) * 2.0**-tile.level
    return index * grid.voxel_size + grid.origin


def test_zooming_in_brings_finer_tiles_and_their_values_are_the_fields_there(pane, qtbot, mouse):
    before = pane.tiles.level
    zoom_to_a_corner(mouse, pane)
    settle(qtbot, pane)
    assert pane.tiles.level >= before + 3
    assert 2**pane.tiles.level >= pane.pixels_per_voxel() / 2**field_tiles.SHARPNESS  # no coarser than the screen
    assert pane.sign.text() == f"{2**pane.tiles.level}×"
    field = field_of(pane.studio.run, torch.device("cpu"))
    shown = [tile for tile in pane.tiles.shown(pane.plane) if tile.values.size]
    levels = [one.tile.level for one in shown]
    assert levels == sorted(levels)  # the finest are drawn last
    finest = [one for one in shown if one.tile.level == pane.tiles.level]
    assert finest
    for one in (shown[0], *finest[:3]):
        rows, columns, _ = one.values.shape
        expected = values_at(field, pixel_positions(pane, one.tile)[:rows, :columns].reshape(-1, 3))
        np.testing.assert_allclose(one.values.reshape(-1), expected[:, 0], atol=1e-5)


def test_what_is_on_the_screen_is_the_field_at_the_screens_own_resolution(pane, qtbot, mouse, pixels):
    zoom_to_a_corner(mouse, pane)
    settle(qtbot, pane)
    (left, right), (low, high) = pane.box.viewRange()
    rng = np.random.default_rng(3)
    world = np.empty((60, 3))
    world[:, 0] = pane.studio.volume.grid.world(np.array(pane.studio.crosshair))[0]
    world[:, 1] = rng.uniform(low + 0.1 * (high - low), high - 0.3 * (high - low), 60)
    world[:, 2] = rng.uniform(left + 0.1 * (right - left), right - 0.1 * (right - left), 60)
    expected = values_at(field_of(pane.studio.run, torch.device("cpu")), world)[:, 0]
    pane.view.scale_bar.hide()
    pane.studio.set_limits(expected.min(), expected.max())
    settle(qtbot, pane)
    picture = pixels(pane.view)
    places = [pane.view.mapFromScene(pane.box.mapViewToScene(QPointF(x, y))) for _, y, x in world]
    found = np.array([picture[place.y(), place.x()] for place in places])
    assert np.ptp(expected) > 0.01
    assert np.corrcoef(found, expected)[0, 1] > 0.97
    pane.view.scale_bar.show()


def test_the_sign_tells_of_refining_and_coarse_tiles_come_before_fine_ones(pane, qtbot, mouse, monkeypatch):
    order, may_go_on = [], threading.Event()
    true = field_tiles._evaluation

    def slow(state, tile):
        def evaluate():
            assert may_go_on.wait(30)
            order.append(tile)
            return true(state, tile)()

        return evaluate

    monkeypatch.setattr(field_tiles, "_evaluation", slow)
    zoom_to_a_corner(mouse, pane)
    qtbot.waitUntil(lambda: pane.sign.text().startswith("refining") and not pane._settled.isActive())
    assert int(pane.sign.text().split()[1]) == pane.tiles.open_tiles > 1
    may_go_on.set()
    settle(qtbot, pane)
    levels = [tile.level for tile in dict.fromkeys(order)]  # by the first time that each was evaluated
    assert levels == sorted(levels)
    assert len(set(levels)) > 1


def test_tiles_of_a_view_that_moved_on_are_never_evaluated(pane, qtbot, mouse, monkeypatch):
    asked, done, may_go_on = [], [], threading.Event()
    true = field_tiles._evaluation

    def watched(state, tile):
        asked.append(tile)
        return lambda: (done.append(tile), true(state, tile)())[1]

    monkeypatch.setattr(field_tiles, "_evaluation", watched)
    pane.studio.pictures.ask("a slow one", [Question(0, lambda: may_go_on.wait(10))])
    zoom_to_a_corner(mouse, pane)
    qtbot.waitUntil(lambda: len(asked) > 0 and not pane._settled.isActive())
    first = set(asked)
    for _ in range(12):
        qtbot.keyClick(pane.view, Qt.Key.Key_Plus)
    qtbot.waitUntil(lambda: set(asked) > first and not pane._settled.isActive())
    wanted = set(pane.tiles._wanted)
    may_go_on.set()
    settle(qtbot, pane)
    assert first - wanted  # some were asked for in vain, so the test can fail
    assert set(done) <= wanted


def test_the_newest_asker_is_answered_first_and_a_new_list_replaces_the_old(evaluator, qtbot):
    begun, may_go_on = threading.Event(), threading.Event()
    evaluator.ask("slow", [Question(0, lambda: (begun.set(), may_go_on.wait(30))[1])])
    assert begun.wait(30)
    evaluator.ask("old", [Question(k, lambda: 1) for k in range(3)])
    evaluator.ask("new", [Question(k, lambda: 2) for k in range(2)])
    evaluator.ask("withdrawn", [Question(0, lambda: 3)])
    evaluator.ask("withdrawn", [])
    evaluator.ask("old", [Question(9, lambda: 4)])  # replaces all three, and is the newest now
    assert not evaluator.idle
    may_go_on.set()
    qtbot.waitUntil(lambda: len(evaluator.answers) == 4 and evaluator.idle)
    assert evaluator.answers == [("slow", 0, True, ""), ("old", 9, 4, ""), ("new", 0, 2, ""), ("new", 1, 2, "")]


def test_a_question_that_fails_is_answered_with_a_sentence(evaluator, qtbot, caplog):
    def wrong(error):
        raise error

    evaluator.ask("a", [Question(1, lambda: wrong(DataError("The data is wet; dry it."))), Question(2, lambda: 5)])
    qtbot.waitUntil(lambda: len(evaluator.answers) == 2)
    assert evaluator.answers == [("a", 1, None, "The data is wet; dry it."), ("a", 2, 5, "")]
    evaluator.ask("a", [Question(3, lambda: wrong(KeyError("x")))])
    qtbot.waitUntil(lambda: len(evaluator.answers) == 3)
    assert "unexpected" in evaluator.answers[2][3]
    assert "could not be answered" in caplog.text
    caplog.clear()
