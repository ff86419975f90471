"""Opening any file: the format is found, faults are told in one sentence."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dinr_studio.errors import ConfigError, DinrError, FileFormatError
from dinr_studio.io import open_volume
from dinr_studio.io.reading import format_of
from dinr_studio.samples import SAMPLES, sample_path


def test_a_file_with_an_unknown_suffix_is_known_by_its_first_bytes(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6.0).reshape(2, 3))
    (tmp_path / "a.npy").rename(tmp_path / "a.data")
    assert format_of(tmp_path / "a.data") == "NPY"
    assert open_volume(tmp_path / "a.data").grid.shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("missing.mrc", None, "does not exist"),
        ("empty.mrc", b"", "empty"),
        ("text.doc", b"hello world", "format of text.doc is not known"),
        ("text.mrc", b"hello", "less than an MRC header"),
        ("text.h5", b"hello", "damaged or not what its name says"),
        ("text.tif", b"hello", "damaged or not what its name says"),
        ("text.npz", b"hello", "damaged or not what its name says"),
        ("text.png", b"hello", "damaged or not what its name says"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_sentence(tmp_path, name, content, word):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=word) as caught:
        open_volume(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="is a folder"):
        open_volume(tmp_path)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"axes": "zy"}, "dimensions"),
        ({"axes": "zzx"}, "different letter"),
        ({"axes": "zyq"}, "different letter"),
        ({"voxel_size": [1.0, 2.0]}, "one for each axis"),
        ({"voxel_size": [-1.0]}, "positive"),
        ({"channel": 1}, "channels 0 to 0"),
    ],
)
def test_wrong_options_are_refused_in_words(tmp_path, options, word):
    np.save(tmp_path / "a.npy", np.arange(24.0).reshape(2, 3, 4))
    with pytest.raises(ConfigError, match=word):
        open_volume(tmp_path / "a.npy", **options)


def test_a_corrected_voxel_size_moves_the_origin_with_it(tmp_path):
    path = sample_path("turbulence-3d")
    wide = open_volume(path, voxel_size=[2.0], unit="cm")
    assert wide.grid.voxel_size == (2.0, 2.0, 2.0)
    assert wide.grid.units == ("cm",) * 3
    np.save(tmp_path / "t.npy", np.random.default_rng(0).random((2, 3, 4, 5)))
    assert open_volume(tmp_path / "t.npy", voxel_size=[2.0]).grid.voxel_size == (1.0, 2.0, 2.0, 2.0)


def test_a_volume_remembers_its_file_by_hash(tmp_path):
    import hashlib

    path = sample_path("emd-3001")
    assert open_volume(path).provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert open_volume("sample:emd-3001").provenance.sha256 == open_volume(path).provenance.sha256


def test_an_unknown_sample_is_refused_with_the_names_of_all():
    with pytest.raises(ConfigError, match="clouds"):
        open_volume("sample:nothing")


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "turbulence-2d"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_read_or_refused_but_nothing_else(tmp_path, name, data):
    original = sample_path(name)
    content = bytearray(original.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, min(4096, len(content) - 1)))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(1, len(content) - 1)) :]
    path = tmp_path / original.name
    path.write_bytes(content)
    try:
        volume = open_volume(path)
    except DinrError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert volume.values.shape[:-1] == volume.grid.shape
    assert "\n" not in sentence
