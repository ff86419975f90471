"""What holds the OpenGL canvas of the 3D view and all that lies over it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget


class CanvasHolder(QWidget):
    """Keeps its children as large as itself.

    It is a native window of its own: otherwise every repaint of any part of the program goes through OpenGL, five times
    slower where that is drawn by the processor.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DontCreateNativeAncestors)
        self.setAttribute(Qt.WidgetAttribute.WA_NativeWindow)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Stretches all children."""
        for child in self.children():
            if isinstance(child, QWidget):
                child.setGeometry(self.rect())
