"""Writing volumes slab by slab: what all writers share, and which one a file's suffix means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid
from dinr_studio.errors import OutputError
from dinr_studio.io.atomic import atomic_folder, atomic_output

DTYPES = ("float32", "float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32")
METRES = {
    "angstrom": 1e-10, "Å": 1e-10, "a": 1e-10, "pm": 1e-12, "nm": 1e-9, "um": 1e-6, "µm": 1e-6, "μm": 1e-6,
    "micron": 1e-6, "micrometer": 1e-6, "micrometre": 1e-6, "nanometer": 1e-9, "mm": 1e-3, "millimeter": 1e-3,
    "cm": 1e-2, "m": 1.0, "meter": 1.0, "metre": 1.0, "km": 1e3,
}  # fmt: skip


def in_metres(unit: str) -> float | None:
    """Length of a unit in metres, or None where it is not a known unit of length."""
    return METRES.get(unit) or METRES.get(unit.lower())


@dataclass(frozen=True)
class VolumeHeader:
    """All that is known of a volume before its values come.

    notes: sentences for the file's metadata. compression: one of `compressions` of the file's format, or "" for its
    usual one.
    """

    grid: Grid
    channels: int
    dtype: np.dtype[Any]
    channel_names: tuple[str, ...] = ()
    value_unit: str = ""
    notes: tuple[str, ...] = ()
    compression: str = ""

    @property
    def value_bytes(self) -> int:
        """Length of the values in a file that is not compressed."""
        return self.grid.size * self.channels * self.dtype.itemsize


class VolumeWriter(Protocol):
    """Takes the slabs of a volume in order, holding no more than one of them."""

    def write(self, slab: NDArray[Any]) -> None:
        """Appends the next slab along the first axis, (n, *rest, channels), of the header's type.

        Where planes are too large to come whole it is a strip of one, (1, m, *rest[1:], channels).
        """

    def close(self) -> None:
        """Finishes the file after the last slab."""


Lost = Callable[[VolumeHeader], tuple[str, ...]]
OpenWriter = Callable[[Path, VolumeHeader], VolumeWriter]


class WrittenFormat(NamedTuple):
    """How a format is written.

    name: what people call it. compressions: the ways in which it can compress the values, its usual one first. output:
    makes what is written to until it is finished, a temporary file or folder.
    """

    name: str
    open: OpenWriter
    lost: Lost
    compressions: tuple[str, ...] = ("none",)
    output: Callable[..., AbstractContextManager[Path]] = atomic_output


def writers() -> dict[str, WrittenFormat]:
    """For each suffix that can be written: the writer, and what tells what it cannot carry."""
    from dinr_studio.io import (
        hdf5,
        metaimage_writing,
        mrc,
        netcdf_writing,
        nifti_writing,
        nrrd_writing,
        numpy_files,
        tiff,
        vtk_writing,
        zarr_writing,
    )

    hdf5_compressions = tuple(hdf5.COMPRESSIONS)
    mrc_written = WrittenFormat("MRC", mrc.MrcWriter, mrc.lost_in_mrc)
    hdf5_written = WrittenFormat("HDF5", hdf5.Hdf5Writer, hdf5.lost_in_hdf5, hdf5_compressions)
    tiff_written = WrittenFormat("TIFF", tiff.TiffWriter, tiff.lost_in_tiff)
    zarr, netcdf, nifti = zarr_writing, netcdf_writing, nifti_writing
    nrrd, metaimage, vtk = nrrd_writing, metaimage_writing, vtk_writing
    return {
        **dict.fromkeys((".mrc", ".map", ".ccp4"), mrc_written),
        **dict.fromkeys((".h5", ".hdf5"), hdf5_written),
        **dict.fromkeys((".tif", ".tiff"), tiff_written),
        ".npy": WrittenFormat("NPY", numpy_files.NpyWriter, numpy_files.lost_in_npy),
        ".zarr": WrittenFormat("OME-Zarr", zarr.ZarrWriter, zarr.lost_in_zarr, zarr.COMPRESSIONS, atomic_folder),
        ".nc": WrittenFormat("NetCDF", netcdf.NetcdfWriter, netcdf.lost_in_netcdf, hdf5_compressions),
        ".nii": WrittenFormat("NIfTI", nifti.NiftiWriter, nifti.lost_in_nifti),
        ".nii.gz": WrittenFormat("NIfTI, compressed", nifti.GzippedNiftiWriter, nifti.lost_in_nifti, ("gzip",)),
        ".nrrd": WrittenFormat("NRRD", nrrd.NrrdWriter, nrrd.lost_in_nrrd, nrrd.COMPRESSIONS),
        ".mha": WrittenFormat(
            "MetaImage", metaimage.MetaImageWriter, metaimage.lost_in_metaimage, metaimage.COMPRESSIONS
        ),
        ".vti": WrittenFormat("VTK image", vtk.VtiWriter, vtk.lost_in_vti, vtk.VTI_COMPRESSIONS),
        ".vtk": WrittenFormat("VTK, legacy", vtk.VtkWriter, vtk.lost_in_vtk),
    }


def written_suffix(path: Path) -> str:
    """The ending of a file's name that says its format, which may have two parts; OutputError where there is none."""
    known, name = writers(), Path(path).name.lower()
    found = [suffix for suffix in known if name.endswith(suffix)]
    if not found:
        raise OutputError(
            f"{Path(path).name} does not say a format that can be written; end the name in {', '.join(known)}."
        )
    return max(found, key=len)


