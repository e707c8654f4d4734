"""How far a server's data reaches: a replica may lack what the writer has, whatever its clock shows.

A reader of Aurora has a row in `information_schema.replica_host_status`; other replicas say by SHOW REPLICA STATUS how
many seconds they are behind; a writer has all that was committed. Waiting for a day's end is here too: before it has
been reached, the day cannot be read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Final

import pymysql
from pymysql.constants import ER
from pymysql.cursors import DictCursor

from aurora_dwh.core.models import shown
from aurora_dwh.core.waiting import waiting
from aurora_dwh.source.connection import Connection, SourceError, clock, execute, explain
from aurora_dwh.source.privileges import account
from aurora_dwh.source.refusals import code_of

PATIENCE: Final = timedelta(minutes=30)
"""How long a reading waits for the end of its day."""

LOOK_SECONDS: Final = 5.0
"""How often the server is asked how far it is."""

STOPPED: Final = float("inf")
"""The lag of a replica that receives or applies nothing."""

Status = dict[str, Any]
"""A row of SHOW REPLICA STATUS: one of the writers that a replica follows."""

_ROUNDED: Final = timedelta(seconds=1)
"""What a lag in whole seconds leaves out."""

_READER: Final = (
    "SELECT SESSION_ID, REPLICA_LAG_IN_MILLISECONDS, LAST_UPDATE_TIMESTAMP, UTC_TIMESTAMP(6) "
    "FROM information_schema.replica_host_status WHERE SERVER_ID = @@aurora_server_id"
)
_WRITER: Final = "MASTER_SESSION_ID"

_STATUS: Final = ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS")
_STATUS_OF_MARIADB: Final = ("SHOW ALL REPLICAS STATUS", "SHOW ALL SLAVES STATUS")
"""The names of one statement: the second is that of servers before MySQL 8.0.22 and MariaDB 10.5. MariaDB tells of the
connections that have a name by the word ALL only."""

_BEHIND: Final = ("Seconds_Behind_Source", "Seconds_Behind_Master")
_THREADS: Final = (("Replica_IO_Running", "Slave_IO_Running"), ("Replica_SQL_Running", "Slave_SQL_Running"))
_UNKNOWN: Final = frozenset(
    {
        ER.BAD_FIELD_ERROR,
        ER.DBACCESS_DENIED_ERROR,
        ER.NO_SUCH_TABLE,
        ER.PARSE_ERROR,
        ER.UNKNOWN_SYSTEM_VARIABLE,
        ER.UNKNOWN_TABLE,
    }
)
"""What a server says of a statement that another kind of server has."""


@dataclass(frozen=True)
class Reach:
    """How far a server's data reaches."""

    # what was committed before that moment, in UTC, is there; None where replication has stopped
    until: datetime | None
    is_replica: bool  # whether it is a replica; else it has all that was committed up to its clock
    state: str  # what it is and how far it is, in words


def find_reach(connection: Connection) -> Reach:
    """Return how far the server's data reaches now.

    Raises:
        pymysql.err.MySQLError: The server does not tell, or the connection is lost: `is_untold` knows which.
    """
    reader = _reader(connection)
    now = clock(connection) if reader is None else reader[3].replace(tzinfo=timezone.utc)
    if reader is not None and (lag := _lag(reader)) is not None:
        seen = min(now, reader[2].replace(tzinfo=timezone.utc))
        return Reach(seen - lag, True, f"this reader was {lag.total_seconds():,.1f} s behind at {shown(seen)}")
    try:
        statuses = replica_statuses(connection)
    except pymysql.err.MySQLError as error:
        if reader is None or not is_untold(connection, error):
            raise
        statuses = []  # Aurora itself has told that it is the writer
    if not statuses:
        return Reach(now, False, f"the server's clock shows {shown(now)}")
    seconds = max(map(seconds_behind, statuses))
    if seconds == STOPPED:
        return Reach(None, True, f"replication has stopped: {_stopped(statuses)}")
    state = f"this replica is {seconds:,.0f} s behind at {shown(now)}"
    return Reach(now - timedelta(seconds=seconds) - _ROUNDED, True, state)


