"""Marching cubes in a process of its own: skimage holds the interpreter's lock all the while, which stops a window.

The values are sent as they are evaluated, so that only the process ever holds all of them. It imports no torch.
"""

from __future__ import annotations

import ctypes
import math
import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid, reversed_axes
from dinr_studio.errors import ConfigError, OutputError
from dinr_studio.io.meshes import Mesh, write_mesh

PR_SET_PDEATHSIG = 1  # of Linux
POLL = 0.2  # seconds between two looks at whether the process has answered
ON_FACE = 1e-3  # of a voxel


def check_meshable(grid: Grid) -> None:
    """Raises ConfigError where a grid can have no isosurface, or several (of several times)."""
    spatial = [grid.shape[i] for i in grid.spatial]
    if len(spatial) != 3 or min(spatial) < 2:
        shape = " x ".join(map(str, grid.shape))
        raise ConfigError(f"The grid is {shape} ({', '.join(grid.axes)}); a surface needs 2 or more along z, y and x.")
    if grid.size != math.prod(spatial):
        raise ConfigError(f"The field has {grid.shape[0]} frames; choose one of them with --frame.")


@dataclass(frozen=True)
class SurfaceTask:
    """What surface to find and where to write it; shape (each 2 or more), voxel size and origin as z, y, x."""

    shape: tuple[int, int, int]
    voxel_size: tuple[float, float, float]
    origin: tuple[float, float, float]
    level: float
    file: Path
    suffix: str
    comments: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """A surface that was found: its size, and whether it is open where it meets the faces of the box."""

    vertices: int
    triangles: int
    open: bool


def surface(values: NDArray[np.float32], task: SurfaceTask) -> tuple[Mesh, Found]:
    """The surface at the task's level in values (z, y, x), by marching cubes (Lewiner 2003).

    Triangles are right-handed as seen from where values are lower: their normals point out of what is above the level.
    """
    from skimage.measure import marching_cubes

    found, triangles, _, _ = marching_cubes(values, task.level, method="lewiner", allow_degenerate=False)
    del values
    last = np.array(task.shape) - 1
    on_face = bool(((found < ON_FACE) | (found > last - ON_FACE)).any())
    order = list(reversed_axes(range(3)))
    vertices = (found * np.array(task.voxel_size, dtype=np.float64) + np.array(task.origin))[:, order]
    # skimage's triangles are left-handed in z, y, x; reversing the axes is a mirror, which makes them right-handed
    mesh = Mesh(np.ascontiguousarray(vertices), triangles, min(task.voxel_size), task.comments)
    return mesh, Found(len(vertices), len(triangles), on_face)


def serve(connection: Connection, task: SurfaceTask) -> None:
    """What the process does: takes the values, tells what it found, and writes it once it is told to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    _be_first_to_go()
    end_with_parent()
    try:
        values = np.empty(task.shape, dtype=np.float32)
        flat, at = values.reshape(-1), 0
        while at < flat.size:
            part = np.frombuffer(connection.recv_bytes(), dtype=np.float32)
            flat[at : at + part.size] = part
            at += part.size
        mesh, found = surface(values, task)
        connection.send(found)
        connection.recv()
        write_mesh(mesh, task.file, task.suffix)
        connection.send(found)
    except EOFError:  # the parent has given up
        return
    except Exception as error:
        with suppress(OSError):  # the parent was killed
            connection.send(error)


def _be_first_to_go() -> None:
    """Where memory runs out in spite of all, Linux ends this process, and not the one with the window or the fit."""
    try:
        Path("/proc/self/oom_score_adj").write_text("800", encoding="ascii")
    except OSError:  # another system
        pass


def end_with_parent() -> None:
    """Where the parent is killed, Linux ends this process too, before it writes what nobody clears away any more."""
    with suppress(AttributeError, OSError, TypeError):  # another system
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class SurfaceProcess:
    """The parent's side of the process; see `surface_process`."""

    def __init__(self, task: SurfaceTask) -> None:
        spawning = multiprocessing.get_context("spawn")  # a fork of a process with threads and torch may hang
        self._connection, far = spawning.Pipe()
        self._process = spawning.Process(target=serve, args=(far, task), daemon=True)
        self._process.start()
        far.close()

    def send(self, values: NDArray[np.float32]) -> None:
        """Sends the next values, in the order of z, y, x."""
        try:
            self._connection.send_bytes(np.ascontiguousarray(values, dtype=np.float32).data.cast("B"))
        except OSError:  # it is gone; perhaps it has said why
            self._read()

    def write(self) -> None:
        """Lets it write what it found."""
        try:
            self._connection.send(None)
        except OSError:
            self._read()

    def answer(self) -> Iterator[Found | None]:
        """None at first and now and then while it works, then what it found; raises what went wrong there."""
        yield None
        while not self._connection.poll(POLL):
            yield None
        yield self._read()

    def _read(self) -> Found:
        try:
            reply: Any = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(1.0)
            raise OutputError(
                f"Making the surface ended unexpectedly (status {self._process.exitcode}), most likely for want of "
                "memory; choose a lower resolution."
            ) from None
        if isinstance(reply, MemoryError):
            raise OutputError("Memory ran out while the surface was made; choose a lower resolution.")
        if isinstance(reply, Exception):
            raise reply
        assert isinstance(reply, Found)
        return reply

    def end(self) -> None:
        """Stops it, whatever it is doing."""
        self._connection.close()
        if self._process.is_alive():
            self._process.terminate()
        self._process.join()
        self._process.close()


@contextmanager
def surface_process(task: SurfaceTask) -> Iterator[SurfaceProcess]:
    """A process that makes one surface, ended with the block."""
    process = SurfaceProcess(task)
    try:
        yield process
    finally:
        process.end()
