"""Ways to damage a file's bytes, each drawn from a source of random numbers, so that what was found is found again."""

from __future__ import annotations

import random
from collections.abc import Callable

NUMBERS = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**40,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
WORDS = (
    b"-1",
    b"0",
    b"99999999999",
    b"nan",
    b"inf",
    b"1e308",
    b"../x",
    b"/dev/zero",
    b"\0",
    b"\xff\xfe",
    b"%s",
    b"[",
    b"{",
)


def _place(draw: random.Random, length: int) -> int:
    """A place in the file, as often as not in its first kilobyte, where headers are."""
    return draw.randrange(min(length, 1024) if draw.random() < 0.5 else length)


def flip_bits(raw: bytearray, draw: random.Random) -> None:
    for _ in range(draw.randint(1, 8)):
        raw[_place(draw, len(raw))] ^= 1 << draw.randrange(8)


def set_bytes(raw: bytearray, draw: random.Random) -> None:
    at = _place(draw, len(raw))
    run = draw.randint(1, 8)
    raw[at : at + run] = draw.randbytes(min(run, len(raw) - at))


def set_number(raw: bytearray, draw: random.Random) -> None:
    """A number at an end of its range, of one to eight bytes, in either order."""
    width = draw.choice((1, 2, 4, 8))
    at = _place(draw, len(raw)) // width * width
    number = (draw.choice(NUMBERS) & (1 << 8 * width) - 1).to_bytes(width, draw.choice(("little", "big")))
    raw[at : at + width] = number[: len(raw) - at]


def set_word(raw: bytearray, draw: random.Random) -> None:
    """A word that numbers and names of files in texts have trouble with."""
    at, word = _place(draw, len(raw)), draw.choice(WORDS)
    raw[at : at + draw.choice((0, len(word)))] = word


def cut(raw: bytearray, draw: random.Random) -> None:
    del raw[draw.randrange(len(raw)) :]


def remove_run(raw: bytearray, draw: random.Random) -> None:
    at = _place(draw, len(raw))
    del raw[at : at + draw.randint(1, 64)]


def insert_run(raw: bytearray, draw: random.Random) -> None:
    at = _place(draw, len(raw))
    raw[at:at] = draw.randbytes(draw.randint(1, 64)) if draw.random() < 0.5 else bytes(draw.randint(1, 4096))


def repeat_run(raw: bytearray, draw: random.Random) -> None:
    at, length = _place(draw, len(raw)), draw.randint(1, 256)
    raw[at:at] = raw[at : at + length] * draw.randint(1, 8)


def swap_blocks(raw: bytearray, draw: random.Random) -> None:
    size = draw.choice((4, 8, 16, 64, 256))
    a, b = (draw.randrange(len(raw)) // size * size for _ in "ab")
    raw[a : a + size], raw[b : b + size] = raw[b : b + size], raw[a : a + size]


def random_bytes(raw: bytearray, draw: random.Random) -> None:
    """Nothing of the file but, maybe, its first bytes."""
    raw[draw.choice((0, 4, 16, 128)) :] = draw.randbytes(draw.choice((0, 1, 40, 2000)))


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip_bits, set_bytes, set_number, set_number, set_word, cut, remove_run, insert_run, repeat_run, swap_blocks,
    random_bytes,
)  # fmt: skip


def damaged(raw: bytes, number: int) -> bytes:
    """The bytes with one to four damages, the same ones for the same number."""
    draw = random.Random(number)
    changed = bytearray(raw)
    for _ in range(draw.choice((1, 1, 2, 4))):
        if changed:
            draw.choice(DAMAGES)(changed, draw)
    return bytes(changed)
