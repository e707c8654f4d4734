"""The checks of a mart: what they find, and that the old rows stay where the new ones are not as they must be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.errors import CheckError
from aurora_dwh.warehouse.marts.build import Built, build
from aurora_dwh.warehouse.marts.checks import NOT_EMPTY, SUMS, UNIQUE_GRAIN
from aurora_dwh.warehouse.marts.model import Mart, MartHeader
from aurora_dwh_tests.services import query

SCHEMAS = {"staging": "staging", "bi": "bi"}
SALES = "SELECT s.shop, SUM(s.amount) AS amount FROM staging.sale s JOIN staging.shop k ON k.id = s.shop GROUP BY 1"
LINES = "SELECT shop, line, amount FROM staging.sale"


STAGING = [
    "CREATE SCHEMA staging",
    "CREATE TABLE staging.sale (shop INT, line INT, amount DECIMAL(10,2), rate DOUBLE PRECISION, _dwh_day DATE)",
    "CREATE TABLE staging.shop (id INT)",
    "INSERT INTO staging.shop VALUES (1), (2)",
    "INSERT INTO staging.sale VALUES (1, 1, 10.50, 0.1, '2024-01-05'), (1, 2, 4.25, 0.2, '2024-01-06')",
    "INSERT INTO staging.sale VALUES (2, 1, NULL, 0.3, '2024-01-06')",
]


@pytest.fixture
def sales(warehouse: Warehouse) -> Warehouse:
    for statement in STAGING:
        query(warehouse, statement)
    return warehouse


def run(warehouse: Warehouse, sql: str = SALES, **header: Any) -> Built:
    fields = {"materialization": "table", "description": "", "grain": ("shop",), **header}
    return build(warehouse, Mart("m", MartHeader(**fields), sql, ()), schemas=SCHEMAS)


def refused(warehouse: Warehouse, sql: str = SALES, **header: Any) -> CheckError:
    before = query(warehouse, "SELECT * FROM bi.m ORDER BY 1")
    with pytest.raises(CheckError) as caught:
        run(warehouse, sql, **header)
    assert query(warehouse, "SELECT * FROM bi.m ORDER BY 1") == before
    return caught.value


def test_sums_that_are_those_of_staging_are_told(sales: Warehouse) -> None:
    done = run(sales, sums={"amount": "staging.sale.amount", "shop": "SELECT SUM(id) FROM staging.shop"})
    assert (done.figures.rows, done.figures.keys) == (2, 2)
    assert done.figures.sums == {"amount": (Decimal("14.75"), Decimal("14.75")), "shop": (3, 3)}
    assert done.columns == (("shop", "INTEGER"), ("amount", "DECIMAL(38,2)"))


@pytest.mark.parametrize("materialization", ["table", "view"])
def test_a_sum_that_a_join_changed_leaves_the_old_rows(sales: Warehouse, materialization: str) -> None:
    sums = {"amount": "staging.sale.amount"}
    run(sales, sums=sums, materialization=materialization)
    query(sales, "DELETE FROM staging.shop WHERE id = 1")
    error = refused(sales, sums=sums, materialization=materialization)
    assert error.check == SUMS
    assert str(error).startswith("bi.m: sums are not those of staging: amount is 0 and should be 14.75; the old rows")


@pytest.mark.parametrize("materialization", ["table", "view"])
def test_a_grain_that_does_not_tell_rows_apart_leaves_the_old_rows(sales: Warehouse, materialization: str) -> None:
    run(sales, LINES, grain=("shop", "line"), materialization=materialization)
    error = refused(sales, LINES, materialization=materialization)
    assert error.check == UNIQUE_GRAIN
    assert str(error).startswith("bi.m: 3 rows have 2 different (shop), which should tell them apart; the old rows")


def test_a_table_without_rows_leaves_the_old_ones_and_a_view_without_rows_does_not(sales: Warehouse) -> None:
    run(sales)
    query(sales, "DELETE FROM staging.shop")
    error = refused(sales)
    assert (error.check, str(error)) == (
        NOT_EMPTY,
        "bi.m: its query gave no rows; the old rows stay. Are its tables loaded?",
    )
    query(sales, "DROP TABLE bi.m")
    assert run(sales, materialization="view").figures.rows == 0


def test_sums_of_floating_numbers_need_not_be_equal_to_the_last_bit(sales: Warehouse) -> None:
    sql = "SELECT shop, SUM(rate) AS rate FROM staging.sale GROUP BY 1"
    done = run(sales, sql, sums={"rate": "SELECT SUM(rate) + 0.0000000000000001 FROM staging.sale"})
    assert done.figures.sums["rate"][0] == pytest.approx(0.6)
    refused(sales, sql, sums={"rate": "SELECT SUM(rate) + 0.0001 FROM staging.sale"})


def test_a_sum_of_nothing_is_nought(sales: Warehouse) -> None:
    query(sales, "UPDATE staging.sale SET amount = NULL")
    assert run(sales, sums={"amount": "staging.sale.amount"}).figures.sums == {"amount": (0, 0)}
