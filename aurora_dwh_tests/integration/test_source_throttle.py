"""Sparing the source, on a real server: days in short pieces, a ceiling on rows, pauses while the server is busy."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import date, timedelta
from threading import Thread, Timer
from typing import Any
from zoneinfo import ZoneInfo

import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aurora_dwh.catalog.fields import PauseAbove
from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import DataError, Extract
from aurora_dwh.local.aurora.program import KINDS, Kind
from aurora_dwh.source import throttle
from aurora_dwh.source.connection import SourceError, connect
from aurora_dwh.source.extract import Source
from aurora_dwh.source.windows import window
from aurora_dwh_tests.polling import until
from aurora_dwh_tests.servers import Run, Server, numbers, one_server
from aurora_dwh_tests.statements import selects

UTC = ZoneInfo("UTC")
DAYS = [window(date(2024, 1, n), zone=UTC, start_date=date(2024, 1, 1)) for n in (1, 2, 3)]
DAY = DAYS[1]
QUIET = PauseAbove(threads_running=10_000)
"""A limit that is never reached: the source is to be spared, and is not busy."""

Asked = Callable[[], list[str]]


@pytest.fixture
def run(server: Server, database: str) -> Iterator[Run]:
    """Runs a statement in the test's database, on a session in UTC."""
    with server.running(database) as run:
        yield run


class World:
    """The test's database as a source, and what it warned of."""

    def __init__(self, server: Server, database: str) -> None:
        self.warned: list[str] = []
        self._arguments = server.arguments(database)
        self._database = database

    def source(self, pause_above: PauseAbove | None = None, **arguments: Any) -> Source:
        return Source(
            lambda: connect(**self._arguments | arguments),
            database=self._database,
            zone=UTC,
            pause_above=pause_above,
            warn=self.warned.append,
        )


@pytest.fixture
def world(server: Server, database: str) -> World:
    return World(server, database)


def table(**fields: Any) -> Table:
    return Table(**{"name": "t", "key": "id", "cursor": "at", "chunk_rows": 7, **fields})


def ids(extract: Extract) -> list[int]:
    return [number for batch in extract.batches for number in batch.column("id").to_pylist()]


def read(source: Source, chosen: Table, days: list[Any] = [DAY]) -> list[int]:  # noqa: B006 - it is not changed
    return [number for extract in source.extract(chosen, days) for number in ids(extract)]


@pytest.fixture
def asked(server: Server, database: str) -> Iterator[Asked]:
    """Returns the SELECTs of the database's tables that the server was asked in this test."""
    with selects(server, database) as found:
        yield found


def fill(run: Run, rows: int = 50, index: str = "KEY (at)") -> None:
    """Make `t`: of every hundred rows one lies in the day, so that its index is worth its while."""
    run(f"CREATE TABLE t (id INT, at DATETIME(3) NOT NULL, kind INT, PRIMARY KEY (id), {index})")
    run(f"INSERT INTO t SELECT seq, '2024-01-02 10:00:00' + INTERVAL seq DIV 3 SECOND, 1 FROM {numbers(rows)}")
    run(f"INSERT INTO t SELECT seq + 1000000, '2024-01-03 00:00:00', 1 FROM {numbers(rows * 100)}")
    run("ANALYZE TABLE t")


def test_a_day_of_a_spared_source_is_read_in_pieces_along_the_index_of_its_cursor(
    world: World, run: Run, database: str, asked: Asked
) -> None:
    fill(run)

    def examined(day: Any) -> tuple[list[int], int]:
        before = dict(run("SHOW GLOBAL STATUS LIKE 'Handler_read_%'"))
        found = read(world.source(QUIET), table(), [day])
        after = dict(run("SHOW GLOBAL STATUS LIKE 'Handler_read_%'"))
        return found, sum(int(after[name]) - int(before[name]) for name in ("Handler_read_next", "Handler_read_key"))

    nothing, beside = examined(DAYS[0])  # what is asked for beside a day's rows
    asked_before = len(asked())
    found, rows = examined(DAY)
    assert (nothing, found) == ([], list(range(1, 51)))
    pieces = asked()[asked_before:]
    assert len(pieces) == 8
    assert pieces[1] == (
        "SELECT `id`,\n       `at`,\n       `kind`\n"
        f"FROM `{database}`.`t` FORCE INDEX (`at`)\n"
        "WHERE (`at` >= '2024-01-02 00:00:00' AND `at` < '2024-01-03 00:00:00')\n"
        "  AND (`at` >= '2024-01-02 10:00:02' AND (`at` > '2024-01-02 10:00:02' OR (`id` >= 7)))\n"
        "ORDER BY `at`, `id`\nLIMIT 8"
    )
    assert rows - beside < 50 * 3, "each piece is a range of its own, and the day is not sorted again for each"


