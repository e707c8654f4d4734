"""The front before a real server, which makes an Aurora of it: a proxy that looks at statements and at nothing else.

Packets pass as they are, logins and prepared statements among them. In the text of a COM_QUERY, what only Aurora knows
is replaced by what the server knows: its variables, its table of readers, its role on MariaDB; an export is written by
the server to a file and put on S3 from here (`outfile`). A client must not speak TLS or compress: the server behind
offers neither. Packets: MySQL reference manual, "MySQL Packets", "COM_QUERY", "OK_Packet", "ERR_Packet".
"""

from __future__ import annotations

import re
import select
import socket
import socketserver
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from aurora_dwh.local.aurora.outfile import CLAUSE, ROLE, Clause, ExportError, Exports, Upload
from aurora_dwh.local.aurora.program import Kind

SERVER_ID: Final = "embedded-aurora"
VERSION: Final = "3.10.0"

_CHUNK: Final = 1 << 18
_LARGEST: Final = 0xFFFFFF
_COM_QUERY: Final = b"\x03"
_ERR: Final = 0xFF
_ACCESS_DENIED: Final = 1227

_VARIABLES: Final = ("aurora_version", "aurora_server_id", "aws_default_s3_role")
_USUAL_LAG: Final = timedelta(milliseconds=20)
"""How far a reader of Aurora is behind most of the time."""

_NO_ALIAS: Final = re.compile(
    rb"\s*(?:[^\w\s`]|\Z|(?:WHERE|ORDER|GROUP|HAVING|LIMIT|(?:INNER |LEFT |RIGHT |CROSS )?JOIN|UNION|FOR|INTO)\b)",
    re.IGNORECASE,
)
"""What follows a table that has no name of its own in the statement."""

