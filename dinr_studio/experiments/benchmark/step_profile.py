"""Where the time of training goes: by stage of a step, with timers, and by kind of operation, by torch's profiler."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.profiler import ProfilerActivity, profile

from dinr_studio.config import FitConfig, changed
from dinr_studio.experiments.benchmark.contestants import CPU, SAMPLE, paper_config
from dinr_studio.experiments.benchmark.throughput import Doing
from dinr_studio.io.reading import open_volume
from dinr_studio.training.presets import preset_config
from dinr_studio.training.task import prepare
from dinr_studio.training.trainer import Trainer
from dinr_studio.volume import Volume

SECONDS = 6.0  # of steps, at least, for the timers
BATCH = 2_048  # of preset paper here: its stages cost the same per voxel whatever the batch
KINDS = {  # what operations of torch count as, by a part of their name; the first that fits
    "matrix products": ("mm", "linear", "dot", "gemv", "mv"),
    "activations": ("gelu", "sin", "cos", "tanh", "relu"),
    "norms": ("layer_norm",),
    "copies": ("copy", "cat", "clone", "contiguous", "fill", "zero", "index", "stack"),
    "optimiser": ("adam", "foreach", "lerp", "addcdiv", "sqrt"),
    "sums and element-wise": ("add", "mul", "sub", "div", "sum", "mean", "pow", "square", "norm", "neg"),
}


def step_profile() -> Doing:
    """By preset (paper, auto): seconds per step by stage and by kind of operation, with their shares.

    Stages are measured without the profiler, kinds with it, over some steps each. Yields what it does.
    """
    volume = open_volume(SAMPLE)
    auto = preset_config("auto", volume, device="cpu")
    auto = changed(auto, training=changed(auto.training, device="cpu"))
    result = {}
    for name, config in (("paper", paper_config(volume, "fp32", BATCH)), ("auto", auto)):
        yield f"profile of a training step: preset {name}"
        result[name] = profiled(volume, config, SECONDS)
    return result


def profiled(volume: Volume, config: FitConfig, seconds: float) -> dict[str, Any]:
    """Seconds per step of one configuration by `stages` and `operations`, its batch, and seconds of one `look`."""
    trainer = Trainer(prepare(volume, config.training), config, CPU)
    trainer.advance()  # set-up is not counted
    stages, steps = _stages(trainer, seconds)
    start = time.perf_counter()
    trainer.look()
    look = time.perf_counter() - start
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        trainer.advance()
    operations: dict[str, float] = defaultdict(float)
    for event in recorded.key_averages():
        operations[kind_of(event.key)] += event.self_cpu_time_total / 1e6
    return {
        "batch": config.training.batch,
        "steps": steps,
        "step_seconds": sum(stages.values()),
        "stages": stages,
        "operations": dict(sorted(operations.items(), key=lambda item: -item[1])),
        "look_seconds": look,
    }


def kind_of(operation: str) -> str:
    """The kind that an operation of torch counts as."""
    name = operation.removeprefix("aten::").lower()
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "other")


def _stages(trainer: Trainer, seconds: float) -> tuple[dict[str, float], int]:
    """Seconds per step by stage, and over how many steps they were measured."""
    spent: dict[str, float] = defaultdict(float)
    field = trainer.field
    start, steps = time.perf_counter(), 0
    with (
        _timed(trainer.task.source, "samples", spent, "sampling of the batch"),
        _timed(field, "predict", spent, "forward"),
        _timed(field.embedding, "forward", spent, "embedding"),
        _timed(trainer.optimisers, "step", spent, "optimiser"),
    ):
        while steps == 0 or time.perf_counter() - start < seconds:
            trainer.advance()
            steps += 1
    whole = time.perf_counter() - start
    spent["forward without embedding"] = spent.pop("forward", 0.0) - spent.get("embedding", 0.0)
    spent["backward, clipping and the rest"] = whole - sum(spent.values())
    return {stage: value / steps for stage, value in spent.items()}, steps


@contextmanager
def _timed(owner: Any, name: str, spent: dict[str, float], stage: str) -> Iterator[None]:
    """For the time of the block, adds up the seconds that a method of one object takes."""
    method: Callable[..., Any] = getattr(owner, name)

    def timed(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*arguments, **named)
        finally:
            spent[stage] += time.perf_counter() - start

    object.__setattr__(owner, name, timed)
    try:
        yield
    finally:
        object.__delattr__(owner, name)
