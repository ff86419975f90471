"""Several processes that train one field: the same curve as one, one mind about everything, and an end to failures."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path
from threading import Thread

import numpy as np
import psutil
import pytest
import torch
from torch.distributed import HashStore, PrefixStore

from dinr_studio.cli.fitting import FitRequest, _goes_on
from dinr_studio.cli.team import follows, run_of_this_job
from dinr_studio.errors import ConfigError
from dinr_studio.training.distributed import ALONE, Ranks, Team, joined, run_id_of_job
from dinr_studio.training.fit import fit
from dinr_studio.training.meeting import met, started_before
from dinr_studio.training.plan import make_plan, shared_plan
from dinr_studio.training.run_file import read_run
from dinr_studio.training.task import prepare
from dinr_studio.training.trainer import Trainer

SCRIPT = Path(__file__).with_name("team_script.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]


def torchrun(*arguments, processes=2):
    """The finished torchrun of some processes on this machine, with all that was said."""
    command = [*TORCHRUN, f"--nproc-per-node={processes}", *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What both processes made of the cases, by case: a list by rank."""
    folder = tmp_path_factory.mktemp("team")
    done = torchrun(SCRIPT, "compared,ended,agreed,exported,in_blocks", folder)
    assert done.returncode == 0, done.stderr
    by_rank = [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in range(2)]
    return {"folder": folder, **{case: [result[case] for result in by_rank] for case in by_rank[0]}}


@pytest.mark.parametrize("name", ["plain", "growing", "fewer-voxels-than-processes", "static", "plateau", "poisoned"])
def test_two_processes_go_through_the_losses_and_weights_of_one(results, name):
    team, alone = results["compared"][0][name]
    assert team.state.step == alone.state.step > 30
    for column in ("step", "learning_rate", "data_loss", "kinetic_energy", "total_loss", "held_out_psnr"):
        np.testing.assert_allclose(
            team.history.columns[column], alone.history.columns[column], rtol=2e-4, err_msg=column
        )
    for weights, others in ((team.state.weights, alone.state.weights), (team.best, alone.best)):
        assert set(weights) == set(others)
        for parameter, value in weights.items():
            np.testing.assert_allclose(value, others[parameter], rtol=2e-3, atol=2e-4, err_msg=parameter)


def test_a_divergence_in_one_process_is_got_over_by_all(results):
    run, _ = results["compared"][0]["poisoned"]
    assert [step for step, _ in run.history.events] == [7, 30]


def test_all_processes_end_at_the_same_step_whatever_ends_the_run(results):
    leader, other = results["ended"]
    assert leader[:3] == other[:3]
    assert leader[3] == "closed"
    assert other[3] == 130


def test_each_error_is_said_once_and_ends_all(results):
    leader, other = results["agreed"]
    quiet = "ends with status 2"
    assert leader == ["no good", quiet, "no good", "the leader's word", {"from": 0}]
    assert other == [quiet, "no good", quiet, quiet, {"from": 0}]


@pytest.mark.parametrize("name", ["zyx-float32", "zyx-int8", "tzyx-float32", "tzyx-int8"])
def test_a_shared_export_is_the_store_that_one_process_writes(results, name):
    zarr = pytest.importorskip("zarr")
    team, alone = (zarr.open_group(results["folder"] / f"{name}-{who}.zarr", mode="r") for who in ("team", "alone"))
    assert sorted(team) == sorted(alone)
    assert len(list(team)) > 1
    for level in team:
        one, two = team[level][...].astype(float), alone[level][...].astype(float)
        assert np.ptp(two) > 10
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1 if "int8" in name else 1e-2)
    assert team["0"].nchunks == team["0"].nchunks_initialized > 2
    assert team.attrs["ome"]["multiscales"] == alone.attrs["ome"]["multiscales"]
    ranges = [[c["window"]["max"] for c in group.attrs["ome"]["omero"]["channels"]] for group in (team, alone)]
    assert ranges[0] == pytest.approx(ranges[1], rel=1e-3)
    assert team.attrs["notes"] == ["a note"]
    leader, other = results["exported"]
    lost = [leader[f"{name}-team"].lost, other[f"{name}-team"].lost, leader[f"{name}-alone"].lost]
    assert ["clipped" in " ".join(sentences) for sentences in lost] == [name.endswith("int8")] * 3


