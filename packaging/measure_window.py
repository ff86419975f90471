"""Measures the window on this machine: python packaging/measure_window.py [start] [latency] [zoom] [rounds].

start: seconds from the command to a window that answers. latency: delays of the event loop during a fit, in ms.
zoom: seconds from a turn of the wheel to the first and to the final picture of 900 x 900 pixels, presets quick, paper.
rounds: memory after 50 rounds of open, fit, discard. Needs a display (xvfb-run -a -s "-screen 0 1920x1080x24" ...).
"""

import gc
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import psutil
from PySide6.QtCore import QPointF, QSettings, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from dinr_studio.ui import commands
from dinr_studio.ui.application import make_application
from dinr_studio.ui.main_window import MainWindow

SAMPLE = "sample:turbulence-3d"
ROUNDS = 50


def until(true, seconds=300.0):
    """Lets the event loop run until something is true."""
    end = time.perf_counter() + seconds
    while not true():
        if time.perf_counter() > end:
            raise TimeoutError
        QTest.qWait(5)


def make_window(width=1600, height=1000):
    window = MainWindow()
    window.resize(width, height)
    window.show()
    QTest.qWaitForWindowExposed(window)
    return window


def open_sample(window, preset):
    window.open(SAMPLE)
    until(lambda: window.studio.volume is not None and window.field_panel.config is not None)
    window.field_panel.choose_preset(preset)
    until(lambda: window.field_panel.config.preset == preset)
    QTest.qWait(3000)  # the plan has been measured by then


def start_fit(window):
    window.actions_by_name["fit"].trigger()
    until(lambda: window.studio.fit.last is not None and window.studio.fit.last.phase == "training")


class Latency:
    """How late a timer of 5 ms comes."""

    def __init__(self):
        self.late, self.last = [], time.perf_counter()
        self.timer = QTimer(interval=5)
        self.timer.timeout.connect(self.tick)
        self.timer.start()

    def tick(self):
        now = time.perf_counter()
        self.late.append(1000 * (now - self.last - 0.005))
        self.last = now

    def report(self, name):
        self.timer.stop()
        print(f"latency, {name}: p95 {np.percentile(self.late, 95):.1f} ms, max {max(self.late):.1f} ms", flush=True)


def measure_start():
    code = (
        "import time; from dinr_studio.ui.application import make_application; app = make_application()\n"
        "from dinr_studio.ui.main_window import MainWindow; w = MainWindow(); w.show()\n"
        "from PySide6.QtTest import QTest; QTest.qWaitForWindowExposed(w); app.processEvents(); w.close()"
    )
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    print(f"start: {min(times):.2f} s at best, {np.median(times):.2f} s in the median, to a window that answers")


def measure_latency():
    window = make_window()
    open_sample(window, "quick")
    start_fit(window)
    QTest.qWait(3000)
    pane = window.slices.panes[0]
    for name, act, pause in (
        ("fit", lambda: None, 250),
        ("fit and panning", lambda: pane.box.translateBy(x=0.03, y=0.01), 50),
        ("fit and zooming", lambda: pane.zoom(1.05), 100),
        ("fit and turning the volume", lambda: window.volume_view.scene.turn(4), 100),
    ):
        latency = Latency()
        for _ in range(60):
            act()
            QTest.qWait(pause)
        latency.report(name)
    window.close()


def measure_zoom(preset):
    window = make_window()
    open_sample(window, preset)
    window.field_panel.change(max_epochs=1000)
    QTest.qWait(500)
    start_fit(window)
    QTest.qWait(2000)
    window.actions_by_name["pause"].trigger()
    window.slices.show_alone(window.slices.panes[0])
    for dock in window.docks.values():
        dock.hide()
    pane = window.slices.panes[0]
    QTest.qWait(500)
    box = pane.box.sceneBoundingRect()
    window.resize(window.width() + 900 - int(box.width()), window.height() + 900 - int(box.height()))
    pane.mode.setCurrentText("Field")
    pane.box.setRange(xRange=(1.0, 4.0), yRange=(1.0, 4.0), padding=0)
    until(lambda: pane.tiles.open_tiles == 0, 600)
    tiles = pane.tiles
    before = set(tiles._tiles)
    began = time.perf_counter()
    viewport = pane.view.viewport()
    centre = QPointF(viewport.width() / 2, viewport.height() / 2)
    turn_wheel(viewport, centre, 1200)
    until(lambda: set(tiles._tiles) - before)
    first = time.perf_counter() - began
    until(lambda: tiles.open_tiles == 0, 600)
    final = time.perf_counter() - began
    size = pane.box.sceneBoundingRect()
    print(
        f"zoom, {preset}, {size.width():.0f} x {size.height():.0f} pixels: first {first:.2f} s, final {final:.2f} s, "
        f"{len(set(tiles._tiles) - before)} tiles",
        flush=True,
    )
    window.close()


def turn_wheel(widget: QWidget, place: QPointF, angle: int):
    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QWheelEvent
    from PySide6.QtWidgets import QApplication

    event = QWheelEvent(
        place,
        widget.mapToGlobal(place),
        QPoint(),
        QPoint(0, angle),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def measure_rounds():
    window = make_window(1280, 720)
    window.open(SAMPLE)
    until(lambda: window.studio.volume is not None and window.field_panel.config is not None)
    process, memory = psutil.Process(), []
    for i in range(ROUNDS):
        window.field_panel.change(max_epochs=1000 + i)
        start_fit(window)
        until(lambda: window.studio.fit.last.step > 3)
        window.studio.fit.discard()
        until(lambda: not window.studio.fit.running)
        before = window.studio.volume
        window.open(SAMPLE if i % 2 else "sample:emd-3001")
        until(lambda before=before: window.studio.volume is not before and window.field_panel.config is not None)
        gc.collect()
        memory.append(process.memory_info().rss / 2**20)
        print(f"round {i + 1}: {memory[-1]:.0f} MiB", file=sys.stderr, flush=True)
    print(f"rounds: {memory[4]:.0f} MiB after 5, {memory[-1]:.0f} MiB after {ROUNDS} rounds of open, fit, discard")
    window.close()


def main():
    asked = sys.argv[1:] or ["start", "latency", "zoom", "rounds"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = folder
        QSettings.setDefaultFormat(QSettings.Format.IniFormat)
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
        make_application()
        commands.question = lambda *_: "Discard"
        if "start" in asked:
            measure_start()
        if "latency" in asked:
            measure_latency()
        if "zoom" in asked:
            measure_zoom("quick")
            measure_zoom("paper")
        if "rounds" in asked:
            measure_rounds()


if __name__ == "__main__":
    main()
