"""Isosurfaces: vertices where the function has the level, in the world's x, y, z; normals outwards; no ruins."""

import itertools
import multiprocessing
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from dinr_studio.coordinates import CoordinateMap, Grid
from dinr_studio.errors import ConfigError, MemoryShort, OutputError
from dinr_studio.normalisation import Normalisation
from dinr_studio.sampling import mesh as module
from dinr_studio.sampling.evaluate import FieldOnGrid
from dinr_studio.sampling.mesh import mesh
from dinr_studio.sampling.preflight import mesh_needs
from dinr_studio.sampling.target import frame_of, in_proportion

CENTRE = np.array((-2.5, 12.0, 9.0))  # z, y, x
RADIUS = 4.0


class Distance(torch.nn.Module):
    """A stand-in for a network: channel 0 is RADIUS less the distance from CENTRE, channel 1 the x position."""

    def __init__(self, coordinates):
        super().__init__()
        self.coordinates = coordinates

    def forward(self, x):
        world = self.coordinates.world(x.double().numpy())[:, -3:]
        inside = RADIUS - np.linalg.norm(world - CENTRE, axis=1)
        return torch.from_numpy(np.stack([inside, world[:, 2]], axis=1))


def ball(grid):
    coordinates = CoordinateMap.of(grid)
    normalisation = Normalisation((1.0, 1.0), (0.0, 0.0))
    return FieldOnGrid(Distance(coordinates), coordinates, normalisation, grid, 2, value_unit="kPa")


@pytest.fixture
def grid():
    """Voxels of 1.25 x 1 x 0.5 nm that hold the ball, far from the world's origin along y."""
    return Grid((10, 13, 25), (1.25, 1.0, 0.5), (-8.0, 6.0, 3.0), ("nm",) * 3, ("z", "y", "x"))


@pytest.mark.parametrize("suffix", [".ply", ".stl", ".obj", ".PLY"])
@pytest.mark.parametrize("factor", [1, 2])
def test_vertices_lie_where_the_field_has_the_level(tmp_path, grid, suffix, factor):
    path = tmp_path / f"ball{suffix}"
    report = list(mesh(ball(grid), grid.upsampled((factor,) * 3), path, level=0.5))[-1].report
    found = trimesh.load_mesh(path)
    distance = np.linalg.norm(found.vertices - CENTRE[::-1], axis=1)
    np.testing.assert_allclose(distance, RADIUS - 0.5, atol=0.15 / factor**2)
    assert len(found.faces) == report.triangles > 100
    assert found.is_watertight
    assert (report.unit, report.level, report.value_unit) == ("nm", 0.5, "kPa")
    assert not any("open" in note for note in report.notes)


@pytest.mark.parametrize("suffix", [".ply", ".stl", ".obj"])
def test_normals_point_out_of_what_lies_above_the_level(tmp_path, grid, suffix):
    path = tmp_path / f"ball{suffix}"
    list(mesh(ball(grid), grid.upsampled((2, 2, 2)), path, level=0.0))
    found = trimesh.load_mesh(path)
    assert found.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.03)
    outwards = ((found.triangles_center - CENTRE[::-1]) * found.face_normals).sum(axis=1)
    assert (outwards[found.area_faces > 1e-4] > 0).all()


def test_any_channel_can_be_chosen(tmp_path, grid):
    path = tmp_path / "plane.ply"
    report = list(mesh(ball(grid), grid, path, level=7.3, channel=1))[-1].report
    np.testing.assert_allclose(trimesh.load_mesh(path).vertices[:, 0], 7.3, atol=1e-4)
    assert any("open" in note for note in report.notes)
    with pytest.raises(ConfigError, match="channels 0 to 1"):
        list(mesh(ball(grid), grid, path, level=7.3, channel=2))


def test_one_frame_of_a_field_with_time_has_a_surface(tmp_path, grid):
    moving = Grid((4, *grid.shape), (0.5, *grid.voxel_size), (1.0, *grid.origin), ("s", *grid.units), tuple("tzyx"))
    with pytest.raises(ConfigError, match="--frame"):
        list(mesh(ball(moving), moving, tmp_path / "ball.ply", level=0.0))
    report = list(mesh(ball(moving), frame_of(moving, 2), tmp_path / "ball.ply", level=0.0))[-1].report
    assert report.grid.origin[0] == 2.0
    distance = np.linalg.norm(trimesh.load_mesh(tmp_path / "ball.ply").vertices - CENTRE[::-1], axis=1)
    np.testing.assert_allclose(distance, RADIUS, atol=0.15)
    with pytest.raises(ConfigError, match="frames 0 to 3"):
        frame_of(moving, 4)
    assert frame_of(grid, None) == frame_of(grid, 0) == grid


def test_files_say_level_and_unit_where_they_can(tmp_path, grid):
    for suffix in (".ply", ".obj"):
        list(mesh(ball(grid), grid, tmp_path / f"ball{suffix}", level=0.5, notes=("field of x.mrc",)))
        head = (tmp_path / f"ball{suffix}").read_bytes()[:300].decode("ascii", "replace")
        assert "surface at 0.5 kPa" in head
        assert "positions in nm" in head
        assert "field of x.mrc" in head
    report = list(mesh(ball(grid), grid, tmp_path / "ball.stl", level=0.5))[-1].report
    assert any("STL carries no unit: the positions are in nm" in note for note in report.notes)


