"""Zarr and OME-Zarr, made and checked by the zarr library itself."""

import json
import shutil
import sys
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from dinr_studio.errors import FileFormatError, OutputError
from dinr_studio.io import open_volume
from dinr_studio.io.atomic import atomic_folder, check_place
from dinr_studio.io.ngff import images_of
from dinr_studio.io.reading import list_datasets
from dinr_studio.io.writing import VolumeHeader, lost_by, open_writer, output_at

SHAPE, CHUNKS = (4, 6, 8), (2, 3, 4)
SPACE = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]


def ramp(shape, dtype=np.float32):
    return (1 + np.arange(np.prod(shape))).reshape(shape).astype(dtype)


def levels(*paths, scale=(2.0, 0.5, 0.25), translation=(1.0, 2.0, 3.0)):
    """The datasets of a multiscale, each twice as coarse as the one before, centred on the same place."""
    found = []
    for n, path in enumerate(paths):
        steps = [s * 2**n for s in scale]
        start = [t + s * (2**n - 1) / 2 for t, s in zip(translation, scale, strict=True)]
        found.append(
            {
                "path": path,
                "coordinateTransformations": [
                    {"type": "scale", "scale": steps},
                    {"type": "translation", "translation": start},
                ],
            }
        )
    return found


def make_image(path, version, values=None, *, axes=None, datasets=None, omero=None, inside=""):
    """An OME-Zarr of one level or more (every second voxel), in Zarr v2 (NGFF 0.4) or v3 (0.5)."""
    values = ramp(SHAPE) if values is None else values
    datasets = datasets or levels("0", "1")
    root = zarr.open_group(path, mode="a", zarr_format=version)
    group = root.require_group(inside) if inside else root
    for n, dataset in enumerate(datasets):
        part = values[(..., *[slice(None, None, 2**n)] * 3)]
        group.create_array(dataset["path"], data=part, chunks=(*(1,) * (part.ndim - 3), *CHUNKS))
    ome = {"multiscales": [{"axes": axes or SPACE, "datasets": datasets, "version": "0.4"}]}
    ome |= {"omero": omero} if omero else {}
    group.attrs.update(ome if version == 2 else {"ome": {"version": "0.5", **ome}})
    return path


def chunk(path, version, *index, array="0"):
    """The file of a chunk."""
    name = ".".join(map(str, index)) if version == 2 else "/".join(map(str, ("c", *index)))
    return path / array / name


@pytest.mark.parametrize("version", [2, 3])
def test_an_image_is_opened_at_its_finest_level_where_its_metadata_place_it(tmp_path, version):
    volume = open_volume(make_image(tmp_path / "a.zarr", version))
    assert (volume.provenance.reader, volume.provenance.dataset) == ("Zarr", "0")
    np.testing.assert_array_equal(volume.values[..., 0], ramp(SHAPE))
    assert volume.grid.axes == ("z", "y", "x")
    assert volume.grid.voxel_size == (2.0, 0.5, 0.25)
    assert volume.grid.origin == (1.0, 2.0, 3.0)
    assert volume.grid.units == ("um",) * 3
    assert volume.missing is None


def test_other_levels_are_listed_and_lie_at_the_same_place(tmp_path):
    path = make_image(tmp_path / "a.zarr", 3)
    assert [(entry.name, entry.shape) for entry in list_datasets(path)] == [("0", SHAPE), ("1", (2, 3, 4))]
    coarse = open_volume(path, dataset="1")
    assert coarse.grid.voxel_size == (4.0, 1.0, 0.5)
    assert coarse.grid.origin == (2.0, 2.25, 3.125)
    with pytest.raises(FileFormatError, match="no dataset 7; it has: 0"):
        open_volume(path, dataset="7")


def test_transformations_of_the_whole_image_come_after_those_of_a_level(tmp_path):
    path = make_image(tmp_path / "a.zarr", 3)
    group = zarr.open_group(path)
    ome = dict(group.attrs["ome"])
    ome["multiscales"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [10.0, 1.0, 1.0]},
        {"type": "translation", "translation": [0.0, 5.0, 0.0]},
    ]
    group.attrs["ome"] = ome
    grid = open_volume(path).grid
    assert grid.voxel_size == (20.0, 0.5, 0.25)
    assert grid.origin == (10.0, 7.0, 3.0)


