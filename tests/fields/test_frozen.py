"""The frozen form of a field: the same function, and nothing of the field that it was made from."""

from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest
import torch

from dinr_studio.config import Embedding, FieldConfig, changed
from dinr_studio.fields import frozen
from dinr_studio.fields.build import build_field
from dinr_studio.fields.dinr import DinrField
from dinr_studio.fields.frozen import FrozenField, freeze
from dinr_studio.fields.stopped import StoppedField

DYNAMICAL = [(f, i) for f in ("dinr-ffnet", "dinr-siren") for i in ("euler", "midpoint", "rk4")]
KINDS = [*DYNAMICAL, ("ffnet", "euler"), ("siren", "euler")]

CLOSE = 1e-5  # of the range of a field's values


def make_field(family, integrator="euler", *, embedding="fourier", channels=3, seed=4, **settings):
    """A small field, all weights of which matter: biases, gains and the last projection are drawn too."""
    config = FieldConfig(
        family=family,
        embedding=embedding,
        integrator=integrator,
        **{"width": 24, "features": 24, "bandwidth": 1.5, "omega_0": 9.0, "layers": 4, "blocks": 2, "steps": 3}
        | {"levels": 3, "finest_resolution": 9, "table_size": 8, "octaves": 3}
        | {"zero_start": False, "horizon": 1.3, "hidden_omega": 7.0}
        | settings,
    )
    field = build_field(config, 3, channels, seed=seed).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in field.parameters():
            if parameter.ndim == 1:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return field


def places(count, seed=5):
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def greatest_error(found, true):
    """Relative to the range of the true values."""
    assert found.shape == true.shape
    assert found.dtype == torch.float32
    return float((found - true).abs().max() / (true.max() - true.min()))


@pytest.mark.parametrize("embedding", get_args(Embedding))
@pytest.mark.parametrize(("family", "integrator"), KINDS)
def test_it_equals_the_field(family, integrator, embedding, monkeypatch):
    monkeypatch.setattr(frozen, "TILE_VALUES", 24 * 50)
    field, x = make_field(family, integrator, embedding=embedding), places(333)
    exact = make_field(family, integrator, embedding=embedding).double()
    evaluate = freeze(field)
    assert isinstance(evaluate, FrozenField)
    with torch.no_grad():
        assert greatest_error(evaluate(x), field(x)) < CLOSE
        assert greatest_error(evaluate(x), exact(x.double()).float()) < CLOSE
        assert greatest_error(evaluate(x[:1]), field(x[:1])) < CLOSE
    assert evaluate(x[:0]).shape == (0, 3)


def test_features_of_another_number_than_the_width_go_through_their_layer():
    field, x = make_field("dinr-ffnet", features=40), places(60)
    with torch.no_grad():
        assert greatest_error(freeze(field)(x), field(x)) < CLOSE


@pytest.mark.parametrize("settings", [{"steps": 1, "blocks": 1}, {"steps": 12, "blocks": 3, "width": 65}])
@pytest.mark.parametrize("family", ["dinr-ffnet", "dinr-siren", "ffnet"])
def test_one_block_or_step_is_as_good_as_many(family, settings):
    field, x = make_field(family, channels=1, **settings), places(77)
    with torch.no_grad():
        assert greatest_error(freeze(field)(x), field(x)) < CLOSE


@pytest.mark.parametrize("time", [-1.0, 0.0, 0.3, 1.3 / 3, 0.9, 1.3, 7.0])
@pytest.mark.parametrize(("family", "integrator"), DYNAMICAL)
def test_a_field_that_stops_early_is_equal_too(family, integrator, time):
    stopped, x = StoppedField(make_field(family, integrator), time), places(40)
    evaluate = freeze(stopped)
    assert isinstance(evaluate, FrozenField)
    with torch.no_grad():
        assert greatest_error(evaluate(x), stopped(x)) < CLOSE


def test_a_field_in_growth_takes_the_steps_that_it_takes_now():
    field, x = make_field("dinr-ffnet", steps=6), places(40)
    field.steps = 2
    fewer = make_field("dinr-ffnet", steps=2)
    with torch.no_grad():
        assert greatest_error(freeze(field)(x), fewer(x)) < CLOSE


@pytest.mark.parametrize(("family", "integrator"), KINDS)
def test_in_16_bits_it_errs_no_more_than_the_field_itself(family, integrator):
    field, x = make_field(family, integrator), places(500)
    half = make_field(family, integrator)
    half.precision = "bf16"
    with torch.no_grad():
        true = field(x)
        found = freeze(field, "bf16")(x)
        own = half(x)
    assert greatest_error(found, true) > 0  # it is in 16 bits
    assert torch.equal(freeze(half)(x), found)  # a field's own precision is the default
    assert greatest_error(freeze(half, "fp32")(x), true) < CLOSE
    assert (found - true).square().mean() <= 1.5 * (own - true).square().mean()


@pytest.mark.parametrize("integrator", ["euler", "rk4"])
def test_in_16_bits_a_smooth_field_keeps_a_thousandth_of_its_range(integrator):
    field = make_field("dinr-ffnet", integrator, width=96, features=96, steps=6, blocks=3, bandwidth=1.0)
    x = places(2000)
    with torch.no_grad():
        assert greatest_error(freeze(field, "bf16")(x), field(x)) < 1e-3


def test_it_is_a_snapshot_without_gradients_and_without_dropout():
    field, x = make_field("dinr-ffnet", dropout=0.5), places(50)
    with torch.no_grad():
        true = field(x)
    field.train()
    evaluate = freeze(field)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.zero_()
        field.embedding.frequencies.zero_()
    found = evaluate(x.clone().requires_grad_(True))
    assert not found.requires_grad
    assert greatest_error(found, true) < CLOSE


def test_the_coordinates_are_left_as_they_were():
    x = places(50)
    before = x.clone()
    freeze(make_field("siren", embedding="siren"))(x)
    assert torch.equal(x, before)


def test_threads_share_it(monkeypatch):
    monkeypatch.setattr(frozen, "TILE_VALUES", 24 * 64)
    evaluate = freeze(make_field("dinr-ffnet", "rk4"))
    inputs = [places(400 + 7 * k, seed=k) for k in range(8)]
    expected = [evaluate(x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for found, true in zip(pool.map(evaluate, inputs), expected, strict=True):
                assert greatest_error(found, true) < CLOSE


class Doubled(DinrField):
    """A field with a forward of its own."""

    def forward(self, x):
        return 2 * super().forward(x)


def test_what_it_does_not_know_is_returned_as_it_is():
    adaptive = make_field("dinr-siren", "dopri5")
    stopped = StoppedField(adaptive, 0.5)
    own, other = Doubled(changed(adaptive.config, integrator="euler"), 3, 1), torch.nn.Linear(3, 1)
    exact = make_field("ffnet").double()
    for field in (adaptive, stopped, own, other, exact):
        assert freeze(field) is field
