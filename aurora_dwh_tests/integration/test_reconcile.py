"""The reconciliation, over the real protocols: what is gone from the source goes from the table, and no more."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aurora_dwh.handoff import DataError, Manifest
from aurora_dwh.lake import parquet, upload
from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.store import Lake
from aurora_dwh.local.lake import BUCKET
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.schema import Column, TableSchema
from aurora_dwh.warehouse import connection
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.drift import DriftError
from aurora_dwh.warehouse.errors import PassingError
from aurora_dwh.warehouse.load import load
from aurora_dwh.warehouse.reconcile import Reconciled, TooManyGoneError, prepare, reconcile
from aurora_dwh.warehouse.statements import Target
from aurora_dwh_tests.services import SlowToCommit, each_statement, extract, query

ID = Column("Id", "bigint", "bigint", nullable=False)
NOTE = Column("note", "varchar", "varchar(10)", length=10)
CURSOR = Column("update_date", "datetime", "datetime")
SCHEMA = TableSchema("shop", "orders", (ID, NOTE, CURSOR), ("Id",))
REMOVE = Target("staging", "orders", key=("Id",), cursor="update_date")
FLAG = replace(REMOVE, flags_deletes=True)
FIRST = date(2024, 1, 1)
_names = itertools.count(1)


def moment(hour: int) -> datetime:
    return datetime(2024, 2, 1, tzinfo=timezone.utc) + timedelta(hours=hour)


def put(
    lake: Lake, day: int, ids: Mapping[int, int] | Sequence[int], read: int, *, schema: TableSchema = SCHEMA
) -> Manifest:
    """Write a day: keys with the hour of their cursor, as they were read at an hour."""
    hours = ids if isinstance(ids, Mapping) else dict.fromkeys(ids, 0)
    rows = [{"id": key, "note": str(hour), "update_date": naive(hour)} for key, hour in hours.items()]
    return lake.write(schema.table, extract(schema, FIRST + timedelta(days=day), rows, snapshot_at=moment(read)))


def naive(hour: int) -> datetime:
    return moment(hour).replace(tzinfo=None)


def run(warehouse: Warehouse, lake: Lake, target: Target, *manifests: Manifest, mode: str = "incremental") -> None:
    load(warehouse, lake, target, mode, manifests, run_id="run")


@contextmanager
def keys_in_lake(
    lake: Lake, rows: Sequence[Mapping[str, Any]], read: int, schema: TableSchema = SCHEMA
) -> Iterator[Manifest]:
    own = replace(schema, columns=tuple(c for c in schema.columns if c.name in schema.primary_key))
    with lake.keys(schema.table, [extract(own, FIRST, rows, snapshot_at=moment(read))]) as keys:
        yield keys


def compare(
    warehouse: Warehouse, lake: Lake, target: Target, ids: Sequence[int], read: int, max_share: float = 1.0
) -> Reconciled:
    prepare(warehouse, target)
    with keys_in_lake(lake, [{"id": key} for key in ids], read) as keys:
        return reconcile(warehouse, lake, target, keys, max_share=max_share, run_id="run")


def staged(warehouse: Warehouse, target: Target) -> dict[int, bool]:
    """Return each key of the table and whether it is flagged."""
    flag = '"_dwh_deleted"' if target.flags_deletes else "FALSE"
    found = query(warehouse, f"SELECT id, {flag} FROM {target.sql}")
    assert len(dict(found)) == len(found), "a key is there twice"
    return dict(found)


def objects(lake: Lake) -> list[str]:
    found = lake._client.list_objects_v2(Bucket=BUCKET, Prefix=lake.layout.table("orders"))
    return [item["Key"] for item in found.get("Contents", ())]


def test_a16_rows_gone_from_the_source_are_removed(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, REMOVE, put(lake, 0, range(1, 11), read=0))
    done = compare(warehouse, lake, REMOVE, [1, 2, 3, 4, 6, 7, 8, 9, 10], read=1, max_share=0.1)
    assert (done.source_keys, done.live_rows, done.gone, done.back, done.share) == (9, 10, 1, 0, 0.1)
    assert set(staged(warehouse, REMOVE)) == {1, 2, 3, 4, 6, 7, 8, 9, 10}


def test_a16_rows_gone_from_the_source_are_flagged_as_of_the_keys(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, FLAG, put(lake, 0, [1, 2, 3], read=0))
    assert staged(warehouse, FLAG) == {1: False, 2: False, 3: False}
    done = compare(warehouse, lake, FLAG, [1, 3], read=1)
    assert (done.live_rows, done.gone) == (3, 1)
    assert staged(warehouse, FLAG) == {1: False, 2: True, 3: False}
    read = dict(query(warehouse, f"SELECT id, _dwh_loaded_at FROM {FLAG.sql}"))
    assert read == {1: naive(0), 2: naive(1), 3: naive(0)}
    again = compare(warehouse, lake, FLAG, [1, 3], read=2)
    assert (again.live_rows, again.gone, again.back) == (2, 0, 0)


def test_a16_a_row_that_came_back_is_unflagged(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, FLAG, put(lake, 0, [1, 2, 3], read=0))
    compare(warehouse, lake, FLAG, [1], read=1)
    assert compare(warehouse, lake, FLAG, [1, 3], read=2).back == 1
    assert staged(warehouse, FLAG) == {1: False, 2: True, 3: False}
    run(warehouse, lake, FLAG, put(lake, 0, [2], read=3))
    assert staged(warehouse, FLAG) == {1: False, 2: False, 3: False}


def test_a16_an_old_day_loaded_again_does_not_bring_a_flagged_row_back(warehouse: Warehouse, lake: Lake) -> None:
    day = put(lake, 0, {1: 0, 2: 0}, read=0)
    run(warehouse, lake, FLAG, day)
    compare(warehouse, lake, FLAG, [1], read=2)
    run(warehouse, lake, FLAG, day)
    run(warehouse, lake, FLAG, put(lake, 1, {2: 9}, read=1))  # a newer cursor, in rows read before it was gone
    assert staged(warehouse, FLAG) == {1: False, 2: True}


@pytest.mark.parametrize("target", [REMOVE, FLAG], ids=["remove", "flag"])
def test_a16_a_row_that_was_read_after_the_keys_is_left_alone(warehouse: Warehouse, lake: Lake, target: Target) -> None:
    run(warehouse, lake, target, put(lake, 0, [1], read=0), put(lake, 1, [2], read=5))
    assert compare(warehouse, lake, target, [1], read=4).gone == 0
    assert compare(warehouse, lake, target, [1], read=5).gone == 1


@pytest.mark.parametrize("target", [REMOVE, FLAG], ids=["remove", "flag"])
def test_a16_too_many_gone_are_refused_with_table_share_keys_and_remedy(
    warehouse: Warehouse, lake: Lake, target: Target
) -> None:
    run(warehouse, lake, target, put(lake, 0, range(1, 11), read=0))
    before = query(warehouse, f"SELECT * FROM {target.sql} ORDER BY 1")
    with pytest.raises(TooManyGoneError) as caught:
        compare(warehouse, lake, target, range(3, 11), read=1, max_share=0.1)
    assert str(caught.value) == (
        "staging.orders: 2 of 10 rows (20.0%) are gone from the source, such as 1, 2, and at most 10.0% may be; "
        "nothing was changed. If they were deleted on purpose, materialize reconcile again with the run config "
        "`max_share: 0.2`"
    )
    assert query(warehouse, f"SELECT * FROM {target.sql} ORDER BY 1") == before
    assert query(warehouse, "SELECT COUNT(*) FROM dwh.reconcile_history") == [(0,)]
    assert compare(warehouse, lake, target, range(3, 11), read=1, max_share=0.2).gone == 2


def test_a16_an_empty_source_is_refused_unless_all_may_go(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, REMOVE, put(lake, 0, [1, 2], read=0), put(lake, 1, [3], read=9))
    with pytest.raises(TooManyGoneError, match="the source is empty"):
        compare(warehouse, lake, REMOVE, [], read=1, max_share=0.99)
    assert compare(warehouse, lake, REMOVE, [], read=1, max_share=1).gone == 2
    assert set(staged(warehouse, REMOVE)) == {3}
    assert compare(warehouse, lake, REMOVE, [], read=2).share == 0


def test_a16_an_empty_source_and_an_empty_table_agree(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, REMOVE, put(lake, 0, [], read=0))
    done = compare(warehouse, lake, REMOVE, [], read=1, max_share=0.1)
    assert (done.live_rows, done.gone, done.share) == (0, 0, 0)


def test_a16_flagging_that_is_switched_on_later_begins_with_no_row_flagged(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, REMOVE, put(lake, 0, [1, 2], read=0))
    assert compare(warehouse, lake, FLAG, [1], read=1).gone == 1
    assert staged(warehouse, FLAG) == {1: False, 2: True}


def test_a16_a_load_adds_the_flag_too(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, REMOVE, put(lake, 0, [1], read=0))
    run(warehouse, lake, replace(FLAG, frozen=True), put(lake, 1, [2], read=1))
    assert staged(warehouse, FLAG) == {1: False, 2: False}


def test_a16_a_table_that_was_never_loaded_is_refused_before_the_source_is_read(warehouse: Warehouse) -> None:
    with pytest.raises(DataError, match=r"staging\.orders does not exist"):
        prepare(warehouse, FLAG)


def test_a16_each_reconciliation_has_a_row_in_its_history(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, FLAG, put(lake, 0, [1, 2, 3], read=0))
    compare(warehouse, lake, FLAG, [1], read=1)
    compare(warehouse, lake, FLAG, [1, 2], read=2)
    names = "run_id, table_name, deletes, snapshot_at, source_keys, live_rows, rows_gone, rows_back"
    assert query(warehouse, f"SELECT {names} FROM dwh.reconcile_history ORDER BY reconciled_at") == [
        ("run", "staging.orders", "flag", naive(1), 1, 3, 2, 0),
        ("run", "staging.orders", "flag", naive(2), 2, 1, 0, 1),
    ]


def test_a16_the_key_files_are_removed_however_it_ends(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, REMOVE, put(lake, 0, [1, 2], read=0))
    before = objects(lake)
    compare(warehouse, lake, REMOVE, [1], read=1)
    assert objects(lake) == before
    with pytest.raises(TooManyGoneError):
        compare(warehouse, lake, REMOVE, [], read=2, max_share=0.1)

    def broken() -> Iterator[Mapping[str, Any]]:
        yield {"id": 1}
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError), keys_in_lake(lake, broken(), 3):  # type: ignore[arg-type]
        pass
    assert objects(lake) == before


KEYS: list[tuple[str, Column, list[Any]]] = [
    ("bigint unsigned", Column("k", "bigint", "bigint unsigned", False), [2**64 - 1, 2**64 - 2, 0]),
    (
        "decimal",
        Column("k", "decimal", "decimal(20,4)", False, precision=20, scale=4),
        [Decimal("1.0000"), Decimal("1.0001"), Decimal("-1.0000")],
    ),
    ("text", Column("k", "varchar", "varchar(9)", False, 9), ["a", "A", "日本", "it's\\"]),
    ("binary", Column("k", "binary", "binary(4)", False, 4), [b"\0\0\0\0", b"a\0\0\0", b"a   ", b"\xff\xfe\xfd\xfc"]),
    (
        "datetime",
        Column("k", "datetime", "datetime(6)", False),
        [datetime(2024, 1, 1, 0, 0, 0, us) for us in (0, 1, 999_999)],  # noqa: DTZ001 - a wall clock
    ),
    ("date", Column("k", "date", "date", False), [date(2024, 1, 1), date(2024, 1, 2), date(9999, 12, 31)]),
]


@pytest.mark.parametrize(("column", "values"), [k[1:] for k in KEYS], ids=[k[0] for k in KEYS])
@pytest.mark.parametrize("flags", [False, True], ids=["remove", "flag"])
def test_a16_keys_of_every_type_are_told_apart(
    warehouse: Warehouse, lake: Lake, column: Column, values: list[Any], flags: bool
) -> None:
    schema = TableSchema("shop", "odd", (column, CURSOR), ("k",))
    target = Target("staging", "odd", key=("k",), cursor="update_date", flags_deletes=flags)
    rows = [{"k": value, "update_date": naive(0)} for value in values]
    run(warehouse, lake, target, lake.write("odd", extract(schema, FIRST, rows, snapshot_at=moment(0))))
    prepare(warehouse, target)
    for left in range(len(values), -1, -1):
        with keys_in_lake(lake, [{"k": v} for v in values[:left]], len(values) - left + 1, schema) as keys:
            done = reconcile(warehouse, lake, target, keys, max_share=1)
        live = "NOT _dwh_deleted" if flags else "TRUE"
        assert query(warehouse, f"SELECT COUNT(*) FROM {target.sql} WHERE {live}") == [(left,)]
        assert done.gone == (left < len(values))


def test_a16_blanks_at_the_end_of_a_key_tell_rows_apart(warehouse: Warehouse, lake: Lake) -> None:
    schema = TableSchema("shop", "odd", (Column("k", "varchar", "varchar(9)", False, 9), ID, CURSOR), ("k", "Id"))
    target = Target("staging", "odd", key=("k", "Id"), cursor="update_date")
    rows = [{"k": text, "id": n, "update_date": naive(0)} for n, text in enumerate(["a", "b ", ""])]
    run(warehouse, lake, target, lake.write("odd", extract(schema, FIRST, rows, snapshot_at=moment(0))))
    prepare(warehouse, target)
    now = [{"k": "a ", "id": 0}, {"k": "b ", "id": 1}, {"k": "", "id": 2}]
    with keys_in_lake(lake, now, 1, schema) as keys:
        assert reconcile(warehouse, lake, target, keys, max_share=1).gone == 1
    assert query(warehouse, f"SELECT k, id FROM {target.sql} ORDER BY id") == [("b ", 1), ("", 2)]


def test_a20_keys_of_another_type_than_the_tables_are_refused(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, REMOVE, put(lake, 0, [1, 2], read=0))
    prepare(warehouse, REMOVE)
    schema = replace(SCHEMA, columns=(Column("Id", "varchar", "varchar(9)", False, 9), NOTE, CURSOR))
    with keys_in_lake(lake, [{"id": "1"}], 1, schema) as keys, pytest.raises(DriftError, match="rebuild orders"):
        reconcile(warehouse, lake, REMOVE, keys, max_share=1)
    assert set(staged(warehouse, REMOVE)) == {1, 2}


# Failures on the way

AFTER = {FLAG: {1: False, 2: True}, REMOVE: {1: False}}
"""A table of two rows, of which the source lacks the second."""


@pytest.fixture
def two_of_three(warehouse: Warehouse, lake: Lake) -> Iterator[Manifest]:
    """A table with three rows of which one is flagged, and keys that lack one row and have the flagged one."""
    run(warehouse, lake, FLAG, put(lake, 0, [1, 2, 3], read=0))
    compare(warehouse, lake, FLAG, [1, 2], read=1)
    with keys_in_lake(lake, [{"id": 1}, {"id": 3}], 2) as keys:
        yield keys


def history(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return query(warehouse, "SELECT rows_gone, rows_back FROM dwh.reconcile_history ORDER BY reconciled_at")


@pytest.mark.parametrize(("action", "when"), [("1023", "before"), ("drop", "after")])
@pytest.mark.parametrize("target", [FLAG, REMOVE], ids=["flag", "remove"])
def test_a15_a16_a_crash_at_any_statement_is_overcome_and_reported_once(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, target: Target, action: Any, when: Any
) -> None:
    for failing in each_statement(redshift, action, when):
        run(warehouse, lake, target, put(lake, 0, [1, 2], read=2 * failing.number))
        with failing:
            done = compare(warehouse, lake, target, [1], read=2 * failing.number + 1)
        assert (done.live_rows, done.gone) == (2, 1)
        assert staged(warehouse, target) == AFTER[target]
        assert history(warehouse) == [(1, 0)] * (failing.number + 1)
    assert failing.number > len(done.statements)


@pytest.mark.parametrize("action", ["57014", "drop"])
@pytest.mark.parametrize("target", [FLAG, REMOVE], ids=["flag", "remove"])
def test_a15_a16_a_crash_that_does_not_pass_leaves_the_table_and_a_re_run_reconciles_it(
    warehouse: Warehouse,
    lake: Lake,
    redshift: RedshiftStandIn,
    monkeypatch: pytest.MonkeyPatch,
    target: Target,
    action: Any,
) -> None:
    run(warehouse, lake, target, put(lake, 0, [], read=0))
    monkeypatch.setattr(connection, "ATTEMPTS", 1)
    for failing in each_statement(redshift, action, "before"):
        run(warehouse, lake, target, put(lake, 0, [1, 2], read=2 * failing.number))
        with suppress(PassingError), failing:
            compare(warehouse, lake, target, [1], read=2 * failing.number + 1)
        assert staged(warehouse, target) == ({1: False, 2: False} if failing.met else AFTER[target])
        compare(warehouse, lake, target, [1], read=2 * failing.number + 1)
        assert staged(warehouse, target) == AFTER[target]


def test_a24_whether_a_reconciliation_landed_is_known_once_its_commit_has_ended(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    run(warehouse, lake, FLAG, put(lake, 0, [1, 2], read=0))
    slow = SlowToCommit(redshift, warehouse)
    compare(slow, lake, FLAG, [1], read=1)
    assert slow.said == [True]


def test_a16_a23_a_key_file_that_is_missing_is_a_failure_and_not_a_deleted_row(
    warehouse: Warehouse, lake: Lake, two_of_three: Manifest
) -> None:
    (part,) = two_of_three.parts
    lake._delete([lake.layout.key(part.url)])
    with pytest.raises(DataError, match="COPY failed, nothing was changed"):
        reconcile(warehouse, lake, FLAG, two_of_three, max_share=1)
    assert staged(warehouse, FLAG) == {1: False, 2: False, 3: True}


# Any order


@dataclass
class Model:
    """What the source has and what the table should have, as dictionaries; each step is an hour later.

    Attributes:
        source: Key -> hour of its last write.
        table: Key -> (cursor, hour of its reading, flagged).
    """

    flags: bool
    hour: int = 0
    source: dict[int, int] = field(default_factory=dict)
    table: dict[int, tuple[int, int, bool]] = field(default_factory=dict)

    def load(self, rows: Mapping[int, int], read: int) -> None:
        for key, cursor in rows.items():
            old = self.table.get(key)
            if old is None or (read > old[1] if old[2] else read >= old[1]):
                self.table[key] = (cursor, read, False)

    def reconcile(self, keys: set[int], read: int) -> tuple[int, int]:
        gone = {k for k, row in self.table.items() if row[1] <= read and not row[2]} - keys
        back = {k for k, row in self.table.items() if row[1] <= read and row[2]} & keys
        for key in gone:
            old = self.table.pop(key)
            if self.flags:
                self.table[key] = (old[0], read, True)
        for key in back:
            self.table[key] = (*self.table[key][:2], False)
        return len(gone), len(back)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 4)),
        st.tuples(st.just("delete"), st.integers(1, 4)),
        st.tuples(st.just("read"), st.just(0)),
        st.tuples(st.just("load"), st.integers(0, 9)),
        st.tuples(st.just("keys"), st.just(0)),
        st.tuples(st.just("reconcile"), st.integers(0, 9)),
    ),
    max_size=16,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, flags=st.booleans())
def test_a16_a25_any_order_of_writes_deletes_loads_and_reconciliations_ends_in_the_sources_rows(
    warehouse: Warehouse, lake: Lake, steps: list[tuple[str, int]], flags: bool
) -> None:
    number = next(_names)
    target = replace(FLAG, name=f"orders_{number}", flags_deletes=flags)
    home = Lake(lake._client, Layout(BUCKET, f"{lake.layout.prefix}/{number}", "shop"))
    model, manifests, snapshots = Model(flags), [], []
    beginning = [("read", 0), ("load", 0)]
    end = [("read", 0), ("load", -1), ("keys", 0), ("reconcile", -1)]
    for what, which in [*beginning, *steps, *end]:
        model.hour += 1
        if what == "write":
            model.source[which] = model.hour
        elif what == "delete":
            model.source.pop(which, None)
        elif what == "read":
            rows = dict(model.source)
            manifests.append((rows, model.hour, put(home, len(manifests), rows, read=model.hour)))
        elif what == "keys":
            snapshots.append((set(model.source), model.hour))
        elif what == "load":
            rows, read, manifest = manifests[which % len(manifests)]
            model.load(rows, read)
            run(warehouse, home, target, manifest)
        elif snapshots:
            keys, read = snapshots[which % len(snapshots)]
            done = compare(warehouse, home, target, sorted(keys), read)
            assert (done.gone, done.back) == model.reconcile(keys, read)
        flag = '"_dwh_deleted"' if flags else "FALSE"
        found = query(warehouse, f"SELECT id, note, _dwh_loaded_at, {flag} FROM {target.sql}") if model.hour > 1 else []
        assert {key: (int(note), read, flagged) for key, note, read, flagged in found} == {
            key: (cursor, naive(read), flagged) for key, (cursor, read, flagged) in model.table.items()
        }
    assert {key: cursor for key, (cursor, _, flagged) in model.table.items() if not flagged} == model.source


# Memory


def test_a16_a18_memory_is_flat_however_many_keys_there_are(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 512 * 1024)
    most = _peak_while_streaming(lake, 10_000_000)  # 80 MB of keys
    assert upload.BLOCK_BYTES < most < 6 * upload.BLOCK_BYTES  # a few blocks are on their way at any time


def _peak_while_streaming(lake: Lake, count: int) -> int:
    """Return the most bytes that Arrow and Python held while so many keys went into the lake."""
    peak, size = 0, 10_000
    schema = replace(SCHEMA, columns=(ID,))
    numbers = np.random.default_rng(1)
    start = pa.total_allocated_bytes()

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal peak
        for _ in range(count // size):
            keys = pa.array(numbers.integers(0, 2**62, size))
            yield pa.RecordBatch.from_arrays([keys], schema=schema.arrow_schema)
            peak = max(peak, pa.total_allocated_bytes() - start + tracemalloc.get_traced_memory()[0])

    taken = replace(extract(schema, FIRST, []), batches=batches())
    tracemalloc.start()
    try:
        with lake.keys("orders", [taken]) as keys:
            assert keys.rows == count
    finally:
        tracemalloc.stop()
    return peak
