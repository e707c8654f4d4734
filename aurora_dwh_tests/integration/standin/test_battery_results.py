"""What Redshift answers otherwise than PostgreSQL, a row each: query, rows, types of the columns, source.

Belongs here: values and result types of one query over a few rows. Does not belong here: what is refused, and the types
of columns in the catalog.
"""
# ruff: noqa: DTZ001, E501 - a TIMESTAMP has no zone; a row each

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh_tests.integration.standin.battery import battery, types
from aurora_dwh_tests.integration.standin.conftest import Session

COMPUTATIONS = "r_numeric_computations201"
FIRST = "FROM n WHERE i = 1"


@pytest.fixture(scope="module")
def db(standin: RedshiftStandIn) -> Iterator[Session]:
    yield from battery(standin)


Row = tuple[str, list[tuple[Any, ...]], list[str], str]

ARITHMETIC_ROWS: list[Row] = [
    (f"SELECT d / e {FIRST}", [(Decimal("3.333333333"),)], ["numeric(17,9)"], COMPUTATIONS),
    (f"SELECT d * e {FIRST}", [(Decimal("30.0000"),)], ["numeric(17,4)"], COMPUTATIONS),
    (f"SELECT d + e {FIRST}", [(Decimal("13.00"),)], ["numeric(9,2)"], COMPUTATIONS),
    (f"SELECT d - e {FIRST}", [(Decimal("7.00"),)], ["numeric(9,2)"], COMPUTATIONS),
    (f"SELECT d * k {FIRST}", [(Decimal("30.00"),)], ["numeric(28,2)"], COMPUTATIONS),
    (f"SELECT d * j {FIRST}", [(Decimal("20.00"),)], ["numeric(19,2)"], COMPUTATIONS),
    (f"SELECT d * i {FIRST}", [(Decimal("10.00"),)], ["numeric(14,2)"], COMPUTATIONS),
    (f"SELECT d + j {FIRST}", [(Decimal("12.00"),)], ["numeric(13,2)"], COMPUTATIONS),
    (f"SELECT d / j {FIRST}", [(Decimal("5"),)], ["numeric(19,13)"], COMPUTATIONS),
    (f"SELECT d / 3 {FIRST}", [(Decimal("3.3333333333333"),)], ["numeric(19,13)"], COMPUTATIONS),
    (f"SELECT (d + e) / (d - e) {FIRST}", [(Decimal("1.8571428571"),)], ["numeric(19,10)"], COMPUTATIONS),
    (f"SELECT d + e * j {FIRST}", [(Decimal("16.00"),)], ["numeric(20,2)"], COMPUTATIONS),
    (f"SELECT d - e - e {FIRST}", [(Decimal("4.00"),)], ["numeric(10,2)"], COMPUTATIONS),
    (f"SELECT -d / e {FIRST}", [(Decimal("-3.333333333"),)], ["numeric(17,9)"], COMPUTATIONS),
    (f"SELECT d * 1.5 {FIRST}", [(Decimal("15.000"),)], ["numeric(11,3)"], COMPUTATIONS),
    (f"SELECT d / CAST(3 AS decimal(10,0)) {FIRST}", [(Decimal("3.3333333333333"),)], ["numeric(19,13)"], COMPUTATIONS),
    (f"SELECT d::decimal(10,4) / e::decimal(5,1) {FIRST}", [(Decimal("3.333333333"),)], ["numeric(16,9)"], COMPUTATIONS),
    (f"SELECT (d / e)::decimal(10,2) {FIRST}", [(Decimal("3.33"),)], ["numeric(10,2)"], COMPUTATIONS),
    (f"SELECT d / NULLIF(e, 0) {FIRST}", [(Decimal("3.333333333"),)], ["numeric(17,9)"], COMPUTATIONS),
    (f"SELECT d / COALESCE(e, 1) {FIRST}", [(Decimal("3.3333333333333"),)], ["numeric(21,13)"], COMPUTATIONS),
    (f"SELECT CASE WHEN j > 1 THEN d ELSE 0 END {FIRST}", [(Decimal("10.00"),)], ["numeric(12,2)"], COMPUTATIONS),
    (f"SELECT x.q * 2 FROM (SELECT d / e AS q {FIRST}) x", [(Decimal("6.666666666"),)], ["numeric(28,9)"], COMPUTATIONS),
    (
        f"WITH x AS (SELECT d / e AS q {FIRST}) SELECT q, (SELECT max(q) FROM x) FROM x",
        [(Decimal("3.333333333"), Decimal("3.333333333"))],
        ["numeric(17,9)", "numeric(17,9)"],
        COMPUTATIONS,
    ),
    (
        "SELECT CAST(1 AS DECIMAL(38, 20)) / (1 / CAST(10 AS DECIMAL(38, 20)))",
        [(Decimal(10),)],
        ["numeric(38,12)"],
        COMPUTATIONS,
    ),
    (
        "SELECT d / e, count(*) FROM n GROUP BY d / e ORDER BY d / e",
        [(Decimal("3.333333333"), 1), (Decimal("6.666666667"), 1)],
        ["numeric(17,9)", "bigint"],
        COMPUTATIONS,
    ),
    (
        "SELECT SUM(d) / SUM(e) FROM n",
        [(Decimal(5),)],
        ["numeric(38,4)"],
        COMPUTATIONS,
    ),
    (
        "SELECT DISTINCT d / e FROM n ORDER BY d / e DESC",
        [(Decimal("6.666666667"),), (Decimal("3.333333333"),)],
        ["numeric(17,9)"],
        COMPUTATIONS,
    ),
    ("SELECT x.a / x.b FROM (SELECT 1.5 AS a, 2 AS b) x", [(Decimal("0.75"),)], ["numeric(13,12)"], COMPUTATIONS),
    ("SELECT SQRT(e - 2 + 3), POWER(j, 2), LN(1), EXP(0), LOG(100) FROM n WHERE i = 1", [(2.0, 4.0, 0.0, 1.0, 2.0)], ["double precision"] * 5, "r_SQRT"),
    ("SELECT STDDEV(d), VAR_SAMP(j), VARIANCE(k) FROM n", [(7.0710678118654755, 0.5, 0.5)], ["double precision"] * 3, "r_STDDEV_functions"),
    ("SELECT SUM(d * j) FROM n", [(Decimal("80.00"),)], ["numeric(38,2)"], COMPUTATIONS),
    ("SELECT SUM(d) / COUNT(*) FROM n", [(Decimal(15),)], ["numeric(38,4)"], COMPUTATIONS),
    (f"SELECT d * r {FIRST}", [(5.0,)], ["double precision"], COMPUTATIONS),
    (f"SELECT j * r {FIRST}", [(1.0,)], ["double precision"], COMPUTATIONS),
    (f"SELECT j / 4, i + i, i + j, j + k {FIRST}", [(0, 2, 3, 5)], ["integer", "smallint", "integer", "bigint"], COMPUTATIONS),
    ("SELECT 7 / 2, -7 / 2, 7 % 3", [(3, -3, 1)], ["integer"] * 3, COMPUTATIONS),
    ("SELECT 1.5::decimal, CAST(2.5 AS numeric)", [(Decimal(2), Decimal(3))], ["numeric(18,0)"] * 2, "r_Numeric_types201"),
    ("SELECT CAST(109.652 AS decimal(4,1))", [(Decimal("109.7"),)], ["numeric(4,1)"], "r_CAST_function"),
    (f"SELECT ROUND(d), ROUND(d, 1), TRUNC(d), ABS(d) {FIRST}", [(10, 10, 10, 10)], ["numeric(8,2)"] * 4, "r_ROUND"),
    (f"SELECT CEIL(d), FLOOR(d), CEILING(e) {FIRST}", [(10, 10, 3)], ["numeric(8,2)"] * 3, "r_CEILING_FLOOR"),
    (f"SELECT ROUND(f), CEIL(f), FLOOR(f) {FIRST}", [(2.0, 2.0, 1.0)], ["double precision"] * 3, "r_ROUND"),
    ("SELECT GREATEST(d, e), LEAST(d, e) FROM n WHERE i = 1", [(10, 3)], ["numeric(8,2)"] * 2, "r_GREATEST_LEAST"),
    (
        "SELECT d FROM n UNION ALL SELECT w FROM n WHERE false ORDER BY 1",
        [(Decimal(10),), (Decimal(20),)],
        ["numeric(38,20)"],
        "r_UNION",
    ),
]  # fmt: skip

