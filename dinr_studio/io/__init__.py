"""Files in and out: readers and writers of formats. `open_volume` reads any of them."""

from dinr_studio.io.reading import open_volume

__all__ = ["open_volume"]
