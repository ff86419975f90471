"""What the window is about: the open volume, the field, and the fit; widgets show and ask it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from dinr_studio.config import FitConfig
from dinr_studio.experiments import repeat
from dinr_studio.training.run import Run, Weights
from dinr_studio.ui.background import Work
from dinr_studio.ui.evaluator import Evaluator, FieldState
from dinr_studio.ui.fit_session import FitSession
from dinr_studio.ui.looking import Looking
from dinr_studio.ui.opening import (
    Choices,
    ColumnsWanted,
    DataWanted,
    Masked,
    Opened,
    Reading,
    listing_columns,
    masking,
    opening,
    opening_run,
)
from dinr_studio.ui.runs import new_run_path
from dinr_studio.volume import Volume

log = logging.getLogger(__name__)

PATIENCE = 20.0  # seconds that closing waits for a question to be answered
REFRESH_SHARE = 0.2  # of one thread's time that pictures of the field in training may take

PICTURES_NICE, ANALYSES_NICE = 1, 12  # what the user looks at comes first, then the fit, then looks at the fit


class Studio(Looking):
    """The state that all widgets share, how one looks at it included; every change is told by a signal."""

    volume_opened = Signal()
    grid_changed = Signal()
    mask_read = Signal(object)
    field_changed = Signal()
    reading_changed = Signal(str)
    choice_needed = Signal(object)
    columns_wanted = Signal(object)
    data_wanted = Signal(object)
    failed = Signal(str)
    told = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.pictures = Evaluator(self, niceness=PICTURES_NICE)
        self.analyses = Evaluator(self, niceness=ANALYSES_NICE)
        self.rivals = Evaluator(self, niceness=ANALYSES_NICE)  # takes seconds at a time, and settings must not wait
        self._readers: list[Evaluator] = []
        self.fit = FitSession(self)
        self.fit.begun.connect(self._on_fit_begun)
        self.fit.looked.connect(self._on_fit_looked)
        self.fit.ended.connect(self._on_fit_ended)
        self.fit.failed.connect(self.failed)
        self._reading: Work | None = None
        self._version = 0
        self._refreshed = self._busy_at_refresh = 0.0
        self.latent_time: float | None = None
        self.shows_best = False
        self._clear()

    def _clear(self) -> None:
        self.look_at(None, {})
        self.file = ""
        self.options: dict[str, Any] = {}
        self.run: Run | None = None
        self.run_path: Path | None = None
        self.field: FieldState | None = None
        self.compared: FieldState | None = None
        self.compared_name = ""
        self.latent_time = None
        self.shows_best = False

    # Opening

    def open(self, file: str, options: Mapping[str, Any] | None = None) -> None:
        """Opens a volume or a run file in the background; what is open stays until that has worked."""
        path = Path(file)
        if path.suffix.lower() == ".dinr":
            self.open_run(path, None)
        else:
            given = dict(options or {})
            self._read(Work(lambda: opening(file, given), self), path.name)

    def open_with_axes(self, axes: str) -> None:
        """Reads the open file again with its stored dimensions named otherwise (letters t, z, y, x, c)."""
        kept = {name: value for name, value in self.options.items() if name not in ("voxel_size", "unit", "crop")}
        self.open(self.file, {**kept, "axes": axes})

    def ask_columns(self) -> None:
        """Looks up the columns of the open table, for the user to choose others."""
        if self.volume is not None and self.volume.samples is not None and not self.fit.running:
            file, options = self.file, dict(self.options)
            self._read(Work(lambda: listing_columns(file, options), self), Path(file).name)

    @property
    def stored_axes(self) -> str:
        """The letters of the open file's stored dimensions, as far as they are known."""
        if self.volume is None:
            return ""
        found = "".join(self.volume.grid.axes) + ("c" if self.volume.channels > 1 else "")
        return str(self.options.get("axes") or found)

    def open_run(self, path: Path, data: str | None) -> None:
        """Opens a run file with its data, which is looked for where it was unless `data` says where it is now."""
        self._read(Work(lambda: opening_run(path, data), self), path.name)

    @property
    def takes_mask(self) -> bool:
        """Whether another mask can be laid over what is open: not during a fit, nor over scattered samples."""
        return self.volume is not None and self.volume.samples is None and not self.fit.running

    def read_mask(self, mask: str) -> None:
        """Reads a mask for the open volume in the background, or takes it away ("")."""
        if (volume := self.volume) is not None and self.takes_mask:
            file, options = self.file, dict(self.options)
            self._read(Work(lambda: masking(file, options, mask, volume), self), Path(mask or file).name)

    @property
    def masked(self) -> Masked | None:
        """The open volume with its present mask."""
        mask = str(self.options.get("mask") or "")
        return None if self.volume is None else Masked(mask, self.volume, self.histograms)

    def show_masked(self, masked: Masked) -> None:
        """Takes over another mask; a field that was fitted without it is another volume's, and is put away."""
        self.volume, self.histograms = masked.volume, masked.histograms
        self.options = {name: value for name, value in self.options.items() if name != "mask"}
        if masked.mask:
            self.options["mask"] = masked.mask
        if self.run is not None:
            self.run, self.run_path, self.field = None, None, None
            self.told.emit("The field was fitted to the data with another mask; its run is kept under Runs.")
        for signal in (self.grid_changed, self.channel_changed, self.box_changed, self.field_changed):
            signal.emit()

    def cancel_reading(self) -> None:
        """Gives up opening a file."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
            self.reading_changed.emit("")
            self.told.emit("Opening was cancelled.")

    def _read(self, work: Work, name: str) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._reading = work
        work.made.connect(self._on_read)
        work.failed.connect(self._on_reading_failed)
        work.ended.connect(self._on_reading_ended)
        self.reading_changed.emit(f"Opening {name} ...")
        work.start()

    @Slot(object)
    def _on_read(self, item: object) -> None:
        if self.sender() is not self._reading:
            return
        if isinstance(item, Reading):
            self.reading_changed.emit(f"{item.doing} ...")
        elif isinstance(item, Choices):
            self.choice_needed.emit(item)
        elif isinstance(item, Masked):
            self.mask_read.emit(item)
        elif isinstance(item, ColumnsWanted):
            self.columns_wanted.emit(item)
        elif isinstance(item, DataWanted):
            self.data_wanted.emit(item)
        elif isinstance(item, Opened):
            self._show(item)

    @Slot(str)
    def _on_reading_failed(self, sentence: str) -> None:
        if self.sender() is self._reading:
            log.error(sentence)
            self.failed.emit(sentence)

    @Slot()
    def _on_reading_ended(self) -> None:
        if self.sender() is self._reading:
            self._reading = None
            self.reading_changed.emit("")

    def _show(self, opened: Opened) -> None:
        volume = opened.volume
        if sum(n > 1 for n in volume.grid.shape) < 2:
            self.failed.emit(
                f"{Path(opened.name).name} is a single line of values; the window shows 2 to 4 axes, "
                "so fit it from the shell (dinr-studio fit)."
            )
            return
        self._clear()
        self.look_at(volume, opened.histograms)
        self.file, self.options = opened.name, dict(opened.options)
        self.run, self.run_path = opened.run, opened.run_path
        if opened.run is not None:
            self._set_field(opened.run)
        if opened.run_path is None:
            done = repeat.opening(opened.name, opened.options)
        else:
            done = repeat.opening_run(str(opened.run_path))
        shape = " x ".join(map(str, volume.grid.shape))
        log.info("opened %s: %s", opened.name, shape, extra={"repeat": done})
        self.volume_opened.emit()
        self.field_changed.emit()

    def close_volume(self) -> None:
        """Back to the welcome page."""
        self._clear()
        self.volume_opened.emit()
        self.field_changed.emit()

    # The grid

    def set_voxel_size(self, voxel_size: Sequence[float], unit: str) -> None:
        """Puts the voxel size right, of data and field alike; raises ConfigError where it cannot be."""
        if self.volume is None:
            return
        grid = self.volume.grid.rescaled(voxel_size).with_unit(unit)
        self.volume = self.volume.with_grid(grid)
        self.options |= {"voxel_size": list(voxel_size), "unit": unit}
        if self.run is not None:
            self.run = self.run.rescaled(tuple(voxel_size)).updated(
                grid=self.run.grid.rescaled(voxel_size).with_unit(unit)
            )
            self._set_field(self.run)
        self.grid_changed.emit()
        self.field_changed.emit()

    # The field

    def _set_field(self, run: Run, weights: Weights | None = None) -> None:
        self._version += 1
        state = run if weights is None else run.updated(best=weights)
        self.field = FieldState(self._version, state, self.latent_time)

    def set_latent_time(self, time: float | None) -> None:
        """Looks at what the field's state decodes to at an earlier latent time; None is the end."""
        if self.field is not None and time != self.latent_time:
            self.latent_time = time
            self.field = replace(self.field, version=self._next_version(), latent_time=time)
            self.field_changed.emit()

    def show_best(self, best: bool) -> None:
        """During a fit: the weights with the best held-out score so far, or the latest ones."""
        self.shows_best = best
        self._refresh_field()

    def compare_with(self, run: Run | None, name: str = "") -> None:
        """A second field, to wipe against."""
        self.compared = None if run is None else FieldState(self._next_version(), run)
        self.compared_name = name
        self.field_changed.emit()

    def _next_version(self) -> int:
        self._version += 1
        return self._version

    # Fitting

    @property
    def fitted_volume(self) -> Volume | None:
        """What a fit would work on: the box's part of the volume, or all of it."""
        if self.volume is None or self.box is None:
            return self.volume
        return self.volume.cropped([a for a, _ in self.box], [b for _, b in self.box])

    @property
    def fitted_options(self) -> dict[str, Any]:
        """How what a fit would take is opened."""
        options = dict(self.options)
        if self.box is not None:
            before = options.get("crop") or [[0, 0]] * len(self.box)
            options["crop"] = [[a + o, b + o] for (a, b), (o, _) in zip(self.box, before, strict=True)]
        return options

    def start_fit(self, config: FitConfig, usual: FitConfig | None = None) -> None:
        """Begins a fit of the open volume; usual: what the preset has of itself, for the command that repeats it."""
        volume = self.fitted_volume
        if volume is None or self.fit.running:
            return
        options = self.fitted_options
        self.latent_time, self.shows_best = None, False
        self.run_path = new_run_path(self.file)
        done = repeat.fitting(self.file, str(self.run_path), options, config, usual)
        log.info("fit begins: %s, preset %s", config.field.family, config.preset, extra={"repeat": done})
        self.fit.start(volume, config, self.run_path, options)

    def resume_fit(self) -> None:
        """Goes on with the run that is open."""
        if self.run is None or self.run.state is None or self.run_path is None or self.fit.running:
            return
        volume = (
            self.volume if self.volume is None or self.run.grid.shape == self.volume.grid.shape else self.fitted_volume
        )
        if volume is not None:
            done = repeat.resuming(str(self.run_path), self.file)
            log.info("fit goes on: %s", self.run_path.name, extra={"repeat": done})
            self.fit.start(volume, self.run.config, self.run_path, self.run.open_options, self.run)

    @Slot()
    def _on_fit_begun(self) -> None:
        if self.fit.run is not None:
            self.run = self.fit.run
            self._set_field(self.fit.run)
            self.field_changed.emit()

    @Slot()
    def _on_fit_looked(self) -> None:
        now = time.perf_counter()
        used = self.pictures.busy_seconds - self._busy_at_refresh
        if self.pictures.idle and used <= REFRESH_SHARE * (now - self._refreshed):
            self._refresh_field()

    def _refresh_field(self) -> None:
        """Takes over the weights of the fit in progress as the field that is shown."""
        self._refreshed, self._busy_at_refresh = time.perf_counter(), self.pictures.busy_seconds
        weights = self.fit.best if self.shows_best else self.fit.latest
        if self.fit.run is not None and weights is not None:
            self._set_field(self.fit.run, weights)
            self.field_changed.emit()

    @Slot(str)
    def _on_fit_ended(self, outcome: str) -> None:
        if outcome and self.fit.run is not None and self.fit.best is not None:
            self.run = self.fit.run.updated(best=self.fit.best)
            self._set_field(self.run)
        elif not outcome:
            self.run, self.run_path, self.field = None, None, None
            outcome = "The fit was discarded."
        if not self.fit.fault:  # a fault was told already, and stays in view
            log.info(outcome)
            self.told.emit(outcome)
        self.field_changed.emit()

    def present_run(self) -> Run | None:
        """The run as it is now, with the weights that are shown: what an export takes."""
        return None if self.field is None else self.field.run

    # The end

    def make_reader(self) -> Evaluator:
        """A thread of its own for a view that reads from the disk, so that none waits for another's slow slice."""
        self._readers.append(Evaluator(self, niceness=PICTURES_NICE))
        return self._readers[-1]

    def stop(self) -> bool:
        """Stops all threads, for closing the program; False where one is still at a question that takes long.

        By then a fit has saved itself, so nothing is lost where such a thread is cut off.
        """
        evaluators = (self.pictures, self.analyses, self.rivals, *self._readers)
        for evaluator in evaluators:
            evaluator.stop()
        if self._reading is not None:
            self._reading.cancel()
        ended = self._reading is None or self._reading.wait(PATIENCE)
        self.fit.wait()
        return all([evaluator.wait(PATIENCE) for evaluator in evaluators]) and ended
