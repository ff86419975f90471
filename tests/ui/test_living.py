"""Living with the program: themes, shortcuts, command palette, help, layout, session, and names for everybody."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QSlider,
    QSpinBox,
)

from dinr_studio import __version__
from dinr_studio.ui.actions import COMMANDS, MENUS
from dinr_studio.ui.analysis.catalogue import ANALYSES, Analyses
from dinr_studio.ui.commands import Commands
from dinr_studio.ui.theme import is_dark

KEY, LEFT = Qt.Key, Qt.MouseButton.LeftButton
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
INTERNAL = ("qt_", "Scroll")  # parts that Qt itself puts into its widgets


@pytest.fixture
def window(lent_window):
    """One window for all tests."""
    return lent_window


def brightness(window):
    """How bright the window's empty surface is, from 0 to 255."""
    return window.statusBar().grab().toImage().pixelColor(2, 2).lightness()


def menu_entries(menu):
    for action in menu.actions():
        if action.menu() is not None:
            yield from menu_entries(action.menu())
        elif not action.isSeparator():
            yield action


def test_the_theme_goes_light_and_dark_and_is_remembered(opened, qtbot):
    opened.set_theme("light")
    qtbot.waitUntil(lambda: brightness(opened) > 200)
    light = opened.slices.panes[0].view.backgroundBrush().color().lightness()
    qtbot.keyClick(opened, KEY.Key_T, CTRL)
    assert is_dark()
    assert opened.settings.value("theme") == "dark"
    qtbot.waitUntil(lambda: brightness(opened) < 80)
    assert opened.slices.panes[0].view.backgroundBrush().color().lightness() < light - 100
    assert opened.monitor.loss.plot.backgroundBrush().color().lightness() < 60
    qtbot.keyClick(opened, KEY.Key_T, CTRL)
    qtbot.waitUntil(lambda: brightness(opened) > 200)
    opened.actions_by_name["theme-system"].trigger()
    assert opened.settings.value("theme") == "system"


def test_shortcuts_are_unlike_and_can_be_typed():
    keys = [QKeySequence(command.shortcut) for command in COMMANDS if command.shortcut]
    assert all(key.count() == 1 for key in keys)
    texts = [key.toString() for key in keys]
    assert len(set(texts)) == len(texts) > 30
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)


def test_every_command_stands_in_its_menu_with_a_tip_and_does_what_is_its_own(make_window, monkeypatch):
    ran = []
    monkeypatch.setattr(Analyses, "show", lambda self, name: ran.append(name))
    for command in COMMANDS:
        if command.name in ANALYSES:
            continue
        method = command.name.replace("-", "_")
        assert getattr(Commands, method).__doc__
        monkeypatch.setattr(Commands, method, lambda self, *given, name=command.name: ran.append(name))
    window = make_window()
    menus = {action.text().replace("&", ""): action.menu() for action in window.menuBar().actions()}
    assert tuple(menus) == MENUS
    for command in COMMANDS:
        action = window.actions_by_name[command.name]
        assert action in list(menu_entries(menus[command.menu]))
        assert action.statusTip() == command.tip
        assert action.shortcut() == QKeySequence(command.shortcut)
        action.setEnabled(True)
        action.trigger()
        assert ran.pop() == command.name
        assert ran == []


def test_commands_are_off_while_they_make_no_sense(window, opened, qtbot):
    actions = window.actions_by_name
    needs_field = ("export", "mesh", "look", "resume")
    needs_fit = ("pause", "done", "discard", "best")
    assert not any(actions[name].isEnabled() for name in (*needs_field, *needs_fit, "play"))
    assert all(actions[name].isEnabled() for name in ("fit", "close", "show-field", "zoom-in", "enlarge", "picture"))
    window.studio.close_volume()
    assert not any(actions[name].isEnabled() for name in ("fit", "close", "show-field", "zoom-in", "picture", "copy"))
    assert all(actions[name].isEnabled() for name in ("open", "theme", "guide", "quit", "palette"))


