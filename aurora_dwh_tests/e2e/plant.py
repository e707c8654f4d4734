"""`dagster dev` and the code server that it reads, started again when they end, as a supervisor of services does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from aurora_dwh.local.processes import free_ports
from aurora_dwh_tests.dagster_ui import ROOT

DAEMON, CODE_SERVER, WORKER = "daemon", "code server", "worker"

_WORKSPACE = "load_from: [{grpc_server: {host: 127.0.0.1, port: %d, location_name: aurora_dwh}}]\n"
"""A code server of its own, as in production: one that `dagster dev` starts ends itself when the clock is moved."""


class Plant:
    """The processes of a project.

    Args:
        folder: For logs and the workspace's file.
        environment: What leads to the project's servers.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment
        code, ui = free_ports(2)
        workspace = folder / "workspace.yaml"
        workspace.write_text(_WORKSPACE % code, encoding="utf-8")
        listen = ["-h", "127.0.0.1", "-p"]
        self._commands = {
            CODE_SERVER: ["dagster", "api", "grpc", *listen, str(code), "-m", "aurora_dwh.definitions"],
            "dagster dev": ["dagster", "dev", "-w", str(workspace), *listen, str(ui)],
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._groups: list[int] = []
        self._closing = threading.Event()
        self.starts = dict.fromkeys(self._commands, 0)
        """How often each was started."""

    def __enter__(self) -> Plant:
        self._supervisor = threading.Thread(target=self._supervise)
        self._supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._supervisor.join()
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        for process in self._running.values():
            process.wait()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one of the project's programs to its end."""
        return subprocess.run(
            [_program(command[0]), *command[1:]],
            cwd=ROOT, env=self._environment, check=False, capture_output=True, text=True,
        )  # fmt: skip

    def kill(self, victim: str, seconds: float) -> bool:
        """Kill a process without a warning, as soon as there is one within some seconds; return whether there was."""
        end = time.monotonic() + seconds
        while True:
            if found := self._pids(victim):
                with suppress(ProcessLookupError):
                    os.kill(found[-1], signal.SIGKILL)
                    return True
            if time.monotonic() > end:
                return False
            time.sleep(0.1)

    def _pids(self, victim: str) -> list[int]:
        if victim == CODE_SERVER:
            return [self._running[CODE_SERVER].pid]
        if victim == DAEMON:
            return _children(self._running["dagster dev"].pid, "dagster._daemon")
        return _children(self._running[CODE_SERVER].pid, "multiprocessing.spawn")

    def _supervise(self) -> None:
        while not self._closing.is_set():
            for name, command in self._commands.items():
                if name not in self._running or self._running[name].poll() is not None:
                    self._start(name, command)
            self._closing.wait(0.5)

    def _start(self, name: str, command: Sequence[str]) -> None:
        with (self._folder / f"{name.replace(' ', '_')}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [_program(command[0]), *command[1:]],
                cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._groups.append(self._running[name].pid)
        self.starts[name] += 1


def _program(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _children(parent: int, word: str) -> list[int]:
    """Return the processes that a process started and whose command has a word in it, oldest first."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            started_by = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if started_by == parent and word in (folder / "cmdline").read_text():
                found.append(int(folder.name))
    return sorted(found)
