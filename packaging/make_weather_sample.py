"""Makes the sample `clouds` from the file toa_brightness_stereographic.nc of the PyPI package iris-sample-data.

    pip download --no-deps iris-sample-data && unzip iris_sample_data*.whl
    python packaging/make_weather_sample.py iris_sample_data/sample_data/toa_brightness_stereographic.nc

Contains public sector information licensed under the Open Government Licence v3.0 (Met Office, data by EUMETSAT).
"""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np


def main() -> None:
    """Copies the field with rising positions, in km, and its fill value."""
    target = Path(__file__).parent.parent / "resources" / "samples" / "clouds.h5"
    with h5py.File(sys.argv[1]) as source, h5py.File(target, "w") as file:
        values, fill = source["data"][...][::-1], source["data"].attrs["_FillValue"][0]
        stored = file.create_dataset("values", data=values, compression="gzip", shuffle=True)
        stored.attrs.update(
            {
                "units": "K",
                "_FillValue": fill,
                "title": "Brightness temperature at 10.8 micrometres (SEVIRI), stereographic projection",
                "source": "Met Office, EUMETSAT; iris-sample-data, toa_brightness_stereographic.nc",
                "licence": "UK Open Government Licence v3.0",
            }
        )
        for i, axis in enumerate("yx"):
            positions = np.sort(source[axis][...].astype(np.float64)) / 1000
            file[axis] = np.linspace(positions[0], positions[-1], len(positions))
            file[axis].attrs["units"] = "km"
            file[axis].make_scale(axis)
            stored.dims[i].label = axis
            stored.dims[i].attach_scale(file[axis])


if __name__ == "__main__":
    main()
