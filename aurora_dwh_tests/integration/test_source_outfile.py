"""What Aurora is asked to write, computed by a real server: every field is the whole value, every misfit is found."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pymysql
import pytest

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import CSV_NULL, Column, TableSchema
from aurora_dwh.source.chunks import piece_conditions
from aurora_dwh.source.connection import Connection, connect, execute
from aurora_dwh.source.discovery import read_schema
from aurora_dwh.source.export import require_export
from aurora_dwh.source.keyset import primary_keyset
from aurora_dwh.source.masking import treat
from aurora_dwh.source.outfile import select_csv
from aurora_dwh.source.reader import read
from aurora_dwh.source.value_checks import count_rows, first_row, misfits
from aurora_dwh_tests.e2e import type_samples
from aurora_dwh_tests.e2e.type_samples import SAMPLES
from aurora_dwh_tests.servers import Server, numbers

DAY = date(2024, 1, 5)


@pytest.fixture
def source(server: Server, database: str) -> Iterator[Connection]:
    """The product's session."""
    connection = connect(**server.arguments(database))
    yield connection
    connection.close()


@pytest.fixture
def writer(server: Server, database: str) -> Iterator[pymysql.connections.Connection[Any]]:
    """A client that writes rows, zero dates too."""
    connection = server.connect(database)
    with connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'ALLOW_INVALID_DATES'")
    yield connection
    connection.close()


def table(name: str, **fields: Any) -> Table:
    return Table(name=name, **{"key": "id", "cursor": "changed", **fields})