def test_an_export_that_one_process_began_is_finished_by_two(results):
    folder = results["folder"]
    names = ("begun-alone.zarr", "zyx-float32-alone.zarr")
    one, two = (
        {file.relative_to(folder / name): file.read_bytes() for file in (folder / name).rglob("*") if file.is_file()}
        for name in names
    )
    assert results["exported"][0]["begun"] == 4  # two tiles of two chunks
    assert one.keys() == two.keys()
    assert [path for path in one if "c" in path.parts and one[path] != two[path]] == []
    assert sum("c" in path.parts for path in one) > 12


def test_a_shared_export_replaces_nothing_and_leaves_nothing(results):
    leader, other = results["exported"]
    assert "exists already" in leader["existing"]
    assert other["existing"] == "ends with status 2"
    assert not list(results["folder"].glob(".*.part"))


def test_blocks_are_spread_over_the_processes_and_are_those_of_one(results):
    (seen, last, alone, *stopped), (others, followed, _, *also_stopped) = results["in_blocks"]
    assert (seen, others) == ([0, 2], [1, 3])
    assert (last.phase, followed.phase) == ("done", "fitting")
    assert last.run.finished
    for name, array in last.run.best.items():
        np.testing.assert_array_equal(array, alone.best[name])
    assert last.run.scores["held_out"] == alone.scores["held_out"]
    assert stopped[0] == also_stopped[0] == "stopped"  # though only one was asked to
    assert stopped[1] == 2  # the leader's own, which were finished before it heard


def test_a_process_that_fails_ends_all_with_a_sentence_and_leaves_the_run(tmp_path):
    done = torchrun(SCRIPT, "failing", tmp_path)
    assert done.returncode != 0
    assert "dinr-studio, process 1 of 2: Memory ran out" in done.stderr
    assert "set micro_batch to 20 or less" in done.stderr
    assert "TeamLost: Another process of this run ended" in done.stderr
    run = read_run(tmp_path / "failed.dinr")
    assert not run.finished
    assert run.state.step > 3