def test_time_and_channels_find_their_places_and_names(tmp_path):
    values = ramp((3, 2, *SHAPE))
    axes = [{"name": "t", "type": "time", "unit": "millisecond"}, {"name": "ch", "type": "channel"}, *SPACE]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [40.0, 1.0, 2.0, 0.5, 0.25]}]}]
    omero = {"channels": [{"label": "DAPI"}, {"label": "GFP"}]}
    volume = open_volume(make_image(tmp_path / "a.zarr", 3, values, axes=axes, datasets=datasets, omero=omero))
    np.testing.assert_array_equal(volume.values, np.moveaxis(values, 1, -1))
    assert (volume.grid.voxel_size[0], volume.grid.units[0]) == (40.0, "ms")
    assert volume.channel_names == ("DAPI", "GFP")


def test_a_single_frame_is_left_out_with_a_note(tmp_path):
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}, *SPACE]
    datasets = [{"path": "0"}]
    volume = open_volume(make_image(tmp_path / "a.zarr", 3, ramp((1, 1, *SHAPE)), axes=axes, datasets=datasets))
    assert volume.grid.axes == ("z", "y", "x")
    assert any("axis t has one place" in note for note in volume.provenance.notes)


def test_scales_below_zero_turn_the_values_round(tmp_path):
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [-2.0, 0.5, 0.25]}]}]
    volume = open_volume(make_image(tmp_path / "a.zarr", 3, datasets=datasets))
    assert (volume.grid.voxel_size[0], volume.grid.origin[0]) == (2.0, -6.0)
    np.testing.assert_array_equal(volume.values[..., 0], ramp(SHAPE)[::-1])


def test_of_several_images_one_is_chosen_among_their_finest_levels_and_labels_do_not_count(tmp_path):
    path = tmp_path / "a.zarr"
    for inside in ("0", "1"):
        make_image(path, 2, inside=inside)
    make_image(path, 2, inside="0/labels/cells")
    with pytest.raises(FileFormatError, match=r"--dataset: 0/0 \(4, 6, 8\), 1/0 \(4, 6, 8\)\."):
        open_volume(path)
    assert open_volume(path, dataset="1/1").grid.shape == (2, 3, 4)
    shutil.rmtree(path / "1")
    assert open_volume(path).provenance.dataset == "0/0"
    assert {entry.name for entry in list_datasets(path)} >= {"0/1", "0/labels/cells/0"}


@pytest.mark.parametrize(("axes", "expected"), [(["z", "y", "x"], "zyx"), (None, "tczyx")])
def test_images_from_before_axes_had_types_are_known(axes, expected):
    given = {"multiscales": [{"datasets": [{"path": "0"}]} | ({"axes": axes} if axes else {})]}
    (image,) = images_of("", given)
    assert "".join(name for name, _, _ in image.axes) == expected


# Chunks that are not there


@pytest.mark.parametrize("version", [2, 3])
def test_a_chunk_that_is_not_there_is_missing_and_never_zeros(tmp_path, version):
    path = make_image(tmp_path / "a.zarr", version)
    chunk(path, version, 1, 0, 1).unlink()
    volume = open_volume(path)
    expected = np.zeros(SHAPE, dtype=bool)
    expected[2:, :3, 4:] = True
    np.testing.assert_array_equal(volume.missing, expected)
    np.testing.assert_array_equal(volume.values[..., 0][~expected], ramp(SHAPE)[~expected])
    assert any("1 of 8 chunks are not stored" in note for note in volume.provenance.notes)


def test_missing_chunks_at_the_rim_go_with_crop_and_channel(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=ramp((5, 7, 3)), chunks=(2, 3, 3), dimension_names=("y", "x", "c"))
    (path / "c/2/2/0").unlink()
    volume = open_volume(path, channel=1, crop=[(3, 5), (5, 7)])
    np.testing.assert_array_equal(volume.missing, [[False, False], [False, True]])


@pytest.mark.parametrize("compressor", [ZstdCodec(), BloscCodec(cname="lz4")])
@pytest.mark.parametrize("at", ["start", "end"])
def test_chunks_that_a_shard_lacks_are_missing(tmp_path, compressor, at):
    path = tmp_path / "a.zarr"
    sharding = {"shape": (4, 6, 8), "index_location": at}
    array = zarr.create_array(
        path, shape=(7, 6, 8), dtype="f4", chunks=CHUNKS, shards=sharding, compressors=compressor, fill_value=0
    )
    array[:2] = 5.0
    array[2:4, :3, :4] = 1.0
    array[6, 3:] = 2.0
    volume = open_volume(path)
    np.testing.assert_array_equal(volume.missing, array[...] == 0)
    np.testing.assert_array_equal(volume.values[..., 0], array[...])