AGGREGATE_ROWS: list[Row] = [
    ("SELECT SUM(i), SUM(j), SUM(k) FROM n", [(3, 5, 7)], ["bigint"] * 3, "r_SUM"),
    ("SELECT SUM(d), SUM(w) FROM n", [(Decimal("30.00"), Decimal("11.5"))], ["numeric(38,2)", "numeric(38,20)"], "r_SUM"),
    ("SELECT SUM(r) FROM n", [(0.75,)], ["double precision"], "r_SUM"),
    ("SELECT SUM(r::float8), SUM(1.5::float8) FROM n", [(0.75, 3.0)], ["double precision"] * 2, "r_SUM"),
    ("SELECT AVG(i), AVG(j), AVG(k) FROM n", [(1, 2, 3)], ["bigint"] * 3, "r_AVG"),
    ("SELECT AVG(k * -1) FROM n", [(-3,)], ["bigint"], "r_AVG"),
    ("SELECT AVG(d), AVG(e) FROM n", [(Decimal("15.00"), Decimal("3.00"))], ["numeric(38,2)"] * 2, "r_AVG"),
    ("SELECT AVG(r), AVG(r::float8) FROM n", [(0.375, 0.375)], ["double precision"] * 2, "r_AVG"),
    ("SELECT MAX(d), MIN(w), MAX(j) FROM n", [(Decimal(20), Decimal("1.5"), 3)], ["numeric(8,2)", "numeric(38,20)", "integer"], "r_MAX"),
    ("SELECT COUNT(*), COUNT(DISTINCT e) FROM n", [(2, 1)], ["bigint", "bigint"], "r_COUNT"),
    ("SELECT APPROXIMATE COUNT(DISTINCT e) FROM n", [(1,)], ["bigint"], "r_COUNT"),
    (
        "SELECT SUM(k) OVER (ORDER BY i ROWS UNBOUNDED PRECEDING) FROM n ORDER BY 1",
        [(3,), (7,)],
        ["bigint"],
        "r_WF_SUM",
    ),
    ("SELECT SUM(d) OVER (PARTITION BY e) FROM n WHERE i = 1", [(Decimal(10),)], ["numeric(38,2)"], "r_WF_SUM"),
    (
        "SELECT SUM(k) OVER (ORDER BY i ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING) FROM n ORDER BY i",
        [(4,), (None,)],
        ["bigint"],
        "r_WF_SUM",
    ),
    ("SELECT SUM(SUM(d)) OVER () FROM n GROUP BY e", [(Decimal(30),)], ["numeric(38,2)"], "c_Window_functions"),
    ("SELECT AVG(k) OVER () FROM n WHERE i = 1", [(3,)], ["bigint"], "r_WF_AVG"),
    ("SELECT LAG(d) OVER (ORDER BY i) FROM n WHERE i = 1", [(None,)], ["numeric(8,2)"], "r_WF_LAG"),
    (
        "SELECT RANK() OVER (PARTITION BY groups ORDER BY range) FROM (SELECT 1 AS groups, 2 AS range) x",
        [(1,)],
        ["bigint"],
        "c_Window_functions",
    ),
    ("SELECT SUM(k) FROM n WHERE false", [(None,)], ["bigint"], "r_SUM"),
    ("SELECT AVG(j), SUM(d) FROM n WHERE false", [(None, None)], ["bigint", "numeric(38,2)"], "r_AVG"),
    ("SELECT MEDIAN(j) FROM n", [(Decimal("2.5"),)], ["numeric"], "r_MEDIAN"),
    ("SELECT MEDIAN(r::float8) FROM n", [(0.375,)], ["double precision"], "r_MEDIAN"),
    ("SELECT SUM(CASE WHEN j > 2 THEN d ELSE 0 END) FROM n", [(Decimal(20),)], ["numeric(38,2)"], "r_SUM"),
    ("SELECT LISTAGG(c, ',') WITHIN GROUP (ORDER BY i) FROM n", [("abc,x",)], ["varchar"], "r_LISTAGG"),
]  # fmt: skip

