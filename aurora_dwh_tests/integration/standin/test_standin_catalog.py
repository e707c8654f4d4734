"""The catalogue that clients ask: system tables and views with Redshift's columns, each row with its source.

Sources: pages of the guide, by name; else the client whose statement it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh_tests.integration.standin.conftest import Bucket, Session

COLUMNS = """
svv_external_columns: redshift_database_name schemaname tablename columnname external_type columnnum part_key
  is_nullable
svv_external_schemas: esoid eskind schemaname esowner databasename esoptions
svv_external_tables: redshift_database_name schemaname tablename tabletype location input_format output_format
  serialization_lib serde_parameters compressed parameters
svv_mv_info: database_name schema_name user_name name is_stale state autorewrite autorefresh
svv_transactions: txn_owner txn_db xid pid txn_start lock_mode lockable_object_type relation granted
svv_user_grants: user_id user_name role_id role_name admin_option
svv_schema_privileges: namespace_name privilege_type identity_id identity_name identity_type admin_option
  privilege_scope
svv_default_privileges: schema_name object_type owner_id owner_name owner_type privilege_type grantee_id grantee_name
  grantee_type admin_option
sys_query_history: user_id query_id query_label transaction_id session_id database_name query_type status
  result_cache_hit start_time end_time elapsed_time queue_time execution_time error_message returned_rows
  returned_bytes query_text redshift_version usage_limit compute_type compile_time planning_time lock_wait_time
  service_class_id service_class_name query_priority short_query_accelerated user_query_hash generic_query_hash
  query_hash_version result_cache_query_id username
stl_query: userid query label xid pid database querytxt starttime endtime aborted insert_pristine
  concurrency_scaling_status
"""
"""The columns of system views, as the guide's page of each lists them."""

MADE = (
    "CREATE TABLE parent (id int NOT NULL, code varchar(5) UNIQUE, PRIMARY KEY (id)) DISTSTYLE ALL",
    """CREATE TABLE child (id int ENCODE raw, parent int REFERENCES parent, at date ENCODE bytedict
    DEFAULT '2024-01-01', CONSTRAINT whole UNIQUE (at, id)) DISTKEY (parent) INTERLEAVED SORTKEY (parent, at)""",
    "CREATE TABLE plain (a int) DISTSTYLE EVEN",
    "CREATE TABLE loose (a varbyte(9), b char(2))",
    "CREATE VIEW late AS SELECT id, at FROM public.child WITH NO SCHEMA BINDING",
    "CREATE MATERIALIZED VIEW kept DISTSTYLE ALL AUTO REFRESH YES AS SELECT id FROM parent",
    "CREATE MATERIALIZED VIEW still BACKUP NO SORTKEY (id) AS SELECT id FROM parent",
    "ALTER TABLE child RENAME COLUMN parent TO of",
    "INSERT INTO child (id, at) VALUES (7, NULL)",
    "CREATE VIEW aliased AS SELECT id AS first, at FROM public.child WHERE first = 7 WITH NO SCHEMA BINDING",
)
LATE = """pg_get_late_binding_view_cols()
    cols(view_schema name, view_name name, col_name name, col_type varchar, col_num int)"""
