"""Lies of VTK, Zarr and tables."""

from __future__ import annotations

import functools
import gzip
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from lying import BOMB, LAUGHS, LIES, lie, repeated, written_to, zeros
from seeds import SEEDS, ramp


# VTK
def vti(
    folder: Path, array: str, extent: str = "0 4 0 3 0 2", doctype: str = "", more: str = "", appended: bytes = b""
) -> Path:
    piece = f'<Piece Extent="{extent}"><PointData>{array}</PointData></Piece>'
    image = f'<ImageData WholeExtent="{extent}" Origin="0 0 0" Spacing="1 1 1">{piece}</ImageData>'
    text = f'<?xml version="1.0"?>{doctype}<VTKFile type="ImageData" byte_order="LittleEndian"{more}>{image}'
    tail = b'<AppendedData encoding="raw">_' + appended + b"</AppendedData></VTKFile>" if appended else b"</VTKFile>"
    return written_to(folder / "a.vti", text.encode() + tail)


APPENDED = '<DataArray type="UInt8" Name="d" format="appended" offset="0"/>'
ZLIB = ' compressor="vtkZLibDataCompressor" header_type="UInt32"'
LIES["VTI 10^12 points"] = lambda folder: vti(folder, APPENDED, "0 9999 0 9999 0 9999", appended=bytes(64))
LIES["VTI of entities"] = lambda folder: vti(folder, "&l8;", doctype=f"<!DOCTYPE a [{LAUGHS}]>")
LIES["VTI of an outer entity"] = lambda folder: vti(
    folder, "&x;", doctype='<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
)
LIES["VTI of an outer document type"] = lambda folder: vti(
    folder, APPENDED, doctype='<!DOCTYPE a SYSTEM "http://localhost:9/">'
)
LIES["VTI deep"] = lambda folder: written_to(folder / "a.vti", b"<a>" * 100_000)
LIES["VTI zlib bomb"] = lambda folder: vti(
    folder, APPENDED, more=ZLIB, appended=struct.pack("<IIII", 1, 60, 0, len(zeros())) + zeros()
)
LIES["VTI blocks of 4 GB"] = lambda folder: vti(
    folder, APPENDED, more=ZLIB, appended=struct.pack("<IIII", 2, 2**32 - 1, 60, 9) + zlib.compress(bytes(60))
)
LIES["VTI of 4 billion blocks"] = lambda folder: vti(
    folder, APPENDED, more=ZLIB, appended=struct.pack("<IIII", 2**32 - 1, 60, 60, 9) + bytes(40)
)
VTK = b"# vtk DataFile Version 3.0\nx\n%b\nDATASET STRUCTURED_POINTS\nDIMENSIONS %b\nORIGIN 0 0 0\nSPACING %b\nPOINT_DATA %b\n%b\n"
VTKS = {
    "10^12 points": (b"BINARY", b"9999 9999 9999", b"1 1 1", b"1000000000000", b"SCALARS d float 1\nLOOKUP_TABLE default"),
    "long array": (b"BINARY", b"4 4 1", b"1 1 1", b"16", b"FIELD f 1\nd 1 999999999999 float"),
    "wide array": (b"BINARY", b"4 4 1", b"1 1 1", b"16", b"FIELD f 1\nd 999999999 16 float"),
    "spacing of NaN": (b"ASCII", b"4 4 1", b"nan 1 1", b"16", b"SCALARS d int 1\nLOOKUP_TABLE default\n" + b"1 " * 16),
    "long name": (b"ASCII", b"4 4 1", b"1 1 1", b"16", b"SCALARS " + b"d" * 100_000 + b" int 1\n"),
    "long table": (b"ASCII", b"4 4 1", b"1 1 1", b"16", b"SCALARS d int 1\nLOOKUP_TABLE t\nLOOKUP_TABLE t 999999999\n"),
}  # fmt: skip
for _name, _parts in VTKS.items():
    LIES[f"VTK {_name}"] = lambda folder, parts=_parts: written_to(folder / "a.vtk", VTK % parts)