def test_the_palette_finds_a_command_by_words_and_runs_it(opened, qtbot, in_dialog):
    def choose(dialog):
        rows = [dialog.list.item(i) for i in range(dialog.list.count())]
        assert len(rows) == len(COMMANDS) - 1
        off = next(row for row in rows if row.data(Qt.ItemDataRole.UserRole) == "export")
        assert not off.flags() & Qt.ItemFlag.ItemIsEnabled
        qtbot.keyClicks(dialog.typed, "show slices")
        found = [dialog.list.item(i).data(Qt.ItemDataRole.UserRole) for i in range(dialog.list.count())]
        assert found == ["show-data", "show-field", "show-residual", "show-wipe"]
        qtbot.keyClick(dialog.typed, KEY.Key_Down)
        qtbot.keyClick(dialog.typed, KEY.Key_Down)
        qtbot.keyClick(dialog.typed, KEY.Key_Return)

    asked = in_dialog(choose)
    qtbot.keyClick(opened, KEY.Key_P, CTRL | SHIFT)
    assert asked == ["Commands"]
    qtbot.waitUntil(lambda: [pane.mode.currentText() for pane in opened.slices.panes] == ["Residual"] * 3)


def test_the_palette_runs_nothing_that_is_off_or_not_there(opened, qtbot, in_dialog):
    def choose(dialog):
        for words in ("discard", "no such thing"):
            dialog.typed.clear()
            qtbot.keyClicks(dialog.typed, words)
            qtbot.keyClick(dialog.typed, KEY.Key_Return)
            assert dialog.isVisible()
        qtbot.keyClick(dialog.typed, KEY.Key_Escape)

    asked = in_dialog(choose)
    qtbot.keyClick(opened, KEY.Key_P, CTRL | SHIFT)
    assert asked == ["Commands"]


@pytest.mark.parametrize(
    ("key", "held", "title", "words"),
    [
        (KEY.Key_F1, Qt.KeyboardModifier.NoModifier, "Guide", "Press Done when it is good enough"),
        (KEY.Key_F1, SHIFT, "What am I seeing?", "Spectrum"),
        (KEY.Key_Slash, CTRL, "Shortcuts", "Ctrl+Shift+P"),
    ],
)
def test_help_opens_by_its_key_and_leaves_nothing_behind(opened, qtbot, key, held, title, words):
    opened.monitor.setCurrentWidget(opened.monitor.spectrum)
    opened.monitor.setFocus()
    qtbot.keyClick(opened, key, held)
    dialog = QApplication.activeModalWidget()
    assert dialog.windowTitle() == title
    text = dialog.text.toPlainText()
    assert words in text
    if title == "What am I seeing?":
        assert text.startswith("Spectrum")  # the panel in front comes first
    if title == "Shortcuts":
        assert all(QKeySequence(command.shortcut).toString() in text for command in COMMANDS if command.shortcut)
    qtbot.keyClick(dialog, KEY.Key_Escape)
    qtbot.waitUntil(lambda: opened.findChildren(QDialog) == [])


def test_about_tells_the_versions(opened, qtbot):
    opened.actions_by_name["about"].trigger()
    dialog = QApplication.activeModalWidget()
    text = " ".join(label.text() for label in dialog.findChildren(QLabel))
    for words in (__version__, "torch 2", "PySide6 6", "vispy 0", "MIT licence"):
        assert words in text
    dialog.reject()
    qtbot.waitUntil(lambda: opened.findChildren(QDialog) == [])


def test_layout_and_size_come_back_and_can_be_reset(make_window, open_file, small_map):
    first = make_window(1200, 760)
    open_file(first, small_map)
    first.docks["Field"].close()
    first.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, first.docks["Monitor"])
    first.close()
    again = make_window(None, None)
    assert (again.width(), again.height()) == (1200, 760)
    open_file(again, small_map)
    assert not again.docks["Field"].isVisible()
    assert again.dockWidgetArea(again.docks["Monitor"]) == Qt.DockWidgetArea.LeftDockWidgetArea
    again.actions_by_name["reset-layout"].trigger()
    assert all(dock.isVisible() for dock in again.docks.values())
    assert again.dockWidgetArea(again.docks["Monitor"]) == Qt.DockWidgetArea.BottomDockWidgetArea


