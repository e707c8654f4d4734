"""The stand-in's public face: starting, stopping, logging clients in.

Belongs here: the listening socket, authentication, databases, what is shared by all sessions. Does not belong here:
a session's conversation (``session``), PostgreSQL's process (``postgres``).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import socket
import struct
import threading
from collections import deque
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from aurora_dwh.local.redshift import wire
from aurora_dwh.local.redshift.catalog import install
from aurora_dwh.local.redshift.errors import Fields, RedshiftError, UpstreamError, UpstreamLostError, from_postgres
from aurora_dwh.local.redshift.faults import Faults
from aurora_dwh.local.redshift.history import History
from aurora_dwh.local.redshift.names import LongNames
from aurora_dwh.local.redshift.postgres import SUPERUSER, PostgresServer
from aurora_dwh.local.redshift.session import SESSION_OPTIONS, Session
from aurora_dwh.local.redshift.sqltext import quote
from aurora_dwh.local.redshift.upstream import Upstream, connected, literal
from aurora_dwh.local.s3 import S3Access

SERVER_VERSION = "8.0.2"
"""What Redshift reports; the driver chooses its behaviour by it."""
TEMPLATE = "template1"
REMEMBERED_STATEMENTS = 100_000


class RedshiftStandIn:
    """A strict local Redshift over a private PostgreSQL.

    Args:
        state_dir: folder of the data; kept between runs.
        s3: the S3 server that COPY and UNLOAD use; None refuses both.
        user: the one user that may log in.
        password: that user's password.
        database: the database made at first start.
        port: TCP port on 127.0.0.1; 0 takes a free one.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        s3: S3Access | None,
        user: str,
        password: str,
        database: str = "dev",
        port: int = 0,
    ) -> None:
        self.s3 = s3
        self.host = "127.0.0.1"
        self.port = port
        self.faults = Faults()
        self.statements: deque[str] = deque(maxlen=REMEMBERED_STATEMENTS)
        self.names = LongNames()
        self.history = History()
        self.made = 0  # statements that may have made a table, of all sessions
        self.scratch = Path(state_dir) / "scratch"
        self._user = user
        self._password = password
        self._database = database
        self._postgres = PostgresServer(Path(state_dir))
        self._listener: socket.socket | None = None
        self._clients: set[wire.Stream] = set()
        self._sessions: dict[bytes, Upstream] = {}
        self._lock = threading.Lock()
        self._roles: Upstream | None = None
        self._roles_lock = threading.Lock()

    @property
    def postgres_pid(self) -> int | None:
        """Process id of the PostgreSQL server; None when it does not run."""
        return self._postgres.pid

    def start(self) -> None:
        """Starts what does not run yet: PostgreSQL, then the listening socket."""
        if self._postgres.pid is None:
            self._postgres.start(self._probe)
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir(parents=True)
            self._make_databases()
        if self._listener is None:
            self._listen()

    def stop(self) -> None:
        """Closes all connections and stops PostgreSQL; the data stays."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.close()
        with self._roles_lock:
            self._forget_roles()
        self._postgres.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def remove(self) -> None:
        """Stops the stand-in and deletes all its data, also what had to be kept outside the state folder."""
        self.stop()
        self._postgres.remove()

    def __enter__(self) -> RedshiftStandIn:
        """Starts the stand-in."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops the stand-in."""
        self.stop()

    def create_database(self, name: str, template: str | None = None) -> None:
        """Makes database ``name``, as a copy of ``template`` (which must have no sessions) when given."""
        source = quote(template or TEMPLATE)
        with self.admin("postgres") as admin:
            admin.query(f"CREATE DATABASE {quote(name)} TEMPLATE {source} OWNER {quote(self._user)}")
        with self.admin(name) as admin:
            admin.query(f"ALTER SCHEMA public OWNER TO {quote(self._user)}")

    def admin(self, database: str) -> AbstractContextManager[Upstream]:
        """Returns a superuser's connection to ``database``."""
        return connected(self._postgres.socket_path, user=SUPERUSER, database=database)

    # -- start-up ------------------------------------------------------------------------------------------------

    def _probe(self) -> None:
        with self.admin("postgres"):
            pass

    def _make_databases(self) -> None:
        role, password = quote(self._user), literal(self._password)
        with self.admin("postgres") as admin:
            known = admin.query(f"SELECT 1 FROM pg_roles WHERE rolname = {literal(self._user)}")
            verb = "ALTER" if known else "CREATE"
            admin.query(f"{verb} ROLE {role} LOGIN CREATEROLE CREATEDB PASSWORD {password}")
            admin.query(f"ALTER ROLE {role} SET standin.syslog_access = 'UNRESTRICTED'")
            databases = [str(row[0]) for row in admin.query("SELECT datname FROM pg_database WHERE datallowconn")]
        for database in databases:
            with self.admin(database) as admin:
                install(admin)
                known_names = admin.query("SELECT short, name FROM pg_standin.long_name")
                self.names.learn({str(short): str(full) for short, full in known_names})
        if self._database not in databases:
            self.create_database(self._database)

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host, self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="redshift-accept", daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return  # stop() closed the listener
            threading.Thread(target=self._serve, args=(sock,), name="redshift-session", daemon=True).start()

    # -- one client ----------------------------------------------------------------------------------------------

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = wire.Stream(sock)
        with self._lock:
            self._clients.add(client)
        key = secrets.token_bytes(8)
        try:
            session = self._log_in(client, key)
            if session:
                session.serve()
        except RedshiftError as error:
            _tell(client, error.fields)
        except UpstreamError as error:
            _tell(client, from_postgres(error.fields))
        except UpstreamLostError:
            _tell(client, RedshiftError("57P03", "the database system is not running", severity="FATAL").fields)
        except OSError:
            pass  # the client left before it was logged in
        finally:
            with self._lock:
                self._clients.discard(client)
                self._sessions.pop(key, None)
            client.close()

    def _log_in(self, client: wire.Stream, key: bytes) -> Session | None:
        parameters = self._read_startup(client)
        if parameters is None:
            return None
        user = parameters.get("user", "")
        self._authenticate(client, user)
        database = parameters.get("database") or self._database
        upstream = Upstream(self._postgres.socket_path, user=user, database=database, options=SESSION_OPTIONS)
        try:
            session = Session(self, client, upstream, user, database)
            with self._lock:
                self._sessions[key] = upstream
            reported = {**upstream.parameters, "server_version": SERVER_VERSION}
            client.send(
                wire.pack(b"R", struct.pack("!i", 0))
                + b"".join(wire.parameter_status(name, value) for name, value in reported.items())
                + wire.pack(b"K", key)
                + wire.ready("I")
            )
        except BaseException:
            upstream.close()
            raise
        return session

    def _read_startup(self, client: wire.Stream) -> dict[str, str] | None:
        while True:
            length, code = struct.unpack("!ii", client.exactly(8))
            if not 8 <= length <= 65_536:
                raise ConnectionError("not a PostgreSQL client")
            body = client.exactly(length - 8)
            if code in (wire.SSL_REQUEST, wire.GSS_REQUEST):
                client.send(b"N")
            elif code == wire.CANCEL_REQUEST:
                self._cancel(body)
                return None
            elif code == wire.PROTOCOL_3:
                return wire.parse_startup(body)
            else:
                raise RedshiftError(
                    "08P01", f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}", severity="FATAL"
                )

    def _authenticate(self, client: wire.Stream, user: str) -> None:
        salt = os.urandom(4)
        client.send(wire.pack(b"R", struct.pack("!i", 5) + salt))
        answer = client.message().payload.rstrip(b"\0").decode()
        known = self._digest(user)
        inner = known.removeprefix("md5")
        if not known or not secrets.compare_digest(answer, "md5" + _md5(inner.encode() + salt)):
            raise RedshiftError("28000", f'password authentication failed for user "{user}"', severity="FATAL")

    def _digest(self, user: str) -> str:
        """Returns what PostgreSQL keeps of a user's password, empty where it knows none.

        The connection stays open: to open one for each login would take PostgreSQL a third of the login's time.
        """
        statement = f"SELECT rolpassword FROM pg_authid WHERE rolcanlogin AND rolname = {literal(user)}"
        with self._roles_lock:
            if self._roles is None:
                self._roles = Upstream(self._postgres.socket_path, user=SUPERUSER, database="postgres")
            try:
                rows = self._roles.query(statement)
            except (UpstreamError, UpstreamLostError):  # PostgreSQL was restarted meanwhile, or is on its way down
                self._forget_roles()
                self._roles = Upstream(self._postgres.socket_path, user=SUPERUSER, database="postgres")
                rows = self._roles.query(statement)
        return str(rows[0][0] or "") if rows else ""

    def _forget_roles(self) -> None:
        if self._roles is not None:
            self._roles.close()
        self._roles = None

    def _cancel(self, key: bytes) -> None:
        with self._lock:
            upstream = self._sessions.get(key)
        if upstream is not None:
            with self.admin("postgres") as admin:
                admin.query(f"SELECT pg_cancel_backend({upstream.pid})")


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _tell(client: wire.Stream, fields: Fields) -> None:
    with contextlib.suppress(OSError):
        client.send(wire.fields_message(b"E", {**fields, "S": "FATAL", "V": "FATAL"}))
