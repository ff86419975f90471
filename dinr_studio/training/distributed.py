"""Processes that train one field together, as torchrun starts them: who is who, and what they agree on.

All of them run the same code. Each takes its share of every batch, and DistributedDataParallel averages the gradients.
What may differ between them (clocks, what the user asks for, how a file reads) is told by the first one, which leads:
it alone writes files and speaks. A process alone is a team of one, for which nothing changes.
"""

from __future__ import annotations

import copy
import math
import os
import socket
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dinr_studio.errors import ConfigError, DinrError, TeamLost
from dinr_studio.fields.build import Field
from dinr_studio.fields.dinr import Prediction
from dinr_studio.sampling.crew import Crew
from dinr_studio.training.device import resolve_device
from dinr_studio.training.meeting import Store, met, shared_store, started_before, store_outlives_processes

PATIENCE = timedelta(minutes=30)  # for what others do meanwhile; a process that dies is noticed at once
LONG_PATIENCE = timedelta(days=30)
WORDS = 4  # numbers that the leader can tell at once
RESTARTS = ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")
ENDED, USER_ERROR, INTERRUPTED = 0, 2, 130
SIGNS_OF_LOSS = ("gloo", "NCCL", "Connection closed", "Connection reset", "Broken pipe", "timed out")
BUFFERS_EACH_STEP = next(  # torch 2.13 has a new name for it; a field's buffers never change
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")
    if name in signature(DistributedDataParallel.__init__).parameters
)

T = TypeVar("T")


class Dismissed(Exception):
    """This process is to end quietly, with a status: another one has said why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"ends with status {status}")
        self.status = status


class Predicting(nn.Module):
    """A field whose forward is its `predict`: what DistributedDataParallel can wrap."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field = field

    def forward(self, x: Tensor) -> Prediction:
        """See DinrField.predict."""
        return self.field.predict(x)


class Team(Crew):
    """A process alone: it leads, takes every share whole, and agrees with itself at once.

    started_again: whether torchrun, or a cluster's queue, has started this job before, as far as the leader knows.
    """

    stop_wanted = False  # whether any process of the team was asked to stop

    def __init__(self) -> None:
        self.asked_to_stop: Callable[[], bool] = lambda: False
        self.started_again = any(int(os.environ.get(name) or 0) > 0 for name in RESTARTS)

    def device(self, name: str) -> torch.device:
        """Where this process computes, for a device as the settings name it."""
        return resolve_device(name)

    def wrapped(self, field: Field, device: torch.device) -> nn.Module:
        """What predicts in training: its gradients are the mean over the team once a backward pass is through."""
        return Predicting(field)

    def apart(self, wrapped: nn.Module) -> AbstractContextManager[object]:
        """Within the block gradients add up in each process, and nothing is exchanged."""
        return nullcontext()

    def told(self, *values: float) -> list[float]:
        """The leader's numbers; Dismissed where it ends instead."""
        return list(values)

    def dismiss(self) -> None:
        """The leader's word that the others end, in place of the next numbers that it would tell."""

    def patient(self) -> Team:
        """This team for an exchange that some come to days before others; all must ask for it at the same time."""
        return self

    def is_lost(self, error: BaseException) -> bool:
        """Whether an error means that another process is gone."""
        return False

    def leave(self) -> None:
        """Ends the team, when nothing is to be exchanged any more."""


ALONE = Team()


