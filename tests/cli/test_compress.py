"""`compress` in the shell, and small files in the other commands."""

import json

import mrcfile
import numpy as np
import pytest

from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
from dinr_studio.io import open_volume
from dinr_studio.training.fit import fit


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_smooth_volume):
    """A folder with a volume and a run that was fitted to it."""
    from dinr_studio.io.writing import VolumeHeader, open_writer

    place = tmp_path_factory.mktemp("compress")
    volume = make_smooth_volume((9, 10, 11))
    with open_writer(place / "v.h5", VolumeHeader(volume.grid, 1, np.dtype("f4")), place / "v.h5") as writer:
        writer.write(volume.in_memory)
    config = FitConfig(
        preset="test",
        field=FieldConfig(width=12, blocks=1, steps=1, omega_0=10.0),
        training=TrainingConfig(max_epochs=5, batch=128, held_out_share=0.05, device="cpu"),
    )
    list(fit(open_volume(str(place / "v.h5")), config, path=place / "run.dinr"))
    return place


def test_compress_prints_one_object_and_the_file_opens_everywhere(folder, shell, tmp_path):
    status, out, err = shell("compress", folder / "run.dinr", "-o", tmp_path / "s.dinr", "--bits", "8", "--json")
    assert status == 0, err
    result = json.loads(out)
    assert result["bytes"] == (tmp_path / "s.dinr").stat().st_size < result["run_bytes"]
    assert result["ratio"] == pytest.approx(9 * 10 * 11 * 4 / result["bytes"])
    assert result["stored_ratio"] == pytest.approx((folder / "v.h5").stat().st_size / result["bytes"])
    assert (result["bits"], result["voxels"], result["whole"], result["decoded"]) == (8, 990, True, True)
    assert result["psnr"] > result["psnr_before"] - 1
    described = json.loads(shell("info", tmp_path / "s.dinr", "--json")[1])
    assert described["packing"] == {
        "bits": 8, "psnr": round(result["psnr"], 4), "psnr_before": round(result["psnr_before"], 4), "voxels": 990,
    }  # fmt: skip
    assert (described["width"], described["shape"], described["bytes"]) == (12, [9, 10, 11], result["bytes"])
    assert "8 bits" in shell("info", tmp_path / "s.dinr")[1]
    assert shell("mesh", tmp_path / "s.dinr", "-o", tmp_path / "a.ply", "--level", "5")[0] == 0
    assert shell("slice", tmp_path / "s.dinr", "-o", tmp_path / "a.png")[0] == 0
    scores = json.loads(shell("score", tmp_path / "s.dinr", "--json")[1])
    assert scores["held_out"]["voxels"] > 10


def test_an_export_of_all_32_bits_is_that_of_the_run(folder, shell, tmp_path):
    assert shell("compress", folder / "run.dinr", "-o", tmp_path / "s.dinr", "--bits", "32")[0] == 0
    for run, out in ((folder / "run.dinr", "a.mrc"), (tmp_path / "s.dinr", "b.mrc")):
        assert shell("export", run, "-o", tmp_path / out, "--factor", "2")[0] == 0
    with mrcfile.open(tmp_path / "a.mrc") as one, mrcfile.open(tmp_path / "b.mrc") as two:
        np.testing.assert_array_equal(one.data, two.data)
        assert one.voxel_size == two.voxel_size
        assert one.header.origin == two.header.origin


def test_a_volume_is_fitted_and_compressed_to_a_ratio(folder, shell, tmp_path):
    options = ("--ratio", "3", "--time-limit", "1s", "--json")
    status, out, err = shell("compress", folder / "v.h5", "-o", tmp_path / "s.dinr", *options)
    assert status == 0, err
    result = json.loads(out)
    assert 3 <= result["ratio"] < 4
    assert result["fit_seconds"] >= 1
    assert result["bytes"] == (tmp_path / "s.dinr").stat().st_size
    assert result["psnr"] > 20


