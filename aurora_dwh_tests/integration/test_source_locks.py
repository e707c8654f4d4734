"""Locks on a real server: who waits for a table is let by, and who holds one is waited for and named."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from queue import SimpleQueue
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import pymysql
import pytest

from aurora_dwh.catalog.fields import PauseAbove
from aurora_dwh.catalog.model import Table
from aurora_dwh.core import retries
from aurora_dwh.core.models import Extract, GaveWay
from aurora_dwh.source import giving_way, locks, throttle, variables
from aurora_dwh.source.connection import SourceError, connect, execute, explain
from aurora_dwh.source.extract import Source
from aurora_dwh.source.sessions import describe
from aurora_dwh.source.windows import window
from aurora_dwh_tests.servers import Server, by_turns, numbers

UTC = ZoneInfo("UTC")
DAY = window(date(2024, 1, 2), zone=UTC, start_date=date(2024, 1, 1))
WHOLE: dict[str, Any] = {"name": "t", "mode": "full"}
ROWS = 60


@pytest.fixture(autouse=True)
def _attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether somebody waits is looked at often, so that what is read meanwhile can be little."""
    monkeypatch.setattr(giving_way, "LOOK_SECONDS", 0.1)


class Beside:
    """Another session of the source, which runs statements while one reads; it ends with the test."""

    def __init__(self, server: Server, database: str) -> None:
        self.connection = server.connect(database)
        self.number = self.connection.thread_id()
        self._taken: SimpleQueue[float | Exception] = SimpleQueue()

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement to its end."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def begin(self, statement: str) -> None:
        """Begin a statement."""
        Thread(target=self._timed, args=(statement,), daemon=True).start()

    def took(self) -> float:
        """Return how many seconds the statement that was begun took."""
        taken = self._taken.get(timeout=60)
        if isinstance(taken, Exception):
            raise taken
        return taken

    def _timed(self, statement: str) -> None:
        began = time.monotonic()
        try:
            self.run(statement)
        except pymysql.err.Error as error:
            self._taken.put(error)
        else:
            self._taken.put(time.monotonic() - began)


@pytest.fixture
def beside(server: Server, database: str) -> Iterator[Callable[[], Beside]]:
    """Opens other sessions, and makes the table `t` of the numbers up to 60."""
    made: list[Beside] = []

    def another() -> Beside:
        made.append(Beside(server, database))
        return made[-1]

    first = another()
    first.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    first.run(f"INSERT INTO t SELECT seq, 0 FROM {numbers(ROWS)}")
    yield another
    for one in made:
        if one.connection.open:
            one.connection.close()


def source_of(server: Server, database: str, said: list[str], limits: PauseAbove | None = None, **login: Any) -> Source:
    arguments = {**server.arguments(database), **login}
    return Source(lambda: connect(**arguments), database=database, zone=UTC, pause_above=limits, warn=said.append)


def rows_of(extracts: Iterator[Extract], on_batch: Callable[[int], None] = lambda _: None) -> list[dict[str, Any]]:
    """Take extracts as the lake does, and return the rows of the last one; rows of one that gave way are void."""
    rows: list[dict[str, Any]] = []
    for one in extracts:
        rows.clear()
        try:
            for batch in one.batches:
                rows += batch.to_pylist()
                on_batch(len(rows))
        except GaveWay:
            continue
    return rows


@pytest.fixture
def said() -> list[str]:
    """What the source warns of."""
    return []


ALTER = "ALTER TABLE t ADD COLUMN fresh INT DEFAULT 7"


@by_turns("fields", [{"chunk_rows": 5}, {}])  # in pieces, in one
def test_c10_an_alter_waits_for_no_slowed_reading_and_neither_does_who_queues_behind_it(
    server: Server, database: str, beside: Callable[[], Beside], said: list[str], fields: dict[str, Any]
) -> None:
    app, changes, look, begun = beside(), beside(), beside(), []  # who waits for the other one has the smaller number

    def at(rows: int) -> None:
        if rows and not begun:
            begun.append(rows)
            changes.begin(ALTER)
            seen = f"SELECT STATE FROM information_schema.PROCESSLIST WHERE ID = {changes.number}"
            while "Waiting for table metadata lock" not in str(look.run(seen)):
                time.sleep(0.01)
            app.begin("SELECT SLEEP(0.2) FROM t LIMIT 1")

    table = Table(**WHOLE, max_rows_per_second=30, **fields)
    rows = rows_of(source_of(server, database, said).extract(table, [DAY]), at)
    changes.took()
    app.took()
    assert [(row["id"], row["fresh"]) for row in rows] == [(n, 7) for n in range(1, ROWS + 1)]
    (gave_way,) = [text for text in said if "the snapshot is ended" in text]
    assert re.match(
        rf"table t, day 2024-01-02: session {changes.number} of root waits for {database}\.t for its ALTER TABLE; ",
        gave_way,
    )


