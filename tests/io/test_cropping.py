"""A part of a volume: named by voxels or by places, told as both, and kept by the run."""

import json

import numpy as np
import pytest

from dinr_studio.__main__ import main
from dinr_studio.errors import ConfigError
from dinr_studio.io import open_volume
from dinr_studio.io.cropping import Crop
from dinr_studio.training.run_file import read_run

SHAPE = (10, 20, 30)  # voxels of 2, 1.5 and 1 nm; the first ones' centres at -7, 4 and 0.25 nm


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2:8,:,5:30", [[2, 8], [0, 20], [5, 30]]),
        (":3,19:,:", [[0, 3], [19, 20], [0, 30]]),
        ("-7:-3nm,:,:", [[0, 3], [0, 20], [0, 30]]),  # the ends' own voxels among them
        ("-6.9:-3.1 nm,:,:", [[1, 2], [0, 20], [0, 30]]),
        ("-70A:-30 A, 4nm:5.5nm ,0.001:0.002um", [[0, 3], [0, 2], [1, 2]]),
        (":0nm,7:7nm,5:9", [[0, 4], [2, 3], [5, 9]]),
        ("0:99nm,:,:", [[4, 10], [0, 20], [0, 30]]),  # no farther than the volume
    ],
)
def test_ranges_are_of_voxels_or_of_places(make_grid, text, expected):
    grid = make_grid(SHAPE)
    assert Crop(text)(grid) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2:8,:", "2 ranges and the volume 3 axes"),
        ("8:2,:,:", r"along z holds no voxel .* 0:10, from -8 to 12 nm"),
        ("2:11,:,:", "holds no voxel of the volume"),
        ("-1:5,:,:", "holds no voxel"),
        ("500:600nm,:,:", "holds no voxel"),
        ("1:2s,:,:", "is in s and that axis in nm"),
        ("1.5:4,:,:", "write START:STOP"),
        ("a:4,:,:", "write START:STOP"),
        ("4,:,:", "write START:STOP"),
        ("1:2:3,:,:", "write START:STOP"),
        ("nan:4nm,:,:", "write START:STOP"),
        ("", "write START:STOP"),
    ],
)
def test_ranges_that_cannot_be_are_refused_in_words(make_grid, text, words):
    with pytest.raises(ConfigError, match=words):
        Crop(text)(make_grid(SHAPE))


def test_time_and_axes_without_a_unit_are_cropped_too(make_grid):
    grid = make_grid((4, 5, 6, 7))
    assert Crop("3.4:4.2s,:,:,1:3")(grid) == [[1, 3], [0, 5], [0, 6], [1, 3]]
    bare = make_grid((5, 6), unit="")
    assert Crop("1:2,:")(bare) == [[1, 2], [0, 6]]
    with pytest.raises(ConfigError, match=r"that axis in no unit; give voxels, or a unit by --unit"):
        Crop("1:2nm,:")(bare)


def test_a_part_of_a_file_lies_where_it_lay_in_the_whole(tmp_path):
    values = np.arange(10 * 20 * 30, dtype=np.float32).reshape(10, 20, 30)
    values[4, 3, 20] = np.nan
    np.save(tmp_path / "v.npy", values)
    for stored in (False, True):
        crop = Crop("4:12nm,:10,20:")
        part = open_volume(tmp_path / "v.npy", voxel_size=[2.0], unit="nm", crop=crop, stored=stored)
        assert crop.indices == [[2, 7], [0, 10], [20, 30]]
        assert part.grid.origin[2] == 20 * 2.0
        np.testing.assert_array_equal(part.values[..., 0], values[2:7, :10, 20:])
    assert crop.words.startswith("z 2:7 of 10 (3 to 13 nm), y 0:10 of 20 (-1 to 19 nm)")


def test_the_shell_fits_a_part_and_goes_on_with_the_same(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    z, y, x = np.mgrid[:12, :13, :14]
    np.save("v.npy", np.sin(0.3 * z + 0.4 * y - 0.2 * x).astype(np.float32))
    command = ["fit", "v.npy", "-o", "a.dinr", "--preset", "quick", "--width", "8", "--set", "blocks=1", "--json"]
    assert main([*command, "--crop", "2:10,:,3:13", "--epochs", "1", "--unit", "nm", "--voxel-size", "2"]) == 0
    err = capfd.readouterr().err
    assert "Taking z 2:10 of 12 (3 to 19 nm), y 0:13 of 13 (-1 to 25 nm), x 3:13 of 14 (5 to 25 nm)." in err
    run = read_run(tmp_path / "a.dinr")
    assert run.grid.shape == (8, 13, 10)
    assert run.open_options["crop"] == [[2, 10], [0, 13], [3, 13]]
    resumed = ["fit", "v.npy", "-o", "a.dinr", "--resume", "--epochs", "2"]
    assert main([*resumed, "--crop", "1:9,:,3:13"]) == 2
    assert "another part of v.npy" in capfd.readouterr().err
    assert main(resumed) == 0
    assert read_run(tmp_path / "a.dinr").grid == run.grid
    assert main(["score", "a.dinr"]) == 0
    capfd.readouterr()
    assert main(["info", "v.npy", "--crop", ":,:,3:13", "--json"]) == 0
    described = json.loads(capfd.readouterr().out)
    assert (described["shape"], described["crop"]) == ([12, 13, 10], [[0, 12], [0, 13], [3, 13]])
