"""The columns of marts, of which no warehouse is asked: from their headers, their SQL, and one another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aurora_dwh.catalog.model import PACKAGED_CATALOG, marts_folder
from aurora_dwh.warehouse.marts.columns import check_declared, column_types
from aurora_dwh.warehouse.marts.model import MartError, kind, read_mart, read_marts

UNTOLD = (
    "m.sql: the type of column a cannot be told from its SQL; "
    "declare it in the header, such as `columns: {a: INTEGER}`, or CAST it"
)


def write(folder: Path, name: str, query: str, columns: str = "{}") -> None:
    header = f"materialization: table\ndescription: What\ngrain: [a]\ncolumns: {columns}\n"
    (folder / f"{name}.sql").write_text(f"/*\n{header}*/\n{query}", encoding="utf-8")


def test_the_samples_columns_are_all_known() -> None:
    types = column_types(read_marts(marts_folder(PACKAGED_CATALOG)))
    assert types["daily_sales"] == {
        "order_day": "DATE",
        "product_line": "VARCHAR",
        "orders": "BIGINT",
        "units": "BIGINT",
        "revenue": "DECIMAL",
        "discount": "DECIMAL",
    }
    assert types["stock_cover"]["cover_days"] == "DECIMAL(12, 1)"


def test_types_are_read_from_the_sql_of_this_mart_and_of_those_that_it_reads(tmp_path: Path) -> None:
    write(tmp_path, "above", "WITH x AS (SELECT n + 1 AS m, d FROM bi.below) SELECT m, d, m > 2 AS y FROM x")
    write(tmp_path, "all", "SELECT * FROM bi.below")
    write(tmp_path, "below", "SELECT CAST(t AS DATE) AS D, COUNT(*) AS n FROM staging.v GROUP BY 1")
    assert column_types(read_marts(tmp_path)) == {
        "above": {"m": "BIGINT", "d": "DATE", "y": "BOOLEAN"},
        "all": {"d": "DATE", "n": "BIGINT"},
        "below": {"d": "DATE", "n": "BIGINT"},
    }


def test_what_is_declared_goes_before_the_sql_and_stands_for_a_star(tmp_path: Path) -> None:
    write(tmp_path, "m", "SELECT COUNT(*) AS N, b FROM staging.v GROUP BY 2", "{n: INTEGER, B: VARCHAR(9)}")
    write(tmp_path, "star", "SELECT v.*, 1 AS c FROM staging.v AS v", "{a: DATE, b: REAL}")
    types = column_types(read_marts(tmp_path))
    assert types["m"] == {"n": "INTEGER", "b": "VARCHAR(9)"}
    assert types["star"] == {"c": "INTEGER", "a": "DATE", "b": "REAL"}


@pytest.mark.parametrize(
    ("query", "columns", "said"),
    [
        ("SELECT a FROM staging.v", "{}", UNTOLD),
        ("SELECT AVG(b) AS a FROM staging.v", "{}", "m.sql: the type of column a cannot"),  # of integers an integer
        ("SELECT SUM(CAST(b AS BIGINT)) AS a FROM staging.v", "{}", "m.sql: the type of column a cannot"),
        ("SELECT 1 AS a UNION ALL SELECT 1.5", "{}", "m.sql: the type of column a cannot"),
        ("SELECT * FROM staging.v", "{}", r"m.sql: its SELECT \* does not say which columns it has; declare them"),
        ("SELECT 1 AS a", "{b: DATE}", "m.sql: columns: b: the query has no such column"),
    ],
)  # fmt: skip
def test_a_type_that_cannot_be_told_is_an_error_with_file_column_and_remedy(
    tmp_path: Path, query: str, columns: str, said: str
) -> None:
    write(tmp_path, "m", query, columns)
    with pytest.raises(MartError, match=said):
        column_types(read_marts(tmp_path))


def test_every_column_that_cannot_be_told_is_named_at_once(tmp_path: Path) -> None:
    write(tmp_path, "one", "SELECT a, b FROM staging.v")
    write(tmp_path, "two", "SELECT c FROM staging.v")
    with pytest.raises(MartError) as caught:
        column_types(read_marts(tmp_path))
    assert [line.split(" cannot")[0] for line in str(caught.value).splitlines()] == [
        f"{file}.sql: the type of column {column}" for file, column in (("one", "a"), ("one", "b"), ("two", "c"))
    ]


def test_a_type_that_redshift_does_not_have_is_refused_where_the_file_is_read(tmp_path: Path) -> None:
    write(tmp_path, "m", "SELECT a FROM staging.v", "{a: INTEGR}")
    with pytest.raises(MartError, match=r"^m.sql: columns: a: 'INTEGR' is no type of Redshift$"):
        read_mart(tmp_path / "m.sql")


@pytest.mark.parametrize(
    ("types", "one"),
    [
        (("INTEGER", "BIGINT", "smallint", "int4"), "INTEGER"),
        (("DECIMAL(10,2)", "numeric(38,0)", "real", "double precision", "FLOAT8"), "DECIMAL"),
        (("VARCHAR(MAX)", "character varying(60)", "CHAR(3)", "text"), "STRING"),
        (("DATE", "TIMESTAMP", "timestamp without time zone"), "DATETIME"),
        (("BOOLEAN", "bool"), "BIT"),
        (("SUPER",), "SUPER"),
        (("TIMESTAMPTZ", "timestamp with time zone"), "TIMESTAMPTZ"),
    ],
)
def test_types_of_one_kind(types: tuple[str, ...], one: str) -> None:
    assert {kind(type_name) for type_name in types} == {one}


def test_a_build_is_compared_with_what_is_declared(tmp_path: Path) -> None:
    write(tmp_path, "m", "SELECT a, b FROM staging.v", "{A: BIGINT}")
    mart = read_mart(tmp_path / "m.sql")
    check_declared(mart, [("a", "integer"), ("b", "date")])
    check_declared(mart, [])  # Redshift does not tell the columns of every view
    with pytest.raises(MartError, match=r"m.sql: columns: a is declared BIGINT and the query gives numeric\(20,0\)"):
        check_declared(mart, [("a", "numeric(20,0)")])
    with pytest.raises(MartError, match=r"m.sql: columns: a: the query has no such column"):
        check_declared(mart, [("b", "date")])
    described = replace(mart, header=mart.header.model_copy(update={"columns": {}, "descriptions": {"B": "text"}}))
    check_declared(described, [("a", "integer"), ("b", "date")])
    with pytest.raises(MartError, match=r"m.sql: descriptions: b: the query has no such column; the old rows stay"):
        check_declared(described, [("a", "integer")])
