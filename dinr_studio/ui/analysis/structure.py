"""The window of structure: similarity in 3D, gradients and histograms, by region and by band of frequency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QSplitter, QVBoxLayout, QWidget

from dinr_studio.stages import Stages
from dinr_studio.ui.analysis.belief_parts import FileRow, WhichPart, data_of
from dinr_studio.ui.analysis.parts import MeasureTable, shell_command
from dinr_studio.ui.analysis.window import AnalysisWindow
from dinr_studio.ui.colours import number
from dinr_studio.ui.monitor.plots import Plot
from dinr_studio.words import capitalised

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.analysis.structure import Structure
    from dinr_studio.io.csv_writing import Columns


class StructureWindow(AnalysisWindow):
    """Whether the field has the data's shapes, where, and at which scale."""

    title = "Structure scores"
    _found: Structure | None = None

    def controls(self) -> Mapping[str, QWidget]:
        """Which part, and by which regions."""
        self.part = WhichPart()
        self.regions = FileRow("Regions file", "Whole numbers on the data's grid, one for each region; none: octants")
        return {"&Channel": self.part.channel, "F&rame": self.part.frame, "R&egions (a file)": self.regions}

    def results(self) -> QWidget:
        """Regions above, bands below."""
        self.by_region = MeasureTable("Scores by region")
        self.plot = Plot("Agreement by frequency", "spatial frequency", "share")
        self.plot.begin_at_zero()
        self.by_band = MeasureTable("Scores by band")
        self.note = QLabel()
        self.note.setProperty("role", "quiet")
        self.note.setWordWrap(True)
        self.note.setContentsMargins(8, 8, 8, 4)
        row, halves, side = QSplitter(Qt.Orientation.Horizontal), QSplitter(Qt.Orientation.Vertical), QWidget()
        row.addWidget(self.plot)
        row.addWidget(self.by_band)
        row.setSizes([430, 430])
        halves.addWidget(self.by_region)
        halves.addWidget(row)
        halves.setSizes([330, 270])
        layout = QVBoxLayout(side)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.note)
        layout.addWidget(halves, 1)
        self.clear()
        return side

    def follow(self) -> None:
        """Switches what depends on the open volume, too."""
        self.part.follow(self.studio.volume)
        super().follow()

    def prepare(self) -> Callable[[], Stages]:
        """The scores of the present weights."""
        run, chosen, regions = self.run, self.part.choice(), self.regions.text or None
        assert run is not None
        volume = data_of(self.studio, run)

        def make() -> Stages:
            from dinr_studio.experiments.belief.structure_scores import structure_of
            from dinr_studio.experiments.steps import told

            return told(structure_of(run, volume, chosen, regions))

        return make

    def show_result(self, result: Structure) -> None:
        """Fills the tables and draws the bands."""
        self.clear()
        self._found = result
        value, unit = result.value_unit or "value", result.unit or "unit"
        rows = {"whole": result.whole, **result.regions}
        cells = {
            "voxels": [f"{one.voxels:,}" for one in rows.values()],
            "PSNR (dB)": [f"{one.psnr:.2f}" for one in rows.values()],
            "SSIM": ["–" if one.ssim is None else f"{one.ssim:.4f}" for one in rows.values()],
            "gradient error": [f"{one.gradient_error:.4f}" for one in rows.values()],
            f"mean |error| ({value})": [number(one.mae, 4) for one in rows.values()],
            f"histogram distance ({value})": [number(one.histogram_distance, 4) for one in rows.values()],
        }
        self.by_region.show_measures(list(rows), cells)
        names = [f"{number(band.low, 3)} to {number(band.high, 3)}" for band in result.bands]
        self.by_band.show_measures(
            names,
            {
                "power missed": [number(band.error, 4) for band in result.bands],
                "correlation": [f"{band.correlation:.4f}" for band in result.bands],
                "share of power": [number(band.share, 4) for band in result.bands],
            },
        )
        middles = [(band.low + band.high) / 2 for band in result.bands]
        self.plot.curve("power missed / data's power", middles, [b.error for b in result.bands], "orange", dots=True)
        self.plot.curve("correlation", middles, [b.correlation for b in result.bands], "blue", dots=True)
        self.plot.curve("share of the data's power", middles, [b.share for b in result.bands], "green", dots=True)
        self.plot.getPlotItem().setLabel("bottom", f"spatial frequency (cycles per {unit})")
        self.note.setText(f"{capitalised('; '.join(result.notes))}. Bands in cycles per {unit}.")

    def clear(self) -> None:
        """Shows nothing."""
        self._found = None
        self.plot.clear_all()
        self.by_region.show_measures([], {})
        self.by_band.show_measures([], {})
        self.note.setText("")

    def figure(self) -> Callable[[], Figure] | None:
        """Bands and regions for print."""
        return None if self._found is None else partial(_figure, self._found)

    def table(self) -> Columns | None:
        """Regions, then bands."""
        found = self._found
        if found is None:
            return None
        rows = {"whole": found.whole, **found.regions}
        columns: dict[str, Any] = {"region": list(rows)}
        for name in ("voxels", "psnr", "ssim", "gradient_error", "mae", "histogram_distance"):
            columns[name] = [getattr(one, name) for one in rows.values()]
        for name in ("low", "high", "error", "correlation", "share"):
            columns[f"band: {name}"] = [getattr(band, name) for band in found.bands]
        return columns

    def command(self) -> str:
        """`dinr-studio score --structure` with the same choices."""
        if self.studio.run_path is None or self.run is None:
            return ""
        regions = ["--regions", self.regions.text] if self.regions.text else []
        return shell_command("score", self.studio.run_path, "--structure", *regions, *self.part.words())


def _figure(found: Structure) -> Figure:
    from dinr_studio.experiments.figures.structure import structure_figure

    return structure_figure(found)
