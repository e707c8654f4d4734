"""DDL with Redshift's attributes, system views, views of both kinds, swaps, UNLOAD (points 10, 11, 14)."""

from __future__ import annotations

import gzip
import io
import json
from decimal import Decimal

import pyarrow.parquet as pq
import pytest

from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh_tests.integration.standin.conftest import Bucket, Session

LATE = """pg_get_late_binding_view_cols()
    cols(view_schema name, view_name name, col_name name, col_type varchar, col_num int)"""
DEFINITION = 'SELECT "column", type, encoding, distkey, sortkey, "notnull" FROM pg_table_def WHERE tablename = \'t\''


def test_table_attributes_are_recorded(db: Session) -> None:
    db.sql(
        "CREATE TABLE t (id bigint NOT NULL ENCODE az64, a varchar(20) ENCODE zstd, d date, b boolean, PRIMARY "
        "KEY (id))"
        " BACKUP NO DISTSTYLE KEY DISTKEY (id) COMPOUND SORTKEY (d, a)"
    )
    assert db.sql(DEFINITION) == [
        ("id", "bigint", "az64", True, 0, True),
        ("a", "character varying(20)", "zstd", False, 2, False),
        ("d", "date", "none", False, 1, False),
        ("b", "boolean", "none", False, 0, False),
    ]
    assert db.sql("SELECT * FROM svv_table_info") == []
    db.sql("INSERT INTO t (id) VALUES (1), (2)")
    query = 'SELECT "schema", "table", diststyle, sortkey1, sortkey_num, tbl_rows, max_varchar FROM svv_table_info'
    assert db.sql(query) == [("public", "t", "KEY(id)", "d", 2, Decimal(2), 20)]
    db.sql("CREATE TABLE u (LIKE t)")
    assert db.sql(DEFINITION.replace("'t'", "'u'")) == db.sql(DEFINITION)
    db.sql("ALTER TABLE t RENAME COLUMN d TO e")
    db.sql("ALTER TABLE t ALTER DISTSTYLE ALL")
    db.sql("ALTER TABLE t ALTER COLUMN a ENCODE lzo")
    assert db.sql(query)[0][2:4] == ("ALL", "e")


def test_a_table_that_grows_has_statistics_at_once(db: Session, database: str, standin: RedshiftStandIn) -> None:
    """Without them a join of two new tables may go through one of them for each row of the other."""
    db.sql('CREATE TABLE "some numbers" (n int)')
    db.sql("CREATE TABLE few (n int)")
    ten = " UNION ALL ".join(f"SELECT {n} AS n" for n in range(10))
    db.sql(f"CREATE TABLE ten AS {ten}")
    db.connection.autocommit = False
    db.sql('INSERT INTO public."some numbers" SELECT a.n FROM ten a, ten b, ten c, ten d')
    db.sql("INSERT INTO few SELECT n FROM ten")
    db.connection.commit()
    known = "SELECT relname, reltuples::int FROM pg_class WHERE relname IN ('some numbers', 'few') ORDER BY 1 DESC"
    with standin.admin(database) as admin:
        assert [tuple(row) for row in admin.query(known)] == [("some numbers", "10000"), ("few", "-1")]


def test_inline_keys_auto_and_interleaved(db: Session) -> None:
    db.sql("CREATE TABLE t (id int DISTKEY SORTKEY, a varchar(5) COLLATE case_insensitive)")
    assert [row[3:5] for row in db.sql(DEFINITION)] == [(True, 1), (False, 0)]
    db.sql("CREATE TABLE auto (id int) DISTSTYLE AUTO SORTKEY AUTO ENCODE AUTO")
    db.sql("CREATE TABLE IF NOT EXISTS auto (id int) DISTSTYLE ALL")
    db.sql("CREATE TABLE inter (a int, b int) DISTSTYLE EVEN INTERLEAVED SORTKEY (a, b)")
    db.sql("CREATE TABLE made DISTKEY(id) SORTKEY(id) AS SELECT 1 AS id")
    db.sql("INSERT INTO auto VALUES (1)")
    db.sql("INSERT INTO inter VALUES (1, 1)")
    styles = dict(db.sql('SELECT "table", diststyle FROM svv_table_info'))
    assert styles == {"auto": "AUTO(EVEN)", "inter": "EVEN", "made": "KEY(id)"}


def test_pg_table_def_depends_on_the_search_path(db: Session) -> None:
    db.sql("CREATE SCHEMA other")
    db.sql("CREATE TABLE other.t (id int)")
    assert db.sql(DEFINITION) == []
    db.sql("SET search_path TO other, public")
    assert len(db.sql(DEFINITION)) == 1


