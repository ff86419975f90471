"""Vectors, colours, time and tables of many columns in the window."""

import numpy as np
import pytest
import torch
from PIL import Image
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QDialogButtonBox

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.io import open_volume
from dinr_studio.sampling.evaluate import values_at
from dinr_studio.training.fit import field_of, fit
from dinr_studio.ui.dialogs.export import ExportDialog
from dinr_studio.ui.views import time_bar

xarray = pytest.importorskip("xarray")
torch.set_num_threads(1)

KEY, OPEN = Qt.Key, QDialogButtonBox.StandardButton.Open


@pytest.fixture(scope="module")
def wind(tmp_path_factory):
    """Wind in two components, five frames six hours apart, and a field of another shape."""
    path = tmp_path_factory.mktemp("wind") / "wind.nc"
    t, y, x = np.meshgrid(np.linspace(0, 2, 5), np.linspace(0, 3, 12), np.linspace(0, 3, 14), indexing="ij")
    data = xarray.Dataset()
    for name, values in (("u", 3 * np.sin(x + t)), ("v", 4 * np.cos(y - t))):
        data[name] = (("time", "y", "x"), values.astype(np.float32), {"units": "m s-1"})
    data["height"] = (("y", "x"), y[0] + x[0])
    places = {name: (name, np.arange(float(n)), {"units": "km"}) for name, n in (("y", 12), ("x", 14))}
    times = ("time", 6.0 * np.arange(5), {"units": "hours since 2001-03-01"})
    data.assign_coords(time=times, **places).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.fixture(scope="module")
def wind_run(wind, tmp_path_factory):
    """The run file of a short fit to both components, with a whole frame held out."""
    path = tmp_path_factory.mktemp("runs") / "wind.dinr"
    options = {"dataset": "u,v"}
    field = FieldConfig(width=16, blocks=1, steps=2, omega_0=5.0)
    training = TrainingConfig(max_epochs=20, batch=256, micro_batch=256, held_out_scheme="frames", device="cpu")
    config = FitConfig(preset="quick", field=field, training=training)
    list(fit(open_volume(wind, **options), config, path=path, open_options=options))
    return path


def test_several_datasets_are_opened_as_one_field(lent_window, qtbot, wind, in_dialog):
    hints = []

    def choose(dialog):
        dialog.list.item(2).setSelected(True)
        hints.append((dialog.hint.text(), dialog._open.isEnabled()))
        dialog.list.item(2).setSelected(False)
        dialog.list.item(1).setSelected(True)
        hints.append((dialog.hint.text(), dialog._open.isEnabled()))
        dialog.accept()

    seen = in_dialog(choose)
    with qtbot.waitSignal(lent_window.studio.volume_opened, timeout=30_000):
        lent_window.open(str(wind))
    assert seen == ["Choose a dataset"]
    assert hints[0][0].startswith("Those have different shapes")
    assert hints[1][0] == "One field with 2 channels: u, v."
    assert [enabled for _, enabled in hints] == [False, True]
    assert lent_window.studio.volume.channel_names == ("u", "v")
    assert lent_window.studio.options == {"dataset": "u,v"}


