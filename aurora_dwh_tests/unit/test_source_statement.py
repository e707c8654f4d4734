"""Golden texts: how names, values and SELECTs are written. That MySQL takes them so is tested on a server."""

# ruff: noqa: DTZ001 - a DATETIME is a wall clock without a zone

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal

import pytest

from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.source.quoting import Literal, identifier, literal
from aurora_dwh.source.statement import select

SCHEMA = TableSchema(
    "shop",
    "order",
    (
        Column("Id", "bigint", "bigint unsigned", nullable=False),
        Column("group", "varchar", "varchar(20)", length=20),
        Column("rate", "float", "float"),
        Column("flags", "bit", "bit(5)", precision=5),
        Column("lasts", "time", "time(3)"),
    ),
)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("orders",), "`orders`"),
        (("shop", "order"), "`shop`.`order`"),
        (("odd ` name; DROP TABLE x",), "`odd `` name; DROP TABLE x`"),
        (("表",), "`表`"),
    ],
)
def test_a22_identifiers(names: tuple[str, ...], text: str) -> None:
    assert identifier(*names) == text


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_is_no_identifier(name: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        identifier(name)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "1"),
        (-5, "-5"),
        (18446744073709551615, "18446744073709551615"),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E-30"), "0.000000000000000000000000000001"),
        (Decimal("-1.5E+3"), "-1500"),
        ("it's", "'it''s'"),
        ("", "_utf8mb4 x''"),
        ("a\\'b", "_utf8mb4 x'615c2762'"),
        ("a\0", "_utf8mb4 x'6100'"),
        (b"\x00\xff", "x'00ff'"),
        (date(2024, 1, 5), "'2024-01-05'"),
        (datetime(2024, 1, 5), "'2024-01-05 00:00:00'"),
        (datetime(2024, 1, 5, 1, 2, 3, 4), "'2024-01-05 01:02:03.000004'"),
    ],
)
def test_literals(value: Literal, text: str) -> None:
    assert literal(value) == text


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), datetime(2024, 1, 5, tzinfo=timezone.utc)])
def test_what_has_no_literal(value: Literal) -> None:
    with pytest.raises(ValueError, match="literal"):
        literal(value)


def test_a_select_names_every_column_and_reads_each_type_exactly() -> None:
    assert select(SCHEMA) == (
        "SELECT `Id`,\n"
        "       `group`,\n"
        "       `rate` * 1e0 AS `rate`,\n"
        "       `flags` + 0 AS `flags`,\n"
        "       CAST(`lasts` AS CHAR) AS `lasts`\n"
        "FROM `shop`.`order`"
    )


def test_conditions_stand_in_parentheses() -> None:
    schema = TableSchema("shop", "order", SCHEMA.columns[:1])

    assert select(schema, where=["`Id` < 5 OR `Id` IS NULL", "region = 'eu' OR 1"]) == (
        "SELECT `Id`\nFROM `shop`.`order`\nWHERE (`Id` < 5 OR `Id` IS NULL)\n  AND (region = 'eu' OR 1)"
    )
