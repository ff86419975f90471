"""TIFF files, through tifffile: stacks, ImageJ and OME spacing and units; written as OME-TIFF."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.channels import COLOURS
from dinr_studio.errors import FileFormatError, OutputError
from dinr_studio.io.content import Content, DatasetEntry, Layout, check_claim, choose_dataset, default_axes
from dinr_studio.io.cursor import Cursor
from dinr_studio.io.flat_file import FlatFile
from dinr_studio.io.losses import lost_epoch, lost_orientation
from dinr_studio.io.tiff_pages import check_pages
from dinr_studio.io.writing import VolumeHeader, in_metres

WRITTEN_TYPES = ("float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32")
OME_UNITS = {"angstrom": "Å", "um": "µm", "μm": "µm", "micron": "µm"}
READ_UNITS = {"Å": "angstrom", "µm": "um", "μm": "um", "\\u00B5m": "um", "micron": "um", "microns": "um"}
NO_UNIT = ("pixel", "reference frame", "")
LETTERS = {"T": "t", "Z": "z", "Y": "y", "X": "x", "C": "c", "S": "c"}


def list_tiff(path: Path) -> list[DatasetEntry]:
    """The image series in a TIFF file."""
    with _opened(path) as file:
        return [DatasetEntry(f"series {i}", tuple(s.shape), str(s.dtype)) for i, s in enumerate(file.series)]


def read_tiff(path: Path, dataset: str | None) -> Content:
    """One series of a TIFF file with the spacing that ImageJ or OME metadata give."""
    entry = choose_dataset(path, list_tiff(path), dataset)
    with _opened(path) as file:
        series = file.series[int(entry.name.rpartition(" ")[2])]
        check_claim(path, int(series.nbytes), compressed=int(file.pages[0].compression) != 1)
        axes, kept, notes = _axes(series, path)
        values = series.asarray()
        sizes, origins, units = _spacing(file, series)
        names = _channel_names(file, series, axes)
    values = values.reshape([values.shape[i] for i in kept])
    return Content(values, axes, sizes, origins, units, channel_names=names, dataset=entry.name, notes=notes)


def map_tiff(path: Path, dataset: str | None) -> Content:
    """As `read_tiff`, with the values left in the file; FileFormatError where they lie there in no single run."""
    entry = choose_dataset(path, list_tiff(path), dataset)
    number = int(entry.name.rpartition(" ")[2])
    with _opened(path) as file:
        series = file.series[number]
        check_claim(path, int(series.nbytes), compressed=int(file.pages[0].compression) != 1, stored=True)
        axes, kept, notes = _axes(series, path)
        sizes, origins, units = _spacing(file, series)
        names = _channel_names(file, series, axes)
        if series.dataoffset is None:
            raise FileFormatError(
                f"{path.name} is compressed, or scattered through its file, and too large to be read whole; save it "
                "uncompressed, or as Zarr or HDF5."
            )
        dtype = np.dtype(file.byteorder + series.dtype.char)
    values = FlatFile(path, series.dataoffset, [series.shape[i] for i in kept], dtype)
    found = Content(values, axes, sizes, origins, units, channel_names=names, dataset=entry.name, notes=notes)
    return replace(found, layout=Layout())


def _opened(path: Path) -> Any:
    """The file alone, without others that its OME metadata may name."""
    import tifffile

    check_pages(path)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it says of damage is told in one sentence
    return tifffile.TiffFile(path, _multifile=False)


def _axes(series: Any, path: Path) -> tuple[str, list[int], tuple[str, ...]]:
    """Axis letters, the dimensions they stand for, and notes; dimensions of length one without a letter are dropped."""
    shape, names = series.shape, series.axes.upper()
    if len(names) != len(shape):
        axes, notes = default_axes(shape, path)
        return axes, list(range(len(shape))), notes
    kept = [i for i, name in enumerate(names) if shape[i] > 1 or name in "YX"]
    shape, names = tuple(shape[i] for i in kept), [names[i] for i in kept]
    letters = [LETTERS.get(name) for name in names]
    unknown = [i for i, letter in enumerate(letters) if letter is None]
    for i in unknown:  # a stack that does not say what its pages are
        letters[i] = next((free for free in "ztc" if free not in letters), None)
    if None in letters or len(set(letters)) != len(letters):
        raise FileFormatError(
            f"{path.name} has the axes {''.join(names)} {shape}, which are more than t, z, y, x and one for "
            "channels; save the part you want."
        )
    notes = (f"The stack's pages are taken as {letters[unknown[0]]}.",) if unknown else ()
    return "".join(str(letter) for letter in letters), kept, notes


def _spacing(file: Any, series: Any) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    if file.is_ome:
        return _ome_spacing(file, series.index)
    if file.is_imagej:
        return _imagej_spacing(file)
    return {}, {}, {}


def _channel_names(file: Any, series: Any, axes: str) -> tuple[str, ...]:
    """Names of the channels: colours of a picture, or what OME metadata call them, where all have a name."""
    import tifffile

    if "c" not in axes:
        return ()
    if series.axes.upper().endswith("S") and series.keyframe.photometric == tifffile.PHOTOMETRIC.RGB:
        return COLOURS if series.shape[-1] == len(COLOURS) else ()
    if not file.is_ome:
        return ()
    pixels = _ome_pixels(file, series.index)
    channels = pixels.get("Channel", [])
    names = [str(one.get("Name", "")) for one in (channels if isinstance(channels, list) else [channels])]
    return tuple(names) if all(names) and len(names) == series.shape[series.axes.upper().find("C")] else ()


def _ome_pixels(file: Any, index: int) -> dict[str, Any]:
    """What OME metadata say of an image's pixels."""
    import tifffile

    images = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    pixels: dict[str, Any] = (images[index] if isinstance(images, list) else images)["Pixels"]
    return pixels


