"""A server that is behind: a day that it does not have as a whole is not read, and what it has is taken for old."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta, timezone
from logging import getLogger
from typing import Any

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.cli import app
from aurora_dwh.local.aurora import EmbeddedAurora
from aurora_dwh.local.aurora.program import KINDS
from aurora_dwh.orchestration.source import AuroraResource
from aurora_dwh.source import locks, replication
from aurora_dwh.source.connection import SourceError
from aurora_dwh_tests.e2e.nights import Nights
from aurora_dwh_tests.e2e.proofs import kinds, prove
from aurora_dwh_tests.e2e.world import Run, World, chain
from aurora_dwh_tests.polling import until
from aurora_dwh_tests.replicas import Replicas
from aurora_dwh_tests.sampling import soak
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers here, unlike elsewhere in this folder
    one_server,
    server,
    servers_in_turn,
)

EVENT = "event: {key: id, cursor: changed_at, lookback: 1h, deletes: remove}"
TABLE = "CREATE TABLE event (id INT PRIMARY KEY, v INT, changed_at DATETIME NOT NULL, KEY (changed_at))"

PLAIN_USER = ("DROP USER IF EXISTS plain@'%'", "CREATE USER plain@'%' IDENTIFIED BY 'p'")
"""One who may not ask how far a replica is."""


@pytest.fixture(scope="module", params=KINDS)
def replicas(request: pytest.FixtureRequest) -> Iterator[Replicas]:
    """A writer and a replica of either kind."""
    made = Replicas.start(request.param)
    yield made
    made.remove()


one_kind = pytest.mark.parametrize("replicas", ["mysql", soak("mariadb")], indirect=True)
"""Marks a test of what is made of how far a replica is; how that is asked of either kind is in the others."""


class Behind:
    """A world whose source is the replica."""

    def __init__(self, replicas: Replicas, world: World) -> None:
        self.replicas, self.world, self.nights = replicas, world, Nights(world)
        self.nights.catalog(EVENT)
        self.write(TABLE)
        self.caught_up()

    def write(self, *statements: str) -> None:
        """Run statements on the writer."""
        with self.replicas.writer.connect(self.world.database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def caught_up(self) -> None:
        """Return when the replica has what the writer has."""
        self.write("CREATE TABLE mark (id INT)")
        until(lambda: bool(self.world.ask_source("SHOW TABLES LIKE 'mark'")))
        self.write("DROP TABLE mark")

    def stop(self, thread: str) -> None:
        """Stop one of the replica's threads."""
        self.replicas.at_replica(f"STOP REPLICA {thread}")

    def go_on(self) -> None:
        """Let the replica catch up."""
        self.replicas.at_replica("START REPLICA")
        self.caught_up()

    def delay(self, statement: str) -> None:
        """Run a statement on the writer that the replica has received two seconds ago, and does not apply."""
        self._delay(3600)
        self.write(statement)
        with self.replicas.replica.connect() as session:
            behind = replication.replica_statuses
            until(lambda: 2 <= max(map(replication.seconds_behind, behind(session))) < 3600)

    def end_delay(self) -> None:
        """Let the replica apply all at once."""
        self._delay(0)
        self.caught_up()
        with self.replicas.replica.connect() as session:
            behind = replication.replica_statuses
            until(lambda: max(map(replication.seconds_behind, behind(session))) == 0)

    def _delay(self, seconds: int) -> None:
        is_mariadb = self.replicas.writer.is_mariadb
        change = "CHANGE MASTER TO MASTER_DELAY" if is_mariadb else "CHANGE REPLICATION SOURCE TO SOURCE_DELAY"
        self.replicas.at_replica("STOP REPLICA", f"{change} = {seconds}", "START REPLICA")

    def read_from(self, one: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the product read from the writer, or from the replica again."""
        monkeypatch.setenv("AURORA_PORT", str(one.port))
        monkeypatch.setenv("AURORA_PASSWORD", one.password)


@pytest.fixture
def behind(
    replicas: Replicas, world_of: Callable[..., AbstractContextManager[World]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Behind]:
    """A replica that has an empty table `event`, and follows again when the test is over."""
    with world_of(replicas.replica, replicas.database()) as world:
        monkeypatch.setenv("AURORA_SOURCE", "one source under two addresses")
        made = Behind(replicas, world)
        yield made
        made.end_delay()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reading waits for, it waits for shortly."""
    monkeypatch.setattr(replication, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(replication, "PATIENCE", timedelta(seconds=0.3))


@servers_in_turn("thread", ["SQL_THREAD", "IO_THREAD"], server="replicas")
def test_c06_a_day_is_not_read_from_a_replica_that_may_not_have_all_of_it(behind: Behind, thread: str) -> None:
    nights = behind.nights
    behind.stop(thread)
    behind.write(f"INSERT INTO event VALUES (1, 1, '{nights.at(1, '12:00:00')}')")
    run = behind.world.run(nights.day(1), assets=chain("event"))
    assert f"lake/event: table event, day {nights.day(1)} ends at " in run.failure
    assert "and replication has stopped: its I/O thread runs: " in run.failure
    assert behind.world.materialized_days("lake/event") == set()

    behind.go_on()
    behind.world.load(nights.day(1), "event")
    assert behind.world.staged_rows("event").total() == 1
    behind.world.assert_equal("event")


@one_kind
def test_c06_reading_waits_for_a_replica_and_goes_on_when_it_has_caught_up(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights, find = behind.nights, replication.find_reach
    monkeypatch.setattr(replication, "PATIENCE", timedelta(minutes=5))
    behind.stop("SQL_THREAD")
    behind.write(f"INSERT INTO event VALUES (1, 1, '{nights.at(1, '12:00:00')}')")
    looks: list[Any] = []

    def look(connection: Any) -> Any:
        looks.append(find(connection))
        if len(looks) == 3:
            behind.go_on()
        return looks[-1]

    monkeypatch.setattr(replication, "find_reach", look)
    run = behind.world.load(nights.day(1), "event")
    behind.world.assert_equal("event")
    assert len(looks) > 3
    (waits,) = [text for text in logged(behind.world, run) if "reading waits for that, at most 0:05:00" in text]
    assert f"table event, day {nights.day(1)} ends at " in waits


def logged(world: World, run: Run) -> list[str]:
    """Return the warnings in a run's log."""
    return [entry.user_message for entry in world.instance.all_logs(run.run_id) if entry.level >= 30]


@pytest.mark.parametrize("replicas", [soak("mysql"), "mariadb"], indirect=True)
def test_c06_an_old_day_is_read_from_a_replica_that_is_behind_but_not_so_far(behind: Behind) -> None:
    nights = behind.nights
    behind.write(f"INSERT INTO event VALUES (1, 1, '{nights.at(5, '12:00:00')}')")
    behind.caught_up()
    behind.delay(f"INSERT INTO event VALUES (2, 1, '{nights.at(0, '00:00:01')}')")
    run = behind.world.load(nights.day(5), "event")
    assert behind.world.staged_rows("event").total() == 1
    assert not [text for text in logged(behind.world, run) if "reading waits" in text]


@one_kind
def test_c06_an_older_reading_takes_the_place_of_no_newer_one(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    nights, world = behind.nights, behind.world
    day, other = nights.day(5), nights.day(4)
    behind.write(f"INSERT INTO event VALUES (1, 1, '{nights.at(5, '23:30:00')}')")
    behind.caught_up()
    behind.delay("UPDATE event SET v = 2")
    behind.read_from(behind.replicas.writer, monkeypatch)
    world.load(day, "event")
    assert world.ask_warehouse("SELECT v FROM staging.event") == [(2,)]

    behind.read_from(behind.replicas.replica, monkeypatch)
    run = world.run(day, assets=chain("event"))
    assert f"lake/event {day}: the source was read as it was at " in run.failure
    assert " UTC, and the lake has the day as it was at " in run.failure
    run = world.run(other, assets=chain("event"))  # which reaches back to the row
    assert f"staging.event {other}: its reading shows the source as it was at " in run.failure
    assert " UTC, and before it began the table was loaded with a reading of " in run.failure
    assert world.ask_warehouse("SELECT v FROM staging.event") == [(2,)]

    behind.end_delay()
    world.load(day, "event")
    world.load(other, "event")
    assert world.ask_warehouse("SELECT v FROM staging.event") == [(2,)]


@one_kind
def test_c06_a_proof_removes_no_row_that_the_server_does_not_have_yet(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURORA_SOURCE", "writer and replica")
    nights, world = behind.nights, behind.world
    behind.write(f"INSERT INTO event VALUES (1, 1, '{nights.at(5, '12:00:00')}')")
    behind.caught_up()
    monkeypatch.setattr(replication, "PATIENCE", timedelta(minutes=5))
    behind.delay(f"INSERT INTO event VALUES (2, 1, '{nights.at(5, '13:00:00')}')")
    behind.read_from(behind.replicas.writer, monkeypatch)
    world.load(nights.day(5), "event")
    behind.read_from(behind.replicas.replica, monkeypatch)

    result = prove(world, "event", max_share=1.0)
    assert result.success, result.failures
    assert world.ask_warehouse("SELECT id FROM staging.event ORDER BY 1") == [(1,), (2,)]


@one_kind
def test_c06_rows_that_a_reader_lacked_which_does_not_tell_how_far_it_is_are_found_and_mended(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights, world, tables = behind.nights, behind.world, ("event", "appended", "whole")
    nights.catalog(f"{EVENT}\nappended: {{mode: append, key: id, cursor: changed_at}}\nwhole: {{mode: full, key: id}}")
    behind.write(
        *PLAIN_USER,
        f"GRANT SELECT ON {world.database}.* TO plain@'%'",
        "CREATE TABLE appended LIKE event",
        "CREATE TABLE whole LIKE event",
        *(f"INSERT INTO {table} VALUES (1, 1, '{nights.at(1, '12:00:00')}')" for table in tables),
    )
    behind.caught_up()
    behind.stop("SQL_THREAD")
    for table in tables:
        behind.write(
            f"INSERT INTO {table} VALUES (2, 1, '{nights.at(1, '13:00:00')}')",
            f"UPDATE {table} SET v = 2, changed_at = '{nights.at(1, '14:00:00')}' WHERE id = 1",
        )
    monkeypatch.setenv("AURORA_USER", "plain")
    monkeypatch.setenv("AURORA_PASSWORD", "p")
    world.load(nights.day(1), *tables)
    assert [world.ask_warehouse(f"SELECT id, v FROM staging.{table}") for table in tables] == [[(1, 1)]] * 3

    behind.go_on()
    assert prove(world, *tables).success
    assert {table: kinds(world, table) for table in tables} == {
        "event": {"missing": 1, "stale": 1},
        "appended": {"missing": 1, "stale": 1},
        "whole": {"late": 2},  # as in the lake's last reading
    }
    world.load(nights.day(1), "whole")
    world.assert_equal(*tables)


def test_c06_a_user_who_may_not_ask_is_warned_once_and_the_statement_that_is_said_helps(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights, world = behind.nights, behind.world
    behind.write(
        *PLAIN_USER,
        f"GRANT SELECT ON {world.database}.* TO plain@'%'",
        f"INSERT INTO event VALUES (1, 1, '{nights.at(1, '12:00:00')}')",
    )
    behind.caught_up()
    monkeypatch.setenv("AURORA_USER", "plain")
    monkeypatch.setenv("AURORA_PASSWORD", "p")
    run = world.load(nights.day(1), "event")
    (warning,) = [text for text in logged(world, run) if "is not known, as it does not tell" in text]
    behind.write(warning.rpartition("run: ")[2])
    behind.caught_up()
    time.sleep(2.1)  # how far a replica is, is told in whole seconds
    run = world.load(nights.day(1), "event")
    assert not [text for text in logged(world, run) if "does not tell" in text]
    world.assert_equal("event")


def test_c06_a_day_that_is_not_over_by_the_servers_clock_is_not_read(nights: Nights) -> None:
    nights.catalog(EVENT)
    nights.world.at_source(TABLE)
    catalog = Catalog.load()
    with pytest.raises(SourceError, match=r"day \S+ ends at .* UTC, and the server's clock shows .*; reading waited 0"):
        next(AuroraResource().days(catalog.tables["event"], catalog, [nights.today], getLogger()))


def test_c06_a_reader_of_aurora_says_how_far_it_is(
    aurora: EmbeddedAurora, aurora_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = Nights(aurora_world)
    nights.catalog("event: {key: id, cursor: changed_at}\ncountry: {mode: full, extract: outfile}")
    aurora_world.at_source(TABLE, f"INSERT INTO event VALUES (1, 1, '{nights.at(1, '12:00:00')}')")
    aurora_world.at_source("CREATE TABLE country (id INT PRIMARY KEY)", "INSERT INTO country VALUES (1)")
    try:
        aurora.fall_behind(timedelta(hours=20))
        for table in ("event", "country"):
            run = aurora_world.run(nights.day(1), assets=chain(table))
            assert f"lake/{table}: table {table}, day {nights.day(1)} ends at " in run.failure
            assert "and this reader was 72,000.0 s behind at " in run.failure
        aurora.fall_behind(timedelta(seconds=90))
        aurora_world.load(nights.day(1), "event", "country")
    finally:
        aurora.fall_behind(None)
    aurora_world.assert_equal("event", "country")
    day = aurora_world.day_metadata("lake/event", nights.day(1))
    ((now,),) = aurora_world.ask_source("SELECT UTC_TIMESTAMP(6)")
    assert now.replace(tzinfo=timezone.utc).timestamp() - day["snapshot_at"] >= 90, (
        "rows are as old as the reader's data"
    )


@one_server  # the clock that is set back is the test's
@pytest.mark.parametrize(
    "mode", ["key: id, cursor: changed_at", soak("mode: append, cursor: changed_at"), soak("mode: full")]
)
def test_c06_a_clock_that_is_set_back_is_an_error_and_what_it_says_mends_it(
    nights: Nights, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    world, clock = nights.world, locks.clock
    nights.catalog(f"event: {{{mode}}}")
    world.at_source(TABLE, f"INSERT INTO event VALUES (1, 1, '{nights.at(1, '12:00:00')}')")
    with monkeypatch.context() as patch:
        patch.setattr(locks, "clock", lambda *asked: clock(*asked) + timedelta(days=1000))
        world.load(nights.day(1), "event")
    world.at_source("UPDATE event SET v = 2")
    run = world.run(nights.day(1), assets=chain("event"))
    assert "or its clock was set back" in run.failure
    assert world.ask_warehouse("SELECT v FROM staging.event") == [(1,)]

    command = run.failure.rpartition("run `aurora-dwh ")[2].rstrip("`")
    assert command == "rebuild event --from source"
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output
    world.load(nights.day(1), "event")
    world.assert_equal("event")
