"""Numbers as text, in the files that a server writes and in the protocol: every bit of a DOUBLE and a FLOAT arrives."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aurora_dwh.catalog.model import Table
from aurora_dwh.source.connection import connect, execute
from aurora_dwh.source.discovery import read_schema
from aurora_dwh.source.outfile import select_csv
from aurora_dwh.source.reader import Protocol, read
from aurora_dwh.source.selection import read_selected
from aurora_dwh.source.statement import select
from aurora_dwh_tests.integration.test_source_outfile import DAY
from aurora_dwh_tests.servers import Server

DOUBLES = (0.0, -0.0, 5e-324, -2.2250738585072014e-308, 1.7976931348623157e308, -1.7976931348623157e308, 0.1, 1e22)
FLOATS = (0.0, -0.0, 1.401298464324817e-45, -1.1754943508222875e-38, 3.4028234663852886e38, -3.4028234663852886e38)


def randoms(form: str, seed: int) -> Iterator[float]:
    """Yield finite numbers whose bits are random."""
    r, size = random.Random(seed), struct.calcsize(form)
    while True:
        (value,) = struct.unpack(form, r.randbytes(size))
        if abs(value) < float("inf"):
            yield value


def sql(value: float) -> str:
    """Return a literal that is a DOUBLE: one without an exponent is a DECIMAL, which has no -0."""
    text = repr(value)
    return text if "e" in text else f"{text}e0"


def bits(form: str, value: float) -> bytes:
    return struct.pack(form, value)


@pytest.fixture(params=[2_000, pytest.param(20_000, marks=pytest.mark.soak)])
def count(request: pytest.FixtureRequest) -> int:
    """How many numbers there are whose bits are random."""
    return int(request.param)


@pytest.fixture
def written(server: Server, database: str, count: int) -> list[tuple[str, ...]]:
    """The rows of the file that the product has the server write, numbered, as lists of fields."""
    doubles = [*DOUBLES, *(value for value, _ in zip(randoms("<d", 1), range(count), strict=False))]
    floats = [*FLOATS, *(value for value, _ in zip(randoms("<f", 2), range(count), strict=False))]
    if server.is_mariadb:  # it keeps no -0, however it is written
        doubles, floats = ([value + 0.0 for value in values] for values in (doubles, floats))
    rows = list(zip(doubles, floats, strict=False))
    schema = Table(name="numbers", key=("id",), mode="full")
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE numbers (id INT PRIMARY KEY, d DOUBLE, f FLOAT, z DOUBLE ZEROFILL, s DOUBLE(30,4), "
            "t FLOAT(9,3), w DECIMAL(60,4) ZEROFILL, i INT ZEROFILL)"
        )
        for start in range(0, len(rows), 500):
            values = ", ".join(
                f"({start + n}, {sql(d)}, {sql(f)}, {sql(abs(d))}, {sql(f % 1e15)}, {sql(f % 1e5)}, {start + n}.25, "
                f"{start + n})"
                for n, (d, f) in enumerate(rows[start : start + 500])
            )
            cursor.execute(f"INSERT INTO numbers VALUES {values}")
        session = connect(**server.arguments(database))
        select = select_csv(read_schema(session, database, "numbers"), schema, where=[], day=DAY, read_at="NOW()")
        session.close()
        file = Path(server.data) / "numbers.txt"
        cursor.execute(f"{select} INTO OUTFILE '{file}'")
        fields = [tuple(line.split("\t")) for line in file.read_text().splitlines()]
        file.unlink()
    assert len(fields) == len(rows)
    return [(*row, repr(d), repr(f)) for row, (d, f) in zip(sorted(fields, key=lambda r: int(r[0])), rows, strict=True)]


def test_m01_a_file_has_every_bit_of_a_number(written: list[tuple[str, ...]], server: Server, database: str) -> None:
    halves = {}
    for number, d, f, z, s, t, w, i, _, _, original, single in written:
        assert bits("<d", float(d)) == bits("<d", float(original)), (number, d)
        assert bits("<f", float(f)) == bits("<f", float(single)), (number, f)
        assert float(z) == abs(float(original)), (number, z)
        halves[int(number)] = float(s)
        assert abs(float(t) - float(single) % 1e5) <= 0.008, (number, t)
        assert w == f"{number:0>56}.2500", "a DECIMAL that is a text in Redshift is the text that MySQL shows"
        assert i == number
    with server.connect(database) as connection, connection.cursor() as cursor:
        # The server compares numbers, each sent back as an exact sum of a whole number and a fraction.
        for number, half in halves.items():
            whole, part = divmod(abs(half), 2.0**20)
            cursor.execute(f"SELECT ABS(s) = {sql(whole)} * 1048576e0 + {sql(part)} FROM numbers WHERE id = {number}")
            assert cursor.fetchone() == (1,), (number, half)


ROUNDED = {
    "double(255,30)": (-48, 200),
    "double(65,30)": (-47, 15),
    "double(40,22)": (-40, 0),
    "double(30,15) unsigned zerofill": (-33, -3),
    "double(20,3)": (-20, -2),
    "double(5,3)": (-19, -15),
    "double(53,0)": (-17, 34),
    "float(30,10)": (-20, 15),
    "double": (-300, 290),
    "double zerofill": (-300, 290),
    "float": (-50, 20),
}
"""Column -> the powers of ten by which whole numbers of up to 17 digits become its values, as far as it has room."""


@pytest.fixture(params=ROUNDED)
def filled(request: pytest.FixtureRequest, server: Server, database: str) -> str:
    """A column's type, whose table `x` has many values; the server rounds them as the type says."""
    low, high = ROUNDED[request.param]
    r = random.Random(request.param)
    sizes = (r.randint(1, 10 ** r.randint(1, 17)) * 10.0 ** r.uniform(low, high) for _ in range(2_000))
    values = [r.choice((1, -1)) * size for size in sizes] + [0.0, -0.0, 1.5, -1e-31]
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        cursor.execute(f"CREATE TABLE x (id INT PRIMARY KEY, c {request.param})")
        cursor.execute(f"INSERT INTO x VALUES {', '.join(f'({n}, {sql(value)})' for n, value in enumerate(values))}")
    kind: str = request.param
    return kind


