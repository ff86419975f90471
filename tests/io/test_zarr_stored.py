"""Zarr arrays whose values stay in the store."""

import numpy as np
import pytest
import xarray
import zarr
from zarr.codecs import BloscCodec, ZstdCodec

from dinr_studio.errors import FileFormatError
from dinr_studio.io import open_volume

VALUES = np.random.default_rng(0).integers(0, 1000, (13, 20, 18)).astype(np.int16)


def plain(path, values=VALUES, chunks=(4, 8, 9), **options):
    array = zarr.create_array(path, shape=values.shape, chunks=chunks, dtype=values.dtype, **options)
    array[...] = values
    return path


def agrees(path, **options):
    read, stored = open_volume(path, **options), open_volume(path, stored=True, **options)
    assert stored.is_stored
    assert stored.grid == read.grid
    assert stored.channel_names == read.channel_names
    expected = read.values.astype(np.float64)
    if read.missing is not None:
        expected[read.missing] = np.nan
    found = stored.values[...].astype(np.float64)
    if read.channels > 1:  # missing in one channel is missing in all
        found[np.isnan(found).any(axis=-1)] = np.nan
    np.testing.assert_array_equal(found, expected)
    part = tuple(slice(1, max(2, n - 2)) for n in read.grid.shape)
    np.testing.assert_array_equal(stored.values[part], stored.values[...][part])
    return stored


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("compressors", [None, ZstdCodec(), BloscCodec(cname="lz4")])
def test_values_left_in_the_store_are_those_that_are_read(tmp_path, version, compressors):
    if version == 2 and compressors is not None:
        compressors = "auto"
    stored = agrees(plain(tmp_path / "a.zarr", zarr_format=version, compressors=compressors))
    assert stored.values.dtype == np.int16
    assert stored.values.blocks().edge[-1] % 9 == 0 or stored.values.blocks().edge[-1] == 18


def test_chunks_that_are_not_there_are_missing(tmp_path):
    path = plain(tmp_path / "a.zarr")
    (path / "c" / "1" / "2" / "0").unlink()
    stored = agrees(path)
    assert np.isnan(stored.values[4:8, 16:, :9]).all()
    assert stored.missing_share == pytest.approx(4 * 4 * 9 / VALUES.size)


def test_shards_are_read_by_their_inner_chunks(tmp_path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(path, shape=(16, 16), shards=(8, 8), chunks=(4, 4), dtype="f4", fill_value=0)
    array[:4, :8] = 1 + np.arange(32).reshape(4, 8)
    stored = agrees(path)
    assert np.isnan(stored.values[4:]).all()


def test_a_level_of_an_image_loses_its_single_frame_and_turns_round(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    array = group.create_array("0", shape=(1, 2, 5, 6, 7), chunks=(1, 1, 2, 6, 7), dtype="u2")
    array[...] = np.arange(420).reshape(1, 2, 5, 6, 7)
    axes = [{"name": n, "type": t} for n, t in zip("tczyx", ("time", "channel", *["space"] * 3), strict=True)]
    scale = [{"type": "scale", "scale": [1, 1, -2.0, 0.5, 0.5]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    stored = agrees(tmp_path / "a.zarr")
    assert stored.grid.axes == ("z", "y", "x")
    agrees(tmp_path / "a.zarr", channel=1, crop=[[1, 4], [0, 6], [2, 7]])


@pytest.mark.filterwarnings("ignore")  # of xarray, on what it writes
def test_packed_values_of_xarray_are_unpacked_as_they_are_read(tmp_path):
    values = np.round(np.random.default_rng(1).normal(size=(6, 5, 8)), 1)
    values[2, 3, 4] = np.nan
    data = xarray.DataArray(values, dims=("z", "y", "x"), coords={"z": 10.0 - np.arange(6)}, name="v")
    encoding = {"v": {"dtype": "i2", "scale_factor": 0.1, "_FillValue": -999}}
    data.to_dataset().to_zarr(tmp_path / "a.zarr", encoding=encoding, zarr_format=3, consolidated=False)
    stored = agrees(tmp_path / "a.zarr")
    assert np.isnan(stored.values[...]).sum() == 1


def test_a_chunk_that_goes_or_changes_ends_in_a_sentence_and_never_in_zeros(tmp_path):
    path = plain(tmp_path / "a.zarr")
    stored = open_volume(path, stored=True)
    chunk = path / "c" / "0" / "0" / "0"
    content = chunk.read_bytes()
    chunk.unlink()
    with pytest.raises(FileFormatError, match="changed"):
        stored.values[:2, :2, :2]
    chunk.write_bytes(content[:-3])
    with pytest.raises(FileFormatError, match="changed"):
        stored.values[:2, :2, :2]
    chunk.write_bytes(bytes(len(content)))
    with pytest.raises(FileFormatError, match="cannot be read"):
        stored.values[:2, :2, :2]
    np.testing.assert_array_equal(stored.values[8:, 8:, 9:, 0], VALUES[8:, 8:, 9:])


def test_a_blosc_chunk_that_claims_another_length_never_reaches_the_library(tmp_path):
    path = plain(tmp_path / "a.zarr", compressors=BloscCodec(cname="lz4"))
    stored = open_volume(path, stored=True)
    chunk = path / "c" / "1" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[12:16] = (10**6).to_bytes(4, "little")
    chunk.write_bytes(content)
    with pytest.raises(FileFormatError, match="damaged"):
        stored.values[4:8]


def test_a_zip_file_holds_a_store_that_stays_in_it(tmp_path):
    with zarr.storage.ZipStore(tmp_path / "a.zip", mode="w") as store:
        array = zarr.create_array(store, shape=VALUES.shape, chunks=(4, 8, 9), dtype=VALUES.dtype)
        array[...] = VALUES
    agrees(tmp_path / "a.zip")
