"""Export: each voxel's value at its world position, read back by the formats' own libraries; flat memory; no ruins."""

import json
import os
import subprocess
import sys
from collections import namedtuple

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile

from dinr_studio.coordinates import CoordinateMap
from dinr_studio.errors import OutputError
from dinr_studio.io.writing import VolumeHeader, open_writer, types_for, writers
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.sampling.export import _whole, export
from dinr_studio.sampling.exports import pieces


def positions_by_mrcfile(path):
    with mrcfile.open(path) as file:
        axes = [
            (file.header.origin[axis] + np.arange(n) * file.voxel_size[axis]) / 10  # angstrom to nm
            for axis, n in zip("zyx", file.data.shape, strict=True)
        ]
        return axes, file.data.copy()


def positions_by_h5py(path):
    with h5py.File(path) as file:
        stored = file["values"]
        return [stored.dims[i][0][...] for i in range(stored.ndim)], stored[...]


def positions_by_tifffile(path):
    with tifffile.TiffFile(path) as file:
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        values = file.asarray()
    plane = pixels["Plane"][0]
    return [
        plane[f"Position{axis}"] + np.arange(n) * pixels[f"PhysicalSize{axis}"]
        for axis, n in zip("ZYX", values.shape, strict=True)
    ], values


READ = {".mrc": positions_by_mrcfile, ".h5": positions_by_h5py, ".tif": positions_by_tifffile}


@pytest.mark.parametrize("suffix", list(READ))
@pytest.mark.parametrize("factor", [(1, 1, 1), (2, 2, 2), (3, 3, 3), (1, 2, 3)])
def test_an_exported_voxel_has_the_function_s_value_at_its_world_position(
    tmp_path, make_grid, exact_field, truth, suffix, factor
):
    grid = make_grid((5, 6, 8), unit="nm")
    path = tmp_path / f"out{suffix}"
    last = list(export(exact_field(grid), grid.upsampled(factor), path))[-1]
    axes, values = READ[suffix](path)
    assert values.shape == tuple(n * f for n, f in zip(grid.shape, factor, strict=True))
    expected = truth(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))
    np.testing.assert_allclose(values, expected, atol=2e-4)
    assert last.report.grid.voxel_size == pytest.approx([v / f for v, f in zip(grid.voxel_size, factor, strict=True)])


def test_progress_counts_up_to_all_voxels_and_ends_with_a_report(tmp_path, make_grid, exact_field, monkeypatch):
    monkeypatch.setattr("dinr_studio.sampling.evaluate.SLAB_VALUES", 50)
    grid = make_grid((6, 5, 8))
    steps = list(export(exact_field(grid), grid, tmp_path / "out.h5"))
    assert [step.done for step in steps] == [40, 80, 120, 160, 200, 240]
    assert [step.report is None for step in steps] == [True] * 5 + [False]


def test_a_cancelled_export_leaves_nothing(tmp_path, make_grid, exact_field, monkeypatch):
    monkeypatch.setattr("dinr_studio.sampling.evaluate.SLAB_VALUES", 50)
    grid = make_grid((6, 5, 8))
    for suffix in (".mrc", ".h5", ".tif", ".npy"):
        running = export(exact_field(grid), grid, tmp_path / f"out{suffix}")
        next(running)
        running.close()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays_unless_forced(tmp_path, make_grid, exact_field):
    grid = make_grid((3, 4, 5))
    path = tmp_path / "out.npy"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match="--force"):
        list(export(exact_field(grid), grid, path))
    assert path.read_bytes() == b"mine"
    list(export(exact_field(grid), grid, path, force=True))
    assert np.load(path).shape == (3, 4, 5)


def test_free_space_is_checked_first(tmp_path, make_grid, exact_field, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1 << 40, 1 << 40, 1 << 20))
    with pytest.raises(OutputError, match="make room"):
        list(export(exact_field(make_grid((3, 4, 5))), make_grid((3, 4, 5)), tmp_path / "out.mrc"))
    assert list(tmp_path.iterdir()) == []


def test_integers_are_rounded_and_clipped_values_are_told(tmp_path, make_grid, exact_field, truth):
    grid = make_grid((3, 4, 5))
    path = tmp_path / "out.npy"
    report = list(export(exact_field(grid), grid, path, dtype="uint16"))[-1].report
    index = np.stack(np.unravel_index(np.arange(grid.size), grid.shape), axis=-1)
    np.testing.assert_array_equal(np.load(path).ravel(), np.rint(truth(grid.world(index))))
    assert not any("clipped" in sentence for sentence in report.lost)
    from dataclasses import replace

    from dinr_studio.normalisation import Normalisation

    bright = replace(exact_field(grid), normalisation=Normalisation((100.0,), (0.0,)))
    report = list(export(bright, grid, path, dtype="uint8", force=True))[-1].report
    assert any("clipped" in sentence for sentence in report.lost)
    assert np.load(path).max() == 255


def test_an_unknown_type_or_format_is_refused_in_words(tmp_path, make_grid, exact_field):
    grid = make_grid((3, 4, 5))
    with pytest.raises(OutputError, match="float128 is not known"):
        list(export(exact_field(grid), grid, tmp_path / "out.mrc", dtype="float128"))
    with pytest.raises(OutputError, match=r"end the name in"):
        list(export(exact_field(grid), grid, tmp_path / "out.xyz"))