def test_a_store_without_any_chunk_says_so(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=SHAPE, dtype="f4", chunks=CHUNKS)
    with pytest.raises(FileFormatError, match="No chunk of / is in"):
        open_volume(tmp_path / "a.zarr")


def test_nan_as_the_fill_value_is_missing_too(tmp_path):
    array = zarr.create_array(tmp_path / "a.zarr", shape=SHAPE, dtype="f4", chunks=CHUNKS, fill_value=np.nan)
    array[:2] = ramp((2, 6, 8))
    volume = open_volume(tmp_path / "a.zarr")
    assert volume.missing[2:].all()
    assert not any("may be meant" in note for note in volume.provenance.notes)


# Stores of other kinds


@pytest.mark.parametrize("separator", [".", "/"])
def test_chunks_of_version_2_are_found_however_they_are_named(tmp_path, separator):
    path = tmp_path / "a.zarr"
    encoding = {"name": "v2", "separator": separator}
    zarr.create_array(path, data=ramp(SHAPE), chunks=CHUNKS, zarr_format=2, chunk_key_encoding=encoding, order="F")
    volume = open_volume(path)
    assert volume.missing is None
    np.testing.assert_array_equal(volume.values[..., 0], ramp(SHAPE))


@pytest.mark.parametrize(
    "options",
    [
        {"zarr_format": 2, "compressors": numcodecs.Blosc("zstd")},
        {"zarr_format": 2, "compressors": numcodecs.LZ4(), "filters": [numcodecs.Shuffle(4)]},
        {"zarr_format": 2, "compressors": None},
        {"compressors": BloscCodec(cname="lz4", typesize=4)},
        {"compressors": GzipCodec()},
        {"compressors": None, "config": {"order": "F"}},
    ],
)
def test_usual_codecs_are_read(tmp_path, options):
    path = tmp_path / "any name"
    values = ramp(SHAPE, ">f4" if options.get("zarr_format") == 2 else "f4")
    zarr.create_array(path, data=values, chunks=CHUNKS, **options)
    np.testing.assert_array_equal(open_volume(path).values[..., 0], values)


def test_a_zip_file_holds_a_store_at_its_root_or_in_a_folder(tmp_path):
    path = make_image(tmp_path / "a.zarr", 3)
    chunk(path, 3, 0, 0, 0).unlink()
    shutil.make_archive(str(tmp_path / "root.zarr"), "zip", path)
    shutil.make_archive(str(tmp_path / "folder.zarr"), "zip", tmp_path, "a.zarr")
    for name in ("root", "folder"):
        volume = open_volume(tmp_path / f"{name}.zarr.zip")
        assert volume.missing.sum() == 24
        assert volume.grid.voxel_size == (2.0, 0.5, 0.25)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "text").write_text("hello")
    shutil.make_archive(str(tmp_path / "other"), "zip", tmp_path / "b")
    with pytest.raises(FileFormatError, match="without a Zarr store"):
        open_volume(tmp_path / "other.zip")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("encoding", [{}, {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -9}])
@pytest.mark.filterwarnings("ignore")  # of xarray, on what it writes
def test_stores_of_xarray_have_the_coordinates_beside_the_values(tmp_path, version, encoding):
    values = 0.5 * ramp((3, 4))
    values[1, 2] = np.nan
    data = xr.Dataset(
        {"v": (("lat", "lon"), values, {"units": "K"})},
        coords={"lat": ("lat", [3.0, 2.0, 1.0], {"units": "degrees_north"}), "lon": 0.5 * np.arange(4)},
    )
    data.to_zarr(tmp_path / "a.zarr", zarr_format=version, encoding={"v": encoding})
    volume = open_volume(tmp_path / "a.zarr")
    assert [entry.name for entry in list_datasets(tmp_path / "a.zarr")] == ["v"]
    assert (volume.grid.voxel_size, volume.grid.origin) == ((1.0, 0.5), (1.0, 0.0))
    np.testing.assert_array_equal(np.where(volume.missing, np.nan, volume.values[..., 0]), values[::-1])
    assert volume.value_unit == "K"


