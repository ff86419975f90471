"""Folders as volumes, and masks over the open one: every way in, and the way back."""

import numpy as np
import pytest
import tifffile
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QPushButton

from dinr_studio.ui import commands
from dinr_studio.ui.runs import new_run_path

LEFT = Qt.MouseButton.LeftButton
SHAPE = (7, 8, 9)


@pytest.fixture
def window(lent_window):
    """One window for all tests, each time on its welcome page."""
    lent_window.studio.close_volume()
    lent_window.notice.hide()
    return lent_window


def slices(folder, shape=SHAPE, seed=0, name="slice_{:02d}.tif"):
    folder.mkdir(exist_ok=True)
    values = np.random.default_rng(seed).integers(1, 250, shape).astype(np.uint8)
    for i, plane in enumerate(values):
        tifffile.imwrite(folder / name.format(i), plane)
    return folder


def drop(window, path):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path) + "/")])  # as file managers name a folder
    given = (Qt.DropAction.CopyAction, data, LEFT, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(window, QDragEnterEvent(window.rect().center(), *given))
    QApplication.sendEvent(window, QDropEvent(QPointF(window.rect().center()), *given))


def opened_as(window, qtbot, shape):
    qtbot.waitUntil(
        lambda: window.studio.volume is not None and window.studio.volume.grid.shape == shape, timeout=60_000
    )


def test_a_dropped_folder_opens_and_stands_first_under_recent_files(window, qtbot, tmp_path):
    folder = slices(tmp_path / "my slices")
    drop(window, folder)
    opened_as(window, qtbot, SHAPE)
    assert window.windowTitle() == "my slices – DINR Studio"
    assert window.recent_menu.actions()[0].text() == str(folder)
    assert "slice_*.tif" in window.data_panel.facts["File"].text()
    window.studio.close_volume()
    link = next(one for one in window.welcome.findChildren(QPushButton) if one.text().startswith("my slices"))
    qtbot.mouseClick(link, LEFT)
    opened_as(window, qtbot, SHAPE)


def test_open_folder_asks_for_one_and_opens_it(window, qtbot, tmp_path, monkeypatch):
    folder = slices(tmp_path / "stack")
    asked = []
    monkeypatch.setattr(
        commands.QFileDialog, "getExistingDirectory", lambda parent, title, start: asked.append(title) or str(folder)
    )
    button = next(one for one in window.welcome.findChildren(QPushButton) if one.text() == "Open a folder …")
    qtbot.mouseClick(button, LEFT)
    opened_as(window, qtbot, SHAPE)
    window.studio.close_volume()
    window.actions_by_name["open-folder"].trigger()
    opened_as(window, qtbot, SHAPE)
    assert asked == ["Open a folder"] * 2
    assert "*" not in new_run_path(f"{folder}/slice_*.tif").name


def test_of_a_folder_with_several_series_one_is_chosen(window, qtbot, tmp_path, in_dialog):
    folder = slices(slices(tmp_path / "two"), (4, 5, 6), 1, "z{:02d}.tif")

    def choose(dialog):
        assert dialog.list.count() == 2
        dialog.list.setCurrentRow(1)
        qtbot.mouseClick(dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Open), LEFT)

    in_dialog(choose)
    window.open(str(folder))
    opened_as(window, qtbot, (4, 5, 6))


def test_a_folder_that_is_no_volume_is_said_in_a_sentence(window, qtbot, tmp_path):
    (tmp_path / "empty").mkdir()
    drop(window, tmp_path / "empty")
    qtbot.waitUntil(lambda: window.notice.sentence.property("role") == "fault", timeout=30_000)
    assert "is a folder without" in window.notice.sentence.text()
    assert window.studio.volume is None


def test_the_open_dialog_names_every_ending_that_can_be_read(window, monkeypatch):
    from dinr_studio.io.reading import SUFFIXES

    offered = []
    monkeypatch.setattr(
        commands.QFileDialog, "getOpenFileName", lambda parent, title, start, kinds: offered.append(kinds) or ("", "")
    )
    window.actions_by_name["open"].trigger()
    first = offered[0].split(";;")[0]
    assert all(f"*{suffix}" in first.strip(")").split("(")[1].split() for suffix in [*SUFFIXES, ".dinr"])


