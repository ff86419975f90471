"""What tests of sweeps share: a small file, plans of a few short runs, and sweeps run to their end."""

import numpy as np
import pytest

from dinr_studio.experiments.sweeps.plan import SweepPlan
from dinr_studio.experiments.sweeps.running import new_sweep, run_sweep

SMALL = {"width": 8, "blocks": 1, "batch": 128, "micro_batch": 128, "device": "cpu"}


@pytest.fixture
def file(tmp_path, make_smooth_volume):
    """A file of 20 x 24 voxels."""
    path = tmp_path / "data.npy"
    np.save(path, make_smooth_volume((20, 24)).in_memory[..., 0])
    return str(path)


@pytest.fixture
def make_plan(file):
    """Makes a plan of short runs on the small file."""

    def make(*axes, changes=None, **options):
        said = {"terms": ("settings",), **options}
        ends = {"max_epochs": 2} if said["terms"] == ("settings",) and "seconds" not in said else {}
        names = {axis.name for axis in axes}
        shared = {**SMALL, **ends, **(changes or {})}
        shared = {name: value for name, value in shared.items() if name not in names}
        return SweepPlan(said.pop("file", file), axes, changes=shared, **said)

    return make


@pytest.fixture
def run(tmp_path):
    """Runs a plan to its end in a folder; returns the sweep with all records."""

    def run(plan, folder="results", **options):
        return list(run_sweep(new_sweep(plan, tmp_path / folder), **options))[-1].sweep

    return run
