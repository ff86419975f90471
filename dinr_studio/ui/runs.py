"""The run files that the window keeps, and what a table of them shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath

from PySide6.QtCore import QStandardPaths

from dinr_studio.errors import DinrError, OutputError

NOT_IN_NAMES = '*?[]<>:"|'  # of patterns of files, and what some systems do not allow


@dataclass(frozen=True)
class RunEntry:
    """One run file in a line of the table; psnr and gain (over the best interpolation) in dB, None where not judged."""

    path: Path
    name: str
    data: str
    created: str
    preset: str
    family: str
    width: int
    steps: int
    seconds: float | None
    psnr: float | None
    gain: float | None
    finished: bool
    fault: str = ""


def runs_folder() -> Path:
    """Where the window's own run files lie."""
    return Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation)) / "runs"


def new_run_path(data_file: str) -> Path:
    """A name for a new run of a data file, not taken yet."""
    name = PurePath(data_file.removeprefix("sample:")).name.split(".")[0]
    stem = "".join(letter for letter in name if letter not in NOT_IN_NAMES).rstrip("_- ") or "volume"
    stamp = datetime.now().strftime("%Y-%m-%d %H.%M.%S")
    path = runs_folder() / f"{stem} {stamp}.dinr"
    for count in range(2, 1000):
        if not path.exists():
            break
        path = runs_folder() / f"{stem} {stamp} ({count}).dinr"
    return path


def described(path: Path) -> RunEntry:
    """The table's line for a run file; a damaged one says why."""
    from dinr_studio.training.run_file import read_description

    try:
        run = read_description(path)
    except DinrError as error:
        return RunEntry(path, path.stem, "", "", "", "", 0, 0, None, None, None, False, str(error))
    held = run.scores.get("held_out") if isinstance(run.scores, dict) else None
    psnr = gain = None
    if isinstance(held, dict):
        psnr = float(str(held["psnr"]))
        rivals = held.get("interpolation")
        if isinstance(rivals, dict):
            gain = psnr - max(float(str(rival["psnr"])) for rival in rivals.values() if isinstance(rival, dict))
    seconds = None if run.state is None else run.state.get("elapsed")
    return RunEntry(
        path=path,
        name=path.stem,
        data=PurePath(run.provenance.file).name,
        created=run.created.replace("T", " ")[:16],
        preset=run.config.preset,
        family=run.config.field.family,
        width=run.config.field.width,
        steps=run.config.field.steps,
        seconds=None if seconds is None else float(seconds),
        psnr=psnr,
        gain=gain,
        finished=run.finished,
    )


def listed(more: tuple[Path, ...]) -> Iterator[tuple[RunEntry, ...]]:
    """All run files in the folder, newest first, and those opened from elsewhere, as one item of work."""
    from dinr_studio.training.run_file import try_runs

    own = sorted(runs_folder().glob("*.dinr"), key=lambda path: path.stat().st_mtime, reverse=True)
    elsewhere = [path for path in more if path not in own and path.exists()]
    with suppress(OSError):  # one that is gone meanwhile says so by itself
        try_runs([*own, *elsewhere])
    yield tuple(described(path) for path in [*own, *elsewhere])


def renamed(path: Path, name: str) -> Path:
    """Gives a run file another name in its folder; OutputError where that cannot be."""
    name = name.strip().removesuffix(".dinr")
    if not name or PurePath(name).name != name:
        raise OutputError(f"{name!r} is no name for a run; use letters, digits and spaces, without slashes.")
    new = path.with_name(f"{name}.dinr")
    if new.exists():
        raise OutputError(f"There is a run named {name} already; choose another name.")
    try:
        return path.rename(new)
    except OSError as error:
        raise OutputError(f"{path.name} cannot be renamed ({error.strerror}).") from error
