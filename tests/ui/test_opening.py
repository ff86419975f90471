"""Opening: every way in, what is asked, and what is said when it cannot be."""

import shutil
import threading

import h5py
import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QPushButton

from dinr_studio.__main__ import main
from dinr_studio.samples import SAMPLES
from dinr_studio.ui.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def window(lent_window):
    """One window for all tests, each time on its welcome page and without recent files."""
    lent_window.studio.close_volume()
    lent_window.settings.remove("recent")
    lent_window._show_recent()
    return lent_window


def spread(shape, seed=0):
    """Unlike values of some shape."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def drop(window, path):
    """What the system sends when a file is dragged over a window and let go; whether it was taken."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    given = (Qt.DropAction.CopyAction, data, LEFT, Qt.KeyboardModifier.NoModifier)
    over = QDragEnterEvent(window.rect().center(), *given)
    over.ignore()
    QApplication.sendEvent(window, over)
    QApplication.sendEvent(window, QDropEvent(QPointF(window.rect().center()), *given))
    return over.isAccepted()


def opened_as(window, qtbot, shape):
    """Waits until a volume of some shape is open."""
    qtbot.waitUntil(
        lambda: window.studio.volume is not None and window.studio.volume.grid.shape == shape, timeout=60_000
    )


def test_the_sample_menu_names_every_sample_with_a_line_on_it_and_opens_it(window, qtbot):
    entries = {action.text(): action for action in window.sample_menu.actions()}
    assert set(entries) == {sample.title for sample in SAMPLES.values()}
    assert all(action.toolTip() == action.statusTip() != "" for action in entries.values())
    assert window.pages.currentWidget() is window.welcome
    entries[SAMPLES["emd-3001"].title].trigger()
    opened_as(window, qtbot, (73, 25, 43))
    assert window.windowTitle().startswith("sample:emd-3001")
    assert window.pages.currentWidget() is window.slices
    assert all(dock.isVisible() for dock in window.docks.values())


def test_a_click_on_a_samples_picture_opens_it_and_two_dimensions_show_one_pane(window, qtbot):
    qtbot.mouseClick(window.welcome.cards["turbulence-2d"], LEFT)
    opened_as(window, qtbot, (256, 256))
    assert [pane.isVisible() for pane in window.slices.panes] == [True, False, False]
    assert not window.volume_view.isVisible()
    assert not window.slices.panes[0].slider.isVisible()
    assert not window.actions_by_name["enlarge"].isEnabled()


def test_a_dropped_file_opens_and_stands_first_under_recent_files(window, qtbot, small_map):
    assert drop(window, small_map)
    opened_as(window, qtbot, (20, 18, 16))
    assert window.recent_menu.actions()[0].text() == str(small_map)
    assert window.windowTitle() == "small map.mrc – DINR Studio"


def test_recent_files_open_from_the_welcome_page(opened, qtbot, small_map):
    qtbot.keyClick(opened, Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier)
    assert opened.studio.volume is None
    assert opened.pages.currentWidget() is opened.welcome
    links = [link for link in opened.welcome.findChildren(QPushButton) if link.text().startswith("small map.mrc")]
    qtbot.mouseClick(links[0], LEFT)
    opened_as(opened, qtbot, (20, 18, 16))
    assert opened.recent_files() == [str(small_map)]


def test_a_lone_file_on_the_command_line_opens_the_window_with_it(monkeypatch, tmp_path, capsys):
    called = []
    monkeypatch.setattr("dinr_studio.ui.application.run", lambda file=None: called.append(file) or 0)
    assert main([]) == 0
    assert main(["map.mrc"]) == 0
    assert main(["sample:clouds"]) == 0
    (tmp_path / "folder").mkdir()
    assert main([str(tmp_path / "folder")]) == 0
    assert called == [None, "map.mrc", "sample:clouds", str(tmp_path / "folder")]
    assert main(["ifno"]) != 0  # a command misspelt is no file
    assert main(["info", "sample:clouds"]) == 0
    assert len(called) == 4
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert main([]) == 2
    assert "no display" in capsys.readouterr().err
    assert len(called) == 4


def test_running_the_program_with_a_file_opens_it(window, qapp, qtbot, settings_folder, monkeypatch, small_map):
    from dinr_studio.ui import application

    class Running:
        @staticmethod
        def exec():
            windows = (widget for widget in qapp.topLevelWidgets() if isinstance(widget, MainWindow))
            (own,) = (one for one in windows if one is not window)
            opened_as(own, qtbot, (20, 18, 16))
            assert own.isVisible()
            own.close()
            return 7

    monkeypatch.setattr(application, "make_application", Running)
    assert application.run(str(small_map)) == 7


