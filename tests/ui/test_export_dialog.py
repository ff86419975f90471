"""Exporting from the window: dialogs that link their numbers and say what is wrong, and jobs in the background."""

import os

if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import h5py
import mrcfile
import numpy as np
import pytest
import torch
import trimesh
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QDialogButtonBox, QLineEdit, QSpinBox, QWidget

from dinr_studio.analysis.histogram import histogram
from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.coordinates import Grid
from dinr_studio.io import open_volume
from dinr_studio.io.unfinished import share_done
from dinr_studio.io.writing import writers
from dinr_studio.training.fit import fit
from dinr_studio.ui.dialogs import place
from dinr_studio.ui.dialogs.export import CROP, VIEW, WHOLE, ExportDialog
from dinr_studio.ui.dialogs.mesh import MeshDialog
from dinr_studio.ui.exporting import mesh_job, volume_job
from dinr_studio.volume import Provenance, make_volume

torch.set_num_threads(1)

OK = QDialogButtonBox.StandardButton.Ok


def fitted(shape, sizes, units, axes, channels=1):
    """A run of a few steps, and its volume."""
    grid = Grid(shape, sizes, tuple(float(i) for i in range(len(shape))), units, axes)
    index = np.stack(np.meshgrid(*(np.linspace(0, 3, n) for n in shape), indexing="ij"))
    values = np.stack([np.sin(index.sum(axis=0) + c) for c in range(channels)], axis=-1).astype(np.float32)
    names = ("u", "v")[:channels] if channels > 1 else ()
    source = Provenance("/data/emd_3001.map")
    volume = make_volume(values, grid, value_unit="K", channel_names=names, provenance=source)
    field = FieldConfig(family="dinr-siren", width=16, blocks=1, steps=2, omega_0=10.0)
    training = TrainingConfig(max_epochs=30, batch=128, micro_batch=64, held_out_share=0.05, device="cpu", seed=7)
    return list(fit(volume, FitConfig(preset="test", field=field, training=training)))[-1].run, volume


@pytest.fixture
def window(lent_window):
    """One window for all tests."""
    yield lent_window
    lent_window.slices.show_alone(None)


@pytest.fixture(scope="module")
def still():
    """A run on 12 x 10 x 16 voxels of 2 x 1 x 1 nm, and its volume."""
    return fitted((12, 10, 16), (2.0, 1.0, 1.0), ("nm",) * 3, ("z", "y", "x"))


@pytest.fixture(scope="module")
def moving():
    """A run with time and two channels, and its volume."""
    return fitted((3, 8, 7, 9), (0.5, 1.0, 1.0, 1.0), ("s", "nm", "nm", "nm"), ("t", "z", "y", "x"), channels=2)


@pytest.fixture
def shown(qtbot):
    """Shows dialogs, and closes them at the end."""
    dialogs = []

    def show(dialog):
        qtbot.addWidget(dialog)
        dialogs.append(dialog)
        dialog.show()
        return dialog

    yield show
    for dialog in dialogs:
        dialog.reject()


@pytest.fixture
def export_dialog(shown, still, tmp_path):
    """Shows the dialog for the run in space."""
    return lambda box=None, view=None: shown(ExportDialog(still[0], box, view, tmp_path))


def type_into(qtbot, edit, text):
    edit.selectAll()
    qtbot.keyClicks(edit, text)


def row(dialog, what):
    return [float(edit.text()) for (kind, _), edit in dialog.resolution.edits.items() if kind == what]


def run_job(qtbot, job):
    """What a job told, in order, as (signal, sentence)."""
    told = []
    for name in ("told", "done", "failed"):
        getattr(job, name).connect(lambda sentence, name=name: told.append((name, sentence)))
    job.ended.connect(lambda: told.append(("ended", "")))
    with qtbot.waitSignal(job.ended, timeout=60_000):
        job.start()
    return told


