"""Locks on a table's definition: waiting for one that somebody else holds, and who that is.

Whoever reads a table shares a lock on its definition (a metadata lock) until the transaction ends; ALTER TABLE, LOCK
TABLES ... WRITE and the like want it alone. The server lets a statement wait for it as long as `lock_wait_timeout`
says; here it waits several times, and says what for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import pymysql
from pymysql.constants import ER

from aurora_dwh.core.models import GaveWay
from aurora_dwh.core.waiting import waiting
from aurora_dwh.source.connection import Connection, SourceError, clock, execute
from aurora_dwh.source.quoting import relation
from aurora_dwh.source.refusals import code_of, is_permanent

PATIENCE: Final = timedelta(minutes=10)
"""How long a table is waited for that somebody else has locked."""

_LOCKS: Final = (
    "SELECT t.PROCESSLIST_ID, t.PROCESSLIST_USER, l.LOCK_TYPE, l.LOCK_STATUS, t.PROCESSLIST_INFO "
    "FROM performance_schema.metadata_locks l "
    "JOIN performance_schema.threads t ON t.THREAD_ID = l.OWNER_THREAD_ID "
    "WHERE l.OBJECT_TYPE = 'TABLE' AND l.OBJECT_SCHEMA = %s AND l.OBJECT_NAME = %s "
    "AND t.PROCESSLIST_ID <> CONNECTION_ID()"
)
"""MySQL's; nothing where the server does not record locks, as Aurora does not unless it is set to."""

_LOCKS_OF_MARIADB: Final = (
    "SELECT p.ID, p.USER, l.LOCK_MODE, 'GRANTED', p.INFO FROM information_schema.METADATA_LOCK_INFO l "
    "JOIN information_schema.PROCESSLIST p ON p.ID = l.THREAD_ID "
    "WHERE l.TABLE_SCHEMA = %s AND l.TABLE_NAME = %s AND p.ID <> CONNECTION_ID()"
)
"""MariaDB's, where its plugin `metadata_lock_info` is installed. It knows the locks that are held."""

_STATEMENTS: Final = (
    "SELECT ID, USER, STATE, INFO FROM information_schema.PROCESSLIST WHERE INFO IS NOT NULL AND ID <> CONNECTION_ID()"
)
"""What sessions run at the moment: the user's own ones, and all others where it has PROCESS."""

_WAITS: Final = ("Waiting for table metadata lock", "Waiting for table flush")

_FIRST_WORDS: Final = re.compile(
    r"(\s|/\*.*?\*/)*(?P<words>[a-z]+(\s+(TABLES?|DATABASE|SCHEMA|INDEX)\b)?)", re.IGNORECASE | re.DOTALL
)

_READS_OR_WRITES: Final = re.compile(
    r"(\s|/\*.*?\*/|\()*(SELECT|WITH|TABLE|VALUES|INSERT|REPLACE|UPDATE|DELETE)\b", re.IGNORECASE | re.DOTALL
)
"""Statements that share the lock on a definition."""

_SHARED: Final = ("SHARED_READ", "SHARED_WRITE", "SHARED_HIGH_PRIO", "SHARED_UPGRADABLE", "INTENTION_EXCLUSIVE")
"""Locks beside which a table can be read."""


def take_lock(connection: Connection, database: str, table: str, query: str | None = None) -> bool:
    """Return whether a session shares the lock on a table, or on all that a query reads; a transaction keeps it.

    What else is wrong with the table its reading tells better, and is no lock.

    Raises:
        pymysql.err.Error: The connection failed.
    """
    try:
        execute(connection, f"SELECT 1 FROM {relation(database, table, query)} LIMIT 0")
    except pymysql.err.MySQLError as error:
        return not _is_locked(error)
    return True


def clock_in_lock(connection: Connection, database: str, table: str, query: str | None = None) -> datetime:
    """Return the server's clock by a statement with which a transaction takes the lock, as `take_lock` does.

    Raises:
        GaveWay: Somebody else has it again.
        pymysql.err.Error: The connection failed.
    """
    try:
        return clock(connection, relation(database, table, query))
    except pymysql.err.MySQLError as error:
        if _is_locked(error):
            raise GaveWay("the table is locked again") from error  # and may have other columns when it is not any more
    return clock(connection)


def _is_locked(error: pymysql.err.MySQLError) -> bool:
    """Return whether a statement failed as somebody else has the lock, and raise the error where it may pass."""
    if code_of(error) == ER.LOCK_WAIT_TIMEOUT:
        return True
    if not is_permanent(error):
        raise error
    return False


