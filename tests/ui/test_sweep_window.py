"""The window of sweeps: what it asks for, how it follows a process of its own, and what can be taken out."""

import shlex
import sys
import time

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from dinr_studio.errors import DinrError
from dinr_studio.experiments.sweeps import child
from dinr_studio.experiments.sweeps.recipes import RECIPES
from dinr_studio.experiments.sweeps.running import new_sweep, run_sweep
from dinr_studio.stages import result_of
from dinr_studio.ui.analysis.sweep import NO_DATA, NO_RESULTS

LEFT = Qt.MouseButton.LeftButton
SMALL = "width=8, blocks=1, batch=128, micro_batch=128, max_epochs=1, device=cpu"


@pytest.fixture
def window(lent_window):
    yield lent_window
    lent_window.analyses.close()


@pytest.fixture
def sweep(window, open_file, small_map, tmp_path):
    """The window of sweeps for a small volume, with a sweep of two short runs chosen."""
    open_file(window, small_map)
    window.actions_by_name["analyse-sweep"].trigger()
    shown = window.analyses.windows["analyse-sweep"]
    shown.recipe.setCurrentIndex(0)
    shown.axes.show_axes({"steps": "1, 2"})
    shown.terms.tick(("settings",))
    shown.seconds.setValue(0)
    shown.changes.setText(SMALL)
    shown.folder.choose(str(tmp_path / "results"))
    yield shown
    shown.cancel()


@pytest.fixture
def in_process(monkeypatch):
    """Lets a sweep be made in the thread that would follow its process: the same views, without a second start."""

    def follow(words, folder):
        from dinr_studio.stages import Stage

        sweep = new_sweep(follow.plan(), folder)
        for moment in run_sweep(sweep, keep="--keep-runs" in words):
            if moment.ended:
                yield Stage(moment.share, f"{moment.done} of {moment.total} runs made", child.view_of(folder))
        yield Stage(1.0, "done", child.view_of(folder))

    monkeypatch.setattr(child, "follow", follow)
    return follow


def run_through(qtbot, shown):
    qtbot.mouseClick(shown.run_button, LEFT)
    assert shown.running, shown.state.text()
    qtbot.waitUntil(lambda: not shown.running, timeout=60_000)
    assert shown.state.text().startswith("Done in"), shown.state.text()


def column(shown, heading):
    table = shown.results_table
    titles = [table.horizontalHeaderItem(i).text() for i in range(table.columnCount())]
    return [table.item(row, titles.index(heading)).text() for row in range(table.rowCount())]


def test_a_sweep_fills_table_plot_and_words_and_opens_a_kept_run(sweep, in_process, qtbot, tmp_path):
    in_process.plan = sweep.plan
    sweep.keep.setChecked(True)
    run_through(qtbot, sweep)
    assert column(sweep, "steps")[:2] == ["1", "2"]
    assert column(sweep, "status") == ["done", "done"]
    (plot,) = [plot for plot in sweep.panels.plots if plot.isVisible()]
    (curve,) = plot.curves.values()
    assert list(curve.getOriginalDataset()[0]) == [1, 2]
    assert sweep.findings.toPlainText().startswith("At the settings' own ends steps")
    assert not sweep.open_button.isEnabled()
    sweep.results_table.selectRow(1)
    assert sweep.open_button.isEnabled()
    qtbot.mouseClick(sweep.open_button, LEFT)
    qtbot.waitUntil(lambda: sweep.studio.run is not None, timeout=60_000)
    assert sweep.studio.run.config.field.steps == 2
    assert sweep.results_table.rowCount() == 2  # another volume does not clear the results
    assert sweep.figure()() is not None
    assert list(sweep.table()["steps"]) == [1, 2]