def test_alter_table(db: Session) -> None:
    db.sql("CREATE TABLE t (id int NOT NULL, a varchar(5))")
    db.sql("INSERT INTO t VALUES (1, 'x')")
    db.sql("BEGIN")
    db.sql("ALTER TABLE t ADD COLUMN n int DEFAULT 7 NOT NULL")
    db.sql("ALTER TABLE t ADD m decimal(9,2) ENCODE az64")
    db.sql("ALTER TABLE t DROP COLUMN m CASCADE")
    db.sql("ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (id)")
    db.sql("COMMIT")
    db.sql("ALTER TABLE t ALTER COLUMN a TYPE varchar(70)")
    db.sql("COMMENT ON TABLE t IS 'it''s t'")
    db.sql("COMMENT ON COLUMN t.a IS 'a column'")
    db.sql("ANALYZE t")
    assert db.sql("SELECT * FROM t") == [(1, "x", 7)]
    assert db.sql("SELECT remarks FROM svv_all_columns WHERE column_name = 'a' AND table_name = 't'") == [("a column",)]
    assert db.sql("SELECT table_type, remarks FROM svv_all_tables WHERE table_name = 't'") == [("TABLE", "it's t")]


def test_users_groups_roles_and_grants(db: Session) -> None:
    db.sql("CREATE SCHEMA bi")
    db.sql("CREATE TABLE bi.t (id int)")
    name = f"u{id(db)}"
    db.sql(f"CREATE USER {name} PASSWORD 'Abcdef123'")
    db.sql(f"CREATE GROUP {name}_g")
    db.sql(f"CREATE ROLE {name}_r")
    for statement in (
        f"GRANT USAGE ON SCHEMA bi TO GROUP {name}_g, ROLE {name}_r",
        f"GRANT SELECT ON bi.t TO ROLE {name}_r",
        f"GRANT ROLE {name}_r TO {name}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA bi TO {name}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA bi GRANT SELECT ON TABLES TO GROUP {name}_g",
        f"REVOKE SELECT ON bi.t FROM {name}",
    ):
        db.sql(statement)
    assert db.sql(f"SELECT has_table_privilege('{name}', 'bi.t', 'select')") == [(True,)]
    db.sql(f"REVOKE ROLE {name}_r FROM {name}")
    assert db.sql(f"SELECT has_table_privilege('{name}', 'bi.t', 'select')") == [(False,)]


def test_truncate_commits(db: Session) -> None:
    db.sql("CREATE TABLE t (id int)")
    db.sql("CREATE TABLE kept (id int)")
    db.sql("INSERT INTO t VALUES (1)")
    db.sql("BEGIN")
    db.sql("INSERT INTO kept VALUES (1)")
    db.sql("TRUNCATE TABLE t")
    db.sql("ROLLBACK")
    assert db.sql("SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM kept)") == [(0, 1)]


def test_ddl_rolls_back(db: Session) -> None:
    db.sql("BEGIN")
    db.sql("CREATE TABLE t (id int) DISTKEY(id)")
    db.sql("ROLLBACK")
    assert db.sql("SELECT count(*) FROM svv_all_tables WHERE table_name = 't'") == [(0,)]


def test_a21_a_plain_view_stays_on_the_old_table_and_blocks_its_drop(db: Session) -> None:
    db.sql("CREATE TABLE t (id int)")
    db.sql("INSERT INTO t VALUES (1)")
    db.sql("CREATE VIEW v AS SELECT * FROM t")
    db.sql("CREATE TABLE t_new (LIKE t)")
    db.sql("BEGIN")
    db.sql("ALTER TABLE t RENAME TO t_old")
    db.sql("ALTER TABLE t_new RENAME TO t")
    db.sql("COMMIT")
    assert db.one("SELECT count(*) FROM v") == 1
    assert db.refused("DROP TABLE t_old")["C"] == "2BP01"
    db.sql("DROP TABLE t_old CASCADE")
    assert db.refused("SELECT * FROM v")["C"] == "42P01"


def test_a21_a_late_binding_view_follows_the_name(db: Session) -> None:
    db.sql("CREATE SCHEMA bi")
    db.sql("CREATE TABLE bi.t (id int, a varchar(9))")
    db.sql("INSERT INTO bi.t VALUES (1, 'old')")
    error = db.refused("CREATE VIEW bi.v AS SELECT id, a FROM t WITH NO SCHEMA BINDING")
    assert error["M"] == "All the relation names inside should be qualified when creating VIEW WITH NO SCHEMA BINDING."
    db.sql("CREATE VIEW bi.v AS WITH x AS (SELECT * FROM bi.t) SELECT id, a FROM x WITH NO SCHEMA BINDING")
    db.sql("CREATE OR REPLACE VIEW bi.w AS SELECT v.a, count(*) AS n FROM bi.v AS v GROUP BY 1 WITH NO SCHEMA BINDING")
    db.sql("GRANT SELECT ON bi.w TO PUBLIC")
    db.sql("COMMENT ON VIEW bi.w IS 'late'")
    assert db.sql("SELECT * FROM bi.w") == [("old", 1)]
    db.sql("DROP TABLE bi.t")
    assert db.refused("SELECT * FROM bi.w")["C"] == "42P01"
    db.sql("CREATE TABLE bi.t (id int, a varchar(9))")
    db.sql("INSERT INTO bi.t VALUES (2, 'new'), (3, 'new')")
    assert db.sql("SELECT * FROM bi.w") == [("new", 2)]
    assert db.sql("SELECT x.a, v.id FROM bi.w x JOIN bi.v ON x.a = v.a ORDER BY 2") == [("new", 2), ("new", 3)]
    assert db.sql(f"SELECT col_name FROM {LATE} WHERE view_name = 'w' ORDER BY col_num") == [
        ("a",),
        ("n",),
    ]
    db.sql("CREATE TABLE bi.copy AS SELECT * FROM bi.w")
    db.sql("DROP VIEW bi.w")
    assert db.refused("SELECT * FROM bi.w")["C"] == "42P01"
    db.sql("CREATE VIEW bi.early AS SELECT * FROM bi.not_yet WITH NO SCHEMA BINDING")
    assert db.refused("SELECT * FROM bi.early")["C"] == "42P01"