def test_c10_a_reading_whose_rows_nobody_takes_gives_way_too(
    server: Server, database: str, beside: Callable[[], Beside], said: list[str]
) -> None:
    changes, begun = beside(), []
    changes.run("DROP TABLE t")
    changes.run("CREATE TABLE t (id INT, v LONGTEXT)")  # no key to read it along
    changes.run(f"INSERT INTO t SELECT seq, REPEAT('v', 1000000) FROM {numbers(30)}")

    def at(rows: int) -> None:
        if rows and not begun:
            begun.append(rows)
            changes.begin(ALTER)
            changes.took()  # the upload, say, stands still as long as the ALTER does

    rows = rows_of(source_of(server, database, said).extract(Table(**WHOLE, oversize="truncate"), [DAY]), at)
    assert sorted(row["id"] for row in rows) == list(range(1, 31))
    assert rows[0]["fresh"] == 7


def test_c10_days_that_stand_are_not_read_again(
    server: Server, database: str, beside: Callable[[], Beside], said: list[str]
) -> None:
    changes, days = beside(), []
    changes.run("ALTER TABLE t ADD COLUMN at DATETIME DEFAULT '2024-01-02', ADD KEY (at)")
    changes.run("UPDATE t SET at = '2024-01-03' WHERE id > 20")
    windows = [window(date(2024, 1, day), zone=UTC, start_date=date(2024, 1, 1)) for day in (2, 3)]
    table = Table(name="t", key="id", cursor="at", max_rows_per_second=40)
    for one in source_of(server, database, said).extract(table, windows):
        try:
            found = [n for batch in one.batches for n in batch.column("id").to_pylist()]
        except GaveWay:
            days.append((one.window.day.day, "gave way"))
            continue
        days.append((one.window.day.day, len(found)))
        if len(days) == 1:
            changes.begin(ALTER)
    assert days == [(2, 20), (3, "gave way"), (3, 40)]
    changes.took()


def test_c10_a_day_that_gives_way_again_and_again_fails_as_one_that_another_attempt_may_read(
    server: Server, database: str, beside: Callable[[], Beside], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "READING", retries.Retries(2))
    changes, begun = beside(), []

    def at(rows: int) -> None:
        if rows == 5:
            if begun:
                changes.took()
            begun.append(rows)
            changes.begin(f"ALTER TABLE t COMMENT '{len(begun)}'")

    table = Table(**WHOLE, max_rows_per_second=5)
    with pytest.raises(SourceError, match=r"reading gave way 1 times .* session \d+ of root waits for .* ALTER TABLE"):
        rows_of(source_of(server, database, said).extract(table, [DAY]), at)
    changes.took()


def test_c10_that_nobody_can_be_seen_to_wait_is_said_once(
    server: Server, database: str, beside: Callable[[], Beside], said: list[str]
) -> None:
    admin = beside()
    admin.run("CREATE USER IF NOT EXISTS plain@'%' IDENTIFIED BY 'p'")
    admin.run(f"GRANT SELECT ON {database}.* TO plain@'%'")
    source = source_of(server, database, said, user="plain", password="p")
    table = Table(**WHOLE, chunk_rows=10, max_rows_per_second=120)
    assert len(rows_of(source.extract(table, [DAY]))) == ROWS
    assert len(rows_of(source.extract(table, [DAY]))) == ROWS
    (told,) = [text for text in said if "GRANT PROCESS" in text]
    admin.run(told.partition("run: ")[2])  # what it says is what helps
    said.clear()
    begun: list[int] = []

    def at(rows: int) -> None:
        if rows and not begun:
            begun.append(rows)
            admin.begin(ALTER)

    rows_of(source_of(server, database, said, user="plain", password="p").extract(table, [DAY]), at)
    assert [text for text in said if "GRANT PROCESS" in text] == []
    admin.took()
    admin.run("DROP USER plain@'%'")