def test_factor_voxel_size_and_number_of_voxels_follow_each_other(qtbot, export_dialog):
    dialog = export_dialog()
    type_into(qtbot, dialog.resolution.edits["factor", 1], "2")
    assert row(dialog, "factor") == [2, 2, 2]
    assert row(dialog, "voxel_size") == [1, 0.5, 0.5]
    assert row(dialog, "shape") == [24, 20, 32]
    type_into(qtbot, dialog.resolution.edits["voxel_size", 2], "0.25")
    assert row(dialog, "factor") == [4, 4, 4]
    assert row(dialog, "shape") == [48, 40, 64]
    type_into(qtbot, dialog.resolution.edits["shape", 0], "6")
    assert row(dialog, "factor") == [0.5, 0.5, 0.5]
    assert row(dialog, "voxel_size") == [4, 2, 2]
    assert dialog.target() == {"shape": (6, 5, 8), "box": None}


def test_the_dialog_says_how_much_no_voxel_confirms_and_so_does_the_file(qtbot, export_dialog, still):
    dialog = export_dialog()
    assert dialog.unconfirmed.text() == ""
    type_into(qtbot, dialog.resolution.edits["factor", 1], "2")
    assert "looking for energy" in dialog.unconfirmed.text()
    qtbot.waitUntil(lambda: "% of its variance lies beyond" in dialog.unconfirmed.text(), timeout=20_000)
    said = dialog.unconfirmed.text()
    told = run_job(qtbot, dialog.job())
    assert said in next(sentence for signal, sentence in told if signal == "done")
    type_into(qtbot, dialog.resolution.edits["factor", 1], "1")
    assert dialog.unconfirmed.text() == ""


def test_axes_can_have_resolutions_of_their_own(qtbot, export_dialog):
    dialog = export_dialog()
    dialog.resolution.alike.setChecked(False)
    type_into(qtbot, dialog.resolution.edits["voxel_size", 0], "1")
    assert row(dialog, "shape") == [24, 10, 16]
    assert row(dialog, "factor") == [2, 1, 1]
    dialog.resolution.alike.setChecked(True)
    assert row(dialog, "factor") == [2, 2, 2]


def test_what_is_wrong_is_said_and_cannot_be_exported(qtbot, export_dialog):
    dialog = export_dialog()
    ready = dialog.buttons.button(OK)
    assert ready.isEnabled()
    edit = dialog.resolution.edits["factor", 0]
    for text, words in (
        ("0", "positive number"),
        ("many", "positive number"),
        ("1e12", "choose a smaller factor"),
        ("5000", "make room"),
    ):
        type_into(qtbot, edit, text)
        assert words in dialog.fault.text()
        assert not ready.isEnabled()
        assert ready.toolTip() == dialog.fault.text()
    type_into(qtbot, dialog.resolution.edits["shape", 0], "7.5")
    assert "whole number" in dialog.fault.text()
    qtbot.keyClick(dialog.resolution.edits["shape", 0], Qt.Key.Key_Return)
    assert dialog.isVisible()
    type_into(qtbot, edit, "2")
    assert dialog.fault.text() == ""
    assert ready.isEnabled()
    for name, words in (
        ("", "no file name"),
        ("a.doc", "end it in"),
        ("/nowhere/at/all/a.mrc", "does not exist"),
        (f"{'long' * 80}.mrc", "too long"),
    ):
        dialog.place.edit.setText(name)
        assert words in dialog.fault.text()
        assert not ready.isEnabled()


def test_the_ending_names_the_format_and_the_format_its_types(export_dialog):
    dialog = export_dialog()
    assert dialog.place.path.name == "emd_3001_field.mrc"
    types = {dialog.dtype.itemText(i) for i in range(dialog.dtype.count())}
    assert {"float32", "float16", "int8"} <= types
    assert "float64" not in types
    assert not dialog.compression.isEnabled()
    dialog.format.setCurrentText("HDF5")
    assert dialog.place.path.name == "emd_3001_field.h5"
    assert dialog.compression.currentText() == "gzip"
    assert "at most" in dialog.summary.text()
    dialog.dtype.setCurrentText("float64")
    dialog.place.edit.setText("b.map")
    assert dialog.format.currentText() == "MRC"
    assert dialog.dtype.currentText() == "float32"
    assert dialog.place.path.name == "b.map"
    assert "MRC has no place for the value's unit (K)." in dialog.lost.text()


