"""Runs beside each other and written up in the window, and the log copied as what does it again."""

import logging
import shlex
import shutil

import mrcfile
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QTextCursor

import dinr_studio as ds
from dinr_studio.cli import fitting
from dinr_studio.cli.app import run as run_shell
from dinr_studio.experiments.report import html

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def window(lent_window):
    yield lent_window
    lent_window.analyses.close()


@pytest.fixture
def two_runs(finished_run, tmp_path):
    """The finished run, and one that differs from it in its weights and a setting."""
    run = ds.load(finished_run).run
    weights = {name: array * np.float32(1.01) for name, array in run.best.items()}
    other = run.updated(best=weights, config=run.config.model_copy(update={"preset": "balanced"}))
    first = shutil.copy(finished_run, tmp_path / "first.dinr")
    ds.Field(other).save(tmp_path / "second.dinr")
    return [str(first), str(tmp_path / "second.dinr")]


def clipboard():
    return QGuiApplication.clipboard().text()


def forget(tab):
    tab._lines.clear()
    tab._on_level()


def asked_of_shell(command, monkeypatch):
    """What the shell's fit is asked for by a command."""
    requests = []

    def keep(request, **how):
        requests.append(request)
        raise SystemExit(0)

    monkeypatch.setattr(fitting, "new_fit", keep)
    with pytest.raises(SystemExit):
        run_shell(shlex.split(command)[1:])
    return requests[0]


def test_a_fit_is_copied_from_the_log_as_the_command_that_asks_for_the_same(
    window, qtbot, open_file, small_map, start_fit, monkeypatch
):
    tab = window.monitor.log
    forget(tab)
    assert not tab.copy_shell.isEnabled()
    window.studio.box = None
    open_file(window, small_map)
    start_fit(window, gradient_clip=None, held_out_share=0.1)
    config, options, path = window.studio.fit.config, dict(window.studio.run.open_options), window.studio.fit.path
    with qtbot.waitSignal(window.studio.fit.ended, timeout=60_000):
        window.studio.fit.discard()
    qtbot.mouseClick(tab.copy_shell, LEFT)
    opened, begun = clipboard().splitlines()
    assert shlex.split(opened) == ["dinr-studio", "info", str(small_map)]
    request = asked_of_shell(begun, monkeypatch)
    found = fitting.chosen_config(request, ds.open_volume(small_map))
    assert (found.field, found.training) == (config.field, config.training)
    assert (request.open_options, request.output) == (options, path)
    assert "2 shell commands" in tab.copied.text()
    qtbot.mouseClick(tab.copy_python, LEFT)
    assert clipboard().splitlines()[0] == "import dinr_studio as ds"
    compile(clipboard(), "copied", "exec")
    assert "gradient_clip=None" in clipboard()


def test_only_the_selected_lines_are_copied_as_commands(window, qtbot):
    from dinr_studio.experiments.repeat import opening

    tab = window.monitor.log
    forget(tab)
    log = logging.getLogger("dinr_studio.test")
    for name in ("a", "b", "c"):
        log.info("opened %s", name, extra={"repeat": opening(f"{name}.mrc", {})})
        log.info("the sea is calm")
    qtbot.waitUntil(lambda: tab.text.document().blockCount() == 6)
    cursor = tab.text.textCursor()
    cursor.setPosition(tab.text.document().findBlockByNumber(2).position())
    cursor.setPosition(tab.text.document().findBlockByNumber(3).position() + 4, QTextCursor.MoveMode.KeepAnchor)
    tab.text.setTextCursor(cursor)
    qtbot.mouseClick(tab.copy_shell, LEFT)
    assert clipboard() == "dinr-studio info b.mrc"
    cursor.setPosition(tab.text.document().findBlockByNumber(1).position())
    cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
    tab.text.setTextCursor(cursor)
    assert not tab.copy_shell.isEnabled()


def test_runs_are_put_beside_each_other_from_the_list_of_runs(window, qtbot, two_runs, tmp_path, in_dialog):
    window.commands.compare_runs(tuple(two_runs))
    shown = window.analyses.windows["analyse-compare"]
    assert shown.running
    qtbot.waitUntil(lambda: not shown.running, timeout=60_000)
    assert shown.state.text().startswith("Done in"), shown.state.text()
    assert shown.chosen() == two_runs
    rows = [shown.measures.verticalHeaderItem(row).text() for row in range(shown.measures.rowCount())]
    assert "preset" in rows
    assert [shown.measures.item(rows.index("preset"), column).text() for column in (0, 1)] == ["quick", "balanced"]
    assert set(shown.loss.curves) == set(shown.score.curves) == {"first", "second"}
    assert set(shown.spectra.curves) == {"data", "first", "second"}
    assert shown.slices.count == 1
    assert "All were judged on the same" in shown.said.text()
    assert "second less first: RMS" in shown.said.text()
    assert shlex.split(shown.command()) == ["dinr-studio", "compare", *two_runs]
    assert shown.table()["first"]
    out = tmp_path / "difference.mrc"

    def save(dialog):
        dialog.place.edit.setText(str(out))
        dialog.accept()

    in_dialog(save)
    qtbot.mouseClick(shown.export_button, LEFT)
    qtbot.waitUntil(lambda: not window.jobs.running, timeout=60_000)
    one, other = (ds.load(run).on_grid().values[..., 0] for run in two_runs)
    with mrcfile.open(out) as file:
        np.testing.assert_allclose(file.data, other - one, atol=1e-5)


def test_opening_a_file_leaves_a_comparison_as_it_is(window, qtbot, open_file, small_map, two_runs):
    shown = window.analyses.show("analyse-compare")
    shown.choose(two_runs)
    shown.start()
    qtbot.waitUntil(lambda: not shown.running, timeout=60_000)
    open_file(window, small_map)
    assert shown.table() is not None


def test_one_run_is_not_compared_and_the_window_says_what_to_do(window, two_runs):
    shown = window.analyses.show("analyse-compare")
    shown.choose(two_runs[:1])
    shown.start()
    assert not shown.running
    assert "Tick two runs" in shown.state.text()
    assert shown.command() == ""


def test_the_open_run_is_written_up_and_the_page_offered_to_be_opened(window, qtbot, open_file, two_runs, tmp_path,
                                                                      in_dialog, monkeypatch):  # fmt: skip
    monkeypatch.setattr(html, "_source", lambda picture: "data:,")  # drawing is looked at elsewhere
    forget(window.monitor.log)
    open_file(window, two_runs[0])
    window.monitor.runs.table.clearSelection()
    out = tmp_path / "written.html"

    def save(dialog):
        assert dialog.windowTitle() == "Write a report"
        dialog.place.edit.setText(str(tmp_path / "written.pdf"))
        assert dialog.format.currentText() == "PDF"
        dialog.place.edit.setText(str(out))
        assert dialog.format.currentText() == "HTML"
        dialog.accept()

    seen = in_dialog(save)
    window.actions_by_name["report"].trigger()
    assert seen == ["Write a report"]
    qtbot.waitUntil(lambda: not window.jobs.running, timeout=90_000)
    assert "Whether to believe it" in out.read_text(encoding="utf-8")
    assert "Wrote the report written.html" in window.job_notice.sentence.text()
    assert window.monitor.log._chosen()[-1].words == ("report", two_runs[0], "-o", str(out))
