"""The program from Python: open or make a volume, fit a field to it, ask the field, keep it. What the shell calls, too.

Positions and everything with an entry per axis are in the order t, z, y, x, as far as a volume has these axes, and in
the volume's own units; values are in the data's unit. Every refusal is a DinrError with one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dinr_studio.errors import ConfigError, OutputError
from dinr_studio.io.arrays import volume_of_array
from dinr_studio.io.cropping import Crop
from dinr_studio.training.stopping import stop_requested
from dinr_studio.volume import Volume

if TYPE_CHECKING:
    import torch

    from dinr_studio.config import FitConfig
    from dinr_studio.coordinates import Grid
    from dinr_studio.sampling.evaluate import FieldOnGrid
    from dinr_studio.sampling.exports import ExportProgress, ExportReport
    from dinr_studio.training.run import Run
    from dinr_studio.training.snapshot import Snapshot

OPENED = "open_options"  # where a volume remembers, beside its fields, how it was opened
ENDS = ("max_epochs", "time_limit", "goal_psnr", "patience")  # the only settings that a resumed fit may change
AT_ONCE = 1 << 18  # positions between two turns from arrays to tensors and back

Watch = Callable[["Snapshot"], object]

__all__ = ["Field", "fit", "from_array", "load", "open_volume", "resume"]


def open_volume(path: str | Path, **options: Any) -> Volume:
    """The volume in a file, a folder, a pattern of files, or `sample:NAME`.

    options: what the file gets wrong or leaves open, by the keywords of `dinr_studio.io.open_volume`: dataset, axes,
    voxel_size (one number, or one for each axis), unit, fill, channel, mask, crop ("0:64,:,9:40", "0.5:2nm,:,:", or
    START and STOP for each axis), stored, position_columns, value_columns. A run keeps them, to find its data again.
    """
    from dinr_studio.io.reading import open_volume as read

    if np.isscalar(options.get("voxel_size")):
        options["voxel_size"] = [options["voxel_size"]]
    crop = options.get("crop")
    if isinstance(crop, str):
        options["crop"] = crop = Crop(crop)
    opened = read(path, **options)
    if isinstance(crop, Crop):
        options["crop"] = crop.indices
    opened.__dict__[OPENED] = _plain(options)
    return opened


def from_array(
    values: ArrayLike,
    *,
    voxel_size: float | Sequence[float] | None = None,
    unit: str | None = None,
    axes: str | None = None,
    origin: Sequence[float] | None = None,
    value_unit: str = "",
    channel_names: Sequence[str] = (),
    fill: float | None = None,
    missing: NDArray[np.bool_] | None = None,
) -> Volume:
    """A volume of the values of an array of 1 to 4 axes, and channels where it has them.

    axes: a letter of t, z, y, x and c (channel) for each dimension, by default tzyx as far as there are dimensions.
    voxel_size: of the spatial axes, or of each axis, in `unit`. origin: where the first voxel's centre is. Missing are
    NaN, values equal to `fill`, and those that `missing`, of values' shape, marks.
    """
    return volume_of_array(
        np.asarray(values),
        voxel_size=_per_axis(voxel_size),
        unit=unit,
        axes=axes,
        origin=origin,
        value_unit=value_unit,
        channel_names=channel_names,
        fill=fill,
        missing=missing,
    )


def fit(
    volume: Volume,
    preset: str = "auto",
    *,
    family: str | None = None,
    path: str | Path | None = None,
    on_snapshot: Watch | None = None,
    **settings: Any,
) -> Field:
    """A field fitted to a volume and judged on voxels that were held out of training.

    preset: auto, quick, balanced, paper or paper-tuned. family: dinr-siren, dinr-ffnet, siren, ffnet, or `probe`; the
    preset's own where it is not given, and of preset auto the better of two by trial, unless settings are given.
    settings: any by name (`FieldConfig` and `TrainingConfig` list them), such as time_limit in seconds, width=96,
    max_epochs, held_out_share, device, seed. path: a run file to write, every minute and at the end.
    on_snapshot: called with each Snapshot; where it returns True, the fit ends early, and is judged. What interrupts a
    fit (Ctrl-C, an error in on_snapshot) leaves the run in the file, and `resume` goes on with it.
    """
    from dinr_studio.training.choosing import chosen_config

    config = chosen_config(preset, family, settings, volume)
    file = None if path is None else _new_run_file(Path(path))
    return _fitted(volume, config, file, None, vars(volume).get(OPENED, {}), on_snapshot)


def resume(path: str | Path, *, volume: Volume | None = None, on_snapshot: Watch | None = None, **ends: Any) -> Field:
    """Goes on with the fit in a run file, and writes it there.

    volume: its data, where that is not found by itself. ends: max_epochs, time_limit, goal_psnr or patience, which
    alone may change.
    """
    from dinr_studio.config import with_changes
    from dinr_studio.training.run_data import volume_of
    from dinr_studio.training.run_file import read_run

    path = Path(path)
    run = read_run(path)
    if fixed := sorted(set(ends) - set(ENDS)):
        raise ConfigError(f"A resumed run keeps its settings, so {', '.join(fixed)} cannot be changed; fit anew.")
    config = with_changes(run.config, ends)
    data = volume_of(run, path) if volume is None else volume
    return _fitted(data, config, path, run, run.open_options, on_snapshot)


def load(path: str | Path, device: str | torch.device = "auto") -> Field:
    """The field in a run file; device: auto, cpu, cuda, cuda:N or mps. It needs no data."""
    from dinr_studio.training.run_file import read_run

    return Field(read_run(Path(path)), device, Path(path))


class Field:
    """A fitted field: a function of position, with the run that it came from.

    run: settings, weights, history, scores and grid, frozen. path: the run file, where there is one.
    """

    def __init__(self, run: Run, device: str | torch.device = "auto", path: Path | None = None) -> None:
        from dinr_studio.training.device import resolve_device
        from dinr_studio.training.fit import field_of

        self.run, self.path = run, path
        self._on_grid = field_of(run, resolve_device(device) if isinstance(device, str) else device)

    @property
    def config(self) -> FitConfig:
        """All settings of the fit, and the reasons for those that were derived from the data."""
        return self.run.config

    @property
    def scores(self) -> Mapping[str, Any]:
        """The judgement on held-out voxels beside that of interpolation, by name; empty where a fit was cut off."""
        return self.run.scores

    @property
    def grid(self) -> Grid:
        """The grid of the voxels that it was fitted to, with axes, voxel sizes, origin and units."""
        return self.run.grid

    @property
    def evaluated(self) -> FieldOnGrid:
        """What the program's own functions take for a field (`dinr_studio.sampling`)."""
        return self._on_grid

    def __repr__(self) -> str:
        held = self.run.scores.get("held_out")
        score = f", {held['psnr']:.1f} dB held-out" if isinstance(held, Mapping) else ""
        shape = " x ".join(map(str, self.grid.shape))
        return f"<Field {self.config.field.family}, {', '.join(self.grid.axes)}: {shape} voxels{score}>"

    def __call__(self, points: ArrayLike) -> NDArray[np.float64]:
        """Values at positions (..., axes): (...), or (..., channels) of a field of several channels.

        A position outside the volume has a value, too, but nothing has taught the field there.
        """
        from dinr_studio.sampling.evaluate import values_at

        places = self._places(points)
        flat = places.reshape(-1, places.shape[-1])
        values = np.empty((len(flat), self.run.channels))
        for start in range(0, len(flat), AT_ONCE):
            values[start : start + AT_ONCE] = values_at(self._on_grid, flat[start : start + AT_ONCE])
        shape = places.shape[:-1]
        return values.reshape(shape if self.run.channels == 1 else (*shape, self.run.channels))

    def gradient(self, points: ArrayLike) -> NDArray[np.float64]:
        """The exact gradient at positions (..., axes): (..., axes of space), with channels before these where several.

        In the value's unit per unit of length, along z, y, x; where a volume lies turned, along those of space.
        """
        components = self.derived("gradient", points)
        several = (self.run.channels, -1) if self.run.channels > 1 else (-1,)
        return components.reshape(*components.shape[:-1], *several)

    def derived(self, quantity: str, points: ArrayLike) -> NDArray[np.float64]:
        """A quantity that is derived of the field, such as `laplacian` or `curl`, at positions: (..., components)."""
        from dinr_studio.sampling.derivatives import quantity_field
        from dinr_studio.sampling.evaluate import values_at

        places = self._places(points)
        found = quantity_field(self._on_grid, quantity)
        return values_at(found, places.reshape(-1, places.shape[-1])).reshape(*places.shape[:-1], -1)

    def _places(self, points: ArrayLike) -> NDArray[np.float64]:
        try:
            places = np.asarray(points, dtype=np.float64)
        except (TypeError, ValueError):
            places = np.full(1, np.nan)
        axes = self.grid.axes
        if places.ndim == 0 or places.shape[-1] != len(axes) or not np.isfinite(places).all():
            raise ConfigError(
                f"Positions have shape {places.shape}; give finite numbers (..., {len(axes)}), in the order "
                f"{', '.join(axes)}."
            )
        return places

    def on_grid(self, **target: Any) -> Volume:
        """The field on a grid, as a volume of float32.

        target: one of factor (voxels per old voxel), voxel_size and shape; box, START and STOP for each axis, of a
        part; times, as `export --times` takes them. Without any: the grid that it was fitted on.
        """
        from dinr_studio.memory import available_bytes
        from dinr_studio.sampling.evaluate import evaluate_slabs
        from dinr_studio.volume import Provenance

        grid, channels = self.grid_for(**target), self.run.channels
        if (needed := 4 * grid.size * channels) > available_bytes() // 2:
            raise ConfigError(
                f"A grid of {grid.size:,} voxels takes {2 * needed / 1e9:.1f} GB of memory and "
                f"{available_bytes() / 1e9:.1f} GB are free; choose a smaller one, or write it to a file by `export`."
            )
        values = np.concatenate(list(evaluate_slabs(self._on_grid, grid)))
        source = Provenance(reader="field", notes=self.run.notes)
        return Volume(values, grid, None, self.run.value_unit, self.run.channel_names, source)

    def grid_for(self, **target: Any) -> Grid:
        """The grid that the keywords of `on_grid` name."""
        from dinr_studio.sampling.target import target_grid

        for name in ("factor", "voxel_size"):
            target[name] = _per_axis(target.get(name))
        return target_grid(self.grid, **target)

    def export(
        self, path: str | Path, *, dtype: str = "float32", compression: str = "", force: bool = False, **target: Any
    ) -> ExportReport:
        """Writes the field on a grid (the keywords of `on_grid`) to a file whose suffix names the format.

        Memory does not grow with the file. The report says what was written, and what the format could not carry.
        """
        steps = self.exporting(path, dtype=dtype, compression=compression, force=force, **target)
        with closing(steps):
            for step in steps:
                if step.report is not None:
                    return step.report
        raise AssertionError("an export ends with its report")

    def exporting(
        self, path: str | Path, *, dtype: str = "float32", compression: str = "", force: bool = False, **target: Any
    ) -> Generator[ExportProgress, None, None]:
        """As `export`, as a generator that tells how far it is; closing it leaves no file behind."""
        from dinr_studio.sampling.export import export
        from dinr_studio.training.run_data import check_not_data

        path = Path(path)
        check_not_data(self.run, path)
        options: dict[str, Any] = {"dtype": dtype, "compression": compression, "force": force}
        yield from export(self._on_grid, self.grid_for(**target), path, notes=self.run.notes, **options)

    def judge(self, data: Volume | None = None) -> dict[str, Any]:
        """Fresh scores on the held-out voxels, as `score` prints them; data: found by itself where a file holds it."""
        from dinr_studio.errors import DataNotFound
        from dinr_studio.training.fit import score
        from dinr_studio.training.run_data import check_fits, volume_of
        from dinr_studio.training.task import prepare_as_fitted

        if data is None:
            if self.path is None and not self.run.provenance.file:
                raise DataNotFound("The field was fitted to an array, which no file holds; give it as `data`.")
            data = volume_of(self.run, self.path or Path())
        else:
            check_fits(self.run, data)
        task = prepare_as_fitted(data, self.config.training, self.run.open_options)
        kept = {name: part for name, part in self.run.scores.items() if name == "blocks"}  # of which the fit alone knew
        return {**score(self.run, task, self._on_grid.device), **kept}

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Writes the run file (.dinr), which holds all that `load`, the shell and the window need."""
        from dinr_studio.training.run_data import check_not_data
        from dinr_studio.training.run_file import write_run

        file = _new_run_file(Path(path), force=force)
        check_not_data(self.run, file)
        write_run(self.run, file)
        self.path = file


def _fitted(
    volume: Volume,
    config: FitConfig,
    path: Path | None,
    begun: Run | None,
    options: Mapping[str, Any],
    on_snapshot: Watch | None,
) -> Field:
    """Fits to the end, or until the watcher has seen enough."""
    from dinr_studio.training import fit as fits

    enough = False
    snapshots = fits.fit(volume, config, path=path, resume=begun, open_options=options, enough=lambda: enough)
    with stop_requested(b"") as stop, closing(snapshots):
        for snapshot in snapshots:
            if on_snapshot is not None and on_snapshot(snapshot) is True:
                enough = True
            if stop.is_set() and snapshot.phase == "training":
                raise KeyboardInterrupt
    if snapshot.run is None:
        raise AssertionError("a fit ends with its run")
    return Field(snapshot.run, config.training.device, path)


def _new_run_file(path: Path, *, force: bool = False) -> Path:
    from dinr_studio.training.run_file import check_run_name

    check_run_name(path)
    if path.exists() and not force:
        raise OutputError(f"{path} exists already; choose another name, or save with force=True to replace it.")
    return path


def _per_axis(numbers: Any) -> Any:
    """One number as a sequence of one; what is a sequence, or None, as it is."""
    return [numbers] if np.isscalar(numbers) else numbers


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of opening as a run file keeps them."""
    kept = {name: option for name, option in options.items() if option is not None}
    if "voxel_size" in kept:
        kept["voxel_size"] = [float(size) for size in kept["voxel_size"]]
    if "crop" in kept:
        kept["crop"] = [[int(end) for end in ends] for ends in kept["crop"]]
    mask = str(kept.get("mask") or "")
    if mask and not mask.startswith("sample:"):
        kept["mask"] = str(Path(mask).absolute())
    return kept
