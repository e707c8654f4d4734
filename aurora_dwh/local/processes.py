"""Child processes, process identity and TCP ports for the embedded stack.

Here: starting a child that cannot outlive its parent, telling a live process from a reused pid, and choosing ports that
stay the same from one start to the next. Not here: what the children are (see `lake`, `supervisor`).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_IS_LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG = 1
_PRIVATE_FILE = 0o600
_PORTS = range(10_240, 22_768)
"""To choose from: they, and those 10,000 above them, are below what Linux and macOS give to outgoing connections."""


def write_private_json(path: Path, value: Any) -> None:
    """Write `value` as JSON to `path`, atomically, readable by the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
    draft.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`, or an empty one when the file is absent or was cut short."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def random_secret() -> str:
    """A password that needs no quoting in a shell, a URL or SQL."""
    return secrets.token_hex(16)


def start_time(pid: int) -> str | None:
    """A mark that tells process `pid` from a later one with the same number; None when there is no such process."""
    if _IS_LINUX:
        try:
            # The command name, in parentheses, may hold anything: count the fields from its end.
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        state, started = fields[0], fields[19]
        return None if state == "Z" else started
    return _start_time_by_ps(pid)


def _start_time_by_ps(pid: int) -> str | None:
    found = subprocess.run(  # noqa: S603 - fixed program, an integer argument
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return None if not found or found.startswith("Z") else found.partition(" ")[2].strip()


def is_running(pid: int | None, started: str | None) -> bool:
    """Whether the process noted as (`pid`, `started`) still lives; a reused pid does not count."""
    return pid is not None and started is not None and start_time(pid) == started


def end_process(pid: int, started: str | None, *, patience: float) -> None:
    """End the noted process: SIGTERM, `patience` seconds to comply, then SIGKILL. Does nothing when it is gone."""
    for sign, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        if not is_running(pid, started):
            return
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        wait_until(lambda: not is_running(pid, started), seconds)


def wait_until(done: Callable[[], bool], seconds: float, *, every: float = 0.02) -> bool:
    """Poll `done` until it is true or `seconds` have passed; return its last answer."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def start_bound_child(
    command: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start `command` so that it dies with this process (at once on Linux, by the pid file's next reader elsewhere).

    Linux sends the signal when the *thread* that started the child ends, so call this from a thread that stays.
    """
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - the command is built by this package
            list(command),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is the supervisor's to handle
            preexec_fn=_die_with_parent(os.getpid()),  # only calls prctl, which was bound before the fork
        )


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    if not _IS_LINUX:
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return bind


def port_is_free(port: int) -> bool:
    """Whether `port` can be bound on the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int, *, companion: int = 0) -> list[int]:
    """Ports that are free now, all different: they are held together while being chosen.

    None is of the range that the system gives to outgoing connections: it would be taken before its server starts.

    Args:
        count: How many.
        companion: When not 0, the port that many numbers above each of them is free too.
    """
    probes: list[socket.socket] = []
    chosen: list[int] = []
    try:
        while len(chosen) < count:
            probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            probes.append(probe)
            port = random.choice(_PORTS)  # noqa: S311 - no secret
            with contextlib.suppress(OSError):  # in use
                probe.bind(("127.0.0.1", port))
                if not companion or port_is_free(port + companion):
                    chosen.append(port)
    finally:
        for probe in probes:
            probe.close()
    return chosen


def keep_ports(path: Path, names: Sequence[str], *, companion: int = 0) -> dict[str, int]:
    """Give each name the port it had before when that is still free, else a new one; remember the choice in `path`.

    Args:
        path: The private JSON file that remembers.
        names: What the ports are for.
        companion: See `free_ports`.
    """
    known = read_json(path)

    def still_free(port: int) -> bool:
        return port_is_free(port) and (not companion or port_is_free(port + companion))

    ports = {name: int(known[name]) for name in names if name in known and still_free(int(known[name]))}
    missing = [name for name in names if name not in ports]
    ports.update(zip(missing, free_ports(len(missing), companion=companion), strict=True))
    if ports != known:
        write_private_json(path, {**known, **ports})
    return ports
