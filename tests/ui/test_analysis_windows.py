"""Analysis windows: what all of them do, seen in the window of the tangent kernel."""

import csv
import shlex
import time

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton

from dinr_studio.experiments.inside.kernel_study import KernelWish, study_kernel
from dinr_studio.stages import Stage, result_of
from dinr_studio.ui.analysis.catalogue import ANALYSES
from dinr_studio.ui.analysis.window import NO_RUN

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def window(lent_window):
    yield lent_window
    lent_window.analyses.close()


@pytest.fixture
def with_run(window, open_file, finished_run):
    if window.studio.field is None or str(window.studio.run_path) != str(finished_run):
        open_file(window, finished_run)
    return window


@pytest.fixture
def kernel(with_run):
    """The window of the kernel, with few points."""
    with_run.actions_by_name["analyse-kernel"].trigger()
    shown = with_run.analyses.windows["analyse-kernel"]
    shown.points.setValue(30)
    shown.looks.setValue(0)
    shown.where.setCurrentIndex(0)
    shown.against.setCurrentIndex(0)
    return shown


def run_through(qtbot, shown):
    qtbot.mouseClick(shown.run_button, LEFT)
    assert shown.running
    qtbot.waitUntil(lambda: not shown.running, timeout=60_000)
    assert shown.state.text().startswith("Done in"), shown.state.text()


def test_every_analysis_has_its_command_and_says_in_words_that_there_is_no_run(window, qtbot):
    window.studio.close_volume()
    for name in ANALYSES:
        window.actions_by_name[name].trigger()
        shown = window.analyses.windows[name]
        assert shown.isVisible()
        assert shown.isWindow()
        assert not shown.isModal()
        if shown.fault() == NO_RUN:
            shown.start()
            assert not shown.running
            assert shown.state.text() == NO_RUN
            assert shown.state.property("role") == "fault"
        shown.close()


def test_all_controls_of_all_analyses_are_reached_by_keyboard_and_have_names(with_run):
    for name in ANALYSES:
        shown = with_run.analyses.show(name)
        for control in shown.controls_shown:
            named = control.accessibleName() or (isinstance(control, QPushButton) and control.text())
            by_tab = bool(control.focusPolicy().value & Qt.FocusPolicy.TabFocus.value)
            assert named or not by_tab, f"{name}: {control}"
        shown.close()


def test_the_kernel_of_the_open_run_is_that_of_the_core(kernel, qtbot):
    kernel.against.setCurrentIndex(1)
    run_through(qtbot, kernel)
    wish = KernelWish(points=30, where="grid", against="static")
    expected = result_of(study_kernel(kernel.run, wish, lambda: None))
    _, y = kernel.spectrum.curves["field"].getOriginalDataset()
    np.testing.assert_allclose(y, expected.now.spectrum.eigenvalues, rtol=1e-4)
    assert set(kernel.spectrum.curves) == {"field", "field at its start", "static twin at its start"}
    assert kernel.measures.item(0, 0).text() == f"{expected.now.spectrum.effective_rank:.4g}"
    assert kernel.modes.count == 12
    assert set(kernel.forecast.curves) == {"at the start", "forecast", "measured"}


def test_the_course_of_the_kernel_is_drawn_over_steps_and_copied(kernel, qtbot):
    assert kernel.course.isHidden()
    kernel.looks.setValue(3)
    run_through(qtbot, kernel)
    steps, ranks = kernel.course.curves["effective rank (participation ratio)"].getOriginalDataset()
    assert len(steps) == 3
    assert ranks[-1] == pytest.approx(kernel._study.now.spectrum.effective_rank, rel=1e-3)
    assert kernel.course.isVisible()
    assert "the run's own weights" in kernel.course.toolTip()
    assert kernel.table()["course: step"] == list(steps)
    assert shlex.split(kernel.command())[-2:] == ["--course", "3"]
    kernel.looks.setValue(0)
    kernel.clear()
    assert kernel.course.isHidden()
    assert "--course" not in kernel.command()


