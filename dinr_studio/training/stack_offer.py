"""Whether a run's field is better stacked with the cubic spline, by what weights, and through which data; no torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dinr_studio.analysis.stacking import in_words
from dinr_studio.errors import ConfigError, DataNotFound
from dinr_studio.training.run import Run
from dinr_studio.volume import Volume

SAME_PLACE = 1e-3  # of a voxel


def stack_weights(run: Run) -> tuple[float, ...]:
    """The field's share by channel with which a run's field is better stacked; ConfigError, saying why, where not."""
    held_out = run.scores.get("held_out")
    if run.scattered:
        raise ConfigError(
            "The field was fitted to scattered samples, between which there is no spline to combine with."
        )
    if not run.scores:
        raise ConfigError("The field has not been judged yet; finish the fit before it is combined with the spline.")
    if not isinstance(held_out, Mapping):
        raise ConfigError("No voxels were held out, so nothing says by what weights to combine field and spline.")
    stacked = held_out.get("stacked")
    if not isinstance(stacked, Mapping):
        raise ConfigError(
            "The held-out voxels were too few, or judged by an older version, to say by what weights to combine field "
            "and spline; fit again, perhaps with more voxels held out."
        )
    if not stacked["worthwhile"]:
        raise ConfigError(
            f"On held-out voxels field and cubic spline together ({stacked['psnr']:.1f} dB) are not better than the "
            "best by itself by more than chance; export the field alone."
        )
    return tuple(float(weight) for weight in stacked["weights"])


def stack_notes(run: Run, weights: tuple[float, ...]) -> tuple[str, ...]:
    """Sentences for the metadata of an exported file: what its values are."""
    return (
        *run.notes,
        f"values: weighted mean of the field and a cubic spline through the data ({in_words(weights)})",
    )


def stack_mark(weights: tuple[float, ...]) -> str:
    """What such values depend on besides the field and its data, by which an export to go on with is known."""
    return f"mean with a cubic spline {weights}"


def fitted_part(run: Run, volume: Volume) -> Volume:
    """The part of an open volume that a run was fitted to; DataNotFound where that is another file or part."""
    grid, own = volume.grid, run.grid
    same = volume.provenance.sha256 == run.provenance.sha256 and volume.channels == run.channels
    if not same or grid.axes != own.axes or not np.allclose(grid.voxel_size, own.voxel_size, rtol=1e-6):
        raise DataNotFound("The open data is not what the run was fitted to; open the run with its data.")
    place = grid.index(np.asarray(own.origin))
    start = np.rint(place).astype(int)
    stop = start + own.shape
    if not np.allclose(place, start, atol=SAME_PLACE) or (start < 0).any() or (stop > grid.shape).any():
        raise DataNotFound("The open data does not hold the part that the run was fitted to; open the run with it.")
    return volume.cropped([int(a) for a in start], [int(b) for b in stop]).with_grid(own)
