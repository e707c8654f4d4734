"""The ceiling's arithmetic, by a clock that goes on only while one sleeps or reads."""

from __future__ import annotations

from typing import Any

import pytest

from aurora_dwh.source.throttle import Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("aurora_dwh.source.throttle.time", made)
    return made


def throttle(ceiling: int | None) -> Throttle:
    unused: Any = None
    return Throttle(unused, ceiling=ceiling, limits=None, warn=lambda _: None)


@pytest.mark.parametrize("reading", [0.0, 0.5, 1.5])
def test_rows_never_come_faster_than_the_ceiling_and_reading_counts_as_waiting(clock: Clock, reading: float) -> None:
    brake = throttle(10)
    waited = brake.begin()
    for _ in range(4):
        list(brake.rest(is_between_selects=True))
        clock.now += reading
        brake.took(10)
    assert clock.now == pytest.approx(100 + 3 * max(reading, 1.0) + reading)
    assert waited.get("max_rows_per_second", 0.0) == pytest.approx(3 * max(1.0 - reading, 0.0))


def test_a_time_without_reading_is_no_credit_for_a_burst(clock: Clock) -> None:
    brake = throttle(10)
    brake.took(10)
    clock.now += 3600
    list(brake.rest(is_between_selects=True))
    assert clock.now == 3700
    brake.took(20)
    list(brake.rest(is_between_selects=True))
    assert clock.now == 3702


def test_a_long_wait_gives_its_caller_a_turn_every_second(clock: Clock) -> None:
    brake = throttle(1)
    brake.took(30)
    assert len(list(brake.rest(is_between_selects=False))) == 30


def test_the_ceiling_holds_over_days_and_each_day_tells_its_own_waits(clock: Clock) -> None:
    brake = throttle(10)
    days = [brake.begin()]
    brake.took(10)
    days.append(brake.begin())
    list(brake.rest(is_between_selects=True))
    assert days == [{}, {"max_rows_per_second": pytest.approx(1.0)}]


def test_without_a_ceiling_nothing_waits(clock: Clock) -> None:
    brake = throttle(None)
    brake.took(10**9)
    assert list(brake.rest(is_between_selects=True)) == []
    assert clock.now == 100
