"""Tables of positions and values: text, Parquet, and the arrays of an NPZ file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.binning import volume_of_samples
from dinr_studio.channels import labelled, name_and_unit
from dinr_studio.coordinates import Grid
from dinr_studio.epoch import Epoch
from dinr_studio.errors import ConfigError, DataError, DinrError, FileFormatError
from dinr_studio.io.content import check_claim
from dinr_studio.io.cropping import Indices, indices_on
from dinr_studio.io.isolation import Trial, check_harmless
from dinr_studio.io.numpy_files import list_npz
from dinr_studio.io.optional import needed
from dinr_studio.io.table_columns import (
    AXIS_NAMES,
    Choice,
    Columns,
    Kind,
    axis_unit,
    choose_columns,
    plain_name,
)
from dinr_studio.io.text_tables import text_columns
from dinr_studio.sample_table import SampleTable
from dinr_studio.volume import Provenance, Volume

TRIED_WITH = ("pyarrow.parquet",)
TRIED_ROWS = 1 << 20  # of a Parquet file, in a process of their own
ROWS_AT_ONCE = 1 << 16
COPIES = 4  # of a table that reading and binning hold at once


def open_samples(
    path: Path,
    provenance: Provenance,
    columns: tuple[str | None, str | None],
    *,
    voxel_size: Sequence[float] | None = None,
    unit: str | None = None,
    fill: float | None = None,
    channel: int | None = None,
    crop: Sequence[Sequence[int]] | Callable[[Grid], Indices] | None = None,
) -> Volume:
    """The volume of means of the samples in a table, which carries them; see `open_volume` for the choices.

    provenance: what is known of the file; its reader is a key of TABLES. columns: names, separated by commas, of those
    of the positions and those of the values. voxel_size: of the volume; the positions stay.
    Raises FileFormatError, DataError or ConfigError.
    """
    positions, values = columns
    table = read_table(path, provenance.reader, positions=positions, values=values, fill=fill, channel=channel)
    volume = volume_of_samples(table, voxel_size, replace(provenance, notes=table.notes))
    if unit is not None:
        volume = volume.with_grid(volume.grid.with_unit(unit))
    if crop is None:
        return volume
    crop = indices_on(volume.grid, crop)
    if len(crop) != len(volume.grid.shape) or any(len(ends) != 2 for ends in crop):
        raise ConfigError(f"The crop box {list(crop)} does not fit axes {', '.join(volume.grid.axes)}.")
    start, stop = zip(*crop, strict=True)
    part = volume.cropped(start, stop)
    if part.count == 0:
        raise DataError(f"No sample lies in the part {list(crop)} of {path.name}; choose a larger one.")
    return part


def read_table(
    path: Path,
    kind: str,
    *,
    positions: str | None = None,
    values: str | None = None,
    fill: float | None = None,
    channel: int | None = None,
) -> SampleTable:
    """The samples in a table, those left out whose position or value is missing; columns as in `choose_columns`."""
    columns = TABLES[kind](path)
    choice = choose_columns(columns, path.name, positions, values)
    chosen = choice.values
    if channel is not None:
        if not 0 <= channel < len(chosen):
            raise ConfigError(f"Channel {channel} does not exist; the table has channels 0 to {len(chosen) - 1}.")
        chosen = chosen[channel : channel + 1]
    arrays, left_out = _complete_rows(path, columns, choice, chosen, fill)
    units = [axis_unit(columns.names[at]) for at in choice.axes.values()]
    notes, epoch = (*columns.notes, *choice.notes, *left_out), None
    for i, at in enumerate(choice.axes.values()):
        if columns.kinds[at] == "time":
            first = arrays[i].min()
            arrays[i], units[i] = arrays[i] - first, "s"
            start = datetime.fromtimestamp(first, UTC)
            notes += (f"{columns.names[at]} counts from {start.isoformat()}",)
            epoch = Epoch(start.replace(tzinfo=None).isoformat(sep=" "))
    named = [name_and_unit(columns.names[at]) for at in chosen]
    labels, value_unit = labelled(*zip(*named, strict=True))
    return SampleTable(
        positions=np.stack(arrays[: len(units)], axis=-1),
        values=np.stack(arrays[len(units) :], axis=-1),
        axes=tuple(choice.axes),
        units=tuple(units),
        channel_names=labels,
        value_unit=value_unit,
        notes=notes,
        epoch=epoch,
    )


@dataclass(frozen=True)
class ColumnListing:
    """What may be chosen from a table: names and kinds of its columns, and what is taken where nothing is said.

    axes: column of each axis; values: columns of values. Both are empty where the names say too little.
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    axes: Mapping[str, str]
    values: tuple[str, ...]