ANSWERS = [
    # PG_GET_LATE_BINDING_VIEW_COLS
    (
        f"SELECT * FROM {LATE} WHERE view_name = 'late' ORDER BY 5",
        [("public", "late", "id", "integer", 1), ("public", "late", "at", "date", 2)],
    ),
    # r_PG_CLASS_INFO: 0 EVEN, 1 KEY, 8 ALL, 9 AUTO; dbt-redshift: a materialized view is a view
    (
        "SELECT relname, relkind, reldiststyle FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
        [
            ("aliased", "v", 0), ("child", "r", 1), ("kept", "v", 0), ("late", "v", 0), ("loose", "r", 9),
            ("parent", "r", 8), ("plain", "r", 0), ("still", "v", 0),
        ],
    ),
    # a table named with its schema in FROM and in a column
    ("SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class WHERE pg_class.relname = 'late'", [("late",)]),
    # sqlalchemy-redshift, amazon-redshift-utils v_generate_tbl_ddl
    (
        """SELECT a.attname, a.attisdistkey, a.attsortkeyord, format_encoding(a.attencodingtype::integer)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relname = 'child' AND a.attnum > 0 ORDER BY a.attnum""",
        [("id", False, 0, "none"), ("of", True, 1, "none"), ("at", False, -2, "bytedict")],
    ),
    (
        "SELECT d.adnum, d.adsrc FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid WHERE c.relname = 'child'",
        [(3, "'2024-01-01'::date")],
    ),
    (
        "SELECT c.conname, c.contype, c.conkey, c.confkey, pg_get_constraintdef(c.oid) FROM pg_constraint c ORDER BY 1",
        [
            ("child_parent_fkey", "f", [2], [1], "FOREIGN KEY (of) REFERENCES parent(id)"),
            ("parent_code_key", "u", [2], None, "UNIQUE (code)"),
            ("parent_pkey", "p", [1], None, "PRIMARY KEY (id)"),
            ("whole", "u", [3, 1], None, "UNIQUE (at, id)"),
        ],
    ),
    # awswrangler's upsert without keys of its own
    (
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname = 'parent_pkey'",
        [("CREATE UNIQUE INDEX parent_pkey ON public.parent USING btree (id)",)],
    ),
    # sqlalchemy-redshift, dbt-redshift: columns of late-binding views are in no table
    ("SELECT count(*) FROM pg_attribute WHERE attrelid = 'late'::regclass", [(0,)]),
    ("SELECT count(*) FROM information_schema.columns WHERE table_name = 'late'", [(0,)]),
    # r_CREATE_VIEW: the statement of a late-binding view; dbt-redshift: of a materialized view
    (
        "SELECT definition FROM pg_views WHERE viewname = 'late'",
        [("create view late as SELECT id, at FROM public.child with no schema binding;",)],
    ),
    (
        """SELECT table_name FROM information_schema.views
        WHERE view_definition ILIKE 'create materialized view%' ORDER BY 1""",
        [("kept",), ("still",)],
    ),
    # r_SVV_REDSHIFT_COLUMNS, r_PG_TABLE_DEF
    (
        """SELECT column_name, encoding, distkey, sortkey FROM svv_redshift_columns
        WHERE table_name = 'child' ORDER BY ordinal_position""",
        [("id", "none", False, 0), ("of", "none", True, 1), ("at", "bytedict", False, -2)],
    ),
    ('SELECT type FROM pg_table_def WHERE tablename = \'loose\'', [("binary varying(9)",), ("character(2)",)]),
    # r_SVV_MV_INFO
    (
        "SELECT trim(name), is_stale, autorefresh FROM svv_mv_info ORDER BY 1",
        [("kept", "f", "t"), ("still", "f", "f")],
    ),
    ("SELECT first, at FROM aliased", [(7, None)]),
    # sqlalchemy-redshift: WHERE 1, and the result's names in WHERE; a column of FROM goes first
    ("SELECT n.nspname AS \"schema\" FROM pg_namespace n WHERE 1 AND schema = 'public'", [("public",)]),
    ("SELECT relname AS relkind FROM pg_class WHERE relkind = 'r' AND relname = 'plain'", [("plain",)]),
    ("SELECT a.n + 1 AS m FROM (SELECT 1 AS n UNION ALL SELECT 5 AS n) a WHERE (m > 2)", [(6,)]),
    ("SELECT n + 1 m, m * 2 AS k FROM (SELECT 1 AS n UNION ALL SELECT 5) WHERE k > 4 ORDER BY 1", [(6, 12)]),
    ("SELECT 1 AS m FROM (SELECT 5 AS n) WHERE 5 IN (SELECT m FROM (SELECT 5 AS m)) AND m = 1", [(1,)]),
    ("SELECT array[1::SMALLINT] AS k FROM svv_external_columns", []),
]  # fmt: skip


@pytest.fixture
def made(db: Session) -> Session:
    for statement in MADE:
        db.sql(statement)
    return db


def test_system_views_have_the_columns_of_the_guide(db: Session) -> None:
    listed = dict(line.split(": ") for line in COLUMNS.replace("\n  ", " ").strip().splitlines())
    for view, columns in listed.items():
        for name in (view, f"pg_catalog.{view}"):
            db.sql(f"SELECT * FROM {name} LIMIT 1")
            assert [column[0] for column in db.cursor.description] == columns.split(), name


def test_catalog_questions_of_clients(made: Session) -> None:
    for query, rows in ANSWERS:
        found = [tuple(row) for row in made.sql(query)]
        assert found == rows, query


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        # PG_GET_LATE_BINDING_VIEW_COLS: a function that returns records
        ("SELECT * FROM pg_get_late_binding_view_cols()", "42601"),
        # columns of pg_class that PostgreSQL got after 8.0: sqlalchemy-redshift issue 264
        ("SELECT relpersistence FROM pg_class", "42703"),
        # r_CREATE_TABLE_NEW: what a key refers to
        ("CREATE TABLE f (a int REFERENCES missing)", "42P01"),
        ("CREATE TABLE f (a int REFERENCES plain)", "42704"),
        ("CREATE TABLE f (a int REFERENCES plain (b))", "42703"),
        ("CREATE TABLE f (a int, UNIQUE (b))", "42703"),
        ("ALTER TABLE child ADD CONSTRAINT whole UNIQUE (id)", "42710"),
        ("ALTER TABLE child DROP CONSTRAINT other", "42704"),
        # c_SQL_commands: arrays are the leader node's
        ("SELECT ARRAY[1] FROM plain", "42601"),
        ("SELECT a AS b FROM plain WHERE c = 1", "42703"),
        # materialized-view-create-sql-command
        ("CREATE MATERIALIZED VIEW v DISTSTYLE SOME AS SELECT a FROM plain", "42601"),
        ("UNLOAD ('SELECT 1') TO 's3://b/p' IAM_ROLE default ENCRYPTED KMS_KEY_ID 'k'", "0A000"),
    ],
)
def test_what_is_refused(made: Session, statement: str, code: str) -> None:
    assert made.refused(statement)["C"] == code


