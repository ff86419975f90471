"""The monitor of a fit: losses, held-out score, kernel, spectrum, trajectory and log, each with the right numbers."""

import logging

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton

from dinr_studio.analysis.judge import IN_WORDS

KEY, LEFT = Qt.Key, Qt.MouseButton.LeftButton


@pytest.fixture
def window(lent_window):
    """One window for all tests."""
    return lent_window


@pytest.fixture
def training(opened, qtbot, start_fit):
    """The window during a fit with a kinetic weight; the fit is thrown away afterwards."""
    start_fit(opened, kinetic_weight=0.1)
    yield opened
    opened.studio.fit.discard()
    qtbot.waitUntil(lambda: not opened.studio.fit.running, timeout=60_000)


def points(plot, name):
    """The points of a curve, as they were given: x and y."""
    curve = plot.curves[name]
    return np.asarray(curve.xData), np.asarray(curve.yData)


def test_the_losses_grow_by_any_clock_on_either_scale(training, qtbot):
    fit, tab = training.studio.fit, training.monitor.loss
    training.monitor.setCurrentWidget(tab)
    qtbot.waitUntil(lambda: "total" in tab.plot.curves, timeout=60_000)
    first = len(points(tab.plot, "data loss")[0])
    qtbot.waitUntil(lambda: len(points(tab.plot, "data loss")[0]) > first + 3, timeout=60_000)
    qtbot.keyClick(training, KEY.Key_F6)
    qtbot.wait(300)  # a step that was under way ends
    curve = fit.curve()
    count = np.isfinite(curve["data_loss"]).sum()
    qtbot.waitUntil(lambda: len(points(tab.plot, "data loss, raw")[0]) == count)
    for clock, column in (("step", "step"), ("epoch", "epoch"), ("seconds", "elapsed")):
        tab.clock.setCurrentText(clock)
        seen = np.isfinite(curve["data_loss"])
        x, y = points(tab.plot, "data loss, raw")
        np.testing.assert_array_equal(x, curve[column][seen])
        np.testing.assert_array_equal(y, curve["data_loss"][seen])
        assert len(points(tab.plot, "total")[0]) == seen.sum()
    assert tab.plot.getPlotItem().getAxis("bottom").labelText == "time of training (s)"
    _, smooth = points(tab.plot, "data loss")
    assert np.abs(np.diff(smooth)).sum() < np.abs(np.diff(y)).sum()
    tab.smoothing.setValue(0)
    np.testing.assert_array_equal(points(tab.plot, "data loss")[1], points(tab.plot, "data loss, raw")[1])
    _, total = points(tab.plot, "total, raw")
    _, kinetic = points(tab.plot, "kinetic term, raw")
    assert total[-1] >= kinetic[-1] >= 0
    assert len(points(tab.rate, "learning rate")[0]) > 0
    assert tab.plot.getPlotItem().getAxis("left").logMode
    qtbot.mouseClick(tab.logarithmic, LEFT)
    assert not tab.plot.getPlotItem().getAxis("left").logMode
    np.testing.assert_array_equal(points(tab.plot, "data loss, raw")[1], curve["data_loss"][seen])
    qtbot.mouseClick(tab.logarithmic, LEFT)
    tab.smoothing.setValue(60)
    tab.clock.setCurrentText("step")


def test_during_a_fit_a_sentence_compares_it_with_interpolation(training, qtbot):
    tab = training.monitor.held_out
    training.monitor.setCurrentWidget(tab)
    qtbot.waitUntil(lambda: tab.sentence.text().startswith("So far:"), timeout=60_000)
    qtbot.waitUntil(lambda: "cubic-spline" in tab.plot.lines, timeout=60_000)
    rivals = training.monitor.watch.rivals
    for name, scores in rivals.items():
        assert tab.plot.lines[IN_WORDS[name]].value() == scores.psnr
    best = np.nanmax(training.studio.fit.curve()["held_out_psnr"])
    words = "better than" if best > max(scores.psnr for scores in rivals.values()) else "worse than"
    qtbot.waitUntil(lambda: words in tab.sentence.text(), timeout=60_000)
    assert "on voxels it never saw" in tab.sentence.text()


def test_during_a_fit_the_kernel_is_looked_at_beside_its_static_twin_within_a_share_of_the_time(training, qtbot):
    tab, watch = training.monitor.kernel, training.monitor.watch
    training.monitor.setCurrentWidget(tab)
    qtbot.waitUntil(lambda: "static twin, untrained" in tab.spectrum.curves, timeout=60_000)
    qtbot.waitUntil(lambda: any(name.startswith("now, epoch") for name in tab.spectrum.curves), timeout=60_000)
    assert "points took" in tab.cost.text()
    assert tab.ranks is not None
    assert 0 < watch.share < 1
    before = watch.cost
    qtbot.keyClick(training, KEY.Key_K, Qt.KeyboardModifier.ControlModifier)  # not during a fit
    assert watch.cost == before


def test_a_finished_run_shows_its_verdict_and_its_scores(fitted, qtbot):
    tab, held = fitted.monitor.held_out, fitted.studio.run.scores["held_out"]
    assert tab.sentence.text() == held["verdict"]
    for name, scores in held["interpolation"].items():
        assert tab.plot.lines[IN_WORDS[name]].value() == pytest.approx(scores["psnr"])
    history = fitted.studio.run.history.columns
    x, y = points(tab.plot, "field")
    seen = np.isfinite(history["held_out_psnr"])
    np.testing.assert_array_equal(x, history["step"][seen])
    np.testing.assert_array_equal(y, history["held_out_psnr"][seen])
    tab.measure.setCurrentText("relative error")
    for name, scores in held["interpolation"].items():
        assert tab.plot.lines[IN_WORDS[name]].value() == pytest.approx(scores["relative_l2"], rel=1e-6)
    assert points(tab.plot, "field")[1].min() == pytest.approx(held["relative_l2"], rel=0.02)
    tab.measure.setCurrentText("PSNR")