def test_a_field_that_mrc_cannot_carry_begins_with_hdf5(shown, moving, tmp_path):
    dialog = shown(ExportDialog(moving[0], None, None, tmp_path))
    assert dialog.format.currentText() == "HDF5"
    dialog.format.setCurrentText("MRC")
    assert "one value per voxel" in dialog.fault.text()
    assert not dialog.buttons.button(OK).isEnabled()
    dialog.format.setCurrentText("TIFF")
    assert dialog.fault.text() == ""


def test_crop_box_and_view_are_offered_where_there_are_such(qtbot, export_dialog):
    plain = export_dialog()
    assert not plain.extents[CROP].isEnabled()
    assert "no crop box" in plain.extents[CROP].toolTip()
    box, view = ((-1.0, 11.0), (0.5, 5.5), (1.5, 17.5)), ((2.3, 2.5), (3.2, 3.4), (4.2, 4.4))
    dialog = export_dialog(box, view)
    type_into(qtbot, dialog.resolution.edits["factor", 0], "2")
    dialog.extents[CROP].setChecked(True)
    assert row(dialog, "shape") == [12, 10, 32]
    type_into(qtbot, dialog.resolution.edits["shape", 0], "6")
    dialog.extents[WHOLE].setChecked(True)
    assert row(dialog, "voxel_size") == [2, 1, 1]
    assert row(dialog, "shape") == [12, 10, 16]
    dialog.extents[VIEW].setChecked(True)
    assert "holds no voxel" in dialog.fault.text()
    assert not dialog.buttons.button(OK).isEnabled()


def test_size_time_and_free_space_are_told(qtbot, export_dialog):
    dialog = export_dialog()
    qtbot.waitUntil(lambda: dialog.timing.rate > 0, timeout=30_000)
    assert "12 × 10 × 16 voxels, 8 kB" in dialog.summary.text()
    assert "under 1 s" in dialog.summary.text()
    assert "free on the disk" in dialog.summary.text()


def test_an_existing_file_is_asked_about(export_dialog, monkeypatch, tmp_path):
    (tmp_path / "a.mrc").write_bytes(b"mine")
    dialog = export_dialog()
    dialog.place.edit.setText("a.mrc")
    answers = [place.CANCEL, place.REPLACE]
    monkeypatch.setattr(place, "question", lambda *_: answers.pop(0))
    dialog.accept()
    assert dialog.isVisible()
    dialog.accept()
    assert not dialog.isVisible()
    assert answers == []


def test_a_name_is_suggested_that_no_file_has(export_dialog, tmp_path):
    (tmp_path / "emd_3001_field.mrc").write_bytes(b"mine")
    assert export_dialog().place.path.name == "emd_3001_field_2.mrc"


@pytest.mark.parametrize("which", ["export", "mesh"])
def test_every_control_is_named_explained_and_reached_by_tab(shown, moving, tmp_path, which):
    run, volume = moving
    dialog = (
        ExportDialog(run, None, None, tmp_path)
        if which == "export"
        else MeshDialog(run, histogram(volume, 1), 1, 0.2, tmp_path)
    )
    shown(dialog)
    controls = [
        widget
        for kind in (QLineEdit, QComboBox, QSpinBox, QAbstractButton)
        for widget in dialog.findChildren(kind)
        if widget.isVisible() and "qt_spinbox" not in widget.objectName()
    ]
    for control in controls:
        assert control.accessibleName() or getattr(control, "text", str)(), control
        assert control.toolTip(), control.accessibleName() or control.text()
    reached, widget = set(), dialog
    while (widget := widget.nextInFocusChain()) is not dialog:
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and isinstance(widget, QWidget):
            reached.add(widget)
    assert set(controls) <= reached
    assert dialog.width() < 1000
    assert dialog.height() < 600


