"""The trainer: exact gradients in micro-batches, and a way back from divergence, collapse and short memory."""

import math

import numpy as np
import pytest
import torch

from dinr_studio.errors import MemoryShort, TrainingDiverged
from dinr_studio.training import trainer as trainer_module
from dinr_studio.training.task import prepare
from dinr_studio.training.trainer import RECOVERIES, Trainer, end_reason
from dinr_studio.volume import make_volume


@pytest.fixture
def make_trainer(make_smooth_volume, make_config):
    """Makes a trainer on a smooth volume."""

    def make(volume=None, **changes):
        volume = volume or make_smooth_volume((10, 11, 12))
        config = make_config(**changes)
        return Trainer(prepare(volume, config.training), config, torch.device("cpu"))

    return make


@pytest.mark.parametrize("micro_batch", [1, 7, 64, 100])
def test_a_gradient_in_micro_batches_is_that_of_the_whole_batch(make_trainer, micro_batch):
    settings = {"batch": 100, "gradient_clip": None, "kinetic_weight": 0.3, "zero_start": False}
    whole, parts = make_trainer(micro_batch=100, **settings), make_trainer(micro_batch=micro_batch, **settings)
    whole.advance()
    parts.advance()
    for one, two in zip(whole.field.parameters(), parts.field.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-7)


def test_training_lowers_the_error_on_voxels_it_never_saw(make_trainer):
    trainer = make_trainer(max_epochs=40)
    before = trainer.look()
    while end_reason(trainer) is None:
        trainer.advance()
    assert trainer.look() > before + 10


@pytest.mark.parametrize("family", ["dinr-siren", "dinr-ffnet", "siren", "ffnet"])
def test_every_family_learns(make_trainer, family):
    embedding = "siren" if family.endswith("siren") else "fourier"
    trainer = make_trainer(family=family, embedding=embedding, features=32, bandwidth=0.5, max_epochs=15, layers=3)
    before = trainer.look()
    while end_reason(trainer) is None:
        trainer.advance()
    assert trainer.look() > before + 3


def test_only_training_voxels_are_ever_asked_for(make_smooth_volume, make_trainer):
    volume = make_smooth_volume((10, 11, 12))
    absent = np.zeros(volume.grid.shape, bool)
    absent[4] = True
    trainer = make_trainer(volume.without(absent), held_out_share=0.2)
    asked = set()
    samples = trainer.task.source.samples

    def recorded(flat):
        asked.update(flat.tolist())
        return samples(flat)

    trainer.task.source.samples = recorded
    for _ in range(trainer.batches.per_epoch):
        trainer.advance()
    assert asked == set(trainer.task.training.tolist())
    assert not asked & set(np.flatnonzero(trainer.task.held_out | absent).tolist())


