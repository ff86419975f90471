"""Time to a quality: how long a contestant trains until it reaches some PSNRs; the time of measuring does not count."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from dinr_studio.experiments.benchmark.contestants import Racer
from dinr_studio.experiments.benchmark.effort import Budget, Clock

FIRST_LOOK = 0.25  # seconds of training
LOOK_GROWTH = 1.05  # each look comes when training has lasted so much longer


@dataclass
class Finish:
    """What came of a race: seconds of training at which each goal (dB) was reached, in all, and the best PSNR."""

    reached: dict[float, float] = field(default_factory=dict)
    seconds: float = 0.0
    best: float = -math.inf


def race(
    racer: Racer,
    goals: Iterable[float],
    psnr: Callable[[Racer], float],
    *,
    limit: float,
    budget: Budget,
    clock: Clock = time.perf_counter,
) -> Finish:
    """Trains until all goals (dB) are reached, for `limit` seconds of training, or until the budget is spent.

    psnr: measures the racer; not on its clock, but within the budget.
    """
    finish, open_goals, next_look = Finish(), set(goals), FIRST_LOOK
    while open_goals and finish.seconds < limit and budget.left > 0:
        start = clock()
        racer.step(limit - finish.seconds)
        finish.seconds += clock() - start
        if finish.seconds < next_look and finish.seconds < limit:
            continue
        next_look = max(FIRST_LOOK, LOOK_GROWTH * finish.seconds)
        finish.best = max(finish.best, psnr(racer))
        for goal in sorted(open_goals):
            if finish.best >= goal:
                finish.reached[goal] = finish.seconds
                open_goals.remove(goal)
    return finish


def compared(goal: float, ours: Finish, baseline: Finish | None) -> dict[str, Any]:
    """Seconds of both to a goal and how many times sooner ours was, fit for JSON.

    bound: true where one of them did not get there; `ratio` is then no more than a bound, `at least` where the baseline
    did not, `at most` where ours did not; None where neither did, or the baseline was not tried. _trained and _best:
    seconds of training in all, and the best PSNR (dB) by then.
    """
    own, other = ours.reached.get(goal), None if baseline is None else baseline.reached.get(goal)
    ratio, kind = None, None
    if own is not None and other is not None:
        ratio = other / own
    elif own is not None and baseline is not None and baseline.seconds > 0:
        ratio, kind = baseline.seconds / own, "at least"
    elif other is not None:
        ratio, kind = other / max(ours.seconds, 1e-9), "at most"
    return {
        "ours": own,
        "baseline": other,
        "bound": own is None or other is None,
        "ratio": ratio,
        "kind": kind,
        "ours_trained": ours.seconds,
        "ours_best": ours.best,
        "baseline_trained": 0.0 if baseline is None else baseline.seconds,
        "baseline_best": None if baseline is None else baseline.best,
    }


def mean_ratio(comparisons: Iterable[dict[str, Any]]) -> float:
    """The geometric mean of the ratios that there are; 0 where there is none."""
    ratios = [found["ratio"] for found in comparisons if found["ratio"]]
    return math.exp(sum(math.log(ratio) for ratio in ratios) / len(ratios)) if ratios else 0.0
