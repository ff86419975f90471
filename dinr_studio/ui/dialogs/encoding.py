"""Writes the frames of a movie, as they come, to a GIF or to a folder of numbered PNGs. Knows no Qt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dinr_studio.io.atomic import atomic_folder, atomic_output

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
    with atomic_folder(path, force=False) as temporary:
        for i, frame in enumerate(frames, 1):
            frame.image().save(temporary / f"frame_{i:04d}.png")


def _indexed(pictures: Iterator[Image.Image]) -> Iterator[Image.Image]:
    """Pictures with the first one's palette, so that nothing flickers."""
    first = next(pictures).quantize(COLOURS, dither=Image.Dither.NONE)
    yield first
    for picture in pictures:
        yield picture.quantize(palette=first, dither=Image.Dither.FLOYDSTEINBERG)
