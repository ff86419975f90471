"""Files in and out: readers and writers of formats. `open_volume` reads any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dinr_studio.io.reading import open_volume

__all__ = ["open_volume"]


def __getattr__(name: str) -> Any:
    """Loads the readers when the first file is opened: what tries a file in a process of its own needs one of them."""
    if name == "open_volume":
        from dinr_studio.io.reading import open_volume

        return open_volume
    raise AttributeError(f"module {__name__} has no attribute {name}")
