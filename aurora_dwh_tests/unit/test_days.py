"""How days are told."""

from __future__ import annotations

from datetime import date, timedelta

from aurora_dwh.core.days import counted, listed

FIRST = date(2024, 2, 27)


def days(*numbers: int) -> list[date]:
    return [FIRST + timedelta(days=number) for number in numbers]


def test_days_that_follow_one_another_are_a_range() -> None:
    assert listed(days(4, 0, 1, 2, 2)) == "2024-02-27...2024-02-29, 2024-03-02"
    assert listed(days(0)) == "2024-02-27"
    assert listed([]) == ""


def test_of_many_ranges_the_first_are_told() -> None:
    assert listed(days(*range(0, 14, 2))).endswith("2024-03-06 and 2 more")


def test_days_are_counted() -> None:
    assert counted(days(0)) == "1 day (2024-02-27)"
    assert counted(days(0, 1, 0)) == "2 days (2024-02-27...2024-02-28)"
