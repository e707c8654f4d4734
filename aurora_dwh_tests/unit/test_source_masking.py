"""Masks and dates kept as text: what is asked of the source, what type comes of it, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.source.masking import treat
from aurora_dwh.source.statement import select

COLUMNS = (
    Column("Id", "varchar", "varchar(20)", length=20, nullable=False),
    Column("At", "datetime", "datetime(6)"),
    Column("Note", "text", "text", length=65_535),
    Column("born", "date", "date"),
    Column("rate", "float", "float", nullable=False),
    Column("took", "time", "time"),
)
SCHEMA = TableSchema("shop", "t", COLUMNS, ("Id",))


def treated(name: str, **fields: Any) -> Column:
    return treat(SCHEMA, Table(name="t", key=("id",), cursor="at", **fields)).column(name)


def expression(column: Column) -> str:
    """Return what the SELECT asks for."""
    return select(TableSchema("shop", "t", (column,))).partition("\n")[0].removeprefix("SELECT ")


@pytest.mark.parametrize(
    ("name", "mask", "asked", "kind"),
    [
        ("note", "sha256", "SHA2(CONVERT(`Note` USING utf8mb4), 256) AS `Note`", "VARCHAR(256)"),
        ("rate", "sha256", "SHA2(`rate`, 256) AS `rate`", "VARCHAR(256)"),
        ("took", "sha256", "SHA2(`took`, 256) AS `took`", "VARCHAR(256)"),
        ("note", "null", "NULL AS `Note`", "VARCHAR(65535)"),
        ("took", "null", "CAST(NULL AS CHAR) AS `took`", "VARCHAR(18)"),
        ("rate", "null", "NULL * 1e0 AS `rate`", "REAL"),
        ("rate", {"value": "x'{0}"}, "IF(`rate` IS NULL, NULL, 'x''{0}') AS `rate`", "VARCHAR(20)"),
        ("born", {"value": ""}, "IF(`born` IS NULL, NULL, _utf8mb4 x'') AS `born`", "VARCHAR(4)"),
    ],
)
def test_a_mask_is_computed_by_the_source(name: str, mask: Any, asked: str, kind: str) -> None:
    column = treated(name, mask={name: mask})
    assert expression(column) == asked
    assert column.redshift_type == kind


@pytest.mark.parametrize(
    ("name", "asked"),
    [("note", "CONVERT(`Note` USING utf8mb4) AS `Note`"), ("took", "CAST(`took` AS CHAR) AS `took`")],
)
def test_what_is_hashed_with_a_key_is_read_as_the_bytes_that_are_hashed(name: str, asked: str) -> None:
    column = treated(name, mask={name: "hmac"})
    assert expression(column) == asked
    assert column.redshift_type == "VARCHAR(256)"
    assert column.keyed
    assert not treated(name, mask={name: "sha256"}).keyed


def test_keep_last_keeps_a_texts_width_and_shows_no_text_that_is_shorter() -> None:
    column = treated("note", mask={"NOTE": {"keep_last": 4}})
    assert column.redshift_type == "VARCHAR(65535)"
    assert expression(column) == (
        "CONCAT(REPEAT('*', CHAR_LENGTH(`Note`) - IF(CHAR_LENGTH(`Note`) > 4, 4, 0)), "
        "RIGHT(`Note`, IF(CHAR_LENGTH(`Note`) > 4, 4, 0))) AS `Note`"
    )


def test_a01_dates_are_kept_as_text_but_for_the_cursor() -> None:
    assert expression(treated("born", zero_dates="text")) == "CAST(`born` AS CHAR) AS `born`"
    assert treated("born", zero_dates="text").redshift_type == "VARCHAR(104)"
    assert treated("at", zero_dates="text") == COLUMNS[1], "however the catalog writes the cursor's name"
    assert treated("rate", zero_dates="text") == COLUMNS[4]


def test_a_masked_date_is_masked_whatever_becomes_of_dates() -> None:
    assert treated("born", zero_dates="text", mask={"born": "null"}).redshift_type == "DATE"


def test_a_key_may_be_hashed() -> None:
    assert treated("id", mask={"ID": "sha256"}).redshift_type == "VARCHAR(256)"


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ({"ID": "null"}, "'Id' finds and orders rows"),
        ({"id": {"value": 1}}, "'Id' finds and orders rows"),
        ({"AT": "sha256"}, "'At' finds and orders rows"),
        ({"rate": {"keep_last": 1}}, "keep_last masks texts, and 'rate' is float"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(mask: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        treat(SCHEMA, Table(name="t", key=("id",), cursor="at", mask=mask))
