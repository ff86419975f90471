"""Masks: what a second file leaves out, where it must lie, and that a run keeps to it."""

import json

import h5py
import mrcfile
import numpy as np
import pytest

from dinr_studio.cli.app import run
from dinr_studio.errors import DataError, DinrError, FileFormatError, RunFileError
from dinr_studio.io import open_volume
from dinr_studio.training.run_data import volume_of
from dinr_studio.training.run_file import read_run

SHAPE = (6, 7, 8)


def spread(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def holes(shape=SHAPE, seed=1):
    """True where a voxel is left out."""
    return np.random.default_rng(seed).random(shape) < 0.3


def save_map(path, values, size=1.5, origin=(3.0, 4.0, 5.0)):
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(values)
        file.voxel_size = size
        file.header.origin = origin
    return path


@pytest.fixture
def volume_file(tmp_path):
    return save_map(tmp_path / "map.mrc", spread())


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_zeros_of_a_mask_count_as_missing(tmp_path, volume_file, dtype):
    np.save(tmp_path / "mask.npy", (~holes()).astype(dtype) * (1 if dtype is bool else dtype(2)))
    volume = open_volume(volume_file, mask=str(tmp_path / "mask.npy"))
    np.testing.assert_array_equal(volume.missing, holes())
    np.testing.assert_array_equal(volume.values[..., 0], spread())


def test_nan_in_a_mask_counts_as_missing_and_adds_to_what_is_missing_already(tmp_path):
    values, mask = spread(), np.ones(SHAPE, np.float32)
    values[0, 0, 0], mask[1, 1, 1], mask[2, 2, 2] = np.nan, np.nan, 0
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "mask.npy", mask)
    missing = open_volume(tmp_path / "a.npy", mask=str(tmp_path / "mask.npy")).missing
    assert np.argwhere(missing).tolist() == [[0, 0, 0], [1, 1, 1], [2, 2, 2]]


def test_the_range_is_that_of_what_the_mask_leaves(tmp_path):
    values = spread()
    values[0] = 1000
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "mask.npy", values < 999)
    assert open_volume(tmp_path / "a.npy", mask=str(tmp_path / "mask.npy")).value_range[1] < 10


def test_a_mask_follows_crop_axes_channels_and_time(tmp_path):
    values, out = spread((3, 6, 7, 8)), holes()
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "mask.npy", ~out)
    mask = str(tmp_path / "mask.npy")
    volume = open_volume(tmp_path / "a.npy", mask=mask, crop=[[1, 3], [0, 4], [2, 7], [0, 8]])
    np.testing.assert_array_equal(volume.missing, np.broadcast_to(out[:4, 2:7], (2, 4, 5, 8)))
    turned = open_volume(tmp_path / "a.npy", mask=mask, axes="czyx", channel=2)
    np.testing.assert_array_equal(turned.missing, out)
    np.save(tmp_path / "b.npy", spread())
    np.testing.assert_array_equal(
        open_volume(tmp_path / "b.npy", mask=mask, axes="xyz").missing, out.transpose(2, 1, 0)
    )


def test_a_mask_of_another_shape_is_refused(tmp_path, volume_file):
    np.save(tmp_path / "mask.npy", ~holes((6, 7, 9)))
    with pytest.raises(DataError, match=r"mask\.npy has shape 6 x 7 x 9 and the volume 6 x 7 x 8"):
        open_volume(volume_file, mask=str(tmp_path / "mask.npy"))


@pytest.mark.parametrize(("size", "origin"), [(1.6, (3.0, 4.0, 5.0)), (1.5, (3.0, 4.0, 6.5))])
def test_a_mask_that_lies_elsewhere_is_refused(tmp_path, volume_file, size, origin):
    mask = save_map(tmp_path / "mask.mrc", (~holes()).astype(np.float32), size, origin)
    with pytest.raises(DataError, match=r"mask\.mrc lies elsewhere"):
        open_volume(volume_file, mask=str(mask))
    again = save_map(tmp_path / "mask.mrc", (~holes()).astype(np.float32))
    assert open_volume(volume_file, mask=str(again)).missing_share == pytest.approx(holes().mean())


