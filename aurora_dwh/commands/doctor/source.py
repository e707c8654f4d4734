"""What `doctor` checks in Aurora: the session, the instance behind it, and each table of the catalog."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from aurora_dwh.commands.doctor.check import SETTINGS_REMEDY, Attempts, Check, State, clock_check, ok_or_warning
from aurora_dwh.commands.facts import Filled, Size, read_filled, read_sizes
from aurora_dwh.commands.suggest import LARGE_ROWS, about
from aurora_dwh.config import AuroraSettings
from aurora_dwh.environment import DISABLED
from aurora_dwh.schema import fold
from aurora_dwh.source.connection import connect, execute
from aurora_dwh.source.discovery import index_ddl, indexes, read_schema
from aurora_dwh.source.quoting import identifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_dwh.catalog import Catalog, Table
    from aurora_dwh.source.connection import Connection

T = TypeVar("T")

TABLE = "aurora: table "
"""How the names of checks of single tables begin."""

MOST_LAG = timedelta(minutes=1)
"""How far a reader may be behind the writer where no table's lookback says more."""

_WRITES = ("ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE", "DROP", "ALTER", "CREATE")


def check(run: Attempts, catalog: Catalog | None) -> int:
    """Check the source; return the bytes of the largest table whose days are read by scanning it."""
    settings = run.attempt("aurora: settings", AuroraSettings.from_env, remedy=SETTINGS_REMEDY)
    if settings is None:
        return 0
    connection = run.attempt(
        "aurora: connection",
        lambda: connect(**settings.connect_arguments()),
        remedy="check host, port, user and security group; for Amazon's certificates set AURORA_TLS to the path of "
        "global-bundle.pem",
    )
    if connection is None:
        return 0
    with closing(connection):
        run.add(check_tls(connection, settings), check_instance(connection))
        run.add(*check_lag(connection, catalog), *check_privileges(connection))
        run.add(clock_check("aurora: clock", lambda: _now(connection)))
        if catalog is None:
            return 0
        run.add(*check_zone(connection, settings.database, catalog))
        sizes = read_sizes(connection, settings.database)
        scanned = 0
        for table in catalog.tables.values():
            size = sizes.get(table.name, Size())
            found = check_table(connection, settings.database, table, size)
            run.add(found)
            if "has no index" in found.detail:
                scanned = max(scanned, size.size or 0)
        return scanned


def check_tls(connection: Connection, settings: AuroraSettings) -> Check:
    """Check that the session is encrypted and the certificate verified, which the settings do together."""
    session: Any = connection
    name, socket = "aurora: TLS", session._sock
    if isinstance(socket, ssl.SSLSocket):
        trusted = "Python's certificates" if settings.tls == "verify" else settings.tls
        return Check(name, State.OK, f"{socket.version()}, certificate and host name verified against {trusted}")
    remedy = f"leave AURORA_TLS={DISABLED} to servers on this machine, and name the path of global-bundle.pem in it"
    return Check(name, State.WARNING, "the session is not encrypted", remedy)


def check_instance(connection: Connection) -> Check:
    """Check that reads go to a reader, not to the instance that the application writes to."""
    version = _variable(connection, "version")
    aurora = _variable(connection, "aurora_version")
    what = f"Aurora MySQL {aurora} (MySQL {version})" if aurora else f"MySQL {version}"
    is_reader = any(_variable(connection, name) in (1, "1", "ON") for name in ("innodb_read_only", "read_only"))
    return ok_or_warning(
        "aurora: instance",
        "" if is_reader else f"{what}, which takes writes: loads compete with the application there",
        f"{what}, a reader; no binlog is needed",
        "set AURORA_HOST to the cluster's reader endpoint (cluster-ro-...)",
    )


def check_lag(connection: Connection, catalog: Catalog | None) -> Iterator[Check]:
    """Check how far an Aurora reader is behind its writer; other servers do not say."""
    if not _variable(connection, "aurora_version"):
        return
    rows = _answer(
        lambda: execute(
            connection,
            "SELECT REPLICA_LAG_IN_MILLISECONDS FROM information_schema.replica_host_status "
            "WHERE SERVER_ID = @@aurora_server_id AND SESSION_ID <> 'MASTER_SESSION_ID'",
        )
    )
    if rows:
        yield lag_check(timedelta(milliseconds=float(rows[0][0])), catalog)


def lag_check(lag: timedelta, catalog: Catalog | None) -> Check:
    """Compare a reader's lag with the shortest lookback, which has to catch what arrives late."""
    tables = catalog.tables.values() if catalog else ()
    lookbacks = [table.lookback for table in tables if table.mode == "incremental" and table.lookback]
    most = min([MOST_LAG, *lookbacks])
    seconds = f"{lag.total_seconds():.1f} s behind the writer"
    return ok_or_warning(
        "aurora: replica lag",
        f"{seconds}: rows may reach the reader after their day was read" if lag > most else "",
        seconds,
        f"set `lookback` well over {seconds.partition(' behind')[0]} in the catalog, and look at AuroraReplicaLag",
    )