def test_the_last_session_is_restored_on_demand(make_window, open_file, small_map, qtbot):
    first = make_window()
    assert not first.actions_by_name["restore"].isEnabled()
    open_file(first, small_map)
    first.field_panel.choose_preset("quick")
    first.field_panel.change(width=20)
    first.close()
    again = make_window()
    assert again.studio.volume is None
    assert again.recent_files() == [str(small_map)]
    with qtbot.waitSignal(again.studio.volume_opened, timeout=30_000):
        again.actions_by_name["restore"].trigger()
    assert again.studio.file == str(small_map)
    qtbot.waitUntil(lambda: again.field_panel.config is not None, timeout=60_000)
    assert again.field_panel.preset.currentText() == "quick"
    assert again.field_panel.config.preset == "quick"
    assert again.field_panel.config.field.width == 20


def test_settings_changed_by_hand_are_undone_and_forgotten(opened, qtbot):
    panel = opened.field_panel
    panel.apply({"preset": "auto", "family": "dinr-siren", "changes": {}})
    qtbot.waitUntil(lambda: panel.config is not None, timeout=60_000)
    usual = panel.config.field.steps
    panel.change(steps=usual + 3)
    qtbot.waitUntil(lambda: panel.config.field.steps == usual + 3, timeout=60_000)
    qtbot.keyClick(opened, KEY.Key_Z, CTRL)
    qtbot.waitUntil(lambda: panel.config.field.steps == usual, timeout=60_000)
    qtbot.keyClick(opened, KEY.Key_Z, CTRL | SHIFT)
    qtbot.waitUntil(lambda: panel.config.field.steps == usual + 3, timeout=60_000)
    opened.actions_by_name["settings-reset"].trigger()
    qtbot.waitUntil(lambda: panel.config.field.steps == usual, timeout=60_000)
    assert panel.chosen()["changes"] == {}


def test_every_control_of_the_window_has_a_name(opened):
    nameless = []
    for kind in (QLineEdit, QComboBox, QSpinBox, QDoubleSpinBox, QSlider, QAbstractButton):
        for control in opened.findChildren(kind):
            internal = control.objectName().startswith(INTERNAL) or isinstance(
                control.parent(), (QSpinBox, QDoubleSpinBox, QComboBox)
            )
            text = control.text() if isinstance(control, QAbstractButton) else ""
            if not internal and control.isVisibleTo(opened) and not (control.accessibleName() or text):
                nameless.append(f"{type(control).__name__} in {type(control.parent()).__name__}: {control.toolTip()}")
    assert nameless == []


def test_every_control_of_the_panels_explains_itself(opened):
    mute = [
        control.accessibleName() or type(control).__name__
        for panel in (opened.data_panel, opened.field_panel, *opened.slices.panes, opened.volume_view)
        for kind in (QLineEdit, QComboBox, QSpinBox, QAbstractButton)
        for control in panel.findChildren(kind)
        if control.isVisibleTo(panel)
        and not control.objectName().startswith(INTERNAL)
        and not isinstance(control.parent(), (QSpinBox, QComboBox))
        and not control.toolTip()
    ]
    assert mute == []


def test_tab_leads_through_the_panels_in_their_order(opened, qtbot):
    panel = opened.data_panel
    panel.sizes[0][1].setFocus()
    reached = []
    for _ in range(14):
        reached.append(QApplication.focusWidget())
        qtbot.keyClick(reached[-1], KEY.Key_Tab)
    wanted = [*(edit for _, edit in panel.sizes[:3]), panel.low, panel.high, panel.colours, panel.ends[0][1]]
    assert [widget for widget in reached if widget in wanted] == wanted


def test_a_window_of_1280_by_720_is_large_enough(opened):
    assert opened.minimumSizeHint().width() <= 1280
    assert opened.minimumSizeHint().height() <= 720
    assert (opened.width(), opened.height()) == (1280, 720)
