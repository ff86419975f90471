"""Fits a tiny volume again and again in one process, and prints memory, threads and open files after each fit."""

import json
import os
import sys

import numpy as np
import psutil
import torch

torch.set_num_threads(1)

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig  # noqa: E402
from dinr_studio.coordinates import Grid  # noqa: E402
from dinr_studio.training.fit import fit  # noqa: E402
from dinr_studio.volume import make_volume  # noqa: E402


def main(count, folder):
    process = psutil.Process()
    z, y, x = np.meshgrid(*(np.linspace(0, 3, n) for n in (8, 9, 10)), indexing="ij")
    grid = Grid((8, 9, 10), (1.0,) * 3, (0.0,) * 3, ("nm",) * 3, ("z", "y", "x"))
    field = FieldConfig(family="dinr-siren", width=16, blocks=1, steps=2, omega_0=10.0)
    for number in range(count):
        training = TrainingConfig(max_epochs=2, batch=256, micro_batch=256, device="cpu", seed=number)
        volume = make_volume(np.sin(x + 2 * y + number) * np.cos(z), grid)
        for _ in fit(volume, FitConfig(preset="test", field=field, training=training), path=folder / "a.dinr"):
            pass
        print(json.dumps([process.memory_info().rss, process.num_threads(), process.num_fds()]), flush=True)


if __name__ == "__main__":
    from pathlib import Path

    main(int(sys.argv[1]), Path(sys.argv[2]))
    os._exit(0)
