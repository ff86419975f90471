"""How much memory is free."""

from __future__ import annotations

from pathlib import Path

import psutil


def available_bytes() -> int:
    """Memory that this process could still take: the machine's, or its control group's where that is less."""
    available = int(psutil.virtual_memory().available)
    try:
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        available = min(available, limit - used)
    except (OSError, ValueError):
        pass
    return available
