"""Lies of HDF5, its dialects and netCDF."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from lying import LIES, changed, zeros
from seeds import SEEDS, ramp


# HDF5
def hdf5(folder: Path, fill: Callable[[Any], Any], name: str = "a.h5") -> Path:
    import h5py

    with h5py.File(folder / name, "w") as file:
        fill(file)
    return folder / name


def packed_chunk(file: Any, packed: bytes, name: str = "d", **options: Any) -> Any:
    """A dataset whose only chunk holds the given packed bytes."""
    stored = file.create_dataset(name, (4, 4, 4), "f4", chunks=(4, 4, 4), compression="gzip", **options)
    stored.id.write_direct_chunk((0, 0, 0), packed)
    return stored


def outer(file: Any, kind: str) -> None:
    import h5py

    if kind == "external link":
        file["d"] = h5py.ExternalLink("/etc/passwd", "x")
    elif kind == "soft loop":
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")
    elif kind == "hard loop":
        file.create_group("g")["up"] = file["/"]
        file["d"] = ramp()
    elif kind == "external storage":
        file.create_dataset("d", (4, 4), "u1", external=[("/etc/hostname", 0, 16)])
    elif kind == "external device":
        file.create_dataset("d", (4, 4), "u1", external=[("/dev/zero", 0, 16)])
    else:
        layout = h5py.VirtualLayout((4, 4), "f4")
        layout[...] = h5py.VirtualSource("/tmp/elsewhere.h5", "d", (4, 4))
        file.create_virtual_dataset("d", layout)


for _kind in ("external link", "soft loop", "hard loop", "external storage", "external device", "virtual dataset"):
    for _suffix in (".h5", ".nc", ".ims", ".nxs"):
        LIES[f"HDF5 {_kind} {_suffix}"] = lambda folder, kind=_kind, suffix=_suffix: hdf5(
            folder, lambda file: outer(file, kind), f"a{suffix}"
        )
LIES["HDF5 gzip bomb"] = lambda folder: hdf5(folder, lambda file: packed_chunk(file, zeros()))
LIES["NetCDF gzip bomb"] = lambda folder: hdf5(folder, lambda file: packed_chunk(file, zeros()), "a.nc")
LIES["HDF5 10^15 values"] = lambda folder: hdf5(
    folder, lambda file: file.create_dataset("d", (10**5,) * 3, "f4", chunks=(64,) * 3)
)
LIES["HDF5 large chunks"] = lambda folder: hdf5(
    folder,
    lambda file: file.create_dataset("d", (4,), "f4", chunks=(1 << 29,), maxshape=(None,), compression="gzip"),
)


def nxdata(file: Any, add: Callable[[Any], Any]) -> None:
    file.attrs["NX_class"], file.attrs["signal"] = "NXdata", "d"
    add(file)


LIES["NeXus gzip bomb"] = lambda folder: hdf5(
    folder, lambda file: nxdata(file, lambda f: packed_chunk(f, zeros())), "a.nxs"
)
LIES["NeXus circle of defaults"] = lambda folder: hdf5(
    folder, lambda file: (file.attrs.update(default="a"), file.create_group("a").attrs.update(default="/")), "a.nxs"
)


def many(file: Any) -> None:
    for i in range(6_000):
        file.create_group(f"g{i}")


LIES["HDF5 6,000 groups"] = lambda folder: hdf5(folder, many)


def numbers_of_nothing(file: Any) -> None:
    file["d"] = ramp()
    file["d"].attrs.update(
        {"voxel_size": [float("nan"), 1e308, -1], "scale_factor": "x", "_FillValue": "abc", "axes": 5, "origin": [[1]]}
    )


LIES["HDF5 attributes of the wrong kind"] = lambda folder: hdf5(folder, numbers_of_nothing)
LIES["HDF5 empty"] = lambda folder: hdf5(
    folder, lambda file: file.create_dataset("d", data=__import__("h5py").Empty("f4"))
)
LIES["HDF5 that the library never ends with"] = changed("HDF5", (1824, bytes(2)))  # found by the fuzzer
LIES["HDF5 compound"] = lambda folder: hdf5(
    folder, lambda file: file.create_dataset("d", (3, 4), np.dtype([("a", "f4"), ("b", "i4")]))
)


def imaris(change: Callable[[Any], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import h5py

        path = SEEDS["Imaris"](folder)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


LEVEL = "DataSet/ResolutionLevel 0"
LIES["Imaris frame 99,999"] = imaris(lambda f: f[LEVEL].__setitem__("TimePoint 99999", f[f"{LEVEL}/TimePoint 0"]))
LIES["Imaris size of text"] = imaris(
    lambda f: f[f"{LEVEL}/TimePoint 0/Channel 0"].attrs.__setitem__("ImageSizeX", np.array([b"9"] * 30, "S1"))
)
LIES["Imaris box of NaN"] = imaris(lambda f: f["DataSetInfo/Image"].attrs.__setitem__("ExtMax0", np.bytes_("nan")))


# NetCDF classic
LIES["NetCDF classic 10^9 records"] = changed("NetCDF classic", (4, struct.pack(">I", 10**9)))
LIES["NetCDF classic long dimension"] = changed("NetCDF classic", (24, struct.pack(">I", 2**31 - 1)))