DATE_ROWS: list[Row] = [
    (f"SELECT DATE_TRUNC('month', day) {FIRST}", [(datetime(2024, 2, 1),)], ["timestamp"], "r_DATE_TRUNC"),
    (f"SELECT DATE_TRUNC('week', ts) {FIRST}", [(datetime(2024, 2, 12),)], ["timestamp"], "r_DATE_TRUNC"),
    ("SELECT DATE_TRUNC('month', '2024-02-15')", [(datetime(2024, 2, 1),)], ["timestamp"], "r_DATE_TRUNC"),
    (f"SELECT EXTRACT(year FROM day), EXTRACT(hour FROM ts) {FIRST}", [(2024, 10)], ["integer"] * 2, "r_EXTRACT_function"),
    ("SELECT EXTRACT(year FROM (SELECT MAX(ts) FROM n))", [(2024,)], ["integer"], "r_EXTRACT_function"),
    ("SELECT EXTRACT(ms FROM timestamp '2009-09-09 12:08:43.101')", [(101,)], ["integer"], "r_EXTRACT_function"),
    ("SELECT EXTRACT(ms FROM time '18:25:33.123456')", [(123,)], ["integer"], "r_EXTRACT_function"),
    (f"SELECT EXTRACT(year FROM tz) {FIRST}", [(2024.0,)], ["double precision"], "r_EXTRACT_function"),
    (f"SELECT EXTRACT('month' FROM ts), EXTRACT(dayofyear FROM ts) {FIRST}", [(2, 46)], ["integer"] * 2, "r_Dateparts_for_datetime_functions"),
    (f"SELECT EXTRACT(epoch FROM ts) {FIRST}", [(1707992430,)], ["integer"], "r_EXTRACT_function"),
    (f"SELECT DATE_PART(year, day), DATE_PART('minute', ts) {FIRST}", [(2024.0, 20.0)], ["double precision"] * 2, "r_DATE_PART_function"),
    (f"SELECT DATEDIFF(month, day, ts) {FIRST}", [(0,)], ["bigint"], "r_DATEDIFF_function"),
    (f"SELECT DATEADD(day, 1, day) {FIRST}", [(datetime(2024, 2, 16),)], ["timestamp"], "r_DATEADD_function"),
    (f"SELECT day + 1, day - date '2024-02-01' {FIRST}", [(date(2024, 2, 16), 14)], ["date", "integer"], "r_Datetime_types"),
    (f"SELECT LAST_DAY(day), TRUNC(ts) {FIRST}", [(date(2024, 2, 29), date(2024, 2, 15))], ["date", "date"], "r_LAST_DAY"),
    (f"SELECT ADD_MONTHS(day, 1) {FIRST}", [(datetime(2024, 3, 15),)], ["timestamp"], "r_ADD_MONTHS"),
    ("SELECT MONTHS_BETWEEN('2024-03-31', '2024-02-29')", [(1.0,)], ["double precision"], "r_MONTHS_BETWEEN_function"),
    (f"SELECT CAST(ts AS date), CAST(day AS timestamp) {FIRST}", [(date(2024, 2, 15), datetime(2024, 2, 15))], ["date", "timestamp"], "r_CAST_function"),
    (f"SELECT TO_CHAR(ts, 'YYYY-MM-DD HH24:MI:SS'), TO_CHAR(d, '999.99') {FIRST}", [("2024-02-15 10:20:30", "  10.00")], ["text", "text"], "r_TO_CHAR"),
    ("SELECT TO_DATE('20240215', 'YYYYMMDD')", [(date(2024, 2, 15),)], ["date"], "r_TO_DATE_function"),
    ("SELECT GETDATE() IS NULL, SYSDATE IS NULL", [(False, False)], ["boolean"] * 2, "r_GETDATE"),
    ("SELECT INTERVAL '1 day' + date '2024-01-05'", [(datetime(2024, 1, 6),)], ["timestamp"], "r_interval_literals"),
]  # fmt: skip