def assert_same(server: Server, database: str, kind: str, values: dict[int, float]) -> None:
    """Send values back, and let the server say that they are those of the column, zeros with their sign."""
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE back (id INT PRIMARY KEY, c {kind.partition('(')[0].split()[0]}, is_minus BOOL)")
        rows = (f"({n}, {sql(value)}, {str(value).startswith('-')})" for n, value in values.items())
        cursor.execute(f"INSERT INTO back VALUES {', '.join(rows)}")
        cursor.execute(
            "SELECT x.id, x.c * 1e0, back.c * 1e0 FROM x LEFT JOIN back USING (id) "
            "WHERE NOT (x.c <=> back.c) OR is_minus <> (LEFT(x.c * 1e0, 1) = '-')"
        )
        assert not cursor.fetchall()
    assert len({abs(value) for value in values.values()}) > 100


def test_m01_a_file_has_every_bit_of_a_number_that_is_shown_rounded(server: Server, database: str, filled: str) -> None:
    with closing(connect(**server.arguments(database))) as session:
        schema = read_schema(session, database, "x")
    rows = select_csv(schema, Table(name="x", key=("id",), mode="full"), where=[], day=DAY, read_at="NOW()")
    file = Path(server.data) / "x.txt"
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(f"{rows} INTO OUTFILE '{file}'")
    fields = [line.split("\t") for line in file.read_text().splitlines()]
    file.unlink()
    assert_same(server, database, filled, {int(number): float(text) for number, text, *_ in fields})


@pytest.mark.parametrize("wire", ["binary", "text"])
def test_m01_either_protocol_brings_every_bit_of_a_number(
    server: Server, database: str, filled: str, wire: Protocol
) -> None:
    with closing(connect(**server.arguments(database))) as session:
        schema = read_schema(session, database, "x")
        rows = [row for batch in read(session, select(schema), schema, wire=wire) for row in batch.to_pylist()]
    assert_same(server, database, filled, {row["id"]: row["c"] for row in rows})


def test_m01_a_mask_tells_a_number_from_its_neighbour(server: Server, database: str) -> None:
    values = [value for value, _ in zip(randoms("<d", 3), range(1_000), strict=False)]
    values += [math.nextafter(value, 0) for value in values]
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE x (id INT PRIMARY KEY, c DOUBLE)")
        cursor.execute(f"INSERT INTO x VALUES {', '.join(f'({n}, {sql(value)})' for n, value in enumerate(values))}")
    masked = Table(name="x", key=("id",), mode="full", mask={"c": "sha256"})
    with closing(connect(**server.arguments(database))) as session:
        schema = read_selected(session, database, masked)
        (streamed,) = (batch.column("c").to_pylist() for batch in read(session, select(schema), schema))
        exported = execute(session, select_csv(schema, masked, where=[], day=DAY, read_at="NOW()"))
    assert len(set(streamed)) == len(values)
    assert [row[1] for row in sorted(exported, key=lambda row: int(row[0]))] == streamed