AUTOSAVING = """
import sys
import dinr_studio.training.fit as fit
fit.AUTOSAVE_SECONDS = 0.2
from dinr_studio.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def worker(agent, rank):
    """The process of a rank that torchrun started."""
    for child in psutil.Process(agent.pid).children():
        if child.environ().get("RANK") == str(rank):
            return child
    raise AssertionError(f"no process of rank {rank}")


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
def test_a_killed_worker_is_started_again_and_the_run_goes_on(tmp_path):
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(8, 9, 10)).astype(np.float32))
    script, path = tmp_path / "autosaving.py", tmp_path / "run.dinr"
    script.write_text(AUTOSAVING)
    settings = ["--preset=quick", "--epochs=20", "--width=8", "--set=time_limit=none", "--set=batch=64"]
    command = [*TORCHRUN, "--nproc-per-node=2", "--max-restarts=1", str(script), "fit", str(tmp_path / "v.npy")]
    agent = subprocess.Popen(
        [*command, "-o", str(path), *settings, "--stream", "--json"],
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not path.exists():
        assert agent.poll() is None, agent.stderr.read()
        time.sleep(0.01)
    worker(agent, 1).send_signal(signal.SIGKILL)
    out, said = agent.communicate(timeout=120)
    assert agent.returncode == 0, said
    result = json.loads(out)
    assert result["processes"] == 2
    assert result["end_reason"] == "all 20 epochs done"
    went_on = int(said.split("Going on from step ")[1].split()[0])
    run = read_run(path)
    steps = run.history.columns["step"]
    assert 0 < went_on < run.state.step == result["steps_trained"]
    assert (np.diff(steps) > 0).all()
    assert steps[0] == 0  # the curve is that of one run


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
def test_a_worker_that_is_killed_among_blocks_is_started_again_and_finished_ones_stay(tmp_path):
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(8, 9, 20)).astype(np.float32))
    path, first = tmp_path / "run.dinr", tmp_path / "run.dinr.blocks" / "0000.dinr"
    settings = ["--preset=quick", "--epochs=20", "--width=8", "--set=time_limit=none", "--set=batch=64"]
    command = [*TORCHRUN, "--nproc-per-node=2", "--max-restarts=1", "-m", "dinr_studio", "fit"]
    agent = subprocess.Popen(
        [*command, str(tmp_path / "v.npy"), "-o", str(path), "--blocks=1,1,4", *settings, "--json"],
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not first.exists():  # there is no autosave before a block's end in so short a fit
        assert agent.poll() is None, agent.stderr.read()
        time.sleep(0.01)
    finished = first.stat().st_mtime_ns
    worker(agent, 1).send_signal(signal.SIGKILL)
    kept = first.stat().st_mtime_ns
    out, said = agent.communicate(timeout=120)
    assert agent.returncode == 0, said
    assert kept == finished
    result = json.loads(out)
    assert [block["end_reason"] for block in result["blocks"]] == ["all 20 epochs done"] * 4
    assert result["partition"] == {"counts": [1, 1, 4], "overlap": [0, 0, 2], "largest": [8, 9, 7]}
    ended = [line for line in said.splitlines() if line.startswith("block 1 of 4") and "epochs done" in line]
    assert len(ended) == 1
    assert read_run(path).finished
    assert not first.parent.exists()


def test_shares_are_disjoint_complete_and_of_like_size():
    class Some(Team):
        def __init__(self, rank, size):
            super().__init__()
            self.rank, self.size = rank, size

    for count in (0, 1, 5, 129, 130):
        shares = [Some(rank, 4).share(np.arange(count)) for rank in range(4)]
        assert np.concatenate(shares).tolist() == list(range(count))
        assert max(map(len, shares)) == -(-count // 4)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("family", ["dinr-siren", "dinr-ffnet", "siren", "ffnet"])
def test_every_parameter_has_a_gradient_for_the_others_to_wait_for(make_smooth_volume, make_config, family):
    config = make_config(family=family, embedding="siren" if "siren" in family else "fourier", features=16)
    trainer = Trainer(prepare(make_smooth_volume((6, 7, 8)), config.training), config, torch.device("cpu"))
    trainer.advance()
    assert all(parameter.grad is not None for parameter in trainer.field.parameters())


def test_a_process_alone_is_a_team_of_one(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    team = joined()
    assert type(team) is Team
    assert team.leads
    assert not follows()
    assert team.told(1.5, True) == [1.5, True]
    assert team.gathered(1.0, 2.0).tolist() == [[1.0, 2.0]]
    assert not team.started_again
    assert not team.is_lost(RuntimeError("Connection closed by peer"))
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert joined().started_again


@pytest.mark.parametrize(("name", "device"), [("auto", "cpu"), ("cpu", "cpu"), ("cuda:0", None), ("mps", None)])
def test_a_device_that_processes_cannot_share_is_refused(monkeypatch, name, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    ranks = Ranks.__new__(Ranks)
    ranks.size, ranks.local_rank = 2, 1
    if device is None:
        with pytest.raises(ConfigError, match="cannot be shared by 2 processes"):
            ranks.device(name)
    else:
        assert ranks.device(name) == torch.device(device)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    ranks = Ranks.__new__(Ranks)
    ranks.size, ranks.local_rank = 2, 1
    with pytest.raises(ConfigError, match="1 GPUs and more processes"):
        ranks.device("cuda")


@pytest.fixture
def job(monkeypatch):
    """Puts this process into torchrun's jobs by their name."""

    def enter(name, restarts=0):
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", name)
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", str(restarts))

    return enter


