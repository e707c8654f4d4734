"""The embedded Aurora: a real server with its account and Aurora's role, and the front before it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from aurora_dwh.local.aurora.database import HOST, DatabaseServer
from aurora_dwh.local.aurora.front import Front
from aurora_dwh.local.aurora.outfile import ROLE, Exports
from aurora_dwh.local.aurora.program import KINDS, Kind, Program, find
from aurora_dwh.local.processes import read_json, write_private_json

_OPTIONS: Final = ("--max-allowed-packet=256M",)
_WITHOUT_TLS: Final = {"mysql": ("--tls-version=",), "mariadb": ("--skip-ssl",)}


class EmbeddedAurora:
    """An Aurora on the loopback interface.

    Args:
        state_dir: Folder of this server alone.
        user: The account's name.
        password: The account's password.
        database: The schema that exists from the start.
        port: Port that clients use; 0 takes a free one.
        exports: What SELECT INTO OUTFILE S3 may do; without it the cluster has no role for S3.
        kind: Whose server is behind it; by default the one that made the data, at first the best that there is.
    """

    host: Final = HOST

    def __init__(
        self,
        state_dir: Path,
        *,
        user: str,
        password: str,
        database: str = "shop",
        port: int = 0,
        exports: Exports | None = None,
        kind: Kind | None = None,
    ) -> None:
        self.exports = exports or Exports()
        self.user, self.password, self.database = user, password, database
        self._home = state_dir.resolve()
        self._kind = kind
        self._port = port
        self._server: DatabaseServer | None = None
        self._front: Front | None = None

    @property
    def port(self) -> int:
        """The port that clients use."""
        return self._port

    @property
    def pid(self) -> int | None:
        """The real server's process id, or None when it does not run."""
        return self._server.pid if self._server else None

    def fall_behind(self, lag: timedelta | None) -> None:
        """Say from now on that this is a reader which is so far behind; with None that it is the writer."""
        if self._front is None:
            raise RuntimeError("the embedded Aurora does not run")
        self._front.lag = lag

    def launch(self) -> None:
        """Start the server's process, without waiting for it.

        Raises:
            RuntimeError: There is no server on this machine; the message says what helps.
        """
        program = self._program()
        self._exports_folder.mkdir(parents=True, exist_ok=True)
        options = (*_OPTIONS, f"--secure-file-priv={self._exports_folder}", *_WITHOUT_TLS[program.kind])
        self._server = DatabaseServer(self._home, program, setup=self._setup(program.kind), options=options)
        self._server.launch()

    def wait_until_ready(self) -> None:
        """Return when clients can connect.

        Raises:
            RuntimeError: The server did not come up.
            OSError: The port is taken.
        """
        if self._server is None:
            raise RuntimeError("the embedded Aurora was not launched")
        self._server.wait_until_ready()
        upstream, kind = (HOST, self._server.port), self._server.program.kind
        self._front = Front(self._port, upstream, kind, self.exports, self._exports_folder)
        self._port = self._front.port

    def start(self) -> None:
        """Start serving; returns when clients can connect."""
        self.launch()
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all connections and stop; the data stays. Does nothing when it does not run."""
        if self._front is not None:
            self._front.stop()
            self._front = None
        if self._server is not None:
            self._server.stop()

    def arguments(self, database: str | None = None) -> dict[str, Any]:
        """Return the keyword arguments of `pymysql.connect`."""
        login = {"host": self.host, "port": self.port, "user": self.user, "password": self.password}
        return {**login, "database": database or self.database, "ssl_disabled": True}

    @property
    def _exports_folder(self) -> Path:
        """The only folder whose files SQL can reach."""
        return self._home / "exports"

    def _program(self) -> Program:
        """Return the server that made the data, else the best that there is."""
        note = self._home / "engine.json"
        kind = self._kind or read_json(note).get("kind")
        program = find(*([kind] if kind else KINDS))
        write_private_json(note, {"kind": program.kind, "version": program.version})
        return program

    def _setup(self, kind: Kind) -> list[str]:
        """Return what makes the account, which may do what Aurora's master user may, and the role for exports."""
        account = f"'{self.user}'@'%'"
        role = f"CREATE ROLE IF NOT EXISTS {ROLE}"
        return [
            f"CREATE DATABASE IF NOT EXISTS `{self.database}` CHARACTER SET utf8mb4",
            f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{self.password}'",
            f"ALTER USER {account} IDENTIFIED BY '{self.password}'",
            f"GRANT ALL ON *.* TO {account} WITH GRANT OPTION",
            f"REVOKE FILE ON *.* FROM {account}",
            *(
                (f"{role} WITH ADMIN {account}",)
                if kind == "mariadb"
                else (role, f"GRANT {ROLE} TO {account} WITH ADMIN OPTION")
            ),
            f"GRANT FILE ON *.* TO {ROLE}",
            "ALTER USER root@localhost ACCOUNT LOCK",
        ]