TEXT_ROWS: list[Row] = [
    ("SELECT REGEXP_REPLACE('a1b2', '[0-9]', 'x')", [("axbx",)], ["varchar"], "REGEXP_REPLACE"),
    ("SELECT REGEXP_REPLACE('a1b2', '[0-9]')", [("ab",)], ["varchar"], "REGEXP_REPLACE"),
    ("SELECT REGEXP_REPLACE('a1b2', '[0-9]', 'x', 3)", [("a1bx",)], ["varchar"], "REGEXP_REPLACE"),
    ("SELECT REGEXP_REPLACE('the fox', 'FOX', 'quick brown fox', 1, 'i')", [("the quick brown fox",)], ["varchar"], "REGEXP_REPLACE"),
    ("SELECT REGEXP_REPLACE('aXbX', 'x', '', 1, 'c'), REGEXP_REPLACE('ab', 'b', NULL)", [("aXbX", None)], ["varchar"] * 2, "REGEXP_REPLACE"),
    ("SELECT REGEXP_SUBSTR('a12b34', '[0-9]+'), REGEXP_SUBSTR('abc', '[0-9]+')", [("12", "")], ["varchar"] * 2, "REGEXP_SUBSTR"),
    ("SELECT REGEXP_COUNT('a1b2', '[0-9]'), REGEXP_INSTR('a1b2', '[0-9]')", [(2, 2)], ["integer"] * 2, "REGEXP_COUNT"),
    ("SELECT SPLIT_PART('abc$def$ghi', '$', 2), SPLIT_PART('abc', '$', 4)", [("def", "")], ["varchar"] * 2, "SPLIT_PART"),
    (f"SELECT LEN(c), LEN(v), OCTET_LENGTH(v) {FIRST}", [(3, 5, 5)], ["integer"] * 3, "r_Character_types"),
    (f"SELECT c = v, v = 'abc', v LIKE 'abc' {FIRST}", [(True, True, False)], ["boolean"] * 3, "r_Character_types"),
    (f"SELECT c || '|' {FIRST}", [("abc|",)], ["text"], "r_Character_types"),
    ("SELECT 'a' || NULL, CONCAT('a', NULL), NVL(NULL, 'x')", [(None, None, "x")], ["text"] * 3, "r_CONCAT"),
    ("SELECT 'a_c' LIKE 'a\\\\_c', 'abc' LIKE 'a\\\\_c', 'AbC' ILIKE 'a%'", [(True, False, True)], ["boolean"] * 3, "r_patternmatching_condition_like"),
    ("SELECT 'abc' SIMILAR TO '%(b|d)%', 'abc' ~ 'b'", [(True, True)], ["boolean"] * 2, "pattern-matching-conditions-similar-to"),
    ("SELECT INITCAP('ab cd'), UPPER('é'), REVERSE('abc'), LPAD('7', 3, '0')", [("Ab Cd", "É", "cba", "007")], ["text"] * 4, "r_INITCAP"),
    ("SELECT 'a' < 'B', 'B' < 'a'", [(False, True)], ["boolean"] * 2, "c_collation_sequences"),
    ("SELECT STRPOS('abc', 'c'), CHARINDEX('c', 'abc'), POSITION('c' IN 'abc')", [(3, 3, 3)], ["integer"] * 3, "r_STRPOS"),
    ("SELECT CAST(2008 AS char(4)), CAST('abcdef' AS char(3))", [("2008", "abc")], ["char"] * 2, "r_CAST_function"),
    ("SELECT CAST('寿寿' AS varchar(4)), '寿寿'::varchar(6), 'abc'::varchar(2)", [("寿", "寿寿", "ab")], ["varchar"] * 3, "r_Character_types"),
    ("SELECT LEN(CAST(REPEAT('x', 300) AS varchar)), LEN(REPEAT('x', 300)::text)", [(300, 300)], ["integer"] * 2, "r_Character_types"),
    ("SELECT LEN(CONCAT(REPEAT('A', 70000), 'B'))", [(70001,)], ["integer"], "r_Character_types"),
]  # fmt: skip

