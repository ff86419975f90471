"""Exporting field and spline together: in the right places, through the right data, refused where it was not better."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.errors import ConfigError, DataNotFound, RunFileError
from dinr_studio.normalisation import NORMALISATIONS
from dinr_studio.sampling.export import export
from dinr_studio.training.fit import new_run
from dinr_studio.training.run_file import read_description, write_run
from dinr_studio.training.stack_offer import fitted_part, stack_notes, stack_weights
from dinr_studio.training.stacked_run import stacked_export
from dinr_studio.training.task import prepare
from dinr_studio.volume import make_volume

FIGURES = {"psnr": 30.0, "mae": 0.1, "relative_l2": 0.1, "ssim": None}
STACKED = {**FIGURES, "weights": [0.4], "gain": 1.5, "noise": 0.1, "worthwhile": True}


def scores(**stacked):
    """The scores of a judged run; no stacked ones where none are given."""
    held_out = {**FIGURES, "voxels": 9, "data_range": 1.0, "interpolation": {"cubic": FIGURES}, "verdict": "Good."}
    if stacked:
        held_out["stacked"] = {**STACKED, **stacked}
    return {"parameters": 1, "train": {"psnr": 30.0}, "held_out": held_out}


def run_of(volume, judged, **training):
    """A run that was never trained."""
    config = TrainingConfig(**{"outliers": "exclude", "held_out_share": 0.05, **training})
    run = new_run(prepare(volume, config), FitConfig(preset="test", field=FieldConfig(), training=config), {})
    return run.updated(scores=judged)


@pytest.fixture
def exported(tmp_path, exact_field):
    """Writes the mean of the exact field and the spline, and returns the values that were written."""

    def make(volume, target, weight, **training):
        run = run_of(volume, scores(gain=1.0), **training)
        field = replace(exact_field(volume.grid), channels=volume.channels)
        steps = list(
            export(
                field,
                target,
                tmp_path / "out.npy",
                dtype="float32",
                slabs=stacked_export(run, volume, (weight,)),
                force=True,
            )
        )
        assert steps[-1].report is not None
        return np.load(tmp_path / "out.npy"), steps

    return make


def true_at(grid, truth):
    return truth(
        np.stack(np.meshgrid(*(grid.axis_positions(i) for i in range(len(grid.shape))), indexing="ij"), axis=-1)
    )


@pytest.mark.parametrize("shape", [(50,), (20, 24), (12, 14, 16), (4, 8, 9, 10)])
def test_field_and_spline_of_the_same_function_give_it_back(make_smooth_volume, exported, truth, shape):
    volume = make_smooth_volume(shape)
    target = volume.grid.upsampled([2] * len(shape))
    values, _ = exported(volume, target, 0.4)
    inner = tuple(slice(3, -3) for _ in shape)
    error = np.abs(values.reshape(target.shape) - true_at(target, truth))
    assert error[inner].max() < 0.02
    assert error.max() < 0.2


def test_at_weight_0_the_voxels_are_the_data_those_held_out_too(make_smooth_volume, exported):
    volume = make_smooth_volume((10, 12, 14), noise=0.3)
    values, _ = exported(volume, volume.grid, 0.0, held_out_share=0.5)
    np.testing.assert_allclose(values, volume.values[..., 0], atol=1e-4)


def test_planes_held_out_are_data_at_an_export(make_smooth_volume, exported):
    volume = make_smooth_volume((10, 12, 14), noise=0.3)
    values, _ = exported(volume, volume.grid, 0.0, held_out_scheme="planes")
    np.testing.assert_allclose(values, volume.values[..., 0], atol=1e-4)


def test_single_missing_voxels_are_filled_by_the_spline(make_smooth_volume, exported, truth):
    full = make_smooth_volume((20, 22))
    missing = np.random.default_rng(0).random((20, 22)) < 0.05
    volume = make_volume(np.where(missing, np.nan, full.values[..., 0]), full.grid)
    values, steps = exported(volume, full.grid, 0.0)
    assert np.abs(values - full.values[..., 0]).max() < 0.1
    assert [step.phase for step in steps[:1]] == ["preparing"]
    assert steps[0].done == 0


def test_in_a_wide_gap_the_mean_becomes_the_field(make_smooth_volume, exported, truth):
    """Data that is 100 off: far inside the gap nothing of it may be left, however small the field's share."""
    full = make_smooth_volume((40, 40))
    values = full.values[..., 0] + 100
    values[10:30, 10:30] = np.nan
    volume = make_volume(values, full.grid)
    found, _ = exported(volume, full.grid, 0.1)
    gap = np.abs(found - full.values[..., 0])[10:30, 10:30]
    assert gap[9:11, 9:11].max() < 0.01
    assert gap.max() < 30


