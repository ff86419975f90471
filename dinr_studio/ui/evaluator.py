"""A thread that answers questions about fields: newest asker first, and what is no longer asked is dropped.

A question is a function of no arguments that runs in the thread and returns frozen values; a series holds many small
alike ones, which are answered several at a time. Each asker replaces all of its open questions with every new list, so
a view that moved on is never answered for where it was.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal, Slot

from dinr_studio.errors import DinrError
from dinr_studio.training.run import Run
from dinr_studio.ui.background import UNEXPECTED, yield_to_the_window

log = logging.getLogger(__name__)

KEPT_FIELDS = 3
FIRST_RATE = 50_000.0  # coordinates a second before any were measured
RATE_GAIN, MOST_GAIN = 1e-4, 0.5  # weight of the newest measurement, for each coordinate of it and at most
SECONDS_AT_ONCE = 0.1  # of one answer to a series: what another asker, or the same one elsewhere, may have to wait


@dataclass(frozen=True)
class FieldState:
    """A field to look at: frozen weights in a run, with a number that is new for every change of them.

    latent_time: where its dynamics stop, or None for their end.
    """

    version: int
    run: Run
    latent_time: float | None = None


@dataclass(frozen=True)
class Question:
    """What to compute. key: tells the asker which answer this is. coordinates: how many of a field it evaluates."""

    key: Any
    compute: Callable[[], Any]
    coordinates: int = 0


@dataclass(frozen=True)
class Series:
    """Small alike questions in the order in which to answer them: the first alone, so that it comes soon, then more.

    keys: tell the asker which they are; the key of an answer is a tuple of some of them. compute: takes these and
    returns what the answer holds. coordinates: how many of a field each evaluates. at_once: how many the next answer
    may hold; it doubles from one to the next, as far as SECONDS_AT_ONCE allow.
    """

    keys: tuple[Any, ...]
    compute: Callable[[tuple[Any, ...]], Any]
    coordinates: int
    at_once: int = 1

    def taken(self, rate: float) -> tuple[Question, Series | None]:
        """The first few as one question, at a rate of coordinates a second, and the rest."""
        affordable = max(1, int(rate * SECONDS_AT_ONCE / self.coordinates))
        count = min(self.at_once, affordable)
        keys, rest = self.keys[:count], self.keys[count:]
        question = Question(keys, partial(self.compute, keys), self.coordinates * len(keys))
        return question, replace(self, keys=rest, at_once=2 * count) if rest else None


@dataclass(frozen=True)
class Answer:
    """What was computed, or the sentence that says why not."""

    asker: str
    key: Any
    value: Any = None
    fault: str = ""


_fields: OrderedDict[tuple[int, int, float | None], Any] = OrderedDict()
_fields_lock = threading.Lock()


def field_for(state: FieldState) -> Any:
    """The FieldOnGrid of a state, built once per thread and change; called in an evaluator's thread only."""
    key = (threading.get_ident(), state.version, state.latent_time)
    with _fields_lock:
        if key in _fields:
            _fields.move_to_end(key)
            return _fields[key]
    from dinr_studio.sampling.latent import at_latent_time
    from dinr_studio.training.device import resolve_device
    from dinr_studio.training.fit import field_of

    field = field_of(state.run, resolve_device(state.run.config.training.device))
    if state.latent_time is not None:
        field = at_latent_time(field, state.latent_time)
    with _fields_lock:
        _fields[key] = field
        while len(_fields) > KEPT_FIELDS:
            _fields.popitem(last=False)
    return field


def _forget_fields_of_this_thread() -> None:
    """Another thread may come by the same number, and its fields by the same versions."""
    own = threading.get_ident()
    with _fields_lock:
        for key in [key for key in _fields if key[0] == own]:
            del _fields[key]