OTHER_ROWS: list[Row] = [
    ("SELECT count(*) FROM n WHERE f = 'NaN'", [(0,)], ["bigint"], "SDB"),
    ("SELECT count(*) FROM n WHERE f > 3", [(0,)], ["bigint"], "SDB"),
    ("SELECT count(*) FROM n WHERE f >= 3 OR f < 1 OR f <= 1", [(0,)], ["bigint"], "SDB"),
    ("SELECT count(*) FROM n a JOIN n b ON a.f = b.f", [(1,)], ["bigint"], "SDB"),
    ("SELECT count(*) FROM n WHERE flag IS TRUE", [(1,)], ["bigint"], "r_Boolean_type"),
    ("SELECT i FROM n WHERE k IN (SELECT MAX(k) FROM n m WHERE m.i = n.i GROUP BY m.i) ORDER BY 1", [(1,), (2,)], ["smallint"], "r_correlated_subqueries"),
    ("SELECT i, (SELECT MAX(m.k) FROM n m WHERE m.i = n.i) FROM n WHERE EXISTS (SELECT 1 FROM n o WHERE o.j = n.j) ORDER BY 1", [(1, 3), (2, 4)], ["smallint", "bigint"], "r_correlated_subqueries"),
    ("SELECT count(*) FROM n WHERE f > 1", [(1,)], ["bigint"], "SDB"),
    ("SELECT j FROM n ORDER BY v", [(2,), (3,)], ["integer"], "r_ORDER_BY_clause"),
    ("SELECT j FROM n ORDER BY v DESC", [(3,), (2,)], ["integer"], "r_ORDER_BY_clause"),
    ("SELECT j FROM n ORDER BY v NULLS FIRST", [(3,), (2,)], ["integer"], "r_ORDER_BY_clause"),
    ("SELECT TOP 1 j FROM n ORDER BY j DESC", [(3,)], ["integer"], "r_SELECT_list"),
    (
        "SELECT count(*) FROM n GROUP BY ROLLUP (e) ORDER BY 1",
        [(2,), (2,)],
        ["bigint"],
        "r_GROUP_BY_aggregation-extensions",
    ),
    ("SELECT flag::int, 1::boolean, 0::bool FROM n WHERE i = 1", [(1, True, False)], ["integer", "boolean", "boolean"], "c_Supported_data_types"),
    ("SELECT flag::bigint, flag::smallint FROM n WHERE i = 2", [(0, 0)], ["bigint", "smallint"], "c_Supported_data_types"),
    ("SELECT JSON_SERIALIZE(NULL)", [("null",)], ["varchar"], "JSON_SERIALIZE"),
    ("SELECT JSON_SERIALIZE('{\"a\":1}'::super)", [('"{\\"a\\":1}"',)], ["varchar"], "query-super"),
    ("SELECT JSON_TYPEOF(JSON_PARSE('[{\"a\":1},{\"a\":2}]'))", [("array",)], ["varchar"], "r_json_typeof"),
    ("SELECT JSON_SERIALIZE(JSON_PARSE('{\"a\":{\"a\":1}}'))", [('{"a":{"a":1}}',)], ["varchar"], "super-configurations"),
    ("SELECT COALESCE(NULL, j, 5), NVL2(NULL, 1, 2) FROM n WHERE i = 1", [(2, 2)], ["integer"] * 2, "r_NVL_function"),
    ("SELECT CASE WHEN j > 1 THEN i ELSE k END FROM n WHERE i = 1", [(1,)], ["bigint"], "r_CASE_function"),
    ("SELECT current_database() = current_database(), current_user = 'admin'", [(True, True)], ["boolean"] * 2, "r_CURRENT_DATABASE"),
    ("SELECT count(*) FROM generate_series(1, 3) AS g (i)", [(3,)], ["bigint"], "aws-samples/amazon-redshift-udfs"),
]  # fmt: skip

