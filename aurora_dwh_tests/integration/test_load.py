"""The load, over the real protocols: any order, any repetition, any crash, and the table is the same."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aurora_dwh.core import retries
from aurora_dwh.core.models import DataError, Manifest, Part, StaleManifestError
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake import parquet
from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.manifest import to_json
from aurora_dwh.lake.store import Lake
from aurora_dwh.local.lake import BUCKET
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.local.redshift.faults import Fault
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.errors import CheckError, PassingError, WarehouseError
from aurora_dwh.warehouse.load.batches import transactions
from aurora_dwh.warehouse.load.copy_errors import CopyError
from aurora_dwh.warehouse.load.schema_drift import DriftError
from aurora_dwh.warehouse.load.statements import Target
from aurora_dwh.warehouse.load.transaction import Load, Loaded, load
from aurora_dwh_tests.polling import until
from aurora_dwh_tests.services import SlowToCommit, extract, query, together

ID = Column("Id", "bigint", "bigint", nullable=False)
NOTE = Column("note", "varchar", "varchar(10)", length=10)
CURSOR = Column("update_date", "datetime", "datetime")
SCHEMA = TableSchema("shop", "orders", (ID, NOTE, CURSOR), ("Id",))
TARGET = Target("staging", "orders", key=("Id",), cursor="update_date", sort_key=("update_date",))
FIRST = date(2024, 1, 1)
Row = Mapping[str, Any]
_names = itertools.count(1)


def at(hour: int, day: int = 0) -> datetime:
    return datetime(2024, 1, 1) + timedelta(days=day, hours=hour)  # noqa: DTZ001 - a wall clock


def row(key: int, note: str | None, cursor: datetime | None) -> Row:
    return {"id": key, "note": note, "update_date": cursor}


def put(
    lake: Lake, day: int, rows: Sequence[Row], *, schema: TableSchema = SCHEMA, snapshot_at: datetime | None = None
) -> Manifest:
    return lake.write(schema.table, extract(schema, FIRST + timedelta(days=day), rows, snapshot_at=snapshot_at))


def run(
    warehouse: Warehouse, lake: Lake, *manifests: Manifest, mode: str = "incremental", target: Target = TARGET
) -> Loaded:
    return load(warehouse, lake, target, mode, manifests, run_id="run")


def another(warehouse: Warehouse) -> Target:
    """Return a staging table that is not there, in a warehouse that knows of no other."""
    with suppress(WarehouseError):
        query(warehouse, "DELETE FROM dwh.load_history")
    return replace(TARGET, name=f"orders_{next(_names)}")


def notes(warehouse: Warehouse, target: Target = TARGET) -> dict[int, Any]:
    found = query(warehouse, f"SELECT id, note FROM {target.sql} ORDER BY 1, 2")
    assert len(dict(found)) == len(found), "a key is there twice"
    return dict(found)


def whole(warehouse: Warehouse, target: Target = TARGET) -> list[tuple[Any, ...]]:
    return query(warehouse, f"SELECT * FROM {target.sql} ORDER BY id, note")


def history(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    names = "table_name, day, mode, rows_in_manifest, rows_inserted, rows_updated"
    return query(warehouse, f"SELECT {names} FROM dwh.load_history ORDER BY loaded_at, day")


# Cost


@pytest.mark.parametrize(("mode", "days"), [("incremental", 5), ("append", 1), ("full", 5), ("incremental", 1)])
def test_a_load_is_one_transaction_of_at_most_fifteen_statements_with_what_comes_before_it(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, mode: str, days: int
) -> None:
    """All that goes over the wire once the table is there: one COPY and one upsert, whatever the number of days."""
    run(warehouse, lake, put(lake, 0, [row(1, "a", at(1))]), mode=mode)
    again = 10 if mode == "append" else 0  # a day of an append table has no row of another
    manifests = [put(lake, n, [row(1 + again * n, "b", at(n)), row(n, "c", at(n))]) for n in range(2, 2 + days)]
    redshift.statements.clear()
    done = run(warehouse, lake, *manifests, mode=mode)
    sent = [statement.split()[0] for statement in redshift.statements]
    assert sent.count("COMMIT") == sent.count("COPY") == sent.count("BEGIN") == 1
    assert (sent.count("INSERT"), sent.count("DELETE")) == (2, 2), "into the target and the history; lock and upsert"
    begin = sent.index("BEGIN")
    assert sent[:begin] == ["SELECT"] * 2, "on the same session: who it is, and the columns that there are"
    assert len(sent) <= 15, sent
    assert len(sent[begin:]) <= 13, sent
    assert sent[-1] == "COMMIT"
    assert [statement.split()[0] for statement in done.statements] == sent[begin:]


def test_rows_that_are_replaced_are_deleted_within_their_own_range_of_the_cursor(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    def deletes(day: int, *rows: Row) -> list[str]:
        redshift.statements.clear()
        run(warehouse, lake, put(lake, day, rows))
        return [one for one in redshift.statements if one.startswith("DELETE") and not one.endswith("WHERE 1 = 0")]

    assert deletes(0, row(1, "a", at(1)), row(2, "a", at(2)), row(3, "a", None)) == []
    assert deletes(1, row(4, "b", at(1, day=1))) == []
    (bounded,) = deletes(2, row(1, "c", at(1, day=2)), row(2, "c", at(2, day=2)), row(5, "c", at(3, day=2)))
    assert bounded.endswith(".\"update_date\" BETWEEN '2024-01-01 01:00:00.000000' AND '2024-01-01 02:00:00.000000'")
    (unbounded,) = deletes(3, row(1, "d", at(1, day=3)), row(3, "d", at(1, day=3)))
    assert "BETWEEN" not in unbounded, "a row without a cursor is in no range"
    assert notes(warehouse) == {1: "d", 2: "c", 3: "d", 4: "b", 5: "c"}


# Order and repetition


def test_a_day_lands_as_it_was_written(warehouse: Warehouse, lake: Lake) -> None:
    day = put(lake, 0, [row(1, "a", at(1)), row(2, None, at(2)), row(3, "", None)])
    done = run(warehouse, lake, day)
    read = day.snapshot_at.replace(tzinfo=None)
    assert whole(warehouse) == [
        (1, "a", at(1), FIRST, read),
        (2, None, at(2), FIRST, read),
        (3, "", None, FIRST, read),
    ]
    assert [(d.day, d.rows, d.inserted, d.updated) for d in done.days] == [(FIRST, 3, 3, 0)]


def test_a25_an_old_day_loaded_again_never_rewinds_newer_rows(warehouse: Warehouse, lake: Lake) -> None:
    old = put(lake, 0, [row(1, "old", at(1)), row(2, "two", at(2))])
    new = put(lake, 1, [row(1, "new", at(1, day=1))])
    run(warehouse, lake, new)
    done = run(warehouse, lake, old)
    run(warehouse, lake, old)
    assert notes(warehouse) == {1: "new", 2: "two"}
    assert [(d.inserted, d.updated) for d in done.days] == [(1, 0)]


def test_a14_a_row_without_a_cursor_is_kept_and_loses_to_any_that_has_one(warehouse: Warehouse, lake: Lake) -> None:
    day = put(lake, 0, [row(1, "null", None), row(2, "set", at(1))])
    later = put(lake, 1, [row(1, "null2", None)])
    for manifests in ([day], [later], [day]):
        run(warehouse, lake, *manifests)
    assert notes(warehouse) == {1: "null2", 2: "set"}
    run(warehouse, lake, put(lake, 2, [row(1, "set", at(0))]))
    run(warehouse, lake, later)
    assert notes(warehouse) == {1: "set", 2: "set"}


def test_a15_c13_of_one_key_many_times_in_a_day_none_is_taken(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, put(lake, 1, [row(1, "old", at(2)), row(2, "old", at(2))]))
    later = datetime(2024, 2, 1, tzinfo=timezone.utc)
    for read in (None, later):  # also where a later reading of the row is there
        day = put(lake, 0, [row(1, "b", at(2)), row(1, "c", at(3)), row(2, "a", at(1))], snapshot_at=read)
        with pytest.raises(CheckError, match=r"2 rows of one reading have their key [(]Id[)] in common, such as Id=1;"):
            run(warehouse, lake, day)
        assert notes(warehouse) == {1: "old", 2: "old"}


def test_a25_the_later_reading_of_a_row_wins_in_either_order_whatever_its_cursor_is(
    warehouse: Warehouse, lake: Lake
) -> None:
    cursors = {1: at(5), 2: at(4), 3: None}  # equal, smaller, none
    early = put(lake, 0, [row(key, "early", at(5)) for key in cursors])
    late = put(lake, 1, [row(key, "late", later) for key, later in cursors.items()])
    for order in ([early], [late]), ([late], [early]), ([early, late],):
        target = another(warehouse)
        for manifests in order:
            run(warehouse, lake, *manifests, target=target)
        assert notes(warehouse, target) == dict.fromkeys(cursors, "late")


def test_a12_a_row_that_two_days_of_one_reading_bring_is_the_later_days_in_any_order(
    warehouse: Warehouse, lake: Lake
) -> None:
    read = datetime(2024, 2, 1, tzinfo=timezone.utc)  # a range is read in one snapshot, and lookback makes days overlap
    first, second = (put(lake, n, [row(1, "a", at(1))], snapshot_at=read) for n in range(2))
    for order in ([[first], [second]], [[second], [first]], [[first, second], [first]], [[second], [first, second]]):
        target = another(warehouse)
        for manifests in order:
            run(warehouse, lake, *manifests, target=target)
        assert query(warehouse, f"SELECT _dwh_day FROM {target.sql}") == [(second.day,)]


def test_a15_a_composite_key_of_odd_values_is_matched_as_a_whole(warehouse: Warehouse, lake: Lake) -> None:
    schema = TableSchema(
        "shop",
        "lines",
        (
            Column("order", "varchar", "varchar(9)", False, 9),
            Column("Select", "decimal", "decimal(20,4)", precision=20, scale=4),
            CURSOR,
            NOTE,
        ),
    )
    target = Target("staging", "lines", key=("order", "Select"), cursor="update_date")
    keys = [("a", "1"), ("a", "1.0001"), ("A", "1"), ("'\\\"", "1"), ("", "1")]

    def day(number: int) -> Manifest:
        rows = [
            {
                "order": o,
                "select": Decimal(s).quantize(Decimal("0.0001")),
                "update_date": at(1, number),
                "note": str(number),
            }
            for o, s in keys
        ]
        return put(lake, number, rows, schema=schema)

    run(warehouse, lake, day(0), target=target)
    done = run(warehouse, lake, day(1), target=target)
    assert [(d.inserted, d.updated) for d in done.days] == [(0, 5)]
    assert query(warehouse, 'SELECT COUNT(*), MIN(note), MAX(note) FROM staging."lines"') == [(5, "1", "1")]


@dataclass(frozen=True)
class Version:
    """One reading of one day: `(key, hour of the cursor or None)` for each row, and when it was read."""

    day: int
    read: int
    rows: tuple[tuple[int, int | None], ...]


VERSIONS = st.lists(
    st.builds(
        Version,
        day=st.integers(0, 2),
        read=st.integers(0, 1),
        rows=st.lists(
            st.tuples(st.integers(1, 3), st.none() | st.integers(0, 1)), max_size=3, unique_by=lambda row: row[0]
        ).map(tuple),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda v: (v.day, v.read),
)


@pytest.mark.parametrize("examples", [12, pytest.param(25, marks=pytest.mark.soak)])
def test_a15_a25_any_order_and_any_repetition_of_loads_ends_in_the_same_table(
    warehouse: Warehouse, lake: Lake, examples: int
) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(versions=VERSIONS, data=st.data())
    def ends_in_it(versions: list[Version], data: st.DataObject) -> None:
        _end_in_the_same_table(warehouse, lake, versions, data)

    ends_in_it()


def _end_in_the_same_table(warehouse: Warehouse, lake: Lake, versions: list[Version], data: st.DataObject) -> None:
    target = replace(TARGET, name=f"orders_{next(_names)}")
    manifests = {}
    for number, version in enumerate(versions):
        home = Lake(lake.client, Layout(BUCKET, f"{lake.layout.prefix}/{target.name}/{number}", "shop"))
        read = datetime(2024, 2, 1, version.read, tzinfo=timezone.utc)
        rows = [row(k, f"{c}/{version.read}", None if c is None else at(c)) for k, c in version.rows]
        manifests[version] = put(home, version.day, rows, snapshot_at=read)
    loads = data.draw(
        st.lists(st.lists(st.sampled_from(versions), min_size=1, unique_by=lambda v: v.day), max_size=5), label="loads"
    )
    for batch in data.draw(st.permutations([*loads, *([v] for v in versions)]), label="order"):
        run(warehouse, lake, *(manifests[v] for v in batch), target=target)
    newest: dict[int, tuple[int, int, int]] = {}
    for v in versions:
        for key, hour in v.rows:
            newest[key] = max(newest.get(key, (-1, 0, 0)), (v.read, -1 if hour is None else hour, v.day))
    expected = [
        (
            key,
            f"{None if hour < 0 else hour}/{read}",
            None if hour < 0 else at(hour),
            FIRST + timedelta(days=day),
            datetime(2024, 2, 1, read),  # noqa: DTZ001 - as Redshift's TIMESTAMP gives it
        )
        for key, (read, hour, day) in sorted(newest.items())
    ]
    assert whole(warehouse, target) == expected


# Ranges, empty days, modes


def test_a23_a25_a_range_of_days_is_one_copy_with_the_result_of_single_days(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    days = [put(lake, n, [row(k, f"{n}", at(k, n)) for k in (n, n + 1, 100)] if n != 2 else []) for n in range(5)]
    single, ranged = replace(TARGET, name="single"), replace(TARGET, name="ranged")
    for day in days:
        run(warehouse, lake, day, target=single)
    redshift.statements.clear()
    done = run(warehouse, lake, *days[::-1], target=ranged)
    assert len([s for s in redshift.statements if s.startswith("COPY")]) == 1
    assert whole(warehouse, ranged) == whole(warehouse, single)
    assert [d.day for d in done.days] == [FIRST + timedelta(days=n) for n in range(5)]
    assert sum(d.inserted for d in done.days) == len(whole(warehouse, ranged))
    assert [d.rows for d in done.days] == [3, 3, 0, 3, 3]


@pytest.mark.parametrize("mode", ["incremental", "append", "full"])
def test_a_day_without_rows_is_recorded_and_runs_no_copy(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, mode: str
) -> None:
    redshift.statements.clear()
    run(warehouse, lake, put(lake, 0, []), mode=mode)
    assert not [s for s in redshift.statements if s.startswith("COPY")]
    assert whole(warehouse) == []
    assert history(warehouse) == [("staging.orders", FIRST, mode, 0, 0, 0)]


EVENTS = TableSchema("shop", "page_view", (Column("id", "bigint", "bigint"), NOTE, CURSOR))
LOG = Target("staging", "page_view", cursor="update_date")


def test_an_append_day_is_replaced_as_one_unit(warehouse: Warehouse, lake: Lake) -> None:
    twins = [row(1, "a", at(1)), row(1, "a", at(1))]
    first = put(lake, 0, twins, schema=EVENTS)
    second = put(lake, 1, [row(2, "b", at(1, 1))], schema=EVENTS)
    for manifests in ([second], [first], [first], [first, second]):
        run(warehouse, lake, *manifests, mode="append", target=LOG)
    names = query(warehouse, "SELECT id, note, _dwh_day FROM staging.page_view ORDER BY 1")
    assert names == [(1, "a", FIRST), (1, "a", FIRST), (2, "b", FIRST + timedelta(days=1))]
    run(warehouse, lake, put(lake, 0, [row(7, "c", at(2))], schema=EVENTS), mode="append", target=LOG)
    assert [r[0] for r in query(warehouse, "SELECT id FROM staging.page_view ORDER BY 1")] == [2, 7]
    run(warehouse, lake, put(lake, 0, [], schema=EVENTS), mode="append", target=LOG)
    assert [r[0] for r in query(warehouse, "SELECT id FROM staging.page_view ORDER BY 1")] == [2]


def two_readings(
    lake: Lake, schema: TableSchema, early: Sequence[Row], late: Sequence[Row]
) -> tuple[Manifest, Manifest]:
    """Return two readings of one day, both still in a lake."""
    other = Lake(lake.client, Layout(BUCKET, f"{lake.layout.prefix}/later", "shop"))
    hour = datetime(2024, 2, 1, 1, tzinfo=timezone.utc)
    return (
        put(lake, 0, early, schema=schema, snapshot_at=hour),
        put(other, 0, late, schema=schema, snapshot_at=hour + timedelta(microseconds=1)),
    )


@pytest.mark.parametrize(("mode", "schema", "target"), [("append", EVENTS, LOG), ("full", SCHEMA, TARGET)])
def test_a25_an_older_reading_never_replaces_a_newer_one(
    warehouse: Warehouse, lake: Lake, mode: str, schema: TableSchema, target: Target
) -> None:
    early, late = two_readings(lake, schema, [row(1, "early", at(1))], [row(2, "late", at(1))])
    run(warehouse, lake, early, mode=mode, target=target)
    assert notes(warehouse, target) == {1: "early"}
    for manifest in (late, early, late, early):
        run(warehouse, lake, manifest, mode=mode, target=target)
    assert notes(warehouse, target) == {2: "late"}


def test_of_a_range_of_full_copies_the_latest_reading_stands(warehouse: Warehouse, lake: Lake) -> None:
    days = [put(lake, n, [row(k, f"{n}", None) for k in range(n + 1)]) for n in range(3)]
    done = run(warehouse, lake, *days, mode="full")
    assert notes(warehouse) == {0: "2", 1: "2", 2: "2"}
    assert [(d.rows, d.inserted) for d in done.days] == [(1, 0), (2, 0), (3, 3)]
    run(warehouse, lake, days[0], mode="full")
    assert notes(warehouse) == {0: "2", 1: "2", 2: "2"}


def test_a21_a_full_copy_keeps_a_bound_view_and_never_shows_an_empty_table(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    days = [put(lake, n, [row(k, f"{n}", None) for k in range(20)]) for n in range(4)]
    run(warehouse, lake, days[0], mode="full")
    with warehouse.session() as session:
        session.execute(f"CREATE VIEW seen AS SELECT note FROM {TARGET.sql}")
    redshift.faults.add(Fault("^INSERT INTO .staging", "delay", when="before", times=3, seconds=0.2))
    counts: set[int] = set()
    ended = threading.Event()

    def watch() -> None:
        with warehouse.session() as session:
            while not ended.is_set():
                counts.add(session.execute("SELECT COUNT(*) FROM seen").rows[0][0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    for day in days[1:]:
        run(warehouse, lake, day, mode="full")
    ended.set()
    watcher.join(30)
    assert counts == {20}
    assert query(warehouse, "SELECT DISTINCT note FROM seen") == [("3",)]


@pytest.mark.parametrize("mode", ["incremental", "append", "full"])
def test_a21_a_load_keeps_grants_keys_and_views_of_both_kinds(warehouse: Warehouse, lake: Lake, mode: str) -> None:
    target = replace(TARGET, dist_key="Id")
    run(warehouse, lake, put(lake, 0, [row(1, "a", at(1))]), mode=mode, target=target)
    for statement in (
        f"CREATE VIEW bound AS SELECT id FROM {target.sql}",
        f"CREATE VIEW late AS SELECT id FROM {target.sql} WITH NO SCHEMA BINDING",
        f"CREATE USER reader_of_{mode} PASSWORD 'Reader123'",
        f"GRANT SELECT ON {target.sql} TO reader_of_{mode}",
    ):
        query(warehouse, statement)
    run(warehouse, lake, put(lake, 1, [row(2, "b", at(1, 1))]), mode=mode, target=target)
    expected = [(2,)] if mode == "full" else [(1,), (2,)]
    for name in ("bound", "late", target.sql):
        assert query(warehouse, f"SELECT id FROM {name} ORDER BY 1") == expected
    assert query(
        warehouse,
        "SELECT privilege_type FROM svv_relation_privileges "
        f"WHERE relation_name = 'orders' AND identity_name = 'reader_of_{mode}'",
    ) == [("SELECT",)]
    keys = (
        "SELECT \"column\", distkey, sortkey FROM pg_table_def WHERE tablename = 'orders' AND (distkey OR sortkey > 0)"
    )
    with warehouse.session() as session:
        session.execute("SET search_path TO staging")
        assert sorted(session.execute(keys).rows) == [("id", True, 0), ("update_date", False, 1)]


def test_a22_names_that_are_reserved_spaced_or_upper_case_load(warehouse: Warehouse, lake: Lake) -> None:
    name = 'Order "x" 100%'
    schema = TableSchema(
        "shop",
        name,
        (Column("Group", "int", "int", False), Column("a b%s", "int", "int"), Column("日本", "datetime", "datetime")),
    )
    target = Target("staging", name, key=("Group",), cursor="日本", dist_key="Group", sort_key=("日本", "Group"))
    rows = [{"group": 1, "a b%s": 2, "日本": at(1)}]
    for _ in range(2):
        run(warehouse, lake, put(lake, 0, rows, schema=schema), target=target)
    assert query(warehouse, f'SELECT "group", "a b%s", "日本" FROM {target.sql}') == [(1, 2, at(1))]


def test_a29_json_becomes_super_and_its_null_is_not_sql_null(warehouse: Warehouse, lake: Lake) -> None:
    schema = TableSchema("shop", "orders", (ID, Column("doc", "json", "json"), NOTE, CURSOR), ("Id",))
    texts = ['{"b": 1, "a": [null, "é"]}', "null", None, '"text"', "9007199254740993"]
    rows = [{**row(n, "x", at(1)), "doc": text} for n, text in enumerate(texts)]
    run(warehouse, lake, put(lake, 0, rows, schema=schema))
    text = "CASE WHEN doc IS NULL THEN NULL ELSE JSON_SERIALIZE(doc) END"
    found = [value for _, value in query(warehouse, f"SELECT id, {text} FROM {TARGET.sql} ORDER BY 1")]
    assert [None if t is None else json.loads(t) for t in found] == [
        None if t is None else json.loads(t) for t in texts
    ]
    assert found[2] is None
    assert found[1] == "null"


# What does not fit


def tampered(lake: Lake, manifest: Manifest, part: Part) -> Manifest:
    """Return the manifest naming another first part, and put it in the lake as it is returned."""
    parts = (part, *manifest.parts[1:])
    changed = replace(manifest, parts=parts, source_rows=sum(one.rows for one in parts))
    lake.client.put_object(Bucket=BUCKET, Key=lake.layout.key(manifest.url), Body=to_json(changed))
    return changed


def _missing(lake: Lake, manifest: Manifest) -> Manifest:
    lake.client.delete_object(Bucket=BUCKET, Key=lake.layout.key(manifest.parts[0].url))
    return manifest


def _truncated(lake: Lake, manifest: Manifest) -> Manifest:
    part = manifest.parts[0]
    key = lake.layout.key(part.url)
    body = lake.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()[:-10]
    lake.client.put_object(Bucket=BUCKET, Key=key, Body=body)
    return tampered(lake, manifest, replace(part, size=len(body)))


def _wrong_length(lake: Lake, manifest: Manifest) -> Manifest:
    return tampered(lake, manifest, replace(manifest.parts[0], size=manifest.parts[0].size + 1))


def test_a23_all_the_parts_of_a_day_are_loaded_and_no_stray_file_beside_them(
    warehouse: Warehouse, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(parquet, "PART_BYTES", 5)
    day = put(lake, 0, [row(n, "a", at(1)) for n in range(3)])
    assert len(day.parts) == 3
    stray = lake.layout.key(put(lake, 1, [row(9, "stray", at(1))]).parts[0].url)
    for name in ("part-00000.parquet", f"part-{day.attempt}-00003.parquet", f"part-{day.attempt}-00000.parquet.bak"):
        key = f"{lake.layout.day('orders', day.day)}/{name}"
        lake.client.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": stray})
    run(warehouse, lake, day)
    assert notes(warehouse) == {0: "a", 1: "a", 2: "a"}


@pytest.mark.parametrize("damage", [_missing, _truncated, _wrong_length])
def test_a23_a26_a_damaged_file_is_named_and_the_table_is_unchanged(
    warehouse: Warehouse, lake: Lake, damage: Any
) -> None:
    run(warehouse, lake, put(lake, 0, [row(1, "a", at(1))]))
    before = whole(warehouse), history(warehouse)
    manifest = damage(lake, put(lake, 1, [row(1, "b", at(2)), row(2, "b", at(2))]))
    with pytest.raises(DataError) as caught:
        run(warehouse, lake, manifest)
    assert "staging.orders 2024-01-02: COPY failed, nothing was changed." in str(caught.value)
    assert manifest.parts[0].url.rpartition("/")[2] in str(caught.value)
    assert (whole(warehouse), history(warehouse)) == before


@pytest.mark.parametrize(("mode", "count"), [("incremental", 2), ("append", 1), ("full", 1)])
def test_a23_a25_a_day_extracted_anew_while_it_is_loaded_is_said_to_be_worth_another_attempt(
    warehouse: Warehouse, lake: Lake, mode: str, count: int
) -> None:
    earlier = put(lake, 0, [row(1, "a", at(1))])
    later = put(lake, 0, [row(n, "b", at(2)) for n in range(1, count + 1)])
    with pytest.raises(StaleManifestError, match="extracted again"):
        run(warehouse, lake, earlier, mode=mode)
    assert history(warehouse) == []
    with pytest.raises(WarehouseError, match="does not exist"):
        notes(warehouse)
    run(warehouse, lake, later, mode=mode)
    assert notes(warehouse) == dict.fromkeys(range(1, count + 1), "b")


def test_a23_another_count_than_the_manifest_says_is_refused(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, put(lake, 0, [row(1, "a", at(1))]))
    before = whole(warehouse), history(warehouse)
    manifest = put(lake, 1, [row(2, "b", at(2))])
    manifest = tampered(lake, manifest, replace(manifest.parts[0], rows=2))
    with pytest.raises(DataError) as caught:
        run(warehouse, lake, manifest)
    assert str(caught.value) == (
        "staging.orders 2024-01-02: COPY loaded 1 rows and the manifest has 2; nothing was changed in staging.orders. "
        "Materialize those days of the lake again"
    )
    assert (whole(warehouse), history(warehouse)) == before


def test_a05_a26_a_value_too_long_is_named_with_file_line_column_value_and_reason(
    warehouse: Warehouse, lake: Lake
) -> None:
    good = put(lake, 0, [row(1, "a", at(1))])
    manifest = put(lake, 1, [row(2, "a", at(1)), row(3, "x" * 41, at(1))])  # VARCHAR(10) of MySQL is VARCHAR(40)
    run(warehouse, lake, good)
    before = whole(warehouse)
    with pytest.raises(CopyError, match="COPY failed, nothing was changed") as caught:
        run(warehouse, lake, manifest)
    (bad,) = caught.value.bad
    assert (bad.file, bad.line, bad.column, bad.value) == (manifest.parts[0].url, 2, "note", "x" * 41)
    assert "longer than the length defined in the table" in bad.reason
    assert str(bad) in str(caught.value)
    assert f"| {manifest.parts[0].url} | 2 | note |" in caught.value.markdown
    assert whole(warehouse) == before


@pytest.mark.parametrize("action", ["57014", "drop", "1023"])
def test_a26_a_copy_s_own_error_is_told_where_what_was_written_down_cannot_be_read(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, action: Any
) -> None:
    redshift.faults.add(Fault("FROM sys_load_error_detail", action, times=99))
    with pytest.raises(CopyError, match=r"COPY failed, nothing was changed[.] What Redshift wrote down") as caught:
        run(warehouse, lake, put(lake, 0, [row(1, "x" * 41, at(1))]))
    assert "Spectrum Scan Error" in str(caught.value)


def test_a26_a_value_that_the_lake_does_not_give_hides_no_error(
    warehouse: Warehouse, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake, "value", lambda *_: 1 / 0)
    with pytest.raises(CopyError, match=r"cannot be read .division by zero.*Spectrum Scan Error"):
        run(warehouse, lake, put(lake, 0, [row(1, "x" * 41, at(1))]))


def test_a26_the_failures_of_other_copies_are_not_shown(warehouse: Warehouse, lake: Lake) -> None:
    with pytest.raises(CopyError) as first:
        run(warehouse, lake, put(lake, 0, [row(1, "x" * 41, at(1))]))
    nobody = Warehouse(replace(warehouse.settings, iam_role="nobody"))
    with pytest.raises(CopyError, match="Invalid IAM role: nobody") as second:
        run(nobody, lake, put(lake, 1, [row(2, "y", at(1))]))
    assert (len(first.value.bad), second.value.bad, second.value.markdown) == (1, (), "")


def test_a05_a_column_full_of_four_byte_characters_fits(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, put(lake, 0, [row(1, "😀" * 10, at(1))]))
    assert notes(warehouse) == {1: "😀" * 10}


# Crashes

STATEMENTS = {
    "begin": "^BEGIN",
    "lock": r"^DELETE FROM .* WHERE 1 = 0$",
    "standing": "AS of_day",
    "stage": '^CREATE TEMP TABLE "dwh_stage"',
    "copy": "^COPY",
    "count": "pg_last_copy_count",
    "newest": '^CREATE TEMP TABLE "dwh_fresh"',
    "figures": '^SELECT "_dwh_day", SUM',
    "delete": "^DELETE FROM (?!.* WHERE 1 = 0$)",
    "insert": '^INSERT INTO "staging"',
    "keys": '^SELECT "_dwh_day", COUNT',
    "history": '^INSERT INTO "dwh"',
    "commit": "^COMMIT",
}


class Versions:
    """A table with one day, and a second day in one version after another: some of its rows are new each time."""

    def __init__(self, warehouse: Warehouse, lake: Lake) -> None:
        self._warehouse, self._lake = warehouse, lake
        self._number = 0
        run(warehouse, lake, put(lake, 0, [row(1, "a", at(1)), row(2, "a", at(1))]))

    def another(self) -> tuple[Manifest, list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Return a version to load, and the table before and after that load."""
        self._number += 1
        before, note, read = whole(self._warehouse), f"{self._number}", datetime(2024, 2, 1, tzinfo=timezone.utc)
        read += timedelta(hours=self._number)
        keys = (2, 2 + self._number)
        day = put(self._lake, 1, [row(key, note, at(2, day=1)) for key in keys], snapshot_at=read)
        new = [(key, note, at(2, day=1), day.day, read.replace(tzinfo=None)) for key in keys]
        return day, before, sorted([*(one for one in before if one[0] not in keys), *new])

    def loads_of(self, manifest: Manifest) -> int:
        """Return how often the history has a version."""
        text = f"SELECT COUNT(*) FROM dwh.load_history WHERE attempt = '{manifest.attempt}'"
        return int(query(self._warehouse, text)[0][0])


