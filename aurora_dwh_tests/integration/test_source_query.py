"""Queries of the catalog on real servers: what their columns are, which rows are read of them, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import DataError, Extract, Window
from aurora_dwh.source.connection import connect, execute, snapshot
from aurora_dwh.source.discovery import read_schema
from aurora_dwh.source.extract import Source
from aurora_dwh.source.locks import take_lock
from aurora_dwh.source.query import read_query
from aurora_dwh.source.reader import Protocol, read
from aurora_dwh.source.statement import select
from aurora_dwh.source.windows import window
from aurora_dwh_tests.servers import Run, Server

UTC = ZoneInfo("UTC")

VALUES = {
    "tinyint": "-128", "tinyint unsigned": "255", "tinyint(1)": "2", "smallint": "-32768", "smallint unsigned": "65535",
    "mediumint": "-8388608", "mediumint unsigned": "16777215", "int": "-2147483648", "int unsigned": "4294967295",
    "int(5) zerofill": "7", "bigint": "-9223372036854775808", "bigint unsigned": "18446744073709551615",
    "decimal(12,2)": "-9999999999.99", "decimal(19,4) unsigned": "1.5", "decimal(5,0)": "-99999",
    "decimal(65,30)": "-0.5",
    "decimal(30,30)": "-0.25", "float": "0.1", "float(7,2)": "-3.25", "double": "-1.2345678901234567e-100",
    "double(9,3)": "0.125", "bit(1)": "b'1'", "bit(9)": "b'100000001'", "bit(64)": "18446744073709551615",
    "year": "2024", "date": "'2024-02-29'", "datetime": "'2024-01-01 10:00:00'",
    "datetime(3)": "'2024-01-01 10:00:00.125'",
    "timestamp(6) null": "'2024-01-01 10:00:00.000001'", "time": "'-838:59:59'", "time(2)": "'10:00:00.25'",
    "char(5)": "'a '", "varchar(10)": "'é😀'", "varchar(10) character set latin1": "'é'",
    "varchar(10) character set cp932": "'日本'", "varchar(20000) character set latin1": "REPEAT('é', 20000)",
    "tinytext": "'t'", "text": "REPEAT('x', 60000)", "mediumtext": "'m'", "longtext character set utf8mb3": "'l'",
    "binary(4)": "x'ff00'", "varbinary(7)": "x'00ff00'", "tinyblob": "x'01'", "blob": "x'00'", "longblob": "x'ff'",
    "json": "'{\"a\": [1, 2.50]}'", "geometry": "ST_GeomFromText('POINT(1 2)')",
}  # fmt: skip
"""Type -> a value, in SQL, that is easily lost."""

ENUMERATED = {"enum('x','yéy')": "'yéy'", "set('a','bc')": "'a,bc'"}
"""Types whose longest text is all that a result tells."""


@pytest.fixture
def run(server: Server, database: str) -> Iterator[Run]:
    """Runs a statement in the test's database, on a session in UTC."""
    with server.running(database) as run:
        yield run


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def source(server: Server, database: str, warnings: list[str]) -> Source:
    return Source(lambda: connect(**server.arguments(database)), database=database, zone=UTC, warn=warnings.append)


def table(query: str, **fields: Any) -> Table:
    return Table(**{"name": "sales", "mode": "full", "query": query, **fields})


def windows(*days: int) -> list[Window]:
    return [window(date(2024, 1, day), zone=UTC, start_date=date(2024, 1, 1)) for day in days]


def rows(extract: Extract) -> list[dict[str, Any]]:
    """Return an extract's rows, in order."""
    return sorted((row for batch in extract.batches for row in batch.to_pylist()), key=repr)


def first(source: Source, wanted: Table, *days: int) -> tuple[Extract, list[dict[str, Any]]]:
    """Return the one extract of days, by default of the first, and its rows."""
    ((extract, found),) = [(one, rows(one)) for one in source.extract(wanted, windows(*days or (1,)))]
    return extract, found


def shop(run: Run) -> None:
    """Make customers and their orders: two of the first of January, one of the second, and one of nobody."""
    run("CREATE TABLE customer (id INT PRIMARY KEY, name VARCHAR(20), email VARCHAR(30))")
    run("INSERT INTO customer VALUES (1, 'Ada', 'ada@example.org'), (2, 'Bob', 'bob@example.org')")
    run(
        "CREATE TABLE orders (id INT PRIMARY KEY, customer_id INT, total DECIMAL(9,2), written DATETIME(3) NOT NULL, "
        "KEY (written))"
    )
    run(
        "INSERT INTO orders VALUES (1, 1, 10, '2024-01-01 10:00'), (2, 2, 0.5, '2024-01-01 23:59:59.999'), "
        "(3, 1, 7, '2024-01-02'), (4, NULL, 1, '2024-01-02 10:00')"
    )


