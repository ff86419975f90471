"""A batch that threads share gives the gradient that one thread gives, and stops as it does."""

import numpy as np
import pytest
import torch

from dinr_studio.errors import MemoryShort
from dinr_studio.training import trainer as trainer_module
from dinr_studio.training.task import prepare
from dinr_studio.training.trainer import Trainer

SETTINGS = {"batch": 600, "micro_batch": 100, "gradient_clip": None, "kinetic_weight": 0.3, "zero_start": False}


@pytest.fixture
def make_trainer(make_smooth_volume, make_config):
    """Makes a trainer on a smooth volume."""

    def make(**changes):
        config = make_config(**{**SETTINGS, **changes})
        return Trainer(prepare(make_smooth_volume((10, 11, 12)), config.training), config, torch.device("cpu"))

    return make


@pytest.fixture
def threads():
    """Sets torch's threads for a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("family", ["dinr-siren", "dinr-ffnet", "siren"])
def test_threads_that_share_a_batch_make_the_gradient_and_the_losses_of_one(make_trainer, threads, family):
    embedding = "siren" if family.endswith("siren") else "fourier"
    alone, shared = (make_trainer(family=family, embedding=embedding, features=32) for _ in range(2))
    alone.advance()
    threads(2)
    shared.advance()
    assert (alone.hands, shared.hands) == (1, 2)
    for one, two in zip(alone.field.parameters(), shared.field.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-7)
    assert shared.reported.take() == pytest.approx(alone.reported.take(), rel=1e-5)
    assert shared.look() == pytest.approx(alone.look(), abs=1e-3)


def test_a_fit_with_some_number_of_threads_repeats_exactly(make_trainer, threads):
    threads(2)
    runs = []
    for _ in range(2):
        trainer = make_trainer()
        for _ in range(8):
            trainer.advance()
        runs.append(trainer.frozen())
    assert all(np.array_equal(runs[0][name], runs[1][name]) for name in runs[0])


def test_a_step_that_is_given_up_by_one_thread_never_was(make_trainer, threads):
    threads(2)
    trainer = make_trainer()
    before = trainer.frozen()
    asked = []
    trainer.give_up = lambda: asked.append(1) or len(asked) == 3
    assert trainer.advance() == 0
    assert trainer.step == 0
    assert all(np.array_equal(value, before[name]) for name, value in trainer.frozen().items())


def test_short_memory_in_one_thread_halves_the_micro_batch(make_trainer, threads, monkeypatch):
    threads(2)
    trainer, whole = make_trainer(micro_batch=512), trainer_module.batch_part
    sizes = []

    def short(field, source, voxels, micro_batch, *rest):
        sizes.append(micro_batch)
        if micro_batch > 64:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return whole(field, source, voxels, micro_batch, *rest)

    monkeypatch.setattr(trainer_module, "batch_part", short)
    assert trainer.advance() == len(trainer.batches.voxels(0))
    assert trainer.micro_batch == 64
    assert max(sizes) == 256


def test_memory_too_short_for_one_voxel_in_a_thread_is_told(make_trainer, threads, monkeypatch):
    threads(2)

    def short(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(trainer_module, "batch_part", short)
    with pytest.raises(MemoryShort, match="single voxel"):
        make_trainer().advance()


def test_dropout_keeps_to_one_thread_whose_masks_repeat(make_trainer, threads):
    threads(2)
    trainer = make_trainer(family="dinr-ffnet", embedding="fourier", features=32, dropout=0.2)
    trainer.advance()
    assert trainer.hands == 1
