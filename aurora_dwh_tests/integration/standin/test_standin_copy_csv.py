"""COPY of CSV, as the product sends it of Aurora's exports (checklist point 4)."""
# ruff: noqa: DTZ001 - a TIMESTAMP has no zone

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from aurora_dwh_tests.integration.standin.conftest import Bucket, Session


def copy(db: Session, source: str, options: str, table: str = "t") -> None:
    db.sql(f"COPY {table} FROM '{source}' IAM_ROLE default {options}")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("CSV ESCAPE", "CSV is not compatible with ESCAPE"),
        ("CSV REMOVEQUOTES", "CSV is not compatible with REMOVEQUOTES"),
        ("CSV SERIALIZETOJSON", "SERIALIZETOJSON is not supported for CSV based COPY"),
        ("CSV GZIP", "GZIP of a text COPY in the local stand-in is not supported"),
        ("CSV IGNOREHEADER 1", "IGNOREHEADER of a text COPY in the local stand-in is not supported"),
        ("FORMAT JSON 'auto'", "FORMAT JSON in the local stand-in is not supported"),
        ("DELIMITER '|'", "FORMAT DELIMITED in the local stand-in is not supported"),
    ],
)
def test_options_that_do_not_go_with_csv_or_that_nobody_sends(db: Session, options: str, text: str) -> None:
    db.sql("CREATE TABLE t (a varchar(10))")
    error = db.refused(f"COPY t FROM 's3://b/k' IAM_ROLE default {options}")
    assert (error["C"], error["M"]) == ("0A000", text)


def test_an_empty_field_is_empty_text_and_null_elsewhere(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (k int, a varchar(10), n int, d date)")
    copy(db, bucket.put("x.csv", b'1,,,\n2,"",5,2024-01-02\n'), "CSV")
    assert db.sql("SELECT a, n, d FROM t ORDER BY k") == [("", None, None), ("", 5, date(2024, 1, 2))]


def test_a_row_of_too_many_or_too_few_fields_and_bytes_that_are_no_text(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (a varchar(10), n int)")
    for body, code in ((b"1,2,3\n", 1202), (b"1\n", 1214), (b"a\xffb,1\n", 1220)):
        db.refused(f"COPY t FROM '{bucket.put(str(code), body)}' IAM_ROLE default CSV")
        assert db.one("SELECT error_code FROM sys_load_error_detail WHERE query_id = pg_last_copy_id()") == code


def test_numbers_are_cut_off_and_times_are_utc(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (n decimal(5,2), d date, ts timestamp, tz timestamptz)")
    body = b"1.239,2024-02-29,2024-02-29 23:59:59.123,2024-02-29 23:59:59+09\n-1.239,2024-02-29,2024-02-29,\n"
    copy(db, bucket.put("x", body), "CSV")
    assert db.sql("SELECT n, d, ts, tz::timestamp FROM t ORDER BY n DESC") == [
        (
            Decimal("1.23"),
            date(2024, 2, 29),
            datetime(2024, 2, 29, 23, 59, 59, 123000),
            datetime(2024, 2, 29, 14, 59, 59),
        ),
        (Decimal("-1.23"), date(2024, 2, 29), datetime(2024, 2, 29), None),
    ]


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
    copy(db, bucket.put("x.csv", body.encode()), "FORMAT AS CSV NULL AS '\\001'")
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


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("smallint", "40000", 1222),
        ("int", "1.5", 1207),
        ("bigint", "9223372036854775808", 1222),
        ("decimal(4,2)", "x", 1207),
        ("decimal(4,2)", "123.4", 1209),
        ("decimal(19,0)", "9223372036854775808", 1209),
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
    db.refused(f"COPY t FROM '{source}' IAM_ROLE default CSV")
    assert db.one("SELECT error_code FROM sys_load_error_detail") == code


def test_a_prefix_is_not_a_folder(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (n int)")
    for key in ("cust", "cust.bak", "cust_1/part"):
        bucket.put(key, b"1\n")
    copy(db, bucket.url("cust"), "CSV")
    assert db.one("SELECT count(*) FROM t") == 3


def test_a09_varbyte_is_hexadecimal_in_text(db: Session, bucket: Bucket) -> None:
    db.sql("CREATE TABLE t (v varbyte(4))")
    copy(db, bucket.put("x", b"00ff\n"), "CSV")
    assert db.sql("SELECT v, to_hex(v), len(v) FROM t") == [("00ff", "00ff", 2)]


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
    for options in ("NONSENSE", "CSV CSV", "CSV IGNOREHEADER", "FORMAT AS XML"):
        assert db.refused(f"COPY t FROM 's3://b/k' IAM_ROLE default {options}")["C"] == "42601"
