"""A day that several connections read: its rows, what it says of itself, and what is left where one of them fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from aurora_dwh.catalog.fields import PauseAbove
from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import Extract, GaveWay
from aurora_dwh.source import giving_way, reader, throttle
from aurora_dwh.source.connection import Connection, SourceError, clock, connect
from aurora_dwh.source.extract import Source
from aurora_dwh.source.windows import window
from aurora_dwh_tests.polling import until
from aurora_dwh_tests.servers import Run, Server, by_turns, numbers

UTC = ZoneInfo("UTC")
DAY = window(date(2024, 1, 1), zone=UTC, start_date=date(2024, 1, 1))
ROWS = 60


@pytest.fixture
def run(server: Server, database: str) -> Iterator[Run]:
    """Runs a statement beside the readers, and makes the table `t` of the numbers up to 60."""
    with server.running(database) as run:
        run("CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL, at DATETIME(6) NOT NULL)")
        run(f"INSERT INTO t SELECT seq, 0, '2024-01-01 12:00:00' FROM {numbers(ROWS)}")
        yield run


class Sessions:
    """Opens the product's sessions, and lets something happen before each that reads.

    Attributes:
        before: Called with the number of a session that is about to be opened for reading, counted from 1.
        on_batch: Called with each session that has read rows.
        opened: How many sessions were.
        read: The sessions that have read rows.
    """

    def __init__(self, server: Server, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.before: Callable[[int], object] = lambda _: None
        self.on_batch: Callable[[int], object] = lambda _: None
        self.opened, self.read, self._server, self._database = 0, set[int](), server, database
        self.said: list[str] = []
        read = reader.read

        def watched(connection: Connection, *arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
            for batch in read(connection, *arguments, **options):
                if "v" in batch.schema.names:
                    self.read.add(id(connection))
                    self.on_batch(id(connection))
                yield batch

        monkeypatch.setattr(reader, "read", watched)

    def await_all(self, _: int = 0) -> None:
        """Wait until three sessions have read rows."""
        until(lambda: len(self.read) == 3)

    def connect(self) -> Connection:
        """Open one."""
        if threading.current_thread().name != "giving-way":
            self.opened += 1
            self.before(self.opened)
        return connect(**self._server.arguments(self._database))

    def extract(self, limits: PauseAbove | None = None, **fields: Any) -> Iterator[Extract]:
        """Begin to read the table's first day, which has all of its rows."""
        source = Source(self.connect, database=self._database, zone=UTC, pause_above=limits, warn=self.said.append)
        entry = {"name": "t", "key": "id", "cursor": "at", "connections": 3, "chunk_rows": 4, **fields}
        return source.extract(Table(**entry), [DAY])


@pytest.fixture
def sessions(server: Server, database: str, monkeypatch: pytest.MonkeyPatch, run: Run) -> Sessions:
    monkeypatch.setattr(giving_way, "LOOK_SECONDS", 0.1)
    return Sessions(server, database, monkeypatch)


def ids(extract: Extract) -> list[int]:
    return sorted(number for batch in extract.batches for number in batch.column("id").to_pylist())


def none_is_left(run: Run, database: str) -> bool:
    left = run(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST "
        f"WHERE DB = '{database}' AND ID <> CONNECTION_ID() AND COMMAND <> 'Killed'"
    )
    return bool(left[0][0] == 0)


@by_turns("mode", [{}, {"mode": "append", "key": ()}])
def test_a_large_day_is_every_row_once_by_as_many_sessions_as_the_catalog_says(
    run: Run, database: str, sessions: Sessions, mode: dict[str, Any]
) -> None:
    sessions.on_batch = sessions.await_all
    for extract in sessions.extract(**mode):
        assert ids(extract) == list(range(1, ROWS + 1))
        assert extract.counted.rows == ROWS, extract.counted.reason
    assert len(sessions.read) == 3 == sessions.opened
    until(lambda: none_is_left(run, database))


@by_turns("change", ["UPDATE t SET v = 1, at = NOW(6) WHERE id = {id}", "DELETE FROM t WHERE id = {id}"])
def test_each_row_is_as_new_as_the_reading_says_or_newer(run: Run, sessions: Sessions, change: str) -> None:
    then: list[datetime] = []

    def beside(number: int) -> None:
        if number > 1:
            with connect(**sessions._server.arguments(sessions._database)) as connection:
                then.append(clock(connection))
            run(change.format(id=1))  # in the first range, of which most often the first session reads
            run(change.format(id=ROWS))

    sessions.before = beside
    for extract in sessions.extract():
        rows = [row for batch in extract.batches for row in batch.to_pylist()]
        assert extract.snapshot_at <= then[0]
        assert len({row["id"] for row in rows}) == len(rows)
        assert {row["id"] for row in rows} >= set(range(2, ROWS))
        assert all(row["v"] == 0 for row in rows), "a row that has moved on is a later day's"


@by_turns("fields", [{"chunk_rows": ROWS}, {"key": ("v", "id")}, {"connections": 1}, {"name": "m"}])
def test_what_is_small_or_cannot_be_parted_is_read_by_one(run: Run, sessions: Sessions, fields: dict[str, Any]) -> None:
    run("CREATE TABLE m (id INT PRIMARY KEY, v INT NOT NULL, at DATETIME(6) NOT NULL) ENGINE = MyISAM")
    run("INSERT INTO m SELECT * FROM t")
    for extract in sessions.extract(**fields):
        assert ids(extract) == list(range(1, ROWS + 1))
    assert sessions.opened == len(sessions.read) == 1
    assert not [text for text in sessions.said if "connection" in text]


