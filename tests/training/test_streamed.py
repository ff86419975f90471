"""Fits to values that stay in their file: the same as in memory, but for which voxels chance holds out."""

import numpy as np
import pytest

from dinr_studio import stored
from dinr_studio.errors import DataError, DinrError
from dinr_studio.io import open_volume
from dinr_studio.partition import partition_of
from dinr_studio.training import pools, streamed
from dinr_studio.training.block_task import block_task
from dinr_studio.training.blocks_fit import begin_blocks, fit_blocks
from dinr_studio.training.fit import fit, score
from dinr_studio.training.run_data import volume_of
from dinr_studio.training.run_file import read_run
from dinr_studio.training.streamed import StreamedTask
from dinr_studio.training.task import VolumeTask, prepare, prepare_as_fitted

SHAPE = (24, 30, 36)


@pytest.fixture(autouse=True)
def many_small_blocks(monkeypatch):
    """So that a small volume is read like a large one: in many blocks, of which each pool takes a part."""
    monkeypatch.setattr(stored, "BLOCK_VOXELS", 720)
    monkeypatch.setattr(streamed, "pool_plan", lambda blocks, seed: pools.pool_plan(blocks, seed, 6000))


@pytest.fixture
def file(make_smooth_volume, tmp_path):
    path = tmp_path / "smooth.npy"
    np.save(path, make_smooth_volume(SHAPE, noise=0.02).values[..., 0].astype(np.float32))
    return path


def trained_voxels(task, epoch=0, batch=500):
    batches = task.batches(batch, 7)
    steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
    return [(task.source.flat(numbers), task.source.values(numbers)) for numbers in map(batches.voxels, steps)]


@pytest.mark.parametrize("scheme", ["random", "blocks", "planes"])
def test_an_epoch_trains_on_every_voxel_that_is_not_held_out_once_with_its_own_value(file, make_config, scheme):
    config = make_config(held_out_scheme=scheme, held_out_share=0.2).training
    task = prepare(open_volume(file, stored=True), config)
    assert isinstance(task, StreamedTask)
    steps = trained_voxels(task)
    flat, values = (np.concatenate(part) for part in zip(*steps, strict=True))
    expected = np.flatnonzero(~task.rule.of(np.arange(np.prod(SHAPE))))
    np.testing.assert_array_equal(np.sort(flat), expected)
    np.testing.assert_array_equal(values[:, 0], np.load(file).reshape(-1)[flat])
    assert max(len(f) for f, _ in steps) < 700
    numbers = task.batches(500, 7).voxels(3)
    world = task.coordinates.world(task.source.coordinates(numbers).numpy())
    index = np.stack(np.unravel_index(task.source.flat(numbers), SHAPE), axis=-1)
    np.testing.assert_allclose(world, task.volume.grid.world(index), atol=1e-5)


def test_each_batch_is_drawn_from_the_whole_volume(file, make_config):
    """Means of batches scatter about the volume's as those of independent draws do, though blocks differ widely."""
    values = np.load(file)
    np.save(file, values + np.linspace(0, 10, SHAPE[0], dtype=np.float32)[:, np.newaxis, np.newaxis])
    task = prepare(open_volume(file, stored=True), make_config().training)
    steps = [batch for epoch in range(2) for batch in trained_voxels(task, epoch)]
    flat = np.concatenate([f for f, _ in steps])
    true = np.load(file).reshape(-1)
    for found, _ in steps:
        assert abs(true[found].mean() - true[flat].mean()) < 4.5 * true.std() / np.sqrt(len(found))


def test_watched_voxels_are_held_out_and_scored_ones_are_trained_on(file, make_config):
    task = prepare(open_volume(file, stored=True), make_config(held_out_share=0.1).training)
    assert task.rule.of(task.source.flat(task.watched)).all()
    assert not task.rule.of(task.source.flat(task.kept)).any()
    for numbers in (task.watched, task.kept):
        true = np.load(file).reshape(-1)[task.source.flat(numbers)]
        np.testing.assert_array_equal(task.source.values(numbers)[:, 0], true)
    assert len(task.watched) > 1000


@pytest.mark.parametrize("treated", ["exclude", "clip", "keep"])
def test_missing_voxels_and_outliers_are_treated_as_in_memory(make_smooth_volume, tmp_path, make_config, treated):
    values = make_smooth_volume(SHAPE).values[..., 0].astype(np.float32)
    values[:, :, :9] = np.nan
    hot = (5, 7, 20)
    values[hot] = 500.0
    np.save(tmp_path / "a.npy", values)
    config = make_config(outliers=treated, held_out_share=0.1).training
    task = prepare(open_volume(tmp_path / "a.npy", stored=True), config)
    reference = prepare(open_volume(tmp_path / "a.npy", stored=False), config)
    assert isinstance(reference, VolumeTask)
    assert task.outliers == reference.outliers == (0 if treated == "keep" else 1)
    assert task.data_range == pytest.approx(reference.data_range)
    assert task.volume.missing_share == pytest.approx(0.25, abs=0.001)
    flat, trained = (np.concatenate(part) for part in zip(*trained_voxels(task), strict=True))
    assert np.isfinite(trained).all()
    at = np.ravel_multi_index(hot, SHAPE)
    seen = trained[flat == at]
    assert len(seen) == (0 if treated == "exclude" or task.rule.of(np.array([at]))[0] else 1)
    if treated == "clip" and len(seen):
        assert seen[0, 0] == pytest.approx(reference.volume.value_range[1])


