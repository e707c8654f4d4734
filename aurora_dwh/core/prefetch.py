"""Work that goes on in a thread beside the one that needs its results, at a bounded distance.

Reading from Aurora, writing Parquet and uploading wait for different things: for the network, and for code that lets
other threads run. So each has a thread of its own, and memory is bounded by how far one may be ahead of the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Any, Generic, TypeVar

from aurora_dwh.core.waiting import TIDY_SECONDS, start

T = TypeVar("T")
_END: Any = object()


def prefetch(*several: Iterator[T], room: int, abandon: Callable[[], object] = lambda: None) -> Iterator[T]:
    """Yield the items of iterators, each of which has a thread that takes them before they are asked for.

    Those of one iterator come in their order, those of several as they are made. An error is raised where its item
    would have come, and ends all of them. Whoever stops early waits for the items that are being made, for
    `TIDY_SECONDS` at most. A generator is closed by its thread, so that what it held open is let go with that.

    Args:
        several: Used by no one else meanwhile.
        room: How many items of each may wait.
        abandon: Called where there may be more items that nobody takes, so that those that are being made fail soon.
    """
    free, over, made = Semaphore(room * len(several)), Event(), SimpleQueue[Future[T]]()
    ended: list[Iterator[T]] = []

    def make(items: Iterator[T]) -> None:
        while items not in ended and free.acquire() and not over.is_set():
            item: Future[T] = Future()
            _settle(item, partial(next, items, _END))
            if item.exception() or item.result() is _END:
                ended.append(items)  # before somebody has it, who would take the iterator's end for his own stop
            made.put(item)
        if isinstance(items, Generator):
            items.close()

    threads = [start(partial(make, items), "ahead") for items in several]
    left = len(threads)
    try:
        while left:
            if (item := made.get().result()) is _END:
                left -= 1
            else:
                free.release()
                yield item
    finally:
        over.set()
        if len(ended) < len(several):
            abandon()
        free.release(len(threads))
        for thread in threads:
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