@by_turns("number", range(4))
def test_a_range_that_loses_a_row_fails_the_day(
    run: Run, database: str, sessions: Sessions, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    read = reader.read

    def lossy(*arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        for batch in read(*arguments, **options):
            lost = {1 + number * 15} & set(batch.column("id").to_pylist() if "v" in batch.schema.names else ())
            yield batch.filter(pc.invert(pc.is_in(batch["id"], pa.array(list(lost), pa.int32())))) if lost else batch

    monkeypatch.setattr(reader, "read", lossy)
    with pytest.raises(SourceError, match=r"the source counts .* rows in the snapshot of which"):
        list(map(ids, sessions.extract(chunk_rows=20)))
    until(lambda: none_is_left(run, database))


def test_an_error_of_one_session_ends_all(run: Run, database: str, sessions: Sessions) -> None:
    """One session is killed; the others, which have rows to read still, are not waited for."""
    failed = threading.Lock()

    def killed(_: int) -> None:
        sessions.await_all()
        if failed.acquire(blocking=False):
            raise SourceError("this one is lost")

    sessions.on_batch = killed
    with pytest.raises(SourceError, match="day 2024-01-01: this one is lost"):
        list(map(ids, sessions.extract()))
    until(lambda: none_is_left(run, database))


def test_whoever_stops_early_leaves_no_session_behind(run: Run, database: str, sessions: Sessions) -> None:
    extracts = sessions.extract()
    batches = next(extracts).batches
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    extracts.close()  # type: ignore[attr-defined]
    until(lambda: none_is_left(run, database))


def test_no_session_joins_those_that_were_ended(run: Run, database: str, sessions: Sessions) -> None:
    watch = giving_way.Watch(
        sessions.connect, sessions.connect(), database=database, table="t", named="t", warn=sessions.said.append
    )
    watch.abandon()
    assert watch.join() is None
    assert sessions.said == []
    until(lambda: none_is_left(run, database))


def test_an_alter_is_let_by_and_the_day_is_then_read_anew(
    run: Run, server: Server, database: str, sessions: Sessions
) -> None:
    done, got = threading.Event(), list[list[int]]()

    def alter() -> None:
        with server.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute("ALTER TABLE t ADD COLUMN fresh INT DEFAULT 7")
        done.set()

    threads = [threading.Thread(target=alter, daemon=True)]
    for extract in sessions.extract(max_rows_per_second=30):
        rows = list[int]()
        try:
            for batch in extract.batches:
                rows += batch.column("id").to_pylist()
                if rows and threads:
                    threads.pop().start()
        except GaveWay:
            assert done.wait(10)
            continue
        got.append(sorted(rows))
    assert got == [list(range(1, ROWS + 1))]
    assert any("waits for" in text for text in sessions.said)
    until(lambda: none_is_left(run, database))


@by_turns("stopped", ["by who waits for the table", "by who took the rows"])
def test_sessions_that_send_no_rows_for_a_long_time_are_ended_on_the_server(
    run: Run, database: str, sessions: Sessions, stopped: str
) -> None:
    """Each row takes the server twenty seconds: it would notice a closed connection after as many and more."""
    extracts = sessions.extract(filter="SLEEP(20) = 0")
    extract = next(extracts)

    def stop() -> None:
        until(
            lambda: run("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%v%SLEEP(20)%'")[0][0] > 3
        )
        if stopped == "by who took the rows":
            extract.abandon()
        else:
            run("ALTER TABLE t ADD COLUMN fresh INT DEFAULT 7")

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    began = time.monotonic()
    with pytest.raises((GaveWay, SourceError)):
        ids(extract)
    extracts.close()  # type: ignore[attr-defined]
    thread.join(60)
    until(lambda: none_is_left(run, database))
    assert time.monotonic() - began < 20


def test_the_ceiling_is_all_sessions_together(sessions: Sessions) -> None:
    began = time.monotonic()
    (waited,) = [extract.waited for extract in sessions.extract(max_rows_per_second=30) if ids(extract)]
    took = time.monotonic() - began
    assert 1.0 <= waited["max_rows_per_second"] <= took


def test_a_busy_source_is_given_way_to_by_all_sessions(
    run: Run, database: str, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each session asks on its own connection, as the others' are in use; the first that is told so ends all."""
    asked = set[int]()

    def running(connection: Connection) -> float:
        asked.add(id(connection))
        return 1000.0 if len(asked) == 3 else 0.0

    monkeypatch.setattr(throttle, "threads_running", running)
    monkeypatch.setattr(throttle, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(throttle, "GRACE_SECONDS", 0.0)
    sessions.on_batch = sessions.await_all
    extracts = sessions.extract(PauseAbove(threads_running=900))
    with pytest.raises(GaveWay, match="threads_running is 1,000, above 900"):
        ids(next(extracts))
    extracts.close()  # type: ignore[attr-defined]
    until(lambda: none_is_left(run, database))
