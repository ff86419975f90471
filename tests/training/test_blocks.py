"""A volume in blocks, one field each: no seams, an honest judgement, and a fit that goes on where it was stopped."""

import gc
import itertools
import json
import weakref

import h5py
import numpy as np
import pytest
import torch

from dinr_studio.coordinates import flat_to_index
from dinr_studio.errors import RunFileError, TrainingDiverged
from dinr_studio.io import open_volume
from dinr_studio.normalisation import NORMALISATIONS
from dinr_studio.partition import Partition, partition_of
from dinr_studio.sampling.evaluate import values_at, values_at_indices
from dinr_studio.sampling.latent import at_latent_time
from dinr_studio.stored import StoredValues
from dinr_studio.training import blocks_fit
from dinr_studio.training.block_task import block_task, liveliest_block
from dinr_studio.training.blocks_fit import (
    begin_blocks,
    discard_parts,
    finished_parts,
    fit_blocks,
    mean_history,
    part_path,
    parts_folder,
    resume_blocks,
)
from dinr_studio.training.fit import field_of
from dinr_studio.training.run import History
from dinr_studio.training.run_file import read_run, seal, write_run
from dinr_studio.training.task import prepare
from dinr_studio.training.trainer import Trainer
from dinr_studio.volume import make_volume

CPU = torch.device("cpu")
CUBE = (12, 12, 12)
FINE = 1 / 8  # of a voxel, between two places on a line across a cut


@pytest.fixture(scope="module")
def volume(make_smooth_volume):
    return make_smooth_volume(CUBE)


@pytest.fixture(scope="module")
def config(make_config):
    return make_config(max_epochs=8, optimiser="muon", learning_rate=0.02, omega_0=6.0)


def fitted(volume, partition, config, path, **options):
    """The last item of a whole fit in blocks."""
    return list(fit_blocks(volume, begin_blocks(volume, partition, config, path, {}), path, **options))[-1]


@pytest.fixture(scope="module")
def run(volume, config, tmp_path_factory):
    """Of 2 x 2 x 2 blocks that share 4 voxels, as its file has it."""
    path = tmp_path_factory.mktemp("blocks") / "a.dinr"
    last = fitted(volume, partition_of(volume.grid, [2], (4,)), config, path)
    assert last.phase == "done"
    assert not parts_folder(path).exists()
    return read_run(path)


def steps_and_bends(field, grid):
    """How large steps and bends are at the cuts, over what they are elsewhere: medians over lines along all axes.

    A step is the difference of neighbouring values on a fine line, a bend that of neighbouring steps.
    """
    random = np.random.default_rng(0)
    line = np.arange(1, grid.shape[0] - 2 + FINE / 2, FINE) + FINE / 2
    ratios = []
    for order in (1, 2):
        at_cut, elsewhere = [], []
        middle = line[: len(line) - order] + order * FINE / 2
        cut = np.abs(middle - (grid.shape[0] / 2 - 0.5)) < 0.6 * FINE
        far = np.abs(middle - (grid.shape[0] / 2 - 0.5)) > 2.5  # beyond the overlap
        for axis in range(3):
            index = np.repeat(random.uniform(1, grid.shape[0] - 2, (100, 1, 3)), len(line), axis=1)
            index[:, :, axis] = line
            values = values_at(field, grid.world(index.reshape(-1, 3))).reshape(100, -1)
            change = np.abs(np.diff(values, order, axis=1))
            at_cut.append(change[:, cut])
            elsewhere.append(change[:, far])
        ratios.append(np.median(at_cut) / np.median(elsewhere))
    return ratios


def test_no_seam_shows_where_blocks_meet(volume, run, config, tmp_path):
    step, bend = steps_and_bends(field_of(run, CPU), volume.grid)
    assert step < 1.5
    assert bend < 1.5
    cut = fitted(volume, Partition(CUBE, (2, 2, 2), (0, 0, 0)), config, tmp_path / "cut.dinr").run
    step, bend = steps_and_bends(field_of(cut, CPU), volume.grid)
    assert step > 4
    assert bend > 40


