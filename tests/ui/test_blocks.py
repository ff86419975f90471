"""A run of blocks in the window: shown in slices and in 3D, judged, exported; what only one field has is said."""

import h5py
import numpy as np
import pytest
import torch

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.io import open_volume
from dinr_studio.partition import partition_of
from dinr_studio.sampling.evaluate import values_at_indices
from dinr_studio.training.blocks_fit import begin_blocks, fit_blocks
from dinr_studio.training.fit import field_of
from dinr_studio.training.run_file import read_run, write_run
from dinr_studio.ui.exporting import volume_job

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def blocks_run(small_map, tmp_path_factory):
    """The run file of the small map in 2 x 1 x 2 blocks."""
    path = tmp_path_factory.mktemp("runs") / "in blocks.dinr"
    volume = open_volume(str(small_map))
    field = FieldConfig(width=16, blocks=1, steps=2, omega_0=10.0)
    training = TrainingConfig(max_epochs=2, batch=512, micro_batch=512, device="cpu")
    config = FitConfig(preset="quick", field=field, training=training)
    list(fit_blocks(volume, begin_blocks(volume, partition_of(volume.grid, [2, 1, 2]), config, path, {}), path))
    return path


def test_a_run_of_blocks_is_shown_judged_and_exported(window, qtbot, open_file, blocks_run, tmp_path):
    open_file(window, blocks_run)
    run = read_run(blocks_run)
    field = field_of(run, torch.device("cpu"))
    expected = values_at_indices(field, np.arange(run.grid.size)).reshape(run.grid.shape)
    pane = window.slices.panes[0]
    pane.mode.setCurrentText("Field")
    qtbot.waitUntil(lambda: pane.tiles.open_tiles == 0 and not pane._settled.isActive(), timeout=60_000)
    tile = next(one for one in pane.tiles.shown(pane.content.field_plane()) if one.tile.level == 0)
    np.testing.assert_allclose(tile.values[..., 0], expected[round(window.studio.crosshair[0])], atol=1e-5)
    assert window.studio.run.partition == run.partition
    monitor = window.monitor
    monitor.setCurrentWidget(monitor.kernel)
    assert "one for each of its blocks" in monitor.kernel.cost.text()
    assert run.scores["held_out"]["verdict"] == monitor.held_out.sentence.text()
    window.studio.set_latent_time(0.5)
    window.studio.set_latent_time(None)
    qtbot.waitUntil(lambda: bool(monitor.spectrum.plot.lines), timeout=60_000)
    assert not window.actions_by_name["resume"].isEnabled()
    assert window.actions_by_name["export"].isEnabled()
    job = volume_job(window.studio.present_run(), {}, tmp_path / "a.h5", {})
    with qtbot.waitSignal(job.ended, timeout=60_000):
        job.start()
    with h5py.File(tmp_path / "a.h5") as file:
        written = next(iter(file.values()))[...]
    np.testing.assert_allclose(written, expected, atol=1e-5)


def test_a_run_whose_blocks_are_not_all_fitted_says_so(window, qtbot, blocks_run, tmp_path):
    run = read_run(blocks_run)
    best = {name: array[:0] for name, array in run.best.items()}
    write_run(run.updated(best=best, finished=False, scores={}), tmp_path / "begun.dinr")
    with qtbot.waitSignal(window.studio.failed, timeout=30_000) as told:
        window.open(str(tmp_path / "begun.dinr"))
    assert "Not all of the run's 4 blocks are fitted yet" in told.args[0]
    assert window.studio.run is None
