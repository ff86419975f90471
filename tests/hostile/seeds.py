"""Small valid files of every format, made by our writers or the formats' own libraries: what damage is done to.

A seed is one file, or a folder whose files are damaged one at a time. SEEDS: by name, a function that makes it in a
folder and returns its path. The name begins with that of its reader, or with `run`.
"""

from __future__ import annotations

import bz2
import gzip
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dinr_studio.coordinates import Grid
from dinr_studio.io.writing import VolumeHeader, open_writer

SHAPE = (3, 4, 5)
SEEDS: dict[str, Callable[[Path], Path]] = {}


def seed(name: str) -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
    def add(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
        SEEDS[name] = make
        return make

    return add


def ramp(dtype: Any = np.float32, shape: tuple[int, ...] = SHAPE) -> Any:
    return (np.arange(np.prod(shape)) % 120).reshape(shape).astype(dtype)


def written(path: Path, **options: Any) -> Path:
    """A ramp through our own writer."""
    grid = Grid(SHAPE, (2.0, 1.5, 0.75), (1.0, 2.0, 3.0), ("mm",) * 3, ("z", "y", "x"))
    with open_writer(path, VolumeHeader(grid, 1, np.dtype("f4"), **options), path) as writer:
        writer.write(ramp()[..., None])
    return path


def wrapped(path: Path, pack: Callable[[bytes], bytes]) -> Path:
    """The same file, compressed as a whole."""
    path.write_bytes(pack(path.read_bytes()))
    return path


# Each format by our writer, where there is one.
for _name, _file in {
    "MRC": "a.mrc", "HDF5": "a.h5", "TIFF": "a.tif", "NPY": "a.npy", "Zarr": "a.zarr", "NetCDF": "a.nc",
    "NIfTI": "a.nii", "NIfTI gz": "a.nii.gz", "NRRD": "a.nrrd", "MetaImage": "a.mha", "VTI": "a.vti", "VTK": "a.vtk",
}.items():  # fmt: skip
    SEEDS[_name] = lambda folder, file=_file: written(folder / file)  # type: ignore[misc]


@seed("MRC gz")
def _(folder: Path) -> Path:
    return wrapped(written(folder / "b.mrc"), lambda raw: gzip.compress(raw, mtime=0))


@seed("MRC bz2")
def _(folder: Path) -> Path:
    return wrapped(written(folder / "c.mrc"), bz2.compress)


@seed("HDF5 plain")
def _(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "plain.h5", "w", libver="latest") as file:
        file["d"] = ramp()
        file["d"].attrs.update({"scale_factor": 2.0, "_FillValue": np.float32(7), "axes": "z,y,x", "origin": [1, 2, 3]})
    return folder / "plain.h5"


@seed("TIFF deflate")
def _(folder: Path) -> Path:
    import tifffile

    tifffile.imwrite(
        folder / "b.tif", ramp(np.uint16, (3, 32, 32)), compression="zlib", tile=(16, 16), photometric="minisblack"
    )
    return folder / "b.tif"


@seed("TIFF ImageJ")
def _(folder: Path) -> Path:
    import tifffile

    metadata = {"spacing": 2.0, "unit": "um", "axes": "ZYX", "finterval": 2.0}
    tifffile.imwrite(folder / "c.tif", ramp(np.uint16), imagej=True, resolution=(2, 2), metadata=metadata)
    return folder / "c.tif"


@seed("TIFF BigTIFF")
def _(folder: Path) -> Path:
    import tifffile

    tifffile.imwrite(folder / "d.tif", ramp(np.uint16), bigtiff=True, photometric="minisblack", compression="lzw")
    return folder / "d.tif"


@seed("NPZ")
def _(folder: Path) -> Path:
    np.savez_compressed(folder / "a.npz", d=ramp())
    return folder / "a.npz"


@seed("NPZ table")
def _(folder: Path) -> Path:
    rows = np.random.default_rng(0).random((20, 4))
    np.savez(folder / "b.npz", positions=rows[:, :3], values=rows[:, 3])
    return folder / "b.npz"


def picture(name: str, mode: str) -> None:
    def make(folder: Path) -> Path:
        from PIL import Image

        Image.fromarray(ramp(np.uint8, (16, 20))).convert(mode).save(folder / f"a.{name}")
        return folder / f"a.{name}"

    SEEDS[f"image {name}"] = make


for _name, _mode in (("png", "RGBA"), ("jpg", "RGB"), ("bmp", "L"), ("gif", "P")):
    picture(_name, _mode)


@seed("Zarr 2")
def _(folder: Path) -> Path:
    import zarr

    array = zarr.create_array(folder / "b.zarr", data=ramp(), chunks=(2, 2, 2), zarr_format=2)
    array.attrs["_ARRAY_DIMENSIONS"] = ["z", "y", "x"]
    return folder / "b.zarr"


@seed("Zarr shards")
def _(folder: Path) -> Path:
    import zarr

    zarr.create_array(folder / "c.zarr", data=ramp(), chunks=(1, 2, 5), shards=(3, 4, 5))
    return folder / "c.zarr"


@seed("Zarr Blosc")
def _(folder: Path) -> Path:
    import zarr
    from zarr.codecs import BloscCodec

    zarr.create_array(folder / "d.zarr", data=ramp(), chunks=(3, 4, 5), compressors=BloscCodec(cname="lz4"))
    return folder / "d.zarr"


@seed("Zarr zip")
def _(folder: Path) -> Path:
    import zarr

    with zarr.storage.ZipStore(folder / "e.zip", mode="w") as store:
        zarr.create_array(store, data=ramp(), chunks=(3, 4, 5))
    return folder / "e.zip"


@seed("NetCDF classic")
def _(folder: Path) -> Path:
    import xarray

    values = xarray.Variable(("lat", "lon"), ramp(np.int16, (4, 5)), {"scale_factor": 0.5, "_FillValue": 3})
    lon = xarray.Variable("lon", np.linspace(0, 8, 5), {"units": "degrees_east"})
    xarray.Dataset({"d": values}, {"lon": lon}).to_netcdf(folder / "b.nc", engine="scipy")
    return folder / "b.nc"


def chars(text: str) -> Any:
    return np.array([letter.encode() for letter in text], dtype="S1")


@seed("Imaris")
def _(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "a.ims", "w") as file:
        image = file.create_group("DataSetInfo/Image").attrs
        for i in range(3):
            image[f"ExtMin{i}"], image[f"ExtMax{i}"] = chars("0"), chars(str(i + 2))
        image["Unit"] = chars("um")
        group = file.create_group("DataSet/ResolutionLevel 0/TimePoint 0/Channel 0")
        group.create_dataset("Data", data=ramp(np.uint8, (4, 4, 8)), chunks=(4, 4, 8), compression="gzip")
        for axis, n in zip("ZYX", SHAPE, strict=True):
            group.attrs[f"ImageSize{axis}"] = chars(str(n))
    return folder / "a.ims"


@seed("NeXus")
def _(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "a.nxs", "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs.update({"NX_class": "NXentry", "default": "data"})
        data = entry.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": "d", "axes": ["y", "x"]})
        data["d"] = ramp(np.float32, (4, 5))
        data["x"] = np.arange(6.0)
        data["y"] = h5py.SoftLink("/entry/y")
        entry["y"] = np.arange(4.0) * 2
    return folder / "a.nxs"


def dicom(pixels: Any, instance: int = 1) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = CTImageStorage
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = f"1.2.3.{instance}"
    header.Modality, header.SeriesInstanceUID, header.SeriesNumber = "CT", "1.2.3", 3
    header.InstanceNumber, header.RescaleSlope, header.RescaleIntercept = instance, 2, -100
    header.Rows, header.Columns = pixels.shape[-2:]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit, header.PixelRepresentation = 15, 0
    header.PixelSpacing, header.ImageOrientationPatient = [2, 3], [1, 0, 0, 0, 1, 0]
    header.ImagePositionPatient = [0, 0, instance]
    header.PixelData = pixels.tobytes()
    return header


def saved(header: Any, path: Path, syntax: str = "") -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if syntax:
            header.compress(syntax, encoding_plugin="pydicom" if syntax.endswith(".5") else "pylibjpeg")
        header.save_as(path, enforce_file_format=True)
    return path


@seed("DICOM")
def _(folder: Path) -> Path:
    return saved(dicom(ramp(np.uint16, (8, 8))), folder / "a.dcm")


@seed("DICOM RLE")
def _(folder: Path) -> Path:
    return saved(dicom(ramp(np.uint16, (8, 8))), folder / "b.dcm", "1.2.840.10008.1.2.5")


@seed("DICOM JPEG 2000")
def _(folder: Path) -> Path:
    return saved(dicom(ramp(np.uint16, (32, 32))), folder / "c.dcm", "1.2.840.10008.1.2.4.90")


@seed("DICOM folder")
def _(folder: Path) -> Path:
    (folder / "scan").mkdir()
    for i in (1, 2, 3):
        saved(dicom(ramp(np.uint16, (4, 4)) + np.uint16(i), i), folder / "scan" / f"{i}.dcm")
    return folder / "scan"


@seed("series")
def _(folder: Path) -> Path:
    from PIL import Image

    (folder / "slices").mkdir()
    for i in (1, 2, 4):
        Image.fromarray(ramp(np.uint8, (4, 5)) + np.uint8(i)).save(folder / "slices" / f"s{i}.png")
    return folder / "slices"


@seed("NIfTI 2")
def _(folder: Path) -> Path:
    import nibabel

    affine = np.array([[0.0, -2, 0, 5], [3, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])
    nibabel.Nifti2Image(ramp(np.int16), affine).to_filename(folder / "b.nii")
    return folder / "b.nii"


@seed("NIfTI pair")
def _(folder: Path) -> Path:
    import nibabel

    (folder / "pair").mkdir()
    nibabel.Nifti1Pair(ramp(np.int16), np.eye(4)).to_filename(folder / "pair" / "c.hdr")
    return folder / "pair" / "c.hdr"


@seed("NRRD pair")
def _(folder: Path) -> Path:
    import nrrd

    (folder / "nrrds").mkdir()
    header = {"space": "LPS", "space directions": np.eye(3), "encoding": "raw", "kinds": ["domain"] * 3}
    nrrd.write(str(folder / "nrrds" / "b.nhdr"), ramp(np.int16), header)
    return folder / "nrrds" / "b.nhdr"


@seed("NRRD gzip")
def _(folder: Path) -> Path:
    import nrrd

    nrrd.write(str(folder / "c.nrrd"), ramp(np.int16), {"encoding": "gzip"})
    return folder / "c.nrrd"


@seed("NRRD text")
def _(folder: Path) -> Path:
    import nrrd

    nrrd.write(str(folder / "d.nrrd"), ramp(np.int16), {"encoding": "ascii"})
    return folder / "d.nrrd"


@seed("MetaImage pair")
def _(folder: Path) -> Path:
    import SimpleITK as sitk

    (folder / "metas").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(ramp(np.int16)), str(folder / "metas" / "b.mhd"), useCompression=True)
    return folder / "metas" / "b.mhd"


@seed("VTI text")
def _(folder: Path) -> Path:
    array = f'<DataArray type="Int16" Name="d" format="ascii">{" ".join(map(str, range(60)))}</DataArray>'
    piece = f'<Piece Extent="0 4 0 3 0 2"><PointData>{array}</PointData></Piece>'
    image = f'<ImageData WholeExtent="0 4 0 3 0 2" Origin="0 0 0" Spacing="1 1 1">{piece}</ImageData>'
    (folder / "b.vti").write_text(f'<VTKFile type="ImageData" byte_order="LittleEndian">{image}</VTKFile>')
    return folder / "b.vti"


@seed("VTK text")
def _(folder: Path) -> Path:
    head = "# vtk DataFile Version 3.0\nx\nASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 5 4 3\n"
    head += "ORIGIN 0 0 0\nSPACING 1 1 2\n"
    numbers = " ".join(map(str, range(60)))
    (folder / "b.vtk").write_text(f"{head}POINT_DATA 60\nSCALARS d int 1\nLOOKUP_TABLE default\n{numbers}\n")
    return folder / "b.vtk"


@seed("CSV")
def _(folder: Path) -> Path:
    rows = np.random.default_rng(0).random((30, 4)).round(4)
    lines = ["# made by hand", "x [mm],y [mm],t,u", *(",".join(map(str, row)) for row in rows.tolist())]
    (folder / "a.csv").write_text("\n".join(lines))
    return folder / "a.csv"


@seed("Parquet")
def _(folder: Path) -> Path:
    import pyarrow
    from pyarrow import parquet

    rows = np.random.default_rng(0).random((30, 3))
    parquet.write_table(pyarrow.table(dict(zip("xyu", rows.T, strict=True))), folder / "a.parquet", compression="zstd")
    return folder / "a.parquet"


def files_in(path: Path) -> list[Path]:
    """The files that a seed is made of: itself, those of its folder, or those beside a header with detached values."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    if path.suffix in (".hdr", ".nhdr", ".mhd"):
        return sorted(path.parent.iterdir())
    return [path]


def seal(raw: bytes) -> bytes:
    """A run file's body with the seal that fits it, as somebody with bad intentions could make it."""
    import hashlib

    from dinr_studio.training.seals import FORMAT, SEAL, SEAL_BYTES, SMALL_VERSION, VERSION, sealed_small

    found = SEAL.match(raw)
    if found and int(found[1]) == SMALL_VERSION:
        return sealed_small(raw[found.end() :])
    body, version = raw[SEAL_BYTES:], int(found[1]) if found else VERSION
    return f"{FORMAT} {version} {hashlib.sha256(body).hexdigest()}\n".encode().ljust(SEAL_BYTES, b"\0") + body


@seed("run")
def _(folder: Path) -> Path:
    from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
    from dinr_studio.io import open_volume
    from dinr_studio.training.fit import fit
    from dinr_studio.training.run_file import write_run

    field = FieldConfig(family="dinr-siren", width=8, blocks=1, steps=1, omega_0=10.0)
    training = TrainingConfig(max_epochs=1, batch=64, micro_batch=64, held_out_share=0.1, device="cpu", seed=7)
    np.save(folder / "v.npy", ramp(np.float32, (4, 4, 4)) ** 1.1)
    config = FitConfig(preset="test", field=field, training=training)
    write_run(list(fit(open_volume(folder / "v.npy"), config))[-1].run, folder / "a.dinr")
    return folder / "a.dinr"


@seed("run small")
def _(folder: Path) -> Path:
    from dinr_studio.experiments.compression.compression import Wish, compress
    from dinr_studio.training.run_file import read_run

    list(compress(read_run(SEEDS["run"](folder)), folder / "b.dinr", Wish(bits=8), None, force=False))
    return folder / "b.dinr"
