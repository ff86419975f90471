"""The part of a run file that is text: what may stand in it, checked before any of it is used.

A run file may come from a stranger, so nothing that the program looks up in it later may be missing or of another kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, JsonValue, ValidationError, model_validator

from dinr_studio.config import FitConfig, Settings
from dinr_studio.coordinates import SPATIAL_AXES, TIME_AXIS, CoordinateMap, Grid
from dinr_studio.normalisation import Normalisation
from dinr_studio.partition import Partition
from dinr_studio.training.seals import damaged
from dinr_studio.volume import MAX_CHANNELS, Provenance

Count = Annotated[int, Field(ge=0, le=2**62)]
Share = Annotated[float, Field(gt=0, le=1)]


class Figures(Settings):
    """The scores of one method."""

    model_config = ConfigDict(extra="allow")

    psnr: float
    mae: float
    relative_l2: float
    ssim: float | None


class StackedFigures(Figures):
    """The scores of the weighted mean of field and cubic spline; weights: the field's share by channel."""

    weights: list[Annotated[float, Field(ge=0, le=1)]]
    gain: float
    worthwhile: bool


class ChannelFigures(Figures):
    """The scores of one channel by itself, and of the field's rivals there by name."""

    name: str
    unit: str
    data_range: float
    interpolation: dict[str, Figures]


class HeldOutFigures(Figures):
    """The scores of the field on held-out voxels, and of its rivals by name; older runs lack the optional parts."""

    voxels: Count
    data_range: float
    interpolation: dict[str, Figures]
    stacked: StackedFigures | None = None
    verdict: str
    by_channel: tuple[ChannelFigures, ...] = ()


class TrainFigures(Settings):
    """The field's score on voxels that it was trained on."""

    model_config = ConfigDict(extra="allow")

    psnr: float


class StoredScores(Settings):
    """The scores of a judged run."""

    model_config = ConfigDict(extra="allow")

    parameters: Count
    train: TrainFigures
    held_out: HeldOutFigures | None


class OpenOptions(Settings):
    """How the data file was opened: the keywords of open_volume."""

    dataset: str | None = None
    axes: str | None = None
    voxel_size: list[float] | None = None
    unit: str | None = None
    fill: Annotated[float, Field(allow_inf_nan=True)] | None = None
    channel: int | None = None
    crop: list[list[int]] | None = None
    stored: bool | None = None
    mask: str | None = None
    position_columns: str | None = None
    value_columns: str | None = None


class StateScalars(Settings):
    """The plain numbers of a trainer's state; the sums of its running means stand beside them by other names."""

    model_config = ConfigDict(extra="allow")

    step: Count
    elapsed: Annotated[float, Field(ge=0, le=1e12)]
    rate_share: Share
    recoveries: Count
    learned: Annotated[int, Field(ge=0, le=1)]
    best_psnr: float | None
    best_step: Count
    looks_without_gain: Count
    micro_batch: Annotated[int, Field(ge=1, le=1 << 22)]
    plateau_share: Share
    plateau_best: float | None
    plateau_waited: Count
    since_look_count: Count = Field(alias="since_look/count")
    since_epoch_count: Count = Field(alias="since_epoch/count")


STATE_NAMES = {field.alias or name for name, field in StateScalars.model_fields.items()}
SUMS = ("since_look/sum/", "since_epoch/sum/")


def _check(kind: type[Settings], part: Mapping[str, Any], name: str) -> None:
    """Raises ValueError, in a sentence, where a part of the text is not what it should be."""
    try:
        kind.model_validate(part)
    except ValidationError as error:
        fault = error.errors()[0]
        raise ValueError(f"{name}.{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


class Packing(Settings):
    """How a small file holds its weights.

    bits: 32 or 16 (floats), fewer (each row's greatest weight in so many bits), or None where each tensor has the step
    that its influence on the values calls for. psnr, psnr_before: dB over `voxels` voxels of the data, by the stored
    weights and by those before; None where the data was not at hand.
    """

    bits: Annotated[int, Field(ge=2, le=32)] | None
    psnr: float | None
    psnr_before: float | None
    voxels: Count


class Description(Settings):
    """The part of a run that is stored as JSON."""

    run_id: str
    program_version: str
    created: str
    config: FitConfig
    grid: Grid
    coordinates: CoordinateMap
    normalisation: Normalisation
    channel_ranges: tuple[tuple[float, float], ...]
    channel_names: tuple[str, ...]
    value_unit: str
    provenance: Provenance
    open_options: dict[str, JsonValue]
    outliers: int
    scores: dict[str, JsonValue]
    finished: bool
    end_reason: str
    events: tuple[tuple[int, str], ...]
    state: dict[str, float | int | None] | None
    scattered: Count = 0
    partition: Partition | None = None
    block_maps: tuple[CoordinateMap, ...] = ()
    packing: Packing | None = None

    @model_validator(mode="after")
    def _parts_are_what_they_should_be(self) -> Self:
        _check(OpenOptions, self.open_options, "open_options")
        if self.scores:
            _check(StoredScores, self.scores, "scores")
        if self.state is not None:
            _check(StateScalars, self.state, "state")
            sums = {name: value for name, value in self.state.items() if name.startswith(SUMS)}
            if None in sums.values() or set(self.state) != STATE_NAMES | set(sums):
                raise ValueError("the state is none that a trainer has")
        return self

    @model_validator(mode="after")
    def _parts_fit_each_other(self) -> Self:
        axes, channels = len(self.grid.shape), len(self.channel_ranges)
        if not set(self.grid.axes) <= {TIME_AXIS, *SPATIAL_AXES}:
            raise ValueError(f"the grid's axes are {self.grid.axes}")
        if {len(entries) for entries in (self.coordinates.centre, self.coordinates.scale, self.coordinates.offset)} != {
            axes
        }:
            raise ValueError("its coordinates do not fit its grid")
        self._check_blocks()
        scales = self.normalisation.scale
        if not 1 <= channels <= MAX_CHANNELS or {len(scales), len(self.normalisation.offset)} != {channels}:
            raise ValueError("its normalisation does not fit its channels")
        if 0 in scales or 0 in self.coordinates.scale:
            raise ValueError("its coordinates or its normalisation shrink everything to nothing")
        held_out = StoredScores.model_validate(self.scores).held_out if self.scores else None
        stacked = None if held_out is None else held_out.stacked
        if stacked is not None and len(stacked.weights) != channels:
            raise ValueError("its weights for field and spline do not fit its channels")
        return self

    def _check_blocks(self) -> None:
        count = 0 if self.partition is None else self.partition.count
        if len(self.block_maps) != count or (self.partition is not None and self.partition.shape != self.grid.shape):
            raise ValueError("its blocks do not fit its grid")
        if count and (self.state is not None or self.scattered):
            raise ValueError("a run of blocks has no state and no samples of its own")
        for one in self.block_maps:
            if {len(one.centre), len(one.scale), len(one.offset)} != {len(self.grid.shape)} or 0 in one.scale:
                raise ValueError("the coordinates of its blocks do not fit its grid")


def description_in(path: Path, text: bytes) -> Description:
    """The description of the run file at `path` from its JSON; RunFileError where it is none."""
    try:
        return Description.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "its text"
        what = fault["msg"].removeprefix("Value error, ")
        raise damaged(path, f"its description is not valid ({where}: {what})") from None
