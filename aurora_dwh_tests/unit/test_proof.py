"""What is said of a proof, which rows of a table it is of, and which of them are late."""

from __future__ import annotations

from datetime import date, datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.proof.engine import comparisons
from aurora_dwh.proof.subject import Subject, subject
from aurora_dwh.proof.verdict import (
    DUPLICATE,
    EXTRA,
    GONE,
    LATE,
    MISSING,
    SHOWN_ROWS,
    STALE,
    Found,
    Verdict,
    count,
    first_of_each,
)
from aurora_dwh.warehouse.load.statements import Target

COLUMNS = (Column("Id", "int", "int"), Column("Updated", "timestamp", "timestamp"))
DATED = TableSchema("shop", "orders", COLUMNS, ("Id",))
NOW = datetime(2024, 1, 7, 5, tzinfo=timezone.utc)


def found(kind: str, number: int = 1, copies: tuple[int, int] = (1, 1), **fields: Any) -> Found:
    return Found(kind, (str(number),), f"id='{number}'", copies=copies, **fields)


def test_each_kind_is_said_by_its_row_and_both_values() -> None:
    assert str(found(MISSING, copies=(1, 0))) == "only in Aurora: id='1'"
    assert str(found(EXTRA, copies=(0, 1))) == "only in Redshift: id='1'"
    assert str(found(DUPLICATE, copies=(1, 2))) == "id='1': 1 times in Aurora, 2 times in Redshift"
    stale = found(STALE, values=(("note", "a", None), ("n", "1", "2")))
    assert str(stale) == "id='1': note is 'a' in Aurora, NULL in Redshift; n is '1' in Aurora, '2' in Redshift"
    long = found(STALE, values=(("note", "x" * 1_000, "y"),))
    assert len(str(long)) < 200


def test_rows_are_counted_by_kind_and_only_some_of_each_are_shown() -> None:
    rows = [found(MISSING, n, (2, 0)) for n in range(50)] + [found(EXTRA, copies=(0, 3)), found(LATE)]
    assert count(rows) == {MISSING: 100, EXTRA: 3, LATE: 1}
    shown = first_of_each(rows)
    assert [one.kind for one in shown] == [MISSING] * SHOWN_ROWS + [EXTRA]


def test_rows_that_are_late_or_kept_are_no_difference_and_not_proven() -> None:
    verdict = Verdict("t", source_rows=10, staged_rows=11, kinds={LATE: 2, GONE: 1})
    assert verdict.equal
    assert (verdict.proven, verdict.share) == (8, 0.8)
    assert verdict.differences == ()
    other = Verdict("t", source_rows=10, staged_rows=9, kinds={LATE: 2, MISSING: 1}, columns={"a": 1})
    assert not other.equal
    assert (other.wrong, other.proven) == (1, 7)
    assert other.differences == ("10 rows in Aurora, 9 in Redshift", "columns that differ: a")
    assert not Verdict("t", error="gone").equal


ORDERS = Table(name="orders", key=("id",), cursor="updated", filter="a = 1 OR b")


def about(table: Table, day: date | None = None, columns: tuple[str, ...] = ("id", "updated")) -> Subject:
    """Return what is compared of a table of which two days were loaded."""
    catalog = Catalog(timezone="Asia/Tokyo", start_date=date(2024, 1, 1), tables={"orders": table})
    live = [("staging", "orders", name, "integer", None, 32, 0) for name in (*columns, "_dwh_day")]
    live = [(*row[:3], "timestamp", None, None, None) if row[2] == "updated" else row for row in live]
    history = [("dwh", "load_history", "day", "date", None, None, None)]
    readings = [(date(2024, 1, n), datetime(2024, 1, n + 1, 1), f"attempt {n}") for n in (5, 6)]  # noqa: DTZ001

    def execute(sql: str) -> Any:
        return SimpleNamespace(rows=[*live, *history] if "svv_all_columns" in sql else readings)

    target = Target("staging", "orders", key=table.key, cursor=table.cursor, flags_deletes=table.deletes == "flag")
    session: Any = SimpleNamespace(execute=execute)
    return subject(session, DATED, catalog, table, target, day, NOW)


def test_a_day_is_the_same_span_of_the_cursor_on_both_sides() -> None:
    what = about(ORDERS, date(2024, 1, 4))
    assert what.walked[0] == "a = 1 OR b"
    for condition, quote in ((what.walked[1], "`"), (what.gathered, '"')):
        assert f"{quote}updated{quote}" in condition.lower()
        assert "2024-01-03 15:00:00" in condition  # midnight in Tokyo, in UTC
        assert "2024-01-04 15:00:00" in condition


def test_without_a_day_all_rows_count() -> None:
    assert (about(ORDERS).walked, about(ORDERS).gathered) == (("a = 1 OR b",), "TRUE")


@pytest.mark.parametrize(
    ("mode", "start"),
    [("incremental", datetime(2024, 1, 7, 1)), ("append", datetime(2024, 1, 6, 15))],  # noqa: DTZ001
)
def test_late_is_what_was_written_since_the_last_reading_reached_and_not_in_the_future(
    mode: Any, start: datetime
) -> None:
    what = about(ORDERS.model_copy(update={"mode": mode}))
    assert what.late == (start, datetime(2024, 1, 7, 5, 0, 1))  # noqa: DTZ001


def test_a_table_that_is_copied_whole_has_its_last_reading_and_no_cursor() -> None:
    what = about(Table(name="orders", mode="full", key=("id",)))
    assert (what.late, what.cursor) == (None, None)
    assert what.reading
    assert what.reading.attempt == "attempt 6"


def test_rows_are_told_apart_by_the_catalogs_key_else_by_the_sources_own() -> None:
    assert [column.name for column in about(ORDERS).key] == ["Id"]
    assert [column.name for column in about(Table(name="orders", mode="full")).key] == ["Id"]


def test_a_column_that_redshift_lacks_is_told_with_what_helps() -> None:
    with pytest.raises(DataError, match=r"staging\.orders has no column Updated.*load a day of the table first"):
        about(ORDERS, columns=("id",))


def test_each_table_is_compared_with_each_day_and_one_without_a_cursor_once() -> None:
    whole = Table(name="country", mode="full")
    first, second = date(2024, 1, 5), date(2024, 1, 6)
    assert comparisons([ORDERS, whole], [first, second]) == [(ORDERS, first), (ORDERS, second), (whole, None)]
    assert comparisons([ORDERS, whole]) == [(ORDERS, None), (whole, None)]
