"""Opening a file as a Volume, whatever its format: the reader is chosen by suffix, else by the first bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dinr_studio.coordinates import SPATIAL_AXES, TIME_AXIS, Grid
from dinr_studio.errors import ConfigError, DinrError, FileFormatError
from dinr_studio.io import hdf5, images, mrc, numpy_files, tiff
from dinr_studio.io.content import Content, DatasetEntry
from dinr_studio.io.fingerprint import fingerprint
from dinr_studio.io.folders import folder_format
from dinr_studio.volume import Provenance, Volume, make_volume

CHANNEL_AXIS = "c"
AXIS_ORDER = (TIME_AXIS, *SPATIAL_AXES, CHANNEL_AXIS)
SAMPLE_PREFIX = "sample:"

Reader = tuple[Callable[[Path, str | None], Content], Callable[[Path], list[DatasetEntry]]]

READERS: dict[str, Reader] = {
    "MRC": (mrc.read_mrc, mrc.list_mrc),
    "HDF5": (hdf5.read_hdf5, hdf5.list_hdf5),
    "TIFF": (tiff.read_tiff, tiff.list_tiff),
    "NPY": (numpy_files.read_npy, numpy_files.list_npy),
    "NPZ": (numpy_files.read_npz, numpy_files.list_npz),
    "image": (images.read_image, images.list_image),
}
SUFFIXES: dict[str, str] = {
    **dict.fromkeys((".mrc", ".map", ".ccp4", ".mrcs", ".st", ".rec"), "MRC"),
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".he5"), "HDF5"),
    **dict.fromkeys((".tif", ".tiff", ".btf"), "TIFF"),
    ".npy": "NPY",
    ".npz": "NPZ",
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".gif"), "image"),
}
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", "HDF5"),
    (0, b"\x93NUMPY", "NPY"),
    (0, b"PK\x03\x04", "NPZ"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"II+\x00", "TIFF"),
    (0, b"MM\x00+", "TIFF"),
    (0, b"\x89PNG", "image"),
    (0, b"\xff\xd8\xff", "image"),
    (208, b"MAP", "MRC"),
)


def open_volume(
    path: str | Path,
    *,
    dataset: str | None = None,
    axes: str | None = None,
    voxel_size: Sequence[float] | None = None,
    unit: str | None = None,
    fill: float | None = None,
    channel: int | None = None,
    crop: Sequence[Sequence[int]] | None = None,
) -> Volume:
    """The volume in a file; what is given here overrides what the file says.

    path: a file, or sample:NAME. dataset: its name in an HDF5 or NPZ file. axes: one letter of t, z, y, x, c for each
    dimension of the stored array. voxel_size: one number for all spatial axes, or one for each axis (t, z, y, x order),
    in `unit`. fill: the value that means missing. channel: keep only this one, counted from 0. crop: START and STOP
    index for each axis of the volume, of the part to keep.
    Raises FileFormatError, DataError or ConfigError in one sentence.
    """
    path = resolve(path)
    kind = format_of(path)
    content = _guarded(path, lambda: READERS[kind][0](path, dataset))
    if axes is not None:
        content = replace(content, axes=_checked_axes(axes, content))
    values, grid = _arranged(content)
    absent = None if content.missing is None else _arranged(replace(content, values=content.missing))[0]
    grid = _overridden(grid, voxel_size, unit)
    names = content.channel_names
    if channel is not None:
        values, names = _one_channel(values, names, channel)
        absent = None if absent is None else absent[..., channel : channel + 1]
    if crop is not None:
        whole = grid
        grid, values = _cropped(whole, values, crop)
        absent = None if absent is None else _cropped(whole, absent, crop)[1]
    return make_volume(
        values,
        grid,
        fill=content.fill if fill is None else fill,
        absent=absent,
        value_unit=content.value_unit,
        channel_names=names,
        provenance=Provenance(str(path.absolute()), fingerprint(path), kind, content.dataset, content.notes),
    )


def list_datasets(path: str | Path) -> list[DatasetEntry]:
    """The arrays in a file that could be opened, without reading their values."""
    path = resolve(path)
    kind = format_of(path)
    entries: list[DatasetEntry] = _guarded(path, lambda: READERS[kind][1](path))
    return entries


def resolve(path: str | Path) -> Path:
    """The file that a name means: itself, or a sample of the program; FileFormatError where there is none."""
    if str(path).startswith(SAMPLE_PREFIX):
        from dinr_studio.samples import sample_path

        return sample_path(str(path).removeprefix(SAMPLE_PREFIX))
    path = Path(path)
    try:
        if path.is_dir():
            if folder_format(path) is None:
                raise FileFormatError(f"{path} is a folder, of no format that is known; give one file.")
            return path
        if not path.exists():
            raise FileFormatError(f"{path} does not exist; check the name and the folder.")
        if path.stat().st_size == 0:
            raise FileFormatError(f"{path} is empty (0 bytes); use an intact copy.")
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} cannot be opened ({error}); check the name.") from error
    return path


def format_of(path: Path) -> str:
    """The format of a file, by its suffix, else by its first bytes; of a folder, by what is in it."""
    if path.is_dir() and (kind := folder_format(path)) is not None:
        return kind
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in (".gz", ".bz2"):
        suffixes.pop()
    if suffixes and suffixes[-1] in SUFFIXES:
        return SUFFIXES[suffixes[-1]]
    try:
        with open(path, "rb") as file:
            start = file.read(256)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    for offset, signature, kind in SIGNATURES:
        if start[offset : offset + len(signature)] == signature:
            return kind
    raise FileFormatError(
        f"The format of {path.name} is not known; files that can be read end in {', '.join(sorted(SUFFIXES))} "
        "(MRC also in .gz or .bz2)."
    )


def _guarded(path: Path, read: Callable[[], Any]) -> Any:
    """Runs a reader; whatever a library raises at a damaged file becomes one sentence."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except DinrError:
        raise
    except PermissionError as error:
        raise FileFormatError(f"{path} may not be read (no permission); ask for access or copy it.") from error
    except MemoryError as error:
        raise FileFormatError(f"{path.name} does not fit into memory; crop or bin it first.") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise FileFormatError(
            f"{path.name} cannot be read ({reason}): it is damaged or not what its name says."
        ) from error


