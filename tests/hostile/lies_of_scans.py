"""Lies of medical formats, and of headers that name other files."""

from __future__ import annotations

import gzip
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from lying import LIES, changed, f4, i2, lie, written_to, zeros
from seeds import SEEDS, dicom, ramp, saved


# NIfTI
def nifti(*changes: tuple[int, bytes]) -> Callable[[Path], Path]:
    return changed("NIfTI", *changes)


LIES["NIfTI 10^12 voxels"] = nifti((40, i2(3) + i2(10000) * 3))
LIES["NIfTI negative"] = nifti((40, i2(3) + i2(-3) * 3))
LIES["NIfTI 99 dimensions"] = nifti((40, i2(99)))
LIES["NIfTI offset of NaN"] = nifti((108, f4(float("nan"))))
LIES["NIfTI offset of 1e30"] = nifti((108, f4(1e30)))
LIES["NIfTI voxels of NaN"] = nifti((76, f4(float("nan")) * 4))
LIES["NIfTI voxels of 1e38"] = nifti((76, f4(1e38) * 4))
LIES["NIfTI affine of NaN"] = nifti((280, f4(float("nan")) * 12))
LIES["NIfTI type 5"] = nifti((70, i2(5)))
LIES["NIfTI slope of 1e38"] = nifti((112, f4(1e38) + f4(1e38)))


@lie("NIfTI gzip bomb")
def _(folder: Path) -> Path:
    path = SEEDS["NIfTI"](folder)
    path.with_name("b.nii.gz").write_bytes(gzip.compress(path.read_bytes()) + zeros("gzip"))
    return path.with_name("b.nii.gz")


@lie("NIfTI gzip bomb before the values")
def _(folder: Path) -> Path:
    path = nifti((108, f4(float(1 << 28))))(folder)
    raw = path.read_bytes()
    packed = zlib.compressobj(1, zlib.DEFLATED, 31)
    body = packed.compress(raw[:352]) + b"".join(packed.compress(bytes(1 << 20)) for _ in range(256)) + packed.flush()
    path.with_name("b.nii.gz").write_bytes(body)
    return path.with_name("b.nii.gz")


# Headers that name files
def header_of(folder: Path, suffix: str, name: str) -> Path:
    folder = folder / "headers"
    folder.mkdir()
    if suffix == ".nhdr":
        text = f"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 4 4\nencoding: raw\ndata file: {name}\n"
    else:
        text = f"NDims = 2\nDimSize = 4 4\nElementType = MET_UCHAR\nElementDataFile = {name}\n"
    (folder / f"a{suffix}").write_text(text)
    return folder / f"a{suffix}"


NAMES = {
    "device": "/dev/zero", "text": "/etc/hostname", "folder above": "../../etc/hostname", "address": "http://localhost:9/x",
    "file address": "file:///etc/hostname", "share": "\\\\server\\share\\x", "nothing": "", "itself": "a.nhdr",
    "list": "LIST\n/etc/hostname", "pattern": "%d.raw 1 9 1", "home": "~/x",
}  # fmt: skip
for _name, _value in NAMES.items():
    for _suffix in (".nhdr", ".mhd"):
        LIES[f"{_suffix} names a {_name}"] = lambda folder, s=_suffix, v=_value: header_of(folder, s, v)


