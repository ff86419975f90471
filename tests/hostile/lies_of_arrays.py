"""Lies of MRC, NumPy, pictures and TIFF."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from lying import BOMB, LAUGHS, LIES, changed, f4, i2, i4, lie, replaced, zeros
from seeds import SEEDS, ramp

# MRC
for _name, _new in {
    "10^13": i4(30000) * 3,
    "negative": i4(-3) * 3,
    "zero": i4(0) * 3,
    "whole range": i4(2**31 - 1) * 3,
}.items():
    LIES[f"MRC {_name} voxels"] = changed("MRC", (0, _new))
LIES["MRC long extension"] = changed("MRC", (92, i4(2**31 - 1)))
LIES["MRC negative extension"] = changed("MRC", (92, i4(-5)))
LIES["MRC mode 99"] = changed("MRC", (12, i4(99)))
LIES["MRC cell of NaN"] = changed("MRC", (40, f4(float("nan")) * 3))
LIES["MRC cell of 1e38"] = changed("MRC", (40, f4(1e38) * 3), (28, i4(1) * 3))
LIES["MRC axes 7"] = changed("MRC", (64, i4(7) * 3))


@lie("MRC gzip bomb")
def _(folder: Path) -> Path:
    path = SEEDS["MRC"](folder)
    path.write_bytes(gzip.compress(path.read_bytes()) + zeros("gzip"))
    return path


@lie("MRC bzip2 bomb")
def _(folder: Path) -> Path:
    path = SEEDS["MRC"](folder)
    path.write_bytes(bz2.compress(path.read_bytes()) + zeros("bz2"))
    return path


# NumPy
def npy(folder: Path, header: str, values: bytes = b"\0" * 240, name: str = "a.npy", version: int = 1) -> Path:
    text = header.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    (folder / name).write_bytes(b"\x93NUMPY" + bytes([version, 0]) + length + text + values)
    return folder / name


NPY_HEADERS = {
    "10^12 values": "{'descr': '<f4', 'fortran_order': False, 'shape': (10000, 10000, 10000)}",
    "negative": "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 5, 4)}",
    "zero": "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 5, 4)}",
    "2^80": "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 5)}" .replace("%d", str(2**80)),
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (3, 4)}",
    "objects within": "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (3, 4)}",
    "text": "{'descr': '<U9', 'fortran_order': False, 'shape': (3, 2)}",
    "a long text": "{'descr': '<U999999999', 'fortran_order': False, 'shape': (3, 2)}",
    "no bytes": "{'descr': '|V0', 'fortran_order': False, 'shape': (99999999999, 2)}",
    "brackets": "(" * 9000,
    "lambda": "(lambda: __import__('os').system('true'))()",
    "true sizes": "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 60)}",
    "shape of lists": "{'descr': '<f4', 'fortran_order': False, 'shape': [3, 4]}",
}  # fmt: skip
for _name, _header in NPY_HEADERS.items():
    LIES[f"NPY {_name}"] = lambda folder, header=_header: npy(folder, header)


@lie("NPY long header")
def _(folder: Path) -> Path:
    (folder / "a.npy").write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{" * 1000)
    return folder / "a.npy"


@lie("NPZ pickle")
def _(folder: Path) -> Path:
    np.savez(folder / "a.npz", d=np.array([{"a": 1}] * 3, dtype=object))
    return folder / "a.npz"


@lie("NPZ many members")
def _(folder: Path) -> Path:
    one = io.BytesIO()
    np.save(one, np.zeros(2))
    with zipfile.ZipFile(folder / "a.npz", "w") as archive:
        for i in range(3_000):
            archive.writestr(f"{i}.npy", one.getvalue())
    return folder / "a.npz"


@lie("NPZ bomb")
def _(folder: Path) -> Path:
    archive = zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with archive, archive.open("d.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (3, 4)})
        for _ in range(BOMB >> 20):
            file.write(bytes(1 << 20))
    return folder / "a.npz"


@lie("NPZ that claims 10^12")
def _(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.npz", "w") as archive, archive.open("d.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (10**4,) * 3})
    return folder / "a.npz"


# Pictures
def png(
    folder: Path, width: int, height: int, data: bytes, *chunks: tuple[bytes, bytes], depth: int = 8, colours: int = 0
) -> Path:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    body = b"".join(chunk(name, body) for name, body in (*chunks, (b"IDAT", data), (b"IEND", b"")))
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)
    return folder / "a.png"


LIES["PNG 10^12 pixels"] = lambda folder: png(folder, 10**6, 10**6, zlib.compress(bytes(100)))
LIES["PNG 2*10^8 pixels"] = lambda folder: png(folder, 19999, 10000, zlib.compress(bytes(100)), colours=6)
LIES["PNG zero"] = lambda folder: png(folder, 0, 5, zlib.compress(bytes(100)))
LIES["PNG bomb in pixels"] = lambda folder: png(folder, 4, 4, zeros())
LIES["PNG bomb in a text"] = lambda folder: png(folder, 4, 4, zlib.compress(bytes(20)), (b"zTXt", b"a\0\0" + zeros()))
LIES["PNG bomb in a profile"] = lambda folder: png(
    folder, 4, 4, zlib.compress(bytes(20)), (b"iCCP", b"a\0\0" + zeros())
)
LIES["BMP huge"] = changed("image bmp", (18, i4(30000) + i4(30000)))
LIES["BMP negative"] = changed("image bmp", (18, i4(-5) + i4(-(2**31))))
LIES["GIF huge"] = changed("image gif", (6, b"\xff\xff\xff\xff"))
LIES["JPEG huge"] = replaced("image jpg", struct.pack(">HH", 16, 20), b"\xff\xff\xff\xff")


@lie("PostScript named png")
def _(folder: Path) -> Path:
    text = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(ran) (w) file pop showpage\n%%EOF\n"
    (folder / "a.png").write_text(text)
    return folder / "a.png"


# TIFF
def tiff(folder: Path, entries: list[tuple[int, int, int, bytes]], more: bytes = b"", following: int = 0) -> Path:
    """A little-endian TIFF of one directory; entries: tag, type, count and four bytes of value or place."""
    body = b"".join(
        struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0") for tag, kind, count, value in entries
    )
    raw = b"II*\0" + i4(8) + struct.pack("<H", len(entries)) + body + i4(following) + more
    (folder / "a.tif").write_bytes(raw)
    return folder / "a.tif"


def page(
    width: int, height: int, compression: int = 1, strip: tuple[int, int] = (0, 0), bits: int = 8
) -> list[tuple[int, int, int, bytes]]:
    return [
        (256, 4, 1, i4(width)), (257, 4, 1, i4(height)), (258, 3, 1, i2(bits)), (259, 3, 1, i2(compression & 0x7FFF)),
        (262, 3, 1, i2(1)), (273, 4, 1, i4(strip[0])), (277, 3, 1, i2(1)), (278, 4, 1, i4(height)),
        (279, 4, 1, i4(strip[1])),
    ]  # fmt: skip


LIES["TIFF loop"] = lambda folder: tiff(folder, page(4, 4, strip=(8, 16)), following=8)
LIES["TIFF 10^12 pixels"] = lambda folder: tiff(folder, page(10**6, 10**6, strip=(8, 16)))
LIES["TIFF 10^12 packed pixels"] = lambda folder: tiff(folder, page(10**6, 10**6, 8, (8, 16)))
LIES["TIFF negative"] = lambda folder: tiff(folder, page(-1, -1, strip=(8, 16)))
LIES["TIFF zero"] = lambda folder: tiff(folder, page(0, 5, strip=(8, 16)))
LIES["TIFF strip beyond its end"] = lambda folder: tiff(folder, page(4, 4, strip=(2**31 - 1, 2**31 - 1)))
LIES["TIFF many values of a tag"] = lambda folder: tiff(
    folder, [*page(4, 4, strip=(8, 16)), (33000, 12, -1 & 0xFFFFFFFF, i4(8))]
)
LIES["TIFF many strips"] = lambda folder: tiff(
    folder, [e if e[0] not in (273, 279) else (e[0], 4, 0x0FFFFFFF, i4(8)) for e in page(4, 4)]
)


@lie("TIFF loop of two pages")
def _(folder: Path) -> Path:
    path = tiff(folder, page(4, 4, strip=(8, 16)), following=12)  # as a fuzzer found it: the second lies in the first
    raw = bytearray(path.read_bytes().ljust(400, b"\0"))
    entries = struct.unpack("<H", raw[12:14])[0]
    raw[14 + 12 * entries : 18 + 12 * entries] = i4(8)
    path.write_bytes(raw)
    return path


@lie("TIFF long loop")
def _(folder: Path) -> Path:
    path = tiff(folder, page(4, 4, strip=(8, 16)))
    raw = bytearray(path.read_bytes())
    at = [8]
    for _ in range(40):
        at.append(len(raw))
        raw += raw[8 : 8 + 2 + 9 * 12] + i4(0)
        where = at[-2] + 2 + 9 * 12
        raw[where : where + 4] = i4(at[-1])
    raw[at[-1] + 2 + 9 * 12 :][:4] = b""
    raw[at[-1] + 2 + 9 * 12 : at[-1] + 6 + 9 * 12] = i4(8)
    path.write_bytes(raw)
    return path


@lie("TIFF deflate bomb")
def _(folder: Path) -> Path:
    packed = zeros()
    return tiff(folder, page(64, 64, 8, (126, len(packed))), more=packed)


@lie("OME-TIFF of other files")
def _(folder: Path) -> Path:
    import tifffile

    (folder / "elsewhere").mkdir()
    tifffile.imwrite(folder / "elsewhere" / "secret.tif", ramp(np.uint8) + np.uint8(100), photometric="minisblack")
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1"><Image>'
        '<Pixels DimensionOrder="XYZCT" Type="uint8" SizeX="5" SizeY="4" SizeZ="3" SizeC="1" SizeT="1">'
        + "".join(
            f'<TiffData IFD="{i}" FirstZ="{i}"><UUID FileName="elsewhere/secret.tif">urn:uuid:2</UUID></TiffData>'
            for i in range(3)
        )
        + "</Pixels></Image></OME>"
    )
    tifffile.imwrite(folder / "a.ome.tif", ramp(np.uint8), description=xml, photometric="minisblack", metadata=None)
    return folder / "a.ome.tif"


def ome(folder: Path, doctype: str, text: str) -> Path:
    import tifffile

    xml = (
        f'<?xml version="1.0"?>{doctype}<OME><Image><Pixels SizeX="5" SizeY="4" SizeZ="3" SizeC="1" SizeT="1" '
        f'DimensionOrder="XYZCT" Type="uint8" ID="{text}"><TiffData/></Pixels></Image></OME>'
    )
    tifffile.imwrite(folder / "a.tif", ramp(np.uint8), description=xml, photometric="minisblack", metadata=None)
    return folder / "a.tif"


LIES["OME-TIFF of entities"] = lambda folder: ome(folder, f"<!DOCTYPE a [{LAUGHS}]>", "&l8;")
LIES["OME-TIFF of an outer entity"] = lambda folder: ome(
    folder, '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>', "x"
)


@lie("TIFF ImageJ of 10^9 frames")
def _(folder: Path) -> Path:
    path = SEEDS["TIFF ImageJ"](folder)
    path.write_bytes(path.read_bytes().replace(b"slices=3", b"slices=9", 1).replace(b"images=3", b"images=9", 1))
    return path
