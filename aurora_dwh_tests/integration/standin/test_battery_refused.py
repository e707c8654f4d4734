"""What Redshift refuses and PostgreSQL takes, a row each: statement, SQLSTATE, a piece of the message, source.

Belongs here: whatever one statement on a few tables can show. Does not belong here: what needs files (COPY), several
sessions, or a transaction block.
"""
# ruff: noqa: E501 - a row each

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh_tests.integration.standin.battery import battery
from aurora_dwh_tests.integration.standin.conftest import Session

UNSUPPORTED_FEATURES = "c_unsupported-postgresql-features"
UNSUPPORTED_FUNCTIONS = "c_unsupported-postgresql-functions"
UNSUPPORTED_TYPES = "c_unsupported-postgresql-datatypes"
WINDOWS = "c_Window_functions"
CORRELATED = "r_correlated_subqueries"
LEADER = "c_SQL_functions_leader_node_only"
COMPUTATIONS = "r_numeric_computations201"
NOT_ON_TABLES = "not supported on Redshift tables"
NO_FRAME = "require a frame clause"
PATTERN = "correlated subquery pattern is not supported"
KEYS_MUST_AGREE = "within group ORDER BY clauses for aggregate functions must be the same"
BESIDE_DISTINCT = "with other distinct aggregate function not supported"


@pytest.fixture(scope="module")
def db(standin: RedshiftStandIn) -> Iterator[Session]:
    yield from battery(standin)


Row = tuple[str, str, str, str]

WINDOW_ROWS: list[Row] = [
    ("SELECT SUM(d) OVER (ORDER BY id) FROM (SELECT id, b AS d FROM t) x", "42601", NO_FRAME, WINDOWS),
    ("SELECT SUM(b) OVER (PARTITION BY a ORDER BY id) FROM t", "42601", NO_FRAME, "OHDSI/Achilles#232"),
    ("SELECT AVG(b) OVER (ORDER BY id) FROM t", "42601", NO_FRAME, "r_WF_AVG"),
    ("SELECT COUNT(*) OVER (ORDER BY id) FROM t", "42601", NO_FRAME, "r_WF_COUNT"),
    ("SELECT MAX(b) OVER (ORDER BY id DESC) FROM t", "42601", NO_FRAME, "r_WF_MAX"),
    ("SELECT MIN(b) OVER (ORDER BY id) FROM t", "42601", NO_FRAME, "r_WF_MIN"),
    ("SELECT STDDEV(b) OVER (ORDER BY id) FROM t", "42601", NO_FRAME, "r_WF_STDDEV"),
    ("SELECT VAR_POP(b) OVER (ORDER BY id) FROM t", "42601", NO_FRAME, "r_WF_VARIANCE"),
    ("SELECT FIRST_VALUE(b) OVER (ORDER BY id) FROM t", "42601", NO_FRAME, "r_WF_first_value"),
    ("SELECT LAST_VALUE(b) OVER (ORDER BY id) FROM t", "42601", NO_FRAME, "r_WF_last_value"),
    ("CREATE TABLE x AS SELECT SUM(b) OVER (ORDER BY id) AS total FROM t", "42601", NO_FRAME, WINDOWS),
    ("CREATE VIEW x AS SELECT SUM(b) OVER (ORDER BY id) AS total FROM t", "42601", NO_FRAME, WINDOWS),
    ("INSERT INTO s SELECT SUM(b) OVER (ORDER BY id), a FROM t", "42601", NO_FRAME, WINDOWS),
    (
        "SELECT SUM(b) OVER (ORDER BY id RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM t",
        "0A000",
        "RANGE clause of window functions not yet implemented",
        "OHDSI/Achilles#232",
    ),
    ("SELECT SUM(b) OVER (ORDER BY id RANGE UNBOUNDED PRECEDING) FROM t", "0A000", "RANGE", WINDOWS),
    ("SELECT SUM(b) OVER (ORDER BY id GROUPS 1 PRECEDING) FROM t", "42601", "GROUPS", WINDOWS),
    (
        "SELECT SUM(b) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW) FROM t",
        "42601",
        "EXCLUDE",
        WINDOWS,
    ),
    ("SELECT ROW_NUMBER() OVER w FROM t WINDOW w AS (ORDER BY id)", "42601", "syntax error", WINDOWS),
    ("SELECT ROW_NUMBER() OVER (PARTITION BY 'x' ORDER BY id) FROM t", "0A000", "constant", WINDOWS),
    ("SELECT ROW_NUMBER() OVER (ORDER BY 1) FROM t", "0A000", "constant", WINDOWS),
    ("SELECT ROW_NUMBER() OVER (ORDER BY 'x') FROM t", "0A000", "constant", WINDOWS),
    ("SELECT COUNT(DISTINCT a) OVER (PARTITION BY b) FROM t", "0A000", "DISTINCT", "r_WF_COUNT"),
    ("SELECT SUM(b) FILTER (WHERE b > 1) OVER () FROM t", "42601", "(", WINDOWS),
    ("SELECT id FROM t WHERE ROW_NUMBER() OVER (ORDER BY id) = 1", "42P20", "WHERE", WINDOWS),
    ("SELECT SUM(SUM(b) OVER ()) OVER () FROM t", "42P20", "nested", WINDOWS),
]

