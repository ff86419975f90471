"""The promises of resources/docs/security.md, each tested by the test of its number."""

import json
import lzma
import math
import os
import pickle
import re
import sys
import zlib

import driver
import h5py
import lies
import numpy as np
import pytest
import seeds
from PIL import Image

from dinr_studio.cli.app import run as run_command
from dinr_studio.errors import DinrError, FileFormatError, RunFileError, plain
from dinr_studio.io import isolation, open_volume
from dinr_studio.training.packing import FILTERS
from dinr_studio.training.run_data import volume_of
from dinr_studio.training.run_file import read_run
from dinr_studio.training.seals import SEAL, sealed_small
from dinr_studio.training.small_file import LENGTH
from dinr_studio.training.small_words import WORDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches processes as Linux tells of them")
BENT = "\x1b[2J\x1b]0;owned\x07 <img src='//server/x'> $\\frac{$ \u202e"


def lies_with(*words):
    """Names of lies that have one of some words in them."""
    return [name for name in lies.LIES if any(word in name for word in words)]


class Canary:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.fixture(scope="module")
def run_path(tmp_path_factory):
    return seeds.SEEDS["run"](tmp_path_factory.mktemp("run"))


def pickled_npy(folder, canary):
    np.save(folder / "a.npy", np.array([Canary(canary)] * 4, dtype=object), allow_pickle=True)
    return folder / "a.npy"


def pickled_npz(folder, canary):
    np.savez(folder / "a.npz", d=np.array([Canary(canary)] * 4, dtype=object))
    return folder / "a.npz"


def pickled_store(folder, canary):
    path = seeds.SEEDS["Zarr 2"](folder)
    metadata = json.loads((path / ".zarray").read_text(encoding="utf-8"))
    (path / ".zarray").write_text(json.dumps(metadata | {"compressor": {"id": "pickle"}}))
    (path / "0.0.0").write_bytes(pickle.dumps(Canary(canary)))
    return path


def pickled_run(folder, canary):
    (folder / "a.dinr").write_bytes(pickle.dumps(Canary(canary)))
    return folder / "a.dinr"


@pytest.mark.parametrize("make", [pickled_npy, pickled_npz, pickled_store, pickled_run])
def test_1_nothing_pickled_is_loaded(make, tmp_path, one):
    path = make(tmp_path, tmp_path / "canary")
    answer = one.ask("run" if path.suffix == ".dinr" else "volume", path)
    assert (answer["end"], answer["deeds"]) == ("refused", [])
    assert not (tmp_path / "canary").exists()


def test_1_the_canary_would_sing(tmp_path):
    pickle.loads(pickle.dumps(Canary(tmp_path / "canary"))).close()
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.bmp"])
def test_2_postscript_is_no_picture_whatever_its_name(name, tmp_path, one):
    Image.new("L", (9, 9)).save(tmp_path / "x.eps")
    (tmp_path / "x.eps").rename(tmp_path / name)
    answer = one.ask("volume", tmp_path / name)
    assert (answer["end"], answer["deeds"]) == ("refused", [])


def test_2_the_only_process_is_python_that_tries_the_file(tmp_path, monkeypatch):
    commands = []
    real = isolation.subprocess.run
    monkeypatch.setattr(
        isolation.subprocess, "run", lambda command, **o: commands.append(command) or real(command, **o)
    )
    open_volume(seeds.SEEDS["HDF5"](tmp_path))
    (command,) = commands
    assert command[:3] == [sys.executable, "-c", isolation.TRY]
    assert command[4:] == ["dinr_studio.io.hdf5", "try_hdf5"]


def test_3_addresses_are_no_files(tmp_path, one):
    for address in ("http://localhost:9/a.nii", "s3://bucket/a.zarr", "https://localhost/a.h5"):
        with pytest.raises(FileFormatError, match="does not exist"):
            open_volume(address)
    for i, name in enumerate(lies_with("address", "document type", "share", "outer entity")):
        (tmp_path / str(i)).mkdir()
        assert one.ask("volume", lies.LIES[name](tmp_path / str(i)))["deeds"] == []


@pytest.mark.parametrize("share", ["//server/share/v.npy", "\\\\server\\share\\v.npy"])
def test_3_a_share_that_a_run_file_names_is_not_looked_up(share, run_path, tmp_path, monkeypatch):
    path = tmp_path / "b.dinr"
    path.write_bytes(run_path.read_bytes())
    with h5py.File(path, "r+") as file:
        described = json.loads(file["description"][...].tobytes())
        described["provenance"]["file"] = share
        del file["description"]
        file["description"] = np.frombuffer(json.dumps(described).encode(), dtype=np.uint8)
    path.write_bytes(seeds.seal(path.read_bytes()))
    run = read_run(path)
    looked = []
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda place, **o: looked.append(str(place)) or real(place, **o))
    with pytest.raises(RunFileError, match="--data FILE"):
        volume_of(run, path)
    assert not [place for place in looked if place.startswith(("//", "\\\\"))]


