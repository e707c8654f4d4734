"""Whole transactions, tried again when a failure may pass, and never again where COMMIT may have been done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import redshift_connector
from pydantic import SecretStr
from redshift_connector.error import InterfaceError, ProgrammingError

from aurora_dwh.core import retries
from aurora_dwh.settings.config import ConfigError, RedshiftSettings
from aurora_dwh.warehouse import connection
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.errors import PassingError, WarehouseError

GREETING = "SELECT pg_backend_pid(), GETDATE()"
BEGAN = datetime(2024, 1, 1, 12)  # noqa: DTZ001 - as the driver gives it
LOST = InterfaceError("BrokenPipe: server socket closed")
CONFLICT = ProgrammingError({"C": "XX000", "M": "1023"})
REFUSED = ProgrammingError({"C": "42601", "M": "syntax error"})
SETTINGS = RedshiftSettings(database="dev", host="h", port=5439, user="u", password=SecretStr("geheim"), tls="disabled")


class Server:
    """Redshift as the driver shows it: what was said on each connection, and which statements fail."""

    def __init__(self) -> None:
        self.said: list[list[str]] = []
        self.closed = 0
        self.refusing_connections: list[Exception] = []
        self.failing: dict[str, list[Exception]] = {}

    def connect(self, **_: Any) -> Any:
        if self.refusing_connections:
            raise self.refusing_connections.pop(0)
        server, said = self, []
        self.said.append(said)

        class Cursor:
            description: Any = None
            rowcount = -1
            ps: Any = None

            def execute(self, statement: str) -> None:
                said.append(statement)
                if errors := server.failing.get(statement):
                    raise errors.pop(0)
                self.description = [(b"a", 23)] if statement.startswith("SELECT") else None

            def fetchall(self) -> list[list[Any]]:
                return [[7, BEGAN]] if said[-1] == GREETING else [[7]]

        class Line:
            def settimeout(self, seconds: float) -> None:
                assert seconds > 0

        class Connection:
            autocommit = False
            _usock = Line()

            def cursor(self) -> Cursor:
                assert self.autocommit
                return Cursor()

            def close(self) -> None:
                server.closed += 1
                raise InterfaceError("connection is closed")

        return Connection()

    @property
    def work(self) -> list[list[str]]:
        """What was said on each connection, without the greeting."""
        return [said[1:] for said in self.said]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, pause=0))
    server = Server()
    monkeypatch.setattr(redshift_connector, "connect", server.connect)
    return server


def do(*statements: str) -> Callable[[Session], str]:
    def work(session: Session) -> str:
        for statement in statements:
            session.execute(statement)
        return "done"

    return work


def test_a_session_says_who_it_is_and_answers_with_rows_and_columns(server: Server) -> None:
    with Warehouse(SETTINGS).session() as session:
        answer = session.execute("SELECT 1")
        assert (answer.rows, answer.count, answer.columns) == ([(7,)], -1, (("a", 23),))
        assert session.execute("UPDATE t").rows == []
        assert (session.pid, session.began, session.statements) == (7, BEGAN, ["SELECT 1", "UPDATE t"])
    assert server.said == [[GREETING, "SELECT 1", "UPDATE t"]]
    assert server.closed == 1


def test_a_transaction_is_begin_work_commit_on_one_session(server: Server) -> None:
    assert Warehouse(SETTINGS).transaction(do("A", "B")) == "done"
    assert server.work == [["BEGIN", "A", "B", "COMMIT"]]
    assert server.closed == 1


@pytest.mark.parametrize("error", [LOST, CONFLICT])
@pytest.mark.parametrize("statement", ["BEGIN", "A", "B"])
def test_a24_a_failure_that_may_pass_starts_the_whole_transaction_anew(
    server: Server, statement: str, error: Exception
) -> None:
    server.failing = {statement: [error, error]}
    assert Warehouse(SETTINGS).transaction(do("A", "B")) == "done"
    assert [said[-1] for said in server.work] == [statement, statement, "COMMIT"]
    assert server.work[-1] == ["BEGIN", "A", "B", "COMMIT"]
    assert server.closed == 3


def test_a_refusal_is_raised_at_once(server: Server) -> None:
    server.failing = {"A": [REFUSED]}
    with pytest.raises(WarehouseError, match="syntax error"):
        Warehouse(SETTINGS).transaction(do("A", "B"))
    assert server.work == [["BEGIN", "A"]]


def test_what_the_work_itself_raises_is_not_tried_again(server: Server) -> None:
    def work(_: Session) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        Warehouse(SETTINGS).transaction(work)
    assert server.work == [["BEGIN"]]


def test_a_server_that_is_gone_is_tried_as_often_as_any_failure(server: Server) -> None:
    server.refusing_connections = [LOST] * 99
    with pytest.raises(PassingError):
        Warehouse(SETTINGS).transaction(do("A"))
    assert len(server.refusing_connections) == 99 - retries.TRANSACTION.attempts


def test_all_attempts_used_up_raises_the_last_failure(server: Server) -> None:
    server.failing = {"A": [CONFLICT] * 99}
    with pytest.raises(PassingError, match="1023"):
        Warehouse(SETTINGS).transaction(do("A"))
    assert server.work == [["BEGIN", "A"]] * retries.TRANSACTION.attempts


def test_a_commit_whose_answer_was_lost_is_looked_up_on_a_new_session(server: Server) -> None:
    server.failing = {"COMMIT": [LOST]}
    landed = do("LOOK")
    assert Warehouse(SETTINGS).transaction(do("A"), landed=lambda s: bool(landed(s))) == "done"
    assert server.work == [["BEGIN", "A", "COMMIT"], ["LOOK"]]


def test_a_look_that_fails_too_is_repeated(server: Server) -> None:
    server.failing = {"COMMIT": [LOST], "LOOK": [CONFLICT]}
    assert Warehouse(SETTINGS).transaction(do("A"), landed=lambda s: bool(do("LOOK")(s))) == "done"
    assert server.work == [["BEGIN", "A", "COMMIT"], ["LOOK"], ["LOOK"]]


def test_a_commit_that_did_not_land_is_done_again(server: Server) -> None:
    server.failing = {"COMMIT": [LOST]}
    assert Warehouse(SETTINGS).transaction(do("A"), landed=lambda _: False) == "done"
    assert server.work == [["BEGIN", "A", "COMMIT"], [], ["BEGIN", "A", "COMMIT"]]


def test_a_commit_that_is_refused_for_good_is_raised(server: Server) -> None:
    server.failing = {"COMMIT": [REFUSED]}
    with pytest.raises(WarehouseError):
        Warehouse(SETTINGS).transaction(do("A"), landed=lambda _: True)
    assert server.work == [["BEGIN", "A", "COMMIT"]]


def test_a_workgroup_that_wakes_slowly_is_waited_for(server: Server) -> None:
    server.refusing_connections = [LOST, ConnectionRefusedError(111, "refused"), LOST]
    server.failing = {GREETING: [ProgrammingError({"C": "57014", "M": "Query cancelled"})]}
    with Warehouse(SETTINGS).session() as session:
        assert session.pid == 7
    assert server.closed == 2  # the connection that could not say who it is, and the good one


def test_a28_a_refused_login_is_raised_at_once_without_the_password(server: Server) -> None:
    server.refusing_connections = [InterfaceError({"C": "28000", "M": 'password authentication failed for user "u"'})]
    with pytest.raises(WarehouseError, match="password authentication failed") as caught, Warehouse(SETTINGS).session():
        pass
    assert "connect to h" in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert server.said == []


def test_settings_that_are_wrong_are_not_taken_for_a_lost_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def missing(_: RedshiftSettings) -> Any:
        asked.append(1)
        raise ConfigError(["REDSHIFT_SECRET_ID: no such secret"])

    monkeypatch.setattr(RedshiftSettings, "connect_arguments", missing)
    with pytest.raises(ConfigError, match="no such secret"), Warehouse(SETTINGS).session():
        pass
    assert len(asked) == 1


def test_waits_double_with_jitter(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, pause=1.0))
    monkeypatch.setattr(connection.time, "sleep", waits.append)
    server.failing = {"A": [CONFLICT] * 99}
    with pytest.raises(PassingError):
        Warehouse(SETTINGS).transaction(do("A"))
    assert len(waits) == retries.TRANSACTION.attempts - 1
    assert all(0.5 * 2**n <= wait <= 1.5 * 2**n for n, wait in enumerate(waits))