def check_privileges(connection: Connection) -> Iterator[Check]:
    """Check that the user can do no more than it needs to."""
    grants = _answer(lambda: [str(row[0]) for row in execute(connection, "SHOW GRANTS")])
    if grants is None:
        return
    rights = {right for grant in grants for right in _rights(grant)}
    too_much = sorted(rights.intersection(_WRITES))
    yield ok_or_warning(
        "aurora: privileges",
        f"the user may write: {', '.join(too_much)}" if too_much else "",
        "the user may only read",
        "make a user that has SELECT on the tables and nothing else",
    )


def _rights(grant: str) -> list[str]:
    """Return what a line of SHOW GRANTS allows on tables, without the columns; roles are granted ON nothing."""
    granted, on, _ = grant.removeprefix("GRANT ").partition(" ON ")
    return [right.strip().upper() for right in re.sub(r"\([^)]*\)", "", granted).split(",")] if on else []


def check_zone(connection: Connection, database: str, catalog: Catalog) -> Iterator[Check]:
    """Check that DATETIME cursors which MySQL itself fills show the clock that the catalog takes them for."""
    zone = _variable(connection, "global.time_zone")
    name = zone if zone != "SYSTEM" else f"{_variable(connection, 'system_time_zone')} (SYSTEM)"
    yield Check("aurora: time zone", State.OK, f"{name}; sessions read in UTC, so no time zone tables are needed")
    offset = _server_offset(connection)
    if offset is None:
        return
    filled = read_filled(connection, database)
    for table in catalog.tables.values():
        own = filled.get(table.name, Filled())
        if table.cursor is None or fold(table.cursor) not in {fold(n) for n in own.datetimes}:
            continue
        taken_for = ZoneInfo(table.cursor_timezone) if table.cursor_timezone else catalog.zone
        if datetime.now(taken_for).utcoffset() != offset:
            yield Check(
                f"aurora: zone of {table.name}.{table.cursor}",
                State.WARNING,
                f"MySQL fills this DATETIME by the server's clock ({name}), and the catalog takes it for {taken_for}",
                "set `cursor_timezone` to the zone that the application's sessions have",
            )


def check_table(connection: Connection, database: str, table: Table, size: Size) -> Check:
    """Check that a table may be read, has the columns that the catalog names, and can be read cheaply."""
    name, place = f"{TABLE}{table.name}", identifier(database, table.name)
    try:
        schema = read_schema(connection, database, table.name)
        selected = schema.select(include=table.include, exclude=table.exclude)
        for name_in_catalog in (*table.key, *([table.cursor] if table.cursor else [])):
            selected.column(name_in_catalog)
        for column in selected.columns:
            _ = column.rule
        execute(connection, f"SELECT * FROM {place} LIMIT 0")
        has_index = table.cursor is None or indexes(connection, database, table.name, table.cursor)
    except Exception as error:  # whatever the server or the schema says is the answer
        message = str(error.args[0]) if isinstance(error, KeyError) else str(error)
        return Check(name, State.FAILED, message, f"GRANT SELECT ON {place}, or mend the table's entry in the catalog")
    rows = "" if size.rows is None else f"{about(size.rows)} rows"
    if not has_index:
        remedy = index_ddl(connection, database, table.name, str(table.cursor))
        return Check(name, State.WARNING, f"cursor {table.cursor} has no index: each day scans the table", remedy)
    if table.mode == "full" and (size.rows or 0) >= LARGE_ROWS:
        remedy = (
            "give the table an indexed column that changes on update, and name it as the cursor in mode incremental"
        )
        return Check(name, State.WARNING, f"{rows}, and mode full reads them all every day", remedy)
    return Check(name, State.OK, rows)


def _now(connection: Connection) -> datetime:
    ((now,),) = execute(connection, "SELECT UTC_TIMESTAMP(6)")
    moment = now if isinstance(now, datetime) else datetime.fromisoformat(now)
    return moment.replace(tzinfo=timezone.utc)


def _server_offset(connection: Connection) -> timedelta | None:
    """Return by how much the clock of a session that sets no zone is ahead of UTC."""

    def ask() -> timedelta:
        execute(connection, "SET SESSION time_zone = @@global.time_zone")
        try:
            ((minutes,),) = execute(connection, "SELECT TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(), NOW())")
        finally:
            execute(connection, "SET SESSION time_zone = '+00:00'")
        return timedelta(minutes=int(minutes))

    return _answer(ask)


def _variable(connection: Connection, name: str) -> Any:
    """Return a system variable, None where the server has none of that name."""
    rows = _answer(lambda: execute(connection, f"SELECT @@{name}"))
    return rows[0][0] if rows else None


def _answer(ask: Callable[[], T]) -> T | None:
    """Return an answer, None where the server does not give it."""
    from pymysql.err import MySQLError

    from aurora_dwh.handoff import DataError

    try:
        return ask()
    except (MySQLError, DataError, KeyError):
        return None
