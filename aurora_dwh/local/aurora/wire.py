"""The MySQL protocol between a socket and a session: login, commands, results with back-pressure.

Packets, handshake and authentication are mysql-mimic's. What is done here is what it leaves out: refusing a wrong
password for good, MySQL's error numbers, flags and widths of result columns, affected rows, packets of 16 MB and more,
and a result that is read from the database only as fast as the client takes it.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import secrets
import struct
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any, Final, TypeVar

from mysql_mimic import packets
from mysql_mimic.auth import IdentityProvider, NativePasswordAuthPlugin, User
from mysql_mimic.charset import CharacterSet
from mysql_mimic.connection import Connection
from mysql_mimic.constants import KillKind
from mysql_mimic.control import LocalControl
from mysql_mimic.errors import ErrorCode, MysqlError
from mysql_mimic.server import MysqlServer
from mysql_mimic.session import BaseSession
from mysql_mimic.stream import ConnectionClosed
from mysql_mimic.types import ColumnDefinition, ColumnType, ServerStatus, uint_len
from mysql_mimic.variables import GlobalVariables, SessionVariables

from aurora_dwh.local.aurora import control
from aurora_dwh.local.aurora.errors import AuroraError
from aurora_dwh.local.aurora.fields import Field
from aurora_dwh.local.aurora.results import Done, Rows
from aurora_dwh.local.aurora.session import Session
from aurora_dwh.local.aurora.statements import execute
from aurora_dwh.local.aurora.values import format_datetime, format_double
from aurora_dwh.local.aurora.variables import VERSION

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_BATCH: Final = 2_000
_MAX_PAYLOAD: Final = 0xFFFFFF
_SHORT: Final = tuple(bytes([length]) for length in range(251))


class Stream:
    """Packets over asyncio streams, with the interface that mysql-mimic's connection expects."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._sequence = 0
        self._buffer = bytearray()

    async def read(self) -> bytes:
        """One packet's payload, put together when it was split."""
        whole = b""
        while True:
            try:
                header = await self._reader.readexactly(4)
                length = int.from_bytes(header[:3], "little")
                self._sequence = (header[3] + 1) & 0xFF
                whole += await self._reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                raise ConnectionClosed from None
            if length < _MAX_PAYLOAD:
                return whole

    async def write(self, data: bytes, drain: bool = True) -> None:
        """Frame one payload; send what is buffered when told to."""
        self.write_many([data])
        if drain:
            await self.drain()

    def write_many(self, payloads: Iterable[bytes]) -> None:
        """Frame payloads into the buffer."""
        buffer, sequence = self._buffer, self._sequence
        for payload in payloads:
            rest = payload
            while len(rest) >= _MAX_PAYLOAD:
                buffer += b"\xff\xff\xff" + bytes([sequence])
                buffer += rest[:_MAX_PAYLOAD]
                rest = rest[_MAX_PAYLOAD:]
                sequence = (sequence + 1) & 0xFF
            buffer += struct.pack("<I", len(rest) | sequence << 24)
            buffer += rest
            sequence = (sequence + 1) & 0xFF
        self._sequence = sequence

    async def drain(self) -> None:
        """Send the buffer and wait until the client has taken most of it."""
        if self._buffer:
            self._writer.write(bytes(self._buffer))
            self._buffer.clear()
        await self._writer.drain()

    def reset_seq(self) -> None:
        """Begin the next command's numbering."""
        self._sequence = 0


def encode_rows(rows: Sequence[Sequence[Any]], special: dict[int, Callable[[Any], Any]]) -> list[bytes]:
    """Rows as payloads of the text protocol.

    Args:
        rows: Cells as SQLite gives them.
        special: For columns (by position) whose text is not that of the cell: how to make it.
    """
    payloads = []
    for row in rows:
        parts: list[bytes] = []
        if special:
            row = list(row)
            for position, convert in special.items():
                if row[position] is not None:
                    row[position] = convert(row[position])
        for value in row:
            if value is None:
                parts.append(b"\xfb")
                continue
            kind = type(value)
            data = value.encode() if kind is str else value if kind is bytes else _plain(value)
            length = len(data)
            parts.append(_SHORT[length] if length < 251 else uint_len(length))
            parts.append(data)
        payloads.append(b"".join(parts))
    return payloads