QUERY_ROWS: list[Row] = [
    ("SELECT a FROM t INTERSECT ALL SELECT a FROM s", "0A000", "INTERSECT ALL", "r_UNION"),
    ("SELECT a FROM t EXCEPT ALL SELECT a FROM s", "0A000", "EXCEPT ALL", "r_UNION"),
    ("SELECT a FROM t MINUS ALL SELECT a FROM s", "0A000", "MINUS ALL", "r_UNION"),
    ("SELECT id FROM t UNION SELECT a FROM s", "42804", "UNION", "r_UNION"),
    (
        "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 3) SELECT * FROM r",
        "0A000",
        "column name list",
        "r_WITH_clause",
    ),
    (
        "WITH RECURSIVE r (i) AS (SELECT 1 UNION SELECT i + 1 FROM r WHERE i < 3) SELECT * FROM r",
        "0A000",
        "UNION ALL",
        "r_WITH_clause",
    ),
    (
        "SELECT * FROM (WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 3) SELECT * FROM r) x",
        "42601",
        "RECURSIVE",
        "r_WITH_clause",
    ),
    ("WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x", "42601", "MATERIALIZED", "r_WITH_clause"),
    ("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "42P01", '"b" does not exist', "r_WITH_clause"),
    ("WITH d AS (DELETE FROM t WHERE id = 1) SELECT 1", "42601", "DELETE", "r_WITH_clause"),
    ("WITH d AS (UPDATE t SET b = 1) SELECT 1", "42601", "UPDATE", "r_WITH_clause"),
    ("SELECT DISTINCT ON (id) * FROM t", "42601", "ON", "r_SELECT_list"),
    ("SELECT * FROM t FOR UPDATE", "42601", "UPDATE", "r_SELECT_synopsis"),
    ("SELECT * FROM t FOR SHARE", "42601", "SHARE", "r_SELECT_synopsis"),
    ("SELECT * FROM t FETCH FIRST 1 ROW ONLY", "42601", "FETCH", "r_ORDER_BY_clause"),
    ("SELECT * FROM t ORDER BY id LIMIT 1 WITH TIES", "42601", "", "r_ORDER_BY_clause"),
    ("SELECT * FROM t OFFSET 1 ROWS", "42601", "ROWS", "r_ORDER_BY_clause"),
    ("SELECT * FROM t ORDER BY 'id'", "42601", "constant", "r_ORDER_BY_clause"),
    ("SELECT * FROM t, LATERAL (SELECT 1) x", "42601", "LATERAL", "r_FROM_clause30"),
    ("SELECT * FROM (VALUES (1), (2)) v (x)", "42601", "VALUES", UNSUPPORTED_FEATURES),
    ("SELECT * FROM t WHERE id IN (VALUES (1), (2))", "42601", "VALUES", UNSUPPORTED_FEATURES),
    ("WITH v (x) AS (VALUES (1), (2)) SELECT * FROM v", "42601", "VALUES", UNSUPPORTED_FEATURES),
    ("VALUES (1)", "42601", "VALUES", UNSUPPORTED_FEATURES),
    ("SELECT * FROM ONLY t", "42601", "ONLY", UNSUPPORTED_FEATURES),
    ("TABLE t", "42601", "TABLE", "c_SQL_commands"),
    ("SELECT * FROM t TABLESAMPLE SYSTEM (1)", "42601", "TABLESAMPLE", "r_FROM_clause30"),
    ("SELECT * FROM unnest(1) u", "42601", "syntax error", UNSUPPORTED_FUNCTIONS),
    ("SELECT count(*) FILTER (WHERE id > 1) FROM t", "42601", "(", "c_Aggregate_Functions"),
    ("SELECT a IS DISTINCT FROM b FROM t", "42601", "DISTINCT", UNSUPPORTED_FUNCTIONS),
    ("SELECT a IS NOT DISTINCT FROM a FROM t", "42601", "DISTINCT", UNSUPPORTED_FUNCTIONS),
    ("SELECT b FROM t GROUP BY GROUPING SETS ((b), 1)", "0A000", "constant", "r_GROUP_BY_aggregation-extensions"),
    ("SELECT id FROM t GROUP BY CUBE(id, a, b, id + 1, id + 2, id + 3, id + 4)", "54000", "64", "r_GROUP_BY_aggregation-extensions"),
    ("SELECT a, id FROM t GROUP BY a", "42803", "GROUP BY", "r_GROUP_BY_clause"),
    ("SELECT tag FROM t", "42601", "tag", "r_pg_keywords"),
    ("SELECT 1; SELECT 2", "42601", "multiple commands", "SDB"),
]  # fmt: skip

CORRELATED_ROWS: list[Row] = [
    (
        "SELECT id FROM t WHERE b IN (SELECT SUM(j) FROM n WHERE n.i = t.id GROUP BY k)",
        "XX000",
        PATTERN,
        CORRELATED,
    ),
    (
        "SELECT t.id FROM t WHERE NOT EXISTS (SELECT 1 FROM s WHERE NOT EXISTS (SELECT 1 FROM n WHERE n.j = t.id))",
        "XX000",
        PATTERN,
        CORRELATED,
    ),
    (
        "SELECT t.id, (SELECT max(s.id) FROM s WHERE s.id = (SELECT max(j) FROM n WHERE n.j = t.id)) FROM t",
        "XX000",
        PATTERN,
        CORRELATED,
    ),
    (
        "SELECT * FROM t LEFT JOIN s ON t.id = s.id AND s.id = (SELECT max(j) FROM n WHERE n.j = s.id)",
        "XX000",
        PATTERN,
        CORRELATED,
    ),
    (
        "SELECT id FROM t WHERE b NOT IN (SELECT SUM(j) OVER () FROM n WHERE n.j = t.id)",
        "XX000",
        PATTERN,
        CORRELATED,
    ),
    (
        "SELECT t.id, (SELECT count(*) FROM s WHERE s.id = t.id) AS c FROM t GROUP BY c, t.id",
        "XX000",
        PATTERN,
        CORRELATED,
    ),
    (
        (
            "CREATE TABLE x AS SELECT t.id FROM t WHERE EXISTS (SELECT 1 FROM s WHERE EXISTS"
            " (SELECT 1 FROM n WHERE n.j = t.id))"
        ),
        "XX000",
        PATTERN,
        CORRELATED,
    ),
]

AGGREGATE_ROWS: list[Row] = [
    (
        "SELECT LISTAGG(a) WITHIN GROUP (ORDER BY id), LISTAGG(id) WITHIN GROUP (ORDER BY a) FROM t",
        "0A000",
        KEYS_MUST_AGREE,
        "r_LISTAGG",
    ),
    ("SELECT MEDIAN(id), MEDIAN(b) FROM t", "0A000", KEYS_MUST_AGREE, "metabase/metabase#38100"),
    (
        "SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY id), MEDIAN(b) FROM t",
        "0A000",
        KEYS_MUST_AGREE,
        "r_MEDIAN",
    ),
    ("SELECT MEDIAN(b), COUNT(DISTINCT a) FROM t", "0A000", BESIDE_DISTINCT, "data-mie/dbt-profiler#84"),
    ("SELECT LISTAGG(a, ','), COUNT(DISTINCT id) FROM t", "0A000", BESIDE_DISTINCT, "r_LISTAGG"),
    (
        "SELECT LISTAGG(REPEAT('x', 40000)) FROM n",
        "XX000",
        "Result size exceeds LISTAGG limit",
        "r_LISTAGG",
    ),
    ("SELECT string_agg(a, ',') FROM t", "42883", "string_agg", UNSUPPORTED_FUNCTIONS),
    ("SELECT array_agg(a) FROM t", "42883", "array_agg", UNSUPPORTED_FUNCTIONS),
    ("SELECT every(id > 1) FROM t", "42883", "every", UNSUPPORTED_FUNCTIONS),
    ("SELECT corr(id, b) FROM t", "42883", "corr", UNSUPPORTED_FUNCTIONS),
    ("SELECT covar_pop(id, b) FROM t", "42883", "covar_pop", UNSUPPORTED_FUNCTIONS),
    ("SELECT regr_count(id, b) FROM t", "42883", "regr_count", UNSUPPORTED_FUNCTIONS),
    ("SELECT mode() WITHIN GROUP (ORDER BY a) FROM t", "42883", "mode", "c_Aggregate_Functions"),
    ("SELECT json_agg(a) FROM t", "42883", "json_agg", "c_Aggregate_Functions"),
    ("SELECT SUM(flag) FROM n", "42883", "sum(boolean)", "r_SUM"),
    ("SELECT MAX(flag) FROM n", "42883", "max(boolean)", "r_MAX"),
]

FUNCTION_ROWS: list[Row] = [
    ("SELECT version(), id FROM t", "0A000", NOT_ON_TABLES, LEADER),
    ("SELECT current_schema(), id FROM t", "0A000", NOT_ON_TABLES, "c_sql-functions-leader-node"),
    ("SELECT id FROM t WHERE a = current_schema()", "0A000", NOT_ON_TABLES, LEADER),
    ("SELECT g FROM t, generate_series(1, 3) g", "0A000", NOT_ON_TABLES, UNSUPPORTED_FUNCTIONS),
    ("CREATE TABLE x AS SELECT generate_series(1, 3) AS i", "0A000", NOT_ON_TABLES, UNSUPPORTED_FUNCTIONS),
    ("CREATE TABLE x AS SELECT version() AS i", "0A000", NOT_ON_TABLES, LEADER),
    ("INSERT INTO s (id) SELECT generate_series(1, 3)", "0A000", NOT_ON_TABLES, UNSUPPORTED_FUNCTIONS),
    ("INSERT INTO s (id) SELECT i FROM generate_series(1, 3) AS g (i)", "0A000", NOT_ON_TABLES, UNSUPPORTED_FUNCTIONS),
    (
        "WITH g AS (SELECT generate_series(1, 3) AS i) SELECT g.i FROM g JOIN t ON t.id = g.i",
        "0A000",
        NOT_ON_TABLES,
        UNSUPPORTED_FUNCTIONS,
    ),
    ("SELECT now(), id FROM t", "0A000", NOT_ON_TABLES, LEADER),
    ("SELECT has_table_privilege('t', 'select'), id FROM t", "0A000", NOT_ON_TABLES, LEADER),
    ("SELECT pg_sleep(1)", "42883", "pg_sleep", UNSUPPORTED_FUNCTIONS),
    ("SELECT clock_timestamp()", "42883", "clock_timestamp", UNSUPPORTED_FUNCTIONS),
    ("SELECT transaction_timestamp()", "42883", "transaction_timestamp", UNSUPPORTED_FUNCTIONS),
    ("SELECT age(ts) FROM n", "42883", "age", LEADER),
    ("SELECT justify_days(interval '40 days')", "42883", "justify_days", UNSUPPORTED_FUNCTIONS),
    ("SELECT div(7, 2)", "42883", "div", UNSUPPORTED_FUNCTIONS),
    ("SELECT width_bucket(5, 1, 10, 3)", "42883", "width_bucket", UNSUPPORTED_FUNCTIONS),
    ("SELECT overlay('abc' PLACING 'x' FROM 1)", "42883", "overlay", UNSUPPORTED_FUNCTIONS),
    ("SELECT bit_length('abc')", "42883", "bit_length", UNSUPPORTED_FUNCTIONS),
    ("SELECT encode('abc', 'hex')", "42883", "encode", UNSUPPORTED_FUNCTIONS),
    ("SELECT format('%s', a) FROM t", "42883", "format", UNSUPPORTED_FUNCTIONS),
    ("SELECT quote_nullable(a) FROM t", "42883", "quote_nullable", UNSUPPORTED_FUNCTIONS),
    ("SELECT regexp_matches(a, 'x') FROM t", "42883", "regexp_matches", UNSUPPORTED_FUNCTIONS),
    ("SELECT regexp_split_to_table(a, 'x') FROM t", "42883", "regexp_split_to_table", UNSUPPORTED_FUNCTIONS),
    ("SELECT regexp_like(a, 'x') FROM t", "42883", "regexp_like", "String_functions_header"),
    ("SELECT string_to_array(a, ',') FROM t", "42883", "string_to_array", UNSUPPORTED_FUNCTIONS),
    ("SELECT concat_ws(',', a, a) FROM t", "42883", "concat_ws", "String_functions_header"),
    ("SELECT concat(a, a, a) FROM t", "42883", "concat", "r_CONCAT"),
    ("SELECT to_jsonb(a) FROM t", "42883", "to_jsonb", "json-functions"),
    ("SELECT gen_random_uuid()", "42883", "gen_random_uuid", "dbt-labs/dbt-utils#1016"),
    ("SELECT make_date(2024, 1, 1)", "42883", "make_date", "Date_functions_header"),
    ("SELECT date_bin('1 day', ts, ts) FROM n", "42883", "date_bin", "Date_functions_header"),
    ("SELECT to_timestamp(0)", "42883", "to_timestamp", "r_TO_TIMESTAMP"),
    ("SELECT SPLIT_PART('a-b-c', '-', -1)", "22023", "field position must be greater than zero", "SPLIT_PART"),
    ("SELECT SPLIT_PART('a-b-c', '-', 0)", "22023", "field position must be greater than zero", "SPLIT_PART"),
    ('SELECT JSON_PARSE(\'{"a":1,"a":2}\')', "XX000", "JSON_PARSE() error", "super-configurations"),
    ('SELECT JSON_PARSE(\'[{"a":1,"a":2}]\')', "XX000", "JSON_PARSE() error", "super-configurations"),
    (
        "SELECT JSON_PARSE('{\"a\":\"' || REPEAT('x', 65536) || '\"}')",
        "XX000",
        "exceeds the max size of 65535",
        "super-configurations",
    ),
    ("SELECT '{}'::json -> 'a'", "42704", "json", UNSUPPORTED_TYPES),
    ("SELECT a -> 'b' FROM t", "42883", "operator does not exist", UNSUPPORTED_FUNCTIONS),
    ("SELECT a ->> 'b' FROM t", "42883", "operator does not exist", UNSUPPORTED_FUNCTIONS),
    ("SELECT a @> 'b' FROM t", "42883", "operator does not exist", UNSUPPORTED_FUNCTIONS),
    ("SELECT ROW(1, 2)", "42883", "row", UNSUPPORTED_FEATURES),
    ("SELECT ARRAY[1, 2]", "42601", "[", UNSUPPORTED_FEATURES),
    ("SELECT * FROM t WHERE id = ANY (ARRAY[1, 2])", "42601", "[", UNSUPPORTED_FEATURES),
]

TYPE_ROWS: list[Row] = [
    ("SELECT true::varchar", "42846", "cannot cast type boolean to character varying", "dbt-labs/dbt-utils#1016"),
    ("SELECT flag::varchar FROM n", "42846", "cannot cast type boolean to character varying", "dbt-labs/dbt-utils#1016"),
    ("SELECT CAST(flag AS varchar(5)) FROM n", "42846", "cannot cast type boolean", "c_Supported_data_types"),
    ("SELECT flag::text FROM n", "42846", "cannot cast type boolean to", "c_Supported_data_types"),
    ("SELECT flag::char(5) FROM n", "42846", "cannot cast type boolean to", "c_Supported_data_types"),
    ("CREATE VIEW x AS SELECT flag::varchar AS f FROM n", "42846", "cannot cast type boolean", "dbt-labs/dbt-utils#1016"),
    ("INSERT INTO s (a) SELECT flag FROM n", "42804", "boolean", "c_Supported_data_types"),
    ("SELECT flag || 'x' FROM n", "42883", "operator does not exist", "c_Supported_data_types"),
    ('SELECT flag IS TRUE AS "check" FROM n', "0A000", "Not implemented", "r_Boolean_type"),
    ("SELECT flag + 1 FROM n", "42883", "operator does not exist", "c_Supported_data_types"),
    ("SELECT flag::decimal(3,0) FROM n", "42846", "cannot cast type boolean", "c_Supported_data_types"),
    ("SELECT day::int FROM n", "42846", "cannot cast type date", "c_Supported_data_types"),
    ("SELECT day + ts FROM n", "42883", "operator does not exist", "r_Datetime_types"),
    ("SELECT 'x'::int", "22P02", "invalid input syntax", "r_CAST_function"),
    ("SELECT 123.456::decimal(2,1)", "XX000", "Numeric data overflow (result precision)", "r_CAST_function"),
    ("SELECT d::decimal(3,2) FROM n", "XX000", "Numeric data overflow (result precision)", COMPUTATIONS),
    ("SELECT 12345678::smallint", "22003", "smallint out of range", "r_CAST_function"),
    (
        "SELECT CAST(1 AS DECIMAL(38, 20)) * CAST(10 AS DECIMAL(38, 20))",
        "XX000",
        "Numeric data overflow",
        COMPUTATIONS,
    ),
    ("SELECT w * w FROM n", "XX000", "Numeric data overflow", COMPUTATIONS),
    ("SELECT d / 0 FROM n", "22012", "division by zero", COMPUTATIONS),
    ("SELECT f::decimal(10,2) FROM n", "XX000", "NaN", "SDB"),
    ("SELECT 'NaN'::decimal(10,2)", "22P02", "NaN", "SDB"),
    ("SELECT CAST('NaN' AS numeric)", "22P02", "NaN", "SDB"),
    ("INSERT INTO wide (h) VALUES (9223372036854775808)", "XX000", "Numeric data overflow", "TRINO testRedshiftDecimalCutoff"),
    ("INSERT INTO wide (g) VALUES (922337203685477.5808)", "XX000", "Numeric data overflow", "TRINO testRedshiftDecimalCutoff"),
    ("INSERT INTO wide (h) SELECT 9223372036854775808", "XX000", "Numeric data overflow", "r_Numeric_types201"),
    ("SELECT 9223372036854775808::decimal(19,0)", "XX000", "Numeric data overflow", "r_Numeric_types201"),
    ("SELECT CAST('9.223372036854775808' AS decimal(19,18))", "XX000", "Numeric data overflow", "TRINO testRedshiftDecimalCutoff"),
    ("CREATE TABLE x AS SELECT 9223372036854775808::decimal(19,0) AS h", "XX000", "Numeric data overflow", "r_Numeric_types201"),
    ("SELECT 1::decimal(39,0)", "22023", "DECIMAL precision 39", "r_Numeric_types201"),
    ("SELECT 'a'::varchar(65536000)", "22023", "length for type varchar", "r_Character_types"),
    ("SELECT '{}'::jsonb", "42704", "jsonb", UNSUPPORTED_TYPES),
    ("SELECT CAST('{}' AS jsonb)", "42704", "jsonb", UNSUPPORTED_TYPES),
    ("SELECT 'x'::bytea", "42704", "bytea", UNSUPPORTED_TYPES),
    ("SELECT '1'::money", "42704", "money", UNSUPPORTED_TYPES),
    ("SELECT 'x'::uuid", "42704", "uuid", UNSUPPORTED_TYPES),
    ("SELECT '1.1.1.1'::inet", "42704", "inet", UNSUPPORTED_TYPES),
    ("SELECT '(1,2)'::point", "42704", "point", UNSUPPORTED_TYPES),
    ("SELECT 'a'::tsvector", "42704", "tsvector", UNSUPPORTED_TYPES),
    ("SELECT '[1,2)'::int4range", "42704", "int4range", UNSUPPORTED_TYPES),
    ("SELECT '{1}'::int[]", "42601", "[", UNSUPPORTED_TYPES),
    ("CREATE TABLE x (id serial)", "0A000", "serial", UNSUPPORTED_TYPES),
    ("CREATE TABLE x (id bigserial)", "0A000", "bigserial", UNSUPPORTED_TYPES),
    ("CREATE TABLE x (j jsonb)", "0A000", "jsonb", UNSUPPORTED_TYPES),
    ("CREATE TABLE x (j json)", "0A000", "json", UNSUPPORTED_TYPES),
    ("CREATE TABLE x (j uuid)", "0A000", "uuid", UNSUPPORTED_TYPES),
    ("CREATE TABLE x (j bytea)", "0A000", "bytea", UNSUPPORTED_TYPES),
    ("CREATE TABLE x (j tinyint)", "0A000", "tinyint", "c_Supported_data_types"),
    ("CREATE TABLE x (j int[])", "0A000", "int[]", UNSUPPORTED_TYPES),
    ("CREATE TABLE x (j money)", "0A000", "money", UNSUPPORTED_TYPES),
    ("CREATE TABLE x (j wibble)", "42704", "wibble", "c_Supported_data_types"),
    ("CREATE TABLE x (a varchar(65536))", "22023", "varchar", "r_Character_types"),
    ("CREATE TABLE x (a char(4097))", "22023", "char", "r_Character_types"),
    ("CREATE TABLE x (a decimal(39,0))", "22023", "precision", "r_Numeric_types201"),
    ("CREATE TABLE x (a decimal(38,38))", "22023", "scale", "r_Numeric_types201"),
    ("CREATE TABLE x (a decimal(5,6))", "22023", "scale", "r_Numeric_types201"),
    ("CREATE TABLE x (a varbyte(16777217))", "22023", "varbyte", "r_VARBYTE_type"),
]  # fmt: skip

TABLE_ROWS: list[Row] = [
    ("CREATE TABLE x (j super SORTKEY)", "0A000", "super", "r_SUPER_sort_dist"),
    ("CREATE TABLE x (j super DISTKEY)", "0A000", "super", "r_SUPER_sort_dist"),
    ("CREATE TABLE x (id int, j super) SORTKEY (id, j)", "0A000", "super", "limitations-super"),
    ("CREATE TABLE x (id int, j super) DISTKEY (j)", "0A000", "super", "limitations-super"),
    ("CREATE TABLE x (v varbyte DISTKEY)", "0A000", "varbyte", "r_VARBYTE_type"),
    ("CREATE TABLE x (v varbyte) SORTKEY (v)", "0A000", "varbyte", "r_VARBYTE_type"),
    ("CREATE TABLE x DISTKEY (j) AS SELECT j FROM doc", "0A000", "super", "limitations-super"),
    ("ALTER TABLE doc ALTER SORTKEY (j)", "0A000", "super", "limitations-super"),
    ("ALTER TABLE doc ALTER DISTKEY j", "0A000", "super", "limitations-super"),
    ("CREATE TABLE x (id int CHECK (id > 0))", "0A000", "CHECK", UNSUPPORTED_FEATURES),
    ("CREATE TABLE x (id int, CHECK (id > 0))", "0A000", "CHECK", UNSUPPORTED_FEATURES),
    ("CREATE TABLE x (id int, EXCLUDE USING gist (id WITH =))", "0A000", "EXCLUDE", UNSUPPORTED_FEATURES),
    ("CREATE TABLE x (id int) PARTITION BY RANGE (id)", "42601", "PARTITION", UNSUPPORTED_FEATURES),
    ("CREATE TABLE x (id int) INHERITS (t)", "42601", "INHERITS", UNSUPPORTED_FEATURES),
    ("CREATE TABLE x (id int) TABLESPACE y", "42601", "TABLESPACE", UNSUPPORTED_FEATURES),
    ("CREATE UNLOGGED TABLE x (id int)", "42601", "UNLOGGED", "r_CREATE_TABLE_NEW"),
    ("CREATE OR REPLACE TABLE x (id int)", "42601", "TABLE", "r_CREATE_TABLE_NEW"),
    ("CREATE TEMP TABLE x (id int) ON COMMIT DROP", "42601", "ON", "r_CREATE_TABLE_NEW"),
    ("CREATE TEMP TABLE public.x (id int)", "42P16", "schema name", "r_CREATE_TABLE_AS"),
    ("CREATE TABLE IF NOT EXISTS x AS SELECT 1 AS id", "42601", "NOT", "r_CREATE_TABLE_AS"),
    ("CREATE TABLE x AS SELECT 1 AS id WITH NO DATA", "42601", "DATA", "r_CREATE_TABLE_AS"),
    ("CREATE TABLE x AS VALUES (1)", "42601", "VALUES", "r_CREATE_TABLE_AS"),
    ("CREATE TABLE x (id int GENERATED ALWAYS AS IDENTITY)", "42601", "GENERATED", "r_CREATE_TABLE_NEW"),
    ("CREATE TABLE x (id int, g int GENERATED ALWAYS AS (id * 2) STORED)", "42601", "GENERATED", "r_CREATE_TABLE_NEW"),
    ("CREATE TABLE x (id int DEFAULT (SELECT 1))", "0A000", "DEFAULT", "r_CREATE_TABLE_NEW"),
    ("CREATE TABLE x (a varchar(10) ENCODE az64)", "0A000", "az64", "az64-encoding"),
    ("CREATE TABLE x (a varchar(10) ENCODE nonsense)", "42601", "nonsense", "c_Compression_encodings"),
    ("CREATE TABLE x (a varchar(10) IDENTITY(1,1))", "0A000", "identity", "r_CREATE_TABLE_NEW"),
    ("CREATE TABLE x (id int) DISTSTYLE KEY", "42601", "DISTKEY", "r_CREATE_TABLE_NEW"),
    ("CREATE TABLE x (id int) DISTSTYLE EVEN DISTKEY(id)", "42601", "DISTKEY", "r_CREATE_TABLE_NEW"),
    ("CREATE TABLE x (id int, b int) DISTKEY(id, b)", "42601", "", "r_CREATE_TABLE_NEW"),
    ("CREATE TABLE x (id int) DISTKEY(nope)", "42703", "nope", "r_CREATE_TABLE_NEW"),
    ("CREATE TABLE x (LIKE t) DISTKEY(id)", "0A000", "LIKE", "r_CREATE_TABLE_NEW"),
    (
        ("CREATE TABLE x (a int, b int, c int, d int, e int, f int, g int, h int, i int)"
        " INTERLEAVED SORTKEY (a, b, c, d, e, f, g, h, i)"),
        "54000",
        "8",
        "r_CREATE_TABLE_NEW",
    ),
    ("CREATE TABLE x (oid int)", "42601", "oid", "r_pg_keywords"),
    ('CREATE TABLE x ("oid" int)', "42701", "system column", UNSUPPORTED_FEATURES),
    ("CREATE TABLE tag (tag varchar(10))", "42601", "tag", "r_pg_keywords"),
    ("CREATE TABLE x (open int)", "42601", "open", "r_pg_keywords"),
    ("CREATE TABLE x (timestamp timestamp)", "42601", "timestamp", "r_pg_keywords"),
    ("CREATE TABLE x (a int PRIMARY KEY, b int, PRIMARY KEY (b))", "42P16", "multiple primary keys", "r_CREATE_TABLE_NEW"),
    ("CREATE TABLE t (id int)", "42P07", "already exists", "r_CREATE_TABLE_NEW"),
    ("ALTER TABLE t ADD COLUMN IF NOT EXISTS c int", "42601", "NOT", "r_ALTER_TABLE"),
    ("ALTER TABLE t ADD COLUMN c int, ADD COLUMN d int", "42601", ",", "r_ALTER_TABLE"),
    ("ALTER TABLE t DROP COLUMN IF EXISTS a", "42601", "EXISTS", "r_ALTER_TABLE"),
    ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", "42601", "SET", "r_ALTER_TABLE"),
    ("ALTER TABLE t ALTER COLUMN id DROP NOT NULL", "42601", "DROP", "r_ALTER_TABLE"),
    ("ALTER TABLE t ALTER COLUMN a SET DEFAULT 'x'", "42601", "SET", "r_ALTER_TABLE"),
    ("ALTER TABLE t SET SCHEMA other", "42601", "SET", "r_ALTER_TABLE"),
    ("ALTER TABLE t RENAME TO public.u", "42601", ".", "r_ALTER_TABLE"),
    ("ALTER TABLE t ADD COLUMN c int NOT NULL", "42601", "non-null default", "TRINO"),
    ("ALTER TABLE t ADD COLUMN c int NOT NULL DEFAULT NULL", "42601", "non-null default", "TRINO"),
    ("ALTER TABLE t DROP COLUMN id", "0A000", "distkey", "r_ALTER_TABLE"),
    ("ALTER TABLE t DROP COLUMN b", "0A000", "sortkey", "r_ALTER_TABLE"),
    ("ALTER TABLE t ALTER COLUMN id TYPE bigint", "0A000", "VARCHAR", "r_ALTER_TABLE"),
    ("ALTER TABLE t ALTER COLUMN id TYPE varchar(20)", "0A000", "VARCHAR", "r_ALTER_TABLE"),
    ("ALTER TABLE t ADD COLUMN c int PRIMARY KEY", "0A000", "PRIMARY", "r_ALTER_TABLE"),
    ("ALTER TABLE t ADD COLUMN c int IDENTITY(1,1)", "0A000", "IDENTITY", "r_ALTER_TABLE"),
    ("ALTER TABLE t ADD PRIMARY KEY (a)", "42P16", "NOT NULL", "r_ALTER_TABLE"),
    ("ALTER TABLE t ADD CONSTRAINT c CHECK (id > 0)", "0A000", "CHECK", UNSUPPORTED_FEATURES),
    ("CREATE INDEX i ON t (id)", "42601", "INDEX", UNSUPPORTED_FEATURES),
    ("CREATE UNIQUE INDEX i ON t (id) WHERE id > 0", "42601", "UNIQUE", UNSUPPORTED_FEATURES),
    ("CREATE SEQUENCE q", "42601", "SEQUENCE", UNSUPPORTED_FEATURES),
    ("CREATE DOMAIN d AS int", "42601", "DOMAIN", "c_SQL_commands"),
    ("CREATE TYPE e AS ENUM ('a')", "42601", "TYPE", UNSUPPORTED_TYPES),
    ("CREATE EXTENSION hstore", "42601", "EXTENSION", "c_SQL_commands"),
    ("CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()", "42601", "TRIGGER", UNSUPPORTED_FEATURES),
    ("CREATE RULE r AS ON INSERT TO t DO NOTHING", "42601", "RULE", UNSUPPORTED_FEATURES),
    ("CREATE VIEW x AS SELECT id FROM t WITH CHECK OPTION", "42601", "WITH", "r_CREATE_VIEW"),
    ("CREATE TEMP VIEW x AS SELECT id FROM t", "42601", "VIEW", "r_CREATE_VIEW"),
    ("CREATE RECURSIVE VIEW x (i) AS SELECT 1", "42601", "RECURSIVE", "r_CREATE_VIEW"),
    ("CREATE VIEW IF NOT EXISTS x AS SELECT id FROM t", "42601", "NOT", "r_CREATE_VIEW"),
    ("CREATE VIEW bi.x AS SELECT id FROM t WITH NO SCHEMA BINDING", "42P01", "should be qualified", "r_CREATE_VIEW"),
    ("CREATE VIEW bi.x AS SELECT id FROM absent.t WITH NO SCHEMA BINDING", "3F000", 'schema "absent"', "r_CREATE_VIEW"),
    ("CREATE MATERIALIZED VIEW x AS SELECT id FROM t ORDER BY id", "0A000", "ORDER BY", "materialized-view-create-sql-command"),
    ("CREATE MATERIALIZED VIEW x AS SELECT id FROM t LIMIT 1", "0A000", "LIMIT", "materialized-view-create-sql-command"),
    ("CREATE MATERIALIZED VIEW IF NOT EXISTS x AS SELECT id FROM t", "42601", "NOT", "materialized-view-create-sql-command"),
    ("REFRESH MATERIALIZED VIEW CONCURRENTLY x", "42601", "", "materialized-view-refresh-sql-command"),
]  # fmt: skip

CHANGE_ROWS: list[Row] = [
    ("INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING", "42601", "CONFLICT", "r_INSERT_30"),
    ("INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 'x'", "42601", "CONFLICT", "r_INSERT_30"),
    ("INSERT INTO t (id) VALUES (1) RETURNING id", "42601", "RETURNING", "r_INSERT_30"),
    ("INSERT INTO t (id, raw) VALUES (1, 2)", "42601", "raw", "r_pg_keywords"),
    ("DELETE FROM t RETURNING id", "42601", "RETURNING", "r_DELETE"),
    ("DELETE FROM t x WHERE x.id = 1", "42601", "x", "sling-cli#765"),
    ("DELETE FROM t AS x USING s WHERE x.id = s.id", "42601", "AS", "sling-cli#765"),
    ("DELETE t USING s WHERE t.id = s.id", "42601", "USING", "r_DELETE"),
    ("UPDATE t SET t.a = 'x'", "42703", "column", "r_UPDATE"),
    ("UPDATE t SET (a, b) = (SELECT 'x', 1)", "42601", "(", "r_UPDATE"),
    (
        "UPDATE t SET a = s.a FROM s LEFT JOIN n ON n.j = s.id WHERE t.id = s.id",
        "0A000",
        "Target table must be part of an equijoin predicate",
        "r_UPDATE",
    ),
    (
        "UPDATE t SET a = s.a FROM s FULL OUTER JOIN n ON n.j = s.id WHERE t.id = s.id",
        "0A000",
        "Target table must be part of an equijoin predicate",
        "r_UPDATE",
    ),
    ("ALTER TABLE t APPEND FROM s", "0A000", "in the local stand-in", "the stand-in's charter"),
    ("SELECT * FROM stv_db_isolation_level", "42501", "permission denied", "SDB"),
    ("SELECT * FROM stl_load_errors", "42501", "permission denied for view stl_load_errors", "SDB"),
    ("TRUNCATE t, s", "42601", ",", "r_TRUNCATE"),
    ("TRUNCATE t CASCADE", "42601", "CASCADE", "r_TRUNCATE"),
    ("TRUNCATE t RESTART IDENTITY", "42601", "RESTART", "r_TRUNCATE"),
    ("LOCK TABLE t IN SHARE MODE", "42601", "IN", "r_LOCK"),
    ("SAVEPOINT p", "42601", "SAVEPOINT", "c_SQL_commands"),
    ("RELEASE SAVEPOINT p", "42601", "RELEASE", "c_SQL_commands"),
    ("ROLLBACK TO SAVEPOINT p", "42601", "TO", UNSUPPORTED_FUNCTIONS),
    ("DO $$ BEGIN END $$", "42601", "DO", "c_SQL_commands"),
    ("LISTEN x", "42601", "LISTEN", "c_SQL_commands"),
    ("REINDEX TABLE t", "42601", "REINDEX", UNSUPPORTED_FEATURES),
    ("CLUSTER t", "42601", "CLUSTER", "c_SQL_commands"),
    ("BEGIN; SELECT 1", "42601", "multiple commands", "SDB"),
    ("SELECT 'unterminated", "42601", "unterminated", "r_names"),
    ("SELECT (1", "42601", "end of input", "r_names"),
    ("SELECT nope FROM t", "42703", "nope", "SDB"),
    ("SELECT * FROM nope", "42P01", "nope", "SDB"),
    ("WITH x AS (SELECT 1) MERGE INTO t USING s ON t.id = s.id REMOVE DUPLICATES", "42601", "MERGE", "r_WITH_clause"),
    ("SELECT 1 /*" + " " * (1 << 24) + "*/", "54000", "Statement is too large", "r_UPDATE"),
]

ROWS = [*WINDOW_ROWS, *QUERY_ROWS, *CORRELATED_ROWS, *AGGREGATE_ROWS, *FUNCTION_ROWS, *TYPE_ROWS, *TABLE_ROWS, *CHANGE_ROWS]  # fmt: skip


@pytest.mark.parametrize(("statement", "code", "text", "source"), ROWS, ids=[row[0][:90] for row in ROWS])
def test_redshift_refuses(db: Session, statement: str, code: str, text: str, source: str) -> None:
    error = db.refused(statement)
    assert (error["C"], text in error["M"]) == (code, True), f"{error['C']}: {error['M']} (source: {source})"