def test_plain_arrays_have_the_usual_axes_and_attributes(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    array = group.create_array("raw/em", data=ramp(SHAPE), chunks=CHUNKS)
    array.attrs.update({"resolution": [40, 4, 4], "unit": "nm"})
    volume = open_volume(tmp_path / "a.zarr")
    assert (volume.provenance.dataset, volume.grid.voxel_size) == ("raw/em", (40.0, 4.0, 4.0))
    assert volume.grid.units == ("nm",) * 3


# Damage and mischief


def edit(file, change):
    found = json.loads(file.read_text(encoding="utf-8"))
    change(found)
    file.write_text(json.dumps(found))


@pytest.mark.parametrize("compressor", [None, GzipCodec(), ZstdCodec(), BloscCodec(cname="lz4")])
@pytest.mark.parametrize("keep", [0, 7, 20, 50])
def test_a_truncated_chunk_is_refused_in_words(tmp_path, compressor, keep):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=ramp(SHAPE), chunks=CHUNKS, compressors=compressor)
    file = path / "c/1/1/1"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(FileFormatError, match=r"a\.zarr"):
        open_volume(path)


def test_a_blosc_chunk_that_claims_another_length_never_reaches_the_library(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=ramp(SHAPE), chunks=CHUNKS, compressors=BloscCodec(cname="zstd"))
    file = path / "c/0/0/0"
    content = bytearray(file.read_bytes())
    content[12:16] = (1 << 30).to_bytes(4, "little")
    file.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"chunk c/0/0/0 of / in a\.zarr is truncated or damaged"):
        open_volume(path)


def test_a_truncated_shard_is_refused_in_words(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=ramp(SHAPE), chunks=CHUNKS, shards=SHAPE)
    file = path / "c/0/0/0"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(FileFormatError, match="shard c/0/0/0 of / in"):
        open_volume(path)


@pytest.mark.parametrize("what", ["shape", "chunks"])
def test_a_shape_that_claims_a_terabyte_is_refused(tmp_path, what):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=ramp(SHAPE), chunks=CHUNKS)
    if what == "shape":
        edit(path / "zarr.json", lambda m: m.update(shape=[10**4] * 3))
    else:
        edit(path / "zarr.json", lambda m: m["chunk_grid"]["configuration"].update(chunk_shape=[10**4] * 3))
    with pytest.raises(FileFormatError, match=r"GB of values and .* are free|of which .* are stored"):
        open_volume(path)


@pytest.mark.parametrize("text", ["{", "[1]", '{"zarr_format": 3, "node_type": "array"}', "[" * 10**5])
def test_metadata_that_are_no_metadata_are_refused_in_words(tmp_path, text):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=ramp(SHAPE), chunks=CHUNKS)
    (path / "zarr.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"no JSON|no numeric array"):
        open_volume(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(axes=SPACE[:2]),
        lambda m: m.update(datasets=[{}]),
        lambda m: m.update(datasets=5),
        lambda m: m["datasets"][0].update(coordinateTransformations=[{"type": "affine"}]),
        lambda m: m["datasets"][0].update(coordinateTransformations=[{"type": "scale", "scale": [1, 1]}]),
        lambda m: m["datasets"][0].update(coordinateTransformations=[{"type": "scale", "scale": ["a", 1, 1]}]),
    ],
)
def test_image_metadata_that_do_not_fit_are_refused_in_words(tmp_path, change):
    path = make_image(tmp_path / "a.zarr", 3)
    edit(path / "zarr.json", lambda m: change(m["attributes"]["ome"]["multiscales"][0]))
    with pytest.raises(FileFormatError, match="OME-Zarr"):
        open_volume(path)


@pytest.mark.parametrize("key", ["filters", "compressor"])
def test_codecs_that_could_run_code_are_never_used(tmp_path, key):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=ramp(SHAPE), chunks=CHUNKS, zarr_format=2)
    codec = {"id": "pickle"}
    edit(path / ".zarray", lambda m: m.update({key: [codec] if key == "filters" else codec}))
    with pytest.raises(FileFormatError, match="encoded by pickle, which is not used"):
        open_volume(path)


def test_objects_are_no_volume(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=ramp(SHAPE), chunks=CHUNKS, zarr_format=2)
    edit(path / ".zarray", lambda m: m.update(dtype="|O", filters=[{"id": "pickle"}]))
    with pytest.raises(FileFormatError, match="no numeric array"):
        open_volume(path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("what", ["zarr.json", "c/1/1/1", "c/1"])
def test_links_in_a_store_are_not_followed(tmp_path, what):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=ramp(SHAPE), chunks=CHUNKS)
    (path / what).rename(tmp_path / "elsewhere")
    (path / what).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileFormatError, match="is a link, which is not followed"):
        open_volume(path)


