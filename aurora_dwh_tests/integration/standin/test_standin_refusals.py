"""What Redshift refuses and PostgreSQL would take (checklist points 5, 6, 9, 10, 11)."""

from __future__ import annotations

import pytest

from aurora_dwh_tests.integration.standin.conftest import Session

SETUP = (
    "CREATE TABLE t (id int NOT NULL, a varchar(10), b int DEFAULT 1) DISTKEY(id) SORTKEY(b)",
    "CREATE TABLE s (id int, a varchar(10))",
)


@pytest.fixture(autouse=True)
def tables(db: Session) -> None:
    for statement in SETUP:
        db.sql(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 'x'",
        "INSERT INTO t (id) VALUES (1) RETURNING id",
        "DELETE FROM t RETURNING id",
        "DELETE FROM t x WHERE x.id = 1",
        "DELETE FROM t AS x USING s WHERE x.id = s.id",
        "DELETE t USING s WHERE t.id = s.id",
        "CREATE INDEX i ON t (id)",
        "CREATE UNIQUE INDEX i ON t (id)",
        "CREATE SEQUENCE q",
        "CREATE DOMAIN d AS int",
        "CREATE TYPE e AS ENUM ('a')",
        "CREATE EXTENSION hstore",
        "CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()",
        "CREATE UNLOGGED TABLE u (id int)",
        "CREATE OR REPLACE TABLE u (id int)",
        "CREATE TEMP TABLE u (id int) ON COMMIT DROP",
        "CREATE TABLE u (id int) TABLESPACE x",
        "CREATE TABLE u (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE u (id int) INHERITS (t)",
        "CREATE TABLE u (id int GENERATED ALWAYS AS IDENTITY)",
        "CREATE TABLE u (id int, g int GENERATED ALWAYS AS (id * 2) STORED)",
        "CREATE TABLE IF NOT EXISTS u AS SELECT 1 AS id",
        "SAVEPOINT p",
        "RELEASE SAVEPOINT p",
        "ROLLBACK TO SAVEPOINT p",
        "DO $$ BEGIN END $$",
        "LISTEN x",
        "SELECT count(*) FILTER (WHERE id > 1) FROM t",
        "SELECT DISTINCT ON (id) * FROM t",
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t, LATERAL (SELECT 1) x",
        "SELECT * FROM (VALUES (1), (2)) v (x)",
        "SELECT * FROM t TABLESAMPLE SYSTEM (1)",
        "SELECT ARRAY[1, 2]",
        "SELECT '{1}'::int[]",
        "SELECT a IS DISTINCT FROM b FROM t",
        "SELECT a IS NOT DISTINCT FROM b FROM t",
        "WITH d AS (DELETE FROM t WHERE id = 1) SELECT 1",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS c int",
        "ALTER TABLE t ADD COLUMN c int, ADD COLUMN d int",
        "ALTER TABLE t DROP COLUMN IF EXISTS a",
        "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
        "ALTER TABLE t ALTER COLUMN id DROP NOT NULL",
        "ALTER TABLE t ALTER COLUMN a SET DEFAULT 'x'",
        "ALTER TABLE t SET SCHEMA other",
        "ALTER TABLE t RENAME TO public.u",
        "ALTER TABLE t ADD COLUMN c int NOT NULL",
        "ALTER TABLE t ADD COLUMN c int NOT NULL DEFAULT NULL",
        "SELECT 1; SELECT 2",
        "BEGIN; SELECT 1",
        "LOCK TABLE t IN SHARE MODE",
        "CREATE TABLE tag (tag varchar(10))",
        "CREATE TABLE u (open int)",
        "CREATE TABLE u (timestamp timestamp)",
        "SELECT tag FROM t",
        "INSERT INTO t (id, raw) VALUES (1, 2)",
        "SELECT 'unterminated",
        "SELECT (1",
        "VALUES (1)",
    ],
)
def test_syntax_redshift_does_not_have(db: Session, statement: str) -> None:
    assert db.refused(statement)["C"] == "42601"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("CREATE TABLE u (id int CHECK (id > 0))", "0A000"),
        ("CREATE TABLE u (id int, CHECK (id > 0))", "0A000"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (id > 0)", "0A000"),
        ("CREATE TABLE u (id serial)", "0A000"),
        ("CREATE TABLE u (id bigserial)", "0A000"),
        ("CREATE TABLE u (j jsonb)", "0A000"),
        ("CREATE TABLE u (j json)", "0A000"),
        ("CREATE TABLE u (j uuid)", "0A000"),
        ("CREATE TABLE u (j bytea)", "0A000"),
        ("CREATE TABLE u (j tinyint)", "0A000"),
        ("CREATE TABLE u (j int[])", "0A000"),
        ("CREATE TABLE u (j money)", "0A000"),
        ("CREATE TABLE u (j wibble)", "42704"),
        ("CREATE TABLE u (a varchar(65536))", "22023"),
        ("CREATE TABLE u (a char(4097))", "22023"),
        ("CREATE TABLE u (a decimal(39,0))", "22023"),
        ("CREATE TABLE u (a decimal(38,38))", "22023"),
        ("CREATE TABLE u (a decimal(5,6))", "22023"),
        ("CREATE TABLE u (a varbyte(16777217))", "22023"),
        ("CREATE TABLE u (a varchar(10) ENCODE az64)", "0A000"),
        ("CREATE TABLE u (a varchar(10) ENCODE nonsense)", "42601"),
        ("CREATE TABLE u (a varchar(10) IDENTITY(1,1))", "0A000"),
        ("CREATE TABLE u (id int) DISTSTYLE KEY", "42601"),
        ("CREATE TABLE u (id int) DISTKEY(nope)", "42703"),
        ("CREATE TABLE u (LIKE t) DISTKEY(id)", "0A000"),
        ("CREATE TABLE u (oid int)", "42601"),
        ('CREATE TABLE u ("oid" int)', "42701"),
        ("CREATE TABLE u (a int PRIMARY KEY, b int, PRIMARY KEY (b))", "42P16"),
        ("CREATE TEMP TABLE public.u (id int)", "42P16"),
        ("CREATE TABLE t (id int)", "42P07"),
        ("ALTER TABLE t DROP COLUMN id", "0A000"),
        ("ALTER TABLE t DROP COLUMN b", "0A000"),
        ("ALTER TABLE t ALTER COLUMN id TYPE bigint", "0A000"),
        ("ALTER TABLE t ALTER COLUMN id TYPE varchar(20)", "0A000"),
        ("ALTER TABLE t ADD COLUMN c int PRIMARY KEY", "0A000"),
        ("ALTER TABLE t ADD COLUMN c int IDENTITY(1,1)", "0A000"),
        ("ALTER TABLE t ADD PRIMARY KEY (a)", "42P16"),
        ("SELECT string_agg(a, ',') FROM t", "42883"),
        ("SELECT array_agg(a) FROM t", "42883"),
        ("SELECT to_jsonb(a) FROM t", "42883"),
        ("SELECT pg_sleep(1)", "42883"),
        ("SELECT concat_ws(',', a, a) FROM t", "42883"),
        ("SELECT gen_random_uuid()", "42883"),
        ("SELECT '{}'::jsonb", "42704"),
        ("SELECT CAST('{}' AS jsonb)", "42704"),
        ("SELECT g FROM t, generate_series(1, 3) g", "0A000"),
        ("SELECT now(), id FROM t", "0A000"),
        ("SELECT nope FROM t", "42703"),
        ("SELECT * FROM nope", "42P01"),
        ("UPDATE t SET t.a = 'x'", "42703"),
    ],
)
def test_features_types_and_functions_redshift_does_not_have(db: Session, statement: str, code: str) -> None:
    assert db.refused(statement)["C"] == code


