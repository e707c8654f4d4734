"""The database servers that this machine has: MySQL of 8.0 or later, and MariaDB.

Here: where they are looked for, and how each is called so that it uses nothing of the machine's own configuration. A
server is one that has made a data folder, its template, which later starts copy. Getting one is `install`'s business,
running one `database`'s.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

Kind = Literal["mysql", "mariadb"]
KINDS: Final = get_args(Kind)

SHARE: Final = Path(sys.prefix) / "share" / "servers"
"""What is taken or made for this environment alone: a folder for each kind, and the templates."""

PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec")
"""Where servers lie that are on nobody's PATH."""

BREW: Final = ("/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt")
"""Where Homebrew keeps a folder for each formula, `mysql@8.4` among them."""

_DAEMON: Final = {"mysql": "mysqld", "mariadb": "mariadbd"}
_CLIENT: Final = {"mysql": "mysql", "mariadb": "mariadb"}
_OLDEST: Final = {"mysql": (8, 0), "mariadb": (10, 6)}
_TABLES: Final = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
    "maria_add_gis_sp_bootstrap.sql",
)
"""What makes MariaDB's own tables; its mariadb-install-db is a package of its own and wants Perl."""

HINT: Final = f"{sys.executable} -m aurora_dwh.local.aurora.install"


class ServerMissingError(RuntimeError):
    """There is no server that works; the message says what was tried and what helps."""


@dataclass(frozen=True)
class Program:
    """A server that works here.

    Attributes:
        kind: Whose it is.
        version: Its version, as `8.0.43`.
        command: The server with the options that every start needs.
        client: The command line client; empty where it is missing.
        share: Its folder of messages and SQL files.
    """

    kind: Kind
    version: str
    command: tuple[str, ...]
    client: tuple[str, ...]
    share: Path

    @property
    def template(self) -> Path:
        """The data folder that it has made, to be copied."""
        home = SHARE if os.access(Path(sys.prefix), os.W_OK) else Path.home() / ".cache" / "aurora-dwh"
        return home / "templates" / f"{self.kind}-{self.version}"


def find(*kinds: Kind) -> Program:
    """Return the first server that works, in the order of the kinds.

    Raises:
        ServerMissingError: None does.
    """
    tried: list[str] = []
    for kind in kinds or KINDS:
        for daemon in _candidates(kind):
            try:
                return _prepared(kind, daemon)
            except (OSError, ValueError, subprocess.SubprocessError) as problem:
                tried.append(f"{daemon}: {problem}")
    wanted = " or ".join(_DAEMON[kind] for kind in kinds or KINDS)
    found = "\n".join(tried) or "none was found on PATH, in /usr/sbin, in Homebrew's folders or in the environment"
    raise ServerMissingError(
        f"no database server works here ({wanted}):\n{found}\nOn Debian and Ubuntu run: {HINT}; "
        f"on macOS: brew install {' '.join(kinds or ('mysql',))}"
    )


def _candidates(kind: Kind) -> Iterator[Path]:
    """Yield the server programs of a kind, the machine's own first, each once."""
    places = [*os.environ.get("PATH", "").split(os.pathsep), *PLACES]
    kegs = [keg / "bin" for brew in BREW for keg in sorted(Path(brew).glob(f"{kind}*"), reverse=True)]
    seen = set()
    for folder in (*map(Path, filter(None, places)), *kegs, SHARE / kind / "usr/sbin"):
        found = shutil.which(_DAEMON[kind], path=str(folder))  # None too where the folder is closed to this user
        if found and (daemon := Path(found).resolve()) not in seen:
            seen.add(daemon)
            yield daemon