def test_the_blend_is_judged_as_a_whole_and_blocks_by_themselves(volume, run, config, decibels):
    held, field = run.scores["held_out"], field_of(run, CPU)
    numbers = prepare(volume, config.training).held_out_numbers
    np.testing.assert_array_equal(run.held_out, numbers)
    true = volume.in_memory.reshape(-1, 1)[numbers]
    span = np.ptp(volume.in_memory)
    assert held["psnr"] == pytest.approx(decibels(true, values_at_indices(field, numbers), span), abs=1e-3)
    assert set(held["interpolation"]) == {"nearest", "linear", "cubic"}
    blocks = run.scores["blocks"]
    assert [block["block"] for block in blocks] == list(range(8))
    assert min(b["psnr"] for b in blocks) - 1 < held["psnr"] < max(b["psnr"] for b in blocks) + 3
    assert held["psnr"] > 15
    assert run.scores["parameters"] == 8 * sum(array[0].size for array in run.best.values())
    assert run.finished
    assert "8 overlapping blocks" in run.notes[-1]


@pytest.mark.parametrize("scheme", ["random", "blocks", "planes"])
@pytest.mark.parametrize("outliers", ["exclude", "clip", "keep"])
def test_what_is_held_out_is_held_out_from_every_block_that_reaches_there(
    make_smooth_volume, make_config, scheme, outliers
):
    values = make_smooth_volume((14, 15, 16)).in_memory[..., 0].copy()
    values[3, 7, 8], values[7, 0, 0], values[:2, :3, :4] = 500, -300, np.nan
    volume = make_volume(values, make_smooth_volume((14, 15, 16)).grid)
    training = make_config(held_out_scheme=scheme, held_out_share=0.2, outliers=outliers).training
    whole, partition = prepare(volume, training), partition_of(volume.grid, [2], (4,))
    held_out, trained = set(whole.held_out_numbers.tolist()), set()
    several = 0
    for number in range(partition.count):
        task = block_task(whole, volume, partition, number, training)
        start, _ = partition.box(number)
        place = [flat_to_index(part, task.volume.grid.shape) + start for part in (task.training, task.watched)]
        own, watched = (set(np.ravel_multi_index(tuple(index.T), volume.grid.shape).tolist()) for index in place)
        assert not own & held_out
        assert watched <= held_out
        several += len(watched)
        trained |= own
        np.testing.assert_array_equal(
            task.source.values(task.training),
            whole.source.values(np.ravel_multi_index(tuple(place[0].T), volume.grid.shape)),
        )
        assert task.normalisation == whole.normalisation
        assert task.data_range == whole.data_range
    assert several > len(held_out)  # some lie in an overlap
    assert trained == set(whole.training.tolist())  # all that one field would be trained on
    assert NORMALISATIONS[training.normalisation](whole.volume) == whole.normalisation


def test_a_fit_that_was_stopped_goes_on_with_the_weights_of_one_that_was_not(
    volume, run, config, tmp_path, monkeypatch
):
    monkeypatch.setattr("dinr_studio.training.fit.REPORT_SECONDS", 0.0)  # each step is told, however quick it is
    path, partition = tmp_path / "a.dinr", run.partition
    seen = []

    def stop():  # in the third block, some steps into it
        return len(seen) > 2 and seen[-1].block == 2 and seen[-1].snapshot.step > 5

    for item in fit_blocks(volume, begin_blocks(volume, partition, config, path, {}), path, stop=stop):
        seen.append(item)  # noqa: PERF402  (stop looks at what there is so far)
    assert seen[-1].phase == "stopped"
    unfinished = read_run(path)
    assert finished_parts(unfinished, path) == [0, 1]
    assert 5 < read_run(part_path(path, 2)).state.step < seen[-2].snapshot.total_steps
    with pytest.raises(RunFileError, match="8 blocks are fitted yet"):
        field_of(unfinished, CPU)
    before = {part: part.stat().st_mtime_ns for part in parts_folder(path).glob("000[01].dinr")}
    part_path(path, 5).write_bytes(b"damaged")
    later = fit_blocks(volume, resume_blocks(volume, unfinished), path)
    first = next(later)
    assert (first.block, first.finished, first.own) == (2, 2, 6)
    assert first.snapshot.step > 5
    *_, last = later
    assert all(part.stat().st_mtime_ns == then for part, then in before.items() if part.exists())
    for name, array in run.best.items():
        np.testing.assert_array_equal(read_run(path).best[name], array)
    assert last.run.scores["held_out"] == run.scores["held_out"]
    with pytest.raises(RunFileError, match="blocks are all fitted"):
        resume_blocks(volume, read_run(path))


