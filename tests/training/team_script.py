"""What each process of a team runs in tests: torchrun starts it with the name of a case and a folder for results."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import torch

from dinr_studio.cli.team import team_of_processes
from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.coordinates import CoordinateMap, Grid
from dinr_studio.errors import DataError, OutputError
from dinr_studio.fields.build import build_field
from dinr_studio.fields.dinr import DinrField
from dinr_studio.io.unfinished import part_of, share_done
from dinr_studio.normalisation import Normalisation
from dinr_studio.partition import partition_of
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.sampling.export import export
from dinr_studio.training.blocks_fit import begin_blocks, fit_blocks, parts_folder
from dinr_studio.training.distributed import ALONE, Dismissed
from dinr_studio.training.fit import fit
from dinr_studio.training.trainer import Trainer
from dinr_studio.volume import make_volume

FIELD = {"width": 16, "blocks": 1, "steps": 2, "omega_0": 10.0}
TRAINING = {"batch": 129, "micro_batch": 40, "held_out_share": 0.05, "device": "cpu", "max_epochs": 4}


def small_volume():
    """A smooth volume with some noise."""
    z, y, x = np.mgrid[:10, :11, :12]
    values = 5 + 2 * np.sin(0.3 * z + 0.4 * y) + np.cos(0.5 * x)
    values += 0.05 * np.random.default_rng(0).standard_normal(values.shape)
    return make_volume(
        values.astype(np.float32), Grid((10, 11, 12), (1.0,) * 3, (0.0,) * 3, ("",) * 3, ("z", "y", "x"))
    )


def settings(**changes):
    """Small settings; keywords change those of the field or of the training by name."""
    field = {name: value for name, value in changes.items() if name in FieldConfig.model_fields}
    training = {name: value for name, value in changes.items() if name not in field}
    return FitConfig(field=FieldConfig(**FIELD | field), training=TrainingConfig(**TRAINING | training))


CONFIGS = {
    "plain": settings(),
    "growing": settings(growing_steps=True, steps=4, kinetic_weight=0.1, max_epochs=5),
    "fewer-voxels-than-processes": settings(batch=1, max_epochs=1, held_out_share=0.95),
    "static": settings(family="siren", layers=3),
    "plateau": settings(family="dinr-ffnet", embedding="fourier", features=16, bandwidth=0.5, schedule="plateau"),
}


def finished(config, team, poisoned=()):
    """The run of a whole fit; at poisoned steps the loss of the last process is no number."""
    backward = Trainer._backward

    def bad(self, chunk, weight):
        error, *rest = backward(self, chunk, weight)
        return (float("nan") if self.step in poisoned and self.team.rank == self.team.size - 1 else error, *rest)

    Trainer._backward = bad
    try:
        snapshot = list(fit(small_volume(), config, team=team))[-1]
    finally:
        Trainer._backward = backward
    return snapshot.run


def compared(team):
    """Each fit by the team, and by one process alone; the leader returns both."""
    results = {}
    for name, config in CONFIGS.items():
        results[name] = finished(config, team), finished(config, ALONE) if team.leads else None
    results["poisoned"] = (
        finished(CONFIGS["plain"], team, poisoned=(7, 30)),
        finished(CONFIGS["plain"], ALONE, poisoned=(7, 30)) if team.leads else None,
    )
    return results


def ended(team):
    """What each process of a fit that never ends by itself makes of the leader's wishes, and of time and goal."""
    long = {"max_epochs": 10**6, "schedule": "constant", "warm_up": 0.0}
    steps = []
    limited = list(fit(small_volume(), settings(**long, time_limit=0.3), team=team))
    steps.append(limited[-1].step)
    early = list(fit(small_volume(), settings(**long, goal_psnr=15.0), team=team))
    steps.append(early[-1].step)
    asked = [0]

    def enough():  # counted by the leader alone
        asked[0] += team.rank == 0
        return asked[0] > 20

    steps.append(list(fit(small_volume(), settings(**long), team=team, enough=enough))[-1].step)
    running = fit(small_volume(), settings(**long), team=team)
    try:
        for snapshot in running:
            if team.leads and snapshot.step > 10:
                running.close()
                break
        steps.append("closed")
    except Dismissed as dismissed:
        steps.append(dismissed.status)
    return steps


