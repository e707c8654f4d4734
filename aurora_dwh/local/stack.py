"""The embedded stack as a whole: up, down, status, and the environment that leads the product to it.

One detached process, the `supervisor`, runs the parts; what this module knows of it is in `stack.json` in the state
folder. Here are the callers' functions only. What a part is, is in `aurora`, `lake` and `redshift`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aurora_dwh.local.processes import end_process, read_json, wait_until
from aurora_dwh.local.processes import is_running as _process_runs

PARTS: Final = ("aurora", "lake", "warehouse")
STATE_VARIABLE: Final = "AURORA_DWH_STATE"

_NOTE: Final = "stack.json"
_START_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 15.0


class StackError(RuntimeError):
    """The stack cannot be started or used; the message says why and what to do."""


@dataclass(frozen=True)
class StackInfo:
    """A running stack.

    Attributes:
        state: Its folder.
        pid: The supervisor's process.
        addresses: Host and port of each running part.
        started_now: Whether this call started it; False when it ran already.
    """

    state: Path
    pid: int
    addresses: Mapping[str, str]
    started_now: bool


@dataclass(frozen=True)
class Condition:
    """How one part is.

    Attributes:
        state: `running`, `dead` (it should run and does not), `stopped`, or `left out`.
        pid: The process that it runs in or depends on.
        address: Host and port.
        size: Bytes on disk.
    """

    state: str
    pid: int | None = None
    address: str = ""
    size: int = 0

    @property
    def running(self) -> bool:
        """Whether it can be used."""
        return self.state == "running"

    def __str__(self) -> str:
        place = f"  {self.address}  pid {self.pid}" if self.running else ""
        return f"{self.state}{place}  {self.size / 1e6:.1f} MB" if self.size else f"{self.state}{place}"


def default_state() -> Path:
    """The state folder when none is named: AURORA_DWH_STATE, else `.aurora-dwh` in the current folder."""
    return Path(os.environ.get(STATE_VARIABLE) or ".aurora-dwh").resolve()


def up(state: Path, *, without: frozenset[str] = frozenset()) -> StackInfo:
    """Start the stack and return when all its parts answer.

    A stack that runs with just these parts is left as it is; one that has other parts, or a dead one, is restarted.

    Args:
        state: Folder of everything that the stack keeps.
        without: Parts to leave out, of `PARTS`.

    Raises:
        StackError: A part did not come up; nothing is left running then.
        ValueError: `without` names something else than a part.
    """
    unknown = sorted(without - set(PARTS))
    if unknown:
        raise ValueError(f"no such part: {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    state = state.resolve()
    wanted = [part for part in PARTS if part not in without]
    with _alone(state):
        note = read_json(state / _NOTE)
        if set(note.get("parts", {})) == set(wanted) and _all_run(note):
            return _info(state, note, started_now=False)
        _end(state, note)
        return _info(state, _start(state, wanted), started_now=True)


def down(state: Path) -> None:
    """Stop the stack; its data stays. Does nothing when it does not run."""
    state = state.resolve()
    if not state.is_dir():
        return
    with _alone(state):
        _end(state, read_json(state / _NOTE))


def is_running(state: Path) -> bool:
    """Whether the stack runs, with every part that it was started with."""
    note = read_json(state / _NOTE)
    return bool(note.get("parts")) and _all_run(note)


def status(state: Path) -> dict[str, Condition]:
    """How each part is."""
    note = read_json(state / _NOTE)
    supervised = _supervisor_runs(note)
    return {part: _condition(state, note, part, supervised=supervised) for part in PARTS}


def environment(state: Path) -> dict[str, str]:
    """The environment variables that lead the product to the running parts, and Dagster to the record of their loads.

    Raises:
        StackError: The stack does not run.
    """
    note = read_json(state / _NOTE)
    if not _supervisor_runs(note):
        raise StackError(f"the embedded stack of {state} does not run; start it with: aurora-dwh local up")
    variables: dict[str, str] = {}
    for part in note["parts"].values():
        variables.update(part["environment"])
    catalog = shop_folder(state).resolve() / "catalog.yaml"
    if "aurora" in note["parts"] and catalog.exists():
        variables["AURORA_DWH_CATALOG"] = str(catalog)
    return {**variables, "DAGSTER_HOME": str(_dagster_home(state))}


def shop_folder(state: Path) -> Path:
    """Return the folder of the sample shop's project, which is there where the shop was opened."""
    return state / "shop"


def _dagster_home(state: Path) -> Path:
    """Return the folder that Dagster keeps runs in, with the project's dagster.yaml where there is one."""
    home = state.resolve() / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    settings = Path("dagster.yaml")
    if settings.exists():
        shutil.copy(settings, home / settings.name)
    return home


def _condition(state: Path, note: dict[str, Any], part: str, *, supervised: bool) -> Condition:
    size = _size(state / part)
    found = note.get("parts", {}).get(part)
    if found is None:
        return Condition("left out" if supervised else "stopped", size=size)
    runs = supervised and _process_runs(found["pid"], found["started"])
    return Condition("running" if runs else "dead", found["pid"], found["address"], size)


def _size(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder, onerror=None):
        for name in files:
            try:
                total += (Path(parent) / name).lstat().st_size
            except OSError:  # gone since it was listed
                continue
    return total


def _supervisor_runs(note: dict[str, Any]) -> bool:
    return _process_runs(note.get("pid"), note.get("started"))


def _all_run(note: dict[str, Any]) -> bool:
    return _supervisor_runs(note) and all(
        _process_runs(part["pid"], part["started"]) for part in note["parts"].values()
    )


def _info(state: Path, note: dict[str, Any], *, started_now: bool) -> StackInfo:
    addresses = {name: part["address"] for name, part in note["parts"].items()}
    return StackInfo(state, note["pid"], addresses, started_now)


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Keep two callers from starting and stopping one stack at once."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(state: Path, wanted: list[str]) -> dict[str, Any]:
    log = state / "supervisor.log"
    package_root = str(Path(__file__).resolve().parents[2])
    search = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
            [sys.executable, "-m", "aurora_dwh.local.supervisor", str(state), *wanted],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": search},
            start_new_session=True,
        )
    note: dict[str, Any] = {}

    def decided() -> bool:
        note.clear()
        note.update(read_json(state / _NOTE))
        return note.get("pid") == child.pid or child.poll() is not None

    in_time = wait_until(decided, _START_SECONDS)
    if "parts" in note and _all_run(note):
        return note
    if "error" in note:  # it is stopping the parts that it had started
        wait_until(lambda: child.poll() is not None, _STOP_SECONDS)
    child.kill()
    child.wait()
    _end(state, note)
    if not in_time:
        raise StackError(f"the embedded stack did not start within {_START_SECONDS:.0f} s; see {log}")
    raise StackError(f"the embedded stack did not start: {note.get('error') or _tail(log)}")


def _end(state: Path, note: dict[str, Any]) -> None:
    """Stop the supervisor, and what a killed one left behind."""
    for found in (note, *note.get("parts", {}).values()):
        if found.get("pid") is not None:
            end_process(found["pid"], found["started"], patience=_STOP_SECONDS)
    (state / _NOTE).unlink(missing_ok=True)


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-15:]) or f"its process ended without a word; see {log}"
