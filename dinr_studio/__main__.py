"""Starts the program: `python -m dinr_studio`, and the commands that an installation makes."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the shell with these arguments (those of the process by default); returns the exit status."""
    from dinr_studio.cli.app import run

    return run(sys.argv[1:] if arguments is None else list(arguments))


def window() -> int:
    """Opens the window: what the desktop entry starts."""
    return main([])


if __name__ == "__main__":
    sys.exit(main())
