"""The benchmark: our training of preset `paper` against the plain baseline, in one run on this machine."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import torch

from dinr_studio.config import FitConfig, changed
from dinr_studio.errors import MemoryShort
from dinr_studio.experiments.baseline import PlainTraining
from dinr_studio.fields.presets import PAPER_FIELDS
from dinr_studio.io.reading import open_volume
from dinr_studio.training.device import available_bytes, peak_bytes
from dinr_studio.training.presets import preset_config
from dinr_studio.training.task import prepare
from dinr_studio.training.trainer import Trainer
from dinr_studio.volume import Volume

SAMPLE = "sample:turbulence-3d"
PLAIN_BATCHES = {"plain_65536": 65_536, "plain_8192": 8_192}
OURS = {"ours_fp32": "fp32", "ours_bf16": "bf16"}
PLAIN_BYTES = 13 << 30  # what a plain step with a batch of 65,536 takes, and a little to spare
MEASURED_VOXELS = 65_536  # trained on by each contestant in each turn

Step = Callable[[], int]


@dataclass(frozen=True)
class BenchmarkProgress:
    """How many of the measurements are done, what comes next, and at the end the result, fit for JSON."""

    done: int
    total: int
    doing: str
    result: dict[str, Any] = field(default_factory=dict)


def benchmark(repeats: int) -> Iterator[BenchmarkProgress]:
    """Measures training throughput, contestants in turns, and each one's peak memory in a process of its own.

    Throughputs are medians over `repeats` turns. Raises MemoryShort where the plain baseline cannot run.
    """
    if available_bytes() < PLAIN_BYTES:
        raise MemoryShort(
            f"The plain baseline takes {PLAIN_BYTES / 2**30:.0f} GiB of memory and {available_bytes() / 2**30:.1f} GiB "
            "are free; close other programs or use a larger machine."
        )
    names = (*PLAIN_BATCHES, *OURS)
    total, done = len(names) * (repeats + 1), 0
    memory = {}
    for name in names:
        yield BenchmarkProgress(done, total, f"peak memory of {name}")
        memory[name] = _in_own_process(name)
        done += 1
    volume = open_volume(SAMPLE)
    contestants = {name: _contestant(name, volume) for name in names}
    rates: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for name, step in contestants.items():
            yield BenchmarkProgress(done, total, f"throughput of {name}")
            rates[name].append(_rate(step))
            done += 1
    yield BenchmarkProgress(total, total, "done", _result({n: median(r) for n, r in rates.items()}, memory))


def _result(rates: dict[str, float], memory: dict[str, int]) -> dict[str, Any]:
    ratios = {
        f"training_{precision}_vs_{batch}": rates[ours] / rates[plain]
        for ours, precision in OURS.items()
        for plain, batch in PLAIN_BATCHES.items()
    }
    return {
        "machine": {
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "matmul_gflops_fp32": matmul_rate(torch.float32) / 1e9,
            "matmul_gflops_bf16": matmul_rate(torch.bfloat16) / 1e9,
        },
        "training": {
            name: {"coordinates_per_second": rates[name], "peak_memory_bytes": memory[name]} for name in rates
        },
        "ratios": {**ratios, "memory_vs_65536": memory["ours_fp32"] / memory["plain_65536"]},
    }


def _contestant(name: str, volume: Volume) -> Step:
    """One training step of a contestant on a volume."""
    return _ours(OURS[name], volume) if name in OURS else _plain(PLAIN_BATCHES[name], volume)


def _ours(precision: str, volume: Volume) -> Step:
    config: FitConfig = preset_config("paper", volume, "dinr-ffnet")
    config = changed(config, training=changed(config.training, precision=precision, device="cpu"))
    return Trainer(prepare(volume, config.training), config, torch.device("cpu")).advance


def _plain(batch: int, volume: Volume) -> Step:
    axes = [torch.linspace(-1, 1, n) for n in volume.grid.shape]
    coordinates = torch.cartesian_prod(*axes)
    values = torch.from_numpy(volume.values.reshape(-1, volume.channels).astype(np.float32))
    low, high = values.min(), values.max()
    return PlainTraining(coordinates, (values - low) / (high - low), batch).step


def _rate(step: Step) -> float:
    """Coordinates per second of steps that add up to MEASURED_VOXELS."""
    voxels, start = 0, time.perf_counter()
    while voxels < MEASURED_VOXELS:
        voxels += step()
    return voxels / (time.perf_counter() - start)


def _in_own_process(name: str) -> int:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(peak_of_a_step, name).result()


def peak_of_a_step(name: str) -> int:
    """Peak resident memory, in bytes, of this process after one training step of a contestant."""
    _contestant(name, open_volume(SAMPLE))()
    return peak_bytes()


def matmul_rate(dtype: torch.dtype, *, rows: int = 1024, repeats: int = 60) -> float:
    """Operations per second of products as the field of preset `paper` makes them, (rows, 257) by (257, 257)."""
    width = PAPER_FIELDS["dinr-ffnet"].width + 1
    a, b = torch.randn(rows, width).to(dtype), torch.randn(width, width).to(dtype)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2 * rows * width * width / median(seconds)
