"""What docs/types.md says of MySQL and MariaDB, asked of both by a plain driver that converts nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pymysql
import pytest
from pymysql.cursors import Cursor

from aurora_dwh.core.schema import TYPE_RULES
from aurora_dwh.source.connection import connect
from aurora_dwh.source.discovery import read_schema
from aurora_dwh_tests.servers import Server
from docs._generate.types_page import PAGE
from docs._generate.types_probes import PROBES, Answer, Probe, Since


def test_every_type_was_asked_about_and_stands_in_the_page() -> None:
    rules = [rule.mysql for rule in TYPE_RULES]
    assert list(PROBES) == rules
    _, _, section = PAGE.read_text(encoding="utf-8").partition("## Where MySQL and MariaDB differ\n")
    told = [line.split(" | ")[0].removeprefix("| ") for line in section.splitlines() if line.startswith("| ")]
    assert list(dict.fromkeys(told[2:])) == rules


@pytest.fixture
def cursor(server: Server, database: str) -> Iterator[Cursor]:
    """A cursor in an empty database, which gives all values as texts."""
    with pymysql.connect(**server.arguments(database), autocommit=True, conv={}) as connection:
        yield connection.cursor()


@pytest.mark.parametrize("type_", PROBES)
def test_both_servers_answer_as_the_page_says(cursor: Cursor, server: Server, type_: str) -> None:
    for probe in PROBES[type_]:
        cursor.execute("DROP TABLE IF EXISTS t")
        if isinstance(probe, Since):
            since = probe.mariadb if server.is_mariadb else probe.mysql
            version = tuple(map(int, server.program.version.split(".")))
            has_it = since is not None and version >= since
            assert (_answer(cursor, Probe(probe.column, "", "", "")) not in (1064, 4161)) is has_it, probe
        else:
            assert _answer(cursor, probe) == (probe.mariadb if server.is_mariadb else probe.mysql), probe


def test_a_column_of_each_type_falls_under_its_row_of_the_map(cursor: Cursor, server: Server, database: str) -> None:
    """But for MariaDB's JSON, which is a text."""
    for type_, probes in PROBES.items():
        for probe in probes:
            cursor.execute("DROP TABLE IF EXISTS t")
            if isinstance(_answer(cursor, Probe(probe.column, "", "", "")), int):
                continue
            with connect(**server.arguments(database)) as session:
                (column,) = read_schema(session, database, "t").columns
            is_text = server.is_mariadb and type_ == "JSON"
            assert column.rule.mysql == ("CHAR, VARCHAR, TEXT family" if is_text else type_), probe


def _answer(cursor: Cursor, probe: Probe) -> Answer:
    try:
        cursor.execute(f"CREATE TABLE t (c {probe.column})")
        if not probe.value:
            of_t = "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't'"
            cursor.execute(f"SELECT COLUMN_TYPE FROM information_schema.COLUMNS {of_t}")
        else:
            cursor.execute(f"INSERT INTO t VALUES ({probe.value})")
            cursor.execute(f"SELECT {probe.read} FROM t")
    except pymysql.err.MySQLError as error:
        return int(error.args[0])
    ((answer,),) = cursor.fetchall()
    return answer.decode() if isinstance(answer, bytes) else str(answer)
