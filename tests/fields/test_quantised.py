"""Weights in few bits: how far they may move, and what each scheme keeps."""

import numpy as np
import pytest
import torch
from torch import nn

from dinr_studio.config import STEPS, FieldConfig
from dinr_studio.fields.build import build_field
from dinr_studio.fields.quantised import (
    LARGEST_CODE,
    Quantised,
    by_sensitivity,
    in_bits,
    in_floats,
    restored,
    upper_half,
)
from dinr_studio.fields.sensitivity import sensitivity


@pytest.fixture
def weights():
    generator = np.random.default_rng(1)
    return {
        "matrix": generator.normal(size=(24, 40)).astype("f4") * np.logspace(-6, 3, 24)[:, None].astype("f4"),
        "bias": generator.normal(size=40).astype("f4"),
        "first": generator.normal(size=(40, 3)).astype("f4"),
        "zeros": np.zeros((16, 16), "f4"),
        STEPS: np.float32(3),
    }


def test_floats_of_32_bits_are_kept_bit_by_bit(weights):
    again = restored(in_floats(weights, 32))
    assert all(np.array_equal(again[name], array) for name, array in weights.items())


def test_floats_of_16_bits_are_rounded_where_they_can_hold_the_number(weights):
    large = {**weights, "large": np.array([1.0, 1e6], "f4")}
    kept = in_floats(large, 16)
    np.testing.assert_array_equal(kept["bias"], weights["bias"].astype("f2"))
    assert (kept["large"].dtype, kept[STEPS].dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("bits", [2, 4, 8, 12])
def test_no_weight_moves_by_more_than_half_a_step_of_its_row(bits, weights):
    kept, again = in_bits(weights, bits), restored(in_bits(weights, bits))
    steps = kept["matrix"].steps
    assert steps.shape == (24,)
    assert np.abs(kept["matrix"].codes).max() == 2 ** (bits - 1) - 1
    assert (np.abs(again["matrix"] - weights["matrix"]) <= 0.5001 * steps[:, None]).all()
    exact = np.abs(weights["matrix"]).max(axis=1) / (2 ** (bits - 1) - 1)
    assert (steps >= exact).all()
    assert (steps <= 1.008 * exact).all()


def test_biases_and_short_rows_keep_16_bits_and_zeros_stay_zeros(weights):
    kept, again = in_bits(weights, 4), restored(in_bits(weights, 4))
    for name in ("bias", "first"):
        assert kept[name].steps.shape == (1,)
        assert np.abs(again[name] - weights[name]).max() < 1.01 * np.abs(weights[name]).max() / LARGEST_CODE
    np.testing.assert_array_equal(again["zeros"], 0)
    assert again[STEPS] == 3


def test_a_large_table_of_short_rows_has_one_step_and_few_bits():
    table = np.random.default_rng(6).normal(size=(4, 2000, 2)).astype("f4")
    kept = in_bits({"table": table}, 6)["table"]
    assert kept.steps.shape == (1,)
    assert np.abs(kept.codes).max() == 31


def test_steps_follow_the_influence_and_never_leave_what_codes_can_hold(weights):
    influence = {"matrix": 4.0, "bias": 0.01, "first": 1e30, "zeros": 0.0}
    kept = by_sensitivity({**weights, "matrix": weights["matrix"][16:18]}, influence, 0.02)
    assert kept["matrix"].steps[0] == pytest.approx(0.01, rel=0.01)
    assert kept["bias"].steps[0] == pytest.approx(0.2, rel=0.01)
    assert abs(int(np.abs(kept["first"].codes).max()) - LARGEST_CODE) < 300
    np.testing.assert_array_equal(restored(kept)["zeros"], 0)


def test_half_of_a_float_is_the_next_one_above():
    numbers = np.random.default_rng(2).uniform(1e-12, 1e6, 5000)
    halves = upper_half(numbers)
    assert ((halves.view(np.uint32) & 0xFFFF) == 0).all()
    assert (halves >= numbers.astype("f4")).all()
    assert (halves <= numbers * 1.008).all()
    np.testing.assert_array_equal(upper_half(halves), halves)


def test_codes_times_steps_by_row_are_the_tensor():
    stored = Quantised(np.array([[1, -2], [3, 4]], np.int16), np.array([0.5, 2.0], "f4"))
    np.testing.assert_array_equal(stored.values, [[0.5, -1.0], [6.0, 8.0]])


def test_the_influence_of_weights_is_the_mean_square_of_their_gradients():
    field = build_field(FieldConfig(family="siren", width=6, layers=2, embedding="fourier", features=4), 2, 2, seed=3)
    x = torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    exact = {name: 0.0 for name, _ in field.named_parameters()}
    for point in x:
        for channel in range(2):
            field.zero_grad()
            field(point[None])[0, channel].backward()
            for name, parameter in field.named_parameters():
                exact[name] += float(parameter.grad.square().mean()) / len(x)
    found = [sensitivity(field, x, seed) for seed in range(60)]
    assert set(found[0]) == set(field.state_dict())
    for name, value in exact.items():
        assert np.mean([one[name] for one in found]) == pytest.approx(value, rel=0.15)
    assert next(iter(found[0].values())) > 0  # the frequencies, which are no parameters


def test_weights_without_influence_have_none():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))

        def forward(self, x):
            return self.used * x

    assert sensitivity(Half(), torch.full((1, 1), 2.0)) == {"used": 4.0, "unused": 0.0}