def test_blocks_of_other_settings_or_data_are_not_taken_up(
    volume, run, config, make_config, make_smooth_volume, tmp_path
):
    path, partition = tmp_path / "a.dinr", run.partition
    start = begin_blocks(volume, partition, config, path, {})
    steps = fit_blocks(volume, start, path)
    while next(steps).finished == 0:
        pass
    steps.close()
    assert finished_parts(start.run, path) == [0]
    for other in (make_config(max_epochs=8, width=8), make_config(max_epochs=8, seed=9)):
        assert finished_parts(begin_blocks(volume, partition, other, path, {}).run, path) == []
    longer = config.model_copy(update={"training": config.training.model_copy(update={"max_epochs": 99})})
    assert finished_parts(start.run.updated(config=longer), path) == [0]
    assert finished_parts(begin_blocks(make_smooth_volume(CUBE, noise=1), partition, config, path, {}).run, path) == []
    (parts_folder(path) / "mine.txt").write_text("a note of the user's")
    discard_parts(path)
    assert [left.name for left in parts_folder(path).iterdir()] == ["mine.txt"]


def test_a_run_of_blocks_comes_back_from_its_file_and_stays_in_place_when_voxels_are_put_right(volume, run, tmp_path):
    path = tmp_path / "again.dinr"
    write_run(run, path)
    again = read_run(path)
    assert path.read_bytes().startswith(b"dinr-studio-run 3 ")
    assert (again.partition, again.block_maps) == (run.partition, run.block_maps)
    voxels = np.arange(0, volume.grid.size, 7)
    before = values_at_indices(field_of(run, CPU), voxels)
    np.testing.assert_array_equal(values_at_indices(field_of(again, CPU), voxels), before)
    right = again.rescaled((1.0, 3.0, 0.2))
    np.testing.assert_allclose(values_at_indices(field_of(right, CPU), voxels), before, atol=1e-4)


def without(number):
    def change(file):
        for name in list(file["best"]):
            kept = np.delete(file[f"best/{name}"][...], number, axis=0)
            del file[f"best/{name}"]
            file[f"best/{name}"] = kept

    return change


def steps_of_none(file):
    file["best/steps"] = np.array([2, 2, 2, 0, 2, 2, 2, 2], "f4")


def described(**changes):
    def change(file):
        description = json.loads(file["description"][...].tobytes()) | changes
        del file["description"]
        file["description"] = np.frombuffer(json.dumps(description).encode(), np.uint8)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without(3), "settings call for"),
        (without(slice(None)), "settings call for"),
        (steps_of_none, "number of steps"),
        (described(block_maps=[]), "blocks do not fit its grid"),
        (described(partition=None), "blocks do not fit its grid"),
        (
            described(partition={"shape": [13, 12, 12], "counts": [2, 2, 2], "overlap": [4, 4, 4]}),
            "do not fit its grid",
        ),
        (described(partition={"shape": [12, 12, 12], "counts": [2, 2, 2], "overlap": [9, 9, 9]}), "less overlap"),
        (described(partition={"shape": [12, 12], "counts": [2, 2, 2], "overlap": [4, 4, 4]}), "do not fit the axes"),
        (described(partition={"shape": [10**9] * 3, "counts": [10**6] * 3, "overlap": [0] * 3}), "4,096 blocks"),
        (described(partition={"shape": [], "counts": [], "overlap": []}), "cannot be read"),
        (described(block_maps=[{"centre": [0], "scale": [1], "offset": [0]}] * 8), "coordinates of its blocks"),
        (described(block_maps=[{"centre": [0] * 3, "scale": [1, 0, 1], "offset": [0] * 3}] * 8), "coordinates of its"),
    ],
)
def test_a_file_whose_blocks_do_not_fit_is_refused_in_words(run, tmp_path, change, said):
    path = tmp_path / "a.dinr"
    write_run(run, path)
    with h5py.File(path, "r+") as file:
        change(file)
    seal(path)
    with pytest.raises(RunFileError, match=said):
        read_run(path)


