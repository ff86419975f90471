"""What the chunks of a Zarr array unpack to, looked at before they are: a small file must not fill the memory."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from dinr_studio.io.compressed import PIECE_BYTES, unpacked_length

COMPRESSING = frozenset({"zlib", "gzip", "bz2", "lzma", "blosc", "zstd", "lz4"})
CHECKSUMS = ("crc32c", "crc32", "adler32", "fletcher32", "jenkins_lookup3")  # of four bytes
SLACK = 16  # times the length of a chunk's values that a filter may make of them
SPARE = 128 << 20  # bytes that nobody minds
DEFLATED_MOST = 1033  # times its length that deflate unpacks to at most
ZSTD_MAGIC, ZSTD_SKIPPED = 0xFD2FB528, range(0x184D2A50, 0x184D2A60)
EITHER_STREAM = 32 + zlib.MAX_WBITS


def plain_codec(name: str) -> str:
    """A codec's name without the prefix of those that come from numcodecs."""
    return name.removeprefix("numcodecs.")


def unpacks_within(codec: str, packed: bytes, claimed: int) -> bool:
    """Whether a chunk unpacks to no more than its values, of `claimed` bytes, can be; by its words or by trying."""
    most = SLACK * claimed + SPARE // SLACK
    return codec not in LENGTHS or LENGTHS[codec](packed, most) <= most


def _of_deflate(packed: bytes, most: int) -> int:
    if len(packed) * DEFLATED_MOST <= SPARE:
        return 0
    return unpacked_length(io.BytesIO(packed), EITHER_STREAM, most)


def _of_lz4(packed: bytes, most: int) -> int:
    return int.from_bytes(packed[:4], "little")


def _of_blosc(packed: bytes, most: int) -> int:
    return int.from_bytes(packed[4:8], "little")


def _by_trying(unpacker: Callable[[], Any]) -> Callable[[bytes, int], int]:
    def length(packed: bytes, most: int) -> int:
        count = 0
        while packed and count <= most:
            one = unpacker()
            try:
                while not one.eof and count <= most and (packed or not one.needs_input):
                    count += len(one.decompress(packed, PIECE_BYTES))
                    packed = b""
            except (OSError, EOFError, lzma.LZMAError):
                return count
            packed = one.unused_data
        return count

    return length


def _of_zstd(packed: bytes, most: int) -> int:
    """The sum of what its frames say; where one does not say it, what imagecodecs needs room for."""
    count, at = 0, 0
    while at + 6 <= len(packed):
        magic = int.from_bytes(packed[at : at + 4], "little")
        if magic in ZSTD_SKIPPED:
            at += 8 + int.from_bytes(packed[at + 4 : at + 8], "little")
            continue
        said = _said_by_frame(packed, at + 4) if magic == ZSTD_MAGIC else 0
        if said is None:
            return _zstd_by_trying(packed, most)
        count += said
        at = _after_frame(packed, at + 4) if magic == ZSTD_MAGIC else len(packed)
    return count


def _fields(packed: bytes, at: int) -> tuple[int, int, int]:
    """Place and length of the field that says a frame's length, and where its blocks begin. Source: RFC 8878, 3.1.1."""
    flags = packed[at]
    single = flags >> 5 & 1
    place = at + 1 + (1 - single) + (0, 1, 2, 4)[flags & 3]
    length = (single, 2, 4, 8)[flags >> 6]
    return place, length, place + length


def _said_by_frame(packed: bytes, at: int) -> int | None:
    place, length, _ = _fields(packed, at)
    said = int.from_bytes(packed[place : place + length], "little") + (256 if length == 2 else 0)
    return said if length else None


def _after_frame(packed: bytes, at: int) -> int:
    """Where a frame ends, whose header is at a place: its blocks say how long they are."""
    checksum = 4 * (packed[at] >> 2 & 1)
    at = _fields(packed, at)[2]
    while at + 3 <= len(packed):
        head = int.from_bytes(packed[at : at + 3], "little")
        at += 3 + (1 if head >> 1 & 3 == 1 else head >> 3)  # a block of one byte repeated holds that byte
        if head & 1:
            break
    return at + checksum


def _zstd_by_trying(packed: bytes, most: int) -> int:
    import imagecodecs

    try:
        return len(imagecodecs.zstd_decode(packed, out=min(most, SPARE)))
    except imagecodecs.ZstdError as error:
        return most + 1 if "too small" in str(error) else 0


LENGTHS: dict[str, Callable[[bytes, int], int]] = {
    "zlib": _of_deflate,
    "gzip": _of_deflate,
    "bz2": _by_trying(bz2.BZ2Decompressor),
    "lzma": _by_trying(lzma.LZMADecompressor),
    "blosc": _of_blosc,
    "zstd": _of_zstd,
    "lz4": _of_lz4,
}
