"""DINR Studio: continuous neural fields of scientific volumes.

    import dinr_studio as ds

    field = ds.fit(ds.open_volume("sample:emd-3001"), time_limit=60)
    field([[10.0, 20.0, 30.0]])

See `dinr_studio.interface`, which is loaded when the first of its names is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dinr_studio.interface import Field, fit, from_array, load, open_volume, resume

__version__ = "0.1.0"
__all__ = ["Field", "fit", "from_array", "load", "open_volume", "resume"]


def __getattr__(name: str) -> Any:
    """Loads the interface when one of its names is first asked for: importing the package has no effect."""
    if name in __all__:
        from dinr_studio import interface

        return getattr(interface, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
