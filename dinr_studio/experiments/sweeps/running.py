"""A sweep from beginning to end, as a generator: runs made one by one or by several processes, each kept at once.

Closing the generator ends what is under way and keeps what is done; the same folder goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dinr_studio.errors import OutputError
from dinr_studio.experiments.sweeps.conditions import synthetic
from dinr_studio.experiments.sweeps.crew import Message, Source, crew
from dinr_studio.experiments.sweeps.one_run import Data, Moment, Record, attempted
from dinr_studio.experiments.sweeps.plan import SweepPlan
from dinr_studio.experiments.sweeps.resolving import OVERHEAD, Resolved, RunSpec, resolve
from dinr_studio.experiments.sweeps.results import (
    FILE,
    RUNS,
    check_folder,
    finished,
    holds_sweep,
    read_results,
    write_results,
)
from dinr_studio.io.reading import open_volume
from dinr_studio.io.unfinished import locked
from dinr_studio.volume import Volume

MEASURED = 0.1  # share of the work from which the time left is foretold by the time taken


@dataclass(frozen=True)
class Sweep:
    """A sweep ready to run: its runs, the records that stand already, and the folder that keeps them."""

    resolved: Resolved
    folder: Path
    records: Mapping[str, Record] = field(default_factory=dict)
    sha256: str = ""

    @property
    def waiting(self) -> list[RunSpec]:
        """Runs that are still to be made."""
        return [spec for key, spec in self.resolved.runs.items() if key not in self.records]

    def expected(self, processes: int) -> float:
        """Seconds that the rest takes, about."""
        return OVERHEAD * sum(spec.expected for spec in self.waiting) / max(1, min(processes, len(self.waiting)))


@dataclass(frozen=True)
class SweepProgress:
    """One moment of a sweep: the records so far, the runs under way, and the key of the run that has just ended."""

    sweep: Sweep
    done: int
    total: int
    elapsed: float
    remaining: float
    running: Mapping[str, Moment]
    ended: str = ""

    @property
    def share(self) -> float:
        """How far all of it is, 0 to 1."""
        under_way = sum(moment.share for moment in self.running.values())
        return min(1.0, (self.done + under_way) / self.total) if self.total else 1.0


def new_sweep(plan: SweepPlan, folder: Path) -> Sweep:
    """A sweep in its folder: begun, or gone on with where the folder holds the same plan.

    Raises OutputError where the folder holds another plan's results or other files; else as reading the data does.
    """
    if holds_sweep(folder):
        return _gone_on(plan, folder)
    check_folder(folder)
    volume = _opened(plan)
    return Sweep(resolve(plan, volume), folder, {}, "" if volume is None else volume.provenance.sha256)


def planned_sweep(plan: SweepPlan) -> Sweep:
    """A sweep without a folder, to see what it would take."""
    return Sweep(resolve(plan, _opened(plan)), Path())


def sweep_in_place_of(plan: SweepPlan, folder: Path) -> Sweep:
    """A new sweep in a folder whose own, where it holds one, is given up once the first run begins."""
    if not holds_sweep(folder):
        return new_sweep(plan, folder)
    volume = _opened(plan)
    return Sweep(resolve(plan, volume), folder, {}, "" if volume is None else volume.provenance.sha256)


def resumed_sweep(folder: Path) -> Sweep:
    """The sweep in a folder, to go on with; raises as `read_results` and reading its data do."""
    resolved, records, sha256 = read_results(folder)
    return Sweep(resolved, folder, finished(records), sha256)


def _gone_on(plan: SweepPlan, folder: Path) -> Sweep:
    sweep = resumed_sweep(folder)
    before, now = sweep.resolved.plan.as_dict(), plan_as_read(plan)
    differing = sorted(name for name in now if now[name] != plan_as_read(before)[name])
    if differing:
        raise OutputError(
            f"{folder} holds a sweep with another plan ({', '.join(differing)} differ); a sweep goes on with its own: "
            "leave them as they were, or name another folder."
        )
    return sweep


def plan_as_read(plan: SweepPlan | Mapping[str, Any]) -> dict[str, Any]:
    """A plan's entries as they are after being written and read."""
    found: dict[str, Any] = json.loads(json.dumps(plan.as_dict() if isinstance(plan, SweepPlan) else plan))
    return found