def test_positions_in_unlike_units_are_compared_as_lengths(tmp_path, volume_file):
    for unit, size in (("nm", 0.15), ("um", 0.15)):
        with h5py.File(tmp_path / f"{unit}.h5", "w") as file:
            file["m"] = (~holes()).astype(np.uint8)
            file["m"].attrs.update(element_size_um=[size * {"nm": 1e-3, "um": 1}[unit]] * 3)
    open_volume(volume_file, mask=str(tmp_path / "nm.h5"))
    with pytest.raises(DataError, match="lies elsewhere"):
        open_volume(volume_file, mask=str(tmp_path / "um.h5"))


def test_masks_that_cannot_be_used_are_told_in_a_sentence(tmp_path, volume_file):
    np.save(tmp_path / "none.npy", np.zeros(SHAPE))
    np.savez(tmp_path / "two.npz", a=~holes(), b=~holes())
    np.save(tmp_path / "words.npy", np.full(SHAPE, "no"))
    np.save(tmp_path / "colours.npy", np.ones((*SHAPE, 3)))
    for name, words, kind in (
        ("none.npy", "0 everywhere", DataError),
        ("two.npz", "holds 2 datasets", FileFormatError),
        ("words.npy", "type", DinrError),
        ("colours.npy", "has shape", DinrError),
        ("gone.npy", "does not exist", FileFormatError),
    ):
        with pytest.raises(kind, match=words) as caught:
            open_volume(volume_file, mask=str(tmp_path / name))
        assert "\n" not in str(caught.value)


QUICK = ["--set", "width=16", "--set", "blocks=1", "--steps", "2", "--epochs", "2", "--device", "cpu", "--json"]


def shell(capsys, *words):
    status = run([str(word) for word in words])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_a_run_reopens_its_mask_and_notices_when_it_has_changed(tmp_path, volume_file, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "mask.npy", ~holes())
    status, out, _ = shell(capsys, "info", volume_file, "--mask", "mask.npy", "--json")
    assert status == 0
    assert json.loads(out)["missing_share"] == pytest.approx(holes().mean())
    status, _, err = shell(
        capsys, "fit", volume_file, "--mask", "mask.npy", "-o", "a.dinr", "--family", "dinr-siren", *QUICK
    )
    assert status == 0, err
    monkeypatch.chdir(tmp_path.parent)
    made = read_run(tmp_path / "a.dinr")
    np.testing.assert_array_equal(volume_of(made, tmp_path / "a.dinr").missing, holes())
    assert not holes().reshape(-1)[made.held_out].any()
    resume = ["fit", volume_file, "-o", tmp_path / "a.dinr", "--resume", "--epochs", "3", "--json"]
    assert shell(capsys, *resume)[0] == 0
    np.save(tmp_path / "mask.npy", ~holes(seed=5))
    status, _, err = shell(capsys, *resume)
    assert status == 2
    assert "The mask is not the one" in err
    with pytest.raises(RunFileError, match=r"mask\.npy has changed since the fit"):
        volume_of(made, tmp_path / "a.dinr")
    (tmp_path / "mask.npy").unlink()
    with pytest.raises(RunFileError, match=r"mask\.npy is not there any more"):
        volume_of(made, tmp_path / "a.dinr")
    np.save(tmp_path / "elsewhere.npy", ~holes())
    (tmp_path / "moved").mkdir()
    (tmp_path / "a.dinr").rename(tmp_path / "moved" / "a.dinr")
    np.save(tmp_path / "moved" / "mask.npy", ~holes())
    np.testing.assert_array_equal(volume_of(made, tmp_path / "moved" / "a.dinr").missing, holes())
