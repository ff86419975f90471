"""Learning-rate schedules, the plateau rule against torch's."""

import itertools

import numpy as np
import pytest
import torch

from dinr_studio.training.schedules import FLOOR, SCHEDULES, Plateau, cosine, grown_steps, growth


def test_the_cosine_rises_to_the_peak_and_falls_to_its_floor():
    rates = [cosine(p, 0.1) for p in np.linspace(0, 1, 101)]
    assert rates[0] == FLOOR
    assert rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx((1 + FLOOR) / 2)
    assert rates[100] == pytest.approx(FLOOR)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_constant_is_level_after_the_warm_up():
    assert SCHEDULES["constant"](0.05, 0.1) == pytest.approx(0.5)
    assert SCHEDULES["constant"](0.5, 0.1) == SCHEDULES["constant"](0.5, 0.0) == 1.0


def test_the_plateau_rule_is_torch_s():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.1, patience=10)
    ours = Plateau()
    losses = np.abs(np.random.default_rng(0).normal(1, 0.3, 200)) * np.exp(-np.arange(200) / 30) + 0.01
    for loss in losses[:120]:
        optimiser.step()
        theirs.step(float(loss))
        ours.look(float(loss))
        assert ours.share == pytest.approx(optimiser.param_groups[0]["lr"])
    assert ours.share < 0.2


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 12, 1000])
def test_steps_grow_from_one_to_all_and_a_run_s_stages_add_up(steps):
    counts = [grown_steps(p, steps) for p in np.linspace(0, 1, 101)]
    assert counts[0] == 1
    assert counts[-1] == counts[86] == steps
    assert all(a <= b for a, b in itertools.pairwise(counts))
    stages = growth(steps)
    assert sum(share for share, _ in stages) == pytest.approx(1)
    mean = sum(share * count for share, count in stages)
    assert mean == pytest.approx(np.mean([grown_steps(p, steps) for p in np.linspace(0, 0.9999, 2000)]), rel=1e-2)
    assert mean < 0.8 * steps or steps < 5
