"""Devices: named by the user, taken or refused in words."""

import pytest
import torch

from dinr_studio.errors import ConfigError
from dinr_studio.training import device as module
from dinr_studio.training.device import effective_precision, product_rate, resolve_device


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


@pytest.mark.parametrize(("half", "taken"), [(1e9, "fp32"), (1e12, "bf16")])
def test_bf16_is_taken_only_where_it_is_quicker(monkeypatch, half, taken):
    effective_precision.cache_clear()
    monkeypatch.setattr(module, "product_rate", lambda kind: half if kind == torch.bfloat16 else 1e11)
    assert effective_precision("bf16", torch.device("cpu")) == taken
    assert effective_precision("fp32", torch.device("cpu")) == "fp32"
    effective_precision.cache_clear()


def test_a_processor_s_products_are_timed():
    assert 1e8 < product_rate(torch.float32, rows=64) < 1e14