def await_data(
    connection: Connection,
    end: datetime,
    *,
    named: str,
    warn: Callable[[str], None],
) -> datetime | None:
    """Wait until the server's data reaches the end of a day.

    Args:
        connection: The connection that is to be read on: another might lead to another server.
        named: The table and day, as messages name them.
        warn: Takes what an operator should know: that reading waits, or that the server does not tell.

    Returns:
        How far the data of a replica reaches; None of another server, which has what its clock says.

    Raises:
        SourceError: The end was not reached in time, or will not be.
        pymysql.err.MySQLError: The connection is lost.
    """
    began, is_told, has_waited = time.monotonic(), True, False
    with waiting(f"the server to have all of {named}"):
        while True:
            try:
                found = find_reach(connection)
            except pymysql.err.MySQLError as error:
                if not is_untold(connection, error):
                    raise
                if is_told:
                    warn(f"{named}: {_untold(connection, error)}")
                is_told, now = False, clock(connection)
                found = Reach(now, False, f"the server's clock shows {shown(now)}")
            if found.until is not None and found.until >= end:
                return found.until if found.is_replica else None
            waited = time.monotonic() - began
            is_hopeless = not found.is_replica and found.until is not None and end - found.until > PATIENCE
            if is_hopeless or waited >= PATIENCE.total_seconds():
                raise SourceError(
                    f"{named} ends at {shown(end)}, and {found.state}; reading waited {waited:.0f} s. Load the day "
                    "when the server has all of it, or name one that has in AURORA_HOST"
                )
            if not has_waited:
                warn(f"{named} ends at {shown(end)}, and {found.state}; reading waits for that, at most {PATIENCE}")
            has_waited = True
            time.sleep(LOOK_SECONDS)


def replica_statuses(connection: Connection) -> list[Status]:
    """Return what a replica that is none of Aurora's says of itself, nothing where the server is none."""
    newer, older = _STATUS_OF_MARIADB if _is_mariadb(connection) else _STATUS
    with connection.cursor(DictCursor) as cursor:
        with suppress(pymysql.err.ProgrammingError):  # a server that does not know the newer name cannot parse it
            cursor.execute(newer)
            return list(cursor.fetchall())
        cursor.execute(older)
        return list(cursor.fetchall())


def seconds_behind(status: Status) -> float:
    """Return how many seconds a replica is behind; infinite where it receives or applies nothing."""
    seconds = _first(status, _BEHIND)
    is_running = all(_first(status, names) == "Yes" for names in _THREADS)
    return float(seconds) if is_running and seconds is not None else STOPPED


def is_unknown(error: pymysql.err.MySQLError) -> bool:
    """Return whether the server does not know a statement, as it is of another kind."""
    return code_of(error) in _UNKNOWN


def is_untold(connection: Connection, error: pymysql.err.MySQLError) -> bool:
    """Return whether an error is about a privilege or a name, so that the connection can go on after it."""
    is_denied = code_of(error) == ER.SPECIFIC_ACCESS_DENIED_ERROR
    return connection.open and not isinstance(error, pymysql.err.InterfaceError) and (is_denied or is_unknown(error))


def reader_lag(connection: Connection) -> timedelta | None:
    """Return how far a reader of Aurora is behind its writer, None of the writer itself and of other servers.

    Raises:
        pymysql.err.MySQLError: The server does not tell, or the connection is lost.
    """
    reader = _reader(connection)
    return None if reader is None else _lag(reader)


def _lag(instance: tuple[Any, ...]) -> timedelta | None:
    session, milliseconds, *_ = instance
    return None if session == _WRITER else timedelta(milliseconds=float(milliseconds or 0))


def _reader(connection: Connection) -> tuple[Any, ...] | None:
    """Return the server's own row among the instances of its Aurora cluster, None where it is not Aurora."""
    try:
        rows = execute(connection, _READER)
    except pymysql.err.MySQLError as error:
        if is_unknown(error):
            return None
        raise
    return rows[0] if rows else None


def _stopped(statuses: Sequence[Status]) -> str:
    """Return, in words, what is wrong with the first replica that does not go on."""
    status = next(status for status in statuses if seconds_behind(status) == STOPPED)
    receives, applies = (_first(status, names) for names in _THREADS)
    errors = [str(status[name]) for name in ("Last_IO_Error", "Last_SQL_Error") if status.get(name)]
    return "; ".join([f"its I/O thread runs: {receives}, its SQL thread: {applies}", *errors])


def _untold(connection: Connection, error: pymysql.err.MySQLError) -> str:
    """Return that the server does not tell how far it is, and what would let it."""
    privilege = "SLAVE MONITOR" if _is_mariadb(connection) else "REPLICATION CLIENT"
    return (
        f"whether the server has all of the day is not known, as it does not tell how far it is ({explain(error)}); "
        f"run: GRANT {privilege} ON *.* TO {account(partial(execute, connection))}"
    )


def _is_mariadb(connection: Connection) -> bool:
    session: Any = connection
    return "MariaDB" in session.get_server_info()


def _first(status: Status, names: Sequence[str]) -> Any:
    return next((status[name] for name in names if name in status), None)
