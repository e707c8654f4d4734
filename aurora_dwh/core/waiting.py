"""Waiting: whoever waits says for what, work asks whether it is still wanted, and tidying up takes little time.

What a step is told of itself (where to say something, and whom to ask) is a matter of its context, so that nothing
between the step and a statement has to pass it on. Threads of the product's take that context with them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
_END: Any = object()
_log = logging.getLogger(__name__)

NOTICE_SECONDS = 30.0
"""After so long a wait, and so often from then on, it is said what is waited for."""

_LOOK_SECONDS = 0.1
"""How often it is looked which waits take long."""

TIDY_SECONDS = 1.5
"""How long is tidied up after an interrupt: whoever stops a run waits for it."""


@dataclass(frozen=True)
class Behalf:
    """On whose behalf work is done; by default on that of whoever started the process."""

    tell: Callable[[str], object] = _log.warning  # takes what is said of waits
    require: Callable[[], object] = lambda: None  # raises where the work is not wanted any more


_behalf: ContextVar[Behalf] = ContextVar("behalf", default=Behalf())  # noqa: B039 - it cannot be changed


@contextmanager
def on_behalf_of(somebody: Behalf) -> Iterator[None]:
    """Work for somebody."""
    token = _behalf.set(somebody)
    try:
        yield
    finally:
        _behalf.reset(token)


def require_wanted() -> None:
    """Raise where the work is not wanted any more; it is called before anything of the work becomes visible."""
    _behalf.get().require()


def say(text: str) -> None:
    """Tell whoever the work is for something about its progress."""
    _behalf.get().tell(text)


@dataclass(eq=False)
class _Wait:
    what: str
    ask: Callable[[], str]
    tell: Callable[[str], object]
    began: float
    due: float

    def notify(self) -> None:
        """Say what is waited for, unless the wait is over meanwhile."""
        reason = _answered(self.ask)
        if self in _waits:
            self.tell(f"waiting for {self.what} since {time.monotonic() - self.began:.0f} s{reason and f'; {reason}'}")


class _Watch(threading.Thread):
    """The one thread that sees which waits take long: most are over before a thread of their own would have begun."""

    def __init__(self) -> None:
        super().__init__(name="waiting", daemon=True)

    def run(self) -> None:
        """Look at the waits for as long as the process lives."""
        while True:
            time.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            for wait in [wait for wait in _waits.copy() if now >= wait.due]:
                wait.due = now + NOTICE_SECONDS
                threading.Thread(target=wait.notify, name="notice", daemon=True).start()


_waits: set[_Wait] = set()
_starting = threading.Lock()
_watch = _Watch()


@contextmanager
def waiting(what: str, ask: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Say what is waited for, once it takes long.

    Args:
        what: What is waited for, in words that follow "waiting for".
        ask: Called each time, in another thread, for what is known of the reason; it may take long, and fail.
    """
    now = time.monotonic()
    wait = _Wait(what, ask, _behalf.get().tell, now, now + NOTICE_SECONDS)
    _waits.add(wait)
    if not _watch.is_alive():
        _begin_watch()
    try:
        yield
    finally:
        _waits.discard(wait)


def _begin_watch() -> None:
    """Start the thread; one that a process had before it was forked is not in the child."""
    global _watch
    with _starting:
        if not _watch.is_alive():
            _watch = _Watch()
            _watch.start()


def told(items: Iterator[T], what: str) -> Iterator[T]:
    """Yield an iterator's items, and say what is waited for where one takes long to come."""
    while True:
        with waiting(what):
            item = next(items, _END)
        if item is _END:
            return
        yield item


def _answered(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except Exception as error:  # the wait is not about this question
        _log.debug("asking what is waited for", exc_info=True)
        return f"the reason is not known ({error})"


def start(work: Callable[[], Any], name: str) -> threading.Thread:
    """Start work in a thread that knows on whose behalf it is, and that does not keep the process from ending."""
    thread = threading.Thread(target=copy_context().run, args=(work,), name=name, daemon=True)
    thread.start()
    return thread


def tidy(work: Callable[[], Any], after: BaseException | None) -> None:
    """Tidy up after an error; after an interrupt for `TIDY_SECONDS` at most, and whether or not it succeeds."""
    if not is_interrupt(after):
        work()
        return

    def attempt() -> None:
        try:
            work()
        except Exception:  # what is left is swept by whoever comes next
            _log.debug("tidying up after an interrupt", exc_info=True)

    start(attempt, "tidying").join(TIDY_SECONDS)


def is_interrupt(error: BaseException | None) -> bool:
    """Return whether work was stopped, by Ctrl-C, a signal or Dagster, and did not fail."""
    return error is not None and not isinstance(error, Exception | GeneratorExit)
