"""The proof's SQL on real servers: a table in MySQL or MariaDB, its copy made by hand in the stand-in, differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake.store import Lake
from aurora_dwh.proof import buckets, look, pace
from aurora_dwh.proof.digest import AURORA, REDSHIFT, float_of
from aurora_dwh.proof.engine import Places, examine
from aurora_dwh.proof.subject import plain_subject
from aurora_dwh.proof.verdict import Verdict
from aurora_dwh.source.connection import Connection, clock, connect, execute
from aurora_dwh.source.discovery import read_schema
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.load.schema_drift import live_columns
from aurora_dwh.warehouse.load.statements import Target
from aurora_dwh_tests.servers import Server, by_turns, numbers, one_server

WHOLE = {"INT": "INTEGER", "BIGINT": "BIGINT", "BIGINT UNSIGNED": "DECIMAL(20,0)", "SMALLINT": "SMALLINT"}
"""Type of a key in the source -> in staging."""

EDGES = {"INT": 2**31 - 1, "BIGINT": 2**63 - 1, "BIGINT UNSIGNED": 2**64 - 1, "SMALLINT": 2**15 - 1}

Compare = Callable[..., Verdict]


@pytest.fixture
def source(server: Server, database: str) -> Iterator[Connection]:
    """A session on the source's database, opened as the product opens it."""
    connection = connect(**server.arguments(database))
    yield connection
    connection.close()


