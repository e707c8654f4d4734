"""What is concluded from the fingerprints of both sides, and which differences are named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from aurora_dwh import proof
from aurora_dwh.catalog import Catalog, Table
from aurora_dwh.proof import Side, Verdict, compare, comparisons
from aurora_dwh.schema import Column, TableSchema
from aurora_dwh.warehouse.drift import LiveColumn

Answers = dict[str, list[tuple[Any, ...]]]
PLAIN = (Column("Id", "int", "int"), Column("note", "varchar", "varchar(9)", length=9))
DOCUMENT = Column("doc", "json", "json")


class Both:
    """Aurora and Redshift, each with its answers to the queries of a comparison, and what they were asked."""

    def __init__(self, aurora: Answers, redshift: Answers) -> None:
        self._answers = {"Aurora": aurora, "Redshift": redshift}
        self.asked: list[str] = []

    def ask(self, side: str, sql: str) -> list[tuple[Any, ...]]:
        self.asked.append(f"{side}: {sql}")
        return next(rows for name, rows in self._answers[side].items() if name in sql)

    @property
    def connection(self) -> Any:
        both = self

        class Cursor:
            def __init__(self, _kind: Any) -> None:
                self.rows: list[tuple[Any, ...]] = []

            def __enter__(self) -> Cursor:
                return self

            def __exit__(self, *_: object) -> None: ...

            def execute(self, sql: str) -> None:
                self.rows = both.ask("Aurora", sql)

            def __iter__(self) -> Iterator[tuple[Any, ...]]:
                return iter(self.rows)

        return SimpleNamespace(cursor=Cursor)

    @property
    def warehouse(self) -> Any:
        @contextmanager
        def session() -> Iterator[Any]:
            yield SimpleNamespace(execute=lambda sql: SimpleNamespace(rows=self.ask("Redshift", sql)))

        return SimpleNamespace(session=session)


@pytest.fixture(autouse=True)
def _named_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each query be its name, its table and its condition: their SQL is not this module's subject."""
    for name in ("row_sums", "bucket_sums", "rows_of_buckets"):

        def query(_dialect: Any, _columns: Any, _key: Any, table: str, where: str, *rest: Any, name: str = name) -> str:
            return " ".join([name, table, where, *(",".join(part) for part in rest)])

        monkeypatch.setattr(proof.fingerprint, name, query)
    monkeypatch.setattr(
        proof.fingerprint,
        "column_sums",
        lambda _dialect, columns, table, where: [f"sum of {column.name} {table} {where}" for column in columns],
    )
    monkeypatch.setattr(proof, "live_columns", lambda *_: {"id": LiveColumn("id", "INTEGER")})


def verdict(aurora: Answers, redshift: Answers, *columns: Column, key: tuple[str, ...] = ("id",)) -> Verdict:
    both = Both(aurora, redshift)
    schema = TableSchema("shop", "Orders", columns or PLAIN, ("Id",))
    return compare(both.connection, schema, both.warehouse, ("staging", "orders"), key=key)


SUMS = (2, 2**64 + 5, 7)
"""Rows, digests of rows and of keys."""

COLUMNS: Answers = {"sum of Id": [(30,)], "sum of note": [(40,)]}


def test_equal_fingerprints_are_a_proof_and_nothing_more_is_asked() -> None:
    both = Both({"row_sums": [SUMS]}, {"row_sums": [SUMS]})
    schema = TableSchema("shop", "Orders", PLAIN, ("Id",))
    found = compare(both.connection, schema, both.warehouse, ("staging", "orders"), there="a = 1", here="b = 2")
    assert found == Verdict("Orders", Side(2, 5), Side(2, 5))
    assert found.equal
    assert both.asked == ["Aurora: row_sums `shop`.`Orders` a = 1", 'Redshift: row_sums "staging"."orders" b = 2']


def test_the_drivers_numbers_of_any_type_are_numbers() -> None:
    from decimal import Decimal

    assert verdict({"row_sums": [SUMS]}, {"row_sums": [tuple(Decimal(n) for n in SUMS)]}).equal


@pytest.mark.parametrize("position", range(len(SUMS)))
def test_a_difference_in_any_figure_is_a_difference(position: int) -> None:
    other = tuple(n + (i == position) for i, n in enumerate(SUMS))
    rest: Answers = {**COLUMNS, "bucket_sums": []}
    assert not verdict({**rest, "row_sums": [SUMS]}, {**rest, "row_sums": [other]}).equal


def differing(there: list[tuple[Any, ...]], here: list[tuple[Any, ...]], **fields: Any) -> tuple[str, ...]:
    """Return the differences of two sides whose one bucket holds these rows."""
    aurora: Answers = {
        **COLUMNS,
        "bucket_sums": [("0a", 1, 1), ("ff", 5, 5)],
        "rows_of_buckets": there,
        "row_sums": [SUMS],
    }
    redshift: Answers = {
        "sum of Id": [(30,)],
        "sum of note": [(41,)],
        "bucket_sums": [("0a", 1, 2), ("ff", 5, 5)],
        "rows_of_buckets": here,
        "row_sums": [(len(here), 1, 7)],
    }
    return verdict(aurora, redshift, **fields).differences


def test_a_value_that_differs_is_shown_with_key_and_both_values() -> None:
    assert differing([("1", "a"), ("2", "same")], [("1", None), ("2", "same")]) == (
        "columns that differ: note",
        "Id='1': note is 'a' in Aurora, NULL in Redshift",
    )


