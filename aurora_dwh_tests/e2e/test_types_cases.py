"""The acceptance cases about values and names, one or more tests each, from a real server into the warehouse."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.source import selection
from aurora_dwh.source.connection import Connection
from aurora_dwh.source.discovery import read_schema
from aurora_dwh_tests.e2e.test_types import verify
from aurora_dwh_tests.e2e.test_types_policies import converted, refused
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.sampling import soak
from aurora_dwh_tests.servers import (  # noqa: F401 - both servers here, unlike elsewhere in this folder
    mariadb_in_soak,
    server,
)

DAY = "2024-01-01"


def copied(world: World, columns: str, *rows: str, fields: str = "") -> list[tuple[Any, ...]]:
    """Copy a table of these columns and rows, prove it equal, and return what staging holds, sorted by its key."""
    world.catalog(f"t: {{key: id, cursor: at{fields}}}")
    world.at_source(
        "SET SESSION sql_mode = ''",
        f"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME DEFAULT '2023-12-31', {columns}, KEY (at))",
    )
    names = [name for name in world.columns("t") if name not in ("id", "at")]
    with world.source(sql_mode="") as connection, connection.cursor() as cursor:
        for row in rows:
            cursor.execute(f"INSERT INTO t ({', '.join(f'`{n}`' for n in names)}) VALUES ({row})")
    world.load(DAY, "t")
    verdict = verify("t")
    assert verdict.equal, verdict.differences
    assert verdict.source_rows == len(rows)
    listed = ", ".join(f'"{name}"' for name in names)
    return world.ask_warehouse(f"SELECT {listed} FROM staging.t ORDER BY id")


def types(world: World, table: str = "t") -> dict[str, str]:
    """Return the staging table's types by column, as the warehouse tells them."""
    return {
        name: kind if width is None else f"{kind}({width})"
        for name, kind, width in world.ask_warehouse(
            "SELECT column_name, data_type, character_maximum_length FROM svv_all_columns "
            f"WHERE schema_name = 'staging' AND table_name = '{table}'"
        )
    }


@mariadb_in_soak
def test_a02_a03_integers_are_exact_at_their_ends_and_one_of_width_one_is_no_boolean(world: World) -> None:
    columns = (
        "a BIGINT UNSIGNED, b INT UNSIGNED, c MEDIUMINT UNSIGNED, d SMALLINT UNSIGNED, e TINYINT UNSIGNED, "
        "f TINYINT(1), g BOOL"
    )
    given = [
        (18446744073709551615, 4294967295, 16777215, 65535, 255, -128, 127),
        (9223372036854775808, 2147483648, 8388608, 32768, 128, 127, -128),
        *((0, 0, 0, 0, 0, small, small) for small in (-1, 0, 1, 2)),
    ]
    rows = copied(world, columns, *(", ".join(map(str, row)) for row in given))
    assert [tuple(map(int, row)) for row in rows] == given
    assert not [value for row in rows for value in row if isinstance(value, bool)]
    found = types(world)
    assert [found[c] for c in "abcdefg"] == ["numeric", "bigint", "integer", "integer", *["smallint"] * 3]


WIDE = "10000000000000000000000000000000000000000.0001"


@mariadb_in_soak
def test_a04_decimals_keep_every_digit_and_those_that_redshift_cannot_hold_are_text(world: World) -> None:
    digits = "12345678901234567890123456789012345"
    values = (f"{digits}.123456789012345678901234567890", f"-{digits}.000000000000000000000000000001")
    ends = ("9999999999999999999999999999.9999999999", "-0.0000000001")
    rows = copied(
        world,
        "a DECIMAL(65,30), b DECIMAL(60,4), c DECIMAL(38,10), d DECIMAL(38,0), e DECIMAL(10,2), f DECIMAL(30,30)",
        f"'{values[0]}', '{WIDE}', '{ends[0]}', '{'9' * 38}', '0.10', '0.{'9' * 30}'",
        f"'{values[1]}', '-{WIDE}', '{ends[1]}', '-{'9' * 38}', '-12.50', '-0.{'0' * 29}1'",
    )
    assert rows[0][:2] == (values[0], WIDE)
    assert rows[1][:2] == (values[1], f"-{WIDE}")
    assert [str(v) for v in rows[0][2:5]] == [ends[0], "9" * 38, "0.10"]
    assert [v == Decimal(t) for v, t in zip(rows[1][2:], (ends[1], "-" + "9" * 38, "-12.50", "-1e-30"), strict=True)]
    assert types(world)["a"] == "character varying(68)"


