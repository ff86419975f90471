"""Optimisers: Muon's updates are orthogonal and torch's own, and every parameter is moved by exactly one optimiser."""

import pytest
import torch

from dinr_studio.config import FAMILIES, FieldConfig, TrainingConfig
from dinr_studio.fields.build import build_field
from dinr_studio.training.optimisers import TABLE_SHARES, Muon, make_optimisers, orthogonalised


@pytest.mark.parametrize("shape", [(3, 20, 20), (2, 8, 24), (2, 24, 8), (1, 1, 5)])
def test_orthogonalised_matrices_have_singular_values_near_one_and_keep_their_directions(shape):
    torch.manual_seed(1)
    matrices = torch.randn(shape) * torch.logspace(-4, 4, shape[0])[:, None, None]
    made = orthogonalised(matrices)
    assert made.shape == matrices.shape
    assert torch.linalg.svdvals(made).min() > 0.3
    assert torch.linalg.svdvals(made).max() < 1.3
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    aligned = torch.diagonal(u.mT @ made @ v.mT, dim1=1, dim2=2)
    assert (aligned > 0.3).all()


def test_a_matrix_without_a_gradient_s_direction_stays_where_it_is():
    assert torch.equal(orthogonalised(torch.zeros(2, 4, 4)), torch.zeros(2, 4, 4))
    matrix = torch.nn.Parameter(torch.ones(4, 4))
    Muon([matrix], lr=0.1, weight_decay=0.0).step()
    assert torch.equal(matrix, torch.ones(4, 4))


def test_muon_takes_the_steps_of_torch_s_own(monkeypatch):
    torch.manual_seed(0)
    start, target = torch.randn(12, 12), torch.randn(12, 12)
    ends = []
    for make in (
        lambda p: Muon([p], lr=0.02, weight_decay=0.1),
        lambda p: torch.optim.Muon([p], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    ):
        parameter = torch.nn.Parameter(start.clone())
        optimiser = make(parameter)
        for _ in range(20):
            optimiser.zero_grad()
            (parameter - target).square().sum().backward()
            optimiser.step()
        ends.append(parameter.detach())
    moved = (ends[1] - start).norm()
    assert (ends[0] - ends[1]).norm() < 0.03 * moved  # torch's works in 16 bits


@pytest.mark.parametrize("embedding", ["own", "positional", "hashgrid", "wire"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_every_parameter_is_moved_by_exactly_one_optimiser(family, optimiser, embedding):
    if embedding == "own":
        embedding = "siren" if family.endswith("siren") else "fourier"
    small = {"width": 8, "features": 8, "zero_start": False, "levels": 2, "finest_resolution": 8}
    field = build_field(FieldConfig(family=family, embedding=embedding, **small), 2, 1, seed=0)
    optimisers = make_optimisers(field, TrainingConfig(optimiser=optimiser))
    owned = [id(p) for part in optimisers.parts for group in part.param_groups for p in group["params"]]
    assert sorted(owned) == sorted(id(p) for p in field.parameters())
    before = [p.detach().clone() for p in field.parameters()]
    field.predict(torch.rand(50, 2)).values.square().mean().backward()
    optimisers.step(0.01)
    names = [name for name, _ in field.named_parameters()]
    still = [n for n, p, b in zip(names, field.parameters(), before, strict=True) if torch.equal(p, b)]
    assert not still
    assert {type(part).__name__ for part in optimisers.parts} == (
        {"AdamW", "Muon"} if optimiser == "muon" else {"AdamW"}
    )


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_a_hash_table_keeps_rows_that_no_batch_came_near_and_moves_the_others_at_its_own_rate(optimiser):
    grid = {"embedding": "hashgrid", "levels": 1, "finest_resolution": 8, "coarsest_resolution": 8}
    field = build_field(FieldConfig(width=8, **grid), 2, 1, seed=0)
    table = field.embedding.grid.table
    before = table.detach().clone()
    optimisers = make_optimisers(field, TrainingConfig(optimiser=optimiser, weight_decay=0.5))
    for _ in range(3):
        optimisers.zero_grad()
        field.predict(torch.full((5, 2), -0.9)).values.square().mean().backward()
        optimisers.step(0.001)
    moved = (table.detach() - before).abs().amax(dim=1)
    assert (moved > 0).nonzero().flatten().tolist() == [0, 1, 9, 10]  # the corners of the first cell of 8 x 8
    assert 2 < float(moved.max()) / (0.001 * TABLE_SHARES[optimiser]) < 3.1  # AdamW's steps are of about the rate