def test_each_block_alone_has_the_values_where_it_alone_counts(volume, run):
    field = field_of(run, CPU)
    for number, corner in enumerate(itertools.product((0, 11), repeat=3)):
        voxel = np.array([np.ravel_multi_index(corner, CUBE)])
        other = run.updated(
            best={
                name: array * (np.arange(8) == number).reshape(-1, *[1] * (array.ndim - 1))
                for name, array in run.best.items()
            }
        )
        np.testing.assert_allclose(
            values_at_indices(field_of(other, CPU), voxel), values_at_indices(field, voxel), atol=1e-5
        )


@pytest.mark.parametrize(("shape", "counts"), [((20, 22), (3, 2)), ((8, 6, 9, 7), (2, 1, 2, 1)), ((30,), (3,))])
def test_blocks_of_one_two_and_four_axes(make_smooth_volume, make_config, tmp_path, shape, counts):
    volume = make_smooth_volume(shape)
    config = make_config(max_epochs=2, family="dinr-ffnet", embedding="fourier", features=16, growing_steps=True)
    run = fitted(volume, partition_of(volume.grid, counts, (2,)), config, tmp_path / "a.dinr").run
    assert len(run.best["decoder.weight"]) == np.prod(counts)
    early = at_latent_time(field_of(run, CPU), 0.5)
    voxels = np.arange(volume.grid.size)
    assert np.isfinite(values_at_indices(early, voxels)).all()
    assert not np.allclose(values_at_indices(early, voxels), values_at_indices(field_of(run, CPU), voxels))


def test_blocks_with_nothing_or_nothing_new_in_them(make_smooth_volume, make_config, tmp_path):
    values = make_smooth_volume((10, 8, 24)).in_memory[..., 0].copy()
    values[:, :, :10], values[:, :, 10:17] = np.nan, 2.0
    volume = make_volume(values, make_smooth_volume((10, 8, 24)).grid)
    run = fitted(
        volume, partition_of(volume.grid, [1, 1, 3], (1,)), make_config(max_epochs=12), tmp_path / "a.dinr"
    ).run
    assert [block["end_reason"] for block in run.scores["blocks"]] == [
        "no voxel to fit to",
        *["all 12 epochs done"] * 2,
    ]
    assert not any(block["events"] for block in run.scores["blocks"])
    within = values_at_indices(field_of(run, CPU), np.flatnonzero(np.arange(values.size) % 24 == 13))
    np.testing.assert_allclose(within, 2.0, atol=0.5)
    assert liveliest_block(volume, run.partition).grid.shape == (10, 8, 8)


def test_the_settings_come_from_the_finest_detail_and_not_from_noise_about_nothing(make_smooth_volume):
    x = np.arange(48)
    values = np.broadcast_to(np.where(x < 16, np.sin(x / 4), np.where(x < 32, np.sin(x), 0.0)), (16, 16, 48)).copy()
    values[..., 32:] += 0.01 * np.random.default_rng(0).normal(size=(16, 16, 16))
    values[..., :16] *= 1.5
    volume = make_volume(values, make_smooth_volume((16, 16, 48)).grid)
    partition = partition_of(volume.grid, [1, 1, 3], (2,))
    assert liveliest_block(volume, partition).grid == volume.grid.cropped(*partition.box(1))


def test_a_block_that_diverges_keeps_its_best_and_holds_up_no_other(volume, run, config, tmp_path, monkeypatch):
    advance = Trainer.advance

    def diverging(self):
        if self.task.volume.grid.origin == volume.grid.origin and self.step == 20:
            raise TrainingDiverged("Step 20: it diverged")
        return advance(self)

    monkeypatch.setattr(Trainer, "advance", diverging)
    last = fitted(volume, run.partition, config, tmp_path / "a.dinr")
    reasons = [block["end_reason"] for block in last.run.scores["blocks"]]
    assert reasons == ["Step 20: it diverged", *["all 8 epochs done"] * 7]


