"""Functions and clauses of Redshift's own, row by row against known answers."""
# ruff: noqa: DTZ001 - a TIMESTAMP has no zone

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from aurora_dwh_tests.integration.standin.conftest import Session


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("DATEDIFF(day, '2024-01-01 23:00'::timestamp, '2024-01-02 01:00'::timestamp)", 1),
        ("DATEDIFF(hour, timestamp '2024-01-01 23:59', timestamp '2024-01-02 00:01')", 1),
        ("DATEDIFF(month, '2024-01-31', '2024-02-01')", 1),
        ("DATEDIFF(qtr, '2024-03-31', '2024-04-01')", 1),
        ("DATEDIFF(year, '2023-12-31', '2024-01-01')", 1),
        ("DATEDIFF('week', '2024-01-07', '2024-01-08')", 1),
        ("DATEDIFF(seconds, '2024-01-02', '2024-01-01')", -86400),
        ("DATEDIFF(ms, timestamp '2024-01-01 00:00:00', timestamp '2024-01-01 00:00:00.25')", 250),
        ("DATEADD(month, 1, '2024-01-31')", datetime(2024, 2, 29)),
        ("DATEADD(d, -1, date '2024-03-01')", datetime(2024, 2, 29)),
        ("DATEADD(qtr, 2, timestamp '2024-01-15 10:00')", datetime(2024, 7, 15, 10)),
        ("DATE_TRUNC('month', timestamp '2024-05-15 10:00')", datetime(2024, 5, 1)),
        ("DATE_PART(dow, date '2024-01-07')", 0),
        ("DATE_PART('year', date '2024-01-07')", 2024),
        ("EXTRACT(month FROM date '2024-05-07')", 5),
        ("LAST_DAY('2024-02-05')", date(2024, 2, 29)),
        ("ADD_MONTHS('2024-02-29', 1)", datetime(2024, 3, 31)),
        ("MONTHS_BETWEEN('2024-03-31', '2024-02-29')", 1.0),
        ("CONVERT_TIMEZONE('UTC', 'Asia/Tokyo', timestamp '2024-01-01 20:00')", datetime(2024, 1, 2, 5)),
        ("CONVERT_TIMEZONE('America/New_York', timestamp '2024-07-01 12:00')", datetime(2024, 7, 1, 8)),
        ("TRUNC(timestamp '2024-05-15 10:00')", date(2024, 5, 15)),
        ("TO_CHAR(date '2024-05-15', 'YYYYMMDD')", "20240515"),
        ("NVL(NULL, NULL, 3)", 3),
        ("CONCAT(NULL, 'a') IS NULL", True),
        ("CONCAT('a', CONCAT('', 1))", "a1"),
        ("DECODE(NULL, 1, 'one', NULL, 'none', 'other')", "none"),
        ("DECODE(5, 1, 'one', 'other')", "other"),
        ("DECODE(5, 1, 'one')", None),
        ("LEN('é  ')", 3),
        ("OCTET_LENGTH('é')", 2),
        ("STRTOL('ff', 16)", 255),
        ("STRTOL('-101', 2)", -5),
        ("STRTOL(SUBSTRING(MD5('a'), 1, 15), 16)", int("0cc175b9c0f1b6a", 16)),
        ("MD5('abc')", "900150983cd24fb0d6963f7d28e17f72"),
        ("SHA1('abc')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("FUNC_SHA1('" + "x" * 200 + "')", __import__("hashlib").sha1(b"x" * 200).hexdigest()),
        ("SHA2('abc', 256)", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("SHA2('寿', 224)", __import__("hashlib").sha224("寿".encode()).hexdigest()),
        ("SHA2('abc', 0) = SHA2('abc', 128 + 128)", True),
        ("SHA2(NULL, 256)", None),
        ("SHA2('abc', 7)", ""),
        ("CRC32('abc')", "352441c2"),
        ("TO_HEX(255)", "ff"),
        ("JSON_EXTRACT_PATH_TEXT('{\"a\":{\"b\":\"c\"}}', 'a', 'b')", "c"),
        ("JSON_ARRAY_LENGTH('[1,2]')", 2),
        ("JSON_EXTRACT_ARRAY_ELEMENT_TEXT('[1,\"x\"]', 1)", "x"),
        ("CAST('2024-01-05' AS date) + INTERVAL '1 day'", datetime(2024, 1, 6)),
        ("CONVERT(int, '7')", 7),
        ("GREATEST(1, 3, 2)", 3),
        ("10 % 3", 1),
        ("CURRENT_DATABASE() = CURRENT_DATABASE()", True),
    ],
)
def test_expressions(anywhere: Session, expression: str, value: Any) -> None:
    found = anywhere.one(f"SELECT {expression}")
    assert found == value


def test_clock_functions_are_utc_timestamps(db: Session) -> None:
    now, today = db.sql("SELECT GETDATE(), CURRENT_DATE")[0]
    assert isinstance(now, datetime)
    assert now.tzinfo is None
    assert now.date() == today
    assert db.one("SELECT SYSDATE - GETDATE() < INTERVAL '1 minute'") is True