SALES = "SELECT o.id, c.name, c.email, o.total, o.written FROM orders o LEFT JOIN customer c ON c.id = o.customer_id"


@pytest.mark.parametrize("wire", ["binary", "text"])
@pytest.mark.parametrize("around", ["{}", "SELECT DISTINCT * FROM ({}) inside LIMIT 10"], ids=["merged", "by itself"])
def test_columns_and_values_of_every_type_are_those_of_the_table(
    server: Server, database: str, run: Run, wire: Protocol, around: str
) -> None:
    values = {**VALUES, **ENUMERATED}
    run(f"CREATE TABLE t ({', '.join(f'c{n} {kind}' for n, kind in enumerate(values))})")
    run("SET sql_mode = ''")
    run(f"INSERT INTO t VALUES ({', '.join(values.values())}), ({', '.join(['NULL'] * len(values))})")
    with connect(**server.arguments(database)) as session:
        known = read_schema(session, database, "t")
        found = read_query(session, database, "q", around.format("SELECT * FROM t"))
        for kind, there, here in zip(values, known.columns, found.columns, strict=True):
            assert here.arrow_type == there.arrow_type, kind
            assert here.charset == there.charset or here.data_type not in ("varchar", "text"), kind
            if kind not in ENUMERATED:
                assert (here.redshift_type, here.scale) == (there.redshift_type, there.scale), kind
            assert here.nullable

        def read_all(schema: Any) -> list[dict[str, Any]]:
            batches = read(session, select(schema), schema, wire=wire)
            return sorted(pa.Table.from_batches(batches, schema.arrow_schema).to_pylist(), key=repr)

        assert read_all(found) == read_all(known)
        assert [c.redshift_type for c in found.columns[-2:]] == ["VARCHAR(12)", "VARCHAR(16)"]


def test_what_is_computed_has_the_type_that_the_server_computes(server: Server, database: str, run: Run) -> None:
    shop(run)
    query = (
        "SELECT customer_id, COUNT(*) AS n, SUM(total) AS total, AVG(total) AS mean, MAX(written) AS last, "
        "CONCAT('nr ', customer_id) AS label, SUM(total) > 5 AS is_large, CAST(SUM(total) AS DOUBLE) AS d\n"
        "FROM orders GROUP BY customer_id -- by customer"
    )
    with connect(**server.arguments(database)) as session:
        schema = read_query(session, database, "q", query)
        statement = select(schema, order_by=["customer_id"])
        found = pa.Table.from_batches(read(session, statement, schema)).to_pylist()
    assert [column.redshift_type for column in schema.columns] == [
        *("INTEGER", "BIGINT", "DECIMAL(31,2)", "DECIMAL(13,6)", "TIMESTAMP"),
        *(schema.column("label").redshift_type, "INTEGER", "DOUBLE PRECISION"),
    ]
    assert [(row["customer_id"], row["n"], str(row["total"]), row["is_large"], row["d"]) for row in found] == [
        (None, 1, "1.00", 0, 1.0),
        (1, 2, "17.00", 1, 17.0),
        (2, 1, "0.50", 0, 0.5),
    ]


def test_a_day_has_the_rows_whose_cursor_lies_in_it(source: Source, run: Run, warnings: list[str]) -> None:
    shop(run)
    for mode in ("append", "incremental"):
        wanted = table(SALES, mode=mode, key="id", cursor="Written", exclude="email")
        days = {extract.window.day.day: rows(extract) for extract in source.extract(wanted, windows(1, 2))}
        assert {day: [row["id"] for row in found] for day, found in days.items()} == {1: [1, 2], 2: [3, 4]}
        assert [row["name"] for row in days[2]] == ["Ada", None]
        assert set(days[1][0]) == {"id", "name", "total", "written"}
        second, found = first(source, wanted, 2)
        assert found == days[2]
        assert second.counted.rows == 2
    statement = source.statement(wanted, source.schema(wanted), windows(2)[0])
    assert any("written" in map(str, step) for step in run(f"EXPLAIN FORMAT=TRADITIONAL {statement}"))
    assert "it is a query's, and each day scans the table behind it" in warnings[0]


def test_a_mask_and_a_filter_are_the_servers_around_the_query(source: Source, run: Run) -> None:
    shop(run)
    wanted = table(SALES, mask={"email": "sha256", "name": {"keep_last": 1}}, filter="sales.id < 3")
    _, found = first(source, wanted)
    assert "ada@example.org" not in str(found)
    (expected,) = run("SELECT SHA2(email, 256) FROM customer WHERE id = 1")
    assert [(row["email"], row["name"]) for row in found if row["id"] == 1] == [(expected[0], "**a")]
    assert len(found) == 2
    statement = source.statement(wanted, source.schema(wanted), windows(1)[0])
    assert statement.endswith(f"FROM (\n{SALES}\n) AS `sales`\nWHERE (sales.id < 3)")


