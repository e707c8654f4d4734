"""What a server was asked, by its own log: how often, and with which SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aurora_dwh_tests.servers import Server


@contextmanager
def selects(server: Server, database: str) -> Iterator[Callable[[], list[str]]]:
    """Log statements, and give a function that returns the SELECTs of rows of a database that were run."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL log_output = 'TABLE'")
        cursor.execute("TRUNCATE mysql.general_log")
        cursor.execute("SET GLOBAL general_log = ON")

        def asked() -> list[str]:
            # A prepared statement is logged as it is prepared and as it is run.
            cursor.execute(
                "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log "
                "WHERE command_type IN ('Query', 'Execute') ORDER BY event_time"
            )
            texts = [text for (text,) in cursor.fetchall()]
            found = [text for text in texts if text.startswith("SELECT") and f"FROM `{database}`" in text]
            # What counts rows, or takes a lock, reads none.
            counts = ("SELECT COUNT(*)", "SELECT (SELECT COUNT(*)")
            return [text for text in found if not (text.startswith(counts) or text.endswith("LIMIT 0"))]

        try:
            yield asked
        finally:
            cursor.execute("SET GLOBAL general_log = OFF")