def _plain(value: Any) -> bytes:
    return (b"%d" % value) if isinstance(value, int) else format_double(value).encode()


class _Peer(BaseSession):  # type: ignore[misc]  # mysql-mimic ships no types
    """What mysql-mimic's connection asks of a session while a client logs in."""

    def __init__(self) -> None:
        shared = GlobalVariables()
        shared.set("version", VERSION, force=True)
        self.variables = SessionVariables(shared)
        self.username: str | None = None
        self.database: str | None = None


class Client(Connection):  # type: ignore[misc]  # mysql-mimic ships no types
    """One client's connection."""

    def __init__(
        self, stream: Stream, open_session: Callable[[Client], Session], executor: Executor, **options: Any
    ) -> None:
        super().__init__(stream=stream, session=_Peer(), **options)
        self.status_flags = ServerStatus.SERVER_STATUS_AUTOCOMMIT
        self._kill: KillKind | None = None
        self._open_session = open_session
        self._executor = executor
        self._sql: Session | None = None

    @property
    def sql(self) -> Session:
        """The session, once the client is in."""
        if self._sql is None:
            raise AuroraError(1045, "Access denied")
        return self._sql

    async def _start(self) -> None:
        try:
            await self.connection_phase()
            if self.session.username is None:
                return  # refused; the client was told
            await self.command_phase()
        except AuroraError as refused:
            await self.stream.write(self.error(msg=refused.message, code=refused.code))
        except asyncio.CancelledError:
            if self._kill is not KillKind.CONNECTION:
                raise
            self._kill = None
        except (ConnectionError, ConnectionClosed, asyncio.IncompleteReadError):
            _log.debug("connection %s was cut", self.connection_id)
        finally:
            if self._sql is not None:
                await asyncio.shield(self._run(self._sql.close))

    async def authenticate(self, *args: Any, **kwargs: Any) -> None:
        """Check the schema and the password; after a refusal `session.username` stays None."""
        self._sql = await self._run(lambda: self._open_session(self))
        if self.session.database:
            await self._use(self.session.database)
        await super().authenticate(*args, **kwargs)

    def kill(self, kind: KillKind = KillKind.CONNECTION) -> None:
        """Stop what runs, and with CONNECTION the connection too."""
        if self._sql is not None:
            self._sql.interrupt()
        if kind is KillKind.CONNECTION:
            super().kill(kind)

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def _use(self, schema: str) -> None:
        await self._run(lambda: self.sql.guarded(lambda: control.choose_schema(self.sql, schema)))

    async def handle_init_db(self, data: bytes) -> None:
        """COM_INIT_DB."""
        try:
            await self._use(data.decode())
        except AuroraError as problem:
            await self.stream.write(self.error(msg=problem.message, code=problem.code))
            return
        await self.stream.write(self.ok())

    async def handle_query(self, data: bytes) -> None:
        """COM_QUERY: run the statement and send what it gives."""
        query = packets.parse_com_query(capabilities=self.capabilities, client_charset=CharacterSet.utf8mb4, data=data)
        await self._answer(query.sql)

    async def _answer(self, sql: str) -> None:
        try:
            result = await self._run(lambda: execute(self.sql, sql))
            self._note_status()
            if isinstance(result, Done):
                done = self.ok(affected_rows=result.affected, last_insert_id=result.last_insert_id)
                await self.stream.write(done)
            else:
                await self._send_rows(result)
        except AuroraError as problem:
            self._note_status()
            await self.stream.write(self.error(msg=problem.message, code=problem.code))

    async def _send_rows(self, result: Rows) -> None:
        head = [packets.make_column_count(capabilities=self.capabilities, column_count=len(result.fields))]
        head += [self._definition(field) for field in result.fields]
        if not self.deprecate_eof():
            head.append(self.eof())
        self.stream.write_many(head)
        special = _conversions(result.fields, self.sql.variables.offset)
        while True:
            batch = await self._run(functools.partial(_encoded_batch, result, special))
            if not batch:
                break
            self.stream.write_many(batch)
            await self.stream.drain()
        await self.stream.write(self.ok_or_eof())

    def _definition(self, field: Field) -> bytes:
        return bytes(
            packets.make_column_definition_41(
                server_charset=CharacterSet.utf8mb4,
                schema=self.sql.schema if field.table else "",
                table=field.table,
                name=field.name,
                org_name=field.org_name,
                character_set=CharacterSet(field.charset),
                column_length=field.length,
                column_type=field.type,
                flags=ColumnDefinition(field.flags),
                decimals=field.decimals,
            )
        )

    def _note_status(self) -> None:
        autocommit = ServerStatus.SERVER_STATUS_AUTOCOMMIT if self.sql.is_autocommit else ServerStatus(0)
        open_one = ServerStatus.SERVER_STATUS_IN_TRANS if self.sql.in_transaction else ServerStatus(0)
        self.status_flags = autocommit | open_one

    def error(self, *, msg: Any = "", code: int = 1105) -> bytes:
        """An error packet with MySQL's number, SQLSTATE and text."""
        text = str(msg)
        if code == ErrorCode.ACCESS_DENIED_ERROR:
            user = self.session.variables.get("external_user")
            text = f"Access denied for user '{user}'@'localhost' (using password: YES)"
        if isinstance(msg, MysqlError):
            text = msg.msg
        error = AuroraError(int(code), text)
        return b"\xff" + struct.pack("<H", error.code) + b"#" + error.sqlstate.encode() + text.encode()


