"""COPY of Parquet files: allowed options, mapping by position, types without coercion (checklist points 1, 2, 15)."""
# ruff: noqa: DTZ001 - a TIMESTAMP has no zone

from __future__ import annotations

import decimal
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pytest

from aurora_dwh_tests.integration.standin.conftest import Bucket, Session

Load = Callable[..., None]
TWO = pa.table({"id": pa.array([1, 2], pa.int64()), "a": pa.array(["x", None])})


@pytest.mark.parametrize(
    "option",
    [
        "MAXERROR 0",
        "COMPUPDATE OFF",
        "TRUNCATECOLUMNS",
        "REGION 'eu-west-1'",
        "ACCEPTANYDATE",
        "NULL AS 'x'",
        "IGNOREHEADER 1",
        "DELIMITER ','",
        "ESCAPE",
        "DATEFORMAT 'auto'",
        "TIMEFORMAT 'auto'",
        "EMPTYASNULL",
        "BLANKSASNULL",
        "TRIMBLANKS",
        "ROUNDEC",
        "ENCODING UTF8",
        "GZIP",
        "ZSTD",
        "NOLOAD",
        "IGNOREALLERRORS",
    ],
)
def test_options_that_columnar_copy_does_not_take(db: Session, option: str) -> None:
    db.sql("CREATE TABLE t (id bigint)")
    error = db.refused(f"COPY t FROM 's3://b/k' IAM_ROLE default FORMAT AS PARQUET {option}")
    assert error["C"] == "0A000"
    assert error["M"].endswith("argument is not supported for PARQUET based COPY")


def test_options_that_columnar_copy_takes(db: Session, load: Load) -> None:
    db.sql("CREATE TABLE t (id bigint, a varchar(10), b int)")
    load("t", TWO, "FILLRECORD STATUPDATE OFF ACCEPTINVCHARS")
    assert db.sql("SELECT * FROM t ORDER BY id") == [(1, "x", None), (2, None, None)]


def test_values_of_every_type_arrive_unchanged(db: Session, load: Load) -> None:
    columns = {
        "i2": ("smallint", pa.int16(), [-(2**15), 2**15 - 1]),
        "i4": ("integer", pa.int32(), [-(2**31), 2**31 - 1]),
        "i8": ("bigint", pa.int64(), [-(2**63), 2**63 - 1]),
        "f4": ("real", pa.float32(), [0.5, -1.25]),
        "f8": ("double precision", pa.float64(), [1e300, -0.1]),
        "b": ("boolean", pa.bool_(), [True, False]),
        "d": ("date", pa.date32(), [date(600, 12, 2), date(9999, 12, 31)]),
        "ts": ("timestamp", pa.timestamp("us"), [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)]),
        "n": (
            "decimal(38,10)",
            pa.decimal128(38, 10),
            [decimal.Decimal("1." + "0" * 9 + "1"), decimal.Decimal("-9" * 1)],
        ),
        "u": ("decimal(20,0)", pa.decimal128(20, 0), [decimal.Decimal(2**64 - 1), decimal.Decimal(0)]),
        "s": ("varchar(65535)", pa.string(), ["", ' "quoted", \\N \\. \r\n\t é 😀 trailing  ']),
        "v": ("varbyte", pa.binary(), [b"\x00\xff\\", b""]),
    }
    db.sql(f"CREATE TABLE t ({', '.join(f'{name} {kind}' for name, (kind, _, _) in columns.items())})")
    data = pa.table({name: pa.array([*values, None], kind) for name, (_, kind, values) in columns.items()})
    load("t", data)
    expected = [list(column) for column in zip(*([*values, None] for _, _, values in columns.values()), strict=True)]
    for row in expected:
        row[-1] = None if row[-1] is None else row[-1].hex()
    assert [list(row) for row in db.sql("SELECT * FROM t")] == expected


def test_columns_are_mapped_by_position_not_by_name(db: Session, load: Load) -> None:
    db.sql("CREATE TABLE t (a varchar(10), b varchar(10))")
    load("t", pa.table({"b": ["1"], "a": ["2"]}))
    load("t (b, a)", pa.table({"a": ["3"], "b": ["4"]}))
    assert db.sql("SELECT a, b FROM t ORDER BY a") == [("1", "2"), ("4", "3")]


