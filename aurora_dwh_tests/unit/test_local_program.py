"""Which database servers are found, which are passed over and why, and what is said where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aurora_dwh.local.aurora import install, program
from aurora_dwh.local.aurora.program import ServerMissingError, find


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH of a machine that has no server elsewhere either."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(program, "SHARE", tmp_path / "share")
    monkeypatch.setattr(program, "PLACES", ())
    monkeypatch.setattr(program, "BREW", ())
    monkeypatch.setattr(install, "SHARE", tmp_path / "share")
    return folder


def put(folder: Path, name: str, says: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
    (folder / name).chmod(0o755)


def test_the_servers_here_are_what_they_say() -> None:
    for kind in program.KINDS:
        found = find(kind)
        version = subprocess.run([*found.command, "--version"], capture_output=True, text=True, check=True).stdout
        assert found.version in version
        assert ("MariaDB" in version) is (kind == "mariadb")
        assert (found.template / "ibdata1").is_file()
        client = subprocess.run([*found.client, "--version"], capture_output=True, text=True, check=True).stdout
        assert ("MariaDB" in client) is (kind == "mariadb")
    assert find().kind == "mysql", "Aurora is MySQL"


@pytest.mark.parametrize(
    ("name", "says", "reason"),
    [
        ("mysqld", "mysqld  Ver 10.11.19-MariaDB for Linux", "it is no mysql server: mysqld  Ver 10.11.19-MariaDB"),
        ("mysqld", "mysqld  Ver 5.7.44 for Linux on x86_64", "mysql 5.7 is too old; it must be 8.0 or later"),
        ("mariadbd", "mariadbd  Ver 10.3.1-MariaDB for Linux", "mariadb 10.3 is too old; it must be 10.6 or later"),
        ("mysqld", "mysqld  Ver 8.0.43 for Linux", "the folder of its messages is missing under"),
        ("mysqld", "what?", "it is no mysql server: what?"),
    ],
)
def test_a_server_that_will_not_do_is_named_with_the_reason(machine: Path, name: str, says: str, reason: str) -> None:
    put(machine, name, says)
    with pytest.raises(ServerMissingError) as missing:
        find()
    assert f"{machine / name}: {reason}" in str(missing.value)


def test_a_server_that_does_not_work_is_passed_over_for_one_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "mysqld", "mysqld  Ver 5.7.44 for Linux on x86_64")
    expected = find("mysql")
    unreachable = "/" + "x" * 300
    monkeypatch.setenv("PATH", f"{unreachable}:{tmp_path}:{os.environ['PATH']}")
    assert find("mysql") == expected


def test_where_there_is_none_the_message_says_what_helps(machine: Path) -> None:
    with pytest.raises(ServerMissingError) as missing:
        find()
    said = str(missing.value)
    assert "no database server works here (mysqld or mariadbd)" in said
    assert f"On Debian and Ubuntu run: {sys.executable} -m aurora_dwh.local.aurora.install" in said
    assert "on macOS: brew install mysql" in said


def test_without_apt_installing_says_so_for_each_kind(machine: Path) -> None:
    with pytest.raises(ServerMissingError) as missing:
        install.provide("mysql", "mariadb")
    for kind in ("mysql", "mariadb"):
        assert f"{kind} from apt: this machine has no apt" in str(missing.value)


def test_a_mirror_without_the_packages_is_said(machine: Path) -> None:
    put(machine, "apt-get", "")
    put(machine, "apt-cache", "")
    with pytest.raises(ServerMissingError, match="mysql from apt: this machine takes no packages from Debian"):
        install.provide("mysql")
    assert list(install.SHARE.iterdir()) == []
