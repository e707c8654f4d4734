"""Sessions on the source: how one is opened, what it is set to, and how its consistent snapshot begins and ends.

Which host and which password is `config`'s business. Reading rows is `reader`'s.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pymysql
from pymysql.connections import Connection as _Connection
from pymysql.constants import ER
from pymysql.cursors import Cursor

from aurora_dwh.core.models import DataError
from aurora_dwh.core.spelling import beginning
from aurora_dwh.core.waiting import waiting
from aurora_dwh.settings.environment import ConfigError
from aurora_dwh.settings.mask_key import NO_KEY, MaskKey
from aurora_dwh.source import variables
from aurora_dwh.source.internals import require_internals, set_read_timeout, socket_of
from aurora_dwh.source.privileges import grant_remedy
from aurora_dwh.source.quoting import literal
from aurora_dwh.source.refusals import code_of, is_permanent, remedy

if TYPE_CHECKING:
    from aurora_dwh.settings.config import AuroraSettings

Connection: TypeAlias = "_Connection[Cursor]"
"""A session on the source."""

DEFAULT_STATEMENT_TIMEOUT: Final = timedelta(hours=6)
"""How long a SELECT may run: long enough to stream a large table, and an end to one that is forgotten."""

LOGIN_SECONDS: Final = 30.0
"""How long each answer of a login may take, and of what sets a session up."""

WRITE_SECONDS: Final = 60.0
"""How long the server may take no bytes of a statement."""

_KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 5))
"""So that a line that is dead in silence, as behind a NAT gateway, is noticed within minutes instead of hours."""

_GRACE: Final = timedelta(minutes=1)
"""How much longer than the server the client waits, so that the server's own error is seen."""

_SHOWN: Final = 120
"""Characters of a statement that say which one is waited for."""

_CLOSED: Final = (
    "the session had been closed before: by the server, as after KILL, a restart or a timeout, or by what is on the way"
)
"""What the driver says nothing of: it is asked to use a session that was lost already."""

_TIMEOUTS: Final = frozenset({1969, 3024})
"""MariaDB's and MySQL's codes for a statement that ran for too long."""


class SourceError(Exception):
    """The source could not be read this time; a later attempt may well succeed."""


def failure(what: str, error: BaseException, hint: str = "", **login: Any) -> Exception:
    """Return what to raise for a driver's error: DataError where it comes at every attempt, else SourceError.

    Args:
        login: Of an error at the login, what `refusals.remedy` takes.
    """
    kind = DataError if is_permanent(error) else SourceError
    return kind(f"{what}: {explain(error, **login)}{hint}")


def connect(
    *,
    database: str | None = None,
    statement_timeout: timedelta = DEFAULT_STATEMENT_TIMEOUT,
    mask_key: Callable[[], MaskKey] | None = None,
    **arguments: Any,
) -> Connection:
    """Open a session for reading: UTC, utf8mb4, REPEATABLE READ, read only, and with an end to every statement.

    Args:
        database: The database that the session is in; None leaves it in none.
        statement_timeout: How long a SELECT may run on the server.
        mask_key: Returns the key of `mask: hmac`; it is asked for once, when a column is read that needs it.
        arguments: Host, user, password, TLS: keyword arguments of `pymysql.connect`, as `AuroraSettings` gives them.

    Raises:
        SourceError: The server could not be reached.
        DataError: The server refuses the login or the database, or its certificate is not trusted. No error holds the
            password.
    """
    try:
        with waiting(f"Aurora: connect to {arguments['host']}"):
            connection: Connection = pymysql.connect(
                **{
                    **arguments,
                    "charset": "utf8mb4",
                    "autocommit": None,
                    "read_timeout": LOGIN_SECONDS,
                    "write_timeout": WRITE_SECONDS,
                }
            )
    except pymysql.err.Error as error:
        raise _refused("cannot connect to Aurora", error, arguments) from error
    except (RuntimeError, UnicodeError) as error:  # a plugin that PyMySQL lacks a library for, a host that is no name
        raise DataError(f"cannot connect to Aurora: {error}") from error
    try:
        require_internals(connection)
        _prepare(connection, statement_timeout)
        if database is not None:
            _use(connection, database)
        _be_patient(connection, statement_timeout + _GRACE)
    except BaseException as error:
        connection.close()
        if isinstance(error, pymysql.err.Error):
            raise _refused("cannot set up a session on Aurora", error, arguments) from error
        raise
    session: Any = connection
    session.find_mask_key = cache(mask_key or _no_mask_key)
    return connection


def open_session(settings: AuroraSettings) -> Connection:
    """Open a session as settings say, which are asked for password or token each time; for errors see `connect`.

    Raises:
        ConfigError: The settings' secret cannot be had.
    """
    return connect(**settings.connect_arguments())


