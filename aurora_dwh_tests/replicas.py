"""Two servers of which one follows the other: what a plain reader endpoint leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aurora_dwh.local.aurora.program import Kind
from aurora_dwh_tests.polling import until
from aurora_dwh_tests.servers import Server

_FOLLOW = {
    "mysql": (
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST = %s, SOURCE_PORT = %s, SOURCE_USER = %s, SOURCE_PASSWORD = %s, "
        "SOURCE_SSL = 0, GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1"
    ),
    "mariadb": (
        "CHANGE MASTER TO MASTER_HOST = %s, MASTER_PORT = %s, MASTER_USER = %s, MASTER_PASSWORD = %s, "
        "MASTER_CONNECT_RETRY = 1"
    ),
}
_FORGET = {"mysql": "RESET BINARY LOGS AND GTIDS", "mariadb": "RESET MASTER"}


@dataclass
class Replicas:
    """A writer, and a replica that follows it.

    Attributes:
        writer: The writer.
        replica: The replica.
    """

    writer: Server
    replica: Server

    @classmethod
    def start(cls, kind: Kind) -> Replicas:
        """Start both, the replica following."""
        made = cls(*(Server(kind, "--log-bin=log", f"--server-id={number}") for number in (1, 2)))
        with made.writer.connect() as connection, connection.cursor() as cursor:
            cursor.execute(_FORGET[kind])  # what the server was set up with, its password among it
        made.at_replica(
            (_FOLLOW[kind], made.writer.host, made.writer.port, made.writer.user, made.writer.password),
            "START REPLICA",
        )
        return made

    def remove(self) -> None:
        """Stop both and delete their data."""
        for server in (self.writer, self.replica):
            server.remove()

    def database(self) -> str:
        """Make an empty database, and return its name once the replica has it."""
        name = self.writer.database()
        until(lambda: bool(self.at_replica(f"SHOW DATABASES LIKE '{name}'")))
        return name

    def at_replica(self, *statements: str | tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Run statements on the replica and return the last one's rows."""
        with self.replica.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                text, *parameters = (statement,) if isinstance(statement, str) else statement
                cursor.execute(text, parameters or None)
            return list(cursor.fetchall())
