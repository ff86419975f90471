"""`ntk` and other commands that look inside a run's field."""

import json

import mrcfile
import pytest

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.io import open_volume
from dinr_studio.training.fit import fit


@pytest.fixture(scope="module")
def run_file(make_smooth_volume, tmp_path_factory):
    """A run of a small map, its data beside it."""
    folder = tmp_path_factory.mktemp("inside")
    volume = make_smooth_volume((9, 8, 10))
    with mrcfile.new(folder / "map.mrc", volume.values[..., 0].copy()) as file:
        file.voxel_size = (1.0, 1.5, 2.0)  # x, y, z
    field = FieldConfig(width=12, blocks=1, steps=3, omega_0=8.0)
    training = TrainingConfig(max_epochs=2, batch=128, micro_batch=128, device="cpu", held_out_share=0.1)
    config = FitConfig(preset="quick", field=field, training=training)
    list(fit(open_volume(str(folder / "map.mrc")), config, path=folder / "run.dinr"))
    return folder / "run.dinr"


def test_ntk_prints_one_object_with_the_field_and_its_static_twin(run_file, shell, tmp_path):
    figure = tmp_path / "kernel.pdf"
    status, out, _ = shell("ntk", run_file, "--points", 30, "--against", "static", "--json", "-o", figure)
    assert status == 0
    found = json.loads(out)
    for one in (found, found["start"], found["static"]):
        assert 1 <= one["effective_rank"] <= one["entropy_rank"] <= 30
        assert one["condition_number"] > 1
        assert one["decay"] > 0
        assert one["eigenvalues"] == sorted(one["eigenvalues"], reverse=True)
        assert one["floor"] == pytest.approx(1e-7 * one["eigenvalues"][0])
    assert found["points"] == len(found["eigenvalues"])
    assert figure.read_bytes().startswith(b"%PDF")


def test_ntk_in_words_names_both_ranks_and_the_floor(run_file, shell):
    status, out, _ = shell("ntk", run_file, "--points", 20, "--where", "held-out")
    assert status == 0
    assert "20 points (held-out)" in out
    assert "participation ratio" in out
    assert "1e-07 of the largest" in out


def test_a_figure_that_cannot_be_written_is_told_before_the_work(run_file, shell, tmp_path):
    (tmp_path / "there.svg").write_text("mine")
    for name, sentence in (("figure.bmp", "end it in .svg"), ("there.svg", "--force"), ("no/figure.svg", "no")):
        status, out, error = shell("ntk", run_file, "-o", tmp_path / name)
        assert status == 2
        assert sentence in error
        assert out == ""
    assert (tmp_path / "there.svg").read_text() == "mine"