def test_the_table_sorts_by_value(sweep, in_process, qtbot):
    sweep.axes.show_axes({"steps": "2, 10, 1"})
    in_process.plan = sweep.plan
    run_through(qtbot, sweep)
    assert column(sweep, "steps")[:3] == ["2", "10", "1"]
    titles = [sweep.results_table.horizontalHeaderItem(i).text() for i in range(sweep.results_table.columnCount())]
    sweep.results_table.sortByColumn(titles.index("steps"), Qt.SortOrder.AscendingOrder)
    assert column(sweep, "steps")[:3] == ["1", "2", "10"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_fills_the_form_which_asks_for_that_recipe_again(sweep, name):
    recipe = RECIPES[name]
    sweep.recipe.setCurrentText(name)
    assert sweep.question.text() == recipe.question
    plan = sweep.plan()
    assert plan.axes == recipe.axes
    assert plan.changes == recipe.changes
    assert plan.terms == tuple(term for term in sweep.terms.boxes if term in recipe.terms)
    assert (plan.file == "") == (not recipe.needs_file)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s.axes.show_axes({}), "Nothing is varied; choose a setting"),
        (lambda s: s.axes.show_axes({"steps": ""}), "No values are named for steps"),
        (lambda s: s.terms.tick(()), "Say how runs are to be compared"),
        (lambda s: s.changes.setText("width"), "'width' sets nothing"),
    ],
)
def test_what_makes_no_sense_is_told_at_once(sweep, change, told):
    change(sweep)
    sweep.start()
    assert not sweep.running
    assert told in sweep.state.text()
    assert sweep.state.property("role") == "fault"


def test_without_a_volume_only_synthetic_fields_can_be_swept(window):
    window.studio.close_volume()
    shown = window.analyses.show("analyse-sweep")
    shown.recipe.setCurrentIndex(0)
    shown.start()
    assert shown.state.text() == NO_DATA
    shown.recipe.setCurrentText("profile-2d-3d-4d")
    assert shown.fault() == ""


def test_its_command_is_the_sweep_s_and_a_folder_is_gone_on_with(sweep, in_process, qtbot, tmp_path):
    in_process.plan = sweep.plan
    run_through(qtbot, sweep)
    words = shlex.split(sweep.command())
    assert words[:3] == ["dinr-studio", "sweep", sweep.studio.file]
    assert words[words.index("--vary") + 1] == "steps=1,2"
    qtbot.mouseClick(sweep.copy_button, LEFT)
    assert QGuiApplication.clipboard().text() == sweep.command()
    sweep.clear()
    assert sweep.findings.toPlainText() == NO_RESULTS
    sweep.axes.show_axes({"steps": ""})  # what the form says is no matter
    in_process.plan = lambda: child.view_of(sweep.folder.path).summary.plan
    sweep.resume_from(sweep.folder.path)
    qtbot.waitUntil(lambda: not sweep.running, timeout=60_000)
    assert column(sweep, "status") == ["done", "done"]
    assert shlex.split(sweep.command())[2:4] == ["--resume", "-o"]


SAYS = "import sys, json, time; print(json.dumps({'done': 0, 'total': 2, 'remaining': 1, 'running': {}}), flush=True); "


def test_closing_the_window_ends_the_process_which_may_keep_what_is_done(sweep, monkeypatch, qtbot, tmp_path):
    mark = tmp_path / "ended"
    tidy = f"open({str(mark)!r}, 'w').close()"
    script = "import signal; signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))\ntry:\n time.sleep(300)\nfinally:\n "
    monkeypatch.setattr(child, "COMMAND", (sys.executable, "-c", SAYS + "\n" + script + tidy))
    monkeypatch.setattr(child, "view_of", lambda folder, running=None: None)
    sweep.start()
    qtbot.waitUntil(lambda: "0 of 2 runs made" in sweep.state.text(), timeout=30_000)
    sweep.close()
    assert not sweep.running
    qtbot.waitUntil(mark.exists, timeout=30_000)


def test_what_the_process_complains_of_is_told(monkeypatch, tmp_path):
    script = "import sys; print('dinr-studio: The disk is full.', file=sys.stderr); sys.exit(2)"
    monkeypatch.setattr(child, "COMMAND", (sys.executable, "-c", script))
    with pytest.raises(DinrError, match=r"^The disk is full\.$"):
        result_of(child.follow([], tmp_path))


def test_a_process_that_does_not_end_when_asked_is_ended(monkeypatch, tmp_path):
    script = SAYS + "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
    monkeypatch.setattr(child, "COMMAND", (sys.executable, "-c", script))
    monkeypatch.setattr(child, "PATIENCE", 0.2)
    stages = child.follow([], tmp_path)
    next(stages)
    time.sleep(0.3)
    stages.close()
    assert not [one for one in psutil.Process().children() if "time.sleep(300)" in " ".join(one.cmdline())]