def test_levels_outside_the_store_are_not_there(tmp_path):
    make_image(tmp_path / "other.zarr", 3)
    path = make_image(tmp_path / "a.zarr", 3)
    edit(
        path / "zarr.json",
        lambda m: m["attributes"]["ome"]["multiscales"][0].update(datasets=levels("../other.zarr/0")),
    )
    assert {entry.name for entry in list_datasets(path)} == {"0", "1"}


def test_a_folder_of_that_name_without_a_store_says_so(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "text").write_text("hello")
    with pytest.raises(FileFormatError, match="no numeric array"):
        open_volume(tmp_path / "a.zarr")


# Writing


def write(path, values, header, rows=3, *, force=False):
    with output_at(path, force=force) as temporary, open_writer(temporary, header, path) as writer:
        for start in range(0, len(values), rows):
            writer.write(values[start : start + rows])
    return path


def random(shape, dtype):
    values = np.random.default_rng(1).random(shape) * 200
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", ["f4", "f2", "u1", "i2"])
@pytest.mark.parametrize(("shape", "channels"), [((70, 66, 9), 1), ((3, 5, 70, 66), 2), ((130, 7), 3)])
def test_a_written_store_is_what_zarr_reads_at_every_level(tmp_path, make_grid, shape, channels, dtype):
    grid, values = make_grid(shape, unit="um"), random((*shape, channels), dtype)
    names = ("u", "v", "w")[:channels] if channels > 1 else ()
    header = VolumeHeader(grid, channels, np.dtype(dtype), names, "K", ("a note",))
    assert lost_by(header, tmp_path / "a.zarr") == ()
    path = write(tmp_path / "a.zarr", values, header)
    group = zarr.open_group(path, mode="r", zarr_format=3)
    assert (group.attrs["value_unit"], group.attrs["notes"]) == ("K", ["a note"])
    multiscale = group.attrs["ome"]["multiscales"][0]
    expected = np.moveaxis(values, -1, len(shape) - 3 if len(shape) > 3 else 0) if channels > 1 else values[..., 0]
    if len(shape) == 4:
        expected = np.moveaxis(values, -1, 1)
    spatial = [i for i, axis in enumerate(multiscale["axes"]) if axis["type"] == "space"]
    kinds = [axis["type"] for axis in multiscale["axes"]]
    assert kinds == sorted(kinds, key=["time", "channel", "space"].index)
    assert all(multiscale["axes"][i]["unit"] == "micrometer" for i in spatial)
    for n, dataset in enumerate(multiscale["datasets"]):
        stored = group[dataset["path"]]
        np.testing.assert_allclose(stored[...], expected, rtol=1e-6)
        scale, translation = (step[step["type"]] for step in dataset["coordinateTransformations"])
        for i, axis in enumerate(multiscale["axes"]):
            if axis["type"] != "channel":
                where = grid.axes.index(axis["name"])
                first = (grid.axis_positions(where)[: 2**n] if i in spatial else grid.axis_positions(where)[:1]).mean()
                assert scale[i] == grid.voxel_size[where] * (2**n if i in spatial else 1)
                assert translation[i] == pytest.approx(first)  # the mean position of the voxels that became one
        expected = binned(expected, spatial)
    assert max(stored.shape[i] for i in spatial) < 64 <= 2 * max(stored.shape[i] for i in spatial) + 1
    again = open_volume(path)
    assert (again.grid, again.channel_names, again.value_unit) == (grid, names, "K")
    np.testing.assert_array_equal(again.values, values)


