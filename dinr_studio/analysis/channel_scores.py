"""How well each channel of a field is predicted by itself: a mean over channels hides the one that is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.scores import Peak, Scores, pointwise
from dinr_studio.channels import name_and_unit, unit_of


@dataclass(frozen=True)
class ChannelReport:
    """One channel's scores beside those of each interpolation; data_range, the peak of their PSNRs, is its own."""

    name: str
    unit: str
    data_range: float
    field: Scores
    interpolation: Mapping[str, Scores]

    def as_dict(self) -> dict[str, Any]:
        """The report by name, fit for JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "data_range": self.data_range,
            **self.field.as_dict(),
            "interpolation": {name: scores.as_dict() for name, scores in self.interpolation.items()},
        }


Named = tuple[str, str, float]  # a channel's name, unit and range


def named_channels(names: Sequence[str], value_unit: str, ranges: Sequence[tuple[float, float]]) -> tuple[Named, ...]:
    """Name, unit and range of each channel; those without a name are counted from 1."""
    return tuple(
        (
            name_and_unit(names[i])[0] if i < len(names) else f"channel {i + 1}",
            unit_of(names, value_unit, i),
            (high - low) or 1.0,
        )
        for i, (low, high) in enumerate(ranges)
    )


def by_channel(
    true: NDArray[Any], field: NDArray[Any], rivals: Mapping[str, NDArray[Any]], named: Sequence[Named]
) -> tuple[ChannelReport, ...]:
    """A report on each channel of values (N, channels), without structural similarity; none where there is one."""
    if len(named) < 2:
        return ()

    def scores(values: NDArray[Any], i: int) -> Scores:
        return pointwise(true[:, i : i + 1], values[:, i : i + 1], named[i][2])

    return tuple(
        ChannelReport(name, unit, peak, scores(field, i), {rival: scores(found, i) for rival, found in rivals.items()})
        for i, (name, unit, peak) in enumerate(named)
    )


def common_peak(data_range: Peak) -> float:
    """The range that scores of all channels together go by: 1 where each counts in shares of its own."""
    return 1.0 if isinstance(data_range, np.ndarray) else data_range
