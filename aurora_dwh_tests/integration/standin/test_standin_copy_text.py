"""COPY of CSV, delimited text and JSON (checklist point 4; A5, A6 of the AWS facts)."""
# ruff: noqa: DTZ001 - a TIMESTAMP has no zone

from __future__ import annotations

import bz2
import gzip
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from aurora_dwh_tests.integration.standin.conftest import Bucket, Session


def copy(db: Session, source: str, options: str, table: str = "t") -> None:
    db.sql(f"COPY {table} FROM '{source}' IAM_ROLE default {options}")


def test_csv_is_incompatible_with_options_of_delimited_text(db: Session) -> None:
    db.sql("CREATE TABLE t (a varchar(10))")
    for option in ("ESCAPE", "REMOVEQUOTES"):
        error = db.refused(f"COPY t FROM 's3://b/k' IAM_ROLE default CSV {option}")
        assert error["M"] == f"CSV is not compatible with {option}"
    assert db.refused("COPY t FROM 's3://b/k' IAM_ROLE default CSV FIXEDWIDTH 'a:3'")["C"] == "42601"
    assert db.refused("COPY t FROM 's3://b/k' IAM_ROLE default QUOTE '%'")["C"] == "0A000"


def test_an_empty_csv_field_is_empty_text_and_null_elsewhere(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (k int, a varchar(10), n int, d date)")
    source = bucket.put("x.csv", b'1,,,\n2,"",5,2024-01-02\n')
    copy(db, source, "CSV")
    assert db.sql("SELECT a, n, d FROM t ORDER BY k") == [("", None, None), ("", 5, date(2024, 1, 2))]
    db.sql("DELETE FROM t")
    copy(db, source, "FORMAT AS CSV EMPTYASNULL")
    assert db.sql("SELECT a FROM t") == [(None,), (None,)]


def test_a07_a_sentinel_keeps_null_and_empty_apart(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (k int, a varchar(100))")
    rows = [
        None,
        "",
        " ",
        "NULL",
        "null",
        "\\N",
        "\\\\N",
        "a  ",
        '""',
        'a"b',
        "x,y",
        "l1\nl2",
        "l1\r\nl2",
        "tab\t",
        "é😀",
    ]
    quoted = ["\x01" if v is None else '"{}"'.format(v.replace('"', '""')) for v in rows]
    body = "".join(f"{i},{value}\n" for i, value in enumerate(quoted))
    source = bucket.put("x.csv.gz", gzip.compress(body.encode()))
    copy(db, source, "FORMAT AS CSV GZIP NULL AS '\\001'")
    assert [a for (a,) in db.sql("SELECT a FROM t ORDER BY k")] == rows


def test_an_unknown_null_sentinel_in_an_integer_is_error_1207(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (k int, n int)")
    source = bucket.put("x.csv", b"1,2\n2,NIL\n")
    error = db.refused(f"COPY t FROM '{source}' IAM_ROLE default CSV")
    assert (error["C"], error["M"][:27]) == ("XX000", "Load into table 't' failed.")
    assert "sys_load_error_detail" in error["M"]
    assert db.sql(
        "SELECT file_name, line_number, column_name, error_code FROM sys_load_error_detail WHERE query_id = "
        "pg_last_copy_id()"
    ) == [(source, 2, "n", 1207)]
    assert db.sql("SELECT status, loaded_rows, error_count FROM sys_load_history") == [("aborted", 0, 1)]
    assert db.one("SELECT pg_last_copy_count()") == 0


def test_recorded_errors_survive_the_rollback(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (n int)")
    source = bucket.put("x.csv", b"x\n")
    db.sql("BEGIN")
    db.refused(f"COPY t FROM '{source}' IAM_ROLE default CSV")
    db.sql("ROLLBACK")
    assert db.one("SELECT count(*) FROM sys_load_error_detail") == 1


def test_an_ordinary_user_may_not_read_stl_load_errors(db: Session) -> None:
    error = db.refused("SELECT * FROM stl_load_errors")
    assert (error["C"], error["M"]) == ("42501", "permission denied for view stl_load_errors")


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("smallint", "40000", 1222),
        ("int", "1.5", 1207),
        ("bigint", "9223372036854775808", 1222),
        ("decimal(4,2)", "x", 1207),
        ("decimal(4,2)", "123.4", 1209),
        ("float8", "abc", 1208),
        ("boolean", "maybe", 1210),
        ("date", "0000-00-00", 1205),
        ("timestamp", "2024-13-01 00:00:00", 1206),
        ("varchar(3)", "éé", 1204),
        ("char(2)", "é", 1215),
        ("varbyte", "0g", 1219),
        ("super", "{", 1224),
        ("varchar(10)", "a\0b", 1216),
    ],
)
def test_each_kind_of_bad_value_has_its_code(db: Session, bucket: Bucket, kind: str, value: str, code: int) -> None:
    db.sql(f"CREATE TABLE t (c {kind})")
    source = bucket.put("x.txt", f"{value}\n".encode())
    db.refused(f"COPY t FROM '{source}' IAM_ROLE default DELIMITER '|'")
    assert db.one("SELECT error_code FROM sys_load_error_detail") == code


def test_invalid_utf8_is_1220_unless_replaced(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (a varchar(10))")
    source = bucket.put("x.csv", b"a\xffb\n")
    db.refused(f"COPY t FROM '{source}' IAM_ROLE default CSV")
    assert db.one("SELECT error_code FROM sys_load_error_detail") == 1220
    copy(db, source, "CSV ACCEPTINVCHARS '^'")
    assert db.one("SELECT a FROM t") == "a^b"


def test_wrong_field_counts(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (a varchar(10), b varchar(10), n int)")
    for body, code in ((b"1,2,3,4\n", 1202), (b"1\n", 1214)):
        db.refused(f"COPY t FROM '{bucket.put(str(code), body)}' IAM_ROLE default CSV")
        assert db.one("SELECT error_code FROM sys_load_error_detail WHERE query_id = pg_last_copy_id()") == code
    copy(db, bucket.put("short", b"1\n"), "CSV FILLRECORD")
    assert db.sql("SELECT * FROM t") == [("1", "", None)]


def test_maxerror_skips_bad_rows(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (n int)")
    source = bucket.put("x.csv", b"1\nx\n2\ny\n3\n")
    copy(db, source, "CSV MAXERROR 3")
    assert db.sql("SELECT n FROM t ORDER BY n") == [(1,), (2,), (3,)]
    assert db.one("SELECT count(*) FROM sys_load_error_detail") == 2
    db.refused(f"COPY t FROM '{source}' IAM_ROLE default CSV MAXERROR 2")


def test_delimited_text_with_escape_as_mysql_writes_it(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (k int, a varchar(100), n int)")
    body = b"1\ta\\\tb\\\nc\\\\d\t\\N\n2\t\\N\t7\n3\t\t8\n4\t\\\\N\t9\n"
    copy(db, bucket.put("x.txt", body), "DELIMITER '\\t' ESCAPE")
    assert db.sql("SELECT a, n FROM t ORDER BY k") == [("a\tb\nc\\d", None), (None, 7), ("", 8), (None, 9)]


def test_headers_delimiters_compression_and_several_files(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (n int, a varchar(10))")
    body = b"n|a\n1|x\n"
    bucket.put("gz/1", gzip.compress(body))
    bucket.put("gz/2", gzip.compress(body))
    copy(db, bucket.url("gz/"), "GZIP IGNOREHEADER 1")
    copy(db, bucket.put("bz", bz2.compress(body)), "BZIP2 IGNOREHEADER AS 1")
    copy(db, bucket.put("zs", pa.compress(body, codec="zstd", asbytes=True)), "ZSTD IGNOREHEADER 1")
    assert db.one("SELECT count(*) FROM t") == 4


def test_a_prefix_is_not_a_folder(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (n int)")
    for key in ("cust", "cust.bak", "cust_1/part"):
        bucket.put(key, b"1\n")
    copy(db, bucket.url("cust"), "CSV")
    assert db.one("SELECT count(*) FROM t") == 3


def test_decimals_are_truncated_unless_roundec(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (n decimal(5,2))")
    source = bucket.put("x", b"1.239\n-1.239\n")
    copy(db, source, "")
    assert db.sql("SELECT n FROM t ORDER BY n") == [(Decimal("-1.23"),), (Decimal("1.23"),)]
    db.sql("DELETE FROM t")
    copy(db, source, "ROUNDEC")
    assert db.sql("SELECT n FROM t ORDER BY n") == [(Decimal("-1.24"),), (Decimal("1.24"),)]


def test_dates_and_times(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (k int, d date, ts timestamp)")
    copy(db, bucket.put("1", b"1|2024-02-29|2024-02-29 23:59:59.123456\n"), "")
    copy(db, bucket.put("2", b"2|2024/02/29|2024-02-29T23:59:59+09:00\n"), "DATEFORMAT 'auto' TIMEFORMAT 'auto'")
    copy(db, bucket.put("3", b"3|29.02.2024|1709251199123\n"), "DATEFORMAT 'DD.MM.YYYY' TIMEFORMAT 'epochmillisecs'")
    copy(db, bucket.put("4", b"4|0000-00-00|0000-00-00 00:00:00\n"), "ACCEPTANYDATE")
    assert db.sql("SELECT d, ts FROM t ORDER BY k") == [
        (date(2024, 2, 29), datetime(2024, 2, 29, 23, 59, 59, 123456)),
        (date(2024, 2, 29), datetime(2024, 2, 29, 14, 59, 59)),
        (date(2024, 2, 29), datetime(2024, 2, 29, 23, 59, 59, 123000)),
        (None, None),
    ]


def test_blanks_and_truncation(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (k int, a varchar(3))")
    copy(db, bucket.put("x", "1|   \n2|aé😀\n".encode()), "BLANKSASNULL TRUNCATECOLUMNS")
    assert db.sql("SELECT a FROM t ORDER BY k") == [(None,), ("aé",)]


def test_a09_varbyte_is_hexadecimal_in_text(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (v varbyte(4))")
    copy(db, bucket.put("x", b"00ff\n"), "")
    assert db.sql("SELECT v, to_hex(v), len(v) FROM t") == [("00ff", "00ff", 2)]


def test_json_auto(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (id int, a varchar(50), j super, missing int)")
    body = b'{"id":1,"a":"x\\ny","j":{"b":1.10,"a":[12345678901234567890]},"extra":1}{"id":2,"a":{"n":1},"j":null}\n'
    copy(db, bucket.put("x", body), "FORMAT JSON 'auto'")
    assert db.sql("SELECT id, a, json_serialize(j), missing FROM t ORDER BY id") == [
        (1, "x\ny", '{"b":1.10,"a":[12345678901234567890]}', None),
        (2, '{"n":1}', "null", None),
    ]


def test_authorization_is_mandatory_and_checked(db: Session) -> None:
    db.sql("CREATE TABLE t (n int)")
    assert db.refused("COPY t FROM 's3://b/k' CSV")["C"] == "42601"
    assert db.refused("COPY t FROM 's3://b/k' IAM_ROLE 'me' CSV")["C"] == "XX000"
    assert db.refused("COPY t FROM 's3://b/k' IAM_ROLE default CREDENTIALS 'aws_iam_role=x' CSV")["C"] == "42601"
    assert db.refused("COPY t FROM 's3://b/k' ACCESS_KEY_ID 'x' CSV")["C"] == "42601"
    for authorization in (
        "IAM_ROLE 'arn:aws:iam::123456789012:role/r'",
        "IAM_ROLE 'arn:aws:iam::1:role/a,arn:aws:iam::2:role/b'",
        "CREDENTIALS 'aws_iam_role=arn:aws:iam::123456789012:role/r'",
        "ACCESS_KEY_ID 'a' SECRET_ACCESS_KEY 'b' SESSION_TOKEN 'c'",
    ):
        assert "does not exist" in db.refused(f"COPY t FROM 's3://aurora-dwh/nope' {authorization} CSV")["M"]


def test_unknown_and_repeated_options_are_syntax_errors(db: Session) -> None:
    db.sql("CREATE TABLE t (n int)")
    for options in ("NONSENSE", "CSV CSV", "CSV IGNOREHEADER", "FORMAT AS XML", "GZIP ZSTD"):
        assert db.refused(f"COPY t FROM 's3://b/k' IAM_ROLE default {options}")["C"] == "42601"


def test_the_sample_statements_of_the_facts_parse(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE SCHEMA stg")
    db.sql('CREATE TABLE stg."t" ("id" int, "a" varchar(20))')
    body = b"h,h\n1,\\N\n"
    entry = {"url": bucket.put("p.csv.gz", gzip.compress(body)), "mandatory": True}
    source = bucket.manifest(entry, key="x.manifest")
    db.sql(
        f"""COPY stg."t" ("id","a") FROM '{source}' IAM_ROLE 'arn:aws:iam::1:role/r' MANIFEST
        FORMAT AS CSV NULL AS '\\\\N'
        IGNOREHEADER 1 TIMEFORMAT 'auto' DATEFORMAT 'auto' GZIP;"""
    )
    assert db.sql("SELECT * FROM stg.t") == [(1, None)]
