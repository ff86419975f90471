"""The window of compression: the field in few bits beside codecs, PSNR against ratio; and the small file."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from dinr_studio.stages import Stages
from dinr_studio.ui.analysis.parts import MeasureTable, choice, decimal_number, shell_command
from dinr_studio.ui.analysis.window import AnalysisWindow
from dinr_studio.ui.dialogs.place import PlaceRow
from dinr_studio.ui.dialogs.saving import SaveDialog, Step, stem_of
from dinr_studio.ui.exporting import ExportJob
from dinr_studio.ui.monitor.plots import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dinr_studio.experiments.compression.rate_distortion import RateDistortion, RatePoint
    from dinr_studio.io.csv_writing import Columns
    from dinr_studio.training.run import Run
    from dinr_studio.volume import Volume

COMPARED = {
    "all codecs that take the data": ("zfp", "sz3", "sperr", "jpeg2000", "dct", "dct-low-pass", "rounded", "blosc"),
    "zfp, SZ3 and SPERR": ("zfp", "sz3", "sperr"),
    "nothing": (),
}
BITS = {
    "as few bits as cost 0.1 dB": None,
    "32 bits: the very same values": 32,
    "16 bits": 16,
    "8 bits": 8,
    "6 bits": 6,
}
SECONDS = 60.0
SCATTERED = "The field was fitted to scattered samples, which no codec takes; its small file can be saved all the same."
COLOURS = {
    "zfp": "orange",
    "SZ3": "green",
    "SPERR": "red",
    "JPEG 2000": "grey",
    "DCT, largest": "violet",
    "DCT, low-pass": "violet",
    "Blosc, rounded": "grey",
}
DASHED = {"DCT, low-pass", "Blosc, rounded"}
LOSSLESS = 300.0


class CompressionWindow(AnalysisWindow):
    """How many bytes the field takes for its quality, and what codecs make of as many."""

    title = "Compression"
    _study: RateDistortion | None = None

    def controls(self) -> Mapping[str, QWidget]:
        """What is compared, fits of other sizes, and the small file."""
        self.compared = choice("Compare with", "Each is decoded from its bytes and compared with the data", COMPARED)
        self.fits = choice("Sizes", "Other sizes are fitted to every voxel, one after the other", {
            "the open field": False, "other sizes as well: 30:1 to 1000:1": True,
        })  # fmt: skip
        self.seconds = decimal_number("Seconds for each fit", "The same for every size", 1, SECONDS, 86_400, "s")
        self.seconds.setEnabled(False)
        self.fits.currentIndexChanged.connect(lambda: self.seconds.setEnabled(bool(self.fits.currentData())))
        self.bits = choice("Bits of a weight in the small file", "Fewer bits, fewer bytes; entropy-coded", BITS)
        self.small = QPushButton("Save &small file …")
        self.small.setToolTip("Write the field in few bytes: a run file that opens without the data")
        self.small.setAccessibleName("Save small file")
        self.small.clicked.connect(self.save_small)
        return {
            "Compare &with": self.compared,
            "Si&zes": self.fits,
            "&Each fit lasts": self.seconds,
            "Small file: &weights in": self.bits,
            "": self.small,
        }

    def results(self) -> QWidget:
        """The plot, below it the field's points and who wins."""
        self.plot = Plot("Rate-distortion", "ratio of the raw values to all bytes kept", "PSNR (dB)")
        self.plot.getPlotItem().setLogMode(x=True, y=False)
        self.points = MeasureTable("The field in few bits")
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        below = QWidget()
        layout = QVBoxLayout(below)
        layout.setContentsMargins(8, 4, 8, 0)
        layout.addWidget(self.verdict)
        layout.addWidget(self.points, 1)
        halves = QSplitter(Qt.Orientation.Vertical)
        halves.addWidget(self.plot)
        halves.addWidget(below)
        halves.setSizes([380, 240])
        self.clear()
        return halves

    def fault(self) -> str:
        """No run, or one of scattered samples."""
        volume = self.studio.fitted_volume
        return SCATTERED if volume is not None and volume.samples is not None else super().fault()

    def prepare(self) -> Callable[[], Stages]:
        """The study of the present weights."""
        run, volume = self.run, self.studio.fitted_volume
        assert run is not None
        assert volume is not None
        codecs, seconds, fits = self.compared.currentData(), self.seconds.value(), bool(self.fits.currentData())

        def make() -> Stages:
            from dinr_studio.experiments.compression.rate_distortion import RateWish, of_run, with_fits

            study = with_fits if fits else of_run
            return study(run, volume.loaded(), RateWish(seconds=seconds, codecs=tuple(codecs)))

        return make

    def show_result(self, result: RateDistortion) -> None:
        """Draws the study."""
        self.plot.clear_all()
        self._study = result
        curves = {"field, best bits": result.fields}
        curves |= {method: result.curve(method) for method in result.methods if not method.startswith("field")}
        for method, points in curves.items():
            lossy = [point for point in points if point.psnr < LOSSLESS]
            if lossy:
                ratios, psnrs = [point.ratio for point in lossy], [point.psnr for point in lossy]
                colour, width = COLOURS.get(method, "blue"), 1.4 if method in COLOURS else 2.6
                self.plot.curve(method, ratios, psnrs, colour, width=width, dots=True, dashed=method in DASHED)
        fields = [point for point in result.points if point.method.startswith("field")]
        self.points.show_measures([f"{p.method} (width {p.width})" for p in fields], _columns(fields))
        self.verdict.setText(result.verdict())
        self.verdict.show()

    def clear(self) -> None:
        """Shows nothing."""
        self._study = None
        self.plot.clear_all()
        self.points.show_measures([], {})
        self.verdict.hide()

    def figure(self) -> Callable[[], Figure] | None:
        """Draws the study for print."""
        study = self._study
        return None if study is None else partial(_figure, study)

    def table(self) -> Columns | None:
        """All points."""
        study = self._study
        if study is None:
            return None
        return {
            "method": [point.method for point in study.points],
            "setting": [point.setting for point in study.points],
            "bytes": [point.bytes for point in study.points],
            "ratio to raw values": [point.ratio for point in study.points],
            "PSNR (dB)": [point.psnr for point in study.points],
            "time (s)": [point.seconds for point in study.points],
        }

    def command(self) -> str:
        """`dinr-studio rate-distortion` with the same choices; of fits, that of the data."""
        if self.studio.run_path is None or self.run is None or not self.compared.currentData():
            return ""
        codecs = ["--codecs", ",".join(self.compared.currentData())]
        if self.fits.currentData():
            return shell_command(
                "rate-distortion", self.studio.file, "--time-limit", f"{self.seconds.value():g}s", *codecs
            )
        return shell_command("rate-distortion", self.studio.run_path, *codecs)

    @Slot()
    def follow(self) -> None:
        """Switches the buttons by what is possible now."""
        super().follow()
        self.small.setEnabled(self.run is not None)

    @Slot()
    def save_small(self) -> None:
        """Asks where to, then writes the small file in the background and says what it took."""
        run, volume, bits = self.run, self.studio.fitted_volume, self.bits.currentData()
        if run is None:
            return
        folder = Path(str(self.main.settings.value("export folder") or Path.home()))
        place = PlaceRow(folder, f"{stem_of(self.studio.file)}_small.dinr", {".dinr": "small run file"})
        dialog = _SmallDialog("Save the small file", place, self)
        dialog.lay_out({})
        if dialog.exec():
            self._write_small(dialog.place.path, run, volume, bits)
        dialog.deleteLater()

    def _write_small(self, path: Path, run: Run, volume: Volume | None, bits: int | None) -> None:
        job = ExportJob(path, lambda threads: _small_steps(run, path, volume, bits), _said)
        job.done.connect(self.say)
        job.failed.connect(self.say)
        self.main.jobs.start(job)


