"""What a run tells the world while it works: frozen, plain numbers and read-only arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from dinr_studio.training.run import Run

Phase = Literal["preparing", "training", "judging", "done"]


@dataclass(frozen=True)
class Snapshot:
    """One moment of a run.

    Losses and kinetic energy are means since the snapshot before, in normalised units; PSNRs are in dB on held-out
    voxels (None before the first look, or where none are held out). memory_bytes is the process's resident memory,
    device where it computes.
    looked: whether held_out_psnr was measured at this very moment. weights come with each look at the held-out voxels,
    and about every second between looks. run comes with the first snapshot, as it
    begins, and finished with the last one.
    """

    run_id: str
    phase: Phase
    step: int
    total_steps: int
    epoch: float
    data_loss: float
    kinetic_energy: float
    total_loss: float
    learning_rate: float
    coordinates_per_second: float
    memory_bytes: int
    elapsed: float
    remaining: float
    device: str = ""
    held_out_psnr: float | None = None
    best_psnr: float | None = None
    looked: bool = False
    events: tuple[str, ...] = ()
    weights: Mapping[str, NDArray[Any]] | None = None
    run: Run | None = None