def _checked_axes(axes: str, content: Content) -> str:
    axes = axes.lower()
    if len(axes) != content.values.ndim or len(set(axes)) != len(axes) or set(axes) - set(AXIS_ORDER):
        raise ConfigError(
            f"The axes {axes!r} do not name the array's {content.values.ndim} dimensions {content.values.shape}; "
            "give one different letter of t, z, y, x and c for each."
        )
    return axes


def _arranged(content: Content) -> tuple[np.ndarray[Any, Any], Grid]:
    """Values as (t, z, y, x, channels), as far as there, and their grid."""
    order = sorted(range(len(content.axes)), key=lambda i: AXIS_ORDER.index(content.axes[i]))
    letters = [content.axes[i] for i in order]
    values = content.values.transpose(order)
    if CHANNEL_AXIS in letters:
        letters.remove(CHANNEL_AXIS)
    else:
        values = values[..., np.newaxis]
    if not letters:
        raise FileFormatError("The array has channels but no axis to lie along; state --axes.")
    if values.size == 0:
        raise FileFormatError(f"The array is empty (shape {content.values.shape}); choose one that holds values.")
    grid = Grid(
        shape=values.shape[:-1],
        voxel_size=tuple(float(content.voxel_size.get(axis, 1.0)) for axis in letters),
        origin=tuple(float(content.origin.get(axis, 0.0)) for axis in letters),
        units=tuple(content.units.get(axis, "") for axis in letters),
        axes=tuple(letters),
        orientation=content.orientation if set(SPATIAL_AXES) <= set(letters) else None,
    )
    return values, grid


def _overridden(grid: Grid, voxel_size: Sequence[float] | None, unit: str | None) -> Grid:
    """The grid with the user's voxel size and spatial unit."""
    if voxel_size is not None:
        if len(voxel_size) == 1:
            voxel_size = [voxel_size[0] if i in grid.spatial else v for i, v in enumerate(grid.voxel_size)]
        grid = grid.rescaled(voxel_size)
    return grid if unit is None else grid.with_unit(unit)


def _cropped(
    grid: Grid, values: np.ndarray[Any, Any], crop: Sequence[Sequence[int]]
) -> tuple[Grid, np.ndarray[Any, Any]]:
    if len(crop) != len(grid.shape) or any(len(ends) != 2 for ends in crop):
        raise ConfigError(
            f"The crop box {list(crop)} does not fit axes {', '.join(grid.axes)}; give two ends for each."
        )
    start, stop = zip(*crop, strict=True)
    cropped = grid.cropped(start, stop)
    return cropped, values[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]


def _one_channel(
    values: np.ndarray[Any, Any], names: tuple[str, ...], channel: int
) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
    if not 0 <= channel < values.shape[-1]:
        raise ConfigError(f"Channel {channel} does not exist; the file has channels 0 to {values.shape[-1] - 1}.")
    return values[..., channel : channel + 1], names[channel : channel + 1]