_HINT: Final = re.compile(rb"outfile|aurora_|aws_default_s3|replica_host|role", re.IGNORECASE)
_NAMES: Final = "|".join(_VARIABLES).encode()
_AURORAS: Final = re.compile(
    rb"""'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `[^`]*` | /\*.*?\*/ | --\s[^\n]* | \#[^\n]*
    | @@(?:(?:global|session)\s*\.\s*)?(?P<variable>NAMES)\b
    | \bSHOW\s+(?:(?:GLOBAL|SESSION)\s+)?VARIABLES\s+LIKE\s+'(?P<shown>NAMES)'
    | \b(?P<version>AURORA_VERSION\s*\(\s*\))
    | \b(?P<readers>information_schema\s*\.\s*replica_host_status)\b
    | \b(?P<all>SET\s+ROLE\s+ALL)\b
    | \b(?P<role>CURRENT_ROLE\s*\(\s*\))
    | (?P<export>CLAUSE)""".replace(b"NAMES", _NAMES).replace(b"CLAUSE", CLAUSE),
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
"""A text, a name or a comment, which stays; else something of Aurora's."""


class Front:
    """The proxy: a listening port, and a thread for each client.

    Args:
        port: The port to listen on, on the loopback interface; 0 takes a free one.
        upstream: The real server's host and port.
        kind: Whose server it is.
        exports: What SELECT INTO OUTFILE S3 may do.
        folder: Where the server may write files, which are removed once they are on S3.

    Attributes:
        lag: How far behind the cluster's writer this instance says that it is; None makes it the writer.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, port: int, upstream: tuple[str, int], kind: Kind, exports: Exports, folder: Path) -> None:
        self.upstream, self.kind, self.exports, self.folder = upstream, kind, exports, folder
        self.lag: timedelta | None = None
        self._clients: set[socket.socket] = set()
        front = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                front._serve(self.request)

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

        self._listener = Listener((upstream[0], port), Handler)
        self.port = int(self._listener.server_address[1])
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,), name="front", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more and hang up on all clients."""
        self._listener.shutdown()
        self._listener.server_close()
        for client in list(self._clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _serve(self, client: socket.socket) -> None:
        self._clients.add(client)
        try:
            with socket.create_connection(self.upstream) as server:
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Session(self, client, server).run()
        except OSError:  # one of the two is gone, and the other hears of it as the sockets close
            return
        finally:
            self._clients.discard(client)


class _Session:
    """One client's connection and its own connection to the server."""

    def __init__(self, front: Front, client: socket.socket, server: socket.socket) -> None:
        self._front, self._client, self._server = front, client, server
        self._pending = bytearray()

    def run(self) -> None:
        """Pass packets on until one side hangs up."""
        while True:
            ready = select.select([self._client, self._server], [], [])[0]
            if self._server in ready:
                if not (data := self._server.recv(_CHUNK)):
                    return
                self._client.sendall(data)
            if self._client in ready:
                if not (data := self._client.recv(_CHUNK)):
                    return
                self._pending += data
                self._pass_on()

    def _pass_on(self) -> None:
        """Pass on the client's packets that are here as a whole."""
        while len(self._pending) >= 4:
            end = 4 + int.from_bytes(self._pending[:3], "little")
            if len(self._pending) < end:
                return
            packet = bytes(self._pending[:end])
            del self._pending[:end]
            # Every command begins with number 0; one that goes on in a next packet is far longer than what is Aurora's.
            is_query = packet[3] == 0 and packet[4:5] == _COM_QUERY and end - 4 < _LARGEST
            if is_query and _HINT.search(packet):
                self._query(packet[4:])
            else:
                self._server.sendall(packet)

    def _query(self, query: bytes) -> None:
        found: dict[str, re.Match[bytes]] = {}
        exported: list[Clause] = []
        path = self._front.folder / uuid4().hex

        def replaced(match: re.Match[bytes]) -> bytes:
            if match.lastgroup is None:
                return match[0]
            found[match.lastgroup] = match
            if match["export"] is None:
                return self._replacement(match)
            exported.append(Clause.of(match))
            return exported[0].to_file(path).encode()

        try:
            query = _AURORAS.sub(replaced, query)
            if exported:
                self._client.sendall(self._export(query, exported[0], path))
            elif "all" in found and self._front.kind == "mariadb":
                self._client.sendall(self._set_all_roles())
            else:
                self._server.sendall(_packet(query))
        except ExportError as refused:
            self._client.sendall(_error(refused))
        finally:
            path.unlink(missing_ok=True)

    def _replacement(self, match: re.Match[bytes]) -> bytes:
        values = {
            "aurora_version": VERSION,
            "aurora_server_id": SERVER_ID,
            "aws_default_s3_role": self._front.exports.iam_role,
        }
        if name := match["variable"]:
            return f"'{values[name.decode().lower()]}'".encode()
        if name := match["shown"]:
            shown = name.decode().lower()
            return f"SELECT '{shown}' AS Variable_name, '{values[shown]}' AS Value".encode()
        if match["version"]:
            return f"'{VERSION}'".encode()
        if match["readers"]:
            named = not _NO_ALIAS.match(match.string, match.end())
            return f"{_cluster(self._front.lag)}{'' if named else ' AS replica_host_status'}".encode()
        if match["role"] and self._front.kind == "mariadb":  # MySQL quotes a role's name and adds its host
            return b"COALESCE(CONCAT('`', CURRENT_ROLE(), '`@`%`'), 'NONE')"
        return match[0]

    def _set_all_roles(self) -> bytes:
        """Return the server's answer to making all roles active; on MariaDB one is at a time, and it is Aurora's."""
        answer = self._ask(_COM_QUERY + f"SET ROLE {ROLE}".encode())
        return answer if answer[4] != _ERR else self._ask(_COM_QUERY + b"SET ROLE NONE")

    def _export(self, query: bytes, clause: Clause, path: Path) -> bytes:
        """Return the answer to an export, after the server wrote its file and the objects stand."""
        upload = Upload(self._front.exports, clause)
        answer = self._ask(query)
        if answer[4] == _ERR:
            code = int.from_bytes(answer[5:7], "little")
            return _role_missing() if code in (1045, _ACCESS_DENIED) else answer
        upload.write(path)
        return answer

    def _ask(self, query: bytes) -> bytes:
        """Return the server's answer of one packet, as it came."""
        self._server.sendall(_packet(query))
        head = self._receive(4)
        return head + self._receive(int.from_bytes(head[:3], "little"))

    def _receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            if not (more := self._server.recv(count - len(data))):
                raise ConnectionError("the server hung up")
            data += more
        return data


def _cluster(lag: timedelta | None) -> str:
    """Return the instances of a cluster of a writer and a reader, of which this one is what its lag says."""
    behind = (lag or _USUAL_LAG) / timedelta(milliseconds=1)
    writer, reader = "'MASTER_SESSION_ID', 0e0", f"'6f2c1c2e-0000-0000-0000-000000000000', {behind:f}e0"
    own, other, name = (writer, reader, "reader") if lag is None else (reader, writer, "writer")
    columns = "SERVER_ID, SESSION_ID, REPLICA_LAG_IN_MILLISECONDS, LAST_UPDATE_TIMESTAMP"
    instances = ((SERVER_ID, own), (f"{SERVER_ID}-{name}", other))
    rows = " UNION ALL ".join(f"SELECT '{server}', {status}, UTC_TIMESTAMP(6)" for server, status in instances)
    return f"(WITH status ({columns}) AS ({rows}) SELECT * FROM status)"


def _packet(payload: bytes, number: int = 0) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def _error(error: ExportError) -> bytes:
    return _packet(b"\xff" + error.code.to_bytes(2, "little") + b"#HY000" + str(error).encode(), 1)


def _role_missing() -> bytes:
    message = f"Access denied; you need (at least one of) the {ROLE} privilege(s) for this operation"
    return _error(ExportError(_ACCESS_DENIED, message))
