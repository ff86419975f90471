"""Plain 2D images, through Pillow."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import Content, DatasetEntry, check_claim

FORMATS = ("PNG", "JPEG", "BMP", "GIF")  # of the others some start programs
MOST_PIXELS = 400_000_000


def list_image(path: Path) -> list[DatasetEntry]:
    """The one picture in an image file."""
    from PIL import Image

    with Image.open(path, formats=FORMATS) as image:
        return [DatasetEntry("image", (image.height, image.width), image.mode)]


def read_image(path: Path, dataset: str | None) -> Content:
    """An image as y, x and, where it has colours, three channels; transparency is left out, with a note."""
    from PIL import Image

    notes: tuple[str, ...] = ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise FileFormatError(f"{path.name} claims {image.width}x{image.height} pixels; crop or bin it first.")
            check_claim(path, image.width * image.height // 8, compressed=True)  # of one bit each at least
            if "A" in image.mode or "transparency" in image.info:
                notes = ("The image's transparency was left out.",)
            plain = {
                "1": "L",
                "LA": "L",
                "La": "L",
                "P": "RGB",
                "PA": "RGB",
                "RGBA": "RGB",
                "RGBa": "RGB",
                "CMYK": "RGB",
            }
            values = np.asarray(image.convert(plain[image.mode]) if image.mode in plain else image)
    colours = values.ndim == 3
    return Content(
        values,
        "yxc" if colours else "yx",
        channel_names=("red", "green", "blue") if colours and values.shape[-1] == 3 else (),
        dataset="image",
        notes=notes,
    )
