"""What a run is watched by besides its losses: kernel, spectra, latent trajectory, and the rivals' scores.

All of it works on frozen weights, so it may run beside the training that made them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from dinr_studio.analysis.kernel_spectrum import KernelSpectrum, kernel_spectrum
from dinr_studio.analysis.scores import Scores
from dinr_studio.analysis.spectrum import Spectrum, in_world_frequency, radial_spectrum
from dinr_studio.channels import Component
from dinr_studio.config import FieldConfig, FitConfig, changed
from dinr_studio.coordinates import CoordinateMap, Grid
from dinr_studio.errors import ConfigError
from dinr_studio.fields.build import build_field, load_field
from dinr_studio.fields.tangent_kernel import tangent_kernel
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs
from dinr_studio.sampling.latent import LatentProfile, latent_profile
from dinr_studio.training.run import Run, Weights
from dinr_studio.training.task import prepare
from dinr_studio.volume import Volume

SPECTRUM_VOXELS = 40**3  # of the volume's middle, on which field and data are compared by frequency
PROFILE_POINTS = 1024


@dataclass(frozen=True)
class KernelLook:
    """A kernel's spectrum at one moment of a run, on how many points, and the seconds that it took."""

    spectrum: KernelSpectrum
    points: int
    seconds: float


@dataclass(frozen=True)
class Spectra:
    """Radial power of data, field and residual over the same voxels; frequency in cycles per `unit`."""

    data: Spectrum
    field: Spectrum
    residual: Spectrum
    unit: str
    voxels: int


def sub_grid(grid: Grid, coordinates: CoordinateMap, points: int) -> NDArray[np.float32]:
    """Network coordinates (N, axes) of an even grid of about `points` points, at most, within a grid's box."""
    side = max(1, int(points ** (1 / sum(n > 1 for n in grid.shape)) + 1e-9)) if grid.size > 1 else 1
    coarse = grid.with_shape([min(n, side) for n in grid.shape])
    axes = [coarse.axis_positions(axis) for axis in range(len(coarse.shape))]
    world = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    return coordinates.network(world).astype(np.float32)


def look_at_kernel(run: Run, weights: Weights, points: int) -> KernelLook:
    """The neural tangent kernel's spectrum of these weights on a sub-grid of about `points` points.

    ConfigError for a run of blocks, whose many fields hardly share a kernel.
    """
    if run.partition is not None:
        raise ConfigError("The kernel is that of one field; of a run of blocks there is none to show.")
    field = load_field(run.config.field, len(run.grid.shape), run.channels, weights)
    return _look(field, sub_grid(run.grid, run.coordinates, points))


def look_at_static_kernel(run: Run, points: int) -> KernelLook:
    """The same of the static baseline (same embedding, width and seed, no dynamics) as it begins."""
    config = static_twin(run.config.field)
    field = build_field(config, len(run.grid.shape), run.channels, seed=run.config.training.seed)
    return _look(field.eval(), sub_grid(run.grid, run.coordinates, points))


def static_twin(config: FieldConfig) -> FieldConfig:
    """The settings of a field without dynamics that is otherwise the same."""
    return changed(config, family=config.family.removeprefix("dinr-"))


def _look(field: torch.nn.Module, coordinates: NDArray[np.float32]) -> KernelLook:
    start = time.perf_counter()
    kernel = tangent_kernel(field, torch.from_numpy(coordinates)).numpy()
    return KernelLook(kernel_spectrum(kernel), len(coordinates), time.perf_counter() - start)


def look_at_trajectory(field: FieldOnGrid) -> LatentProfile | None:
    """The latent profile of a field over an even sub-grid; None for a static field."""
    return latent_profile(field, sub_grid(field.grid, field.coordinates, PROFILE_POINTS))


def look_at_spectra(volume: Volume, field: FieldOnGrid, channel: Component) -> Spectra:
    """Radial power spectra of data, field and residual on the volume's middle, missing voxels left out of all three."""
    part = _middle(volume, SPECTRUM_VOXELS).loaded()
    values = np.concatenate(list(evaluate_slabs(field, part.grid)))
    data = part.in_memory.astype(np.float32)
    unit = next((part.grid.units[i] for i in part.grid.spatial), "") or "voxel"
    spectra = []
    for one in (data, values, values - data):
        spectrum = radial_spectrum(replace(part, values=one), field.coordinates, channel)
        physical = in_world_frequency(spectrum, field.coordinates, part.grid)
        if physical is None:
            unit = "network unit"
        spectra.append(physical or spectrum)
    return Spectra(spectra[0], spectra[1], spectra[2], unit, part.grid.size)


def _middle(volume: Volume, most: int) -> Volume:
    share = min(1.0, (most / volume.grid.size) ** (1 / max(1, sum(n > 1 for n in volume.grid.shape))))
    kept = [max(1, round(n * share)) for n in volume.grid.shape]
    start = [(n - k) // 2 for n, k in zip(volume.grid.shape, kept, strict=True)]
    return volume.cropped(start, [s + k for s, k in zip(start, kept, strict=True)])


def look_at_rivals(volume: Volume, config: FitConfig) -> Mapping[str, Scores]:
    """Scores of each interpolation on the held-out voxels of a fit; empty where none are held out."""
    return prepare(volume, config.training).rivals(config.training.seed)
