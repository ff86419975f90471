"""`compare` in the shell."""

import json

import mrcfile
import numpy as np
import pytest

import dinr_studio as ds
from dinr_studio.experiments.report import html

SMALL = {"family": "dinr-siren", "blocks": 1, "steps": 1, "max_epochs": 4, "batch": 256, "device": "cpu"}


@pytest.fixture(scope="module")
def folder(make_smooth_volume, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    np.save(folder / "data.npy", make_smooth_volume((8, 9, 10)).values[..., 0])
    volume = ds.open_volume(folder / "data.npy", unit="nm", voxel_size=2)
    for name, width in (("narrow", 8), ("wide", 12)):
        ds.fit(volume, "quick", path=folder / f"{name}.dinr", width=width, **SMALL)
    return folder


def test_compare_prints_one_json_object_and_writes_difference_and_figure(folder, shell, tmp_path):
    runs = [folder / "narrow.dinr", folder / "wide.dinr"]
    out, figure = tmp_path / "difference.mrc", tmp_path / "figure.svg"
    status, printed, _ = shell("compare", *runs, "--json", "--difference", out, "-o", figure)
    result = json.loads(printed)
    assert status == 0
    assert [run["name"] for run in result["runs"]] == ["narrow", "wide"]
    assert result["settings"] == {"width": [8, 12]}
    assert result["same_held_out_voxels"] is True
    assert result["runs"][1]["parameters"] > result["runs"][0]["parameters"]
    found = result["differences"]["wide"]
    narrow, wide = (ds.load(run) for run in runs)
    expected = wide.on_grid().values[..., 0] - narrow.on_grid().values[..., 0]
    with mrcfile.open(out) as file:
        np.testing.assert_allclose(file.data, expected, atol=1e-5)
        assert file.voxel_size.x == pytest.approx(20.0)
    assert found["rms"] == pytest.approx(np.sqrt(np.mean(expected**2)), rel=1e-4)
    assert found["largest"] == pytest.approx(np.abs(expected).max(), rel=1e-4)
    assert figure.read_bytes().startswith(b"<?xml")
    status, _, err = shell("compare", *runs, "-o", figure)
    assert (status, "exists already" in err) == (2, True)


def test_compare_says_in_words_what_differs(folder, shell):
    status, out, _ = shell("compare", folder / "narrow.dinr", folder / "wide.dinr")
    assert status == 0
    assert "Settings that differ:" in out
    assert "All were judged on the same" in out
    assert "wide less narrow: RMS" in out
    line = next(line for line in out.splitlines() if line.startswith("width"))
    assert line.split() == ["width", "8", "12"]


def test_what_cannot_be_compared_is_refused_in_a_sentence(folder, shell, tmp_path):
    runs = [folder / "narrow.dinr", folder / "wide.dinr"]
    assert "1 runs were named" in shell("compare", runs[0])[2]
    assert "is no figure's name" in shell("compare", *runs, "-o", "x.bmp")[2]
    assert "that of two runs" in shell("compare", *runs, runs[0], "--difference", tmp_path / "x.mrc")[2]
    assert "does not exist" in shell("compare", runs[0], tmp_path / "none.dinr")[2]
    assert "never replaced" in shell("compare", *runs, "--difference", folder / "data.npy", "--force")[2]
    assert not list(tmp_path.iterdir())


def test_report_writes_one_file_and_says_what_was_left_out(folder, shell, tmp_path, monkeypatch):
    monkeypatch.setattr(html, "_source", lambda picture: "data:,")  # drawing is looked at elsewhere
    out = tmp_path / "report.html"
    status, printed, _ = shell("report", folder / "narrow.dinr", "-o", out, "--json")
    assert (status, json.loads(printed)["file"]) == (0, str(out))
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    before = out.read_bytes()
    status, _, err = shell("report", folder / "narrow.dinr", "-o", out)
    assert (status, "exists already" in err) == (2, True)
    assert out.read_bytes() == before
    both = [folder / "narrow.dinr", folder / "wide.dinr"]
    assert "--data names the data of one run" in shell("report", *both, "-o", out, "--force", "--data", "x.npy")[2]
    assert "end it in .html or .pdf" in shell("report", *both, "-o", tmp_path / "x.doc")[2]
