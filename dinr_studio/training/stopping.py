"""Being asked to stop by a signal, so that a fit ends between two steps and is saved."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STOPPING = b"\nStopping after this step, to save the run; Ctrl-C again ends at once.\n"


@contextmanager
def stop_requested(said: bytes = STOPPING) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets, so that the run can be saved; the second one interrupts.

    said: what is then written to standard error.
    """
    stop = threading.Event()

    def ask(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        if said:
            os.write(sys.stderr.fileno(), said)  # print may not be entered twice, and a signal comes at any time

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
