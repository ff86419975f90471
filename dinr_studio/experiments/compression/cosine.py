"""Discrete cosine transforms as a codec: coefficients in steps, by rising frequency, coded as a field's weights are.

Bytes: the shape, the step (float32), the number of coefficients coded, and LZMA of the lower and the upper bytes of the
folded codes. Coefficients behind the last one that is not 0 are left out; where a 0 stands within, coding it is what
tells the places of the others.
"""

from __future__ import annotations

import lzma
import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dinr_studio.training.packing import FILTERS, fold, unfold

HEAD = struct.Struct("<fIH")
ROUNDED_UP = 0.4  # from which share of a step on: rare small coefficients cost more bytes than they gain quality
FINER = 0.05  # mean squared error that steps add to what a low-pass leaves out
LARGEST = 32767


def encode_cosine(values: NDArray[np.float32], step: float) -> bytes:
    """All coefficients of an array in steps of the values' own unit; those that are less than one are left out."""
    return _encoded(values.shape, _sorted_coefficients(values), step)


def encode_low_pass(values: NDArray[np.float32], share: float) -> bytes:
    """A share of the coefficients, those of lowest frequency, in steps that add little to the error."""
    coefficients = _sorted_coefficients(values)
    kept = max(1, round(share * len(coefficients)))
    left_out = float(np.square(coefficients[kept:]).sum()) or float(np.square(coefficients).sum()) * 1e-9
    step = (12 * FINER * left_out / kept) ** 0.5
    return _encoded(values.shape, coefficients[:kept], step)


def decode_cosine(encoded: bytes) -> NDArray[np.float32]:
    """The array that bytes of either kind stand for."""
    from scipy.fft import idctn

    axes = encoded[0]
    shape = struct.unpack_from(f"<{axes}I", encoded, 1)
    at = 1 + 4 * axes
    step, count, wide = HEAD.unpack_from(encoded, at)
    raw = lzma.decompress(encoded[at + HEAD.size :], format=lzma.FORMAT_RAW, filters=FILTERS)
    folded = np.frombuffer(raw[:count], dtype=np.uint8).astype(np.uint16)
    if wide:
        folded = folded + (np.frombuffer(raw[count:], dtype=np.uint8).astype(np.uint16) << 8)
    coefficients = np.zeros(int(np.prod(shape)))
    coefficients[by_frequency(shape)[:count]] = unfold(folded) * float(np.float32(step))
    values: NDArray[np.float64] = idctn(coefficients.reshape(shape), norm="ortho")
    return values.astype(np.float32)


@lru_cache(maxsize=2)
def by_frequency(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Flat indices of the coefficients of an array, by rising frequency in cycles per voxel."""
    squares = np.zeros(shape)
    for axis, length in enumerate(shape):
        squares += np.square(np.arange(length) / length).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return np.argsort(squares, axis=None, kind="stable")


def _sorted_coefficients(values: NDArray[np.float32]) -> NDArray[np.float64]:
    from scipy.fft import dctn

    coefficients: NDArray[np.float64] = dctn(values.astype(np.float64), norm="ortho").reshape(-1)
    return coefficients[by_frequency(values.shape)]


def _encoded(shape: tuple[int, ...], coefficients: NDArray[np.float64], step: float) -> bytes:
    step = max(float(np.float32(step)), float(np.abs(coefficients).max()) / LARGEST * 1.001)
    step = float(np.float32(step))
    codes = (np.sign(coefficients) * np.floor(np.abs(coefficients) / step + ROUNDED_UP)).astype(np.int16)
    count = int(np.flatnonzero(codes)[-1]) + 1 if codes.any() else 0
    folded = fold(codes[:count])
    wide = bool(folded.max(initial=0) > 0xFF)
    upper = (folded >> 8).astype(np.uint8).tobytes() if wide else b""
    raw = (folded & 0xFF).astype(np.uint8).tobytes() + upper
    packed = lzma.compress(raw, format=lzma.FORMAT_RAW, filters=FILTERS)
    return struct.pack(f"<B{len(shape)}I", len(shape), *shape) + HEAD.pack(step, count, wide) + packed