def test_swap_is_atomic_for_readers(db: Session) -> None:
    db.sql("CREATE TABLE t (id int)")
    db.sql("CREATE TABLE t_new AS SELECT 1 AS id")
    for statement in (
        "BEGIN",
        "ALTER TABLE t RENAME TO t_old",
        "ALTER TABLE t_new RENAME TO t",
        "DROP TABLE t_old",
        "COMMIT",
    ):
        db.sql(statement)
    assert db.sql("SELECT * FROM t") == [(1,)]


def test_materialized_views(db: Session) -> None:
    db.sql("CREATE TABLE t (id int)")
    db.sql(
        "CREATE MATERIALIZED VIEW mv BACKUP NO DISTSTYLE ALL SORTKEY (n) AUTO REFRESH NO AS SELECT count(*) AS n FROM t"
    )
    db.sql("INSERT INTO t VALUES (1)")
    assert db.one("SELECT n FROM mv") == 0
    db.sql("REFRESH MATERIALIZED VIEW mv")
    assert db.one("SELECT n FROM mv") == 1


@pytest.fixture
def filled(db: Session) -> Session:
    db.sql("CREATE TABLE t (id int, n decimal(18,2), a varchar(20), ts timestamp, b boolean, v varbyte)")
    db.sql(
        r"INSERT INTO t VALUES (1, 1.50, 'it\'s, \"x\"', '2024-01-01 00:00:00', true, from_hex('ff')), (2, "
        r"NULL, NULL, NULL, NULL, NULL)"
    )
    return db


def test_unload_to_parquet_feeds_copy(filled: Session, bucket: Bucket) -> None:
    filled.sql(
        f"UNLOAD ('SELECT * FROM t WHERE a = \\'it\\\\\\'s, \"x\"\\' OR id = 2') TO '{bucket.url('u/')}' "
        f"IAM_ROLE default PARQUET MANIFEST"
    )
    assert bucket.keys() == ["u/0000_part_00.parquet", "u/manifest"]
    assert filled.one("SELECT pg_last_unload_count()") == 2
    schema = pq.read_schema(io.BytesIO(bucket.get("u/0000_part_00.parquet")))
    assert [str(kind) for kind in schema.types][:3] == ["int32", "decimal128(18, 2)", "string"]
    (entry,) = json.loads(bucket.get("u/manifest"))["entries"]
    assert entry["meta"]["content_length"] == len(bucket.get("u/0000_part_00.parquet"))
    filled.sql("CREATE TABLE copy (LIKE t)")
    filled.sql(f"COPY copy FROM '{bucket.url('u/manifest')}' IAM_ROLE default FORMAT AS PARQUET MANIFEST")
    assert filled.sql("SELECT * FROM copy EXCEPT SELECT * FROM t") == []
    assert filled.one("SELECT count(*) FROM copy") == 2


def test_unload_to_csv(filled: Session, bucket: Bucket) -> None:
    filled.sql(
        f"UNLOAD ('SELECT id, a FROM t') TO '{bucket.url('c_')}' IAM_ROLE default CSV HEADER GZIP PARALLEL OFF "
        f"NULL AS '@'"
    )
    assert gzip.decompress(bucket.get("c_000.gz")).decode() == 'id,a\n1,"it\'s, ""x"""\n2,@\n'


def test_unload_refusals(filled: Session, bucket: Bucket) -> None:
    target = f"TO '{bucket.url('u/')}' IAM_ROLE default PARQUET"
    assert filled.refused(f"UNLOAD ('SELECT * FROM t LIMIT 1') {target}")["C"] == "0A000"
    assert filled.refused(f"UNLOAD ('SELECT * FROM t') TO '{bucket.url()}' PARQUET")["C"] == "42601"
    filled.sql(f"UNLOAD ('SELECT * FROM t WHERE id > 9') {target} MANIFEST")
    assert bucket.keys() == []
    filled.sql(f"UNLOAD ('SELECT * FROM t') {target}")
    assert "is not empty" in filled.refused(f"UNLOAD ('SELECT * FROM t') {target}")["M"]
    filled.sql(f"UNLOAD ('SELECT * FROM (SELECT * FROM t LIMIT 1)  x') {target} ALLOWOVERWRITE")
    assert filled.one("SELECT pg_last_unload_count()") == 1
