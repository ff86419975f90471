"""Fitting: the plan before, settings checked as typed, and a fit begun, paused, ended, thrown away and resumed."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton

from dinr_studio.analysis.diagnosis import HashGrid, Signs, diagnose
from dinr_studio.errors import MemoryShort
from dinr_studio.fields.build import parameter_count
from dinr_studio.sampling.evaluate import values_at
from dinr_studio.sampling.latent import at_latent_time
from dinr_studio.training import presets
from dinr_studio.training.fit import field_of
from dinr_studio.training.run_file import read_run
from dinr_studio.ui.runs import runs_folder

KEY, LEFT = Qt.Key, Qt.MouseButton.LeftButton
DEFAULT = {"preset": "auto", "family": "dinr-siren", "changes": {}}


@pytest.fixture
def window(lent_window, qtbot):
    """One window for all tests, each time without runs and with the settings of the first start."""
    shutil.rmtree(runs_folder(), ignore_errors=True)
    lent_window.field_panel.apply(DEFAULT)
    yield lent_window
    fit = lent_window.studio.fit
    if fit.running:  # a test failed amid a fit
        fit.discard()
        qtbot.waitUntil(lambda: not fit.running, timeout=60_000)


def write_over(qtbot, edit, text):
    """Types into an edit, without Enter."""
    edit.setFocus()
    edit.selectAll()
    qtbot.keyClicks(edit, text)


def ended(qtbot, window):
    qtbot.waitUntil(lambda: not window.studio.fit.running, timeout=60_000)


def test_the_plan_of_a_fit_is_told_before_it_begins(opened, qtbot):
    panel = opened.field_panel
    qtbot.waitUntil(lambda: "parameters" in panel.plan.text(), timeout=60_000)
    for words in ("of training", "an epoch", "coordinates/s on cpu", "of memory"):
        assert words in panel.plan.text()
    assert not opened.studio.fit.running
    write_over(qtbot, panel.common.controls["width"], "24")
    qtbot.waitUntil(lambda: panel.config is not None and panel.config.field.width == 24, timeout=60_000)
    count = parameter_count(panel.config.field, 3, 1)
    qtbot.waitUntil(lambda: panel.plan.text().startswith(f"{count:,} parameters"), timeout=60_000)
    assert panel.reasons.text().startswith("•")


def test_where_memory_will_not_do_the_plan_offers_what_will(opened, qtbot, monkeypatch):
    def short(volume, config):
        raise MemoryShort("The fit needs 9 GB and 2 GB are free; smaller micro-batches would do.", 64)

    monkeypatch.setattr("dinr_studio.training.plan.make_plan", short)
    panel = opened.field_panel
    panel.change(seed=5)
    qtbot.waitUntil(panel.offer.isVisible, timeout=60_000)
    assert panel.plan.text().startswith("The fit needs 9 GB")
    assert panel.offer.text() == "Use micro-batches of 64 voxels"
    monkeypatch.undo()
    qtbot.mouseClick(panel.offer, LEFT)
    qtbot.waitUntil(
        lambda: panel.config.training.micro_batch == 64 and "parameters" in panel.plan.text(), timeout=60_000
    )
    assert not panel.offer.isVisible()


def test_a_fit_that_would_not_fit_is_asked_about_or_refused(opened, qtbot, answers):
    panel = opened.field_panel
    qtbot.waitUntil(lambda: "more are free" in panel.plan.text(), timeout=60_000)
    assert panel.needs.fits
    known = panel.needs
    panel.needs = replace(known, memory_free=1000, smaller=("a crop of 9 x 9 x 9 voxels would do",))
    assert "a crop of 9 x 9 x 9 voxels" in panel.needs.fault
    answers["Fit all the same"] = "Cancel"
    qtbot.keyClick(opened, KEY.Key_F5)
    assert not opened.studio.fit.running
    panel.needs = replace(known, disk=5000, disk_free=1000)
    qtbot.keyClick(opened, KEY.Key_F5)
    assert not opened.studio.fit.running
    assert "make room" in opened.notice.sentence.text()


def test_settings_are_checked_as_one_types_and_a_fit_keeps_the_last_allowed_one(opened, qtbot):
    panel = opened.field_panel
    width = panel.common.controls["width"]
    write_over(qtbot, width, "20")
    qtbot.waitUntil(lambda: panel.config is not None and panel.config.field.width == 20, timeout=60_000)
    for text in ("0", "wide", "5000", "-3", "2.5"):
        write_over(qtbot, width, text)
        assert width.property("wrong")
        assert panel.common.fault.isVisible()
        assert "width" in panel.common.fault.text()
        assert panel.common.fault.text().endswith(".")
    assert panel.chosen()["changes"]["width"] in (2, 20)  # "2.5" and "20" begin alike, and a 2 is allowed
    write_over(qtbot, width, "16")
    assert not width.property("wrong")
    assert not panel.common.fault.isVisible()
    qtbot.waitUntil(lambda: panel.config.field.width == 16, timeout=60_000)
    share = panel.common.controls["held_out_share"]
    write_over(qtbot, share, "1.5")
    assert share.property("wrong")
    assert panel.config.training.held_out_share == 0.02
    qtbot.keyClick(opened, KEY.Key_F5)
    qtbot.waitUntil(lambda: opened.studio.fit.run is not None, timeout=60_000)
    assert opened.studio.fit.run.config.training.held_out_share == 0.02
    assert opened.studio.fit.run.config.field.width == 16
    opened.studio.fit.discard()
    ended(qtbot, opened)


def test_every_setting_has_a_tooltip_and_all_of_them_can_be_seen(opened, qtbot):
    panel = opened.field_panel
    assert not panel.more.isVisible()
    qtbot.mouseClick(panel.more_button, LEFT)
    assert panel.more.isVisible()
    controls = {**panel.common.controls, **panel.more.controls}
    config = panel.config
    names = {*type(config.field).model_fields, *type(config.training).model_fields}
    assert set(controls) == names - {"family"}  # which has a box above
    assert all(len(control.toolTip()) > 15 for control in controls.values())
    qtbot.mouseClick(panel.more_button, LEFT)


def test_only_the_settings_that_count_are_shown_and_an_embedding_brings_its_own(opened, qtbot):
    panel = opened.field_panel

    def shown():
        forms = (panel.common, panel.more)
        return {name for form in forms for name, control in form.controls.items() if control.isVisibleTo(form)}

    assert {"omega_0", "steps", "blocks"} <= shown()
    assert not {"bandwidth", "levels", "sigma_0", "octaves", "tolerance", "layers"} & shown()
    panel.common.controls["embedding"].setCurrentText("hashgrid")
    qtbot.waitUntil(lambda: panel.config is not None and "finest grid" in panel.reasons.text(), timeout=60_000)
    assert {"finest_resolution", "levels", "table_size", "interpolation"} <= shown()
    assert not {"omega_0", "bandwidth", "sigma_0", "octaves"} & shown()
    write_over(qtbot, panel.common.controls["finest_resolution"], "8 x 9 x 10")
    qtbot.waitUntil(lambda: panel.config.field.finest_resolution == (8, 9, 10), timeout=60_000)
    panel.family.setCurrentText("siren")
    panel.family.activated.emit(panel.family.currentIndex())
    qtbot.waitUntil(lambda: panel.config is not None and panel.config.field.family == "siren", timeout=60_000)
    assert not {"steps", "integrator", "blocks", "kinetic_weight"} & shown()


def test_a_preset_in_the_toolbar_is_the_panels_and_forgets_changes(opened, qtbot):
    panel = opened.field_panel
    panel.change(width=20)
    (box,) = (box for box in opened.toolbar.findChildren(type(panel.preset)) if box.accessibleName() == "Preset")
    box.setFocus()
    qtbot.keyClick(box, KEY.Key_Down)
    assert panel.preset.currentText() == box.currentText() == "quick"
    assert panel.chosen() == {"preset": "quick", "family": "dinr-siren", "changes": {}}
    qtbot.waitUntil(lambda: panel.config is not None and panel.config.preset == "quick", timeout=60_000)
    qtbot.keyClick(opened, KEY.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: panel.config.field.width == 20, timeout=60_000)
    assert panel.preset.currentText() == box.currentText() == "auto"


def test_a_family_can_be_found_by_a_probe(opened, qtbot, monkeypatch):
    panel = opened.field_panel
    panel.change(width=20)
    monkeypatch.setattr(presets, "probe", lambda volume, configs: dict(zip(configs, (20.0, 30.0, 30.0), strict=True)))
    panel.family.setFocus()
    qtbot.keyClick(panel.family, KEY.Key_End)
    assert panel.chosen() == {"preset": "auto", "family": "probe", "changes": {}}
    qtbot.waitUntil(lambda: panel.config is not None and panel.config.field.family == "siren", timeout=60_000)
    assert "siren by a probe" in panel.reasons.text()
    panel.change(width=24)
    assert panel.config.field.width == 24  # at once: the preset is not worked out anew
    assert panel.config.field.family == "siren"


def test_a_fit_pauses_resumes_and_is_judged_and_kept_when_done(opened, qtbot, start_fit):
    studio, actions = opened.studio, opened.actions_by_name
    start_fit(opened)
    assert [pane.mode.currentText() for pane in opened.slices.shown] == ["Field"] * 3
    qtbot.waitUntil(lambda: "coordinates/s" in opened.status.machine.text())
    assert opened.status.progress.isVisible()
    assert not actions["fit"].isEnabled()
    qtbot.keyClick(opened, KEY.Key_F6)
    assert studio.fit.paused
    assert actions["pause"].text() == "&Resume"
    qtbot.wait(400)  # a step that was under way ends
    step = studio.fit.last.step
    qtbot.wait(400)
    assert studio.fit.last.step == step
    qtbot.keyClick(opened, KEY.Key_F6)
    assert actions["pause"].text() == "&Pause"
    qtbot.waitUntil(lambda: studio.fit.last.step > step, timeout=60_000)
    qtbot.keyClick(opened, KEY.Key_F7)
    assert not actions["done"].isEnabled()
    ended(qtbot, opened)
    run = read_run(studio.run_path)
    assert run.finished
    assert run.end_reason == f"ended by the user at step {run.state.step}"
    assert run.state.step > step
    assert run.scores["held_out"]["verdict"] in opened.notice.sentence.text()
    assert opened.monitor.held_out.sentence.text() == run.scores["held_out"]["verdict"]
    assert f"{run.scores['held_out']['psnr']:.1f} dB" in opened.status.score.text()
    np.testing.assert_array_equal(studio.field.run.best["decoder.bias"], run.best["decoder.bias"])
    table = opened.monitor.runs.table
    qtbot.waitUntil(lambda: table.rowCount() == 1 and table.item(0, 10).text() == "finished", timeout=30_000)
    assert actions["fit"].isEnabled()
    assert not actions["resume"].isEnabled()


def test_pause_and_done_at_once_also_end_it(opened, qtbot, start_fit):
    start_fit(opened)
    qtbot.keyClick(opened, KEY.Key_F6)
    qtbot.keyClick(opened, KEY.Key_F7)
    ended(qtbot, opened)
    assert opened.studio.run.finished


def test_discard_asks_and_deletes_the_run(opened, qtbot, start_fit, answers):
    start_fit(opened)
    fit = opened.studio.fit
    answers["Discard the fit"] = "Cancel"
    qtbot.keyClick(opened, KEY.Key_F8)
    assert fit.running
    assert not fit.ending
    answers["Discard the fit"] = "Discard"
    qtbot.keyClick(opened, KEY.Key_F8)
    ended(qtbot, opened)
    assert list(runs_folder().glob("*")) == []
    assert opened.studio.run is opened.studio.field is opened.studio.run_path is None
    assert opened.notice.sentence.text() == "The fit was discarded."
    assert opened.slices.panes[0].sign.text() == "no field yet: press Fit"
    assert not opened.actions_by_name["export"].isEnabled()


def test_what_a_fit_stands_on_is_locked_while_it_runs(opened, qtbot, start_fit):
    panel, data = opened.field_panel, opened.data_panel
    locked = [
        panel.preset,
        panel.family,
        *panel.common.controls.values(),
        data.unit,
        data.sizes[0][1],
        *data.ends[0][1:],
    ]
    free = [data.low, data.colours, opened.slices.panes[0].mode, opened.volume_view.method]
    assert all(widget.isEnabled() for widget in (*locked, *free))
    start_fit(opened)
    assert not any(widget.isEnabled() for widget in locked)
    assert all(widget.isEnabled() for widget in free)
    opened.studio.fit.discard()
    ended(qtbot, opened)
    assert all(widget.isEnabled() for widget in locked)


def test_the_best_weights_can_be_gone_back_to_during_a_fit(opened, qtbot, start_fit):
    start_fit(opened)
    studio = opened.studio
    qtbot.waitUntil(lambda: studio.fit.latest is not None and studio.fit.last.step > 60, timeout=60_000)
    qtbot.keyClick(opened, KEY.Key_F6)
    qtbot.wait(300)
    studio.fit.best = dict(studio.fit.latest)  # as if an earlier look had been better
    qtbot.keyClick(opened, KEY.Key_B)
    assert opened.actions_by_name["best"].isChecked()
    assert studio.field.run.best is studio.fit.best
    qtbot.keyClick(opened, KEY.Key_B)
    assert studio.field.run.best is studio.fit.latest
    studio.fit.discard()
    ended(qtbot, opened)


def test_a_fit_that_reaches_its_end_is_judged_by_itself(opened, qtbot, start_fit):
    start_fit(opened, max_epochs=8)
    ended(qtbot, opened)
    assert opened.studio.run.finished
    assert "all 8 epochs done" in opened.notice.sentence.text()


def test_a_warnings_remedy_takes_its_settings_over(opened, qtbot):
    tab, panel = opened.monitor.trajectory, opened.field_panel
    opened.monitor.setCurrentWidget(tab)
    tab.warn(diagnose(Signs(latent=(1.0, 50.0), speed=(1.0, 50.0))))
    (button,) = (button for button in tab.findChildren(QPushButton) if "kinetic weight" in button.text())
    qtbot.waitUntil(button.isVisible)
    qtbot.mouseClick(button, LEFT)
    qtbot.waitUntil(lambda: panel.config.training.kinetic_weight == 0.1, timeout=60_000)
    assert panel.common.controls["kinetic_weight"].text() == "0.1"
    assert "taken over for the next fit" in opened.notice.sentence.text()
    loss, psnr = np.linspace(1, 0.1, 8), np.array([20.0, 24, 26, 25, 24, 23, 22, 21])
    tab.warn(diagnose(Signs(data_loss=loss, held_out_psnr=psnr, hash_grid=HashGrid((64, 32, 64), 8, "linear"))))
    (button,) = (button for button in tab.findChildren(QPushButton) if "finest_resolution 32x16x32" in button.text())
    qtbot.mouseClick(button, LEFT)
    qtbot.waitUntil(lambda: panel.config.field.finest_resolution == (32, 16, 32), timeout=60_000)
    assert panel.config.training.patience == 20


def test_a_stopped_run_goes_on_from_its_step_when_resumed_in_the_table(window, qtbot, cut_off_run):
    runs_folder().mkdir(parents=True)
    path = shutil.copy(cut_off_run, runs_folder() / "stopped.dinr")
    before = read_run(path)
    tab = window.monitor.runs
    tab.refresh()
    qtbot.waitUntil(lambda: tab.table.rowCount() == 1 and tab.table.item(0, 0).text() == "stopped", timeout=30_000)
    if window.studio.volume is None:
        window._show_docks(True)
    tab.table.selectRow(0)
    assert tab.buttons["Resume"].isEnabled()
    tab.buttons["Resume"].click()
    studio = window.studio
    qtbot.waitUntil(lambda: studio.fit.running and studio.fit.last is not None, timeout=60_000)
    assert studio.fit.path == path
    qtbot.waitUntil(lambda: studio.fit.last.step > before.state.step + 20, timeout=60_000)
    assert studio.fit.curve()["step"][0] >= before.state.step
    qtbot.keyClick(window, KEY.Key_F7)
    ended(qtbot, window)
    after = read_run(path)
    assert after.run_id == before.run_id
    assert after.finished
    assert after.state.step > before.state.step + 20
    steps = after.history.columns["step"]
    assert (np.diff(steps) >= 0).all()
    assert set(before.history.columns["step"]) <= set(steps)


def test_the_latent_time_slider_shows_the_field_as_it_forms(fitted, qtbot):
    tab, studio, pane = fitted.monitor.trajectory, fitted.studio, fitted.slices.panes[0]
    fitted.monitor.setCurrentWidget(tab)
    qtbot.waitUntil(lambda: tab.slider.isEnabled() and pane.tiles.open_tiles == 0, timeout=60_000)
    whole = field_of(studio.run, torch.device("cpu"))
    place = np.array([10.0, 6.0, 11.0])
    world = studio.run.grid.world(place)[None]

    def shows(field):
        qtbot.waitUntil(lambda: pane.tiles.open_tiles == 0 and not pane._settled.isActive(), timeout=30_000)
        finest = max(one.tile.level for one in pane.tiles.shown(pane.content.field_plane()))
        bounds = values_at(field, world + np.array([[0, a, b] for a in (-1, 1) for b in (-1, 1)]))
        found = pane.content.field_value((place[1], place[2]))
        assert finest >= 0
        return found == pytest.approx(values_at(field, world)[0, 0], abs=np.ptp(bounds) + 0.01)

    assert shows(whole)
    tab.slider.setFocus()
    qtbot.keyClick(tab.slider, KEY.Key_Home)
    assert studio.field.latent_time == 0
    assert tab.time.text() == "t = 0 of 1"
    begun = at_latent_time(whole, 0.0)
    assert abs(values_at(whole, world) - values_at(begun, world))[0, 0] > 0.05  # so the test can fail
    assert shows(begun)
    qtbot.keyClick(tab.slider, KEY.Key_End)
    assert studio.field.latent_time is None
    assert tab.time.text() == "t = T (the field)"
    assert shows(whole)
