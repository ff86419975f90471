"""Starts the program: `python -m dinr_studio`, and the commands that an installation makes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

NO_DISPLAY = (
    "dinr-studio: There is no display to open a window on (neither DISPLAY nor WAYLAND_DISPLAY is set); the shell does "
    "the whole job: dinr-studio --help lists its commands."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Opens the window (no arguments, or a file), or runs a command of the shell; returns the exit status.

    arguments: those of the process by default.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given:
        return window()
    from dinr_studio.cli.app import is_command, run

    if len(given) == 1 and not is_command(given[0]) and _names_a_file(given[0]):
        return _window_with(given[0])
    return run(given)


def _names_a_file(word: str) -> bool:
    """Whether a lone word is more likely a file to open than a command misspelt."""
    return not word.startswith("-") and (word.startswith("sample:") or "." in word or os.path.exists(word))


def window() -> int:
    """Opens the window: what the desktop entry starts."""
    return _window_with(None)


def _window_with(file: str | None) -> int:
    if sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        print(NO_DISPLAY, file=sys.stderr)
        return 2
    from dinr_studio.ui.application import run

    return run(file)


def _main_or_interrupted() -> int:
    """`main`, where Ctrl-C may come while the program is still being loaded."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name that is no Unicode, or not in the terminal's letters, is escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        return main()
    except KeyboardInterrupt:
        print("dinr-studio: interrupted.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(_main_or_interrupted())
