"""What a volume's file is compressed by."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from dinr_studio.errors import OutputError
from dinr_studio.io.writing import compressions
from dinr_studio.sampling.export import export


def test_hdf5_is_compressed_unless_told_otherwise(tmp_path, make_grid, exact_field):
    grid = make_grid((6, 7, 8))
    found = {}
    for given, name in (("", "usual"), ("gzip", "gzip"), ("none", "none")):
        list(export(exact_field(grid), grid, tmp_path / f"{name}.h5", compression=given))
        with h5py.File(tmp_path / f"{name}.h5") as file:
            found[name] = file["values"].compression, file["values"][...]
    assert {name: way for name, (way, _) in found.items()} == {"usual": "gzip", "gzip": "gzip", "none": None}
    np.testing.assert_array_equal(found["gzip"][1], found["none"][1])


def test_a_compression_that_the_format_lacks_is_refused(tmp_path, make_grid, exact_field):
    grid = make_grid((6, 7, 8))
    with pytest.raises(OutputError, match=r"\.mrc files cannot be compressed by gzip; choose none\."):
        list(export(exact_field(grid), grid, tmp_path / "a.mrc", compression="gzip"))
    with pytest.raises(OutputError, match="choose gzip or none"):
        list(export(exact_field(grid), grid, tmp_path / "a.h5", compression="zstd"))
    assert list(tmp_path.iterdir()) == []
    assert compressions(Path("a.h5")) == ("gzip", "none")
    assert compressions(Path("a.tif")) == ("none",)