def test_a_file_with_several_datasets_asks_once_with_a_preview(window, qtbot, tmp_path, in_dialog):
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["dark"], file["light"] = spread((6, 7, 8)), spread((5, 6, 9), 1)

    def choose(dialog):
        assert [dialog.list.item(i).text().split()[0] for i in range(dialog.list.count())] == ["dark", "light"]
        qtbot.waitUntil(lambda: not dialog.preview.pixmap().isNull(), timeout=30_000)
        first = dialog.preview.pixmap().toImage()
        qtbot.keyClick(dialog.list, Qt.Key.Key_Down)
        qtbot.waitUntil(lambda: dialog.preview.pixmap().toImage() != first, timeout=30_000)
        buttons = dialog.findChild(QDialogButtonBox)
        qtbot.mouseClick(buttons.button(QDialogButtonBox.StandardButton.Open), LEFT)

    asked = in_dialog(choose)
    window.open(str(tmp_path / "two.h5"))
    opened_as(window, qtbot, (5, 6, 9))
    assert asked == ["Choose a dataset"]
    assert "(light)" in window.data_panel.facts["File"].text()
    assert not window.notice.isVisible()


def test_no_dataset_chosen_leaves_the_window_as_it_was(window, qtbot, tmp_path, in_dialog):
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["dark"], file["light"] = spread((6, 7, 8)), spread((5, 6, 9), 1)
    asked = in_dialog(lambda dialog: qtbot.keyClick(dialog, Qt.Key.Key_Escape))
    window.open(str(tmp_path / "two.h5"))
    qtbot.waitUntil(lambda: bool(asked) and not window.notice.isVisible())
    assert window.studio.volume is None
    assert window.pages.currentWidget() is window.welcome


