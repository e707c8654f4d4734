"""Asking for a result: the commands of MySQL's text and binary protocols, up to the first row.

PyMySQL sends and parses the few packets before the rows. Source: "Client/Server Protocol" in the MySQL Source Code
Documentation (COM_QUERY, COM_STMT_PREPARE, COM_STMT_EXECUTE).
"""

from __future__ import annotations

from dataclasses import dataclass
from io import DEFAULT_BUFFER_SIZE, BufferedReader
from struct import pack, unpack_from
from typing import TYPE_CHECKING, Final

import pymysql
from pymysql.constants import COMMAND, FLAG

from aurora_dwh.source.internals import columns_of, next_sequence, read_column, read_packet, received, send_command
from aurora_dwh.source.wire.packets import ByteStream

if TYPE_CHECKING:
    from aurora_dwh.source.connection import Connection

_UNPREPARABLE: Final = frozenset(
    {
        1047,  # unknown command: a proxy without prepared statements
        1295,  # this command is not supported in the prepared statement protocol yet
        1461,  # max_prepared_stmt_count is reached
        1615,  # the statement needs to be prepared again
    }
)
"""Errors of COM_STMT_PREPARE that say nothing about the statement itself."""


@dataclass(frozen=True)
class WireColumn:
    """A column as the server describes it ahead of the rows: name, MySQL's type code, and whether it is UNSIGNED."""

    name: str
    type_code: int
    unsigned: bool


@dataclass(frozen=True)
class Result:
    """A result whose rows are next on the wire."""

    columns: tuple[WireColumn, ...]  # what the rows hold
    binary: bool  # whether the rows come in the binary protocol
    stream: ByteStream  # where the rows' packets come from
    sequence: int  # the sequence number of the first row's packet
    # the prepared statement that must be closed after the last row, None in the text protocol
    statement_id: int | None = None


@dataclass(frozen=True)
class Described:
    """A column of a result as the server describes it."""

    name: str  # its name
    type_code: int  # MySQL's type code
    length: int  # the most characters of a number, or bytes of a text in the session's character set
    scale: int  # digits behind the point, or of a second; 31 where a FLOAT or DOUBLE has no number of them
    flags: int  # MySQL's column flags
    charset: int  # the number of its collation


class _Received:
    """The connection's bytes: first those that PyMySQL has received already, then those of the socket.

    BufferedReader.readinto1 would not do: after what it has buffered it reads the socket, too, where the buffer that it
    is given is larger than its own; and so it waits for bytes behind the result's end that never come.
    """

    def __init__(self, reader: BufferedReader) -> None:
        self._raw = reader.raw
        self._rest = reader.read1(DEFAULT_BUFFER_SIZE)

    def readinto(self, buffer: memoryview, /) -> int:
        size = min(len(self._rest), len(buffer))
        if not size:
            return self._raw.readinto(buffer) or 0
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def query(connection: Connection, statement: str) -> Result:
    """Send a SELECT in the text protocol.

    Raises:
        pymysql.err.Error: The server refuses the statement, or the connection is lost.
    """
    send_command(connection, COMMAND.COM_QUERY, statement)
    return _result(connection, binary=False)


def describe(connection: Connection, statement: str) -> tuple[Described, ...]:
    """Run a SELECT of no rows; return what the server says of its columns.

    Raises:
        pymysql.err.Error: The server refuses the statement, or the connection is lost.
    """
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return tuple(
            Described(f.name, f.type_code, f.length, f.scale, f.flags, f.charsetnr) for f in columns_of(cursor)
        )


def execute_prepared(connection: Connection, statement: str) -> Result | None:
    """Send a SELECT in the binary protocol; return None where the server cannot prepare it.

    Raises:
        pymysql.err.Error: The server refuses the statement, or the connection is lost.
    """
    send_command(connection, COMMAND.COM_STMT_PREPARE, statement)
    try:
        packet = read_packet(connection)
    except pymysql.err.MySQLError as error:
        if error.args and error.args[0] in _UNPREPARABLE:
            return None
        raise
    statement_id, columns, parameters = unpack_from("<IHH", packet.get_all_data(), 1)
    for described in (parameters, columns):
        for _ in range(described + 1 if described else 0):  # and one packet that ends the list
            read_packet(connection)
    if parameters or not columns:
        close(connection, statement_id)
        return None
    send_command(connection, COMMAND.COM_STMT_EXECUTE, pack("<IBI", statement_id, 0, 1))
    return _result(connection, binary=True, statement_id=statement_id)


def close(connection: Connection, statement_id: int) -> None:
    """Let the server forget a prepared statement; it does not answer."""
    send_command(connection, COMMAND.COM_STMT_CLOSE, pack("<I", statement_id))


def error_of(packet: bytes) -> pymysql.err.MySQLError:
    """Return the error that an error packet carries."""
    try:
        pymysql.err.raise_mysql_exception(packet)
    except pymysql.err.MySQLError as error:
        return error


def _result(connection: Connection, *, binary: bool, statement_id: int | None = None) -> Result:
    first = read_packet(connection)
    if first.is_ok_packet():
        raise pymysql.err.InterfaceError(0, "the statement returns no rows")
    count = first.read_length_encoded_integer()
    fields = [read_column(connection) for _ in range(count)]
    read_packet(connection)
    return Result(
        columns=tuple(WireColumn(f.name, f.type_code, bool(f.flags & FLAG.UNSIGNED)) for f in fields),
        binary=binary,
        stream=_Received(received(connection)),
        sequence=next_sequence(connection),
        statement_id=statement_id,
    )
