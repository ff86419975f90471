"""Files are wholly there or not there at all."""

import errno
import os
from pathlib import Path

import pytest

from dinr_studio.errors import OutputError
from dinr_studio.io.atomic import atomic_output, check_free_space, check_place


def write(path, content, *, force=False):
    with atomic_output(path, force=force) as temporary:
        temporary.write_bytes(content)


def test_a_finished_file_takes_its_name_and_nothing_else_is_left(tmp_path):
    write(tmp_path / "a.bin", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.bin", b"new")]


def test_an_existing_file_is_replaced_only_by_force(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="--force"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    write(path, b"new", force=True)
    assert path.read_bytes() == b"new"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "a.bin"

    def write_late():
        with atomic_output(path, force=False) as temporary:
            temporary.write_bytes(b"new")
            path.write_bytes(b"somebody else's")

    with pytest.raises(OutputError, match="exists already"):
        write_late()
    assert path.read_bytes() == b"somebody else's"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt(), GeneratorExit()])
def test_nothing_is_left_when_writing_stops_half_way(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def stopped():
        with atomic_output(path, force=True) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        stopped()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.bin", b"old")]


def test_a_full_disk_is_told_in_words_and_leaves_nothing(tmp_path):
    def full():
        with atomic_output(tmp_path / "a.bin", force=False) as temporary:
            temporary.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match="disk is full"):
        full()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_and_a_folder_of_that_name_are_told(tmp_path):
    with pytest.raises(OutputError, match="does not exist; make it first"):
        write(tmp_path / "none" / "a.bin", b"")
    with pytest.raises(OutputError, match="is a folder"):
        write(tmp_path, b"")


def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path):
    (tmp_path / "scratch").mkdir()
    link, target = tmp_path / "a.bin", tmp_path / "scratch" / "real.bin"
    link.symlink_to(target)
    with pytest.raises(OutputError, match="--force"):
        write(link, b"new")
    for content in (b"new", b"newer"):  # the first where it leads to nothing yet
        write(link, content, force=True)
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert len(list(tmp_path.rglob("*"))) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
def test_devices_and_pipes_are_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null"):
        for check in (lambda path: write(path, b"", force=True), check_place):
            with pytest.raises(OutputError, match="no file but a device, a pipe"):
                check(tmp_path / name)
    assert Path("/dev/null").is_char_device()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "null"}


def test_a_link_in_a_circle_and_names_that_are_too_long_are_told(tmp_path):
    (tmp_path / "a.bin").symlink_to(tmp_path / "a.bin")
    write(tmp_path / "a.bin", b"new", force=True)
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    for name in ("a" * 256, "/".join(["abc"] * 1100)):
        with pytest.raises(OutputError, match="too long; choose a shorter one"):
            write(tmp_path / name, b"")
        with pytest.raises(OutputError, match="too long; choose a shorter one"):
            check_place(tmp_path / name)


def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "usual").touch()
    write(tmp_path / "a.bin", b"x")
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_more_than_the_disk_has_is_refused_before_writing(tmp_path):
    check_free_space(tmp_path / "a.bin", 1000)
    with pytest.raises(OutputError, match="make room"):
        check_free_space(tmp_path / "a.bin", 1 << 60)
