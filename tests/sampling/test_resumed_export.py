"""An interrupted export to Zarr is gone on with, to the very bytes of one that never was; or refused in words."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from dinr_studio.errors import FileFormatError, OutputError
from dinr_studio.io import open_volume
from dinr_studio.io.unfinished import journaled, part_of, share_done
from dinr_studio.io.writing import VolumeHeader
from dinr_studio.io.zarr_writing import TILE_VALUES, tiles
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.crew import Crew
from dinr_studio.sampling.export import export

SHAPE = (70, 130, 66)  # six tiles


def content(folder):
    """Every file below a folder, by its path, with its bytes."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def field(make_grid, exact_field):
    """A field on a grid of several tiles."""
    return exact_field(make_grid(SHAPE))


@pytest.fixture(scope="module")
def whole(field, tmp_path_factory):
    """What an export that nobody interrupts writes."""
    path = tmp_path_factory.mktemp("whole") / "a.zarr"
    list(export(field, field.grid, path, dtype="int16"))
    return content(path)


@pytest.fixture
def interrupted(field, tmp_path):
    """The path of an export that was interrupted after three tiles."""
    path = tmp_path / "a.zarr"
    running = export(field, field.grid, path, dtype="int16")
    while not part_of(path).exists() or len(journaled(part_of(path))) < 3:
        next(running)
    running.close()
    return path


def resumed(field, path, **options):
    """Goes on, and returns all that was told."""
    return list(export(field, field.grid, path, **{"dtype": "int16", "left": "resume", **options}))


def test_an_interrupted_export_goes_on_to_the_same_bytes(field, whole, interrupted):
    assert not interrupted.exists()
    assert share_done(interrupted) == 3 / 6
    steps = resumed(field, interrupted)
    assert steps[0].done > 0.4 * field.grid.size  # what was there is not evaluated again
    assert content(interrupted) == whole
    assert not part_of(interrupted).exists()


def test_what_was_torn_is_written_again(field, whole, interrupted):
    part = part_of(interrupted)
    known = {file for file in (part / "values" / "0" / "c").rglob("*") if file.is_file()}
    torn = sorted(known)[0].with_name("999")
    torn.write_bytes(b"half a chunk")
    (part / "values" / "zarr.json").write_text("{}")
    (part / "values" / "1" / "c").mkdir(exist_ok=True)
    (part / "values" / "1" / "c" / "junk").write_text("junk")
    journal = part / "journal-0.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:-9])  # the last line was cut off
    assert share_done(interrupted) == 2 / 6
    resumed(field, interrupted)
    assert content(interrupted) == whole


def test_it_can_be_interrupted_again_and_among_the_coarser_levels(field, whole, interrupted):
    running = export(field, field.grid, interrupted, dtype="int16", left="resume")
    for step in running:
        if step.phase == "coarser levels":
            break
    running.close()
    assert share_done(interrupted) == 1
    resumed(field, interrupted)
    assert content(interrupted) == whole


class Second(Crew):
    """The second of three processes, whose fellows have yet to come."""

    rank, size = 1, 3


def test_other_processes_than_those_that_began_can_finish_it(field, whole, interrupted):
    (part_of(interrupted) / "journal-0.jsonl").rename(part_of(interrupted) / "journal-7.jsonl")
    helper = export(field, field.grid, interrupted, dtype="int16", left="resume", crew=Second())
    while len(journaled(part_of(interrupted))) < 4:
        next(helper)
    helper.close()
    resumed(field, interrupted)
    assert content(interrupted) == whole


def test_nothing_is_left_where_no_tile_was_finished(field, tmp_path):
    running = export(field, field.grid, tmp_path / "a.zarr")
    next(running)
    running.close()
    assert list(tmp_path.iterdir()) == []


def test_without_resume_it_is_refused_and_stays(field, interrupted):
    before = content(part_of(interrupted))
    with pytest.raises(OutputError, match="--resume goes on with it, --force begins anew"):
        list(export(field, field.grid, interrupted, dtype="int16"))
    assert content(part_of(interrupted)) == before


def test_beginning_anew_forgets_it(field, interrupted):
    list(export(field, field.grid, interrupted, dtype="int8", left="discard"))
    assert open_volume(interrupted).values.dtype == np.int8
    assert not part_of(interrupted).exists()


def test_anything_else_than_before_is_refused_by_name_and_stays(field, interrupted):
    before = content(part_of(interrupted))
    brighter = replace(field, normalisation=Normalisation((2.0,), (0.0,)))
    shifted = replace(field.grid, origin=(0.0, 0.0, 0.0))
    for source, grid, options, named in (
        (brighter, field.grid, {}, "another field;"),
        (field, shifted, {}, "another grid;"),
        (field, field.grid, {"dtype": "float32"}, "another type of the values;"),
        (field, field.grid, {"compression": "gzip"}, "another compression;"),
        (field, field.grid, {"notes": ("new",), "mark": "spline"}, "another field and metadata;"),
    ):
        with pytest.raises(OutputError, match=named):
            list(export(source, grid, interrupted, **{"dtype": "int16", "left": "resume", **options}))
    assert content(part_of(interrupted)) == before
    (part_of(interrupted) / "description.json").write_text("[")
    with pytest.raises(OutputError, match="begin anew with --force"):
        resumed(field, interrupted)


