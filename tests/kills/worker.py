"""Works that tests kill: a process that has everything imported, and forks a child for each work that it is told.

Each line of its input is one work: [name, arguments, seconds until it is killed, or null]. It answers with the child's
exit status (-9 where it was killed) and how long that lived. Nothing of torch is computed before a fork.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

IMPORTED_LATE = (  # by the works themselves, which would spend most of their time on it
    "dinr_studio.cli.app", "dinr_studio.training.preflight", "torch._dynamo", "sympy", "scipy.fft", "scipy.interpolate",
    "scipy.ndimage", "scipy.optimize", "scipy.signal", "scipy.spatial", "scipy.stats", "skimage.metrics",
    "skimage.measure", "h5netcdf", "zarr", "nibabel", "mrcfile", "tifffile", "PIL.GifImagePlugin",
)  # fmt: skip


def prepare():
    """Imports what the works need; not at the top, since processes that the works spawn import this file too."""
    import torch

    torch.set_num_threads(1)
    import dinr_studio.cli.commands
    import dinr_studio.cli.exporting
    import dinr_studio.cli.fitting
    import dinr_studio.cli.meshing
    import dinr_studio.io.writing
    import dinr_studio.training.plan
    import dinr_studio.training.presets
    import dinr_studio.training.run_file
    import dinr_studio.ui.studio
    from dinr_studio.training import fit

    dinr_studio.io.writing.writers()
    for name in IMPORTED_LATE:
        importlib.import_module(name)
    fit.AUTOSAVE_SECONDS = fit.REPORT_SECONDS = 0.0  # so that many a kill falls within an autosave


def shell(*arguments):
    """A command of the shell, silent."""
    from dinr_studio.__main__ import main

    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    status = main(arguments)
    if status:
        raise SystemExit(status)


def window(data, movie, frames):
    """What the window saves, without its widgets: a fit of its own to the end, with autosaves, then a movie."""
    import numpy as np
    from PySide6.QtCore import QCoreApplication

    from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
    from dinr_studio.ui.dialogs.encoding import Frame, write_gif
    from dinr_studio.ui.studio import Studio

    application = QCoreApplication([])
    application.setApplicationName("dinr-studio")
    studio = Studio()
    field = FieldConfig(width=8, blocks=1, steps=1, omega_0=10.0)
    training = TrainingConfig(max_epochs=6, batch=256, micro_batch=256, device="cpu")
    studio.volume_opened.connect(lambda: studio.start_fit(FitConfig(preset="quick", field=field, training=training)))
    studio.failed.connect(lambda sentence: sys.stderr.write(f"{sentence}\n"))
    studio.fit.ended.connect(application.quit)
    studio.open(data)
    application.exec()
    colours = np.random.default_rng(0).integers(0, 255, 64 * 48 * 3, dtype=np.uint8)
    pictures = (Frame(64, 48, np.roll(colours, 99 * i).tobytes()) for i in range(int(frames)))
    write_gif(Path(movie), pictures, 20)


WORKS = {"shell": shell, "window": window}


def child(name, arguments):
    """Does a work and ends the forked process."""
    status = 1
    try:
        WORKS[name](*arguments)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def answer(line):
    """Forks a child for a work, and kills it in time."""
    name, arguments, seconds = json.loads(line)
    began = time.perf_counter()
    number = os.fork()
    if number == 0:
        child(name, arguments)
    if seconds is not None:
        while (
            time.perf_counter() - began < seconds
            and os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        ):
            time.sleep(0.0005)
        os.kill(number, signal.SIGKILL)  # what has ended already keeps its number until it is waited for
    _, status = os.waitpid(number, 0)
    return [os.waitstatus_to_exitcode(status), time.perf_counter() - began]


def main():
    """Answers until its input ends."""
    answers = os.fdopen(os.dup(1), "w")
    prepare()
    for line in sys.stdin:
        print(json.dumps(answer(line)), file=answers, flush=True)


if __name__ == "__main__":
    main()
