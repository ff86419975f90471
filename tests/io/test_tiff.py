"""TIFF files, made and checked by tifffile itself."""

import numpy as np
import pytest
import tifffile

from dinr_studio.errors import FileFormatError, OutputError
from dinr_studio.io import open_volume
from dinr_studio.io import tiff as tiff_module
from dinr_studio.io.writing import VolumeHeader, lost_by, open_writer


def ramp(shape, dtype=np.float32):
    return (np.arange(np.prod(shape)) % 251).reshape(shape).astype(dtype)


def test_imagej_spacing_unit_and_origin_are_read(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        ramp((4, 6, 8)),
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.5),
        metadata={"axes": "ZYX", "spacing": 2.0, "unit": "um"},
    )
    volume = open_volume(path)
    assert volume.grid.axes == ("z", "y", "x")
    np.testing.assert_allclose(volume.grid.voxel_size, (2.0, 0.5, 0.25))
    assert volume.grid.units == ("um",) * 3


def test_ome_spacing_and_units_are_read(tmp_path):
    path = tmp_path / "a.ome.tif"
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeX": 0.1,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.2,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 0.5,
        "PhysicalSizeZUnit": "nm",
    }
    tifffile.imwrite(path, ramp((4, 6, 8), np.uint16), metadata=metadata)
    volume = open_volume(path)
    assert volume.grid.voxel_size == (0.5, 0.2, 0.1)
    assert volume.grid.units == ("nm",) * 3
    assert volume.values.dtype == np.uint16


def test_a_time_series_of_colour_images_has_time_and_channels(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp((3, 2, 6, 8), np.uint8), imagej=True, metadata={"axes": "TCYX", "finterval": 0.5})
    volume = open_volume(path)
    assert volume.grid.axes == ("t", "y", "x")
    assert volume.channels == 2
    assert volume.grid.voxel_size[0] == 0.5
    np.testing.assert_array_equal(volume.values, np.moveaxis(ramp((3, 2, 6, 8)), 1, -1))


def test_a_plain_stack_of_pages_is_a_volume(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for page in ramp((4, 6, 8)):
            file.write(page, contiguous=True, metadata=None)
    volume = open_volume(path)
    assert volume.grid.axes == ("z", "y", "x")
    np.testing.assert_array_equal(volume.values[..., 0], ramp((4, 6, 8)))


@pytest.mark.parametrize("compression", ["zlib", "lzw"])
def test_compressed_tiffs_are_read(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp((16, 20)), compression=compression)
    np.testing.assert_array_equal(open_volume(path).values[..., 0], ramp((16, 20)))


@pytest.mark.parametrize("keep", [0.02, 0.5])
def test_a_truncated_file_is_refused_in_words(tmp_path, keep):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp((40, 60)))
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(FileFormatError, match=r"a\.tif"):
        open_volume(path)


@pytest.mark.parametrize(("shape", "channels"), [((4, 5), 1), ((4, 5), 3), ((3, 4, 5), 1), ((2, 3, 4, 5), 2)])
def test_a_written_file_tells_tifffile_where_its_values_are(tmp_path, make_grid, shape, channels):
    path = tmp_path / "a.tif"
    grid = make_grid(shape, unit="um")
    values = ramp((*shape, channels))
    with open_writer(path, VolumeHeader(grid, channels, np.dtype("f4")), path) as writer:
        writer.write(values[:1])
        writer.write(values[1:])
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        for i in grid.spatial:
            name = grid.axes[i].upper()
            assert pixels[f"PhysicalSize{name}"] == pytest.approx(grid.voxel_size[i])
            assert pixels[f"PhysicalSize{name}Unit"] == "µm"
        if "t" in grid.axes:
            assert pixels["TimeIncrement"] == 0.5
    again = open_volume(path)
    np.testing.assert_array_equal(again.values, values)
    assert [again.grid.origin[i] for i in grid.spatial] == pytest.approx([grid.origin[i] for i in grid.spatial])
    assert again.grid.voxel_size == pytest.approx(grid.voxel_size)


def test_a_file_beyond_four_gigabytes_becomes_a_bigtiff(tmp_path, make_grid, monkeypatch):
    path = tmp_path / "a.tif"
    header = VolumeHeader(make_grid((3, 4, 5)), 1, np.dtype("f4"))
    monkeypatch.setattr(tiff_module, "_needs_bigtiff", lambda _: True)
    with open_writer(path, header, path) as writer:
        writer.write(ramp((3, 4, 5, 1)))
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff
    monkeypatch.undo()
    assert tiff_module._needs_bigtiff(VolumeHeader(make_grid((1100, 1000, 1000)), 1, np.dtype("f4")))
    assert not tiff_module._needs_bigtiff(header)


def test_what_tiff_cannot_carry_is_said_or_refused(tmp_path, make_grid):
    path = tmp_path / "a.tif"
    header = VolumeHeader(make_grid((3, 4), unit="degrees"), 1, np.dtype("f4"), value_unit="K")
    lost = " ".join(lost_by(header, path))
    assert "K" in lost
    assert "length" in lost
    with pytest.raises(OutputError, match="float16"):
        lost_by(VolumeHeader(make_grid((3, 4)), 1, np.dtype("f2")), path)


def test_channels_of_ome_and_colours_of_pictures_have_names(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (2, 3, 4, 9, 8)).astype(np.uint8)
    names = {"Channel": {"Name": ["DAPI", "GFP", "RFP"]}, "TimeIncrement": 2.0, "TimeIncrementUnit": "s"}
    tifffile.imwrite(tmp_path / "cells.ome.tif", values, metadata={"axes": "TCZYX", **names})
    volume = open_volume(tmp_path / "cells.ome.tif")
    assert volume.channel_names == ("DAPI", "GFP", "RFP")
    np.testing.assert_array_equal(volume.in_memory, values.transpose(0, 2, 3, 4, 1))
    tifffile.imwrite(tmp_path / "picture.tif", values[0].transpose(1, 2, 3, 0)[0], photometric="rgb")
    assert open_volume(tmp_path / "picture.tif").channel_names == ("red", "green", "blue")