def test_tiny_units_keep_their_digits_and_rounding_is_told(tmp_path, grid):
    metres = replace(grid, voxel_size=(1e-10,) * 3, origin=(1e-9, 0.0, 0.0), units=("m",) * 3)
    field = ball(grid)
    field = replace(field, coordinates=CoordinateMap.of(metres), grid=metres)
    list(mesh(field, metres, tmp_path / "small.obj", level=-0.5))
    vertices = trimesh.load_mesh(tmp_path / "small.obj", process=False).vertices
    assert 1e-10 < np.ptp(vertices[:, 2]) < 1e-8
    assert len(np.unique(np.round(vertices[:, 2], 12))) > 5
    far = replace(grid, origin=(1e6, 0.0, 0.0))
    report = list(mesh(replace(ball(grid), coordinates=CoordinateMap.of(far)), far, tmp_path / "far.ply", level=-2.0))
    assert any("rounds positions" in note for note in report[-1].report.notes)


def test_a_level_outside_the_range_is_refused_with_the_range(tmp_path, grid):
    for level in (4.5, -100.0):
        with pytest.raises(OutputError, match=r"lies outside of the field's range, which is -\d+\.\d+ to 3\.\d+ kPa"):
            list(mesh(ball(grid), grid, tmp_path / "ball.ply", level=level))
    with pytest.raises(ConfigError, match="level is nan"):
        list(mesh(ball(grid), grid, tmp_path / "ball.ply", level=float("nan")))
    assert list(tmp_path.iterdir()) == []


def test_flat_grids_and_unknown_formats_are_refused(tmp_path, grid):
    flat = Grid((4, 5), (1.0, 1.0), (0.0, 0.0), ("nm", "nm"), ("y", "x"))
    with pytest.raises(ConfigError, match="along z, y and x"):
        list(mesh(ball(grid), flat, tmp_path / "ball.ply", level=0.0))
    with pytest.raises(ConfigError, match="1 x 13 x 25"):
        list(mesh(ball(grid), grid.cropped((0, 0, 0), (1, 13, 25)), tmp_path / "ball.ply", level=0.0))
    with pytest.raises(OutputError, match=r"\.ply, \.stl, \.obj"):
        list(mesh(ball(grid), grid, tmp_path / "ball.vtk", level=0.0))


def test_too_large_a_grid_is_refused_with_one_that_would_do(grid, monkeypatch):
    memory = namedtuple("memory", "available")
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory(1 << 30))
    assert mesh_needs(grid).fits
    huge = grid.with_shape((1000, 1000, 1000))
    with pytest.raises(MemoryShort, match=r"takes about 24\.2 GB .* (\d+) x \1 x \1 voxels or fewer") as refusal:
        mesh_needs(huge).check()
    side = int(str(refusal.value).split("less: ")[1].split()[0])
    assert 250 < side < 450
    assert mesh_needs(grid.with_shape((side,) * 3)).fits


def test_progress_counts_the_voxels_and_ends_with_a_report(tmp_path, grid, monkeypatch):
    monkeypatch.setattr(module, "SLAB_VALUES", 2 * 2 * 13 * 25)
    steps = list(mesh(ball(grid), grid, tmp_path / "ball.ply", level=0.0))
    voxels = [step.done for step in steps if step.phase == "evaluating"]
    assert voxels == [650, 1300, 1950, 2600, 3250]
    phases = [phase for phase, _ in itertools.groupby(step.phase for step in steps)]
    assert [phase for phase in phases if phase != "writing"] == ["evaluating", "meshing", "done"]
    assert [step.report is None for step in steps] == [True] * (len(steps) - 1) + [False]


@pytest.mark.parametrize("phase", ["evaluating", "meshing"])
def test_a_cancelled_mesh_leaves_no_file_and_no_process(tmp_path, grid, phase):
    running = mesh(ball(grid), grid.upsampled((2, 2, 2)), tmp_path / "ball.ply", level=0.0)
    while next(running).phase != phase:
        pass
    running.close()
    assert list(tmp_path.iterdir()) == []
    assert multiprocessing.active_children() == []


def test_an_existing_mesh_stays_unless_forced(tmp_path, grid):
    path = tmp_path / "ball.stl"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match="--force"):
        list(mesh(ball(grid), grid, path, level=0.0))
    assert path.read_bytes() == b"mine"
    list(mesh(ball(grid), grid, path, level=0.0, force=True))
    assert len(trimesh.load_mesh(path).faces) > 100


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, grid, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1 << 40, 1 << 40, 1 << 20))
    with pytest.raises(OutputError, match="make room"):
        list(mesh(ball(grid), grid, tmp_path / "ball.ply", level=0.0))
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_dies_is_told_in_words(tmp_path, grid):
    running = mesh(ball(grid), grid.upsampled((2, 2, 2)), tmp_path / "ball.ply", level=0.0)
    next(running)
    for child in multiprocessing.active_children():
        child.kill()
        child.join()
    with pytest.raises(OutputError, match="lower resolution"):
        list(running)
    assert list(tmp_path.iterdir()) == []


def test_all_spatial_axes_follow_one_in_proportion(grid):
    moving = Grid((4, *grid.shape), (0.5, *grid.voxel_size), (1.0, *grid.origin), ("s", *grid.units), tuple("tzyx"))
    assert in_proportion(moving, "factor", 2, 3.0) == (1.0, 3.0, 3.0, 3.0)
    assert in_proportion(moving, "voxel_size", 3, 0.25) == (0.5, 0.625, 0.5, 0.25)
    assert in_proportion(moving, "shape", 1, 15) == (4, 15, 20, 38)
    assert in_proportion(moving, "shape", 0, 8) == (8, *grid.shape)
