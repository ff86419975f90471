"""What a fit is made with: versions, processor and threads, as a run keeps them beside its scores."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

LIBRARIES = ("torch", "numpy", "scipy", "h5py", "scikit-image", "matplotlib")
CPU_TABLE = "/proc/cpuinfo"  # where Linux tells the processor's name


def environment(device: str, processes: int = 1) -> dict[str, Any]:
    """Versions, system, processor and threads of this process, fit for JSON; device: where it computes."""
    import torch

    from dinr_studio import __version__

    return {
        "program": __version__,
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "system": f"{platform.system()} {platform.release()} ({platform.machine()})",
        "processor": _processor(),
        "processors": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "device": _device_name(device),
        "processes": processes,
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


@cache
def _processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        with open(CPU_TABLE, encoding="utf-8", errors="replace") as table:
            for line in table:
                if line.startswith("model name"):
                    return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _device_name(device: str) -> str:
    import torch

    if device.startswith("cuda") and torch.cuda.is_available():
        return f"{device} ({torch.cuda.get_device_name(torch.device(device))})"
    return device
