"""One array of a Zarr store (v2 or v3): what its metadata say, which of its chunks are there, and its values.

Only codecs of the standard and of the library itself are used; none of them can run code that a file brings along.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import check_memory
from dinr_studio.io.flat_file import changed
from dinr_studio.io.optional import needed
from dinr_studio.io.zarr_bounds import CHECKSUMS, COMPRESSING, SPARE, plain_codec, unpacks_within
from dinr_studio.io.zarr_parts import ZarrParts, kept_open
from dinr_studio.io.zarr_store import Node, ZarrStore

V2_CODECS = frozenset({"zlib", "gzip", "bz2", "lzma", "blosc", "zstd", "lz4", "packbits", "shuffle", "bitround"}) | {
    *("delta", "quantize", "fixedscaleoffset", "astype"),
    *("crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"),
}
V3_CODECS = frozenset({"bytes", "transpose", "blosc", "gzip", "zstd", "crc32c", "sharding_indexed"}) | {
    f"numcodecs.{name}" for name in V2_CODECS
}
NOT_COMPRESSING = frozenset({"bytes", "transpose", "crc32c"})
V3_TYPES = frozenset({"bool", "float16", "float32", "float64", "complex64", "complex128"}) | {
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
}
ABSENT = 2**64 - 1  # offset and length of an inner chunk that a shard lacks
MOST_ABSENT = 64  # times the values stored that an array may claim
BLOSC_HEADER = 16  # bytes; the last four say how long the whole is
TAKEN = "biufc"  # kinds of NumPy types that are numbers


@dataclass(frozen=True)
class Sharding:
    """Files of many chunks: the inner chunks' shape, and where and how long the index of such a file is.

    length: bytes of the index; None where it is encoded in another way than as plain numbers. codecs: those of one
    inner chunk.
    """

    inner: tuple[int, ...]
    at_end: bool
    length: int | None
    codecs: tuple[str, ...]


@dataclass(frozen=True)
class StoredArray:
    """What the metadata of an array say. chunks: shape of what one file holds. key: start and separator of its name."""

    node: Node
    version: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    key: tuple[str, str]
    codecs: tuple[str, ...]
    dimension_names: tuple[str, ...] = ()
    sharding: Sharding | None = None
    fill: float | None = None

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.node.path or "/"

    @property
    def is_sensible(self) -> bool:
        """Whether it holds numbers that could be a volume."""
        return self.dtype.kind in TAKEN and len(self.shape) > 0 and math.prod(self.shape) > 1


def stored_array(node: Node) -> StoredArray | None:
    """The array at a node; None where it is none, holds no numbers, or is not described as the standard has it."""
    if not node.is_array:
        return None
    try:
        return _version_3(node) if node.metadata.get("zarr_format") == 3 else _version_2(node)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _version_2(node: Node) -> StoredArray | None:
    found = node.metadata
    if not isinstance(found["dtype"], str):
        return None
    dtype = np.dtype(found["dtype"])
    used = [codec for codec in (*(found.get("filters") or ()), found.get("compressor")) if codec is not None]
    names = node.attributes.get("_ARRAY_DIMENSIONS", ())
    return StoredArray(
        node,
        2,
        _whole(found["shape"]),
        dtype,
        _whole(found["chunks"]),
        ("", str(found.get("dimension_separator", "."))),
        tuple(str(codec["id"]) for codec in used),
        tuple(str(name) for name in names),
        fill=_number(found.get("fill_value")),
    )


def _version_3(node: Node) -> StoredArray | None:
    found = node.metadata
    if found["data_type"] not in V3_TYPES or found["chunk_grid"]["name"] != "regular":
        return None
    chunks = _whole(found["chunk_grid"]["configuration"]["chunk_shape"])
    encoding = found["chunk_key_encoding"]
    default = encoding["name"] == "default"
    separator = str(encoding.get("configuration", {}).get("separator", "/" if default else "."))
    codecs = tuple(found["codecs"])
    names = found.get("dimension_names") or ()
    return StoredArray(
        node,
        3,
        _whole(found["shape"]),
        np.dtype(found["data_type"]),
        chunks,
        (f"c{separator}" if default else "", separator),
        tuple(_names_of(codecs)),
        tuple(name or "" for name in names),
        _sharding(codecs),
        _number(found.get("fill_value")),
    )


def _names_of(codecs: Iterable[Any], *, inside: bool = True) -> Iterable[str]:
    """The names of codecs, those within shards too unless told otherwise."""
    for codec in codecs:
        yield codec if isinstance(codec, str) else str(codec["name"])
        inner = {} if isinstance(codec, str) else codec.get("configuration", {})
        for part in ("codecs", "index_codecs") if inside else ():
            yield from _names_of(inner.get(part, ()))


def _sharding(codecs: tuple[Any, ...]) -> Sharding | None:
    """How files are divided, where the only codec of the whole is sharding."""
    if len(codecs) != 1 or isinstance(codecs[0], str) or codecs[0]["name"] != "sharding_indexed":
        return None
    given = codecs[0]["configuration"]
    index = tuple(_names_of(given.get("index_codecs", ())))
    little = all(c.get("configuration", {}).get("endian", "little") == "little" for c in given.get("index_codecs", ()))
    length = {("bytes",): 0, ("bytes", "crc32c"): 4}.get(index) if little else None
    at_end = given.get("index_location", "end") == "end"
    return Sharding(_whole(given["chunk_shape"]), at_end, length, tuple(_names_of(given["codecs"], inside=False)))


def _whole(numbers: Any) -> tuple[int, ...]:
    if any(not isinstance(n, int) or isinstance(n, bool) or n < 0 for n in numbers):
        raise ValueError
    return tuple(numbers)


def _number(fill: Any) -> float | None:
    try:
        return float(fill)  # JSON has no NaN; both versions write it as text
    except (TypeError, ValueError):
        return None


def values_of(store: ZarrStore, array: StoredArray) -> tuple[NDArray[Any], NDArray[np.bool_] | None, tuple[str, ...]]:
    """The values of an array, where its chunks are missing (of the values' shape; None where none is), and notes.

    Raises FileFormatError where a codec is not known, nothing is stored, or memory is short.
    """
    files = _checked_files(store, array)
    size = math.prod(array.shape) * array.dtype.itemsize
    check_memory(store.path.name, size + max(math.prod(array.shape), _chunk_bytes(array)))
    for check in _checks(store, array):
        for name, (_, length) in files.items():
            check(name, length)
    there, part, notes = _there(store, array, files)
    with closing(store.opened()) as opened:
        values = np.asarray(_array_in(array, store, opened)[...])
    if there is None:
        return values, None, notes
    absent = ~there
    for axis, edge in enumerate(part):
        absent = np.repeat(absent, edge, axis=axis)[(slice(None),) * axis + (slice(array.shape[axis]),)]
    return values, absent, notes


def parts_of(store: ZarrStore, array: StoredArray) -> tuple[ZarrParts, tuple[str, ...]]:
    """The values of an array left in its store, and notes; a chunk is checked when it is read.

    Raises FileFormatError where a codec is not known, nothing is stored, or memory does not hold a single chunk.
    """
    files = _checked_files(store, array)
    check_memory(store.path.name, _chunk_bytes(array))
    there, part, notes = _there(store, array, files)
    names = {index: name for name, (index, _) in files.items()}
    checks = _checks(store, array)

    def check(chunks: Iterable[tuple[int, ...]]) -> None:
        for index in chunks:
            name = names.get(index)
            length = None if name is None else files[name][1]
            if length != store.length(_key(array, name or _name_of(array, index))):
                raise changed(store.path)
            for one in checks if name is not None else ():
                one(str(name), int(length or 0))

    opened = store.opened()
    parts = ZarrParts(_array_in(array, store, opened), store.path.name, there, part, array.chunks, check)
    return kept_open(parts, opened.close), notes


def _array_in(array: StoredArray, store: ZarrStore, opened: Any) -> Any:
    zarr = needed("zarr", "zarr", "Zarr")
    path = f"{store.prefix}{array.node.path}".strip("/")
    return zarr.open_array(opened, path=path, mode="r", zarr_format=array.version)


def _chunk_bytes(array: StoredArray) -> int:
    return math.prod(array.chunks) * array.dtype.itemsize


def _checked_files(store: ZarrStore, array: StoredArray) -> Mapping[str, tuple[tuple[int, ...], int]]:
    """Index and length of the chunks' files; FileFormatError where there is none, or a codec is not known."""
    _check_codecs(store, array)
    if min(array.chunks, default=1) < 1 or len(array.chunks) != len(array.shape):
        raise FileFormatError(
            f"{array.name} in {store.path.name} has chunks {array.chunks} for shape {array.shape}; use an intact copy."
        )
    check_memory(store.path.name, _chunk_bytes(array))
    files = _chunk_files(store, array)
    if not files:
        raise FileFormatError(f"No chunk of {array.name} is in {store.path.name}: its values are all missing.")
    _check_stored(store, array, files)
    return files


def _checks(store: ZarrStore, array: StoredArray) -> list[Callable[[str, int], None]]:
    """What is asked of a chunk's file, by its name and length, before the library reads it."""
    plain = set(array.codecs) <= NOT_COMPRESSING
    checks: list[Callable[[str, int], None]] = [partial(_check_length, store, array)] * plain
    if packing := [plain_codec(name) for name in array.codecs if plain_codec(name) in COMPRESSING]:
        after = _after_packing(store, array, packing)
        checks.append(partial(_check_packed, store, array, packing[0], after))
    return checks


def _check_length(store: ZarrStore, array: StoredArray, name: str, length: int) -> None:
    if length < _chunk_bytes(array):
        raise FileFormatError(f"The chunk {name} of {array.name} in {store.path.name} is truncated; use a copy.")


def _check_codecs(store: ZarrStore, array: StoredArray) -> None:
    known = V2_CODECS if array.version == 2 else V3_CODECS
    for name in array.codecs:
        if name not in known:
            raise FileFormatError(
                f"{array.name} in {store.path.name} is encoded by {name[:40]}, which is not used here; "
                f"allowed are {', '.join(sorted(known))}: save it with one of these."
            )


def _chunk_files(store: ZarrStore, array: StoredArray) -> Mapping[str, tuple[tuple[int, ...], int]]:
    """Index and length of every chunk file that is there, by its path below the array."""
    prefix, separator = array.key
    counts = [-(-n // c) for n, c in zip(array.shape, array.chunks, strict=True)]
    found = {}
    for name, length in store.below(array.node.path).items():
        parts = name.removeprefix(prefix).split(separator)
        if not name.startswith(prefix) or len(parts) != len(counts) or not all(part.isdecimal() for part in parts):
            continue
        index = tuple(int(part) for part in parts)
        if all(i < count for i, count in zip(index, counts, strict=True)):
            found[name] = index, length
    return found


def _there(
    store: ZarrStore, array: StoredArray, files: Mapping[str, tuple[tuple[int, ...], int]]
) -> tuple[NDArray[np.bool_] | None, tuple[int, ...], tuple[str, ...]]:
    """Which parts of the array are stored (None where all are), the shape of such a part, and a note on it."""
    parts = array.chunks
    notes: tuple[str, ...] = ()
    inner = (1,) * len(parts)
    sharding = array.sharding
    if sharding is not None and sharding.length is not None:
        inner = tuple(-(-n // c) for n, c in zip(parts, sharding.inner, strict=True))
        parts = sharding.inner
    elif "sharding_indexed" in array.codecs:
        notes = ("Chunks that are missing within shards could not be told from fill values.",)
    counts = tuple(-(-n // c) * i for n, c, i in zip(array.shape, array.chunks, inner, strict=True))
    check_memory(store.path.name, math.prod(counts))
    there = np.zeros(counts, dtype=bool)
    for name, (index, length) in files.items():
        box = tuple(slice(i * n, (i + 1) * n) for i, n in zip(index, inner, strict=True))
        there[box] = _in_file(store, array, name, length, inner)
    within = tuple(slice(-(-n // c)) for n, c in zip(array.shape, parts, strict=True))
    there = there[within]
    if there.all():
        return None, parts, notes
    count = f"{there.size - np.count_nonzero(there):,} of {there.size:,} chunks"
    known = array.fill is not None and not math.isnan(array.fill)
    fill = f", although its fill value ({array.fill:g}) may be meant" if known else ""
    notes += (f"{count} are not stored; what lies in them counts as missing{fill}.",)
    return there, parts, notes


def _in_file(
    store: ZarrStore, array: StoredArray, name: str, length: int, inner: tuple[int, ...]
) -> NDArray[np.bool_] | bool:
    """Which inner chunks a chunk's file holds: of a shard, those in its index; else all."""
    if array.sharding is None or array.sharding.length is None:
        return True
    there: NDArray[np.bool_] = _index(store, array, name, length, inner)[..., 0] != ABSENT
    return there


def _index(store: ZarrStore, array: StoredArray, name: str, length: int, inner: tuple[int, ...]) -> NDArray[np.uint64]:
    """Offset and length, (*inner, 2), of the chunks in a shard; ABSENT of those that are not there."""
    sharding = array.sharding
    if sharding is None or sharding.length is None:
        raise ValueError
    numbers = 16 * math.prod(inner)
    whole = numbers + sharding.length
    if length < whole:
        raise FileFormatError(f"The shard {name} of {array.name} in {store.path.name} is truncated; use a copy.")
    found = store.tail(_key(array, name), -whole if sharding.at_end else 0, numbers)
    return np.frombuffer(found, dtype="<u8").reshape(*inner, 2)


def _name_of(array: StoredArray, index: tuple[int, ...]) -> str:
    """The name of a chunk's file, below the array."""
    prefix, separator = array.key
    return prefix + separator.join(map(str, index))


def _key(array: StoredArray, name: str) -> str:
    return f"{array.node.path}/{name}" if array.node.path else name


def _check_stored(store: ZarrStore, array: StoredArray, files: Mapping[str, tuple[tuple[int, ...], int]]) -> None:
    """Raises FileFormatError where a store claims a large array of which it has next to nothing."""
    size = math.prod(array.shape) * array.dtype.itemsize
    there = len(files) * _chunk_bytes(array)
    if size > max(SPARE, MOST_ABSENT * there):
        what = f"claims {size:,} bytes of values, of which {there:,} are stored"
        raise FileFormatError(f"{array.name} in {store.path.name} {what}; use a copy that is whole.")


def _after_packing(store: ZarrStore, array: StoredArray, packing: list[str]) -> int:
    """How many bytes of a checksum come after what is packed, which must be by the last codec but for that.

    Only then do a chunk's own bytes say what it unpacks to.
    """
    chain = [plain_codec(name) for name in (array.sharding.codecs if array.sharding else array.codecs)]
    after = 4 if chain[-1] in CHECKSUMS else 0
    chain = chain[:-1] if after else chain
    if not chain or chain[-1] not in COMPRESSING or len(packing) > 1:
        raise FileFormatError(f"{array.name} in {store.path.name} uses {packing[0]} within other codecs: not read.")
    return after


def _check_packed(store: ZarrStore, array: StoredArray, codec: str, after: int, name: str, length: int) -> None:
    """Raises FileFormatError where a chunk unpacks to more than its values, or says another length than it has.

    Of such a chunk the library for Blosc reads past the end. after: see `_after_packing`.
    """
    claimed = math.prod(array.sharding.inner if array.sharding else array.chunks) * array.dtype.itemsize
    for start, size in _pieces(store, array, name, length):
        packed = store.tail(_key(array, name), start, BLOSC_HEADER if codec == "blosc" else size)
        short = codec == "blosc" and int.from_bytes(packed[12:16], "little") != size - after
        if short or not unpacks_within(codec, packed, claimed):
            raise _damaged(store, array, name)


def _pieces(store: ZarrStore, array: StoredArray, name: str, length: int) -> list[tuple[int, int]]:
    """Start and length of all that is encoded by itself in a chunk's file."""
    sharding = array.sharding
    if sharding is None:
        return [(0, length)]
    if sharding.length is None:
        raise FileFormatError(f"{array.name} in {store.path.name} has an index that is encoded; it is not read.")
    inner = tuple(-(-n // c) for n, c in zip(array.chunks, sharding.inner, strict=True))
    index = _index(store, array, name, length, inner).reshape(-1, 2)
    pieces = [(int(start), int(size)) for start, size in index[index[:, 0] != ABSENT]]
    if any(start + size > length for start, size in pieces):
        raise _damaged(store, array, name)
    return pieces


def _damaged(store: ZarrStore, array: StoredArray, name: str) -> FileFormatError:
    return FileFormatError(
        f"The chunk {name} of {array.name} in {store.path.name} is truncated or damaged; use a copy."
    )
