"""What `doctor` checks in Aurora: the session, the instance behind it, and each table of the catalog."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pymysql.constants import ER
from pymysql.err import MySQLError

from aurora_dwh.commands.doctor.check import SETTINGS_REMEDY, Attempts, Check, State, clock_check, ok_or_warning
from aurora_dwh.commands.schema_facts import Filled, Size, read_filled, read_sizes
from aurora_dwh.commands.suggest import LARGE_ROWS, about
from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import fold
from aurora_dwh.settings.config import AuroraSettings
from aurora_dwh.settings.environment import DISABLED, VERIFY, VERIFY_CA
from aurora_dwh.source.connection import Connection, SourceError, clock, execute, open_session, told
from aurora_dwh.source.discovery import as_stored, indexes, missing_index
from aurora_dwh.source.internals import socket_of
from aurora_dwh.source.locks import sees_others, told_holders
from aurora_dwh.source.privileges import account, grant_remedy
from aurora_dwh.source.refusals import code_of
from aurora_dwh.source.replication import reader_lag
from aurora_dwh.source.selection import read_selected
from aurora_dwh.source.sessions import Sessions, describe, is_lost
from aurora_dwh.source.statement import select

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Catalog, Table

T = TypeVar("T")
Make = Callable[[Connection], Iterable[Check]]
"""Makes checks in a session."""

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
    sessions = run.attempt(
        "aurora: connection",
        lambda: Sessions(partial(open_session, settings)),
        remedy="check host, port, user and security group; for Amazon's certificates set AURORA_TLS to the path of "
        "global-bundle.pem",
    )
    if sessions is None:
        return 0

    def make(name: str, checks: Make) -> None:
        run.gather(name, lambda: _in_session(sessions, checks))

    with closing(sessions):
        make("aurora: TLS", lambda connection: [check_tls(connection, settings)])
        make("aurora: instance", lambda connection: [check_instance(connection)])
        make("aurora: replica lag", lambda connection: check_lag(connection, catalog))
        make("aurora: privileges", check_privileges)
        make("aurora: who waits", lambda connection: [check_sight(connection)])
        make("aurora: clock", lambda connection: [clock_check("aurora: clock", lambda: clock(connection))])
        if catalog is None:
            return 0
        make("aurora: time zone", lambda connection: check_zone(connection, settings.database, catalog))
        sizes: dict[str, Size] = {}
        make("aurora: sizes of tables", partial(_learn_sizes, settings.database, catalog, sizes))
        scanned = 0
        for table in catalog.tables.values():
            size = sizes.get(table.name, Size())
            make(f"{TABLE}{table.name}", partial(_table_checks, settings.database, table, size))
            if "has no index" in run.checks[-1].detail:
                scanned = max(scanned, size.size or 0)
        return scanned


def _in_session(sessions: Sessions, make: Make) -> Iterator[Check]:
    try:
        with sessions.session() as connection:
            yield from make(connection)
    except MySQLError as error:
        raise SourceError(describe(error)) from error


def _learn_sizes(database: str, catalog: Catalog, sizes: dict[str, Size], connection: Connection) -> tuple[Check, ...]:
    """Learn the sizes of the catalog's tables, as far as the server says; that is no check."""
    found = read_sizes(connection, database)
    stored = as_stored(connection, found)
    sizes.update({name: found[stored(name)] for name in catalog.tables if stored(name) in found})
    return ()


def _table_checks(database: str, table: Table, size: Size, connection: Connection) -> list[Check]:
    return [check_table(connection, database, table, size)]


def check_tls(connection: Connection, settings: AuroraSettings) -> Check:
    """Check that the session is encrypted and the certificate verified, which the settings do together."""
    name, socket = "aurora: TLS", socket_of(connection)
    if isinstance(socket, ssl.SSLSocket):
        file = settings.tls.removeprefix(VERIFY_CA)
        verified = "certificate and host name" if file == settings.tls else "certificate without host name"
        trusted = "Python's certificates" if file == VERIFY else file
        return Check(name, State.OK, f"{socket.version()}, {verified} verified against {trusted}")
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
    lag = _answer(lambda: reader_lag(connection))
    if lag is not None:
        yield lag_check(lag, catalog)


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


def check_sight(connection: Connection) -> Check:
    """Check that a reading can see who waits for its table, and give way."""
    return ok_or_warning(
        "aurora: who waits",
        "" if sees_others(connection) else "a reading does not see who waits for its table, and gives way to nobody",
        "a reading sees who waits for its table, and gives way",
        f"have an administrator run GRANT PROCESS ON *.* TO {account(partial(execute, connection))}",
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
    stored = as_stored(connection, filled)
    for table in catalog.tables.values():
        own = filled.get(stored(table.name), Filled())
        if table.cursor is None or fold(table.cursor) not in {fold(n) for n in own.datetimes}:
            continue
        taken_for = table.cursor_zone(catalog.zone)
        if datetime.now(taken_for).utcoffset() != offset:
            yield Check(
                f"aurora: zone of {table.name}.{table.cursor}",
                State.WARNING,
                f"MySQL fills this DATETIME by the server's clock ({name}), and the catalog takes it for {taken_for}",
                "set `cursor_timezone` to the zone that the application's sessions have",
            )


def check_table(connection: Connection, database: str, table: Table, size: Size) -> Check:
    """Check that a table may be read, has the columns that the catalog names, and can be read cheaply."""
    name = f"{TABLE}{table.name}"
    try:
        schema = read_selected(connection, database, table)
        # The very columns that a load reads, by name: a user may be granted those alone.
        execute(connection, select(schema, where=[table.filter] if table.filter else (), limit=0))
        missing = None
        if table.cursor and not indexes(connection, database, table.name, table.cursor):
            missing = missing_index(connection, database, table.name, table.cursor)
    except (DataError, MySQLError) as error:
        if isinstance(error, MySQLError) and is_lost(error):
            raise
        if code_of(error) == ER.LOCK_WAIT_TIMEOUT:
            who = told_holders(connection, database, table.name)
            return Check(name, State.FAILED, f"somebody else has locked {database}.{table.name}", who)
        if table.query is not None:  # the error names what the query reads
            return Check(name, State.FAILED, told(error), "mend the table's `query` in the catalog, or what it reads")
        # A column that the user may not read is not shown to it, so a right may be missing wherever one is.
        grant = grant_remedy(partial(execute, connection), database, table.name)
        return Check(name, State.FAILED, told(error), f"{grant}, or mend the table's entry in the catalog")
    rows = "" if size.rows is None else f"{about(size.rows)} rows"
    if missing:
        return Check(name, State.WARNING, f"cursor {table.cursor} has no index: {missing.effect}", missing.remedy)
    if table.mode == "full" and (size.rows or 0) >= LARGE_ROWS:
        remedy = (
            "give the table an indexed column that changes on update, and name it as the cursor in mode incremental"
        )
        return Check(name, State.WARNING, f"{rows}, and mode full reads them all every day", remedy)
    return Check(name, State.OK, rows)


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
    try:
        return ask()
    except MySQLError as error:
        if is_lost(error):
            raise
        return None
