"""Opening a file as a Volume, whatever its format: the reader is chosen by suffix, else by the first bytes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError, DinrError, FileFormatError, plain
from dinr_studio.io import (
    dicom,
    hdf5,
    images,
    imaris,
    metaimage,
    mrc,
    netcdf,
    nexus,
    nifti,
    nrrd_files,
    numpy_files,
    series,
    tiff,
    vtk_images,
    zarr_reading,
)
from dinr_studio.io.arranging import Values, arranged, checked_axes, cropped, one_channel, overridden
from dinr_studio.io.content import Content, DatasetEntry
from dinr_studio.io.cropping import Indices, indices_on
from dinr_studio.io.fingerprint import fingerprint
from dinr_studio.io.folders import folder_format
from dinr_studio.io.joining import joined, names_in
from dinr_studio.io.masks import with_mask
from dinr_studio.io.tables import TABLES, ColumnListing, is_sample_archive, list_columns, open_samples
from dinr_studio.io.unfinished import is_unfinished
from dinr_studio.memory import available_bytes
from dinr_studio.stored import StoredValues
from dinr_studio.volume import Provenance, Volume, make_volume

SAMPLE_PREFIX = "sample:"
MASK_MARK = "+mask:"  # between the fingerprints of a volume and its mask

Reader = tuple[Callable[[Path, str | None], Content], Callable[[Path], list[DatasetEntry]]]

READERS: dict[str, Reader] = {
    "MRC": (mrc.read_mrc, mrc.list_mrc),
    "HDF5": (hdf5.read_hdf5, hdf5.list_hdf5),
    "TIFF": (tiff.read_tiff, tiff.list_tiff),
    "NPY": (numpy_files.read_npy, numpy_files.list_npy),
    "NPZ": (numpy_files.read_npz, numpy_files.list_npz),
    "image": (images.read_image, images.list_image),
    "Zarr": (zarr_reading.read_zarr, zarr_reading.list_zarr),
    "NetCDF": (netcdf.read_netcdf, netcdf.list_netcdf),
    "Imaris": (imaris.read_imaris, imaris.list_imaris),
    "NeXus": (nexus.read_nexus, nexus.list_nexus),
    "DICOM": (dicom.read_dicom, dicom.list_dicom),
    "series": (series.read_series, series.list_series),
    "NIfTI": (nifti.read_nifti, nifti.list_nifti),
    "NRRD": (nrrd_files.read_nrrd, nrrd_files.list_nrrd),
    "MetaImage": (metaimage.read_metaimage, metaimage.list_metaimage),
    "VTI": (vtk_images.read_vti, vtk_images.list_vti),
    "VTK": (vtk_images.read_vtk, vtk_images.list_vtk),
}
SUFFIXES: dict[str, str] = {
    **dict.fromkeys((".mrc", ".map", ".ccp4", ".mrcs", ".st", ".rec"), "MRC"),
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".he5"), "HDF5"),
    **dict.fromkeys((".tif", ".tiff", ".btf"), "TIFF"),
    ".nii": "NIfTI",
    **dict.fromkeys((".nrrd", ".nhdr"), "NRRD"),
    **dict.fromkeys((".mha", ".mhd"), "MetaImage"),
    ".vti": "VTI",
    ".vtk": "VTK",
    **dict.fromkeys((".nc", ".nc4", ".netcdf", ".cdf"), "NetCDF"),
    ".ims": "Imaris",
    **dict.fromkeys((".nxs", ".nexus"), "NeXus"),
    ".npy": "NPY",
    **dict.fromkeys((".zarr", ".zip", ".ozx"), "Zarr"),
    ".npz": "NPZ",
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".gif"), "image"),
    **dict.fromkeys((".dcm", ".dicom", ".ima"), "DICOM"),
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt", ".dat"), "CSV"),
    **dict.fromkeys((".parquet", ".pq"), "Parquet"),
}
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", "HDF5"),
    (0, b"\x93NUMPY", "NPY"),
    (0, b"CDF\x01", "NetCDF"),
    (0, b"CDF\x02", "NetCDF"),
    (0, b"PK\x03\x04", "NPZ"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"II+\x00", "TIFF"),
    (0, b"MM\x00+", "TIFF"),
    (0, b"\x89PNG", "image"),
    (0, b"\xff\xd8\xff", "image"),
    (208, b"MAP", "MRC"),
    (128, b"DICM", "DICOM"),
    (344, b"n+1\0", "NIfTI"),
    (344, b"ni1\0", "NIfTI"),
    (4, b"n+2\0", "NIfTI"),
    (4, b"ni2\0", "NIfTI"),
    (0, b"NRRD000", "NRRD"),
    (0, b"PAR1", "Parquet"),
    (0, b"# vtk DataFile", "VTK"),
)

STORED_READERS: dict[str, Callable[[Path, str | None], Content]] = {
    "MRC": mrc.map_mrc,
    "HDF5": hdf5.map_hdf5,
    "TIFF": tiff.map_tiff,
    "NPY": numpy_files.map_npy,
    "Zarr": zarr_reading.map_zarr,
}
SMALL = 1 << 24  # bytes of a file that is not asked how large it is when unpacked
MEMORY_SHARE = 0.5  # of the free memory: values that need more stay in their file


def open_volume(
    path: str | Path,
    *,
    dataset: str | None = None,
    axes: str | None = None,
    voxel_size: Sequence[float] | None = None,
    unit: str | None = None,
    fill: float | None = None,
    channel: int | None = None,
    crop: Sequence[Sequence[int]] | Callable[[Grid], Indices] | None = None,
    stored: bool | None = None,
    mask: str | None = None,
    position_columns: str | None = None,
    value_columns: str | None = None,
) -> Volume:
    """The volume in a file; what is given here overrides what the file says.

    path: a file, a folder or a pattern (slices/*.tif) of files that are one volume, or sample:NAME. dataset: its name
    among several in there, or the names, separated by commas, of several on one grid that become channels of one. axes:
    one letter of t, z, y, x, c for each dimension of the stored array. voxel_size: one number for all spatial axes, or
    one for each axis (t, z, y, x order), in `unit`. fill: the value that means missing. channel: keep only this one,
    counted from 0. crop: START and STOP index for each axis of the volume, of the part to keep, or what tells them of
    its grid. stored: whether the values stay in the file and are read as they are needed; by default where they would
    fill a good part of memory, and the format allows it. mask: a second file on the same grid, whose zeros (or False,
    or NaN) mark voxels that count as missing; its fingerprint goes into the volume's. position_columns, value_columns:
    of a table of samples, names separated by commas; the volume then carries the samples, and voxel_size is that of the
    volume made of them, while their positions stay.
    Raises FileFormatError, DataError or ConfigError in one sentence.
    """
    path = resolve(path)
    kind = format_of(path)
    if holds_samples(path, kind, dataset, position_columns or value_columns):
        if axes or mask or stored:
            raise ConfigError(
                f"{path.name} is a table of samples, to which --axes and --mask do not apply; leave them out."
            )
        chosen = {"voxel_size": voxel_size, "unit": unit, "fill": fill, "channel": channel, "crop": crop}
        return _samples_in(path, kind, (position_columns, value_columns), chosen)
    if mask is not None and stored:
        raise ConfigError("A volume with a mask is read whole, so it cannot stay in its file; leave --stream out.")
    names_chosen: tuple[str, ...] = guarded(path, lambda: names_in(dataset, lambda: READERS[kind][1](path)))
    read = _reader(path, kind, names_chosen or (dataset,), stored if mask is None else False)
    content: Content = guarded(
        path, lambda: joined(read, path, names_chosen) if len(names_chosen) > 1 else read(path, dataset)
    )
    if axes is not None:
        content = replace(content, axes=checked_axes(axes, content))
    known = fingerprint(path, content.files)
    if mask is not None:
        content, mark = with_mask(content, mask, axes)
        known += MASK_MARK + mark
    part = None if crop is None else indices_on(overridden(arranged(content)[1], voxel_size, unit), crop)
    values, grid, names = _chosen(content, voxel_size, unit, channel, part)
    absent = None
    if content.missing is not None:
        absent = np.asarray(_chosen(replace(content, values=content.missing), None, None, channel, part)[0])
    fill = content.fill if fill is None else fill
    if isinstance(values, StoredValues):
        values = replace(values, fill=fill)
    source = Provenance(str(path.absolute()), known, kind, content.dataset, tuple(map(plain, content.notes)))
    described: dict[str, Any] = {
        "value_unit": plain(content.value_unit),
        "channel_names": tuple(map(plain, names)),
        "provenance": source,
    }
    grid = replace(grid, units=tuple(map(plain, grid.units)))
    volume: Volume = guarded(path, lambda: make_volume(values, grid, fill=fill, absent=absent, **described))
    return volume


def _samples_in(path: Path, kind: str, columns: tuple[str | None, str | None], chosen: dict[str, Any]) -> Volume:
    """The volume of a table of samples; chosen: keywords of `open_samples`."""
    source = Provenance(str(path.absolute()), fingerprint(path), kind)
    volume: Volume = guarded(path, lambda: open_samples(path, source, columns, **chosen))
    return volume


def _chosen(
    content: Content,
    voxel_size: Sequence[float] | None,
    unit: str | None,
    channel: int | None,
    crop: Sequence[Sequence[int]] | None,
) -> tuple[Values, Grid, tuple[str, ...]]:
    """The part of a file's values that was asked for, on its grid, and the names of its channels."""
    values, grid = arranged(content)
    grid, names = overridden(grid, voxel_size, unit), content.channel_names
    if channel is not None:
        values, names = one_channel(values, names, channel)
    if crop is not None:
        grid, values = cropped(grid, values, crop)
    return values, grid, names


def list_datasets(path: str | Path) -> list[DatasetEntry]:
    """The arrays in a file that could be opened, without reading their values; none in a table of samples."""
    path = resolve(path)
    kind = format_of(path)
    if holds_samples(path, kind):
        return []
    entries: list[DatasetEntry] = guarded(path, lambda: READERS[kind][1](path))
    return entries


def columns_in(path: str | Path, positions: str | None = None, values: str | None = None) -> ColumnListing | None:
    """The columns of a table of samples, and those chosen; None of a file that is none."""
    path = resolve(path)
    kind = format_of(path)
    if not holds_samples(path, kind, None, positions or values if kind in TABLES else None):
        return None
    listing: ColumnListing = guarded(path, lambda: list_columns(path, kind, positions, values))
    return listing


def resolve(path: str | Path) -> Path:
    """The file that a name means: itself, or a sample of the program; FileFormatError where there is none."""
    if str(path).startswith(SAMPLE_PREFIX):
        from dinr_studio.samples import sample_path

        return sample_path(str(path).removeprefix(SAMPLE_PREFIX))
    path = Path(path)
    if not _is_text(path):
        raise FileFormatError(f"The name {path} is no Unicode text, so no run could find it again; rename the file.")
    try:
        if path.is_dir() or series.is_pattern(path):
            if folder_format(path) is None:
                raise FileFormatError(f"{path} {_no_volume(path)}")
            return path
        if not path.exists():
            raise FileFormatError(f"{path} does not exist; check the name and the folder.")
        if path.stat().st_size == 0:
            raise FileFormatError(f"{path} is empty (0 bytes); use an intact copy.")
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} cannot be opened ({error}); check the name.") from error
    return path


def _is_text(path: Path) -> bool:
    try:
        str(path.absolute()).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _no_volume(path: Path) -> str:
    """Why a folder or a pattern is no volume."""
    if path.is_dir():
        if is_unfinished(path):
            return f"is an unfinished export to {path.stem}; give export the same options and --resume to finish it."
        return "is a folder without DICOM images, numbered files or a Zarr store; give one file, or another folder."
    if len(series.files_of(path)) < series.FEWEST:
        return "fits less than two files; check the pattern."
    return "fits files that are no numbered series (the same name but for a number); choose the pattern so."


def format_of(path: Path) -> str:
    """The format of a file, by its suffix, else by its first bytes; of a folder, by what is in it."""
    if (path.is_dir() or series.is_pattern(path)) and (kind := folder_format(path)) is not None:
        return kind
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in (".gz", ".bz2"):
        suffixes.pop()
    if suffixes and suffixes[-1] in SUFFIXES:
        return SUFFIXES[suffixes[-1]]
    try:
        with open(path, "rb") as file:
            start = file.read(512)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    for offset, signature, kind in SIGNATURES:
        if start[offset : offset + len(signature)] == signature:
            return kind
    raise FileFormatError(
        f"The format of {path.name} is not known; files that can be read end in {', '.join(sorted(SUFFIXES))} "
        "(MRC also in .gz or .bz2)."
    )


def guarded(path: Path, read: Callable[[], Any]) -> Any:
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


def holds_samples(path: Path, kind: str, dataset: str | None = None, columns: str | None = None) -> bool:
    """Whether a file is a table of samples; columns: those that were asked for, which only a table has."""
    if kind in TABLES and kind not in READERS:
        if dataset is not None:
            raise ConfigError(f"{path.name} is a table and has no datasets; choose columns with --values.")
        return True
    if kind in TABLES and dataset is None:
        return columns is not None or bool(guarded(path, lambda: is_sample_archive(path)))
    if columns is not None:
        raise ConfigError(f"{path.name} is no table, so --positions and --values do not go with it.")
    return False


def _reader(
    path: Path, kind: str, datasets: Sequence[str | None], stored: bool | None
) -> Callable[[Path, str | None], Content]:
    """The reader of a format that takes all values into memory, or the one that leaves them in the file."""
    if stored is None and kind in STORED_READERS:
        stored = sum(_bytes_of(path, kind, name) for name in datasets) > MEMORY_SHARE * available_bytes()
    if not stored:
        return READERS[kind][0]
    if kind not in STORED_READERS:
        raise FileFormatError(
            f"{kind} files are read into memory as a whole; those that can stay on the disk are "
            f"{', '.join(sorted(STORED_READERS))}."
        )
    return STORED_READERS[kind]


def _bytes_of(path: Path, kind: str, dataset: str | None) -> int:
    """Length of a dataset's values, as far as that is known without reading any; else of the file."""
    size = path.stat().st_size if path.is_file() else 0
    if path.is_file() and size < SMALL:
        return size
    for entry in guarded(path, lambda: READERS[kind][1](path)):
        if dataset is None or entry.name.strip("/") == dataset.strip("/"):
            with contextlib.suppress(TypeError):
                size = max(size, math.prod(entry.shape) * np.dtype(entry.dtype).itemsize)
    return size
