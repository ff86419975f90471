"""Damages seeds, has them opened in a process of its own, and collects what ended in any way but a value or words."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from damage import damaged
from seeds import SEEDS, files_in, seal

HERE = Path(__file__).parent
MOST_SECONDS, MOST_BEYOND = 4.0, 200 << 20
STARTING, HANGING = (
    300.0,
    60.0,
)  # seconds of the clock for the libraries, and those after which an opening counts as one without an end


@dataclass
class Tally:
    """What became of inputs: how many of each end, the most that one took, and those that were faults."""

    ends: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    beyond: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)


class Opener:
    """A process that opens files; where it dies or hangs a new one takes its place."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._fresh = True

    def ask(self, what: str, path: Path) -> dict[str, Any]:
        """What became of a file; see `opener`."""
        process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"what": what, "path": str(path)}) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], STARTING if self._fresh or what == "run" else HANGING)
        self._fresh = False
        line = process.stdout.readline() if ready else ""
        if line:
            return dict(json.loads(line))
        said = f"crashed with status {process.wait(10)}" if ready else f"no answer in {HANGING:g} s"
        self.close()
        return {"end": "fault", "said": said, "seconds": 0.0, "wall": 0.0, "held": 0, "beyond": 0, "deeds": []}

    def _started(self) -> subprocess.Popen[str]:
        environment = os.environ | {"PYTHONFAULTHANDLER": "0", "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent.parent), environment.get("PYTHONPATH", "")])
        self._fresh = True
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "opener.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env=environment,
        )
        return self._process

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
        self._process = None


@contextmanager
def opener() -> Iterator[Opener]:
    """An opener for the time of the block."""
    one = Opener()
    try:
        yield one
    finally:
        one.close()


def fault_in(answer: dict[str, Any], most_seconds: float = MOST_SECONDS) -> str:
    """What is wrong with how an opening ended; "" where nothing is."""
    if answer["end"] == "fault":
        return str(answer["said"])
    if answer.get("deeds"):
        return f"did {answer['deeds'][0]}"
    if answer["end"] == "refused" and ("\n" in answer["said"] or not answer["said"].endswith((".", ")", "'"))):
        return f"no sentence: {answer['said']!r}"
    if answer["beyond"] > MOST_BEYOND + 8 * answer["held"]:
        return f"took {answer['beyond'] / 1e6:.0f} MB for {answer['held']} bytes: {answer['said']}"
    if answer["seconds"] > most_seconds:
        return f"took {answer['seconds']:.1f} s: {answer['said']}"
    return ""


def whats_of(name: str) -> tuple[str, ...]:
    """The ways in which a seed is opened."""
    return ("run",) if name.startswith("run") else ("volume", "list")


def damage_copy(seed: Path, folder: Path, number: int) -> Path:
    """A copy of a seed with one of its files damaged; a run file is sealed again two times out of three."""
    target = folder / seed.name
    inside = seed.is_dir() or len(files_in(seed)) > 1
    if inside:
        whole, copy = (seed, target) if seed.is_dir() else (seed.parent, folder / seed.parent.name)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        target = copy if seed.is_dir() else copy / seed.name
    files = files_in(target) if inside else [target]
    victim = files[number % len(files)]
    raw = damaged((victim if inside else seed).read_bytes(), number)
    victim.write_bytes(seal(raw) if seed.suffix == ".dinr" and number % 3 else raw)
    return target


def made(folder: Path, names: list[str] | None = None) -> dict[str, Path]:
    """Seeds by name, made in a folder."""
    found = {}
    for name in names or list(SEEDS):
        place = folder / name.replace(" ", "_")
        place.mkdir(parents=True, exist_ok=True)
        found[name] = SEEDS[name](place)
    return found


def run_through(one: Opener, name: str, seed: Path, folder: Path, numbers: range) -> Tally:
    """Opens a seed once for each number of a damage."""
    tally = Tally()
    one.ask(whats_of(name)[0], seed)  # loads libraries
    for number in numbers:
        path = damage_copy(seed, folder, number)
        what = whats_of(name)[number % 7 == 0 and len(whats_of(name)) > 1]
        answer = one.ask(what, path)
        tally.ends[answer["end"]] = tally.ends.get(answer["end"], 0) + 1
        tally.seconds, tally.beyond = max(tally.seconds, answer["seconds"]), max(tally.beyond, answer["beyond"])
        fault = fault_in(answer)
        if fault:
            tally.faults.append({"seed": name, "number": number, "what": what, "fault": fault})
    return tally


def main() -> None:
    """Damages every seed, or those named, so many times: driver.py COUNT FIRST [NAME ...]."""
    count, first, names = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    root = Path(os.environ.get("HOSTILE_FOLDER", "/tmp/hostile"))
    shutil.rmtree(root, ignore_errors=True)
    total = 0
    with opener() as one:
        for name, seed in made(root / "seeds", names or None).items():
            (root / "damaged").mkdir(exist_ok=True)
            tally = run_through(one, name, seed, root / "damaged", range(first, first + count))
            total += sum(tally.ends.values())
            print(f"{name:16} {tally.ends} at most {tally.seconds:.2f} s, {tally.beyond / 1e6:.0f} MB", flush=True)
            for fault in tally.faults:
                print(json.dumps(fault), flush=True)
    print(total, "inputs")


if __name__ == "__main__":
    main()
