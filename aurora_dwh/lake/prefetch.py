"""Work that goes on in a thread beside the one that needs its results, at a bounded distance.

Reading from Aurora, writing Parquet and uploading wait for different things: for the network, and for code that lets
other threads run. So each has a thread of its own, and memory is bounded by how far one may be ahead of the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Any, Generic, TypeVar

from aurora_dwh.core.waiting import TIDY_SECONDS, start

T = TypeVar("T")
_END: Any = object()


def prefetch(items: Iterator[T], *, room: int, abandon: Callable[[], object] = lambda: None) -> Iterator[T]:
    """Yield an iterator's items, which a thread takes from it before they are asked for.

    An error of the iterator is raised where its item would have come. Whoever stops early waits for the item that is
    being made, for `TIDY_SECONDS` at most.

    Args:
        items: Used by no one else meanwhile.
        room: How many items may wait.
        abandon: Called where somebody stops early, so that the item that is being made fails soon.
    """
    free, over, made = Semaphore(room), Event(), SimpleQueue[Future[T]]()

    def make() -> None:
        while free.acquire() and not over.is_set():
            item: Future[T] = Future()
            _settle(item, partial(next, items, _END))
            if item.exception() or item.result() is _END:
                over.set()  # before somebody has it, who would take the iterator's end for his own stop
            made.put(item)

    thread = start(make, "ahead")
    try:
        while (item := made.get().result()) is not _END:
            free.release()
            yield item
    finally:
        if not over.is_set():
            over.set()
            abandon()
            free.release()
        thread.join(TIDY_SECONDS)


class BackgroundCalls(Generic[T]):
    """Calls made in a thread, in the order in which they are given; of which `room` may wait before `call` does."""

    def __init__(self, *, room: int) -> None:
        self._thread: Thread | None = None
        self._given: SimpleQueue[tuple[Future[T], Callable[[], T]] | None] = SimpleQueue()
        self._pending: deque[Future[T]] = deque()
        self._room = room
        self.results: list[T] = []

    def call(self, function: Callable[..., T], *arguments: Any) -> None:
        """Have a call made; raises what an earlier one raised."""
        while len(self._pending) >= self._room:
            self.results.append(self._pending.popleft().result())
        self._thread = self._thread or start(self._make, "behind")
        self._pending.append(Future())
        self._given.put((self._pending[-1], partial(function, *arguments)))

    def finish(self) -> list[T]:
        """Wait for all calls and return their results; raises what one of them raised."""
        try:
            self.results += [pending.result() for pending in self._pending]
        finally:
            self.drop()
        return self.results

    def drop(self) -> None:
        """Drop the calls that were not begun."""
        for pending in self._pending:
            pending.cancel()
        self._given.put(None)

    def stop(self) -> None:
        """Drop the calls that were not begun, and wait for the one that was."""
        self.drop()
        if self._thread is not None:
            self._thread.join()

    def _make(self) -> None:
        while given := self._given.get():
            call, function = given
            if call.set_running_or_notify_cancel():
                _settle(call, function)


def _settle(future: Future[T], make: Callable[[], T]) -> None:
    try:
        future.set_result(make())
    except BaseException as error:  # raised again by whoever takes the result
        future.set_exception(error)
