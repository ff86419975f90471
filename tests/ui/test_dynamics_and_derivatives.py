"""The analysis windows of the latent dynamics and of derivatives."""

import shlex

import numpy as np
import pytest
import torch
from PySide6.QtCore import QProcess, Qt
from PySide6.QtGui import QGuiApplication

from dinr_studio.experiments.inside.jacobian_study import study_jacobians
from dinr_studio.io import open_volume
from dinr_studio.sampling.derivatives import NAMES, quantity_field
from dinr_studio.sampling.evaluate import evaluate_slabs
from dinr_studio.stages import result_of
from dinr_studio.training.fit import field_of
from dinr_studio.ui.analysis.derivatives import QUANTITIES

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def window(lent_window, open_file, finished_run):
    open_file(lent_window, finished_run)
    yield lent_window
    lent_window.analyses.close()


@pytest.fixture
def derivatives(window):
    shown = window.analyses.show("analyse-derivatives")
    shown.quantity.setCurrentIndex(shown.quantity.findData("gradient-magnitude"))
    shown.index.setValue(5)
    shown.factor.setValue(2)
    return shown


@pytest.fixture
def dynamics(window):
    shown = window.analyses.show("analyse-dynamics")
    shown.points.setValue(20)
    shown.places.setValue(8)
    shown.looks.setValue(0)
    shown.seeds.setText("")
    return shown


def run_through(qtbot, shown):
    qtbot.mouseClick(shown.run_button, LEFT)
    qtbot.waitUntil(lambda: not shown.running, timeout=60_000)


def test_a_slice_of_a_quantity_is_that_of_the_core_at_its_place_in_the_world(derivatives, qtbot):
    run_through(qtbot, derivatives)
    assert derivatives.state.text().startswith("Done in"), derivatives.state.text()
    run, found = derivatives.run, derivatives.view.shown
    derived = quantity_field(field_of(run, torch.device("cpu")), "gradient-magnitude")
    grid = run.grid.cropped((5, 0, 0), (6, 18, 16)).upsampled((1, 2, 2))
    expected = np.concatenate(list(evaluate_slabs(derived, grid)))[0, ..., 0]
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)
    place = derivatives.view._image.mapRectToParent(derivatives.view._image.boundingRect())
    assert (place.left(), place.top()) == pytest.approx((10.0 - 0.5, -5.0 - 0.75))
    assert (place.width(), place.height()) == pytest.approx((16.0, 27.0))
    assert found.label == "gradient magnitude (1/angstrom)"


def test_every_quantity_can_be_chosen_and_one_that_the_field_has_not_is_told(derivatives, qtbot):
    assert set(QUANTITIES.values()) == set(NAMES)
    derivatives.quantity.setCurrentIndex(derivatives.quantity.findData("curl"))
    run_through(qtbot, derivatives)
    assert "vector field" in derivatives.state.text()
    assert derivatives.state.property("role") == "fault"


def test_the_slice_at_the_crosshair_follows_it_in_the_copied_command(derivatives):
    derivatives.index.setValue(-1)
    derivatives.studio.move_crosshair({0: 7})
    derivatives.copy_command()
    words = shlex.split(QGuiApplication.clipboard().text())
    assert words[:2] == ["dinr-studio", "slice"]
    assert words[words.index("--index") + 1] == "7"
    assert words[words.index("--quantity") + 1] == "gradient-magnitude"


def test_a_quantity_opens_as_a_volume_in_a_window_of_its_own(derivatives, qtbot, monkeypatch):
    started = []
    monkeypatch.setattr(QProcess, "startDetached", lambda *words: started.append(words))
    derivatives.factor.setValue(1)
    qtbot.mouseClick(derivatives.open_button, LEFT)
    qtbot.waitUntil(lambda: bool(started), timeout=60_000)
    volume = open_volume(started[0][1][-1])
    assert volume.grid.shape == derivatives.run.grid.shape
    assert volume.grid.voxel_size == pytest.approx(derivatives.run.grid.voxel_size)
    assert volume.value_unit == "1/angstrom"


def test_a_quantity_is_exported_where_it_is_asked_for(derivatives, qtbot, in_dialog, tmp_path):
    path = tmp_path / "q.mrc"
    in_dialog(lambda dialog: (dialog.place.edit.setText(str(path)), dialog.accept()))
    qtbot.mouseClick(derivatives.export_button, LEFT)
    qtbot.waitUntil(path.exists, timeout=60_000)
    assert open_volume(str(path)).grid.shape == tuple(2 * n for n in derivatives.run.grid.shape)
    qtbot.waitUntil(lambda: "q.mrc" in derivatives.state.text(), timeout=10_000)


def test_the_dynamics_are_shown_in_three_tabs_with_the_verdict_of_the_core(dynamics, qtbot):
    dynamics.seeds.setText("1, 2")
    run_through(qtbot, dynamics)
    assert dynamics.state.text().startswith("Done in"), dynamics.state.text()
    expected = result_of(study_jacobians(dynamics.run, 8, seeds=(1, 2)))
    assert dynamics.verdict.text() == expected.verdict
    _, ranks = dynamics.ranks.curves["field: product"].getOriginalDataset()
    np.testing.assert_allclose(ranks, expected.now.product_rank, rtol=1e-6)
    assert "seed 2 at its start: J" in dynamics.ranks.curves
    assert dynamics.map.shown.title == "kinetic energy"
    for tab, (command, has_table) in enumerate((("trajectories", True), ("jacobians", True), ("export", False))):
        dynamics.tabs.setCurrentIndex(tab)
        assert shlex.split(dynamics.command())[1] == command
        assert dynamics.figure() is not None
        assert dynamics.table_button.isEnabled() == has_table
    dynamics.tabs.setCurrentIndex(1)
    assert shlex.split(dynamics.command())[-2:] == ["--seeds", "1,2"]
    assert len(dynamics.table()["step"]) == len(expected.now.norm)


def test_the_course_of_alignment_has_a_tab_of_its_own(dynamics, qtbot):
    dynamics.looks.setValue(2)
    run_through(qtbot, dynamics)
    assert dynamics.state.text().startswith("Done in"), dynamics.state.text()
    dynamics.looks.setValue(0)
    dynamics.tabs.setCurrentIndex(3)
    assert "Trained again" in dynamics.course_note.text()
    _, moved = dynamics.shares.curves["displacement of states (of their norm)"].getOriginalDataset()
    assert moved[-1] == pytest.approx(dynamics._known.jacobians.now.displacement, rel=1e-3)
    assert len(dynamics.table()["course: step"]) == 2
    assert dynamics.figure() is not None
    dynamics.clear()
    dynamics.follow()
    assert dynamics.figure() is None
    assert "choose how many looks" in dynamics.course_note.text()


def test_seeds_that_are_no_numbers_are_told(dynamics):
    dynamics.seeds.setText("one")
    dynamics.start()
    assert not dynamics.running
    assert "such as 1, 2" in dynamics.state.text()
