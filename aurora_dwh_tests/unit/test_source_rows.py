"""Rows written by hand, for what neither MySQL nor MariaDB sends: old type codes, and rows that are broken."""

# ruff: noqa: DTZ001 - a DATETIME is a wall clock without a zone

from __future__ import annotations

import struct
from calendar import monthrange
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.constants import FIELD_TYPE

from aurora_dwh.source.wire.dates import Moments
from aurora_dwh.source.wire.decode import INVALID_DATE, Decoded, decode
from aurora_dwh.source.wire.packets import MARGIN, Block, BrokenStreamError
from aurora_dwh.source.wire.protocol import WireColumn
from aurora_dwh.source.wire.rows import split


def block(rows: Sequence[bytes]) -> Block:
    ends = np.cumsum([4 + len(row) for row in rows]).astype(np.int64) + MARGIN
    data = b"9" * MARGIN + b"".join(bytes(4) + row for row in rows) + b"\xff" * MARGIN
    sizes = np.array([len(row) for row in rows], np.int64)
    return Block(np.frombuffer(data, np.uint8), ends - sizes, ends)


def sized(value: bytes | None) -> bytes:
    """Write a value behind its length, as both protocols do."""
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 0xFB:
        return bytes([size]) + value
    return (b"\xfc" + struct.pack("<H", size) if size < 1 << 16 else b"\xfd" + struct.pack("<I", size)[:3]) + value


