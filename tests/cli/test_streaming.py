import json

import numpy as np
import pytest
from PIL import Image

from dinr_studio.training.run_file import read_run

SHORT = ["--preset", "quick", "--family", "siren", "--epochs", "1", "--width", "8", "--device", "cpu"]


@pytest.fixture
def file(make_smooth_volume, tmp_path):
    path = tmp_path / "smooth.npy"
    np.save(path, make_smooth_volume((14, 15, 16)).values[..., 0])
    return path


def test_a_fit_that_streams_is_judged_exported_and_scored_like_any_other(file, tmp_path, shell):
    out = tmp_path / "a.dinr"
    status, told, err = shell("fit", file, "-o", out, "--stream", "--json", *SHORT)
    assert status == 0, err
    result = json.loads(told)
    assert set(result["held_out"]["interpolation"]) == {"nearest", "linear", "cubic"}
    assert result["held_out"]["voxels"] > 20
    assert read_run(out).open_options["stored"] is True
    again = json.loads(shell("score", out, "--data", file, "--json")[1])
    assert again["held_out"]["psnr"] == pytest.approx(result["held_out"]["psnr"], abs=1e-6)
    assert shell("export", out, "-o", tmp_path / "a.mrc", "--factor", "1")[0] == 0


def test_what_is_read_whole_cannot_be_streamed_and_says_so(file, tmp_path, shell):
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20) % 251).save(tmp_path / "a.png")
    np.save(tmp_path / "mask.npy", np.ones((14, 15, 16), dtype=np.uint8))
    for wrong in ([tmp_path / "a.png"], [file, "--mask", tmp_path / "mask.npy"]):
        status, _, err = shell("fit", *wrong, "-o", tmp_path / "a.dinr", "--stream", *SHORT)
        assert status in (1, 2)
        assert "whole" in err
        assert not (tmp_path / "a.dinr").exists()