def test_its_table_and_figure_are_saved_and_its_command_is_copied(kernel, qtbot, tmp_path, in_dialog):
    run_through(qtbot, kernel)
    for button, name in ((kernel.table_button, "t.csv"), (kernel.figure_button, "f.svg")):
        in_dialog(lambda dialog, name=name: (dialog.place.edit.setText(str(tmp_path / name)), dialog.accept()))
        qtbot.mouseClick(button, LEFT)
        qtbot.waitUntil(lambda name=name: (tmp_path / name).exists(), timeout=60_000)
        qtbot.waitUntil(lambda name=name: name in kernel.state.text(), timeout=10_000)
    with open(tmp_path / "t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    values = [float(row["eigenvalue, field"]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert "<svg" in (tmp_path / "f.svg").read_text(encoding="utf-8")
    qtbot.mouseClick(kernel.copy_button, LEFT)
    words = shlex.split(QGuiApplication.clipboard().text())
    assert words[:2] == ["dinr-studio", "ntk"]
    assert words[2] == str(kernel.studio.run_path)
    assert words[words.index("--points") + 1] == "30"


@pytest.fixture
def endless(kernel, monkeypatch):
    """The window with a work that never ends by itself; whether it was closed."""
    closed = []

    def stages():
        try:
            while True:
                yield Stage(0.25, "turning")
                time.sleep(0.01)
        finally:
            closed.append(True)

    monkeypatch.setattr(kernel, "prepare", lambda: stages)
    kernel.closed_works = closed
    return kernel


def begin(qtbot, shown):
    shown.start()
    qtbot.waitUntil(lambda: shown.state.text().startswith("Turning"), timeout=30_000)
    assert "left" in shown.state.text()


def test_escape_cancels_what_is_running(endless, qtbot):
    begin(qtbot, endless)
    qtbot.keyClick(endless, Qt.Key.Key_Escape)
    assert not endless.running
    assert endless.state.text() == "Cancelled."
    qtbot.waitUntil(lambda: endless.closed_works == [True], timeout=30_000)


def test_running_again_gives_up_the_run_before(endless, qtbot):
    begin(qtbot, endless)
    endless.start()
    qtbot.waitUntil(lambda: endless.closed_works == [True], timeout=30_000)
    assert endless.running


def test_another_file_cancels_and_clears(endless, qtbot, open_file, small_map):
    begin(qtbot, endless)
    open_file(endless.main, small_map)
    qtbot.waitUntil(lambda: endless.closed_works == [True], timeout=30_000)
    assert not endless.running
    assert not endless.table_button.isEnabled()
    assert endless.about.text() == NO_RUN


def test_closing_cancels_and_the_window_remembers_its_place(endless, qtbot):
    begin(qtbot, endless)
    endless.resize(900, 500)
    endless.close()
    qtbot.waitUntil(lambda: endless.closed_works == [True], timeout=30_000)
    again = type(endless)(endless.name, endless.main)
    assert (again.width(), again.height()) == (900, 500)
    again.deleteLater()


def test_choices_that_make_no_sense_are_told_in_the_window(kernel, qtbot, open_file, finished_run):
    kernel.where.setItemData(0, "moon")
    kernel.start()
    qtbot.waitUntil(lambda: not kernel.running, timeout=30_000)
    assert "grid, random, held-out" in kernel.state.text()
    assert kernel.state.property("role") == "fault"
    kernel.where.setItemData(0, "grid")


def test_plots_follow_the_theme(kernel):
    kernel.main.set_theme("dark")
    dark = kernel.spectrum.backgroundBrush().color().lightness()
    kernel.main.set_theme("light")
    assert dark < 60 < kernel.spectrum.backgroundBrush().color().lightness()
    kernel.main.set_theme("system")
