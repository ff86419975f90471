"""The tangent kernel by layers and step modes is the Jacobian times its transpose."""

import pytest
import torch

from dinr_studio.config import FieldConfig
from dinr_studio.fields import gram
from dinr_studio.fields import tangent_kernel as module
from dinr_studio.fields.build import build_field
from dinr_studio.fields.gram import add_gram, add_products, step_basis, step_modes
from dinr_studio.fields.tangent_kernel import tangent_kernel


def jacobian_kernel(field, x):
    """The kernel by one gradient for each point and channel."""
    parameters = list(field.parameters())
    kernel = 0.0
    for channel in range(field(x[:1]).shape[1]):
        rows = [
            torch.cat([g.reshape(-1) for g in torch.autograd.grad(field(point[None])[0, channel], parameters)])
            for point in x
        ]
        jacobian = torch.stack(rows)
        kernel = kernel + jacobian @ jacobian.T
    return kernel


def small_field(family, channels=1, **changes):
    own = "siren" if family.endswith("siren") else "fourier"
    settings = {"width": 20, "features": 20, "bandwidth": 1.0, "omega_0": 8.0, "hidden_omega": 4.0, "zero_start": False}
    return build_field(FieldConfig(family=family, **({"embedding": own} | settings | changes)), 2, channels, seed=1)


@pytest.fixture
def points():
    return torch.rand(23, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("family", ["dinr-siren", "dinr-ffnet", "siren", "ffnet"])
def test_eigenvalues_are_those_of_the_jacobian_in_64_bits_to_one_part_in_a_million(family, points, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 9)
    monkeypatch.setattr(gram, "ROWS", 7)
    field = small_field(family, steps=12)
    kernel = tangent_kernel(field, points)
    assert kernel.dtype == torch.float64
    assert torch.equal(kernel, kernel.T)
    exact = torch.linalg.eigvalsh(jacobian_kernel(small_field(family, steps=12).double(), points.double()))
    assert float((torch.linalg.eigvalsh(kernel) - exact).abs().max() / exact[-1]) < 1e-6


@pytest.mark.parametrize("family", ["dinr-siren", "ffnet"])
@pytest.mark.parametrize(
    ("embedding", "settings"),
    [
        ("positional", {"octaves": 3}),
        ("wire", {"sigma_0": 1.5}),
        ("hashgrid", {"interpolation": "linear"}),
        ("hashgrid", {"interpolation": "smooth"}),
    ],
)
def test_every_embedding_has_the_kernel_of_its_jacobian_by_layers(family, embedding, settings, points, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 9)
    monkeypatch.setattr(module, "_kernel_by_points", None)  # only by layers
    grid = {"levels": 2, "coarsest_resolution": 2, "finest_resolution": 9, "table_size": 4, "features_per_level": 3}
    field = small_field(family, channels=2, embedding=embedding, steps=2, **grid, **settings).double()
    exact = jacobian_kernel(field, points.double())
    torch.testing.assert_close(tangent_kernel(field, points.double()), exact, rtol=0, atol=1e-6 * float(exact.max()))


@pytest.mark.parametrize("integrator", ["euler", "midpoint", "rk4"])
def test_a_field_in_64_bits_with_two_channels_has_the_kernel_of_its_jacobian(integrator, points):
    field = small_field("dinr-ffnet", channels=2, steps=3, integrator=integrator).double()
    exact = jacobian_kernel(field, points.double())
    torch.testing.assert_close(tangent_kernel(field, points.double()), exact, rtol=0, atol=1e-6 * float(exact.max()))


def test_steps_chosen_by_the_solver_are_taken_point_by_point(points):
    field = small_field("dinr-ffnet", integrator="dopri5")
    kernel = tangent_kernel(field, points[:4])
    torch.testing.assert_close(kernel, jacobian_kernel(field, points[:4]).double(), rtol=1e-4, atol=1e-5)


def test_parameters_train_on_afterwards_and_no_hook_is_left(points):
    field = small_field("dinr-siren")
    field.decoder.bias.requires_grad_(False)
    tangent_kernel(field, points)
    assert [name for name, p in field.named_parameters() if not p.requires_grad] == ["decoder.bias"]
    assert not any(layer._forward_hooks for layer in field.modules())


def test_what_changes_smoothly_over_steps_is_left_with_few_modes():
    random = torch.Generator().manual_seed(0)
    powers = torch.linspace(0, 1, 12)[:, None] ** torch.arange(3)
    gradients, inputs = (
        torch.einsum("kp,pnc->knc", powers, torch.randn(3, 10, 6, generator=random)).double() for _ in range(2)
    )
    g, a = step_modes(step_basis(gradients, inputs), gradients, inputs)
    assert len(g) == len(a) == 3
    exact = torch.einsum("kno,kni->noi", gradients, inputs)
    torch.testing.assert_close(torch.einsum("kno,kni->noi", g, a), exact, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("modes", "explicit"), [(2, False), (6, True)])
def test_products_of_modes_and_gradients_themselves_give_the_same_kernel(modes, explicit, monkeypatch):
    monkeypatch.setattr(gram, "ROWS", 4)
    monkeypatch.setattr(gram, "BLOCK_VALUES", 500)
    called = []
    original = gram._add_explicit
    monkeypatch.setattr(gram, "_add_explicit", lambda *arguments: (called.append(True), original(*arguments)))
    random = torch.Generator().manual_seed(0)
    g, a = (torch.randn(modes, 9, size, generator=random, dtype=torch.float64) for size in (30, 20))
    kernel = torch.zeros(9, 9, dtype=torch.float64)
    add_products(kernel, g, a)
    assert bool(called) is explicit
    jacobian = torch.einsum("pno,pni->noi", g, a).reshape(9, -1)
    torch.testing.assert_close(kernel.tril(), (jacobian @ jacobian.T).tril())


def test_pairs_of_modes_that_cannot_count_are_left_out():
    norms = torch.tensor([1.0, 1e-3, 1e-9])
    sizes = torch.outer(norms, norms)
    assert gram._pairs(sizes, eigenvalue=1.0) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len(gram._pairs(sizes, eigenvalue=0.0)) == 9


def test_a_layer_without_gradients_adds_nothing():
    kernel = torch.zeros(3, 3)
    add_products(kernel, torch.zeros(2, 3, 4), torch.zeros(2, 3, 4))
    add_gram(kernel, torch.zeros(3, 5))
    assert not kernel.any()
