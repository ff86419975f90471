"""Several datasets of one file as the channels of one field."""

import h5py
import numpy as np
import pytest

from dinr_studio.errors import FileFormatError
from dinr_studio.io import open_volume

xarray = pytest.importorskip("xarray")


@pytest.fixture
def fields():
    random = np.random.default_rng(0)
    return {name: random.normal(size=(4, 6, 5)).astype(np.float32) for name in ("u", "v", "w")}


@pytest.fixture
def wind(tmp_path, fields):
    """Two components in m/s and a temperature, falling latitudes, one value missing; and one on a shifted grid."""
    path = tmp_path / "wind.nc"
    fields["v"][1, 2, 3] = np.nan
    dimensions = ("time", "lat", "lon")
    data = xarray.Dataset({name: (dimensions, fields[name], {"units": "m s-1"}) for name in ("u", "v")})
    data["T"] = (dimensions, 280 + fields["w"], {"units": "K"})
    data["staggered"] = (("time", "lat", "lon_u"), fields["u"])
    data = data.assign_coords(
        time=("time", np.arange(4) * 6.0, {"units": "hours since 1979-01-01"}),
        lat=("lat", np.linspace(60, 50, 6), {"units": "degrees_north"}),
        lon=("lon", np.arange(5.0), {"units": "degrees_east"}),
        lon_u=("lon_u", np.arange(5) + 0.5, {"units": "degrees_east"}),
    )
    data.to_netcdf(path, engine="h5netcdf")
    return path


def test_variables_of_netcdf_become_channels_at_their_places(wind, fields):
    volume = open_volume(wind, dataset="u,v")
    assert volume.channel_names == ("u", "v")
    assert volume.value_unit == "m s-1"
    assert volume.grid == open_volume(wind, dataset="u").grid
    np.testing.assert_array_equal(volume.in_memory[..., 0], fields["u"][:, ::-1])
    assert np.argwhere(volume.missing).tolist() == [[1, 3, 3]]
    assert volume.provenance.dataset == "u,v"


def test_the_order_asked_for_is_that_of_the_channels(wind, fields):
    np.testing.assert_array_equal(open_volume(wind, dataset="v, u").in_memory[..., 1], fields["u"][:, ::-1])


def test_units_that_differ_are_kept_by_channel_and_each_is_scored_by_its_own_range(wind):
    volume = open_volume(wind, dataset="u,T")
    assert volume.channel_names == ("u [m s-1]", "T [K]")
    assert volume.value_unit == ""
    np.testing.assert_allclose(volume.data_range, [high - low for low, high in volume.channel_ranges])


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("u,staggered", "other positions along x"),
        ("u,q", "no dataset q"),
        ("u,u", "give each once"),
    ],
)
def test_what_cannot_be_joined_is_refused_in_words(wind, chosen, said):
    with pytest.raises(FileFormatError, match=said):
        open_volume(wind, dataset=chosen)


@pytest.fixture
def three(tmp_path, fields):
    path = tmp_path / "three.h5"
    with h5py.File(path, "w") as file:
        for name, values in fields.items():
            file[f"flow/{name}"] = values
            file[f"flow/{name}"].attrs.update({"voxel_size": (3.0, 2.0, 1.0), "unit": "mm", "units": "m/s"})
        file["small"] = fields["u"][:2]
        file["vector"] = np.zeros((4, 6, 5, 2)) + fields["u"][..., np.newaxis]
        file["vector"].attrs["axes"] = "zyxc"
        file["a,b"] = fields["u"]
    return path


def test_datasets_of_hdf5_become_channels_in_memory_and_in_their_file(three, fields):
    expected = np.stack([fields[name] for name in ("w", "u", "v")], axis=-1)
    for stored in (False, True):
        volume = open_volume(three, dataset="flow/w,flow/u,flow/v", stored=stored)
        assert volume.channel_names == ("w", "u", "v")
        assert volume.value_unit == "m/s"
        assert volume.grid.voxel_size == (3.0, 2.0, 1.0)
        np.testing.assert_array_equal(volume.values[...], expected)
        np.testing.assert_array_equal(volume.values[1:3, ::2, 4, 1:], expected[1:3, ::2, 4, 1:])


def test_shapes_that_differ_and_datasets_with_channels_are_refused_in_words(three):
    with pytest.raises(FileFormatError, match="different shapes"):
        open_volume(three, dataset="flow/u,small")
    with pytest.raises(FileFormatError, match="channels of its own"):
        open_volume(three, dataset="flow/u,vector")


def test_a_dataset_whose_own_name_has_a_comma_is_one(three):
    assert open_volume(three, dataset="a,b").channels == 1


def test_arrays_of_vti_become_channels(tmp_path, fields):
    vtk = pytest.importorskip("vtkmodules.vtkCommonDataModel")
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    image = vtk.vtkImageData()
    image.SetDimensions(5, 6, 4)
    image.SetSpacing(0.1, 0.2, 0.3)
    for name, values in fields.items():
        array = numpy_to_vtk(values.ravel(), deep=True)
        array.SetName(name)
        image.GetPointData().AddArray(array)
    writer = vtkXMLImageDataWriter()
    writer.SetFileName(str(tmp_path / "flow.vti"))
    writer.SetInputData(image)
    writer.Write()
    volume = open_volume(tmp_path / "flow.vti", dataset="u,v,w")
    np.testing.assert_array_equal(volume.in_memory, np.stack(list(fields.values()), axis=-1))
    assert volume.grid.voxel_size == pytest.approx((0.3, 0.2, 0.1))


def test_an_array_that_says_nothing_of_its_axes_has_channels_last_where_it_must_be_so(tmp_path):
    for shape, axes, channels in (
        ((5, 9, 10, 3), ("z", "y", "x"), 3),
        ((9, 10, 3), ("y", "x"), 3),
        ((5, 9, 10, 11), ("t", "z", "y", "x"), 1),
        ((9, 4, 3), ("z", "y", "x"), 1),
    ):
        np.save(tmp_path / "array.npy", np.random.default_rng(0).random(shape))
        volume = open_volume(tmp_path / "array.npy")
        assert (volume.grid.axes, volume.channels) == (axes, channels)
        assert any("taken as channels" in note for note in volume.provenance.notes) == (channels > 1)