def test_what_cannot_be_opened_is_said_in_a_sentence_and_the_window_stays_as_it_was(
    opened, qtbot, tmp_path, finished_run
):
    before, title = opened.studio.volume, opened.windowTitle()
    np.save(tmp_path / "flat.npy", np.full((4, 4, 4), 2.5))
    np.save(tmp_path / "line.npy", spread(30))
    (tmp_path / "cut.mrc").write_bytes(b"not a map at all" * 100)
    (tmp_path / "notes.docx").write_bytes(b"words")
    run = finished_run.read_bytes()
    (tmp_path / "cut.dinr").write_bytes(run[: len(run) // 2])
    for name, words in (
        ("gone.mrc", "gone.mrc"),
        ("flat.npy", "equal 2.5"),
        ("line.npy", "single line of values"),
        ("cut.mrc", "cut.mrc"),
        ("notes.docx", "notes.docx"),
        ("cut.dinr", "cut.dinr"),
        ("gone.dinr", "gone.dinr"),
    ):
        opened.notice.hide()
        drop(opened, tmp_path / name)
        qtbot.waitUntil(lambda: opened.notice.sentence.property("role") == "fault", timeout=30_000)
        said = opened.notice.sentence.text()
        assert opened.notice.isVisible()
        assert words in said
        assert said.endswith(".")
        assert "unexpected" not in said
        assert opened.studio.volume is before
        assert opened.windowTitle() == title
        qtbot.waitUntil(lambda: opened.studio._reading is None)
        opened.notice.tell("")
    assert [file for file in opened.recent_files() if str(tmp_path) in file] == []


def test_reading_can_be_cancelled(opened, qtbot, tmp_path, monkeypatch):
    before, go_on = opened.studio.volume, threading.Event()
    np.save(tmp_path / "slow.npy", spread((4, 5, 6)))
    from dinr_studio.io import reading

    true = reading.open_volume
    monkeypatch.setattr(reading, "open_volume", lambda *given, **more: go_on.wait(30) and true(*given, **more))
    opened.open(str(tmp_path / "slow.npy"))
    qtbot.waitUntil(lambda: opened.notice.sentence.text() == "Reading slow.npy ...")
    assert opened.notice.busy.isVisible()
    work = opened.studio._reading
    qtbot.mouseClick(opened.notice.button, LEFT)
    assert opened.notice.sentence.text() == "Opening was cancelled."
    with qtbot.waitSignal(work.ended, timeout=30_000):
        go_on.set()
    assert opened.studio.volume is before


def test_a_run_file_opens_with_its_data_and_shows_its_field(window, open_file, finished_run, small_map):
    open_file(window, finished_run)
    studio = window.studio
    assert studio.file == str(small_map)
    assert studio.run.finished
    assert [pane.mode.currentText() for pane in window.slices.shown] == ["Field"] * 3
    assert "dB held-out" in window.status.score.text()
    assert window.actions_by_name["export"].isEnabled()
    assert not window.actions_by_name["resume"].isEnabled()  # it is finished
    assert window.recent_files()[0] == str(finished_run)


def test_a_run_whose_data_has_moved_asks_where_it_is(window, qtbot, stopped_run, small_map, tmp_path, monkeypatch):
    from dinr_studio.training import run_data
    from dinr_studio.ui import commands

    monkeypatch.setattr(run_data.Path, "exists", lambda path: path.name != "small map.mrc")
    window.open(str(stopped_run))
    qtbot.waitUntil(lambda: "small map.mrc is not there any more" in window.notice.sentence.text(), timeout=30_000)
    assert window.studio.volume is None
    moved = shutil.copy(small_map, tmp_path / "moved.mrc")
    monkeypatch.setattr(commands.QFileDialog, "getOpenFileName", lambda *given: (str(moved), ""))
    qtbot.waitUntil(window.notice.button.isVisible)
    qtbot.mouseClick(window.notice.button, LEFT)
    opened_as(window, qtbot, (20, 18, 16))
    assert window.studio.file == str(moved)
    assert window.studio.field is not None


def test_a_picture_shows_one_pane_with_its_first_row_on_top(window, qtbot, open_file, tmp_path, pixels):
    rows = np.full((30, 40), 40, dtype=np.uint8)
    rows[:10] = 220  # bright at the top
    Image.fromarray(rows).save(tmp_path / "photo.png")
    open_file(window, tmp_path / "photo.png")
    window.studio.set_limits(0, 255)
    pane = window.slices.panes[0]

    def brightness(row):
        place = pane.view.mapFromScene(pane.box.mapViewToScene(QPointF(8, row)))
        return pixels(pane.view)[place.y(), place.x()]

    qtbot.waitUntil(lambda: brightness(3) > brightness(25) + 100)
    top, low = (pane.view.mapFromScene(pane.box.mapViewToScene(QPointF(8, row))).y() for row in (3, 25))
    assert top < low


def test_a_volume_with_time_shows_a_slider_and_plays(window, qtbot, open_file, tmp_path):
    np.save(tmp_path / "moving.npy", spread((4, 6, 7, 8)))
    open_file(window, tmp_path / "moving.npy")
    bar, studio = window.slices.time, window.studio
    assert bar.isVisible()
    assert studio.time_axis == 0
    assert (bar.slider.minimum(), bar.slider.maximum(), bar.slider.value()) == (0, 3, 2)
    qtbot.keyClick(bar.slider, Qt.Key.Key_Left)
    assert studio.crosshair[0] == 1
    assert bar.label.text().startswith("2 of 4")
    np.testing.assert_array_equal(window.slices.panes[0].content.data, studio.volume.values[1, 3, :, :, 0])
    frames = set()
    studio.crosshair_moved.connect(lambda: frames.add(studio.crosshair[0]))
    qtbot.mouseClick(bar.play, LEFT)
    qtbot.waitUntil(lambda: frames == {0, 1, 2, 3}, timeout=30_000)  # it goes round
    window.slices.panes[0].view.setFocus()
    qtbot.keyClick(window.slices.panes[0].view, Qt.Key.Key_Space)
    assert not bar.play.isChecked()
    assert not bar.timer.isActive()


def test_a_volume_with_channels_lets_one_choose(window, qtbot, open_file, tmp_path):
    values = np.stack([spread((1, 6, 7, 8)), 100 + spread((1, 6, 7, 8), 1)], axis=-1)
    np.save(tmp_path / "two channels.npy", values)
    open_file(window, tmp_path / "two channels.npy")
    panel = window.data_panel
    assert panel.channel.isVisible()
    assert [panel.channel.itemText(i) for i in range(panel.channel.count())] == ["1", "2", "magnitude"]
    assert window.studio.limits[1] < 10
    qtbot.keyClick(panel.channel, Qt.Key.Key_Down)
    assert window.studio.channel == 1
    low, high = np.percentile(values[..., 1], (0.5, 99.5))
    assert window.studio.limits == pytest.approx((low, high), rel=1e-3)
    assert float(panel.low.text()) == pytest.approx(low, rel=1e-3)
    np.testing.assert_array_equal(window.slices.panes[0].content.data, values[0, 3, :, :, 1])
