"""Trying a file in a process of its own first: damage can crash a library that is written in C, and us with it."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dinr_studio.errors import FileFormatError

SPARE_MEMORY = 1 << 30  # bytes
DAMAGED = 70  # exit status by which a function that tries a file says that it must not be read here
LONGEST = 60.0  # seconds until a file counts as one that a library never finishes with
TRY = "import sys; sys.path.insert(0, sys.argv[1]); from {module} import {function}; {function}(sys.argv[2])"

TRY_ALL = """
import json, sys
sys.path.insert(0, sys.argv[1])
from {module} import {function}
for i, path in enumerate(json.load(sys.stdin)):
    print(i, flush=True)
    try:
        {function}(path)
    except Exception:
        pass
"""


def check_harmless(path: Path, module: str, function: str) -> None:
    """Raises FileFormatError where module.function(path) ends its process by a crash, or never ends.

    What it raises in an orderly way does not matter here, but for an exit with the status DAMAGED. A file is tried
    once, as long as it stays the same.
    """
    stat = path.stat()
    if not _is_harmless(str(path.absolute()), stat.st_mtime_ns, stat.st_size, module, function):
        raise FileFormatError(f"{path.name} is damaged, in a way that the library for it fails at; use an intact copy.")


@functools.lru_cache(maxsize=64)
def _is_harmless(path: str, changed: int, size: int, module: str, function: str) -> bool:
    code = TRY.format(module=module, function=function)
    command = [sys.executable, "-c", code, str(Path(__file__).parents[2]), path]
    try:
        status = subprocess.run(command, capture_output=True, check=False, timeout=LONGEST).returncode
    except subprocess.TimeoutExpired:
        return False
    return 0 <= status < 256 and status != DAMAGED  # a signal is negative; an exception of Windows is far larger


def check_all_harmless(paths: Sequence[Path], module: str, function: str) -> None:
    """The same for many files, one after the other in one process; the sentence names the one that crashes it."""
    known = tuple((str(path.absolute()), path.stat().st_mtime_ns, path.stat().st_size) for path in paths)
    last = _harmful(known, module, function)
    if last is not None:
        name = paths[last].name
        raise FileFormatError(f"{name} is damaged, in a way that crashes the library for it; use an intact copy.")


@functools.lru_cache(maxsize=64)
def _harmful(files: tuple[tuple[str, int, int], ...], module: str, function: str) -> int | None:
    """The index of the first file that crashes the process or never ends, or None."""
    code = TRY_ALL.format(module=module, function=function)
    command = [sys.executable, "-c", code, str(Path(__file__).parents[2])]
    given = json.dumps([path for path, _, _ in files])
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, check=False, encoding="utf-8", timeout=LONGEST + len(files)
        )
        status, said = done.returncode, done.stdout
    except subprocess.TimeoutExpired as expired:
        status, said = -1, (expired.stdout or b"").decode() if isinstance(expired.stdout, bytes) else ""
    begun = said.split()
    return None if 0 <= status < 256 else int(begun[-1]) if begun else 0


def limit_memory(more: int) -> None:
    """Lets this process have `more` bytes beyond what it has and what it may need; without effect on Windows."""
    try:
        import resource
    except ImportError:
        return
    import psutil

    most = psutil.Process().memory_info().vms + SPARE_MEMORY + more
    try:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    except (OSError, ValueError):  # not everywhere that has the module
        pass
