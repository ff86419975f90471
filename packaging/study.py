"""The study behind the presets: which settings fit which field best at equal seconds of one processor core.

    python packaging/study.py run [--seconds 8] [--processes 2] [FILE ...]   runs what is missing; stop it at any time
    python packaging/study.py table                                          the results as Markdown
    python packaging/study.py stability                                      100 random starts of dinr-siren

Results are lines in packaging/study.csv, one for each run; a run that stands there is not made again. Fields are the
samples and any files named (cut to 48^3 or 256^2). Seconds are processor time of the one thread that trains, so other
work on the machine matters little; looking at scores is not counted.

Tasks: `quarter` (a random 25 % of the voxels is trained on, the rest judged), `half` (every second voxel along each
axis: 2x super-resolution), `full` (98 %; fit judged on the training voxels), `noise10` and `noise30` (white noise of 10
or 30 % of the standard deviation, drawn once; 10 % held out; judged there against the clean values, by the weights that
did best on the noisy ones).
"""

import argparse
import csv
import itertools
import os
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import mean

os.environ.setdefault("OMP_NUM_THREADS", "1")  # each process is one contestant on one core

import numpy as np
import torch

from dinr_studio.analysis.judge import rival_scores
from dinr_studio.config import with_changes
from dinr_studio.errors import TrainingDiverged
from dinr_studio.io.reading import open_volume
from dinr_studio.training.presets import preset_config
from dinr_studio.training.task import prepare_volume
from dinr_studio.training.trainer import Trainer
from dinr_studio.volume import make_volume

RESULTS = Path(__file__).with_name("study.csv")
SAMPLES = ("sample:turbulence-2d", "sample:turbulence-3d", "sample:emd-3001", "sample:clouds")
FAMILIES = ("dinr-siren", "siren", "dinr-ffnet", "ffnet")
TASKS = ("quarter", "half", "full", "noise10", "noise30")
EDGE = {1: 4096, 2: 256, 3: 48, 4: 16}  # voxels along each axis of what is fitted, at most, by the number of axes
SMALL_GRID = {"embedding": "hashgrid", "width": 32, "blocks": 1, "layers": 2, "micro_batch": 2048}
JUDGED = 4000
LOOKS = 12
NAMES = ("file", "task", "family", "changes", "seed", "seconds", "score", "fit", "best_score", "steps", "parameters")


