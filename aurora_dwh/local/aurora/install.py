"""Takes a database server into this environment: `python -m aurora_dwh.local.aurora.install`.

Nothing is installed on the machine and no privilege is needed: apt, which checks the signatures, downloads the packages
with all that they need from the mirror that the machine is set up with, and they are unpacked into one folder. Debian's
stable suites have no MySQL, so that it comes from the unstable one there.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from aurora_dwh.local.aurora.program import KINDS, SHARE, Kind, Program, ServerMissingError, find

_KEPT: Final = {"usr/share": ("mysql", "mariadb"), "usr/bin": ("mysql", "mariadb")}
"""What is kept of the folders that hold much else."""


def provide(*kinds: Kind) -> Program:
    """Return the first server that works, after taking one into the environment where none does.

    Args:
        kinds: Which will do, the best first.

    Raises:
        ServerMissingError: There is none, and none could be had; the message says what was tried and what helps.
    """
    try:
        return find(*kinds)
    except ServerMissingError as missing:
        tried = []
        for kind in kinds:
            sys.stderr.write(f"Taking {kind} from apt into {SHARE / kind}\n")
            try:
                _take(kind)
                return find(kind)
            except (OSError, subprocess.SubprocessError, ServerMissingError) as problem:
                tried.append(f"{kind} from apt: {_said(problem)}")
        raise ServerMissingError("\n".join([str(missing), *tried])) from missing


def _said(problem: Exception) -> str:
    words = problem.stderr if isinstance(problem, subprocess.CalledProcessError) else str(problem)
    return str(words).strip()[-600:]


def _take(kind: Kind) -> None:
    """Download a server's packages and unpack them.

    Raises:
        OSError: There is no apt here, or no room.
        subprocess.SubprocessError: apt cannot serve it.
    """
    if shutil.which("apt-get") is None:
        raise OSError("this machine has no apt")
    SHARE.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=SHARE) as folder:
        apt = _Apt(Path(folder))
        for use in (apt.use_own_suites, apt.use_unstable):
            use()
            if names := apt.names(f"^{kind}-(server|client)-core"):
                break
        else:
            raise OSError(f"neither the machine's suites nor Debian's unstable one have a {kind}-server-core")
        root = Path(folder) / "root"
        for package in apt.download(names):
            _run(["dpkg-deb", "--extract", str(package), str(root)])
        for parent, kept in _KEPT.items():
            for waste in [one for one in (root / parent).iterdir() if one.name not in kept]:
                shutil.rmtree(waste) if waste.is_dir() and not waste.is_symlink() else waste.unlink()
        shutil.rmtree(SHARE / kind, ignore_errors=True)
        root.rename(SHARE / kind)


class _Apt:
    """apt with folders of its own, in which nothing is installed: all that is needed comes along, a C library too."""

    def __init__(self, home: Path) -> None:
        self._home = home
        for folder in ("etc/preferences.d", "etc/apt.conf.d", "state/lists/partial", "cache/archives/partial"):
            (home / folder).mkdir(parents=True)
        (home / "status").touch()
        self._sources: list[str] = []

    def use_own_suites(self) -> None:
        """Take packages from where the machine's own come from."""
        self._run("update")

    def use_unstable(self) -> None:
        """Take packages from Debian's unstable suite, on the mirror of the machine's own."""
        form = "deb [signed-by=$(SIGNED_BY)] $(REPO_URI) sid $(COMPONENT)"
        targets = _run(["apt-get", "indextargets", f"--format=$(ORIGIN)|$(LABEL)|{form}", "Identifier: Packages"])
        lines = [line.partition("|Debian|")[2] for line in targets.splitlines() if line.startswith("Debian|Debian|")]
        main = [line for line in lines if line.endswith(" main")]
        if not main:
            raise OSError("this machine takes no packages from Debian")
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        line = re.sub(r"signed-by=(\$\(SIGNED_BY\))?\]", f"signed-by={keys}]", main[0])
        (self._home / "sources.list").write_text(line + "\n", encoding="utf-8")
        own = ("etc::sourcelist", self._home / "sources.list"), ("etc::sourceparts", "-")
        self._sources = [f"-o=Dir::{name}={value}" for name, value in own]
        self._run("update")

    def names(self, pattern: str) -> list[str]:
        """Return the packages of a name that are newest in their kind."""
        found = self._run("search", "--names-only", pattern, program="apt-cache").splitlines()
        by_role: dict[str, str] = {}
        for name in sorted((line.split(" ")[0] for line in found), key=_by_version):
            by_role["server" if "-server-" in name else "client"] = name
        return list(by_role.values()) if "server" in by_role else []

    def download(self, names: Sequence[str]) -> list[Path]:
        """Return the files of packages and of all that they need."""
        self._run("install", "--yes", "--download-only", "--no-install-recommends", *names)
        return sorted((self._home / "cache/archives").glob("*.deb"))

    def _run(self, *arguments: str, program: str = "apt-get") -> str:
        home = self._home
        folders = {"State": home / "state", "State::status": home / "status", "Cache": home / "cache"}
        options = [f"-o=Dir::{name}={value}" for name, value in folders.items()]
        return _run([program, "-qq", *options, "-o=APT::Sandbox::User=", *self._sources, *arguments])


def _by_version(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _run(command: Sequence[str]) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)  # noqa: S603 - apt, dpkg
    return done.stdout


def main() -> int:
    """Provide one server for each argument: a kind, or kinds of which one will do, as `mysql,mariadb`."""
    parser = argparse.ArgumentParser(prog="python -m aurora_dwh.local.aurora.install", description=__doc__)
    parser.add_argument("wanted", nargs="*", default=[",".join(KINDS)], metavar="KIND[,KIND]")
    for wanted in parser.parse_args().wanted:
        try:
            provide(*(kind for kind in KINDS if kind in wanted.split(",")))
        except ServerMissingError as missing:
            sys.stderr.write(f"{missing}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