def test_the_length_of_a_vector_is_shown_with_its_own_contrast_and_unit(lent_window, qtbot, wind_run, open_file):
    open_file(lent_window, wind_run)
    studio, panel, pane = lent_window.studio, lent_window.data_panel, lent_window.slices.panes[0]
    assert [panel.channel.itemText(i) for i in range(panel.channel.count())] == ["u", "v", "magnitude"]
    panel.channel.setCurrentIndex(2)
    assert studio.channel == "magnitude"
    length = np.linalg.norm(studio.volume.in_memory, axis=-1)
    np.testing.assert_allclose(pane.content.data, length[2], rtol=1e-6)
    assert studio.limits == pytest.approx(tuple(np.percentile(length, (0.5, 99.5))), rel=1e-3)
    qtbot.waitUntil(lambda: pane.content.field_value((5, 6)) is not None, timeout=30_000)
    field = field_of(studio.run, torch.device("cpu"))
    pane.fit_view()
    qtbot.waitUntil(lambda: pane.tiles.open_tiles == 0, timeout=60_000)
    shown = [tile for tile in pane.tiles.shown(pane.content.field_plane()) if tile.tile.level >= 0]
    assert shown
    expected = np.linalg.norm(values_at(field, studio.volume.grid.world(np.array([[2.0, 5.0, 6.0]]))))
    assert pane.content.field_value((5, 6)) == pytest.approx(expected, abs=0.5)
    qtbot.waitUntil(lambda: pane.view._bar_shown[2] == "magnitude (m s-1)")
    panel.channel.setCurrentIndex(1)
    np.testing.assert_array_equal(pane.content.data, studio.volume.in_memory[2, ..., 1])
    assert studio.value_label() == "v (m s-1)"
    assert panel.facts["Range"].text().endswith("m s-1")
    low, high = (float(text.replace("−", "-")) for text in panel.facts["Range"].text()[:-6].split(" to "))
    assert (low, high) == pytest.approx(studio.volume.channel_ranges[1], rel=1e-2)


def test_each_channel_s_score_stands_in_the_held_out_tab(lent_window, wind_run, open_file):
    open_file(lent_window, wind_run)
    tab, held = lent_window.monitor.held_out, lent_window.studio.run.scores["held_out"]
    for channel in held["by_channel"]:
        assert f"<b>{channel['name']}</b> {channel['psnr']:.1f} dB" in tab.channels.text()
    assert not tab.channels.isHidden()


def test_the_time_between_frames_is_seen_and_played(lent_window, qtbot, wind_run, open_file):
    open_file(lent_window, wind_run)
    bar, studio, pane = lent_window.slices.time, lent_window.studio, lent_window.slices.panes[0]
    assert bar.label.text() == "3 of 5  ·  2001-03-01 12:00"
    bar.between.setCurrentText("2 a frame")
    bar.slider.setFocus()
    qtbot.keyClick(bar.slider, KEY.Key_Right)
    assert studio.crosshair[0] == 2.5
    assert bar.label.text() == "3.5 of 5  ·  2001-03-01 15:00"
    assert pane.content.field_plane().at[0] == 2.5
    qtbot.waitUntil(lambda: pane.content.field_value((5, 6)) is not None, timeout=30_000)
    seen = []
    studio.crosshair_moved.connect(lambda: seen.append(studio.crosshair[0]))
    bar.speed.setValue(30)
    bar.play.click()
    qtbot.waitUntil(lambda: len(seen) >= 5, timeout=60_000)
    bar.play.click()
    assert seen[:5] == [3.0, 3.5, 4.0, 0.0, 0.5]
    bar.between.setCurrentText("recorded")
    assert studio.crosshair[0] == round(studio.crosshair[0])


def test_playing_waits_until_the_picture_is_there(lent_window, wind_run, open_file, monkeypatch):
    open_file(lent_window, wind_run)
    bar, studio = lent_window.slices.time, lent_window.studio
    start = studio.crosshair[0]
    monkeypatch.setattr(time_bar, "MOST_WAIT", 1e9)
    bar._moved = -2e9
    monkeypatch.setattr(type(studio.pictures), "idle", property(lambda self: False))
    bar._on_tick()  # the first one has nothing to wait for
    bar._on_tick()
    assert studio.crosshair[0] == start + 1
    monkeypatch.setattr(type(studio.pictures), "idle", property(lambda self: True))
    bar._on_tick()
    assert studio.crosshair[0] == start + 2


def test_frames_at_other_times_are_offered_for_export(lent_window, qtbot, wind_run, open_file, tmp_path):
    open_file(lent_window, wind_run)
    dialog = ExportDialog(lent_window.studio.run, None, None, tmp_path)
    qtbot.addWidget(dialog)
    dialog.place.edit.setText(str(tmp_path / "times.h5"))
    assert "times" not in dialog.target()
    for text, shape in (("2x", "9 × 12 × 14"), ("2001-03-01T03:00", "1 × 12 × 14"), ("0:24:8", "4 × 12 × 14")):
        dialog.times.setText(text)
        assert dialog.target()["times"] == text
        assert f"{shape} voxels" in dialog.summary.text()
        assert not dialog.fault.text()
    dialog.times.setText("24:48:6")
    assert "lie outside" in dialog.fault.text()
    dialog.done(0)


