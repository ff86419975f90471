"""The windows on belief show what the core finds, say what is in the way, and give the command that repeats it."""

import shlex
import shutil

import h5py
import numpy as np
import pytest
from PySide6.QtCore import Qt

from dinr_studio.experiments.belief.maps import Choice
from dinr_studio.experiments.belief.structure_scores import structure_of
from dinr_studio.experiments.steps import told
from dinr_studio.io import open_volume
from dinr_studio.stages import result_of
from dinr_studio.training.run_data import volume_of
from dinr_studio.training.run_file import read_run

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def window(lent_window):
    yield lent_window
    lent_window.analyses.close()


@pytest.fixture
def with_run(window, open_file, finished_run):
    if window.studio.field is None or str(window.studio.run_path) != str(finished_run):
        open_file(window, finished_run)
    return window


def run_through(qtbot, shown):
    qtbot.mouseClick(shown.run_button, LEFT)
    qtbot.waitUntil(lambda: not shown.running, timeout=60_000)
    assert shown.state.text().startswith("Done in"), shown.state.text()


def words_of(shown):
    return shlex.split(shown.command())


def test_spectra_of_data_field_and_residual_are_drawn_in_all_directions_and_along_axes(with_run, qtbot):
    shown = with_run.analyses.show("analyse-spectra")
    shown.factor.setCurrentIndex(2)
    run_through(qtbot, shown)
    assert set(shown.plot.curves) == {"data", "field", "residual", "field x2"}
    assert "beyond the data's Nyquist" in shown.verdict.text()
    assert shown.along.count() == 1 + len(shown.run.grid.axes)
    shown.along.setCurrentIndex(1)
    assert "cycles per" in shown.plot.getPlotItem().getAxis("bottom").labelText
    assert words_of(shown)[-2:] == ["--factor", "2"]
    assert shown.table()["data, z: frequency"][0] == 0


def test_spectra_of_data_alone_need_no_run(window, qtbot, open_file, small_map):
    open_file(window, small_map)
    shown = window.analyses.show("analyse-spectra")
    run_through(qtbot, shown)
    assert set(shown.plot.curves) == {"data"}


def test_the_correlation_of_field_and_data_has_its_resolutions_and_local_slices(with_run, qtbot, tmp_path, in_dialog):
    shown = with_run.analyses.show("analyse-fsc")
    shown.masking.kind.setCurrentIndex(1)
    shown.directional.setChecked(True)
    shown.local.setChecked(True)
    shown.window_size.setValue(8)
    run_through(qtbot, shown)
    assert {"without mask", "with mask", "corrected for the mask", "half-bit"} <= set(shown.plot.curves)
    assert "resolution" in shown.verdict.text()
    assert shown.resolutions.columnCount() == 3
    assert shown.slices.count == 3
    assert {"--directional", "--local", "--mask"} < set(words_of(shown))
    path = tmp_path / "local.h5"
    in_dialog(lambda dialog: (dialog.place.edit.setText(str(path)), dialog.accept()))
    qtbot.mouseClick(shown.save_local, LEFT)
    qtbot.waitUntil(path.exists, timeout=30_000)
    qtbot.waitUntil(lambda: "local.h5" in shown.state.text(), timeout=10_000)
    with h5py.File(path) as file:
        assert next(iter(file.values())).shape == shown.run.grid.shape


def test_two_half_maps_are_compared_by_naming_the_other(window, qtbot, open_file, small_map):
    open_file(window, small_map)
    shown = window.analyses.show("analyse-fsc")
    shown.start()
    assert "no field yet" in shown.state.text()
    shown.pair.setCurrentIndex(2)
    shown.start()
    assert "other file first" in shown.state.text()
    shown.other.edit.setText(str(small_map))
    run_through(qtbot, shown)
    np.testing.assert_allclose(shown.table()["unmasked"], 1, atol=1e-9)


def test_the_last_layers_deviations_are_shown_and_saved_with_the_mean(with_run, qtbot, tmp_path, in_dialog):
    shown = with_run.analyses.show("analyse-uncertainty")
    run_through(qtbot, shown)
    assert "Last-layer Laplace" in shown.verdict.text()
    assert shown.coverage.rowCount() == 4
    assert shown.slices.count == 2
    path = tmp_path / "deviation.h5"
    in_dialog(lambda dialog: (dialog.place.edit.setText(str(path)), dialog.accept()))
    qtbot.mouseClick(shown.save_volumes, LEFT)
    qtbot.waitUntil(lambda: "deviation.h5" in shown.state.text(), timeout=30_000)
    deviation, mean = open_volume(path), open_volume(tmp_path / "deviation-mean.h5")
    assert deviation.grid.shape == mean.grid.shape == shown.run.grid.shape
    assert deviation.value_range[0] >= 0
    shown.source.setCurrentIndex(1)
    shown.start()
    assert "folder first" in shown.state.text()


