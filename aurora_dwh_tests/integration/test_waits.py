"""Every wait has an end and a word: servers that accept and say nothing, readers that hold a table."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from aurora_dwh.core import retries, waiting
from aurora_dwh.core.waiting import Behalf, on_behalf_of
from aurora_dwh.local.redshift import Fault, RedshiftStandIn
from aurora_dwh.settings import aws
from aurora_dwh.source import connection as source
from aurora_dwh.source.connection import SourceError
from aurora_dwh.warehouse import connection
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh_tests.services import USER

Said = list[str]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """What is said of waits, every 50 milliseconds."""
    monkeypatch.setattr(waiting, "NOTICE_SECONDS", 0.05)
    texts: Said = []
    with on_behalf_of(Behalf(tell=texts.append)):
        yield texts


@contextmanager
def silent() -> Iterator[int]:
    """Give the port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def deaf() -> Iterator[int]:
    """Give the port of a server whose queue is full, so that the first packet of a connection is dropped."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
        for filler in fillers:
            filler.close()


@contextmanager
def sees_itself_alone(redshift: RedshiftStandIn) -> Iterator[None]:
    """Let the user see its own sessions alone for a while, as a user of Redshift does that nobody allowed more."""
    with redshift.admin("postgres") as admin:
        admin.query(f"SELECT pg_standin.set_syslog_access('{USER}', 'RESTRICTED')")
        yield
        admin.query(f"SELECT pg_standin.set_syslog_access('{USER}', 'UNRESTRICTED')")


@pytest.mark.parametrize("server", [silent, deaf])
def test_o02_a_redshift_that_never_answers_ends_each_attempt_in_time_and_says_so(
    server: Any, warehouse: Warehouse, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOGIN_SECONDS", 1)
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, attempts=2))
    with server() as port, pytest.raises(PassingError, match=r"connect to 127\.0\.0\.1"):
        Warehouse(replace(warehouse.settings, port=port)).transaction(lambda _: None)
    assert sum("attempt" in text for text in said) == retries.TRANSACTION.attempts - 1
    assert any(text.startswith("waiting for Redshift: connect to 127.0.0.1 since ") for text in said)


def test_o02_a_statement_that_redshift_does_not_answer_ends_in_time_here_and_there(
    redshift: RedshiftStandIn, warehouse: Warehouse, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STATEMENT_SECONDS", 1.0)
    redshift.faults.add(Fault("^SELECT 12345", "delay", seconds=20))
    late = pytest.raises(WarehouseError, match="did not answer within 1 s: SELECT 12345")
    with warehouse.session() as session, late as caught:
        session.execute("SELECT 12345")
    assert not isinstance(caught.value, PassingError)
    assert any(text.startswith("waiting for Redshift's answer to: SELECT 12345 since ") for text in said)


def test_o03_a_column_that_a_reader_keeps_out_is_given_up_with_the_readers_name(
    redshift: RedshiftStandIn, warehouse: Warehouse, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOCK_SECONDS", 2.0)
    with warehouse.session() as session:
        session.execute("CREATE TABLE t (id INTEGER)")
    with warehouse.session() as reader, warehouse.session() as writer:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM t")
        holder = rf"dwh \(pid {reader.pid}\) holds it since \d{{4}}-\S+ \S+ UTC"
        with pytest.raises(WarehouseError, match=f"did not answer within 2 s: ALTER TABLE t .*; {holder}") as caught:
            writer.execute("ALTER TABLE t ADD COLUMN fresh INTEGER")
        assert "pg_terminate_backend(pid)" in str(caught.value)
        assert any(re.search(f"since . s; {holder}", text) for text in said)
        with redshift.admin(warehouse.settings.database) as admin:
            assert not admin.query("SELECT 1 FROM pg_locks WHERE NOT granted")  # else other readers wait behind it


def test_o03_where_the_reader_is_not_told_the_message_says_how_to_find_it(
    redshift: RedshiftStandIn, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOCK_SECONDS", 1.0)
    with warehouse.session() as session, redshift.admin(warehouse.settings.database) as reader:
        session.execute("CREATE TABLE t (id INTEGER)")
        reader.query("BEGIN")
        reader.query("SELECT COUNT(*) FROM t")
        with sees_itself_alone(redshift), pytest.raises(WarehouseError, match="is not told to this user; a superuser"):
            session.execute("DROP TABLE t")
        reader.query("ROLLBACK")


def test_o02_an_aurora_that_never_answers_ends_in_time(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "LOGIN_SECONDS", 0.5)
    with silent() as port, pytest.raises(SourceError, match="cannot connect to Aurora"):
        source.connect(host="127.0.0.1", port=port, user="u", password=b"", ssl_disabled=True)
    assert any(text.startswith("waiting for Aurora: connect to 127.0.0.1") for text in said)


def test_o02_a_statement_that_aurora_does_not_answer_is_told(mysql: Any, said: Said) -> None:
    with closing(source.connect(**mysql.arguments(), statement_timeout=timedelta(seconds=9))) as session:
        source.execute(session, "SELECT SLEEP(0.3)")
    assert any(text.startswith("waiting for Aurora's answer to SELECT SLEEP(0.3) since ") for text in said)


def test_o02_an_s3_that_never_answers_ends_in_time_and_says_so(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "READ_SECONDS", 0.2)
    monkeypatch.setattr(retries, "REQUEST", retries.Retries(2))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with silent() as port, pytest.raises(Exception, match="Read timeout"):
        aws.s3_client(f"http://127.0.0.1:{port}", "eu-west-1").list_buckets()
    assert any(text.startswith("waiting for S3's answer to ListBuckets since ") for text in said)


def test_o02_whoever_asks_for_the_reason_in_vain_waits_on(said: Said) -> None:
    def ask() -> str:
        raise WarehouseError("out of reach")

    with waiting.waiting("something", ask):
        time.sleep(0.3)
    assert said[0] == "waiting for something since 0 s; the reason is not known (out of reach)"
    before = len(said)
    time.sleep(0.2)
    assert len(said) == before
