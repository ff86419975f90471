"""Help: the guide, what each panel shows, all shortcuts, the command palette, and About."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from PySide6.QtCore import QEvent, QObject, Qt, Slot
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from dinr_studio import __version__
from dinr_studio.ui.actions import COMMANDS, MENUS
from dinr_studio.ui.theme import logo

GUIDE = """
<h2>From a file to a field</h2>
<ol>
<li><b>Open</b> a volume: drop a file or a folder (a DICOM series, numbered slices) on the window, use Open, or take a
sample. Check the voxel size on the left: if the file lies, put it right there, and every length and every export
follows. A <b>mask</b>, a second file on the same grid, leaves voxels out of the fit.</li>
<li>Leave the preset at <b>auto</b>, or take <b>quick</b> for a first picture within a minute. The plan at the lower
right says what the fit will cost on this machine.</li>
<li>Press <b>Fit</b>. Set a slice to Field to watch it learn; look, zoom and export meanwhile as you like.</li>
<li>Press <b>Done</b> when it is good enough. The field is judged on voxels that it never saw, and the run is kept:
it stands under Runs, and can be opened or resumed another day.</li>
<li><b>Export</b> it on a finer grid, as MRC, HDF5, TIFF or NPY, with its physical coordinates.</li>
</ol>
<h2>Whether to believe it</h2>
<p>A share of the voxels is held out: never trained on. The Held-out tab compares the field with linear and
cubic-spline interpolation there. On smooth, clean, finely sampled data a spline wins, and the program says so: then
use the spline. A field earns its place on noisy, scattered or missing data, for derivatives, and for compact
storage.</p>
<p>Zooming past the data's own pixels shows the field evaluated afresh. What lies between voxels is what the field
believes, not what was measured: the finer it is than the data, the more it is a guess.</p>
<h2>Mouse and keys in a slice</h2>
<p>Wheel zooms, drag pans, click sets the crosshair, Shift and wheel moves through the slices; arrow keys move the
crosshair, Page Up and Page Down the slice, + and − zoom, Home shows all.</p>
"""

PANELS = {
    "Data": (
        "What was opened. Voxel size, unit and axes may be put right where the file lies; everything follows. The "
        "histogram counts values (its height is logarithmic); drag the edges of the blue region to set the contrast, "
        "or press Auto. The part to fit and export is outlined in the slices."
    ),
    "Field": (
        "What the next fit will be. The preset derives settings from the data and says why; all can be changed. "
        "Steps N and horizon T are those of the latent ODE, the kinetic weight penalises movement along it, the "
        "held-out share is never trained on. The plan was measured on this device a moment ago."
    ),
    "3D": (
        "Rays through the volume. MIP shows the greatest value along each, attenuated MIP fades with depth, "
        "translucent follows the transfer function, an isosurface stands at one level (σ counts standard deviations "
        "above the mean). Drag turns, wheel zooms; arrow keys, + and − do the same. While it moves it is drawn "
        "coarsely. During a fit its pictures, with those of the slices, aim at a fifth of one thread's time."
    ),
    "Slices": (
        "Planes of the volume through the crosshair, with true proportions. Data is the file, Field what has been "
        "learnt, Residual field less data with colours about 0, Wipe two of them left and right of a line that can be "
        "dragged. Past the data's own pixels the field is evaluated afresh at the screen's resolution."
    ),
    "Loss": (
        "What the training minimises, in normalised units. Data loss is the mean squared error on training voxels; "
        "the kinetic term penalises movement through latent time. Falling and flattening is healthy; jumps mean the "
        "learning rate is high."
    ),
    "Held-out": (
        "PSNR on voxels that the field never saw. The dashed lines are what interpolation reaches there from the same "
        "training voxels. Above the highest line, the field knows more than interpolation. A curve that falls while "
        "the loss falls too learns noise."
    ),
    "NTK": (
        "Eigenvalues of the neural tangent kernel. Each is a direction in which the field can learn, large ones "
        "quickly. The effective rank counts directions that matter; a network whose rank is above its static twin's "
        "has more to learn with."
    ),
    "Spectrum": (
        "Power by spatial frequency. Where the field follows the data, detail of that size is learnt; where the "
        "residual meets the data, it is not. Right of the Nyquist line the data says nothing."
    ),
    "Trajectory": (
        "How the latent state moves from t = 0 to T, averaged over points: size |z|, speed |f|, and energy spent by "
        "step. Warnings stand here with what to do. The slider shows what the state decodes to on its way."
    ),
    "Runs": (
        "Every fit, with its settings and score. Overlay draws their curves into the plots; Compare puts a second "
        "field into the wipe."
    ),
    "Log": "What the program did and when.",
}
LIBRARIES = ("torch", "PySide6-Essentials", "pyqtgraph", "vispy", "numpy", "scipy", "h5py", "mrcfile", "tifffile")


class TextDialog(QDialog):
    """A page to read."""

    def __init__(self, title: str, html: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = QTextBrowser()
        self.text.setHtml(html)
        self.text.setOpenExternalLinks(False)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
        self.resize(640, 560)


def guide(parent: QWidget) -> TextDialog:
    """The guide."""
    return TextDialog("Guide", GUIDE, parent)


def what(panel: str, parent: QWidget) -> TextDialog:
    """What the panel in front shows, and below it the others."""
    order = [panel, *(name for name in PANELS if name != panel)]
    return TextDialog("What am I seeing?", "".join(f"<h3>{name}</h3><p>{PANELS[name]}</p>" for name in order), parent)


def shortcuts(actions: Mapping[str, QAction], parent: QWidget) -> TextDialog:
    """All shortcuts, by menu."""
    parts = []
    for menu in MENUS:
        rows = "".join(
            f"<tr><td width='130'><b>{actions[c.name].shortcut().toString()}</b></td>"
            f"<td>{c.text.replace('&', '')}</td></tr>"
            for c in COMMANDS
            if c.menu == menu and c.shortcut
        )
        parts.append(f"<h3>{menu}</h3><table cellpadding='2'>{rows}</table>")
    return TextDialog("Shortcuts", "".join(parts), parent)


def about(parent: QWidget) -> QDialog:
    """Version, libraries and licence."""
    dialog = QDialog(parent)
    dialog.setWindowTitle("About DINR Studio")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    lines = [f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            lines.append(f"{name.removesuffix('-Essentials')} {version(name)}")
        except PackageNotFoundError:
            continue
    mark = QLabel()
    mark.setPixmap(logo(96))
    text = QLabel(
        f"<h2>DINR Studio {__version__}</h2><p>Turns scientific volumes into continuous neural fields "
        "(Dynamical Implicit Neural Representations, arXiv 2511.21787).</p>"
        f"<p>{', '.join(lines)}</p><p>MIT licence. The samples have licences of their own.</p>"
    )
    text.setWordWrap(True)
    text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.reject)
    row = QHBoxLayout()
    row.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
    row.addWidget(text, 1)
    layout = QVBoxLayout(dialog)
    layout.addLayout(row)
    layout.addWidget(buttons)
    dialog.resize(520, 260)
    return dialog


class CommandPalette(QDialog):
    """Finds any command by typing some of its letters' words; Enter runs it."""

    def __init__(self, actions: Mapping[str, QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Commands")
        self._actions = actions
        self.chosen: QAction | None = None
        self.typed = QLineEdit(placeholderText="Type a command")
        self.typed.setAccessibleName("Command")
        self.list = QListWidget()
        self.list.setAccessibleName("Commands found")
        layout = QVBoxLayout(self)
        layout.addWidget(self.typed)
        layout.addWidget(self.list)
        self.typed.textChanged.connect(self._on_typed)
        self.typed.installEventFilter(self)
        self.list.itemActivated.connect(self._on_activated)
        self.resize(480, 380)
        self._on_typed("")

    @Slot(str)
    def _on_typed(self, text: str) -> None:
        words = text.lower().split()
        self.list.clear()
        for command in COMMANDS:
            action = self._actions[command.name]
            plain = command.text.replace("&", "")
            if command.name == "palette" or not all(
                word in f"{command.menu} {plain} {command.tip}".lower() for word in words
            ):
                continue
            shortcut = action.shortcut().toString()
            item = QListWidgetItem(f"{command.menu}:  {plain}" + (f"    [{shortcut}]" if shortcut else ""))
            item.setToolTip(command.tip)
            item.setData(Qt.ItemDataRole.UserRole, command.name)
            if not action.isEnabled():
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(item)
        rows = [i for i in range(self.list.count()) if self.list.item(i).flags() & Qt.ItemFlag.ItemIsEnabled]
        if rows:
            self.list.setCurrentRow(rows[0])

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Up and down move through the list while one types; Enter runs."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up):
                self.list.event(event)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                if self.list.currentItem() is not None:
                    self._on_activated(self.list.currentItem())
                return True
        return False

    def _on_activated(self, item: QListWidgetItem) -> None:
        if item.flags() & Qt.ItemFlag.ItemIsEnabled:
            self.chosen = self._actions[item.data(Qt.ItemDataRole.UserRole)]
            self.accept()
