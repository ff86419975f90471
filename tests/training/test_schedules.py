"""Learning-rate schedules, the plateau rule against torch's."""

import itertools

import numpy as np
import pytest
import torch

from dinr_studio.training.schedules import FLOOR, SCHEDULES, Plateau, cosine


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
