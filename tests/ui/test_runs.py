"""The table of runs: it lists, sorts, opens, renames, deletes, overlays and compares; a fit's own file is safe."""

import shutil

import numpy as np
import pytest
import torch
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QInputDialog, QMessageBox

from dinr_studio.sampling.evaluate import values_at
from dinr_studio.training.fit import field_of
from dinr_studio.training.run_file import read_run
from dinr_studio.ui.monitor.runs_tab import COLUMNS
from dinr_studio.ui.runs import runs_folder

LEFT = Qt.MouseButton.LeftButton
HELD_OUT, STATE = COLUMNS.index("Held-out (dB)"), COLUMNS.index("State")


@pytest.fixture
def window(lent_window):
    """One window for all tests."""
    return lent_window


@pytest.fixture
def table(opened, qtbot, finished_run, cut_off_run):
    """The window with a finished, a stopped and a damaged run in its table."""
    shutil.rmtree(runs_folder(), ignore_errors=True)
    runs_folder().mkdir(parents=True)
    for source, name in ((finished_run, "alpha"), (cut_off_run, "beta")):
        shutil.copy(source, runs_folder() / f"{name}.dinr")
    (runs_folder() / "gamma.dinr").write_bytes(finished_run.read_bytes()[:5000])
    opened.monitor.setCurrentWidget(opened.monitor.runs)
    opened.monitor.runs._elsewhere = ()
    opened.monitor.runs.refresh()
    opened.monitor.runs.table.clearSelection()
    qtbot.waitUntil(lambda: sorted(names(opened)) == ["alpha", "beta", "gamma"], timeout=30_000)
    return opened


def names(window):
    table = window.monitor.runs.table
    return [table.item(row, 0).text() for row in range(table.rowCount())]


def select(qtbot, window, *chosen):
    """Selects lines by clicks, with Ctrl from the second on."""
    table = window.monitor.runs.table
    for i, name in enumerate(chosen):
        item = table.item(names(window).index(name), 0)
        held = Qt.KeyboardModifier.ControlModifier if i else Qt.KeyboardModifier.NoModifier
        qtbot.mouseClick(table.viewport(), LEFT, held, table.visualItemRect(item).center())


def press(qtbot, window, button):
    qtbot.mouseClick(window.monitor.runs.buttons[button], LEFT)


def test_runs_are_listed_with_settings_score_and_state(table, finished_run):
    shown = table.monitor.runs.table
    rows = {name: [shown.item(row, column).text() for column in range(len(COLUMNS))]
            for row, name in enumerate(names(table))}  # fmt: skip
    run = read_run(finished_run)
    assert rows["alpha"][1] == "small map.mrc"
    assert rows["alpha"][3:7] == ["quick", "dinr-siren", "24", "3"]
    assert rows["alpha"][HELD_OUT] == f"{run.scores['held_out']['psnr']:.2f}"
    best = max(scores["psnr"] for scores in run.scores["held_out"]["interpolation"].values())
    gain = float(rows["alpha"][HELD_OUT + 1].replace("−", "-"))
    assert gain == pytest.approx(run.scores["held_out"]["psnr"] - best, abs=0.006)
    assert {name: row[STATE] for name, row in rows.items()} == {
        "alpha": "finished", "beta": "stopped", "gamma": "damaged",
    }  # fmt: skip
    assert rows["beta"][HELD_OUT] == "–"
    assert "gamma.dinr" in shown.item(names(table).index("gamma"), 0).toolTip()


def test_a_click_on_a_heading_sorts_by_it(table, qtbot):
    header = table.monitor.runs.table.horizontalHeader()

    def click(column):
        x = header.sectionViewportPosition(column) + 10
        qtbot.mouseClick(header.viewport(), LEFT, pos=QPoint(x, 8))

    click(0)
    first = names(table)
    click(0)
    assert names(table) == first[::-1]
    assert sorted(first) in (first, first[::-1])
    click(COLUMNS.index("Held-out (dB)"))
    shown = [table.monitor.runs.table.item(row, HELD_OUT).text() for row in range(3)]
    assert shown.index(max(shown, key=lambda text: text != "–")) in (0, 2)  # the judged one is at an end


def test_what_cannot_be_done_with_a_run_is_off(table, qtbot):
    buttons = table.monitor.runs.buttons

    def enabled():
        return {name for name, button in buttons.items() if button.isEnabled()}

    assert enabled() == set()
    select(qtbot, table, "alpha")
    assert enabled() == {"Open", "Wipe", "Rename", "Overlay", "Report", "Delete"}
    select(qtbot, table, "beta")
    assert enabled() == {"Open", "Resume", "Wipe", "Rename", "Overlay", "Report", "Delete"}
    select(qtbot, table, "gamma")
    assert enabled() == {"Delete"}
    select(qtbot, table, "alpha", "beta")
    assert enabled() == {"Overlay", "Compare", "Report", "Delete"}