def test_the_kernel_of_an_open_run_has_an_eigenvalue_for_each_point(fitted, qtbot):
    tab = fitted.monitor.kernel
    fitted.monitor.setCurrentWidget(tab)
    qtbot.waitUntil(lambda: len(tab.spectrum.curves) == 1, timeout=60_000)
    (name,) = tab.spectrum.curves
    assert name.startswith("now, epoch")
    x, values = points(tab.spectrum, name)
    assert len(x) <= 216
    assert x[0] == 1
    assert (values > 0).all()
    assert (np.diff(values) <= 0).all()
    rank = values.sum() ** 2 / np.square(values).sum()
    assert points(tab.measures, "field")[1][-1] == pytest.approx(rank, rel=1e-3)
    tab.measure.setCurrentText("condition number")
    assert points(tab.measures, "field")[1][-1] >= values.max() / values.min() * 0.9
    tab.measure.setCurrentText("effective rank")
    tab.points.setValue(64)
    qtbot.waitUntil(lambda: tab.cost.text().startswith("64 points"), timeout=60_000)
    assert len(points(tab.spectrum, next(iter(tab.spectrum.curves)))[0]) <= 64
    tab.points.setValue(216)


def test_the_spectrum_is_in_cycles_per_unit_with_the_datas_nyquist_frequency(fitted, qtbot):
    tab = fitted.monitor.spectrum
    fitted.monitor.setCurrentWidget(tab)
    qtbot.waitUntil(lambda: set(tab.plot.curves) == {"data", "field", "residual"}, timeout=60_000)
    assert tab.plot.getPlotItem().getAxis("bottom").labelText == "spatial frequency (cycles per angstrom)"
    assert 10 ** tab.plot.lines["Nyquist"].value() == pytest.approx(1 / (2 * 2.0))  # of the longest voxel edge
    frequency, data = points(tab.plot, "data")
    assert frequency.max() <= 0.25 + 1e-9
    _, field = points(tab.plot, "field")
    assert field[0] == pytest.approx(data[0], rel=0.3)  # the coarsest detail is learnt
    assert "voxels" in tab.note.text()


def test_the_spectrum_follows_a_voxel_size_that_is_put_right(fitted, qtbot):
    tab = fitted.monitor.spectrum
    qtbot.waitUntil(lambda: "Nyquist" in tab.plot.lines, timeout=60_000)
    fitted.studio.set_voxel_size((4.0, 3.0, 2.0), "nm")
    qtbot.keyClick(fitted, KEY.Key_K, Qt.KeyboardModifier.ControlModifier)
    axis = tab.plot.getPlotItem().getAxis("bottom")
    qtbot.waitUntil(lambda: "per nm" in axis.labelText, timeout=60_000)
    assert 10 ** tab.plot.lines["Nyquist"].value() == pytest.approx(1 / (2 * 4.0))


def test_the_trajectory_has_a_point_for_each_step_and_its_energy(fitted, qtbot):
    tab = fitted.monitor.trajectory
    fitted.monitor.setCurrentWidget(tab)
    qtbot.waitUntil(lambda: set(tab.way.curves) == {"|z|", "|f|"}, timeout=60_000)
    times, speed = points(tab.way, "|f|")
    np.testing.assert_allclose(times, [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(tab.bars.opts["height"], 0.5 / 3 * speed[:3] ** 2)
    np.testing.assert_array_equal(tab.bars.opts["x"], [1, 2, 3])
    assert tab.slider.isEnabled()


def test_opening_other_data_forgets_the_curves(fitted, qtbot, small_map, open_file):
    tab = fitted.monitor
    qtbot.waitUntil(lambda: len(tab.spectrum.plot.curves) == 3 and len(tab.kernel.spectrum.curves) > 0, timeout=60_000)
    open_file(fitted, small_map)
    plots = (tab.loss.plot, tab.held_out.plot, tab.kernel.spectrum, tab.spectrum.plot, tab.trajectory.way)
    assert [plot.name for plot in plots if plot.curves or plot.lines] == []
    assert not tab.trajectory.slider.isEnabled()


def test_the_log_has_lines_with_levels_and_can_be_copied(opened, qtbot):
    tab = opened.monitor.log
    opened.monitor.setCurrentWidget(tab)
    logging.getLogger("dinr_studio.test").warning("the sea is high")
    lines = tab.text.toPlainText().splitlines()
    assert any("info" in line and "opened" in line and "small map.mrc: 20 x 18 x 16" in line for line in lines)
    assert "warning  the sea is high" in lines[-1]
    tab.level.setCurrentText("warnings")
    kept = tab.text.toPlainText().splitlines()
    assert not any("opened" in line for line in kept)
    assert "the sea is high" in kept[-1]
    (copy,) = (button for button in tab.findChildren(QPushButton) if button.text() == "Copy all")
    qtbot.mouseClick(copy, LEFT)
    assert QApplication.clipboard().text() == tab.text.toPlainText()
    tab.level.setCurrentText("information")
    assert any("opened" in line for line in tab.text.toPlainText().splitlines())