@mariadb_in_soak
def test_a05_texts_are_as_wide_as_their_bytes(world: World) -> None:
    fullest = ("🍣" * 100, "寿" * 255, "ไ" * 20, "漢" * 7)
    rows = copied(
        world,
        "a VARCHAR(100), b CHAR(255), c TINYTEXT, d VARCHAR(7) CHARACTER SET cp932, e VARCHAR(16000)",
        ", ".join(f"'{text}'" for text in (*fullest, "🍣" * 16_000)),
    )
    assert rows == [(*fullest, "🍣" * 16_000)]
    found = types(world)
    assert [found[c] for c in "abde"] == [f"character varying({n})" for n in (400, 1020, 28, 64_000)]


@mariadb_in_soak
def test_a07_nothing_is_taken_for_null_and_null_for_nothing(world: World) -> None:
    texts = ("", " ", "NULL", "null", "\\N", "\\\\N", "a  ", '""', "''", "0", "None", "nan")
    quoted = [text.replace("\\", "\\\\").replace("'", "''") for text in texts]
    rows = copied(
        world,
        "a VARCHAR(20), b TEXT NOT NULL, c VARBINARY(20), d ENUM('', 'NULL')",
        *(f"'{text}', '{text}', '{text}', ''" for text in quoted),
        "NULL, '', NULL, NULL",
        "'', '', '', 'NULL'",
    )
    expected = [(text, text, text.encode().hex(), "") for text in texts]
    assert rows == [*expected, (None, "", None, None), ("", "", "", "NULL")]


def test_a08_bytes_that_break_text_formats_arrive(world: World) -> None:
    texts = [chr(n) for n in range(1, 256)] + ["\r\n", 'a"b,c', "\\", "\\n", "|\t;", "\u2028\ufeff", "{}", "%s", "$1"]
    world.catalog("t: {key: id, cursor: at}")
    world.at_source(
        "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME, v TEXT, l VARCHAR(9) CHARACTER SET latin1, KEY (at))"
    )
    with world.source() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO t VALUES (%s, '2023-12-31', %s, %s)",
            [(n, t, t if max(t) < "\x80" else "ÿ") for n, t in enumerate(texts)],
        )
    world.load(DAY, "t")
    world.assert_equal("t")
    assert [v for (v,) in world.ask_warehouse("SELECT v FROM staging.t ORDER BY id")] == texts
    assert verify("t").equal


