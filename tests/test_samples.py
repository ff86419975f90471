"""The samples: small, readable, each with its source and licence; the turbulence as physics has it."""

import importlib.util
import itertools

import numpy as np
import pytest

from dinr_studio.io import open_volume
from dinr_studio.resources import resource
from dinr_studio.samples import SAMPLES, sample_path


def test_the_samples_are_four_megabytes_at_most_in_all():
    assert sum(path.stat().st_size for path in resource("samples").iterdir()) < 4_000_000


def test_every_sample_has_its_source_and_licence_in_the_readme():
    text = (resource("samples") / "README.md").read_text(encoding="utf-8")
    for sample in SAMPLES.values():
        assert sample.file in text
        assert sample.licence in text
    files = {path.name for path in resource("samples").iterdir()}
    assert files == {sample.file for sample in SAMPLES.values()} | {"README.md"}


@pytest.mark.parametrize(
    ("name", "shape", "unit", "value_unit"),
    [
        ("emd-3001", (43, 25, 73), "angstrom", ""),
        ("turbulence-2d", (256, 256), "m", "1/s"),
        ("turbulence-3d", (64, 64, 64), "m", "m/s"),
        ("clouds", (160, 256), "km", "K"),
    ],
)
def test_every_sample_opens_with_its_units(name, shape, unit, value_unit):
    volume = open_volume(sample_path(name))
    assert sorted(volume.grid.shape) == sorted(shape)
    assert set(volume.grid.units) == {unit}
    assert volume.value_unit == value_unit


@pytest.fixture(scope="module")
def maker(root):
    specification = importlib.util.spec_from_file_location("make_turbulence", root / "packaging" / "make_turbulence.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_a_taylor_green_vortex_decays_as_the_equations_say(maker):
    n, viscosity, dt, steps = 32, 0.05, 0.02, 50
    flow = maker.Flow2D(n, viscosity)
    x = np.arange(n) * maker.BOX / n
    vorticity = 2 * np.cos(x)[:, None] * np.cos(x)
    spectrum = np.fft.rfft2(vorticity)
    for _ in range(steps):
        spectrum = flow.step(spectrum, dt)
    np.testing.assert_allclose(np.fft.irfft2(spectrum), vorticity * np.exp(-2 * viscosity * dt * steps), atol=1e-10)


def test_a_three_dimensional_flow_stays_free_of_divergence_and_loses_energy_to_viscosity_alone(maker):
    n, dt = 16, 0.01
    random = np.random.default_rng(0)
    for viscosity in (0.0, 0.05):
        flow = maker.Flow3D(n, viscosity)
        velocity = flow.divergence_free(maker.random_spectrum((3, n, n, n), flow.k2, 2.0, random) * flow.keep)
        velocity *= 0.01
        energy = [np.sum(np.fft.irfftn(velocity, axes=(1, 2, 3)) ** 2)]
        for _ in range(20):
            velocity = flow.step(velocity, dt)
            energy.append(np.sum(np.fft.irfftn(velocity, axes=(1, 2, 3)) ** 2))
        divergence = sum(k * u for k, u in zip(flow.k, velocity, strict=True))
        assert np.abs(divergence).max() < 1e-9 * np.abs(velocity).max() * n
        if viscosity == 0:
            assert energy[-1] == pytest.approx(energy[0], rel=1e-4)
        else:
            assert all(a > b for a, b in itertools.pairwise(energy))


def test_runge_kutta_is_of_fourth_order(maker):
    """state' = -i w state - nu state, whose solution is known."""
    errors = []
    for steps in (10, 20, 40):
        dt = 1.0 / steps
        state = np.array([1.0 + 0j])
        for _ in range(steps):
            state = maker.runge_kutta(state, lambda s: -2j * s, np.exp(np.array([-0.5 * dt / 2])), dt)
        errors.append(abs(state[0] - np.exp(-2j - 0.5)))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.3)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(4, abs=0.3)