def test_column_counts_must_match(db: Session, load: Load, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (id bigint, a varchar(10), b int)")
    source = bucket.manifest(bucket.parquet("x.parquet", TWO))
    for columns in ("", "(id)"):
        error = db.refused(f"COPY t {columns} FROM '{source}' IAM_ROLE default FORMAT AS PARQUET MANIFEST")
        assert error["C"] == "XX000"
        assert error["M"].startswith("Spectrum Scan Error")
        assert "15007" in error["D"]
        assert "Unmatched number of columns between table and file" in error["D"]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("integer", pa.int64()),
        ("bigint", pa.int32()),
        ("smallint", pa.int32()),
        ("bigint", pa.uint64()),
        ("integer", pa.uint32()),
        ("smallint", pa.uint8()),
        ("double precision", pa.float32()),
        ("real", pa.float64()),
        ("varchar(10)", pa.int64()),
        ("bigint", pa.string()),
        ("timestamp", pa.timestamp("ns")),
        ("timestamp", pa.date32()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("date", pa.timestamp("us")),
        ("decimal(18,2)", pa.decimal128(18, 3)),
        ("decimal(18,2)", pa.decimal128(17, 2)),
        ("decimal(18,2)", pa.float64()),
        ("time", pa.time64("us")),
        ("varchar(10)", pa.binary()),
        ("varbyte", pa.string()),
        ("varchar(10)", pa.list_(pa.string())),
    ],
)
def test_types_are_not_coerced(db: Session, load: Load, bucket: Bucket, column: str, kind: Any) -> None:
    db.sql(f"CREATE TABLE t (c {column})")
    source = bucket.manifest(bucket.parquet("x.parquet", pa.table({"c": pa.nulls(1, kind)}), version="2.6"))
    error = db.refused(f"COPY t FROM '{source}' IAM_ROLE default FORMAT AS PARQUET MANIFEST")
    assert error["C"] == "XX000"
    assert "incompatible Parquet schema for column" in error["D"]


def test_decimals_must_have_the_minimal_length(db: Session, load: Load) -> None:
    db.sql("CREATE TABLE t (c decimal(18,2))")
    load("t", pa.table({"c": pa.array([decimal.Decimal("1.25")], pa.decimal128(18, 2))}), store_decimal_as_integer=True)
    load("t", pa.table({"c": pa.array([decimal.Decimal("1.25")], pa.decimal128(18, 2))}))
    assert db.sql("SELECT sum(c) FROM t") == [(decimal.Decimal("2.50"),)]


