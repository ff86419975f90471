"""The run file: gives back what was put in, and refuses in words whatever is not a run file."""

import json
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dinr_studio.errors import OutputError, RunFileError
from dinr_studio.training.fit import fit
from dinr_studio.training.run_file import read_description, read_run, seal, write_run


@pytest.fixture(scope="module")
def run(make_smooth_volume, make_config):
    return list(fit(make_smooth_volume((8, 9, 10)), make_config(max_epochs=2)))[-1].run


@pytest.fixture(scope="module")
def intact(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "intact.dinr"
    write_run(run, path)
    return path


@pytest.fixture
def path(intact, tmp_path):
    return shutil.copy(intact, tmp_path / "a.dinr")


def equal(one, two):
    return set(one) == set(two) and all(np.array_equal(one[k], two[k], equal_nan=True) for k in one)


def test_a_run_comes_back_as_it_was(run, path):
    again = read_run(path)
    arrays = ("held_out", "best", "state", "history")
    assert all(getattr(run, n) == getattr(again, n) for n in type(run).__dataclass_fields__ if n not in arrays)
    np.testing.assert_array_equal(run.held_out, again.held_out)
    assert equal(run.best, again.best)
    assert equal(run.state.weights, again.state.weights)
    assert equal(run.state.good, again.state.good)
    assert equal(run.state.optimiser, again.state.optimiser)
    assert run.state.scalars == again.state.scalars
    assert (run.state.step, run.state.elapsed) == (again.state.step, again.state.elapsed)
    assert equal(run.history.columns, again.history.columns)
    assert run.history.events == again.history.events
    assert read_description(path).scores == run.scores


def test_a_run_file_holds_numbers_only(path):
    kinds = set()
    with h5py.File(path) as file:
        file.visititems(lambda name, item: kinds.add(item.dtype.kind) if isinstance(item, h5py.Dataset) else None)
        assert not file.attrs
    assert kinds <= set("fiu")


def test_a_run_file_of_the_first_version_is_read(path):
    path.write_bytes(path.read_bytes().replace(b"dinr-studio-run 2 ", b"dinr-studio-run 1 ", 1))
    assert read_run(path).grid.shape == (8, 9, 10)


def test_a_run_file_of_a_newer_version_says_to_update(path):
    path.write_bytes(path.read_bytes().replace(b"dinr-studio-run 2 ", b"dinr-studio-run 99 ", 1))
    with pytest.raises(RunFileError, match=r"version 99.*update DINR Studio"):
        read_run(path)


def test_a_single_altered_bit_is_told_before_hdf5_sees_the_file(path, monkeypatch):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(h5py, "File", lambda *arguments: pytest.fail("HDF5 saw the file"))
    with pytest.raises(RunFileError, match="altered after it was written"):
        read_run(path)


def edit(path, change):
    """Changes a run file and seals it again, as somebody with bad intentions could."""
    with h5py.File(path, "r+") as file:
        change(file)
    seal(path)


def external_link(file):
    file["best/link"] = h5py.ExternalLink("/etc/passwd", "x")


def soft_link(file):
    file["best/link"] = h5py.SoftLink("/held_out")


def external_storage(file):
    file.create_dataset("best/outside", (4,), "f4", external=[("/etc/hostname", 0, 16)])


def strings(file):
    file["best/text"] = ["a", "b"]


def references(file):
    file.create_dataset("best/ref", data=file["held_out"].ref, dtype=h5py.ref_dtype)


def enormous(file):
    del file["held_out"]
    file.create_dataset("held_out", (1 << 50,), "u8", chunks=(1 << 16,), compression="gzip")


def wrong_shape(file):
    del file["best/decoder.weight"]
    file["best/decoder.weight"] = np.zeros((5, 5), "f4")


def wrong_type(file):
    del file["best/decoder.weight"]
    file["best/decoder.weight"] = np.zeros((1, 16), "f8")


def missing_weight(file):
    del file["best/decoder.weight"]


def surplus_weight(file):
    file["best/surplus"] = np.zeros(3, "f4")


def not_finite(file):
    file["best/decoder.bias"][...] = np.nan


def steps_without_end(file):
    file["best/steps"] = np.float32(1e9)


def steps_that_are_none(file):
    file["best/steps"] = np.float32(0)


def several_steps(file):
    file["best/steps"] = np.array([1, 2], "f4")


def unknown_optimiser(file):
    file["state/optimiser/velocity/decoder.bias"] = np.zeros(1, "f4")


def optimiser_of_another(file):
    name = next(iter(file["state/optimiser/exp_avg"]))
    del file[f"state/optimiser/exp_avg/{name}"]
    file[f"state/optimiser/exp_avg/{name}"] = np.zeros(3, "f4")


def half_an_optimiser(file):
    del file["state/optimiser/exp_avg_sq"]


def optimiser_without_a_parameter(file):
    del file["state/optimiser/exp_avg/decoder.bias"]


def held_out_beyond(file):
    file["held_out"][0] = 10**6


def uneven_history(file):
    del file["history/step"]
    file["history/step"] = np.zeros(999)


def deep(file):
    file["best/" + "/".join("abcdefgh")] = np.zeros(3)


def no_description(file):
    del file["description"]


def describe(**changes):
    def change(file):
        description = json.loads(file["description"][...].tobytes())
        for name, value in changes.items():
            *groups, last = name.split("__")
            part = description
            for group in groups:
                part = part[group]
            part[last] = value
        del file["description"]
        file["description"] = np.frombuffer(json.dumps(description).encode(), np.uint8)

    change.__name__ = "describe_" + "_".join(f"{name}={value}" for name, value in changes.items())
    return change


EDITS = [
    (external_link, "link to elsewhere"),
    (soft_link, "link to elsewhere"),
    (external_storage, "in a way that a run file never uses"),
    (strings, "of type object"),
    (references, "never holds"),
    (enormous, "claims to hold"),
    (wrong_shape, "settings call for"),
    (wrong_type, "settings call for"),
    (missing_weight, "decoder.weight"),
    (surplus_weight, "surplus"),
    (not_finite, "not all finite"),
    (optimiser_of_another, "optimiser"),
    (steps_without_end, "steps"),
    (steps_that_are_none, "steps"),
    (several_steps, "steps"),
    (unknown_optimiser, "velocity"),
    (held_out_beyond, "held-out voxels"),
    (uneven_history, "history"),
    (deep, "nested"),
    (no_description, "truncated or altered"),
    (describe(config__field__width=10**9), "width"),
    (describe(config__field__width=4096), "settings call for"),
    (describe(grid__shape=[8, 9]), "needs 2 voxel sizes"),
    (describe(grid__voxel_size=[0, 1, 1]), "positive"),
    (describe(coordinates__scale=[1]), "coordinates"),
    (describe(normalisation__scale=[1, 2]), "normalisation"),
    (describe(channel_ranges=[]), "normalisation"),
    (describe(surprise=1), "surprise"),
    (describe(normalisation__scale=[0]), "to nothing"),
    (describe(grid__axes=["a", "b", "c"]), "axes"),
    (describe(scores={"psnr": 1}), r"scores\.parameters"),
    (describe(scores__train={"psnr": "high"}), r"scores\.train\.psnr"),
    (describe(scores__held_out__interpolation={"cubic": {}}), r"interpolation\.cubic"),
    (describe(open_options={"command": "rm"}), r"open_options\.command"),
    (describe(open_options={"axes": 7}), r"open_options\.axes"),
    (describe(state__micro_batch=0), r"state\.micro_batch"),
    (describe(state__step=-5), r"state\.step"),
    (describe(state__rate_share=None), r"state\.rate_share"),
    (describe(state__surplus=1), "none that a trainer has"),
    (describe(state={"step": 1, "elapsed": 2.0}), r"state\.rate_share"),
    (half_an_optimiser, "optimiser"),
    (optimiser_without_a_parameter, "optimiser's state is incomplete"),
    (describe(run_id=[1]), "run_id"),
]


@pytest.mark.parametrize(("change", "word"), EDITS, ids=[change.__name__ for change, _ in EDITS])
def test_an_altered_run_file_is_refused_in_words(path, change, word):
    edit(path, change)
    with pytest.raises(RunFileError, match=word) as caught:
        read_run(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "word"),
    [(None, "does not exist"), (b"", "not a run file"), (b"PK\x03\x04 pickled", "not a run file")],
)
def test_what_is_no_run_file_is_refused_in_words(tmp_path, content, word):
    path = tmp_path / "a.dinr"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunFileError, match=word):
        read_run(path)
    with pytest.raises(RunFileError, match="folder"):
        read_run(tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_run_file_is_refused_or_read_but_nothing_else(intact, tmp_path, data):
    content = bytearray(intact.read_bytes())
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path = tmp_path / "b.dinr"
    path.write_bytes(content)
    try:
        read = read_run(path)
    except RunFileError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert read.grid.shape == (8, 9, 10)
    assert "\n" not in sentence


def test_a_run_that_cannot_be_written_leaves_the_old_file(run, path, monkeypatch):
    before = path.read_bytes()

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", full)
    with pytest.raises(Exception, match="disk is full"):
        write_run(run, path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["a.dinr"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
def test_a_full_disk_crashes_nothing_and_leaves_the_old_file(run, intact, disk, share):
    path = shutil.copy(intact, disk.folder / "a.dinr")
    before = path.read_bytes()
    full = pytest.raises(OutputError, match=r"(disk is full|larger than a file may be)")
    with disk.left(int(share * len(before))), full:
        write_run(run, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["a.dinr"]
    write_run(run, path)
    assert equal(read_run(path).best, run.best)