# Zarr
def store(folder: Path, change: Callable[[dict[str, Any]], Any], version: int = 3) -> Path:
    path = SEEDS["Zarr 2" if version == 2 else "Zarr shards"](folder)
    file = path / (".zarray" if version == 2 else "zarr.json")
    found = json.loads(file.read_text(encoding="utf-8"))
    change(found)
    file.write_text(json.dumps(found))
    return path


def bomb_store(folder: Path, codec: dict[str, Any], chunk: bytes) -> Path:
    """A store of version 2 of one chunk of 240 bytes, which holds the given bytes."""
    import zarr

    path = folder / "a.zarr"
    zarr.create_array(path, data=ramp(), chunks=(3, 4, 5), zarr_format=2)
    file = path / ".zarray"
    found = json.loads(file.read_text(encoding="utf-8"))
    found["compressor"] = codec
    file.write_text(json.dumps(found))
    (path / "0.0.0").write_bytes(chunk)
    return path


def encoded(name: str) -> bytes:
    import numcodecs

    return bytes(numcodecs.get_codec({"id": name}).encode(np.zeros(BOMB, "u1")))


for _codec in ("zlib", "gzip", "bz2", "zstd", "lz4", "lzma"):
    LIES[f"Zarr {_codec} bomb"] = lambda folder, codec=_codec: bomb_store(
        folder, {"id": codec}, zeros(codec) if codec in ("zlib", "gzip", "bz2", "lzma") else encoded(codec)
    )


@lie("Zarr Blosc bomb")
def _(folder: Path) -> Path:
    import numcodecs

    codec = numcodecs.Blosc("lz4", 1)
    return bomb_store(folder, codec.get_config(), bytes(codec.encode(np.zeros(BOMB, "u1"))))


@lie("Zarr zstd bomb without a length")
def _(folder: Path) -> Path:
    import imagecodecs

    one = imagecodecs.zstd_encode(bytes(1 << 20))
    return bomb_store(folder, {"id": "zstd", "level": 1}, one * (BOMB >> 20))


@lie("Zarr twice packed")
def _(folder: Path) -> Path:
    path = bomb_store(folder, {"id": "zlib", "level": 1}, zlib.compress(zeros()))
    file = path / ".zarray"
    file.write_text(
        json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"filters": [{"id": "zlib", "level": 1}]})
    )
    return path


ZARRS = {
    "10^12 values": lambda m: m.update(shape=[10**4] * 3),
    "10^12 values in chunks": lambda m: m.update(shape=[10**4] * 3, chunks=[10**4] * 3),
    "negative": lambda m: m.update(shape=[-3, 4, 5]), "chunks of zero": lambda m: m.update(chunks=[0, 0, 0]),
    "pickle": lambda m: m.update(filters=[{"id": "pickle"}]), "objects": lambda m: m.update(dtype="|O", filters=[{"id": "pickle"}]),
    "json2": lambda m: m.update(filters=[{"id": "json2"}]), "vlen": lambda m: m.update(dtype="|O", filters=[{"id": "vlen-utf8"}]),
    "structure": lambda m: m.update(dtype=[["a", "<f4"]]), "separator of dots": lambda m: m.update(dimension_separator="/../"),
    "fill of text": lambda m: m.update(fill_value="abc"), "level of 10^9": lambda m: m.update(compressor={"id": "zlib", "level": 10**9}),
    "type of 10^9 bytes": lambda m: m.update(dtype="|V999999999"),
    "delta of objects": lambda m: m.update(filters=[{"id": "delta", "dtype": "|O"}]),
    "shuffle of 10^9": lambda m: m.update(filters=[{"id": "shuffle", "elementsize": 10**9}]),
}  # fmt: skip
for _name, _change in ZARRS.items():
    LIES[f"Zarr {_name}"] = lambda folder, change=_change: store(folder, change, 2)
ZARRS_3 = {
    "unknown codec": lambda m: m.update(codecs=[{"name": "os.system", "configuration": {}}]),
    "10^12 values": lambda m: m.update(shape=[10**4] * 3),
    "small inner chunks": lambda m: (
        m.update(shape=[10**4, 10**4, 100]), m["chunk_grid"]["configuration"].update(chunk_shape=[10**4, 10**4, 100]),
        m["codecs"][0]["configuration"].update(chunk_shape=[1, 1, 1]),
    ),
    "storage transformers": lambda m: m.update(storage_transformers=[{"name": "x"}]),
    "a nested codec": lambda m: m["codecs"][0]["configuration"].update(codecs=[json.loads(json.dumps(m["codecs"][0]))] * 3),
}  # fmt: skip
for _name, _change in ZARRS_3.items():
    LIES[f"Zarr 3 {_name}"] = lambda folder, change=_change: store(folder, change)


