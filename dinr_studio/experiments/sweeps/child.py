"""A sweep in a process of its own, as the window follows it: what it says becomes views that are ready to be shown.

The window's own process trains nothing, so nothing it does waits; closing the generator ends the process, which keeps
what is done.
"""

from __future__ import annotations

import json
import math
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinr_studio.errors import DinrError
from dinr_studio.stages import Stage, Stages

if TYPE_CHECKING:
    from dinr_studio.experiments.figures.sweep import Panel
    from dinr_studio.experiments.sweeps.summary import Summary

COMMAND = (sys.executable, "-m", "dinr_studio", "sweep")
PATIENCE = 15.0  # seconds that the process has for writing what is done, once it is asked to end
POLL = 0.2
EVERY = 1.0  # seconds between views between which no run has ended
BEGINNING = "reading the data and measuring how long runs take"


@dataclass(frozen=True)
class View:
    """A sweep at one moment.

    headings and rows: a table of all results, cells as numbers, texts or None; keys: of the runs that the rows are of.
    running: share and held-out PSNR by key. files: of kept runs, by key. panels: of the figure, its rows.
    """

    folder: Path
    headings: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    keys: tuple[str, ...]
    summary: Summary
    panels: tuple[tuple[Panel, ...], ...]
    findings: tuple[str, ...]
    running: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)


def follow(words: Sequence[str], folder: Path) -> Stages:
    """Runs `sweep` with these words in a process; results are Views. Raises DinrError with what it said."""
    process = subprocess.Popen(
        [*COMMAND, *words, "--events"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    said: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process, said), daemon=True)
    reader.start()
    try:
        yield from _told(said, folder)
        if process.wait() != 0:
            raise DinrError(_complaint(process))
        yield Stage(1.0, "done", view_of(folder))
    finally:
        _end(process)
        reader.join()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _read(process: subprocess.Popen[str], said: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        said.put(line)
    said.put(None)


def _told(said: queue.Queue[str | None], folder: Path) -> Stages:
    """What the process says, until it has no more to say."""
    stage, shown = Stage(math.nan, BEGINNING), -math.inf
    yield stage
    while True:
        try:
            line = said.get(timeout=POLL)
        except queue.Empty:
            yield stage
            continue
        if line is None:
            return
        event = json.loads(line)
        stage = _stage(event)
        if "run" in event or time.monotonic() - shown > EVERY:
            shown = time.monotonic()
            running = {key: (share, psnr) for key, (share, psnr) in event["running"].items()}
            yield Stage(stage.share, stage.doing, view_of(folder, running))


def _stage(event: Mapping[str, Any]) -> Stage:
    done, total = event["done"], event["total"]
    under_way = sum(share for share, _ in event["running"].values())
    return Stage(min(1.0, (done + under_way) / max(1, total)), f"{done} of {total} runs made")


def _complaint(process: subprocess.Popen[str]) -> str:
    """The last line that a process wrote on standard error, without the program's name."""
    assert process.stderr is not None
    lines = [line for line in process.stderr.read().splitlines() if line.strip()]
    return lines[-1].removeprefix("dinr-studio: ") if lines else f"The sweep ended with status {process.returncode}."


def _end(process: subprocess.Popen[str]) -> None:
    """Asks a process to end, and ends it where it does not."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def view_of(folder: Path, running: Mapping[str, tuple[float, float | None]] | None = None) -> View:
    """What the folder of a sweep holds, ready to be shown; raises OutputError where it holds none."""
    from dinr_studio.experiments.figures.sweep import panels
    from dinr_studio.experiments.sweeps.recipes import findings_of
    from dinr_studio.experiments.sweeps.results import RUNS, read_results, rows_of
    from dinr_studio.experiments.sweeps.summary import METRICS, TERMS_WORDS, summarise

    resolved, records, _ = read_results(folder)
    running, summary = running or {}, summarise(resolved, records)
    axes = [axis.name for axis in resolved.plan.axes]
    metrics = [name for name in METRICS if any(name in record for record in records.values())] or ["psnr"]
    rows, found = [], rows_of(resolved, records)
    for row in found:
        share, psnr = running.get(row["run"], (None, None))
        status = row["status"] if share is None else f"{100 * share:.0f} %"
        cells = [row.get(name) for name in metrics]
        if share is not None and "psnr" in metrics:
            cells[metrics.index("psnr")] = psnr
        rows.append((TERMS_WORDS[row["terms"]], *(row[name] for name in axes), status, *cells, row.get("fault", "")))
    return View(
        folder=folder,
        headings=("terms", *axes, "status", *(METRICS[name].heading for name in metrics), "what went wrong"),
        rows=tuple(rows),
        keys=tuple(row["run"] for row in found),
        summary=summary,
        panels=tuple(tuple(row) for row in panels(summary)),
        findings=tuple(findings_of(summary)),
        running=running,
        files={key: folder / RUNS / record["run_file"] for key, record in records.items() if "run_file" in record},
    )
