"""Works side by side in threads of one process, each with one of torch's own threads.

torch by itself spreads every single operation over its threads, which wait for each other at its end: on a machine that
also does something else they mostly wait (8 times as long as one thread alone takes, measured with two busy
processors). Whole works side by side meet once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache, partial
from typing import TypeVar

T = TypeVar("T")
MOST = 16  # threads: what Python itself has to do is done by one at a time


def usable_threads() -> int:
    """How many works may run side by side: the threads that torch has been given in the calling thread."""
    import torch

    return min(MOST, torch.get_num_threads())


def side_by_side(works: Sequence[Callable[[], T]]) -> list[T]:
    """What the works return, in their order; the first runs in the calling thread, which waits for all.

    Where any fail, the first one's error is raised when all have ended. Gradient and precision modes are the thread's
    own: a work sets those that it needs. A work may not call this function.
    """
    if len(works) == 1:
        return [works[0]()]
    with one_thread():
        others = [_pool().submit(work) for work in works[1:]]
        try:
            first = works[0]()
        finally:
            wait(others)
    return [first, *(other.result() for other in others)]


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, torch computes in the calling thread alone."""
    import torch

    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def _pool() -> ThreadPoolExecutor:
    import torch

    return ThreadPoolExecutor(MOST, "side by side", initializer=partial(torch.set_num_threads, 1))