def test_without_the_data_a_sentence_says_so(folder, shell, tmp_path):
    (tmp_path / "run.dinr").write_bytes((folder / "run.dinr").read_bytes())
    (folder / "v.h5").rename(folder / "gone.h5")
    try:
        status, out, err = shell("compress", tmp_path / "run.dinr", "-o", tmp_path / "s.dinr")
        assert (status, "against the run's field" in out) == (0, True)
        assert "is not there any more" in err
        status, out, err = shell("score", tmp_path / "s.dinr")
        assert (status, "--data FILE" in err) == (2, True)
        assert json.loads(shell("info", tmp_path / "s.dinr", "--json")[1])["packing"]["psnr"] is None
    finally:
        (folder / "gone.h5").rename(folder / "v.h5")


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("run.dinr", ["--bits", "13"], "32, 16, 2 to 12, or auto"),
        ("run.dinr", ["--bits", "few"], "32, 16, 2 to 12, or auto"),
        ("run.dinr", ["--bits", "8", "--ratio", "10"], "contradict"),
        ("run.dinr", ["--target-psnr", "200"], "less than the 200 dB"),
        ("run.dinr", ["--time-limit", "5s"], "go with a volume"),
        ("run.dinr", ["--crop", "0:3,:,:"], "go with a volume"),
        ("v.h5", [], "--ratio 100"),
        ("v.h5", ["--data", "v.h5", "--ratio", "3"], "its own data"),
        ("v.h5", ["--ratio", "100000"], "smaller ratio"),
        ("gone.dinr", [], "does not exist"),
    ],
)
def test_mistakes_end_in_one_sentence_and_leave_nothing(source, options, words, folder, shell, tmp_path):
    status, out, err = shell("compress", folder / source, "-o", tmp_path / "s.dinr", *options)
    assert (status, out) == (2, "")
    assert words in err
    assert err.strip().splitlines()[-1].startswith("dinr-studio: ")
    assert list(tmp_path.iterdir()) == []


def test_a_small_file_cannot_be_gone_on_with(folder, shell, tmp_path):
    assert shell("compress", folder / "run.dinr", "-o", tmp_path / "s.dinr", "--bits", "8")[0] == 0
    status, _, err = shell("fit", folder / "v.h5", "-o", tmp_path / "s.dinr", "--resume")
    assert (status, "no training state" in err) == (2, True)
    status, _, err = shell("compress", folder / "run.dinr", "-o", tmp_path / "s.dinr", "--bits", "8")
    assert (status, "--force" in err) == (2, True)
    assert shell("compress", tmp_path / "s.dinr", "-o", tmp_path / "t.dinr", "--bits", "4")[0] == 0


def test_neither_the_run_nor_its_data_is_replaced_even_by_force(folder, shell):
    before = (folder / "run.dinr").read_bytes(), (folder / "v.h5").read_bytes()
    status, _, err = shell("compress", folder / "run.dinr", "-o", folder / "run.dinr", "--force")
    assert (status, "the run itself" in err) == (2, True)
    (folder / "data.dinr").symlink_to(folder / "v.h5")
    status, _, err = shell("compress", folder / "run.dinr", "-o", folder / "data.dinr", "--force")
    assert (status, "measured data is never replaced" in err) == (2, True)
    (folder / "data.dinr").unlink()
    assert before == ((folder / "run.dinr").read_bytes(), (folder / "v.h5").read_bytes())


def test_a_study_prints_all_points_and_draws_them(folder, shell, tmp_path):
    figure = tmp_path / "a.svg"
    status, out, err = shell("rate-distortion", folder / "run.dinr", "-o", figure, "--codecs", "zfp,blosc", "--json")
    assert status == 0, err
    result = json.loads(out)
    assert {point["method"] for point in result["points"]} >= {"field, 8 bits", "field, steps by influence", "zfp"}
    assert result["figure"] == str(figure)
    assert b"PSNR (dB)" in figure.read_bytes()
    status, out, err = shell("rate-distortion", folder / "v.h5", "--codecs", "sz3,dct", "--ratios", "none")
    assert (status, "DCT, largest" in out) == (0, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--codecs", "zip"], "no codec zip"),
        (["--ratios", "0.5"], "at least 1"),
        (["-o", "a.bmp"], "no figure's name"),
        (["--data", "v.h5"], "its own data"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused_in_a_sentence(options, words, folder, shell):
    status, out, err = shell("rate-distortion", folder / "v.h5", *options)
    assert (status, out) == (2, "")
    assert words in err