class _SmallDialog(SaveDialog):
    """Keeps the open run from being replaced by what cannot be gone on with."""

    def fault(self) -> str:
        """What is wrong in a sentence, or nothing."""
        window = self.parent()
        own = window.studio.run_path if isinstance(window, CompressionWindow) else None
        if own is not None and self.place.path == own:
            return "That is the open run itself, which could then not be gone on with; choose another name."
        return super().fault()


def _small_steps(run: Run, path: Path, volume: Volume | None, bits: int | None) -> Iterator[Any]:
    from dinr_studio.experiments.compression.compression import Wish, compress
    from dinr_studio.experiments.steps import told

    began = time.perf_counter()
    for stage in told(compress(run, path, Wish(bits=bits), volume, force=True)):
        share = max(stage.share, 1e-3)
        left = (time.perf_counter() - began) * (1 - share) / share
        yield Step(round(100 * share), 100, left if math.isfinite(left) else 0.0, stage.result)


def _said(report: Any) -> str:
    against = f"against the run's field {report.deviation_psnr:.2f} dB"
    if report.psnr is not None:
        against = f"{report.psnr:.2f} dB, {report.psnr_before:.2f} dB before"
    return f"{report.file}: {report.bytes:,} bytes, {report.ratio:.1f} times smaller than the raw values; {against}."


def _columns(points: list[RatePoint]) -> dict[str, list[str]]:
    return {
        "bytes": [f"{point.bytes:,}" for point in points],
        "ratio": [f"{point.ratio:.1f}" for point in points],
        "PSNR (dB)": [f"{point.psnr:.2f}" for point in points],
        "how": [point.setting for point in points],
    }


def _figure(study: RateDistortion) -> Figure:
    from dinr_studio.experiments.figures.compression import compression_figure

    return compression_figure(study)