def test_rows_are_counted_where_the_query_is_cheap_and_gives_the_same_again(source: Source, run: Run) -> None:
    shop(run)
    extract, found = first(source, table(SALES))
    assert (len(found), extract.counted.rows) == (4, 4)
    extract, found = first(source, table("SELECT id, NOW() AS at FROM orders"))
    assert (len(found), extract.counted.rows) == (4, None)
    assert extract.counted.reason == "`query` asks for NOW, which may have changed since"
    cross = table("SELECT 1 AS n FROM " + ", ".join(f"orders t{n}" for n in range(9)))
    extract, found = first(source, cross)
    assert (len(found), extract.counted.rows) == (4**9, None)
    assert extract.counted.reason.startswith("the query would be run once more, over up to 262,144 rows")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT id, id FROM orders", "Duplicate column name 'id' (MySQL error 1060); give one of the two another"),
        ("SELECT o.id, c.ID FROM orders o, customer c", "give one of the two another name by AS"),
        ("SELECT id, total * 2 FROM orders", "gives 'total * 2' no name; write AS and a name behind it"),
        ("SELECT COUNT(*) FROM orders", "gives 'COUNT(*)' no name"),
        ("SELECT id, 1 FROM orders", "gives '1' no name"),
        ("SELECT id, NULL AS note FROM orders", "gives 'note' NULL and no type; write CAST(NULL AS CHAR(20)), say"),
        ("SELECT id, gone FROM orders", "Unknown column 'gone'"),
        ("SELECT id FROM gone", "doesn't exist (MySQL error 1146); mend the query in the catalog"),
        ("SELECT id FROM", "error in your SQL syntax"),
        ("WITH x AS (SELECT id FROM orders) DELETE FROM orders", "error in your SQL syntax"),
    ],
)
def test_what_the_server_refuses_is_said_with_a_remedy(source: Source, run: Run, query: str, said: str) -> None:
    shop(run)
    with pytest.raises(DataError) as caught:
        source.schema(table(query))
    assert str(caught.value).startswith("table sales: ")
    assert said in str(caught.value)
    assert run("SELECT COUNT(*) FROM orders") == [(4,)]


def test_odd_names_are_kept_where_they_are_written_as_names(source: Source, run: Run) -> None:
    run("CREATE TABLE odd (`unit price` INT, `a``b` INT, `1` INT)")
    run("INSERT INTO odd VALUES (1, 2, 3)")
    _, found = first(source, table("SELECT *, 7 AS `a % {b}` FROM odd -- :all; {of} %s it"))
    assert found == [{"unit price": 1, "a`b": 2, "1": 3, "a % {b}": 7}]


def test_the_name_of_a_table_is_refused(source: Source, database: str, run: Run) -> None:
    shop(run)
    with pytest.raises(DataError) as caught:
        source.schema(table(SALES, name="orders"))
    assert str(caught.value) == (
        f"table orders: it has a `query`, and {database} has a table of that name, too; give the query another name in "
        "the catalog, and `target_table: orders` where Redshift's table is to be called so"
    )


def test_a_user_that_may_only_read_the_tables_can_read_a_query(server: Server, database: str, run: Run) -> None:
    shop(run)
    user = f"only_{database}"
    run(f"CREATE USER {user} IDENTIFIED BY 'Only-1-read'")
    run(f"GRANT SELECT ON {database}.orders TO {user}")
    arguments = {**server.arguments(database), "user": user, "password": "Only-1-read"}
    source = Source(lambda: connect(**arguments), database=database, zone=UTC, warn=lambda _: None)
    _, found = first(source, table("SELECT id FROM orders"))
    assert [row["id"] for row in found] == [1, 2, 3, 4]
    with pytest.raises(DataError, match=r"command denied .*customer.*have an administrator grant SELECT"):
        source.schema(table(SALES))


def test_a_snapshot_of_a_query_shares_the_locks_of_its_tables(server: Server, database: str, run: Run) -> None:
    shop(run)
    with connect(**server.arguments(database)) as session, snapshot(session):
        assert take_lock(session, database, "sales", SALES)
        run("SET lock_wait_timeout = 1")
        for name in ("orders", "customer"):
            with pytest.raises(Exception, match="Lock wait timeout"):
                run(f"ALTER TABLE {name} COMMENT = 'x'")
    run("LOCK TABLES customer WRITE")
    with connect(**server.arguments(database)) as session:
        execute(session, "SET SESSION lock_wait_timeout = 1")
        assert not take_lock(session, database, "sales", SALES)
    run("UNLOCK TABLES")


def test_the_columns_are_learned_without_running_the_query(source: Source, run: Run) -> None:
    shop(run)
    query = "SELECT o.id, SLEEP(3600) AS slept, COUNT(*) AS n, c.name FROM orders o, customer c GROUP BY 1, 4"
    assert [column.name for column in source.schema(table(query)).columns] == ["id", "slept", "n", "name"]
