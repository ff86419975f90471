"""What fields are held against when data is made small: established codecs, each decoded from nothing but its bytes.

An array of float32 with 1 to 4 axes goes in; the bytes hold all that is needed to have it back, its shape and type too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.experiments.compression.cosine import decode_cosine, encode_cosine, encode_low_pass

Array = NDArray[np.float32]
BLOSC: dict[str, Any] = {"compressor": "zstd", "shuffle": "bitshuffle", "typesize": 4}
MANTISSA = 23


@dataclass(frozen=True)
class Codec:
    """A way to make values small.

    setting: what a level is; levels: from coarse to fine, in shares of the data's range where `of_range`. axes: how
    many the arrays have that it takes; those with more are cut along the first ones.
    """

    title: str
    encode: Callable[[Array, float], bytes]
    decode: Callable[[bytes], Array]
    levels: tuple[float, ...]
    setting: str
    of_range: bool = False
    axes: tuple[int, ...] = (1, 2, 3, 4)


def shape_bytes(shape: Sequence[int]) -> bytes:
    """A shape in few bytes."""
    return struct.pack(f"<B{len(shape)}I", len(shape), *shape)


def take_shape(encoded: bytes) -> tuple[tuple[int, ...], bytes]:
    """The shape that bytes begin with, and the rest of them."""
    count = encoded[0]
    end = 1 + 4 * count
    return struct.unpack(f"<{count}I", encoded[1:end]), encoded[end:]


def _zfp_encode(values: Array, tolerance: float) -> bytes:
    from imagecodecs import zfp_encode

    level: Any = tolerance  # which is a float in this mode
    return bytes(zfp_encode(values, level, mode="a"))


def _zfp_decode(encoded: bytes) -> Array:
    from imagecodecs import zfp_decode

    return np.asarray(zfp_decode(encoded))


def _sz3_encode(values: Array, tolerance: float) -> bytes:
    from imagecodecs import sz3_encode

    return shape_bytes(values.shape) + bytes(sz3_encode(values, mode="abs", abs=tolerance))


def _sz3_decode(encoded: bytes) -> Array:
    from imagecodecs import sz3_decode

    shape, rest = take_shape(encoded)
    return np.asarray(sz3_decode(rest, shape, np.float32))


def _sperr_encode(values: Array, psnr: float) -> bytes:
    from imagecodecs import sperr_encode

    return shape_bytes(values.shape) + bytes(sperr_encode(values, psnr, "psnr"))


def _sperr_decode(encoded: bytes) -> Array:
    from imagecodecs import sperr_decode

    shape, rest = take_shape(encoded)
    return np.asarray(sperr_decode(rest, shape=shape, dtype=np.float32)).reshape(shape)


def _blosc_encode(values: Array, level: float) -> bytes:
    from imagecodecs import blosc_encode

    return shape_bytes(values.shape) + bytes(blosc_encode(values.tobytes(), 9, **BLOSC))


def _rounded_encode(values: Array, bits: float) -> bytes:
    return _blosc_encode(rounded(values, int(bits)), 0)


def _blosc_decode(encoded: bytes) -> Array:
    from imagecodecs import blosc_decode

    shape, rest = take_shape(encoded)
    return np.frombuffer(blosc_decode(rest), dtype=np.float32).reshape(shape)


def rounded(values: Array, bits: int) -> Array:
    """Values with so many bits of their 23 of mantissa, to the nearest; the others are 0 (bit rounding)."""
    dropped = MANTISSA - bits
    words = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64) + np.uint64(1 << (dropped - 1))
    kept = (words & np.uint64(0xFFFFFFFF ^ ((1 << dropped) - 1))).astype(np.uint32)
    nearest: Array = kept.view(np.float32)
    return nearest


def _jpeg_encode(values: Array, psnr: float) -> bytes:
    from imagecodecs import jpeg2k_encode

    low, high = float(values.min()), float(values.max())
    image = np.rint((values - low) / ((high - low) or 1.0) * 65535).astype(np.uint16)
    return struct.pack("<2f", low, high) + bytes(jpeg2k_encode(image, int(psnr), codecformat="j2k", reversible=False))


def _jpeg_decode(encoded: bytes) -> Array:
    from imagecodecs import jpeg2k_decode

    low, high = struct.unpack("<2f", encoded[:8])
    image = np.asarray(jpeg2k_decode(encoded[8:]))
    values: Array = np.float32(low) + image.astype(np.float32) * np.float32((high - low) / 65535)
    return values


TOLERANCES = (0.5, 0.3, 0.2, 0.12, 0.07, 0.04, 0.02, 0.01, 0.004, 0.001)
CODECS: dict[str, Codec] = {
    "zfp": Codec("zfp", _zfp_encode, _zfp_decode, tuple(10 * t for t in TOLERANCES), "tolerance", True),
    "sz3": Codec("SZ3", _sz3_encode, _sz3_decode, TOLERANCES, "tolerance", True),
    "sperr": Codec("SPERR", _sperr_encode, _sperr_decode, (10, 14, 18, 22, 26, 30, 35, 40, 50), "dB", axes=(2, 3)),
    "jpeg2000": Codec("JPEG 2000", _jpeg_encode, _jpeg_decode, (16, 20, 25, 30, 35, 40, 50), "dB", axes=(2,)),
    "dct": Codec(
        "DCT, largest", encode_cosine, decode_cosine, (2, 1, 0.6, 0.3, 0.15, 0.08, 0.04, 0.02, 0.01), "step", True
    ),
    "dct-low-pass": Codec(
        "DCT, low-pass", encode_low_pass, decode_cosine, (1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3), "share kept"
    ),
    "rounded": Codec("Blosc, rounded", _rounded_encode, _blosc_decode, (1, 2, 3, 4, 6, 8, 11), "bits of mantissa"),
    "blosc": Codec("Blosc, lossless", _blosc_encode, _blosc_decode, (0,), ""),
}


def encoded_parts(codec: Codec, values: Array, level: float) -> list[bytes]:
    """The bytes of an array, in several where it has more axes than the codec takes; [] where it has too few."""
    values = np.ascontiguousarray(np.squeeze(values)) if values.ndim > 1 else values
    if values.ndim not in codec.axes and values.ndim > max(codec.axes):
        return [part for one in values for part in encoded_parts(codec, one, level)]
    return [codec.encode(values, level)] if values.ndim in codec.axes else []


def decoded_parts(codec: Codec, parts: list[bytes], shape: Sequence[int]) -> Array:
    """The array of a shape, from the bytes alone."""
    return np.concatenate([codec.decode(part).reshape(-1) for part in parts]).reshape(shape)