def test_a_day_of_a_source_that_needs_no_sparing_is_one_select(world: World, run: Run, asked: Asked) -> None:
    fill(run)
    assert sorted(read(world.source(), table())) == list(range(1, 51))
    assert len(asked()) == 1


@pytest.mark.parametrize("index", ["KEY (at, kind)", "KEY (at DESC)"])
def test_where_the_index_gives_no_order_the_day_is_one_select(world: World, run: Run, asked: Asked, index: str) -> None:
    """A second column that may be NULL tells no place to go on from, and a descending index has another order."""
    fill(run, index=index)
    assert sorted(read(world.source(QUIET), table())) == list(range(1, 51))
    assert len(asked()) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seconds=st.lists(st.integers(0, 4), max_size=40), rows=st.integers(1, 9))
def test_pieces_hold_every_row_once_however_many_share_an_instant(
    world: World, run: Run, seconds: list[int], rows: int
) -> None:
    run("CREATE TABLE IF NOT EXISTS t (a VARCHAR(5), id INT, at TIMESTAMP(6) NULL, PRIMARY KEY (a, id), KEY (at, id))")
    run("DELETE FROM t WHERE id < 1000")
    if not run("SELECT 1 FROM t LIMIT 1"):
        run(f"INSERT INTO t SELECT 'x', seq + 1000, '2024-01-09' FROM {numbers(3000)}")
    moments = (f"'2024-01-0{2 if second else 1} 23:59:5{second}.000001'" for second in seconds)
    made = [f"('{'yz'[number % 2]}', {number}, {at})" for number, at in enumerate(moments)]
    without_cursor = "('n', 999, NULL)"
    run(f"INSERT INTO t VALUES {', '.join([*made, without_cursor])}")

    by_day = [sorted(ids(e)) for e in world.source(QUIET).extract(table(key=["a", "id"], chunk_rows=rows), DAYS)]

    assert by_day == [
        [*(number for number, second in enumerate(seconds) if not second), 999],
        [number for number, second in enumerate(seconds) if second],
        [],
    ]


def test_a_piece_that_ends_in_a_date_that_is_none_is_an_error_and_no_lost_rows(world: World, run: Run) -> None:
    run("SET sql_mode = ''")
    run("CREATE TABLE t (d DATE, id INT, PRIMARY KEY (d, id))")
    run(f"INSERT INTO t SELECT '0000-00-00', seq FROM {numbers(20)}")
    whole = {"mode": "full", "key": (), "cursor": None}
    assert len(read(world.source(), table(**whole, chunk_rows=21))) == 20
    assert len(read(world.source(), table(**whole, zero_dates="text"))) == 20
    with pytest.raises(DataError, match=r"table test_\d+\.t: a row whose d, id holds a date .* set `zero_dates: text`"):
        read(world.source(), table(**whole))


@one_server
def test_a_ceiling_is_kept_by_waiting_between_pieces_with_no_result_open(world: World, run: Run, database: str) -> None:
    fill(run, rows=30)
    began = time.monotonic()
    found = []
    for extract in world.source().extract(table(max_rows_per_second=10, chunk_rows=None), [DAY]):
        for batch in extract.batches:
            found += batch.column("id").to_pylist()
            if not batch.num_rows:
                until(lambda: states(run, database) == {"Sleep"}, 0.5, lambda: states(run, database))
        assert found == list(range(1, 31))
        assert extract.waited["max_rows_per_second"] >= 1.9, "the second and the third ten wait a second each"
    assert time.monotonic() - began >= 1.9


def states(run: Run, database: str) -> set[str]:
    """Return what the sessions on the database do; one whose result was just read may be in Query for a moment."""
    statement = f"SELECT COMMAND FROM information_schema.PROCESSLIST WHERE DB = '{database}' AND ID <> CONNECTION_ID()"
    return {command for (command,) in run(statement)}


@one_server
def test_a_day_that_is_one_select_is_slowed_too(world: World, run: Run) -> None:
    run("CREATE TABLE t (id INT, at DATETIME NOT NULL, KEY (at))")
    run(f"INSERT INTO t SELECT seq, '2024-01-02' FROM {numbers(20)}")
    (extract,) = [e for e in world.source().extract(table(max_rows_per_second=20), [DAY]) if ids(e)]
    assert extract.waited["max_rows_per_second"] >= 0.9