def test_tab_goes_down_the_dialog(export_dialog):
    dialog = export_dialog()
    chain, widget = [], dialog.extents[WHOLE]
    while widget is not dialog.place.browse:
        chain.append(widget)
        widget = widget.nextInFocusChain()
    wanted = [
        *dialog.resolution.edits.values(),
        dialog.resolution.alike,
        dialog.format,
        dialog.dtype,
        dialog.place.edit,
    ]
    assert [widget for widget in chain if widget in wanted] == wanted


def test_what_was_chosen_is_what_is_written(qtbot, export_dialog):
    dialog = export_dialog(((-1.0, 11.0), (0.5, 5.5), (1.5, 17.5)))
    dialog.extents[CROP].setChecked(True)
    type_into(qtbot, dialog.resolution.edits["factor", 0], "2")
    dialog.dtype.setCurrentText("float16")
    dialog.accept()
    job = dialog.job()
    path = job.path
    told = run_job(qtbot, job)
    assert [name for name, _ in told if name != "told"] == ["done", "ended"]
    assert "12 × 10 × 32 voxels of 1 × 0.5 × 0.5 nm, float16" in told[-2][1]
    assert str(path.parent) in told[-2][1]
    assert "MRC has no place for the value's unit" in told[-2][1]
    with mrcfile.open(path) as file:
        assert file.data.shape == (12, 10, 32)
        assert file.data.dtype == np.float16
        assert file.voxel_size.z == pytest.approx(10)


def test_compression_none_is_passed_on(qtbot, still, tmp_path):
    job = volume_job(still[0], {}, tmp_path / "a.h5", {"compression": "none"})
    run_job(qtbot, job)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["values"].compression is None


def test_a_cancelled_job_says_so_and_leaves_nothing(qtbot, still, tmp_path):
    job = volume_job(still[0], {"factor": (12.0,)}, tmp_path / "a.npy", {})
    with qtbot.waitSignal(job.ended, timeout=60_000):
        job.start()
        job.cancel()
    assert job.cancelled
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_export_is_offered_to_be_gone_on_with(qtbot, shown, still, tmp_path, monkeypatch):
    monkeypatch.setattr("dinr_studio.io.zarr_writing.TILE_VALUES", 1 << 12)
    dialog = shown(ExportDialog(still[0], None, None, tmp_path))
    dialog.format.setCurrentText("OME-Zarr")
    type_into(qtbot, dialog.resolution.edits["factor", 0], "8")
    dialog.accept()
    job = dialog.job()
    with qtbot.waitSignal(job.ended, timeout=60_000):
        job.start()
        qtbot.waitUntil(lambda: bool(share_done(job.path)), timeout=60_000)
        job.cancel()
    assert job.cancelled
    asked, answers = [], [place.CANCEL, place.GO_ON]
    monkeypatch.setattr(place, "question", lambda *given: asked.append(given[2]) or answers.pop(0))
    dialog.accept()
    assert f"% of an export to {job.path.name}" in asked[0]
    dialog.accept()
    told = run_job(qtbot, dialog.job())
    assert [name for name, _ in told if name != "told"] == ["done", "ended"]
    assert open_volume(job.path).missing is None
    assert share_done(job.path) is None


def test_a_job_that_was_done_before_it_was_cancelled_says_where_the_file_is(qtbot, still, tmp_path):
    job = volume_job(still[0], {}, tmp_path / "a.npy", {"compression": "none"})
    done = []
    job.done.connect(done.append)
    with qtbot.waitSignal(job.ended, timeout=60_000):
        job.start()
        while not (tmp_path / "a.npy").exists():
            pass
        job.cancel()
    assert job.cancelled == (not done)
    assert (tmp_path / "a.npy").exists() == bool(done)


