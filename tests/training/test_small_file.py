"""The small file: gives back what was put in, in few bytes, and refuses in words whatever is not one."""

import json
import lzma
import zlib

import numpy as np
import pytest

from dinr_studio.config import STEPS, changed
from dinr_studio.errors import FileFormatError, OutputError, RunFileError
from dinr_studio.fields.quantised import Quantised, in_bits, in_floats, restored
from dinr_studio.training.fit import fit
from dinr_studio.training.packing import FILTERS, pack, unpack
from dinr_studio.training.run_description import Packing
from dinr_studio.training.run_file import read_description, read_run, write_run
from dinr_studio.training.seals import SEAL, sealed_small
from dinr_studio.training.small_file import LENGTH, kept_weights, small_content, write_small
from dinr_studio.training.small_words import WORDS

PACKING = Packing(bits=8, psnr=31.5, psnr_before=32.0, voxels=720)


@pytest.fixture(scope="module")
def run(make_smooth_volume, make_config):
    return list(fit(make_smooth_volume((8, 9, 10)), make_config(max_epochs=1)))[-1].run


@pytest.fixture
def written(run, tmp_path):
    """Writes the run's weights as some function stores them; returns the path and what the file should give back."""

    def write(store, packing=PACKING):
        kept, weights = kept_weights(run)
        stored = store(weights)
        write_small(small_content(kept, stored, packing), tmp_path / "a.dinr", force=False)
        return tmp_path / "a.dinr", restored(stored)

    return write


def rebuilt(path, change_text=lambda text: text, change_weights=lambda weights: weights):
    """The small file with other contents and a seal that fits them."""
    raw = path.read_bytes()
    body = raw[SEAL.match(raw).end() :]
    end = LENGTH.size + LENGTH.unpack_from(body)[0]
    coder = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=WORDS)
    text = zlib.decompressobj(-15, zdict=WORDS).decompress(body[LENGTH.size : end])
    text = coder.compress(change_text(text)) + coder.flush()
    path.write_bytes(sealed_small(LENGTH.pack(len(text)) + text + change_weights(body[end:])))
    return path


@pytest.mark.parametrize(
    "store", [lambda w: in_floats(w, 32), lambda w: in_floats(w, 16), lambda w: in_bits(w, 8), lambda w: in_bits(w, 3)]
)
def test_a_small_file_gives_back_the_stored_weights_bit_by_bit(store, written, run):
    path, expected = written(store)
    again = read_run(path)
    assert set(again.best) == set(expected)
    assert all(np.array_equal(again.best[name], array) for name, array in expected.items())
    assert all(array.dtype == np.float32 for array in again.best.values())
    for name in ("run_id", "grid", "coordinates", "normalisation", "channel_ranges", "provenance", "value_unit"):
        assert getattr(again, name) == getattr(run, name)
    assert (again.packing, again.state, again.history.columns, again.scores) == (PACKING, None, {}, {})


def test_the_weights_in_32_bits_are_the_run_s_own(written, run):
    path, _ = written(lambda w: in_floats(w, 32))
    again = read_run(path)
    assert again.config.field.steps == int(run.best.get(STEPS, run.config.field.steps))
    assert all(np.array_equal(again.best[name], array) for name, array in run.best.items() if name != STEPS)


def test_all_but_the_weights_takes_less_than_600_bytes(run):
    kept, weights = kept_weights(run)
    seal, text, _ = small_content(kept, in_bits(weights, 8), PACKING)
    assert len(seal) == 87
    assert len(text) < 500


def test_steps_that_have_not_grown_to_all_become_the_setting(run):
    kept, weights = kept_weights(run.updated(best={**run.best, STEPS: np.float32(1)}))
    assert kept.config.field.steps == 1
    assert STEPS not in weights


def test_a_small_file_written_as_a_run_file_is_read_as_one(written, tmp_path):
    path, expected = written(lambda w: in_bits(w, 8))
    write_run(read_run(path), tmp_path / "whole.dinr")
    again = read_run(tmp_path / "whole.dinr")
    assert again.packing is None
    assert all(np.array_equal(again.best[name], array) for name, array in expected.items())


def test_an_existing_file_is_replaced_by_force_only(written, run):
    path, _ = written(lambda w: in_bits(w, 8))
    before = path.read_bytes()
    kept, weights = kept_weights(run)
    with pytest.raises(OutputError, match="exists already"):
        write_small(small_content(kept, in_bits(weights, 4), PACKING), path, force=False)
    assert path.read_bytes() == before


