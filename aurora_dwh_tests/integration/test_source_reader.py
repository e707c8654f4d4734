"""The reader against PyMySQL's own cursor and the command line client, value by value, on real servers."""

# ruff: noqa: DTZ001 - a DATETIME is a wall clock without a zone

from __future__ import annotations

import math
import random
import struct
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import product, zip_longest
from typing import Any

import pyarrow as pa
import pymysql
import pytest

from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.local.aurora.program import KINDS, Kind
from aurora_dwh.local.processes import wait_until
from aurora_dwh.source.connection import SourceError, connect, execute
from aurora_dwh.source.discovery import read_schema
from aurora_dwh.source.reader import Changed, Protocol, ZeroDates, read
from aurora_dwh.source.statement import select
from aurora_dwh_tests.servers import TIMED_OUT, Server, by_turns, numbers

WIRES: tuple[Protocol, ...] = ("binary", "text")


class Bench:
    """A database that one connection fills and the reader reads."""

    def __init__(self, server: Server, database: str) -> None:
        self.server = server
        self.database = database
        self.plain = server.connect(database)
        self.session = connect(**server.arguments(database))

    def run(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        with self.plain.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())

    def fill(self, columns: str, *rows: tuple[Any, ...], modes: str = "") -> None:
        self.run(f"SET sql_mode = '{modes}'")
        self.run(f"CREATE TABLE t (id int NOT NULL PRIMARY KEY, {columns})")
        for number, row in enumerate(rows):
            marks = ", ".join(["%s"] * len(row))
            self.run(f"INSERT INTO t VALUES ({number}, {marks})", row)

    def schema(self) -> TableSchema:
        return read_schema(self.session, self.database, "t")

    def read(self, wire: Protocol, **options: Any) -> pa.Table:
        schema = self.schema()
        statement = select(schema, order_by=["id"])
        return pa.Table.from_batches(read(self.session, statement, schema, wire=wire, **options), schema.arrow_schema)

    def values(self, wire: Protocol, column: str = "v") -> list[Any]:
        values: list[Any] = self.read(wire).column(column).to_pylist()
        return values


@pytest.fixture
def bench(server: Server, database: str) -> Iterator[Bench]:
    of = Bench(server, database)
    yield of
    of.plain.close()
    if of.session.open:
        of.session.close()


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> Protocol:
    chosen: Protocol = request.param
    return chosen


# Values of every type, stored and expected.

