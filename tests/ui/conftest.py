"""What window tests share: an application, a shown window with settings and folders of its own, and small volumes.

They need a display: packaging/test.sh runs them under Xvfb.
"""

import gc
import shutil

import mrcfile
import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QPointF, QSettings, Qt, QThread, QTimer
from PySide6.QtGui import QImage, QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from shiboken6 import isValid

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.io import open_volume
from dinr_studio.training.fit import fit
from dinr_studio.ui.application import make_application
from dinr_studio.ui.background import Work
from dinr_studio.ui.main_window import MainWindow


@pytest.fixture(scope="session")
def qapp():
    """The program's own application, which pytest-qt's fixtures take up."""
    application = make_application()
    pg.setConfigOption("mouseRateLimit", -1)  # events of tests come faster than a hand's
    return application


@pytest.fixture
def settings_folder(tmp_path, monkeypatch):
    """Settings, runs and recent files go into a folder of the test's own."""
    return settle_in(tmp_path / "profile", monkeypatch)


def settle_in(folder, monkeypatch):
    """Lets settings and runs lie in a new folder."""
    folder.mkdir()
    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder


@pytest.fixture
def answers(monkeypatch):
    """Answers for the questions that the window asks, by title; a question that is not expected fails the test."""
    from dinr_studio.ui import commands

    expected = {}

    def answer(parent, title, text, choices):
        assert title in expected, f"an unexpected question: {title}"
        assert expected[title] in choices
        return expected[title]

    monkeypatch.setattr(commands, "question", answer)
    return expected


@pytest.fixture
def make_window(qtbot, settings_folder, answers):
    """Makes shown windows, and closes them after the test; nothing of them may go on running."""
    made = []

    def make(width=1280, height=720):
        made.append(shown_window(width, height))
        return made[-1]

    yield make
    answers["Close the program"] = "Discard"
    for window in made:
        put_away(window)


def shown_window(width, height):
    """A new window of a size (its own one, where None) and with the focus, which shortcuts need."""
    window = MainWindow()
    if width is not None:
        window.resize(width, height)
    window.show()
    window.activateWindow()  # no window manager does it here
    assert QTest.qWaitForWindowActive(window)
    return window


def put_away(window):
    """Closes a window; nothing of it may go on running."""
    works = window.findChildren(Work)
    window.close()
    threads = [*window.findChildren(QThread), *(work._thread for work in works)]
    assert not any(isValid(thread) and thread.isRunning() for thread in threads)
    window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()


@pytest.fixture(scope="module")
def kept_window(qapp, tmp_path_factory):
    """One window for a module."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        settle_in(tmp_path_factory.mktemp("lent") / "profile", monkeypatch)
        window = shown_window(1280, 720)
        yield window
        assert not window.studio.fit.running
        put_away(window)


@pytest.fixture
def lent_window(kept_window, answers):
    """The one window of a module whose tests leave it usable, and open their files anew; it spares most of the time."""
    kept_window.activateWindow()
    assert QTest.qWaitForWindowActive(kept_window)
    return kept_window


@pytest.fixture
def window(make_window):
    """The window, shown and empty."""
    return make_window()


@pytest.fixture(scope="session")
def small_map(tmp_path_factory):
    """A map of 20 x 18 x 16 voxels of unlike sizes, smooth enough to be learnt in seconds."""
    path = tmp_path_factory.mktemp("maps") / "small map.mrc"
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (20, 18, 16)), indexing="ij")
    values = np.exp(-3 * (x**2 + y**2 + z**2)) + 0.2 * np.sin(4 * x)
    with mrcfile.new(path) as mrc:
        mrc.set_data(values.astype(np.float32))
        mrc.voxel_size = (1.0, 1.5, 2.0)  # x, y, z
        mrc.header.origin = (10.0, -5.0, 2.5)
    return path


@pytest.fixture
def opened(window, qtbot, small_map):
    """The window with the small map open and its settings worked out."""
    open_in(window, qtbot, small_map)
    return window


def open_in(window, qtbot, path):
    """Opens a file and waits until its settings are worked out."""
    with qtbot.waitSignal(window.studio.volume_opened, timeout=30_000):
        window.open(str(path))
    qtbot.waitUntil(lambda: window.field_panel.config is not None, timeout=60_000)


@pytest.fixture
def start_fit(qtbot):
    """Begins a quick small fit and waits for its first steps."""

    def start(window, **changes):
        quick = {"width": 16, "blocks": 1, "steps": 2, "max_epochs": 100_000, "batch": 512, "micro_batch": 512}
        window.field_panel.change(**{**quick, **changes})
        wanted, panel = changes.get("width", 16), window.field_panel
        qtbot.waitUntil(lambda: panel.config is not None and panel.config.field.width == wanted, timeout=60_000)
        window.actions_by_name["fit"].trigger()
        qtbot.waitUntil(lambda: window.studio.fit.last is not None and window.studio.fit.last.step > 5, timeout=60_000)

    return start


# What the suites of the whole window share


@pytest.fixture
def open_file(qtbot):
    """Opens a file in a window and waits until its settings are worked out."""
    return lambda window, path: open_in(window, qtbot, path)


def small_fit(small_map, path, epochs):
    """Snapshots of a small quick fit of the small map."""
    field = FieldConfig(width=24, blocks=1, steps=3, omega_0=10.0)
    training = TrainingConfig(max_epochs=epochs, batch=512, micro_batch=512, learning_rate=3e-3, device="cpu")
    return fit(open_volume(str(small_map)), FitConfig(preset="quick", field=field, training=training), path=path)


@pytest.fixture(scope="session")
def finished_run(small_map, tmp_path_factory):
    """The run file of a finished fit of the small map."""
    path = tmp_path_factory.mktemp("runs") / "finished.dinr"
    for _ in small_fit(small_map, path, 15):
        pass
    return path


@pytest.fixture(scope="session")
def cut_off_run(small_map, tmp_path_factory):
    """The run file of a fit of the small map that was stopped after some looks."""
    path = tmp_path_factory.mktemp("runs") / "cut off.dinr"
    snapshots = small_fit(small_map, path, 10_000)
    while next(snapshots).step < 100:
        pass
    snapshots.close()
    return path


@pytest.fixture
def stopped_run(cut_off_run, tmp_path):
    """A copy of the stopped run's file, to go on with."""
    return shutil.copy(cut_off_run, tmp_path / "stopped.dinr")


