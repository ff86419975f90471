"""Progress on standard error: a bar where it is a terminal, a plain line now and then where it is not."""

from __future__ import annotations

import abc
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

EVERY = 5.0  # seconds between plain lines


class Progress(abc.ABC):
    """Says how far a work is; `share` runs from 0 to 1."""

    @abc.abstractmethod
    def update(self, share: float, sentence: str) -> None:
        """Shows the present state."""

    def say(self, sentence: str) -> None:
        """Says something that stays."""
        print(sentence, file=sys.stderr, flush=True)


class _Lines(Progress):
    def __init__(self) -> None:
        self._last = -float("inf")

    def update(self, share: float, sentence: str) -> None:
        now = time.monotonic()
        if now - self._last >= EVERY or share >= 1:
            self._last = now
            print(f"{100 * share:3.0f} %  {sentence}", file=sys.stderr, flush=True)


@contextmanager
def bar_or_lines() -> Iterator[Progress]:
    """A progress display for the time of the block."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (BarColumn(), TextColumn("{task.percentage:3.0f} %  {task.description}"))
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as rich:
        task = rich.add_task("", total=1.0)

        class Bar(Progress):
            def update(self, share: float, sentence: str) -> None:
                rich.update(task, completed=share, description=sentence)

            def say(self, sentence: str) -> None:
                rich.console.print(sentence, highlight=False, markup=False)

        yield Bar()


def in_words(seconds: float) -> str:
    """A time left, such as `2 min 10 s`."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
