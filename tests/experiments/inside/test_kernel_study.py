"""The study of a run's tangent kernel."""

import numpy as np
import pytest
import torch

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.figures.kernel import kernel_figure
from dinr_studio.experiments.figures.style import save_figure
from dinr_studio.experiments.inside.kernel_places import places_of
from dinr_studio.experiments.inside.kernel_study import KernelWish, study_kernel
from dinr_studio.fields.build import build_field, load_field
from dinr_studio.stages import result_of
from dinr_studio.training.fit import fit

FIELD = FieldConfig(width=12, blocks=1, steps=2, omega_0=8.0)
TRAINING = TrainingConfig(max_epochs=2, batch=128, micro_batch=128, device="cpu", held_out_share=0.2)


@pytest.fixture(scope="module")
def volume(make_smooth_volume):
    return make_smooth_volume((11, 9, 8))


@pytest.fixture(scope="module")
def run(volume):
    return list(fit(volume, FitConfig(preset="quick", field=FIELD, training=TRAINING)))[-1].run


def study(run, volume=None, **wish):
    return result_of(study_kernel(run, KernelWish(**{"points": 40, **wish}), lambda: volume))


def eigenvalues_by_autograd(field, x):
    """Squared singular values of the Jacobian, one gradient for each point."""
    rows = [
        torch.cat([g.reshape(-1) for g in torch.autograd.grad(field(point[None]).sum(), list(field.parameters()))])
        for point in torch.from_numpy(x)
    ]
    return torch.linalg.svdvals(torch.stack(rows).double()).square().numpy()


def test_spectra_now_and_at_the_start_are_those_of_the_jacobians_of_these_weights(run):
    found = study(run)
    x = found.places.network(run)
    trained = load_field(run.config.field, 3, 1, run.best).requires_grad_(True)
    fresh = build_field(run.config.field, 3, 1, seed=run.config.training.seed)
    for measured, field in ((found.now, trained), (found.start, fresh)):
        expected = eigenvalues_by_autograd(field, x)
        np.testing.assert_allclose(measured.spectrum.eigenvalues, expected, atol=1e-5 * expected[0])
    assert found.now.modes @ found.now.modes.T == pytest.approx(np.eye(len(found.now.modes)), abs=1e-9)


def test_a_sub_grid_is_even_within_the_grid_and_of_at_most_so_many_points(run):
    places = places_of(run, "grid", 40)
    assert places.shape == (4, 3, 3)
    assert places.count == 36
    steps = np.diff(places.index.reshape(*places.shape, 3), axis=0)[..., 0]
    assert np.all(steps == places.strides[0])
    assert np.all(places.index >= 0)
    assert np.all(places.index < run.grid.shape)
    assert places.picture(np.arange(36.0)).tolist() == np.arange(18.0, 27.0).reshape(3, 3).tolist()


def test_held_out_points_are_voxels_that_were_held_out(run):
    places = places_of(run, "held-out", 30)
    flat = np.ravel_multi_index(tuple(places.index.T), run.grid.shape)
    assert np.isin(flat, run.held_out).all()
    assert len(set(flat)) == 30


def test_the_static_twin_stands_beside_it_at_its_start_and_trained(run, volume):
    found = study(run, volume, against="static", train_twin=0.3, where="random")
    described = found.as_dict()
    assert described["static"]["parameters"] == pytest.approx(described["parameters"], rel=0.02)
    assert described["static_trained"]["parameters"] == described["static"]["parameters"]
    assert described["static"]["eigenvalues"] != described["static_trained"]["eigenvalues"]
    assert described["points"] == len(described["eigenvalues"]) == 40


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"points": 1}, "4 to 8192 are allowed"),
        ({"where": "moon"}, "grid, random, held-out"),
        ({"against": "moon"}, "none, static"),
        ({"train_twin": 3.0}, "add --against static"),
    ],
)
def test_a_wish_that_cannot_be_met_is_a_sentence(run, wish, sentence):
    with pytest.raises(ConfigError, match=sentence):
        study(run, **wish)


def test_a_study_that_is_closed_leaves_no_hooks_and_computes_nothing_more(run):
    stages = study_kernel(run, KernelWish(points=40), lambda: None)
    assert next(stages).share < 1
    stages.close()
    assert list(stages) == []


def test_its_figure_names_every_kernel_and_its_floor(run, tmp_path):
    save_figure(kernel_figure(study(run, against="static")), tmp_path / "kernel.svg")
    written = (tmp_path / "kernel.svg").read_text(encoding="utf-8")
    for text in ("static twin at its start", "field at its start", "cumulative share", "mode 8", "floor of 32 bits"):
        assert text in written


def test_a_study_with_data_forecasts_training_from_its_start(run, volume):
    found = study(run, volume)
    assert found.forecast.loss == pytest.approx(run.history.columns["data_loss"][-1])
    assert sum(band.forecast for band in found.forecast.directions) == pytest.approx(found.forecast.loss, rel=1e-6)
    assert len(found.forecast.frequencies) > 1
    assert found.forecast.unit == "nm"
    assert "not in memory" in study(run).no_forecast
