"""Work that goes on in a thread beside the one that needs its results, at a bounded distance.

Reading from Aurora, writing Parquet and uploading wait for different things: for the network, and for code that lets
other threads run. So each has a thread of its own, and memory is bounded by how far one may be ahead of the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_END: Any = object()


def ahead(items: Iterator[T], *, room: int) -> Iterator[T]:
    """Yield an iterator's items, which a thread takes from it before they are asked for.

    An error of the iterator is raised where its item would have come. Whoever stops early waits for the item that is
    being made.

    Args:
        items: Used by no one else meanwhile.
        room: How many items may wait.
    """
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming: deque[Future[T]] = deque(thread.submit(next, items, _END) for _ in range(room))
        try:
            while (item := coming.popleft().result()) is not _END:
                coming.append(thread.submit(next, items, _END))
                yield item
        finally:
            for waiting in coming:
                waiting.cancel()


class Behind(Generic[T]):
    """Calls that are made in a thread, in the order in which they are given, while the caller goes on.

    Args:
        room: How many calls may wait before `call` waits too.
    """

    def __init__(self, *, room: int) -> None:
        self._thread = ThreadPoolExecutor(1, "behind")
        self._pending: deque[Future[T]] = deque()
        self._room = room
        self.results: list[T] = []

    def call(self, function: Callable[..., T], *arguments: Any) -> None:
        """Have a call made; raises what an earlier one raised."""
        while len(self._pending) >= self._room:
            self.results.append(self._pending.popleft().result())
        self._pending.append(self._thread.submit(function, *arguments))

    def finish(self) -> list[T]:
        """Wait for all calls and return their results; raises what one of them raised."""
        try:
            self.results += [pending.result() for pending in self._pending]
        finally:
            self.stop()
        return self.results

    def stop(self) -> None:
        """Drop the calls that were not begun, and wait for the one that was."""
        self._thread.shutdown(cancel_futures=True)
