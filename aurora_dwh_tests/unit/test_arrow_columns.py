"""Which columns Arrow's types become in Redshift, and what is refused on the way."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from aurora_dwh.core import frames
from aurora_dwh.core.frames import FrameError
from aurora_dwh.transforms.arrow_columns import conformed, declared_column, schema_of


def stored(table: pa.Table, **declared: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the types of rows in Redshift, and the rows as they lie in the lake."""
    schema = schema_of(table.schema, table="t", declared=declared)
    rows = pa.Table.from_batches([*conformed(iter(table.to_batches()), schema)], schema=schema.arrow_schema)
    return [column.redshift_type for column in schema.columns], rows.to_pylist()


@pytest.mark.parametrize(
    ("kind", "value", "redshift", "kept"),
    [
        (pa.bool_(), True, "BOOLEAN", True),
        (pa.uint8(), 255, "SMALLINT", 255),
        (pa.uint16(), 65_535, "INTEGER", 65_535),
        (pa.uint32(), 2**32 - 1, "BIGINT", 2**32 - 1),
        (pa.uint64(), 2**64 - 1, "DECIMAL(20,0)", Decimal(2**64 - 1)),
        (pa.float32(), 0.5, "REAL", 0.5),
        (pa.decimal128(15, 4), Decimal("1.5"), "DECIMAL(15,4)", Decimal("1.5000")),
        (pa.decimal128(19, 0), Decimal(2**63), "DECIMAL(20,0)", Decimal(2**63)),
        (pa.decimal256(50, 2), Decimal("1.5"), "DECIMAL(38,2)", Decimal("1.50")),
        (pa.decimal128(3, -2), Decimal("12300"), "DECIMAL(5,0)", Decimal("12300")),
        (pa.date64(), date(2024, 1, 1), "DATE", date(2024, 1, 1)),
        (pa.timestamp("ns"), datetime(2024, 1, 1, 1), "TIMESTAMP", datetime(2024, 1, 1, 1)),  # noqa: DTZ001
        (
            pa.timestamp("us", "Asia/Tokyo"),
            datetime(2024, 1, 1, 1, tzinfo=timezone.utc),
            "TIMESTAMP",
            datetime(2024, 1, 1, 1),  # noqa: DTZ001
        ),
        (pa.time32("s"), time(1, 2, 3), "VARCHAR(18)", "01:02:03.000000"),
        (pa.string_view(), "寿司", "VARCHAR(65535)", "寿司"),
        (pa.dictionary(pa.int8(), pa.string()), "a", "VARCHAR(65535)", "a"),
        (pa.binary(2), b"\0\1", "VARBYTE", b"\0\1"),
        (pa.list_(pa.int64()), [1, None], "SUPER", "[1, null]"),
        (pa.struct({"a": pa.date32()}), {"a": date(2024, 1, 1)}, "SUPER", '{"a": "2024-01-01"}'),
    ],
)
def test_a_type_of_arrow_has_one_in_redshift(kind: pa.DataType, value: Any, redshift: str, kept: Any) -> None:
    assert stored(pa.table({"X": pa.array([value, None], kind)})) == ([redshift], [{"x": kept}, {"x": None}])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pa.table({"x": [None]}), "t: column 'x' holds nothing but NULL"),
        (pa.table({"x": [timedelta(1)]}), "t: column 'x' is duration"),
        (pa.table({"x": [1], "X": [1]}), "a column cannot be named 'X'"),
        (pa.table({"x": ["a\0b"]}), "t: column 'x': a text has a NUL byte"),
        (pa.table({"x": ["x" * 65_536, "y"]}), "t: column 'x': 1 values have more than 65,535 bytes"),
        (pa.table({"x": pa.array([1], pa.timestamp("ns"))}), "t: column 'x': a value does not fit"),
        (pa.table({}), "the rows have 0 columns"),
    ],
)
def test_what_redshift_cannot_hold_is_refused_by_column(table: pa.Table, said: str) -> None:
    with pytest.raises(FrameError) as refused:
        stored(table)
    assert said in str(refused.value)


def test_a_declared_type_goes_before_that_of_the_rows() -> None:
    rows = pa.table({"n": pa.array([1, 2], pa.int64()), "name": ["ab", None], "at": ["2024-01-01 10:00:00", None]})
    types, found = stored(rows, n="decimal(12,2)", name="varchar(2)", at="datetime")
    assert types == ["DECIMAL(12,2)", "VARCHAR(8)", "TIMESTAMP"]
    assert found[0] == {"n": Decimal("1.00"), "name": "ab", "at": datetime(2024, 1, 1, 10)}  # noqa: DTZ001
    with pytest.raises(FrameError, match="column 'n': 'numbr' is no type; write MySQL's"):
        declared_column("n", "numbr")
    with pytest.raises(FrameError, match="column 'name': a value does not fit"):
        stored(rows, name="int")


def test_a_column_of_nothing_but_null_has_the_type_that_it_had() -> None:
    before = schema_of(pa.schema([("x", pa.int32())]), table="t")
    assert schema_of(pa.table({"x": [None]}).schema, table="t", before=before) == before


def test_json_is_kept_as_it_is() -> None:
    text = json.dumps({"a": 1})
    assert stored(pa.table({"x": pa.array([text], pa.json_())})) == (["SUPER"], [{"x": text}])


def test_a_package_that_is_asked_for_and_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(FrameError, match=r"duckdb is not installed; run `pip install 'aurora-dwh\[duckdb\]'`"):
        frames.relation(pa.table({"n": [1]}).to_reader())
