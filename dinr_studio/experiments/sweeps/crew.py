"""Runs of a sweep made by several processes, each with its share of the processor's threads.

A process that is ended by something else (for want of memory, say) costs its run alone: another takes its place.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from dinr_studio.errors import DinrError
from dinr_studio.experiments.sweeps.conditions import synthetic
from dinr_studio.experiments.sweeps.one_run import Data, Moment, Record, attempted, use_threads
from dinr_studio.experiments.sweeps.resolving import RunSpec
from dinr_studio.io.reading import open_volume
from dinr_studio.sampling.surface import end_with_parent

Message = tuple[str, Moment | Record]  # of a run by its key: how far it is, or its record


@dataclass(frozen=True)
class Source:
    """Where a process finds the data: a file and how to open it; runs: the folder for run files, or None."""

    file: str
    open_options: dict[str, Any]
    runs: Path | None = None

    def data(self, dimensions: int) -> Data:
        """The data of a run, a synthetic field where it has dimensions."""
        volume = synthetic(dimensions) if dimensions else open_volume(self.file, **self.open_options)
        return Data(volume, self.open_options, self.runs)


def crew(source: Source, specs: Iterable[RunSpec], processes: int) -> Generator[Message, None, None]:
    """Makes runs by so many processes at once; closing it ends them."""
    waiting, members = list(specs), []
    try:
        for _ in range(min(processes, len(waiting))):
            members.append(_Member(source, processes))
            members[-1].take(waiting.pop(0))
        while members:
            yield from [(member.spec.key, Moment(0.0, None)) for member in members if member.is_new()]
            for member in _ready(members):
                message = member.message()
                yield member.spec.key, message
                if isinstance(message, Moment):
                    continue
                lost = not member.lives
                if lost or not waiting:
                    member.end()
                    members.remove(member)
                if waiting and lost:
                    member = _Member(source, processes)
                    members.append(member)
                if waiting:
                    member.take(waiting.pop(0))
    finally:
        for member in members:
            member.end()


def _ready(members: list[_Member]) -> list[_Member]:
    """Those that have something to say, waiting for it for a moment."""
    said = wait([member.connection for member in members], timeout=0.5)
    return [member for member in members if member.connection in said]


class _Member:
    """The parent's side of one process."""

    def __init__(self, source: Source, processes: int) -> None:
        spawning = multiprocessing.get_context("spawn")  # a fork of a process with threads and torch may hang
        self.connection, far = spawning.Pipe()
        threads = max(1, (os.cpu_count() or 1) // processes)
        self._process = spawning.Process(target=_serve, args=(far, source, threads), daemon=True)
        self._process.start()
        far.close()
        self.spec: RunSpec
        self.lives = True
        self._is_new = False

    def take(self, spec: RunSpec) -> None:
        """Gives it a run to make."""
        self.spec, self._is_new = spec, True
        with suppress(OSError):  # it is gone, which reading will tell
            self.connection.send(spec)

    def is_new(self) -> bool:
        """Whether its run has begun since this was asked last."""
        new, self._is_new = self._is_new, False
        return new

    def message(self) -> Moment | Record:
        """What it says next; a record of the failure where it is gone."""
        try:
            found: Moment | Record = self.connection.recv()
            return found
        except (EOFError, OSError):
            self.lives = False
            self._process.join(5.0)
            status = self._process.exitcode
            fault = f"The process of this run ended unexpectedly (status {status}), most likely for want of memory."
            return {"status": "failed", "fault": fault}

    def end(self) -> None:
        """Stops it, whatever it is doing."""
        self.connection.close()
        if self._process.is_alive():
            self._process.terminate()
        self._process.join()
        self._process.close()


def _serve(connection: Connection, source: Source, threads: int) -> None:
    """The process's side: makes the runs that it is sent, until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    end_with_parent()
    use_threads(threads)
    known: dict[int, Data] = {}
    with suppress(EOFError, OSError):
        while True:
            spec: RunSpec = connection.recv()
            try:
                if spec.dimensions not in known:
                    known[spec.dimensions] = source.data(spec.dimensions)
            except DinrError as error:
                connection.send({"status": "failed", "fault": str(error)})
                continue
            making = attempted(spec, known[spec.dimensions])
            while True:
                try:
                    connection.send(next(making))
                except StopIteration as end:
                    connection.send(end.value)
                    break
