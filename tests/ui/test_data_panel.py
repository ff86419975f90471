"""The data panel: facts, contrast, colours, voxel size and the part to fit; every edit can be undone."""

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QPushButton

from dinr_studio.sampling.target import target_grid
from dinr_studio.ui.dialogs.export import ExportDialog

LEFT, CTRL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
UNDO = (Qt.Key.Key_Z, CTRL)
REDO = (Qt.Key.Key_Z, CTRL | Qt.KeyboardModifier.ShiftModifier)


@pytest.fixture
def window(lent_window):
    """One window for all tests."""
    return lent_window


def histogram_place(panel, value):
    """The pixel of a value in the histogram, half way up."""
    box = panel.plot.getPlotItem().getViewBox()
    height = np.mean(box.viewRange()[1])
    return panel.plot.mapFromScene(box.mapViewToScene(QPointF(value, height)))


def set_part(qtbot, panel, row, first, last):
    """Types the first and last voxel of the part along one axis."""
    for spin, value in zip(panel.ends[row][1:], (first, last), strict=True):
        spin.setFocus()
        spin.selectAll()
        qtbot.keyClicks(spin, str(value))
        qtbot.keyClick(spin, Qt.Key.Key_Return)


def test_the_panel_states_what_was_opened(opened):
    facts = {name: label.text() for name, label in opened.data_panel.facts.items()}
    assert facts["File"] == "small map.mrc  (density)"
    assert facts["Shape"] == "z 20 × y 18 × x 16"
    assert facts["Type"] == "float32, 5,760 voxels"
    assert facts["Size"] == "40 × 27 × 16 angstrom"
    assert facts["Missing"] == "nothing"
    low, high = (float(text) for text in facts["Range"].replace("−", "-").split(" to "))
    values = opened.studio.volume.values
    assert (low, high) == (pytest.approx(values.min(), rel=1e-3), pytest.approx(values.max(), rel=1e-3))
    assert not opened.data_panel.channel.isVisible()


def test_dragging_an_edge_of_the_histograms_region_sets_the_contrast_and_can_be_undone(opened, qtbot, mouse):
    panel, before = opened.data_panel, opened.studio.limits
    goal = before[0] + 0.6 * (before[1] - before[0])
    qtbot.waitUntil(lambda: histogram_place(panel, before[1]).x() - histogram_place(panel, before[0]).x() > 80)
    mouse.drag(panel.plot.viewport(), histogram_place(panel, before[1]), histogram_place(panel, goal))
    assert opened.studio.limits[0] == before[0]
    assert opened.studio.limits[1] == pytest.approx(goal, abs=0.02)
    assert float(panel.high.text()) == pytest.approx(opened.studio.limits[1], rel=1e-4)
    after = opened.studio.limits
    assert opened.undo.count() == 1
    qtbot.keyClick(opened, *UNDO)
    assert opened.studio.limits == before
    assert panel.region.getRegion() == pytest.approx(before)
    qtbot.keyClick(opened, *REDO)
    assert opened.studio.limits == after


def test_contrast_limits_can_be_typed_and_nonsense_changes_nothing(opened, type_in):
    panel = opened.data_panel
    type_in(panel.low, "0,1")
    type_in(panel.high, "0.75")
    assert opened.studio.limits == (0.1, 0.75)
    for text in ("0.05", "high", ""):
        type_in(panel.high, text)
        assert opened.studio.limits == (0.1, 0.75)
        assert panel.high.text() == "0.75"
    for pane in opened.slices.shown:
        assert pane.studio.limits == (0.1, 0.75)


def test_automatic_contrast_spans_the_percentiles(opened, qtbot, type_in):
    type_in(opened.data_panel.low, "0.3")
    qtbot.keyClick(opened, Qt.Key.Key_L, CTRL)
    expected = np.percentile(opened.studio.volume.values, (0.5, 99.5))
    assert opened.studio.limits == pytest.approx(tuple(expected), rel=1e-3)
    qtbot.keyClick(opened, *UNDO)
    assert opened.studio.limits[0] == 0.3
    (button,) = (button for button in opened.data_panel.findChildren(QPushButton) if button.text() == "Auto")
    qtbot.mouseClick(button, LEFT)
    assert opened.studio.limits == pytest.approx(tuple(expected), rel=1e-3)


def test_the_slices_take_over_contrast_and_colours(opened, qtbot, pixels):
    pane = opened.slices.shown[0]

    def middle():
        return (
            pane.view.grab().toImage().pixelColor(pane.view.mapFromScene(pane.box.mapViewToScene(QPointF(17.5, 6.5))))
        )

    opened.studio.move_crosshair({0: 10, 1: 2, 2: 2})
    qtbot.waitUntil(lambda: middle().red() > 200)  # the blob's bright middle, in grey
    assert middle().red() == pytest.approx(middle().blue(), abs=3)
    opened.studio.set_limits(0.0, 3.0)
    qtbot.waitUntil(lambda: 40 < middle().red() < 120)
    opened.data_panel.colours.setFocus()
    qtbot.keyClicks(opened.data_panel.colours, "viri")
    assert opened.studio.colormap == "viridis"
    qtbot.waitUntil(lambda: middle().blue() > middle().red() + 40)


