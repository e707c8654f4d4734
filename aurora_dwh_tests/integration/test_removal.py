"""Rows taken away from a staging table, over the real protocols: those that are gone alone; and keys in the lake."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from aurora_dwh.core import retries
from aurora_dwh.core.models import DataError, Manifest
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake.store import KEY_PART_BYTES, Lake
from aurora_dwh.local.lake import BUCKET
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.errors import PassingError
from aurora_dwh.warehouse.load.statements import Target
from aurora_dwh.warehouse.load.transaction import load
from aurora_dwh.warehouse.removal import TooManyGoneError, check_share, prepare, remove
from aurora_dwh_tests.services import BORDERS, each_statement, extract, query

ID = Column("Id", "bigint", "bigint", nullable=False)
CURSOR = Column("update_date", "datetime", "datetime")
SCHEMA = TableSchema("shop", "orders", (ID, CURSOR), ("Id",))
REMOVE = Target("staging", "orders", key=("Id",), cursor="update_date")
FLAG = replace(REMOVE, flags_deletes=True)
TARGETS = pytest.mark.parametrize("target", [REMOVE, FLAG], ids=["remove", "flag"])
FIRST = date(2024, 1, 1)


def moment(hour: int) -> datetime:
    return datetime(2024, 2, 1, tzinfo=timezone.utc) + timedelta(hours=hour)


def naive(hour: int) -> datetime:
    return moment(hour).replace(tzinfo=None)


def put(lake: Lake, ids: Sequence[int], read: int, day: int = 0) -> Manifest:
    """Write a day's keys, as they were read at an hour."""
    rows = [{"id": key, "update_date": naive(0)} for key in ids]
    return lake.write("orders", extract(SCHEMA, FIRST + timedelta(days=day), rows, snapshot_at=moment(read)))


def run(warehouse: Warehouse, lake: Lake, target: Target, *manifests: Manifest) -> None:
    load(warehouse, lake, target, "incremental", manifests, run_id="run")


def take_away(warehouse: Warehouse, target: Target, ids: Sequence[int], at: int) -> None:
    prepare(warehouse, target)
    remove(warehouse, target, [f"id = {key}" for key in ids], moment(at), flags=target.flags_deletes)


def staged(warehouse: Warehouse, target: Target) -> dict[int, bool]:
    """Return each key of the table and whether it is flagged."""
    flag = '"_dwh_deleted"' if target.flags_deletes else "FALSE"
    found = query(warehouse, f"SELECT id, {flag} FROM {target.sql}")
    assert len(dict(found)) == len(found), "a key is there twice"
    return dict(found)


def objects(lake: Lake) -> list[str]:
    found = lake.client.list_objects_v2(Bucket=BUCKET, Prefix=lake.layout.table("orders"))
    return [item["Key"] for item in found.get("Contents", ())]


def test_a16_rows_gone_from_the_source_are_removed(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, REMOVE, put(lake, range(1, 5), read=0))
    take_away(warehouse, REMOVE, [2, 3], at=1)
    assert set(staged(warehouse, REMOVE)) == {1, 4}


def test_a16_rows_gone_from_the_source_are_flagged_as_of_that_moment(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, FLAG, put(lake, [1, 2, 3], read=0))
    take_away(warehouse, FLAG, [2], at=1)
    assert staged(warehouse, FLAG) == {1: False, 2: True, 3: False}
    take_away(warehouse, FLAG, [2], at=2)
    read = dict(query(warehouse, f"SELECT id, _dwh_loaded_at FROM {FLAG.sql}"))
    assert read == {1: naive(0), 2: naive(1), 3: naive(0)}


def test_a16_an_old_day_loaded_again_does_not_bring_a_flagged_row_back_and_a_later_reading_does(
    warehouse: Warehouse, lake: Lake
) -> None:
    day = put(lake, [1, 2], read=0)
    run(warehouse, lake, FLAG, day)
    take_away(warehouse, FLAG, [2], at=2)
    run(warehouse, lake, FLAG, day)
    run(warehouse, lake, FLAG, put(lake, [2], read=1, day=1))
    assert staged(warehouse, FLAG) == {1: False, 2: True}
    run(warehouse, lake, FLAG, put(lake, [2], read=3, day=2))
    assert staged(warehouse, FLAG) == {1: False, 2: False}


@TARGETS
def test_a16_a_row_that_was_read_later_is_left_alone(warehouse: Warehouse, lake: Lake, target: Target) -> None:
    run(warehouse, lake, target, put(lake, [1], read=0), put(lake, [2], read=5, day=1))
    take_away(warehouse, target, [2], at=4)
    assert staged(warehouse, target) == {1: False, 2: False}
    take_away(warehouse, target, [2], at=5)
    assert staged(warehouse, target) == ({1: False, 2: True} if target.flags_deletes else {1: False})


