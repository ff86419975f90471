"""Draws the pictures of the samples that the welcome page shows: python packaging/make_sample_pictures.py."""

from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from dinr_studio.io import open_volume
from dinr_studio.samples import SAMPLES

EDGE = 264
FOLDER = Path(__file__).parent.parent / "resources" / "pictures" / "samples"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in SAMPLES:
        volume = open_volume(f"sample:{name}")
        middle = tuple(n // 2 for n in volume.grid.shape[:-2])
        values = volume.values[middle][..., 0].astype(float)
        missing = np.zeros(values.shape, bool) if volume.missing is None else volume.missing[middle]
        low, high = np.percentile(values[~missing], (1, 99.5))
        coloured = matplotlib.colormaps["magma"](np.clip((values - low) / (high - low), 0, 1))
        coloured[missing, 3] = 0
        rows, columns = (n * v for n, v in zip(values.shape, volume.grid.voxel_size[-2:], strict=True))
        size = round(EDGE * columns / max(rows, columns)), round(EDGE * rows / max(rows, columns))
        picture = Image.fromarray((255 * coloured[::-1]).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
        picture.quantize(128).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
