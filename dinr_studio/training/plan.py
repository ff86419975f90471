"""The plan: what a fit will cost on this device, measured on a few of its own micro-batches before it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from dinr_studio.analysis.held_out import expected_share
from dinr_studio.config import FitConfig, changed
from dinr_studio.errors import MemoryShort
from dinr_studio.fields.build import Field, build_field, parameter_count
from dinr_studio.fields.dinr import DinrField
from dinr_studio.memory import available_bytes
from dinr_studio.threads import side_by_side
from dinr_studio.training.batch_part import part_size, sharing_threads
from dinr_studio.training.device import (
    describe_device,
    effective_precision,
    peak_bytes,
    resident_bytes,
    resolve_device,
)
from dinr_studio.training.pools import POOL_VOXELS
from dinr_studio.training.schedules import growth
from dinr_studio.volume import Volume

PROBE_VOXELS = 64
PROBE_REPEATS = 3
COPIES_OF_WEIGHTS = 9  # weights, gradient, two moments, last good, best, and three on their way to the run file
BYTES_PER_VOXEL = 10  # held-out and missing masks, training indices and the temporaries that make them
STREAMED_BYTES = 48  # for each voxel of a pool: two pools, and what the next is made from
BYTES_PER_SAMPLE = 100  # of a table: its positions and values, their places, and what sorts them
JUDGING_BYTES = 120 << 20  # scipy's libraries and the neighbours of the judged voxels


@dataclass(frozen=True)
class Plan:
    """What a fit will cost: peak resident memory in bytes, time in seconds, and the number of trained parameters.

    step_bytes: of that, what a step's micro-batch takes; data_bytes: what weights, samples and judging take.
    """

    parameters: int
    micro_batch: int
    peak_memory_bytes: int
    coordinates_per_second: float
    seconds_per_epoch: float
    seconds: float
    device: str
    step_bytes: int = 0
    data_bytes: int = 0


def make_plan(volume: Volume, config: FitConfig) -> Plan:
    """Measures a few micro-batches of this fit and states its cost; takes about a second.

    Raises MemoryShort, with the micro-batch that would do, where the machine's free memory does not suffice.
    """
    device = resolve_device(config.training.device)
    axes, channels = len(volume.grid.shape), volume.channels
    precision = effective_precision(config.training.precision, device)
    field = build_field(config.field, axes, channels, seed=0, precision=precision).to(device)
    micro_batch = min(config.training.micro_batch, config.training.batch)
    needed = saved_bytes(field, axes, device) // PROBE_VOXELS * micro_batch
    if device.type == "cpu" and needed > available_bytes():
        fitting = max(1, micro_batch * available_bytes() // (2 * needed))
        raise MemoryShort(
            f"Micro-batches of {micro_batch} voxels need {needed / 2**30:.1f} GiB and "
            f"{available_bytes() / 2**30:.1f} GiB are free; set micro_batch to {fitting} or less.",
            fitting,
        )
    rate = mean_rate(field, config, axes, micro_batch, device)
    parameters = parameter_count(config.field, axes, channels)
    fixed = 4 * COPIES_OF_WEIGHTS * parameters + _data_bytes(volume) + JUDGING_BYTES
    held_out = expected_share(volume.grid, config.training.held_out_scheme, config.training.held_out_share)
    trained = round(volume.count * (1 - held_out))
    per_epoch = trained / rate
    whole = per_epoch * config.training.max_epochs
    return Plan(
        parameters=parameters,
        micro_batch=micro_batch,
        peak_memory_bytes=max(peak_bytes(), resident_bytes() + needed) + fixed,
        coordinates_per_second=rate,
        seconds_per_epoch=per_epoch,
        seconds=min(whole, config.training.time_limit or whole),
        device=describe_device(device),
        step_bytes=needed if device.type == "cpu" else 0,
        data_bytes=fixed,
    )


def _data_bytes(volume: Volume) -> int:
    """Memory that choosing samples takes, beyond the volume itself."""
    if volume.is_stored:
        itemsize = volume.values.dtype.itemsize
        return (STREAMED_BYTES + 4 * itemsize * volume.channels) * min(volume.grid.size, 2 * POOL_VOXELS)
    return BYTES_PER_VOXEL * volume.grid.size + (BYTES_PER_SAMPLE * volume.count if volume.samples else 0)


def shared_plan(plan: Plan, config: FitConfig, processes: int) -> Plan:
    """The plan of a fit that several processes share, each with a processor or GPU of its own like the one measured.

    The peak memory stays that of one process. What they exchange is not counted.
    """
    if processes == 1:
        return plan
    per_epoch = plan.seconds_per_epoch / processes
    whole = per_epoch * config.training.max_epochs
    return replace(
        plan,
        coordinates_per_second=plan.coordinates_per_second * processes,
        seconds_per_epoch=per_epoch,
        seconds=min(whole, config.training.time_limit or whole),
        device=f"{processes} processes on {plan.device}",
    )


def saved_bytes_of(config: FitConfig, axes: int, channels: int) -> int:
    """Bytes that one micro-batch of a fit keeps for its backward pass on the processor."""
    field = build_field(config.field, axes, channels, seed=0)
    micro_batch = min(config.training.micro_batch, config.training.batch)
    return saved_bytes(field, axes, torch.device("cpu")) // PROBE_VOXELS * micro_batch


def saved_bytes(field: Field, axes: int, device: torch.device) -> int:
    """Bytes that autograd keeps for the backward pass of PROBE_VOXELS voxels, weights not counted."""
    sizes: dict[int, int] = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in field.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = _loss(field, torch.zeros(PROBE_VOXELS, axes, device=device))
    loss.backward()  # type: ignore[no-untyped-call]
    return sum(sizes.values())


def mean_rate(field: Field, config: FitConfig, axes: int, micro_batch: int, device: torch.device) -> float:
    """Coordinates per second of training over a whole run, in which the steps through latent time may grow."""
    if not (config.training.growing_steps and isinstance(field, DinrField)):
        return _coordinates_per_second(field, config, axes, micro_batch, device)
    seconds = 0.0
    for share, steps in growth(config.field.steps):
        field.steps = steps
        seconds += share / _coordinates_per_second(field, config, axes, micro_batch, device)
    return 1 / seconds


def _coordinates_per_second(
    field: Field, config: FitConfig, axes: int, micro_batch: int, device: torch.device
) -> float:
    """The median rate of a few training micro-batches; the first, which pays for set-up, is left out.

    They are shared by threads as in a fit.
    """
    threads = sharing_threads(config, device, config.training.batch)
    size = part_size(micro_batch, threads)
    generator = np.random.default_rng(0)
    x = torch.from_numpy(generator.uniform(-1, 1, (size, axes)).astype(np.float32)).to(device)
    seconds = []
    for _ in range(PROBE_REPEATS + 1):
        start = time.perf_counter()
        side_by_side([partial(_gradient, field, x)] * threads)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return threads * size / float(np.median(seconds[1:]))


def _gradient(field: Field, x: torch.Tensor) -> None:
    torch.autograd.grad(_loss(field, x), list(field.parameters()), allow_unused=True)


def _loss(field: Field, x: torch.Tensor) -> torch.Tensor:
    prediction = field.predict(x)
    return prediction.values.square().mean() + prediction.kinetic_energy


def fitting_config(config: FitConfig, micro_batch: int) -> FitConfig:
    """The same settings with another micro-batch: what the plan offers where memory is short."""
    return changed(config, training=changed(config.training, micro_batch=micro_batch))
