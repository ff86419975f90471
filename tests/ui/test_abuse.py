"""Everything that people do to a program while it trains: nothing crashes, hangs on, or loses a run."""

import shutil

import mrcfile
import numpy as np
import pytest
import torch
from PySide6.QtCore import QSettings, Qt

from dinr_studio.sampling.evaluate import values_at
from dinr_studio.training.fit import field_of
from dinr_studio.training.run_file import read_run
from dinr_studio.ui.actions import COMMANDS
from dinr_studio.ui.analysis.catalogue import ANALYSES
from dinr_studio.ui.background import Work
from dinr_studio.ui.exporting import volume_job
from dinr_studio.ui.runs import runs_folder
from dinr_studio.ui.theme import is_dark

KEY, LEFT, CTRL = Qt.Key, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
DIALOGS = {  # commands that ask something, or end everything
    "open", "open-folder", "mask", "export", "mesh", "picture", "plot", "movie", "report", "palette", "guide", "what",
    "shortcuts", "about", "quit",
    "close", "restore", "discard", "done", "fit", "resume", *ANALYSES,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_crashes(caplog):
    """Whatever a thread did not survive is in the log."""
    yield
    for record in (*caplog.get_records("setup"), *caplog.get_records("call")):
        assert "crashed" not in record.getMessage()
        assert "could not be answered" not in record.getMessage()


@pytest.fixture
def window(lent_window, qtbot):
    """One window for the tests that do not close it, each time without runs; none of its works goes on afterwards."""
    shutil.rmtree(runs_folder(), ignore_errors=True)
    if runs_folder().exists():
        runs_folder().unlink()
    yield lent_window
    if lent_window.studio.fit.running:  # a test failed amid a fit
        lent_window.studio.fit.discard()
    qtbot.waitUntil(lambda: not any(work.running for work in lent_window.findChildren(Work)), timeout=60_000)


@pytest.fixture
def own_map(small_map, tmp_path):
    """A copy of the small map, to be ill-treated."""
    return shutil.copy(small_map, tmp_path / "own.mrc")


@pytest.fixture
def training(window, open_file, own_map, start_fit):
    """The window during a fit of its own copy of the small map."""
    open_file(window, own_map)
    start_fit(window)
    return window


@pytest.fixture
def leaving(make_window, open_file, own_map, start_fit):
    """A window of the test's own, to be closed during a fit."""
    made = make_window()
    open_file(made, own_map)
    start_fit(made)
    return made


def goes_on(qtbot, window):
    """Waits for more steps."""
    fit = window.studio.fit
    qtbot.waitUntil(lambda: fit.last is not None, timeout=60_000)
    step = fit.last.step
    qtbot.waitUntil(lambda: fit.last.step > step + 5, timeout=60_000)


def finish(qtbot, window):
    """Done: waits for the judgement; the run as its file has it."""
    qtbot.keyClick(window, KEY.Key_F7)
    qtbot.waitUntil(lambda: not window.studio.fit.running, timeout=60_000)
    return read_run(window.studio.run_path)


def begin_long_export(qtbot, window, path):
    """Begins an export that would take a while, and waits for its first progress."""
    run = window.studio.present_run()
    window.jobs.start(volume_job(run, {"factor": (8.0,)}, path, {"compression": "none"}))
    qtbot.waitUntil(lambda: "%" in window.job_notice.sentence.text(), timeout=60_000)


def only_run():
    (path,) = runs_folder().glob("*.dinr")
    return read_run(path)


def test_closing_asks_and_a_kept_run_can_be_resumed_in_a_new_window(leaving, make_window, qtbot, answers):
    answers["Close the program"] = "Cancel"
    leaving.close()
    assert leaving.isVisible()
    goes_on(qtbot, leaving)
    answers["Close the program"] = "Stop and keep"
    step = leaving.studio.fit.last.step
    leaving.close()
    assert not leaving.isVisible()
    run = only_run()
    assert not run.finished
    assert run.state.step >= step
    again = make_window()
    table = again.monitor.runs.table
    qtbot.waitUntil(lambda: table.rowCount() == 1, timeout=30_000)
    assert table.item(0, 10).text() == "stopped"
    assert not again.notice.isVisible()
    again.commands.resume_file(str(next(runs_folder().glob("*.dinr"))))
    fit = again.studio.fit
    qtbot.waitUntil(lambda: fit.last is not None and fit.last.step > run.state.step, timeout=60_000)
    assert finish(qtbot, again).run_id == run.run_id


def test_closing_with_discard_leaves_neither_run_nor_export(leaving, answers, qtbot, tmp_path):
    begin_long_export(qtbot, leaving, tmp_path / "long.npy")
    answers["Close the program"] = "Discard"
    leaving.close()
    assert not leaving.isVisible()
    assert list(runs_folder().glob("*")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.mrc", "profile"]


def test_a_fit_that_a_crash_cut_off_is_offered_at_the_next_start(settings_folder, make_window, qtbot, stopped_run):
    QSettings().setValue("fit in progress", str(stopped_run))
    window = make_window()
    qtbot.waitUntil(window.notice.isVisible)
    assert "was cut off" in window.notice.sentence.text()
    with qtbot.waitSignal(window.studio.volume_opened, timeout=30_000):
        qtbot.mouseClick(window.notice.button, LEFT)
    assert window.studio.run_path == stopped_run
    assert window.actions_by_name["resume"].isEnabled()
    assert not QSettings().contains("fit in progress")


def test_the_settings_tell_of_a_fit_while_it_runs(training, qtbot):
    assert training.settings.value("fit in progress") == str(training.studio.fit.path)
    finish(qtbot, training)
    assert not training.settings.contains("fit in progress")


def test_another_file_opens_once_the_fit_has_stopped_and_its_run_is_kept(training, qtbot, answers, small_map):
    answers["Open another file"] = "Cancel"
    training.open(str(small_map))
    goes_on(qtbot, training)
    answers["Open another file"] = "Stop and keep"
    with qtbot.waitSignal(training.studio.volume_opened, timeout=60_000):
        training.open(str(small_map))
    assert training.studio.file == str(small_map)
    assert training.studio.run is None
    run = only_run()
    assert not run.finished
    assert run.state.step > 5


def test_another_file_opens_over_a_fit_that_is_discarded(training, qtbot, answers, small_map):
    answers["Open another file"] = "Discard"
    with qtbot.waitSignal(training.studio.volume_opened, timeout=60_000):
        training.open(str(small_map))
    assert list(runs_folder().glob("*")) == []


def test_a_file_that_cannot_be_opened_does_not_cost_the_run(training, qtbot, answers, tmp_path):
    answers["Open another file"] = "Stop and keep"
    training.open(str(tmp_path / "gone.mrc"))
    qtbot.waitUntil(lambda: training.notice.sentence.property("role") == "fault", timeout=60_000)
    assert training.studio.volume is not None
    assert training.studio.run.run_id == only_run().run_id
    qtbot.waitUntil(training.actions_by_name["resume"].isEnabled)
    step = only_run().state.step
    qtbot.keyClick(training, KEY.Key_F9)
    goes_on(qtbot, training)
    assert training.studio.fit.curve()["step"][0] > step  # not from its beginning
    assert finish(qtbot, training).finished


def test_themes_docks_and_tabs_change_during_a_fit(training, qtbot, pixels):
    dark = is_dark()
    for _ in range(3):
        qtbot.keyClick(training, KEY.Key_T, CTRL)
        dark = not dark
        assert is_dark() == dark
    for dock in training.docks.values():
        dock.setFloating(True)
        qtbot.waitUntil(lambda dock=dock: dock.isFloating() and dock.isVisible())
        goes_on(qtbot, training)
        dock.setFloating(False)
    for number in range(1, 8):
        qtbot.keyClick(training, getattr(KEY, f"Key_{number}"), CTRL)
        assert training.monitor.currentIndex() == number - 1
    goes_on(qtbot, training)
    view = training.volume_view
    qtbot.waitUntil(lambda: "Field" in view._blocks, timeout=30_000)
    assert pixels(view.picture(200, 150)).std() > 0.5
    training.set_theme("system")
    assert finish(qtbot, training).finished


def test_an_export_beside_a_fit_writes_the_field_as_it_is_then(training, qtbot, tmp_path):
    qtbot.waitUntil(lambda: training.studio.fit.last.step > 60, timeout=60_000)
    run = training.studio.present_run()
    job = volume_job(run, {"factor": (2.0,)}, tmp_path / "now.mrc", {"compression": "none"})
    training.jobs.start(job)
    qtbot.waitUntil(lambda: "Wrote now.mrc" in training.job_notice.sentence.text(), timeout=60_000)
    assert training.job_notice.button.text() == "Open folder"
    assert training.jobs.running == []
    goes_on(qtbot, training)
    with mrcfile.open(tmp_path / "now.mrc") as file:
        values, size = file.data.copy(), file.voxel_size.copy()
    assert (float(size.z), float(size.y), float(size.x)) == pytest.approx((1.0, 0.75, 0.5))
    assert values.shape == (40, 36, 32)
    some = np.random.default_rng(0).integers(0, (40, 36, 32), (50, 3))
    world = (some - 0.5) / 2 * np.array(run.grid.voxel_size) + run.grid.origin
    expected = values_at(field_of(run, torch.device("cpu")), world)[:, 0]
    np.testing.assert_allclose(values[tuple(some.T)], expected, atol=1e-5)
    assert finish(qtbot, training).finished


def test_an_export_can_be_cancelled_beside_a_fit(training, qtbot, tmp_path):
    begin_long_export(qtbot, training, tmp_path / "long.npy")
    qtbot.mouseClick(training.job_notice.button, LEFT)
    qtbot.waitUntil(lambda: "was cancelled" in training.job_notice.sentence.text(), timeout=60_000)
    assert [path.name for path in tmp_path.iterdir()] == ["own.mrc"]
    assert training.studio.fit.running
    finish(qtbot, training)


def test_the_data_file_deleted_during_a_fit_costs_nothing(training, qtbot, own_map, open_file):
    own_map.unlink()
    goes_on(qtbot, training)
    run = finish(qtbot, training)
    assert run.finished
    assert training.studio.field is not None
    training.open(str(training.studio.run_path))
    qtbot.waitUntil(lambda: training.notice.button.text() == "Find the data …", timeout=30_000)
    assert "own.mrc is not there any more" in training.notice.sentence.text()
    assert training.studio.field is not None


def test_the_run_file_deleted_during_a_fit_is_written_again(training, qtbot):
    shutil.copy(__file__, training.studio.fit.path)
    training.studio.fit.path.unlink()
    goes_on(qtbot, training)
    assert finish(qtbot, training).finished


def test_where_the_runs_folder_is_gone_the_field_stays_in_the_window(training, qtbot):
    path = training.studio.fit.path
    shutil.rmtree(path.parent)
    path.parent.write_bytes(b"a file where the folder was")
    qtbot.keyClick(training, KEY.Key_F7)
    qtbot.waitUntil(lambda: not training.studio.fit.running, timeout=60_000)
    assert training.notice.isVisible()
    assert training.notice.sentence.property("role") == "fault"
    assert "unexpected" not in training.notice.sentence.text()
    assert training.studio.present_run() is not None
    assert training.actions_by_name["export"].isEnabled()


def test_thirty_random_commands_during_a_fit(training, qtbot):
    harmless = [command.name for command in COMMANDS if command.name not in DIALOGS]
    rng = np.random.default_rng(7)
    done = []
    for _ in range(30):
        enabled = [name for name in harmless if training.actions_by_name[name].isEnabled()]
        done.append(str(rng.choice(enabled)))
        training.actions_by_name[done[-1]].trigger()
        qtbot.wait(10)
    assert len(set(done)) > 12
    if training.studio.fit.paused:
        qtbot.keyClick(training, KEY.Key_F6)
    goes_on(qtbot, training)
    training.set_theme("system")
    assert finish(qtbot, training).finished


def test_reading_another_file_is_given_up_when_the_window_closes(make_window, tmp_path):
    window = make_window()
    np.save(tmp_path / "large.npy", np.random.default_rng(0).standard_normal((120, 128, 128)).astype(np.float32))
    window.open(str(tmp_path / "large.npy"))
    assert window.studio._reading is not None
    window.close()
    assert not window.isVisible()
