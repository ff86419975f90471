"""What a fit is told when it learns noise: settings that its own embedding has, and that the settings allow."""

import numpy as np
import pytest

from dinr_studio.analysis.diagnosis import HashGrid, Signs, diagnose
from dinr_studio.config import FieldConfig, TrainingConfig, changed

LOSS = np.array([1.0, 0.5, 0.3, 0.2, 0.15, 0.1, 0.08, 0.06])
RISES_AND_FALLS = np.array([20.0, 24.0, 26.0, 25.5, 25.0, 24.5, 24.0, 23.0])


def noise(**signs):
    (finding,) = diagnose(Signs(data_loss=LOSS, held_out_psnr=RISES_AND_FALLS, **signs))
    assert finding.name == "noise"
    assert "3.0 dB below its best" in finding.sentence
    return finding


@pytest.mark.parametrize(
    ("grid", "changes", "words"),
    [
        (HashGrid((64,), 8, "linear"), {"finest_resolution": (32,)}, "finest_resolution 32"),
        (HashGrid((20, 64, 48), 8, "linear"), {"finest_resolution": (10, 32, 24)}, "finest_resolution 10x32x24"),
        (HashGrid((6, 12), 8, "linear"), {"finest_resolution": (4, 8)}, "finest_resolution 4x8"),
        (HashGrid((8,), 8, "linear"), {"interpolation": "smooth"}, "interpolation smooth"),
        (HashGrid((4,), 8, "linear"), {"interpolation": "smooth"}, "interpolation smooth"),
    ],
)
def test_a_hash_grid_that_learns_noise_is_offered_fewer_cells_and_then_smooth_ones(grid, changes, words):
    finding = noise(hash_grid=grid)
    assert finding.changes == {"patience": 20, **changes}
    assert finding.remedy == f"Stop at the best score (patience 20) and learn smoother fields: {words}"
    assert changed(FieldConfig(embedding="hashgrid"), **changes)
    assert changed(TrainingConfig(), patience=finding.changes["patience"])


def test_where_an_embedding_has_nothing_left_to_smooth_the_fit_is_only_stopped():
    for signs in ({}, {"hash_grid": HashGrid((8,), 8, "smooth")}):
        finding = noise(**signs)
        assert finding.changes == {"patience": 20}
        assert finding.remedy == "Stop at the best score (patience 20)"


def test_sines_that_learn_noise_are_offered_half_the_frequency():
    assert noise(omega_0=30.0).changes == {"patience": 20, "omega_0": 15.0}


def test_a_held_out_score_that_rises_is_no_noise():
    assert (
        diagnose(Signs(data_loss=LOSS, held_out_psnr=np.sort(RISES_AND_FALLS), hash_grid=HashGrid((64,), 8, ""))) == []
    )