@pytest.mark.parametrize(
    "statement",
    [
        "VACUUM t",
        "VACUUM FULL t TO 99 PERCENT",
        "ALTER TABLE t APPEND FROM s",
        "ALTER TABLE t ALTER COLUMN a TYPE varchar(20)",
        "CREATE DATABASE other",
        "DROP DATABASE other",
    ],
)
def test_commands_that_stand_alone(db: Session, statement: str) -> None:
    db.sql("BEGIN")
    error = db.refused(statement)
    assert error["C"] == "25001"
    assert error["M"].endswith("cannot run inside a transaction block")
    assert db.refused("SELECT 1")["C"] == "25P02"
    db.sql("ROLLBACK")


def test_reserved_words_may_be_quoted_and_used_where_they_belong(db: Session) -> None:
    db.sql('CREATE TABLE "order" ("tag" varchar(10), "timestamp" timestamp, "group" int)')
    db.sql('INSERT INTO "order" ("tag", "timestamp", "group") VALUES (\'x\', sysdate, 1)')
    assert db.sql('SELECT TOP 1 "tag", row_number() OVER (PARTITION BY "tag" ORDER BY "timestamp") FROM "order"') == [
        ("x", 1)
    ]
    assert db.sql("SELECT timestamp '2024-01-01' IS NULL, CAST(NULL AS timestamp) IS NULL") == [(False, True)]


