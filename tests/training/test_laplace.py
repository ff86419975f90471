"""The last layer's posterior against Bayesian regression written out, and ensembles of fields that are known."""

import numpy as np
import pytest
import torch

from dinr_studio.fields.build import build_field
from dinr_studio.fields.spread import DecoderSpread, EnsembleMean, EnsembleSpread, decoder_inputs
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.training.laplace import _root, laplace_spread
from dinr_studio.training.task import prepare


def test_the_posterior_is_that_of_a_linear_regression(make_config, make_smooth_volume):
    """With s^2 and the weights' precision given, variance is x^T (sum x x^T / s^2 + a)^-1 x, computed by itself."""
    config = make_config()
    task = prepare(make_smooth_volume((8, 9, 10)), config.training)
    module = build_field(config.field, 3, 1, seed=0)
    field = FieldOnGrid(module, task.coordinates, task.normalisation, task.volume.grid, 1)
    scale = task.normalisation.scale[0]
    errors = 0.1 * scale * np.random.default_rng(0).standard_normal((500, 1))
    spread = laplace_spread(task, field, errors, seed=0)
    x = task.source.coordinates(np.arange(40))
    with torch.no_grad():
        inputs = decoder_inputs(module, task.source.coordinates(task.training)).double().numpy()
        own = decoder_inputs(module, x).double().numpy()
    noise = np.mean((errors / scale) ** 2)
    counted = task.volume.count / len(task.training)
    covariance = np.linalg.inv(spread.roots[0].double().numpy() @ spread.roots[0].double().numpy().T)
    precision = np.trace(covariance - counted * inputs.T @ inputs / noise) / len(covariance)
    assert precision > 0
    exact = np.linalg.inv(counted * inputs.T @ inputs / noise + precision * np.eye(inputs.shape[1]))
    np.testing.assert_allclose(spread(x).numpy()[:, 0], np.sqrt(np.einsum("ni,ij,nj->n", own, exact, own)), rtol=1e-2)


def test_the_evidence_finds_the_precision_that_the_weights_were_drawn_with():
    random = np.random.default_rng(0)
    weights = random.normal(0, 0.5, 300)
    root = _root(1e6 * np.eye(300), 1.0, weights)
    np.testing.assert_allclose(np.linalg.inv(root @ root.T), (1e6 + 4) * np.eye(300), rtol=1e-4, atol=1)
    vague = _root(np.zeros((300, 300)), 1.0, weights)
    assert np.isfinite(vague).all()


def test_an_ensemble_has_the_mean_and_the_deviation_of_its_members(make_config):
    members = [build_field(make_config().field, 2, 2, seed=seed) for seed in range(4)]
    x = torch.rand(50, 2) * 2 - 1
    with torch.no_grad():
        values = np.stack([member(x).numpy() for member in members])
    np.testing.assert_allclose(EnsembleMean(members)(x).numpy(), values.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(EnsembleSpread(members)(x).numpy(), values.std(axis=0, ddof=1), atol=1e-5)


def test_deviations_grow_away_from_what_was_seen(make_config):
    field = build_field(make_config(width=16).field, 1, 1, seed=0)
    seen = torch.linspace(-1, -0.5, 200)[:, None]
    with torch.no_grad():
        inputs = decoder_inputs(field, seen).double().numpy()
    spread = DecoderSpread(field, torch.from_numpy(_root(inputs.T @ inputs, 1e-4, np.ones(17))).float()[None])
    assert spread(torch.tensor([[0.8]])).item() > 3 * spread(torch.tensor([[-0.75]])).item()


@pytest.mark.parametrize("channels", [1, 2])
def test_deviations_have_one_number_for_each_channel(make_config, channels):
    field = build_field(make_config().field, 2, channels, seed=0)
    spread = DecoderSpread(field, torch.ones(channels, 17, 17))
    assert spread(torch.zeros(5, 2)).shape == (5, channels)