def test_the_curve_is_the_mean_of_the_blocks_curves():
    def history(rows, loss):
        steps = np.arange(rows, dtype=np.float64) * 10
        return History({"step": steps, "elapsed": steps / 10, "data_loss": np.r_[np.nan, np.full(rows - 1, loss)]})

    mean = mean_history([history(5, 1.0), history(9, 3.0), History()]).columns
    assert len(mean["step"]) == 9
    assert mean["step"][-1] == 40 + 80
    np.testing.assert_allclose(mean["data_loss"], 2.0)
    assert mean_history([History()]) == History()
    assert blocks_fit.HISTORY_ROWS >= 100


def test_data_that_changed_is_told_before_blocks_go_on(make_smooth_volume, make_config, tmp_path):
    volume = make_smooth_volume((8, 9, 10))
    start = begin_blocks(volume, partition_of(volume.grid, [2], (1,)), make_config(), tmp_path / "a", {})
    with pytest.raises(RunFileError, match="differs from the run's"):
        resume_blocks(make_smooth_volume((8, 9, 10), noise=1), start.run)


def test_of_a_volume_in_its_file_one_block_is_read_at_a_time(make_smooth_volume, make_config, tmp_path, monkeypatch):
    values = make_smooth_volume((24, 25, 26)).in_memory[..., 0].copy()
    values[12, 12, 13], values[:3, :3] = 400, np.nan  # an outlier in an overlap, and something missing
    np.save(tmp_path / "v.npy", values)
    volume = open_volume(str(tmp_path / "v.npy"), stored=True)
    config = make_config(max_epochs=2, batch=512, micro_batch=512)
    partition = partition_of(volume.grid, [2], (4,))
    start, path, sizes = begin_blocks(volume, partition, config, tmp_path / "a.dinr", {}), tmp_path / "a.dinr", []
    read = StoredValues._read

    def reading(self, ranges):
        sizes.append(np.prod([len(one) for one in ranges]))
        return read(self, ranges)

    monkeypatch.setattr(StoredValues, "_read", reading)
    for step in fit_blocks(volume, start, path):
        if step.phase == "judging":
            break
    assert len(sizes) == 8
    assert np.prod(np.add(partition.largest, 2)) >= max(sizes) > 2000
    rule = start.whole.rule
    for number in range(8):
        task = block_task(start.whole, volume, partition, number, config.training)
        place = [flat_to_index(part, task.volume.grid.shape) for part in (task.training, task.watched)]
        flat, watched = (
            np.ravel_multi_index(tuple((p + partition.box(number)[0]).T), volume.grid.shape) for p in place
        )
        assert not rule.of(flat).any()
        assert rule.of(watched).all()
        assert np.isfinite(values.reshape(-1)[flat]).all()
        assert not (values.reshape(-1)[flat] == 400).any()
        assert len(task.watched) > 50
    run = list(fit_blocks(volume, resume_blocks(volume, read_run(path)), path))[-1].run
    assert run.scores["held_out"]["voxels"] > 100
    assert run.scores["held_out"]["psnr"] > 10
    assert len(run.held_out) == 0  # the rule tells them


def test_a_block_is_let_go_when_it_is_fitted(make_smooth_volume, make_config, tmp_path, monkeypatch):
    volume, known, config = make_smooth_volume((12, 6, 6)), [], make_config(max_epochs=1)
    fitted(volume, partition_of(volume.grid, [1]), config, tmp_path / "first.dinr")  # imports leave cycles of their own
    gc.collect()
    gc.disable()  # what only a collection finds stays as long as it likes, and blocks are large
    try:

        def noted(*arguments):
            assert not any(reference() for reference in known)
            task = block_task(*arguments)
            known.append(weakref.ref(task))
            return task

        monkeypatch.setattr(blocks_fit, "block_task", noted)
        fitted(volume, partition_of(volume.grid, [3, 1, 1], (1,)), config, tmp_path / "a.dinr")
    finally:
        gc.enable()
    assert len(known) == 3
