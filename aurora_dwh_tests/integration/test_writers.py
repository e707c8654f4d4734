"""Two writers of one table at once, round after round: every row ends exact, and every load is in the history once."""

from __future__ import annotations

import random
import time
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import settings

from aurora_dwh.core.models import Extract, Manifest, StaleManifestError
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake.store import Lake, LakeConflictError, OlderReadingError
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.load.statements import Target
from aurora_dwh.warehouse.load.transaction import load
from aurora_dwh_tests.services import extract, query, together

SCHEMA = TableSchema(
    "shop",
    "orders",
    (Column("id", "int", "int", False), Column("note", "varchar", "varchar(20)", length=20),
     Column("changed", "datetime", "datetime")),
    ("id",),
)  # fmt: skip
TARGET = Target("staging", "orders", key=("id",), cursor="changed")
FIRST = date(2024, 1, 1)
ROUNDS = 1_000 if settings.get_current_profile_name() == "soak" else 20
"""`make soak` runs the thousand."""


def day(number: int, read: int, keys: range) -> Extract:
    """Return a day's rows as they were at the `read`th reading, which each row says."""
    at = datetime(2024, 2, 1, tzinfo=timezone.utc) + timedelta(seconds=read)
    rows = [{"id": key, "note": f"{number}/{read}", "changed": at.replace(tzinfo=None)} for key in keys]
    return extract(SCHEMA, FIRST + timedelta(days=number), rows, snapshot_at=at)


def run(warehouse: Warehouse, lake: Lake, *manifests: Manifest) -> None:
    load(warehouse, lake, TARGET, "incremental", manifests, run_id=None)


@pytest.mark.timeout(3600)
def test_a24_two_loads_of_one_table_at_once_end_with_every_row_exact(warehouse: Warehouse, lake: Lake) -> None:
    """Each round two days come at once that share a key, whose newer version must win whoever is first."""
    expected: dict[int, str] = {}
    for number in range(ROUNDS):
        shared, older, newer = number % 7, 2 * number, 2 * number + 1
        days = [
            lake.write("orders", day(0, older, range(shared, shared + 2))),
            lake.write("orders", day(1, newer, range(shared + 1, shared + 3))),
        ]
        assert together(*((lambda one=one: run(warehouse, lake, one)) for one in days)) == [None, None]
        expected |= dict.fromkeys(range(shared, shared + 2), f"0/{older}")
        expected |= dict.fromkeys(range(shared + 1, shared + 3), f"1/{newer}")
        found = query(warehouse, f"SELECT id, note FROM {TARGET.sql}")
        assert len(found) == len(expected), "a key is there twice or not at all"
        assert dict(found) == expected
    loads = query(warehouse, "SELECT COUNT(*), COUNT(DISTINCT load_id), COUNT(DISTINCT attempt) FROM dwh.load_history")
    assert loads == [(2 * ROUNDS,) * 3]


@pytest.mark.timeout(3600)
def test_a24_two_runs_of_one_day_at_once_end_with_the_day_as_one_of_them_read_it(
    warehouse: Warehouse, lake: Lake
) -> None:
    """Each run extracts the day and loads what stands, as Dagster's steps do: again where the other overtook it.

    Like theirs, its next try comes after a pause of random length: else two may overtake one another for ever.
    """

    def whole_run(read: int) -> None:
        for attempt in range(10):
            try:
                lake.write("orders", day(0, read, range(3)))
                run(warehouse, lake, *lake.read("orders", [FIRST]))
            except OlderReadingError:
                return  # a next try would read the source later than the other run did
            except (LakeConflictError, StaleManifestError):
                time.sleep(random.uniform(0, 0.1 * 2 ** min(attempt, 5)))
                continue
            return
        raise AssertionError("the run was overtaken ten times")

    for number in range(max(10, ROUNDS // 5)):
        assert together(lambda n=number: whole_run(2 * n), lambda n=number: whole_run(2 * n + 1)) == [None, None]
        # The newest reading that was loaded is what the table has; a run that lost may have read what the other wrote.
        found = dict(query(warehouse, f"SELECT id, note FROM {TARGET.sql}"))
        assert found in [dict.fromkeys(range(3), f"0/{read}") for read in (2 * number, 2 * number + 1)]
        (standing,) = lake.read("orders", [FIRST])
        run(warehouse, lake, standing)
        assert dict(query(warehouse, f"SELECT id, note FROM {TARGET.sql}")) == found
