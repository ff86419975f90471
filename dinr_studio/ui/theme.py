"""Light, dark and the system's theme; and icons in the theme's own colour."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QIcon, QImage, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QWidget

from dinr_studio.resources import resource

THEMES = {
    "system": Qt.ColorScheme.Unknown,
    "light": Qt.ColorScheme.Light,
    "dark": Qt.ColorScheme.Dark,
}

CURVES = {  # readable on both backgrounds, apart for the colour-blind
    "blue": "#3d84d8",
    "orange": "#e08214",
    "green": "#2f9e77",
    "red": "#d1495b",
    "violet": "#8c6bb1",
    "grey": "#8a8f98",
}

DARK = {
    "Window": "#23262b", "Base": "#1b1d21", "AlternateBase": "#2b2f35", "Text": "#e6e8eb", "WindowText": "#e6e8eb",
    "Button": "#30343b", "ButtonText": "#e6e8eb", "BrightText": "#ffffff", "ToolTipBase": "#30343b",
    "ToolTipText": "#e6e8eb", "Highlight": "#3d84d8", "HighlightedText": "#ffffff", "PlaceholderText": "#9aa1ab",
    "Mid": "#454a52", "Dark": "#17191c", "Light": "#3a3f46", "Midlight": "#383d44", "Shadow": "#101113",
    "Link": "#7ab0ee", "Accent": "#3d84d8",
}  # fmt: skip
LIGHT = {
    "Window": "#f4f5f7", "Base": "#ffffff", "AlternateBase": "#e9ebef", "Text": "#1d2126", "WindowText": "#1d2126",
    "Button": "#eceef1", "ButtonText": "#1d2126", "BrightText": "#ffffff", "ToolTipBase": "#ffffff",
    "ToolTipText": "#1d2126", "Highlight": "#2b6fc4", "HighlightedText": "#ffffff", "PlaceholderText": "#626a75",
    "Mid": "#c3c8cf", "Dark": "#a3a9b2", "Light": "#ffffff", "Midlight": "#dfe2e7", "Shadow": "#80868f",
    "Link": "#1f5fb0", "Accent": "#2b6fc4",
}  # fmt: skip

STYLE = """
QDockWidget::title { padding: 2px 8px; background: palette(alternate-base); }
QToolBar { spacing: 3px; padding: 3px; border: 0; border-bottom: 1px solid palette(mid); }
QToolTip { padding: 4px; }
QLabel[role="heading"] { font-weight: 600; }
QLabel[role="quiet"] { color: palette(placeholder-text); }
QLineEdit[wrong="true"] { border: 1px solid #d1495b; border-radius: 2px; }
QLabel[role="fault"] { color: #d1495b; }
QLabel[role="warning"] { color: #b5651d; }
QFrame[role="card"] { border: 1px solid palette(mid); border-radius: 8px; background: palette(base); }
QFrame[role="card"]:hover { border-color: palette(highlight); }
QFrame[role="notice"] { border-radius: 5px; background: palette(alternate-base); border: 1px solid palette(mid); }
"""

_chosen = Qt.ColorScheme.Unknown


def apply_theme(name: str) -> None:
    """Switches the running application; widgets follow by their palette-change events."""
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    global _chosen
    _chosen = THEMES.get(name, THEMES["system"])
    QGuiApplication.styleHints().setColorScheme(_chosen)
    application.setPalette(_palette(is_dark()))
    application.setStyleSheet(STYLE)
    colour_plots()


def is_dark() -> bool:
    """Whether the present theme is dark; a platform that knows no colour scheme of its own still follows the choice."""
    chosen = QGuiApplication.styleHints().colorScheme() if _chosen == Qt.ColorScheme.Unknown else _chosen
    return chosen == Qt.ColorScheme.Dark


def _palette(dark: bool) -> QPalette:
    """Calm greys with one accent, the same on every platform."""
    colours = DARK if dark else LIGHT
    palette = QPalette()
    for role, colour in colours.items():
        palette.setColor(QPalette.ColorRole[role], QColor(colour))
    for role in ("Text", "WindowText", "ButtonText"):
        faint = QColor("#6d747e" if dark else "#9ba2ac")
        palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole[role], faint)
    return palette


def colour_plots() -> None:
    """What plots made from now on take as background and foreground."""
    background, foreground = plot_colours()
    pg.setConfigOptions(background=background, foreground=foreground, antialias=True, imageAxisOrder="row-major")


def plot_colours() -> tuple[str, str]:
    """Background and foreground of plots in the present theme."""
    return ("#1b1d21", "#d5d9df") if is_dark() else ("#ffffff", "#2a2f36")


def small_font() -> QFont:
    """The application's font, a little smaller: for ticks and notes beside pictures."""
    font = QFont(QApplication.font())
    font.setPointSizeF(max(7.5, font.pointSizeF() - 1.5))
    return font


def icon(name: str, widget: QWidget | None = None) -> QIcon:
    """A drawing of resources/icons in the text's colour, with a fainter one for disabled controls."""
    palette = (widget or QApplication).palette() if widget is not None else QApplication.palette()
    drawn = QIcon()
    for group, mode in (
        (QPalette.ColorGroup.Active, QIcon.Mode.Normal),
        (QPalette.ColorGroup.Disabled, QIcon.Mode.Disabled),
    ):
        colour = palette.color(group, QPalette.ColorRole.ButtonText)
        for edge in (20, 40):
            drawn.addPixmap(_drawn(name, colour, edge), mode)
    return drawn


def logo(edge: int = 64) -> QPixmap:
    """The program's logo."""
    return _rendered(resource("icons/logo.svg").read_bytes(), edge)


def _drawn(name: str, colour: QColor, edge: int) -> QPixmap:
    drawing = resource(f"icons/{name}.svg").read_text(encoding="utf-8").replace("#000", colour.name())
    return _rendered(drawing.encode(), edge)


def _rendered(drawing: bytes, edge: int) -> QPixmap:
    image = QImage(QSize(edge, edge), QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(drawing)).render(painter)
    painter.end()
    return QPixmap.fromImage(image)
