-- Redshift's system views, with its spellings, over PostgreSQL's catalog and the stand-in's records.
DROP VIEW IF EXISTS pg_catalog.svv_all_columns, pg_catalog.svv_columns, pg_catalog.svv_redshift_columns, pg_catalog.svv_all_tables,
  pg_catalog.svv_tables, pg_catalog.svv_redshift_tables, pg_catalog.svv_all_schemas, pg_catalog.svv_redshift_schemas,
  pg_catalog.svv_table_info, pg_catalog.pg_table_def, pg_catalog.sys_load_history,
  pg_catalog.sys_load_error_detail, pg_catalog.sys_load_detail, pg_catalog.stl_load_errors, pg_catalog.stl_load_commits,
  pg_catalog.stv_db_isolation_level, pg_catalog.svv_relation_privileges, pg_catalog.svv_user_info,
  pg_catalog.svv_redshift_databases, pg_catalog.svv_column_privileges, pg_catalog.svv_user_grants,
  pg_catalog.svv_rls_attached_policy, pg_catalog.svv_attached_masking_policy,
  pg_catalog.svv_transactions;
DROP VIEW IF EXISTS pg_standin.relation, pg_standin.col;

CREATE VIEW pg_standin.relation AS
SELECT c.oid, n.nspname AS schema_name, c.relname AS short, pg_standin.long(c.relname) AS table_name, c.relkind, c.relacl,
       c.relpersistence, obj_description(c.oid, 'pg_class')::varchar AS remarks
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm') AND n.nspname <> 'pg_standin' AND n.nspname NOT LIKE 'pg_toast%'
  AND (n.nspname NOT LIKE 'pg_temp%' OR pg_table_is_visible(c.oid));

CREATE VIEW pg_standin.col AS
SELECT r.oid AS relid, r.schema_name, r.table_name, pg_standin.long(a.attname) AS column_name, a.attname AS short, a.attnum,
       a.atttypid, a.atttypmod, a.attnotnull, pg_get_expr(d.adbin, d.adrelid)::varchar AS column_default,
       CASE a.atttypid WHEN 'varbyte'::regtype THEN 'binary varying' WHEN 'text'::regtype THEN 'character varying'
            ELSE format_type(a.atttypid, NULL) END::varchar AS data_type,
       CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype, 'varbyte'::regtype) AND a.atttypmod > 0
            THEN a.atttypmod - 4 END AS character_maximum_length,
       CASE a.atttypid WHEN 'smallint'::regtype THEN 16 WHEN 'integer'::regtype THEN 32 WHEN 'bigint'::regtype THEN 64
            WHEN 'real'::regtype THEN 24 WHEN 'double precision'::regtype THEN 53
            WHEN 'numeric'::regtype THEN ((a.atttypmod - 4) >> 16) & 65535 END AS numeric_precision,
       CASE WHEN a.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) THEN 0
            WHEN a.atttypid = 'numeric'::regtype THEN (a.atttypmod - 4) & 2047 END AS numeric_scale,
       col_description(r.oid, a.attnum)::varchar AS remarks
FROM pg_standin.relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum;

-- The position is counted for each column by itself: a window over all columns would be worked out for those of all tables.
CREATE VIEW pg_catalog.svv_all_columns AS
SELECT current_database()::varchar AS database_name, schema_name::varchar, table_name, column_name,
       (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = relid AND a.attnum BETWEEN 1 AND col.attnum
        AND NOT a.attisdropped)::integer AS ordinal_position, column_default,
       CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END::varchar AS is_nullable, data_type, character_maximum_length,
       numeric_precision, numeric_scale, remarks
FROM pg_standin.col;
CREATE VIEW pg_catalog.svv_redshift_columns AS
SELECT c.database_name, c.schema_name, c.table_name, c.column_name, c.ordinal_position, c.data_type, c.column_default,
       c.is_nullable, NULL::varchar AS encoding, coalesce(a.attnum = t.distkey, false) AS distkey,
       coalesce(array_position(t.sortkey, a.attnum), 0) AS sortkey, NULL::varchar AS column_acl, c.remarks
