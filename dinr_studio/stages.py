"""How far a long work is, in the one form that the shell and all analysis windows follow."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

Stages = Generator["Stage", None, None]


@dataclass(frozen=True)
class Stage:
    """One item of a long work, which is a generator of these and can be closed at each of them.

    share: of the work that is done, 0 to 1, or NaN where that is not known. doing: what comes now, in words that go on
    after `Doing: `. result: frozen; the last item has one, and earlier ones may have what is known so far.
    """

    share: float
    doing: str = ""
    result: Any = None


def within(stages: Stages, start: float, stop: float) -> Generator[Stage, None, Any]:
    """The stages of a part of a work as those of the whole, from one share to another; returns the part's result."""
    result = None
    for stage in stages:
        share = math.nan if math.isnan(stage.share) else start + (stop - start) * stage.share
        result = stage.result if stage.result is not None else result
        yield Stage(share, stage.doing)
    return result


def result_of(stages: Stages) -> Any:
    """The last result of a work that nobody watches."""
    result = None
    for stage in stages:
        result = stage.result if stage.result is not None else result
    return result