class Ranks(Team):
    """The processes that torchrun started, over gloo, and over NCCL for what is on GPUs."""

    group: Any = None  # of torch.distributed's, over which they exchange; None is the one of all

    def __init__(self) -> None:
        """Joins the others; raises TeamLost where they are not found."""
        super().__init__()
        self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self.local_rank = int(os.environ.get("LOCAL_RANK", self.rank))
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
        store: Store | None = None
        try:
            if store_outlives_processes():
                shared = shared_store(PATIENCE)
                store = met(shared, self.rank, self.size, PATIENCE)
                self.started_again |= self.leads and started_before(shared)
            among = {} if store is None else {"store": store, "rank": self.rank, "world_size": self.size}
            dist.init_process_group(backend, timeout=PATIENCE, **among)
        except (RuntimeError, ValueError) as error:
            raise TeamLost(
                f"The {self.size} processes did not find each other ({str(error).splitlines()[0]}); "
                "check torchrun's --rdzv-endpoint, and that the machines reach each other."
            ) from error

    def device(self, name: str) -> torch.device:
        """`auto` and `cuda` mean this process's own GPU; a GPU by number, or mps, can't be shared."""
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        if name not in ("cpu", "cuda"):
            raise ConfigError(
                f"The device {name} cannot be shared by {self.size} processes; use --device auto, cpu or cuda, which "
                "gives each process a GPU of its own."
            )
        if name == "cpu":
            return torch.device("cpu")
        resolve_device(name)
        if self.local_rank >= torch.cuda.device_count():
            raise ConfigError(
                f"This machine has {torch.cuda.device_count()} GPUs and more processes were started on it; lower "
                "torchrun's --nproc-per-node, or use --device cpu."
            )
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)

    def wrapped(self, field: Field, device: torch.device) -> nn.Module:
        """The field within DistributedDataParallel."""
        options: dict[str, Any] = {BUFFERS_EACH_STEP: False}
        if device.type == "cuda":
            options["device_ids"] = [device.index]
        return DistributedDataParallel(Predicting(field), **options)

    def apart(self, wrapped: nn.Module) -> AbstractContextManager[object]:
        """See Team.apart."""
        return wrapped.no_sync() if isinstance(wrapped, DistributedDataParallel) else nullcontext()

    def gathered(self, *values: float) -> NDArray[np.float64]:
        """Numbers of every process, (size, N); who was asked to stop comes to be known on the way."""
        own = torch.tensor([*values, float(self.asked_to_stop())], dtype=torch.float64)
        rows = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(rows, own, group=self.group)
        table: NDArray[np.float64] = torch.stack(rows).numpy()
        self.stop_wanted = self.stop_wanted or bool(table[:, -1].any())
        return table[:, :-1]

    def told(self, *values: float) -> list[float]:
        """The leader's numbers, at most WORDS."""
        words = torch.tensor([*values, *[0.0] * (WORDS - len(values))], dtype=torch.float64)
        self._broadcast(words)
        if math.isnan(words[0]):
            raise Dismissed(INTERRUPTED)
        return [float(word) for word in words[: len(values)]]

    def dismiss(self) -> None:
        """See Team.dismiss; does nothing in the others."""
        if self.leads:
            self._broadcast(torch.full((WORDS,), math.nan, dtype=torch.float64))

    def _broadcast(self, words: Tensor) -> None:
        dist.broadcast(words, 0, group=self.group)

    def decided(self, work: Callable[[], T]) -> T:
        """See Team.decided; the value goes to the others as it is pickled."""
        if not self.leads:
            word: list[Any] = [None]
            dist.broadcast_object_list(word, 0, group=self.group)
            status, value = word[0]
            if status != ENDED:
                raise Dismissed(status)
            told: T = value
            return told
        try:
            own = work()
        except BaseException as error:
            status = INTERRUPTED if isinstance(error, KeyboardInterrupt) else USER_ERROR
            dist.broadcast_object_list([(status, None)], 0, group=self.group)
            raise
        dist.broadcast_object_list([(ENDED, own)], 0, group=self.group)
        return own

    def together(self, work: Callable[[], T]) -> T:
        """See Team.together."""
        fault: DinrError | None = None
        try:
            own = work()
        except DinrError as error:
            fault = error
        said: list[Any] = [None] * self.size
        dist.all_gather_object(said, None if fault is None else str(fault), group=self.group)
        if fault is not None and said.index(str(fault)) == self.rank:
            raise fault
        if any(said):
            raise Dismissed(USER_ERROR)
        return own

    def patient(self) -> Team:
        """See Team.patient."""
        other = copy.copy(self)
        other.group = dist.new_group(backend="gloo", timeout=LONG_PATIENCE)
        return other

    def is_lost(self, error: BaseException) -> bool:
        """Known by what torch says of its connections: the errors themselves are often plain RuntimeErrors."""
        spoken = isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS_OF_LOSS)
        return spoken or isinstance(error, dist.DistError)

    def leave(self) -> None:
        """See Team.leave."""
        dist.destroy_process_group()


def joined() -> Team:
    """The team that this process was started for: a team of one unless torchrun started several."""
    return Ranks() if int(os.environ.get("WORLD_SIZE", 1)) > 1 else Team()


def run_id_of_job(output: Path) -> str | None:
    """The id of the run that torchrun's job writes to a file: the same after each restart; None without torchrun.

    A job is known by torchrun's --rdzv-id (which --standalone makes up), or else by torchrun's own process.
    """
    job = os.environ.get("TORCHELASTIC_RUN_ID")
    if job is None:
        return None
    if job in ("", "none"):
        agent = psutil.Process(os.getppid())
        job = f"{socket.gethostname()} {agent.pid} {int(agent.create_time())}"
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{job} {Path(output).absolute()}").hex
