"""NeXus files (.nxs), which are HDF5: the data of an NXdata group, with the axes that it names.

Understood are @default, @signal, @auxiliary_signals and @axes of groups, and the older @signal, @axes and @axis of
datasets. Links within the file are followed, links to other files never. Source: the NeXus manual, "NXdata".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.errors import FileFormatError
from dinr_studio.io import cf
from dinr_studio.io.content import Content, DatasetEntry, check_claim, choose_dataset
from dinr_studio.io.hdf5 import try_hdf5
from dinr_studio.io.hdf5_files import inward
from dinr_studio.io.isolation import check_harmless
from dinr_studio.io.positions import text_of

TRIED_WITH = ("h5py",)
DEEPEST, MOST_GROUPS = 12, 5000


@dataclass(frozen=True)
class _Plot:
    """Data with axes: the name under which they are listed, their NXdata group, and the dataset."""

    name: str
    group: Any
    signal: Any


def list_nexus(path: Path) -> list[DatasetEntry]:
    """The signals of all NXdata groups."""
    with _opened(path) as file:
        return [_entry(plot) for plot in _plots(file)]


def read_nexus(path: Path, dataset: str | None) -> Content:
    """One signal with its axes; by itself the one that the file names as its default."""
    with _opened(path) as file:
        plots = {plot.name: plot for plot in _plots(file)}
        usual = _default(file, list(plots.values())) if dataset is None else list(plots.values())
        entry = choose_dataset(path, [_entry(plot) for plot in usual], dataset)
        plot = plots[entry.name]
        signal = plot.signal
        if signal.is_virtual or signal.external:
            raise FileFormatError(f"{entry.name} in {path.name} points to other files; copy its values into one file.")
        check_claim(path, signal.size * signal.dtype.itemsize, compressed=signal.compression is not None)
        dimensions = _dimensions(plot)
        content = Content(signal[...], "", dataset=entry.name)

        def variable(name: str) -> cf.Variable | None:
            return _axis(plot, name, signal.shape[dimensions.index(name)]) if name in dimensions else None

        return cf.content_of(content, dimensions, signal.attrs, variable)


def try_nexus(path: str) -> None:
    """Touches all that reading a file would, and forgets it; see `check_harmless`."""
    import h5py

    with suppress(Exception), h5py.File(path, "r") as file:  # told when the file is read
        for plot in _plots(file):
            for name, n in zip(_dimensions(plot), plot.signal.shape, strict=True):
                _axis(plot, name, n)
    try_hdf5(path)  # last, for it ends at the first thing that cannot be read


def _opened(path: Path) -> Any:
    import h5py

    check_harmless(path, __name__, try_nexus.__name__)
    return h5py.File(path, "r")


def _entry(plot: _Plot) -> DatasetEntry:
    title = text_of(plot.signal.attrs.get("long_name", ""))
    return DatasetEntry(plot.name, plot.signal.shape, plot.signal.dtype.name, title)


def _plots(file: Any) -> list[_Plot]:
    """All signals that could be volumes."""
    found = []
    for path, group in _groups(file):
        for name in _signals(group) if _class(group) == "NXdata" else ():
            signal = inward(group, name)
            if _is_array(signal) and signal.dtype.kind in "biufc" and signal.ndim > 0 and signal.size > 1:
                found.append(_Plot(f"{path}/{name}".strip("/"), group, signal))
    return found


def _groups(file: Any) -> Iterator[tuple[str, Any]]:
    """All groups below the root, parents first, by hard links alone, so that each is met once."""
    import h5py

    waiting, seen = [("", file["/"], 0)], set[int]()
    while waiting and len(seen) < MOST_GROUPS:
        path, group, depth = waiting.pop()
        if hash(group.id) in seen:
            continue
        seen.add(hash(group.id))
        yield path, group
        names = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
        below = [(f"{path}/{name}", group[name], depth + 1) for name in names if depth < DEEPEST]
        waiting += [item for item in reversed(below) if isinstance(item[1], h5py.Group)]


def _class(group: Any) -> str:
    return text_of(group.attrs.get("NX_class", ""))


def _is_array(item: Any) -> bool:
    return item is not None and hasattr(item, "dtype")


def _signals(group: Any) -> list[str]:
    """Names of the signals of an NXdata group, the main one first."""
    if "signal" in group.attrs:
        more = [text_of(name) for name in np.ravel(group.attrs.get("auxiliary_signals", ()))]
        return [text_of(group.attrs["signal"]), *more]
    marked = [name for name in group if _is_array(item := inward(group, name)) and "signal" in item.attrs]
    return [name for name in marked if text_of(inward(group, name).attrs["signal"]) == "1"]


def _default(file: Any, plots: list[_Plot]) -> list[_Plot]:
    """The main signal of the group that the file's chain of defaults leads to; all plots where there is no chain."""
    group, names = file["/"], []
    for _ in range(DEEPEST):
        name = text_of(group.attrs.get("default", ""))
        below = inward(group, name) if name else None
        if below is None or _is_array(below):
            break
        group = below
        names.append(name)
    if _class(group) == "NXdata" and _signals(group):
        wanted = "/".join([*names, _signals(group)[0]])
        return [plot for plot in plots if plot.name == wanted] or plots
    first = [plot for plot in plots if plot.name.rpartition("/")[2] == _signals(plot.group)[0]]
    return first or plots


def _dimensions(plot: _Plot) -> list[str]:
    """A name for each dimension of the signal: of its axis, or of its own where it has none."""
    signal, given = plot.signal, plot.group.attrs.get("axes")
    if given is None or "signal" not in plot.group.attrs:
        given = signal.attrs.get("axes")
    names = [text_of(name) for name in np.ravel(given)] if given is not None else _numbered_axes(plot)
    if len(names) == 1 and signal.ndim > 1:
        names = re.split(r"[:,]", names[0].strip("[] "))
    names = [name.strip() for name in names]
    if len(names) != signal.ndim or len(set(names) - {"."}) != len([name for name in names if name != "."]):
        names = ["."] * signal.ndim
    return [f"dimension {i}" if name == "." else name for i, name in enumerate(names)]


def _numbered_axes(plot: _Plot) -> list[str]:
    """Names by the older attribute `axis`, which counts the signal's dimensions from 1."""
    names = ["."] * plot.signal.ndim
    for name in plot.group:
        item = inward(plot.group, name)
        number = text_of(item.attrs.get("axis", "")) if _is_array(item) else ""
        if number.isdecimal() and 1 <= int(number) <= len(names) and names[int(number) - 1] == ".":
            names[int(number) - 1] = name
    return names


def _axis(plot: _Plot, name: str, length: int) -> cf.Variable | None:
    """The axis of a name; of the edges of bins their centres."""
    item = inward(plot.group, name)
    if not _is_array(item) or item.ndim != 1 or item.dtype.kind not in "iuf" or item.is_virtual or item.external:
        return None
    if item.shape[0] not in (length, length + 1):
        return None
    positions: NDArray[Any] = item[...].astype(np.float64)
    if len(positions) == length + 1:
        positions = (positions[1:] + positions[:-1]) / 2
    return cf.Variable((name,), (length,), item.attrs, lambda: positions)
