"""The embedded Aurora: what its front adds to a real server, and that everything else passes as it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest

from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.local.aurora import EmbeddedAurora
from aurora_dwh.local.aurora.program import KINDS
from aurora_dwh.local.processes import is_running, start_time, wait_until
from aurora_dwh.source import connection as source
from aurora_dwh.source.reader import read
from aurora_dwh.source.throttle import replica_lag
from aurora_dwh_tests.servers import running_aurora

Ask = Callable[..., tuple[tuple[Any, ...], ...]]


@pytest.fixture(scope="module", params=KINDS)
def aurora(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAurora]:
    """An embedded Aurora without a role for S3."""
    folder = tmp_path_factory.mktemp("aurora")
    yield from running_aurora(folder, user="dba", password="sesame", kind=request.param)


@pytest.fixture
def ask(aurora: EmbeddedAurora) -> Iterator[Ask]:
    """Run a statement in a session and return its rows."""
    connection = pymysql.connect(**aurora.arguments(), autocommit=True)

    def run(statement: str, *parameters: Any) -> tuple[tuple[Any, ...], ...]:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall()

    yield run
    connection.close()


def test_auroras_variables_have_values_and_texts_that_name_them_stay(ask: Ask) -> None:
    assert ask("SELECT @@aurora_version, @@GLOBAL.aurora_server_id, @@aws_default_s3_role, AURORA_VERSION()") == (
        ("3.10.0", "embedded-aurora", "", "3.10.0"),
    )
    assert ask("SHOW GLOBAL VARIABLES LIKE 'aurora_version'") == (("aurora_version", "3.10.0"),)
    texts = "SELECT '@@aurora_version', \"it''s @@aurora_version\", 'a\\'b @@aurora_version' /* @@aurora_version */"
    assert ask(texts) == (("@@aurora_version", "it''s @@aurora_version", "a'b @@aurora_version"),)
    assert ask("SELECT 1 AS `@@aurora_version` -- @@aurora_version") == ((1,),)
    assert ask("SELECT %s", "INTO OUTFILE S3 's3://b/k'") == (("INTO OUTFILE S3 's3://b/k'",),)


def test_a_reader_is_told_of_with_its_lag(aurora: EmbeddedAurora, ask: Ask) -> None:
    assert ask(
        "SELECT r.SERVER_ID, SESSION_ID = 'MASTER_SESSION_ID', REPLICA_LAG_IN_MILLISECONDS "
        "FROM information_schema.replica_host_status r ORDER BY 2"
    ) == (("embedded-aurora-reader", 0, 20.0), ("embedded-aurora", 1, 0.0))
    session = source.connect(**aurora.arguments())
    assert replica_lag(session) == 0.02
    aurora.fall_behind(timedelta(seconds=90))
    assert ask(
        "SELECT SERVER_ID, SESSION_ID = 'MASTER_SESSION_ID', REPLICA_LAG_IN_MILLISECONDS "
        "FROM information_schema.replica_host_status ORDER BY 2"
    ) == (("embedded-aurora", 0, 90_000.0), ("embedded-aurora-writer", 1, 0.0))
    aurora.fall_behind(None)
    session.close()


def test_what_the_server_refuses_it_refuses_in_its_own_words(aurora: EmbeddedAurora, ask: Ask) -> None:
    with pytest.raises(pymysql.err.OperationalError, match="Access denied for user 'dba'") as denied:
        pymysql.connect(**{**aurora.arguments(), "password": "wrong"})
    assert denied.value.args[0] == 1045
    with pytest.raises(pymysql.err.ProgrammingError, match="nowhere' doesn't exist"):
        ask("SELECT * FROM nowhere")
    for outside in ("SELECT 1 INTO OUTFILE '/tmp/x'", "SELECT 1 INTO DUMPFILE '/tmp/x'"):
        with pytest.raises(pymysql.err.OperationalError, match="FILE"):
            ask(outside)


def test_prepared_statements_long_rows_and_long_texts_pass_unchanged(aurora: EmbeddedAurora, ask: Ask) -> None:
    ask("CREATE TABLE long_rows (id INT PRIMARY KEY, b LONGBLOB)")
    blobs = {n: os.urandom(1024) * size for n, size in enumerate((0, 1, 16 * 1024, 17 * 1024))}
    for number, blob in blobs.items():  # the last two are longer than one packet
        ask("INSERT INTO long_rows VALUES (%s, %s)", number, blob)
    columns = (Column("id", "int", "int"), Column("b", "longblob", "longblob"))
    schema = TableSchema(aurora.database, "long_rows", columns)
    session = source.connect(**aurora.arguments())
    found = {
        row["id"]: row["b"] for batch in read(session, "SELECT * FROM long_rows", schema) for row in batch.to_pylist()
    }
    session.close()
    ask("DROP TABLE long_rows")
    assert found == blobs


def test_a_slow_reader_holds_up_nobody(aurora: EmbeddedAurora, ask: Ask) -> None:
    ask("CREATE TABLE many (v VARCHAR(200))")
    ask("INSERT INTO many VALUES (%s)", "x" * 200)
    for _ in range(16):
        ask("INSERT INTO many SELECT * FROM many")
    with pymysql.connect(**aurora.arguments(), cursorclass=pymysql.cursors.SSCursor) as slow:
        cursor = slow.cursor()
        cursor.execute("SELECT * FROM many")
        assert cursor.fetchone() == ("x" * 200,)
        assert ask("SELECT COUNT(*) FROM many") == ((65_536,),)
        assert sum(1 for _ in cursor) == 65_535
        cursor.close()
    ask("DROP TABLE many")


@pytest.mark.parametrize("aurora", ["mysql"], indirect=True)  # which looks every five seconds
def test_a_client_that_leaves_ends_its_statement(aurora: EmbeddedAurora, ask: Ask) -> None:
    leaver = pymysql.connect(**aurora.arguments())

    def wait() -> None:
        with pytest.raises(pymysql.err.Error):
            leaver.cursor().execute("DO SLEEP(60)")

    waiting = threading.Thread(target=wait)
    waiting.start()
    sleeping = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO = 'DO SLEEP(60)'"
    assert wait_until(lambda: ask(sleeping) == ((1,),), 10)
    leaver._sock.shutdown(2)
    waiting.join(10)
    assert wait_until(lambda: ask(sleeping) == ((0,),), 10)


def test_what_is_stored_survives_a_restart_and_a_kill(tmp_path: Path) -> None:
    for kind in reversed(KINDS):
        made = EmbeddedAurora(tmp_path / kind, user="u", password="p", kind=kind)
        made.start()
        with pymysql.connect(**made.arguments(), autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept (id INT)")
            cursor.execute("INSERT INTO kept VALUES (7)")
        pid = made.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        made.stop()
        # The server that made the data is taken again, whichever would be the first choice.
        again = EmbeddedAurora(tmp_path / kind, user="u", password="another")
        again.start()
        with pymysql.connect(**again.arguments()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id, VERSION() LIKE '%MariaDB%' FROM kept")
            assert cursor.fetchall() == ((7, int(kind == "mariadb")),)
        again.stop()


def test_a_server_that_outlived_its_stack_is_ended_before_the_next_and_sessions_with_it(tmp_path: Path) -> None:
    first = EmbeddedAurora(tmp_path, user="u", password="p")
    first.start()
    pid = first.pid
    assert pid is not None
    started = start_time(pid)
    second = EmbeddedAurora(tmp_path, user="u", password="p")
    threading.Thread(target=lambda: os.waitpid(pid, 0), daemon=True).start()
    second.start()
    assert not is_running(pid, started)
    assert second.pid != pid
    session = pymysql.connect(**second.arguments())
    second.stop()
    with pytest.raises(pymysql.err.Error):
        session.ping(reconnect=False)
    first.stop()


def test_a_lock_that_names_a_process_of_another_kind_is_no_server(tmp_path: Path) -> None:
    """A killed server's number may be another process's by now, or stay a dead one's until its parent looks."""
    first = EmbeddedAurora(tmp_path, user="u", password="p")
    first.start()
    (lock,) = tmp_path.rglob("sock.lock")
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    first.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        lock.write_text(f"{other.pid}\n", encoding="utf-8")
        second = EmbeddedAurora(tmp_path, user="u", password="p")
        second.start()
        assert second.pid is not None
        second.stop()


@pytest.mark.parametrize("aurora", ["mysql"], indirect=True)
def test_a_taken_port_is_an_error_and_leaves_no_server(aurora: EmbeddedAurora, tmp_path: Path) -> None:
    other = EmbeddedAurora(tmp_path, user="u", password="p", port=aurora.port)
    with pytest.raises(OSError, match="in use"):
        other.start()
    assert other.pid is None
