"""Embeddings by their formulas, worked out point by point."""

import math

import pytest
import torch

from dinr_studio.fields.embeddings import Octaves
from dinr_studio.fields.layers import GaborLayer


def test_octaves_are_the_coordinates_with_sines_and_cosines_of_doubling_frequencies():
    found = Octaves(3)(torch.tensor([[0.3, -0.7]]))[0].tolist()
    phases = [2**k * math.pi * x for x in (0.3, -0.7) for k in range(3)]
    assert found == pytest.approx([0.3, -0.7, *map(math.sin, phases), *map(math.cos, phases)], abs=1e-5)


def test_wavelets_are_waves_under_gaussians():
    layer = GaborLayer(2, 3, omega=7.0, sigma=2.5)
    x = torch.tensor([[0.3, -0.7]])
    wave, envelope = layer.wave(x)[0].tolist(), layer.envelope(x)[0].tolist()
    expected = [math.sin(7 * w) * math.exp(-((2.5 * e) ** 2)) for w, e in zip(wave, envelope, strict=True)]
    assert layer(x)[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_wavelets_begin_all_over_the_box():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layer = GaborLayer(3, 2000, omega=10.0, sigma=4.0)
    x = torch.rand(200, 3, generator=torch.Generator().manual_seed(2)) * 2 - 1
    strength = layer(x).abs().mean(dim=1)
    assert strength.max() < 1.5 * strength.min()
