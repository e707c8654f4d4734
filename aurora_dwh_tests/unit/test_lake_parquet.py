"""Rows into Parquet parts: what the files hold, and when one is closed and the next begun."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aurora_dwh.core.models import Extract, Window
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake import parquet

DAY = date(2024, 1, 5)
SNAPSHOT = datetime(2024, 1, 6, 1, 2, 3, 456789, tzinfo=timezone.utc)
IDS = TableSchema("shop", "t", (Column("id", "bigint", "bigint"),), ("id",))


class Sink(io.BytesIO):
    """A part kept in memory, which knows how it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = ""
        self.written = b""

    def write(self, data: Any) -> int:
        return len(data) if self.ended == "aborted" else super().write(data)

    def send_rest(self) -> None:
        assert not self.ended
        self.ended = "sent"

    def close(self) -> None:
        if self.ended in ("", "sent"):
            self.ended, self.written = "closed", self.getvalue()
        super().close()

    def abort(self) -> None:
        if self.ended in ("", "sent"):
            self.ended = "aborted"
        super().close()


def extract(schema: TableSchema, batches: Iterator[pa.RecordBatch]) -> Extract:
    window = Window(DAY, None, datetime(2024, 1, 5, 15, tzinfo=timezone.utc))
    return Extract(schema, window, SNAPSHOT, batches)


def ids(*sizes: int) -> Iterator[pa.RecordBatch]:
    start = 0
    for size in sizes:
        yield pa.RecordBatch.from_pydict({"id": list(range(start, start + size))}, schema=IDS.arrow_schema)
        start += size


def write(schema: TableSchema, batches: Iterator[pa.RecordBatch]) -> tuple[list[tuple[int, int]], list[Sink]]:
    sinks: list[Sink] = []

    def open_part(number: int) -> Any:
        assert number == len(sinks)
        sinks.append(Sink())
        return sinks[-1]

    return parquet.write_parts(extract(schema, batches), open_part), sinks


def read(sink: Sink) -> pq.ParquetFile:
    return pq.ParquetFile(io.BytesIO(sink.written))


def test_rows_come_back_with_the_products_own_columns_behind_them() -> None:
    written, sinks = write(IDS, ids(3))
    table = read(sinks[0]).read()
    assert table.schema.equals(
        pa.schema([("id", pa.int64()), ("_dwh_day", pa.date32()), ("_dwh_loaded_at", pa.timestamp("us"))])
    )
    assert table.to_pylist() == [
        {"id": n, "_dwh_day": DAY, "_dwh_loaded_at": SNAPSHOT.replace(tzinfo=None)} for n in range(3)
    ]
    assert written == [(len(sinks[0].written), 3)]


def test_a_day_without_rows_has_no_part() -> None:
    assert write(IDS, ids()) == ([], [])
    assert write(IDS, ids(0, 0)) == ([], [])


def test_batches_are_gathered_into_row_groups_of_a_fair_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 8 * 10)  # ten ids of 8 bytes
    written, sinks = write(IDS, ids(4, 0, 4, 4, 3, 9))
    metadata = read(sinks[0]).metadata
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [12, 12]
    assert written == [(len(sinks[0].written), 24)]


def test_a_small_part_is_written_in_row_groups_of_a_quarter_of_it() -> None:
    sinks: list[Sink] = []

    def open_part(_: int) -> Any:
        sinks.append(Sink())
        return sinks[-1]

    parquet.write_parts(extract(IDS, ids(*[1_000] * 16)), open_part, part_bytes=4 * 8_000)
    metadata = read(sinks[0]).metadata
    assert [metadata.row_group(n).num_rows for n in range(4)] == [1_000] * 4


def test_a_part_is_closed_at_its_size_and_the_next_one_takes_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 8_000)
    monkeypatch.setattr(parquet, "PART_BYTES", 20_000)
    written, sinks = write(IDS, ids(*[1_000] * 50))
    assert len(sinks) > 2
    assert all(sink.ended == "closed" for sink in sinks)
    assert written == [(len(sink.written), read(sink).metadata.num_rows) for sink in sinks]
    assert [n for sink in sinks for n in read(sink).read()["id"].to_pylist()] == list(range(50_000))
    assert all(20_000 <= size < 40_000 for size, _ in written[:-1])