def test_after_an_error_only_a_rollback_is_taken(db: Session) -> None:
    db.sql("BEGIN")
    db.sql("INSERT INTO t (id) VALUES (1)")
    db.refused("SELECT * FROM t FOR UPDATE")
    for statement in (
        "SELECT 1",
        "INSERT INTO t (id) VALUES (2)",
        "CREATE TABLE u (id int)",
        "SELECT ARRAY[1]",
        "TRUNCATE t",
    ):
        assert db.refused(statement)["C"] == "25P02"
    db.sql("COMMIT")
    assert db.one("SELECT count(*) FROM t") == 0


@pytest.mark.parametrize(
    "merge",
    [
        (
            "MERGE INTO t x USING s ON x.id = s.id WHEN MATCHED THEN UPDATE SET a = s.a WHEN NOT MATCHED THEN "
            "INSERT VALUES (s.id, s.a, 1)"
        ),
        (
            "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED AND s.id > 1 THEN DELETE WHEN NOT MATCHED THEN INSERT "
            "VALUES (s.id, s.a, 1)"
        ),
        "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.a",
        "MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.a, 1)",
        (
            "MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.a, 1) WHEN MATCHED "
            "THEN DELETE"
        ),
        "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED BY SOURCE THEN DELETE",
        (
            "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES "
            "(s.id, s.a, 1)"
        ),
        (
            "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET t.a = s.a WHEN NOT MATCHED THEN "
            "INSERT VALUES (1, 'x', 1)"
        ),
        "WITH x AS (SELECT 1) MERGE INTO t USING s ON t.id = s.id REMOVE DUPLICATES",
        "MERGE INTO t USING s ON t.id = s.id",
    ],
)
def test_merge_forms_redshift_does_not_have(db: Session, merge: str) -> None:
    assert db.refused(merge)["C"] == "42601"


def test_merge(db: Session) -> None:
    db.sql("INSERT INTO t (id, a) VALUES (1, 'old'), (2, 'keep')")
    db.sql("INSERT INTO s VALUES (1, 'new'), (3, 'add')")
    db.sql(
        "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.a"
        " WHEN NOT MATCHED THEN INSERT (id, a) VALUES (s.id, s.a)"
    )
    assert db.sql("SELECT id, a FROM t ORDER BY id") == [(1, "new"), (2, "keep"), (3, "add")]
    db.sql("INSERT INTO s VALUES (1, 'again')")
    error = db.refused(
        "MERGE INTO t USING s AS z ON t.id = z.id WHEN MATCHED THEN UPDATE SET a = z.a WHEN NOT MATCHED THEN "
        "INSERT VALUES (z.id, z.a, 1)"
    )
    assert error["M"] == "Found multiple matches to update the same tuple."


def test_merge_remove_duplicates(db: Session) -> None:
    db.sql("CREATE TABLE u (id int, a varchar(10))")
    db.sql("INSERT INTO u VALUES (1, 'x'), (1, 'x'), (2, 'y'), (2, 'y')")
    db.sql("INSERT INTO s VALUES (1, 'new'), (3, 'add')")
    db.sql("MERGE INTO u USING s ON u.id = s.id REMOVE DUPLICATES")
    assert db.sql("SELECT * FROM u ORDER BY id") == [(1, "new"), (2, "y"), (2, "y"), (3, "add")]
    error = db.refused("MERGE INTO u USING (SELECT * FROM u) z ON u.id = z.id REMOVE DUPLICATES")
    assert error["M"] == "Source view/subquery in Merge statement cannot reference target table."