ROWS = [*ARITHMETIC_ROWS, *AGGREGATE_ROWS, *DATE_ROWS, *TEXT_ROWS, *OTHER_ROWS]


@pytest.mark.parametrize(("query", "rows", "kinds", "source"), ROWS, ids=[row[0][:90] for row in ROWS])
def test_redshift_answers(db: Session, query: str, rows: list[tuple[Any, ...]], kinds: list[str], source: str) -> None:
    assert (db.sql(query), [kind.replace("text", "varchar") for kind in types(db)]) == (
        rows,
        [kind.replace("text", "varchar") for kind in kinds],
    ), f"source: {source}"


TABLES: list[tuple[str, list[str], str]] = [
    ("SELECT d / e AS c FROM n", ["numeric(17,9)"], COMPUTATIONS),
    ("SELECT SUM(k) AS c, AVG(k) AS e, SUM(d) AS f FROM n", ["bigint", "bigint", "numeric(38,2)"], "r_SUM"),
    ("SELECT DATE_TRUNC('month', day) AS c FROM n", ["timestamp without time zone"], "r_DATE_TRUNC"),
    ("SELECT EXTRACT(year FROM day) AS c FROM n", ["integer"], "r_EXTRACT_function"),
    ("SELECT SUM(r) AS c FROM n", ["double precision"], "r_SUM"),
    ("SELECT d * j + e AS c FROM n", ["numeric(20,2)"], COMPUTATIONS),
]