def test_no_empty_part_follows_one_that_is_just_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(parquet, "PART_BYTES", 5)
    written, _ = write(IDS, ids(5, 5))
    assert [rows for _, rows in written] == [5, 5]


def test_a18_a_source_that_breaks_in_the_middle_leaves_the_open_part_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(parquet, "PART_BYTES", 5)
    sinks: list[Sink] = []

    def broken() -> Iterator[pa.RecordBatch]:
        yield from ids(5, 5)
        raise ConnectionError("cut")

    def open_part(_: int) -> Any:
        sinks.append(Sink())
        return sinks[-1]

    with pytest.raises(ConnectionError, match="cut"):
        parquet.write_parts(extract(IDS, broken()), open_part)
    assert [sink.ended for sink in sinks] == ["closed", "aborted"]


@pytest.mark.parametrize("error", ["", "other rows"])
def test_what_was_given_is_sent_while_the_source_counts_it_and_is_an_object_once_the_count_is_right(error: str) -> None:
    sinks: list[Sink] = []
    sent = threading.Event()

    class Sent(Sink):
        def send_rest(self) -> None:
            super().send_rest()
            sent.set()

    def counted() -> Iterator[pa.RecordBatch]:
        yield from ids(5, 0, 5)
        reading.counted.given = 10
        yield from ids(0)
        assert sent.wait(10)
        assert [sink.ended for sink in sinks] == ["sent"]
        if error:
            raise ConnectionError(error)

    def open_part(_: int) -> Any:
        sinks.append(Sent())
        return sinks[-1]

    reading = extract(IDS, counted())
    if error:
        with pytest.raises(ConnectionError, match=error):
            parquet.write_parts(reading, open_part)
        assert [sink.ended for sink in sinks] == ["aborted"]
    else:
        assert [rows for _, rows in parquet.write_parts(reading, open_part)] == [10]
        assert read(sinks[0]).metadata.num_rows == 10


def test_an_empty_batch_is_not_the_end_before_all_that_was_given_is_taken() -> None:
    def waited() -> Iterator[pa.RecordBatch]:
        reading.counted.given = 10  # known to the thread that reads while the first rows wait to be taken
        yield from ids(5, 0, 5, 0, 0)

    sinks: list[Sink] = []

    def open_part(_: int) -> Any:
        sinks.append(Sink())
        return sinks[-1]

    reading = extract(IDS, waited())
    assert [rows for _, rows in parquet.write_parts(reading, open_part)] == [10]


EVERY_TYPE = TableSchema(
    "shop",
    "t",
    (
        Column("small", "smallint", "smallint"),
        Column("middle", "int", "int"),
        Column("big", "bigint", "bigint"),
        Column("huge", "bigint", "bigint unsigned"),
        Column("price", "decimal", "decimal(12,2)", precision=12, scale=2),
        Column("exact", "decimal", "decimal(38,10)", precision=38, scale=10),
        Column("single", "float", "float"),
        Column("twice", "double", "double"),
        Column("flag", "bit", "bit(1)", precision=1),
        Column("day", "date", "date"),
        Column("moment", "datetime", "datetime(6)"),
        Column("text", "varchar", "varchar(9)", length=9),
        Column("document", "json", "json"),
        Column("bytes", "binary", "binary(3)", length=3),
    ),
)

