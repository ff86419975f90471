"""Menus and toolbar, made from the table of commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QComboBox, QLabel, QMainWindow, QMenu, QSizePolicy, QToolBar, QWidget

from dinr_studio.ui.actions import COMMANDS, MENUS, TOOLBAR
from dinr_studio.ui.panels.field_panel import FieldPanel
from dinr_studio.ui.theme import icon

NAMED = {"open", "fit", "pause", "done", "discard", "export"}  # commands whose name stands beside their icon


def build_actions(window: QMainWindow, commands: Any) -> dict[str, QAction]:
    """One action for each command; each calls the method of `commands` of its name."""
    actions = {}
    for command in COMMANDS:
        action = QAction(command.text, window)
        action.setObjectName(command.name)
        action.setStatusTip(command.tip)
        action.setCheckable(command.checkable)
        plain = command.text.replace("&", "").rstrip(" …")
        action.setToolTip(f"{plain}: {command.tip}" + (f" ({command.shortcut})" if command.shortcut else ""))
        if command.shortcut:
            action.setShortcut(QKeySequence(command.shortcut))
        if command.icon:
            action.setIcon(icon(command.icon))
        if command.name == "quit":
            action.setMenuRole(QAction.MenuRole.QuitRole)
        action.triggered.connect(commands.runner(command.name))
        actions[command.name] = action
    return actions


def build_menus(window: QMainWindow, actions: Mapping[str, QAction], after: Mapping[str, tuple[QMenu, ...]]) -> None:
    """The menu bar; after: menus that stand behind a command."""
    menus = {}
    for name in MENUS:
        menu = window.menuBar().addMenu(f"&{name}")
        menu.setToolTipsVisible(True)
        menus[name] = menu
    for command in COMMANDS:
        if command.separator:
            menus[command.menu].addSeparator()
        menus[command.menu].addAction(actions[command.name])
        for more in after.get(command.name, ()):
            menus[command.menu].addMenu(more)


def build_toolbar(window: QMainWindow, actions: Mapping[str, QAction], panel: FieldPanel) -> QToolBar:
    """The toolbar; its preset is the field panel's."""
    bar = QToolBar("Toolbar", window)
    bar.setObjectName("Toolbar")
    bar.setIconSize(QSize(20, 20))
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
    for name in TOOLBAR:
        if name == "|":
            bar.addSeparator()
        elif name == "preset":
            bar.addWidget(QLabel(" Preset "))
            bar.addWidget(_preset_box(panel))
        elif name == "":
            space = QWidget()
            space.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
            bar.addWidget(space)
        else:
            bar.addAction(actions[name])
            button = bar.widgetForAction(actions[name])
            if name in NAMED and button is not None:
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)  # type: ignore[attr-defined]
    window.addToolBar(bar)
    return bar


def _preset_box(panel: FieldPanel) -> QComboBox:
    """A second box for the field panel's preset, always in step with it."""
    box = QComboBox()
    box.setModel(panel.preset.model())
    box.setAccessibleName("Preset")
    box.setToolTip(panel.preset.toolTip())
    box.setCurrentIndex(panel.preset.currentIndex())
    box.textActivated.connect(panel.choose_preset)
    panel.preset.currentIndexChanged.connect(box.setCurrentIndex)
    panel.config_changed.connect(lambda: box.setCurrentIndex(panel.preset.currentIndex()))
    panel.studio.fit.state_changed.connect(lambda: box.setEnabled(not panel.studio.fit.running))
    return box