@pytest.fixture
def fitted(window, qtbot, finished_run):
    """The window with the finished run open: data and field."""
    open_in(window, qtbot, finished_run)
    assert window.studio.field is not None
    return window


class Mouse:
    """What a hand does with a mouse; positions are in the widget's pixels."""

    @staticmethod
    def move(widget, place):
        """Moves over a widget; unlike QTest's, this tells the widget again of where the cursor was already."""
        place, none = QPointF(place), Qt.MouseButton.NoButton
        glob = QPointF(widget.mapToGlobal(place))
        event = QMouseEvent(QEvent.Type.MouseMove, place, glob, none, none, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(widget, event)

    @staticmethod
    def drag(widget, start, stop, steps=6):
        """Presses the left button, moves, and releases it."""
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        kinds = QEvent.Type
        start, stop = QPointF(start), QPointF(stop)
        way = [start + (stop - start) * i / steps for i in range(1, steps + 1)]
        moves = [(kinds.MouseMove, none, none, start), (kinds.MouseButtonPress, left, left, start)]
        moves += [(kinds.MouseMove, none, left, place) for place in way]
        moves += [(kinds.MouseButtonRelease, left, none, stop)]
        for kind, button, held, place in moves:
            glob = QPointF(widget.mapToGlobal(place))
            event = QMouseEvent(kind, place, glob, button, held, Qt.KeyboardModifier.NoModifier)
            QApplication.sendEvent(widget, event)
            QApplication.processEvents()

    @staticmethod
    def wheel(widget, place, notches, modifiers=Qt.KeyboardModifier.NoModifier):
        """Turns the wheel by so many notches (above 0: away from the hand)."""
        for _ in range(abs(notches)):
            turned = QPoint(0, 120 if notches > 0 else -120)
            event = QWheelEvent(
                QPointF(place), QPointF(widget.mapToGlobal(QPointF(place))), QPoint(), turned,
                Qt.MouseButton.NoButton, modifiers, Qt.ScrollPhase.NoScrollPhase, False,
            )  # fmt: skip
            QApplication.sendEvent(widget, event)
        QApplication.processEvents()


@pytest.fixture
def mouse():
    """The mouse."""
    return Mouse


@pytest.fixture
def type_in(qtbot):
    """Replaces the text of an edit and presses Enter."""

    def do(edit, text):
        edit.setFocus()
        edit.selectAll()
        qtbot.keyClicks(edit, text)
        qtbot.keyClick(edit, Qt.Key.Key_Return)

    return do


@pytest.fixture
def pixels():
    """What a widget shows, or an image, as brightness (rows, columns) from 0 to 255."""

    def of(shown):
        image = shown if isinstance(shown, QImage) else shown.grab().toImage()
        image = image.convertToFormat(QImage.Format.Format_Grayscale8)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
        return rows[:, : image.width()].astype(float)

    return of


@pytest.fixture
def in_dialog():
    """Does something in the modal dialog that comes next, and sees to it that it closes; the titles of those seen."""
    timers = []

    def arrange(act):
        seen, timer = [], QTimer(interval=20)
        timers.append(timer)

        def look():
            dialog = QApplication.activeModalWidget()
            if dialog is None:
                return
            timer.stop()
            seen.append(dialog.windowTitle())
            try:
                act(dialog)
            finally:
                if dialog.isVisible():
                    dialog.reject()

        timer.timeout.connect(look)
        timer.start()
        return seen

    yield arrange
    for timer in timers:
        timer.stop()
