"""Values that do not fit: which are found, what becomes of them, what is counted, and what a refusal says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from aurora_dwh.catalog.model import Table
from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.source.value_fitting import fit
from aurora_dwh.source.value_policies import expected

ID = Column("Id", "int", "int", nullable=False)
TEXT = Column("Note", "longtext", "longtext", length=2**32 - 1)
SHORT = Column("short", "varchar", "varchar(9)", length=9)
BYTES = Column("raw", "blob", "blob", length=65_535)
DOCUMENT = Column("doc", "json", "json")


def table(**policies: Any) -> Table:
    return Table(name="t", mode="full", **policies)


def fitted(column: Column, values: list[Any], converted: Counter[tuple[str, str]], **policies: Any) -> list[Any]:
    schema = TableSchema("shop", "t", (ID, column), ("Id",))
    batch = pa.RecordBatch.from_pydict(
        {"id": range(len(values)), column.target_name: values}, schema=schema.arrow_schema
    )
    made: list[Any] = fit(batch, schema, table(**policies), converted).column(column.target_name).to_pylist()
    return made


LIMITS = [
    (TEXT, "x" * 65_535, "x" * 65_536),
    (BYTES, b"x" * 64_000, b"x" * 64_001),
    (DOCUMENT, "1" * 65_535, "1" * 65_536),
]


@pytest.mark.parametrize(("column", "most", "over"), LIMITS, ids=["text", "bytes", "json"])
def test_a06_the_longest_value_fits_and_the_next_does_not(column: Column, most: Any, over: Any) -> None:
    converted: Counter[tuple[str, str]] = Counter()
    assert fitted(column, [most, None, most], converted) == [most, None, most]
    assert fitted(column, [over, None, most], converted, oversize="null") == [None, None, most]
    assert converted == {(column.target_name, "oversize"): 1}
    with pytest.raises(DataError, match=rf"column '{column.name}': in the row id = 1 .* bytes"):
        fitted(column, [most, over], converted)


@pytest.mark.parametrize("letter", ["x", "é", "寿", "🍣"])
@pytest.mark.parametrize("before", range(4))
def test_a06_a_text_is_cut_between_characters(letter: str, before: int) -> None:
    converted: Counter[tuple[str, str]] = Counter()
    text = "a" * before + letter * 65_535
    (cut,) = fitted(TEXT, [text], converted, oversize="truncate")
    assert text.startswith(cut)
    assert 65_535 - len(letter.encode()) < len(cut.encode()) <= 65_535


def test_a08_nul_bytes_are_found_among_many_and_leave_the_rest_alone() -> None:
    converted: Counter[tuple[str, str]] = Counter()
    values = ["a", None, "\0", "b\0c\0", ""]
    assert fitted(SHORT, values, converted, nul_bytes="remove") == ["a", None, "", "bc", ""]
    assert converted == {("short", "nul_bytes"): 2}
    assert fitted(BYTES, [b"\0"], converted, nul_bytes="fail") == [b"\0"]


def test_a_text_that_fits_once_its_nul_bytes_are_gone_is_not_oversize() -> None:
    converted: Counter[tuple[str, str]] = Counter()
    assert fitted(TEXT, ["x" * 65_535 + "\0"], converted, nul_bytes="remove") == ["x" * 65_535]
    assert converted == {("note", "nul_bytes"): 1}


def test_a_refusal_names_a_row_without_its_key_where_that_is_not_copied() -> None:
    schema = TableSchema("shop", "t", (SHORT,), ("Id",))
    batch = pa.RecordBatch.from_pydict({"short": ["\0"]}, schema=schema.arrow_schema)
    with pytest.raises(DataError, match="in a row without a primary key the value"):
        fit(batch, schema, table(), Counter())


def read_as(column: Column, **policies: Any) -> str:
    (treated,) = expected(TableSchema("shop", "t", (column,)), table(**policies)).columns
    return treated.read_as.format("`c`")


def test_a_comparison_expects_nothing_else_where_a_policy_can_change_nothing() -> None:
    for column in (ID, TEXT, SHORT, BYTES, DOCUMENT):
        assert read_as(column) == "`c`"
    for column in (ID, SHORT):
        assert read_as(column, oversize="truncate") == "`c`"
    for column in (ID, BYTES, DOCUMENT):
        assert read_as(column, nul_bytes="remove") == "`c`"


def test_a_comparison_expects_what_a_policy_changes() -> None:
    assert read_as(BYTES, oversize="truncate") == "LEFT(`c`, 64000)"
    assert read_as(BYTES, oversize="null") == "CASE WHEN OCTET_LENGTH(`c`) <= 64000 THEN `c` END"
    removed = "REPLACE(CONVERT(`c` USING utf8mb4), CHAR(0 USING utf8mb4), '')"
    assert read_as(SHORT, nul_bytes="remove") == removed
    both = read_as(TEXT, nul_bytes="remove", oversize="null")
    assert both == f"CASE WHEN OCTET_LENGTH(CONVERT({removed} USING utf8mb4)) <= 65535 THEN {removed} END"


def test_policies_are_expected_around_a_mask() -> None:
    masked = Column("c", "longtext", "longtext", length=None, read_as="CONCAT('{{0}}', {0})")
    assert read_as(masked, oversize="null") == (
        "CASE WHEN OCTET_LENGTH(CONVERT(CONCAT('{0}', `c`) USING utf8mb4)) <= 65535 THEN CONCAT('{0}', `c`) END"
    )
