"""Writes the frames of a movie, as they come, to a GIF or to a folder of numbered PNGs. Knows no Qt."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dinr_studio.errors import OutputError
from dinr_studio.io.atomic import atomic_output

COLOURS = 256


@dataclass(frozen=True)
class Frame:
    """A picture. values: height x width x 3 bytes, red green blue."""

    width: int
    height: int
    values: bytes

    def image(self) -> Image.Image:
        """The same for pillow."""
        return Image.frombytes("RGB", (self.width, self.height), self.values)


def write_gif(path: Path, frames: Iterable[Frame], milliseconds: int) -> None:
    """An endless GIF, wholly or not at all; an exception of `frames` goes through and leaves nothing."""
    with atomic_output(path, force=True) as temporary:
        pictures = _indexed(frame.image() for frame in frames)
        first = next(pictures)
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=pictures,
            duration=milliseconds,
            loop=0,
            optimize=False,
        )


def write_numbered(path: Path, frames: Iterable[Frame]) -> None:
    """A new folder of frame_0001.png and so on, wholly or not at all; raises OutputError where the name is taken."""
    with _atomic_folder(path) as temporary:
        for i, frame in enumerate(frames, 1):
            frame.image().save(temporary / f"frame_{i:04d}.png")


def _indexed(pictures: Iterator[Image.Image]) -> Iterator[Image.Image]:
    """Pictures with the first one's palette, so that nothing flickers."""
    first = next(pictures).quantize(COLOURS, dither=Image.Dither.NONE)
    yield first
    for picture in pictures:
        yield picture.quantize(palette=first, dither=Image.Dither.FLOYDSTEINBERG)


@contextmanager
def _atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name when the block ends well."""
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name[:64]}.", suffix=".part", dir=path.parent))
        try:
            yield temporary
            if path.exists():
                raise OutputError(f"{path} exists already; choose another name.")
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o777 & ~mask)
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror or error}.") from error
