"""The window of derivatives: a slice of any quantity of the field, and the quantity as a volume."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QProcess, Slot
from PySide6.QtWidgets import QPushButton, QWidget

from dinr_studio.stages import Stages
from dinr_studio.training.run import Run
from dinr_studio.ui.analysis.parts import choice, decimal_number, shell_command, whole_number
from dinr_studio.ui.analysis.quantity_view import QuantityView
from dinr_studio.ui.analysis.window import AnalysisWindow
from dinr_studio.ui.dialogs.export import KNOWN
from dinr_studio.ui.dialogs.place import PlaceRow
from dinr_studio.ui.dialogs.saving import SaveDialog, stem_of
from dinr_studio.ui.exporting import ExportJob, field_in_thread, volume_in_words
from dinr_studio.ui.runs import runs_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.sampling.quantity_slice import QuantitySlice

QUANTITIES = {
    "gradient": "gradient",
    "gradient magnitude": "gradient-magnitude",
    "Laplacian": "laplacian",
    "Hessian": "hessian",
    "divergence (of a vector field)": "divergence",
    "curl (of a vector field)": "curl",
    "vorticity magnitude (of a vector field)": "vorticity-magnitude",
    "Q-criterion (of a vector field)": "q-criterion",
    "time derivative": "time-derivative",
    "kinetic energy of the dynamics": "kinetic-energy",
}
AT_CROSSHAIR = -1


def quantity_job(run: Run, quantity: str, target: Mapping[str, Any], path: Path, *, force: bool) -> ExportJob:
    """Writes a quantity derived of the field on a grid. target: the arguments of target_grid."""

    def make(threads: int) -> Iterator[Any]:
        from dinr_studio.sampling.derivatives import note_on, quantity_field
        from dinr_studio.sampling.export import export
        from dinr_studio.sampling.target import target_grid
        from dinr_studio.training.run_data import check_not_data

        check_not_data(run, path)
        field = quantity_field(field_in_thread(run, threads), quantity)
        notes = (*run.notes, note_on(quantity, field))
        left = "discard" if force else "refuse"
        yield from export(field, target_grid(run.grid, **target), path, notes=notes, force=force, left=left)  # type: ignore[arg-type]

    return ExportJob(path, make, volume_in_words)


class DerivativesWindow(AnalysisWindow):
    """Gradients, vorticity and the like in physical units."""

    title = "Derivatives"
    _found: QuantitySlice | None = None

    def controls(self) -> Mapping[str, QWidget]:
        """What, where, and how fine."""
        self.quantity = choice("Quantity", "What is derived of the field, in physical units", QUANTITIES)
        self.quantity.setCurrentIndex(1)
        self.channel = whole_number(
            "Component", "Which of the quantity's channels: of a gradient d/dz, d/dy, d/dx", 0, 0, 63
        )
        self.axis = choice("Across the axis", "The axis that the slice is across", {"": None})
        self.index = whole_number("Slice", "Which slice, counted from 0", AT_CROSSHAIR, AT_CROSSHAIR, 1_000_000)
        self.index.setSpecialValueText("at the crosshair")
        self.factor = decimal_number(
            "Pixels per voxel", "The field is evaluated at this resolution", 0.1, 2.0, 32.0, "×"
        )
        self.export_button = QPushButton("&Export as a volume …")
        self.export_button.setAccessibleName("Export as a volume")
        self.export_button.setToolTip("Write the quantity on the whole grid, at this resolution, in any format")
        self.export_button.clicked.connect(self.export)
        self.open_button = QPushButton("Open as a &volume")
        self.open_button.setAccessibleName("Open as a volume")
        self.open_button.setToolTip(
            "Compute it on the whole grid, and look at it in slices and 3D in a window of its own"
        )
        self.open_button.clicked.connect(self.open_volume)
        return {
            "&Quantity": self.quantity,
            "Com&ponent": self.channel,
            "&Across the axis": self.axis,
            "&Slice": self.index,
            "Pi&xels per voxel": self.factor,
            "": self.export_button,
            " ": self.open_button,
        }

    def results(self) -> QWidget:
        """The slice."""
        self.view = QuantityView("Slice of the quantity")
        return self.view

    def follow(self) -> None:
        """Axes are those of the open run."""
        super().follow()
        run = self.run
        axes = [] if run is None else _axes_of(run)
        if [self.axis.itemText(i) for i in range(self.axis.count())] != axes:
            self.axis.clear()
            for axis in axes:
                self.axis.addItem(axis, axis)
        self.axis.setEnabled(bool(axes))
        self.export_button.setEnabled(run is not None)
        self.open_button.setEnabled(run is not None)

    def prepare(self) -> Callable[[], Stages]:
        """The slice of the present weights."""
        run, quantity, place = self.run, str(self.quantity.currentData()), self._place()
        assert run is not None

        def make() -> Stages:
            from dinr_studio.sampling.quantity_slice import quantity_slice
            from dinr_studio.training.device import resolve_device
            from dinr_studio.training.fit import field_of

            return quantity_slice(field_of(run, resolve_device(run.config.training.device)), quantity, **place)

        return make

    def _place(self) -> dict[str, Any]:
        """Where the slice is, as `quantity_slice` takes it."""
        axis, run = self.axis.currentData(), self.run
        index: int | None = self.index.value()
        if index == AT_CROSSHAIR:
            at = -1 if run is None or axis is None else run.grid.axes.index(axis)
            volume, crosshair = self.studio.volume, self.studio.crosshair
            whole = run is not None and volume is not None and volume.grid.shape == run.grid.shape
            index = round(crosshair[at]) if whole and at >= 0 else None
        return {"axis": axis, "index": index if axis is not None else None, "channel": self.channel.value(),
                "factor": self.factor.value()}  # fmt: skip

    def show_result(self, result: QuantitySlice) -> None:
        """Draws the slice."""
        self._found = result
        self.view.show_slice(result)

    def clear(self) -> None:
        """Shows nothing."""
        self._found = None
        self.view.clear_slice()

    def figure(self) -> Callable[[], Figure] | None:
        """The slice for print."""
        name = Path(self.studio.file).name
        return None if self._found is None else partial(_figure, self._found, name)

    def command(self) -> str:
        """`dinr-studio slice --quantity` with the same choices."""
        if self.studio.run_path is None or self.run is None:
            return ""
        quantity = str(self.quantity.currentData())
        words: list[object] = ["slice", self.studio.run_path, "-o", f"{quantity}.png", "--quantity", quantity]
        for option, value in self._place().items():
            words += [] if value is None else [f"--{option}", value]
        return shell_command(*words)

    @Slot()
    def export(self) -> None:
        """Asks where to, and writes the quantity as a volume in the background."""
        if self.run is None:
            return
        folder = Path(str(self.main.settings.value("export folder") or Path.home()))
        quantity = str(self.quantity.currentData())
        name = f"{stem_of(self.studio.file)}_{quantity}.h5"
        dialog = SaveDialog("Export as a volume", PlaceRow(folder, name, dict(KNOWN)), self)
        dialog.lay_out({})
        if dialog.exec():
            self._start(dialog.place.path)
        dialog.deleteLater()

    @Slot()
    def open_volume(self) -> None:
        """Writes the quantity beside the runs, and opens it in a window of its own."""
        folder = runs_folder().parent / "derived"
        folder.mkdir(parents=True, exist_ok=True)
        stamp = datetime.now().strftime("%Y-%m-%d %H.%M.%S")
        path = folder / f"{stem_of(self.studio.file)} {self.quantity.currentData()} {stamp}.h5"
        if (job := self._start(path)) is not None:
            job.done.connect(partial(_open_in_new_window, str(path)))

    def _start(self, path: Path) -> ExportJob | None:
        run = self.run
        if run is None:
            return None
        target = {"factor": (self.factor.value(),)}
        job = quantity_job(run, str(self.quantity.currentData()), target, path, force=True)
        for signal in (job.told, job.done, job.failed):
            signal.connect(self.say)
        self.main.jobs.start(job)
        return job


def _open_in_new_window(path: str, _: str) -> None:
    QProcess.startDetached(sys.executable, ["-m", "dinr_studio", path])


def _axes_of(run: Run) -> list[str]:
    """Axes that a slice can be across: of three or more in space, any of these."""
    grid = run.grid
    return [grid.axes[i] for i in grid.spatial] if len(grid.spatial) > 2 else []


def _figure(found: QuantitySlice, name: str) -> Figure:
    from dinr_studio.experiments.figures.quantity import quantity_figure

    return quantity_figure(found, name)
