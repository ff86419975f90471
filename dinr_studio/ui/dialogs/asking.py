"""Questions with named answers."""

from __future__ import annotations

from PySide6.QtWidgets import QMessageBox, QWidget


def question(parent: QWidget, title: str, text: str, choices: tuple[str, ...]) -> str:
    """Asks with buttons of these names, the last of which is Cancel; the name of the one that was pressed."""
    box = QMessageBox(QMessageBox.Icon.Question, title, text, parent=parent)
    for i, choice in enumerate(choices):
        role = QMessageBox.ButtonRole.RejectRole if i == len(choices) - 1 else QMessageBox.ButtonRole.AcceptRole
        box.addButton(choice, role)
    box.exec()
    pressed = box.clickedButton()
    return choices[-1] if pressed is None else pressed.text()