@pytest.mark.parametrize("at", [-1, 50, 120, 200])
def test_a_flipped_byte_or_a_cut_is_noticed(written, at):
    path, _ = written(lambda w: in_bits(w, 8))
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    with pytest.raises(RunFileError, match=r"use an intact copy|is not a run file"):
        read_run(path)
    path.write_bytes(bytes(raw[:at]))
    with pytest.raises(RunFileError):
        read_description(path)


def with_setting(**changes):
    def change(text):
        described = json.loads(text)
        described["config"]["field"].update(changes)
        return json.dumps(described).encode()

    return change


def weights_of(raw):
    return lambda _: lzma.compress(raw, format=lzma.FORMAT_RAW, filters=FILTERS)


@pytest.mark.parametrize(
    ("text", "weights", "words"),
    [
        (with_setting(width=4096, blocks=32), None, "claims to hold"),
        (with_setting(width=17), None, "fewer than its settings call for"),
        (with_setting(width=15), None, "more weights than its settings call for"),
        (with_setting(width=-1), None, "description is not valid"),
        (lambda text: b"{", None, "description is not valid"),
        (lambda text: b" " * (17 << 20) + text, None, "longer than any"),
        (None, lambda weights: b"", "fewer than its settings call for"),
        (None, lambda weights: b"\xff" * 500, "fewer than its settings call for|stored in a way"),
        (None, lambda weights: weights[:-200], "fewer than its settings call for"),
        (None, weights_of(bytes([9]) * 9999), "stored in a way that is not known"),
        (None, weights_of(bytes([4]) * 9999), "stored in a way that is not known"),
        (None, weights_of(bytes([2] * 10) + b"\x7f\xc0" * 5000), "not all finite|more weights"),
    ],
)
def test_a_sealed_file_that_lies_is_refused_in_words(text, weights, words, written):
    path, _ = written(lambda w: in_bits(w, 8))
    path = rebuilt(path, text or (lambda same: same), weights or (lambda same: same))
    with pytest.raises(RunFileError, match=words) as caught:
        read_run(path)
    assert str(path) in str(caught.value)


def test_a_description_longer_than_the_file_is_refused(written):
    path, _ = written(lambda w: in_bits(w, 8))
    raw = path.read_bytes()
    body = bytearray(raw[SEAL.match(raw).end() :])
    LENGTH.pack_into(body, 0, 2**32 - 1)
    path.write_bytes(sealed_small(bytes(body)))
    with pytest.raises(RunFileError, match="cut off"):
        read_description(path)


def test_weights_come_back_from_their_bytes_whatever_their_kind():
    generator = np.random.default_rng(4)
    stored = {
        "wide": Quantised(generator.integers(-32767, 32768, (3, 50)).astype("i2"), np.array([2.0], "f4")),
        "narrow": Quantised(generator.integers(-128, 128, (4, 20)).astype("i2"), np.array([1, 2, 4, 0.5], "f4")),
        "half": generator.normal(size=7).astype("f2"),
        "single": generator.normal(size=(2, 3)).astype("f4"),
        "number": np.array(5, "f4"),
        "none": np.zeros((0, 4), "f4"),
    }
    shapes = {n: one.codes.shape if isinstance(one, Quantised) else one.shape for n, one in stored.items()}
    again = restored(unpack(pack(stored), shapes))
    assert all(np.array_equal(again[name], array) for name, array in restored(stored).items())


def test_codes_of_few_values_take_few_bytes():
    codes = np.random.default_rng(5).integers(0, 2, (100, 100)).astype("i2")
    assert len(pack({"a": Quantised(codes, np.ones(1, "f4"))})) < 10_000 / 8 * 1.3


def test_bytes_that_are_no_weights_are_refused():
    with pytest.raises(FileFormatError):
        unpack(b"nonsense", {"a": (3, 4)})


def test_the_words_of_the_format_never_change():
    assert zlib.crc32(WORDS) == CRC_OF_WORDS


CRC_OF_WORDS = 1568136544


def test_settings_of_the_preset_survive(written, run):
    path, _ = written(lambda w: in_floats(w, 16))
    assert read_run(path).config == changed(run.config, reasons=())