def _prepared(kind: Kind, daemon: Path) -> Program:
    """Return a program whose template stands.

    Raises:
        ValueError: It is another kind's, too old, or its template cannot be made.
    """
    program = _program(kind, daemon)
    if not program.template.is_dir():
        program.template.parent.mkdir(parents=True, exist_ok=True)
        with (program.template.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not program.template.is_dir():
                _make_template(program)
    return program


def _program(kind: Kind, daemon: Path) -> Program:
    prefix = daemon.parent.parent
    loader = _loader(prefix)
    # The words behind the version name the maker: MariaDB's server may be called mysqld.
    said = _output([*loader, str(daemon), "--no-defaults", "--version"])
    version = re.search(r"Ver (\d+)\.(\d+)\.(\d+)(-MariaDB)?", said)
    if version is None or bool(version[4]) is not (kind == "mariadb"):
        raise ValueError(f"it is no {kind} server: {said.strip()[:200]}")
    if (int(version[1]), int(version[2])) < _OLDEST[kind]:
        raise ValueError(f"{kind} {version[1]}.{version[2]} is too old; it must be {_dotted(_OLDEST[kind])} or later")
    share = _share(kind, prefix)
    folders = (f"--lc-messages-dir={share}", f"--character-sets-dir={share / 'charsets'}")
    command = [*loader, str(daemon), "--no-defaults", *folders]
    if kind == "mysql":
        command.append(f"--basedir={prefix}")
    if (plugins := prefix / "lib" / "mysql" / "plugin").is_dir():
        command.append(f"--plugin-dir={plugins}")
    if os.geteuid() == 0:
        command.append("--user=root")  # either server refuses to run as root where this does not say so
    client = next((str(path) for path in _clients(kind, prefix) if path.is_file()), None)
    return Program(kind, _dotted(version.groups()[:3]), tuple(command), (*loader, client) if client else (), share)


def _dotted(parts: Sequence[object]) -> str:
    return ".".join(map(str, parts))


def _loader(prefix: Path) -> list[str]:
    """Return how a program is called that was unpacked with all its libraries: by its own loader."""
    if not prefix.is_relative_to(SHARE):
        return []
    root = prefix.parent
    libraries = [*root.glob("lib/*-linux-*"), *root.glob("usr/lib/*-linux-*"), root / "usr/lib/mysql/private"]
    loader = next(found for folder in libraries for found in folder.glob("ld-linux*.so.*"))
    return [str(loader), "--library-path", ":".join(map(str, libraries))]


def _share(kind: Kind, prefix: Path) -> Path:
    for folder in (prefix / "share/mysql", prefix / "share/mariadb", prefix / "share"):
        if (folder / "english").is_dir():
            return folder
    raise ValueError(f"the folder of its messages is missing under {prefix / 'share'}")


def _clients(kind: Kind, prefix: Path) -> Iterator[Path]:
    yield prefix / "bin" / _CLIENT[kind]
    if found := shutil.which(_CLIENT[kind]):
        yield Path(found)


def _output(command: Sequence[str], **options: object) -> str:
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, **options)  # type: ignore[call-overload] # noqa: S603
    said = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode:
        raise ValueError(said.strip()[-1500:] or f"it ended with {done.returncode}")
    return str(said)


def _make_template(program: Program) -> None:
    """Have a server make a data folder, whose only account for people is root@localhost, without a password."""
    draft = program.template.with_name(f"{program.template.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    common = [*program.command, f"--datadir={draft}"]
    try:
        if program.kind == "mysql":
            small = ("--innodb-redo-log-capacity=8M", "--secure-file-priv=", "--auto-generate-certs=OFF")
            _output([*common, "--initialize-insecure", *small])
        else:
            script = "\n".join(
                (
                    "CREATE DATABASE mysql;",
                    "USE mysql;",
                    "SET @auth_root_socket = NULL;",
                    *((program.share / name).read_text(encoding="utf-8") for name in _TABLES),
                    "DELETE FROM global_priv WHERE User = '' OR Host <> 'localhost';",
                    "",
                )
            )
            _output([*common, "--bootstrap", "--skip-networking"], input=script.encode())
        (draft / "auto.cnf").unlink(missing_ok=True)  # the server's own number, which each copy makes for itself
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    draft.rename(program.template)