def test_a_crop_box_needs_only_its_surroundings(make_smooth_volume, exported, truth):
    volume = make_smooth_volume((90, 80), noise=0.2)
    whole, _ = exported(volume, volume.grid.upsampled((2, 2)), 0.3)
    part = volume.grid.cropped((40, 2), (50, 9)).upsampled((2, 2))
    np.testing.assert_allclose(exported(volume, part, 0.3)[0], whole[80:100, 4:18], atol=1e-4)


def test_extreme_voxels_that_the_fit_left_out_are_left_out_here(make_smooth_volume, exported):
    full = make_smooth_volume((30, 30))
    values = full.values[..., 0].copy()
    values[12, 17] = 5000.0
    volume = make_volume(values, full.grid)
    found, _ = exported(volume, full.grid, 0.0)
    assert abs(found[12, 17] - full.values[12, 17, 0]) < 0.2
    kept, _ = exported(volume, full.grid, 0.0, outliers="keep")
    assert kept[12, 17] == pytest.approx(5000, rel=1e-4)


def test_integers_with_several_channels_are_taken(make_grid, exact_field, tmp_path):
    grid = make_grid((9, 10))
    values = np.random.default_rng(0).integers(0, 60_000, (9, 10, 2)).astype(np.uint16)
    volume = make_volume(values, grid)
    run = run_of(volume, scores(weights=[0.0, 0.0]), outliers="keep")
    normalisation = NORMALISATIONS["percentile"](volume)
    field = replace(exact_field(grid), channels=2, normalisation=normalisation)
    field = replace(field, module=Twice(field.module))
    list(export(field, grid, tmp_path / "a.npy", slabs=stacked_export(run, volume, (0.0, 0.0))))
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), values, atol=0.05)


class Twice(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x).repeat(1, 2)


@pytest.mark.parametrize(
    ("judged", "words"),
    [
        ({}, "not been judged yet"),
        ({**scores(), "held_out": None}, "No voxels were held out"),
        (scores(), "judged by an older version"),
        ({**scores(), "held_out": {**scores()["held_out"], "stacked": None}}, "too few"),
        (scores(worthwhile=False), "not better"),
    ],
)
def test_it_is_refused_in_a_sentence_where_it_was_not_judged_better(make_smooth_volume, judged, words):
    with pytest.raises(ConfigError, match=words):
        stack_weights(run_of(make_smooth_volume((8, 9)), judged))


def test_notes_say_what_the_values_are(make_smooth_volume):
    run = run_of(make_smooth_volume((8, 9)), scores(gain=1.0))
    notes = stack_notes(run, stack_weights(run))
    assert notes[: len(run.notes)] == run.notes
    assert "weighted mean of the field and a cubic spline through the data (0.40 field, 0.60 cubic spline)" in notes[-1]


def test_the_fitted_part_is_found_in_the_open_volume(make_smooth_volume):
    volume = make_smooth_volume((12, 14, 16))
    run = run_of(volume.cropped((2, 3, 4), (10, 12, 14)), scores(gain=1.0))
    part = fitted_part(run, volume)
    assert part.grid == run.grid
    np.testing.assert_array_equal(part.values, volume.values[2:10, 3:12, 4:14])
    with pytest.raises(DataNotFound, match="does not hold the part"):
        fitted_part(run, volume.cropped((3, 0, 0), (12, 14, 16)))
    other = replace(volume, provenance=replace(volume.provenance, sha256="other"))
    with pytest.raises(DataNotFound, match="not what the run was fitted to"):
        fitted_part(run, other)


def test_run_files_of_before_there_was_stacking_still_open(make_smooth_volume, tmp_path):
    run = run_of(make_smooth_volume((8, 9)), scores())
    write_run(run.updated(best=run.best), tmp_path / "old.dinr")
    assert "stacked" not in read_description(tmp_path / "old.dinr").scores["held_out"]


@pytest.mark.parametrize("weights", [[1.5], [0.4, 0.6], ["much"]])
def test_a_run_file_with_odd_weights_is_refused(make_smooth_volume, tmp_path, weights):
    from pydantic import ValidationError

    run = run_of(make_smooth_volume((8, 9)), scores(weights=weights))
    with pytest.raises((RunFileError, ValidationError), match="weights"):
        write_run(run, tmp_path / "odd.dinr")
