"""`fit --blocks` as its users run it: one name to hand on, settings said once, mistakes in one sentence."""

import json
import signal

import numpy as np
import pytest
import torch

from dinr_studio.__main__ import main
from dinr_studio.cli.block_fitting import BlocksWish, partition_for
from dinr_studio.io import open_volume
from dinr_studio.partition import Partition
from dinr_studio.sampling.evaluate import values_at_indices
from dinr_studio.training.blocks_fit import BlocksProgress
from dinr_studio.training.fit import field_of
from dinr_studio.training.run_file import read_run

SMALL = ["--preset", "quick", "--width", "8", "--set", "blocks=1", "--epochs", "2", "--set", "time_limit=none"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a small volume and its fit in blocks."""
    folder = tmp_path_factory.mktemp("blocks")
    z, y, x = np.meshgrid(*(np.linspace(0, 3, n) for n in (9, 14, 16)), indexing="ij")
    np.save(folder / "v.npy", (np.sin(x + y) + z).astype(np.float32))
    command = ["fit", str(folder / "v.npy"), "-o", str(folder / "v.dinr"), "--blocks", "1,2,2", "--overlap", "0.5"]
    assert main([*command, *SMALL]) == 0
    return folder


def test_a_fit_in_blocks_is_one_file_that_every_command_takes(folder, shell, tmp_path):
    assert sorted(path.name for path in folder.iterdir()) == ["v.dinr", "v.npy"]
    status, out, _ = shell("score", folder / "v.dinr")
    assert status == 0
    assert "4 blocks with a field each, by themselves" in out
    fresh = json.loads(shell("score", folder / "v.dinr", "--data", folder / "v.npy", "--json")[1])
    stored = json.loads(shell("score", folder / "v.dinr", "--json")[1])
    assert fresh["held_out"]["psnr"] == pytest.approx(stored["held_out"]["psnr"], abs=1e-3)
    assert len(fresh["blocks"]) == 4
    run = read_run(folder / "v.dinr")
    assert shell("export", folder / "v.dinr", "-o", tmp_path / "a.npy", "--box", "0:4,3:9,5:10")[0] == 0
    whole = values_at_indices(field_of(run, torch.device("cpu")), np.arange(run.grid.size)).reshape(run.grid.shape)
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), whole[:5, 3:10, 5:11], atol=1e-5)
    level = float(np.median(whole))
    assert shell("mesh", folder / "v.dinr", "-o", tmp_path / "a.stl", "--level", level)[0] == 0
    assert shell("slice", folder / "v.dinr", "-o", tmp_path / "a.png")[0] == 0


def test_settings_blocks_and_time_are_told(folder, shell, tmp_path, monkeypatch):
    from dinr_studio.training import blocks_fit

    done = read_run(folder / "v.dinr")
    limits = []

    def at_once(volume, start, path, **options):
        limits.append(start.run.config.training.time_limit)
        yield BlocksProgress("done", 4, 4, 4, 4, run=done)

    monkeypatch.setattr(blocks_fit, "fit_blocks", at_once)
    more = ["--blocks", "1,2,2", "--time-limit", "10m", "--json"]
    status, out, err = shell("fit", folder / "v.npy", "-o", tmp_path / "a.dinr", *SMALL[:-2], *more)
    assert status == 0
    assert limits == [150.0]  # of a block
    assert json.loads(out)["partition"] == {"counts": [1, 2, 2], "overlap": [0, 3, 4], "largest": [9, 9, 10]}
    assert "4 blocks (1 x 2 x 2) of up to 9 x 9 x 10 voxels, neighbours share 0, 3, 4" in err
    assert "from the block of the finest detail" in err
    assert "(2 min 30 s a block)" in err or "a block)" in err


def test_a_fit_in_blocks_that_was_stopped_is_resumed_by_its_one_name(folder, shell, tmp_path, monkeypatch):
    from dinr_studio.cli import block_fitting

    path, shown = tmp_path / "a.dinr", []
    show = block_fitting._show

    def interrupting(progress, step, config):
        show(progress, step, config)
        if step.block == 2 and not shown:
            shown.append(step)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(block_fitting, "_show", interrupting)
    status, _, err = shell("fit", folder / "v.npy", "-o", path, "--blocks", "1,2,2", "--overlap", "0.5", *SMALL)
    assert status == 130
    assert "--resume goes on with it" in err
    monkeypatch.undo()
    status, _, err = shell("export", path, "-o", tmp_path / "a.npy")
    assert status == 2
    assert "Not all of the run's 4 blocks are fitted yet" in err
    assert not (tmp_path / "a.npy").exists()
    status, _, err = shell("fit", folder / "v.npy", "-o", path, "--resume", "--width", "9")
    assert status == 2
    assert "width cannot be changed" in err
    status, out, err = shell("fit", folder / "v.npy", "-o", path, "--resume", "--json")
    assert status == 0, err
    assert "block 1 of 4" not in err
    assert len(json.loads(out)["blocks"]) == 4
    for name, array in read_run(folder / "v.dinr").best.items():
        np.testing.assert_array_equal(read_run(path).best[name], array)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--blocks", "two"], "such as 2,2,1, or auto"),
        (["--blocks", "2,2"], "one for each of the axes z, y, x"),
        (["--blocks", "0,1,1"], "1 to 4,096 blocks"),
        (["--blocks", "9,9,9"], "at least 4 are needed"),
        (["--blocks", "2,2,2", "--overlap", "much"], "--overlap is 'much'"),
        (["--blocks", "2,2,2", "--overlap", "5"], "less overlap"),
        (["--overlap", "2"], "say how many with --blocks"),
        (["--blocks", "2", "--resume"], "keeps its blocks"),
        (["--blocks", "2", "--set", "nonsense=1"], "no setting nonsense"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence_and_leaves_nothing(folder, shell, tmp_path, options, said):
    status, out, err = shell("fit", folder / "v.npy", "-o", tmp_path / "a.dinr", *options)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_finished_run_is_neither_replaced_nor_resumed_unasked(folder, shell, tmp_path):
    before = (folder / "v.dinr").read_bytes()
    status, _, err = shell("fit", folder / "v.npy", "-o", folder / "v.dinr", "--blocks", "2", *SMALL)
    assert status == 2
    assert "--force replaces it" in err
    status, _, err = shell("fit", folder / "v.npy", "-o", folder / "v.dinr", "--resume")
    assert status == 2
    assert "blocks are all fitted" in err
    assert (folder / "v.dinr").read_bytes() == before


def test_scattered_samples_are_not_cut(shell, tmp_path):
    rows = [f"{x},{y},{x * y}" for x in range(12) for y in range(10)]
    (tmp_path / "a.csv").write_text("\n".join(["x,y,value", *rows]))
    status, _, err = shell("fit", tmp_path / "a.csv", "-o", tmp_path / "a.dinr", "--blocks", "2")
    assert status == 2
    assert "Scattered samples are fitted by one field" in err


def test_auto_leaves_a_small_volume_whole():
    grid = open_volume("sample:emd-3001").grid
    assert partition_for(grid, BlocksWish("auto")) == Partition(grid.shape, (1, 1, 1), (0, 0, 0))


def test_a_dry_run_tells_blocks_and_cost_and_writes_nothing(folder, shell, tmp_path):
    command = ["fit", folder / "v.npy", "-o", tmp_path / "a.dinr", "--blocks", "1,2,2", "--dry-run", *SMALL]
    status, out, _ = shell(*command, "--json")
    planned = json.loads(out)
    assert status == 0
    assert planned["partition"]["largest"] == [9, 9, 10]
    assert planned["parameters"] == 4 * sum(array[0].size for array in read_run(folder / "v.dinr").best.values())
    assert planned["fits"]
    assert planned["disk_bytes"] > 4 * 2 * planned["parameters"]
    assert "of memory" in shell(*command)[1]
    assert not list(tmp_path.iterdir())


def test_blocks_of_hash_grids_are_one_field_too(folder, shell, tmp_path):
    command = ["fit", folder / "v.npy", "-o", tmp_path / "h.dinr", "--blocks", "1,1,2", "--embedding", "hashgrid"]
    assert shell(*command, "--set", "finest_resolution=4,6,6", "--set", "levels=2", *SMALL)[0] == 0
    run = read_run(tmp_path / "h.dinr")
    assert run.config.field.finest_resolution == (4, 6, 6)
    assert any("finest grid" in reason for reason in run.config.reasons)
    assert shell("export", tmp_path / "h.dinr", "-o", tmp_path / "a.npy")[0] == 0
    whole = values_at_indices(field_of(run, torch.device("cpu")), np.arange(run.grid.size)).reshape(run.grid.shape)
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), whole, atol=1e-5)
    level = float(np.median(whole))
    assert shell("mesh", tmp_path / "h.dinr", "-o", tmp_path / "a.stl", "--level", level)[0] == 0
