"""The samples that come with the program: small, real or simulated, each with its source and licence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dinr_studio.errors import ConfigError
from dinr_studio.resources import resource


@dataclass(frozen=True)
class Sample:
    """One sample: its file in resources/samples, what it shows in a line, where it is from, and under which licence."""

    name: str
    file: str
    title: str
    description: str
    source: str
    licence: str


_ALL = (
    Sample(
        "emd-3001",
        "emd_3001.map",
        "Alpha-synuclein peptide, electron diffraction",
        "A density map of 73 x 25 x 43 voxels of about 0.4 angstrom, stored with its axes in another order.",
        "EMDB entry EMD-3001 (MicroED of a peptide of alpha-synuclein)",
        "CC0",
    ),
    Sample(
        "turbulence-2d",
        "turbulence_2d.h5",
        "Two-dimensional turbulence, vorticity",
        "A decaying flow on 256 x 256 voxels: vortices, and the thin sheets that they draw out.",
        "simulated by this project (packaging/make_turbulence.py)",
        "MIT",
    ),
    Sample(
        "turbulence-3d",
        "turbulence_3d.h5",
        "Three-dimensional turbulence, a velocity component",
        "A decaying flow on 64 x 64 x 64 voxels.",
        "simulated by this project (packaging/make_turbulence.py)",
        "MIT",
    ),
    Sample(
        "clouds",
        "clouds.h5",
        "Cloud tops over Europe, brightness temperature",
        "A satellite's infra-red view on 160 x 256 voxels of 35 km, with a corner that it did not see.",
        "Met Office, SEVIRI data by EUMETSAT, from iris-sample-data (packaging/make_weather_sample.py)",
        "UK Open Government Licence 3",
    ),
)

SAMPLES: dict[str, Sample] = {sample.name: sample for sample in _ALL}


def sample_path(name: str) -> Path:
    """The file of a sample; ConfigError names the samples where there is none of that name."""
    if name not in SAMPLES:
        raise ConfigError(f"There is no sample {name}; choose one of {', '.join(SAMPLES)}.")
    return resource("samples") / SAMPLES[name].file