@mariadb_in_soak
def test_a08_bytes_that_are_no_utf8_fail_and_name_column_row_and_value(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server converts every character set, so the bytes come from a binary column that is taken for text."""
    world.catalog("t: {key: id, cursor: at}")
    world.at_source(
        "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME, v VARBINARY(9), KEY (at))",
        "INSERT INTO t VALUES (1, '2023-12-31', 'fine'), (2, '2023-12-31', x'ff00')",
    )
    discovered_as(monkeypatch, v="varchar")
    failure = refused(world, "t")
    assert "column 'v' in the row id = 2: the bytes x'ff00' are no valid UTF-8" in failure
    assert "`exclude`" in failure


@mariadb_in_soak
def test_a09_every_byte_arrives(world: World) -> None:
    every = bytes(range(256)).hex()
    ids = [uuid.UUID(int=n).hex for n in (0, 1, 2**127 + 1, 2**128 - 1)] + ["f" * 30 + "00"]
    png = "89504e470d0a1a0a"
    rows = copied(
        world,
        "a BINARY(16), b BLOB, c VARBINARY(300), d TINYBLOB, e BINARY(8)",
        *(f"x'{identity}', x'{every}', x'{every}00', x'00', x'{png}'" for identity in ids),
        "x'01', '', '', '', x'89'",
    )
    assert rows[:-1] == [(identity, every, every + "00", "00", png) for identity in ids]
    assert rows[-1] == ("01" + "00" * 15, "", "", "", "89" + "00" * 7)
    assert types(world)["a"].startswith("binary varying")


def test_a10_times_outside_a_day_arrive_as_they_are(world: World) -> None:
    times = ("-838:59:59", "-00:00:01", "25:30:00", "838:59:59", "00:00:00", "23:59:59")
    rows = copied(
        world,
        "a TIME, b TIME(6), c TIME(3)",
        *(f"'{t}', '{t}', '{t}'" for t in times),
        "NULL, '-00:00:00.000001', '838:59:59.000'",
        "'1:2:3', '838:59:59.999999', '-00:00:00.001'",
    )
    assert rows[:-2] == [(t, f"{t}.000000", f"{t}.000") for t in times]
    assert rows[-2:] == [
        (None, "-00:00:00.000001", "838:59:59.000"),
        ("01:02:03", "838:59:59.999999" if world.server.is_mariadb else "838:59:59.000000", "-00:00:00.001"),
    ]


# A11: zones.

INSTANTS = ("2024-03-08 15:00:00.000001", "2024-03-10 07:59:59", "2024-03-10 08:00:00", "2024-11-03 06:30:00")
"""In UTC: midnight in Tokyo, both sides of the hour that Chicago skips, and one that it has twice."""


@pytest.fixture
def worker_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let this process be in a zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("server", "server_zone", "worker_zone", "catalog_zone"),
    [
        soak("mysql", "+00:00", "UTC", "UTC"),
        ("mysql", "+09:00", "America/Chicago", "Asia/Tokyo"),
        soak("mysql", "-06:00", "Asia/Tokyo", "America/Chicago"),
        soak("mysql", "+05:45", "Pacific/Kiritimati", "Asia/Kathmandu"),
        ("mariadb", "-06:00", "Asia/Tokyo", "America/Chicago"),
    ],
    indirect=["server", "worker_zone"],
)
def test_a11_zones_of_server_worker_and_catalog_change_no_byte(
    world: World, server_zone: str, worker_zone: str, catalog_zone: str
) -> None:
    assert os.environ["TZ"] == worker_zone
    world.catalog("t: {key: id, cursor: changed}", timezone=catalog_zone, start_date="2024-03-07")
    world.at_source(
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, changed TIMESTAMP(6) NULL, ts TIMESTAMP(6) NULL, "
        "dt DATETIME(6), d DATE, KEY (changed))"
    )
    for instant in INSTANTS:
        clock = instant.replace("15:", "00:")
        changed = instant.replace("-11-03", "-03-09")
        world.at_source(f"INSERT INTO t (changed, ts, dt, d) VALUES ('{changed}', '{instant}', '{clock}', '{clock}')")
    world.at_source(f"SET GLOBAL time_zone = '{server_zone}'")
    try:
        world.load("2024-03-08", "t", last="2024-03-11")
        full = _moments(world)
        world.load("2024-03-09", "t")
        world.load("2024-03-10", "t")
        assert _moments(world) == full, "a day that is loaded again is the same as the first load"
        assert verify("t").equal
    finally:
        world.at_source("SET GLOBAL time_zone = 'SYSTEM'")
    assert full == [(_padded(instant), _padded(instant.replace("15:", "00:")), instant[:10]) for instant in INSTANTS]


def _moments(world: World) -> list[tuple[str, str, str]]:
    shape = "'YYYY-MM-DD HH24:MI:SS.US'"
    return world.ask_warehouse(
        f"SELECT TO_CHAR(ts, {shape}), TO_CHAR(dt, {shape}), TO_CHAR(d, 'YYYY-MM-DD') FROM staging.t ORDER BY id"
    )


def _padded(moment: str) -> str:
    return moment if "." in moment else f"{moment}.000000"


# A22: names.


@mariadb_in_soak
def test_a22_odd_names_are_copied_and_proved_equal(world: World) -> None:
    tables = ("order", "table_with_space and UPPERcase", "n" * 64, "表" * 20, 'a"b')
    columns = ("group", "Case", "full", " x y", "c" * 64, "列", "per%cent", "bra{ce}", "it's")
    world.catalog("\n".join(f"'{table}': {{mode: full, key: group}}" for table in tables))
    listed = ", ".join(f"`{name}` VARCHAR(9)" for name in columns)
    for table in tables:
        world.at_source(
            f"CREATE TABLE `{table}` ({listed})",
            f"INSERT INTO `{table}` VALUES ({', '.join(repr(str(n)) for n in range(len(columns)))})",
        )
    world.load(DAY, *tables)
    listed = ", ".join(f'"{column.lower()}"' for column in columns)
    for table in tables:
        name = table.lower().replace('"', '""')
        assert world.ask_warehouse(f'SELECT {listed} FROM staging."{name}"') == [tuple(map(str, range(len(columns))))]
        assert verify(table).equal
    world.ask_warehouse(f'UPDATE staging."{name}" SET "bra{{ce}}" = \'x\'')
    assert verify(tables[-1]).differences[0] == "columns that differ: bra{ce}"


@mariadb_in_soak
def test_a22_names_that_become_one_are_an_error_and_no_merge(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server folds a column's name any more, so two that differ by case are put into what is discovered."""
    world.catalog("t: {mode: full}")
    world.at_source("CREATE TABLE t (a INT, b INT)", "INSERT INTO t VALUES (1, 2)")

    def twice(connection: Connection, database: str, table: str) -> TableSchema:
        schema = read_schema(connection, database, table)
        first, second = schema.columns
        return TableSchema(database, table, (_renamed(first, "Name"), _renamed(second, "nAME")))

    monkeypatch.setattr(selection, "read_schema", twice)
    failure = refused(world, "t")
    assert "'Name' and 'nAME' both become 'name' in Redshift" in failure
    assert "`exclude`" in failure


def _renamed(column: Column, name: str) -> Column:
    return replace(column, name=name)


# A29: JSON. MariaDB has the type by name only, so its columns are taken for what they are in MySQL.

DOCUMENTS = (
    "null",
    '"text"',
    '"null"',
    '"{\\"a\\": 1}"',
    "[]",
    "{}",
    "true",
    "18446744073709551615",
    "-9223372036854775808",
    "0.1",
    '{"b": 1, "a": [null, {"z": "寿司🍣", "é": "\\u00e9\\n\\"\\\\"}], "": ""}',
    '[1.50, 1e2, "1"]',
)


def discovered_as(monkeypatch: pytest.MonkeyPatch, **kinds: str) -> None:
    """Let columns be discovered as of another type."""

    def discovered(connection: Connection, database: str, table: str) -> TableSchema:
        schema = read_schema(connection, database, table)
        columns = (
            replace(c, data_type=kinds[c.name], column_type=kinds[c.name]) if c.name in kinds else c
            for c in schema.columns
        )
        return replace(schema, columns=tuple(columns))

    monkeypatch.setattr(selection, "read_schema", discovered)


def documents(world: World, monkeypatch: pytest.MonkeyPatch, *texts: str | None, fields: str = "") -> None:
    discovered_as(monkeypatch, doc="json")
    world.catalog(f"t: {{key: id, cursor: at{fields}}}")
    world.at_source("CREATE TABLE t (id INT PRIMARY KEY, at DATETIME, doc JSON, KEY (at))")
    with world.source() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO t VALUES (%s, '2023-12-31', %s)", list(enumerate(texts)))


def test_a29_documents_become_super_and_not_texts_of_documents(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    documents(world, monkeypatch, *DOCUMENTS, None)
    world.load(DAY, "t")
    assert types(world)["doc"].startswith("super")
    text = "CASE WHEN doc IS NULL THEN NULL ELSE JSON_SERIALIZE(doc) END"  # which of NULL is the text null
    rows = world.ask_warehouse(f"SELECT {text}, JSON_TYPEOF(doc) FROM staging.t ORDER BY id")
    assert rows[-1][0] is None, "SQL's NULL is no document"
    assert [json.loads(text, parse_float=Decimal) for text, _ in rows[:-1]] == [
        json.loads(text, parse_float=Decimal) for text in DOCUMENTS
    ]
    kinds = ["null", "string", "string", "string", "array", "object", "boolean", "number", "number", "number"]
    assert [kind for _, kind in rows[: len(kinds)]] == kinds
    assert verify("t").equal, verify("t").differences
    world.ask_warehouse("UPDATE staging.t SET doc = NULL WHERE id = 0")
    assert verify("t").differences == (
        "columns that differ: doc",
        "id='0': doc is 'null' in Aurora, NULL in Redshift",
    )
    world.ask_warehouse("UPDATE staging.t SET doc = JSON_PARSE('null') WHERE id = 0")
    world.ask_warehouse("""UPDATE staging.t SET doc = JSON_PARSE('"0.1"') WHERE id = 9""")
    assert len(verify("t").differences) == 2


LONG_DOCUMENT = json.dumps(["寿司" * 10] * 1_100, ensure_ascii=False)


@mariadb_in_soak
def test_a29_a_document_that_is_too_long_fails_by_default(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    documents(world, monkeypatch, "{}", LONG_DOCUMENT)
    failure = refused(world, "t")
    for part in ("table t, column 'doc'", "id = 1", "`oversize: null`", f"{len(LONG_DOCUMENT.encode()):,} bytes"):
        assert part in failure


@mariadb_in_soak
def test_a29_a_document_that_is_too_long_cannot_be_cut(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    documents(world, monkeypatch, "{}", LONG_DOCUMENT, fields=", oversize: truncate")
    failure = refused(world, "t")
    for part in ("table t, column 'doc'", "id = 1", "`oversize: null`", "cannot be cut"):
        assert part in failure


@mariadb_in_soak
def test_a29_a_document_that_is_too_long_is_null_and_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    documents(world, monkeypatch, "{}", LONG_DOCUMENT, '"' + "x" * 65_533 + '"', fields=", oversize: 'null'")
    world.load(DAY, "t")
    assert converted(world, "t") == {"doc": {"oversize": 1}}
    assert world.ask_warehouse("SELECT id FROM staging.t WHERE doc IS NULL") == [(1,)]
    assert verify("t").equal, verify("t").differences


@mariadb_in_soak
def test_a29_a_masked_document_is_no_difference(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    documents(world, monkeypatch, '{"secret": 1}', None, fields=", mask: {doc: null}")
    world.load(DAY, "t")
    assert world.ask_warehouse("SELECT COUNT(*) FROM staging.t WHERE doc IS NULL") == [(2,)]
    assert verify("t").equal, verify("t").differences


# A30: ENUM and SET.


def test_a30_members_of_enum_and_set_arrive_as_texts(world: World) -> None:
    rows = copied(
        world,
        "e ENUM('a,b', 'it''s', '寿司', ' x', 'zerofill unsigned'), s SET('a', 'b c', '寿司', 'd''e'), "
        "l ENUM('é', 'ü') CHARACTER SET latin1",
        "'a,b', 'a,b c,寿司,d''e', 'é'",
        "'it''s', '', 'ü'",
        "'寿司', 'd''e,a', 'é'",
        "'unknown', 'b c', 'none'",
        "' x', 'a', NULL",
        "'zerofill unsigned', NULL, 'é'",
    )
    assert rows == [
        ("a,b", "a,b c,寿司,d'e", "é"),
        ("it's", "", "ü"),
        ("寿司", "a,d'e", "é"),
        ("", "b c", ""),
        (" x", "a", None),
        ("zerofill unsigned", None, "é"),
    ]
