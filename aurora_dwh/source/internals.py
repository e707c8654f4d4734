"""What is used of PyMySQL that it does not export: its socket, and the packets ahead of the rows.

Read for PyMySQL 1.2, which `pyproject.toml` bounds. There is no public way to the rows' bytes, and its cursors are none
to fall back to: they take sixteen times as long, and would be a second way that each type has to be proved on. So a
version that lacks something is refused by name.
"""

from __future__ import annotations

import socket
from importlib.metadata import version
from io import BufferedReader
from typing import TYPE_CHECKING, Any

from pymysql.protocol import FieldDescriptorPacket

from aurora_dwh.core.models import DataError

if TYPE_CHECKING:
    from pymysql.connections import Connection

USED = ("_execute_command", "_read_packet", "_force_close", "_sock", "_rfile", "_next_seq_id", "_read_timeout")
"""Names of a connection that are used here."""


def require_internals(connection: Connection[Any]) -> None:
    """Refuse a PyMySQL that has not what is used of it.

    Raises:
        DataError: It lacks something; the message names it, and the versions that have it.
    """
    missing = [name for name in USED if not hasattr(connection, name)]
    if missing:
        raise DataError(
            f"PyMySQL {version('pymysql')} is not one that rows can be read by: it lacks {', '.join(missing)}; "
            "install one that is known, `pip install 'pymysql>=1.2,<1.3'`"
        )


def socket_of(connection: object) -> socket.socket | None:
    """Return a connection's socket, None where it is closed."""
    return getattr(connection, "_sock", None)


def set_read_timeout(connection: Any, seconds: float) -> None:
    """Have a connection wait so long for an answer from now on; publicly it has one time for its whole life."""
    connection._read_timeout = seconds


def close_at_once(connection: Any) -> None:
    """Close a connection without telling the server, which may be in the middle of an answer."""
    connection._force_close()


def send_command(connection: Any, command: int, argument: str | bytes) -> None:
    """Send a command of the protocol."""
    connection._execute_command(command, argument)


def read_packet(connection: Any) -> Any:
    """Return the next packet, a MysqlPacket; raises the error that it carries."""
    return connection._read_packet()


def read_column(connection: Any) -> Any:
    """Return the next packet, a FieldDescriptorPacket."""
    return connection._read_packet(FieldDescriptorPacket)


def columns_of(cursor: Any) -> list[Any]:
    """Return the FieldDescriptorPackets of a cursor's result; its `description` has less of each column."""
    columns: list[Any] = cursor._result.fields
    return columns


def received(connection: Any) -> BufferedReader:
    """Return what buffers the connection's bytes."""
    reader: BufferedReader = connection._rfile
    return reader


def next_sequence(connection: Any) -> int:
    """Return the sequence number of the next packet."""
    number: int = connection._next_seq_id
    return number
