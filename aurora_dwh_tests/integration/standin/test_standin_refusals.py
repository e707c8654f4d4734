"""What Redshift refuses by the state of a transaction, and MERGE (points 5, 10); the rest is the battery's."""

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
        "VACUUM t",
        "VACUUM FULL t TO 99 PERCENT",
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