def test_a_picture_is_shown_in_its_colours(lent_window, qtbot, tmp_path, open_file):
    image = np.zeros((16, 18, 3), np.uint8)
    image[:, :6, 0], image[:, 6:12, 1], image[:, 12:, 2] = 220, 200, 180
    image[8:] //= 2
    Image.fromarray(image).save(tmp_path / "colours.png")
    open_file(lent_window, tmp_path / "colours.png")
    studio, pane = lent_window.studio, lent_window.slices.panes[0]
    assert studio.channel == "colour"
    assert studio.limits == (0, 255)  # as it is, not stretched
    assert not lent_window.data_panel.colours.isEnabled()

    def colour(row, column):
        place = pane.view.mapFromScene(pane.box.mapViewToScene(QPointF(column, row)))
        return pane.view.grab().toImage().pixelColor(place).getRgb()[:3]

    qtbot.waitUntil(lambda: colour(3, 2) == (220, 0, 0), timeout=10_000)
    assert colour(3, 7) == (0, 200, 0)
    assert colour(12, 14) == (0, 0, 90)
    assert pane.content.data[3, 2] == pytest.approx(220 / 3)  # what the pointer reads is the brightness
    lent_window.data_panel.channel.setCurrentIndex(1)
    assert studio.channel == 0
    assert lent_window.data_panel.colours.isEnabled()


@pytest.fixture
def table(tmp_path):
    """A table whose columns say nothing of what they are."""
    random = np.random.default_rng(0).random((200, 2))
    values = np.column_stack([random, np.sin(3 * random[:, 0]), np.cos(3 * random[:, 1])])
    np.savetxt(tmp_path / "table.csv", values, delimiter=",", header="rechts,hoch,druck [Pa],fluss [Pa]", comments="")
    return tmp_path / "table.csv"


def test_columns_of_a_table_are_chosen_and_changed(lent_window, qtbot, table, in_dialog):
    said = []

    def choose(dialog):
        said.append(dialog.hint.text())
        dialog.axes["x"].setCurrentText("rechts")
        dialog.axes["y"].setCurrentText("rechts")
        said.append(dialog.hint.text())
        dialog.axes["y"].setCurrentText("hoch")
        said.append(dialog.hint.text())
        assert not dialog.buttons.button(OPEN).isEnabled()
        dialog.values.item(2).setCheckState(Qt.CheckState.Checked)
        dialog.values.item(3).setCheckState(Qt.CheckState.Checked)
        said.append(dialog.hint.text())
        assert dialog.buttons.button(OPEN).isEnabled()
        dialog.accept()

    seen = in_dialog(choose)
    with qtbot.waitSignal(lent_window.studio.volume_opened, timeout=30_000):
        lent_window.open(str(table))
    assert seen == ["Choose columns"]
    assert "one position at least" in said[0]
    assert "chosen twice" in said[1]
    assert "one column of values" in said[2]
    assert said[3] == "A field of y, x with 2 channels."
    volume = lent_window.studio.volume
    assert (volume.grid.axes, volume.channel_names, volume.value_unit) == (("y", "x"), ("druck", "fluss"), "Pa")
    assert volume.samples.count == 200

    def change(dialog):
        assert dialog.chosen_axes == {"y": "hoch", "x": "rechts"}
        assert dialog.chosen_values == ["druck [Pa]", "fluss [Pa]"]
        dialog.values.item(2).setCheckState(Qt.CheckState.Unchecked)
        dialog.accept()

    in_dialog(change)
    assert lent_window.data_panel.columns.isVisibleTo(lent_window)
    with qtbot.waitSignal(lent_window.studio.volume_opened, timeout=30_000):
        lent_window.data_panel.columns.click()
    assert lent_window.studio.volume.channel_names == ("fluss",)