def test_a_row_that_one_side_lacks_is_named_by_its_key() -> None:
    assert differing([("1", "a"), ("2", "b")], [("2", "b"), ("3", "c"), ("4", "d")])[1:] == (
        "columns that differ: note",
        "only in Aurora: Id='1'",
        "only in Redshift: Id='3'",
        "only in Redshift: Id='4'",
    )


def test_a15_a_row_that_is_there_twice_is_counted() -> None:
    found = differing([("1", "a")], [("1", "a"), ("1", "a")])
    assert found[-1] == "Id='1': 1 times in Aurora, 2 times in Redshift"


def test_without_a_key_a_row_is_its_own_name() -> None:
    found = differing([("1", "a")], [("1", "b")], key=())
    assert found[-2:] == ("only in Aurora: Id='1', note='a'", "only in Redshift: Id='1', note='b'")


def test_a_count_that_differs_is_said_first() -> None:
    assert differing([], [("1", "a")])[0] == "2 rows in Aurora, 1 in Redshift"


def test_only_some_rows_are_shown_of_many_and_only_differing_buckets_are_read() -> None:
    many = [(f"{n:02d}", "x") for n in range(50)]
    buckets = [(f"{n:02x}", 1, 1) for n in range(20)]
    both = Both(
        {**COLUMNS, "bucket_sums": buckets, "rows_of_buckets": many, "row_sums": [SUMS]},
        {**COLUMNS, "bucket_sums": [("0a", 1, 1)], "rows_of_buckets": [], "row_sums": [(1, 1, 1)]},
    )
    schema = TableSchema("shop", "Orders", PLAIN, ("Id",))
    found = compare(both.connection, schema, both.warehouse, ("staging", "orders"), key=("id",))
    assert len([d for d in found.differences if d.startswith("only in Aurora")]) == proof.SHOWN_ROWS
    assert [a for a in both.asked if "rows_of_buckets" in a] == [
        "Aurora: rows_of_buckets `shop`.`Orders` TRUE 00,01,02,03",
        'Redshift: rows_of_buckets "staging"."orders" TRUE 00,01,02,03',
    ]


def test_a_long_value_is_shown_in_part() -> None:
    found = differing([("1", "x" * 1_000)], [("1", "y")])
    assert len(found[-1]) < 200


@pytest.mark.parametrize(
    ("there", "here", "equal"),
    [
        ('{"a": 1, "b": [1.50, "é"]}', '{"b":[1.50,"\\u00e9"],"a":1}', True),
        ("9007199254740993", "9007199254740992", False),
        ("null", None, False),
        ('"text"', '"\\"text\\""', False),
        ("[1, 2]", "[2, 1]", False),
        ("[1, 100, 0.0]", "[1.0, 1e2, -0]", True),
        ('{"a": 1}', '{"a":"1"}', False),
        ("123456789012345678901234567890123456", "123456789012345678901234567890123457", False),
    ],
)
def test_a29_documents_are_compared_by_content(there: str, here: str | None, equal: bool) -> None:
    columns = (*PLAIN, DOCUMENT)
    rest: Answers = {**COLUMNS, "bucket_sums": [], "row_sums": [SUMS]}
    sides: list[Answers] = [{**rest, "SELECT": [(text, "1")]} for text in (there, here)]
    found = verdict(*sides, *columns)
    assert found.equal is equal
    assert found.differences[:1] == (() if equal else ("JSON column that differs: doc",))
    assert len(found.differences) == (0 if equal else 2)


def test_a29_documents_that_changed_places_are_not_equal() -> None:
    sides: list[Answers] = [
        {**COLUMNS, "SELECT": [("1", first), ("2", second)], "bucket_sums": [], "row_sums": [SUMS]}
        for first, second in (("10", "11"), ("11", "10"))
    ]
    assert not verdict(*sides, *PLAIN, DOCUMENT).equal


ORDERS = Table(name="orders", key=("id",), cursor="updated", filter="a = 1 OR b")
SHOP = Catalog(timezone="Asia/Tokyo", start_date=date(2024, 1, 1), tables={"orders": ORDERS})
DATED = TableSchema("shop", "orders", (Column("Id", "int", "int"), Column("Updated", "timestamp", "timestamp")))


def test_a_day_is_the_same_span_of_the_cursor_on_both_sides() -> None:
    there, here = proof._conditions(SHOP, ORDERS, DATED, date(2024, 1, 5), None)
    assert there.startswith("(a = 1 OR b) AND (")
    for condition, quote in ((there, "`"), (here, '"')):
        assert f"{quote}updated{quote}" in condition.lower()
        assert "2024-01-04 15:00:00" in condition  # midnight in Tokyo, in UTC
        assert "2024-01-05 15:00:00" in condition


def test_without_a_day_all_rows_count() -> None:
    assert proof._conditions(SHOP, ORDERS, DATED, None, None) == ("(a = 1 OR b)", "TRUE")


def test_each_table_is_compared_with_each_day_and_one_without_a_cursor_once() -> None:
    whole = Table(name="country", mode="full")
    first, second = date(2024, 1, 5), date(2024, 1, 6)
    assert comparisons([ORDERS, whole], [first, second]) == [(ORDERS, first), (ORDERS, second), (whole, None)]
    assert comparisons([ORDERS, whole]) == [(ORDERS, None), (whole, None)]
