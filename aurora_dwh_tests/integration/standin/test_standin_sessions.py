"""Logging in, transactions, conflicts, faults, and the death of PostgreSQL (points 10, 15, 16)."""

from __future__ import annotations

import hashlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redshift_connector
from redshift_connector.error import Error, InterfaceError, ProgrammingError

from aurora_dwh.local.redshift import Fault, RedshiftStandIn
from aurora_dwh.local.redshift.faults import Action
from aurora_dwh_tests.integration.standin.conftest import NUMBERS, PASSWORD, USER, Session
from aurora_dwh_tests.polling import until

Connect = Callable[..., Session]


def test_a_wrong_password_is_28000(standin: RedshiftStandIn) -> None:
    for user, password in ((USER, "wrong"), ("nobody", PASSWORD)):
        with pytest.raises(InterfaceError, match="28000"):
            redshift_connector.connect(
                host=standin.host, port=standin.port, user=user, password=password, database="dev", ssl=False
            )


def test_an_unknown_database(standin: RedshiftStandIn) -> None:
    with pytest.raises(ProgrammingError, match="3D000"):
        Session(standin, "nope")


def test_it_presents_itself_as_redshift(db: Session) -> None:
    assert "Redshift 1.0" in db.one("SELECT version()")
    assert (b"server_version", b"8.0.2") in db.connection.parameter_statuses
    assert db.one("SELECT current_user") == USER
    level = "SELECT database_isolation_level FROM svv_redshift_databases WHERE database_name = current_database()"
    assert db.one(level) == "Snapshot Isolation"


def test_row_counts(db: Session) -> None:
    db.sql("CREATE TABLE t (id int)")
    for statement, count in (
        ("INSERT INTO t VALUES (1), (2), (3)", 3),
        ("UPDATE t SET id = 9 WHERE id < 3", 2),
        ("DELETE FROM t", 3),
        ("SELECT 1", -1),
    ):
        db.cursor.execute(statement)
        assert db.cursor.rowcount == count


def test_lenient_transaction_commands(db: Session) -> None:
    db.sql("CREATE TABLE t (id int)")
    db.sql("ROLLBACK")
    db.sql("BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE")
    db.sql("BEGIN")
    db.sql("INSERT INTO t VALUES (1)")
    db.sql("START TRANSACTION")
    db.sql("END")
    assert db.one("SELECT count(*) FROM t") == 1
    assert list(db.connection.notices) == []


def test_the_driver_without_autocommit(standin: RedshiftStandIn, database: str, db: Session) -> None:
    db.sql("CREATE TABLE t (id int)")
    other = Session(standin, database)
    other.connection.autocommit = False
    other.sql("INSERT INTO t VALUES (1)")
    other.connection.rollback()
    other.sql("INSERT INTO t VALUES (2)")
    other.connection.commit()
    other.close()
    assert db.sql("SELECT id FROM t") == [(2,)]


def test_without_a_statement_cache(connect: Connect) -> None:
    db = connect(max_prepared_statements=0)
    db.sql("CREATE TABLE t (id int)")
    for number in range(3):
        db.sql("INSERT INTO t VALUES (%s)", (number,))
        assert db.one("SELECT count(*) FROM t") == number + 1


def test_a_cached_statement_sees_the_new_table(db: Session) -> None:
    for number in range(2):
        db.sql("CREATE TEMP TABLE stage AS SELECT 1 AS id")
        assert db.one("SELECT count(*) FROM stage") == 1
        db.sql("DROP TABLE stage")
        assert number >= 0


def test_a24_the_second_writer_of_a_row_who_has_read_before_waits_and_gets_1023(connect: Connect) -> None:
    first, second = connect(), connect()
    first.sql("CREATE TABLE t (id int, n int)")
    first.sql("INSERT INTO t VALUES (1, 0)")
    for session in (first, second):
        session.sql("BEGIN")
        session.sql("SELECT * FROM t")
    first.sql("UPDATE t SET n = 1 WHERE id = 1")
    failure: list[dict[str, str]] = []
    waiting = threading.Thread(target=lambda: failure.append(second.refused("UPDATE t SET n = 2 WHERE id = 1")))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    first.sql("COMMIT")
    waiting.join(10)
    (error,) = failure
    assert (error["C"], error["M"]) == ("XX000", "1023")
    assert error["D"].startswith("Serializable isolation violation on table - ")
    second.sql("ROLLBACK")
    assert first.one("SELECT n FROM t") == 1