def test_a_voxel_size_put_right_is_carried_to_field_and_export_and_can_be_undone(fitted, qtbot, type_in, tmp_path):
    studio, panel = fitted.studio, fitted.data_panel
    assert studio.volume.grid.voxel_size == (2.0, 1.5, 1.0)
    type_in(panel.sizes[0][1], "3")
    assert studio.volume.grid.voxel_size == (3.0, 1.5, 1.0)
    assert studio.volume.grid.origin == (3.75, -5.0, 10.0)  # the voxel indices of places stay
    assert studio.present_run().grid == studio.volume.grid
    assert target_grid(studio.present_run().grid, factor=(2.0,)).voxel_size == (1.5, 0.75, 0.5)
    dialog = ExportDialog(studio.present_run(), None, None, tmp_path, fitted)
    assert float(dialog.resolution.edits["voxel_size", 0].text()) == 3.0
    dialog.reject()
    dialog.deleteLater()
    assert panel.facts["Size"].text() == "60 × 27 × 16 angstrom"
    (low, high) = fitted.slices.shown[1].box.viewRange()[1]
    assert high - low > 60
    qtbot.keyClick(fitted, *UNDO)
    assert studio.volume.grid.voxel_size == (2.0, 1.5, 1.0)
    assert studio.present_run().grid.voxel_size == (2.0, 1.5, 1.0)
    assert panel.sizes[0][1].text() == "2"
    qtbot.keyClick(fitted, *REDO)
    assert studio.present_run().grid.voxel_size == (3.0, 1.5, 1.0)


def test_the_unit_can_be_put_right_too(fitted, qtbot):
    box = fitted.data_panel.unit
    assert box.currentText() == "angstrom"
    box.lineEdit().selectAll()
    qtbot.keyClicks(box.lineEdit(), "nm")
    qtbot.keyClick(box.lineEdit(), Qt.Key.Key_Return)
    assert fitted.studio.volume.grid.units == ("nm",) * 3
    assert fitted.studio.present_run().grid.units == ("nm",) * 3
    qtbot.keyClick(fitted, *UNDO)
    assert fitted.studio.volume.grid.units == ("angstrom",) * 3
    assert box.currentText() == "angstrom"


def test_what_is_no_voxel_size_is_said_and_changes_nothing(opened, type_in):
    panel, grid = opened.data_panel, opened.studio.volume.grid
    for text in ("0", "-1", "two", "nan", ""):
        type_in(panel.sizes[1][1], text)
        assert panel.size_fault.isVisibleTo(panel)
        assert panel.size_fault.text() == "A voxel size is a positive number, such as 1.5."
        assert opened.studio.volume.grid == grid
    type_in(panel.sizes[1][1], "1.5")
    assert not panel.size_fault.isVisibleTo(panel)
    assert opened.undo.count() == 0


def test_the_part_to_fit_is_typed_drawn_and_undone(opened, qtbot):
    panel, studio = opened.data_panel, opened.studio
    assert not panel.whole.isEnabled()
    set_part(qtbot, panel, 0, 6, 15)
    set_part(qtbot, panel, 2, 12, 5)  # the wrong way round is taken as it is meant
    assert studio.box == ((5, 15), (0, 18), (4, 12))
    qtbot.waitUntil(lambda: len(opened.slices.shown[1].view.frame.getData()[0]) == 5)
    x, y = opened.slices.shown[1].view.frame.getData()  # z by x, in angstrom
    assert (min(x), max(x)) == (10 + 3.5, 10 + 11.5)
    assert (min(y), max(y)) == (2.5 + 4.5 * 2, 2.5 + 14.5 * 2)
    assert studio.fitted_volume.grid.shape == (10, 18, 8)
    qtbot.mouseClick(panel.whole, LEFT)
    assert studio.box is None
    qtbot.keyClick(opened, *UNDO)
    assert studio.box == ((5, 15), (0, 18), (4, 12))
    while opened.undo.canUndo():
        qtbot.keyClick(opened, *UNDO)
    assert studio.box is None
    assert [spin.value() for _, *spins in panel.ends[:3] for spin in spins] == [1, 20, 1, 18, 1, 16]


def test_a_fit_works_on_the_part_only(opened, qtbot, start_fit):
    set_part(qtbot, opened.data_panel, 0, 6, 15)
    start_fit(opened)
    qtbot.keyClick(opened, Qt.Key.Key_F7)
    qtbot.waitUntil(lambda: not opened.studio.fit.running, timeout=60_000)
    run = opened.studio.run
    assert run.grid.shape == (10, 18, 16)
    assert run.grid.origin == (2.5 + 5 * 2.0, -5.0, 10.0)
    assert run.open_options["crop"][0] == [5, 15]
    assert run.held_out.max() < run.grid.size
    pane = opened.slices.panes[1]
    qtbot.waitUntil(lambda: pane.tiles.open_tiles == 0 and len(list(pane.tiles.shown(pane.content.field_plane()))) > 0)
    qtbot.waitUntil(lambda: pane.view.layers[0].boundingRect().top() == pytest.approx(2.5 + 4.5 * 2))
    assert pane.view.layers[0].boundingRect().bottom() == pytest.approx(2.5 + 14.5 * 2)
    part, beside = (pane.view.mapFromScene(pane.box.mapViewToScene(QPointF(17, z))) for z in (20, 38))
    background = pane.view.backgroundBrush().color()
    shown = pane.view.grab().toImage()
    assert shown.pixelColor(part) != background
    assert shown.pixelColor(beside) == background  # nothing is claimed where nothing was fitted
    path = opened.studio.run_path
    opened.studio.close_volume()
    with qtbot.waitSignal(opened.studio.volume_opened, timeout=30_000):  # the run file opens the same part again
        opened.open(str(path))
    assert opened.studio.volume.grid == run.grid