def test_a16_too_many_gone_are_refused_with_table_share_rows_and_remedy() -> None:
    counts = {"live": 10, "source_rows": 8, "shown": ["id='1'", "id='2'"]}
    with pytest.raises(TooManyGoneError) as caught:
        check_share(REMOVE, "orders", gone=2, max_share=0.1, **counts)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "staging.orders: 2 of 10 rows (20.0%) are gone from the source, such as id='1'; id='2', and at most 10.0% may "
        "be; none was taken away. If they were deleted on purpose, materialize proof/orders again with the run config "
        "`max_share: 0.2`"
    )
    check_share(REMOVE, "orders", gone=2, max_share=0.2, **counts)  # type: ignore[arg-type]
    counts["source_rows"] = 0
    with pytest.raises(TooManyGoneError, match="the source is empty"):
        check_share(REMOVE, "orders", gone=10, max_share=0.99, **counts)  # type: ignore[arg-type]
    check_share(REMOVE, "orders", gone=10, max_share=1, **counts)  # type: ignore[arg-type]
    check_share(REMOVE, "orders", gone=0, live=0, source_rows=0, max_share=0.1, shown=[])


@pytest.mark.parametrize("live", [3, 7, 25, 100, 350])
def test_the_share_that_is_advised_is_enough(live: int) -> None:
    for gone in range(1, live + 1):
        counts = {"gone": gone, "live": live, "source_rows": live}
        with pytest.raises(TooManyGoneError) as refused:
            check_share(REMOVE, "orders", max_share=0.0, shown=[], **counts)
        (share,) = re.findall(r"max_share: ([0-9.]+)`", str(refused.value))
        check_share(REMOVE, "orders", max_share=float(share), shown=[], **counts)


def test_a16_flagging_that_is_switched_on_later_begins_with_no_row_flagged(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, REMOVE, put(lake, [1, 2], read=0))
    take_away(warehouse, FLAG, [2], at=1)
    assert staged(warehouse, FLAG) == {1: False, 2: True}


def test_a16_a_load_adds_the_flag_too(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, REMOVE, put(lake, [1], read=0))
    run(warehouse, lake, replace(FLAG, frozen=True), put(lake, [2], read=1, day=1))
    assert staged(warehouse, FLAG) == {1: False, 2: False}


def test_a16_a_table_that_was_never_loaded_is_refused_before_the_source_is_read(warehouse: Warehouse) -> None:
    with pytest.raises(DataError, match=r"staging\.orders does not exist"):
        prepare(warehouse, FLAG)


@pytest.mark.parametrize(
    ("target", "action", "when", "of"),
    [
        (REMOVE, "1023", "before", BORDERS),
        (FLAG, "drop", "after", BORDERS),
        *(
            pytest.param(target, *fault, marks=pytest.mark.soak)
            for target in (REMOVE, FLAG)
            for fault in (("1023", "before", ""), ("drop", "after", BORDERS))
        ),
    ],
)
def test_a15_a16_a_crash_at_any_statement_is_overcome(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, target: Target, action: Any, when: Any, of: str
) -> None:
    after = {1: False, 2: True} if target.flags_deletes else {1: False}
    for failing in each_statement(redshift, action, when, of=of):
        run(warehouse, lake, target, put(lake, [1, 2], read=2 * failing.turn))
        with failing:
            take_away(warehouse, target, [2], at=2 * failing.turn + 1)
        assert staged(warehouse, target) == after


@pytest.mark.parametrize(
    ("target", "action", "of"),
    [
        (REMOVE, "57014", BORDERS),
        (FLAG, "1023", BORDERS),
        *(
            pytest.param(target, *fault, marks=pytest.mark.soak)
            for target in (REMOVE, FLAG)
            for fault in (("1023", BORDERS), ("57014", BORDERS), ("drop", ""))
        ),
    ],
)
def test_a15_a16_a_crash_that_does_not_pass_leaves_the_table_as_it_was(
    warehouse: Warehouse,
    lake: Lake,
    redshift: RedshiftStandIn,
    monkeypatch: pytest.MonkeyPatch,
    target: Target,
    action: Any,
    of: str,
) -> None:
    after = {1: False, 2: True} if target.flags_deletes else {1: False}
    run(warehouse, lake, target, put(lake, [], read=0))
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, attempts=1))
    for failing in each_statement(redshift, action, "before", of=of):
        run(warehouse, lake, target, put(lake, [1, 2], read=2 * failing.turn))
        with suppress(PassingError), failing:
            take_away(warehouse, target, [2], at=2 * failing.turn + 1)
        assert staged(warehouse, target) == ({1: False, 2: False} if failing.met else after)
        take_away(warehouse, target, [2], at=2 * failing.turn + 1)
        assert staged(warehouse, target) == after


# Keys on their way


def keys(lake: Lake, rows: Any) -> Any:
    own = replace(SCHEMA, columns=(ID,))
    return lake.keys("orders", extract(own, FIRST, rows, snapshot_at=moment(1)))


def test_a16_the_key_files_are_removed_however_it_ends(lake: Lake) -> None:
    with keys(lake, [{"id": 1}]) as found:
        assert found.rows == 1
        assert objects(lake)
    assert objects(lake) == []

    def broken() -> Iterator[Mapping[str, Any]]:
        yield {"id": 1}
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError), keys(lake, broken()):
        pass
    assert objects(lake) == []


def test_a16_a18_memory_is_flat_however_many_keys_there_are(lake: Lake) -> None:
    _peak_while_streaming(lake, 10_000)  # what is imported then stays
    most = _peak_while_streaming(lake, 10_000_000)  # 80 MB of keys
    assert KEY_PART_BYTES < most < 6 * KEY_PART_BYTES  # a part, and what waits to be in the next one


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
        with lake.keys("orders", taken) as keys:
            assert keys.rows == count
    finally:
        tracemalloc.stop()
    return peak
