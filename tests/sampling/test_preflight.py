"""What works take is said before they begin, and a smaller plan is named where they do not fit: one that does."""

import re
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest

from dinr_studio import memory
from dinr_studio.errors import MemoryShort, OutputError
from dinr_studio.io.atomic import SPARE_BYTES
from dinr_studio.io.writing import VolumeHeader
from dinr_studio.needs import Needs
from dinr_studio.sampling.export import export
from dinr_studio.sampling.preflight import export_needs, spline_bytes, written_bytes
from dinr_studio.words import bytes_in_words


@pytest.fixture
def disk(monkeypatch):
    """Says how much room the disk has."""
    usage = namedtuple("usage", "total used free")

    def has(free):
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1 << 50, 0, free + SPARE_BYTES))

    return has


@pytest.mark.parametrize("suffix", [".mrc", ".zarr", ".h5"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_disk_too_small_is_told_with_a_factor_that_it_has_room_for(tmp_path, make_grid, disk, suffix, share):
    source, path = make_grid((100, 120, 90)), tmp_path / f"a{suffix}"
    header = VolumeHeader(source.upsampled((3, 3, 3)), 1, np.dtype("f4"))
    room = round(share * written_bytes(header, path))
    disk(room)
    with pytest.raises(OutputError, match=r"make room, choose another disk, or take less: a factor of") as refusal:
        export_needs(header, path, source).check()
    factor = float(re.search("a factor of ([0-9.]+)", str(refusal.value))[1])
    smaller = replace(header, grid=source.upsampled((factor,) * 3))
    assert 0.8 * room < written_bytes(smaller, path) <= room
    assert f"a factor of {factor:g} takes {bytes_in_words(written_bytes(smaller, path))}" in str(refusal.value)
    assert ("type float16" in str(refusal.value)) == (share > 0.5)
    assert export_needs(smaller, path, source).fits


def test_unlike_factors_are_told_a_shape(tmp_path, make_grid, disk):
    source = make_grid((100, 120, 90))
    header = VolumeHeader(source.upsampled((1, 2, 3)), 1, np.dtype("i2"))
    disk(2_000_000)
    (offer,) = export_needs(header, tmp_path / "a.npy", source).smaller[:1]
    shape = tuple(map(int, re.search(r"a shape of (\d+) x (\d+) x (\d+)", offer).groups()))
    assert 1_500_000 < 2 * np.prod(shape) <= 2_000_000
    assert np.divide(shape, header.grid.shape) == pytest.approx(shape[0] / 100, rel=0.02)


def test_an_export_is_refused_with_it_before_anything_is_written(tmp_path, make_grid, exact_field, disk):
    grid = make_grid((40, 40, 40))
    disk(10_000)
    for suffix in (".mrc", ".zarr"):
        with pytest.raises(OutputError, match="a factor of"):
            list(export(exact_field(grid), grid, tmp_path / f"a{suffix}"))
    assert list(tmp_path.iterdir()) == []


def test_memory_that_is_short_is_told_before_the_disk(tmp_path, make_grid, monkeypatch, disk):
    disk(0)
    monkeypatch.setattr("dinr_studio.sampling.preflight.available_bytes", lambda: 5_000_000)
    header = VolumeHeader(make_grid((40, 40, 40)), 1, np.dtype("f4"))
    with pytest.raises(MemoryShort, match=r"The export to a.mrc takes about .* of memory and 5.0 MB are free"):
        export_needs(header, tmp_path / "a.mrc", header.grid).check()


def test_needs_say_themselves_in_one_line_and_as_numbers(tmp_path, make_grid):
    header = VolumeHeader(make_grid((100, 100, 100)), 2, np.dtype("f4"))
    needs = export_needs(header, tmp_path / "a.npy", header.grid, rate=1e5, beside=10**9)
    assert re.fullmatch(
        r"about 1\.\d GB of memory \(.*free\), at most 8\.0 MB on the disk \(.* free\), about 10 s", needs.in_words()
    )
    found = needs.as_dict()
    assert (found["disk_bytes"], found["seconds"], found["fits"], found["fault"]) == (8_000_000, 10.0, True, "")
    unknown = export_needs(header, tmp_path / "none" / "a.npy", header.grid)
    assert unknown.as_dict()["seconds"] is None
    assert unknown.disk_free is None
    assert (
        Needs("A work", 1, 0).fault
        == "A work takes about 1 B of memory and 0 B are free; end other programs, or take less."
    )


def test_the_spline_takes_memory_for_its_part_alone_and_for_a_tile_of_a_zarr(tmp_path, make_grid):
    source = make_grid((200, 200, 200))
    header = VolumeHeader(source.upsampled((2, 2, 2)), 1, np.dtype("f4"))
    part = replace(header, grid=source.cropped((0, 0, 0), (20, 20, 20)))
    whole = spline_bytes(header, tmp_path / "a.mrc", source)
    assert whole == pytest.approx(10 * 200**3, rel=0.01)
    assert spline_bytes(part, tmp_path / "a.mrc", source) == pytest.approx(10 * 36**3, rel=0.15)
    assert spline_bytes(header, tmp_path / "a.zarr", source) < whole / 2


def test_files_that_a_control_group_has_read_count_as_free(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    for name, text in (("max", "1000"), ("current", "900"), ("stat", "anon 300\ninactive_file 550\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert memory.available_bytes() == 650
    (tmp_path / "memory.max").write_text("max")
    assert memory.available_bytes() > 1 << 20
