import numpy as np
import pytest

from dinr_studio.config import TrainingConfig
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.sweeps.conditions import Conditions, measured, synthetic, with_noise
from dinr_studio.volume import make_volume

TRAINING = TrainingConfig(held_out_share=0.1, batch=64)


def test_noise_has_the_deviation_asked_for_by_channel_and_levels_are_multiples(make_grid):
    values = np.random.default_rng(0).standard_normal((64, 64, 2)) * (1.0, 10.0)
    volume = make_volume(values.astype(np.float32), make_grid((64, 64)))
    ten, thirty = (with_noise(volume, percent, 5).in_memory - volume.in_memory for percent in (10, 30))
    deviation = volume.in_memory.std(axis=(0, 1))
    np.testing.assert_allclose(ten.std(axis=(0, 1)), 0.1 * deviation, rtol=0.03)
    np.testing.assert_allclose(thirty, 3 * ten, atol=2e-5)
    assert abs(np.corrcoef(ten[..., 0].ravel(), ten[..., 1].ravel())[0, 1]) < 0.05


def test_a_voxel_has_the_same_noise_in_every_epoch_and_in_every_run_of_a_seed(make_smooth_volume):
    volume = make_smooth_volume((12, 16))
    first, again = (measured(volume, TRAINING, Conditions(noise=20)).task for _ in range(2))
    voxels = np.sort(np.concatenate([first.batches(64, 1).voxels(step) for step in range(6)]))
    seen = {int(voxel): first.source.samples(np.array([voxel])).values.item() for voxel in voxels}
    for step in range(6, 12):  # later epochs
        numbers = again.batches(64, 1).voxels(step)
        for voxel, value in zip(numbers, again.source.samples(numbers).values[:, 0].tolist(), strict=True):
            assert seen.get(int(voxel), value) == value
    other = measured(volume, TrainingConfig(held_out_share=0.1, seed=1), Conditions(noise=20)).task
    assert not np.array_equal(other.volume.in_memory, first.volume.in_memory)


def test_scores_are_against_clean_values_while_noisy_ones_are_trained_on(make_smooth_volume):
    volume = make_smooth_volume((12, 16))
    ready = measured(volume, TRAINING, Conditions(noise=50))
    numbers = np.arange(20)
    np.testing.assert_array_equal(ready.truth(numbers), volume.in_memory.reshape(-1, 1)[:20])
    assert np.abs(ready.task.source.values(numbers) - ready.truth(numbers)).mean() > 0.1


def test_every_level_of_noise_holds_out_the_same_voxels_beside_outliers_and_missing_ones(make_smooth_volume):
    values = make_smooth_volume((24, 24)).in_memory[..., 0].copy()
    values[5, 5], values[0, :3] = 1e4, np.nan
    volume = make_volume(values, make_smooth_volume((24, 24)).grid)
    clean, noisy = (measured(volume, TRAINING, Conditions(noise=noise)).task for noise in (0, 100))
    assert clean.volume.missing[5, 5]
    assert noisy.volume.missing[5, 5]
    np.testing.assert_array_equal(clean.held_out, noisy.held_out)
    np.testing.assert_array_equal(clean.training, noisy.training)


def test_smaller_shares_are_part_of_larger_ones_and_all_are_judged_by_the_same_voxels(make_smooth_volume):
    volume = make_smooth_volume((20, 20))
    tasks = {share: measured(volume, TRAINING, Conditions(share=share)).task for share in (25, 50, 100)}
    assert [len(task.training) for task in tasks.values()] == [90, 180, 360]
    assert set(tasks[25].training) < set(tasks[50].training) < set(tasks[100].training)
    for task in tasks.values():
        np.testing.assert_array_equal(task.held_out, tasks[100].held_out)
        assert not task.held_out.reshape(-1)[task.training].any()


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_synthetic_fields_have_as_many_voxels_whatever_their_axes(dimensions):
    volume = synthetic(dimensions)
    assert len(volume.grid.shape) == dimensions
    assert volume.grid.size == 65_536
    np.testing.assert_array_equal(volume.in_memory, synthetic(dimensions).in_memory)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: Conditions(noise=-1), "The noise is -1 %"),
        (lambda: Conditions(share=0), "The share of the data is 0 %"),
        (lambda: synthetic(5), "A synthetic field of 5 axes"),
    ],
)
def test_conditions_that_cannot_be_are_refused(wrong, told):
    with pytest.raises(ConfigError, match=told):
        wrong()
