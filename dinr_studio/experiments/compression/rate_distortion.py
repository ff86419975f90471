"""PSNR against compression ratio: fields of some sizes in some bits, and established codecs, of the same data.

All ratios count whole files or streams, headers in; all PSNRs are of what was decoded from these bytes alone, on the
same voxels, with the data's range as the peak.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.scores import psnr
from dinr_studio.errors import ConfigError
from dinr_studio.experiments.compression.codecs import CODECS, Codec, decoded_parts, encoded_parts
from dinr_studio.experiments.compression.compression import CPU
from dinr_studio.experiments.compression.quantising import Candidate, Quantiser
from dinr_studio.experiments.compression.representation import representation_config, width_for, with_width
from dinr_studio.experiments.compression.yardstick import Yardstick, raw_bytes, stored_bytes, yardstick
from dinr_studio.stages import Stage, Stages, within
from dinr_studio.training.fit import field_of, fit
from dinr_studio.training.run import Run
from dinr_studio.volume import Volume
from dinr_studio.words import capitalised

BITS = (32, 16, 8, 6)
LOSSES = (0.1, 0.5, 1.5, 3.0)  # dB that steps by sensitivity are to cost, by theory
RATIOS = (30.0, 100.0, 300.0, 1000.0)
FEWER = "field, steps by influence"
CODEC_SHARE = 0.1  # of the time of a study with fits


@dataclass(frozen=True)
class RatePoint:
    """One way to hold the data. bytes: all of it; ratio: of the raw values' bytes to those; psnr in dB.

    width, bits: of a field; bits None where each tensor has its own step. seconds: of encoding, for a field of its fit.
    """

    method: str
    setting: str
    bytes: int
    ratio: float
    psnr: float
    seconds: float
    width: int | None = None
    bits: int | None = None


@dataclass(frozen=True)
class RateDistortion:
    """All points of a study. seconds: of each fit, None where a run was there; voxels: that PSNRs are taken on."""

    name: str
    points: tuple[RatePoint, ...]
    raw_bytes: int
    raw_type: str
    stored_bytes: int | None
    seconds: float | None
    voxels: int
    whole: bool

    @property
    def methods(self) -> tuple[str, ...]:
        """Their names, fields first."""
        return tuple(dict.fromkeys(point.method for point in self.points))

    def curve(self, method: str) -> tuple[RatePoint, ...]:
        """A method's points by rising ratio, without those that another of its own beats in both."""
        return _best(point for point in self.points if point.method == method)

    @property
    def fields(self) -> tuple[RatePoint, ...]:
        """The points of all fields by rising ratio, whatever their bits, without those beaten in both by another."""
        return _best(point for point in self.points if point.method.startswith("field"))

    def psnr_at(self, method: str, ratio: float) -> float | None:
        """A method's PSNR at a ratio, between its points linear in the logarithm of the ratio; None beyond them."""
        curve = self.curve(method)
        if len(curve) < 2 or not curve[0].ratio <= ratio <= curve[-1].ratio:
            return None
        logs = [math.log(point.ratio) for point in curve]
        return float(np.interp(math.log(ratio), logs, [point.psnr for point in curve]))

    def verdict(self, ratios: Iterable[float] = RATIOS) -> str:
        """Who is best at some ratios, in words; where no field comes to any of them, at the greatest that one has."""
        told = self._compared(ratios)
        if not told:
            told = self._compared(int(point.ratio) for point in self.fields)[-1:]
        sentence = "; ".join(told) or "at no ratio is there both a field and a codec"
        return f"{capitalised(sentence)}."

    def _compared(self, ratios: Iterable[float]) -> list[str]:
        """For each ratio, the smallest first, that a field and another method come to: which is ahead."""
        told = []
        for ratio in sorted(set(ratios)):
            found = {m: p for m in self.methods if (p := self.psnr_at(m, ratio)) is not None}
            fields = {m: p for m, p in found.items() if m.startswith("field")}
            others = {m: p for m, p in found.items() if m not in fields}
            if not fields or not others:
                continue
            field, other = max(fields, key=lambda m: fields[m]), max(others, key=lambda m: others[m])
            ahead = fields[field] - others[other]
            word = "ahead of" if ahead > 0 else "behind"
            told.append(f"at {ratio:g}:1 the field is {abs(ahead):.1f} dB {word} {other} ({others[other]:.1f} dB)")
        return told

    def as_dict(self) -> dict[str, Any]:
        """Everything, fit for JSON."""
        at = {method: {f"{ratio:g}": self.psnr_at(method, ratio) for ratio in RATIOS} for method in self.methods}
        return {**asdict(self), "points": [asdict(p) for p in self.points], "psnr_at": at, "verdict": self.verdict()}


