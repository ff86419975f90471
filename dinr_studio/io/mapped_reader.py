"""Values scattered through a file, gathered through a memory map in a process of its own.

Nothing is as quick at picking single values out of many pages. But a page that the file no longer has, since it was cut
short meanwhile, ends the process that touches it: that one, then, and not the one with the window or the fit.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from dinr_studio.io.mapped_reader import serve; serve()"
PIECE = 1 << 18  # values sent at once


class MappedReader:
    """The side of whoever asks: starts the process with the first question, and ends it when it is no longer needed."""

    def __init__(self, path: Path, number: int, offset: int, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        """number: the open file's, which may have lost its name meanwhile."""
        self._inherited = (number,) if os.name == "posix" else ()
        file = number if self._inherited else str(Path(path).absolute())
        described = json.dumps({"file": file, "offset": offset, "shape": list(shape), "dtype": dtype.str})
        self._command = [sys.executable, "-c", START, str(Path(__file__).parents[2]), described]
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def fill(self, found: NDArray[Any], ranges: Sequence[range]) -> bool:
        """Fills a contiguous array with the values at some positions along each axis; False where the process ended."""
        with self._lock:
            if self._process is None:
                self._process = self._started()
            asked, answers = self._process.stdin, self._process.stdout
            assert asked is not None
            assert answers is not None
            try:
                asked.write(json.dumps([[r.start, r.stop, r.step] for r in ranges]).encode() + b"\n")
                asked.flush()
                left = found.data.cast("B")
                while len(left) and (got := answers.readinto(left)):  # type: ignore[attr-defined]
                    left = left[got:]
            except OSError:
                return False
            return not len(left)

    def _started(self) -> subprocess.Popen[bytes]:
        pipe, none = subprocess.PIPE, subprocess.DEVNULL
        process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=none, pass_fds=self._inherited)
        weakref.finalize(self, _end, process)
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def serve() -> None:
    """What the process does: answers question after question, each with the bytes of the values."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    described = json.loads(sys.argv[1])
    with open(described["file"], "rb") as file:
        values = np.memmap(file, described["dtype"], "r", described["offset"], tuple(described["shape"]))
    for line in sys.stdin.buffer:
        part = values[tuple(slice(*ends) for ends in json.loads(line))]
        rows = max(1, PIECE * len(part) // max(1, part.size))
        for first in range(0, len(part), rows):
            sys.stdout.buffer.write(np.array(part[first : first + rows], order="C").data)
        sys.stdout.buffer.flush()
