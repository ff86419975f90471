"""Fits with the embeddings of the paper's open question 2, with and without dynamics, in 2, 3 and 4 axes."""

import itertools

import numpy as np
import pytest
import torch

from dinr_studio.config import FAMILIES, OF_EMBEDDING, FieldConfig, without_effect
from dinr_studio.coordinates import CoordinateMap
from dinr_studio.errors import ConfigError
from dinr_studio.fields.build import parameter_count
from dinr_studio.fields.frozen import FrozenField
from dinr_studio.sampling.evaluate import values_at_indices
from dinr_studio.sampling.latent import at_latent_time, latent_profile
from dinr_studio.training.fit import field_of, fit
from dinr_studio.training.plan import make_plan
from dinr_studio.training.presets import PRESETS, preset_config
from dinr_studio.training.run_file import read_run, write_run
from dinr_studio.volume import make_volume

NEW = ["positional", "hashgrid", "wire"]
SHAPES = {2: (14, 12), 3: (6, 5, 6), 4: (3, 4, 4, 4)}
SMALL = {"octaves": 3, "levels": 2, "finest_resolution": "6", "coarsest_resolution": 3, "table_size": 7, "layers": 3}


def waves(make_grid, shape):
    places = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    return make_volume(np.cos(sum(6 / len(shape) * x for x in places)), make_grid(shape))


COMBINATIONS = [  # each with every family, and each in every number of axes, which have nothing to do with families
    *((embedding, family, 3) for embedding, family in itertools.product(NEW, FAMILIES)),
    *((embedding, "dinr-siren", axes) for embedding, axes in itertools.product(NEW, (2, 4))),
]


@pytest.mark.parametrize(("embedding", "family", "axes"), COMBINATIONS)
def test_every_combination_learns_comes_back_from_its_file_and_evaluates_alike(
    make_grid, make_config, tmp_path, embedding, family, axes
):
    volume = waves(make_grid, SHAPES[axes])
    config = make_config(
        family=family,
        embedding=embedding,
        max_epochs=25,
        batch=64,
        optimiser="muon",
        learning_rate=0.02,
        hidden_omega=5,
        zero_start=False,
        **SMALL,
    )
    *training, done = fit(volume, config)
    losses = [s.data_loss for s in training if s.phase == "training"]
    assert losses[-1] < 0.6 * losses[0]
    write_run(done.run, tmp_path / "a.dinr")
    run = read_run(tmp_path / "a.dinr")
    assert run.config == config
    field = field_of(run, torch.device("cpu"))
    assert isinstance(field.frozen, FrozenField)
    voxels = np.arange(volume.grid.size)
    values = values_at_indices(field, voxels)
    assert np.square(values[:, 0] - volume.values.ravel()).mean() < 0.6 * volume.values.var()
    profile = latent_profile(field, np.zeros((2, axes)))
    assert (profile is None) == (not family.startswith("dinr-"))
    begun = values_at_indices(at_latent_time(field, 0.0), voxels)
    assert np.allclose(begun, values) == (profile is None)


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("embedding", ["fourier", "siren", *NEW])
def test_every_preset_takes_every_embedding_and_says_why_its_settings_are_what_they_are(make_grid, preset, embedding):
    volume = waves(make_grid, (12, 14, 16))
    config = preset_config(preset, volume, "dinr-ffnet", embedding=embedding)
    assert config.field.embedding == embedding
    words = {"fourier": "bandwidth", "siren": "omega_0", "positional": "octaves", "hashgrid": "cells", "wire": "sigma"}
    if not preset.startswith("paper") or embedding != "fourier":
        assert words[embedding] in config.reasons[0 if preset != "paper" else 1]


def test_an_unknown_embedding_is_refused_with_the_choices(make_grid):
    with pytest.raises(ConfigError, match="hashgrid"):
        preset_config("quick", waves(make_grid, (6, 6)), embedding="spline")


def test_the_finest_grid_follows_the_voxels_along_each_axis(make_grid):
    grid = make_grid((12, 40, 20), voxel_size=(3.0, 1.0, 1.0))
    config = preset_config("quick", make_volume(np.random.default_rng(0).normal(size=grid.shape), grid))
    cells = np.array(config.field.finest_resolution)
    slope, _ = CoordinateMap.of(grid).index_affine(grid)
    share = cells * slope / 2  # cells for each voxel
    assert share == pytest.approx(share[1], rel=0.1)
    sparse, dense = (
        preset_config("quick", waves(make_grid, (40, 40)), held_out_share=share).field for share in (0.75, 0.02)
    )
    assert sparse.finest_resolution == dense.finest_resolution
    assert (sparse.interpolation, dense.interpolation) == ("smooth", "linear")


def test_a_hash_grid_gets_a_small_network_and_whole_batches_at_once(make_grid):
    volume = waves(make_grid, (12, 14, 16))
    usual, grid = (preset_config("quick", volume, "siren", embedding=name) for name in (None, "hashgrid"))
    assert (grid.field.width, grid.field.layers) == (usual.field.width // 2, 2)
    assert grid.training.micro_batch == grid.training.batch == usual.training.batch


def test_an_axis_of_one_voxel_and_scattered_octaves_have_settings_too(make_grid):
    field = preset_config("quick", waves(make_grid, (1, 20, 30))).field
    assert field.finest_resolution[0] == 1
    assert parameter_count(field, 3, 1) > 0


def test_smoother_data_has_fewer_octaves(make_grid):
    slow, fast = (
        preset_config("quick", make_volume(np.sin(2 * np.pi * k * np.arange(64) / 64), make_grid((64,)))).field
        for k in (2, 16)
    )
    assert fast.octaves >= slow.octaves + 2


def test_a_plan_counts_the_table(make_grid, make_config):
    volume = waves(make_grid, (12, 14))
    grid = {"embedding": "hashgrid", "finest_resolution": 8, "levels": 1, "features_per_level": 2}
    plan = make_plan(volume, make_config(**grid))
    assert plan.parameters == 81 * 2 + (2 + 2) * 16 + 16 + sum([2 * (17 * 17 + 17), 17 * 16 + 16, 16 + 1])


def test_settings_without_effect_are_those_that_change_nothing():
    numbers = {
        "width": 8,
        "blocks": 1,
        "levels": 2,
        "octaves": 2,
        "table_size": 5,
        "features_per_level": 1,
        "features": 32,
        "layers": 3,
    }
    for family, embedding in itertools.product(FAMILIES, OF_EMBEDDING):
        config = FieldConfig(family=family, embedding=embedding, **numbers)
        idle = without_effect(config)
        for name in numbers:
            other = FieldConfig(**{**dict(config), name: getattr(config, name) * 2})
            same = parameter_count(config, 3, 1) == parameter_count(other, 3, 1)
            assert same == (name in idle), (family, embedding, name)
