"""Small parts that panels are made of."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QToolButton, QWidget

NARROWEST = 200  # pixels


def heading(text: str) -> QLabel:
    """The title of a part of a panel."""
    label = QLabel(text)
    label.setProperty("role", "heading")
    return label


def enlarge_button(name: str) -> QToolButton:
    """The button in a pane's header that shows the pane alone, or all panes again."""
    button = QToolButton()
    button.setCheckable(True)
    button.setAutoRaise(True)
    button.setToolTip("Show this pane alone, or all panes again (F)")
    button.setAccessibleName(f"Show the {name} pane alone")
    return button


def scrolling(widget: QWidget) -> QScrollArea:
    """A widget in an area that scrolls up and down where the window is too low for it."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(widget)
    area.setMinimumWidth(NARROWEST)
    return area
