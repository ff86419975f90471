"""The small file: a run file with nothing but what its field is, in few bytes; it can run no code and needs no HDF5.

Layout, format version 4:

    the seal     a line `dinr-studio-run 4 SHA256` over all that follows it
    4 bytes      length of the description, a little-endian number
    description  deflated JSON, the same as in every run file, without scores, history and the preset's reasons
    weights      see packing.py

HDF5's overhead would be 975 bytes at the least, where this takes 87.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.config import MOST_STEPS, STEPS, changed
from dinr_studio.errors import FileFormatError
from dinr_studio.fields.quantised import Stored, restored
from dinr_studio.io.atomic import atomic_output
from dinr_studio.training.packing import Shapes, pack, unpack
from dinr_studio.training.run import History, Run
from dinr_studio.training.run_description import Description, Packing, description_in
from dinr_studio.training.seals import (
    MOST_BYTES,
    MOST_INFLATION,
    SMALL_VERSION,
    check_seal,
    damaged,
    faults_in_words,
    sealed_small,
    sealed_version,
)
from dinr_studio.training.small_words import WORDS

LENGTH = struct.Struct("<I")
LONGEST_TEXT = 16 << 20
SPARE_BYTES = 1 << 16  # that packing may take beyond twice what weights hold


def small_content(run: Run, stored: Mapping[str, Stored], packing: Packing) -> tuple[bytes, bytes, bytes]:
    """Seal with the description's length, description and weights of a small file: what it is made of, in its order."""
    weights = pack(stored)
    text = _description(run, packing).model_dump_json().encode()
    coder = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=WORDS)
    description = coder.compress(text) + coder.flush()
    body = LENGTH.pack(len(description)) + description + weights
    whole = sealed_small(body)
    return whole[: len(whole) - len(body) + LENGTH.size], description, weights


def write_small(content: tuple[bytes, bytes, bytes], path: Path, *, force: bool) -> None:
    """Writes what small_content made, whole or not at all; raises OutputError."""
    with atomic_output(path, force=force) as temporary:
        temporary.write_bytes(b"".join(content))


def read_small(path: Path) -> Run:
    """The run in a small file; raises RunFileError where it is damaged or holds no whole field."""
    from dinr_studio.fields.build import weight_shapes

    with faults_in_words(path):
        description, place = _description_in(path)
        shapes: dict[str, tuple[int, ...]] = weight_shapes(
            description.config.field, len(description.grid.shape), len(description.channel_ranges)
        )
        if description.partition is not None:
            shapes = {name: (description.partition.count, *shape) for name, shape in shapes.items()}
            shapes[STEPS] = (description.partition.count,)
        _check_size(path, shapes)
        with np.errstate(over="ignore", invalid="ignore"):
            weights = restored(unpack(_packed(path, place, shapes), shapes))
        if not all(np.isfinite(array).all() for array in weights.values()):
            raise FileFormatError("its weights are not all finite numbers")
        steps = weights.get(STEPS)
        if steps is not None and not np.all((steps >= 1) & (steps <= MOST_STEPS)):
            raise FileFormatError("it has a number of steps that none could have")
    given = {name: getattr(description, name) for name in Description.model_fields if name not in ("events", "state")}
    return Run(**given, held_out=np.zeros(0, dtype=np.uint32), best=weights)


def read_small_description(path: Path) -> Description:
    """All of a small file but its weights: quick, and without torch."""
    with faults_in_words(path):
        return _description_in(path)[0]


def kept_weights(run: Run) -> tuple[Run, dict[str, NDArray[Any]]]:
    """A run and its weights as a small file has them: how many steps they serve is a setting, or one for each block."""
    weights = dict(run.best)
    if run.partition is not None:
        own = np.full(run.partition.count, run.config.field.steps, dtype=np.float32)
        return run, {**weights, STEPS: weights.get(STEPS, own)}
    if STEPS not in weights:
        return run, weights
    field = changed(run.config.field, steps=int(weights.pop(STEPS)))
    return run.updated(config=changed(run.config, field=field), best=weights), weights


def _description(run: Run, packing: Packing) -> Description:
    """The run's description without what the field does not need."""
    bare = run.updated(
        config=changed(run.config, reasons=()), scores={}, history=History(), state=None, finished=True, packing=packing
    )
    given = {name: getattr(bare, name) for name in Description.model_fields if name not in ("events", "state")}
    return Description(**{**given, "open_options": dict(run.open_options), "scores": {}}, events=(), state=None)


def _description_in(path: Path) -> tuple[Description, int]:
    """Description of a small file, and how many bytes stand before its weights."""
    length = check_seal(path)
    if sealed_version(path) != SMALL_VERSION:
        raise FileFormatError("it was altered meanwhile")
    with open(path, "rb") as file:
        file.seek(length)
        (size,) = LENGTH.unpack(file.read(LENGTH.size))
        end = length + LENGTH.size + size
        if end > path.stat().st_size:
            raise FileFormatError("its description is cut off")
        if size > LONGEST_TEXT:
            raise FileFormatError("its description is longer than any")
        packed = file.read(size)
    coder = zlib.decompressobj(-15, zdict=WORDS)
    text = coder.decompress(packed, LONGEST_TEXT)
    if not coder.eof or coder.unused_data:
        raise FileFormatError("its description is longer than any, or cut off")
    return description_in(path, text), end


def _packed(path: Path, place: int, shapes: Shapes) -> bytes:
    """The packed weights, from a place to the file's end; FileFormatError where there are more than shapes call for."""
    most = 2 * 4 * sum(math.prod(shape) for shape in shapes.values()) + SPARE_BYTES
    with open(path, "rb") as file:
        file.seek(place)
        packed = file.read(most + 1)
    if len(packed) > most:
        raise FileFormatError("it holds more weights than its settings call for")
    return packed


def _check_size(path: Path, shapes: Shapes) -> None:
    """RunFileError where a file claims more weights than it could hold."""
    claimed, size = 4 * sum(math.prod(shape) for shape in shapes.values()), path.stat().st_size
    if claimed > min(MOST_BYTES, MOST_INFLATION * size):
        raise damaged(path, f"it claims to hold {claimed / 1e9:.2f} GB in a file of {size / 1e9:.6f} GB")