def _opened(plan: SweepPlan) -> Volume | None:
    return open_volume(plan.file, **plan.open_options) if plan.file else None


def run_sweep(sweep: Sweep, *, processes: int = 1, keep: bool = False) -> Generator[SweepProgress, None, None]:
    """Makes all runs that are not made yet; the last progress holds all records.

    keep: whether a run file of each is kept in the folder. Raises OutputError where the data is no longer what it was,
    or where another process runs the same sweep.
    """
    sweep.folder.mkdir(exist_ok=True)
    with locked(sweep.folder):
        volume = _opened(sweep.resolved.plan)
        if volume is not None and volume.provenance.sha256 != sweep.sha256:
            raise OutputError(
                f"{sweep.resolved.plan.file} is no longer the data that {sweep.folder / FILE} was begun with; put that "
                "back, or name another folder."
            )
        runs = sweep.folder / RUNS if keep else None
        if runs is not None:
            runs.mkdir(exist_ok=True)
        yield from _Running(sweep, volume, max(1, min(processes, len(sweep.waiting))), runs).progress()


class _Running:
    """A sweep under way."""

    def __init__(self, sweep: Sweep, volume: Volume | None, processes: int, runs: Path | None) -> None:
        self.sweep, self.volume, self.processes, self.runs = sweep, volume, processes, runs
        self.began = time.monotonic()
        self.made = 0.0  # expected seconds of runs made now
        self.running: dict[str, Moment] = {}

    def progress(self) -> Iterator[SweepProgress]:
        self._keep()
        waiting = self.sweep.waiting
        options = dict(self.sweep.resolved.plan.open_options)
        if self.processes > 1:
            source = Source(self.sweep.resolved.plan.file, options, self.runs)
            messages: Generator[Message, None, None] = crew(source, waiting, self.processes)
        else:
            messages = _alone(self.volume, options, self.runs, waiting)
        yield self._moment()
        with closing(messages):
            for key, found in messages:
                if isinstance(found, Moment):
                    self.running[key] = found
                    yield self._moment()
                    continue
                self.running.pop(key, None)
                self.sweep = replace(self.sweep, records={**self.sweep.records, key: found})
                self.made += self.sweep.resolved.runs[key].expected
                self._keep()
                yield self._moment(key)

    def _keep(self) -> None:
        write_results(self.sweep.folder, self.sweep.resolved, self.sweep.records, self.sweep.sha256)

    def _moment(self, ended: str = "") -> SweepProgress:
        elapsed = time.monotonic() - self.began
        runs = self.sweep.resolved.runs
        under_way = sum(runs[key].expected * moment.share for key, moment in self.running.items())
        done, left = self.made + under_way, sum(spec.expected for spec in self.sweep.waiting) - under_way
        slowness = elapsed / done if self.made > 0 and done > MEASURED * (done + left) else OVERHEAD / self.processes
        total = len(runs)
        return SweepProgress(
            self.sweep, total - len(self.sweep.waiting), total, elapsed, left * slowness, dict(self.running), ended
        )


def _alone(
    volume: Volume | None, options: dict[str, Any], runs: Path | None, waiting: list[RunSpec]
) -> Generator[Message, None, None]:
    """Makes runs in this process."""
    for spec in waiting:
        yield spec.key, Moment(0.0, None)
        data = volume if volume is not None else synthetic(spec.dimensions)
        making = attempted(spec, Data(data, options, runs))
        with closing(making):
            while True:
                try:
                    yield spec.key, next(making)
                except StopIteration as end:
                    yield spec.key, end.value
                    break
