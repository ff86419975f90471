"""Opening files off the GUI thread: volumes, run files with their data, and looking into a file before it is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.analysis.histogram import Histogram, histogram
from dinr_studio.channels import COLOUR, Component, components_of
from dinr_studio.errors import DataNotFound, DinrError
from dinr_studio.io.content import DatasetEntry
from dinr_studio.io.tables import ColumnListing
from dinr_studio.training.run import Run
from dinr_studio.volume import Volume

PREVIEW_PIXELS = 160
FOLDER_READERS = ("DICOM", "series", "Zarr")


@dataclass(frozen=True)
class Reading:
    """A sign of progress in words."""

    doing: str


@dataclass(frozen=True)
class Opened:
    """A volume ready to be shown, with a histogram of all that can be; run where a run file was opened."""

    name: str
    volume: Volume
    histograms: Mapping[Component, Histogram]
    options: Mapping[str, Any]
    run: Run | None = None
    run_path: Path | None = None


@dataclass(frozen=True)
class Masked:
    """The open volume with another mask, or none (""), and its histograms."""

    mask: str
    volume: Volume
    histograms: Mapping[Component, Histogram]


@dataclass(frozen=True)
class Choices:
    """A file or folder holds several datasets, and the user has to say which one is meant."""

    file: str
    entries: tuple[DatasetEntry, ...]


@dataclass(frozen=True)
class ColumnsWanted:
    """A table whose columns of positions and values the user has to choose, or wants to; why: in a sentence, or ""."""

    file: str
    listing: ColumnListing
    options: Mapping[str, Any]
    why: str = ""


@dataclass(frozen=True)
class DataWanted:
    """A run file opened well, but the data that it was fitted to is not to be found; why: in a sentence.

    folder: whether that was a folder.
    """

    run_path: Path
    why: str
    folder: bool = False


def opening(file: str, options: Mapping[str, Any]) -> Iterator[Reading | Opened | Choices | ColumnsWanted]:
    """Opens a volume; where the file leaves open what is meant, it says what there is to choose from instead."""
    from dinr_studio.io.reading import columns_in, list_datasets, open_volume, resolve

    name = resolve(file).name
    yield Reading(f"Looking into {name}")
    if "dataset" not in options:
        entries = list_datasets(file)
        if len(entries) > 1:
            yield Choices(file, tuple(entries))
            return
    if not {"dataset", "position_columns", "value_columns"} & set(options):
        listing = columns_in(file)
        if listing is not None and not listing.values:
            yield ColumnsWanted(file, listing, options, f"{name} does not say which columns are positions and values.")
            return
    yield Reading(f"Reading {name}")
    volume = open_volume(file, **options)
    yield Reading(f"Looking at the values of {name}")
    yield Opened(file, volume, _histograms(volume), dict(options))


def listing_columns(file: str, options: Mapping[str, Any]) -> Iterator[Reading | ColumnsWanted]:
    """The columns of the open table, with those that it was opened by."""
    from dinr_studio.io.reading import columns_in, resolve

    yield Reading(f"Looking into {resolve(file).name}")
    listing = columns_in(file, options.get("position_columns"), options.get("value_columns"))
    if listing is not None:
        yield ColumnsWanted(file, listing, options)


def opening_run(path: Path, data: str | None) -> Iterator[Reading | Opened | DataWanted]:
    """Opens a run file with the data that it was fitted to; data: where that is, where it is not where it was."""
    from dinr_studio.training.blended_run import check_fitted
    from dinr_studio.training.run_data import volume_of
    from dinr_studio.training.run_file import read_run

    yield Reading(f"Reading {path.name}")
    run = read_run(path)
    check_fitted(run)
    yield Reading(f"Reading the data of {path.name}")
    try:
        volume = volume_of(run, path, data)
    except DataNotFound as error:
        folder = run.provenance.reader in FOLDER_READERS and not Path(run.provenance.file).suffix
        yield DataWanted(path, str(error).split(";")[0] + ".", folder)
        return
    yield Opened(data or volume.provenance.file, volume, _histograms(volume), dict(run.open_options), run, path)


def masking(file: str, options: Mapping[str, Any], mask: str, volume: Volume) -> Iterator[Reading | Masked]:
    """The open volume with voxels missing as another mask says, or as the file alone does where that is "".

    options: how the volume was opened. The values are shared, not read anew.
    """
    from dinr_studio.io.reading import open_volume, resolve

    yield Reading(f"Reading {resolve(mask).name}" if mask else "Taking the mask away")
    found = open_volume(file, **{**options, "mask": mask or None})
    if not volume.is_stored and not found.is_stored:
        found = replace(volume, missing=found.missing, provenance=found.provenance)
    yield Masked(mask, found.with_grid(volume.grid), _histograms(found))


def _histograms(volume: Volume) -> dict[Component, Histogram]:
    shown = components_of(volume.channel_names, volume.value_unit, volume.channels, volume.values.dtype)
    found = {one: histogram(volume, one) for one in shown}
    if COLOUR in found:  # a picture is shown as it is: the least and greatest brightness would change its colours
        full = (0.0, 255.0) if volume.values.dtype == np.uint8 else (0.0, volume.value_range[1])
        found[COLOUR] = replace(found[COLOUR], contrast=full)
    return found


def preview(file: str, dataset: str) -> NDArray[np.uint8] | None:
    """A small grey picture of a dataset's middle slice, or None where there is nothing to see."""
    from dinr_studio.io.reading import open_volume

    try:
        return thumbnail(open_volume(file, dataset=dataset))
    except DinrError:
        return None


def thumbnail(volume: Volume) -> NDArray[np.uint8]:
    """A grey picture (rows, columns) of a volume's middle slice, at most PREVIEW_PIXELS along an edge."""
    index = tuple(n // 2 for n in volume.grid.shape[:-2])
    picture = np.atleast_2d(volume.values[index][..., 0].astype(np.float64))
    if volume.missing is not None:
        picture = np.where(np.atleast_2d(volume.missing[index]), np.nan, picture)
    stride = max(1, -(-max(picture.shape) // PREVIEW_PIXELS))
    picture = picture[::stride, ::stride]
    seen = picture[np.isfinite(picture)]
    low, high = np.percentile(seen, (1, 99)) if seen.size else (0.0, 1.0)
    scaled = np.nan_to_num((picture - low) / ((high - low) or 1.0), nan=0.0)
    return np.ascontiguousarray(np.clip(255 * scaled, 0, 255).astype(np.uint8))
