"""The run file NAME.dinr: one HDF5 file that holds a Run and can run no code.

A run file of version 4, which `compress` makes, is no HDF5 file: see small_file.py; it is read here all the same.

Layout, format version 3 (2 is the same without blocks, 1 also without `steps` and `momentum_buffer`):

    first 512 bytes       HDF5's user block: the seal, a line `dinr-studio-run VERSION SHA256` over all that follows it
    /description          uint8: UTF-8 JSON of everything small (settings, grid, units, provenance, scores, events)
    /held_out             unsigned integers: flat indices of the held-out voxels
    /best/NAME            the weights to use, by parameter name; `steps`, a number, where steps have not grown to all;
                          with one more axis, the first, in a run of blocks: one entry for each, or none before the end
    /state/weights/NAME   the weights at the last step;  /state/good/NAME  the last ones known to be good
    /state/optimiser/KIND/NAME
    /history/COLUMN       float64, one value for each look

There are numbers only: no pickled objects, no references, no links, no strings of variable length. The seal tells a
damaged file before HDF5's library, which damage can crash, sees it. A sealed file that this process did not write is
tried in a process of its own, looked through before any memory is taken for it, and refused in words where it is not
that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.config import MOST_STEPS, STEPS
from dinr_studio.errors import OutputError
from dinr_studio.io.atomic import atomic_output, check_place
from dinr_studio.io.hdf5_files import hdf5_output
from dinr_studio.io.isolation import check_harmless, trust, try_together
from dinr_studio.training.run import History, Run, TrainerState
from dinr_studio.training.run_description import Description, description_in
from dinr_studio.training.seals import (
    MOST_BYTES,
    MOST_INFLATION,
    SEAL_BYTES,
    SMALL_VERSION,
    VERSION,
    VERSION_WITHOUT_BLOCKS,
    check_seal,
    damaged,
    faults_in_words,
    seal,
    sealed_version,
)
from dinr_studio.training.small_file import read_small, read_small_description

MOST_OBJECTS, DEEPEST = 20_000, 5
FILTERS = {"gzip", None}
TRIED_BY, TRIED_IN = "dinr_studio.io.hdf5", "try_hdf5"  # in a process that needs no torch
ADAM_KINDS, MUON_KIND = {"step", "exp_avg", "exp_avg_sq"}, "momentum_buffer"


def write_run(run: Run, path: Path) -> None:
    """Writes a run, replacing what is there in one move; raises OutputError and leaves the old file where it fails."""
    with atomic_output(path, force=True) as temporary:
        with hdf5_output(temporary, userblock_size=SEAL_BYTES) as file:
            _write_contents(run, file)
        seal(temporary, VERSION_WITHOUT_BLOCKS if run.partition is None else VERSION)
    trust(path)


def check_run_name(path: Path) -> None:
    """OutputError where a run file cannot be written under a name."""
    if path.suffix != ".dinr":
        raise OutputError(f"{path} is no run file's name; end it in .dinr.")
    check_place(path)


def _write_contents(run: Run, file: Any) -> None:
    unused = {"packing"} | ({"partition", "block_maps"} if run.partition is None else set())
    text = _description(run).model_dump_json(exclude=unused)
    file["description"] = np.frombuffer(text.encode(), dtype=np.uint8)
    file.create_dataset("held_out", data=run.held_out, compression="gzip" if len(run.held_out) else None)
    _write_all(file, "best", run.best)
    _write_all(file, "history", run.history.columns)
    if run.state is not None:
        for name in ("weights", "good", "optimiser"):
            _write_all(file, f"state/{name}", getattr(run.state, name))


def read_run(path: Path) -> Run:
    """The run in a file; raises RunFileError where it is damaged, of a newer version, or not a run file."""
    from dinr_studio.fields.build import weight_shapes

    if sealed_version(path) == SMALL_VERSION:
        return read_small(path)
    with _opened(Path(path)) as file:
        description = _read_description(path, file)
        shapes = weight_shapes(description.config.field, len(description.grid.shape), len(description.channel_ranges))
        best = _read_weights(path, file, "best", shapes, _block_axis(file, description))
        return Run(
            **{
                name: getattr(description, name) for name in Description.model_fields if name not in ("events", "state")
            },
            held_out=_read_held_out(path, file, description),
            best=best,
            state=_read_state(path, file, description, shapes),
            history=_read_history(path, file, description),
        )


def read_description(path: Path) -> Description:
    """All of a run but its arrays: quick, and without torch."""
    if sealed_version(path) == SMALL_VERSION:
        return read_small_description(path)
    with _opened(Path(path)) as file:
        return _read_description(path, file)


def _description(run: Run) -> Description:
    fields = {name: getattr(run, name) for name in Description.model_fields if name not in ("events", "state")}
    state = None if run.state is None else {"step": run.state.step, "elapsed": run.state.elapsed, **run.state.scalars}
    fields["open_options"], fields["scores"] = dict(run.open_options), dict(run.scores)
    return Description(**fields, events=run.history.events, state=state)


def _write_all(file: Any, group: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    file.require_group(group)
    for name, array in arrays.items():
        file[f"{group}/{name}"] = array


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The HDF5 file at a path, looked through; every fault on the way in or out becomes a RunFileError."""
    import h5py

    with faults_in_words(path):
        check_seal(path)
        check_harmless(path, TRIED_BY, TRIED_IN)
        with h5py.File(path, "r") as file:
            _look_through(path, file, path.stat().st_size)
            yield file


def try_runs(paths: Sequence[Path]) -> None:
    """Looks in one process whether run files can be read without harm, before each is read by itself."""
    try_together(paths, TRIED_BY, TRIED_IN)


