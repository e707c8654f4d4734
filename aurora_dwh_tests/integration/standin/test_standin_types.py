"""Types, lengths, identifiers, literals and comparison (checklist points 7, 8, 9, 12, 13)."""
# ruff: noqa: DTZ001 - a TIMESTAMP has no zone

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pytest

from aurora_dwh_tests.integration.standin.conftest import Session

SPELLED = (
    "SELECT data_type, character_maximum_length, numeric_precision, numeric_scale FROM svv_all_columns"
    " WHERE table_name = 't'"
)


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("text", ("character varying", 256, None, None)),
        ("varchar", ("character varying", 256, None, None)),
        ("varchar(max)", ("character varying", 65535, None, None)),
        ("nvarchar(7)", ("character varying", 7, None, None)),
        ("character varying(9)", ("character varying", 9, None, None)),
        ("char", ("character", 1, None, None)),
        ("bpchar", ("character", 256, None, None)),
        ("decimal", ("numeric", None, 18, 0)),
        ("numeric(38,37)", ("numeric", None, 38, 37)),
        ("float", ("double precision", None, 53, None)),
        ("int2", ("smallint", None, 16, 0)),
        ("bigint", ("bigint", None, 64, 0)),
        ("timestamp", ("timestamp without time zone", None, None, None)),
        ("timestamp with time zone", ("timestamp with time zone", None, None, None)),
        ("date", ("date", None, None, None)),
        ("bool", ("boolean", None, None, None)),
        ("super", ("super", None, None, None)),
        ("varbyte", ("binary varying", 64000, None, None)),
        ("varbinary(16)", ("binary varying", 16, None, None)),
    ],
)
def test_spellings_and_defaults(db: Session, declared: str, found: tuple[object, ...]) -> None:
    db.sql(f"CREATE TABLE t (c {declared})")
    assert db.sql(SPELLED) == [found]


def test_a05_length_is_counted_in_bytes_everywhere(db: Session) -> None:
    db.sql("CREATE TABLE t (id int, a varchar(4))")
    db.sql("CREATE TABLE wide (a varchar(40))")
    db.sql("INSERT INTO t VALUES (1, '😀'), (2, 'abcd'), (3, 'ab      ')")
    db.sql("INSERT INTO wide VALUES ('ééé')")
    message = "value too long for type character varying(4)"
    for statement in (
        "INSERT INTO t VALUES (4, 'ééé')",
        "INSERT INTO t VALUES (4, 'abcde')",
        "INSERT INTO t SELECT 4, a FROM wide",
        "UPDATE t SET a = 'ééé'",
        "UPDATE t SET a = (SELECT max(a) FROM wide)",
    ):
        error = db.refused(statement)
        assert (error["C"], error["M"]) == ("22001", message)
    db.sql("CREATE TEMP TABLE stage (LIKE t)")
    db.sql("CREATE TABLE copy AS SELECT * FROM t")
    db.sql("ALTER TABLE t ADD COLUMN b varchar(2)")
    for statement in (
        "INSERT INTO stage VALUES (1, 'ééé')",
        "INSERT INTO copy VALUES (1, 'ééé')",
        "UPDATE t SET b = 'é€'",
    ):
        assert db.refused(statement)["C"] == "22001"
    db.sql("ALTER TABLE t RENAME COLUMN a TO c")
    db.sql("ALTER TABLE t ALTER COLUMN c TYPE varchar(6)")
    db.sql("INSERT INTO t VALUES (4, 'ééé')")
    assert db.refused("INSERT INTO t VALUES (4, 'ééé1')")["M"] == "value too long for type character varying(6)"
    assert "C" in db.refused("ALTER TABLE t ALTER COLUMN c TYPE varchar(5)")


def test_keys_are_declared_not_enforced_but_not_null_is(db: Session) -> None:
    db.sql("CREATE TABLE p (id int PRIMARY KEY)")
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, f int REFERENCES p (id), UNIQUE (id, u), FOREIGN KEY "
        "(f) REFERENCES p (id))"
    )
    db.sql("INSERT INTO t VALUES (1, 1, 9), (1, 1, 9)")
    assert db.one("SELECT count(*) FROM t") == 2
    assert db.refused("INSERT INTO t VALUES (NULL, 1, 1)")["M"] == "Cannot insert a NULL value into column id"