def test_structure_scores_are_those_of_the_core(with_run, qtbot, finished_run):
    shown = with_run.analyses.show("analyse-structure")
    run_through(qtbot, shown)
    run = read_run(finished_run)
    expected = result_of(told(structure_of(run, volume_of(run, finished_run), Choice())))
    assert shown.by_region.rowCount() == 1 + len(expected.regions)
    assert shown.by_region.item(0, 1).text() == f"{expected.whole.psnr:.2f}"
    assert shown.by_band.rowCount() == len(expected.bands)
    assert words_of(shown)[1] == "score"
    shown.regions.edit.setText("nowhere.mrc")
    shown.start()
    qtbot.waitUntil(lambda: not shown.running, timeout=30_000)
    assert "nowhere.mrc" in shown.state.text()
    assert shown.state.property("role") == "fault"


SMALL = {"preset": "quick", "family": "dinr-siren", "changes": {"max_epochs": 1, "width": 8, "held_out_share": 0.1}}


@pytest.fixture
def with_small_fits(window, open_file, small_map, qtbot):
    """A window with data, whose Field panel has settings of fits that take a moment."""
    open_file(window, small_map)
    window.field_panel.apply(SMALL)
    qtbot.waitUntil(lambda: getattr(window.field_panel.config, "field", None) is not None, timeout=20_000)
    qtbot.waitUntil(lambda: window.field_panel.config.field.width == 8, timeout=20_000)
    return window


def test_an_ensemble_is_fitted_as_the_field_panel_says_and_its_spread_shown(with_small_fits, qtbot, tmp_path):
    shown = with_small_fits.analyses.show("analyse-uncertainty")
    shown.source.setCurrentIndex(2)
    shown.members.setValue(2)
    shown.folder.edit.setText("")
    shown.start()
    assert "folder first" in shown.state.text()
    shown.folder.edit.setText(str(tmp_path / "members"))
    run_through(qtbot, shown)
    assert "Ensemble of 2" in shown.verdict.text()
    assert shown.slices.count == 2
    runs = [read_run(path) for path in sorted((tmp_path / "members").glob("*.dinr"))]
    assert [run.config.field.width for run in runs] == [8, 8]
    words = words_of(shown)
    assert words[:3] == ["dinr-studio", "ensemble", str(with_small_fits.studio.file)]
    assert {"width=8", "max_epochs=1"} <= set(words)


def test_a_volume_is_split_fitted_twice_and_its_fields_correlated(with_small_fits, qtbot, tmp_path):
    shown = with_small_fits.analyses.show("analyse-twin")
    shown.start()
    assert "second half map's file first" in shown.state.text()
    shown.second.setCurrentIndex(1)
    shown.start()
    assert "folder first" in shown.state.text()
    shown.folder.edit.setText(str(tmp_path / "twins"))
    run_through(qtbot, shown)
    assert set(shown.plot.curves) == {"fields"}
    assert "disjoint halves" in shown.verdict.text()
    assert shown.resolutions.rowCount() == 1
    assert "--split" in words_of(shown)
    assert {path.name for path in (tmp_path / "twins").iterdir()} == {
        "half-1.dinr",
        "half-2.dinr",
        "fsc.csv",
        "fsc.svg",
    }
    assert shown.figure()() is not None


def test_two_half_maps_are_fitted_and_held_against_each_other(with_small_fits, qtbot, tmp_path, small_map):
    import mrcfile

    twin = tmp_path / "twin.mrc"
    shutil.copy(small_map, twin)
    with mrcfile.open(twin, mode="r+") as mrc:
        mrc.set_data(mrc.data + np.random.default_rng(0).normal(0, 0.1, mrc.data.shape).astype(np.float32))
    shown = with_small_fits.analyses.show("analyse-twin")
    shown.second.setCurrentIndex(0)
    shown.folder.edit.setText(str(tmp_path / "twins"))
    shown.other.edit.setText(str(small_map))
    shown.start()
    qtbot.waitUntil(lambda: not shown.running, timeout=30_000)
    assert "are one file" in shown.state.text()
    shown.other.edit.setText(str(twin))
    run_through(qtbot, shown)
    assert set(shown.plot.curves) == {"fields", "half maps", "field against the other half map"}
    assert shown.resolutions.rowCount() == 2
    assert "field against the other half map" in shown.table()
    assert words_of(shown)[1:4] == ["twin-fit", str(with_small_fits.studio.file), str(twin)]
