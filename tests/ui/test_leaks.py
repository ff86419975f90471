"""Fit after fit in one window: objects of Qt, threads and open files stay what they were. `--fits N` makes N / 8."""

import gc
import sys

import numpy as np
import psutil
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QObject
from PySide6.QtWidgets import QApplication

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig

WARM_UP = 3  # fits until all threads and views are there
UNDER_WAY = (4, 0, 2, 4)  # objects, widgets, threads and files of a work that has not quite ended
MOST_GROWTH = 0.75  # MiB a fit, of the whole window with all that it shows
HEAP = 16  # MiB that a heap grows by at once, now and then


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files and resident memory as Linux does")
@pytest.mark.timeout(3600)
def test_fit_after_fit_a_window_keeps_no_object_thread_or_file_of_them(lent_window, open_file, small_map, qtbot, fits):
    window, process = lent_window, psutil.Process()
    evaluators = (window.studio.pictures, window.studio.analyses, window.studio.rivals)

    def idle():
        return all(evaluator.idle for evaluator in evaluators)

    open_file(window, small_map)
    field = FieldConfig(width=16, blocks=1, steps=2, omega_0=10.0)
    counts, memory = [], []
    for number in range(WARM_UP + fits // 8):
        training = TrainingConfig(max_epochs=2, batch=1024, micro_batch=1024, device="cpu", seed=number)
        with qtbot.waitSignal(window.studio.fit.ended, timeout=60_000):
            window.studio.start_fit(FitConfig(preset="quick", field=field, training=training))
        qtbot.waitUntil(idle, timeout=60_000)
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
        objects = len(window.findChildren(QObject))
        counts.append((objects, len(QApplication.allWidgets()), process.num_threads(), process.num_fds()))
        memory.append(process.memory_info().rss / 2**20)
    counts, memory = np.array(counts)[WARM_UP:], memory[WARM_UP:]
    print(f"\nobjects, widgets, threads, files: {counts.tolist()}; {np.round(memory).tolist()} MiB")
    half = len(counts) // 2
    assert (counts[half:].max(axis=0) <= counts[:half].min(axis=0) + UNDER_WAY).all()
    assert memory[-1] - memory[0] < MOST_GROWTH * len(memory) + HEAP