@dataclass(frozen=True)
class RateWish:
    """What to measure. ratios: that a field's size is chosen for, each a fit of `seconds`; settings: of these fits."""

    seconds: float = 60.0
    ratios: tuple[float, ...] = RATIOS
    bits: tuple[int, ...] = BITS
    losses: tuple[float, ...] = LOSSES
    codecs: tuple[str, ...] = tuple(CODECS)
    family: str = "dinr-siren"
    settings: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.codecs if name not in CODECS]
        if unknown:
            raise ConfigError(f"There is no codec {unknown[0]}; choose of {', '.join(CODECS)}.")
        if not all(ratio >= 1 for ratio in self.ratios) or not self.seconds > 0:
            raise ConfigError("Ratios must be at least 1, and the seconds of a fit more than 0.")


def rate_distortion(volume: Volume, wish: RateWish, options: Mapping[str, Any]) -> Stages:
    """Codecs, then one fit for each ratio; results are RateDistortions, each more complete than the one before.

    options: how the volume was opened. Raises ConfigError where it does not fit into memory as a whole, or a ratio
    leaves no room for a field.
    """
    base = representation_config(volume, 8, wish.seconds, wish.family, wish.settings)
    axes, channels = len(volume.grid.shape), volume.channels
    sizes = [raw_bytes(volume) / ratio for ratio in wish.ratios]
    widths = sorted({width_for(base, axes, channels, size) for size in sizes})
    stick, points = yardstick(volume, base.training, options), []
    yield Stage(0.0, "the codecs")
    for share, found in _codec_points(volume, stick, wish.codecs):
        points += found
        yield Stage(CODEC_SHARE * share, "the codecs", _study(volume, points, stick, options, wish.seconds))
    for number, width in enumerate(widths):
        run = None
        for snapshot in fit(volume, with_width(base, width), open_options=options):
            run = snapshot.run or run
            share = (number + min(1.0, snapshot.elapsed / wish.seconds)) / len(widths)
            yield Stage(CODEC_SHARE + (1 - CODEC_SHARE) * share, f"a fit of width {width}")
        assert run is not None
        points += field_points(run, stick, volume, wish.bits, wish.losses)
        share = CODEC_SHARE + (1 - CODEC_SHARE) * (number + 1) / len(widths)
        yield Stage(share, f"width {width} in few bits", _study(volume, points, stick, options, wish.seconds))


def of_run(run: Run, volume: Volume, wish: RateWish) -> Stages:
    """The codecs, and a run's field in some bits: no fit. Results as in `rate_distortion`."""
    stick = yardstick(volume, run.config.training, run.open_options)
    yield Stage(0.0, "the field in few bits")
    points = list(field_points(run, stick, volume, wish.bits, wish.losses))
    yield Stage(0.4, "the codecs", _study(volume, points, stick, run.open_options, None))
    for share, found in _codec_points(volume, stick, wish.codecs):
        points += found
        yield Stage(0.4 + 0.6 * share, "the codecs", _study(volume, points, stick, run.open_options, None))


def with_fits(run: Run, volume: Volume, wish: RateWish) -> Stages:
    """As `of_run`, then fits of other sizes as in `rate_distortion`."""
    study: RateDistortion = yield from within(of_run(run, volume, wish), 0.0, CODEC_SHARE)
    yield Stage(CODEC_SHARE, "fits of other sizes", study)
    for stage in rate_distortion(volume, replace(wish, codecs=()), run.open_options):
        found = None if stage.result is None else replace(stage.result, points=_sorted(study, stage.result))
        yield Stage(CODEC_SHARE + (1 - CODEC_SHARE) * stage.share, stage.doing, found)


def _best(points: Iterable[RatePoint]) -> tuple[RatePoint, ...]:
    """By rising ratio, without those that another one beats in both."""
    kept: list[RatePoint] = []
    for point in sorted(points, key=lambda point: (-point.ratio, -point.psnr)):
        if not kept or point.psnr > kept[-1].psnr:
            kept.append(point)
    return tuple(reversed(kept))


