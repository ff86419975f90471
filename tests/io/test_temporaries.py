"""Temporary names: short enough for any target, and cleared away once their writers are no more."""

import os
import subprocess
import sys

import pytest

from dinr_studio.io import atomic, exchanging, temporaries
from dinr_studio.io.atomic import atomic_folder, atomic_output

KILLED = """
import os, signal, sys
from pathlib import Path
from dinr_studio.io.atomic import atomic_folder, atomic_output
make = {"file": atomic_output, "folder": atomic_folder}[sys.argv[2]]
with make(Path(sys.argv[1]), force=True) as temporary:
    (temporary if temporary.is_file() else temporary / "chunk").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_amid(path, kind):
    """What a process leaves that is killed while it writes."""
    command = [sys.executable, "-c", KILLED, str(path), kind]
    assert subprocess.run(command, check=False).returncode == -9
    (left,) = path.parent.glob(".*.part")
    return left


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_left_is_cleared_away_by_the_next_save_in_that_folder(tmp_path, kind):
    left = killed_amid(tmp_path / "a.zarr", kind)
    with atomic_output(tmp_path / "another.bin", force=False):
        assert not left.exists()


def test_what_others_still_write_or_wrote_elsewhere_stays(tmp_path):
    left = killed_amid(tmp_path / "a.bin", "file")
    _, place, process, random = left.name.removesuffix(".part").replace("-", ".").rsplit(".", 3)
    names = [
        f".a.bin.{place}-{os.getppid()}-{random}.part",  # of a process that lives
        f".a.bin.00000000-{process}-{random}.part",  # of another machine
        ".a.bin.part", f".a.bin.{place}-{process}.part", f"a.bin.{place}-{process}-{random}.part",  # not ours
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).touch()
    with atomic_output(tmp_path / "a.bin", force=False) as temporary, atomic_output(tmp_path / "b.bin", force=False):
        assert temporary.exists()
    assert {path.name for path in tmp_path.iterdir()} == {*names, "a.bin", "b.bin"}


@pytest.mark.parametrize("name", ["a" * 251 + ".mrc", "é" * 125 + ".mrc", "語" * 80 + ".mrc", " \n'\"$(id);*?", "-o"])
def test_any_name_that_the_system_allows_can_be_written(tmp_path, name):
    with atomic_output(tmp_path / name, force=False) as temporary:
        assert len(os.fsencode(temporary.name)) < 128
        temporary.write_bytes(b"x")
    with atomic_folder(tmp_path / f"{name[:-4]}.zr", force=False):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name[:-4]}.zr"}


def test_a_name_that_is_no_unicode_can_be_written(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff\xfe.bin")
    with atomic_output(path, force=False) as temporary:
        temporary.write_bytes(b"x")
    assert path.read_bytes() == b"x"


def store(folder, mark):
    folder.mkdir(exist_ok=True)
    (folder / "zarr.json").write_text(mark)


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_replaced_store_is_wholly_the_new_one_and_nothing_else_is_left(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(atomic, "exchange", lambda one, other: False)
    store(tmp_path / "a.zarr", "old")
    (tmp_path / "a.zarr" / "old chunk").touch()
    with atomic_folder(tmp_path / "a.zarr", force=True) as temporary:
        store(temporary, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    assert [path.name for path in (tmp_path / "a.zarr").iterdir()] == ["zarr.json"]
    assert (tmp_path / "a.zarr" / "zarr.json").read_text(encoding="utf-8") == "new"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked for an exchange")
def test_two_folders_change_names_in_one_step(tmp_path):
    store(tmp_path / "a", "of a")
    store(tmp_path / "b", "of b")
    assert exchanging.exchange(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "zarr.json").read_text(encoding="utf-8") == "of b"
    with pytest.raises(FileNotFoundError):
        exchanging.exchange(tmp_path / "a", tmp_path / "none")


def test_numbers_of_processes_belong_to_one_place():
    assert temporaries._here() == temporaries._here()
    assert temporaries.OURS.fullmatch(f".name.{temporaries._here()}-1-abc_1.part")