def test_a_key_is_dropped_and_made_again(made: Session) -> None:
    keys = "SELECT conname FROM pg_constraint WHERE conrelid = 'child'::regclass ORDER BY 1"
    made.sql("ALTER TABLE child DROP CONSTRAINT whole")
    assert made.sql(keys) == [("child_parent_fkey",)]
    made.sql("ALTER TABLE child ADD FOREIGN KEY (of) REFERENCES parent (id)")
    made.sql("ALTER TABLE child ADD FOREIGN KEY (of) REFERENCES parent (id)")
    assert made.sql(keys) == [("child_of_fkey",), ("child_of_fkey1",), ("child_parent_fkey",)]
    made.sql("DROP TABLE child")
    made.sql("CREATE TABLE child (id int)")
    assert made.sql(keys) == []


def test_a_materialized_view_is_stale_until_it_is_refreshed(made: Session) -> None:
    stale = "SELECT trim(name), is_stale FROM svv_mv_info ORDER BY 1"
    made.sql("INSERT INTO parent VALUES (1, 'a')")
    assert made.sql(stale) == [("kept", "t"), ("still", "t")]
    made.sql("REFRESH MATERIALIZED VIEW kept")
    assert made.sql(stale) == [("kept", "f"), ("still", "t")]


def test_history_tells_statements_of_all_sessions_without_secrets(
    db: Session, connect: Callable[..., Session], database: str, bucket: Bucket
) -> None:
    """SYS_QUERY_HISTORY, r_STL_QUERY; a user without access to system tables sees what is its own."""
    db.sql("CREATE USER history_reader PASSWORD 'Reader11'")
    db.sql("CREATE TABLE t (a int)")
    db.connection.autocommit = False
    db.sql("/* first */ INSERT INTO t VALUES (1), (2)")
    db.sql("SELECT * FROM t")
    db.connection.commit()
    db.connection.autocommit = True
    db.refused("SELECT a / 0 FROM t")
    source = bucket.put("t.csv", b"3\n")
    keys, masked = "ACCESS_KEY_ID 'a' SECRET_ACCESS_KEY 's'", "ACCESS_KEY_ID '***' SECRET_ACCESS_KEY '***'"
    db.refused(f"COPY t FROM '{source}x' {keys} FORMAT AS CSV")
    db.sql(f"COPY t FROM '{source}' IAM_ROLE default FORMAT AS CSV")
    db.sql("CREATE TABLE u AS SELECT * FROM t")
    asked = f"FROM sys_query_history WHERE database_name = '{database}' ORDER BY start_time, query_id"
    history = db.sql(
        f"SELECT trim(query_text), trim(query_type), trim(status), returned_rows, trim(error_message) {asked}"
    )
    assert history == [
        ("CREATE USER history_reader PASSWORD '***'", "DDL", "success", 0, None),
        ("CREATE TABLE t (a int)", "DDL", "success", 0, None),
        ("begin transaction", "UTILITY", "success", 0, None),
        ("/* first */ INSERT INTO t VALUES (1), (2)", "INSERT", "success", 0, None),
        ("SELECT * FROM t", "SELECT", "success", 2, None),
        ("commit", "UTILITY", "success", 0, None),
        ("SELECT a / 0 FROM t", "SELECT", "failed", 0, "division by zero"),
        (f"COPY t FROM '{source}x' {masked} FORMAT AS CSV", "COPY", "failed", 0, history[7][4]),
        (f"COPY t FROM '{source}' IAM_ROLE default FORMAT AS CSV", "COPY", "success", 0, None),
        ("CREATE TABLE u AS SELECT * FROM t", "CTAS", "success", 0, None),
    ]  # fmt: skip
    transactions = [number for (number,) in db.sql(f"SELECT transaction_id {asked}")]
    assert len(set(transactions[2:6])) == 1
    assert len(set(transactions[:10])) == 7
    (copied,) = db.sql("SELECT query_id FROM sys_load_history WHERE status = 'completed'")
    assert copied in db.sql("SELECT query_id FROM sys_query_history WHERE query_type = 'COPY' AND status = 'success'")
    queries = f"SELECT trim(querytxt), aborted FROM stl_query WHERE database = '{database}' ORDER BY query"
    assert db.sql(queries)[:3] == [
        ("/* first */ INSERT INTO t VALUES (1), (2)", 0),
        ("SELECT * FROM t", 0),
        ("SELECT a / 0 FROM t", 1),
    ]
    other = connect(user="history_reader", password="Reader11")
    other.sql("SELECT 1")
    assert other.sql("SELECT trim(query_text), trim(username) FROM sys_query_history") == [
        ("SELECT 1", "history_reader")
    ]


