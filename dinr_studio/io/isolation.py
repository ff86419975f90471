"""Trying a file in a process of its own first: damage can crash a library that is written in C, and us with it."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

from dinr_studio.errors import FileFormatError

LONGEST = 60.0  # seconds until a file counts as one that a library never finishes with
TRY = "import sys; sys.path.insert(0, sys.argv[1]); from {module} import {function}; {function}(sys.argv[2])"


def check_harmless(path: Path, module: str, function: str) -> None:
    """Raises FileFormatError where module.function(path) ends its process by a crash, or never ends.

    What it raises in an orderly way does not matter here. A file is tried once, as long as it stays the same.
    """
    stat = path.stat()
    if not _is_harmless(str(path.absolute()), stat.st_mtime_ns, stat.st_size, module, function):
        raise FileFormatError(f"{path.name} is damaged, in a way that crashes the library for it; use an intact copy.")


@functools.lru_cache(maxsize=64)
def _is_harmless(path: str, changed: int, size: int, module: str, function: str) -> bool:
    code = TRY.format(module=module, function=function)
    command = [sys.executable, "-c", code, str(Path(__file__).parents[2]), path]
    try:
        status = subprocess.run(command, capture_output=True, check=False, timeout=LONGEST).returncode
    except subprocess.TimeoutExpired:
        return False
    return 0 <= status < 256  # a signal is negative; an exception of Windows is far larger