@pytest.fixture
def crash(warehouse: Warehouse, lake: Lake) -> tuple[Manifest, list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """A table with one day, a second day to load, and the table before and after that load."""
    return Versions(warehouse, lake).another()


def test_the_names_above_are_all_the_statements_of_a_load(warehouse: Warehouse, lake: Lake, crash: Any) -> None:
    done = run(warehouse, lake, crash[0])
    assert [[name for name, match in STATEMENTS.items() if re.search(match, s)] for s in done.statements] == [
        [name] for name in STATEMENTS
    ]


BORDERS = ("begin", "copy", "insert", "commit")
"""Statements of each part of the transaction; `make soak` has each of them fail in each way."""


@pytest.mark.parametrize(
    ("action", "when", "statements"),
    [
        ("drop", "after", tuple(STATEMENTS)),
        ("1023", "before", BORDERS),
        *(
            pytest.param(*one, tuple(STATEMENTS), marks=pytest.mark.soak)
            for one in itertools.product(["57014", "1023", "drop"], ["before", "after"])
            if one != ("drop", "after")
        ),
    ],
)
def test_a15_a24_a_crash_at_any_statement_is_overcome(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, action: Any, when: Any, statements: tuple[str, ...]
) -> None:
    versions = Versions(warehouse, lake)
    for statement in statements:
        second, _, after = versions.another()
        redshift.faults.add(Fault(STATEMENTS[statement], action, when=when))
        redshift.statements.clear()
        run(warehouse, lake, second)
        assert not redshift.faults.pending, statement
        assert whole(warehouse) == after, statement
        assert versions.loads_of(second) == 1, statement
        # after a COMMIT without an answer one transaction looks whether it was done; only if not, it is done again
        again = 3 if (statement, when) == ("commit", "before") else 2
        assert len([s for s in redshift.statements if s.startswith("BEGIN")]) == again, statement


@pytest.mark.parametrize(
    ("action", "statements"),
    [
        ("57014", BORDERS[1:]),
        *(pytest.param(one, tuple(STATEMENTS)[1:], marks=pytest.mark.soak) for one in ("57014", "1023", "drop")),
    ],
)
def test_a15_a_crash_that_does_not_pass_leaves_the_table_unchanged(
    warehouse: Warehouse,
    lake: Lake,
    redshift: RedshiftStandIn,
    monkeypatch: pytest.MonkeyPatch,
    action: Any,
    statements: tuple[str, ...],
) -> None:
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, attempts=2))
    versions = Versions(warehouse, lake)
    for statement in statements:
        second, before, after = versions.another()
        redshift.faults.add(Fault(STATEMENTS[statement], action, times=1_000))
        with pytest.raises(PassingError):
            run(warehouse, lake, second)
        redshift.faults.clear()
        assert (whole(warehouse), versions.loads_of(second)) == (before, 0), statement
        run(warehouse, lake, second)
        assert (whole(warehouse), versions.loads_of(second)) == (after, 1), statement


