"""Numbers in the files that the server itself writes: every bit of a DOUBLE and a FLOAT, read by Python's own float."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from aurora_dwh.catalog import Table
from aurora_dwh.source.connection import connect
from aurora_dwh.source.discovery import read_schema
from aurora_dwh.source.outfile import select_csv
from aurora_dwh_tests.integration.test_source_outfile import DAY
from aurora_dwh_tests.servers import Server

DOUBLES = (0.0, -0.0, 5e-324, -2.2250738585072014e-308, 1.7976931348623157e308, -1.7976931348623157e308, 0.1, 1e22)
FLOATS = (0.0, -0.0, 1.401298464324817e-45, -1.1754943508222875e-38, 3.4028234663852886e38, -3.4028234663852886e38)
COUNT = 20_000


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


@pytest.fixture
def written(server: Server, database: str, tmp_path: Path) -> list[tuple[str, ...]]:
    """The rows of the file that the product has the server write, numbered, as lists of fields."""
    doubles = [*DOUBLES, *(value for value, _ in zip(randoms("<d", 1), range(COUNT), strict=False))]
    floats = [*FLOATS, *(value for value, _ in zip(randoms("<f", 2), range(COUNT), strict=False))]
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