def _sorted(*studies: RateDistortion) -> tuple[RatePoint, ...]:
    """The points of all, fields first."""
    points = [point for study in studies for point in study.points]
    return tuple(sorted(points, key=lambda point: not point.method.startswith("field")))


def field_points(
    run: Run, stick: Yardstick, volume: Volume, bits: Iterable[int] = BITS, losses: Iterable[float] = LOSSES
) -> list[RatePoint]:
    """A run's field with its weights in some bits, and with steps by sensitivity that should cost some dB."""
    quantiser = Quantiser(run)
    values = stick.predict(field_of(run, CPU), stick.numbers)
    error = max(1e-12, float(np.mean(np.square((values - stick.true) / run.normalisation.scale))))
    chosen = [(quantiser.in_bits(count), f"field, {count} bits") for count in bits]
    chosen += [(quantiser.at_noise(quantiser.noise_for(loss, error)), FEWER) for loss in losses]
    before = psnr(stick.true, values, stick.data_range)
    return [_field_point(candidate, method, before, stick, volume) for candidate, method in chosen]


def _field_point(candidate: Candidate, method: str, before: float, stick: Yardstick, volume: Volume) -> RatePoint:
    after = stick.psnr(field_of(candidate.run, CPU))
    size = sum(map(len, candidate.content(after, before, len(stick.numbers))))
    width = candidate.run.config.field.width
    elapsed = 0.0 if candidate.run.state is None else candidate.run.state.elapsed
    bits = 8 * size / candidate.weights
    setting = f"width {width}, {bits:.1f} bits a weight"
    return RatePoint(method, setting, size, raw_bytes(volume) / size, after, elapsed, width, candidate.bits)


def _codec_points(volume: Volume, stick: Yardstick, names: tuple[str, ...]) -> Iterator[tuple[float, list[RatePoint]]]:
    """Share done, and the points of a codec, one after the other."""
    channels = _channels(volume)
    for number, name in enumerate(names):
        codec = CODECS[name]
        found = [point for level in codec.levels if (point := _codec_point(codec, level, channels, stick, volume))]
        yield (number + 1) / len(names), found


def _codec_point(
    codec: Codec, level: float, channels: list[NDArray[np.float32]], stick: Yardstick, volume: Volume
) -> RatePoint | None:
    """What a codec makes of the values at a level; None where it takes no such arrays, or gives something useless."""
    began = time.perf_counter()
    parts, decoded = [], []
    for values in channels:
        own = level * float(np.ptp(values)) if codec.of_range else level
        encoded = encoded_parts(codec, values, own)
        if not encoded:
            return None
        parts += encoded
        decoded.append((encoded, values.shape))
    seconds = time.perf_counter() - began
    back = np.stack([decoded_parts(codec, encoded, shape) for encoded, shape in decoded], axis=-1)
    if not np.isfinite(back).all():
        return None
    size = sum(map(len, parts)) + 4 * (len(parts) - 1)  # how long each part is
    setting = f"{codec.setting} {level:g}".strip()
    return RatePoint(codec.title, setting, size, raw_bytes(volume) / size, stick.psnr_of(back), seconds)


def _channels(volume: Volume) -> list[NDArray[np.float32]]:
    """Each channel's values, float32, the mean where there is none."""
    found = []
    for channel in range(volume.channels):
        values = volume.in_memory[..., channel].astype(np.float32)
        if volume.missing is not None:
            values[volume.missing] = values[~volume.missing].mean()
        found.append(np.ascontiguousarray(values))
    return found


def _study(
    volume: Volume, points: list[RatePoint], stick: Yardstick, options: Mapping[str, Any], seconds: float | None
) -> RateDistortion:
    fields_first = sorted(points, key=lambda point: not point.method.startswith("field"))
    return RateDistortion(
        name=volume.provenance.file.replace("\\", "/").rsplit("/", 1)[-1],
        points=tuple(fields_first),
        raw_bytes=raw_bytes(volume),
        raw_type=str(volume.values.dtype),
        stored_bytes=stored_bytes(volume, options),
        seconds=seconds,
        voxels=len(stick.numbers),
        whole=stick.whole,
    )
