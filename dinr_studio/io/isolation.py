"""Trying a file in a process of its own first: damage can crash a library that is written in C, and us with it.

The process does nothing but read, within limits of memory and of the processor's time. It is the only one that opening
a file starts.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dinr_studio.errors import FileFormatError
from dinr_studio.io.content import MOST_INFLATION

TRIED_BYTES = 1 << 28  # of values that are read when a file is tried; its structure is tried in any case
COPIES = 2  # of values, that a library may hold while it reads them
SPARE_MEMORY = 160 << 20  # bytes beyond what a file holds
SPARE_SECONDS, BYTES_A_SECOND = 2.0, 50e6  # of a busy processor, beyond the libraries' start; to a second more
DAMAGED = 70  # exit status by which a function that tries a file says that it must not be read here
LONGEST = 60.0  # seconds until a file counts as one that a library never finishes with
TRY = "import sys; sys.path.insert(0, sys.argv[1]); from dinr_studio.io.isolation import attempt; attempt(sys.argv[2:])"
_harmless: set[tuple[str, int, int]] = set()
OUT_OF_MEMORY = ("memory alloc", "unable to alloc", "cannot alloc", "bad_alloc", "out of memory", "malloc of size")


def check_harmless(path: Path, module: str, function: str) -> None:
    """Raises FileFormatError where module.function(path) ends its process by a crash, or takes more than is honest.

    What it raises in an orderly way does not matter here, but for a lack of memory and an exit with the status
    DAMAGED. A file is tried once, as long as it stays the same.
    """
    known = _known([path])
    if known[0] not in _harmless and _harmful(known, module, function) is not None:
        raise FileFormatError(f"{path.name} is damaged, in a way that the library for it fails at; use an intact copy.")


def check_all_harmless(paths: Sequence[Path], module: str, function: str) -> None:
    """The same for many files, one after the other in one process; the sentence names the one that crashes it."""
    last = _harmful(_known(paths), module, function)
    if last is not None:
        name = paths[last].name
        raise FileFormatError(f"{name} is damaged, in a way that crashes the library for it; use an intact copy.")


def try_together(paths: Sequence[Path], module: str, function: str) -> None:
    """Tries many files in one process, so that `check_harmless` knows of each: a process for each takes long to start.

    Where one ends the process, another one goes on behind it.
    """
    left = [known for known in _known(paths) if known not in _harmless]
    while left:
        last = _harmful(tuple(left), module, function)
        _harmless.update(left[:last])
        left = [] if last is None else left[last + 1 :]


def trust(path: Path) -> None:
    """Says that this process wrote a file, so that it need not be tried as long as it stays the same."""
    with contextlib.suppress(OSError):
        _harmless.update(_known([path]))


def _known(paths: Sequence[Path]) -> tuple[tuple[str, int, int], ...]:
    stats = [path.stat() for path in paths]
    return tuple(
        (str(path.absolute()), stat.st_mtime_ns, stat.st_size) for path, stat in zip(paths, stats, strict=True)
    )


@functools.lru_cache(maxsize=64)
def _harmful(files: tuple[tuple[str, int, int], ...], module: str, function: str) -> int | None:
    """The index of the first file that crashes the process or never ends, or None."""
    status, said = start([module, function], json.dumps([path for path, _, _ in files]), LONGEST + len(files))
    begun = said.split()
    crashed = not 0 <= status < 256 or status == DAMAGED  # a signal is negative; an exception of Windows is far larger
    return None if not crashed else int(begun[-1]) if begun else 0


def start(arguments: list[str], given: str, longest: float) -> tuple[int, str]:
    """Runs `attempt` in a process of its own: its exit status (-1 where it took too long) and what it printed.

    given: the paths, as JSON.
    """
    command = [sys.executable, "-c", TRY, str(Path(__file__).parents[2]), *arguments]
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False, encoding="utf-8", timeout=longest)
    except subprocess.TimeoutExpired as expired:
        return -1, expired.stdout.decode() if isinstance(expired.stdout, bytes) else ""
    return done.returncode, done.stdout


def attempt(arguments: Sequence[str]) -> None:
    """Tries the files whose paths stand as JSON on standard input, and prints the index of each before it.

    arguments: the module, and its function that tries a file. Libraries that the module names in TRIED_WITH are loaded
    before limits count.
    """
    module, function = arguments
    paths = json.load(sys.stdin)
    home = importlib.import_module(module)
    for library in getattr(home, "TRIED_WITH", ()):
        try:
            importlib.import_module(library)
        except ImportError:  # told when the file is read
            return
    for i, path in enumerate(paths):
        print(i, flush=True)
        try:
            limit_time(os.path.getsize(path), processor_seconds())
            limit_memory(0)
            getattr(home, function)(path)
        except MemoryError:
            sys.exit(DAMAGED)
        except Exception as error:
            if is_out_of_memory(error):
                sys.exit(DAMAGED)


class Trial:
    """What a file that is being tried may take: by what it says it holds, up to TRIED_BYTES of values."""

    def __init__(self, path: str) -> None:
        self._size, self._began, self._read = os.path.getsize(path), processor_seconds(), 0
        self._most = most_memory()

    def allows(self, claimed: int) -> bool:
        """Whether so many bytes of values more are to be read; makes room for them, but not for more than they are."""
        if not 0 <= claimed <= min(TRIED_BYTES - self._read, MOST_INFLATION * self._size):
            return False
        self._read += claimed
        limit_memory(COPIES * claimed)
        limit_time(self._size + self._read, self._began)
        return True

    def take(self, error: Exception) -> None:
        """Ends the process where more was unpacked than was claimed; what else is wrong is told when the file is read.

        Libraries that fail for want of memory do not always say so.
        """
        if is_out_of_memory(error) or most_memory() > self._most + COPIES * self._read + SPARE_MEMORY // 4:
            sys.exit(DAMAGED)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a library says, in whatever words, that memory was not enough."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in OUT_OF_MEMORY)


def limit_memory(more: int) -> None:
    """Lets this process have `more` bytes beyond what it has and what it may need; without effect on Windows."""
    try:
        import resource
    except ImportError:
        return
    import psutil

    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    found = psutil.Process().memory_info()
    most = getattr(found, "data" if sys.platform == "linux" else "vms") + SPARE_MEMORY + more
    try:
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))
    except (OSError, ValueError):  # not everywhere that has the module
        pass


def most_memory() -> int:
    """The most bytes of memory that this process has had; 0 on Windows."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def processor_seconds() -> float:
    """Seconds for which this process used the processor so far."""
    return sum(os.times()[:2])


def limit_time(honest: int, began: float) -> None:
    """Ends this process once it used the processor, since `began`, for longer than so many honest bytes take.

    Without effect on Windows.
    """
    try:
        import resource
    except ImportError:
        return
    most = int(began + SPARE_SECONDS + honest / BYTES_A_SECOND) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))
