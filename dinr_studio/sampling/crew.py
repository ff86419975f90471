"""Who does one work: a process alone, of which a team of several is a kind (training.distributed)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Crew:
    """A process alone: it leads, and agrees with itself at once."""

    rank, size = 0, 1

    @property
    def leads(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def share(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """This process's part of (N, ...), which differs from the others' by one at most."""
        size = len(numbers)
        return numbers[self.rank * size // self.size : (self.rank + 1) * size // self.size]

    def gathered(self, *values: float) -> NDArray[np.float64]:
        """Numbers of every process, (size, N)."""
        return np.array([values])

    def decided(self, work: Callable[[], T]) -> T:
        """What the leader's work returns; where it fails, the leader raises and the others are dismissed."""
        return work()

    def together(self, work: Callable[[], T]) -> T:
        """What the work of this process returns; where any fails, one raises each error and the others are dismissed.

        Only a DinrError is shared so.
        """
        return work()


ALONE = Crew()
