"""Running means of what the steps of a run report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Means:
    """Running means of what steps report, until they are taken."""

    sums: dict[str, float] = field(default_factory=dict)
    count: int = 0

    def add(self, **values: float) -> None:
        """Takes one step's numbers in."""
        self.count += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def take(self) -> dict[str, float]:
        """The means since the last take; empty where there was no step."""
        means = {name: total / self.count for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        return means

    def as_scalars(self, name: str) -> dict[str, float]:
        """The sums and their count as plain named numbers, for a run file."""
        return {f"{name}/count": self.count, **{f"{name}/sum/{key}": total for key, total in self.sums.items()}}

    @classmethod
    def from_scalars(cls, name: str, scalars: Mapping[str, Any]) -> Means:
        """What `as_scalars` gave."""
        prefix = f"{name}/sum/"
        sums = {key.removeprefix(prefix): value for key, value in scalars.items() if key.startswith(prefix)}
        return cls(sums, int(scalars[f"{name}/count"]))
