"""Where to compute, and how much memory there is and was used."""

from __future__ import annotations

import os
import sys
import time
from functools import cache
from pathlib import Path
from statistics import median

import psutil
import torch

from dinr_studio.errors import ConfigError


def resolve_device(name: str) -> torch.device:
    """The device of a setting: `auto` takes cuda, then mps, then cpu; ConfigError where the one named is not here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device is None or device.type not in available:
        raise ConfigError(f"The device {name!r} is not known; choose auto, cpu, cuda, cuda:N or mps.")
    if not available[device.type]:
        raise ConfigError(f"The device {name} is not available on this machine; use --device auto or cpu.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"The device {name} does not exist; this machine has {torch.cuda.device_count()} CUDA devices."
        )
    return device


PRODUCT_WIDTH = 257  # latent channels and time


@cache
def effective_precision(precision: str, device: torch.device) -> str:
    """`bf16` only where the device is quicker with it; `fp32` where it would be emulated, which is slow."""
    if precision == "fp32":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu" and product_rate(torch.bfloat16) < product_rate(torch.float32):
        return "fp32"
    return "bf16"


def product_rate(dtype: torch.dtype, *, rows: int = 512, seconds: float = 0.02) -> float:
    """Operations per second of the processor's products of (rows, 257) by (257, 257), as preset `paper` makes them.

    The median of three products, or of as many as fit in some seconds; the first, which pays for set-up, is left out.
    """
    a, b = torch.ones(rows, PRODUCT_WIDTH, dtype=dtype), torch.ones(PRODUCT_WIDTH, PRODUCT_WIDTH, dtype=dtype)
    taken: list[float] = []
    while len(taken) < 4 or (sum(taken) < seconds and len(taken) < 200):
        start = time.perf_counter()
        torch.mm(a, b)
        taken.append(time.perf_counter() - start)
    return 2 * rows * PRODUCT_WIDTH**2 / median(taken[1:])


def resident_bytes() -> int:
    """Memory of this process in use now."""
    return int(psutil.Process().memory_info().rss)


def peak_bytes() -> int:
    """Largest memory that this process has had in use since it started."""
    try:  # what getrusage says on Linux may be the parent's peak
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024


def describe_device(device: torch.device) -> str:
    """The device in words, for logs and the plan."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} of {os.cpu_count()} threads)" if device.type == "cpu" else str(device)
