"""How far a long analysis is: what its generator yields, and how one such generator goes on within another."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from dinr_studio.stages import Stage, Stages

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """Share done, 0 to 1, and what is being done; closing the generator that yields it cancels the work."""

    share: float
    doing: str


Steps = Generator[Step, None, T]


def within(steps: Generator[float, None, T], doing: str, start: float, stop: float) -> Steps[T]:
    """The shares of a part of a work as steps between two shares of the whole; returns what the part returns."""
    while True:
        try:
            share = next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        except BaseException:
            steps.close()
            raise
        yield Step(start + (stop - start) * share, doing)


def part(steps: Steps[T], start: float, stop: float) -> Steps[T]:
    """The steps of a part of a work between two shares of the whole; returns what the part returns."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        except BaseException:
            steps.close()
            raise
        yield Step(start + (stop - start) * step.share, step.doing)


def as_stages(steps: Steps[T]) -> Stages:
    """The same work in the form that analysis windows follow; closing it closes the work."""
    result = yield from _staged(steps)
    yield Stage(1.0, "done", result)


def _staged(steps: Steps[T]) -> Generator[Stage, None, T]:
    try:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            yield Stage(step.share, step.doing)
    finally:
        steps.close()