def await_lock(
    connection: Connection,
    database: str,
    table: str,
    query: str | None = None,
    *,
    named: str,
    warn: Callable[[str], None],
) -> None:
    """Wait until a table can be read.

    Args:
        connection: A session without a transaction.
        query: The query of the catalog that it is, None for a table.
        named: The table and day, as messages name them.
        warn: Takes what an operator should know: that reading waits, and for whom.

    Raises:
        SourceError: It was locked all the time.
        pymysql.err.Error: The connection failed.
    """
    began, said = time.monotonic(), ""
    with waiting(f"whoever has locked {database}.{table}"):
        while not take_lock(connection, database, table, query):
            waited, who = time.monotonic() - began, told_holders(connection, database, table)
            if waited >= PATIENCE.total_seconds():
                raise SourceError(
                    f"{named}: {database}.{table} is locked, and reading waited {waited:.0f} s for that; {who}. Load "
                    "the day when the lock is gone"
                )
            if who != said:
                warn(f"{named}: {database}.{table} is locked; {who}. Reading waits for that, at most {PATIENCE}")
            said = who
    if said:
        warn(f"{named}: the lock is gone after {time.monotonic() - began:.0f} s, and reading goes on")


def told_holders(connection: Connection, database: str, table: str) -> str:
    """Return, in words, who keeps others from reading a table, as far as the server tells.

    Statements are named by their first words: what follows may be nobody's business.
    """
    locks = _locks(connection, database, table)
    held = [lock for lock in locks if lock[3] == "GRANTED" and _mode(lock[2]) not in _SHARED]
    queued = [lock for lock in locks if lock[3] == "PENDING" and _mode(lock[2]) not in _SHARED]
    if held or queued:
        number, user, mode, status, statement = (held or queued)[0]
        verb = "holds" if status == "GRANTED" else "waits for"
        return f"{_session(number, user)} {verb} {mode}{_running(statement)}; it ends there, or by KILL {number}"
    naming = [row for row in _statements(connection) if _names(row[3], database, table)]
    if naming:
        number, user, _, statement = naming[0]
        return f"perhaps {_session(number, user)} holds it{_running(statement)}, which ends there, or by KILL {number}"
    return (
        "the server does not tell who holds it (MySQL: performance_schema.metadata_locks; MariaDB: INSTALL SONAME "
        "'metadata_lock_info'; both: GRANT PROCESS ON *.*)"
    )


def told_waiting(connection: Connection, database: str, table: str, holder: int) -> str:
    """Return, in words, who waits for the lock on a table that a session holds; empty where nobody does.

    Of several it is one that wants the lock alone: the others wait for that one.

    Args:
        holder: The number of the session that holds it.

    Raises:
        pymysql.err.Error: The connection failed.
    """
    waiting: list[tuple[bool, Any, Any, Any]] = []
    locks = _locks(connection, database, table)
    if any(number == holder for number, *_ in locks):  # else the server does not record them
        waiting = [
            (_mode(mode) in _SHARED, n, user, text) for n, user, mode, status, text in locks if status == "PENDING"
        ]
    waiting += [
        (_READS_OR_WRITES.match(str(text)) is not None, n, user, text)
        for n, user, state, text in _statements(connection)
        if n != holder and state in _WAITS and _names(text, database, table)
    ]
    if not waiting:
        return ""
    _, number, user, statement = min(waiting, key=lambda one: one[0])
    return f"{_session(number, user)} waits for {database}.{table}{_running(statement)}"


def sees_others(connection: Connection) -> bool:
    """Return whether the user may see what other users' sessions run."""
    try:
        execute(connection, "SELECT COUNT(*) FROM information_schema.INNODB_TRX")  # which needs the same privilege
    except pymysql.err.MySQLError as error:
        if not is_permanent(error):
            raise
        return False
    return True


def _locks(connection: Connection, database: str, table: str) -> list[tuple[Any, ...]]:
    for query in (_LOCKS, _LOCKS_OF_MARIADB):
        try:
            if rows := execute(connection, query, (database, table)):
                return rows
        except pymysql.err.MySQLError as error:
            if not is_permanent(error):
                raise
    return []


def _statements(connection: Connection) -> Sequence[tuple[Any, ...]]:
    return execute(connection, _STATEMENTS)


def _names(statement: object, database: str, table: str) -> bool:
    """Return whether a statement is about a table; one that flushes all tables or drops the database is."""
    text = str(statement)
    if re.match(r"\s*FLUSH\b", text, re.IGNORECASE):
        return True
    name = database if re.match(r"\s*DROP\s+(DATABASE|SCHEMA)\b", text, re.IGNORECASE) else table
    return re.search(rf"(?<!\w){re.escape(name.replace('`', '``'))}(?!\w)", text, re.IGNORECASE) is not None


def _mode(lock: object) -> str:
    """Return a lock's mode as MySQL names it; MariaDB's begin with MDL_."""
    return str(lock).removeprefix("MDL_")


def _session(number: object, user: object) -> str:
    return f"session {number} of {user}"


def _running(statement: object) -> str:
    """Return which kind of statement a session runs; empty where it runs none."""
    found = _FIRST_WORDS.match(str(statement or ""))
    return f" for its {' '.join(found['words'].upper().split())}" if found else ""
