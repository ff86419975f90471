"""The honest judgement: a field's errors on voxels it never saw, beside those of classical interpolation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.channel_scores import ChannelReport, by_channel, common_peak, named_channels
from dinr_studio.analysis.interpolation import INTERPOLATORS, interpolate
from dinr_studio.analysis.scores import Scores, score
from dinr_studio.analysis.stacking import Stacked, sentence, stack
from dinr_studio.volume import Volume

MOST_JUDGED = 20_000
EVEN = 0.05  # dB within which two methods count as equal
IN_WORDS = {"nearest": "nearest-neighbour", "linear": "linear", "cubic": "cubic-spline", "rbf": "thin-plate-spline"}

Predict = Callable[[NDArray[np.integer[Any]]], NDArray[Any]]


@dataclass(frozen=True)
class HeldOutReport:
    """Scores of the field and of each interpolation on the same held-out voxels; data_range in the value's unit.

    stacked: the weighted mean of field and cubic spline, or None where the voxels are too few to judge it. of: what was
    held out, voxels or samples. by_channel: the same for each channel by itself, where there are several.
    """

    field: Scores
    interpolation: Mapping[str, Scores]
    voxels: int
    held_out: int
    data_range: float
    verdict: str
    stacked: Stacked | None = None
    of: str = "voxels"
    by_channel: tuple[ChannelReport, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The report by name, fit for JSON."""
        return {
            **self.field.as_dict(),
            "voxels": self.voxels,
            "held_out_voxels": self.held_out,
            "data_range": self.data_range,
            "interpolation": {name: scores.as_dict() for name, scores in self.interpolation.items()},
            "stacked": None if self.stacked is None else self.stacked.as_dict(),
            "verdict": self.verdict,
            "of": self.of,
            "by_channel": [channel.as_dict() for channel in self.by_channel],
        }


def judge(
    volume: Volume, held_out: NDArray[np.bool_], predict: Predict, *, seed: int, most: int = MOST_JUDGED
) -> HeldOutReport:
    """Scores a field and its rivals on held-out voxels (a random choice of `most` where there are more).

    held_out: grid.shape, True where never trained on. predict: flat indices (N,) -> the field's values (N, channels).
    The data range of every PSNR and SSIM is that of the volume's present values.
    """
    voxels = judged_voxels(volume, held_out, seed, most)
    count = int(np.count_nonzero(held_out))
    peak = volume.data_range
    values, rivals = predict(voxels), rival_values(volume, held_out, voxels)
    field = score(volume, voxels, values, data_range=peak)
    scores = {name: score(volume, voxels, found, data_range=peak) for name, found in rivals.items()}
    stacked = stack(volume, voxels, values, rivals, data_range=peak, seed=seed)
    says = verdict(field, scores, len(voxels)) + ("" if stacked is None else f" {sentence(stacked)}")
    true = volume.in_memory.reshape(-1, volume.channels)[voxels]
    named = named_channels(volume.channel_names, volume.value_unit, volume.channel_ranges)
    channels = by_channel(true, values, rivals, named)
    return HeldOutReport(field, scores, len(voxels), count, common_peak(peak), says, stacked, by_channel=channels)


def rival_scores(volume: Volume, held_out: NDArray[np.bool_], voxels: NDArray[np.integer[Any]]) -> dict[str, Scores]:
    """Scores of each interpolation from the voxels that are not held out, at flat indices (N,)."""
    values = rival_values(volume, held_out, voxels)
    return {name: score(volume, voxels, found, data_range=volume.data_range) for name, found in values.items()}


def rival_values(
    volume: Volume, held_out: NDArray[np.bool_], voxels: NDArray[np.integer[Any]]
) -> dict[str, NDArray[np.float64]]:
    """Values (N, channels) of each interpolation from the voxels that are not held out, at flat indices (N,)."""
    return {name: interpolate(name, volume, held_out, voxels) for name in INTERPOLATORS}


def judged_voxels(
    volume: Volume, held_out: NDArray[np.bool_], seed: int, most: int = MOST_JUDGED
) -> NDArray[np.integer[Any]]:
    """Flat indices of about `most` held-out voxels at random; whole planes where whole planes are held out."""
    voxels = np.flatnonzero(held_out)
    if len(voxels) <= most:
        return voxels
    random = np.random.default_rng(seed)
    plane_size = int(np.prod(volume.grid.shape[-2:]))
    planes = held_out.reshape(-1, plane_size)
    whole = np.flatnonzero(planes.all(axis=1))
    if len(whole) == 0:
        return np.sort(random.choice(voxels, most, replace=False))
    chosen = np.sort(random.choice(whole, min(len(whole), max(1, most // plane_size)), replace=False))
    within: NDArray[np.integer[Any]] = (chosen[:, np.newaxis] * plane_size + np.arange(plane_size)).ravel()
    return within


def standing(psnr: float, rivals: Mapping[str, Scores], of: str = "voxels") -> str:
    """In a sentence: how a field that is still learning compares with the best interpolation; psnr in dB, held-out.

    of: what was held out.
    """
    best = max(rivals, key=lambda name: rivals[name].psnr)
    gain = psnr - rivals[best].psnr
    than = f"{IN_WORDS[best]} interpolation on {of} it never saw"
    if abs(gain) < EVEN:
        return f"as good as {than} ({psnr:.1f} dB)."
    return f"{abs(gain):.1f} dB {'better' if gain > 0 else 'worse'} than {than} ({psnr:.1f} dB)."


def verdict(field: Scores, rivals: Mapping[str, Scores], count: int, of: str = "voxels") -> str:
    """In a sentence: whether the field or the best interpolation predicts better what neither saw.

    count: how many held-out voxels, or samples (`of`), it was judged by.
    """
    best = max(rivals, key=lambda name: rivals[name].psnr)
    gain = field.psnr - rivals[best].psnr
    on = f"on {count:,} {of} that neither saw"
    rival = f"{IN_WORDS[best]} interpolation"
    if abs(gain) < EVEN:
        return f"The field is as good as {rival} {on} ({field.psnr:.1f} dB)."
    if gain > 0:
        return f"The field is {gain:.1f} dB better than {rival} {on}."
    return (
        f"{rival.capitalize()} wins: it is {-gain:.1f} dB better than the field {on}; "
        "train longer or wider, or use interpolation for this data."
    )