@pytest.fixture
def sales(db: Session) -> Session:
    db.sql("CREATE TABLE sales (shop varchar(10), day date, amount decimal(10,2))")
    db.sql(
        "INSERT INTO sales VALUES ('a', '2024-01-01', 10), ('a', '2024-01-02', 30), ('b', '2024-01-01', 20),"
        " ('b', '2024-01-03', 40), (NULL, '2024-01-04', 100)"
    )
    return db


def test_aggregates(sales: Session) -> None:
    assert sales.sql("SELECT LISTAGG(DISTINCT shop, ',') WITHIN GROUP (ORDER BY shop DESC) FROM sales") == [("b,a",)]
    assert sales.sql("SELECT LISTAGG(amount, '|') WITHIN GROUP (ORDER BY day) FROM sales WHERE shop = 'a'") == [
        ("10.00|30.00",)
    ]
    assert sales.sql("SELECT shop, LISTAGG(day) FROM sales WHERE shop = 'a' GROUP BY shop") == [
        ("a", "2024-01-012024-01-02")
    ]
    assert sales.sql("SELECT APPROXIMATE COUNT(DISTINCT shop), COUNT(DISTINCT shop) FROM sales") == [(2, 2)]
    assert sales.one("SELECT MEDIAN(amount) FROM sales") == Decimal("30.00")


def test_window_functions(sales: Session) -> None:
    query = "SELECT day, RATIO_TO_REPORT(amount) OVER (PARTITION BY shop) FROM sales WHERE shop = 'a' ORDER BY day"
    assert [ratio for _, ratio in sales.sql(query)] == [0.25, 0.75]


def test_qualify(sales: Session) -> None:
    latest = "QUALIFY ROW_NUMBER() OVER (PARTITION BY shop ORDER BY day DESC) = 1"
    rows = [("a", Decimal("30.00")), ("b", Decimal("40.00"))]
    assert sales.sql(f"SELECT shop, amount FROM sales WHERE shop IS NOT NULL {latest} ORDER BY shop") == rows
    assert (
        sales.sql(f"SELECT shop, amount FROM (SELECT * FROM sales {latest}) x WHERE shop IS NOT NULL ORDER BY 1")
        == rows
    )
    assert sales.sql(f"WITH s AS (SELECT * FROM sales) SELECT s.* FROM s {latest} ORDER BY shop")[0][2] == Decimal(
        "30.00"
    )
    sales.sql(f"CREATE TABLE latest AS SELECT * FROM sales {latest}")
    assert sales.one("SELECT count(*) FROM latest") == 3


def test_top_and_minus(sales: Session) -> None:
    assert sales.sql("SELECT TOP 1 shop FROM sales ORDER BY amount") == [("a",)]
    assert sales.sql("SELECT x FROM (SELECT TOP 2 amount AS x FROM sales ORDER BY amount DESC) s ORDER BY 1") == [
        (Decimal("40.00"),),
        (Decimal("100.00"),),
    ]
    assert sales.sql("SELECT shop FROM sales MINUS SELECT 'a'") in ([("b",), (None,)], [(None,), ("b",)])


def test_temporary_tables_of_every_spelling(sales: Session) -> None:
    sales.sql("CREATE TABLE #one (LIKE sales INCLUDING DEFAULTS)")
    sales.sql("INSERT INTO #one SELECT * FROM sales")
    sales.sql("SELECT shop, sum(amount) AS total INTO #two FROM #one GROUP BY shop")
    sales.sql("SELECT * INTO TEMP TABLE three FROM #two WHERE shop IS NOT NULL")
    sales.sql("CREATE TEMP TABLE four DISTKEY(shop) AS SELECT * FROM three")
    sales.sql("CREATE LOCAL TEMPORARY TABLE IF NOT EXISTS five (id int) DISTSTYLE ALL")
    assert sales.sql("SELECT shop, total FROM four ORDER BY shop") == [("a", Decimal("40.00")), ("b", Decimal("60.00"))]
    sales.sql("CREATE TEMP TABLE sales (id int)")
    assert sales.one("SELECT count(*) FROM sales") == 0


def test_subqueries_ctes_and_updates_with_joins(sales: Session) -> None:
    sales.sql("CREATE TABLE shops (shop varchar(10), name varchar(20))")
    sales.sql("INSERT INTO shops VALUES ('a', 'Alpha'), ('c', 'Gamma')")
    sales.sql("UPDATE sales SET shop = s.name FROM shops s WHERE sales.shop = s.shop")
    assert sales.one("SELECT count(*) FROM sales WHERE shop = 'Alpha'") == 2
    sales.sql("DELETE FROM sales USING shops s WHERE sales.shop = s.name")
    assert sales.cursor.rowcount == 2
    assert sales.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT sum(i) FROM n"
    ) == [(6,)]