def test_a05_a_string_longer_than_its_bytes_aborts_and_is_recorded(db: Session, load: Load, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (id bigint, a varchar(8))")
    entry = bucket.parquet("x.parquet", pa.table({"id": [1, 2], "a": ["ok", "😀😀😀"]}))
    source = bucket.manifest(entry)
    error = db.refused(f"COPY t FROM '{source}' IAM_ROLE default FORMAT AS PARQUET MANIFEST")
    assert "15007" in error["D"]
    ((file, line, column, kind, length, code, message),) = db.sql(
        "SELECT file_name, line_number, column_name, column_type, column_length, error_code, error_message"
        " FROM sys_load_error_detail"
    )
    assert (file, line, column, kind, length, code) == (entry["url"], 2, "a", "varchar(8)", "8", 15007)
    assert (
        "The length of the data column a is longer than the length defined in the table. Table: 8, Data: 12" in message
    )


def test_a08_nul_bytes_and_invalid_utf8_are_refused(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (a varchar(100))")
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"], pa.binary()).buffers())
    for number, values in enumerate((pa.array(["a\0b"]), broken)):
        source = bucket.manifest(bucket.parquet(f"{number}.parquet", pa.table({"a": values})))
        error = db.refused(f"COPY t FROM '{source}' IAM_ROLE default FORMAT AS PARQUET MANIFEST")
        assert error["C"] == "XX000"
    assert db.one("SELECT count(*) FROM t") == 0


def test_null_into_not_null(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (id bigint not null, a varchar(10) not null)")
    source = bucket.manifest(bucket.parquet("x.parquet", TWO))
    error = db.refused(f"COPY t FROM '{source}' IAM_ROLE default FORMAT AS PARQUET MANIFEST")
    assert (error["C"], error["M"]) == ("XX000", "Cannot insert a NULL value into column a")
    assert "8007" in error["D"]


def test_null_becomes_the_default_of_a_not_null_column(db: Session, load: Load) -> None:
    db.sql("CREATE TABLE t (id bigint, a varchar(10) not null default 'none')")
    load("t", TWO)
    assert db.sql("SELECT a FROM t ORDER BY id") == [("x",), ("none",)]


def test_column_list_errors(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (id bigint not null, a varchar(10))")
    source = bucket.manifest(bucket.parquet("x.parquet", TWO))
    tail = f"FROM '{source}' IAM_ROLE default FORMAT AS PARQUET MANIFEST"
    error = db.refused(f"COPY t (a) {tail}")
    assert (error["C"], error["M"]) == ("42601", "NOT NULL column without DEFAULT must be included in column list")
    error = db.refused(f"COPY t (id, nope) {tail}")
    assert (error["C"], error["M"]) == ("42703", 'column "nope" of relation "t" does not exist')
    assert db.refused(f"COPY missing {tail}")["C"] == "42P01"


def test_super_needs_serializetojson_and_stays_a_string(db: Session, load: Load, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (id bigint, j super)")
    data = pa.table({"id": [1], "j": ['{"a":1}']})
    source = bucket.manifest(bucket.parquet("x.parquet", data))
    error = db.refused(f"COPY t FROM '{source}' IAM_ROLE default FORMAT AS PARQUET MANIFEST")
    assert error["M"] == "SUPER column in COPY query requires SERIALIZETOJSON option"
    load("t", data, "SERIALIZETOJSON")
    assert db.one("SELECT j FROM t") == '"{\\"a\\":1}"'
    load("t", pa.table({"id": [2], "j": [{"k": [1, 2]}]}), "SERIALIZETOJSON")
    assert db.one("SELECT json_serialize(j) FROM t WHERE id = 2") == '{"k":[1,2]}'


def test_a_string_over_65535_bytes_does_not_fit_super(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (j super)")
    source = bucket.manifest(bucket.parquet("x.parquet", pa.table({"j": ["x" * 65_536]})))
    error = db.refused(f"COPY t FROM '{source}' IAM_ROLE default FORMAT AS PARQUET MANIFEST SERIALIZETOJSON")
    assert error["M"] == "String value exceeds the max size of 65535 bytes"
    assert "1224" in error["D"]


def test_loading_twice_doubles_the_rows(db: Session, load: Load) -> None:
    db.sql("CREATE TABLE t (id bigint primary key, a varchar(10))")
    load("t", TWO)
    load("t", TWO)
    assert db.one("SELECT count(*) FROM t") == 4


def test_the_copy_count_is_the_sessions_and_survives_refusals_and_rollbacks(
    db: Session, load: Load, connect: Callable[..., Session]
) -> None:
    assert db.sql("SELECT pg_last_copy_count(), pg_last_copy_id()") == [(0, -1)]
    db.sql("CREATE TABLE t (id bigint, a varchar(10))")
    db.sql("BEGIN")
    load("t", TWO)
    db.sql("ROLLBACK")
    copied = db.one("SELECT pg_last_copy_id()")
    assert db.sql("SELECT pg_last_copy_count(), pg_last_copy_id()") == [(2, copied)]
    assert db.sql("SELECT status, loaded_rows FROM sys_load_history WHERE query_id = pg_last_copy_id()") == [
        ("completed", 2)
    ]
    db.refused("COPY t FROM 's3://b/k' FORMAT AS PARQUET")
    assert db.one("SELECT pg_last_copy_count()") == 2
    assert connect().one("SELECT pg_last_copy_count()") == 0


def test_a_copy_rolls_back_with_its_transaction_and_aborts_it_on_failure(db: Session, load: Load) -> None:
    db.sql("CREATE TABLE t (id bigint, a varchar(10))")
    db.sql("BEGIN")
    db.sql("CREATE TEMP TABLE stage (LIKE t)")
    load("stage", TWO)
    assert db.one("SELECT count(*) FROM stage") == 2
    db.refused("COPY t FROM 's3://aurora-dwh/nope.json' IAM_ROLE default FORMAT AS PARQUET MANIFEST")
    assert db.refused("SELECT 1")["C"] == "25P02"
    db.sql("ROLLBACK")
    assert db.refused("SELECT count(*) FROM stage")["C"] == "42P01"


def test_a_finished_load_is_announced(db: Session, load: Load) -> None:
    db.sql("CREATE TABLE t (id bigint, a varchar(10))")
    load("t", TWO)
    notices = [fields[b"M"] if isinstance(fields, dict) else fields for fields in db.connection.notices]
    assert any("Load into table 't' completed, 2 record(s) loaded successfully." in str(text) for text in notices)


def test_many_batches_stream(db: Session, load: Load) -> None:
    rows = 300_000
    db.sql("CREATE TABLE t (id bigint, a varchar(64))")
    load("t", pa.table({"id": pa.array(range(rows), pa.int64()), "a": [f"name {i}" for i in range(rows)]}), "")
    assert db.sql("SELECT count(*), max(id) FROM t") == [(rows, rows - 1)]
