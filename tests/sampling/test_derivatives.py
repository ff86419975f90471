"""Derivatives of fields against analytic ones and finite differences, in physical units, on unlike and turned grids."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from dinr_studio.config import FieldConfig
from dinr_studio.coordinates import CoordinateMap, Orientation
from dinr_studio.errors import ConfigError
from dinr_studio.fields.build import build_field
from dinr_studio.fields.dinr import DinrField
from dinr_studio.io import open_volume
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.derivatives import NAMES, is_signed, per, quantities_of, quantity_field
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs, values_at
from dinr_studio.sampling.export import export


class Analytic(torch.nn.Module):
    """A function of world positions (N, axes) -> list of channels, as a network of normalised values."""

    def __init__(self, function, coordinates, normalisation):
        super().__init__()
        self.function, self.map, self.normalisation = function, coordinates, normalisation

    def forward(self, x):
        x = x.double()
        world = (x - x.new_tensor(self.map.offset)) / x.new_tensor(self.map.scale) + x.new_tensor(self.map.centre)
        values = torch.stack(self.function(*world.T), dim=1)
        return (values - values.new_tensor(self.normalisation.offset)) / values.new_tensor(self.normalisation.scale)


@pytest.fixture
def analytic(make_grid):
    """Makes a field of a function of world positions, on a grid of unlike voxels, with its values normalised."""

    def make(function, shape=(6, 7, 8), *, names=(), unit="", grid=None, channels=1):
        grid = grid or make_grid(shape)
        coordinates = CoordinateMap.of(grid)
        scale = Normalisation(tuple(2.5 + c for c in range(channels)), tuple(0.3 * c for c in range(channels)))
        module = Analytic(function, coordinates, scale)
        return FieldOnGrid(module, coordinates, scale, grid, channels, names, unit)

    return make


def places(field, count=40):
    rng = np.random.default_rng(1)
    return field.grid.world(rng.uniform(0, np.array(field.grid.shape) - 1, (count, len(field.grid.shape))))


def at(field, name, world):
    return values_at(quantity_field(field, name), world)


def wave(z, y, x):
    return [torch.sin(0.3 * z) * torch.exp(-0.1 * y) * x**2]


def test_derivatives_of_an_analytic_field_are_exact_in_physical_units_on_unlike_voxels(analytic):
    field = analytic(wave, unit="K")
    world = places(field)
    z, y, x = world.T
    s, c, e = np.sin(0.3 * z), np.cos(0.3 * z), np.exp(-0.1 * y)
    gradient = np.stack([0.3 * c * e * x**2, -0.1 * s * e * x**2, 2 * s * e * x], axis=1)
    pure = np.stack([-0.09 * s * e * x**2, 0.01 * s * e * x**2, 2 * s * e], axis=1)
    mixed = [-0.03 * c * e * x**2, 0.6 * c * e * x, -0.2 * s * e * x]
    hessian = np.stack([pure[:, 0], mixed[0], mixed[1], pure[:, 1], mixed[2], pure[:, 2]], axis=1)
    for name, expected in {
        "gradient": gradient,
        "gradient-magnitude": np.linalg.norm(gradient, axis=1, keepdims=True),
        "hessian": hessian,
        "laplacian": pure.sum(axis=1, keepdims=True),
    }.items():
        np.testing.assert_allclose(at(field, name, world), expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max())
    assert quantity_field(field, "gradient").channel_names == ("d/dz", "d/dy", "d/dx")
    assert quantity_field(field, "gradient").value_unit == "K/nm"
    assert quantity_field(field, "laplacian").value_unit == "K/nm^2"
    assert quantity_field(field, "hessian").channel_names[:3] == ("d2/dz2", "d2/dzdy", "d2/dzdx")


def test_gradients_of_a_turned_volume_are_along_the_axes_of_its_space(analytic, make_grid):
    turn = Rotation.from_euler("zyx", [20, -35, 50], degrees=True).as_matrix()
    directions = tuple(tuple(float(v) for v in row) for row in turn)
    grid = replace(make_grid((6, 7, 8)), orientation=Orientation(directions, "RAS"))
    field = analytic(wave, grid=grid)
    straight = analytic(wave, grid=replace(grid, orientation=None))
    world = places(field)
    in_space = world @ turn  # position in space: the sum of coordinates times directions
    step = 1e-2 * np.eye(3)
    found, own = at(field, "gradient", world), at(straight, "gradient", world)

    def value(space):
        return values_at(straight, space @ turn.T)[:, 0]

    expected = np.stack([(value(in_space + h) - value(in_space - h)) / 2e-2 for h in step], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert np.abs(found - own).max() > 0.1 * np.abs(own).max()
    for name in ("gradient-magnitude", "laplacian"):
        np.testing.assert_allclose(at(field, name, world), at(straight, name, world), rtol=1e-4, atol=1e-3)


def rotor(z, y, x):
    """Components along x, y, z of a flow that turns about z, stretches along z and shears."""
    return [-2 * y + 0.5 * z, 3 * x, 0.7 * z + 0.1 * x]


ROTOR = {  # J[i, j] = d(component i)/d(axis j), x, y, z
    "divergence": [0.7],
    "curl": [0.0, 0.5 - 0.1, 5.0],
    "vorticity-magnitude": [np.hypot(0.4, 5.0)],
    "q-criterion": [-0.5 * (0.7**2 + 2 * (-2 * 3) + 2 * 0.5 * 0.1)],
}


@pytest.mark.parametrize(
    ("names", "order"), [(("u", "v", "w"), [0, 1, 2]), (("vz", "vy", "vx"), [2, 1, 0]), ((), [0, 1, 2])]
)
def test_vector_quantities_know_which_channel_is_which_component(analytic, names, order):
    def flow(z, y, x):
        components = rotor(z, y, x)
        return [components[i] for i in order]

    field = analytic(flow, names=names, unit="nm/s", channels=3)
    for name, expected in ROTOR.items():
        np.testing.assert_allclose(at(field, name, places(field)), np.tile(expected, (40, 1)), rtol=1e-4, atol=1e-5)
    curl = quantity_field(field, "curl")
    assert (curl.channel_names, curl.value_unit) == (("curl x", "curl y", "curl z"), "1/s")
    assert quantity_field(field, "q-criterion").value_unit == "1/s^2"


def test_vector_quantities_of_a_turned_volume_take_components_along_the_axes_of_its_space(analytic, make_grid):
    turn = Rotation.from_euler("zyx", [20, -35, 50], degrees=True).as_matrix()
    directions = tuple(tuple(float(v) for v in row) for row in turn)
    grid = replace(make_grid((6, 7, 8)), orientation=Orientation(directions))

    def flow(z, y, x):
        in_space = torch.stack([z, y, x], dim=1) @ torch.from_numpy(turn)
        return rotor(*in_space.T)

    field = analytic(flow, names=("u", "v", "w"), grid=grid, channels=3)
    for name, expected in ROTOR.items():
        np.testing.assert_allclose(at(field, name, places(field)), np.tile(expected, (40, 1)), rtol=1e-4, atol=1e-5)


def test_a_flow_in_a_plane_has_one_component_of_curl(analytic):
    field = analytic(lambda y, x: [-2 * y, 3 * x], (6, 7), names=("u", "v"), channels=2)
    assert quantity_field(field, "curl").channel_names == ("curl z",)
    assert at(field, "curl", places(field)) == pytest.approx(5.0, rel=1e-4)


def test_time_is_derived_by_its_own_unit_and_left_out_of_gradients(analytic, make_grid):
    field = analytic(lambda t, y, x: [t**2 * y + 4 * x], grid=make_grid((5, 6, 7), axes=("t", "y", "x")), unit="K")
    world = places(field)
    derived = quantity_field(field, "time-derivative")
    assert (derived.channel_names, derived.value_unit) == (("d/dt",), "K/s")
    np.testing.assert_allclose(values_at(derived, world)[:, 0], 2 * world[:, 0] * world[:, 1], rtol=1e-4, atol=1e-3)
    expected = np.stack([world[:, 0] ** 2, np.full(40, 4.0)], axis=1)
    np.testing.assert_allclose(at(field, "gradient", world), expected, rtol=1e-4)


@pytest.fixture
def network(make_grid):
    """A field of a network with two channels of unlike scales."""

    def make(family, **changes):
        grid = make_grid((6, 7, 8))
        embedding = "siren" if family.endswith("siren") else "fourier"
        settings = {"width": 16, "features": 16, "bandwidth": 0.7, "omega_0": 4.0, "steps": 2, "zero_start": False}
        config = FieldConfig(family=family, embedding=embedding, **(settings | changes))
        module = build_field(config, 3, 2, seed=3).eval().requires_grad_(False)
        return FieldOnGrid(module, CoordinateMap.of(grid), Normalisation((3.0, 0.5), (1.0, -2.0)), grid, 2)

    return make


@pytest.mark.parametrize("family", ["dinr-siren", "dinr-ffnet", "siren", "ffnet"])
def test_gradients_and_laplacians_of_networks_are_those_of_finite_differences(network, family):
    field = network(family)
    in_64_bits = replace(field, module=field.module.double())
    world = places(field)

    def value(at):
        x = torch.from_numpy(field.coordinates.network(at))
        with torch.no_grad():
            return in_64_bits.normalisation.to_values(in_64_bits.module(x).numpy())

    steps = 1e-3 * np.eye(3)
    around = [(value(world + h), value(world - h)) for h in steps]
    gradient = np.stack([(a - b) / 2e-3 for a, b in around], axis=2).reshape(40, -1)
    laplacian = sum(a + b - 2 * value(world) for a, b in around) / 1e-6
    field = network(family)
    np.testing.assert_allclose(at(field, "gradient", world), gradient, atol=1e-4 * np.abs(gradient).max())
    np.testing.assert_allclose(at(field, "laplacian", world), laplacian, atol=1e-3 * np.abs(laplacian).max())


def test_the_kinetic_energy_map_averages_to_the_energy_that_training_penalises(network):
    field = network("dinr-siren", steps=5)
    assert isinstance(field.module, DinrField)
    grid = field.grid.upsampled((1.5, 1.5, 1.5))
    energy = np.concatenate(list(evaluate_slabs(quantity_field(field, "kinetic-energy"), grid)))
    world = np.stack(np.meshgrid(*(grid.axis_positions(i) for i in range(3)), indexing="ij"), axis=-1).reshape(-1, 3)
    x = torch.from_numpy(field.coordinates.network(world).astype(np.float32))
    assert energy.shape == (*grid.shape, 1)
    assert float(energy.mean()) == pytest.approx(float(field.module.predict(x).kinetic_energy), rel=1e-4)
    assert energy.std() > 0.01 * energy.mean()


def test_what_a_field_has_not_is_a_sentence(network, analytic, make_grid):
    field = network("siren")
    assert set(quantities_of(field)) == {"gradient", "gradient-magnitude", "laplacian", "hessian"}
    for name, words in {
        "curl": "a component of one unit for each of its 3 axes",
        "time-derivative": "has no time",
        "kinetic-energy": "with dynamics",
        "moon": "gradient, gradient-magnitude",
    }.items():
        with pytest.raises(ConfigError, match=words):
            quantity_field(field, name)
    grid = replace(make_grid((6, 7)), units=("deg", "m"))
    mixed = analytic(lambda y, x: [y * x], grid=grid, unit="K")
    assert quantity_field(mixed, "gradient").channel_names == ("d/dy [K/deg]", "d/dx [K/m]")
    with pytest.raises(ConfigError, match="y in deg, x in m"):
        quantity_field(mixed, "gradient-magnitude")
    assert [is_signed(name) for name in NAMES] == [True, False, True, True, True, True, False, True, True, False]


@pytest.mark.parametrize(
    ("value", "length", "power", "unit"),
    [
        ("K", "m", 1, "K/m"),
        ("m/s", "m", 1, "1/s"),
        ("m/s", "km", 1, "(m/s)/km"),
        ("", "Å", 2, "1/Å^2"),
        ("K", "", 1, ""),
    ],
)
def test_units_of_derivatives(value, length, power, unit):
    assert per(value, length, power) == unit


@pytest.mark.parametrize("ending", [".mrc", ".h5", ".zarr"])
def test_a_quantity_is_exported_like_a_field_at_any_resolution(analytic, tmp_path, ending):
    field = analytic(wave, unit="K")
    derived = quantity_field(field, "gradient-magnitude")
    grid = field.grid.upsampled((2, 2, 2))
    list(export(derived, grid, tmp_path / f"out{ending}"))
    volume = open_volume(str(tmp_path / f"out{ending}"))
    world = np.stack(np.meshgrid(*(grid.axis_positions(i) for i in range(3)), indexing="ij"), axis=-1)
    z, y, x = np.moveaxis(world, -1, 0)
    s, c, e = np.sin(0.3 * z), np.cos(0.3 * z), np.exp(-0.1 * y)
    expected = e * np.sqrt((0.3 * c * x**2) ** 2 + (0.1 * s * x**2) ** 2 + (2 * s * x) ** 2)
    np.testing.assert_allclose(volume.in_memory[..., 0], expected, rtol=1e-4, atol=1e-4)
    if ending != ".mrc":
        assert volume.value_unit == "K/nm"