@pytest.mark.parametrize(("query", "kinds", "source"), TABLES, ids=[row[0] for row in TABLES])
def test_a_table_takes_the_types_of_its_query(db: Session, query: str, kinds: list[str], source: str) -> None:
    db.sql("BEGIN")
    db.sql(f"CREATE TABLE made AS {query}")
    found = db.sql("SELECT type FROM pg_table_def WHERE tablename = 'made'")
    db.sql("ROLLBACK")
    assert [kind for (kind,) in found] == kinds, f"source: {source}"


def test_a_union_of_many_rows_is_read(db: Session) -> None:
    rows = " UNION ALL ".join(f"SELECT {number} AS i, 1.5 AS d" for number in range(1500))
    assert db.sql(f"SELECT count(*), SUM(d) FROM ({rows}) x") == [(1500, Decimal("2250.0"))]


LITERALS = [
    "INSERT INTO doc VALUES (1, '{\"a\":1}')",
    "INSERT INTO doc (j, id) VALUES ('{\"a\":1}', 1)",
    "INSERT INTO doc SELECT 1, '{\"a\":1}'",
    "INSERT INTO doc SELECT 1, '{\"a\":1}'::super",
    "INSERT INTO doc VALUES (1, CAST('{\"a\":1}' AS super))",
]


@pytest.mark.parametrize("statement", LITERALS)
def test_a_string_literal_becomes_a_string_in_a_super_column(db: Session, statement: str) -> None:
    """Source: super-overview ("use the JSON_PARSE function" to store anything but a string)."""
    db.sql("BEGIN")
    db.sql(statement)
    found = db.sql("SELECT id, JSON_SERIALIZE(j) FROM doc")
    db.sql("ROLLBACK")
    assert found == [(1, '"{\\"a\\":1}"')]