def with_file(add: Callable[[Path], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = SEEDS["Zarr 2"](folder)
        add(path)
        return path

    return make


def swapped(path: Path, make: Callable[[Path], Any]) -> None:
    path.unlink()
    make(path)


LIES["Zarr chunk that is a pipe"] = with_file(lambda path: swapped(path / "0.0.0", os.mkfifo))
LIES["Zarr chunk that is a link"] = with_file(lambda path: swapped(path / "0.0.0", lambda p: p.symlink_to("/dev/zero")))
LIES["Zarr pipe beside the array"] = with_file(lambda path: ((path / "x").mkdir(), os.mkfifo(path / "x" / "y")))
LIES["Zarr link beside the array"] = with_file(
    lambda path: ((path / "x").mkdir(), (path / "x" / "y").symlink_to("/dev/zero"))
)
LIES["Zarr metadata that are a pipe"] = with_file(lambda path: swapped(path / ".zattrs", os.mkfifo))
LIES["Zarr link to a folder above"] = with_file(lambda path: (path / "x").symlink_to(".."))
LIES["Zarr metadata of 60 MB"] = with_file(
    lambda path: (path / ".zattrs").write_text('{"a": [' + "[]," * 20_000_000 + "[]]}")
)


@lie("Zarr zip of long metadata")
def _(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(".zgroup", '{"zarr_format": 2}')
        for i in range(4):
            with archive.open(f"{i}/.zattrs", "w") as file:
                file.write(b'{"a": [' + b"[]," * 20_000_000 + b"[]]}")
    return folder / "a.zip"


@lie("Zarr zip that leads out")
def _(folder: Path) -> Path:
    path = SEEDS["Zarr zip"](folder)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../etc/x", b"x")
        archive.writestr("/etc/x", b"x")
    return path


# Tables
LIES["CSV gzip bomb of empty lines"] = lambda folder: written_to(
    folder / "a.csv", gzip.compress(b"x,y,u\n1,2,3\n2,3,4\n") + newlines()
)
LIES["CSV without a line's end"] = lambda folder: written_to(folder / "a.csv", b"1," * 10**6)
LIES["CSV of many columns"] = lambda folder: written_to(
    folder / "a.csv", ",".join(f"c{i}" for i in range(20_000)).encode() + b"\n" + b"1," * 19_999 + b"1\n"
)
LIES["CSV of long numbers"] = lambda folder: written_to(
    folder / "a.csv", b"x,y,u\n" + (b"9" * 9000 + b",1e999,2\n") * 9
)
LIES["CSV of quotes"] = lambda folder: written_to(folder / "a.csv", b'x,y,u\n1,2,3\n"' + b"1,2,3\n" * 100_000)
LIES["CSV of dates"] = lambda folder: written_to(
    folder / "a.csv", b"t,x,u\n0001-01-01,1,2\n9999-12-31T23:59:59-24:00,2,3\n"
)
LIES["CSV of brackets"] = lambda folder: written_to(folder / "a.csv", b"a [" * 30_000 + b"\n1 2 3\n2 3 4\n")


@functools.cache
def newlines() -> bytes:
    return repeated(31, b"\n" * (1 << 20))


@lie("Parquet of constant columns")
def _(folder: Path) -> Path:
    import pyarrow
    from pyarrow import parquet

    one = pyarrow.repeat(pyarrow.scalar(1.0), 9_000_000)
    table = pyarrow.table({"x": one, "y": one, "u": one})
    parquet.write_table(table, folder / "a.parquet", compression="zstd", row_group_size=9_000_000)
    return folder / "a.parquet"


@lie("Parquet of a lying footer")
def _(folder: Path) -> Path:
    path = SEEDS["Parquet"](folder)
    raw = path.read_bytes()
    return written_to(path, raw[:-8] + struct.pack("<I", 2**31 - 1) + raw[-4:])
