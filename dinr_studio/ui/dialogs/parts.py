"""Parts that dialogs about files share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QFormLayout, QLabel, QLayout, QWidget


def lines_label(lines: int) -> QLabel:
    """A quiet label with room for some lines, so that the dialog keeps its size while its text changes."""
    label = QLabel()
    label.setWordWrap(True)
    label.setProperty("role", "quiet")
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    label.setMinimumHeight(lines * label.fontMetrics().lineSpacing())
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def fault_label() -> QLabel:
    """A label for what is wrong, with room for two lines."""
    label = lines_label(2)
    label.setProperty("role", "fault")
    label.setAccessibleName("What is wrong")
    return label


def add_row(form: QFormLayout, text: str, content: QWidget | QLayout, first: QWidget) -> None:
    """A row of a form, whose label's letter leads to the first control in it."""
    label = QLabel(text)
    label.setBuddy(first)
    if isinstance(content, QWidget):
        form.addRow(label, content)
    else:
        form.addRow(label, content)


def in_tab_order(*controls: QWidget) -> None:
    """The Tab key goes through the controls in this order."""
    for one, following in pairwise(controls):
        QWidget.setTabOrder(one, following)


def buttons_of(dialog: QDialog, verb: str) -> QDialogButtonBox:
    """The button that does it, and Cancel."""
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
    buttons.button(QDialogButtonBox.StandardButton.Ok).setText(verb)
    buttons.button(QDialogButtonBox.StandardButton.Cancel).setToolTip("Close this without writing anything")
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    return buttons


def fill(box: QComboBox, choices: Sequence[str]) -> None:
    """Other choices; one that was chosen out of several stays so where it is still there."""
    present = box.currentText() if box.count() > 1 else ""
    if [box.itemText(i) for i in range(box.count())] == list(choices):
        return
    with QSignalBlocker(box):
        box.clear()
        box.addItems(list(choices))
        box.setCurrentIndex(max(0, box.findText(present)))
