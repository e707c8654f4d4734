"""Sessions on the source: how one is opened, what it is set to, and how its consistent snapshot begins and ends.

Which host and which password is `config`'s business. Reading rows is `reader`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from typing import Any, Final, TypeAlias

import pymysql
from pymysql.connections import Connection as _Connection
from pymysql.constants import ER
from pymysql.cursors import Cursor

from aurora_dwh.handoff import DataError

Connection: TypeAlias = "_Connection[Cursor]"
"""A session on the source."""

DEFAULT_STATEMENT_TIMEOUT: Final = timedelta(hours=6)
"""How long a SELECT may run: long enough to stream a large table, and an end to one that is forgotten."""

_WRITE_TIMEOUT: Final = timedelta(minutes=30)
"""How long the server waits for a client that does not take rows, as while an upload is retried."""

_GRACE: Final = timedelta(minutes=1)
"""How much longer than the server the client waits, so that the server's own error is seen."""

_UNKNOWN_VARIABLE: Final = frozenset({ER.UNKNOWN_SYSTEM_VARIABLE})
"""MySQL does not know max_statement_time, MariaDB not max_execution_time, and a proxy perhaps neither."""

_PERMANENT: Final = frozenset(
    {
        ER.ACCESS_DENIED_ERROR,
        ER.BAD_DB_ERROR,
        ER.BAD_FIELD_ERROR,
        ER.COLUMNACCESS_DENIED_ERROR,
        ER.DBACCESS_DENIED_ERROR,
        ER.NO_SUCH_TABLE,
        ER.PARSE_ERROR,
        ER.SPECIFIC_ACCESS_DENIED_ERROR,
        ER.TABLEACCESS_DENIED_ERROR,
    }
)
"""Errors about the statement or a privilege."""

_TIMEOUTS: Final = frozenset({1969, 3024})
"""MariaDB's and MySQL's codes for a statement that ran for too long."""


class SourceError(Exception):
    """The source could not be read this time; a later attempt may well succeed."""


def connect(*, statement_timeout: timedelta = DEFAULT_STATEMENT_TIMEOUT, **arguments: Any) -> Connection:
    """Open a session for reading: UTC, utf8mb4, REPEATABLE READ, read only, and with an end to every statement.

    Args:
        statement_timeout: How long a SELECT may run on the server.
        arguments: Host, user, password, TLS: keyword arguments of `pymysql.connect`, as `AuroraSettings` gives them.

    Raises:
        SourceError: The server could not be reached.
        DataError: The server knows no such user, password or database. No error holds the password.
    """
    read_timeout = (statement_timeout + _GRACE).total_seconds()
    try:
        connection: Connection = pymysql.connect(
            **{**arguments, "charset": "utf8mb4", "autocommit": True, "read_timeout": read_timeout}
        )
    except pymysql.err.Error as error:
        raise _failure("cannot connect to Aurora", error) from error
    try:
        _prepare(connection, statement_timeout)
    except pymysql.err.Error as error:
        connection.close()
        raise _failure("cannot set up a session on Aurora", error) from error
    return connection


def _failure(what: str, error: pymysql.err.Error) -> Exception:
    kind = DataError if is_permanent(error) else SourceError
    return kind(f"{what}: {explain(error)}")


def _prepare(connection: Connection, statement_timeout: timedelta) -> None:
    """Set the session's variables; sql_mode stays as the server has it, for it decides how `filter` is read.

    But for one: a padded CHAR would be another value, and compare in another order than its index has.
    """
    seconds = statement_timeout.total_seconds()
    execute(connection, "SET SESSION time_zone = '+00:00'")
    execute(connection, "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, 'PAD_CHAR_TO_FULL_LENGTH', '')")
    execute(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    execute(connection, "SET SESSION TRANSACTION READ ONLY")
    _try_set(connection, f"net_write_timeout = {int(_WRITE_TIMEOUT.total_seconds())}")
    # MySQL counts in milliseconds and for SELECTs only, MariaDB in seconds; a server knows one of the two.
    if not _try_set(connection, f"max_execution_time = {int(seconds * 1000)}"):
        _try_set(connection, f"max_statement_time = {seconds:g}")


def _try_set(connection: Connection, assignment: str) -> bool:
    """Set a session variable; return False where the server has none of that name."""
    try:
        execute(connection, f"SET SESSION {assignment}")
    except pymysql.err.MySQLError as error:
        if error.args and error.args[0] in _UNKNOWN_VARIABLE:
            return False
        raise
    return True


def execute(connection: Connection, statement: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """Run a small statement and return its rows; `%s` stands for a parameter where there are any."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall())


@contextmanager
def snapshot(connection: Connection) -> Iterator[datetime]:
    """Hold a consistent snapshot: all reads within see the rows as they were when it began.

    Yields:
        The source's clock when the snapshot was taken, aware and in UTC.
    """
    execute(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    try:
        ((now,),) = execute(connection, "SELECT UTC_TIMESTAMP(6)")
        yield now.replace(tzinfo=timezone.utc) if isinstance(now, datetime) else _parsed(now)
    finally:
        # Nothing was written, so there is nothing to lose where the connection is gone already.
        with suppress(pymysql.err.Error):
            connection.rollback()


def _parsed(now: str) -> datetime:
    return datetime.fromisoformat(now).replace(tzinfo=timezone.utc)


def explain(error: BaseException) -> str:
    """Return what a driver's error says, in one line."""
    if isinstance(error, pymysql.err.MySQLError) and len(error.args) == 2:
        code, message = error.args
        if isinstance(code, int):
            code %= 1 << 16  # PyMySQL takes the number for a signed one, and Aurora's own errors are large
        return f"{message} (MySQL error {code})" if message else f"MySQL error {code}"
    return f"{error}" or type(error).__name__


def is_permanent(error: BaseException) -> bool:
    """Return whether an error is about the statement or a privilege, so that another attempt fails the same way."""
    return isinstance(error, pymysql.err.MySQLError) and bool(error.args) and error.args[0] in _PERMANENT


def is_timeout(error: BaseException) -> bool:
    """Return whether the server ended a statement because it ran for too long."""
    return isinstance(error, pymysql.err.MySQLError) and bool(error.args) and error.args[0] in _TIMEOUTS