def poison(trainer, value):
    with torch.no_grad():
        next(trainer.field.parameters()).fill_(value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_divergence_is_caught_at_its_step_and_the_run_goes_on(make_trainer, value):
    trainer = make_trainer(max_epochs=30)
    for _ in range(5):
        trainer.advance()
    poison(trainer, value)
    trainer.advance()
    assert all(torch.isfinite(parameter).all() for parameter in trainer.field.parameters())
    assert trainer.events[-1][0] == 5
    assert "Step 5" in trainer.events[-1][1]
    assert trainer.rate_share == pytest.approx(1 / 3)
    for _ in range(20):
        trainer.advance()
    assert len(trainer.events) == 1


def test_exploding_trajectories_are_told_from_other_divergences(make_trainer):
    trainer = make_trainer()
    trainer.advance()
    with torch.no_grad():
        trainer.field.vector_field.projection.bias.fill_(1e6)
    trainer.advance()
    assert "explode" in trainer.events[-1][1]


def test_after_three_restarts_a_run_that_diverges_stops_with_words(make_trainer):
    trainer = make_trainer(max_epochs=30)
    for _ in range(RECOVERIES):
        poison(trainer, math.nan)
        trainer.advance()
    poison(trainer, math.nan)
    with pytest.raises(TrainingDiverged, match=r"Step 3.*learning rate"):
        trainer.advance()
    assert len(trainer.events) == RECOVERIES + 1


def test_a_field_that_has_learnt_nothing_starts_afresh_at_a_lower_rate(make_grid, make_trainer):
    noise = make_volume(np.random.default_rng(0).normal(size=(20, 20, 20)), make_grid((20, 20, 20)))
    trainer = make_trainer(noise, max_epochs=1000)
    trainer.step = 400 + trainer.total_steps // 2
    trainer.watch_for_collapse(0.99 * trainer.task.variance)
    assert "collapsed to a constant" in trainer.events[-1][1]
    assert trainer.rate_share == pytest.approx(1 / 3)
    trainer.watch_for_collapse(0.99 * trainer.task.variance)
    assert len(trainer.events) == 1


def test_short_memory_halves_the_micro_batch_and_goes_on(make_trainer, monkeypatch):
    trainer, free = make_trainer(micro_batch=64), make_trainer(micro_batch=64)
    predict = trainer.field.predict

    def short(x):
        if len(x) > 16:
            raise torch.OutOfMemoryError("out of memory")
        return predict(x)

    monkeypatch.setattr(trainer.field, "predict", short)
    trainer.advance()
    free.advance()
    assert trainer.micro_batch == 16
    assert "micro-batches of 16" in trainer.events[-1][1]
    for one, two in zip(trainer.field.parameters(), free.field.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-7)


def test_memory_too_short_for_one_voxel_is_an_error_in_words(make_trainer, monkeypatch):
    trainer = make_trainer()

    def short(x):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(trainer.field, "predict", short)
    with pytest.raises(MemoryShort, match="single voxel"):
        trainer.advance()


def test_the_best_weights_are_kept(make_trainer):
    trainer = make_trainer()
    trainer.look()
    best = dict(trainer.best)
    with torch.no_grad():
        trainer.field.decoder.bias.fill_(50.0)
    assert trainer.look() < trainer.best_psnr
    assert all(np.array_equal(best[name], trainer.best[name]) for name in best)


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, {"step": 10**6}, "4 epochs"),
        ({"time_limit": 3.0}, {"elapsed": 3.5}, "time limit of 3 s"),
        ({"goal_psnr": 30.0}, {"best_psnr": 31.0}, "goal of 30 dB"),
        ({"patience": 5}, {"looks_without_gain": 5}, "5 evaluations"),
    ],
)
def test_every_end_says_why(make_trainer, changes, state, reason):
    trainer = make_trainer(**changes)
    assert end_reason(trainer) is None
    for name, value in state.items():
        setattr(trainer, name, value)
    assert reason in end_reason(trainer)


def test_bf16_learns_almost_what_fp32_learns(make_trainer, monkeypatch):
    monkeypatch.setattr(trainer_module, "effective_precision", lambda precision, device: precision)
    scores = {}
    for precision in ("fp32", "bf16"):
        trainer = make_trainer(max_epochs=20, precision=precision)
        while end_reason(trainer) is None:
            trainer.advance()
        scores[precision] = trainer.look()
    assert scores["bf16"] > scores["fp32"] - 1.5
    assert scores["bf16"] != scores["fp32"]


def test_bf16_is_not_emulated_and_the_run_says_so(make_trainer, monkeypatch):
    monkeypatch.setattr(trainer_module, "effective_precision", lambda precision, device: "fp32")
    trainer = make_trainer(precision="bf16")
    assert trainer.field.precision == "fp32"
    assert "fp32 instead" in trainer.events[0][1]
    assert not make_trainer().events


def test_steps_grow_with_training_and_the_best_weights_are_those_of_all_steps(make_trainer):
    trainer = make_trainer(steps=4, growing_steps=True, max_epochs=20, optimiser="muon")
    seen = []
    while end_reason(trainer) is None:
        trainer.advance()
        if trainer.step % 10 == 0:
            trainer.look()
            seen.append((trainer.field.steps, trainer.best.get("steps")))
    counts = [steps for steps, _ in seen]
    assert counts == sorted(counts)
    assert set(counts) == {1, 2, 4}
    assert all(best == (None if steps == 4 else steps) for steps, best in seen)
    assert trainer.best_step > 0.35 * trainer.total_steps


def test_steps_that_grow_end_near_where_all_steps_from_the_start_do(make_trainer):
    scores = {}
    for growing in (False, True):
        trainer = make_trainer(steps=4, growing_steps=growing, max_epochs=40, optimiser="muon", learning_rate=0.01)
        while end_reason(trainer) is None:
            trainer.advance()
        scores[growing] = trainer.look()
    assert scores[True] > scores[False] - 3 > 30