MEMORY = """
import json, sys
from pathlib import Path
import numpy as np
import torch
torch.set_num_threads(1)
from dinr_studio.coordinates import CoordinateMap, Grid
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.sampling.export import export
from dinr_studio.training.device import peak_bytes
small = Grid((64,) * 3, (1.0,) * 3, (0.0,) * 3, ("nm",) * 3, ("z", "y", "x"))
field = FieldOnGrid(torch.nn.Linear(3, 1), CoordinateMap.of(small), Normalisation((1.0,), (0.0,)), small, 1)
def quick(field, grid):
    thickness = max(1, (1 << 17) // int(np.prod(grid.shape[1:])))
    for first in range(0, grid.shape[0], thickness):
        rows = min(thickness, grid.shape[0] - first)
        yield np.broadcast_to(np.arange(grid.shape[2], dtype=np.float32)[:, None], (rows, *grid.shape[1:], 1)).copy()
def peak(shape, suffix, **options):
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    for _ in export(field, small.with_shape(shape), Path(sys.argv[1], "a" + suffix), force=True, **options):
        pass
    return peak_bytes()
found = {}
for suffix in (".mrc", ".h5", ".tif", ".npy", ".nc", ".zarr"):
    options = {"slabs": quick}
    if suffix in (".h5", ".nc", ".zarr"):
        options["compression"] = "none"
    pairs = ((60, 200, 200), (160, 320, 320)), ((2, 1100, 1100), (2, 2900, 2900))
    peaks = [[peak(shape, suffix, **options) for shape in pair] for pair in pairs]
    found[suffix] = [more - less for less, more in peaks]
peak((8, 64, 64), ".npy")
evaluated = peak((24, 64, 64), ".npy")
found["evaluated"] = [peak((96, 128, 128), ".npy") - evaluated, peak((2, 1100, 1100), ".npy") - evaluated]
print(json.dumps(found))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux for the peak of memory since a moment")
def test_memory_grows_neither_with_the_output_nor_with_its_planes(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEMORY, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 7
    for name, (longer, wider) in found.items():
        assert longer < 32 << 20, name  # of 66 MB of values, 7 times as many
        assert wider < 32 << 20, name


@pytest.mark.parametrize("shape", [(3, 7, 11), (3, 4, 7, 5)])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("suffix", {written.name: suffix for suffix, written in writers().items()}.values())
def test_planes_that_come_in_strips_make_the_same_file(tmp_path, make_grid, monkeypatch, suffix, shape, channels):
    grid = make_grid(shape)
    values = np.random.default_rng(0).random((*shape, channels)).astype(np.float32)
    source = FieldOnGrid(None, CoordinateMap.of(grid), Normalisation((1.0,), (0.0,)), grid, channels)

    def slabs(field, part):
        start = np.rint(grid.index(np.array(part.origin))).astype(int)
        yield values[tuple(slice(a, a + n) for a, n in zip(start, part.shape, strict=True))]

    header = VolumeHeader(grid, channels, np.dtype("f4"))
    if not types_for(header, tmp_path / f"a{suffix}") or suffix == ".zarr":
        pytest.skip("cannot carry this, or is written by tiles")
    list(_whole(source, header, tmp_path / f"whole{suffix}", slabs, False))
    monkeypatch.setattr("dinr_studio.sampling.exports.STRIP_VALUES", int(2.5 * np.prod(shape[2:]) * channels))
    assert len(list(pieces(grid, channels))) == shape[0] * -(-shape[1] // 2)
    list(_whole(source, header, tmp_path / f"strips{suffix}", slabs, False))
    one, two = (stored(tmp_path / f"{name}{suffix}") for name in ("whole", "strips"))
    np.testing.assert_array_equal(two, one)
    assert one.size >= values.size


def stored(path):
    """The values in a file as its library has them, or all of its bytes."""
    if path.suffix in (".hdf5", ".nc"):
        with h5py.File(path) as file:
            return file["values"][...]
    return tifffile.imread(path) if path.suffix == ".tiff" else np.frombuffer(path.read_bytes(), dtype=np.uint8)


def test_a_tiff_becomes_a_bigtiff_before_its_offsets_would_overflow(tmp_path, make_grid):
    header = VolumeHeader(make_grid((1100, 1024, 1024)), 1, np.dtype("f4"))  # 4.6 GB, of which nothing is written
    path = tmp_path / "a.tif"
    with open_writer(path, header, path) as writer:
        writer._file.seek(writer._offset + header.value_bytes - 4)
        writer._file.write(np.float32(7).tobytes())
    assert path.stat().st_blocks * 512 < 64 << 20
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff
    values = tifffile.memmap(path, mode="r")
    assert values.shape == (1100, 1024, 1024)
    assert values[-1, -1, -1] == 7
    del values
    smaller = VolumeHeader(make_grid((900, 1024, 1024)), 1, np.dtype("f4"))
    with open_writer(path, smaller, path):
        pass
    with tifffile.TiffFile(path) as file:
        assert not file.is_bigtiff