PHYSICAL = {
    "small": ("INT32", "Int(bitWidth=16, isSigned=true)", 0),
    "middle": ("INT32", "None", 0),
    "big": ("INT64", "None", 0),
    "huge": ("FIXED_LEN_BYTE_ARRAY", "Decimal(precision=20, scale=0)", 9),
    "price": ("FIXED_LEN_BYTE_ARRAY", "Decimal(precision=12, scale=2)", 6),
    "exact": ("FIXED_LEN_BYTE_ARRAY", "Decimal(precision=38, scale=10)", 16),
    "single": ("FLOAT", "None", 0),
    "twice": ("DOUBLE", "None", 0),
    "flag": ("BOOLEAN", "None", 0),
    "day": ("INT32", "Date", 0),
    "moment": ("INT64", "Timestamp(isAdjustedToUTC=false, timeUnit=microseconds", 0),
    "text": ("BYTE_ARRAY", "String", 0),
    "document": ("BYTE_ARRAY", "String", 0),
    "bytes": ("BYTE_ARRAY", "None", 0),
    "_dwh_day": ("INT32", "Date", 0),
    "_dwh_loaded_at": ("INT64", "Timestamp(isAdjustedToUTC=false, timeUnit=microseconds", 0),
}


def test_a03_a04_the_files_types_are_those_that_copy_takes_without_coercion() -> None:
    row = {
        "small": -1, "middle": 2**31 - 1, "big": -(2**63), "huge": Decimal(2**64 - 1), "price": Decimal("1.50"),
        "exact": Decimal("1234567890123456789012345678.0123456789"), "single": 0.5, "twice": 0.1, "flag": True,
        "day": date(600, 12, 2), "moment": datetime(9999, 12, 31, 23, 59, 59, 999999), "text": "é", "document": "null",  # noqa: DTZ001 - a wall clock
        "bytes": b"\0\xff\0",
    }  # fmt: skip
    batch = pa.RecordBatch.from_pylist([row, dict.fromkeys(row)], schema=EVERY_TYPE.arrow_schema)
    _, sinks = write(EVERY_TYPE, iter([batch]))
    file = read(sinks[0])
    columns = [file.schema.column(n) for n in range(len(file.schema))]
    assert [c.name for c in columns] == list(PHYSICAL)
    for column in columns:
        kind, logical, length = PHYSICAL[column.name]
        assert column.physical_type == kind, column.name
        assert str(column.logical_type).startswith(logical), column.name
        assert column.length == length, column.name
        assert column.max_definition_level == 1, column.name  # all optional: a policy may make any value NULL
    own = {"_dwh_day": DAY, "_dwh_loaded_at": SNAPSHOT.replace(tzinfo=None)}
    assert file.read().to_pylist() == [{**row, **own}, {**dict.fromkeys(row), **own}]


def test_pages_are_of_the_first_version_and_compressed_by_zstd() -> None:
    _, sinks = write(IDS, ids(100))
    metadata = read(sinks[0]).metadata
    chunk = metadata.row_group(0).column(0)
    assert metadata.format_version == "1.0"
    assert chunk.compression == "ZSTD"
    assert not {e for e in chunk.encodings if e.startswith("DELTA")}


def test_texts_that_repeat_often_have_a_dictionary_and_numbers_and_times_a_least_value() -> None:
    columns = (
        Column("id", "bigint", "bigint"),
        Column("city", "varchar", "varchar(20)", length=20),
        Column("name", "varchar", "varchar(20)", length=20),
        Column("status", "int", "int"),
        Column("amount", "decimal", "decimal(9,2)", precision=9, scale=2),
    )
    schema = TableSchema("shop", "t", columns, ("id",))
    rows = {
        "id": list(range(1000)),
        "city": [f"city {n % 10}" for n in range(1000)],
        "name": [f"name {n % 11}" for n in range(1000)],
        "status": [7] * 1000,
        "amount": [Decimal("1.50")] * 1000,
    }
    _, sinks = write(schema, iter([pa.RecordBatch.from_pydict(rows, schema=schema.arrow_schema)]))
    group = read(sinks[0]).metadata.row_group(0)
    chunks = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert [name for name, chunk in chunks.items() if chunk.has_dictionary_page] == ["city"]
    with_bounds = [name for name, chunk in chunks.items() if chunk.is_stats_set]
    assert with_bounds == ["id", "status", "_dwh_day", "_dwh_loaded_at"]
    assert (chunks["id"].statistics.min, chunks["id"].statistics.max) == (0, 999)


def test_the_own_columns_come_last() -> None:
    assert parquet.own_columns(IDS.arrow_schema).names == ["id", "_dwh_day", "_dwh_loaded_at"]