@pytest.fixture
def masked(window, qtbot, open_file, tmp_path, monkeypatch):
    """The window with a volume open and a mask over it; what the mask leaves out."""
    folder = slices(tmp_path / "stack")
    open_file(window, folder)
    out = np.random.default_rng(3).random(SHAPE) < 0.3
    np.save(tmp_path / "brain mask.npy", ~out)
    monkeypatch.setattr(commands.QFileDialog, "getOpenFileName", lambda *given: (str(tmp_path / "brain mask.npy"), ""))
    window.actions_by_name["mask"].trigger()
    qtbot.waitUntil(lambda: window.studio.volume.missing is not None, timeout=30_000)
    return out


def test_a_mask_leaves_out_voxels_and_can_be_undone(window, qtbot, masked):
    studio, panel = window.studio, window.data_panel
    np.testing.assert_array_equal(studio.volume.missing, masked)
    assert panel.mask_row.name.text() == "brain mask.npy"
    assert panel.facts["Missing"].text() == f"{100 * masked.mean():.3g} % of the voxels"
    pane = window.slices.panes[0]
    np.testing.assert_array_equal(np.isnan(pane.content.data), masked[3])
    assert panel.mask_row.remove.isEnabled()
    window.actions_by_name["undo"].trigger()
    assert studio.volume.missing is None
    assert panel.mask_row.name.text() == "none"
    assert "mask" not in studio.options
    assert not np.isnan(pane.content.data).any()
    window.actions_by_name["redo"].trigger()
    np.testing.assert_array_equal(studio.volume.missing, masked)
    qtbot.mouseClick(panel.mask_row.remove, LEFT)
    qtbot.waitUntil(lambda: studio.volume.missing is None, timeout=30_000)
    assert panel.mask_row.name.text() == "none"


def test_a_voxel_size_put_right_before_the_mask_stays(window, qtbot, masked):
    window.actions_by_name["undo"].trigger()
    window.studio.set_voxel_size((2.0, 3.0, 4.0), "mm")
    window.actions_by_name["mask"].trigger()
    qtbot.waitUntil(lambda: window.studio.volume.missing is not None, timeout=30_000)
    assert window.studio.volume.grid.voxel_size == (2.0, 3.0, 4.0)


def test_a_mask_that_does_not_fit_changes_nothing(window, qtbot, masked, tmp_path):
    window.actions_by_name["undo"].trigger()
    np.save(tmp_path / "brain mask.npy", np.ones((7, 8, 10)))
    window.actions_by_name["mask"].trigger()
    qtbot.waitUntil(lambda: window.notice.sentence.property("role") == "fault", timeout=30_000)
    assert "7 x 8 x 10" in window.notice.sentence.text()
    assert window.studio.volume.missing is None


def test_a_fit_keeps_its_mask_and_its_run_opens_with_it(window, qtbot, masked, start_fit):
    start_fit(window)
    row = window.data_panel.mask_row
    assert not row.choose.isEnabled()
    assert not window.actions_by_name["mask"].isEnabled()
    window.actions_by_name["undo"].trigger()
    np.testing.assert_array_equal(window.studio.volume.missing, masked)
    with qtbot.waitSignal(window.studio.fit.ended, timeout=60_000):
        window.actions_by_name["done"].trigger()
    path = window.studio.run_path
    window.studio.close_volume()
    window.open(str(path))
    opened_as(window, qtbot, SHAPE)
    np.testing.assert_array_equal(window.studio.volume.missing, masked)
    assert window.studio.field is not None
    qtbot.mouseClick(row.remove, LEFT)
    qtbot.waitUntil(lambda: window.studio.volume.missing is None, timeout=30_000)
    assert window.studio.field is None
    assert window.studio.run is None
