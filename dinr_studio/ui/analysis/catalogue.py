"""All analysis windows by their commands' names; each is made when it is first asked for, and there is one of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

if TYPE_CHECKING:
    from dinr_studio.ui.analysis.window import AnalysisWindow
    from dinr_studio.ui.main_window import MainWindow


def _kernel() -> type[AnalysisWindow]:
    from dinr_studio.ui.analysis.kernel import KernelWindow

    return KernelWindow


def _spectra() -> type[AnalysisWindow]:
    from dinr_studio.ui.analysis.spectra import SpectraWindow

    return SpectraWindow


def _fsc() -> type[AnalysisWindow]:
    from dinr_studio.ui.analysis.fsc import FscWindow

    return FscWindow


def _twin() -> type[AnalysisWindow]:
    from dinr_studio.ui.analysis.twin import TwinWindow

    return TwinWindow


def _uncertainty() -> type[AnalysisWindow]:
    from dinr_studio.ui.analysis.uncertainty import UncertaintyWindow

    return UncertaintyWindow


def _structure() -> type[AnalysisWindow]:
    from dinr_studio.ui.analysis.structure import StructureWindow

    return StructureWindow


def _sweep() -> type[AnalysisWindow]:
    from dinr_studio.ui.analysis.sweep import SweepWindow

    return SweepWindow


def _dynamics() -> type[AnalysisWindow]:
    from dinr_studio.ui.analysis.dynamics import DynamicsWindow

    return DynamicsWindow


def _derivatives() -> type[AnalysisWindow]:
    from dinr_studio.ui.analysis.derivatives import DerivativesWindow

    return DerivativesWindow


def _compression() -> type[AnalysisWindow]:
    from dinr_studio.ui.analysis.compression import CompressionWindow

    return CompressionWindow


def _compare() -> type[AnalysisWindow]:
    from dinr_studio.ui.analysis.compare import CompareWindow

    return CompareWindow


ANALYSES: dict[str, Callable[[], type[AnalysisWindow]]] = {
    "analyse-kernel": _kernel,
    "analyse-spectra": _spectra,
    "analyse-fsc": _fsc,
    "analyse-twin": _twin,
    "analyse-uncertainty": _uncertainty,
    "analyse-structure": _structure,
    "analyse-sweep": _sweep,
    "analyse-dynamics": _dynamics,
    "analyse-derivatives": _derivatives,
    "analyse-compression": _compression,
    "analyse-compare": _compare,
}


class Analyses(QObject):
    """The analysis windows that were opened so far, in `windows`."""

    def __init__(self, main: MainWindow) -> None:
        super().__init__(main)
        self._main = main
        self.windows: dict[str, AnalysisWindow] = {}

    def show(self, name: str) -> AnalysisWindow:
        """Opens a window, or brings it to the front."""
        if name not in self.windows:
            self.windows[name] = ANALYSES[name]()(name, self._main)
        window = self.windows[name]
        window.show()
        window.raise_()
        window.activateWindow()
        return window

    def close(self) -> None:
        """Closes all, with what they are at; for closing the program."""
        for window in self.windows.values():
            window.close()
