"""The date that a time axis counts from, and dates of times since then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
UDUNITS = {  # names of these units where a date follows
    "ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds", "min": "minutes", "h": "hours",
    "d": "days",
}  # fmt: skip
USUAL_CALENDARS = ("", "standard", "gregorian", "proleptic_gregorian")


@dataclass(frozen=True)
class Epoch:
    """reference: a date, and a time of day if need be, as the file gives it; calendar: by CF, "" for the usual one."""

    reference: str
    calendar: str = ""

    def since(self, unit: str) -> str:
        """A unit of time with its date, as CF has it: hours since 1979-01-01."""
        return f"{UDUNITS.get(unit, unit)} since {self.reference}"

    def moment(self, time: float, unit: str) -> str:
        """A time in such a unit as a date, to the second; "" where unit, date or calendar are not understood."""
        start = self._start()
        if start is None or unit not in SECONDS:
            return ""
        try:
            found = start + timedelta(seconds=time * SECONDS[unit])
        except OverflowError:
            return ""
        return found.strftime("%Y-%m-%d %H:%M" + (":%S" if found.second else ""))

    def time(self, date: str, unit: str) -> float | None:
        """A date (2001-02-28, 2001-02-28T06:00) as a time in such a unit; None where either is not understood."""
        start, end = self._start(), _parsed(date)
        if start is None or end is None or unit not in SECONDS:
            return None
        return (end - start).total_seconds() / SECONDS[unit]

    def _start(self) -> datetime | None:
        return _parsed(self.reference) if self.calendar in USUAL_CALENDARS else None


def _parsed(date: str) -> datetime | None:
    """A date in UTC, or None; one-figure months, days and hours, which UDUNITS allows, are understood too."""
    words = date.strip().replace("T", " ").removesuffix("Z").removesuffix("UTC").split()
    if not 1 <= len(words) <= 2:
        return None
    days = "-".join(part.zfill(2) for part in words[0].split("-"))
    hours = ":".join(part.zfill(2) for part in words[1].split(":")) if len(words) > 1 else "00:00"
    try:
        found = datetime.fromisoformat(f"{days.zfill(10)} {hours}")
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