FROM pg_catalog.svv_all_columns c
JOIN pg_standin.relation r ON r.schema_name = c.schema_name AND r.table_name = c.table_name
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND pg_standin.long(a.attname) = c.column_name
LEFT JOIN pg_standin.table_attribute t ON t.relid = r.oid;
CREATE VIEW pg_catalog.svv_columns AS
SELECT database_name AS table_catalog, schema_name AS table_schema, table_name, column_name, ordinal_position, column_default,
       is_nullable, data_type, character_maximum_length, numeric_precision,
       CASE WHEN numeric_precision IS NOT NULL THEN CASE WHEN data_type = 'numeric' THEN 10 ELSE 2 END END AS numeric_precision_radix,
       numeric_scale, CASE WHEN data_type LIKE 'time%' THEN 6 END AS datetime_precision, NULL::varchar AS interval_type,
       NULL::varchar AS interval_precision, NULL::varchar AS character_set_catalog, NULL::varchar AS character_set_schema,
       NULL::varchar AS character_set_name, NULL::varchar AS collation_catalog, NULL::varchar AS collation_schema,
       NULL::varchar AS collation_name, NULL::varchar AS domain_name, remarks
FROM pg_catalog.svv_all_columns;
CREATE VIEW pg_catalog.svv_all_tables AS
SELECT current_database()::varchar AS database_name, schema_name::varchar, table_name, relacl::varchar AS table_acl,
       CASE WHEN schema_name LIKE 'pg_%' AND schema_name NOT LIKE 'pg_temp%' OR schema_name = 'information_schema'
            THEN CASE relkind WHEN 'r' THEN 'SYSTEM TABLE' ELSE 'SYSTEM VIEW' END
            WHEN relkind = 'r' THEN 'TABLE' ELSE 'VIEW' END::varchar AS table_type, remarks
FROM pg_standin.relation;
CREATE VIEW pg_catalog.svv_redshift_tables AS
SELECT database_name, schema_name, table_name, table_type, table_acl, remarks FROM pg_catalog.svv_all_tables;
CREATE VIEW pg_catalog.svv_tables AS
SELECT database_name AS table_catalog, schema_name AS table_schema, table_name,
       CASE table_type WHEN 'TABLE' THEN 'BASE TABLE' ELSE table_type END::varchar AS table_type, remarks
FROM pg_catalog.svv_all_tables;
CREATE VIEW pg_catalog.svv_all_schemas AS
SELECT current_database()::varchar AS database_name, nspname::varchar AS schema_name, nspowner::integer AS schema_owner,
       'local'::varchar AS schema_type, nspacl::varchar AS schema_acl, NULL::varchar AS source_database,
       NULL::varchar AS schema_option
FROM pg_namespace WHERE nspname <> 'pg_standin' AND nspname NOT LIKE 'pg_toast%';
CREATE VIEW pg_catalog.svv_redshift_schemas AS
SELECT database_name, schema_name, schema_owner, schema_type, schema_acl, schema_option FROM pg_catalog.svv_all_schemas;

CREATE VIEW pg_catalog.svv_relation_privileges AS
SELECT r.schema_name::varchar AS namespace_name, r.table_name AS relation_name, a.privilege_type::varchar AS privilege_type,
       a.grantee::integer AS identity_id, coalesce(g.rolname, 'public')::varchar AS identity_name,
       CASE WHEN a.grantee = 0 THEN 'public' WHEN g.rolcanlogin THEN 'user' ELSE 'role' END::varchar AS identity_type,
       a.is_grantable AS admin_option
