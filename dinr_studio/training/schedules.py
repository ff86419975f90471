"""Learning rate over a run, as a share of its peak; `progress` runs from 0 at the first step to 1 at the last."""

from __future__ import annotations

import math
from collections.abc import Callable

FLOOR = 0.01


def cosine(progress: float, warm_up: float) -> float:
    """A linear rise over the first `warm_up` of the run, then half a cosine down to one hundredth."""
    if progress < warm_up:
        return max(progress / warm_up, FLOOR)
    falling = min(1.0, (progress - warm_up) / (1 - warm_up))
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * falling))


def constant(progress: float, warm_up: float) -> float:
    """A linear rise over the first `warm_up` of the run, then level."""
    return max(progress / warm_up, FLOOR) if progress < warm_up else 1.0


SCHEDULES: dict[str, Callable[[float, float], float]] = {"cosine": cosine, "constant": constant}


GROWTH = ((0.0, 0.0), (0.15, 0.25), (0.25, 0.5), (0.35, 1.0))  # from which share of a run on, which share of all steps


def growth(steps: int) -> list[tuple[float, int]]:
    """The stages of a run whose steps through latent time grow from 1 to `steps`: (share of the run, number of steps).

    The weights serve every number of steps, so what was learnt cheaply with few is where more of them begin.
    """
    stages: list[tuple[float, int]] = []
    for i, (start, share) in enumerate(GROWTH):
        end = GROWTH[i + 1][0] if i + 1 < len(GROWTH) else 1.0
        stages.append((end - start, max(1, round(share * steps))))
    return stages


def grown_steps(progress: float, steps: int) -> int:
    """How many steps a field takes at this share of a run whose steps grow to `steps`."""
    return next(max(1, round(share * steps)) for start, share in reversed(GROWTH) if progress >= start)


class Plateau:
    """Divides the rate by ten when the loss of `patience` looks in a row has not fallen by one part in 10,000.

    Source: the rule of torch's ReduceLROnPlateau with the paper's settings, kept here as two plain numbers so that a
    run file can hold it.
    """

    FACTOR, PATIENCE, THRESHOLD = 0.1, 10, 1e-4

    def __init__(self, share: float = 1.0, best: float = math.inf, waited: int = 0) -> None:
        self.share, self.best, self.waited = share, best, waited

    def look(self, loss: float) -> None:
        """Takes an epoch's mean loss into account."""
        if loss < self.best * (1 - self.THRESHOLD):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        if self.waited > self.PATIENCE:
            self.share, self.waited = self.share * self.FACTOR, 0
