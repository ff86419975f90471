"""Export: each voxel's value at its world position, read back by the formats' own libraries; flat memory; no ruins."""

import json
import subprocess
import sys
from collections import namedtuple

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile

from dinr_studio.errors import OutputError
from dinr_studio.sampling.export import export


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
import torch
torch.set_num_threads(1)
from dinr_studio.coordinates import CoordinateMap, Grid
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.sampling.export import export
from dinr_studio.training.device import peak_bytes
n = int(sys.argv[1])
small = Grid((64,) * 3, (1.0,) * 3, (0.0,) * 3, ("nm",) * 3, ("z", "y", "x"))
field = FieldOnGrid(torch.nn.Linear(3, 1), CoordinateMap.of(small), Normalisation((1.0,), (0.0,)), small, 1)
for _ in export(field, small.with_shape((n,) * 3), Path(sys.argv[2])):
    pass
print(json.dumps(peak_bytes()))
"""


@pytest.mark.parametrize("suffix", [".mrc", ".h5", ".tif", ".npy"])
def test_memory_stays_flat_as_the_output_grows(tmp_path, suffix):
    peaks = []
    for n in (128, 256):  # 8 MB and 67 MB of values
        command = [sys.executable, "-c", MEMORY, str(n), str(tmp_path / f"{n}{suffix}")]
        peaks.append(json.loads(subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout))
    assert peaks[1] - peaks[0] < 24 << 20