def test_a_double_click_opens_a_run(table, qtbot):
    shown = table.monitor.runs.table
    place = shown.visualItemRect(shown.item(names(table).index("alpha"), 0)).center()
    select(qtbot, table, "alpha")
    with qtbot.waitSignal(table.studio.volume_opened, timeout=30_000):
        qtbot.mouseDClick(shown.viewport(), LEFT, pos=place)
    assert table.studio.run_path == runs_folder() / "alpha.dinr"


def test_a_run_is_renamed_and_a_name_that_will_not_do_is_said(table, qtbot, monkeypatch):
    typed = iter([("delta", True), ("alpha", True), ("a/b", True), ("", True), ("never", False)])
    monkeypatch.setattr(QInputDialog, "getText", lambda *given, **more: next(typed))
    select(qtbot, table, "beta")
    press(qtbot, table, "Rename")
    qtbot.waitUntil(lambda: sorted(names(table)) == ["alpha", "delta", "gamma"], timeout=30_000)
    for words in ("a run named alpha already", "no name for a run", "no name for a run"):
        select(qtbot, table, "delta")
        press(qtbot, table, "Rename")
        assert words in table.notice.sentence.text()
        qtbot.waitUntil(lambda: table.monitor.runs._work is None)
    select(qtbot, table, "delta")
    press(qtbot, table, "Rename")
    assert sorted(path.stem for path in runs_folder().glob("*.dinr")) == ["alpha", "delta", "gamma"]


def test_deleting_asks_first(table, qtbot, monkeypatch):
    asked, answer = [], [QMessageBox.StandardButton.No]
    monkeypatch.setattr(QMessageBox, "question", lambda *given: asked.append(given[2]) or answer[0])
    select(qtbot, table, "alpha", "gamma")
    press(qtbot, table, "Delete")
    assert "alpha" in asked[0]
    assert "gamma" in asked[0]
    assert "beta" not in asked[0]
    assert len(list(runs_folder().glob("*.dinr"))) == 3
    answer[0] = QMessageBox.StandardButton.Yes
    qtbot.keyClick(table.monitor.runs.table, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: names(table) == ["beta"], timeout=30_000)
    assert [path.name for path in runs_folder().glob("*.dinr")] == ["beta.dinr"]


def test_overlaid_runs_stand_in_the_plots(table, qtbot):
    select(qtbot, table, "alpha", "beta")
    press(qtbot, table, "Overlay")
    plots = (table.monitor.loss.plot, table.monitor.held_out.plot)
    qtbot.waitUntil(lambda: all({"alpha", "beta"} <= set(plot.curves) for plot in plots), timeout=30_000)
    history = read_run(runs_folder() / "alpha.dinr").history.columns
    seen = np.isfinite(history["held_out_psnr"])
    np.testing.assert_array_equal(plots[1].curves["alpha"].yData, history["held_out_psnr"][seen])
    table.monitor.setCurrentWidget(table.monitor.runs)
    select(qtbot, table, "alpha")
    press(qtbot, table, "Overlay")
    qtbot.waitUntil(lambda: all("beta" not in plot.curves for plot in plots), timeout=30_000)
    assert all("alpha" in plot.curves for plot in plots)


def test_another_run_can_be_wiped_against(table, qtbot, finished_run, open_file):
    open_file(table, finished_run)
    table.monitor.setCurrentWidget(table.monitor.runs)
    select(qtbot, table, "beta")
    press(qtbot, table, "Wipe")
    qtbot.waitUntil(lambda: table.studio.compared is not None, timeout=30_000)
    assert "Other run" in table.notice.sentence.text()
    pane = table.slices.panes[0]
    pane.mode.setCurrentText("Wipe")
    pane.right.setCurrentText("Other run")
    qtbot.waitUntil(lambda: not pane._settled.isActive() and pane.other_tiles.open_tiles == 0, timeout=30_000)
    shown = [one for one in pane.other_tiles.shown(pane.content.field_plane()) if one.tile.level == 0]
    assert shown
    other = read_run(runs_folder() / "beta.dinr")
    index = np.stack(np.meshgrid([10], np.arange(18), np.arange(16), indexing="ij"), axis=-1).reshape(-1, 3)
    expected = values_at(field_of(other, torch.device("cpu")), other.grid.world(index)).reshape(18, 16)
    np.testing.assert_allclose(shown[0].values[..., 0], expected, atol=1e-5)
    pane.right.setCurrentText("Field")


def test_the_run_of_a_fit_in_progress_can_be_neither_opened_nor_deleted(table, qtbot, start_fit):
    start_fit(table)
    fit, tab = table.studio.fit, table.monitor.runs
    table.monitor.setCurrentWidget(tab)
    qtbot.waitUntil(lambda: tab.busy == fit.path)
    select(qtbot, table, "beta")
    assert not tab.buttons["Resume"].isEnabled()
    shutil.copy(runs_folder() / "beta.dinr", fit.path)  # as an autosave does
    tab.refresh()
    qtbot.waitUntil(lambda: fit.path.stem in names(table), timeout=30_000)
    select(qtbot, table, fit.path.stem)
    assert not any(tab.buttons[name].isEnabled() for name in ("Open", "Resume", "Rename", "Delete"))
    fit.discard()
    qtbot.waitUntil(lambda: not fit.running, timeout=60_000)