def _encoded_batch(result: Rows, special: dict[int, Callable[[Any], Any]]) -> list[bytes]:
    return encode_rows(result.fetch(_BATCH), special)


def _conversions(fields: Sequence[Field], offset: int) -> dict[int, Callable[[Any], Any]]:
    """Columns whose stored text differs from what the client gets: TIMESTAMP in another zone than UTC."""
    if not offset:
        return {}
    return {
        position: functools.partial(_in_zone, digits=field.decimals, offset=offset)
        for position, field in enumerate(fields)
        if field.type == ColumnType.TIMESTAMP
    }


def _in_zone(value: str, *, digits: int, offset: int) -> str:
    return format_datetime(value, digits, shift=-offset) or value


class _OneUser(IdentityProvider):  # type: ignore[misc]  # mysql-mimic ships no types
    """The one account of an embedded server; any other name fails like a wrong password."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._secret = NativePasswordAuthPlugin.create_auth_string(password)

    async def get_user(self, username: str) -> User:
        secret = self._secret if username == self._user else secrets.token_hex(20)
        return User(name=username, auth_string=secret, auth_plugin=NativePasswordAuthPlugin.name)


class AuroraServer(MysqlServer):  # type: ignore[misc]  # mysql-mimic ships no types
    """Accepts clients and gives each its session.

    Args:
        open_session: Opens the session of a client that is in.
        user: The account's name.
        password: The account's password.
        executor: Where blocking work runs.
    """

    def __init__(
        self, open_session: Callable[[Client], Session], *, user: str, password: str, executor: Executor
    ) -> None:
        super().__init__(identity_provider=_OneUser(user, password), control=LocalControl(server_id=1))
        self._open_session = open_session
        self._executor = executor
        self._clients: dict[int, Client] = {}

    async def _client_connected_cb(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(
            Stream(reader, writer),
            self._open_session,
            self._executor,
            control=self.control,
            server_capabilities=self.capabilities,
            identity_provider=self.identity_provider,
        )
        client.connection_id = await self.control.add(client)
        self._clients[client.connection_id] = client
        try:
            await client.start()
        except (ConnectionError, ConnectionClosed):
            _log.debug("connection %s was cut", client.connection_id)
        finally:
            self._clients.pop(client.connection_id, None)
            await self.control.remove(client.connection_id)
            writer.close()

    def kill(self, connection_id: int, *, only_query: bool) -> None:
        """KILL; call it in the event loop."""
        client = self._clients.get(connection_id)
        if client is not None:
            client.kill(KillKind.QUERY if only_query else KillKind.CONNECTION)

    def has_client(self, connection_id: int) -> bool:
        """Whether a connection of that number is open."""
        return connection_id in self._clients

    async def disconnect_all(self, patience: float) -> None:
        """End every connection, and wait up to `patience` seconds for them to end."""
        for client in list(self._clients.values()):
            client.kill()
        deadline = asyncio.get_running_loop().time() + patience
        while self._clients and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
