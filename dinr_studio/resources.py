"""Where the program's own files are: in an installed copy and in a source checkout."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def resource(name: str) -> Path:
    """The path of a file or folder of resources/, such as `samples`.

    A wheel carries resources inside the package; a checkout has them beside it, where an editable install finds them.
    """
    package = Path(str(files("dinr_studio")))
    installed = package / "resources"
    return (installed if installed.is_dir() else package.parent / "resources") / name