def mask_key_of(connection: Connection) -> MaskKey:
    """Return the key that `mask: hmac` hashes what is read in a session with, the same one for all of the session.

    Raises:
        ConfigError: There is none, or it cannot be had.
    """
    session: Any = connection
    key: MaskKey = session.find_mask_key()
    return key


def _no_mask_key() -> MaskKey:
    raise ConfigError([NO_KEY])


def _be_patient(connection: Connection, read_timeout: timedelta) -> None:
    """Have a session that is set up wait longer for answers; PyMySQL has one time for these and for the login's."""
    set_read_timeout(connection, read_timeout.total_seconds())
    line = socket_of(connection)
    for name, value in _KEEPALIVE:
        if line is not None and hasattr(socket, name):  # macOS has other names
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def cut(connection: Connection) -> None:
    """End a session's connection at once, also while another thread waits for its answer, which then fails."""
    line = socket_of(connection)
    if line is not None:
        with suppress(OSError):  # it is cut already
            line.shutdown(socket.SHUT_RDWR)


def _refused(what: str, error: pymysql.err.Error, arguments: dict[str, Any]) -> Exception:
    """Return what to raise where a session cannot be had."""
    account = f"{literal(arguments['user'])}@'%'"
    return failure(what, error, account=account, is_encrypted=not arguments.get("ssl_disabled"))


def _prepare(connection: Connection, statement_timeout: timedelta) -> None:
    """Set a session up: its roles, then its variables."""
    try:
        execute(connection, "SET ROLE ALL")  # what lets the user read may be a role that is not active by default
    except pymysql.err.MySQLError as error:
        if code_of(error) != ER.PARSE_ERROR:  # MariaDB's: one role is active there at a time
            raise
    session: Any = connection
    server = f"{session.host}:{session.port} {session.get_server_info()}"
    variables.prepare(partial(execute, connection), statement_timeout, server)


def _use(connection: Connection, database: str) -> None:
    """Enter a database: after the login, which roles are not yet active for.

    Raises:
        DataError: The user has no right in it.
    """
    try:
        connection.select_db(database)
    except pymysql.err.Error as error:
        if code_of(error) != ER.DBACCESS_DENIED_ERROR:
            raise
        mend = grant_remedy(partial(execute, connection), database)
        raise DataError(f"cannot set up a session on Aurora: {told(error)}; {mend}") from error


def execute(connection: Connection, statement: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """Run a small statement and return its rows; `%s` stands for a parameter where there are any."""
    with waiting(f"Aurora's answer to {beginning(statement, _SHOWN)}"), connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall())


@contextmanager
def snapshot(connection: Connection, read_clock: Callable[[Connection], datetime] | None = None) -> Iterator[datetime]:
    """Hold a consistent snapshot: all reads within see the rows as they were when it began.

    Args:
        read_clock: The first statement within; None is `clock`.

    Yields:
        The source's clock when the snapshot was taken, aware and in UTC.
    """
    execute(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    try:
        yield (read_clock or clock)(connection)
    finally:
        # Nothing was written, so there is nothing to lose where the connection is gone already.
        with suppress(pymysql.err.Error):
            connection.rollback()


def clock(connection: Connection, touched: str | None = None) -> datetime:
    """Return the server's clock when the statement began, aware and in UTC.

    Args:
        touched: A table, as FROM has it, of which the statement shares the lock and reads no row; None is no table.
    """
    ask = "SELECT UTC_TIMESTAMP(6)"
    ((now,),) = execute(connection, f"({ask}) UNION ALL ({ask} FROM {touched} LIMIT 0)" if touched else ask)
    return (now if isinstance(now, datetime) else datetime.fromisoformat(now)).replace(tzinfo=timezone.utc)


def explain(error: BaseException, **login: Any) -> str:
    """Return what a driver's error says, in one line, and what mends it where `refusals.remedy` knows that."""
    return "; ".join(filter(None, (told(error), remedy(error, **login))))


def told(error: BaseException) -> str:
    """Return what a driver's error says, in one line."""
    if isinstance(error, pymysql.err.MySQLError) and len(error.args) == 2:
        code, message = error.args
        if isinstance(code, int):
            code %= 1 << 16  # PyMySQL takes the number for a signed one, and Aurora's own errors are large
            if code == 0:  # the driver's own
                return str(message) or _CLOSED
        return f"{message} (MySQL error {code})" if message else f"MySQL error {code}"
    return f"{error}" or type(error).__name__


def is_timeout(error: BaseException) -> bool:
    """Return whether the server ended a statement because it ran for too long."""
    return code_of(error) in _TIMEOUTS
