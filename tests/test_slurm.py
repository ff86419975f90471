"""The batch file for Slurm, run with stand-ins for Slurm's own commands."""

import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell script")

SRUN = """#!/usr/bin/env bash
printf '%s\\n' "threads=$OMP_NUM_THREADS" "$@" > srun.txt
trap 'echo saved > saved.txt; exit 1' TERM
for _ in $(seq "$STUB_TENTHS"); do sleep 0.1; done
"""
SCONTROL = """#!/usr/bin/env bash
case $1 in
    show) printf 'node07\\nnode08\\n' ;;
    *) echo "$*" > scontrol.txt ;;
esac
"""


@pytest.fixture
def batch(root, tmp_path):
    """Starts the batch file in a folder of its own; Slurm's step takes some tenths of a second there."""
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    slurm = {"JOB_ID": "4711", "JOB_NODELIST": "node[07-08]", "JOB_NUM_NODES": "2", "CPUS_PER_TASK": "32"}
    environment = {
        **os.environ,
        **{f"SLURM_{name}": value for name, value in slurm.items()},
        "SLURM_GPUS_ON_NODE": "4",
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }

    def start(*arguments, tenths=0):
        return subprocess.Popen(
            ["bash", root / "packaging" / "slurm.sbatch", *arguments],
            cwd=tmp_path,
            env={**environment, "STUB_TENTHS": str(tenths)},
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_the_batch_file_starts_a_process_for_each_gpu_and_names_the_job(batch, tmp_path):
    done = batch("my volume.mrc", "my.dinr", "--preset", "balanced")
    _, said = done.communicate(timeout=30)
    assert (done.returncode, said) == (0, "")
    words = (tmp_path / "srun.txt").read_text(encoding="utf-8").splitlines()
    assert {"threads=8", "--nnodes=2", "--nproc-per-node=4", "--rdzv-id=4711", "--rdzv-backend=c10d"} <= set(words)
    assert "--rdzv-endpoint=node07:24711" in words
    assert words[-8:] == ["-m", "dinr_studio", "fit", "my volume.mrc", "-o", "my.dinr", "--preset", "balanced"]


def test_shortly_before_its_time_is_up_the_job_saves_and_queues_up_again(batch, tmp_path):
    running = batch("v.mrc", "my.dinr", tenths=300)
    while not (tmp_path / "srun.txt").exists():
        time.sleep(0.02)
    time.sleep(0.3)
    running.send_signal(signal.SIGUSR1)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "queueing up again" in said
    assert (tmp_path / "saved.txt").exists()
    assert (tmp_path / "scontrol.txt").read_text(encoding="utf-8") == "requeue 4711\n"


def test_the_batch_file_says_what_it_needs(batch):
    done = batch("v.mrc")
    _, said = done.communicate(timeout=30)
    assert done.returncode == 2
    assert "run file" in said