NUMBERS: dict[str, list[Any]] = {
    "tinyint": [-128, -1, 0, 1, 2, 127],
    "tinyint(1)": [-128, -1, 0, 1, 2, 127],
    "tinyint unsigned": [0, 255],
    "smallint": [-32768, 32767],
    "smallint unsigned": [0, 65535],
    "mediumint": [-8388608, -1, 8388607],
    "mediumint unsigned": [0, 16777215],
    "int": [-2147483648, 2147483647],
    "int unsigned": [0, 4294967295],
    "int(5) zerofill": [7, 123456],
    "bigint": [-9223372036854775808, 9223372036854775807],
    "bigint unsigned": [Decimal(0), Decimal(2**63), Decimal(18446744073709551615)],
    "year": [1901, 2155, 0],
    "double": [0.0, -1.5, 1.7976931348623157e308, 2.2250738585072014e-308, 0.1, 1e-20],
    "bit(1)": [True, False],
    "bit(2)": [0, 3],
    "bit(63)": [0, 2**63 - 1],
    "bit(64)": [Decimal(0), Decimal(2**64 - 1)],
    "decimal(12,2)": [Decimal("-9999999999.99"), Decimal("0.00"), Decimal("0.01")],
    "decimal(38,0)": [Decimal("9" * 38), Decimal("-" + "9" * 38)],
    "decimal(38,30)": [Decimal("12345678." + "1" * 30)],
    "decimal(5,5)": [Decimal("-0.00001"), Decimal("0.99999")],
}
TEXTS: dict[str, list[Any]] = {
    "varchar(100)": [
        "",
        " ",
        "NULL",
        "null",
        "\\N",
        "\\\\N",
        "trailing  ",
        '""',
        "é",
        "😀" * 100,
        "a\tb\r\nc,'\"\\|",
        "a\0b",
    ],
    "char(5)": ["ab", ""],
    "text": ["x" * 65_535, "", "日本語"],
    "mediumtext": ["x" * 70_000, "y" * 250, "z" * 251, "w" * 65_536],
    "varchar(10) character set latin1": ["é€"],
    "enum('','a,b','it''s','é')": ["a,b", "it's", "", "é"],
    "set('a','b','c d')": ["a,c d", ""],
    "json": ['{"a": [null, "é", 12345678901234567890], "b": 1}', "null", '"text"'],
    "decimal(65,30)": ["9" * 35 + "." + "9" * 30, "-0.000000000000000000000000000001"],
    "decimal(60,4)": ["10000000000000000000000000000000000000000.0001"],
    "time": ["-838:59:59", "838:59:59", "25:30:00", "-00:00:01", "00:00:00"],
    "time(6)": ["-838:59:59.000000", "00:00:00.000001"],
}
BYTES: dict[str, list[Any]] = {
    "binary(16)": [bytes(range(16)), b"\xff" * 15 + b"\x00"],
    "varbinary(300)": [bytes(range(256)), b"", b"\x89PNG\r\n\x1a\n"],
    "blob": [b"\x00" * 1000],
    "longblob": [b"\xfe" * 300_000],
}
MOMENTS: dict[str, list[Any]] = {
    "date": [
        date(1000, 1, 1),
        date(600, 12, 2),
        date(1, 1, 1),
        date(1970, 1, 1),
        date(2024, 2, 29),
        date(9999, 12, 31),
    ],
    "datetime": [datetime(1, 1, 1), datetime(1969, 12, 31, 23, 59, 59), datetime(2024, 2, 29, 12)],
    "datetime(3)": [datetime(2024, 1, 1, 0, 0, 0, 1000), datetime(2024, 1, 1)],
    "datetime(6)": [datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(600, 12, 2), datetime(2024, 1, 1, 0, 0, 0, 1)],
    "timestamp(6) null": [datetime(1970, 1, 1, 0, 0, 1), datetime(2038, 1, 19, 3, 14, 7, 999999)],
}
ALL = {**NUMBERS, **TEXTS, **BYTES, **MOMENTS}


def test_a_float_keeps_all_its_bits(bench: Bench, wire: Protocol) -> None:
    exact = [
        struct.unpack("<f", struct.pack("<f", v))[0] for v in (0.1, 16777217.0, 3.4028235e38, 1.17549435e-38, -2.7)
    ]
    bench.fill("v float", *[(value,) for value in exact])

    assert bench.values(wire) == exact


def test_a29_a_document_is_read_as_the_server_keeps_it(bench: Bench, wire: Protocol) -> None:
    """MariaDB keeps the text, MySQL what it means."""
    bench.fill("v json", ('{"b":1.0, "a":2, "b":1.50}',))

    assert bench.values(wire) == ['{"b":1.0, "a":2, "b":1.50}' if bench.server.is_mariadb else '{"a": 2, "b": 1.5}']


def test_geometry_is_read_as_mysqls_bytes(bench: Bench, wire: Protocol) -> None:
    bench.fill("v point")
    bench.run("INSERT INTO t VALUES (1, ST_GeomFromText('POINT(1 2)', 4326))")

    # MySQL takes the latitude first, as EPSG:4326 has it, and stores the longitude first.
    place = (1.0, 2.0) if bench.server.is_mariadb else (2.0, 1.0)
    assert bench.values(wire) == [struct.pack("<IBIdd", 4326, 1, 1, *place)]


def test_all_nulls_no_nulls_and_no_rows(bench: Bench, wire: Protocol) -> None:
    columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(ALL))
    bench.fill(columns)
    assert bench.read(wire).num_rows == 0

    for number in range(3):
        bench.run(f"INSERT INTO t (id) VALUES ({number})")
    assert [set(column.to_pylist()) for column in bench.read(wire).columns[1:]] == [{None}] * len(ALL)

    bench.run("DELETE FROM t")
    for number in range(3):
        bench.run(
            f"INSERT INTO t VALUES ({number}, {', '.join(['%s'] * len(ALL))})", [values[0] for values in ALL.values()]
        )
    assert bench.read(wire).num_rows == 3
    assert sum(column.null_count for column in bench.read(wire).columns) == 0


