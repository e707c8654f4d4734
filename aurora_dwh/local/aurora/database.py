"""A database server of one's own: a data folder, a port, accounts, and a process that dies with its parent.

It is a real MySQL or MariaDB, set up as the caller says and otherwise as it comes. What Aurora has beyond it is
`front`'s business.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aurora_dwh.local.aurora.program import Program
from aurora_dwh.local.processes import (
    end_process,
    free_ports,
    is_running,
    read_json,
    start_bound_child,
    start_time,
    write_private_json,
)

HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0
_OPTIONS: Final = (
    f"--bind-address={HOST}",
    "--socket=sock",  # in the data folder: a longer path may be more than a socket's address holds
    "--pid-file=pid",
    "--skip-log-bin",
    "--secure-file-priv=",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=2",
    "--performance-schema=OFF",
)
_OF_MYSQL: Final = ("--mysqlx=OFF", "--innodb-redo-log-capacity=64M", "--auto-generate-certs=OFF")


class DatabaseServer:
    """A MySQL or MariaDB server with its own folder.

    Args:
        home: The folder: data, log and pid file.
        program: The server.
        setup: Statements, a line each, that are run at every start before the first client.
        port: The port on the loopback interface; 0 takes a free one at each start.
        options: More options of the server, which win over those that it has from here.
    """

    host: Final = HOST

    def __init__(
        self, home: Path, program: Program, *, setup: Sequence[str] = (), port: int = 0, options: Sequence[str] = ()
    ) -> None:
        self.program = program
        self.port = port
        self._home = home.resolve()
        self._setup = setup
        self._options = tuple(options)
        self._wanted_port = port
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The folder of the server's files."""
        return self._home / "data"

    @property
    def pid(self) -> int | None:
        """The server's process id, or None when it does not run."""
        return self._child.pid if self.is_alive() and self._child else None

    def is_alive(self) -> bool:
        """Whether the server's process runs."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the server, and return when it answers.

        Raises:
            RuntimeError: It did not come up; the message has the end of its log.
        """
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the server's process without waiting for it; a copy of the program's template is its first data."""
        self._end_left_over()
        self._make_data()
        setup = self._home / "setup.sql"
        setup.touch(mode=0o600)
        setup.write_text("".join(f"{statement};\n" for statement in self._setup), encoding="utf-8")
        self.port = self._wanted_port or free_ports(1)[0]
        command = [
            *self.program.command,
            f"--datadir={self.data}",
            f"--tmpdir={self._home / 'tmp'}",  # a server that starts removes the temporary tables of its folder
            f"--port={self.port}",
            f"--init-file={setup}",
            *_OPTIONS,
            *(_OF_MYSQL if self.program.kind == "mysql" else ()),
            *self._options,
        ]
        self._log.write_bytes(b"")
        self._child = start_bound_child(command, log=self._log, cwd=self._home, env=_environment())
        write_private_json(self._pid_file, {"pid": self._child.pid, "started": start_time(self._child.pid)})

    def wait_until_ready(self) -> None:
        """Return when the launched server greets a client.

        Raises:
            RuntimeError: It did not come up; the message has the end of its log.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self._greets():
            if not self.is_alive() or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(
                    f"{self.program.kind} {self.program.version} does not start in {self._home}:\n{self.log()}"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server in an orderly way; the data stays. Does nothing when it does not run."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
        self._end()

    def kill(self) -> None:
        """Kill the server as a power cut would."""
        if self._child is not None:
            self._child.kill()
            self._end()

    def remove(self) -> None:
        """Kill the server and delete its data."""
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def log(self) -> str:
        """Return the end of the server's log."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-4000:]

    @property
    def _log(self) -> Path:
        return self._home / "server.log"

    @property
    def _pid_file(self) -> Path:
        return self._home / "server.pid"

    def _make_data(self) -> None:
        (self._home / "tmp").mkdir(parents=True, exist_ok=True)
        if self.data.is_dir():
            return
        draft = self._home / "data.draft"  # a start that is interrupted here leaves no half of a data folder
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(self.program.template, draft)
        draft.rename(self.data)

    def _greets(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1.0) as probe:
                return bool(probe.recv(1))
        except OSError:
            return False

    def _end(self) -> None:
        if self._child is not None:
            self._child.wait()
            self._child = None
            self._pid_file.unlink(missing_ok=True)

    def _end_left_over(self) -> None:
        """End a server that outlived a killed parent: two of them on one data folder would spoil it."""
        note = read_json(self._pid_file)
        if is_running(note.get("pid"), note.get("started")):
            end_process(note["pid"], note["started"], patience=_STOP_SECONDS)
        for left in ("sock", "sock.lock"):  # MySQL starts beside no process of the number there, be it another one's
            (self.data / left).unlink(missing_ok=True)


def _environment() -> dict[str, str]:
    """Return what of the environment the server gets: it reads more of it than one would think (MYSQL_HOME, TZ)."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "LC_ALL", "TZ")}
