"""Opens files in a process of its own, as the program would, and says how each ended and what it cost.

On standard input stands one JSON object a line ({"path", "what": volume, mask, list or run}), on standard output one
for each in answer: `end` is value, refused or fault, `said` the sentence or the trace, `seconds` those of the processor
in this process and those it started, `held` the bytes of the values, `beyond` the most memory taken, and `deeds` what
no file may bring about: a connection, another program, a pickled object, a file written elsewhere than beside it.
"""

from __future__ import annotations

import faulthandler
import importlib
import io
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from dinr_studio.errors import DinrError
from dinr_studio.io import isolation


def open_as(what: str, path: str) -> int:
    """Opens a file and looks at all of it; returns the bytes of what it holds."""
    if what == "run":
        from dinr_studio.training.run_file import read_run

        return sum(array.nbytes for array in read_run(Path(path)).best.values())
    from dinr_studio.io.reading import list_datasets, open_volume

    if what == "list":
        return 0 * len(list_datasets(path))
    if what == "mask":
        whole = str(Path(path).with_name("whole.npy"))
        return int(open_volume(whole, mask=path).in_memory.nbytes)
    volume = open_volume(path)
    if what == "export":
        return export(volume, Path(path).parent)
    held = int(volume.values.size * volume.values.dtype.itemsize)
    if held:
        _ = volume.value_range, volume.missing_share
        volume.values[(0,) * len(volume.grid.shape)]
    return held


def export(volume: Any, folder: Path) -> int:
    """Writes a volume in every format, with all that its file said of it."""
    from dinr_studio.io.writing import VolumeHeader, open_writer

    values = volume.values.astype("f4")
    header = VolumeHeader(
        volume.grid, volume.channels, values.dtype, volume.channel_names, volume.value_unit, volume.provenance.notes
    )
    for suffix in (".mrc", ".h5", ".tif", ".npy", ".zarr", ".nc", ".nii", ".nrrd", ".mha", ".vti", ".vtk"):
        with open_writer(folder / f"out{suffix}", header, folder / f"out{suffix}") as writer:
            writer.write(values)
    return int(values.nbytes)


SPEAKING = ("socket.connect", "socket.bind", "socket.send", "socket.get", "urllib.", "ftplib.", "smtplib.", "http.")
STARTING = ("os.system", "os.exec", "os.spawn", "os.posix_spawn", "subprocess.Popen", "pty.spawn", "os.startfile")
CHANGING = (
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.truncate",
    "shutil.",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
OURS = ("/proc/self/clear_refs", os.devnull)
allowed = [""]  # the folder in which something may be written


def watch(log: int) -> None:
    """From now on writes each deed that no file may bring about to a file, from forks too."""

    def look(event: str, given: tuple[Any, ...]) -> None:
        if event.startswith((*SPEAKING, *STARTING)) or event == "pickle.find_class":
            os.write(log, f"{event} {given!r:.200}\n".encode())
        elif (event == "open" and isinstance(given[0], (str, bytes)) and (given[2] or 0) & WRITING) or event.startswith(
            CHANGING
        ):
            place = os.path.abspath(os.fsdecode(given[0])) if isinstance(given[0], (str, bytes, os.PathLike)) else "?"
            if place not in OURS and not (allowed[0] and place.startswith(allowed[0] + os.sep)):
                os.write(log, f"{event} {given!r:.200}\n".encode())

    sys.addaudithook(look)


def peak() -> int:
    """The most memory that this process had since `forget_peak`, in bytes."""
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def forget_peak() -> int:
    """Memory that this process has now; the peak counts from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def children() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def tried(what: str, path: str) -> dict[str, Any]:
    before, largest_child, began = forget_peak(), children(), time.perf_counter()
    used = sum(os.times()[:4])
    held, said = 0, ""
    try:
        held, end = open_as(what, path), "value"
    except DinrError as error:
        end, said = "refused", str(error)
    except BaseException:
        end, said = "fault", traceback.format_exc()
    seconds, wall = sum(os.times()[:4]) - used, time.perf_counter() - began
    beyond = max(peak() - before, children() - max(largest_child, before))
    return {"end": end, "said": said, "seconds": seconds, "wall": wall, "held": held, "beyond": beyond}


def forked(arguments: list[str], given: str, longest: float) -> tuple[int, str]:
    """Stands for `isolation.start`: a fork instead of a new interpreter, with the same limits and no start-up."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(into, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.stdin, sys.stdout = io.StringIO(given), os.fdopen(1, "w")
        faulthandler.disable()
        signal.alarm(int(longest))
        status = 1
        try:
            isolation.attempt(arguments)
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        finally:
            sys.stdout.flush()
            os._exit(status)
    os.close(into)
    with os.fdopen(out) as said:
        text = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


LIBRARIES = (
    "h5netcdf", "xarray", "zarr", "numcodecs", "numcodecs.zarr3", "nibabel", "nrrd", "pydicom.pixels", "SimpleITK",
    "mrcfile", "pyarrow.parquet", "tifffile", "PIL.Image", "vtkmodules.vtkIOXML", "vtkmodules.vtkIOLegacy", "h5py",
    "scipy.io", "imagecodecs", "dinr_studio.io.reading",
)  # fmt: skip
OF_RUNS = ("dinr_studio.training.run_file", "dinr_studio.fields.build")


def load_all(names: tuple[str, ...]) -> None:
    """Loads libraries, so that what they do when they start is no file's deed."""
    for name in names:
        importlib.import_module(name)


def main() -> None:
    isolation.start = forked
    load_all(LIBRARIES)
    sys.dont_write_bytecode = True
    log = tempfile.TemporaryFile()  # noqa: SIM115  (to the end)
    watch(log.fileno())
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        load_all(OF_RUNS if asked["what"] == "run" else ())
        before = os.fstat(log.fileno()).st_size
        allowed[0] = os.path.dirname(asked["path"]) if asked["what"] == "export" else ""
        answer = tried(asked["what"], asked["path"])
        log.seek(before)
        answer["deeds"] = log.read().decode().splitlines()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
