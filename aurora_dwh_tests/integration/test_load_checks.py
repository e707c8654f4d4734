"""The checks of a load: what they find, and that nothing is committed where data would be wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

import pytest

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.core.models import Manifest
from aurora_dwh.core.rules import Rules
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake.store import Lake
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.errors import KEYS, ROWS, CheckError
from aurora_dwh.warehouse.load import checks
from aurora_dwh.warehouse.load import statements as sql
from aurora_dwh.warehouse.load.statements import Target
from aurora_dwh.warehouse.load.transaction import Loaded, load
from aurora_dwh_tests.services import extract, query

SCHEMA = TableSchema(
    "shop",
    "orders",
    (Column("Id", "bigint", "bigint", nullable=False), Column("note", "varchar", "varchar(10)", length=10)),
    ("Id",),
)
TARGET = Target("staging", "orders", key=("Id",))
FIRST = date(2024, 1, 1)
Row = Mapping[str, Any]


def rows(*keys: int, note: str = "a") -> list[Row]:
    return [{"id": key, "note": note} for key in keys]


def put(lake: Lake, day: int, found: Sequence[Row]) -> Manifest:
    return lake.write("orders", extract(SCHEMA, FIRST + timedelta(days=day), found))


def run(
    warehouse: Warehouse, lake: Lake, *manifests: Manifest, mode: str = "incremental", target: Target = TARGET
) -> Loaded:
    return load(warehouse, lake, target, mode, manifests, run_id="run")


def refused(warehouse: Warehouse, lake: Lake, manifest: Manifest, mode: str, target: Target = TARGET) -> CheckError:
    """Load a day, expect a check to refuse it, and the table and its history to be as they were."""
    state = "SELECT id, note FROM staging.orders ORDER BY 1, 2", "SELECT COUNT(*) FROM dwh.load_history"
    before = [query(warehouse, statement) for statement in state]
    with pytest.raises(CheckError) as caught:
        run(warehouse, lake, manifest, mode=mode, target=target)
    assert [query(warehouse, statement) for statement in state] == before
    return caught.value


def test_the_statements_of_the_checks() -> None:
    target = replace(TARGET, key=("Id", "note"))
    assert checks.count_keys(target) == (
        'SELECT "_dwh_day", COUNT(*), SUM(CASE WHEN "_dwh_copies" = 0 THEN 1 ELSE 0 END), '
        'SUM(CASE WHEN "_dwh_copies" > 1 THEN 1 ELSE 0 END), SUM("_dwh_copies")\n'
        "FROM (\n"
        '  SELECT "id", "note", MAX("_dwh_day") AS "_dwh_day", SUM("_dwh_copies") AS "_dwh_copies"\n'
        "  FROM (\n"
        '    SELECT "id", "note", "_dwh_day", 0 AS "_dwh_copies" FROM "dwh_stage" r\n'
        "    UNION ALL\n"
        '    SELECT s."id", s."note", CAST(NULL AS DATE), COUNT(*)\n'
        '    FROM "staging"."orders" t\n'
        '    LEFT JOIN (SELECT DISTINCT "id", "note" FROM "dwh_stage" r) s ON t."id" = s."id" AND t."note" = s."note"\n'
        '    GROUP BY s."id", s."note"\n'
        "  ) b\n"
        '  GROUP BY "id", "note"\n'
        ") k\n"
        'GROUP BY "_dwh_day"'
    )
    assert checks.count_rows(target, ["note"], ["2024-01-05"]) == (
        'SELECT "_dwh_day", SUM("_dwh_copies"), COUNT(*), (SELECT COUNT(*) FROM "staging"."orders")\n'
        "FROM (\n"
        '  SELECT "_dwh_day", "id", "note", COUNT(*) AS "_dwh_copies"\n'
        '  FROM "staging"."orders"\n'
        "  WHERE \"_dwh_day\" IN ('2024-01-05')\n"
        '  GROUP BY "_dwh_day", "id", "note", OCTET_LENGTH("note")\n'
        ") k\n"
        'GROUP BY "_dwh_day"'
    )
    assert checks.count_rows(Target("staging", "log"), [], ["2024-01-05"]) == (
        'SELECT "_dwh_day", COUNT(*), COUNT(*), (SELECT COUNT(*) FROM "staging"."log")\nFROM "staging"."log"\n'
        'WHERE "_dwh_day" IN (\'2024-01-05\')\nGROUP BY "_dwh_day"'
    )


@pytest.mark.parametrize("mode", ["incremental", "append", "full"])
def test_rows_that_the_manifest_lacks_are_not_loaded(warehouse: Warehouse, lake: Lake, mode: str) -> None:
    run(warehouse, lake, put(lake, 0, rows(1)), mode=mode)
    error = refused(warehouse, lake, replace(put(lake, 1, rows(2, 3)), source_rows=3), mode)
    assert error.check == ROWS
    assert str(error) == (
        "staging.orders 2024-01-02: the source gave 3 rows and the manifest has 2; nothing was changed. "
        "Materialize that day of the lake again"
    )


@pytest.mark.parametrize(("mode", "check"), [("incremental", KEYS), ("append", ROWS), ("full", ROWS)])
def test_rows_that_did_not_come_into_the_table_are_missed(
    warehouse: Warehouse, lake: Lake, monkeypatch: pytest.MonkeyPatch, mode: str, check: str
) -> None:
    run(warehouse, lake, put(lake, 0, rows(1)), mode=mode)
    whole = sql.insert
    monkeypatch.setattr(sql, "insert", lambda *a: whole(*a) + ' WHERE "id" <> 3')
    error = refused(warehouse, lake, put(lake, 1, rows(2, 3)), mode)
    assert error.check == check
    expected = {
        KEYS: "staging.orders 2024-01-02: of 2 keys 1 are not in the table after the load and 0 are there more than "
        "once, such as 3; nothing was changed",
        ROWS: "staging.orders 2024-01-02: the table has 1 rows of the day after the load and the manifest has 2",
    }
    assert str(error).startswith(expected[check])


def test_a15_a_key_that_the_table_has_twice_is_found_when_its_day_is_loaded(warehouse: Warehouse, lake: Lake) -> None:
    day = put(lake, 0, rows(1, 2))
    run(warehouse, lake, day)
    query(warehouse, "INSERT INTO staging.orders SELECT * FROM staging.orders WHERE id = 2")
    error = refused(warehouse, lake, put(lake, 0, rows(1, 2, 3)), "incremental")
    assert error.check == KEYS
    assert "of 3 keys 0 are not in the table after the load and 1 are there more than once, such as 2;" in str(error)
    run(warehouse, lake, put(lake, 1, rows(4)))  # another day does not bring that key


@pytest.mark.parametrize("mode", ["append", "full"])
def test_a15_rows_that_share_a_key_are_not_loaded_where_a_key_is_named(
    warehouse: Warehouse, lake: Lake, mode: str
) -> None:
    run(warehouse, lake, put(lake, 0, rows(1)), mode=mode)
    error = refused(warehouse, lake, put(lake, 1, [*rows(2, 3), *rows(3, note="b")]), mode)
    assert error.check == KEYS
    assert str(error) == (
        "staging.orders 2024-01-02: 3 rows have 2 keys (Id), such as 3 several times; nothing was changed. "
        "Name the columns that tell rows apart in `key`, or leave rows out with `filter`"
    )
    bare = replace(TARGET, key=(), name="bare")
    run(warehouse, lake, put(lake, 0, rows(1)), put(lake, 1, rows(3, 3)), mode=mode, target=bare)
    assert query(warehouse, "SELECT COUNT(*) FROM staging.bare WHERE id = 3") == [(2,)]


@pytest.mark.parametrize("mode", ["append", "full"])
def test_keys_that_differ_in_blanks_at_the_end_are_two_where_nothing_is_upserted(
    warehouse: Warehouse, lake: Lake, mode: str
) -> None:
    found = [{"id": 1, "note": "a"}, {"id": 1, "note": "a "}]
    run(warehouse, lake, put(lake, 0, found), mode=mode, target=replace(TARGET, key=("Id", "note")))
    assert query(warehouse, "SELECT COUNT(*) FROM staging.orders") == [(2,)]


def test_only_the_days_of_the_run_are_counted(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, put(lake, 0, rows(1)), mode="append")
    query(warehouse, "INSERT INTO staging.orders SELECT * FROM staging.orders")
    run(warehouse, lake, put(lake, 1, rows(2)), put(lake, 2, []), mode="append")
    assert query(warehouse, "SELECT COUNT(*) FROM staging.orders") == [(3,)]


def test_what_is_usual_is_the_middle_of_the_same_weekdays_of_the_last_weeks(warehouse: Warehouse, lake: Lake) -> None:
    counts = {0: 50, 7: 3, 8: 9, 14: 4, 21: 5}  # the first day holds all history
    for day, count in counts.items():
        run(warehouse, lake, put(lake, day, rows(*range(count))))
    run(warehouse, lake, put(lake, 14, rows(*range(6))))  # once more: its last load counts
    (day,) = run(warehouse, lake, put(lake, 28, rows(1))).days
    assert (day.rows, day.usual_rows) == (1, 5.5)
    assert run(warehouse, lake, put(lake, 29, rows(1))).days[0].usual_rows is None


def test_a_day_that_had_not_ended_when_it_was_read_is_neither_compared_nor_compared_with(
    warehouse: Warehouse, lake: Lake
) -> None:
    table = Table(name="orders", key="Id", cursor="note")  # type: ignore[arg-type]
    catalog = Catalog(timezone="UTC", start_date=FIRST, tables={"orders": table})

    def read(day: int, count: int, hours: int) -> Manifest:
        at = datetime.combine(FIRST + timedelta(days=day), time(), timezone.utc) + timedelta(hours=hours)
        found = extract(SCHEMA, FIRST + timedelta(days=day), rows(*range(count)), snapshot_at=at)
        return lake.write("orders", replace(found, rules=Rules.of(table, catalog, source=None)))

    for day, count, hours in ((0, 3, 25), (7, 9, 12), (14, 4, 25), (21, 5, 25)):
        run(warehouse, lake, read(day, count, hours))
    assert run(warehouse, lake, read(28, 1, 12)).days[0].usual_rows is None
    assert run(warehouse, lake, read(28, 6, 25)).days[0].usual_rows == 4


def test_days_of_one_run_are_compared_with_one_another(warehouse: Warehouse, lake: Lake) -> None:
    days = [put(lake, 7 * week, rows(*range(week + 1))) for week in range(6)]
    done = run(warehouse, lake, *days)
    assert [day.usual_rows for day in done.days] == [None, None, None, 2, 2.5, 3.5]


def test_a_load_says_how_long_its_copy_and_its_upsert_took(warehouse: Warehouse, lake: Lake) -> None:
    done = run(warehouse, lake, put(lake, 0, rows(1)))
    assert done.copy_seconds > 0
    assert done.write_seconds > 0
    empty = run(warehouse, lake, put(lake, 1, []))
    assert empty.copy_seconds == 0


def test_a20_a_load_says_which_columns_it_changed_and_nothing_of_the_tables_making(
    warehouse: Warehouse, lake: Lake
) -> None:
    assert run(warehouse, lake, put(lake, 0, rows(1))).changes == ()
    wider = replace(SCHEMA, columns=(*SCHEMA.columns, Column("at", "datetime", "datetime")))
    moment = datetime(2024, 1, 2)  # noqa: DTZ001 - a wall clock
    work = extract(wider, FIRST + timedelta(days=1), [{"id": 2, "note": "b", "at": moment}])
    assert run(warehouse, lake, lake.write("orders", work)).changes == (
        'ALTER TABLE "staging"."orders" ADD COLUMN "at" TIMESTAMP',
    )
