"""Devices: named by the user, taken or refused in words."""

import pytest
import torch

from dinr_studio.errors import ConfigError
from dinr_studio.training.device import resolve_device


@pytest.mark.parametrize("name", ["tpu", "", "cuda:x", "meta", "cpu cpu"])
def test_a_device_that_is_none_is_refused_in_words(name):
    with pytest.raises(ConfigError, match="choose auto, cpu, cuda"):
        resolve_device(name)


def test_auto_takes_the_best_there_is(monkeypatch):
    for cuda, mps, best in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda here=cuda: here)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda here=mps: here)
        assert resolve_device("auto").type == best


def test_a_device_that_is_not_here_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="not available on this machine"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="has 1 CUDA devices"):
        resolve_device("cuda:3")
