"""PostgreSQL's wire protocol, version 3: framing and the few messages the front composes itself.

Belongs here: bytes in, bytes out. Does not belong here: what a message means for a session, SQL, sockets' life cycle.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

PROTOCOL_3 = 196608
SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102
MAX_MESSAGE = 64 * 1024 * 1024
"""A frame longer than this is taken for a broken client: Redshift's own statement limit is 16 MB."""


class Message(NamedTuple):
    """One protocol message: its type byte and its payload (without the length)."""

    kind: bytes
    payload: bytes

    def pack(self) -> bytes:
        """Returns the message as it goes over the wire."""
        return pack(self.kind, self.payload)


class Column(NamedTuple):
    """One column of a RowDescription."""

    name: str
    table_oid: int
    attribute: int
    type_oid: int
    size: int
    typmod: int
    fmt: int


class Stream:
    """A socket with a read buffer, cut into protocol messages.

    Reading raises ``ConnectionError`` when the other side has gone.
    """

    CHUNK = 1 << 17

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = bytearray()

    @property
    def buffered(self) -> bool:
        """Whether bytes were read from the socket that nobody has taken yet."""
        return bool(self._buffer)

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Sends all of ``data``."""
        self.sock.sendall(data)

    def exactly(self, count: int) -> bytes:
        """Reads exactly ``count`` bytes."""
        while len(self._buffer) < count:
            self._fill()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def message(self) -> Message:
        """Reads one message."""
        kind, length = struct.unpack("!ci", self.exactly(5))
        if not 4 <= length <= MAX_MESSAGE:
            raise ConnectionError(f"message of {length} bytes")
        return Message(kind, self.exactly(length - 4))

    def rows(self) -> bytes:
        """Takes all complete DataRow messages at the head of the buffer, as they are; empty when there is none.

        A result set is relayed by the buffer-full and not by the row: the front's cost for a row is one ``unpack``.
        """
        buffer, end, size = self._buffer, 0, len(self._buffer)
        while end + 5 <= size and buffer[end] == 0x44:  # 'D'
            (length,) = struct.unpack_from("!i", buffer, end + 1)
            if end + 1 + length > size:
                break
            end += 1 + length
        data = bytes(buffer[:end])
        del buffer[:end]
        return data

    def _fill(self) -> None:
        data = self.sock.recv(self.CHUNK)
        if not data:
            raise ConnectionError("connection closed")
        self._buffer += data

    def close(self) -> None:
        """Closes the socket, waking any thread that reads from it."""
        with contextlib.suppress(OSError):  # not connected any more: closing is all that is left
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    """Returns one framed message."""
    return kind + struct.pack("!i", len(payload) + 4) + payload


def cstring(text: str) -> bytes:
    """Returns ``text`` as a NUL-terminated UTF-8 string."""
    return text.encode() + b"\0"


def split_cstring(data: bytes, start: int = 0) -> tuple[str, int]:
    """Returns the string that starts at ``start`` and the offset behind its NUL."""
    end = data.index(b"\0", start)
    return data[start:end].decode("utf-8", "replace"), end + 1


def startup(parameters: Mapping[str, str]) -> bytes:
    """Returns a StartupMessage."""
    body = struct.pack("!i", PROTOCOL_3)
    body += b"".join(cstring(k) + cstring(v) for k, v in parameters.items()) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def parse_startup(body: bytes) -> dict[str, str]:
    """Returns the parameters of a StartupMessage's body (behind length and protocol version)."""
    parts = body.rstrip(b"\0").split(b"\0")
    return {k.decode(): v.decode() for k, v in zip(parts[::2], parts[1::2], strict=False)}


def parameter_status(name: str, value: str) -> bytes:
    """Returns a ParameterStatus message."""
    return pack(b"S", cstring(name) + cstring(value))


def parse_fields(payload: bytes) -> dict[str, str]:
    """Returns the fields of an ErrorResponse or NoticeResponse."""
    parts = payload.split(b"\0")
    return {part[:1].decode(): part[1:].decode("utf-8", "replace") for part in parts if part}


def fields_message(kind: bytes, fields: Mapping[str, str]) -> bytes:
    """Returns an ErrorResponse (``E``) or NoticeResponse (``N``)."""
    return pack(kind, b"".join(code.encode() + cstring(text) for code, text in fields.items()) + b"\0")


def notice(text: str) -> bytes:
    """Returns a NoticeResponse of level INFO, which is how Redshift reports a finished load."""
    return fields_message(b"N", {"S": "INFO", "V": "INFO", "C": "00000", "M": text})


def ready(status: str) -> bytes:
    """Returns ReadyForQuery with the transaction status ``I``, ``T`` or ``E``."""
    return pack(b"Z", status.encode())


def command_complete(tag: str) -> bytes:
    """Returns CommandComplete."""
    return pack(b"C", cstring(tag))


def parse_columns(payload: bytes) -> list[Column]:
    """Returns the columns of a RowDescription."""
    (count,) = struct.unpack_from("!h", payload)
    offset, columns = 2, []
    for _ in range(count):
        name, offset = split_cstring(payload, offset)
        columns.append(Column(name, *struct.unpack_from("!ihihih", payload, offset)))
        offset += 18
    return columns


def row_description(columns: Iterable[Column]) -> bytes:
    """Returns a RowDescription message."""
    listed = list(columns)
    body = b"".join(cstring(c.name) + struct.pack("!ihihih", *c[1:]) for c in listed)
    return pack(b"T", struct.pack("!h", len(listed)) + body)


def parse_row(payload: bytes) -> list[bytes | None]:
    """Returns the fields of one DataRow."""
    (count,) = struct.unpack_from("!h", payload)
    offset, values = 2, list[bytes | None]()
    for _ in range(count):
        (size,) = struct.unpack_from("!i", payload, offset)
        offset += 4
        if size < 0:
            values.append(None)
        else:
            values.append(payload[offset : offset + size])
            offset += size
    return values


def data_row(values: Sequence[bytes | None]) -> bytes:
    """Returns one DataRow message."""
    body = b"".join(b"\xff\xff\xff\xff" if v is None else struct.pack("!i", len(v)) + v for v in values)
    return pack(b"D", struct.pack("!h", len(values)) + body)