def binary_row(values: Sequence[bytes | None]) -> bytes:
    """Write a row of the binary protocol from its values' bytes, lengths included."""
    bits = sum(1 << (n + 2) for n, value in enumerate(values) if value is None)
    return b"\0" + bits.to_bytes((len(values) + 9) // 8, "little") + b"".join(v for v in values if v is not None)


def read(
    rows: Sequence[bytes], columns: Sequence[WireColumn], targets: Sequence[pa.DataType], *, binary: bool
) -> list[Decoded]:
    fields = split(block(rows), columns, binary=binary)
    return [decode(f, c, t, binary=binary) for f, c, t in zip(fields, columns, targets, strict=True)]


def one(code: int, value: bytes | None, target: pa.DataType) -> Any:
    (decoded,) = read([binary_row([value])], [WireColumn("v", code, False)], [target], binary=True)
    return decoded.values.to_pylist()[0]


@pytest.mark.parametrize(
    ("code", "value", "target", "expected"),
    [
        (FIELD_TYPE.VARCHAR, sized(b"x"), pa.string(), "x"),
        (FIELD_TYPE.ENUM, sized(b"a,b"), pa.string(), "a,b"),
        (FIELD_TYPE.DECIMAL, sized(b"-1.50"), pa.decimal128(10, 2), Decimal("-1.50")),
        (FIELD_TYPE.NEWDATE, b"\x04\xe8\x07\x02\x1d", pa.date32(), date(2024, 2, 29)),
        (FIELD_TYPE.NULL, None, pa.int32(), None),
    ],
)
def test_a_type_code_that_a_server_may_send_is_read(
    code: int, value: bytes | None, target: pa.DataType, expected: Any
) -> None:
    assert one(code, value, target) == expected


@pytest.mark.parametrize("code", [FIELD_TYPE.TIME, FIELD_TYPE.DATE])
def test_a_moment_where_text_is_expected_is_refused(code: int) -> None:
    with pytest.raises(pa.ArrowInvalid, match="type"):
        one(code, b"\x00", pa.string())


@pytest.mark.parametrize("text", [b"yesterday!", b"2024-01-0x", b"2024-01-05 00:00", b"2024-01-05 00:00:00.1234567"])
def test_text_that_is_no_date_is_refused(text: bytes) -> None:
    with pytest.raises(pa.ArrowInvalid, match="no date"):
        read([sized(text)], [WireColumn("v", FIELD_TYPE.DATE, False)], [pa.date32()], binary=False)


cell = st.one_of(st.none(), st.binary(max_size=40), st.integers(240, 66_000).map(bytes))


@given(rows=st.lists(st.tuples(cell, cell, cell), min_size=1, max_size=12), binary=st.booleans())
def test_any_bytes_come_back_from_either_layout(rows: list[tuple[bytes | None, ...]], binary: bool) -> None:
    columns = [WireColumn(name, FIELD_TYPE.BLOB, False) for name in "abc"]
    written = [
        binary_row([None if value is None else sized(value) for value in row]) if binary else b"".join(map(sized, row))
        for row in rows
    ]

    decoded = read(written, columns, [pa.binary()] * 3, binary=binary)

    assert list(zip(*(d.values.to_pylist() for d in decoded), strict=True)) == rows


@given(
    moments=st.lists(
        st.one_of(
            st.none(),
            st.datetimes(datetime(1, 1, 1)),
            st.datetimes().map(lambda d: d.replace(microsecond=0)),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_every_moment_of_the_calendar_is_read_from_text(moments: list[datetime | None]) -> None:
    written = [sized(None if moment is None else moment.isoformat(sep=" ").encode()) for moment in moments]

    (decoded,) = read(written, [WireColumn("v", FIELD_TYPE.DATETIME, False)], [pa.timestamp("us")], binary=False)

    assert decoded.values.to_pylist() == moments
    assert decoded.converted == {}


def test_every_day_of_the_calendar_and_no_other_is_possible() -> None:
    """All days that could be written in nearly 10,000 years, against the standard library's calendar."""
    months = [(year, month) for year in range(1, 10_000) for month in range(1, 13)]
    year, month = np.repeat(np.array(months, np.int32), 31, axis=0).T
    day = np.tile(np.arange(1, 32, dtype=np.int32), len(months))
    zeros = np.zeros(len(year), np.int64)
    moments = Moments(year, month, day, zeros, zeros == 0)
    exists = day <= np.repeat([monthrange(*month)[1] for month in months], 31)
    epoch = date(1970, 1, 1).toordinal()
    days = np.repeat([date(*month, 1).toordinal() - epoch for month in months], 31) + day - 1

    assert np.array_equal(moments.possible(), exists)
    assert np.array_equal(moments.days()[exists], days[exists])


@pytest.mark.parametrize("moment", [(10_000, 1, 1), (65_535, 12, 31), (2024, 13, 1), (2024, 255, 1), (2024, 2, 30)])
def test_what_is_in_no_calendar_becomes_null_and_is_counted(moment: tuple[int, int, int]) -> None:
    row = binary_row([sized(struct.pack("<HBB", *moment))])

    (decoded,) = read([row], [WireColumn("v", FIELD_TYPE.DATE, False)], [pa.date32()], binary=True)

    assert decoded.values.to_pylist() == [None]
    assert decoded.converted[INVALID_DATE].tolist() == [True]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("change", [lambda row: row[:-1], lambda row: row + b"\0", lambda row: row[:2]])
def test_a_row_that_does_not_fit_its_packet_is_broken(binary: bool, change: Any) -> None:
    columns = [WireColumn("a", FIELD_TYPE.BLOB, False)] * 2
    values = [sized(b"first"), sized(b"second")]
    row = binary_row(values) if binary else b"".join(values)

    with pytest.raises(BrokenStreamError):
        split(block([row, change(row)]), columns, binary=binary)


@st.composite
def decimals(draw: st.DrawFn) -> tuple[pa.Decimal128Type, list[Decimal | None]]:
    precision = draw(st.integers(1, 38))
    scale = draw(st.integers(0, min(precision, 30)))
    digits = st.integers(0, precision).flatmap(lambda n: st.integers(-(10**n) + 1, 10**n - 1))
    values = st.lists(st.none() | digits.map(lambda n: Decimal(f"{n}E{-scale}")), min_size=1, max_size=30)
    return pa.decimal128(precision, scale), draw(values)


@given(case=decimals(), binary=st.booleans(), zeros=st.integers(0, 5))
def test_decimals_of_any_size_are_read_as_they_are(
    case: tuple[pa.Decimal128Type, list[Decimal | None]], binary: bool, zeros: int
) -> None:
    target, values = case
    texts = [None if v is None else f"{'-' if v < 0 else ''}{'0' * zeros}{v.copy_abs():f}".encode() for v in values]
    rows = [binary_row([None if t is None else sized(t)]) if binary else sized(t) for t in texts]

    (decoded,) = read(rows, [WireColumn("v", FIELD_TYPE.NEWDECIMAL, False)], [target], binary=binary)

    decoded.values.validate(full=True)
    assert decoded.values.to_pylist() == values


@pytest.mark.parametrize(
    "text",
    [b"", b"-", b".", b"x", b"12345", b"1234.5", b"1x.50", b"12.5x", b"12:50", b"--1.50", b"1-2.50", b"12.\xf150"],
)
def test_what_is_no_decimal_of_its_type_is_refused_or_read_as_arrow_reads_it(text: bytes) -> None:
    target = pa.decimal128(6, 2)
    rows = [binary_row([sized(b"1.50")]), binary_row([sized(text)])]
    column = WireColumn("v", FIELD_TYPE.NEWDECIMAL, False)
    try:
        expected = pa.array([b"1.50", text]).cast(pa.string()).cast(target).to_pylist()
    except pa.ArrowInvalid:
        with pytest.raises(pa.ArrowInvalid):
            read(rows, [column], [target], binary=True)
    else:
        assert read(rows, [column], [target], binary=True)[0].values.to_pylist() == expected