@pytest.mark.parametrize("count", [30, pytest.param(300, marks=pytest.mark.soak)])
def test_a01_to_a10_each_type_is_read_exactly_by_both_protocols_and_as_pymysql_reads_it(
    bench: Bench, count: int
) -> None:
    """Each value once, beside NULL, and then at random."""
    kinds = list(ALL)
    chance = random.Random(20240105)
    columns = [f"c{n}" for n in range(len(kinds))]
    bench.run("SET time_zone = '+00:00'")
    bench.fill(", ".join(f"{name} {kind}" for name, kind in zip(columns, kinds, strict=True)))
    each = zip_longest(*ALL.values(), fillvalue=None)
    drawn = ([chance.choice([*ALL[kind], None]) for kind in kinds] for _ in range(count))
    rows = [[number, *values] for number, values in enumerate([*each, [None] * len(kinds), *drawn])]
    bench.run("SET autocommit = 0")
    for row in rows:
        bench.run(f"INSERT INTO t VALUES ({', '.join(['%s'] * len(row))})", row)
    bench.run("COMMIT")

    for block_bytes in (4096, 1 << 20):
        binary, text = (bench.read(wire, block_bytes=block_bytes) for wire in WIRES)
        assert binary.equals(text)
    for number, (name, kind) in enumerate(zip(columns, kinds, strict=True), start=1):
        found = binary.column(name).to_pylist()
        assert found == [row[number] for row in rows], kind
        theirs = [value for (value,) in bench.run(f"SELECT {name} FROM t ORDER BY id")]
        assert [comparable(v) for v in found] == [comparable(theirs_as(kind, v)) for v in theirs], kind


def theirs_as(kind: str, value: Any) -> Any:
    """Return PyMySQL's value in the reader's terms: it gives BIT as bytes and TIME as a duration."""
    if value is None:
        return None
    if kind.startswith("bit"):
        return int.from_bytes(value, "big")
    if kind.startswith("time") and isinstance(value, timedelta):
        seconds, micros = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
        sign = "-" if value < timedelta(0) else ""
        fraction = f".{micros:06}" if kind == "time(6)" else ""
        return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
    if kind in TEXTS and kind.startswith("decimal"):
        return f"{value:f}"
    return value


def comparable(value: Any) -> Any:
    return float(value) if isinstance(value, (bool, int, Decimal, float)) and not math.isinf(float(value)) else value


def test_the_command_line_client_sees_the_same_rows(bench: Bench, wire: Protocol) -> None:
    bench.run("SET time_zone = '+00:00'")
    bench.fill(
        "a bigint unsigned, b decimal(20,5), c varchar(50), d datetime(6), e time(3), f double",
        (2**64 - 1, "-0.00001", "é😀", "2024-01-05 01:02:03.000004", "-838:59:59", 0.1),
        (None, None, None, None, None, None),
    )
    ours = [
        "\t".join(
            "NULL" if v is None else f"{v:%Y-%m-%d %H:%M:%S.%f}" if isinstance(v, datetime) else str(v)
            for v in row.values()
        )
        for row in bench.read(wire).to_pylist()
    ]

    assert bench.server.client("SELECT * FROM t ORDER BY id", bench.database).splitlines() == ours


# Zero dates.


def counting(converted: Counter[tuple[str, str]]) -> Changed:
    return lambda column, reason, mask: converted.update({(column, reason): int(mask.sum())})


ZERO = ("0000-00-00", "2021-00-00", "2021-01-00", "2021-02-31")


@pytest.mark.parametrize("kind", ["date", "datetime", "datetime(6)"])
def test_a01_zero_dates_become_null_and_are_counted(bench: Bench, wire: Protocol, kind: str) -> None:
    bench.fill(f"v {kind} NOT NULL", *[(value,) for value in (*ZERO, "2021-02-28")], modes="ALLOW_INVALID_DATES")
    converted: Counter[tuple[str, str]] = Counter()

    values = bench.read(wire, changed=counting(converted)).column("v").to_pylist()

    assert values[:4] == [None] * 4
    assert values[4] is not None
    assert converted == {("v", "zero_date"): 3, ("v", "invalid_date"): 1}


