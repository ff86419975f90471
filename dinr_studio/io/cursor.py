"""Where in a file the next values go."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray


class Cursor:
    """A place in a grid. Values come in order: whole planes (n, *rest, channels), or strips of one, (1, m, ...)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._length = shape[1] if len(shape) > 1 else 1
        self._axes = len(shape)
        self.line = 0  # of the two first axes together

    @property
    def lines(self) -> int:
        """Lines in a plane."""
        return self._length

    def passed(self, slab: NDArray[Any]) -> tuple[slice, ...]:
        """Where these values go, along the first one or two axes; the next ones come behind them."""
        plane, line = divmod(self.line, self._length)
        lines = slab.shape[1] if self._axes > 1 else 1
        self.line += len(slab) * lines
        if lines == self._length:
            return (slice(plane, plane + len(slab)),)
        return slice(plane, plane + 1), slice(line, line + lines)