def binned(values, axes):
    """Means of pairs along some axes, a last odd one left out; integers rounded."""
    found = values.astype(np.float64)
    for axis in axes:
        pairs = np.moveaxis(found, axis, 0)
        pairs = pairs[: len(pairs) // 2 * 2]
        found = np.moveaxis((pairs[::2] + pairs[1::2]) / 2, 0, axis)
    if values.dtype.kind in "iu":
        return np.rint(found).astype(values.dtype)
    return found.astype(values.dtype)


def test_a_constant_part_is_stored_and_not_missing(tmp_path, make_grid):
    values = np.zeros((70, 66, 9, 1), dtype=np.float32)
    values[:3] = random((3, 66, 9, 1), "f4")
    path = write(tmp_path / "a.zarr", values, VolumeHeader(make_grid((70, 66, 9)), 1, np.dtype("f4")))
    assert open_volume(path).missing is None


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_compressions_are_those_that_were_asked_for(tmp_path, make_grid, compression):
    header = VolumeHeader(make_grid((5, 6, 7)), 1, np.dtype("f4"), compression=compression)
    path = write(tmp_path / "a.zarr", random((5, 6, 7, 1), "f4"), header)
    names = [codec["name"] for codec in json.loads((path / "0/zarr.json").read_text(encoding="utf-8"))["codecs"]]
    assert names == ["bytes"] + ([compression] if compression != "none" else [])


def test_chunks_are_thin_where_planes_are_large_so_that_few_wait_in_memory(tmp_path, make_grid):
    from dinr_studio.io.zarr_writing import BUFFERED, _chunks

    for shape in ((4000, 4096, 4096), (500, 500, 500), (3, 900, 900, 900), (9000, 9000)):
        header = VolumeHeader(make_grid(shape), 1, np.dtype("f4"))
        depth = _chunks(header)[0]
        plane = int(np.prod(shape[1:])) * 4
        assert depth == 1 or depth * plane <= BUFFERED
        assert 10_000 < np.prod(_chunks(header)) <= 1 << 20


def test_lines_and_turned_volumes_are_told(make_grid, placed):
    with pytest.raises(OutputError, match="not lines"):
        lost_by(VolumeHeader(make_grid((9,)), 1, np.dtype("f4")), Path("a.zarr"))
    assert any("rotation" in s for s in lost_by(VolumeHeader(placed.grid(), 1, np.dtype("f4")), Path("a.zarr")))
    odd = VolumeHeader(make_grid((4, 5, 6), unit="furlong"), 1, np.dtype("f4"))
    assert any("no name for the unit furlong" in s for s in lost_by(odd, Path("a.zarr")))


# The folder


def test_an_existing_store_is_replaced_only_by_force_and_wholly(tmp_path, make_grid):
    header = VolumeHeader(make_grid((3, 4, 5)), 1, np.dtype("f4"))
    path = write(tmp_path / "a.zarr", random((3, 4, 5, 1), "f4"), header)
    (path / "old").write_text("of the old store")
    with pytest.raises(OutputError, match="--force"):
        write(path, random((3, 4, 5, 1), "f4"), header)
    assert (path / "old").exists()
    write(path, random((3, 4, 5, 1), "f4") + 1000, header, force=True)
    assert not (path / "old").exists()
    assert open_volume(path).value_range[0] >= 1000
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]
    check_place(path)


@pytest.mark.parametrize("kind", ["folder", "empty", "file", "link"])
def test_what_is_no_store_is_never_replaced(tmp_path, kind):
    path = tmp_path / "a.zarr"
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "zarr.json").write_text("{}")
    if kind in ("folder", "empty"):
        path.mkdir()
    if kind == "folder":
        (path / "thesis.txt").write_text("years of work")
    elif kind == "file":
        path.write_text("years of work")
    elif kind == "link":
        path.symlink_to(tmp_path / "precious")
    before = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=r"never replaced|file or a link"), atomic_folder(path, force=True):
        pass
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == before


def test_a_folder_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "a.zarr"

    def late():
        with atomic_folder(path, force=False) as temporary:
            (temporary / "zarr.json").write_text("{}")
            path.mkdir()
            (path / "mine").touch()

    with pytest.raises(OutputError, match="exists already"):
        late()
    assert [p.name for p in tmp_path.rglob("*")] == ["a.zarr", "mine"]


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt(), GeneratorExit()])
def test_nothing_is_left_when_writing_stops_half_way(tmp_path, error):
    path = tmp_path / "a.zarr"
    path.mkdir()
    (path / "zarr.json").write_text("old")

    def stopped():
        with atomic_folder(path, force=True) as temporary:
            (temporary / "zarr.json").write_text("half")
            raise error

    with pytest.raises(type(error)):
        stopped()
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]
    assert (path / "zarr.json").read_text(encoding="utf-8") == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="has no permissions of this kind")
def test_a_written_folder_has_the_permissions_of_any_new_folder(tmp_path):
    (tmp_path / "usual").mkdir()
    with atomic_folder(tmp_path / "a.zarr", force=False) as temporary:
        (temporary / "zarr.json").write_text("{}")
    assert (tmp_path / "a.zarr").stat().st_mode == (tmp_path / "usual").stat().st_mode