def list_columns(path: Path, kind: str, positions: str | None = None, values: str | None = None) -> ColumnListing:
    """The columns of a table whose reader is a key of TABLES, and the choice of some, as in `choose_columns`."""
    columns = TABLES[kind](path)
    try:
        choice = choose_columns(columns, path.name, positions, values)
    except DinrError:
        return ColumnListing(columns.names, columns.kinds, {}, ())
    axes = {axis: columns.names[at] for axis, at in choice.axes.items()}
    return ColumnListing(columns.names, columns.kinds, axes, tuple(columns.names[at] for at in choice.values))


def _complete_rows(
    path: Path, columns: Columns, choice: Choice, values: tuple[int, ...], fill: float | None
) -> tuple[list[NDArray[np.float64]], tuple[str, ...]]:
    """Positions and values of the rows that lack none of them, and what is said of the others."""
    used = (*choice.axes.values(), *values)
    arrays = columns.read(used)
    if fill is not None:
        for i in range(len(choice.axes), len(used)):
            arrays[i] = np.where(arrays[i] == fill, np.nan, arrays[i])
    present: NDArray[np.bool_] = np.isfinite(arrays[0])
    for array in arrays[1:]:
        present &= np.isfinite(array)
    said = _left_out(path, present, [columns.names[at] for at in used])
    return [array[present] for array in arrays], said


def _left_out(path: Path, present: NDArray[np.bool_], names: Sequence[str]) -> tuple[str, ...]:
    """What is said of rows with empty cells; DataError where all are such."""
    absent = int(np.count_nonzero(~present))
    if absent == len(present):
        raise DataError(
            f"No row of {path.name} has a number in each of {', '.join(names)}; check the file or choose other columns."
        )
    if not absent:
        return ()
    return (f"{absent:,} of {len(present):,} rows lack a number in one of {', '.join(names)} and are left out",)


# Parquet


def parquet_columns(path: Path) -> Columns:
    """The columns of a Parquet file."""
    parquet = needed("pyarrow.parquet", "tables", "Parquet")
    check_harmless(path, __name__, try_parquet.__name__)
    with parquet.ParquetFile(path, page_checksum_verification=True) as file:
        schema = file.schema_arrow
        names, kinds = tuple(schema.names), tuple(_parquet_kind(kind) for kind in schema.types)

    def read(wanted: Sequence[int]) -> list[NDArray[np.float64]]:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            check_claim(path, file.metadata.num_rows * len(wanted) * 8, compressed=True)
            _check_memory(path, file.metadata.num_rows * len(wanted) * 8)
            return [_parquet_column(file, names[at], kinds[at]) for at in wanted]

    return Columns(names, kinds, read)


def try_parquet(path: str) -> None:
    """Reads what may crash on damage: all columns of the first rows."""
    parquet = needed("pyarrow.parquet", "tables", "Parquet")
    rows, trial = 0, Trial(path)
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            groups = [file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)]
            trial.allows(max(groups, default=0))
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, use_threads=False):
                rows += batch.num_rows
                if rows > TRIED_ROWS:
                    return
    except Exception as error:
        trial.take(error)


