"""What a long work takes of this machine, and which smaller one would fit where it does not: said before it begins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from dinr_studio.errors import MemoryShort, OutputError
from dinr_studio.words import bytes_in_words, seconds_in_words

LONG = 5.0  # seconds from which on a work is announced
DAY = 86_400


@dataclass(frozen=True)
class Needs:
    """Bytes and seconds (NaN where unknown) that a work takes, at most, beside what this process holds already.

    work: what it is, as a subject. disk_free is None where nothing is written or the folder is not there. smaller:
    plans that would fit, each as a sentence's part such as `a factor of 1.5 takes 3.1 GB`; asked for only where this
    one does not. micro_batch: of a fit, one that would fit.
    """

    work: str
    memory: int
    memory_free: int
    disk: int = 0
    disk_free: int | None = None
    seconds: float = math.nan
    smaller: tuple[str, ...] = ()
    micro_batch: int | None = None

    @property
    def memory_short(self) -> bool:
        """Whether there is less memory than it takes."""
        return self.memory > self.memory_free

    @property
    def disk_short(self) -> bool:
        """Whether there is less room on the disk than it takes."""
        return self.disk_free is not None and self.disk > self.disk_free

    @property
    def fits(self) -> bool:
        """Whether it can begin."""
        return not (self.memory_short or self.disk_short)

    @property
    def fault(self) -> str:
        """Why it cannot begin, in a sentence that names what would fit; nothing where it can."""
        if self.fits:
            return ""
        if self.memory_short:
            sentence = f"{self.work} takes about {bytes_in_words(self.memory)} of memory and "
            sentence += f"{bytes_in_words(max(0, self.memory_free))} are free"
            advice = "end other programs, or take less"
        else:
            sentence = f"{self.work} takes {bytes_in_words(self.disk)} on the disk, which has "
            sentence += f"{bytes_in_words(self.disk_free or 0)} free"
            advice = "make room, choose another disk, or take less"
        return f"{sentence}; {advice}{': ' if self.smaller else ''}{', '.join(self.smaller)}."

    def check(self) -> None:
        """Raises MemoryShort or OutputError where it cannot begin."""
        if self.memory_short:
            raise MemoryShort(self.fault, self.micro_batch)
        if self.disk_short:
            raise OutputError(self.fault)

    def in_words(self) -> str:
        """What it takes, in one line."""
        parts = [f"about {bytes_in_words(self.memory)} of memory ({bytes_in_words(self.memory_free)} free)"]
        if self.disk:
            free = "" if self.disk_free is None else f" ({bytes_in_words(self.disk_free)} free)"
            parts.append(f"at most {bytes_in_words(self.disk)} on the disk{free}")
        if math.isfinite(self.seconds):
            parts.append(span_in_words(self.seconds))
        return ", ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """The same for `--json`."""
        return {
            "memory_bytes": self.memory,
            "memory_free_bytes": self.memory_free,
            "disk_bytes": self.disk,
            "disk_free_bytes": self.disk_free,
            "seconds": self.seconds if math.isfinite(self.seconds) else None,
            "fits": self.fits,
            "fault": self.fault,
            "smaller": list(self.smaller),
        }


def span_in_words(seconds: float) -> str:
    """How long a work takes, about."""
    if seconds > 2 * DAY:
        return f"about {seconds / DAY:,.0f} days"
    return "under 1 s" if seconds < 1 else f"about {seconds_in_words(seconds)}"
