"""How a sweep is shown while it runs: a sortable table of all results, and plots of their means."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from dinr_studio.ui.colours import number
from dinr_studio.ui.monitor.plots import Plot
from dinr_studio.ui.theme import CURVES

if TYPE_CHECKING:
    from dinr_studio.experiments.figures.sweep import Line, Panel
    from dinr_studio.experiments.sweeps.child import View

COLOURS = tuple(CURVES)
KEY = Qt.ItemDataRole.UserRole
DIGITS = 5
ROW_PADDING = 7  # pixels
LONGEST_NAMES = 8  # letters of a tick's name


class _Cell(QTableWidgetItem):
    """A cell that sorts by its value, numbers before words."""

    def __init__(self, value: Any, key: str) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        super().__init__(number(value, DIGITS) if is_number else "" if value is None else str(value))
        self._value: tuple[bool, Any] = (not is_number, value if is_number else self.text())
        self.setData(KEY, key)
        if is_number:
            self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        else:
            self.setToolTip(self.text())

    def __lt__(self, other: QTableWidgetItem) -> bool:
        return self._value < other._value if isinstance(other, _Cell) else super().__lt__(other)


class ResultTable(QTableWidget):
    """One row for each result; sorting and selection outlive each new view."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Results of the sweep")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setAlternatingRowColors(True)
        self.setSortingEnabled(True)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + ROW_PADDING)

    @property
    def key(self) -> str:
        """The run of the selected row, or nothing."""
        items = self.selectedItems()
        return str(items[0].data(KEY)) if items else ""

    def show_rows(self, view: View) -> None:
        """Shows all results."""
        chosen, place = self.currentRow(), self.verticalScrollBar().value()
        kept = [item.text() for item in self.selectedItems()[: len(view.headings)]]
        self.setSortingEnabled(False)
        self.setColumnCount(len(view.headings))
        self.setHorizontalHeaderLabels(list(view.headings))
        self.setRowCount(len(view.rows))
        for row, (cells, key) in enumerate(zip(view.rows, view.keys, strict=True)):
            for column, value in enumerate(cells):
                self.setItem(row, column, _Cell(value, key))
        self.setSortingEnabled(True)
        if kept and 0 <= chosen < self.rowCount():
            self.selectRow(chosen)
        self.verticalScrollBar().setValue(place)


class PanelPlot(Plot):
    """One panel of the figure."""

    def show_panel(self, panel: Panel) -> None:
        """Draws the panel's lines with bars for the deviation over seeds."""
        self.clear_all()
        for bars in self._bars:
            self.removeItem(bars)
        self._bars.clear()
        item = self.getPlotItem()
        item.setTitle(panel.title, size="9pt")
        item.setLabel("bottom", panel.x_label)
        item.setLabel("left", panel.y_label)
        item.setLogMode(x=panel.logarithmic, y=panel.log_height)
        names = [(rank, name[:LONGEST_NAMES]) for rank, name in enumerate(panel.names)]
        item.getAxis("bottom").setTicks([names] if names else None)
        for count, line in enumerate(panel.lines):
            if len(line.x):  # of the others no run has ended yet
                self._draw(line, COLOURS[count % len(COLOURS)], panel, dashed=count >= len(COLOURS))

    def __init__(self) -> None:
        self._bars: list[Any] = []
        super().__init__("Means over seeds", "", "")

    def _draw(self, line: Line, colour: str, panel: Panel, *, dashed: bool) -> None:
        name = line.name or panel.y_label
        self.curve(name, line.x, line.y, colour, dashed=dashed, dots=True, listed=bool(line.name))
        if not any(line.deviation) or panel.log_height:
            return
        x = np.log10(line.x) if panel.logarithmic else np.asarray(line.x)
        pen = pg.mkPen(QColor(CURVES[colour]), width=1.2)
        bars = pg.ErrorBarItem(x=x, y=np.asarray(line.y), height=2 * np.asarray(line.deviation), beam=0.0, pen=pen)
        self._bars.append(bars)
        self.addItem(bars)


class Panels(QWidget):
    """The plots of one metric, one for each terms, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Plots of the sweep")
        self.plots: list[PanelPlot] = []
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self.show_panels(())

    def show_panels(self, panels: tuple[Panel, ...]) -> None:
        """Draws the panels; an empty plot where there is none."""
        while len(self.plots) < max(1, len(panels)):
            self.plots.append(PanelPlot())
            self._row.addWidget(self.plots[-1])
        for plot, panel in zip_longest(self.plots, panels):
            plot.setVisible(panel is not None or plot is self.plots[0])
            if panel is None:
                plot.clear_all()
            else:
                plot.show_panel(panel)
