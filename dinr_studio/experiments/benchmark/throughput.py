"""Speed of training, contestants in turns in one process; peak memory, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from statistics import median
from typing import Any

from dinr_studio.errors import MemoryShort
from dinr_studio.experiments.benchmark.contestants import (
    OURS,
    PLAIN_BATCHES,
    SAMPLE,
    Step,
    operations_per_coordinate,
    our_step,
    plain_step,
    precision_used,
)
from dinr_studio.experiments.benchmark.effort import Budget, Effort
from dinr_studio.io.reading import open_volume
from dinr_studio.memory import available_bytes
from dinr_studio.training.device import peak_bytes
from dinr_studio.volume import Volume

PLAIN_BYTES = 13 << 30  # what a plain step with a batch of 65,536 takes, and a little to spare

Doing = Generator[str, None, dict[str, Any]]


def check_memory() -> None:
    """Raises MemoryShort where the plain baseline's batches of 65,536 cannot run."""
    if available_bytes() < PLAIN_BYTES:
        raise MemoryShort(
            f"The plain baseline takes {PLAIN_BYTES / 2**30:.0f} GiB of memory and {available_bytes() / 2**30:.1f} GiB "
            "are free; close other programs or use a larger machine."
        )


def training(effort: Effort, products: dict[str, float], budget: Budget) -> Doing:
    """By contestant: coordinates per second (median of turns), peak bytes of a process, share of the product rate.

    products: operations per second of matrix products by precision. Where the effort is quick, A's rate is that of the
    one step that its memory is measured by. Turns after the first are begun within the budget. Yields what it does.
    """
    names = (*PLAIN_BATCHES, *OURS)
    batches = {name: PLAIN_BATCHES.get(name, 65_536 if effort.whole_batches else 8_192) for name in names}
    same = same_as(names)
    memory, rates = {}, {}
    for name in names:
        if name not in same:
            yield f"peak memory of {name}"
            memory[name], rate = in_own_process(step_in_own_process, name, batches[name])
            rates[name] = [rate]
    volume = open_volume(SAMPLE)
    in_turns = [name for name in memory if effort.whole_batches or name != "plain_65536"]
    steps = {name: contestant(name, volume, batches[name]) for name in in_turns}
    rates |= {name: [] for name in in_turns}
    for turn in range(effort.turns):
        if turn and budget.left == 0:
            break
        for name, step in steps.items():
            yield f"training, turn {turn + 1} of {effort.turns}: {name}"
            rates[name].append(rate_of(step, effort.voxels))
    result = {}
    for name in names:
        precision = precision_used(OURS.get(name, "fp32"))
        rate = median(rates[same.get(name, name)])
        result[name] = {
            "coordinates_per_second": rate,
            "peak_memory_bytes": memory[same.get(name, name)],
            "batch": batches[name],
            "precision": precision,
            "share_of_products": 3 * operations_per_coordinate() * rate / products[precision],
        }
    return result


def same_as(names: tuple[str, ...]) -> dict[str, str]:
    """Contestants that would run exactly what another one runs: bf16 where this processor only emulates it."""
    return {"ours_bf16": "ours_fp32"} if "ours_bf16" in names and precision_used("bf16") == "fp32" else {}


def contestant(name: str, volume: Volume, batch: int) -> Step:
    """One training step of a contestant on a volume."""
    return our_step(OURS[name], volume, batch) if name in OURS else plain_step(batch, volume)


def rate_of(step: Step, voxels: int) -> float:
    """Coordinates per second of whole steps that add up to at least so many voxels."""
    done, start = 0, time.perf_counter()
    while done < voxels:
        done += step()
    return done / (time.perf_counter() - start)


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of this package returns in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def step_in_own_process(name: str, batch: int) -> tuple[int, float]:
    """Peak resident bytes of this process after one training step of a contestant, and its coordinates per second."""
    rate = rate_of(contestant(name, open_volume(SAMPLE), batch), 1)
    return peak_bytes(), rate