def test_c10_nothing_is_open_while_a_busy_source_has_the_reading_pause(
    server: Server, database: str, beside: Callable[[], Beside], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(throttle, "LOOK_SECONDS", 0.1)
    busy, more, look, begun, opened = beside(), beside(), beside(), [], []

    def at(rows: int) -> None:
        if rows == 20 and not begun:
            begun.append(rows)
            busy.begin("SELECT SLEEP(2.5)")
            more.begin("SELECT SLEEP(2.5)")
            Thread(target=watch, daemon=True).start()

    def watch() -> None:
        time.sleep(1.5)
        opened.extend(
            look.run("SELECT trx_id FROM information_schema.INNODB_TRX WHERE trx_started < NOW() - INTERVAL 1 SECOND")
        )
        look.run("SET lock_wait_timeout = 1")
        look.run(ALTER)

    table = Table(**WHOLE, chunk_rows=10, max_rows_per_second=120)
    rows = rows_of(source_of(server, database, said, PauseAbove(threads_running=2)).extract(table, [DAY]), at)
    assert busy.took() >= 2.5
    assert opened == []
    assert [(row["id"], row["fresh"]) for row in rows] == [(n, 7) for n in range(1, ROWS + 1)]
    assert [text for text in said if "reading pauses until it is not" in text]
    assert [text for text in said if "the snapshot is ended" in text]


# What others lock.


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's patience with locks is a second."""
    short = tuple(
        variables.Variable(v.name, "1" if v.name == "lock_wait_timeout" else v.value, v.reason)
        for v in variables.SESSION
    )
    monkeypatch.setattr(variables, "SESSION", short)


@pytest.mark.usefixtures("hasty")
def test_c10_a_table_that_is_locked_is_waited_for_and_said_to_be(
    server: Server, database: str, beside: Callable[[], Beside], said: list[str]
) -> None:
    holder = beside()
    holder.run("LOCK TABLES t WRITE")
    Thread(target=lambda: (time.sleep(1.5), holder.run("UNLOCK TABLES")), daemon=True).start()
    assert len(rows_of(source_of(server, database, said).extract(Table(**WHOLE), [DAY]))) == ROWS
    waits, goes_on = said
    assert re.match(
        rf"table t, day 2024-01-02: {database}\.t is locked; .*reading waits for that, at most 0:10:00", waits, re.I
    )
    assert re.match(r"table t, day 2024-01-02: the lock is gone after \d s, and reading goes on", goes_on)


@pytest.mark.usefixtures("hasty")
@by_turns("asked", ["extract", "schema", "statement"])
def test_c10_a_table_that_stays_locked_fails_and_may_be_tried_again(
    server: Server,
    database: str,
    beside: Callable[[], Beside],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    asked: str,
) -> None:
    monkeypatch.setattr(locks, "PATIENCE", timedelta(seconds=1))
    holder, source, table = beside(), source_of(server, database, said), Table(**WHOLE)
    schema = source.schema(table)
    holder.run("LOCK TABLES t WRITE")
    with pytest.raises(SourceError, match=r"table t\b.* locked"):
        {
            "extract": lambda: rows_of(source.extract(table, [DAY])),
            "schema": lambda: source.schema(table),
            "statement": lambda: source.statement(table, schema, DAY),
        }[asked]()


@pytest.mark.usefixtures("hasty")
def test_c10_who_holds_a_lock_is_named_where_the_server_tells(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE", timedelta(seconds=1.5))
    server = Server("mysql", "--performance-schema=ON")
    try:
        database = server.database()
        holder = Beside(server, database)
        holder.run("CREATE TABLE t (id INT PRIMARY KEY)")
        holder.run("LOCK TABLES t WRITE")
        with pytest.raises(SourceError, match=rf"session {holder.number} of root holds SHARED_NO_READ_WRITE"):
            rows_of(source_of(server, database, said).extract(Table(**WHOLE), [DAY]))
        assert re.search(rf"by KILL {holder.number}\. Reading waits", said[0])
        Beside(server, database).run(f"KILL {holder.number}")  # what the message says
        assert rows_of(source_of(server, database, said).extract(Table(**WHOLE), [DAY])) == []
    finally:
        server.remove()


# What is said where a session ends.


@pytest.mark.parametrize("read", [0, 10], ids=["before the first row", "between two pieces"])
def test_c19_a_session_that_the_server_ends_is_told_in_a_sentence(
    server: Server, database: str, beside: Callable[[], Beside], said: list[str], read: int
) -> None:
    admin, killed = beside(), []
    before = ", ".join(str(number) for (number,) in admin.run("SELECT ID FROM information_schema.PROCESSLIST"))

    def kill() -> None:
        if not killed:
            own = f"DB = '{database}' AND ID NOT IN ({before})"
            ((number,),) = admin.run(f"SELECT ID FROM information_schema.PROCESSLIST WHERE {own}")
            admin.run(f"KILL {number}")
            killed.append(number)

    def take() -> None:
        for one in source_of(server, database, said).extract(Table(**WHOLE, chunk_rows=10), [DAY]):
            if not read:
                kill()
            for batch in one.batches:
                if batch.num_rows and read:
                    kill()

    with pytest.raises(SourceError) as caught:
        take()
    text = str(caught.value)
    assert "error 0" not in text
    assert re.search(r"Lost connection|gone away|killed|had been closed before", text)
    assert ("no row had been read" in text) is (read == 0)
    assert ("10 rows had been read" in text) is (read == 10)


def test_c19_a_session_that_was_lost_before_is_told_as_that(server: Server, database: str) -> None:
    with connect(**server.arguments(database)) as session:
        ((number,),) = execute(session, "SELECT CONNECTION_ID()")
        with server.connect() as other, other.cursor() as cursor:
            cursor.execute(f"KILL {number}")
        for expected in ("Lost connection|gone away|killed", "the session had been closed before: by the server"):
            with pytest.raises(pymysql.err.Error) as caught:
                execute(session, "SELECT 1")
            assert re.search(expected, explain(caught.value))
            assert describe(caught.value).startswith("the connection to Aurora was lost: ")
