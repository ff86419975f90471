"""The benchmark: ours against the plain baseline of the paper, in one run on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from dinr_studio.config import FAMILIES
from dinr_studio.experiments.benchmark import grids, kernels, pictures, quality, step_profile, throughput
from dinr_studio.experiments.benchmark.contestants import OURS, PLAIN_BATCHES, precision_used
from dinr_studio.experiments.benchmark.effort import FULL, Budget, Effort
from dinr_studio.experiments.benchmark.race import mean_ratio
from dinr_studio.training.device import product_rate

TRAINING_SHARE, OTHERS_SHARE = 0.3, 0.1  # of the time left, after which no further turns are begun
EQUAL_SHARE = 0.45  # of the time left that equal seconds may take; the races to some dB have the rest

Part = Generator[str, None, dict[str, Any]]


@dataclass(frozen=True)
class BenchmarkProgress:
    """How many of the parts are done, what comes next, and at the end the result, fit for JSON."""

    done: int
    total: int
    doing: str
    result: dict[str, Any] = field(default_factory=dict)


def benchmark(effort: Effort = FULL, *, profile: bool = False) -> Iterator[BenchmarkProgress]:
    """Measures ours and the plain baseline in turns; the last progress carries the result.

    profile: whether to measure as well where the time of a training step goes. Raises MemoryShort where the plain
    baseline cannot run.
    """
    throughput.check_memory()
    start = time.perf_counter()
    budget = Budget(effort.seconds)
    products = {
        name: product_rate(dtype, rows=1024, seconds=1.0)
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    }
    parts: dict[str, Callable[[], Part]] = {
        "training": lambda: throughput.training(effort, products, Budget(TRAINING_SHARE * budget.left)),
        "grid": lambda: grids.evaluation(effort, products, Budget(OTHERS_SHARE * budget.left)),
        "kernel": lambda: kernels.kernels(effort, Budget(OTHERS_SHARE * budget.left)),
        "pictures": lambda: pictures.zooms(effort),
        **({"profile": step_profile.step_profile} if profile else {}),
        "equal_seconds": lambda: quality.equal_seconds(effort, Budget(EQUAL_SHARE * budget.left)),
        "time_to_db": lambda: quality.time_to_db(effort, Budget(budget.left)),
    }
    result: dict[str, Any] = {"effort": effort.name, "machine": _machine(products), "part_seconds": {}}
    for done, (name, part) in enumerate(parts.items()):
        running, began = part(), time.perf_counter()
        while True:
            try:
                yield BenchmarkProgress(done, len(parts), next(running))
            except StopIteration as end:
                result[name] = end.value
                break
        result["part_seconds"][name] = time.perf_counter() - began
    result["ratios"] = ratios(result)
    result["measured_against"] = measured_against(result)
    result["seconds"] = time.perf_counter() - start
    yield BenchmarkProgress(len(parts), len(parts), "done", finite(result))


def _machine(products: dict[str, float]) -> dict[str, Any]:
    return {
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "matmul_gflops_fp32": products["fp32"] / 1e9,
        "matmul_gflops_bf16": products["bf16"] / 1e9,
        "bf16_runs_as": precision_used("bf16"),
    }


def ratios(result: dict[str, Any]) -> dict[str, Any]:
    """How many times better ours is (of memory: ours over the baseline's), and held-out PSNRs at equal seconds."""
    training, grid, kernel = result["training"], result["grid"], result["kernel"]
    found: dict[str, Any] = {
        f"training_{precision}_vs_{batch}": training[ours]["coordinates_per_second"]
        / training[plain]["coordinates_per_second"]
        for ours, precision in OURS.items()
        for plain, batch in PLAIN_BATCHES.items()
    }
    found["memory_vs_65536"] = training["ours_fp32"]["peak_memory_bytes"] / training["plain_65536"]["peak_memory_bytes"]
    for ours, precision in OURS.items():
        found[f"grid_{precision}"] = grid[ours]["coordinates_per_second"] / grid["plain"]["coordinates_per_second"]
    quicker = min(kernel["plain"], kernel["by_points"], key=lambda loop: float(loop["seconds"]))
    found["ntk_1024"] = quicker["seconds"] / kernel["ours"]["seconds"]
    found["ntk_memory"] = kernel["ours"]["peak_memory_bytes"] / quicker["peak_memory_bytes"]
    for goal in quality.GOALS:
        found[f"time_to_{goal:.0f}_db"] = mean_ratio(by[f"{goal:.0f}"] for by in result["time_to_db"].values())
    kept = (*FAMILIES, quality.OURS, "cubic", "stacked")
    found["equal_seconds"] = {name: {key: by[key] for key in kept} for name, by in result["equal_seconds"].items()}
    return found


def measured_against(result: dict[str, Any]) -> dict[str, str]:
    """What each ratio was measured against, in a sentence, by the ratio's name."""
    texts = {
        f"training_{precision}_vs_{batch}": f"coordinates/s of training preset paper (dinr-ffnet), plain eager torch, "
        f"batch {batch:,}" + _fallen_back(precision)
        for precision in OURS.values()
        for batch in PLAIN_BATCHES.values()
    }
    texts["memory_vs_65536"] = "peak resident memory of a process that takes one plain step with batch 65,536"
    for precision in OURS.values():
        texts[f"grid_{precision}"] = "coordinates/s of the same function in plain eager torch" + _fallen_back(precision)
    rows = result["kernel"]["plain_rows_timed"]
    all_at_once = result["kernel"]["plain"]["seconds"] / result["kernel"]["ours"]["seconds"]
    texts["ntk_1024"] = (
        f"seconds of the quicker of two plain loops of autograd.grad, timed on {rows} of 1,024 rows; "
        f"{all_at_once:.1f} against the one that takes all points forward at once"
    )
    texts["ntk_memory"] = "peak resident memory of a process that fills and multiplies the whole Jacobian"
    for goal in quality.GOALS:
        found = [by[f"{goal:.0f}"] for by in result["time_to_db"].values()]
        counted = [one for one in found if one["ratio"]]
        bounds = sum(one["bound"] for one in counted)
        texts[f"time_to_{goal:.0f}_db"] = (
            f"seconds of plain training, batch {quality.BASELINE_BATCH:,}; geometric mean over {len(counted)} of "
            f"{len(found)} samples (in the others ours did not get there), {bounds} of them bounds"
        )
    texts["equal_seconds"] = (
        "each other: held-out PSNR in dB after the same seconds, 25 % of the voxels trained on; auto takes the family "
        "it begins with: its trial of three would take longer than the seconds there are"
    )
    return texts


def _fallen_back(precision: str) -> str:
    fallen_back = precision != precision_used(precision)
    return "; bf16 would only be emulated on this processor and runs as fp32" if fallen_back else ""


def finite(value: Any) -> Any:
    """The result with None for numbers that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
