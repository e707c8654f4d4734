"""A private MariaDB server, for the tests whose subject is the source."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

INSTALL = "install it with `apt-get install mariadb-server-core mariadb-client-core`, or `brew install mariadb`"
BOOT_SECONDS = 60.0
WATCH = 'exec 3<&0; "$@" <&- 3<&- & server=$!; (read -r _ <&3; kill -9 $server) & wait $server'
"""A shell that runs the server and kills it when its own input ends, as it does when the tests die in whatever way."""

SYSTEM_TABLES = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
    "maria_add_gis_sp_bootstrap.sql",
)


class MariaDB:
    """A server with its own data directory, port and root password."""

    def __init__(self, *options: str) -> None:
        """Create the data directory and start the server.

        Args:
            options: More options of mariadbd.

        Raises:
            FileNotFoundError: MariaDB is not installed; the message says how to.
        """
        self.home = Path(tempfile.mkdtemp(prefix="mariadb-"))
        self.host = "127.0.0.1"
        self.port = _free_port()
        self.user = "root"
        self.password = secrets.token_urlsafe(12)
        self.options = options
        self._databases = 0
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._install()
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start the server and wait until it answers."""
        log = (self.home / "server.log").open("ab")
        with log:
            watched = ["/bin/sh", "-c", WATCH, "mariadb", *self._command(), *self.options]
            self._process = subprocess.Popen(watched, stdin=subprocess.PIPE, stdout=log, stderr=log)
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            try:
                self.connect().close()
            except pymysql.err.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"MariaDB does not start:\n{self.log()}") from None
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Kill the server as a power cut would."""
        if self._process is not None:
            self._process.communicate()  # closes the pipe that the watcher reads, and waits for the server's end
            self._process = None

    def close(self) -> None:
        """Kill the server and delete its data."""
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def arguments(self, database: str | None = None) -> dict[str, Any]:
        """Return the keyword arguments of `pymysql.connect`."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": database,
            "ssl_disabled": True,
        }

    def connect(self, database: str | None = None) -> Connection[Cursor]:
        """Return a plain PyMySQL connection, the one that tests compare with."""
        return pymysql.connect(**self.arguments(database), autocommit=True)

    def database(self) -> str:
        """Create an empty database and return its name."""
        self._databases += 1
        name = f"test_{self._databases}"
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name

    def client(self, statement: str, database: str) -> str:
        """Return what the command line client prints for a statement, without a header."""
        command = [*self._client(database), "--batch", "--skip-column-names", "--raw", f"--execute={statement}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def script(self, text: str, database: str) -> None:
        """Run a script of statements with the command line client."""
        subprocess.run(self._client(database), input=text, check=True, text=True)

    def _client(self, database: str) -> list[str]:
        arguments = [f"--host={self.host}", f"--port={self.port}", f"--user={self.user}", f"--password={self.password}"]
        return ["mariadb", "--no-defaults", *arguments, "--default-character-set=utf8mb4", database]

    def log(self) -> str:
        """Return the end of the server's log."""
        return (self.home / "server.log").read_text(errors="replace")[-4000:]

    def _install(self) -> None:
        user = _server_user()
        self.home.chmod(0o755)
        for folder in ("data", "tmp"):
            (self.home / folder).mkdir()
            if user is not None:
                shutil.chown(self.home / folder, user)
        tables = (_share() / name for name in SYSTEM_TABLES)
        login = f"'$.plugin', 'mysql_native_password', '$.authentication_string', PASSWORD('{self.password}')"
        bootstrap = "\n".join(
            (
                "CREATE DATABASE mysql;",
                "USE mysql;",
                "SET @auth_root_socket = NULL;",
                *(file.read_text() for file in tables),
                "DELETE FROM global_priv WHERE User = '';",
                f"UPDATE global_priv SET Priv = JSON_SET(Priv, {login}) WHERE User = 'root';",
                "",
            )
        )
        done = subprocess.run(
            [*self._command(), "--bootstrap", "--skip-networking"],
            input=bootstrap.encode(),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"MariaDB's data directory cannot be made:\n{done.stderr.decode(errors='replace')[-4000:]}"
            )

    def _command(self) -> list[str]:
        user = _server_user()
        return [
            str(_server()),
            "--no-defaults",
            f"--datadir={self.home / 'data'}",
            f"--tmpdir={self.home / 'tmp'}",  # a server that starts removes the temporary tables of its folder
            f"--socket={self.home / 'data' / 'sock'}",
            f"--pid-file={self.home / 'data' / 'pid'}",
            f"--lc-messages-dir={_share()}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=2",
            "--max-allowed-packet=256M",
            *([f"--user={user}"] if user else []),
        ]


def _server() -> Path:
    for folder in (*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/usr/local/sbin"):
        if (found := Path(folder) / "mariadbd").exists():
            return found
    raise FileNotFoundError(f"mariadbd is missing, and these tests need a real server: {INSTALL}")


def _share() -> Path:
    """Return the folder of the server's SQL files and messages."""
    prefix = _server().resolve().parent.parent
    for folder in ("mysql", "mariadb"):
        if (found := prefix / "share" / folder / "mysql_system_tables.sql").exists():
            return found.parent
    raise FileNotFoundError(f"mariadbd's share folder is missing under {prefix}: {INSTALL}")


def _server_user() -> str | None:
    """Return the user that the server switches to: it refuses to run as root."""
    return "nobody" if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
