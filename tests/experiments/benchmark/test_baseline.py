"""The plain baseline computes what our field computes, plainly."""

import pytest
import torch

from dinr_studio.experiments.benchmark.baseline import (
    PlainTraining,
    fill_jacobian,
    fill_jacobian_by_points,
    plain_grid,
    plain_tangent_kernel,
    plain_twin,
)
from dinr_studio.fields.build import build_field
from dinr_studio.fields.presets import PAPER_FIELDS
from dinr_studio.fields.tangent_kernel import tangent_kernel


@pytest.fixture(scope="module")
def field():
    return build_field(PAPER_FIELDS["dinr-ffnet"], 3, 1, seed=0)


def test_the_plain_baseline_and_our_field_are_the_same_function(field):
    plain = plain_twin(field, 3)
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in field.parameters()) == 465_683
    x = torch.rand(50, 3) * 2 - 1
    values, kinetic_energy = plain(x)
    prediction = field.predict(x)
    torch.testing.assert_close(prediction.values, values, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(prediction.kinetic_energy, kinetic_energy, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(plain.values(x), values)


def test_the_plain_grid_holds_the_values_at_its_points_in_order(field):
    plain = plain_twin(field, 3)
    axes = [torch.linspace(-1, 1, n) for n in (2, 3, 4)]
    values = plain_grid(plain, axes, batch=5)
    with torch.no_grad():
        at = plain.values(torch.stack([axes[0][1], axes[1][0], axes[2][2]])[None])
    assert values.shape == (24, 1)
    torch.testing.assert_close(values[14:15], at, rtol=1e-4, atol=1e-5)


def test_the_plain_kernel_has_the_eigenvalues_of_ours(field):
    x = torch.rand(6, 3) * 2 - 1
    plain = torch.linalg.eigvalsh(plain_tangent_kernel(plain_twin(field, 3), x).double())
    ours = torch.linalg.eigvalsh(tangent_kernel(field, x))
    assert float((ours - plain).abs().max() / plain[-1]) < 1e-5


def test_both_plain_loops_make_the_same_gradients(field):
    plain, x = plain_twin(field, 3), torch.rand(3, 3) * 2 - 1
    jacobians = [torch.zeros(3, 465_683) for _ in range(2)]
    fill_jacobian(plain, x, jacobians[0], [0, 2])
    fill_jacobian_by_points(plain, x, jacobians[1], [0, 2])
    torch.testing.assert_close(jacobians[0], jacobians[1], rtol=1e-3, atol=1e-4)
    assert not jacobians[0][1].any()


def test_a_step_of_the_plain_training_lowers_its_loss():
    torch.manual_seed(0)
    coordinates = torch.rand(64, 3) * 2 - 1
    training = PlainTraining(coordinates, coordinates[:, :1] / 2 + 0.5, 64)
    before = (training.model(coordinates)[0] - training.values).square().mean()
    assert [training.step() for _ in range(5)] == [64] * 5
    assert (training.model(coordinates)[0] - training.values).square().mean() < before