def _ome_spacing(file: Any, index: int) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    """Sizes, position of the first plane, and units of an image in OME metadata."""
    pixels = _ome_pixels(file, index)
    planes = pixels.get("Plane", {})
    first = planes[0] if isinstance(planes, list) and planes else planes if isinstance(planes, dict) else {}
    sizes, origins, units = {}, {}, {}
    for axis in "xyz":
        size = _positive(pixels.get(f"PhysicalSize{axis.upper()}"))
        if size is not None:
            sizes[axis] = size
            units[axis] = _unit(str(pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm")))
        position = first.get(f"Position{axis.upper()}")
        if position is not None and np.isfinite(float(position)):
            origins[axis] = float(position)
    step = _positive(pixels.get("TimeIncrement"))
    if step is not None:
        sizes["t"], units["t"] = step, str(pixels.get("TimeIncrementUnit", "s"))
        if str(first.get("DeltaTUnit", "s")) == units["t"] and np.isfinite(start := float(first.get("DeltaT", 0.0))):
            origins["t"] = start
    return sizes, origins, units


def _imagej_spacing(file: Any) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    """Spacing, unit, resolution, frame interval and origin as ImageJ writes them."""
    metadata = file.imagej_metadata or {}
    unit = _unit(str(metadata.get("unit", "")))
    sizes: dict[str, float] = {}
    for axis, tag in (("x", "XResolution"), ("y", "YResolution")):
        found = file.pages[0].tags.get(tag)
        if found is not None and found.value[0] > 0 and found.value[1] > 0 and unit:
            sizes[axis] = found.value[1] / found.value[0]
    spacing = _positive(metadata.get("spacing"))
    if spacing is not None:
        sizes["z"] = spacing
    interval = _positive(metadata.get("finterval"))
    if interval is not None:
        sizes["t"] = interval
    units = dict.fromkeys("zyx", unit) | ({"t": str(metadata.get("tunit", "s"))} if interval else {})
    origins = {  # ImageJ counts the origin in pixels: the index of the place whose coordinate is zero
        axis: -float(metadata[f"{axis}origin"]) * sizes.get(axis, 1.0) for axis in "xyz" if f"{axis}origin" in metadata
    }
    return sizes, origins, units


def _positive(given: Any) -> float | None:
    try:
        number = float(given)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _unit(name: str) -> str:
    return "" if name in NO_UNIT else READ_UNITS.get(name, name)


def lost_in_tiff(header: VolumeHeader) -> tuple[str, ...]:
    """What an OME-TIFF cannot carry; OutputError where it cannot carry the values at all."""
    if header.dtype.name not in WRITTEN_TYPES:
        raise OutputError(f"TIFF cannot hold {header.dtype.name}; choose one of {', '.join(WRITTEN_TYPES)}, or .h5.")
    lost = []
    if header.value_unit:
        lost.append(f"TIFF has no place for the value's unit ({header.value_unit}).")
    if any(in_metres(header.grid.units[i]) is None for i in header.grid.spatial):
        lost.append("OME-TIFF knows units of length only; voxel sizes were written as plain numbers.")
    return tuple(lost) + lost_orientation(header.grid, "TIFF") + lost_epoch(header.grid, "TIFF")


class TiffWriter:
    """Writes an OME-TIFF slab by slab (BigTIFF from 4 GB).

    tifffile lays out the whole file first; the values are then appended by plain writes, in the order in which they
    come: channels as planes of their own in a volume, side by side in an image.
    """

    def __init__(self, path: Path, header: VolumeHeader) -> None:
        import tifffile

        grid = header.grid
        self._planes_of_channels = header.channels > 1 and len(grid.shape) > 2
        self._cursor, self._header = Cursor(grid.shape), header
        shape, axes = _layout(header)
        with tifffile.TiffWriter(path, ome=True, bigtiff=_needs_bigtiff(header)) as file:
            file.write(
                None,
                shape=shape,
                dtype=header.dtype,
                photometric="minisblack",
                planarconfig="contig" if axes.endswith("S") else None,
                metadata={"axes": axes, **_ome_metadata(header)},
            )
        with tifffile.TiffFile(path) as written:
            offset = written.series[0].dataoffset
        if offset is None:
            raise OutputError("The TIFF could not be laid out in one piece; choose .h5 or .mrc.")
        self._file = open(path, "r+b")  # noqa: SIM115  (closed in close)
        self._file.seek(offset)
        self._offset = offset

    def write(self, slab: NDArray[Any]) -> None:
        """Appends a slab, (n, *rest, channels)."""
        where = self._cursor.passed(slab)
        if self._planes_of_channels and len(where) > 1 and slab.ndim == 4:
            self._write_strip(slab, where[0].start, where[1].start)
            return
        if self._planes_of_channels:
            slab = np.moveaxis(slab, -1, -3)
        self._file.write(np.ascontiguousarray(slab).data)

    def _write_strip(self, strip: NDArray[Any], plane: int, line: int) -> None:
        """Writes lines of one plane, each channel to its own plane in the file."""
        _, lines, length = self._header.grid.shape
        for channel in range(self._header.channels):
            before = ((plane * self._header.channels + channel) * lines + line) * length
            self._file.seek(self._offset + before * strip.itemsize)
            self._file.write(np.ascontiguousarray(strip[..., channel]).data)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _layout(header: VolumeHeader) -> tuple[tuple[int, ...], str]:
    """Shape and OME axes in which the values lie in the file."""
    shape, axes = header.grid.shape, "".join(header.grid.axes).upper()
    if len(shape) == 1:
        shape, axes = (1, *shape), "YX"
    if header.channels == 1:
        return shape, axes
    if len(shape) == 2:
        return (*shape, header.channels), axes + "S"
    return (*shape[:-2], header.channels, *shape[-2:]), axes[:-2] + "C" + axes[-2:]


def _needs_bigtiff(header: VolumeHeader) -> bool:
    values = header.grid.size * header.channels * header.dtype.itemsize
    planes = int(np.prod(header.grid.shape[:-2])) * header.channels
    return values + planes * 1024 > 2**32 - 2**25


def _ome_metadata(header: VolumeHeader) -> dict[str, Any]:
    grid = header.grid
    metadata: dict[str, Any] = {}
    planes = int(np.prod(grid.shape[:-2])) * (header.channels if len(grid.shape) > 2 else 1)
    position: dict[str, Any] = {}
    for i, axis in enumerate(grid.axes):
        if axis == "t":
            unit = grid.units[i] or "s"
            metadata["TimeIncrement"], metadata["TimeIncrementUnit"] = grid.voxel_size[i], unit
            position["DeltaT"], position["DeltaTUnit"] = list(_plane_positions(header, i, planes)), [unit] * planes
            continue
        known = in_metres(grid.units[i]) is not None
        unit = OME_UNITS.get(grid.units[i], grid.units[i]) if known else "reference frame"
        name = axis.upper()
        metadata[f"PhysicalSize{name}"], metadata[f"PhysicalSize{name}Unit"] = grid.voxel_size[i], unit
        position[f"Position{name}"] = list(_plane_positions(header, i, planes))
        position[f"Position{name}Unit"] = [unit] * planes
    metadata["Plane"] = position
    if header.channel_names and len(grid.shape) > 2:
        metadata["Channel"] = {"Name": list(header.channel_names)}
    if header.notes:
        metadata["Description"] = " ".join(header.notes)
    return metadata


def _plane_positions(header: VolumeHeader, axis: int, planes: int) -> Iterator[float]:
    """World position, along one axis, of the first voxel's centre in every plane of the file."""
    grid = header.grid
    channels = header.channels if len(grid.shape) > 2 else 1
    for plane in range(planes):
        index = 0
        if axis < len(grid.shape) - 2:
            index = int(np.unravel_index(plane // channels, grid.shape[:-2])[axis])
        yield grid.origin[axis] + index * grid.voxel_size[axis]