def test_a22_identifiers_fold_to_lower_case_even_in_quotes(db: Session) -> None:
    db.sql('CREATE TABLE "MyTable" ("UserId" int, "has space and UPPER" int)')
    db.sql('INSERT INTO mytable ("USERID", "Has Space And Upper") VALUES (1, 2)')
    db.sql('SELECT "UserId" AS "Total Sum", userid FROM "MYTABLE"')
    assert [c[0] for c in db.cursor.description] == ["total sum", "userid"]
    assert db.refused('CREATE TABLE u ("a" int, "A" int)')["C"] == "42701"


def test_a22_names_may_have_127_bytes(db: Session, connect: Callable[..., Session]) -> None:
    long = "c" * 64
    twin = "c" * 63 + "d"
    longest = "é" * 63 + "x"
    db.sql(f'CREATE TABLE "{long}" ("{long}" int NOT NULL, {twin} varchar(5), "{longest}zzz" int)')
    db.sql(f'INSERT INTO {long} ("{long}", "{twin}", "{longest}") VALUES (1, \'x\', 3)')
    other = connect()
    other.sql(f'SELECT * FROM "{long}"')
    assert [c[0] for c in other.cursor.description] == [long, twin, longest]
    assert other.sql(
        "SELECT table_name, column_name FROM svv_columns WHERE table_schema = 'public' ORDER BY ordinal_position"
    ) == [(long, long), (long, twin), (long, longest)]
    assert long in db.refused(f'INSERT INTO "{long}" ("{twin}") VALUES (\'x\')')["M"]


def test_backslash_is_an_escape_in_literals(db: Session) -> None:
    assert db.one(r"SELECT 'a\\b\'c''d\ne'") == "a\\b'c'd\ne"
    db.sql(r"CREATE TABLE t (a varchar(20) DEFAULT 'x\\y')")
    db.sql(r"INSERT INTO t VALUES ('it\'s'), (DEFAULT)")
    assert db.sql(r"SELECT a FROM t WHERE a IN ('it\'s', 'x\\y') ORDER BY a") == [("it's",), ("x\\y",)]


def test_trailing_blanks_are_kept_but_do_not_count_in_comparison(db: Session) -> None:
    db.sql("CREATE TABLE t (a varchar(10))")
    db.sql("CREATE TABLE s (a varchar(20))")
    db.sql("INSERT INTO t VALUES ('a'), ('a  '), ('A'), (' a'), ('b ')")
    db.sql("INSERT INTO s VALUES ('a '), ('b')")
    assert db.sql("SELECT len(a), octet_length(a || '|') FROM t WHERE a = 'a ' ORDER BY 1") == [(1, 2), (3, 4)]
    assert db.one("SELECT count(DISTINCT a) FROM t") == 4
    assert sorted(n for (n,) in db.sql("SELECT count(*) FROM t GROUP BY a")) == [1, 1, 1, 2]
    assert db.one("SELECT count(*) FROM (SELECT DISTINCT a FROM t) x") == 4
    assert db.one("SELECT count(*) FROM t JOIN s ON t.a = s.a") == 3
    assert db.one("SELECT count(*) FROM t WHERE a IN ('a', 'x')") == 2
    assert db.one("SELECT count(*) FROM t WHERE a <> 'a'") == 3
    assert db.one("SELECT count(*) FROM t WHERE a IN (SELECT a FROM s)") == 3
    assert db.one("SELECT count(*) FROM (SELECT a FROM t UNION SELECT a FROM s) x") == 4
    assert db.one("SELECT count(*) FROM t WHERE a LIKE 'a'") == 1
    assert [a for (a,) in db.sql("SELECT a FROM t WHERE a > ' a' ORDER BY a")] in (
        ["A", "a", "a  ", "b "],
        ["A", "a  ", "a", "b "],
    )


def test_super_keeps_order_and_digits(db: Session) -> None:
    text = '{"b": 1.10, "a": [1e400, 123456789012345678901234567890], "k": "x\\\\u00e9 y"}'
    db.sql("CREATE TABLE t (id int, j super)")
    db.sql(f"INSERT INTO t SELECT 1, JSON_PARSE('{text}')")
    db.sql(
        "INSERT INTO t SELECT 2, JSON_PARSE('null') UNION ALL SELECT 3, NULL UNION ALL SELECT 4, JSON_PARSE('\"s\"')"
    )
    expected = '{"b":1.10,"a":[1e400,123456789012345678901234567890],"k":"x\\u00e9 y"}'
    assert db.sql("SELECT j, json_serialize(j) FROM t WHERE id = 1") == [(expected, expected)]
    assert db.sql("SELECT id, j IS NULL, json_serialize(j) FROM t WHERE id > 1 ORDER BY id") == [
        (2, False, "null"),
        (3, True, "null"),
        (4, False, '"s"'),
    ]
    db.sql("SELECT j FROM t")
    assert db.cursor.description[0][1] == 4000


