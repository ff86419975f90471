"""The power of data, field and residual by spatial frequency: which detail the field has, and which it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from dinr_studio.ui.monitor.plots import Plot

if TYPE_CHECKING:
    from dinr_studio.training.monitor import Spectra


class SpectrumTab(QWidget):
    """Radially averaged power against frequency in physical units, with the data's Nyquist frequency."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = Plot("Power spectra", "spatial frequency", "power (value²)")
        self.plot.getPlotItem().setLogMode(x=True, y=True)
        self.note = QLabel("The spectra come with the first look at a fit.")
        self.note.setProperty("role", "quiet")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addWidget(self.note)
        layout.addWidget(self.plot, 1)

    def restart(self) -> None:
        """Forgets the curves."""
        self.plot.clear_all()

    def show_spectra(self, spectra: Spectra, value_unit: str) -> None:
        """Draws the three curves."""
        self.plot.getPlotItem().setLabel("bottom", f"spatial frequency (cycles per {spectra.unit})")
        self.plot.getPlotItem().setLabel("left", f"power (({value_unit or 'value'})²)")
        for name, spectrum, colour in (
            ("data", spectra.data, "grey"),
            ("field", spectra.field, "blue"),
            ("residual", spectra.residual, "red"),
        ):
            self.plot.curve(name, spectrum.frequency, spectrum.power, colour)
        self.plot.line("Nyquist", spectra.data.nyquist, "orange", angle=90)
        crossing = spectra.residual.power > spectra.data.power
        inside = crossing & (spectra.data.frequency > 0) & (spectra.data.modes > 0)
        lost = spectra.data.frequency[inside]
        told = f"Over the middle {spectra.voxels:,} voxels. "
        if len(lost):
            told += (
                f"From {lost[0]:.3g} cycles per {spectra.unit} on, the residual is stronger than the data: "
                "finer detail is not learnt."
            )
        else:
            told += "At every frequency the residual is weaker than the data."
        self.note.setText(told)

    def restyle(self) -> None:
        """Takes over the theme's colours."""
        self.plot.restyle()
