"""Fields: shapes, gradients, parameter counts worked out from the method's description, and precision."""

import itertools
import math
from typing import get_args

import pytest
import torch

from dinr_studio.config import FAMILIES, Embedding, FieldConfig
from dinr_studio.fields.build import build_field, frozen_weights, load_field, parameter_count, weight_shapes
from dinr_studio.fields.embeddings import FourierFeatures
from dinr_studio.fields.presets import PAPER_FIELDS

EMBEDDINGS = get_args(Embedding)
SMALL = {
    **{"width": 8, "features": 6, "blocks": 2, "layers": 3, "steps": 3, "zero_start": False},
    **{"octaves": 2, "levels": 3, "finest_resolution": 7, "coarsest_resolution": 2, "table_size": 5},
}


def small_field(family, embedding, axes=3, channels=2, **changes):
    config = FieldConfig(family=family, embedding=embedding, **{**SMALL, **changes})
    return build_field(config, axes, channels, seed=1)


@pytest.mark.parametrize(("family", "embedding"), list(itertools.product(FAMILIES, EMBEDDINGS)))
@pytest.mark.parametrize(("axes", "channels"), [(1, 16), (2, 3), (3, 1), (4, 1)])
def test_every_family_with_every_embedding_maps_coordinates_to_channels(family, embedding, axes, channels):
    values = small_field(family, embedding, axes, channels)(torch.rand(5, axes))
    assert values.shape == (5, channels)
    assert torch.isfinite(values).all()


@pytest.mark.parametrize(("family", "embedding"), list(itertools.product(FAMILIES, EMBEDDINGS)))
def test_gradients_of_a_field_pass_gradcheck(family, embedding):
    field = small_field(family, embedding, omega_0=3.0, hidden_omega=3.0, bandwidth=0.5).double()
    x = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(field, x)
    predicting = _Predicting(field)
    names = [name for name, _ in predicting.named_parameters()]
    weights = tuple(value.detach().clone().requires_grad_() for value in predicting.parameters())

    def outputs(*values):
        return torch.func.functional_call(predicting, dict(zip(names, values, strict=True)), (x.detach(),))

    assert torch.autograd.gradcheck(outputs, weights, fast_mode=True)


class _Predicting(torch.nn.Module):
    """A field whose output is its values and its kinetic energy in one vector."""

    def __init__(self, field):
        super().__init__()
        self.field = field

    def forward(self, x):
        values, energy, _ = self.field.predict(x)
        return torch.cat([values.flatten(), energy[None]])


def linear(inputs, outputs):
    return inputs * outputs + outputs


def test_the_parameter_count_of_the_papers_dynamical_ffnet():
    # Fixed Fourier features; 3 blocks of LayerNorm, Linear, Linear at 257; projection 257 -> 256; decoder 256 -> 1.
    expected = 3 * (2 * 257 + 2 * linear(257, 257)) + linear(257, 256) + linear(256, 1)
    assert parameter_count(PAPER_FIELDS["dinr-ffnet"], 3, 1) == expected == 465_683


def test_the_parameter_count_of_the_papers_dynamical_siren():
    # Sine embedding 3 -> 192; 3 blocks of two sine layers at 193; projection 193 -> 192; decoder 192 -> 1.
    expected = linear(3, 192) + 3 * 2 * linear(193, 193) + linear(193, 192) + linear(192, 1)
    assert parameter_count(PAPER_FIELDS["dinr-siren"], 3, 1) == expected == 262_861


def test_the_parameter_count_of_the_papers_static_ffnet():
    expected = 5 * (2 * 256 + 2 * linear(256, 256)) + linear(256, 1)
    assert parameter_count(PAPER_FIELDS["ffnet"], 3, 1) == expected == 660_737


def test_the_parameter_count_of_the_papers_static_siren():
    # Seven sine layers, the first of them the embedding.
    expected = linear(3, 256) + 6 * linear(256, 256) + linear(256, 1)
    assert parameter_count(PAPER_FIELDS["siren"], 3, 1) == expected == 396_033


