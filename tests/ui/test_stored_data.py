"""Data that stays in its file: slices are read by threads of their own, and the window waits for none."""

import threading
import time

import numpy as np
import pytest

from dinr_studio.io import reading
from dinr_studio.stored import StoredValues
from dinr_studio.ui.dialogs.figure import open_tiles

SHAPE = (40, 300, 260)


@pytest.fixture
def path(tmp_path):
    """A file whose xy planes are large enough to be looked at coarsely at first."""
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    np.save(tmp_path / "large.npy", (np.sin(x / 9) + np.cos(y / 11) + 0.02 * z).astype(np.float32))
    return tmp_path / "large.npy"


@pytest.fixture
def large(window, qtbot, path, monkeypatch):
    """The window with that file, which counts as larger than memory."""
    monkeypatch.setattr(reading, "SMALL", 0)
    monkeypatch.setattr(reading, "available_bytes", lambda: 1 << 20)
    with qtbot.waitSignal(window.studio.volume_opened, timeout=30_000):
        window.open(str(path))
    assert window.studio.volume.is_stored
    return window


def read(window, qtbot):
    qtbot.waitUntil(lambda: not any(pane.content.reading for pane in window.slices.panes), timeout=30_000)


def test_slices_show_what_is_in_the_file_and_follow_the_crosshair(large, qtbot, path):
    values = np.load(path)
    for at in ({}, {0: 7.0, 1: 123.0, 2: 11.0}):
        if at:
            large.studio.move_crosshair(at)
        read(large, qtbot)
        z, y, x = (round(i) for i in large.studio.crosshair)
        xy, xz, yz = (pane.content.data for pane in large.slices.panes[:3])
        np.testing.assert_array_equal(xy, values[z])
        np.testing.assert_array_equal(xz, values[:, y])
        np.testing.assert_array_equal(yz, values[:, :, x])
        assert large.slices.panes[0].content.data_value((5.0, 6.0)) == values[z, 5, 6]


def test_the_window_goes_on_while_a_slice_is_read_slowly(large, qtbot, monkeypatch):
    read(large, qtbot)
    readers, slow = set(), threading.Event()
    whole = StoredValues.__getitem__

    def slowly(self, index):
        readers.add(threading.current_thread())
        slow.set()
        time.sleep(0.3)
        return whole(self, index)

    monkeypatch.setattr(StoredValues, "__getitem__", slowly)
    large.studio.move_crosshair({0: 30.0})
    qtbot.waitUntil(slow.is_set, timeout=10_000)
    pane = large.slices.panes[0]
    assert pane.content.reading
    assert pane.sign.text() == "reading the file"
    assert open_tiles(large.slices) > 0  # a picture of it waits
    large.studio.move_crosshair({0: 31.0})
    monkeypatch.undo()
    read(large, qtbot)
    assert threading.main_thread() not in readers
    assert pane.sign.text() == ""


def test_a_file_that_changes_says_so_on_its_slices(large, qtbot, path):
    read(large, qtbot)
    np.save(path, np.load(path)[:20])
    large.studio.move_crosshair({0: 3.0})
    pane = large.slices.panes[0]
    qtbot.waitUntil(lambda: "changed" in pane.sign.text(), timeout=10_000)