def _look_through(path: Path, file: Any, size: int) -> None:
    """Checks every object's kind and size before anything is read."""
    total = 0
    for count, (name, dataset) in enumerate(_datasets(path, file, "", 0)):
        total += _checked_size(path, name, dataset)
        if count > MOST_OBJECTS or total > min(MOST_BYTES, MOST_INFLATION * size):
            raise damaged(path, f"it claims to hold more than {total / 1e9:.2f} GB in a file of {size / 1e9:.4f} GB")


def _datasets(path: Path, group: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Every dataset below a group by its full name; RunFileError at a link, or past the depth of a run file."""
    import h5py

    if depth > DEEPEST:
        raise damaged(path, "its groups are nested too deeply")
    for name in group:
        full = f"{prefix}{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise damaged(path, f"{full} is a link to elsewhere, which a run file never holds")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _datasets(path, item, f"{full}/", depth + 1)
        elif isinstance(item, h5py.Dataset):
            yield full, item
        else:
            raise damaged(path, f"{full} is neither a group nor an array")


def _checked_size(path: Path, name: str, dataset: Any) -> int:
    """Bytes of a dataset, all of whose kind must be plain numbers stored in this very file."""
    if dataset.dtype.kind not in "fiu" or dataset.dtype.hasobject:
        raise damaged(path, f"{name} is of type {dataset.dtype}, which a run file never holds")
    if dataset.is_virtual or dataset.external or dataset.compression not in FILTERS:
        raise damaged(path, f"{name} is stored in a way that a run file never uses")
    return int(dataset.size or 0) * int(dataset.dtype.itemsize)


def _read_description(path: Path, file: Any) -> Description:
    return description_in(path, file["description"][...].tobytes())


def _block_axis(file: Any, description: Description) -> tuple[int, ...]:
    """The lengths of the axes that the weights to use have more than those of one field."""
    if description.partition is None:
        return ()
    begun = not description.finished and all(dataset.size == 0 for dataset in file["best"].values())
    return (0,) if begun else (description.partition.count,)


def _read_weights(
    path: Path, file: Any, group: str, shapes: Mapping[str, tuple[int, ...]], more: tuple[int, ...] = ()
) -> dict[str, NDArray[Any]]:
    """The arrays of a group, which must be exactly the ones that the settings call for; more: axes before theirs."""
    stored = {name: dataset for name, dataset in _datasets(path, file[group], "", 0)}
    odd = sorted((set(stored) ^ set(shapes)) - {STEPS})
    if odd:
        raise damaged(path, f"the weights in {group} are not those of its settings ({odd[0]})")
    for name, own in [*shapes.items(), *([(STEPS, ())] if STEPS in stored else [])]:
        shape = (*more, *own)
        if stored[name].shape != shape or stored[name].dtype != np.float32:
            raise damaged(path, f"{group}/{name} has shape {stored[name].shape} where its settings call for {shape}")
    weights = {name: dataset[...] for name, dataset in stored.items()}
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise damaged(path, f"the weights in {group} are not all finite numbers")
    if STEPS in weights and not np.all((weights[STEPS] >= 1) & (weights[STEPS] <= MOST_STEPS)):
        raise damaged(path, f"{group} has a number of steps that none could have")
    return weights


def _read_held_out(path: Path, file: Any, description: Description) -> NDArray[Any]:
    """Voxels of the grid, or rows of a table, never trained on."""
    stored, count = file["held_out"], description.scattered or description.grid.size
    if stored.ndim != 1 or stored.size > count or stored.dtype.kind not in "iu":
        raise damaged(path, "its list of held-out voxels does not fit its grid")
    held_out: NDArray[Any] = stored[...]
    if len(held_out) and (held_out.min() < 0 or held_out.max() >= count):
        raise damaged(path, "its list of held-out voxels does not fit its grid")
    return held_out


def _read_state(
    path: Path, file: Any, description: Description, shapes: Mapping[str, tuple[int, ...]]
) -> TrainerState | None:
    if description.state is None:
        return None
    scalars = dict(description.state)
    optimiser = {}
    kinds = {name.partition("/")[0] for name in file["state/optimiser"]}
    if kinds - {MUON_KIND} not in (set(), ADAM_KINDS):
        raise damaged(path, f"the optimiser's state holds {', '.join(sorted(kinds))}")
    stored = dict(_datasets(path, file["state/optimiser"], "", 0))
    of_adam = kinds & ADAM_KINDS
    if len({tuple(name.partition("/")[2] for name in stored if name.startswith(f"{kind}/")) for kind in of_adam}) > 1:
        raise damaged(path, "the optimiser's state is incomplete")
    for name, dataset in stored.items():
        kind, _, parameter = name.partition("/")
        if dataset.shape != (() if kind == "step" else shapes.get(parameter)):
            raise damaged(path, f"the optimiser's {name} does not fit its settings")
        optimiser[name] = dataset[...]
    step, elapsed = scalars.pop("step"), scalars.pop("elapsed")
    return TrainerState(
        step=int(step or 0),
        elapsed=float(elapsed or 0.0),
        weights=_read_weights(path, file, "state/weights", shapes),
        good=_read_weights(path, file, "state/good", shapes),
        optimiser=optimiser,
        scalars=scalars,
    )


def _read_history(path: Path, file: Any, description: Description) -> History:
    columns = {name: dataset[...].astype(np.float64) for name, dataset in _datasets(path, file["history"], "", 0)}
    if len({column.shape for column in columns.values()}) > 1 or any(column.ndim != 1 for column in columns.values()):
        raise damaged(path, "its history's columns differ in length")
    return History(columns, description.events)