def test_steps_share_their_weights():
    counts = {n: parameter_count(FieldConfig(**{**SMALL, "steps": n}), 3, 1) for n in (1, 4, 12)}
    assert len(set(counts.values())) == 1


def test_fourier_features_are_sines_and_cosines_of_two_pi_b_x():
    embedding = FourierFeatures(2, 4, 1.0)
    embedding.frequencies.copy_(torch.tensor([[1.0, 0.0], [0.5, 2.0]]))
    x = torch.tensor([[0.25, 0.125]])
    phases = [2 * math.pi * 0.25, 2 * math.pi * (0.125 + 0.25)]
    expected = [math.sin(phases[0]), math.sin(phases[1]), math.cos(phases[0]), math.cos(phases[1])]
    assert embedding(x)[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_the_spread_of_fourier_frequencies_is_the_bandwidth():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert FourierFeatures(3, 8000, 7.0).frequencies.std().item() == pytest.approx(7.0, rel=0.03)


def test_a_field_that_starts_at_zero_velocity_spends_no_kinetic_energy():
    field = small_field("dinr-siren", "siren", zero_start=True)
    x = torch.rand(7, 3)
    prediction = field.predict(x)
    assert prediction.kinetic_energy.item() == 0
    assert torch.equal(prediction.latent, field.embedding(x))


def test_the_latent_state_at_time_zero_is_the_embedding():
    field = small_field("dinr-siren", "siren")
    x = torch.rand(4, 3)
    torch.testing.assert_close(field.solve(x, until=0.0).latent, field.embedding(x))


def test_bf16_leaves_embedding_and_decoder_alone_and_stays_close():
    config = FieldConfig(family="dinr-ffnet", embedding="fourier", **SMALL)
    exact, half = (build_field(config, 3, 1, seed=2, precision=precision) for precision in ("fp32", "bf16"))
    x = torch.rand(64, 3)
    prediction = half.predict(x)
    assert prediction.values.dtype == prediction.latent.dtype == torch.float32
    assert (prediction.values - exact(x)).abs().max() < 0.02 * exact(x).abs().max()


def test_weights_survive_being_frozen_and_loaded():
    field = small_field("dinr-ffnet", "fourier")
    weights = frozen_weights(field)
    again = load_field(field.config, 3, 2, weights)
    x = torch.rand(9, 3)
    assert torch.equal(field.eval()(x), again(x))
    assert {name: value.shape for name, value in weights.items()} == weight_shapes(field.config, 3, 2)
    with pytest.raises(ValueError, match="read-only"):
        weights["decoder.bias"][0] = 1.0


def test_weights_of_steps_that_still_grow_bring_their_number(tmp_path):
    field = small_field("dinr-siren", "siren")
    x = torch.rand(9, 3)
    whole = field(x)
    field.steps = 1
    assert not torch.allclose(field(x), whole)
    again = load_field(field.config, 3, 2, frozen_weights(field))
    assert (again.steps, again.config.steps) == (1, 1)
    assert torch.equal(field(x), again(x))


@pytest.mark.parametrize("zero_start", [False, True])
def test_gradients_in_bf16_are_within_two_thousandths_of_exact_ones(zero_start):
    config = FieldConfig(
        family="dinr-ffnet", embedding="fourier", width=256, features=256, steps=12, zero_start=zero_start
    )
    x, y = torch.rand(32, 3, dtype=torch.float64) * 2 - 1, torch.rand(32, 1, dtype=torch.float64)
    gradients = []
    for precision, kind in (("fp32", torch.float64), ("bf16", torch.float32)):
        field = build_field(config, 3, 1, seed=0, precision=precision).to(kind)
        values, kinetic_energy, _ = field.predict(x.to(kind))
        ((values - y.to(kind)).square().mean() + 0.1 * kinetic_energy).backward()
        gradients.append(torch.cat([p.grad.flatten().double() for p in field.parameters()]))
    exact, half = gradients
    assert 0 < (half - exact).norm() < 2e-3 * exact.norm()


def test_building_a_field_leaves_the_global_random_state_alone():
    before = torch.random.get_rng_state()
    first, second = small_field("dinr-siren", "siren"), small_field("dinr-siren", "siren")
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