class _Thread(QThread):
    """Takes the next question and answers it, until told to stop."""

    answered = Signal(object)

    def __init__(self, niceness: int, parent: QObject) -> None:
        super().__init__(parent)
        self._niceness = niceness
        self._changed = threading.Condition()
        self._open: OrderedDict[str, list[Question | Series]] = OrderedDict()
        self._begun: deque[tuple[str, Any]] = deque()
        self._stopping = False
        self._working = False
        self.busy_seconds = 0.0
        self.rate = FIRST_RATE

    def ask(self, asker: str, questions: Sequence[Question | Series]) -> None:
        with self._changed:
            self._open.pop(asker, None)
            if questions:
                self._open[asker] = list(questions)
                self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._open.clear()
            self._changed.notify()

    def under_way(self, asker: str) -> list[Any]:
        with self._changed:
            return [key for name, key in self._begun if name == asker]

    def forget_first_begun(self) -> None:
        with self._changed:
            self._begun.popleft()

    @property
    def idle(self) -> bool:
        with self._changed:
            return not self._open and not self._working

    def run(self) -> None:
        yield_to_the_window(self._niceness)
        prepared = False
        while (found := self._next()) is not None:
            if not prepared:
                import torch

                torch.set_num_threads(1)  # of this thread: two teams of threads on the same processors stall each other
                prepared = True
            asker, question = found
            start = time.perf_counter()
            self.answered.emit(self._answer(asker, question))
            with self._changed:
                self._working = False
                seconds = time.perf_counter() - start
                self.busy_seconds += seconds
                gain = min(MOST_GAIN, RATE_GAIN * question.coordinates)
                self.rate += gain * (question.coordinates / max(seconds, 1e-6) - self.rate)
        _forget_fields_of_this_thread()

    def _next(self) -> tuple[str, Question] | None:
        """The first open question of the newest asker; waits for one; None when it is time to stop."""
        with self._changed:
            while not self._open and not self._stopping:
                self._changed.wait()
            if self._stopping:
                return None
            asker = next(reversed(self._open))
            question = self._open[asker].pop(0)
            if isinstance(question, Series):
                question, rest = question.taken(self.rate)
                self._open[asker][:0] = [rest] if rest else []
            if not self._open[asker]:
                del self._open[asker]
            self._working = True
            self._begun.append((asker, question.key))
            return asker, question

    def _answer(self, asker: str, question: Question) -> Answer:
        try:
            return Answer(asker, question.key, question.compute())
        except DinrError as error:
            return Answer(asker, question.key, fault=str(error))
        except Exception as error:
            log.exception("a question could not be answered")
            return Answer(asker, question.key, fault=UNEXPECTED.format(error=type(error).__name__))


class Evaluator(QObject):
    """The window's side of such a thread; `answered` comes in the GUI thread."""

    answered = Signal(object)

    def __init__(self, parent: QObject, *, niceness: int = 3) -> None:
        super().__init__(parent)
        self._thread = _Thread(niceness, self)
        self._thread.answered.connect(self._on_answered)
        self._started = False

    def ask(self, asker: str, questions: Sequence[Question | Series]) -> None:
        """Replaces the open questions of an asker; an empty list withdraws them."""
        if not self._started and questions:
            self._started = True
            self._thread.start()
        self._thread.ask(asker, questions)

    def under_way(self, asker: str) -> list[Any]:
        """Keys of an asker's questions that were begun, the answers to which have not come yet: not to be asked again.

        More are begun at any time while some are open.
        """
        return self._thread.under_way(asker)

    @property
    def idle(self) -> bool:
        """Whether nothing is open."""
        return self._thread.idle

    @property
    def rate(self) -> float:
        """Coordinates of fields that are evaluated in a second, as it was lately."""
        return self._thread.rate

    @property
    def busy_seconds(self) -> float:
        """Time spent on answers so far."""
        return self._thread.busy_seconds

    def stop(self) -> None:
        """Ends the thread after the question that it is at; for closing the program."""
        self._thread.stop()

    def wait(self, seconds: float) -> bool:
        """Waits for the end of a thread that was told to stop; False where it did not come in time."""
        return not self._started or self._thread.wait(int(1000 * seconds))

    @Slot(object)
    def _on_answered(self, answer: object) -> None:
        self._thread.forget_first_begun()  # answers come in the order in which they were begun
        self.answered.emit(answer)