def test_transactions_tell_who_holds_and_who_waits(db: Session, connect: Callable[..., Session]) -> None:
    """r_SVV_TRANSACTIONS."""
    db.sql("CREATE TABLE t (a int)")
    db.sql("CREATE TABLE u (a int)")
    writer = connect()
    writer.connection.autocommit = False
    writer.sql("DELETE FROM t")
    locks = "SELECT lock_mode, lockable_object_type, relation = 't'::regclass::int, granted FROM svv_transactions"
    found = db.sql(f"{locks} WHERE pid <> pg_backend_pid() AND txn_owner = 'admin'")
    assert ("ShareRowExclusiveLock", "relation", True, True) in found
    assert ("ExclusiveLock", "transactionid", None, True) in found
    held = "SELECT count(DISTINCT xid), count(*) > 1 FROM svv_transactions WHERE pid <> pg_backend_pid()"
    assert db.sql(held) == [(1, True)]
    writer.connection.rollback()
    assert db.sql(f"{locks} WHERE pid <> pg_backend_pid()") == []


def test_privileges_are_listed_by_kind(db: Session, standin: RedshiftStandIn, database: str) -> None:
    """r_SVV_SCHEMA_PRIVILEGES, r_SVV_USER_GRANTS, r_SVV_DEFAULT_PRIVILEGES."""
    for statement in (
        "CREATE USER granted_user PASSWORD 'Granted1'",
        "CREATE ROLE granted_role",
        "GRANT ROLE granted_role TO granted_user",
        "CREATE SCHEMA s",
        "GRANT USAGE ON SCHEMA s TO granted_user",
        "GRANT CREATE ON SCHEMA s TO ROLE granted_role",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO granted_user",
    ):
        db.sql(statement)
    wanted: list[tuple[str, list[tuple[Any, ...]]]] = [
        (
            """SELECT privilege_type, identity_name, identity_type, privilege_scope FROM svv_schema_privileges
            WHERE namespace_name = 's' AND identity_name <> 'admin' ORDER BY 2""",
            [("CREATE", "granted_role", "role", "SCHEMA"), ("USAGE", "granted_user", "user", "SCHEMA")],
        ),
        ("SELECT user_name, role_name, admin_option FROM svv_user_grants", [("granted_user", "granted_role", False)]),
        (
            """SELECT schema_name, object_type, owner_name, privilege_type, grantee_name, grantee_type
            FROM svv_default_privileges""",
            [("s", "RELATION", "admin", "SELECT", "granted_user", "user")],
        ),
    ]
    for query, rows in wanted:
        assert [tuple(row) for row in db.sql(query)] == rows, query


def test_own_parameters_are_kept_and_shown(db: Session) -> None:
    """Configuration reference; awswrangler asks for the first."""
    assert db.one("SHOW enable_case_sensitive_identifier") == "off"
    db.sql("SET query_group TO 'nightly'")
    assert (db.one("SHOW query_group"), db.cursor.description[0][0]) == ("nightly", "query_group")
    db.sql("RESET query_group")
    assert db.one("SHOW query_group") == "unset"
    for written in ("false", "'OFF'", "0"):
        db.sql(f"SET enable_result_cache_for_session TO {written}")
        assert db.one("SHOW enable_result_cache_for_session") == "off"
        db.sql("SET enable_result_cache_for_session TO DEFAULT")
        assert db.one("SHOW enable_result_cache_for_session") == "on"
    assert db.refused("SET enable_result_cache_for_session TO maybe")["C"] == "22023"


def test_unload_may_ask_for_encryption(db: Session, bucket: Bucket) -> None:
    """r_UNLOAD: S3 encrypts, whether it is asked or not; awswrangler always asks."""
    for number, option in enumerate(("ENCRYPTED", "ENCRYPTED AUTO")):
        db.sql(
            f"UNLOAD ('SELECT 1 AS a') TO '{bucket.url(str(number))}_' IAM_ROLE default FORMAT CSV {option} MANIFEST"
        )
        assert bucket.get(f"{number}_0000_part_00") == b"1\n"