@pytest.fixture
def busy(server: Server) -> Iterator[Callable[[int], Callable[[], None]]]:
    """Has statements run on the server, until what it returns is called."""
    with ExitStack() as stack:

        def begin(statements: int) -> Callable[[], None]:
            sessions = [stack.enter_context(server.connect()) for _ in range(statements)]
            threads = [Thread(target=_sleep, args=(session,)) for session in sessions]
            for thread in threads:
                thread.start()

            def end() -> None:
                with server.connect() as other, other.cursor() as cursor:
                    for session in sessions:
                        cursor.execute(f"KILL QUERY {session.thread_id()}")
                for thread in threads:
                    thread.join()

            return end

        yield begin


def _sleep(session: Any) -> None:
    with session.cursor() as cursor, suppress(pymysql.err.OperationalError):  # it is killed
        cursor.execute("SELECT SLEEP(60)")


def _until_busy(run: Run, statements: int) -> None:
    until(lambda: int(run("SHOW GLOBAL STATUS LIKE 'Threads_running'")[0][1]) > statements)


def test_reading_pauses_while_many_statements_run_and_goes_on_after_them(
    world: World, run: Run, busy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "LOOK_SECONDS", 0.05)
    fill(run)
    end = busy(3)
    _until_busy(run, 3)
    Timer(0.5, end).start()
    found = []
    for extract in world.source(PauseAbove(threads_running=3)).extract(table(), [DAY]):
        found += ids(extract)
        assert extract.waited["threads_running"] >= 0.15
    assert found == list(range(1, 51))
    begun, ended = world.warned
    assert re.match(
        r"table t, day 2024-01-02: threads_running is \d, above 3; reading pauses until it is not, for 0:30:00", begun
    )
    assert re.match(r"table t, day 2024-01-02: reading goes on after \d+ s", ended)


def test_a_pause_has_an_end(world: World, run: Run, busy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "LOOK_SECONDS", 0.05)
    fill(run)
    end = busy(2)
    _until_busy(run, 2)
    limits = PauseAbove(threads_running=2, give_up_after=timedelta(seconds=0.2))
    with pytest.raises(SourceError, match=r"day 2024-01-02: reading was paused for 0:00:00.2.*threads_running is \d"):
        read(world.source(limits), table())
    end()


def test_a_server_that_is_no_replica_has_no_lag(world: World, run: Run) -> None:
    fill(run)
    assert len(read(world.source(PauseAbove(replica_lag=timedelta(0))), table())) == 50
    assert world.warned == []


def test_a_lag_that_may_not_be_asked_for_is_warned_of_once(
    world: World, run: Run, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "LOOK_SECONDS", 0.0)
    fill(run)
    run("DROP USER IF EXISTS plain@'%'")
    run("CREATE USER plain@'%' IDENTIFIED BY 'p'")
    run(f"GRANT SELECT ON {database}.* TO plain@'%'")
    source = world.source(PauseAbove(replica_lag=timedelta(seconds=1)), user="plain", password="p")
    assert len(read(source, table())) == 50
    (warning,) = [text for text in world.warned if "pause_above" in text]
    assert re.match(r"`pause_above.replica_lag` has no effect, as the server does not tell: Access denied", warning)


FOLLOW = {
    "mysql": (
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST = %s, SOURCE_PORT = %s, SOURCE_USER = %s, SOURCE_PASSWORD = %s, "
        "SOURCE_DELAY = 3600, SOURCE_SSL = 0, GET_SOURCE_PUBLIC_KEY = 1"
    ),
    "mariadb": (
        "CHANGE MASTER TO MASTER_HOST = %s, MASTER_PORT = %s, MASTER_USER = %s, MASTER_PASSWORD = %s, "
        "MASTER_DELAY = 3600"
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_lag_of_a_replica_is_told_and_one_that_has_stopped_is_behind_without_end(kind: Kind) -> None:
    with ExitStack() as stack:
        writer, replica = (Server(kind, "--log-bin=log", f"--server-id={n}") for n in (1, 2))
        stack.callback(writer.remove)
        stack.callback(replica.remove)
        with writer.connect() as there, replica.connect() as here:
            _run(here, FOLLOW[kind], writer.host, writer.port, writer.user, writer.password)
            _run(here, "START REPLICA")
            _run(there, "CREATE DATABASE late")
            session = connect(**replica.arguments())
            until(lambda: 1 <= (throttle.replica_lag(session) or 0) < 3600)
            _run(here, "STOP REPLICA")
            assert throttle.replica_lag(session) == float("inf")
            session.close()


def _run(connection: pymysql.connections.Connection[Any], statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