def opened(file):
    """A file's volume, its middle where it is large."""
    volume = open_volume(file)
    edge = EDGE[len(volume.grid.shape)]
    kept = [min(n, edge) for n in volume.grid.shape]
    start = [(n - k) // 2 for n, k in zip(volume.grid.shape, kept, strict=True)]
    return volume.cropped(start, [s + k for s, k in zip(start, kept, strict=True)])


def noisy(volume, share):
    """The volume with white noise of a share of its standard deviation, the same at each call."""
    values = volume.values.astype(np.float64)
    present = np.ones(volume.grid.shape, bool) if volume.missing is None else ~volume.missing
    noise = np.random.default_rng(1).standard_normal(values.shape) * share * values[present].std()
    made = make_volume((values + noise).astype(np.float32), volume.grid)
    return made if volume.missing is None else made.without(volume.missing)


def task_of(file, name, config):
    """The task, and the clean volume that its held-out voxels are judged against."""
    clean = opened(file)
    volume = noisy(clean, int(name[5:]) / 100) if name.startswith("noise") else clean
    share = {"quarter": 0.75, "half": 0.0, "full": 0.02}.get(name, 0.1)
    config = with_changes(config, {"held_out_share": share, "outliers": "keep"})
    task = prepare_volume(volume, config.training)
    if name == "half":
        coarse = np.ones(volume.grid.shape, bool)
        coarse[tuple(slice(None, None, 2) for _ in volume.grid.shape)] = False
        present = ~coarse if volume.missing is None else ~(coarse | volume.missing)
        held = coarse if volume.missing is None else coarse & ~volume.missing
        watched = np.sort(np.random.default_rng(0).choice(np.flatnonzero(held), 2000, replace=False))
        task = replace(task, held_out=held, training=np.flatnonzero(present).astype(np.uint32), watched=watched)
    return task, clean, config


def judged(task):
    held = np.flatnonzero(task.held_out)
    return np.sort(np.random.default_rng(2).choice(held, min(JUDGED, len(held)), replace=False))


def psnr(trainer, clean, voxels):
    """dB on voxels against the clean values, in the clean data's range."""
    truth = clean.values.reshape(-1, clean.channels)[voxels].astype(np.float64)
    low, high = clean.value_range
    return 10 * np.log10((high - low) ** 2 / np.mean((trainer.predicted(voxels) - truth) ** 2))


def classical(file, name):
    """Scores of the interpolations on a task."""
    task, clean, _ = task_of(file, name, preset_config("quick", opened(file), None, "cpu"))
    voxels = judged(task)
    if name.startswith("noise"):
        from dinr_studio.analysis.interpolation import interpolate

        truth = clean.values.reshape(-1, clean.channels)[voxels]
        low, high = clean.value_range
        found = {m: interpolate(m, task.volume, task.held_out, voxels) for m in ("linear", "cubic")}
        return {m: 10 * np.log10((high - low) ** 2 / np.mean((v - truth) ** 2)) for m, v in found.items()}
    return {m: s.psnr for m, s in rival_scores(task.volume, task.held_out, voxels).items() if m != "nearest"}


def trained(file, name, family, changes, seed, seconds):
    """One run: a row of results."""
    torch.set_num_threads(1)
    base = preset_config("quick", opened(file), family, "cpu", embedding=changes.get("embedding"))
    changes_made = dict(changes)
    scale = changes_made.pop("frequency", 1.0)
    if scale != 1.0:
        changes_made |= scaled(base.field, scale)
    task, clean, config = task_of(file, name, base)
    config = with_changes(
        config, {"time_limit": seconds, "max_epochs": 1_000_000, "seed": seed, "patience": 0, **changes_made}
    )
    trainer = Trainer(task, config, torch.device("cpu"))
    voxels, looks, outside = judged(task), 0, 0.0
    start = time.process_time()
    best = at_best = -np.inf
    try:
        while trainer.elapsed < seconds:
            trainer.advance()
            if trainer.elapsed > seconds * (looks + 1) / LOOKS:
                began = time.process_time()
                trainer.look()
                if name.startswith("noise") and trainer.best_step == trainer.step:
                    at_best = psnr(trainer, clean, voxels)
                looks, outside = looks + 1, outside + time.process_time() - began
            trainer.elapsed = time.process_time() - start - outside
        final = psnr(trainer, clean, voxels)
        best = at_best if name.startswith("noise") else final
        some = np.sort(np.random.default_rng(3).choice(task.training, min(JUDGED, len(task.training)), replace=False))
        fit = psnr(trainer, clean, some)
    except TrainingDiverged:
        final = fit = best = float("nan")
    parameters = sum(p.numel() for p in trainer.field.parameters())
    said = ";".join(f"{key}={value}" for key, value in changes.items())
    row = (Path(file).name, name, family, said, seed, seconds, final, fit, best, trainer.step, parameters)
    return dict(zip(NAMES, (f"{value:.2f}" if isinstance(value, float) else value for value in row), strict=True))


def scaled(field, scale):
    """The setting that says how fine a field's embedding is, times a factor (octaves: a doubling each)."""
    if field.embedding == "positional":
        return {"octaves": max(1, field.octaves + round(np.log2(scale)))}
    if field.embedding == "hashgrid":
        return {"finest_resolution": tuple(max(1, round(n * scale)) for n in field.finest_resolution)}
    name = "bandwidth" if field.embedding == "fourier" else "omega_0"
    return {name: getattr(field, name) * scale}


def plan(files, seeds, asked):
    """Every run of the study; questions in the order in which one answers the next, each for all files."""
    for (task, family, changes), file in itertools.product(QUESTIONS[asked](), files):
        yield file, task, family, changes, seeds[0]
        if task == "quarter" and changes == chosen(family):
            for seed in seeds[1:]:
                yield file, task, family, changes, seed


def chosen(family):
    """The settings of a family from which all questions depart."""
    return {"optimiser": "muon", "learning_rate": 0.02, "steps": 1, "frequency": 0.5}


def questions():
    """Task, family and changes of the preset `quick`; `frequency` multiplies the preset's omega_0 or bandwidth."""
    dynamical = [family for family in FAMILIES if family.startswith("dinr-")]
    for frequency, family in itertools.product((0.5, 0.25, 1.0), FAMILIES):
        yield "quarter", family, {**chosen(family), "frequency": frequency}
    for task, frequency, family in itertools.product(("full",), (1.0, 2.0), FAMILIES):
        yield task, family, {**chosen(family), "frequency": frequency}
    for task, family in itertools.product(("half", "noise30", "noise10"), FAMILIES):
        yield task, family, chosen(family)
        if family in dynamical and task != "half":
            yield task, family, {**chosen(family), "kinetic_weight": 1.0}
    yield "quarter", "siren", {**chosen("siren"), "layers": 8}  # as many parameters as dinr-siren
    for (steps, grows, kinetic), family in itertools.product(
        ((2, True, 0.1), (4, False, 0.0), (4, True, 0.1), (12, True, 0.1)), dynamical
    ):
        yield "quarter", family, {**chosen(family), "steps": steps, "growing_steps": grows, "kinetic_weight": kinetic}
    for (optimiser, rate), family in itertools.product(
        (("muon", 0.04), ("muon", 0.01), ("adamw", 0.003), ("adamw", 0.001)), FAMILIES
    ):
        yield "quarter", family, {**chosen(family), "optimiser": optimiser, "learning_rate": rate}


def embedding_questions():
    """The embeddings of the paper's open question 2, with and without dynamics; a small network after a hash grid."""
    for task, interpolation, families in (
        ("full", "linear", ("siren", "ffnet", "dinr-ffnet")),
        ("quarter", "smooth", ("siren", "dinr-ffnet")),
    ):
        for family in families:
            yield task, family, {**chosen(family), "frequency": 1.0, **SMALL_GRID, "interpolation": interpolation}
    for (task, frequency), (embedding, families) in itertools.product(
        (("full", 1.0), ("quarter", 0.5)),
        (("wire", ("siren", "dinr-siren")), ("positional", ("ffnet", "dinr-ffnet"))),
    ):
        for family in families:
            yield task, family, {**chosen(family), "frequency": frequency, "embedding": embedding}
    for (task, frequency), family in itertools.product((("full", 1.0), ("quarter", 0.5)), ("siren", "dinr-siren")):
        yield task, family, {**chosen(family), "frequency": frequency}


QUESTIONS = {"families": questions, "embeddings": embedding_questions}


def key(file, task, family, changes, seed):
    said = ";".join(f"{name}={value}" for name, value in changes.items())
    return Path(file).name, task, family, said, str(seed)


def done():
    if not RESULTS.exists():
        return {}
    with RESULTS.open(newline="") as file:
        return {
            (row["file"], row["task"], row["family"], row["changes"], row["seed"]): row for row in csv.DictReader(file)
        }


def add(row):
    new = not RESULTS.exists()
    with RESULTS.open("a", newline="") as file:
        writer = csv.DictWriter(file, NAMES, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def run(files, seconds, processes, seeds, asked):
    """Makes every run that is missing."""
    known = done()
    for file, task in itertools.product(files, TASKS):
        if (Path(file).name, task, "cubic", "", "0") not in known:
            for method, score in classical(file, task).items():
                row = (Path(file).name, task, method, "", 0, 0, f"{score:.2f}", "", f"{score:.2f}", 0, 0)
                add(dict(zip(NAMES, row, strict=True)))
    jobs = {key(*job): job for job in plan(files, seeds, asked)}
    missing = [job for name, job in jobs.items() if name not in known]
    print(f"{len(missing)} of {len(jobs)} runs to make, about {len(missing) * seconds / processes / 60:.0f} minutes")
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for count, future in enumerate(as_completed([pool.submit(trained, *job, seconds) for job in missing]), 1):
            row = future.result()
            add(row)
            print(f"{count}/{len(missing)}", *row.values(), flush=True)


def table():
    """For each task, the mean over fields and seeds of each family's settings, and each field by itself."""
    rows = list(done().values())
    files = sorted({row["file"] for row in rows})
    for task in TASKS:
        measure = "fit" if task == "full" else "best_score"
        cells = defaultdict(lambda: defaultdict(list))
        for row in rows:
            if row["task"] == task and row[measure]:
                cells[row["family"], row["changes"]][row["file"]].append(float(row[measure]))
        print(f"\n## {task}\n\n| family | settings | {' | '.join(files)} | mean |")
        print("|---|---|" + "---|" * (len(files) + 1))
        for (family, changes), by_file in sorted(cells.items()):
            values = [mean(by_file[f]) if f in by_file else float("nan") for f in files]
            shown = " | ".join(f"{value:.1f}" for value in [*values, mean(values)])
            print(f"| {family} | {changes.replace(';', ', ')} | {shown} |")


def stability(starts=100):
    """Random starts of a small dinr-siren with 4 steps and omega_0 from 15 to 60: how many diverge or learn nothing."""
    torch.set_num_threads(1)
    volume = opened(SAMPLES[0]).cropped([0, 0], [64, 64])
    diverged, recovered, fits = 0, 0, []
    for seed, omega_0 in enumerate(np.linspace(15, 60, starts)):
        small = {"width": 32, "steps": 4, "batch": 512, "micro_batch": 512, "max_epochs": 20, "time_limit": None}
        config = with_changes(
            preset_config("quick", volume, "dinr-siren", "cpu"), {**small, "omega_0": float(omega_0), "seed": seed}
        )
        trainer = Trainer(prepare_volume(volume, config.training), config, torch.device("cpu"))
        try:
            while trainer.step < trainer.total_steps:
                trainer.advance()
        except TrainingDiverged:
            diverged += 1
        recovered += trainer.recoveries > 0
        fits.append(psnr(trainer, volume, trainer.task.training))
    low, middle = np.percentile(fits, [0, 50])
    print(f"{starts} starts: {diverged} diverged, {recovered} recovered; least fit {low:.1f}, median {middle:.1f} dB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table", "stability"))
    parser.add_argument("files", nargs="*", help="volumes besides the samples")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3407, 1])
    parser.add_argument("--questions", choices=QUESTIONS, default="families")
    arguments = parser.parse_args()
    if arguments.what == "table":
        table()
    elif arguments.what == "stability":
        stability()
    else:
        run([*SAMPLES, *arguments.files], arguments.seconds, arguments.processes, arguments.seeds, arguments.questions)


if __name__ == "__main__":
    main()