def test_a_job_knows_its_own_run_and_no_other(job, make_smooth_volume, make_config, tmp_path):
    volume, path = make_smooth_volume((6, 7, 8)), tmp_path / "a.dinr"
    assert run_id_of_job(path) is None
    list(fit(volume, make_config(max_epochs=1), path=path))
    job("17")
    assert run_of_this_job(path) is None  # it was there before the job
    list(fit(volume, make_config(max_epochs=1), path=path))
    assert run_of_this_job(path).run_id == read_run(path).run_id
    job("18")
    assert run_of_this_job(path) is None
    path.write_bytes(b"damaged")
    assert run_of_this_job(path) is None


def test_jobs_without_a_name_are_told_apart_by_who_started_them(job, tmp_path):
    job("none")
    assert uuid.UUID(run_id_of_job(tmp_path / "a.dinr"))
    assert run_id_of_job(tmp_path / "a.dinr") == run_id_of_job(tmp_path / "a.dinr")
    assert run_id_of_job(tmp_path / "a.dinr") != run_id_of_job(tmp_path / "b.dinr")


def test_a_job_goes_on_only_where_it_asks_for_the_same_again(make_smooth_volume, make_config, tmp_path):
    run = list(fit(make_smooth_volume((6, 7, 8)), make_config(max_epochs=1)))[-1].run

    def request(**changes):
        return FitRequest("v.npy", tmp_path / "a.dinr", "test", None, changes, {})

    assert _goes_on(run, request(max_epochs=1), fresh=False)
    assert not _goes_on(run, request(max_epochs=2), fresh=False)
    assert not _goes_on(run, request(width=8), fresh=False)
    assert not _goes_on(run, request(), fresh=True)


def test_commands_that_cannot_be_shared_are_run_by_the_first_process_alone(job, monkeypatch, capsys):
    from dinr_studio.cli.app import run

    job("17")
    monkeypatch.setenv("RANK", "1")
    assert run(["sample"]) == 0
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("RANK", "0")
    assert run(["sample"]) == 0
    assert "emd-3001" in capsys.readouterr().out


def test_a_shared_plan_divides_the_time_and_keeps_the_limit(make_smooth_volume, make_config):
    config = make_config(max_epochs=1000, time_limit=None)
    plan = make_plan(make_smooth_volume((6, 7, 8)), config)
    shared = shared_plan(plan, config, 4)
    assert shared.seconds == pytest.approx(plan.seconds / 4)
    assert shared.coordinates_per_second == pytest.approx(4 * plan.coordinates_per_second)
    assert "4 processes" in shared.device
    limited = make_config(max_epochs=1000, time_limit=1e-3)
    assert shared_plan(plan, limited, 4).seconds == 1e-3
    assert shared_plan(plan, config, ALONE.size) is plan


def test_processes_that_start_again_do_not_take_up_what_was_left_by_those_before():
    patience, store, parts = timedelta(seconds=20), HashStore(), []
    shared = PrefixStore("dinr-studio", store)
    shared.set("greeting/1", "of one that is gone")
    for _ in range(2):
        threads = [Thread(target=lambda rank=rank: parts.append(met(store, rank, 3, patience))) for rank in (2, 0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
    first, second = parts[:3], parts[3:]
    first[0].set("address", "old")
    assert all(part.get("address") == b"old" for part in first)
    assert not any(part.check(["address"]) for part in second)


def test_processes_that_do_not_come_are_missed_in_the_end():
    with pytest.raises(RuntimeError, match="process 1 did not come"):
        met(HashStore(), 0, 2, timedelta(seconds=0.1))


def test_only_the_first_start_of_a_job_is_no_restart():
    store = HashStore()
    assert [started_before(store) for _ in range(3)] == [False, True, True]