def best_psnr(volume, config):
    """On the watched held-out voxels, at the end of training."""
    snapshots = fit(volume, config)
    last = next(snapshot for snapshot in snapshots if snapshot.phase == "judging")
    snapshots.close()
    return last.best_psnr


def test_the_score_is_that_of_a_fit_in_memory(file, make_config):
    """Within twice the spread between seeds."""
    found = {
        place: [
            best_psnr(open_volume(file, stored=place), make_config(max_epochs=2, batch=512, micro_batch=512, seed=seed))
            for seed in (1, 2, 3)
        ]
        for place in (False, True)
    }
    noise = max(0.3, 2 * (np.std(found[False], ddof=1) + np.std(found[True], ddof=1)))
    assert min(found[False]) > 15
    assert abs(np.mean(found[True]) - np.mean(found[False])) < noise


@pytest.mark.parametrize("scheme", ["random", "planes"])
def test_rivals_and_field_are_judged_as_in_memory(file, make_config, scheme):
    config = make_config(held_out_share=0.01, held_out_scheme=scheme).training
    one, other = (prepare(open_volume(file, stored=place), config).rivals(3) for place in (False, True))
    assert set(one) == set(other)
    for name in one:
        assert one[name].psnr == pytest.approx(other[name].psnr, abs=1.5)
        assert one[name].ssim == pytest.approx(other[name].ssim, abs=0.05)


def test_a_stopped_fit_goes_on_as_if_it_had_never_stopped(file, make_config, tmp_path):
    config, path = make_config(max_epochs=2, batch=512, held_out_share=0.01), tmp_path / "a.dinr"
    whole = list(fit(open_volume(file, stored=True), config))[-1].run
    stopped = fit(open_volume(file, stored=True), config, path=path)
    for snapshot in stopped:
        if snapshot.step > 30:
            break
    stopped.close()
    run = read_run(path)
    assert run.open_options["stored"] is True
    again = list(fit(volume_of(run, path), config, path=path, resume=run))[-1].run
    assert again.scores == whole.scores
    for name, weights in whole.best.items():
        np.testing.assert_array_equal(again.best[name], weights)
    task = prepare_as_fitted(volume_of(run, path), config.training, run.open_options)
    import torch

    fitted = {name: value for name, value in again.scores.items() if name != "environment"}  # of the fit alone
    assert score(read_run(path), task, torch.device("cpu")) == fitted


def test_a_run_fitted_in_memory_is_judged_in_memory_wherever_its_values_lie_now(file, make_config):
    task = prepare_as_fitted(open_volume(file, stored=True), make_config().training, {})
    assert isinstance(task, VolumeTask)


def test_what_leaves_nothing_to_train_on_is_refused(file, make_config):
    values = np.full(SHAPE, np.nan, dtype=np.float32)
    values[:4, :4, :4] = np.load(file)[:4, :4, :4]  # a single block of the scheme, and it is held out
    np.save(file, values)
    with pytest.raises(DataError, match="lower the held-out share"):
        prepare(open_volume(file, stored=True), make_config(held_out_share=0.95, held_out_scheme="blocks").training)


def test_a_file_that_changes_ends_the_fit_in_a_sentence_and_what_was_learnt_is_kept(file, make_config, tmp_path):
    path = tmp_path / "a.dinr"
    snapshots = fit(open_volume(file, stored=True), make_config(max_epochs=20, batch=512), path=path)
    for snapshot in snapshots:
        if snapshot.phase == "training":
            break
    np.save(file, np.load(file)[:20])
    with pytest.raises(DinrError, match="changed"):
        list(snapshots)
    run = read_run(path)
    assert not run.finished
    assert run.state.step > 0


def test_blocks_of_a_stored_volume_hold_out_what_its_rule_says_and_are_judged_together(file, make_config, tmp_path):
    config, volume = make_config(max_epochs=1, batch=512, held_out_share=0.02), open_volume(file, stored=True)
    partition = partition_of(volume.grid, [2], (4,))
    whole = prepare(volume, config.training)
    for number in range(partition.count):
        start, stop = partition.box(number)
        task = block_task(whole, volume, partition, number, config.training)
        np.testing.assert_array_equal(task.held_out, whole.rule.within(start, stop))
        assert not task.volume.is_stored
    path = tmp_path / "a.dinr"
    last = list(fit_blocks(volume, begin_blocks(volume, partition, config, path, {}), path))[-1]
    assert last.run.scores["held_out"]["voxels"] > 100
    assert last.run.open_options["stored"] is True