FROM pg_standin.relation r CROSS JOIN LATERAL aclexplode(r.relacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REFERENCES', 'TRUNCATE')
  AND (a.grantee = 0 OR g.rolname = current_user OR pg_standin.sees_others());
CREATE VIEW pg_catalog.svv_column_privileges AS
SELECT r.schema_name::varchar AS namespace_name, r.table_name AS relation_name, pg_standin.long(c.attname) AS column_name,
       a.privilege_type::varchar AS privilege_type, a.grantee::integer AS identity_id,
       coalesce(g.rolname, 'public')::varchar AS identity_name,
       CASE WHEN a.grantee = 0 THEN 'public' WHEN g.rolcanlogin THEN 'user' ELSE 'role' END::varchar AS identity_type
FROM pg_standin.relation r JOIN pg_attribute c ON c.attrelid = r.oid AND c.attnum > 0 AND NOT c.attisdropped
CROSS JOIN LATERAL aclexplode(c.attacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE a.privilege_type IN ('SELECT', 'UPDATE')
  AND (a.grantee = 0 OR g.rolname = current_user OR pg_standin.has_role('sys:monitor'));
CREATE VIEW pg_catalog.svv_user_grants AS
SELECT u.oid::integer AS user_id, u.rolname::varchar AS user_name, g.oid::integer AS role_id, g.rolname::varchar AS role_name,
       m.admin_option
FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
WHERE u.rolcanlogin AND (u.rolname = current_user OR pg_standin.has_role('sys:monitor'));
-- To all but security administrators no policy seems to be attached.
CREATE VIEW pg_catalog.svv_rls_attached_policy AS
SELECT schema_name AS relschema, relation_name AS relname, 'table'::varchar AS relkind, policy_name AS polname,
       'dbadmin'::varchar AS grantor, grantee, grantee_type AS granteekind, true AS is_pol_on, true AS is_rls_on,
       'and'::varchar AS rls_conjunction_type
FROM pg_standin.attached_policy WHERE kind = 'rls' AND pg_standin.has_role('sys:secadmin');
CREATE VIEW pg_catalog.svv_attached_masking_policy AS
SELECT policy_name, schema_name, relation_name AS table_name, 'table'::varchar AS table_type, 'dbadmin'::varchar AS grantor,
       grantee, grantee_type, 0 AS priority, '[]'::varchar AS input_columns, '[]'::varchar AS output_columns
FROM pg_standin.attached_policy WHERE kind = 'masking' AND pg_standin.has_role('sys:secadmin');
CREATE VIEW pg_catalog.svv_redshift_databases AS
SELECT datname::varchar AS database_name, datdba::integer AS database_owner, 'local'::varchar AS database_type, datacl::varchar AS database_acl,
       NULL::varchar AS parameters, 'Snapshot Isolation'::varchar AS database_isolation_level
FROM pg_database WHERE datallowconn;
CREATE VIEW pg_catalog.svv_user_info AS
SELECT rolname::varchar AS user_name, oid::integer AS user_id, rolcreatedb AS createdb, rolsuper AS superuser, false AS catalog_update,
       'UNLIMITED'::varchar AS connection_limit, pg_standin.syslog_access(rolconfig) AS syslog_access, 0 AS session_timeout,
       NULL::varchar AS external_user_id
FROM pg_roles WHERE rolcanlogin AND (rolname = current_user OR pg_standin.sees_others());

CREATE VIEW pg_catalog.svv_transactions AS
SELECT txn_owner, txn_db, NULL::bigint AS xid, pid, txn_start, lock_mode, 'relation'::text AS lockable_object_type, relation, granted
FROM pg_standin.transactions() WHERE txn_owner = current_user OR pg_standin.sees_others();

-- Redshift leaves empty tables out of svv_table_info; so does this.
CREATE VIEW pg_catalog.svv_table_info AS
SELECT current_database()::varchar AS database, i.schema_name::varchar AS schema, i.oid::integer AS table_id, i.table_name AS "table",
       'Y, AUTO(ENCODE)'::varchar AS encoded,
       CASE WHEN t.diststyle IS NULL OR t.diststyle = 'AUTO' THEN 'AUTO(' || CASE WHEN k.attname IS NULL THEN 'EVEN' ELSE 'KEY(' || k.attname || ')' END || ')'
            WHEN t.diststyle = 'KEY' THEN 'KEY(' || pg_standin.long(k.attname) || ')' ELSE t.diststyle END::varchar AS diststyle,
       CASE WHEN t.sortkey = '{}' OR t.sortkey IS NULL THEN 'AUTO(SORTKEY)'
            WHEN t.sortstyle = 'INTERLEAVED' THEN 'INTERLEAVED' ELSE pg_standin.long(s.attname) END::varchar AS sortkey1,
       (SELECT max(c.character_maximum_length) FROM pg_standin.col c WHERE c.relid = i.oid) AS max_varchar,
       'none'::varchar AS sortkey1_enc, coalesce(cardinality(t.sortkey), 0) AS sortkey_num,
       greatest(1, pg_total_relation_size(i.oid) / 1048576)::bigint AS size, 0::numeric(10, 4) AS pct_used, 0::bigint AS empty,
       0::numeric(5, 2) AS unsorted, 0::numeric(5, 2) AS stats_off, i.tbl_rows::numeric(38, 0) AS tbl_rows,
       NULL::numeric(19, 2) AS skew_sortkey1, NULL::numeric(19, 2) AS skew_rows, i.tbl_rows::numeric(38, 0) AS estimated_visible_rows,
       NULL::varchar AS risk_event, 0::numeric(12, 2) AS vacuum_sort_benefit
FROM (SELECT r.*, pg_standin.row_count(r.oid) AS tbl_rows FROM pg_standin.relation r
      WHERE r.relkind = 'r' AND r.schema_name NOT IN ('pg_catalog', 'information_schema') AND r.relpersistence = 'p') i
LEFT JOIN pg_standin.table_attribute t ON t.relid = i.oid
LEFT JOIN pg_attribute k ON k.attrelid = i.oid AND k.attnum = t.distkey
LEFT JOIN pg_attribute s ON s.attrelid = i.oid AND s.attnum = t.sortkey[1]
WHERE i.tbl_rows > 0;

CREATE VIEW pg_catalog.pg_table_def AS
SELECT c.schema_name::varchar AS schemaname, c.table_name AS tablename, c.column_name AS "column",
       CASE c.atttypid WHEN 'varbyte'::regtype THEN 'binary varying(' || (c.atttypmod - 4) || ')'
            ELSE format_type(c.atttypid, c.atttypmod) END::varchar AS type,
       lower(coalesce(replace(upper(t.encodings ->> c.short), 'RAW', 'none'),
                      CASE WHEN c.attnum = ANY (t.sortkey) THEN 'none' END,
                      pg_standin.default_encoding(c.atttypid)))::varchar AS encoding,
       coalesce(c.attnum = t.distkey, false) AS distkey,
       coalesce(array_position(t.sortkey, c.attnum), 0)
         * CASE WHEN t.sortstyle = 'INTERLEAVED' AND array_position(t.sortkey, c.attnum) % 2 = 0 THEN -1 ELSE 1 END AS sortkey,
       c.attnotnull AS "notnull"
FROM pg_standin.col c JOIN pg_class r ON r.oid = c.relid AND r.relkind = 'r'
LEFT JOIN pg_standin.table_attribute t ON t.relid = c.relid
WHERE pg_table_is_visible(c.relid)
ORDER BY c.schema_name, c.table_name, c.attnum;

CREATE VIEW pg_catalog.sys_load_history AS SELECT * FROM pg_standin.load_history;
CREATE VIEW pg_catalog.sys_load_error_detail AS SELECT * FROM pg_standin.load_error_detail;
CREATE VIEW pg_catalog.sys_load_detail AS SELECT * FROM pg_standin.load_detail;
-- For superusers only, as on Serverless: an ordinary user is refused with 42501.
CREATE VIEW pg_catalog.stl_load_errors AS SELECT * FROM pg_standin.load_error_detail;
CREATE VIEW pg_catalog.stl_load_commits AS SELECT * FROM pg_standin.load_detail;
CREATE VIEW pg_catalog.stv_db_isolation_level AS
SELECT datname::varchar AS db_name, 'Snapshot Isolation'::varchar AS isolation_level FROM pg_database WHERE datallowconn;

GRANT SELECT ON pg_standin.relation, pg_standin.col, pg_catalog.svv_all_columns, pg_catalog.svv_columns, pg_catalog.svv_redshift_columns,
  pg_catalog.svv_all_tables, pg_catalog.svv_tables, pg_catalog.svv_redshift_tables, pg_catalog.svv_all_schemas, pg_catalog.svv_redshift_schemas,
  pg_catalog.svv_table_info, pg_catalog.pg_table_def, pg_catalog.sys_load_history, pg_catalog.sys_load_error_detail,
  pg_catalog.sys_load_detail, pg_catalog.svv_relation_privileges, pg_catalog.svv_transactions,
  pg_catalog.svv_user_info, pg_catalog.svv_redshift_databases, pg_catalog.svv_column_privileges, pg_catalog.svv_user_grants,
  pg_catalog.svv_rls_attached_policy, pg_catalog.svv_attached_masking_policy TO PUBLIC;
REVOKE ALL ON pg_catalog.stl_load_errors, pg_catalog.stl_load_commits, pg_catalog.stv_db_isolation_level FROM PUBLIC;

CREATE OR REPLACE FUNCTION pg_catalog.pg_get_late_binding_view_cols()
RETURNS TABLE (view_schema name, view_name name, col_name name, col_type varchar, col_num integer) LANGUAGE sql STABLE
AS $$ SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)::varchar, a.attnum::integer
      FROM pg_standin.late_view v JOIN pg_class c ON c.oid = v.relid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped $$;
