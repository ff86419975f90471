"""How much a benchmark measures: a quick one within 8 minutes, a full one; and the time that is left of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]


@dataclass(frozen=True)
class Effort:
    """Sizes and times of all measurements.

    seconds: what the whole may take; the parts whose length can be chosen share what the others leave.
    turns: measurements of each contestant that a median is taken of. whole_batches: whether ours is measured with the
    paper's batches of 65,536 like the baseline's (it runs micro-batches, so its memory and rate are those of 8,192).
    voxels: trained on in a turn, at least. grid: voxels evaluated in a turn. kernel_rows: gradients that the plain
    kernels' times are measured on, of 1,024. checked: points on which kernels are compared in 64 bits.
    raced: samples on which times to some PSNRs are taken. race: seconds of ours to a PSNR, at most. factor: how many
    times as long the baseline may take. equal: seconds of training of each contestant at equal seconds. judged: voxels
    that a score is taken on. picture: seconds of tiles. spline_baseline: whether the baseline, too, is timed to the
    spline's held-out score.
    """

    name: str
    seconds: float
    turns: int
    whole_batches: bool
    voxels: int
    grid: int
    kernel_rows: int
    checked: int
    raced: tuple[str, ...]
    race: float
    factor: float
    equal: float
    judged: int
    picture: float
    spline_baseline: bool


QUICK = Effort(
    name="quick",
    seconds=455,
    turns=2,
    whole_batches=False,
    voxels=8_192,
    grid=16_384,
    kernel_rows=8,
    checked=24,
    raced=("turbulence-2d", "emd-3001"),
    race=10,
    factor=12,
    equal=4,
    judged=4_000,
    picture=10,
    spline_baseline=False,
)
FULL = Effort(
    name="full",
    seconds=2_400,
    turns=3,
    whole_batches=True,
    voxels=65_536,
    grid=65_536,
    kernel_rows=64,
    checked=96,
    raced=("turbulence-2d", "turbulence-3d", "emd-3001", "clouds"),
    race=60,
    factor=12,
    equal=20,
    judged=20_000,
    picture=60,
    spline_baseline=True,
)
EFFORTS = {effort.name: effort for effort in (QUICK, FULL)}


class Budget:
    """Seconds, counted from when it is made."""

    def __init__(self, seconds: float, clock: Clock = time.perf_counter) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds left, 0 where none are."""
        return max(0.0, self._end - self._clock())

    def share(self, parts: int) -> Budget:
        """What one of so many equal parts of the rest may take."""
        return Budget(self.left / max(1, parts), self._clock)