def run(connection: Any, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def fields_of(source: Connection, database: str, chosen: Table) -> tuple[TableSchema, list[tuple[Any, ...]]]:
    """Return the schema and the rows that Aurora would write, by a plain client."""
    schema = treat(read_schema(source, database, chosen.name), chosen)
    rows = execute(source, select_csv(schema, chosen, where=["TRUE"], day=DAY, read_at="'2024-01-06 00:00:00'"))
    assert all(isinstance(field, str) for row in rows for field in row), "a field is no text"
    assert all(row[-2:] == ("2024-01-05", "2024-01-06 00:00:00") for row in rows)
    return schema, rows


def as_loaded(column: Column, field: str) -> Any:
    """Return the value that Redshift's COPY makes of a field in a column's type."""
    if field == CSV_NULL:
        return None
    kind = column.redshift_type.partition("(")[0]
    match kind:
        case "SMALLINT" | "INTEGER" | "BIGINT":
            return int(field)
        case "DECIMAL":
            return Decimal(field)
        case "REAL":
            (value,) = struct.unpack("<f", struct.pack("<f", float(field)))
            return value
        case "DOUBLE PRECISION":
            return float(field)
        case "BOOLEAN":
            return {"0": False, "1": True}[field]
        case "DATE":
            return date.fromisoformat(field)
        case "TIMESTAMP":
            return datetime.fromisoformat(field)
        case "VARBYTE":
            assert field.startswith("00")
            return bytes.fromhex(field)[1:]
    return field


@pytest.mark.parametrize("count", [400, pytest.param(3_000, marks=pytest.mark.soak)])
def test_every_type_is_written_as_text_that_has_the_whole_value(
    source: Connection, writer: Any, database: str, count: int
) -> None:
    names = tuple(SAMPLES)
    run(writer, "SET sql_mode = ''", type_samples.create("every", names))
    type_samples.write(writer, "every", type_samples.rows(count, 11, names), names)
    schema, rows = fields_of(source, database, table("every"))
    listed = ", ".join(SAMPLES[name].read.format(f"`{name}`") for name in names)
    with writer.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(f"SELECT id, {listed} FROM every")
        there = {row[0]: row[1:] for row in cursor.fetchall()}
    assert len(rows) == len(there) == count
    wrong = []
    for row in rows:
        own = dict(zip([c.name for c in schema.columns], row, strict=False))
        for name, original in zip(names, there[int(own["id"])], strict=True):
            copied = as_loaded(schema.column(name), own[name])
            if type_samples.plain(name, original) != type_samples.plain(name, copied):
                wrong.append(f"{name}: {original!r:.100} is written as {own[name]!r:.100}")
    assert not wrong, "\n".join(wrong[:20])


ODD = (
    "CREATE TABLE odd (id INT PRIMARY KEY, changed DATETIME, d DATE, dt DATETIME(3), ts TIMESTAMP(3) NULL, "
    "t LONGTEXT, l TEXT CHARACTER SET latin1, u VARCHAR(40) CHARACTER SET ucs2, b LONGBLOB, j JSON)"
)
ODD_ROWS = (
    "INSERT INTO odd VALUES (1, NULL, '2024-02-29', '9999-12-31 23:59:59.999', NULL, 'a', 'a', 'a', x'00', '1'), "
    "(2, NULL, '0000-00-00', '0000-00-00', '0000-00-00', 'a\\0b', 'é\\0', '寿\\0', x'0000', NULL), "
    "(3, NULL, '2021-00-00', '2021-02-31 01:02:03', NULL, REPEAT('🍣', 16384), REPEAT(_latin1 x'ff', 40000), 'a', "
    "REPEAT('x', 64001), CONCAT('\"', REPEAT('x', 65535), '\"')), "
    "(4, NULL, '2023-02-29', '2021-00-05', NULL, NULL, NULL, NULL, NULL, NULL), "
    f"(5, NULL, '0600-12-02', NULL, NULL, '{CSV_NULL}', '<aurora-dwh null>', '{CSV_NULL}', '{CSV_NULL}', '\"\"'), "
    "(6, NULL, NULL, NULL, NULL, CONCAT(REPEAT('é', 32767), '\\0\\0'), '\\0', '', '', NULL)"
)
FOUND = {
    ("d", "zero_date"): 2, ("d", "invalid_date"): 1, ("dt", "zero_date"): 2, ("dt", "invalid_date"): 1,
    ("ts", "zero_date"): 1, ("t", "nul_bytes"): 2, ("l", "nul_bytes"): 2, ("u", "nul_bytes"): 1,
    ("t", "oversize"): 2, ("l", "oversize"): 1, ("b", "oversize"): 1, ("j", "oversize"): 1,
    ("t", "null_mark"): 1, ("u", "null_mark"): 1,
}  # fmt: skip


def counted(source: Connection, schema: TableSchema, chosen: Table) -> dict[tuple[str, str], int]:
    kinds = misfits(schema, chosen)
    ((rows, _, *counts),) = execute(source, count_rows(schema, kinds, []))
    assert rows == 6
    return {(k.column.name, k.reason): n for k, n in zip(kinds, counts, strict=True) if n}


def test_every_misfit_is_counted_by_the_source(source: Connection, writer: Any, database: str) -> None:
    run(writer, ODD, ODD_ROWS)
    chosen = table("odd")
    schema = read_schema(source, database, "odd")
    document = Column("j", "json", "json")  # MariaDB calls it a longtext
    schema = TableSchema(database, "odd", (*schema.columns[:-1], document), schema.primary_key)
    assert counted(source, schema, chosen) == FOUND
    removing = table("odd", nul_bytes="remove")
    # Two bytes of row 6's text are gone before its size is looked at.
    assert counted(source, schema, removing) == {**FOUND, ("t", "oversize"): 1}
    first = {(k.column.name, k.reason): execute(source, first_row(schema, k, []))[0] for k in misfits(schema, chosen)
             if (k.column.name, k.reason) in FOUND}  # fmt: skip
    assert first["d", "zero_date"] == (2, "0000-00-00", 10)
    assert first["dt", "invalid_date"] == (3, "2021-02-31 01:02:03.000", 23)
    assert first["t", "nul_bytes"] == (2, "a\0b", 3)
    assert first["l", "oversize"] == (3, "ÿ" * 100, 80_000)
    assert first["b", "oversize"] == (3, b"x" * 100, 64_001)


@pytest.mark.parametrize("oversize", ["truncate", "null"])
def test_what_a_policy_changes_is_changed_in_the_select_list(
    source: Connection, writer: Any, database: str, oversize: str
) -> None:
    run(writer, ODD, ODD_ROWS)
    chosen = table("odd", nul_bytes="remove", oversize=oversize, exclude="j")
    schema = read_schema(source, database, "odd").select(exclude=("j",))
    rows = execute(source, select_csv(schema, chosen, where=[], day=DAY, read_at="NULL"))
    d, dt, ts, t, l, u, b = (list(values) for values in list(zip(*rows, strict=True))[2:9])  # noqa: E741
    assert d == ["2024-02-29", CSV_NULL, CSV_NULL, CSV_NULL, "0600-12-02", CSV_NULL]
    assert dt == ["9999-12-31 23:59:59.999", *[CSV_NULL] * 5]
    assert ts == [CSV_NULL] * 6
    is_cut = oversize == "truncate"
    assert t[:4] == ["a", "ab", "🍣" * 16_383 if is_cut else CSV_NULL, CSV_NULL]
    assert t[5] == "é" * 32_767
    assert l[1:3] == ["é", "ÿ" * 32_767 if is_cut else CSV_NULL]
    assert u[1] == "寿"
    assert b[:4] == ["0000", "000000", "00" + "78" * 64_000 if is_cut else CSV_NULL, CSV_NULL]


def test_masked_columns_are_written_masked(source: Connection, writer: Any, database: str) -> None:
    run(
        writer,
        "CREATE TABLE people (id INT PRIMARY KEY, changed DATETIME, a VARCHAR(20), b DATE, c FLOAT, d BLOB, e INT)",
        "INSERT INTO people VALUES (1, NULL, 'secret', '2024-01-01', 1.5, 'secret', 7), "
        "(2, NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    masks = {"a": {"keep_last": 2}, "b": "null", "c": "null", "d": "null", "e": {"value": "x,\"y'"}}
    _, rows = fields_of(source, database, table("people", mask=masks))
    assert [row[2:7] for row in rows] == [("****et", *[CSV_NULL] * 3, "x,\"y'"), (CSV_NULL,) * 5]


