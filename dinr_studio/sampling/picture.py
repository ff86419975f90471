"""Pictures of a slice: data, field and residual side by side, with scale bar and colour bars (matplotlib)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinr_studio.coordinates import Grid
from dinr_studio.errors import ConfigError, OutputError
from dinr_studio.io.atomic import atomic_output
from dinr_studio.sampling.evaluate import FieldOnGrid, evaluate_slabs
from dinr_studio.volume import Volume

FORMATS = (".png", ".pdf", ".svg")
LOW, HIGH = 0.5, 99.5  # percentiles that the colours span; what lies beyond has the last colour
MISSING_COLOUR = "0.75"


def slice_picture(
    volume: Volume,
    field: FieldOnGrid,
    path: Path,
    *,
    axis: str | None = None,
    index: int | None = None,
    channel: int = 0,
    force: bool = False,
) -> None:
    """Writes one slice of data, field and residual (field - data) as PNG, PDF or SVG.

    axis: the axis the slice is across (the first spatial one by default; none in 2D). index: which slice (the middle
    one by default); time stands at its middle frame. Raises ConfigError or OutputError.
    """
    from matplotlib import rc_context

    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{path.name} is no picture's name; end it in {', '.join(FORMATS)}.")
    if len(volume.grid.shape) < 2:
        raise ConfigError("A slice needs a volume of two or more axes; this one is a line.")
    if not 0 <= channel < volume.channels:
        raise ConfigError(f"Channel {channel} does not exist; the volume has channels 0 to {volume.channels - 1}.")
    start, where = place_of_slice(volume.grid, axis, index)
    panes, plane = _panes(volume, field, start, channel)
    with rc_context({"text.parse_math": False}):  # names and units come from files, and $ means nothing there
        figure = _figure(volume, panes, plane, where)
        with atomic_output(path, force=force) as temporary:
            figure.savefig(temporary, dpi=150, format=path.suffix[1:].lower())


def _figure(volume: Volume, panes: list[NDArray[np.float64]], plane: Grid, where: str) -> Any:
    """Data, field and residual side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    extent = [e / 2 for e in plane.extent[-2:]]
    aspect = extent[0] / extent[1]
    figure = Figure(figsize=(13.5, max(3.0, min(9.0, 1.3 + 3.2 * aspect))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
    low, high = np.nanpercentile(panes[0], (LOW, HIGH)) if np.isfinite(panes[0]).any() else (0.0, 1.0)
    error = np.abs(panes[2][np.isfinite(panes[2])])
    far = max(float(np.percentile(error, HIGH)) if error.size else 0.0, 1e-12 * max(abs(high), 1e-30))
    limits = ((low, high, "gray"), (low, high, "gray"), (-far, far, "RdBu_r"))
    label = f"value ({volume.value_unit})" if volume.value_unit else "value"
    for pane, title, values, (least, greatest, colours) in zip(
        axes, ("Data", "Field", "Residual (field - data)"), panes, limits, strict=True
    ):
        draw_pane(figure, pane, plane, values, title, least, greatest, colours, label)
    scale_bar(axes[0], plane)
    figure.suptitle(_title(volume, where, panes), fontsize=11)
    return figure


def place_of_slice(grid: Grid, axis: str | None, index: int | None) -> tuple[dict[int, int], str]:
    """The index at which each axis but the picture's two is held, and that in words."""
    across = list(range(len(grid.shape) - 2))
    if axis is not None:
        if axis not in grid.axes:
            raise ConfigError(f"There is no axis {axis}; the volume has {', '.join(grid.axes)}.")
        chosen = grid.axes.index(axis)
        spatial = [i for i in grid.spatial if i != chosen]
        across = [i for i in range(len(grid.shape)) if i not in spatial[-2:]]
        if chosen not in across or len(spatial) < 2:
            raise ConfigError(f"A slice across {axis} is no picture; leave --axis out.")
    held = {i: grid.shape[i] // 2 for i in across}
    if index is not None:
        target = grid.axes.index(axis) if axis is not None else (across[-1] if across else None)
        if target is None:
            raise ConfigError("The data is one picture; leave --index out.")
        if not 0 <= index < grid.shape[target]:
            raise ConfigError(f"Slice {index} does not exist; choose 0 to {grid.shape[target] - 1}.")
        held[target] = index
    parts = [
        f"{grid.axes[i]} = {grid.axis_positions(i)[at]:.4g} {grid.units[i]}".rstrip()
        + f" ({at + 1} of {grid.shape[i]})"
        for i, at in held.items()
    ]
    return held, ", ".join(parts)


def _panes(
    volume: Volume, field: FieldOnGrid, held: dict[int, int], channel: int
) -> tuple[list[NDArray[np.float64]], Grid]:
    """Data, field and residual (rows, columns), NaN where missing, and the grid of the picture's two axes."""
    grid = volume.grid
    start = [held.get(i, 0) for i in range(len(grid.shape))]
    stop = [held[i] + 1 if i in held else n for i, n in enumerate(grid.shape)]
    part = grid.cropped(start, stop)
    window = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    shown = [i for i in range(len(grid.shape)) if i not in held]
    shape = [grid.shape[i] for i in shown]
    data = volume.values[window][..., channel].astype(np.float64).reshape(shape)
    if volume.missing is not None:
        data[volume.missing[window].reshape(shape)] = np.nan
    predicted = np.concatenate(list(evaluate_slabs(field, part)))[..., channel].astype(np.float64).reshape(shape)
    return [data, predicted, predicted - data], grid.along(shown)


def draw_pane(
    figure: Any,
    pane: Any,
    plane: Grid,
    values: NDArray[np.floating[Any]],
    title: str,
    least: float,
    greatest: float,
    colours: str,
    label: str,
) -> None:
    """One pane with physical aspect, axis labels with units, and its colour bar."""
    corners = []
    for i in (1, 0):
        first = plane.origin[i] - plane.voxel_size[i] / 2
        corners += [first, first + plane.extent[i]]
    same = plane.units[0] == plane.units[1]
    shown = pane.imshow(
        values, cmap=colours, vmin=least, vmax=greatest, extent=corners, origin="lower", interpolation="nearest",
        aspect="equal" if same else "auto",
    )  # fmt: skip
    pane.set_facecolor(MISSING_COLOUR)
    pane.set_title(title, fontsize=11)
    for name, i in ((pane.set_xlabel, 1), (pane.set_ylabel, 0)):
        name(f"{plane.axes[i]} ({plane.units[i] or 'voxel units'})")
    pane.locator_params(nbins=5)
    beside = pane.inset_axes((1.03, 0, 0.045, 1))  # as high as the picture, whatever its aspect
    bar = figure.colorbar(shown, cax=beside, extend="both")
    bar.set_label(label)


def scale_bar(pane: Any, plane: Grid) -> None:
    """A bar of a round length, about a fifth of the picture, with its length in the axis's unit."""
    width = plane.extent[1]
    goal = width / 5
    step = 10.0 ** math.floor(math.log10(goal))
    length = max(m * step for m in (1, 2, 5) if m * step <= goal)
    left = plane.origin[1] - plane.voxel_size[1] / 2 + 0.05 * width
    bottom = plane.origin[0] - plane.voxel_size[0] / 2 + 0.06 * plane.extent[0]
    outline = {"color": "black", "linewidth": 6, "solid_capstyle": "butt"}
    pane.plot([left, left + length], [bottom, bottom], **outline)
    pane.plot([left, left + length], [bottom, bottom], **{**outline, "color": "white", "linewidth": 3.5})
    pane.annotate(
        f"{length:g} {plane.units[1]}".rstrip(), (left, bottom), (0, 5), textcoords="offset points",
        ha="left", va="bottom", fontsize=9, color="white",
        bbox={"facecolor": "black", "alpha": 0.6, "pad": 1.5, "lw": 0},
    )  # fmt: skip
    pane.set_xlim(left - 0.05 * width, left + 0.95 * width)


def _title(volume: Volume, where: str, panes: list[NDArray[np.float64]]) -> str:
    low, high = volume.value_range
    error = float(np.nanmean(np.square(panes[2]))) if np.isfinite(panes[2]).any() else math.nan
    psnr = 10 * math.log10((high - low) ** 2 / error) if error > 0 else math.inf
    name = Path(volume.provenance.file).name or "volume"
    return ",  ".join(part for part in (name, where, f"{psnr:.1f} dB on this slice (training voxels included)") if part)
