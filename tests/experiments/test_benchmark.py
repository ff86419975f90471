"""The benchmark: a baseline that computes what our field computes, and an honest report."""

import json

import pytest
import torch

from dinr_studio.config import changed
from dinr_studio.errors import MemoryShort
from dinr_studio.experiments import benchmark as module
from dinr_studio.experiments.baseline import PlainDinr, PlainTraining
from dinr_studio.fields.build import build_field
from dinr_studio.fields.presets import PAPER_FIELDS


def with_weights_of(plain, field):
    """The plain model with our field's weights."""
    with torch.no_grad():
        plain.frequencies.copy_(field.embedding.frequencies.T)
        for theirs, ours in zip(plain.vector_field[:-1], field.vector_field.blocks, strict=True):
            norm, first, _, second = theirs.net
            for a, b in ((norm, ours.norm), (first, ours.first), (second, ours.second)):
                a.load_state_dict(b.state_dict())
        plain.vector_field[-1].load_state_dict(field.vector_field.projection.state_dict())
        plain.decoder.load_state_dict(field.decoder.state_dict())
    return plain


def test_the_plain_baseline_and_our_field_are_the_same_function():
    field = build_field(PAPER_FIELDS["dinr-ffnet"], 3, 1, seed=0)
    plain = with_weights_of(PlainDinr(), field)
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in field.parameters()) == 465_683
    x = torch.rand(50, 3) * 2 - 1
    values, kinetic_energy = plain(x)
    prediction = field.predict(x)
    torch.testing.assert_close(prediction.values, values, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(prediction.kinetic_energy, kinetic_energy, rtol=1e-4, atol=1e-6)


def test_a_step_of_the_plain_training_lowers_its_loss():
    torch.manual_seed(0)
    coordinates = torch.rand(64, 3) * 2 - 1
    training = PlainTraining(coordinates, coordinates[:, :1] / 2 + 0.5, 64)
    before = (training.model(coordinates)[0] - training.values).square().mean()
    assert [training.step() for _ in range(5)] == [64] * 5
    assert (training.model(coordinates)[0] - training.values).square().mean() < before


def test_the_report_has_every_ratio_of_the_medians(monkeypatch):
    speeds = {"plain_65536": 10.0, "plain_8192": 20.0, "ours_fp32": 30.0, "ours_bf16": 60.0}
    monkeypatch.setattr(module, "_contestant", lambda name, volume: name)
    monkeypatch.setattr(module, "_rate", lambda name: speeds[name])
    monkeypatch.setattr(module, "_in_own_process", lambda name: 100 if name.startswith("ours") else 1000)
    monkeypatch.setattr(module, "available_bytes", lambda: 1 << 60)
    steps = list(module.benchmark(2))
    assert [step.done for step in steps] == list(range(13))
    result = json.loads(json.dumps(steps[-1].result, allow_nan=False))
    assert result["ratios"] == {
        "training_fp32_vs_65536": 3.0,
        "training_fp32_vs_8192": 1.5,
        "training_bf16_vs_65536": 6.0,
        "training_bf16_vs_8192": 3.0,
        "memory_vs_65536": 0.1,
    }
    assert result["machine"]["matmul_gflops_fp32"] > 0


def test_a_machine_without_the_memory_is_told(monkeypatch):
    monkeypatch.setattr(module, "available_bytes", lambda: 1 << 30)
    with pytest.raises(MemoryShort, match="GiB"):
        next(module.benchmark(1))


def test_each_contestant_is_measured_by_steps_of_its_own(make_smooth_volume, monkeypatch):
    monkeypatch.setattr(module, "MEASURED_VOXELS", 100)
    monkeypatch.setitem(module.PLAIN_BATCHES, "plain_8192", 64)
    volume = make_smooth_volume((6, 6, 6))
    small = changed(PAPER_FIELDS["dinr-ffnet"], width=16, features=16, steps=2)
    monkeypatch.setitem(PAPER_FIELDS, "dinr-ffnet", small)
    for name in ("plain_8192", "ours_fp32", "ours_bf16"):
        assert module._rate(module._contestant(name, volume)) > 0
