"""Libraries for single formats that an installation may lack."""

from __future__ import annotations

import importlib
from typing import Any

from dinr_studio.errors import FileFormatError


def needed(module: str, extra: str, what: str) -> Any:
    """An imported module of an optional library; FileFormatError names the command that adds it where it is missing.

    extra: the name under [project.optional-dependencies] that holds it. what: the format, as in "Zarr".
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise FileFormatError(
            f"{what} files need the library {library}, which is not installed; add it with: "
            f"pip install 'dinr-studio[{extra}]'."
        ) from error
