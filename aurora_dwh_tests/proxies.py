"""Proxies in front of the three servers, which see each call of a client on its way and do to it what a test says.

They speak just enough of each protocol to know where a call begins and where its answer ends. What is to become of
which call is the test's business.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from aurora_dwh.local.redshift import wire

CONNECT = "connect"
GOODBYE = "disconnect"
ROWS = "rows"
"""What is told where there is no text: a connection that is made or ended, and rows of a SELECT under way."""

ROWS_BYTES = 32 * 1024
"""Bytes of an answer of MySQL after which its rows are said to be under way."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Fate:
    """What becomes of a call.

    Attributes:
        cut: Whether the connection is cut before the call reaches the server, or once the server has answered it and
            before the client hears of it. Empty where it is not cut.
        then: Done just before the cut.
        reply: S3 only: the status and body that the client gets instead of the server's; the server sees nothing.
        keep: S3 only: the share of the call's body that reaches the server, whose connection then ends.
    """

    cut: Literal["", "before", "after"] = ""
    then: Callable[[], None] = _nothing
    reply: tuple[int, bytes] | None = None
    keep: float = 1.0


PASS = Fate()

Meet = Callable[[str], Fate]
"""Told each call, in the order of its server; says what becomes of it."""


@contextmanager
def mysql_proxy(host: str, port: int, meet: Meet) -> Iterator[int]:
    """Give the port of a proxy in front of a MySQL server without TLS."""
    with _listening(lambda client: _MySQL(client, (host, port), meet).serve()) as own:
        yield own


@contextmanager
def redshift_proxy(host: str, port: int, meet: Meet) -> Iterator[int]:
    """Give the port of a proxy in front of Redshift without TLS."""
    with _listening(lambda client: _Redshift(client, (host, port), meet).serve()) as own:
        yield own


@contextmanager
def s3_proxy(host: str, port: int, meet: Meet) -> Iterator[int]:
    """Give the port of a proxy in front of an S3 server; a call is told as `PUT /bucket/key?query`."""

    class Handler(_S3):
        upstream = (host, port)
        fate_of = staticmethod(meet)

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    def accept() -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _reset(connection: socket.socket) -> None:
    """Close a connection as a broken line does: the other side gets a reset."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)  # wakes the thread that reads from it
    connection.close()


class _Link:
    """One client's connection, and the server's behind it. `up` and `down` are each run by a thread of its own."""

    def __init__(self, client: socket.socket, target: tuple[str, int], meet: Meet) -> None:
        self.client = wire.Stream(client)
        self.target = target
        self.meet = meet
        self.server: wire.Stream
        self.swallowing: Fate | None = None

    def serve(self) -> None:
        try:
            if not self.begins():
                return
            self.server = wire.Stream(socket.create_connection(self.target))
            threading.Thread(target=self._down, daemon=True).start()
            with suppress(OSError):
                self.up()
            self.server.close()
        finally:
            _reset(self.client.sock)

    def _down(self) -> None:
        with suppress(OSError):
            self.down()
        self.server.close()
        if self.swallowing is None:
            self.client.close()

    def lets_pass(self, call: str) -> bool:
        """Ask what becomes of a call; return False where it ends here, and the connection with it."""
        fate = self.meet(call)
        if fate.cut == "before":
            fate.then()
            return False
        if fate.cut == "after":
            self.swallowing = fate
        return True

    def end(self, fate: Fate) -> None:
        """End the connection now that the server has answered."""
        fate.then()
        _reset(self.client.sock)
        self.server.close()

    def begins(self) -> bool:
        raise NotImplementedError

    def up(self) -> None:
        raise NotImplementedError

    def down(self) -> None:
        raise NotImplementedError


_TEXTS = {0x03: "", 0x16: "PREPARE "}
_SILENT = {0x01: GOODBYE, 0x19: "CLOSE"}
_EXECUTE = 0x17
"""MySQL's commands: those with a text, those that are not answered, and the one whose answer may be many rows."""


class _MySQL(_Link):
    """Commands are packets of sequence number 0; any byte that comes back is an answer."""

    _answered = 0
    _streams = False

    def begins(self) -> bool:
        return self.lets_pass(CONNECT)

    def up(self) -> None:
        while True:
            head = self.client.exactly(4)
            packet = head + self.client.exactly(int.from_bytes(head[:3], "little"))
            if head[3] == 0 and not self._command(packet[4], packet[5:]):
                return
            self.server.send(packet)
            if self.swallowing and packet[4] in _SILENT and head[3] == 0:
                self.end(self.swallowing)

    def _command(self, code: int, payload: bytes) -> bool:
        if code in _TEXTS:
            return self.lets_pass(_TEXTS[code] + payload.decode())
        if code in _SILENT:
            return self.lets_pass(_SILENT[code])
        if code == _EXECUTE:
            self._answered, self._streams = 0, True
            return self.lets_pass("EXECUTE")
        return True

    def down(self) -> None:
        while data := self.server.sock.recv(self.server.CHUNK // 16):
            if self.swallowing:
                self.end(self.swallowing)
                return
            self._answered += len(data)
            if self._streams and self._answered > ROWS_BYTES:
                self._streams = False
                if (fate := self.meet(ROWS)).cut:
                    self.end(fate)
                    return
            self.client.send(data)


class _Redshift(_Link):
    """A statement is told when it is executed, and answered when the server is ready for the next."""

    _statement = ""

    def begins(self) -> bool:
        length = self.client.exactly(4)
        self._hello = length + self.client.exactly(int.from_bytes(length, "big") - 4)
        return self.lets_pass(CONNECT)

    def up(self) -> None:
        self.server.send(self._hello)
        while True:
            message = self.client.message()
            if message.kind == b"P":
                _, start = wire.split_cstring(message.payload)
                self._statement, _ = wire.split_cstring(message.payload, start)
            if message.kind == b"E" and not self.lets_pass(self._statement):
                return
            if message.kind == b"X" and not self.lets_pass(GOODBYE):
                return
            self.server.send(message.pack())

    def down(self) -> None:
        with suppress(ConnectionError):
            while True:
                message = self.server.message()
                if self.swallowing is None or message.kind == b"R":  # a login is a conversation
                    self.client.send(message.pack())
                elif message.kind == b"Z":
                    break
        if self.swallowing:
            self.end(self.swallowing)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: that connections end is what the proxy is for."""


class _S3(BaseHTTPRequestHandler):
    """One client's connection: each request is read as a whole, and so is its answer."""

    protocol_version = "HTTP/1.1"
    upstream: tuple[str, int]
    fate_of: Meet

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fate = self.fate_of(f"{self.command} {self.path}")
        if fate.cut == "before":
            self._cut(fate)
        elif fate.reply is not None:
            self._answer(fate.reply[0], [], fate.reply[1])
        else:
            answer = self._ask(body, fate.keep)
            if answer is None or fate.cut:
                self._cut(fate)
            else:
                self._answer(*answer)

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815

    def _ask(self, body: bytes, keep: float) -> tuple[int, list[tuple[str, str]], bytes] | None:
        """Return the server's answer, None where it cannot be had."""
        server = http.client.HTTPConnection(*self.upstream, timeout=60)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    server.putheader(name, value)
            server.endheaders()
            server.send(body[: int(len(body) * keep)])
            if keep < 1:
                return None
            answer = server.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except (http.client.HTTPException, OSError):
            return None
        finally:
            server.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        length = str(len(body))
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body)

    def _cut(self, fate: Fate) -> None:
        fate.then()
        self.close_connection = True
        _reset(self.connection)
