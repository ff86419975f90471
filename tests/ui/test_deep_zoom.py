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
from dinr_studio.ui.evaluator import SECONDS_AT_ONCE, Evaluator, Question, Series
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

    def slow(state):
        def evaluate(keys):
            assert may_go_on.wait(30)
            order.extend(tile for _, tile in keys)
            return true(state)(keys)

        return evaluate

    monkeypatch.setattr(field_tiles, "_evaluation", slow)
    zoom_to_a_corner(mouse, pane)
    qtbot.waitUntil(lambda: pane.sign.text().startswith("refining") and not pane._settled.isActive())
    assert int(pane.sign.text().split()[1]) == pane.tiles.open_tiles > 1
    may_go_on.set()
    settle(qtbot, pane)
    levels = [tile.level for tile in order]
    assert levels == sorted(levels)
    assert len(set(levels)) > 1
    assert len(set(order)) == len(order)  # none is evaluated twice


def test_tiles_of_a_view_that_moved_on_are_never_evaluated(pane, qtbot, mouse, monkeypatch):
    done, may_go_on = [], threading.Event()
    true = field_tiles._evaluation

    def watched(state):
        return lambda keys: (done.extend(tile for _, tile in keys), true(state)(keys))[1]

    monkeypatch.setattr(field_tiles, "_evaluation", watched)
    pane.studio.pictures.ask("a slow one", [Question(0, lambda: may_go_on.wait(10))])
    zoom_to_a_corner(mouse, pane)
    qtbot.waitUntil(lambda: pane.tiles.open_tiles > 0 and not pane._settled.isActive())
    first = set(pane.tiles._wanted)
    for _ in range(12):
        qtbot.keyClick(pane.view, Qt.Key.Key_Plus)
    qtbot.waitUntil(lambda: set(pane.tiles._wanted) != first and not pane._settled.isActive())
    wanted = set(pane.tiles._wanted)
    may_go_on.set()
    settle(qtbot, pane)
    assert first - wanted  # some were asked for in vain, so the test can fail
    assert set(done) <= wanted


def test_tiles_under_way_are_not_asked_for_again(pane, qtbot, mouse, monkeypatch):
    done, begun, may_go_on = [], threading.Event(), threading.Event()
    true = field_tiles._evaluation

    def held(state):
        def evaluate(keys):
            begun.set()
            assert may_go_on.wait(30)
            done.extend(keys)
            return true(state)(keys)

        return evaluate

    monkeypatch.setattr(field_tiles, "_evaluation", held)
    zoom_to_a_corner(mouse, pane)
    qtbot.waitUntil(lambda: begun.is_set() and not pane._settled.isActive())
    (keys,) = pane.studio.pictures.under_way(pane.tiles._name)
    pane._ask_for_tiles()  # the same view once more
    assert set(keys) <= pane.tiles._lacking  # it still waits for them
    may_go_on.set()
    settle(qtbot, pane)
    assert len(set(done)) == len(done)
    assert set(keys) <= set(pane.tiles._tiles)


def test_a_series_is_answered_one_first_and_then_more_at_once_as_time_allows(evaluator, qtbot):
    asked = []

    def compute(keys):
        asked.append(keys)
        return len(keys)

    begun, may_go_on = threading.Event(), threading.Event()
    evaluator.ask("slow", [Question(0, lambda: (begun.set(), may_go_on.wait(30))[1])])
    assert begun.wait(30)
    evaluator._thread.rate = 5 * 100 / SECONDS_AT_ONCE  # five at once
    evaluator.ask("series", [Series(tuple(range(20)), compute, 100)])
    may_go_on.set()
    qtbot.waitUntil(lambda: sum(value for asker, _, value, _ in evaluator.answers if asker == "series") == 20)
    assert evaluator.rate > 5 * 100 / SECONDS_AT_ONCE  # it was measured anew
    assert sum(asked, ()) == tuple(range(20))
    assert [len(keys) for keys in asked[:2]] == [1, 2]
    assert [answer[1] for answer in evaluator.answers[1:]] == asked
    assert evaluator.under_way("series") == []


def test_no_answer_to_a_series_takes_longer_than_the_rate_of_late_allows():
    series = Series(tuple(range(20)), len, 100)
    sizes, rate = [], 5 * 100 / SECONDS_AT_ONCE
    while series is not None:
        question, series = series.taken(rate)
        sizes.append(len(question.key))
        assert question.coordinates == 100 * len(question.key)
        assert question.compute() == len(question.key)
    assert sizes == [1, 2, 4, 5, 5, 3]
    question, _ = Series((1, 2), len, 100, at_once=2).taken(1.0)  # however slow, one is
    assert question.key == (1,)


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