def agreed(team):
    """How failures are shared: who raises, and who is dismissed."""
    said = []
    for ranks in ((0,), (1,), (0, 1)):

        def work(ranks=ranks):
            if team.rank in ranks:
                raise DataError("no good")
            return "good"

        try:
            said.append(team.together(work))
        except (DataError, Dismissed) as error:
            said.append(str(error))

    def lead():
        if team.leads:
            raise DataError("the leader's word")

    try:
        team.decided(lead)
    except (DataError, Dismissed) as error:
        said.append(str(error))
    said.append(team.decided(lambda: {"from": team.rank}))
    return said


def failing(team):
    """The second process runs out of memory after some steps."""
    predict, calls = DinrField.predict, [0]

    def short(self, x):
        calls[0] += 1
        if team.rank == 1 and calls[0] > 20:
            raise torch.OutOfMemoryError("out of memory")
        return predict(self, x)

    DinrField.predict = short
    list(fit(small_volume(), settings(), path=Path(sys.argv[2]) / "failed.dinr", team=team))


def fields():
    """A field of space, and one of time and space with two channels, on grids of several chunks; fresh weights."""
    for axes, shape, channels in (("zyx", (70, 130, 66), 1), ("tzyx", (3, 70, 20, 20), 2)):
        grid = Grid(shape, (1.0, 2.0, 0.5, 0.5)[: len(axes)], (3.0,) * len(axes), ("nm",) * len(axes), tuple(axes))
        field = build_field(settings().field, len(axes), channels, seed=0)
        normalisation = Normalisation((500.0,) * channels, (0.0,) * channels)
        yield axes, FieldOnGrid(field, CoordinateMap.of(grid), normalisation, grid, channels, value_unit="K")


def exported(team):
    """Exports by the team and by one process alone, and what the team was told in the end."""
    folder, reports = Path(sys.argv[2]), {}
    path = folder / "begun-alone.zarr"
    for axes, field in fields():
        if team.leads and axes == "zyx":
            running = export(field, field.grid, path)
            while share_done(path) != 2 / 6:
                next(running)
            running.close()
        if axes == "zyx":
            left = part_of(path) / "values" / "0"
            reports["begun"] = team.decided(lambda left=left: len(list(left.rglob("c/*/*/*"))))
            list(export(field, field.grid, path, left="resume", crew=team))
        for dtype in ("float32", "int8"):
            options = {"dtype": dtype, "notes": ("a note",)}
            path = folder / f"{axes}-{dtype}-team.zarr"
            reports[path.stem] = list(export(field, field.grid, path, crew=team, **options))[-1].report
            if team.leads:
                path = folder / f"{axes}-{dtype}-alone.zarr"
                reports[path.stem] = list(export(field, field.grid, path, **options))[-1].report
    try:
        list(export(field, field.grid, path, crew=team))
    except (OutputError, Dismissed) as error:
        reports["existing"] = str(error)
    return reports


def in_blocks(team):
    """The run of a fit in blocks by the team, and by one process alone; then one that the second process stops."""
    folder, volume, config = Path(sys.argv[2]), small_volume(), settings(max_epochs=2)
    partition = partition_of(volume.grid, [1, 2, 2], (3,))

    def begun(path):
        return team.decided(lambda: begin_blocks(volume, partition, config, path, {}))

    path = folder / "blocks.dinr"
    shared = list(fit_blocks(volume, begun(path), path, team=team))
    seen = sorted({item.block for item in shared if item.snapshot})
    alone = None
    if team.leads:
        path = folder / "alone.dinr"
        alone = list(fit_blocks(volume, begin_blocks(volume, partition, config, path, {}), path))[-1].run
    path = folder / "stopped.dinr"
    stopped = list(fit_blocks(volume, begun(path), path, team=team, stop=lambda: team.rank == 1))
    return seen, shared[-1], alone, stopped[-1].phase, len(list(parts_folder(path).glob("*.dinr")))


CASES = {case.__name__: case for case in (compared, ended, agreed, exported, failing, in_blocks)}

if __name__ == "__main__":
    torch.set_num_threads(1)
    with team_of_processes() as team:
        results = {name: CASES[name](team) for name in sys.argv[1].split(",")}
        path = Path(sys.argv[2]) / f"{os.environ['RANK']}.pickle"
        path.write_bytes(pickle.dumps(results))
