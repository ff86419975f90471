"""Long works off the GUI thread: each drains one generator of the core in a QThread of its own."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from dinr_studio.errors import DinrError

log = logging.getLogger(__name__)

UNEXPECTED = "Something unexpected went wrong ({error}); the log has the details."


def yield_to_the_window(niceness: int) -> None:
    """Lowers the priority of the calling thread, where the system lets threads have their own (Linux)."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
    except (AttributeError, OSError):  # another system: the threads share alike
        pass


def spare_threads() -> int:
    """Threads for training: all processors but one, which stays with the window and what it shows."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, processors - 1)


class Worker(QObject):
    """Lives in the work's thread; knows no widget and no torch."""

    made = Signal(object)
    failed = Signal(str)
    ended = Signal()

    def __init__(self, make: Callable[[], Iterator[object]], niceness: int) -> None:
        super().__init__()
        self._make, self._niceness = make, niceness
        self._cancelled = threading.Event()
        self._running = threading.Event()
        self._running.set()

    def cancel(self) -> None:
        """Called directly from any thread: a queued slot would wait until run() returns."""
        self._cancelled.set()
        self._running.set()

    def hold(self) -> None:
        """Stops asking for more until `release`."""
        self._running.clear()

    def release(self) -> None:
        """Goes on asking for more."""
        self._running.set()

    @Slot()
    def run(self) -> None:
        """Drains the generator; what is cancelled is closed, so that it can leave things tidy."""
        yield_to_the_window(self._niceness)
        work: Any = None
        try:
            work = iter(self._make())
            for item in work:
                self.made.emit(item)
                self._running.wait()
                if self._cancelled.is_set():
                    break
        except DinrError as error:
            self.failed.emit(str(error))
        except MemoryError:
            self.failed.emit("Memory ran out; close other programs, or choose a smaller part of the data.")
        except Exception as error:
            log.exception("a work crashed")
            self.failed.emit(UNEXPECTED.format(error=type(error).__name__))
        finally:
            self._close(work)
            self.ended.emit()

    def _close(self, work: Any) -> None:
        try:
            if hasattr(work, "close"):
                work.close()
        except DinrError as error:
            self.failed.emit(str(error))
        except Exception as error:
            log.exception("a work could not be closed")
            self.failed.emit(UNEXPECTED.format(error=type(error).__name__))


class Work(QObject):
    """The window's handle on one long work. `made` carries frozen items; `ended` comes last, always."""

    made = Signal(object)
    failed = Signal(str)
    ended = Signal()

    def __init__(self, make: Callable[[], Iterator[object]], parent: QObject, *, niceness: int = 5) -> None:
        super().__init__(parent)
        self._thread = QThread(self)
        self._worker = Worker(make, niceness)
        self._worker.moveToThread(self._thread)
        self._worker.made.connect(self._on_made)
        self._worker.failed.connect(self._on_failed)
        self._worker.ended.connect(self._thread.quit, Qt.ConnectionType.DirectConnection)  # `wait` blocks a queued one
        self._thread.started.connect(self._worker.run)
        self._thread.finished.connect(self._on_finished)
        self.cancelled = False
        self.running = False
        self.held = False

    def start(self) -> None:
        """Begins."""
        self.running = True
        self._thread.start()

    def cancel(self) -> None:
        """Asks the work to stop after what it is doing; `ended` follows, nothing else is told any more."""
        self.cancelled = True
        self.held = False
        self._worker.cancel()

    def hold(self) -> None:
        """Pauses."""
        self.held = True
        self._worker.hold()

    def release(self) -> None:
        """Resumes."""
        self.held = False
        self._worker.release()

    def wait(self, seconds: float = 60.0) -> bool:
        """Waits for the end, for closing the program only; False where it did not come in time."""
        return self._thread.wait(int(1000 * seconds))

    @Slot(object)
    def _on_made(self, item: object) -> None:
        if not self.cancelled:
            self.made.emit(item)

    @Slot(str)
    def _on_failed(self, sentence: str) -> None:
        self.failed.emit(sentence)

    @Slot()
    def _on_finished(self) -> None:
        self.running = False
        self.ended.emit()
        self.deleteLater()
