"""Fields blended: weights that add up to 1, exact where the fields agree, and no work where a field counts nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dinr_studio.config import FieldConfig
from dinr_studio.fields.blended import BlendedField, axis_weights
from dinr_studio.fields.build import build_field
from dinr_studio.fields.frozen import freeze


class Affine(nn.Module):
    """The same affine function of the whole's coordinates, told in those of a block; counts what it is asked."""

    def __init__(self, gradient, slope, intercept):
        super().__init__()
        self.gradient, self.slope, self.intercept = map(torch.as_tensor, (gradient, slope, intercept))
        self.asked = 0

    def forward(self, own):
        self.asked += len(own)
        whole = (own.double() - self.intercept) / self.slope
        return (whole @ self.gradient.T + 0.5).to(own.dtype)


def ramps_of(random, counts, *, width):
    """For each axis cuts evenly spaced over [-1, 1], with ramps of a share of the distance between them."""
    found = []
    for count in counts:
        cuts = np.linspace(-1, 1, count + 1)[1:-1]
        half = width * random.uniform(0.2, 1) / count
        found.append(np.stack([cuts - half, cuts + half], axis=1))
    return found


@st.composite
def blends(draw):
    counts = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    return counts, ramps_of(random, counts, width=draw(st.sampled_from((0.0, 0.3, 1.0)))), random


@given(blends())
@settings(max_examples=50, deadline=None)
def test_weights_are_shares_that_add_up_to_one_everywhere(blend):
    counts, ramps, random = blend
    x = torch.from_numpy(random.uniform(-1.5, 1.5, (200, len(counts))))  # beyond the outer faces as well
    total = torch.ones(200, dtype=torch.float64)
    for axis, one in enumerate(ramps):
        weights = axis_weights(x[:, axis], torch.from_numpy(one))
        assert weights.shape == (200, counts[axis])
        assert weights.min() >= 0
        assert (weights > 0).sum(dim=1).max() <= 2
        total *= weights.sum(dim=1)
    assert (total - 1).abs().max() < 1e-12


@given(blends())
@settings(max_examples=12, deadline=None)
def test_what_all_blocks_agree_on_is_reproduced(blend):
    counts, ramps, random = blend
    blocks, axes = int(np.prod(counts)), len(counts)
    slope, intercept = random.uniform(0.5, 4, (blocks, axes)), random.uniform(-2, 2, (blocks, axes))
    gradient = random.uniform(-1, 1, (2, axes)) * random.integers(0, 2)  # a constant, or affine
    field = BlendedField(
        [Affine(gradient, *both) for both in zip(slope, intercept, strict=True)], 2, ramps, slope, intercept
    )
    x = torch.from_numpy(random.uniform(-1.2, 1.2, (100, axes)))
    for evaluate in (field, freeze(field)):
        torch.testing.assert_close(evaluate(x), x @ torch.from_numpy(gradient).T + 0.5, rtol=0, atol=1e-12)
        np.testing.assert_allclose(evaluate(x.float()), x.numpy() @ gradient.T + 0.5, rtol=0, atol=5e-6)


def test_weights_change_with_two_continuous_derivatives():
    x = torch.linspace(-0.5, 0.5, 2001, dtype=torch.float64, requires_grad=True)
    rising = axis_weights(x, torch.tensor([[-0.25, 0.25]], dtype=torch.float64))[:, 1]
    (first,) = torch.autograd.grad(rising.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    step = 1 / 2000
    assert first.detach().diff().abs().max() < 1.1 * second.abs().max() * step
    assert second.diff().abs().max() < 500 * step  # the third derivative of the ramp is 60 / 0.5^3 at most
    assert first.detach().abs().max() == pytest.approx(1.875 / 0.5, rel=1e-3)


def test_fields_are_asked_only_where_they_count():
    ramps = [np.array([[-0.1, 0.1]])] * 2
    affine = np.ones((4, 2)), np.zeros((4, 2))
    blocks = [Affine(np.ones((1, 2)), np.ones(2), np.zeros(2)) for _ in range(4)]
    field = BlendedField(blocks, 1, ramps, *affine)
    field(torch.tensor([[-0.5, -0.5], [-0.5, 0.5], [-0.5, 0.05]]))
    assert [block.asked for block in blocks] == [2, 2, 0, 0]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_frozen_blend_has_the_values_of_the_fields(precision):
    config = FieldConfig(width=16, blocks=1, steps=2)
    blocks = [build_field(config, 3, 2, seed=seed, precision=precision) for seed in range(4)]
    for block in blocks:
        nn.init.normal_(block.vector_field.projection.weight, std=0.1)
    random = np.random.default_rng(0)
    slope, intercept = random.uniform(1, 2, (4, 3)), random.uniform(-0.2, 0.2, (4, 3))
    field = BlendedField(blocks, 2, ramps_of(random, (2, 1, 2), width=1.0), slope, intercept).eval()
    x = torch.from_numpy(random.uniform(-1, 1, (500, 3)).astype(np.float32))
    with torch.no_grad():
        torch.testing.assert_close(freeze(field)(x), field(x), rtol=1e-4, atol=2e-2 if precision == "bf16" else 2e-5)
        assert field(x).std() > 0.01
