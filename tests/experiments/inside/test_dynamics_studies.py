"""Studies of latent dynamics against dynamics whose Jacobians, curvature and solutions are known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig, changed
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.figures.dynamics import jacobian_figure, trajectory_figure
from dinr_studio.experiments.figures.style import save_figure
from dinr_studio.experiments.inside import jacobian_study, latent_probe, trajectory_study
from dinr_studio.experiments.inside.jacobian_study import study_jacobians
from dinr_studio.experiments.inside.trajectory_study import study_trajectories
from dinr_studio.fields.build import build_field, frozen_weights
from dinr_studio.stages import result_of
from dinr_studio.training.fit import fit

FIELD = FieldConfig(width=12, blocks=1, steps=4, omega_0=8.0, zero_start=False)
TRAINING = TrainingConfig(max_epochs=2, batch=128, micro_batch=128, device="cpu", held_out_share=0.2)


@pytest.fixture(scope="module")
def volume(make_smooth_volume):
    return make_smooth_volume((9, 8, 7))


@pytest.fixture(scope="module")
def run(volume):
    return list(fit(volume, FitConfig(preset="quick", field=FIELD, training=TRAINING)))[-1].run


class Linear(torch.nn.Module):
    """f(z, t) = rate(t) z @ matrix.T, whose Jacobian is rate(t) times the matrix everywhere."""

    def __init__(self, matrix, rate=lambda t: 1.0):
        super().__init__()
        self.matrix, self.rate = torch.as_tensor(matrix, dtype=torch.float64), rate

    def forward(self, z, t):
        return self.rate(t) * z @ self.matrix.T


@pytest.fixture
def with_dynamics(run, monkeypatch):
    """Makes the run's field have other dynamics."""

    def make(vector_field):
        field = latent_probe.dynamic_field(run)
        field.vector_field = vector_field
        for module in (jacobian_study, trajectory_study):
            monkeypatch.setattr(module, "dynamic_field", lambda run: field)
        return field

    return make


def test_jacobians_of_linear_dynamics_are_aligned_with_rank_and_product_of_the_matrix(run, with_dynamics):
    matrix = np.zeros((12, 12))
    matrix[:2, :2] = [[0.0, -3.0], [2.0, 0.0]]
    with_dynamics(Linear(matrix))
    study = result_of(study_jacobians(run, 20))
    now, values = study.now, np.array([3.0, 2.0])
    assert now.norm == pytest.approx([3.0] * 4)
    assert now.jacobian_rank == pytest.approx([(values**2).sum() ** 2 / (values**4).sum()] * 4)
    product = np.linalg.matrix_power(np.eye(12) + study.dt * matrix, 4)
    squares = np.linalg.svd(product)[1] ** 2
    assert now.product_rank[-1] == pytest.approx(squares.sum() ** 2 / (squares**2).sum())
    assert now.change == pytest.approx([0.0] * 3)
    assert now.angles_next == pytest.approx(np.zeros((3, 8)), abs=1e-4)
    assert study.verdict.startswith("The dynamics collapse to a static map: all Jacobians are the first one")


def test_dynamics_that_turn_with_time_show_the_angles_by_which_they_turn(run, with_dynamics):
    class Turning(torch.nn.Module):
        def forward(self, z, t):
            angle = math.radians(80) * torch.as_tensor(t, dtype=z.dtype)
            turned = torch.cos(angle) * z[:, 0] + torch.sin(angle) * z[:, 11]
            rest = z[:, 1:8] * torch.linspace(2, 3, 7, dtype=z.dtype)
            return torch.cat([5 * turned[:, None], rest, torch.zeros(len(z), 4, dtype=z.dtype)], dim=1)

    with_dynamics(Turning())
    study = result_of(study_jacobians(run, 5))
    assert study.now.angles_next[:, :7] == pytest.approx(np.zeros((3, 7)), abs=1e-4)
    assert study.now.angles_next[:, 7] == pytest.approx([20, 20, 20])
    assert study.now.angles_first[:, 7] == pytest.approx([20, 40, 60])
    assert study.now.alignment_first == pytest.approx((7 + np.cos(np.radians([20, 40, 60])) ** 2) / 8)
    assert study.verdict.startswith("The dynamics are more than a static map")


def test_jacobians_of_a_network_are_those_of_finite_differences(run):
    field = latent_probe.dynamic_field(run)
    x = latent_probe.coordinates_at(run, latent_probe.Places("grid", np.array([[1, 2, 3], [4, 5, 6]])))
    moment = latent_probe.moments_of(field, x)[2]
    found = jacobian_study._jacobians(field, moment).numpy()
    for j in range(12):
        h = 1e-6 * torch.eye(12, dtype=torch.float64)[j]
        ahead, behind = (field.vector_field(moment.latent + s * h, moment.time).numpy() for s in (1, -1))
        np.testing.assert_allclose(found[:, :, j], (ahead - behind) / 2e-6, atol=1e-6)


def test_dynamics_that_do_nothing_are_told_and_so_is_a_single_step(run, with_dynamics):
    with_dynamics(Linear(1e-6 * np.eye(12)))
    assert "hardly more than its embedding" in result_of(study_jacobians(run, 5)).verdict
    field = with_dynamics(Linear(np.eye(12)))
    field.steps = 1
    assert "With one step" in result_of(study_jacobians(run, 5)).verdict