def _parquet_kind(kind: Any) -> Kind:
    types = needed("pyarrow.types", "tables", "Parquet")
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind):
        return "number"
    return "time" if types.is_timestamp(kind) or types.is_date(kind) else "text"


def _parquet_column(file: Any, name: str, kind: Kind) -> NDArray[np.float64]:
    """A column's numbers, or its moments as seconds since 1970; NaN where it is null."""
    arrow = needed("pyarrow", "tables", "Parquet")
    parts = []
    for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=[name]):
        column = batch.column(0)
        if kind == "time":
            column = column.cast(arrow.timestamp("us"), safe=False).cast(arrow.int64())
        numbers = np.asarray(column.cast(arrow.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
        parts.append(numbers / 1e6 if kind == "time" else numbers)
    return np.concatenate(parts) if parts else np.empty(0)


# NPZ


def is_sample_archive(path: Path) -> bool:
    """Whether an NPZ file is a table: arrays of one shape named as columns are, or `positions` and `values`."""
    columns = npz_columns(path)
    plain = [plain_name(name) for name in columns.names]
    positions = [name for name in plain if any(name in names for names in AXIS_NAMES.values())]
    return bool(columns.notes) or (bool(positions) and len(positions) < len(plain))


def npz_columns(path: Path) -> Columns:
    """The arrays of an NPZ file that have the shape of its positions, as columns."""
    shapes = {entry.name: entry.shape for entry in list_npz(path) if not entry.dtype.startswith("complex")}
    positions, values = shapes.get("positions", ()), shapes.get("values", ())
    if len(positions) == 2 and positions[1] <= 4 and len(values) in (1, 2) and values[:1] == positions[:1]:
        return _two_arrays(path, positions[1], values)
    known = {name for names in AXIS_NAMES.values() for name in names}
    of_positions = [shape for name, shape in shapes.items() if plain_name(name) in known]
    shape = max(of_positions, key=of_positions.count, default=())
    names = tuple(name for name, other in shapes.items() if other == shape)

    def read(wanted: Sequence[int]) -> list[NDArray[np.float64]]:
        check_claim(path, 8 * int(np.prod(shape)), compressed=True)
        _check_memory(path, 8 * int(np.prod(shape)) * len(wanted))
        with np.load(path, allow_pickle=False) as arrays:
            return [np.asarray(arrays[names[at]], np.float64).ravel() for at in wanted]

    return Columns(names, _numbers(names), read)


def _two_arrays(path: Path, axes: int, values: tuple[int, ...]) -> Columns:
    """Columns of an array of positions, in the order t, z, y, x as far as there, and of one of values."""
    channels = values[1] if len(values) == 2 else 1
    ours = ("t", "z", "y", "x")[-axes:]
    names = (*ours, *(f"value {i}" if channels > 1 else "value" for i in range(channels)))

    def read(wanted: Sequence[int]) -> list[NDArray[np.float64]]:
        check_claim(path, 8 * values[0] * len(names), compressed=True)
        _check_memory(path, 8 * values[0] * len(names))
        with np.load(path, allow_pickle=False) as arrays:
            both = np.asarray(arrays["positions"], np.float64), np.asarray(arrays["values"], np.float64)
        columns = [*both[0].T, *both[1].reshape(values[0], -1).T]
        return [np.array(columns[at]) for at in wanted]

    order = f"the columns of `positions` are taken as {', '.join(ours)}; --positions says otherwise"
    return Columns(names, _numbers(names), read, (order,))


def _numbers(names: Sequence[str]) -> tuple[Kind, ...]:
    kinds: list[Kind] = ["number" for _ in names]
    return tuple(kinds)


def _check_memory(path: Path, size: int) -> None:
    import psutil

    if COPIES * size > int(psutil.virtual_memory().available):
        raise FileFormatError(f"{path.name} does not fit into memory; keep fewer of its rows or columns.")


TABLES: dict[str, Callable[[Path], Columns]] = {
    "CSV": text_columns,
    "Parquet": parquet_columns,
    "NPZ": npz_columns,
}