def test_4_companions_of_an_ome_tiff_are_not_opened(tmp_path):
    volume = open_volume(lies.LIES["OME-TIFF of other files"](tmp_path))
    assert volume.values.max() == 59  # the values of the file itself; the other one's go to 159


@pytest.mark.parametrize(
    "name", [*lies_with("virtual dataset", "external device"), ".nhdr names a folder above", ".mhd names a text"]
)
def test_4_files_lead_nowhere_else(name, tmp_path, one):
    answer = one.ask("volume", lies.LIES[name](tmp_path))
    assert answer["end"] == "refused"


@pytest.mark.parametrize("name", ["HDF5", "NIfTI", "NRRD", "OME", "Zarr"])
def test_5_an_export_writes_where_it_was_told_and_nowhere_else(name, tmp_path, one):
    path = {
        "HDF5": lambda: bent_hdf5(tmp_path),
        "OME": lambda: seeds.SEEDS["TIFF"](tmp_path),
    }.get(name, lambda: seeds.SEEDS[name](tmp_path))()
    answer = one.ask("export", path)
    assert (answer["end"], answer["deeds"]) == ("value", [])
    assert {other.name.partition(".")[0] for other in tmp_path.iterdir()} == {path.name.partition(".")[0], "out"}


def test_5_opening_writes_nothing(tmp_path, one):
    path = seeds.SEEDS["NeXus"](tmp_path)
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    assert one.ask("volume", path)["deeds"] == []
    assert [other.name for other in tmp_path.iterdir()] == [path.name]
    tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    "name", ["Zarr chunk that is a pipe", ".mhd names a pipe", "TIFF long loop", "HDF5 soft loop .h5"]
)
def test_6_nothing_waits_for_ever(name, tmp_path, one):
    assert driver.fault_in(one.ask("volume", lies.LIES[name](tmp_path)), driver.HANGING) == ""


@pytest.mark.parametrize("deed", ["os.abort()", "ctypes.string_at(1)", "sys.exit(70)"])
def test_7_what_crashes_a_library_is_told_in_words(deed, tmp_path, monkeypatch):
    path = seeds.SEEDS["HDF5"](tmp_path)
    monkeypatch.setattr(isolation, "TRY", f"import ctypes, os, sys; {deed}")
    with pytest.raises(FileFormatError, match="in a way that the library for it fails at"):
        open_volume(path)


@pytest.mark.parametrize(
    "name", ["HDF5 gzip bomb", "Zarr zstd bomb", "DICOM deflate bomb", "NIfTI 10^12 voxels", "VTI 10^12 points"]
)
def test_8_memory_follows_what_a_file_holds(name, tmp_path, one):
    answer = one.ask("volume", lies.LIES[name](tmp_path))
    assert answer["beyond"] < driver.MOST_BEYOND + 8 * answer["held"]


def test_9_trying_a_file_ends_by_the_processor_s_time(tmp_path, monkeypatch):
    assert isolation.SPARE_SECONDS + 1 <= driver.MOST_SECONDS
    path = seeds.SEEDS["HDF5"](tmp_path)
    endless = "limit_time(0, -0.5); exec('while True: pass')"
    code = isolation.TRY.replace("attempt; attempt(sys.argv[2:])", f"limit_time; {endless}")
    monkeypatch.setattr(isolation, "TRY", code)
    with pytest.raises(FileFormatError, match="fails at"):
        open_volume(path)


def bent_hdf5(folder):
    """A volume whose texts are meant for a terminal, a window or a picture."""
    with h5py.File(folder / "a.h5", "w") as file:
        file["d"] = seeds.ramp()
        file["d"].attrs.update({"units": BENT, "axis_units": BENT, "voxel_size": 2.0, "channel_names": [BENT]})
    return folder / "a.h5"


def test_10_texts_from_files_are_plain(tmp_path, capsys):
    volume = open_volume(bent_hdf5(tmp_path))
    shown = [
        volume.value_unit,
        *volume.grid.units,
        *volume.channel_names,
        *volume.provenance.notes,
        str(DinrError(BENT)),
    ]
    assert shown[0]
    for text in shown:
        assert text.isprintable()
        assert not re.search("<[a-z]", text)
    assert run_command(["info", str(tmp_path / "a.h5")]) == 0
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
    assert plain("3 < 4 µm, 5 Å") == "3 < 4 µm, 5 Å"


def test_10_formulas_in_texts_are_not_typeset(tmp_path, run_path, capsys):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["d"] = seeds.ramp(np.float32, (4, 4, 4)) ** 1.1
        file["d"].attrs["units"] = "$\\frac{$"
    status = run_command(
        ["fit", str(tmp_path / "v.h5"), "-o", str(tmp_path / "b.dinr"), "--preset", "quick", "--set", "max_epochs=1",
         "--set", "width=8"]
    )  # fmt: skip
    assert status == 0, capsys.readouterr().err
    assert run_command(["slice", str(tmp_path / "b.dinr"), "-o", str(tmp_path / "p.png")]) == 0, capsys.readouterr().err


