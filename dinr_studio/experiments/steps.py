"""How the parts of a long analysis, generators that return what they found, become the stages of the whole."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from dinr_studio.stages import Stage, Stages

T = TypeVar("T")
Y = TypeVar("Y")
Steps = Generator[Stage, None, T]


def within(shares: Generator[float, None, T], doing: str, start: float, stop: float) -> Steps[T]:
    """The shares of a part of a work as stages between two shares of the whole; returns what the part returns."""
    return _staged(shares, lambda share: Stage(start + (stop - start) * share, doing))


def part(steps: Steps[T], start: float, stop: float) -> Steps[T]:
    """The stages of a part of a work between two shares of the whole; returns what the part returns."""
    return _staged(steps, lambda stage: Stage(start + (stop - start) * stage.share, stage.doing))


def told(steps: Steps[T]) -> Stages:
    """The same work as the shell and the windows follow it: its last stage carries what it returns."""
    result = yield from steps
    yield Stage(1.0, "done", result)


def _staged(work: Generator[Y, None, T], stage: Callable[[Y], Stage]) -> Steps[T]:
    try:
        while True:
            try:
                item = next(work)
            except StopIteration as end:
                result: T = end.value
                return result
            yield stage(item)
    finally:
        work.close()
