"""`ntk` and other commands that look inside a run's field."""

import json

import mrcfile
import numpy as np
import pytest
import trimesh

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.interface import load
from dinr_studio.io import open_volume
from dinr_studio.sampling.derivatives import quantity_field
from dinr_studio.sampling.evaluate import values_at
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
    assert "Forecast of training" in out


def test_a_figure_that_cannot_be_written_is_told_before_the_work(run_file, shell, tmp_path):
    (tmp_path / "there.svg").write_text("mine")
    for name, sentence in (("figure.bmp", "end it in .svg"), ("there.svg", "--force"), ("no/figure.svg", "no")):
        status, out, error = shell("ntk", run_file, "-o", tmp_path / name)
        assert status == 2
        assert sentence in error
        assert out == ""
    assert (tmp_path / "there.svg").read_text(encoding="utf-8") == "mine"


def test_a_quantity_is_exported_at_any_resolution_with_its_unit_and_what_it_is(run_file, shell, tmp_path):
    out = tmp_path / "steepness.h5"
    status, told, error = shell(
        "export", run_file, "-o", out, "--quantity", "gradient-magnitude", "--factor", 2, "--json"
    )
    assert status == 0, error
    assert json.loads(told)["shape"] == [18, 16, 20]
    volume = open_volume(str(out))
    field = load(run_file, "cpu").evaluated
    world = np.stack(np.meshgrid(*(volume.grid.axis_positions(i) for i in range(3)), indexing="ij"), axis=-1)
    h = 1e-2
    steps = [h * unit for unit in np.eye(3)]
    flat = world.reshape(-1, 3)
    sides = [(values_at(field, flat + step) - values_at(field, flat - step)) / (2 * h) for step in steps]
    expected = np.linalg.norm(np.concatenate(sides, axis=1), axis=1)
    np.testing.assert_allclose(volume.in_memory.ravel(), expected, atol=0.02 * expected.max())
    assert volume.value_unit == "1/angstrom"
    assert b"gradient magnitude of the field by automatic differentiation" in out.read_bytes()


@pytest.mark.parametrize(
    ("quantity", "channel", "label"),
    [
        ("gradient", 2, "d/dx (1/angstrom)"),
        ("laplacian", 0, "Laplacian (1/angstrom^2)"),
        ("kinetic-energy", 0, "kinetic energy"),
    ],
)
def test_a_slice_of_a_quantity_needs_no_data_and_names_its_unit(run_file, shell, tmp_path, quantity, channel, label):
    alone = tmp_path / "alone.dinr"
    alone.write_bytes(run_file.read_bytes())
    options = ("--quantity", quantity, "--channel", channel, "--axis", "y", "--factor", 2)
    status, _, error = shell("slice", alone, "-o", tmp_path / "s.svg", *options)
    assert status == 0, error
    written = (tmp_path / "s.svg").read_text(encoding="utf-8")
    label = {
        "gradient": "d/dx (1/angstrom)",
        "laplacian": "Laplacian (1/angstrom^2)",
        "kinetic-energy": "kinetic energy",
    }
    assert label[quantity] in written
    assert "z (angstrom)" in written


def test_a_surface_of_a_quantity_lies_where_the_quantity_has_the_level(run_file, shell, tmp_path):
    field = quantity_field(load(run_file, "cpu").evaluated, "laplacian")
    out = tmp_path / "s.ply"
    status, told, error = shell(
        "mesh", run_file, "-o", out, "--level", 0, "--quantity", "laplacian", "--factor", 3, "--json"
    )
    assert status == 0, error
    assert json.loads(told)["triangles"] > 0
    corners = np.asarray(trimesh.load(out).vertices)[:, ::-1]
    spread = values_at(
        field, load(run_file, "cpu").run.grid.world(np.random.default_rng(0).uniform(0, 7, (200, 3)))
    ).std()
    assert np.abs(values_at(field, corners)).mean() < 0.05 * spread


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("export", "-o", "a.mrc", "--quantity", "curl"), "a component of one unit"),
        (("export", "-o", "a.mrc", "--quantity", "moon"), "gradient, gradient-magnitude"),
        (("export", "-o", "a.mrc", "--quantity", "gradient", "--stack"), "leave it or --quantity out"),
        (("slice", "-o", "a.png", "--quantity", "gradient", "--channel", "3"), "0 (d/dz), 1 (d/dy), 2 (d/dx)"),
        (("slice", "-o", "a.png", "--quantity", "gradient", "--factor", "0"), "must be positive"),
    ],
)
def test_a_quantity_that_cannot_be_had_is_one_sentence(run_file, shell, tmp_path, monkeypatch, command, sentence):
    monkeypatch.chdir(tmp_path)
    status, _, error = shell(command[0], run_file, *command[1:])
    assert status == 2
    assert sentence in error
    assert not list(tmp_path.iterdir())


def test_jacobians_prints_one_object_and_a_verdict_in_words(run_file, shell, tmp_path):
    figure = tmp_path / "j.png"
    status, out, _ = shell("jacobians", run_file, "--points", 8, "--seeds", 5, "--json", "-o", figure)
    assert status == 0
    found = json.loads(out)
    assert (found["points"], found["width"], len(found["product_rank"])) == (8, 12, 3)
    assert [one["name"] for one in found["seeds"]] == ["seed 5 at its start"]
    assert figure.read_bytes().startswith(b"\x89PNG")
    status, out, _ = shell("jacobians", run_file, "--points", 8)
    assert status == 0
    assert out.rstrip().endswith(found["verdict"])
    status, _, error = shell("jacobians", run_file, "--train", "1s")
    assert status == 2
    assert "--seeds" in error


@pytest.mark.parametrize(("command", "measure"), [("ntk", "effective_rank"), ("jacobians", "alignment_first")])
def test_a_course_over_training_is_a_list_of_looks_or_a_table(run_file, shell, command, measure):
    status, out, error = shell(command, run_file, "--points", 8, "--course", 2, "--json")
    assert status == 0, error
    found = json.loads(out)
    assert [one["step"] for one in found["course"]] == [10, 12]
    assert all(one["epoch"] > 0 and one[measure] > 0 for one in found["course"])
    assert found["course_difference"] < 1e-6
    status, out, _ = shell(command, run_file, "--points", 8, "--course", 2)
    assert "Over training. Trained again from the start" in out
    assert measure.replace("_", " ") in out


def test_a_course_without_its_data_is_one_sentence(run_file, shell, tmp_path):
    alone = tmp_path / "alone.dinr"
    alone.write_bytes(run_file.read_bytes())
    for command in ("ntk", "jacobians"):
        status, out, error = shell(command, alone, "--course", 2, "--data", tmp_path / "gone.mrc")
        assert status != 0
        assert out == ""
        assert "gone.mrc" in error


def test_trajectories_prints_one_object_or_a_table_with_the_solver_s_error(run_file, shell, tmp_path):
    status, out, _ = shell("trajectories", run_file, "--points", 20, "--json", "-o", tmp_path / "t.svg")
    assert status == 0
    found = json.loads(out)
    assert len(found["times"]) == len(found["error"]) == 4
    assert [one["steps"] for one in found["solver"]] == [3, 6, 12, 24]
    assert found["kinetic_energy"] == pytest.approx(sum(found["energy"]))
    status, out, _ = shell("trajectories", run_file, "--points", 20)
    assert status == 0
    assert "against rk4 with 258 steps" in out
