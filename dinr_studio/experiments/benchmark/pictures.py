"""How long the window's slice takes after a zoom past the data's pixels: to a first and to the final picture.

What the window computes is computed, without a window: the tiles of a view of 900 x 900 pixels, coarse levels first,
by one thread.
"""

from __future__ import annotations

import time
from typing import Any

import torch

from dinr_studio.config import changed
from dinr_studio.experiments.benchmark.contestants import CPU
from dinr_studio.experiments.benchmark.effort import Budget, Effort
from dinr_studio.experiments.benchmark.throughput import Doing
from dinr_studio.io.reading import open_volume
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.sampling.plane import Plane, Tile, evaluate_tiles, tiles_in
from dinr_studio.training.fit import field_of, new_run
from dinr_studio.training.presets import preset_config
from dinr_studio.training.task import prepare
from dinr_studio.training.trainer import Trainer

FIELD = "sample:turbulence-2d"
PIXELS = 900
LEVEL = 6  # 64 screen pixels to a voxel
COARSER = (5, 3, 2, 0)  # levels above the final one that the window asks for, coarsest first
SECONDS_AT_ONCE = 0.1  # of tiles that go through the network together: the window may want others any moment
PRESETS = ("quick", "auto")


def zooms(effort: Effort) -> Doing:
    """By preset: seconds to a first and a final picture, and the share of the tiles that was measured.

    Where not all tiles fit the time, the rest are counted at the mean of those measured. Yields what it does.
    """
    result = {}
    threads = torch.get_num_threads()
    for preset in PRESETS:
        yield f"pictures after a zoom: field of preset {preset}"
        torch.set_num_threads(1)  # as in the window's own evaluating thread
        try:
            result[preset] = zoom(_field(preset), Budget(effort.picture / len(PRESETS)))
        finally:
            torch.set_num_threads(threads)
    return result


def view_tiles(field: FieldOnGrid) -> list[list[Tile]]:
    """The tiles of the view by level, coarsest first, none twice: a square at the middle of the first plane."""
    grid = field.grid
    rows, columns = len(grid.shape) - 2, len(grid.shape) - 1
    plane = Plane(rows, columns, tuple(n // 2 for n in grid.shape))
    half = PIXELS / 2**LEVEL / 2
    rectangle = [(grid.shape[axis] / 2 - half, grid.shape[axis] / 2 + half) for axis in (rows, columns)]
    return [tiles_in(plane, grid, LEVEL - above, rectangle[0], rectangle[1]) for above in COARSER]


def zoom(field: FieldOnGrid, budget: Budget) -> dict[str, Any]:
    """Seconds until the coarsest tiles cover the view and until the finest do."""
    levels = view_tiles(field)
    tiles = [tile for level in levels for tile in level]
    start, first, done, at_once = time.perf_counter(), 0.0, 0, 1
    while done < len(tiles) and (not first or budget.left > 0):
        began = time.perf_counter()
        evaluate_tiles(field, tiles[done : done + at_once])
        done = min(done + at_once, len(tiles))
        now = time.perf_counter()
        if not first and done >= len(levels[0]):
            first = now - start
        if now - began < SECONDS_AT_ONCE / 2:
            at_once *= 2
    return {
        "first_seconds": first,
        "final_seconds": (time.perf_counter() - start) * len(tiles) / done,
        "tiles": len(tiles),
        "measured_share": done / len(tiles),
    }


def _field(preset: str) -> FieldOnGrid:
    """The field that a preset fits to the sample, with fresh weights: what it costs does not depend on them."""
    volume = open_volume(FIELD)
    config = preset_config(preset, volume, device="cpu")
    config = changed(config, training=changed(config.training, device="cpu"))
    task = prepare(volume, config.training)
    trainer = Trainer(task, config, CPU)
    weights = {name: value.numpy() for name, value in trainer.field.state_dict().items()}
    return field_of(new_run(task, config, {}).updated(best=weights), CPU)
