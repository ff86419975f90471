"""How the parts of a long analysis, generators that return what they found, become the stages of the whole."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from dinr_studio.stages import Stage, Stages

T = TypeVar("T")
Steps = Generator[Stage, None, T]


def within(shares: Generator[float, None, T], doing: str, start: float, stop: float) -> Steps[T]:
    """The shares of a part of a work as stages between two shares of the whole; returns what the part returns."""
    return (yield from part(_named(shares, doing), start, stop))


def part(steps: Steps[T], start: float, stop: float) -> Steps[T]:
    """The stages of a part of a work between two shares of the whole; returns what the part returns."""
    try:
        while True:
            try:
                stage = next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            yield Stage(start + (stop - start) * stage.share, stage.doing)
    finally:
        steps.close()


def told(steps: Steps[T]) -> Stages:
    """The same work as the shell and the windows follow it: its last stage carries what it returns."""
    result = yield from steps
    yield Stage(1.0, "done", result)


def _named(shares: Generator[float, None, T], doing: str) -> Steps[T]:
    try:
        while True:
            try:
                share = next(shares)
            except StopIteration as end:
                result: T = end.value
                return result
            yield Stage(share, doing)
    finally:
        shares.close()
