"""Any order, any repetition, any crash, any change of columns: the copy ends equal to the original."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from aurora_dwh.core import retries
from aurora_dwh.local.lake import LakeServer
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.source import extract
from aurora_dwh.source.windows import opened
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh_tests.integration.over_time.clock import CALENDARS
from aurora_dwh_tests.integration.over_time.machine import Kind, TableLife, Trouble
from aurora_dwh_tests.integration.over_time.parts import Parts
from aurora_dwh_tests.servers import Server
from aurora_dwh_tests.services import s3_client

TOKYO, CHICAGO_IN_MARCH, CHICAGO_IN_NOVEMBER, HAVANA, PHOENIX = CALENDARS
IS_SOAK = settings.get_current_profile_name() == "soak"


@pytest.fixture
def parts(
    mysql: Server,
    lake_server: LakeServer,
    s3: Any,
    redshift: RedshiftStandIn,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Parts]:
    """The servers; what fails is tried again at once, and not often."""
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, pause=0.001))
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, attempts=3))
    made = Parts(mysql, mysql.database(), s3_client(lake_server), s3, redshift, warehouse)

    def opened_then(windows: Any, table: Any, *, read_at: Any, zone: Any) -> Any:
        """Say which day is open at the moment of the example, which the server's clock does not show."""
        return opened(windows, table, read_at=made.now(), zone=zone)

    monkeypatch.setattr(extract, "opened", opened_then)
    yield made
    made.close()


@pytest.mark.timeout(6 * 3600 if IS_SOAK else 3600)
def test_a12_to_a25_whatever_befalls_a_table_its_copy_is_never_wrong_and_ends_equal(parts: Parts) -> None:
    run_state_machine_as_test(
        lambda: TableLife(parts),
        settings=settings(
            max_examples=settings.default.max_examples if IS_SOAK else 20,
            stateful_step_count=50,
            derandomize=not IS_SOAK,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


# What the machine found once


@pytest.fixture
def life(parts: Parts) -> TableLife:
    """A table whose life a test tells as the machine would; its teardown is the proof."""
    return TableLife(parts)


def test_a11_a25_a_row_written_twice_in_the_hour_that_clocks_show_twice_ends_as_it_was_written_last(
    life: TableLife,
) -> None:
    life.begin(kind=Kind(), calendar=CHICAGO_IN_NOVEMBER)
    for how in ("to 01:00", "20 minutes", "20 minutes"):
        life.pass_time(how)
    life.write(key=3, number=1)  # at 01:40
    life.extract(first=1, count=1)
    life.load(back=[0])
    life.pass_time("20 minutes")
    life.pass_time("20 minutes")
    life.write(key=3, number=2)  # at 01:20
    life.extract(first=1, count=1)
    life.load(back=[0])
    life.teardown()


def test_a14_a25_a_row_whose_cursor_goes_back_or_is_taken_away_ends_as_it_was_written_last(life: TableLife) -> None:
    life.begin(kind=Kind(), calendar=TOKYO)
    life.pass_time("to 01:00")
    for key in (1, 2, 3):
        life.write(key=key, number=1)
    life.nightly()
    life.write_back(key=1, number=2, hours=30)
    life.write_without_cursor(key=2, number=2)
    life.delete(key=3)
    life.write_back(key=3, number=3, hours=30)
    life.teardown()


def test_a23_a25_a_day_read_anew_with_as_many_rows_is_not_loaded_in_the_name_of_its_earlier_reading(
    life: TableLife,
) -> None:
    life.begin(kind=Kind(mode="full"), calendar=TOKYO)
    life.extract(first=0, count=1, meanwhile=0)
    life.extract(first=1, count=1, meanwhile=0)
    life.extract(first=0, count=1, meanwhile=0)
    life.load(back=[2])
    life.load(back=[1])
    life.teardown()


def test_a23_a_day_that_shares_a_whole_tables_reading_with_later_ones_is_loaded_as_itself(life: TableLife) -> None:
    life.begin(kind=Kind(mode="full"), calendar=TOKYO)
    life.extract(first=0, count=2, meanwhile=0)
    life.load(back=[1])
    life.teardown()


def test_a18_a25_a_crash_while_a_days_file_is_read_for_another_day_leaves_both_to_do(life: TableLife) -> None:
    life.begin(kind=Kind(mode="full"), calendar=TOKYO)
    life.extract(first=0, count=2, trouble=Trouble("crash", number=6))
    life.teardown()


def test_a20_a25_a_row_written_while_a_rebuild_reads_the_source_is_there_after_its_days_next_reading(
    life: TableLife,
) -> None:
    life.begin(kind=Kind(altered=True), calendar=TOKYO)
    for _ in TOKYO.days:
        life.nightly()
    life.alter(change="drop", column="number", number=0)
    life.alter(change="add", column="number", number=3)
    life.nightly()
    life.teardown()


def test_a12_a_column_that_goes_while_a_reader_is_behind_is_missed_by_it_and_nothing_is_written(
    life: TableLife,
) -> None:
    life.begin(kind=Kind(deletes="remove", cursor="DATETIME(6)", indexed=False, altered=True), calendar=TOKYO)
    life.fall_behind()
    life.alter(change="drop", column="note", number=0)
    life.read_behind(first=0, count=1)
    life.teardown()


@pytest.mark.parametrize("mode", ["incremental", "append"])
def test_a25_what_changes_between_the_snapshots_of_several_connections_comes_with_the_next_reading(
    life: TableLife, mode: str
) -> None:
    life.begin(kind=Kind(mode=mode, indexed=False, connections=3), calendar=TOKYO)
    for key in (1, 2, 3, 4):
        life.write(key=key, number=key)
    life.begin_late(key=5, number=5, how="an instant")
    for meanwhile in (1, 2, 3, 4):
        opened = len(life.connections)
        life.extract(first=0, count=1, meanwhile=meanwhile)
        assert len(life.connections) >= opened + 3
        life.load(back=[0])
        life.nightly()
    life.teardown()
