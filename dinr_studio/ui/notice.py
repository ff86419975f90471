"""A line above the pictures that says what happens or what went wrong, with buttons for what can be done."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QToolButton, QWidget

LINGER = 12_000  # milliseconds that a mere piece of news stays


class Notice(QFrame):
    """Shows one sentence at a time; a fault stays until it is closed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "notice")
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.busy = QProgressBar()
        self.busy.setRange(0, 0)
        self.busy.setMaximumWidth(120)
        self.busy.setTextVisible(False)
        self.button = QPushButton()
        self.close_button = QToolButton()
        self.close_button.setText("✕")
        self.close_button.setAccessibleName("Close this message")
        self.close_button.setAutoRaise(True)
        self.close_button.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 4, 6, 4)
        for widget in (self.sentence, self.busy, self.button, self.close_button):
            layout.addWidget(widget, 1 if widget is self.sentence else 0)
        self._doing: Callable[[], None] | None = None
        self.button.clicked.connect(self._on_button)
        self._linger = QTimer(self, singleShot=True, interval=LINGER)
        self._linger.timeout.connect(self.hide)
        self.hide()

    def tell(self, sentence: str, offer: str = "", do: Callable[[], None] | None = None) -> None:
        """A piece of news, perhaps with something that can be done about it."""
        self._show(sentence, role="", offer=offer, do=do, busy=False)
        if not offer:
            self._linger.start()

    def warn(self, sentence: str) -> None:
        """What went wrong; stays until it is closed."""
        self._show(sentence, role="fault", offer="", do=None, busy=False)

    def work(self, sentence: str, cancel: Callable[[], None]) -> None:
        """What is being done, with a way to stop it."""
        self._show(sentence, role="", offer="Cancel", do=cancel, busy=True)

    def end_work(self) -> None:
        """The work that was told of is over."""
        if self.busy.isVisibleTo(self):
            self.hide()

    def _show(self, sentence: str, *, role: str, offer: str, do: Callable[[], None] | None, busy: bool) -> None:
        self._linger.stop()
        self.sentence.setProperty("role", role)
        self.sentence.style().unpolish(self.sentence)
        self.sentence.style().polish(self.sentence)
        self.sentence.setText(sentence)
        self.busy.setVisible(busy)
        self.button.setVisible(bool(offer))
        self.button.setText(offer)
        self._doing = do
        self.show()

    def _on_button(self) -> None:
        do = self._doing
        self.hide()
        if do is not None:
            do()