def test_a_job_that_fails_says_why_and_ends(qtbot, still, tmp_path):
    job = mesh_job(still[0], {"factor": (1.0,)}, tmp_path / "a.ply", level=900.0, channel=0, frame=None, force=False)
    told = run_job(qtbot, job)
    assert [name for name, _ in told if name != "told"] == ["failed", "ended"]
    assert "choose a level within it" in told[-2][1]
    assert list(tmp_path.iterdir()) == []


def test_level_and_sigma_follow_each_other(qtbot, shown, still, tmp_path):
    run, volume = still
    spread = histogram(volume)
    dialog = shown(MeshDialog(run, spread, 0, 0.25, tmp_path))
    assert float(dialog.level.text()) == 0.25
    assert float(dialog.sigma.text()) == pytest.approx((0.25 - spread.mean) / spread.deviation, abs=1e-3)
    type_into(qtbot, dialog.sigma, "0.5")
    assert float(dialog.level.text()) == pytest.approx(spread.mean + 0.5 * spread.deviation, abs=1e-5)
    type_into(qtbot, dialog.level, "0.1")
    assert float(dialog.sigma.text()) == pytest.approx((0.1 - spread.mean) / spread.deviation, abs=1e-3)
    for text, words in (("7", "outside of the data's range"), ("high", "no number")):
        type_into(qtbot, dialog.level, text)
        assert words in dialog.fault.text()
        assert not dialog.buttons.button(OK).isEnabled()


def test_a_level_out_of_range_begins_with_a_usual_one(shown, still, tmp_path):
    dialog = shown(MeshDialog(still[0], histogram(still[1]), 0, 0.0 + 99, tmp_path))
    assert dialog.fault.text() == ""


def test_a_mesh_is_written_as_chosen(qtbot, shown, moving, tmp_path):
    run, volume = moving
    dialog = shown(MeshDialog(run, histogram(volume, 1), 1, 0.1, tmp_path))
    dialog.frame.setValue(2)
    assert dialog.time.text() == "t = 0.5 s"
    dialog.factor.setValue(2.0)
    assert "16 × 14 × 18 voxels of 0.5 × 0.5 × 0.5 nm" in dialog.summary.text()
    dialog.format.setCurrentText("STL")
    dialog.accept()
    job = dialog.job()
    path = job.path
    told = run_job(qtbot, job)
    assert [name for name, _ in told if name != "told"] == ["done", "ended"]
    assert "surface at 0.1 K" in told[-2][1]
    assert "STL carries no unit" in told[-2][1]
    assert len(trimesh.load_mesh(path).faces) > 10


def test_a_mesh_too_large_for_the_memory_is_refused(qtbot, shown, still, tmp_path, monkeypatch):
    dialog = shown(MeshDialog(still[0], histogram(still[1]), 0, 0.1, tmp_path))
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("memory", (), {"available": 200 << 20})())
    dialog.factor.setValue(32.0)
    assert "MB are free; end other programs, or take less" in dialog.fault.text()
    assert "voxels or fewer would do" in dialog.fault.text()
    assert not dialog.buttons.button(OK).isEnabled()


def test_nothing_is_left_when_a_dialog_closes_at_once(shown, still, tmp_path):
    dialog = shown(ExportDialog(still[0], None, None, tmp_path))
    work = dialog.timing._work
    dialog.reject()
    assert work is None or work._thread.isFinished()
    QApplication.processEvents()


def test_every_format_that_can_be_written_is_offered(export_dialog):
    dialog = export_dialog()
    offered = [dialog.format.itemText(i) for i in range(dialog.format.count())]
    assert offered[:4] == ["MRC", "HDF5", "TIFF", "NPY"]
    assert {written.name for written in writers().values()} == set(offered)
    for name, ending in (("NIfTI, compressed", ".nii.gz"), ("OME-Zarr", ".zarr"), ("NIfTI", ".nii"), ("MRC", ".mrc")):
        dialog.format.setCurrentText(name)
        assert dialog.place.path.name.endswith(f"field{ending}")
        assert dialog.format.currentText() == name
