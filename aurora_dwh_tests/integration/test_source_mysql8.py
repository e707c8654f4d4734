"""What MySQL 8 sends and MariaDB does not, by hand-made packets: its login, its collation 255, its JSON type 245.

The little server below speaks the protocol of the MySQL 8.0 reference manual ("Client/Server Protocol"): enough for a
login by caching_sha2_password, the session's settings, and one prepared SELECT.
"""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from aurora_dwh.handoff import DataError
from aurora_dwh.schema import Column, TableSchema
from aurora_dwh.source.connection import connect
from aurora_dwh.source.reader import read

PASSWORD = "sésame"
SALT = b"0123456789abcdefghij"
UTF8MB4_0900_AI_CI = 255
LONGLONG, JSON = 8, 245
CAPABILITIES = 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000
OK = b"\x00\x00\x00\x02\x00\x00\x00"
END = b"\xfe\x00\x00\x02\x00"
DOCUMENTS = ('{"b": 1, "a": [18446744073709551615, "寿司🍣"]}', "null", None)


def lenenc(text: bytes) -> bytes:
    assert len(text) < 251
    return bytes([len(text)]) + text


def described(name: str, kind: int, charset: int, flags: int) -> bytes:
    names = b"".join(lenenc(part) for part in (b"def", b"shop", b"t", b"t", name.encode(), name.encode()))
    return names + struct.pack("<BHIBHBxx", 12, charset, 2**32 - 1, kind, flags, 0)


COLUMNS = (described("id", LONGLONG, 63, 0x20 | 0x1), described("doc", JSON, UTF8MB4_0900_AI_CI, 0x80))


def binary_row(number: int, document: str | None) -> bytes:
    nulls = 0 if document is not None else 1 << 3  # the bitmap begins two bits in
    text = b"" if document is None else lenenc(document.encode())
    return b"\x00" + bytes([nulls]) + struct.pack("<Q", number) + text


class LittleMySQL8:
    """One login, then commands until the client leaves."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        try:
            self._client, _ = self._listener.accept()
        except OSError:
            return
        with self._client:
            if self._login():
                while (packet := self._receive()) is not None:
                    self._answer(packet)

    def _login(self) -> bool:
        low, high = CAPABILITIES & 0xFFFF, CAPABILITIES >> 16
        head = b"\x0a8.0.39\x00" + struct.pack("<I", 7) + SALT[:8] + b"\x00"
        tail = struct.pack("<HBHHB10x", low, UTF8MB4_0900_AI_CI, 2, high, 21) + SALT[8:] + b"\x00"
        self._send([head + tail + b"caching_sha2_password\x00"], first=0)
        answer = self._receive() or b""
        user_end = answer.index(b"\x00", 32)
        size = answer[user_end + 1]
        if answer[user_end + 2 : user_end + 2 + size] != scramble(PASSWORD.encode()):
            self._send([b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied"], first=2)
            return False
        self._send([b"\x01\x03", OK], first=2)  # the fast way: the server knows this password's hash
        return True

    def _answer(self, packet: bytes) -> None:
        command, body = packet[0], packet[1:]
        if command == 0x16:  # COM_STMT_PREPARE
            self._send([b"\x00" + struct.pack("<IHHxH", 1, len(COLUMNS), 0, 0), *COLUMNS, END])
        elif command == 0x17:  # COM_STMT_EXECUTE
            rows = [binary_row(2**64 - 1 - number, document) for number, document in enumerate(DOCUMENTS)]
            self._send([bytes([len(COLUMNS)]), *COLUMNS, END, *rows, END])
        elif command == 0x03:  # COM_QUERY
            assert body[:4].upper() in (b"SET ", b"COMM"), body
            self._send([OK])

    def _send(self, payloads: list[bytes], first: int = 1) -> None:
        packets = (
            struct.pack("<I", len(payload))[:3] + bytes([number]) + payload
            for number, payload in enumerate(payloads, first)
        )
        self._client.sendall(b"".join(packets))

    def _receive(self) -> bytes | None:
        head = self._exactly(4)
        return None if head is None else self._exactly(int.from_bytes(head[:3], "little"))

    def _exactly(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            piece = self._client.recv(size - len(data))
            if not piece:
                return None
            data += piece
        return data


def scramble(password: bytes) -> bytes:
    """The answer to a challenge by caching_sha2_password: SHA256(p) xor SHA256(SHA256(SHA256(p)) + salt)."""
    once = hashlib.sha256(password).digest()
    twice = hashlib.sha256(hashlib.sha256(once).digest() + SALT).digest()
    return bytes(a ^ b for a, b in zip(once, twice, strict=True))


@pytest.fixture
def server() -> Iterator[LittleMySQL8]:
    running = LittleMySQL8()
    yield running
    running.close()


def arguments(server: LittleMySQL8, password: str) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": server.port, "user": "u", "password": password.encode(), "ssl_disabled": True}


def test_a29_json_of_mysql_8_arrives_as_its_text_after_a_login_by_caching_sha2_password(server: LittleMySQL8) -> None:
    schema = TableSchema(
        "shop", "t", (Column("id", "bigint", "bigint unsigned", nullable=False), Column("doc", "json", "json")), ("id",)
    )
    connection = connect(**arguments(server, PASSWORD))
    rows = pa.Table.from_batches(read(connection, "SELECT `id`, `doc` FROM `shop`.`t`", schema)).to_pylist()
    assert [int(row["id"]) for row in rows] == [2**64 - 1, 2**64 - 2, 2**64 - 3]
    assert tuple(row["doc"] for row in rows) == DOCUMENTS
    connection.close()


def test_a_wrong_password_for_caching_sha2_password_is_a_clear_error_without_it(server: LittleMySQL8) -> None:
    with pytest.raises(DataError, match="Access denied") as caught:
        connect(**arguments(server, "gué"))
    assert "gu" not in str(caught.value)