def test_a_session_that_is_lost_while_it_greets_is_opened_anew(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    redshift.faults.add(Fault("pg_backend_pid", "drop", times=2))
    run(warehouse, lake, put(lake, 0, [row(1, "a", at(1))]))
    assert notes(warehouse) == {1: "a"}


@pytest.mark.parametrize("mode", ["append", "full"])
@pytest.mark.parametrize(("statement", "when"), [("insert", "after"), ("commit", "after")])
def test_a15_a_crash_in_another_mode_is_overcome_too(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, mode: str, statement: str, when: Any
) -> None:
    for number in range(2):
        run(warehouse, lake, put(lake, number, [row(number, "a", at(1))]), mode=mode)
    manifest = put(lake, 1, [row(5, "b", at(2))], snapshot_at=datetime(2024, 2, 1, tzinfo=timezone.utc))
    redshift.faults.add(Fault(STATEMENTS[statement], "drop", when=when))
    run(warehouse, lake, manifest, mode=mode)
    assert notes(warehouse) == ({0: "a", 5: "b"} if mode == "append" else {5: "b"})


def test_a_refusal_that_would_come_again_is_not_tried_again(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    run(warehouse, lake, put(lake, 0, []))
    redshift.statements.clear()
    with pytest.raises(WarehouseError):
        warehouse.transaction(lambda session: session.execute("SELECT nonsense"))
    assert len([s for s in redshift.statements if s.startswith("BEGIN")]) == 1


# Two at once


def test_a24_whether_a_load_landed_is_known_once_its_commit_has_ended(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, crash: Any
) -> None:
    slow = SlowToCommit(redshift, warehouse)
    run(slow, lake, crash[0])
    assert slow.said == [True]
    assert whole(warehouse) == crash[2]


def test_a24_concurrent_loads_of_one_table_all_land(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    run(warehouse, lake, put(lake, 0, [row(1, "0", at(0))]))
    # a key that is new to the table: no row is there for the loads to conflict on
    days = [put(lake, n, [row(9, f"{n}", at(n)), row(n + 1, f"{n}", at(n))]) for n in (1, 2, 3)]
    redshift.faults.add(Fault('^CREATE TEMP TABLE "dwh_fresh"', "delay", times=2, seconds=0.3))
    results = together(*((lambda day=day: run(warehouse, lake, day)) for day in days))
    assert [r for r in results if not isinstance(r, Loaded)] == []
    assert notes(warehouse) == {1: "0", 2: "1", 3: "2", 4: "3", 9: "3"}
    assert sorted(r[1] for r in history(warehouse)) == [FIRST + timedelta(days=n) for n in range(4)]


def test_a24_concurrent_first_loads_all_land_though_nothing_is_there_yet(warehouse: Warehouse, lake: Lake) -> None:
    days = [put(lake, n, [row(1, f"{n}", at(n)), row(n + 2, f"{n}", at(n))]) for n in range(3)]
    results = together(*((lambda day=day: run(warehouse, lake, day)) for day in days))
    assert [r for r in results if not isinstance(r, Loaded)] == []
    assert notes(warehouse) == {1: "2", 2: "0", 3: "1", 4: "2"}


def test_a20_a24_concurrent_loads_that_both_bring_a_new_column_land(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, put(lake, 0, [row(1, "0", at(0))]))
    wider = replace(SCHEMA, columns=(*SCHEMA.columns, Column("more", "int", "int")))
    days = [put(lake, n, [{**row(n, "x", at(n)), "more": n}], schema=wider) for n in (1, 2)]
    results = together(*((lambda day=day: run(warehouse, lake, day)) for day in days))
    assert [r for r in results if not isinstance(r, Loaded)] == []
    assert query(warehouse, f"SELECT id, more FROM {TARGET.sql} ORDER BY 1") == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("first", "second"),
    [("usual", "first load"), ("first load", "emptied table"), ("emptied table", "usual")],
)
def test_a24_loads_of_different_tables_do_not_wait_for_one_another(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, first: str, second: str
) -> None:
    targets = [replace(TARGET, name=name) for name in ("slow", "fast")]
    days = [put(lake, n, [row(1, f"{n}", at(n))]) for n in range(2)]
    for target, state in zip(targets, (first, second), strict=True):
        if state != "first load":
            run(warehouse, lake, days[0], target=target)
        if state == "emptied table":
            query(warehouse, f"DELETE FROM {target.sql}")
    run(warehouse, lake, days[0])
    held = Fault("^COPY", "delay", seconds=120)
    redshift.faults.add(held)
    redshift.statements.clear()
    slow = threading.Thread(target=lambda: run(warehouse, lake, *days, target=targets[0]))
    slow.start()
    until(lambda: any(statement.startswith("COPY") for statement in list(redshift.statements)))
    run(warehouse, lake, *days, target=targets[1])
    assert slow.is_alive()
    held.until.set()
    slow.join(30)
    for target in targets:
        assert query(warehouse, f"SELECT note FROM {target.sql}") == [("1",)]
    assert len([s for s in redshift.statements if s.startswith("BEGIN")]) == 2


def test_a24_whether_a_first_load_landed_is_known_once_its_commit_has_ended(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    slow = SlowToCommit(redshift, warehouse)
    run(slow, lake, put(lake, 0, [row(1, "a", at(1))]))
    assert slow.said == [True]
    assert notes(warehouse) == {1: "a"}


@pytest.mark.parametrize("is_first", [True, False])
def test_a24_a_load_that_did_not_land_is_known_not_to_have(warehouse: Warehouse, lake: Lake, is_first: bool) -> None:
    if not is_first:
        run(warehouse, lake, put(lake, 0, [row(1, "a", at(1))]))
    work = Load(warehouse, lake, TARGET, "incremental", [put(lake, 1, [row(2, "b", at(1))])], None)
    with warehouse.session() as session:
        prepared = work.prepare(session)
        session.execute("BEGIN")
        work.run(session, prepared)
        session.execute("ROLLBACK")
        assert work.landed(session, prepared) is False
        prepared = work.prepare(session)
        session.execute("BEGIN")
        work.run(session, prepared)
        session.execute("COMMIT")
        assert work.landed(session, prepared) is True
        session.execute(f"DROP TABLE {TARGET.sql}")  # by somebody else, meanwhile
        assert work.landed(session, prepared) is True


# Drift


def with_columns(*columns: Column) -> TableSchema:
    return replace(SCHEMA, columns=columns)


def test_a20_a_column_added_first_gets_its_values_and_old_days_still_load(warehouse: Warehouse, lake: Lake) -> None:
    old = put(lake, 0, [row(1, "a", at(1)), row(2, "a", at(1))])
    new = put(
        lake,
        1,
        [{**row(1, "b", at(2)), "first": 7}],
        schema=with_columns(Column("First", "int", "int"), ID, NOTE, CURSOR),
    )
    for manifests in ([old], [new], [old], [old, new]):
        run(warehouse, lake, *manifests)
    assert query(warehouse, f"SELECT id, note, first FROM {TARGET.sql} ORDER BY 1") == [(1, "b", 7), (2, "a", None)]


def test_a20_columns_in_another_order_keep_their_values(warehouse: Warehouse, lake: Lake) -> None:
    name, place = (Column(n, "varchar", "varchar(10)", length=10) for n in ("name", "place"))
    for number, order in enumerate(((name, place), (place, name))):
        rows = [{"id": number, "name": "n", "place": "p", "update_date": at(1)}]
        run(warehouse, lake, put(lake, number, rows, schema=with_columns(ID, *order, CURSOR)))
    assert query(warehouse, f"SELECT name, place FROM {TARGET.sql}") == [("n", "p")] * 2


def test_a20_a_range_across_a_change_of_columns_loads_in_one_transaction(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    more = Column("more", "int", "int")
    days = [
        put(lake, 0, [row(1, "a", at(1))]),
        put(lake, 1, [{**row(2, "b", at(1)), "more": 1}], schema=with_columns(ID, more, NOTE, CURSOR)),
        put(lake, 2, [{**row(3, "c", at(1)), "more": 2}], schema=with_columns(ID, NOTE, CURSOR, more)),
    ]
    run(warehouse, lake, days[0])
    redshift.statements.clear()
    run(warehouse, lake, *days)
    assert len([s for s in redshift.statements if s.startswith("BEGIN")]) == 1
    assert query(warehouse, f"SELECT id, note, more FROM {TARGET.sql} ORDER BY 1") == [
        (1, "a", None),
        (2, "b", 1),
        (3, "c", 2),
    ]


def varchar(characters: int) -> Column:
    return Column("note", "varchar", f"varchar({characters})", length=characters)


def test_a20_a_wider_varchar_is_widened_in_place(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, put(lake, 0, [row(1, "a", at(1))]))
    wide = with_columns(ID, varchar(20), CURSOR)
    run(warehouse, lake, put(lake, 1, [row(2, "x" * 80, at(1))], schema=wide))
    run(warehouse, lake, put(lake, 2, [row(3, "c", at(1))]))  # an old schema again: nothing is narrowed
    run(warehouse, lake, put(lake, 3, [row(4, "x" * 80, at(1))], schema=wide))
    assert {k: len(v) for k, v in notes(warehouse).items()} == {1: 1, 2: 80, 3: 1, 4: 80}


@pytest.mark.parametrize("sizes", [(20, 10), (10, 20)])
def test_a20_a_range_across_a_change_of_width_holds_the_widest(
    warehouse: Warehouse, lake: Lake, sizes: tuple[int, int]
) -> None:
    days = [
        put(lake, n, [row(n, "x" * size * 4, at(1))], schema=with_columns(ID, varchar(size), CURSOR))
        for n, size in enumerate(sizes)
    ]
    run(warehouse, lake, *days)
    assert [len(note) for note in notes(warehouse).values()] == [size * 4 for size in sizes]


def changed(column: Column) -> TableSchema:
    return with_columns(*(column if c.target_name == column.target_name else c for c in SCHEMA.columns))


BIG_ID = Column("Id", "bigint", "bigint unsigned", nullable=False)


@pytest.mark.parametrize(
    ("column", "was", "becomes"),
    [
        (BIG_ID, "BIGINT", "DECIMAL(20,0) (bigint unsigned in MySQL)"),
        (Column("note", "json", "json"), "VARCHAR(40)", "SUPER (json in MySQL)"),
        (Column("update_date", "varchar", "varchar(9)", length=9), "TIMESTAMP", "VARCHAR(36) (varchar(9) in MySQL)"),
    ],
    ids=["wider", "json", "text"],
)
def test_a20_a_changed_type_stops_with_the_column_and_both_types(
    warehouse: Warehouse, lake: Lake, column: Column, was: str, becomes: str
) -> None:
    run(warehouse, lake, put(lake, 0, [row(1, "a", at(1))]))
    before = whole(warehouse), history(warehouse)
    with pytest.raises(DriftError) as caught:
        run(warehouse, lake, put(lake, 1, [], schema=changed(column)))
    assert f"column {column.target_name!r} is {was} in Redshift and now {becomes}" in str(caught.value)
    assert "aurora-dwh rebuild orders" in str(caught.value)
    assert (whole(warehouse), history(warehouse)) == before


def test_a20_a_narrower_source_and_days_from_before_a_type_grew_load_as_they_are(
    warehouse: Warehouse, lake: Lake
) -> None:
    wide = changed(Column("Id", "bigint", "bigint"))
    narrow = changed(Column("Id", "smallint", "smallint"))
    run(warehouse, lake, put(lake, 0, [row(2**40, "a", at(1))], schema=wide))
    run(warehouse, lake, put(lake, 1, [row(-7, "b", at(2))], schema=narrow))
    assert notes(warehouse) == {-7: "b", 2**40: "a"}


def test_a20_a_range_across_a_change_of_type_is_a_transaction_for_each_type(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    run(warehouse, lake, put(lake, 0, [], schema=changed(BIG_ID)))
    days = [
        put(lake, 1, [row(1, "a", at(1))]),
        put(lake, 2, [row(1, "b", at(2))]),
        put(lake, 3, [{**row(0, "c", at(3)), "id": Decimal(2**64 - 1)}], schema=changed(BIG_ID)),
    ]
    groups = list(transactions(reversed(days)))
    assert groups == [days[:2], days[2:]]
    for group in groups:
        run(warehouse, lake, *group)
    assert notes(warehouse) == {1: "b", 2**64 - 1: "c"}


def test_a25_a_long_range_is_loaded_in_groups_that_the_stage_holds(lake: Lake) -> None:
    days = [put(lake, n, [row(n, "a", at(1))]) for n in range(5)]
    two = 2 * days[0].size
    assert [len(group) for group in transactions(days, stage_bytes=two)] == [2, 2, 1]
    assert [len(group) for group in transactions(days, stage_bytes=1)] == [1] * 5  # a day is never cut
    assert list(transactions(days)) == [days]


FROZEN = replace(TARGET, frozen=True)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (with_columns(*SCHEMA.columns, Column("more", "int", "int")), "'more' is new, INTEGER (int in MySQL)"),
        (with_columns(ID, CURSOR), "'note' is gone from the source"),
        (changed(varchar(20)), "'note' was VARCHAR(40) and is VARCHAR(80)"),
        (changed(varchar(5)), "'note' was VARCHAR(40) and is VARCHAR(20)"),
    ],
    ids=["new", "gone", "wider", "narrower"],
)
def test_a20_a_frozen_table_refuses_every_change(
    warehouse: Warehouse, lake: Lake, schema: TableSchema, said: str
) -> None:
    run(warehouse, lake, put(lake, 0, [row(1, "a", at(1))]), target=FROZEN)
    before = whole(warehouse), history(warehouse)
    with pytest.raises(DriftError) as caught:
        run(warehouse, lake, put(lake, 1, [], schema=schema), target=FROZEN)
    assert said in str(caught.value)
    assert "`on_drift: evolve`" in str(caught.value)
    assert (whole(warehouse), history(warehouse)) == before
    reordered = with_columns(*reversed(SCHEMA.columns))
    run(warehouse, lake, put(lake, 1, [row(1, "b", at(2))], schema=reordered), target=FROZEN)
    assert notes(warehouse) == {1: "b"}


@pytest.mark.parametrize("mode", ["append", "full"])
def test_a20_an_old_day_of_another_type_that_a_later_reading_overtook_is_passed_over(
    warehouse: Warehouse, lake: Lake, mode: str
) -> None:
    json_note = changed(Column("note", "json", "json"))
    later = datetime(2024, 2, 1, tzinfo=timezone.utc)
    old = put(lake, 0, [row(1, "a", at(1))])
    new = put(lake, 0, [row(0, "{}", at(2))], schema=json_note, snapshot_at=later)
    run(warehouse, lake, new, mode=mode)
    before = whole(warehouse)
    run(warehouse, lake, old, mode=mode)
    assert whole(warehouse) == before


def test_a_full_table_that_is_made_anew_takes_the_days_that_the_old_one_had(warehouse: Warehouse, lake: Lake) -> None:
    day = put(lake, 0, [row(1, "a", at(1))])
    later = put(lake, 1, [row(2, "b", at(1))])
    run(warehouse, lake, later, mode="full")
    with warehouse.session() as session:
        session.execute(f"DROP TABLE {TARGET.sql}")
    run(warehouse, lake, day, mode="full")
    assert notes(warehouse) == {1: "a"}
    assert query(warehouse, "SELECT day::VARCHAR, in_target FROM dwh.load_history ORDER BY day") == [
        ("2024-01-01", True),
        ("2024-01-02", False),
    ]


# Keys that Redshift takes for one


def text_key(*keys: str) -> tuple[TableSchema, list[Row]]:
    schema = changed(Column("Id", "varchar", "varchar(10)", length=10))
    return schema, [{"id": key, "note": "a", "update_date": at(1)} for key in keys]


def test_keys_that_differ_in_blanks_at_the_end_are_refused_within_a_load(warehouse: Warehouse, lake: Lake) -> None:
    schema, rows = text_key("a", "b ", "b")
    with pytest.raises(DataError, match=r"differ only in blanks at the end of their key, such as Id='b ?'[;,]"):
        run(warehouse, lake, put(lake, 0, rows, schema=schema))
    with pytest.raises(WarehouseError, match="does not exist"):
        whole(warehouse)


@pytest.mark.parametrize("hours", [(1, 2), (2, 1)])
def test_keys_that_differ_in_blanks_at_the_end_are_refused_across_loads(
    warehouse: Warehouse, lake: Lake, hours: tuple[int, int]
) -> None:
    schema, rows = text_key("a", "a  ")
    days = [put(lake, n, [{**rows[n], "update_date": at(hours[n])}], schema=schema) for n in range(2)]
    run(warehouse, lake, days[0])
    before = whole(warehouse)
    with pytest.raises(DataError, match="blanks at the end"):
        run(warehouse, lake, days[1])
    assert whole(warehouse) == before
    run(warehouse, lake, days[0])


def test_every_type_of_the_map_is_found_again_as_it_was_made(warehouse: Warehouse, lake: Lake) -> None:
    kinds = {
        "tinyint": {}, "smallint": {}, "int": {}, "bigint": {}, "float": {}, "double": {}, "year": {}, "date": {},
        "datetime": {}, "timestamp": {}, "time": {}, "json": {}, "blob": {}, "point": {}, "text": {"length": 65_535},
        "varchar": {"length": 3}, "decimal": {"precision": 12, "scale": 2}, "bit": {"precision": 1},
    }  # fmt: skip
    columns = [Column(f"c_{kind}", kind, kind, **sizes) for kind, sizes in kinds.items()]
    columns += [
        Column("c_wide", "decimal", "decimal(65,30)", precision=65, scale=30),
        Column("c_unsigned", "bigint", "bigint unsigned"),
        Column("c_enum", "enum", "enum('a','b')"),
    ]
    schema = with_columns(ID, *columns, CURSOR)
    for number in range(2):
        rows = [{**dict.fromkeys(schema.arrow_schema.names), "id": 1, "update_date": at(number)}]
        run(warehouse, lake, put(lake, number, rows, schema=schema))
    assert query(warehouse, f"SELECT COUNT(*) FROM {TARGET.sql}") == [(1,)]


def test_a_table_that_is_not_ours_is_left_alone(warehouse: Warehouse, lake: Lake) -> None:
    with warehouse.session() as session:
        session.execute("CREATE SCHEMA staging")
        session.execute(f"CREATE TABLE {TARGET.sql} (id BIGINT, note VARCHAR(40), update_date TIMESTAMP)")
    with pytest.raises(DriftError, match="lacks _dwh_day, _dwh_loaded_at: it was not made by aurora-dwh"):
        run(warehouse, lake, put(lake, 0, [row(1, "a", at(1))]))
    assert query(warehouse, f"SELECT COUNT(*) FROM {TARGET.sql}") == [(0,)]


# The audit table and the price


def test_history_has_a_row_for_each_day_of_each_load(warehouse: Warehouse, lake: Lake) -> None:
    first, second = put(lake, 0, [row(1, "a", at(1))]), put(lake, 1, [row(1, "b", at(2)), row(2, "b", at(2))])
    done = run(warehouse, lake, first, second)
    run(warehouse, lake, second)
    assert history(warehouse) == [
        ("staging.orders", FIRST, "incremental", 1, 0, 0),
        ("staging.orders", FIRST + timedelta(days=1), "incremental", 2, 2, 0),
        ("staging.orders", FIRST + timedelta(days=1), "incremental", 2, 0, 2),
    ]
    columns = "load_id, run_id, manifest_url, attempt, snapshot_at, converted"
    assert query(warehouse, f"SELECT {columns} FROM dwh.load_history ORDER BY loaded_at, day")[0] == (
        done.load_id,
        "run",
        first.url,
        first.attempt,
        first.snapshot_at.replace(tzinfo=None),
        "{}",
    )


def test_what_policies_changed_is_in_the_audit_table(warehouse: Warehouse, lake: Lake) -> None:
    work = extract(SCHEMA, FIRST, [row(1, "a", None)])
    work.converted["update_date", "zero_date"] += 1
    run(warehouse, lake, lake.write("orders", work))
    assert json.loads(query(warehouse, "SELECT converted FROM dwh.load_history")[0][0]) == {
        "update_date": {"zero_date": 1}
    }


def test_a28_no_statement_holds_a_secret(warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn) -> None:
    redshift.statements.clear()
    run(warehouse, lake, put(lake, 0, [row(1, "a", at(1))]))
    assert redshift.s3 is not None
    for secret in (redshift.s3.secret_key, redshift.s3.access_key, redshift._password):
        assert not [s for s in redshift.statements if secret in s]
