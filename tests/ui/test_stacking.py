"""Field and spline together in the window: offered where judged better, refused with a reason, written as chosen."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QDialogButtonBox

from dinr_studio.training.run_file import read_run
from dinr_studio.ui.dialogs.export import ExportDialog
from dinr_studio.ui.monitor.held_out import TOGETHER, HeldOutTab
from dinr_studio.ui.opening import opening_run


@pytest.fixture(scope="module")
def judged(finished_run):
    """Makes the finished run's scores say this of the mean; and the data."""
    run = read_run(finished_run)
    *_, opened = opening_run(finished_run, None)

    def make(**changes):
        held_out = dict(run.scores["held_out"])
        held_out["stacked"] = {**held_out["stacked"], "weights": [0.63], "gain": 0.8, "worthwhile": True, **changes}
        return run.updated(scores={**run.scores, "held_out": held_out})

    return make, opened.volume


@pytest.fixture
def dialog_of(qtbot, tmp_path):
    """Shows the dialog."""
    shown = []

    def show(run, volume):
        dialog = ExportDialog(run, None, None, tmp_path, volume=volume)
        qtbot.addWidget(dialog)
        dialog.show()
        shown.append(dialog)
        return dialog

    yield show
    for dialog in shown:
        dialog.reject()


def click(qtbot, box):
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(8, box.height() // 2))


def test_where_it_was_better_it_is_offered_and_not_chosen_beforehand(qtbot, judged, dialog_of):
    make, volume = judged
    dialog = dialog_of(make(), volume)
    assert dialog.stack.isEnabled()
    assert not dialog.stack.isChecked()
    assert "0.63 field, 0.37 cubic spline" in dialog.stack.text()
    assert "0.80 dB better on held-out voxels" in dialog.stack.toolTip()
    click(qtbot, dialog.stack)
    assert dialog.stack.isChecked()
    click(qtbot, dialog.stack)
    assert not dialog.stack.isChecked()


def test_what_was_ticked_is_what_is_written(qtbot, judged, dialog_of, tmp_path):
    make, volume = judged
    found = {}
    for name in ("field", "both"):
        dialog = dialog_of(make(), volume)
        if name == "both":
            click(qtbot, dialog.stack)
        dialog.place.edit.setText(f"{name}.npy")
        qtbot.mouseClick(dialog.buttons.button(QDialogButtonBox.StandardButton.Ok), Qt.MouseButton.LeftButton)
        job = dialog.job()
        with qtbot.waitSignal(job.ended, timeout=60_000):
            job.start()
        found[name] = np.load(tmp_path / f"{name}.npy")
    np.testing.assert_allclose(found["both"], 0.63 * found["field"] + 0.37 * volume.values[..., 0], atol=1e-4)


def test_elsewhere_the_reason_is_told(qtbot, judged, dialog_of):
    make, volume = judged
    halves = [v / 2 for v in volume.grid.voxel_size]
    moved = replace(volume.grid, origin=tuple(o + h for o, h in zip(volume.grid.origin, halves, strict=True)))
    for run, data, words in (
        (make(worthwhile=False), volume, "not better"),
        (make().updated(scores={}), volume, "not been judged yet"),
        (make(), None, "not open"),
        (make(), volume.with_grid(moved), "does not hold the part"),
    ):
        dialog = dialog_of(run, data)
        click(qtbot, dialog.stack)
        assert not dialog.stack.isEnabled()
        assert not dialog.stack.isChecked()
        assert words in dialog.stack.toolTip()


def test_the_data_is_found_after_a_voxel_size_was_put_right(judged):
    """A size that was put right goes through data and run alike, and the part is still found."""
    from dinr_studio.training.stack_offer import fitted_part

    make, volume = judged
    size = tuple(2 * v for v in volume.grid.voxel_size)
    run = make().rescaled(size)
    assert fitted_part(run, volume.with_grid(volume.grid.rescaled(size))).grid == run.grid


def test_the_held_out_tab_draws_both_together_only_where_they_are_better(qtbot):
    tab = HeldOutTab()
    qtbot.addWidget(tab)
    tab.show_curve({}, {}, "", judged=True, stacked=33.0)
    assert tab.plot.lines[TOGETHER].value() == 33.0
    tab.restart()
    tab.show_curve({}, {}, "", judged=True)
    assert TOGETHER not in tab.plot.lines