def test_11_a_refusal_is_one_sentence_and_status_2(tmp_path, capsys):
    for name in ("NPY negative", "NRRD negative", "MRC mode 99", "TIFF 10^12 pixels"):
        place = tmp_path / name
        place.mkdir()
        assert run_command(["info", str(lies.LIES[name](place))]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert said.startswith("dinr-studio: ")


@pytest.fixture(scope="module")
def small_path(tmp_path_factory):
    return seeds.SEEDS["run small"](tmp_path_factory.mktemp("small"))


def test_12_a_small_file_needs_neither_hdf5_nor_a_process(small_path, monkeypatch, one):
    def forbidden(*_, **__):
        raise AssertionError("a small file was handed on")

    monkeypatch.setattr(h5py, "File", forbidden)
    monkeypatch.setattr(isolation.subprocess, "run", forbidden)
    assert all(np.isfinite(weights).all() for weights in read_run(small_path).best.values())
    answer = one.ask("run", small_path)
    assert (answer["end"], answer["deeds"]) == ("value", [])


def small_parts(path):
    """Deflated description and packed weights of a small file."""
    body = path.read_bytes()[SEAL.match(path.read_bytes()).end() :]
    end = LENGTH.size + LENGTH.unpack_from(body)[0]
    return body[LENGTH.size : end], body[end:]


def small_of(text, weights):
    """A small file of some parts with the seal that fits them."""
    return sealed_small(LENGTH.pack(len(text)) + text + weights)


def deflated(*parts):
    coder = zlib.compressobj(1, zlib.DEFLATED, -15, 9, zdict=WORDS)
    return b"".join(coder.compress(part) for part in parts) + coder.flush()


def packed(*parts):
    quick = [FILTERS[0] | {"mode": lzma.MODE_FAST, "mf": lzma.MF_HC3, "nice_len": 273}]  # the same bytes to a reader
    coder = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=quick)
    return b"".join(coder.compress(part) for part in parts) + coder.flush()


def vast(path):
    """The description of a small file with settings that call for gigabytes of weights."""
    text = json.loads(zlib.decompressobj(-15, zdict=WORDS).decompress(small_parts(path)[0]))
    text["config"]["field"] |= {"width": 4096, "blocks": 32}
    return deflated(json.dumps(text).encode())


MANY = [bytes(1 << 20)] * 160
SMALL_LIES = {
    "cut off": lambda path: path.read_bytes()[:-9],
    "nothing but its seal": lambda path: path.read_bytes()[:87],
    "padded": lambda path: path.read_bytes() + bytes(99),
    "another file's seal": lambda path: path.read_bytes()[:87] + path.read_bytes()[87:][::-1],
    "a seal of another version": lambda path: path.read_bytes().replace(b"-run 4 ", b"-run 3 ", 1),
    "cut off and sealed": lambda path: small_of(small_parts(path)[0], small_parts(path)[1][:-99]),
    "padded and sealed": lambda path: small_of(small_parts(path)[0], small_parts(path)[1] + b"".join(MANY)),
    "no content and sealed": lambda path: sealed_small(b""),
    "half a length and sealed": lambda path: sealed_small(b"\1\0"),
    "a length beyond its end": lambda path: sealed_small(LENGTH.pack(2**32 - 1) + small_parts(path)[0]),
    "a description that is a bomb": lambda path: small_of(deflated(*MANY), small_parts(path)[1]),
    "weights that are a bomb": lambda path: small_of(small_parts(path)[0], packed(*MANY)),
    "settings that are a bomb": lambda path: small_of(vast(path), packed(*MANY)),
}


@pytest.mark.parametrize("name", SMALL_LIES)
def test_12_a_small_file_that_lies_ends_in_a_sentence_and_takes_no_memory(name, small_path, tmp_path, one):
    path = tmp_path / "a.dinr"
    path.write_bytes(SMALL_LIES[name](small_path))
    answer = one.ask("run", path)
    assert (answer["end"], driver.fault_in(answer, math.inf)) == ("refused", "")
    assert answer["beyond"] < 100 << 20


def test_12_the_shell_tells_of_a_small_file_in_a_sentence(small_path, tmp_path, capsys):
    path = tmp_path / "a.dinr"
    path.write_bytes(SMALL_LIES["cut off and sealed"](small_path))
    assert run_command(["slice", str(path), "-o", str(tmp_path / "p.png")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "p.png").exists()


def test_every_promise_has_a_test_and_every_test_a_promise(root):
    page = (root / "resources" / "docs" / "security.md").read_text(encoding="utf-8")
    promised = {int(number) for number in re.findall(r"^(\d+)\. \*\*", page, re.MULTILINE)}
    tested = {int(match[1]) for name in globals() if (match := re.match(r"test_(\d+)_", name))}
    assert promised == tested
    assert len(promised) > 9