def test_a_start_from_zero_has_no_directions_and_json_says_null(run):
    still = run.updated(config=run.config.model_copy(update={"field": changed(FIELD, zero_start=True)}))
    study = result_of(study_jacobians(still, 5))
    described = study.as_dict()["start"]
    assert described["norm"] == [0.0] * 4
    assert described["alignment_next"] == [None] * 3
    assert described["product_rank"] == pytest.approx([12.0] * 4)


def test_other_seeds_stand_beside_it_fresh_or_trained(run, volume, tmp_path):
    fresh = result_of(study_jacobians(run, 5, seeds=(1, 2)))
    trained = result_of(study_jacobians(run, 5, seeds=(1,), train=0.2, data=lambda: volume))
    assert [one.name for one in fresh.seeds] == ["seed 1 at its start", "seed 2 at its start"]
    assert trained.seeds[0].name == "seed 1, trained"
    assert not np.allclose(trained.seeds[0].norm, fresh.seeds[0].norm, rtol=1e-3)
    assert not np.allclose(fresh.seeds[0].norm, fresh.seeds[1].norm, rtol=1e-3)
    save_figure(jacobian_figure(trained), tmp_path / "j.svg")
    assert "seed 1, trained: with the next step" in (tmp_path / "j.svg").read_text(encoding="utf-8")


def rotation(rate):
    """Dynamics that turn the first two latent channels, and leave the others."""
    matrix = np.zeros((12, 12))
    matrix[0, 1], matrix[1, 0] = -rate, rate
    return Linear(matrix)


def test_a_rotation_has_constant_norm_speed_and_the_curvature_of_its_circle(run, with_dynamics):
    field = with_dynamics(rotation(2.0))
    field.config = changed(field.config, integrator="rk4")
    field.steps = 64
    study = result_of(study_trajectories(run, 30))
    radius = field.embedding(latent_probe.coordinates_at(run, trajectory_study.places_of(run, "grid", 30)))[:, :2]
    radius = radius.norm(dim=1).numpy() / math.sqrt(12)
    assert study.speed.mean == pytest.approx(np.full(65, 2 * radius.mean()), rel=1e-4)
    assert study.curvature.mean == pytest.approx(np.full(65, (1 / radius).mean()), rel=1e-4)
    assert study.energy.sum() == pytest.approx(0.5 * 4 * (radius**2).mean(), rel=1e-4)
    assert study.path == pytest.approx(2 * radius.mean(), rel=1e-3)
    assert study.straightness == pytest.approx(2 * math.sin(1) / 2, rel=1e-3)
    assert study.error[-1] < 1e-7


@pytest.mark.parametrize(("integrator", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_the_solver_s_error_falls_by_its_order(run, with_dynamics, integrator, order):
    field = with_dynamics(rotation(1.0))
    field.config = changed(field.config, integrator=integrator)
    study = result_of(study_trajectories(run, 10))
    assert study.order == pytest.approx(order, abs=0.2)
    assert study.reference == "rk4 with 256 steps"
    assert study.error[-1] == pytest.approx(study.solved[0].latent)
    assert study.error[0] == 0
    if integrator == "euler":  # each step stretches by sqrt(1 + dt^2), and turns by arctan(dt)
        z, dt = 1.0 + 0j, 0.25
        exact = abs((1 + 1j * dt) ** 4 - np.exp(1j))
        start = field.embedding(latent_probe.coordinates_at(run, trajectory_study.places_of(run, "grid", 10)))
        share = float(start[:, :2].norm() / start.norm())
        assert study.solved[0].latent == pytest.approx(exact * share * abs(z), rel=1e-3)


def test_energy_is_what_training_penalises_and_a_figure_shows_it(run, tmp_path):
    study = result_of(study_trajectories(run, 30))
    field = build_field(FIELD, 3, 1, seed=0)
    field.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in run.best.items()})
    places = trajectory_study.places_of(run, "grid", 30)
    with torch.no_grad():
        energy = float(field.predict(torch.from_numpy(places.network(run))).kinetic_energy)
    assert study.energy.sum() == pytest.approx(energy, rel=1e-4)
    save_figure(trajectory_figure(study), tmp_path / "t.svg")
    assert "error against rk4 with 256 steps" in (tmp_path / "t.svg").read_text(encoding="utf-8")


def test_an_adaptive_solver_is_compared_as_it_solves(run):
    config = changed(FIELD, integrator="dopri5", tolerance=1e-3)
    field = build_field(config, 3, 1, seed=0)
    adaptive = run.updated(config=run.config.model_copy(update={"field": config}), best=frozen_weights(field))
    study = result_of(study_trajectories(adaptive, 10))
    assert 1e-9 < study.solved[0].latent < 1e-2
    assert study.solved[1].latent < study.solved[0].latent


@pytest.mark.parametrize("study", [study_jacobians, study_trajectories])
def test_a_static_field_has_no_dynamics_in_words(run, study):
    config = changed(FIELD, family="siren")
    static = run.updated(config=run.config.model_copy(update={"field": config}))
    with pytest.raises(ConfigError, match="siren is static"):
        result_of(study(static))
    blocks = run.updated(partition=SimpleNamespace())
    with pytest.raises(ConfigError, match="each of its blocks"):
        result_of(study(blocks))
