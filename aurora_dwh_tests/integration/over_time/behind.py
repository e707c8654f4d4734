"""A reader that does not go on: it shows what there was when it stopped, and its clock with it."""

from __future__ import annotations

from typing import Any

from aurora_dwh.source.connection import Connection, clock, execute

_BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT"


def stop(connection: Connection) -> None:
    """Make a connection one to such a reader: a snapshot that is begun on it is the one that it has."""
    execute(connection, _BEGIN)
    execute(connection, f"SET SESSION timestamp = {clock(connection).timestamp()}")
    session: Any = connection
    query = session.query

    def query_then(sql: str, unbuffered: bool = False) -> Any:
        return query("DO 0" if sql.startswith(_BEGIN) else sql, unbuffered)

    session.query = query_then