def test_dates_are_kept_as_text_where_asked(source: Connection, writer: Any, database: str) -> None:
    run(writer, ODD, ODD_ROWS)
    chosen = table("odd", zero_dates="text")
    schema, rows = fields_of(source, database, chosen)
    assert [row[2] for row in rows] == ["2024-02-29", "0000-00-00", "2021-00-00", "2023-02-29", "0600-12-02", CSV_NULL]
    assert not [k for k in misfits(schema, chosen) if k.reason.endswith("date") and k.column.name in ("d", "dt", "ts")]


@pytest.mark.parametrize("key", ["a", "b, a", "c", "d, a"])
def test_a_large_table_is_parted_by_ranges_of_its_key(source: Connection, writer: Any, database: str, key: str) -> None:
    run(
        writer,
        f"CREATE TABLE big (a INT, b VARCHAR(9), c DECIMAL(9,2), d DATE, PRIMARY KEY ({key}))",
        "INSERT INTO big SELECT seq, CONCAT('it''s ', seq MOD 7), seq / 4 - 100, '2024-01-01' + INTERVAL seq MOD 9 DAY "
        f"FROM {numbers(1000)}",
    )
    schema = read_schema(source, database, "big")
    found = primary_keyset(schema)
    assert found
    where = ["a <> 500"]
    pieces = piece_conditions(partial(read, source), schema, where, found, 999, 4)
    taken = [execute(source, f"SELECT a FROM big WHERE {where[0]} AND ({piece})") for piece in pieces]
    assert [len(rows) for rows in taken] == [250, 250, 250, 249]
    assert sorted(a for rows in taken for (a,) in rows) == [n for n in range(1, 1001) if n != 500]


def test_a_server_that_is_no_aurora_is_told_so(source: Connection) -> None:
    with pytest.raises(DataError, match=r"`extract: outfile` needs Aurora MySQL version 3.*`extract: stream`"):
        require_export(source)
