"""How much memory is free."""

from __future__ import annotations

from pathlib import Path

import psutil

GROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """Memory that this process could still take: the machine's, or its control group's where that is less.

    Files that the group has read lately count as its memory, but make room where there is need of it.
    """
    available = int(psutil.virtual_memory().available)
    try:
        limit, used = (int((GROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        kept = dict(line.split() for line in (GROUP / "memory.stat").read_text().splitlines())
        available = min(available, limit - used + int(kept.get("inactive_file", 0)))
    except (OSError, ValueError):
        pass
    return max(0, available)