def test_a01_a_zero_timestamp_becomes_null(bench: Bench, wire: Protocol) -> None:
    bench.fill("v timestamp(3) NOT NULL", ("0000-00-00",))
    converted: Counter[tuple[str, str]] = Counter()

    assert bench.read(wire, changed=counting(converted)).column("v").to_pylist() == [None]
    assert converted == {("v", "zero_date"): 1}


@pytest.mark.parametrize(("value", "reason"), [(ZERO[0], "zero date"), (ZERO[3], "invalid date")])
def test_a01_zero_dates_fail_where_asked_and_the_row_is_named(
    bench: Bench, wire: Protocol, value: str, reason: str
) -> None:
    bench.fill("v date", ("2024-01-05",), (None,), (value,), modes="ALLOW_INVALID_DATES")
    policy: ZeroDates = "fail"

    with pytest.raises(DataError, match=rf"{bench.database}\.t, column 'v': {reason} in the row id = 2"):
        bench.read(wire, zero_dates=policy)


# Large values and results.


@pytest.mark.parametrize(
    ("server", "size"),
    [
        ("mysql", 1 << 24),
        ("mariadb", (1 << 24) - 40),
        *(
            pytest.param(*one, marks=pytest.mark.soak)
            for one in product(KINDS, [1 << 20, 5_000_000, (1 << 24) - 40, 1 << 24, 40_000_000])
        ),
    ],
    indirect=["server"],
)
def test_values_of_many_megabytes(bench: Bench, wire: Protocol, size: int) -> None:
    bench.fill("v longblob, w longtext")
    bench.run(
        f"INSERT INTO t VALUES (1, 'small', 'é'), (2, REPEAT(x'ff', {size}), REPEAT('w', {size // 3})), (3, '', NULL)"
    )

    table = bench.read(wire)

    (_, blob, _), (_, text, _) = table.column("v").to_pylist(), table.column("w").to_pylist()
    assert blob == b"\xff" * size
    assert text == "w" * (size // 3)
    assert table.column("id").to_pylist() == [1, 2, 3]
    assert table.column("v").to_pylist()[::2] == [b"small", b""]


@by_turns("wire", WIRES)
def test_a_table_of_many_columns(bench: Bench, wire: Protocol) -> None:
    bench.fill(", ".join(f"c{n} int" for n in range(700)))
    bench.run(f"INSERT INTO t VALUES (1, {', '.join(str(n) if n % 3 else 'NULL' for n in range(700))})")

    (row,) = bench.read(wire).to_pylist()

    assert list(row.values()) == [1, *(n if n % 3 else None for n in range(700))]


def test_a_connection_serves_one_read_after_another(bench: Bench, wire: Protocol) -> None:
    bench.fill("v int", (1,))
    prepared = "SHOW STATUS LIKE 'Prepared_stmt_count'"  # those of all sessions, so others may have left some
    before = bench.run(prepared)

    assert [bench.values(wire) for _ in range(3)] == [[1]] * 3
    assert wait_until(lambda: bench.run(prepared) == before, 10)  # the server does not answer that it has closed one


# What must fail, and how.


def big(bench: Bench) -> str:
    bench.fill("v varchar(200)")
    bench.run(f"INSERT INTO t SELECT seq, REPEAT('x', 200) FROM {numbers(100_000)}")
    return select(bench.schema())


@pytest.mark.parametrize("kind", ["mysql", pytest.param("mariadb", marks=pytest.mark.soak)])
def test_a18_a_server_that_dies_midway_is_an_error_and_never_the_end(kind: Kind) -> None:
    server = Server(kind)
    try:
        bench = Bench(server, server.database())
        batches = read(bench.session, big(bench), bench.schema(), block_bytes=65_536)
        first = next(batches)
        server.kill()
        with pytest.raises(SourceError, match=r"\.t: the connection was lost"):
            for _ in batches:
                pass
        assert first.num_rows < 1000

        server.start()
        again = Bench(server, bench.database)
        assert again.read("binary").num_rows == 100_000
    finally:
        server.remove()


@by_turns("wire", WIRES)
def test_a_statement_that_is_killed_midway_is_a_source_error(bench: Bench, wire: Protocol) -> None:
    ((session,),) = execute(bench.session, "SELECT CONNECTION_ID()")
    batches = read(bench.session, big(bench), bench.schema(), wire=wire, block_bytes=65_536)
    next(batches)
    bench.run(f"KILL QUERY {session}")

    with pytest.raises(SourceError, match="interrupted"):
        for _ in batches:
            pass


def test_a19_a_statement_that_runs_out_of_time_is_a_source_error_with_a_remedy(bench: Bench, wire: Protocol) -> None:
    statement = big(bench)
    with (
        connect(**bench.server.arguments(bench.database), statement_timeout=timedelta(seconds=0.01)) as hasty,
        pytest.raises(SourceError, match=rf"{TIMED_OUT}.*; an index"),
    ):
        list(read(hasty, f"{statement} ORDER BY RAND()", bench.schema(), wire=wire))


@by_turns("wire", WIRES)
def test_rows_left_behind_close_the_connection(bench: Bench, wire: Protocol) -> None:
    batches = read(bench.session, big(bench), bench.schema(), wire=wire, block_bytes=65_536)
    next(batches)
    batches.close()

    assert not bench.session.open


def test_a_statement_that_the_server_refuses_is_a_data_error(bench: Bench, wire: Protocol) -> None:
    bench.fill("v int")

    with pytest.raises(DataError, match=r"\.t: .*nowhere.*1146"):
        list(read(bench.session, f"SELECT * FROM {bench.database}.nowhere", bench.schema(), wire=wire))


@by_turns("wire", WIRES)
def test_a_table_that_changed_since_its_schema_was_read_is_a_data_error(bench: Bench, wire: Protocol) -> None:
    bench.fill("v int, w int", (1, 2))
    schema = bench.schema()

    with pytest.raises(DataError, match="id, w, v where id, v, w were asked for"):
        list(read(bench.session, "SELECT id, w, v FROM t", schema, wire=wire))


@by_turns("wire", WIRES)
def test_a_value_that_does_not_fit_its_schema_is_a_data_error(bench: Bench, wire: Protocol) -> None:
    bench.fill("v smallint", (1,))
    schema = bench.schema()
    bench.run("ALTER TABLE t MODIFY v bigint")
    bench.run("UPDATE t SET v = 40000")

    with pytest.raises(DataError, match=r"\.t, column 'v': .*40000"):
        list(read(bench.session, select(schema), schema, wire=wire))


@by_turns("wire", WIRES)
def test_bytes_that_are_no_text_are_a_data_error(bench: Bench, wire: Protocol) -> None:
    bench.fill("v varchar(10)", ("x",))

    with pytest.raises(DataError, match=r"\.t, column 'v'"):
        list(read(bench.session, "SELECT id, CAST(x'c328' AS BINARY) AS v FROM t", bench.schema(), wire=wire))


def test_what_cannot_be_prepared_is_asked_in_text(bench: Bench) -> None:
    bench.fill("v int", (1,))
    ((most,),) = bench.run("SELECT @@global.max_prepared_stmt_count")
    bench.run("SET GLOBAL max_prepared_stmt_count = 0")
    try:
        assert bench.values("binary") == [1]
    finally:
        bench.run(f"SET GLOBAL max_prepared_stmt_count = {most}")


def test_a_parameter_is_refused(bench: Bench) -> None:
    """The `?` is a parameter to the one protocol and an error of syntax to the other."""
    bench.fill("v int", (1,))

    with pytest.raises(DataError, match="1064"):
        list(read(bench.session, "SELECT id, v FROM t WHERE id = ?", bench.schema()))


@by_turns("wire", WIRES)
def test_memory_stays_flat(bench: Bench, wire: Protocol) -> None:
    statement = big(bench)
    before, most = pa.total_allocated_bytes(), 0
    for batch in read(bench.session, statement, bench.schema(), wire=wire):
        most = max(most, pa.total_allocated_bytes() - before)
        del batch

    assert most < 8 << 20


def test_execute_refuses_writing(bench: Bench) -> None:
    bench.fill("v int")

    with pytest.raises(pymysql.err.MySQLError, match="READ ONLY"):
        execute(bench.session, "INSERT INTO t VALUES (1, 1)")