def compressions(path: Path) -> tuple[str, ...]:
    """Ways in which the format of `path` can compress the values, its usual one first; "none" alone where it cannot."""
    return _writer_for(path).compressions


def types_for(header: VolumeHeader, path: Path) -> tuple[str, ...]:
    """Those of DTYPES that the format of `path` can carry this volume in; none where it cannot carry it at all."""
    found = []
    for name in DTYPES:
        try:
            lost_by(replace(header, dtype=np.dtype(name), compression=""), path)
        except OutputError:
            continue
        found.append(name)
    return tuple(found)


def lost_by(header: VolumeHeader, path: Path) -> tuple[str, ...]:
    """Sentences on what the format of `path` cannot carry; OutputError where it cannot carry the values at all."""
    lost = _writer_for(path).lost(header)
    known = compressions(path)
    if header.compression not in ("", *known):
        raise OutputError(
            f"{written_suffix(path)} files cannot be compressed by {header.compression}; choose {' or '.join(known)}."
        )
    return lost


def output_at(path: Path, *, force: bool) -> AbstractContextManager[Path]:
    """What the format of `path` is written to until it is finished: a temporary file or folder; see `atomic_output`."""
    return _writer_for(path).output(path, force=force)


@contextmanager
def open_writer(temporary: Path, header: VolumeHeader, path: Path) -> Iterator[VolumeWriter]:
    """A writer, in the format of `path`, into a temporary file; finished when the block ends well."""
    lost_by(header, path)
    writer = _writer_for(path).open(temporary, header)
    try:
        yield writer
        writer.close()
    except BaseException:
        abandon = getattr(writer, "abandon", writer.close)
        try:
            abandon()
        except Exception:  # the file goes away in any case, and the first error is the one to tell
            pass
        raise


def write_values(
    values: NDArray[Any],
    grid: Grid,
    path: Path,
    *,
    value_unit: str = "",
    channel_names: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    force: bool = False,
) -> tuple[str, ...]:
    """Writes values (*grid.shape, channels) that are in memory, whole or not at all; what the format could not carry.

    The suffix of the name says the format. Raises OutputError.
    """
    header = VolumeHeader(grid, values.shape[-1], values.dtype, channel_names, value_unit, notes)
    lost = lost_by(header, path)
    with output_at(path, force=force) as temporary, open_writer(temporary, header, path) as writer:
        for plane in range(grid.shape[0]):
            writer.write(values[plane : plane + 1])
    return lost


def _writer_for(path: Path) -> WrittenFormat:
    return writers()[written_suffix(path)]