@pytest.fixture
def other(standin: RedshiftStandIn, database: str) -> Iterator[str]:
    """The name of another user, who is gone after the test."""
    name = f"other_{next(NUMBERS)}"
    yield name
    with standin.admin(database) as admin:
        admin.query(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.parametrize("is_digest", [False, True], ids=["password", "digest"])
def test_a_user_that_was_made_logs_in_with_a_password(
    db: Session, connect: Connect, other: str, is_digest: bool
) -> None:
    written = "md5" + hashlib.md5(f"Secret1{other}".encode()).hexdigest() if is_digest else "Secret1"
    db.sql(f"CREATE USER {other} PASSWORD '{written}'")
    assert connect(user=other, password="Secret1").one("SELECT current_user") == other
    with pytest.raises((InterfaceError, ProgrammingError), match="password authentication failed"):
        connect(user=other, password="other")
    db.sql(f"ALTER USER {other} PASSWORD DISABLE")
    with pytest.raises((InterfaceError, ProgrammingError), match="password authentication failed"):
        connect(user=other, password="Secret1")


def test_a_user_may_what_was_granted(db: Session, connect: Connect, other: str) -> None:
    db.sql(f"CREATE USER {other} PASSWORD 'Secret1'")
    db.sql("CREATE SCHEMA s")
    db.sql("CREATE TABLE s.t AS SELECT 1 AS a")
    user = connect(user=other, password="Secret1")
    assert "permission denied for schema s" in user.refused("SELECT a FROM s.t")["M"]
    db.sql(f"GRANT USAGE ON SCHEMA s TO {other}")
    assert "permission denied for table t" in user.refused("SELECT a FROM s.t")["M"]
    db.sql(f"GRANT SELECT ON s.t TO {other}")
    assert user.one("SELECT a FROM s.t") == 1
    assert "permission denied" in user.refused("DELETE FROM s.t")["M"]
    assert "permission denied" in user.refused("CREATE TABLE s.u (a int)")["M"]


def test_of_a_late_binding_view_the_schemas_are_used_by_whoever_reads_it(
    db: Session, connect: Connect, other: str
) -> None:
    """And the tables are read by whoever made it. Source: r_CREATE_VIEW.md of the guide."""
    for statement in (
        f"CREATE USER {other} PASSWORD 'Secret1'",
        "CREATE SCHEMA deep",
        "CREATE SCHEMA shown",
        "CREATE TABLE deep.t AS SELECT 1 AS a, 'x'::varchar(5) AS b, DATE '2024-01-01' AS day",
        "CREATE VIEW shown.v AS SELECT a, b, EXTRACT(YEAR FROM day) AS y, a / 3.0 FROM deep.t WITH NO SCHEMA BINDING",
        "CREATE VIEW shown.w AS SELECT a FROM shown.v WITH NO SCHEMA BINDING",
        f"GRANT USAGE ON SCHEMA shown TO {other}",
    ):
        db.sql(statement)
    user = connect(user=other, password="Secret1")
    assert "permission denied for relation v" in user.refused("SELECT a FROM shown.v")["M"]
    db.sql(f"GRANT SELECT ON shown.v TO {other}")
    assert "permission denied for schema deep" in user.refused("SELECT a FROM shown.v")["M"]
    db.sql(f"GRANT USAGE ON SCHEMA deep TO {other}")
    assert user.sql("SELECT * FROM shown.v") == [(1, "x", 2024, Decimal("0.3333"))]
    assert "permission denied for table t" in user.refused("SELECT a FROM deep.t")["M"]
    assert "permission denied for relation w" in user.refused("SELECT a FROM shown.w")["M"]
    db.sql(f"GRANT SELECT ON shown.w TO {other}")
    assert user.one("SELECT MAX(a) FROM shown.w AS late") == 1


def test_grants_of_others_are_seen_with_unrestricted_access_alone(db: Session, connect: Connect, other: str) -> None:
    """Source: r_SVV_RELATION_PRIVILEGES.md of the guide."""
    db.sql(f"CREATE USER {other} PASSWORD 'Secret1' SYSLOG ACCESS RESTRICTED")
    db.sql(f"GRANT CREATE ON SCHEMA public TO {other}")
    user = connect(user=other, password="Secret1")
    user.sql("CREATE TABLE t (a int)")
    user.sql(f"GRANT SELECT ON t TO {USER}")
    granted = (
        "SELECT identity_name, privilege_type FROM svv_relation_privileges "
        "WHERE relation_name = 't' AND identity_name <> current_user"
    )
    access = "SELECT syslog_access FROM svv_user_info WHERE user_name = current_user"
    assert (user.sql(granted), user.one(access)) == ([], "RESTRICTED")
    db.sql(f"ALTER USER {other} SYSLOG ACCESS UNRESTRICTED")
    assert (user.sql(granted), user.one(access)) == ([(USER, "SELECT")], "UNRESTRICTED")


CHANGE, NONE, OTHER = (f"UPDATE t SET n = n + 1 WHERE id = {number}" for number in (1, 0, 2))
DELETE, ADD, READ = "DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (3, 0)", "SELECT * FROM t"
MERGE = (
    "MERGE INTO t USING s ON t.id = s.id "
    "WHEN MATCHED THEN UPDATE SET n = s.n WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.n)"
)
ALTER = "ALTER TABLE t ADD COLUMN m int"
WAITS = [
    (CHANGE, CHANGE),
    (CHANGE, OTHER),
    (CHANGE, DELETE),
    (DELETE, DELETE),
    (NONE, ADD),
    (NONE, NONE),
    (MERGE, OTHER),
]
WAITS += [(ADD, CHANGE), (CHANGE, ALTER), (READ, ALTER), (ALTER, READ), (ALTER, ADD), (READ, "DROP TABLE t")]
WAITS += [(NONE, "TRUNCATE t"), (READ, "ALTER TABLE t RENAME TO u")]
PASSES = [
    (CHANGE, READ),
    (ADD, READ),
    (ADD, ADD),
    (MERGE, READ),
    (READ, CHANGE),
    (READ, ADD),
    (CHANGE, "UPDATE s SET n = 1"),
]


@pytest.mark.parametrize(("holds", "comes"), [*WAITS, *PASSES])
def test_a24_who_waits_for_a_table_is_as_the_guide_says(
    connect: Connect, standin: RedshiftStandIn, database: str, holds: str, comes: str
) -> None:
    """Sources: c_serial_isolation.md, c_write_readwrite.md and r_LOCK.md of the guide."""
    first, second = connect(), connect()
    first.sql("CREATE TABLE t (id int, n int)")
    first.sql("INSERT INTO t VALUES (1, 0), (2, 0)")
    first.sql("CREATE TABLE s AS SELECT * FROM t")
    first.sql("BEGIN")
    first.sql(holds)
    second.sql("BEGIN")
    coming = threading.Thread(target=lambda: second.sql(comes))
    coming.start()
    waits: list[Any] = []
    with standin.admin(database) as admin:
        while coming.is_alive() and not (waits := admin.query("SELECT 1 FROM pg_locks WHERE NOT granted")):
            time.sleep(0.01)
    first.sql("COMMIT")
    coming.join(10)
    assert bool(waits and not coming.is_alive()) == ((holds, comes) in WAITS)
    second.sql("COMMIT")


def test_a24_a_writer_who_waited_goes_on_with_what_the_one_before_left(connect: Connect) -> None:
    """As its transaction has read nothing before, it meets no error 1023."""
    first, second = connect(), connect()
    first.sql("CREATE TABLE t (id int, n int)")
    first.sql("INSERT INTO t VALUES (1, 0)")
    for session in (first, second):
        session.sql("BEGIN")
    first.sql("DELETE FROM t WHERE 1 = 0")
    first.sql("UPDATE t SET n = 5")
    coming = threading.Thread(target=lambda: second.sql("DELETE FROM t WHERE 1 = 0"))
    coming.start()
    coming.join(0.3)
    assert coming.is_alive()
    first.sql("COMMIT")
    coming.join(10)
    second.sql("UPDATE t SET n = n + 1")
    second.sql("COMMIT")
    assert first.one("SELECT n FROM t") == 6


@pytest.mark.parametrize("is_in_transaction", [False, True])
def test_a24_a_table_that_is_younger_than_the_snapshot_is_error_1018(connect: Connect, is_in_transaction: bool) -> None:
    reader, maker = connect(), connect()
    maker.sql("CREATE TABLE elder (a int)")
    reader.sql("BEGIN")
    reader.sql("SELECT * FROM elder")
    if is_in_transaction:
        maker.sql("BEGIN")
    maker.sql("CREATE TABLE young (a int)")
    if is_in_transaction:
        maker.sql("COMMIT")
    reader.sql("CREATE TABLE own (a int)")
    assert reader.sql("SELECT o.a FROM own JOIN elder o ON o.a = own.a") == []
    error = reader.refused("SELECT * FROM young")
    assert (error["C"], error["M"], error["D"]) == ("XX000", "1018", "Relation does not exist.")
    reader.sql("ROLLBACK")
    reader.sql("BEGIN")
    assert reader.sql("SELECT * FROM young") == []


def test_a_change_of_a_table_that_is_not_there_leaves_no_transaction_behind(db: Session) -> None:
    for statement in ("DELETE FROM nowhere", "UPDATE nowhere SET a = 1"):
        assert db.refused(statement)["C"] == "42P01"
        assert db.one("SELECT 1") == 1


def test_a24_writers_who_wait_for_one_another_are_told_of_the_deadlock(connect: Connect) -> None:
    sessions = [connect(), connect()]
    failures: list[dict[str, str]] = []
    for name in "ts":
        sessions[0].sql(f"CREATE TABLE {name} (id int)")
    for session, name in zip(sessions, "ts", strict=True):
        session.sql("BEGIN")
        session.sql(f"DELETE FROM {name} WHERE 1 = 0")

    def other(session: Session, name: str) -> None:
        try:
            session.sql(f"DELETE FROM {name} WHERE 1 = 0")
        except ProgrammingError as error:
            failures.append(error.args[0])

    threads = [threading.Thread(target=other, args=one) for one in zip(sessions, "st", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    (failure,) = failures
    assert (failure["C"], failure["M"]) == ("40P01", "deadlock detected")


def test_a_snapshot_holds_for_the_transaction(connect: Connect) -> None:
    reader, writer = connect(), connect()
    writer.sql("CREATE TABLE t (id int)")
    reader.sql("BEGIN")
    assert reader.one("SELECT count(*) FROM t") == 0
    writer.sql("INSERT INTO t VALUES (1)")
    assert reader.one("SELECT count(*) FROM t") == 0
    reader.sql("COMMIT")
    assert reader.one("SELECT count(*) FROM t") == 1


def test_lock_blocks_readers(connect: Connect) -> None:
    owner, reader = connect(), connect()
    owner.sql("CREATE TABLE t (id int)")
    owner.sql("BEGIN")
    owner.sql("LOCK TABLE t")
    waiting = threading.Thread(target=lambda: reader.sql("SELECT * FROM t"))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    owner.sql("COMMIT")
    waiting.join(10)
    assert not waiting.is_alive()


@pytest.mark.parametrize(("action", "code", "text"), [("1023", "XX000", "1023"), ("57014", "57014", "Query cancelled")])
def test_injected_errors_abort_the_transaction(
    db: Session, standin: RedshiftStandIn, action: Action, code: str, text: str
) -> None:
    db.sql("CREATE TABLE t (id int)")
    standin.faults.add(Fault(match=r"^insert into t", action=action))
    db.sql("BEGIN")
    error = db.refused("INSERT INTO t VALUES (1)")
    assert (error["C"], error["M"]) == (code, text)
    assert db.refused("SELECT 1")["C"] == "25P02"
    db.sql("ROLLBACK")
    db.sql("INSERT INTO t VALUES (1)")


def test_a_failed_commit_commits_nothing(db: Session, standin: RedshiftStandIn) -> None:
    db.sql("CREATE TABLE t (id int)")
    standin.faults.add(Fault(match=r"^COMMIT", action="1023"))
    db.sql("BEGIN")
    db.sql("INSERT INTO t VALUES (1)")
    assert db.refused("COMMIT")["M"] == "1023"
    assert db.one("SELECT count(*) FROM t") == 0


def test_a_connection_dropped_before_and_after_commit(connect: Connect, standin: RedshiftStandIn) -> None:
    connect().sql("CREATE TABLE t (id int)")
    for when, rows in (("before", 0), ("after", 1)):
        victim = connect()
        standin.faults.add(Fault(match=r"^COMMIT", action="drop", when=when))  # type: ignore[arg-type]
        victim.sql("BEGIN")
        victim.sql("INSERT INTO t VALUES (1)")
        with pytest.raises(InterfaceError):
            victim.sql("COMMIT")
        assert connect().one("SELECT count(*) FROM t") == rows


def test_a_statement_dropped_after_it_ran_is_done(connect: Connect, standin: RedshiftStandIn) -> None:
    victim = connect()
    victim.sql("CREATE TABLE t (id int)")
    standin.faults.add(Fault(match=r"^INSERT", action="drop", when="after", times=1))
    with pytest.raises(InterfaceError):
        victim.sql("INSERT INTO t VALUES (1)")
    assert connect().one("SELECT count(*) FROM t") == 1


def test_delays_and_clearing(db: Session, standin: RedshiftStandIn) -> None:
    standin.faults.add(Fault(match=r"SELECT 42", action="delay", seconds=0.3, times=5))
    before = time.monotonic()
    db.sql("SELECT 42")
    assert time.monotonic() - before >= 0.3
    standin.faults.add(Fault(match=r"SELECT 42", action="delay", seconds=86_400, times=5))
    standin.faults.clear()
    db.sql("SELECT 42")


def test_statements_are_remembered_as_sent(db: Session, standin: RedshiftStandIn) -> None:
    standin.statements.clear()
    db.sql("SELECT  NVL(1, 2)")
    db.sql("SELECT  NVL(1, 2)")
    assert list(standin.statements) == ["SELECT  NVL(1, 2)"] * 2


def test_databases_from_a_template(db: Session, standin: RedshiftStandIn, database: str) -> None:
    db.sql("CREATE TABLE t (id int)")
    db.close()
    standin.create_database(f"{database}_copy", template=database)
    copy = Session(standin, f"{database}_copy")
    assert copy.one("SELECT count(*) FROM t") == 0
    copy.close()
    db.connection = copy.connection
    db.close = lambda: None  # type: ignore[method-assign]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RedshiftStandIn]:
    """A stand-in for this test alone, which the test may break."""
    running = RedshiftStandIn(tmp_path / "state", s3=None, user=USER, password=PASSWORD)
    running.start()
    yield running
    running.remove()


def fails_with(action: Callable[[], object], text: str) -> bool:
    try:
        action()
    except (Error, OSError) as error:
        return text in str(error)
    return False


def test_killing_postgres_drops_clients_and_a_restart_mends_it(own: RedshiftStandIn) -> None:
    session = Session(own, "dev")
    session.sql("CREATE TABLE t (id int)")
    session.sql("INSERT INTO t VALUES (1)")
    pid = own.postgres_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: fails_with(lambda: session.sql("SELECT 1"), ""))
    until(lambda: fails_with(lambda: Session(own, "dev").close(), "not running"))
    assert own.postgres_pid is None
    own.start()
    session = Session(own, "dev")
    assert session.one("SELECT count(*) FROM t") == 1
    session.close()


def test_an_idle_client_is_told_at_once(own: RedshiftStandIn) -> None:
    session = Session(own, "dev")
    assert own.postgres_pid is not None
    os.kill(own.postgres_pid, signal.SIGKILL)
    readable, _, _ = select.select([session.connection._usock], [], [], 10)
    assert readable


def test_data_survives_a_restart_and_a_leftover_postgres_is_ended(own: RedshiftStandIn, tmp_path: Path) -> None:
    session = Session(own, "dev")
    session.sql("CREATE TABLE t (id int) DISTKEY(id)")
    session.sql("INSERT INTO t VALUES (7)")
    left = own.postgres_pid
    assert left is not None
    # a second stand-in over the same folder stands for the one after a kill -9 of the first's process
    with RedshiftStandIn(tmp_path / "state", s3=None, user=USER, password="other") as second:
        assert second.postgres_pid not in (None, left)
        with pytest.raises(InterfaceError, match="28000"):
            Session(second, "dev")
        other = Session(second, "dev", password="other")
        assert other.sql("SELECT id FROM t") == [(7,)]
        assert other.sql("SELECT diststyle FROM svv_table_info") == [("KEY(id)",)]
        other.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((second.host, second.port), timeout=1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_postgres_dies_with_a_killed_process(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from aurora_dwh.local.redshift import RedshiftStandIn\n"
        "s = RedshiftStandIn(Path(sys.argv[1]), s3=None, user='u', password='p'); s.start()\n"
        "print(s.postgres_pid, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "state")], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    pid = int(child.stdout.readline())
    child.kill()
    child.wait()
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())
    RedshiftStandIn(tmp_path / "state", s3=None, user="u", password="p").remove()


def test_concurrent_sessions(connect: Connect) -> None:
    connect().sql("CREATE TABLE t (id int)")
    sessions = [connect() for _ in range(8)]
    threads = [threading.Thread(target=s.sql, args=(f"INSERT INTO t VALUES ({i})",)) for i, s in enumerate(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sessions[0].one("SELECT count(*) FROM t") == 8