def test_super_errors_and_validation(db: Session) -> None:
    error = db.refused("SELECT JSON_PARSE('{oops')")
    assert error["C"] == "XX000"
    assert error["M"].startswith("JSON_PARSE() error:")
    assert "8001" in error["D"]
    assert db.sql("""SELECT is_valid_json('{"a":1}'), is_valid_json('{'), is_valid_json_array('[1]')""") == [
        (True, False, True)
    ]
    assert db.refused("SELECT is_valid_json(JSON_PARSE('{}'))")["C"] == "42883"


def test_a_varchar_becomes_a_super_string_unparsed(db: Session) -> None:
    db.sql("CREATE TABLE s (a varchar(20))")
    db.sql("CREATE TABLE t (j super)")
    db.sql("""INSERT INTO s VALUES ('{"a":1}')""")
    db.sql("INSERT INTO t SELECT a FROM s")
    assert db.sql("SELECT json_serialize(j), j::varchar FROM t") == [('"{\\"a\\":1}"', '{"a":1}')]


def test_varbyte(db: Session) -> None:
    db.sql("CREATE TABLE t (v varbyte(4))")
    db.sql("INSERT INTO t SELECT from_hex('00ff') UNION ALL SELECT to_varbyte('ab', 'utf8') UNION ALL SELECT 'cd'")
    assert sorted(v for (v,) in db.sql("SELECT v FROM t")) == ["00ff", "6162", "6364"]
    assert db.sql("SELECT to_hex(v), from_varbyte(v, 'hex'), len(v) FROM t WHERE v = from_hex('00FF')") == [
        ("00ff", "00ff", 2)
    ]
    error = db.refused("INSERT INTO t SELECT from_hex('0011223344')")
    assert (error["C"], error["M"]) == ("22001", "value too long for type binary varying(4)")
    db.connection.autocommit = True
    assert db.sql("SELECT v FROM t WHERE v = %s::varchar::varbyte", ("ab",)) == [("6162",)]


def test_identity_columns(db: Session) -> None:
    db.sql("CREATE TABLE t (id bigint IDENTITY(10, 5), a int)")
    db.sql("INSERT INTO t (a) VALUES (1), (2)")
    assert db.sql("SELECT id FROM t ORDER BY id") == [(10,), (15,)]
    assert db.refused("INSERT INTO t (id, a) VALUES (1, 1)")["C"] == "428C9"
    db.sql("CREATE TABLE u (id bigint GENERATED BY DEFAULT AS IDENTITY(1, 1), a int)")
    db.sql("INSERT INTO u (id, a) VALUES (7, 1)")


def test_a_table_of_a_query_has_sized_columns(db: Session) -> None:
    db.sql("CREATE TABLE t (n decimal(18,2))")
    db.sql("CREATE TABLE u AS SELECT sum(n) AS s, max('x') AS m FROM t")
    assert db.sql(SPELLED.replace("'t'", "'u'")) == [("numeric", None, 38, 2), ("character varying", 256, None, None)]


def test_bound_parameters(db: Session) -> None:
    db.sql("CREATE TABLE t (id bigint, a varchar(50), n decimal(10,2), ts timestamp, b boolean)")
    row = (5, "it's é \\ %", Decimal("1.25"), datetime(2024, 1, 2, 3, 4, 5, 678901), True)
    db.sql("INSERT INTO t VALUES (%s, %s, %s, %s, %s)", row)
    assert db.sql("SELECT * FROM t WHERE id = %s AND a = %s", (5, row[1])) == [row]
    db.cursor.executemany("INSERT INTO t (id) VALUES (%s)", [(1,), (2,)])
    db.cursor.execute("UPDATE t SET a = %s WHERE id < %s", ("x", 3))
    assert db.cursor.rowcount == 2
    db.cursor.execute("DELETE FROM t")
    assert db.cursor.rowcount == 3
