"""Work in a thread beside: the same items, in the same order, the same errors, and never too many at once."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterator

import pytest

from aurora_dwh.core.prefetch import BackgroundCalls, prefetch


def test_items_come_in_order_and_from_another_thread() -> None:
    makers = set()

    def items() -> Iterator[int]:
        for number in range(50):
            makers.add(threading.get_ident())
            yield number

    assert list(prefetch(items(), room=3)) == list(range(50))
    assert len(makers) == 1
    assert threading.get_ident() not in makers


def test_no_more_items_are_made_than_there_is_room_for() -> None:
    made: list[int] = []
    coming = prefetch((made.append(n) or n for n in range(50)), room=3)  # type: ignore[func-returns-value]
    for taken in range(1, 20):
        next(coming)
        assert len(made) <= taken + 3
    coming.close()  # type: ignore[attr-defined]
    assert len(made) <= 23


def test_an_error_comes_where_its_item_would_have_come() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ConnectionError("lost")

    coming = prefetch(items(), room=4)
    assert [next(coming), next(coming)] == [1, 2]
    with pytest.raises(ConnectionError, match="lost"):
        next(coming)
    with pytest.raises(StopIteration):
        next(coming)


def test_whoever_stops_early_finds_the_iterator_at_rest() -> None:
    before = set(threading.enumerate())

    def items() -> Iterator[int]:
        while True:
            yield 1

    source = items()
    for _ in prefetch(source, room=2):
        break
    source.close()  # type: ignore[attr-defined]
    assert not set(threading.enumerate()) - before


def test_the_items_of_several_come_each_in_their_order() -> None:
    met, makers = threading.Barrier(3), set[int]()

    def items(first: int) -> Iterator[int]:
        met.wait(10)  # so that each has a thread of its own
        makers.add(threading.get_ident())
        yield from range(first, first + 50)

    come = list(prefetch(*(items(100 * n) for n in range(3)), room=2))
    assert [[n for n in come if n // 100 == k] for k in range(3)] == [
        list(range(100 * k, 100 * k + 50)) for k in range(3)
    ]
    assert len(makers) == 3


def test_an_error_of_one_ends_all_and_what_each_held_open_is_let_go() -> None:
    before, begun, abandoned = set(threading.enumerate()), threading.Event(), threading.Event()
    closed: list[str] = []

    def failing() -> Iterator[int]:
        yield 1
        assert begun.wait(10)
        raise ConnectionError("lost")

    def waiting() -> Iterator[int]:
        try:
            begun.set()
            assert abandoned.wait(10)
            yield 2
            yield 3
        finally:
            closed.append("waiting")

    with pytest.raises(ConnectionError, match="lost"):
        list(prefetch(failing(), waiting(), room=1, abandon=abandoned.set))
    assert abandoned.is_set()
    assert closed == ["waiting"]
    assert not set(threading.enumerate()) - before


def test_calls_are_made_in_their_order_and_give_their_results() -> None:
    done: list[int] = []
    behind: BackgroundCalls[int] = BackgroundCalls(room=2)
    for number in range(20):
        behind.call(lambda n: done.append(n) or n * 2, number)  # type: ignore[func-returns-value]
    assert behind.finish() == [n * 2 for n in range(20)]
    assert done == list(range(20))


def test_a_call_that_failed_says_so_to_a_later_one_or_at_the_end() -> None:
    def fail() -> None:
        raise ConnectionError("lost")

    behind: BackgroundCalls[None] = BackgroundCalls(room=1)
    behind.call(fail)
    with pytest.raises(ConnectionError, match="lost"):
        behind.call(fail)
    behind.stop()
    behind = BackgroundCalls(room=1)
    behind.call(fail)
    with pytest.raises(ConnectionError, match="lost"):
        behind.finish()


def test_only_who_stops_early_abandons_what_is_being_made() -> None:
    def items(error: Exception | None) -> Iterator[int]:
        yield 1
        if error is not None:
            raise error

    abandoned: list[str] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(500):
            list(prefetch(items(None), room=2, abandon=lambda: abandoned.append("whole")))
            with pytest.raises(ConnectionError):
                list(prefetch(items(ConnectionError()), room=2, abandon=lambda: abandoned.append("failed")))
    finally:
        sys.setswitchinterval(interval)
    assert abandoned == []
    coming = prefetch(itertools.count(), room=2, abandon=lambda: abandoned.append("stopped"))
    next(coming)
    coming.close()  # type: ignore[attr-defined]
    assert abandoned == ["stopped"]