def test_a_reader_never_takes_it_for_a_volume(interrupted):
    with pytest.raises(FileFormatError, match=r"is an unfinished export to a.zarr; give export .* --resume"):
        open_volume(part_of(interrupted))
    assert not (part_of(interrupted) / "values" / "zarr.json").exists()


def test_resume_begins_where_there_is_nothing_and_only_a_zarr_can_resume(field, whole, tmp_path):
    resumed(field, tmp_path / "a.zarr")
    assert content(tmp_path / "a.zarr") == whole
    with pytest.raises(OutputError, match="leave --resume out"):
        resumed(field, tmp_path / "a.h5")


def test_two_processes_never_write_the_same_part(field, interrupted):
    fcntl = pytest.importorskip("fcntl")
    place = os.open(part_of(interrupted), os.O_RDONLY)
    fcntl.flock(place, fcntl.LOCK_EX)
    for left in ("resume", "discard"):
        with pytest.raises(OutputError, match="Another process is writing"):
            resumed(field, interrupted, left=left)
    os.close(place)
    resumed(field, interrupted)


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_somebody_else_has_put_there_is_never_touched(field, tmp_path, kind):
    part = tmp_path / "a.zarr.part"
    if kind == "folder":
        part.mkdir()
        (part / "thesis.txt").write_text("years of work")
    elif kind == "file":
        part.write_text("years of work")
    else:
        (tmp_path / "precious").mkdir()
        part.symlink_to(tmp_path / "precious")
    before = sorted(tmp_path.rglob("*"))
    for left in ("refuse", "resume", "discard"):
        with pytest.raises(OutputError, match="in the way"):
            resumed(field, tmp_path / "a.zarr", left=left)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_keeps_what_was_done(field, whole, tmp_path, monkeypatch):
    from dinr_studio.sampling import tiled_export

    written, path = [], tmp_path / "a.zarr"
    write = tiled_export.write_part

    def filling(*arguments):
        written.append(arguments)
        if len(written) > 2:
            raise OSError(28, "No space left on device")
        write(*arguments)

    monkeypatch.setattr(tiled_export, "write_part", filling)
    with pytest.raises(OutputError, match="disk is full"):
        list(export(field, field.grid, path, dtype="int16"))
    assert share_done(path) == 2 / 6
    monkeypatch.setattr(tiled_export, "write_part", write)
    resumed(field, path)
    assert content(path) == whole


@pytest.mark.parametrize("shape", [(70, 130, 66), (3, 20000, 20000), (20000, 20000), (2, 70, 2048, 4096)])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_cover_the_grid_once_and_stay_small_however_large_a_plane(make_grid, shape, channels):
    parts = tiles(VolumeHeader(make_grid(shape), channels, np.dtype("f4")))
    sizes = [np.prod(np.subtract(stop, start)) for start, stop in parts]
    assert sum(sizes) == np.prod(shape)
    assert len({start for start, _ in parts}) == len(parts)
    assert max(sizes) <= max(TILE_VALUES / channels, 512 * 512)


KILLED = """
import os, signal, sys
from pathlib import Path
from dinr_studio.sampling.tiled_export import _Part
write, done = _Part._write, []
def killed(self, number, values, clipped):
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(number)
    write(self, number, values, clipped)
_Part._write = killed
from dinr_studio.__main__ import main
main(["export", sys.argv[1], "-o", sys.argv[2], "--shape", "70,130,66"])
"""


def test_a_killed_export_goes_on_from_the_shell(tmp_path, make_smooth_volume, monkeypatch, capsys):
    from dinr_studio.__main__ import main
    from dinr_studio.config import FieldConfig, FitConfig, TrainingConfig
    from dinr_studio.training.fit import fit

    field = FieldConfig(family="siren", width=4, layers=2, omega_0=10.0)
    config = FitConfig(field=field, training=TrainingConfig(max_epochs=1, device="cpu", batch=64, micro_batch=64))
    run, path = tmp_path / "a.dinr", tmp_path / "a.zarr"
    list(fit(make_smooth_volume((6, 7, 8)), config, path=run))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(run), str(path)]
    killed = subprocess.run(command, check=False, capture_output=True, env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert share_done(path) == 2 / 6
    options = ["--shape", "70,130,66"]
    assert main(["export", str(run), "-o", str(path), *options]) == 2
    assert "--resume goes on with it" in capsys.readouterr().err
    monkeypatch.setattr("dinr_studio.sampling.tiled_export._Part._write", _interrupting())
    assert main(["export", str(run), "-o", str(path), *options, "--resume"]) == 130
    assert "holds 50 % of the export; the same command with --resume goes on" in capsys.readouterr().err
    monkeypatch.undo()
    assert main(["export", str(run), "-o", str(path), *options, "--resume"]) == 0
    assert main(["export", str(run), "-o", str(tmp_path / "b.zarr"), *options]) == 0
    assert content(path) == content(tmp_path / "b.zarr")


def _interrupting():
    """Writes one tile, and is interrupted by Ctrl-C before the next."""
    from dinr_studio.sampling.tiled_export import _Part

    write, done = _Part._write, []

    def interrupting(self, number, values, clipped):
        if done:
            raise KeyboardInterrupt
        done.append(number)
        write(self, number, values, clipped)

    return interrupting