def pipe_beside(suffix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = header_of(folder, suffix, "x.raw")
        os.mkfifo(path.with_name("x.raw"))
        return path

    return make


def link_beside(suffix: str, to: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = header_of(folder, suffix, "x.raw")
        path.with_name("x.raw").symlink_to(to)
        return path

    return make


for _suffix in (".nhdr", ".mhd"):
    LIES[f"{_suffix} names a pipe"] = pipe_beside(_suffix)
    LIES[f"{_suffix} names a link to a device"] = link_beside(_suffix, "/dev/zero")
    LIES[f"{_suffix} names a link to itself"] = link_beside(_suffix, "x.raw")


# NRRD
NRRD = b"NRRD0004\ntype: %b\ndimension: %b\nsizes: %b\nencoding: %b\n%b\n%b"
NRRDS = {
    "10^12 values": (b"float", b"3", b"10000 10000 10000", b"raw", b"", b""),
    "10^12 packed values": (b"float", b"3", b"10000 10000 10000", b"gzip", b"", zlib.compress(b"")),
    "negative": (b"float", b"2", b"-4 4", b"raw", b"", bytes(64)),
    "10^9 dimensions": (b"float", b"999999999", b"4 4", b"raw", b"", bytes(64)),
    "blocks": (b"block", b"2", b"4 4", b"raw", b"block size: 9", bytes(200)),
    "hex": (b"uchar", b"2", b"4 4", b"hex", b"", b"00" * 16),
    "spacings of NaN": (b"uchar", b"2", b"4 4", b"raw", b"spacings: nan inf", bytes(range(16))),
    "spacings of 1e308": (b"uchar", b"2", b"4 4", b"raw", b"spacings: 1e308 1e308", bytes(range(16))),
    "directions of text": (b"uchar", b"2", b"4 4", b"raw", b"space directions: (a,b) (c,d)", bytes(16)),
    "directions all none": (b"uchar", b"2", b"4 4", b"raw", b"space: LPS\nspace directions: none none", bytes(range(16))),
    "skip of 2^40": (b"uchar", b"2", b"4 4", b"raw", b"byte skip: 1099511627776", bytes(16)),
    "skip of text": (b"uchar", b"2", b"4 4", b"raw", b"byte skip: many", bytes(16)),
    "text of nothing": (b"uchar", b"2", b"4 4", b"ascii", b"", b"a b c d e f g h i j k l m n o p q r s t u v"),
    "long text": (b"uchar", b"2", b"4 4", b"ascii", b"", b"9" * 100_000),
}  # fmt: skip
for _name, _parts in NRRDS.items():
    LIES[f"NRRD {_name}"] = lambda folder, parts=_parts: written_to(folder / "a.nrrd", NRRD % parts)


LIES["NRRD gzip bomb"] = lambda folder: written_to(
    folder / "a.nrrd", NRRD % (b"uchar", b"2", b"4 4", b"gzip", b"", zeros("gzip"))
)
LIES["NRRD bzip2 bomb before the values"] = lambda folder: written_to(
    folder / "a.nrrd", NRRD % (b"uchar", b"2", b"4 4", b"bzip2", b"byte skip: 268435456", zeros("bz2"))
)


# MetaImage
META = b"NDims = %b\nDimSize = %b\nElementType = %b\nCompressedData = %b\n%bElementDataFile = LOCAL\n%b"
METAS = {
    "10^12 voxels": (b"3", b"10000 10000 10000", b"MET_FLOAT", b"False", b"", bytes(64)),
    "10^12 packed voxels": (b"3", b"10000 10000 10000", b"MET_FLOAT", b"True", b"", zlib.compress(bytes(64))),
    "negative": (b"2", b"-4 4", b"MET_UCHAR", b"False", b"", bytes(16)),
    "spacing of NaN": (b"2", b"4 4", b"MET_UCHAR", b"False", b"ElementSpacing = nan 1e308\n", bytes(range(16))),
    "spacing of zero": (b"2", b"4 4", b"MET_UCHAR", b"False", b"ElementSpacing = 0 0\n", bytes(range(16))),
    "flat matrix": (b"2", b"4 4", b"MET_UCHAR", b"False", b"TransformMatrix = 0 0 0 0\n", bytes(range(16))),
    "long offset": (b"2", b"4 4", b"MET_UCHAR", b"False", b"HeaderSize = 999999999\n", bytes(16)),
    "a thousand dimensions": (b"1000", b"4 " * 1000, b"MET_UCHAR", b"False", b"", bytes(16)),
    "strings": (b"2", b"4 4", b"MET_STRING", b"False", b"", bytes(16)),
}  # fmt: skip
for _name, _parts in METAS.items():
    LIES[f"MetaImage {_name}"] = lambda folder, parts=_parts: written_to(folder / "a.mha", META % parts)
LIES["MetaImage zlib bomb"] = lambda folder: written_to(
    folder / "a.mha", META % (b"2", b"4 4", b"MET_UCHAR", b"True", b"", zeros())
)


# DICOM
def scan(folder: Path, change: Callable[[Any], Any], syntax: str = "") -> Path:
    header = dicom(ramp(np.uint16, (32, 32)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        change(header)
    return saved(header, folder / "a.dcm", syntax)


def setting(**values: Any) -> Callable[[Any], Any]:
    return lambda header: [setattr(header, name, value) for name, value in values.items()]


DICOMS = {
    "10^9 frames": setting(NumberOfFrames=10**9), "10^9 tiny frames": setting(NumberOfFrames=10**9, Rows=1, Columns=1, BitsStored=1),
    "negative frames": setting(NumberOfFrames=-3), "65535 x 65535": setting(Rows=65535, Columns=65535), "no rows": setting(Rows=0),
    "slope of 1e300": setting(RescaleSlope="1e300"), "huge intercept": setting(RescaleIntercept="1e15"),
    "spacing of NaN": setting(PixelSpacing=["nan", "1e308"]),
    "directions all zero": setting(ImageOrientationPatient=[0] * 6), "99 bits": setting(BitsStored=99, BitsAllocated=99),
    "12 samples": setting(SamplesPerPixel=12), "colour of text": setting(PhotometricInterpretation="YBR_FULL_422"),
    "palette without one": setting(PhotometricInterpretation="PALETTE COLOR"), "number of text": setting(InstanceNumber="7"),
}  # fmt: skip
for _name, _change in DICOMS.items():
    LIES[f"DICOM {_name}"] = lambda folder, change=_change: scan(folder, change)
LIES["DICOM 65535 x 65535 packed"] = lambda folder: replaced_in(
    scan(folder, lambda h: None, "1.2.840.10008.1.2.4.90"), struct.pack("<HH", 2, 32), struct.pack("<HH", 2, 65535)
)


def replaced_in(path: Path, old: bytes, new: bytes) -> Path:
    raw = path.read_bytes()
    if old not in raw:
        raise AssertionError(f"{old!r} is not in {path.name}")
    return written_to(path, raw.replace(old, new))


LIES["DICOM JPEG 2000 of 10^9 pixels"] = lambda folder: replaced_in(
    scan(folder, lambda h: None, "1.2.840.10008.1.2.4.90"), struct.pack(">II", 32, 32), struct.pack(">II", 60000, 60000)
)


@lie("DICOM deflate bomb")
def _(folder: Path) -> Path:
    header = dicom(ramp(np.uint16, (32, 32)))
    path = saved(header, folder / "a.dcm")
    raw = path.read_bytes()
    meta_length = struct.unpack("<I", raw[140:144])[0]
    start = 144 + meta_length
    old, new = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"
    meta = raw[144:start].replace(struct.pack("<H", len(old)) + old, struct.pack("<H", len(new)) + new)
    body = zeros("deflate", raw[start:])
    return written_to(path, raw[:140] + struct.pack("<I", len(meta)) + meta + body)


@lie("DICOM nested sequences")
def _(folder: Path) -> Path:
    path = saved(dicom(ramp(np.uint16, (4, 4))), folder / "a.dcm")
    nested = b"\x40\x00\x00\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 20_000
    return written_to(path, path.read_bytes() + nested)


@lie("DICOM folder of links")
def _(folder: Path) -> Path:
    path = SEEDS["DICOM folder"](folder)
    (path / "4.dcm").symlink_to("/dev/zero")
    (path / "5.dcm").symlink_to("5.dcm")
    (path / "up").symlink_to("..")
    os.mkfifo(path / "6.dcm")
    return path
