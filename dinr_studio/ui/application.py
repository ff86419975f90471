"""Starts the window: the application with its name, theme and settings, then the main window, then perhaps a file."""

from __future__ import annotations

import logging
import os
import sys

from PySide6.QtCore import QCoreApplication, QSettings, Qt
from PySide6.QtWidgets import QApplication

from dinr_studio import __version__

NAME = "DINR Studio"
SWITCH = (
    0.0005  # seconds a Python thread may make others wait; a fit beside the window gains a tenth over the usual 0.005
)


def make_application() -> QApplication:
    """The one application of this process, with the theme that the user chose."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    QCoreApplication.setAttribute(
        Qt.ApplicationAttribute.AA_ShareOpenGLContexts
    )  # a floated 3D view keeps its textures
    QCoreApplication.setOrganizationName("dinr-studio")
    QCoreApplication.setApplicationName(NAME)
    QCoreApplication.setApplicationVersion(__version__)
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    from dinr_studio.ui.theme import apply_theme, logo

    application.setWindowIcon(logo())
    apply_theme(str(QSettings().value("theme") or "system"))
    return application


def run(file: str | None = None) -> int:
    """Opens the window, with a file where one is named, and returns when it is closed."""
    faults = logging.StreamHandler()
    faults.setLevel(logging.WARNING)  # the rest is for the window's own log
    logging.getLogger().addHandler(faults)
    application = make_application()
    from dinr_studio.ui.main_window import MainWindow

    window = MainWindow()
    window.show()
    if file is not None:
        window.open(file)
    status = application.exec()
    if not window.threads_ended:  # a thread amid a long computation would abort the process as Qt takes it down
        logging.shutdown()
        os._exit(status)
    return status
