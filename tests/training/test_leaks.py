"""Fit after fit in one process: memory, threads and open files stay what they were. `--fits N` makes more of them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

WARM_UP = 10  # fits until libraries have what they keep
MOST_GROWTH = 4 << 20  # bytes, between the medians of the first and the last quarter after that


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files and resident memory as Linux does")
@pytest.mark.timeout(3600)
def test_fit_after_fit_memory_threads_and_open_files_stay_what_they_were(tmp_path, fits):
    script = Path(__file__).with_name("leak_script.py")
    command = [sys.executable, str(script), str(fits), str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
    memory, threads, files = np.array([json.loads(line) for line in done.stdout.splitlines()])[WARM_UP:].T
    quarter = len(memory) // 4
    first, last = np.median(memory[:quarter]), np.median(memory[-quarter:])
    print(f"\n{fits} fits: {first / 2**20:.1f} MiB, {last / 2**20:.1f} MiB; threads {set(threads)}, files {set(files)}")
    assert last - first < MOST_GROWTH
    assert len(set(threads)) == 1
    assert len(set(files)) == 1
