"""The run file NAME.dinr: one HDF5 file that holds a Run and can run no code.

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

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from dinr_studio.config import MOST_STEPS, STEPS
from dinr_studio.errors import DinrError, OutputError, RunFileError
from dinr_studio.io.atomic import atomic_output, check_place
from dinr_studio.io.hdf5_files import hdf5_output
from dinr_studio.io.isolation import check_harmless, trust, try_together
from dinr_studio.training.run import History, Run, TrainerState
from dinr_studio.training.run_description import Description

FORMAT, VERSION = "dinr-studio-run", 3
VERSION_WITHOUT_BLOCKS = 2  # so that older programs read what they can
SEAL_BYTES = 512
SEAL = re.compile(rb"dinr-studio-run (\d{1,9}) ([0-9a-f]{64})\n")
MOST_BYTES = 8 << 30
MOST_INFLATION = 1100  # gzip can't shrink further; a file that claims more is not honest
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


def seal(path: Path, version: int = VERSION) -> None:
    """Writes version and checksum into the user block of a finished file."""
    with open(path, "r+b") as file:
        file.write(f"{FORMAT} {version} {_checksum(file)}\n".encode().ljust(SEAL_BYTES, b"\0"))


def _checksum(file: BufferedIOBase) -> str:
    """SHA-256 of all behind the seal; leaves the file at its start."""
    file.seek(SEAL_BYTES)
    checksum = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return checksum


def _write_contents(run: Run, file: Any) -> None:
    unused = {"partition", "block_maps"} if run.partition is None else None
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

    with _opened(path) as file:
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
    with _opened(path) as file:
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


class _opened:  # noqa: N801  (a context manager, used as a function is)
    """The HDF5 file at a path, looked through; every fault on the way in or out becomes a RunFileError."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def __enter__(self) -> Any:
        import h5py

        self.file = None
        try:
            _check_seal(self.path)
            check_harmless(self.path, TRIED_BY, TRIED_IN)
            self.file = h5py.File(self.path, "r")
            _look_through(self.path, self.file, self.path.stat().st_size)
            return self.file
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self.file is not None:
            self.file.close()
        if isinstance(error, FileNotFoundError):
            raise RunFileError(f"{self.path} does not exist; check the name.") from None
        if isinstance(error, IsADirectoryError):
            raise RunFileError(f"{self.path} is a folder; give a .dinr file.") from None
        if isinstance(error, PermissionError):
            raise RunFileError(f"{self.path} may not be read (no permission).") from None
        if isinstance(error, DinrError):
            if not isinstance(error, RunFileError):
                raise _damaged(self.path, str(error)) from None
        elif isinstance(error, Exception):
            raise _damaged(self.path, "it is truncated or altered") from error


def _check_seal(path: Path) -> None:
    """RunFileError where a file is no run file, from a newer version, or not what was sealed."""
    with open(path, "rb") as file:
        found = SEAL.match(file.read(SEAL_BYTES))
        if found is None:
            raise RunFileError(f"{path} is not a run file; give a .dinr file that `fit` has written.")
        if int(found[1]) > VERSION:
            raise RunFileError(
                f"{path} has format version {int(found[1])} and this program reads up to {VERSION}; update DINR Studio."
            )
        if _checksum(file) != found[2].decode():
            raise _damaged(path, "it is truncated, or was altered after it was written")


def try_runs(paths: Sequence[Path]) -> None:
    """Looks in one process whether run files can be read without harm, before each is read by itself."""
    try_together(paths, TRIED_BY, TRIED_IN)


def _look_through(path: Path, file: Any, size: int) -> None:
    """Checks every object's kind and size before anything is read."""
    total = 0
    for count, (name, dataset) in enumerate(_datasets(path, file, "", 0)):
        total += _checked_size(path, name, dataset)
        if count > MOST_OBJECTS or total > min(MOST_BYTES, MOST_INFLATION * size):
            raise _damaged(path, f"it claims to hold more than {total / 1e9:.2f} GB in a file of {size / 1e9:.4f} GB")


def _datasets(path: Path, group: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Every dataset below a group by its full name; RunFileError at a link, or past the depth of a run file."""
    import h5py

    if depth > DEEPEST:
        raise _damaged(path, "its groups are nested too deeply")
    for name in group:
        full = f"{prefix}{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _damaged(path, f"{full} is a link to elsewhere, which a run file never holds")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _datasets(path, item, f"{full}/", depth + 1)
        elif isinstance(item, h5py.Dataset):
            yield full, item
        else:
            raise _damaged(path, f"{full} is neither a group nor an array")


def _checked_size(path: Path, name: str, dataset: Any) -> int:
    """Bytes of a dataset, all of whose kind must be plain numbers stored in this very file."""
    if dataset.dtype.kind not in "fiu" or dataset.dtype.hasobject:
        raise _damaged(path, f"{name} is of type {dataset.dtype}, which a run file never holds")
    if dataset.is_virtual or dataset.external or dataset.compression not in FILTERS:
        raise _damaged(path, f"{name} is stored in a way that a run file never uses")
    return int(dataset.size or 0) * int(dataset.dtype.itemsize)


def _read_description(path: Path, file: Any) -> Description:
    try:
        return Description.model_validate_json(file["description"][...].tobytes())
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "its text"
        what = fault["msg"].removeprefix("Value error, ")
        raise _damaged(path, f"its description is not valid ({where}: {what})") from None


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
        raise _damaged(path, f"the weights in {group} are not those of its settings ({odd[0]})")
    for name, own in [*shapes.items(), *([(STEPS, ())] if STEPS in stored else [])]:
        shape = (*more, *own)
        if stored[name].shape != shape or stored[name].dtype != np.float32:
            raise _damaged(path, f"{group}/{name} has shape {stored[name].shape} where its settings call for {shape}")
    weights = {name: dataset[...] for name, dataset in stored.items()}
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise _damaged(path, f"the weights in {group} are not all finite numbers")
    if STEPS in weights and not np.all((weights[STEPS] >= 1) & (weights[STEPS] <= MOST_STEPS)):
        raise _damaged(path, f"{group} has a number of steps that none could have")
    return weights


def _read_held_out(path: Path, file: Any, description: Description) -> NDArray[Any]:
    """Voxels of the grid, or rows of a table, never trained on."""
    stored, count = file["held_out"], description.scattered or description.grid.size
    if stored.ndim != 1 or stored.size > count or stored.dtype.kind not in "iu":
        raise _damaged(path, "its list of held-out voxels does not fit its grid")
    held_out: NDArray[Any] = stored[...]
    if len(held_out) and (held_out.min() < 0 or held_out.max() >= count):
        raise _damaged(path, "its list of held-out voxels does not fit its grid")
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
        raise _damaged(path, f"the optimiser's state holds {', '.join(sorted(kinds))}")
    stored = dict(_datasets(path, file["state/optimiser"], "", 0))
    of_adam = kinds & ADAM_KINDS
    if len({tuple(name.partition("/")[2] for name in stored if name.startswith(f"{kind}/")) for kind in of_adam}) > 1:
        raise _damaged(path, "the optimiser's state is incomplete")
    for name, dataset in stored.items():
        kind, _, parameter = name.partition("/")
        if dataset.shape != (() if kind == "step" else shapes.get(parameter)):
            raise _damaged(path, f"the optimiser's {name} does not fit its settings")
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
        raise _damaged(path, "its history's columns differ in length")
    return History(columns, description.events)


def _damaged(path: Path, what: str) -> RunFileError:
    return RunFileError(f"{path} cannot be read: {what}; use an intact copy or fit again.")
