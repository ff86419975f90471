"""The settings of each embedding for a volume, from its grid and its spectrum, and the reason in words.

What the constants were chosen by stands in packaging/study.md.
"""

from __future__ import annotations

import math
from typing import Any

from dinr_studio.analysis.spectrum import Spectrum
from dinr_studio.analysis.variation import Variation
from dinr_studio.config import FieldConfig
from dinr_studio.coordinates import CoordinateMap, Scaling
from dinr_studio.volume import Volume

LOWEST_OMEGA, HIGHEST_OMEGA = 5.0, 60.0
OMEGA_PER_FREQUENCY = 6.0  # best omega_0 over the data's root mean square frequency, in cycles per network unit
BANDWIDTH_PER_FREQUENCY = 0.5
SCATTERED_OMEGA, LOWEST_SCATTERED_OMEGA = 3.5, 4.0  # the same for scattered samples
NOISY_OMEGA = 0.4  # what omega_0 is multiplied by for noisy data, so that the field cannot follow the noise
OCTAVES_OVER_RMS = 2.0  # frequency of the last octave over the data's root mean square one, at least
CELLS_PER_VOXEL = 1.0  # of the hash grid's finest level, along each axis
NOISY_CELLS = 0.5  # what these are multiplied by for noisy data
COARSEST = 8
SPARSE = 0.9  # distance between samples of the whole grid over that of the trained ones below which few are trained on
AFTER_A_GRID: dict[str, Any] = {"blocks": 1, "layers": 2}  # a network that has only to join what the levels say
SMALLEST_TABLE, LARGEST_TABLE = 10, 19  # as powers of two

Spacing = list[tuple[float, float]]


def embedding_settings(
    volume: Volume,
    spectrum: Spectrum | Variation,
    sparseness: float,
    *,
    noisy: bool,
    scaling: Scaling = "physical",
) -> dict[str, Any]:
    """The settings of all embeddings by name.

    sparseness: distance between samples of the whole grid over that of the ones trained on, at most 1.
    """
    spacing = _spacing(CoordinateMap.of(volume.grid, scaling), volume, spectrum)
    lowest, per_frequency = LOWEST_OMEGA, OMEGA_PER_FREQUENCY
    if isinstance(spectrum, Variation):
        spacing = _spacing(CoordinateMap.of(volume.grid, scaling), volume, spectrum)
    lowest, per_frequency = LOWEST_SCATTERED_OMEGA, SCATTERED_OMEGA
    omega = per_frequency * spectrum.rms_frequency * sparseness * (NOISY_OMEGA if noisy else 1.0)
    return {
        "omega_0": round(min(HIGHEST_OMEGA, max(lowest, omega)), 1),
        "bandwidth": bandwidth(spectrum, sparseness),
        "octaves": _octaves(spectrum, sparseness),
        **_hash_grid(spacing, NOISY_CELLS if noisy else 1.0),
        "interpolation": "smooth" if sparseness < SPARSE else "linear",
    }


def bandwidth(spectrum: Spectrum | Variation, sparseness: float) -> float:
    """The bandwidth of Fourier features."""
    return round(min(10.0, max(0.5, BANDWIDTH_PER_FREQUENCY * spectrum.rms_frequency * sparseness)), 2)


def _octaves(spectrum: Spectrum | Variation, sparseness: float) -> int:
    """Octaves up to a few times the data's frequency; octave k has 2^k / 2 cycles per network unit."""
    highest = OCTAVES_OVER_RMS * spectrum.rms_frequency * sparseness
    return 1 + min(9, max(2, math.ceil(math.log2(max(1.0, 2 * highest)))))


def _hash_grid(spacing: Spacing, share: float) -> dict[str, Any]:
    """Levels that at most double from one to the next, up to cells of about the voxels' size, and a table for them."""
    finest = [max(1, round(share * CELLS_PER_VOXEL * 2 / step)) if n > 1 else 1 for step, n in spacing]
    coarsest = min(COARSEST, max(finest))
    levels = 1 + math.ceil(math.log2(max(finest) / coarsest))
    vertices = math.prod(cells * step * n / 2 + 2 for cells, (step, n) in zip(finest, spacing, strict=True))
    return {
        "finest_resolution": tuple(finest) if len(set(finest)) > 1 else (finest[0],),
        "coarsest_resolution": coarsest,
        "levels": levels,
        "table_size": min(LARGEST_TABLE, max(SMALLEST_TABLE, math.ceil(math.log2(vertices)))),
    }


def _spacing(coordinates: CoordinateMap, volume: Volume, spectrum: Spectrum | Variation) -> Spacing:
    """By axis the distance of neighbouring samples in network units, and how many lie along it."""
    slope, _ = coordinates.index_affine(volume.grid)
    steps = [(float(step), float(n)) for step, n in zip(slope, volume.grid.shape, strict=True)]
    if isinstance(spectrum, Spectrum):
        return steps
    apart = 0.5 / spectrum.nyquist
    return [(apart, max(2.0, step * n / apart)) if n > 1 else (step, n) for step, n in steps]


def embedding_reason(field: FieldConfig, spectrum: Spectrum | Variation, *, noisy: bool) -> str:
    """Why the settings of a field's embedding are what they are."""
    lower = " (lower for noisy data)" if noisy else ""
    cells = " x ".join(map(str, field.finest_resolution))
    chosen = {
        "siren": f"omega_0 {field.omega_0:g}{lower}",
        "wire": f"omega_0 {field.omega_0:g}{lower}, sigma_0 {field.sigma_0:g}",
        "fourier": f"bandwidth {field.bandwidth:g}",
        "positional": f"{field.octaves} octaves",
        "hashgrid": f"finest grid of {cells} cells across [-1, 1], {field.levels} levels",
    }[field.embedding]
    if field.embedding == "hashgrid":
        what = "samples" if isinstance(spectrum, Variation) else "voxels"
        return f"{chosen}{lower}: cells of {1 / CELLS_PER_VOXEL:g} times the distance of the {what}"
    reason = (
        f"{chosen}: the data's root mean square frequency is {spectrum.rms_frequency:.1f} cycles per half of the "
        "longest edge"
    )
    if isinstance(spectrum, Variation):
        reason += f", of {spectrum.nyquist:.1f} that the samples could tell"
    return reason