class Pair:
    """A table on both sides, filled by hand."""

    def __init__(self, server: Server, database: str, source: Connection, warehouse: Warehouse, lake: Lake) -> None:
        self._server, self._database, self._source, self._warehouse = server, database, source, warehouse
        self._places = Places(lake, warehouse)

    def there(self, *statements: str) -> None:
        with self._server.connect(self._database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def here(self, *statements: str) -> None:
        with self._warehouse.session() as session:
            for statement in statements:
                session.execute(statement)

    def compared(self, *key: str, **kinds: str) -> Verdict:
        schema = read_schema(self._source, self._database, "t")
        columns = (
            replace(c, data_type=kinds[c.name], column_type=kinds[c.name]) if c.name in kinds else c
            for c in schema.columns
        )
        schema = replace(schema, columns=tuple(columns))
        target = Target("public", "t", key=key)
        live = self._warehouse.persist(lambda session: live_columns(session, target))
        what = plain_subject(schema, schema, target, live)
        return examine(self._source, self._places, what, clock(self._source)).verdict


@pytest.fixture
def pair(server: Server, database: str, source: Connection, warehouse: Warehouse, lake: Lake) -> Pair:
    """Nothing yet on both sides."""
    return Pair(server, database, source, warehouse, lake)


@one_server
def test_empty_tables_are_equal(pair: Pair) -> None:
    pair.there("CREATE TABLE t (id INT, v TEXT)")
    pair.here("CREATE TABLE t (id INTEGER, v VARCHAR(65535))")
    verdict = pair.compared("id")
    assert verdict.equal
    assert verdict.source_rows == verdict.staged_rows == 0


@one_server
def test_rows_that_are_there_more_than_once_are_counted_without_a_key(pair: Pair) -> None:
    pair.there("CREATE TABLE t (a INT, b TEXT)", "INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, NULL)")
    pair.here("CREATE TABLE t (a INTEGER, b VARCHAR(9))", "INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, NULL)")
    assert pair.compared().equal
    pair.here("INSERT INTO t VALUES (1, 'x')")
    assert pair.compared().differences[-1] == "a='1', b='x': 2 times in Aurora, 3 times in Redshift"


@one_server
def test_a_value_that_moves_to_another_row_is_seen_though_the_columns_sums_are_equal(pair: Pair) -> None:
    pair.there("CREATE TABLE t (id INT, v TEXT)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    pair.here("CREATE TABLE t (id INTEGER, v VARCHAR(9))", "INSERT INTO t VALUES (1, 'b'), (2, 'a')")
    assert pair.compared("id").differences == (
        "columns that differ: v",
        "id='1': v is 'a' in Aurora, 'b' in Redshift",
        "id='2': v is 'b' in Aurora, 'a' in Redshift",
    )


def test_null_and_nothing_and_blanks_are_different_texts(pair: Pair) -> None:
    pair.there("CREATE TABLE t (id INT, v VARCHAR(9))", "INSERT INTO t VALUES (1, ''), (2, NULL), (3, 'a '), (4, 'A')")
    pair.here(
        "CREATE TABLE t (id INTEGER, v VARCHAR(9))", "INSERT INTO t VALUES (1, NULL), (2, ''), (3, 'a'), (4, 'a')"
    )
    assert len(pair.compared("id").differences) == 5


def test_values_that_would_join_to_one_text_are_different_rows(pair: Pair) -> None:
    pair.there("CREATE TABLE t (id INT, a TEXT, b TEXT)", "INSERT INTO t VALUES (1, 'xy', 'z')")
    pair.here("CREATE TABLE t (id INTEGER, a VARCHAR(9), b VARCHAR(9))", "INSERT INTO t VALUES (1, 'x', 'yz')")
    assert pair.compared("id").differences[0] == "columns that differ: a, b"


@one_server
def test_a_table_of_very_many_columns_is_compared(pair: Pair) -> None:
    names = [f"c{number}" for number in range(500)]
    pair.there(
        f"CREATE TABLE t (id INT, {', '.join(f'{name} INT' for name in names)})",
        f"INSERT INTO t VALUES (1, {', '.join('7' for _ in names)})",
    )
    pair.here(
        f"CREATE TABLE t (id INTEGER, {', '.join(f'{name} INTEGER' for name in names)})",
        f"INSERT INTO t VALUES (1, {', '.join('7' for _ in names)})",
    )
    assert pair.compared("id").equal
    pair.here("UPDATE t SET c499 = 8")
    assert pair.compared("id").differences == (
        "columns that differ: c499",
        "id='1': c499 is '7' in Aurora, '8' in Redshift",
    )


@by_turns("few", [0, 9])  # by ranges first, row by row
def test_a01_dates_of_no_calendar_are_expected_to_be_null(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(buckets, "FEW_ROWS", few)
    monkeypatch.setattr(buckets, "BUCKET_ROWS", 1)
    pair.there(
        "SET sql_mode = 'ALLOW_INVALID_DATES'",
        "CREATE TABLE t (id INT PRIMARY KEY, d DATE NOT NULL, m DATETIME(6), s DATETIME)",
        "INSERT INTO t VALUES (1, '0000-00-00', '2021-02-30 10:00:00', NULL), "
        "(2, '2021-05-00', '2024-02-29 01:02:03.5', NULL), (3, '0000-00-00', '0000-00-00', '0000-00-00')",
        "ANALYZE TABLE t",
    )
    pair.here(
        "CREATE TABLE t (id INTEGER, d DATE, m TIMESTAMP, s TIMESTAMP)",
        "INSERT INTO t VALUES (1, NULL, NULL, NULL), (2, NULL, '2024-02-29 01:02:03.5', NULL), (3, NULL, NULL, NULL)",
    )
    assert pair.compared("id").equal
    pair.here("UPDATE t SET d = '2021-05-01' WHERE id = 2")
    assert pair.compared("id").differences[-1] == "id='2': d is NULL in Aurora, '2021-05-01' in Redshift"


def test_a29_documents_are_equal_by_content_and_shown_where_they_are_not(pair: Pair) -> None:
    pair.there(
        "CREATE TABLE t (id INT, doc LONGTEXT)", """INSERT INTO t VALUES (1, '{"b": 1.0, "a": "1"}'), (2, NULL)"""
    )
    pair.here(
        "CREATE TABLE t (id INTEGER, doc SUPER)",
        """INSERT INTO t SELECT 1, JSON_PARSE('{"a":"1","b":1}')""",
        "INSERT INTO t VALUES (2, NULL)",
    )
    assert pair.compared("id", doc="json").equal
    pair.here("""UPDATE t SET doc = JSON_PARSE('{"a":1,"b":1}') WHERE id = 1""")
    assert pair.compared("id", doc="json").differences == (
        "columns that differ: doc",
        """id='1': doc is '{"a": "1", "b": 1}' in Aurora, '{"a": 1, "b": 1}' in Redshift""",
    )


FLOATS = [0.0, 1.0, -1.0, 0.1, 1 / 3, 5e-324, 2.0**-1022, 1.7976931348623157e308, 2.0**1023, 1e22, 123456789.123456789]
FLOATS += [2.0**n for n in range(-1074, 1024, 61)]
FLOATS += [float.fromhex("0x1.fffffffffffffp+0") * 2.0**n for n in range(-1000, 1000, 97)]


def test_both_sides_write_a_double_as_the_same_text(source: Connection, warehouse: Warehouse) -> None:
    schema = TableSchema("d", "t", (Column("f", "double", "double"),))
    (column,) = schema.columns
    values = [*FLOATS, *(-value for value in FLOATS)]
    there = " UNION ALL ".join(
        f"SELECT {n} AS n, {value!r}e0 AS f" if "e" not in repr(value) else f"SELECT {n} AS n, {value!r} AS f"
        for n, value in enumerate(values)
    )
    here = " UNION ALL ".join(f"SELECT {n} AS n, '{value!r}'::DOUBLE PRECISION AS f" for n, value in enumerate(values))
    original = dict(execute(source, f"SELECT n, {AURORA.texts(column)[0]} FROM ({there}) t"))
    with warehouse.session() as session:
        copied = dict(session.execute(f"SELECT n, {REDSHIFT.texts(column)[0]} FROM ({here}) t").rows)
    texts = {n: text.decode() if isinstance(text, bytes) else text for n, text in original.items()}
    assert texts == copied
    assert len(set(texts.values())) == len(set(values))
    for number, value in enumerate(values):
        assert float_of(texts[number]) == value


WIDER = (
    ("DECIMAL(12,2)", "DECIMAL(14,4)", ("-1.50", "1.50", "9999999999.99"), "1.5001"),
    ("INT", "DECIMAL(12,2)", ("-1", "0", "2147483647"), "0.01"),
    ("INT ZEROFILL", "DECIMAL(24,4)", ("7", "0", "4294967295"), "0.01"),
    ("SMALLINT", "BIGINT", ("-32768", "0", "32767"), "1"),
    ("FLOAT", "DOUBLE PRECISION", ("0.1e0", "-0.0", "3.4028234663852886e38"), "0.1"),
    ("DATE", "TIMESTAMP", ("'0600-12-02'", "'2024-02-29'", "'9999-12-31'"), "'2024-02-29 00:00:00.000001'"),
    ("VARCHAR(9)", "VARCHAR(400)", ("'a'", "''", "'寿司'"), "'A'"),
)
"""A type in the source, one in staging, values of both, and what is not the second of them."""


def test_a20_a_target_that_is_wider_than_the_source_is_now_is_compared_by_value(pair: Pair) -> None:
    exactly = {"FLOAT": "CAST(CAST({} AS REAL) AS DOUBLE PRECISION)"}
    names = [f"v{number}" for number in range(len(WIDER))]
    for side, place in ((pair.there, 0), (pair.here, 1)):
        columns = (f"{name} {one[place]}" for name, one in zip(names, WIDER, strict=True))
        side(f"CREATE TABLE t (id INTEGER, {', '.join(columns)})", "INSERT INTO t (id) VALUES (4)")
    for number in range(3):
        pair.there(f"INSERT INTO t VALUES ({number}, {', '.join(values[number] for _, _, values, _ in WIDER)})")
        here = (exactly.get(kind, "{}").format(values[number]) for kind, _, values, _ in WIDER)
        pair.here(f"INSERT INTO t VALUES ({number}, {', '.join(here)})")
    assert pair.compared("id").equal
    others = (f"{name} = {other}" for name, (*_, other) in zip(names, WIDER, strict=True))
    pair.here(f"UPDATE t SET {', '.join(others)} WHERE id = 1")
    (columns, row) = pair.compared("id").differences
    assert columns == f"columns that differ: {', '.join(names)}"
    assert row.startswith("id='1': v0 is ")


def test_a_zero_and_a_negative_zero_are_one_value(pair: Pair) -> None:
    pair.there("CREATE TABLE t (id INT, v DOUBLE)", "INSERT INTO t VALUES (1, -0e0), (2, 0)")
    pair.here("CREATE TABLE t (id INTEGER, v DOUBLE PRECISION)", "INSERT INTO t VALUES (1, 0), (2, '-0')")
    assert pair.compared("id").equal


@one_server
def test_a29_documents_that_differ_at_first_sight_are_read_again_a_few_at_a_time(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def counted(*arguments: Any) -> list[tuple[Any, ...]]:
        sizes.append(len(rows := execute(*arguments)))
        return rows

    monkeypatch.setattr(look, "execute", counted)
    monkeypatch.setattr(look, "BYTES_AT_ONCE", 2_000)
    pair.there(
        "CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)",
        f'INSERT INTO t SELECT seq, CONCAT(\'{{"n": \', seq, \', "v": "x"}}\') FROM {numbers(100)}',
    )
    pair.here("CREATE TABLE t (id INTEGER, v SUPER)")
    rows = ", ".join(f"""SELECT {n}, JSON_PARSE('{{"v": "x", "n": {n}}}')""" for n in range(1, 101))
    pair.here(f"INSERT INTO t {rows.replace(', SELECT', ' UNION ALL SELECT')}")
    assert pair.compared("id", v="json").equal
    assert sizes[0] == 1  # as wide as a document may be
    assert 1 < max(sizes) <= 2_000 // (4 * len('{"n": 1, "v": "x"}'))

    pair.here("UPDATE t SET v = JSON_PARSE('{\"n\": 0}') WHERE id = 32")
    said = pair.compared("id", v="json").differences
    assert said[0] == "columns that differ: v"
    assert said[1].startswith("id='32': v is ")
    assert len(said) == 2


@by_turns("kind", WHOLE)
def test_only_the_rows_of_ranges_that_differ_are_read_one_by_one(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Keys of either sign, with gaps between them, and at the ends of their type."""
    monkeypatch.setattr(buckets, "FEW_ROWS", 0)
    monkeypatch.setattr(buckets, "BUCKET_ROWS", 3)
    monkeypatch.setattr(pace, "FIRST_ROWS", 7)
    monkeypatch.setattr(pace, "FEWEST_ROWS", 7)
    monkeypatch.setattr(pace, "MOST_ROWS", 7)
    first = 0 if kind.endswith("UNSIGNED") else -EDGES[kind] - 1
    near = 0 if first == 0 else -50
    keys = [first, *range(near, 50, 2), EDGES[kind]]
    rows = ", ".join(f"({key}, 'row {key}')" for key in sorted({*keys}))
    pair.there(f"CREATE TABLE t (id {kind} PRIMARY KEY, v VARCHAR(40))", f"INSERT INTO t VALUES {rows}")
    pair.there("ANALYZE TABLE t")
    pair.here(f"CREATE TABLE t (id {WHOLE[kind]}, v VARCHAR(40))", f"INSERT INTO t VALUES {rows}")
    verdict = pair.compared("id")
    assert verdict.equal
    assert verdict.source_rows == verdict.staged_rows == verdict.examined == len({*keys})

    pair.here(f"UPDATE t SET v = 'x' WHERE id = {first}", f"DELETE FROM t WHERE id = {EDGES[kind]}")
    verdict = pair.compared("id")
    assert verdict.kinds == {"stale": 1, "missing": 1}
    assert (verdict.source_rows, verdict.staged_rows) == (len({*keys}), len({*keys}) - 1)
    assert {one.key for one in verdict.shown} == {(str(first),), (str(EDGES[kind]),)}


@pytest.mark.parametrize("examples", [4, pytest.param(15, marks=pytest.mark.soak)])
def test_changes_anywhere_are_found_by_ranges_as_they_are_row_by_row(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, examples: int
) -> None:
    keys = st.sets(st.integers(-40, 40), max_size=40)
    monkeypatch.setattr(buckets, "FEW_ROWS", 0)
    pair.there("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    pair.here("CREATE TABLE t (id INTEGER, v INTEGER)")

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(there=keys, here=keys, stale=keys, width=st.integers(1, 30), piece=st.integers(1, 30))
    def holds(there: set[int], here: set[int], stale: set[int], width: int, piece: int) -> None:
        for name, value in (("FIRST_ROWS", piece), ("FEWEST_ROWS", piece), ("MOST_ROWS", piece)):
            monkeypatch.setattr(pace, name, value)
        monkeypatch.setattr(buckets, "BUCKET_ROWS", width)
        ours = ", ".join(f"({key}, 1)" for key in there)
        theirs = ", ".join(f"({key}, {int(key not in stale)})" for key in here)
        pair.there("DELETE FROM t", *([f"INSERT INTO t VALUES {ours}"] if ours else []), "ANALYZE TABLE t")
        pair.here("DELETE FROM t", *([f"INSERT INTO t VALUES {theirs}"] if theirs else []))
        verdict = pair.compared("id")
        found = {"missing": len(there - here), "extra": len(here - there), "stale": len(there & here & stale)}
        assert verdict.kinds == {kind: rows for kind, rows in found.items() if rows}
        assert (verdict.source_rows, verdict.staged_rows) == (len(there), len(here))

    holds()


@one_server
def test_where_too_many_ranges_differ_all_rows_are_read(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "FEW_ROWS", 0)
    monkeypatch.setattr(buckets, "BUCKET_ROWS", 1)
    monkeypatch.setattr(buckets, "MOST_DIFFERING", 5)
    rows = ", ".join(f"({key}, 1)" for key in range(1, 21))
    pair.there("CREATE TABLE t (id INT PRIMARY KEY, v INT)", f"INSERT INTO t VALUES {rows}", "ANALYZE TABLE t")
    pair.here("CREATE TABLE t (id INTEGER, v INTEGER)", f"INSERT INTO t VALUES {rows}", "UPDATE t SET v = 2")
    verdict = pair.compared("id")
    assert verdict.kinds == {"stale": 20}
    assert (verdict.source_rows, verdict.staged_rows, verdict.examined) == (20, 20, 60)
    pair.here("INSERT INTO t VALUES (NULL, 1)")
    assert pair.compared("id").kinds == {"stale": 20, "extra": 1}
