"""One connection of the front to the private PostgreSQL, as a small blocking client.

Belongs here: connecting over the unix socket, running statements by the simple protocol, streaming into
``COPY ... FROM STDIN``. Does not belong here: anything Redshift. The client's own extended-protocol messages pass
through ``send`` and ``receive`` untouched.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aurora_dwh.local.redshift import wire
from aurora_dwh.local.redshift.errors import UpstreamError, UpstreamLostError

Row = tuple[str | None, ...]


class Upstream:
    """A live connection; ``status`` is the transaction status PostgreSQL reported last (``I``, ``T`` or ``E``).

    Raises:
        UpstreamLostError: PostgreSQL is not there (any method).
        UpstreamError: PostgreSQL refused the connection or a statement.
    """

    def __init__(self, socket_path: Path, *, user: str, database: str, options: str = "") -> None:
        self.status = "I"
        self.parameters: dict[str, str] = {}
        self.key = b""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(str(socket_path))
        except OSError as error:
            sock.close()
            raise UpstreamLostError(str(error)) from error
        self.stream = wire.Stream(sock)
        try:
            self.send(wire.startup({"user": user, "database": database, "options": options}))
            self._until_ready()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Process id of the backend that serves this connection: the session id of the system views."""
        return int(struct.unpack("!i", self.key[:4])[0]) if self.key else 0

    def send(self, data: bytes) -> None:
        """Sends raw protocol bytes."""
        try:
            self.stream.send(data)
        except OSError as error:
            raise UpstreamLostError(str(error)) from error

    def receive(self) -> wire.Message:
        """Reads one message, keeping ``status`` up to date."""
        try:
            message = self.stream.message()
        except OSError as error:
            raise UpstreamLostError(str(error)) from error
        if message.kind == b"Z":
            self.status = message.payload.decode()
        return message

    def query(self, sql: str) -> list[Row]:
        """Runs ``sql`` (one or more statements: then as one transaction) and returns the rows of all of them."""
        self.send(wire.pack(b"Q", wire.cstring(sql)))
        return self._until_ready()

    def describe(self, sql: str) -> list[str]:
        """Returns the column headings of the query ``sql``, which is not run."""
        parse = wire.pack(b"P", wire.cstring("") + wire.cstring(sql) + b"\0\0")
        self.send(parse + wire.pack(b"D", b"S" + wire.cstring("")) + wire.pack(b"S"))
        headings: list[str] = []
        error: UpstreamError | None = None
        while (message := self.receive()).kind != b"Z":
            if message.kind == b"T":
                headings = [column.name for column in wire.parse_columns(message.payload)]
            elif message.kind == b"E":
                error = UpstreamError(wire.parse_fields(message.payload))
        if error:
            raise error
        return headings

    def sync(self) -> None:
        """Ends an extended-protocol batch whose replies nobody needs."""
        self.send(wire.pack(b"S"))
        self._until_ready()

    def copy_in(self, sql: str, chunks: Iterable[bytes]) -> int:
        """Runs ``COPY ... FROM STDIN`` with ``chunks`` as its data and returns the rows loaded.

        An exception from ``chunks`` cancels the COPY and is raised again once PostgreSQL has settled.
        """
        self.send(wire.pack(b"Q", wire.cstring(sql)))
        while (message := self.receive()).kind != b"G":
            if message.kind == b"E":
                self._until_ready()
                raise UpstreamError(wire.parse_fields(message.payload))
        try:
            for chunk in chunks:
                self.send(b"d" + struct.pack("!i", len(chunk) + 4) + chunk)
                if self._readable():
                    break  # PostgreSQL speaks before the end only to refuse the data
        except UpstreamLostError:
            raise
        except BaseException:
            self.send(wire.pack(b"f", wire.cstring("load cancelled")))
            self._drain()
            raise
        self.send(wire.pack(b"c"))
        return int(self._drain(check=True) or 0)

    def _drain(self, *, check: bool = False) -> str:
        error: UpstreamError | None = None
        tag = ""
        while (message := self.receive()).kind != b"Z":
            if message.kind == b"E":
                error = UpstreamError(wire.parse_fields(message.payload))
            elif message.kind == b"C":
                tag = wire.split_cstring(message.payload)[0].rpartition(" ")[2]
        if error and check:
            raise error
        return tag

    def _until_ready(self) -> list[Row]:
        rows: list[Row] = []
        error: UpstreamError | None = None
        while (message := self.receive()).kind != b"Z":
            if message.kind == b"D":
                rows.append(tuple(v if v is None else v.decode() for v in wire.parse_row(message.payload)))
            elif message.kind == b"S":
                name, offset = wire.split_cstring(message.payload)
                self.parameters[name] = wire.split_cstring(message.payload, offset)[0]
            elif message.kind == b"K":
                self.key = message.payload
            elif message.kind == b"E":
                error = error or UpstreamError(wire.parse_fields(message.payload))
                if error.fields.get("S") in ("FATAL", "PANIC"):
                    raise error
        if error:
            raise error
        return rows

    def _readable(self) -> bool:
        return self.stream.buffered or bool(select.select([self.stream.sock], [], [], 0)[0])

    def close(self) -> None:
        """Closes the connection; PostgreSQL rolls back what is open."""
        with contextlib.suppress(OSError):  # already gone
            self.stream.send(wire.pack(b"X"))
        self.stream.close()


@contextmanager
def connected(socket_path: Path, *, user: str, database: str) -> Iterator[Upstream]:
    """Yields a connection that is closed on leaving."""
    connection = Upstream(socket_path, user=user, database=database)
    try:
        yield connection
    finally:
        connection.close()


def literal(value: str | None) -> str:
    """Returns ``value`` as a PostgreSQL literal that means the same whatever the escape settings are."""
    if value is None:
        return "NULL"
    quoted = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{quoted}'"
