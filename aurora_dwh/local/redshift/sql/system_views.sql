-- Redshift's system views, with its spellings, over PostgreSQL's catalog and the stand-in's records.
DROP VIEW IF EXISTS pg_catalog.svv_all_columns, pg_catalog.svv_columns, pg_catalog.svv_redshift_columns, pg_catalog.svv_all_tables,
  pg_catalog.svv_tables, pg_catalog.svv_redshift_tables, pg_catalog.svv_all_schemas, pg_catalog.svv_redshift_schemas,
  pg_catalog.svv_table_info, pg_catalog.pg_table_def, pg_catalog.sys_load_history,
  pg_catalog.sys_load_error_detail, pg_catalog.sys_load_detail, pg_catalog.stl_load_errors, pg_catalog.stl_load_commits,
  pg_catalog.stv_db_isolation_level, pg_catalog.svv_relation_privileges, pg_catalog.svv_user_info,
  pg_catalog.svv_redshift_databases, pg_catalog.svv_column_privileges, pg_catalog.svv_user_grants,
  pg_catalog.svv_rls_attached_policy, pg_catalog.svv_attached_masking_policy,
  pg_catalog.svv_transactions, pg_catalog.svv_external_schemas, pg_catalog.svv_external_tables,
  pg_catalog.svv_external_columns, pg_catalog.svv_mv_info, pg_catalog.svv_schema_privileges, pg_catalog.svv_default_privileges;
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
SELECT a.database_name, a.schema_name, a.table_name, a.column_name, a.ordinal_position, a.data_type, a.column_default,
       a.is_nullable, pg_standin.encoding(t, c.short, c.attnum, c.atttypid)::varchar AS encoding,
       coalesce(c.attnum = t.distkey, false) AS distkey, pg_standin.sort_position(t, c.attnum) AS sortkey,
       NULL::varchar AS column_acl, a.remarks
FROM pg_catalog.svv_all_columns a JOIN pg_standin.col c USING (schema_name, table_name, column_name)
LEFT JOIN pg_standin.table_attribute t ON t.relid = c.relid;
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
       pg_standin.identity_type(a.grantee) AS identity_type, a.is_grantable AS admin_option
FROM pg_standin.relation r CROSS JOIN LATERAL aclexplode(r.relacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REFERENCES', 'TRUNCATE')
  AND (a.grantee = 0 OR g.rolname = current_user OR pg_standin.sees_others());
CREATE VIEW pg_catalog.svv_column_privileges AS
SELECT r.schema_name::varchar AS namespace_name, r.table_name AS relation_name, pg_standin.long(c.attname) AS column_name,
       a.privilege_type::varchar AS privilege_type, a.grantee::integer AS identity_id,
       coalesce(g.rolname, 'public')::varchar AS identity_name,
       pg_standin.identity_type(a.grantee) AS identity_type
FROM pg_standin.relation r JOIN pg_attribute c ON c.attrelid = r.oid AND c.attnum > 0 AND NOT c.attisdropped
CROSS JOIN LATERAL aclexplode(c.attacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE a.privilege_type IN ('SELECT', 'UPDATE')
  AND (a.grantee = 0 OR g.rolname = current_user OR pg_standin.has_role('sys:monitor'));
CREATE VIEW pg_catalog.svv_schema_privileges AS
SELECT n.nspname::varchar AS namespace_name, a.privilege_type::varchar AS privilege_type, a.grantee::integer AS identity_id,
       coalesce(g.rolname, 'public')::varchar AS identity_name, pg_standin.identity_type(a.grantee) AS identity_type,
       a.is_grantable AS admin_option, 'SCHEMA'::varchar AS privilege_scope
FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE n.nspname <> 'pg_standin' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE') OR pg_standin.sees_others());
CREATE VIEW pg_catalog.svv_user_grants AS
SELECT u.oid::integer AS user_id, u.rolname::varchar AS user_name, r.oid::integer AS role_id, r.rolname::varchar AS role_name, m.admin_option
FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member AND u.rolcanlogin JOIN pg_roles r ON r.oid = m.roleid AND NOT r.rolcanlogin
WHERE m.set_option -- PostgreSQL's own grant to a role's maker is without
  AND (u.rolname = current_user OR pg_standin.has_role('sys:monitor') OR pg_standin.sees_others());
CREATE VIEW pg_catalog.svv_default_privileges AS
SELECT n.nspname::varchar AS schema_name, CASE d.defaclobjtype WHEN 'r' THEN 'RELATION' ELSE 'FUNCTION' END::varchar AS object_type,
       o.oid::integer AS owner_id, o.rolname::varchar AS owner_name, 'user'::varchar AS owner_type,
       a.privilege_type::varchar AS privilege_type, a.grantee::integer AS grantee_id, coalesce(g.rolname, 'public')::varchar AS grantee_name,
       pg_standin.identity_type(a.grantee) AS grantee_type, a.is_grantable AS admin_option
FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) a JOIN pg_roles o ON o.oid = d.defaclrole
LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace LEFT JOIN pg_roles g ON g.oid = a.grantee
WHERE d.defaclobjtype IN ('r', 'f') AND a.grantee <> o.oid
  AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE') OR pg_standin.sees_others());
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

-- There are no external schemas here, so nothing is in them.
CREATE VIEW pg_catalog.svv_external_schemas AS
SELECT 0::oid AS esoid, 0::smallint AS eskind, ''::name AS schemaname, 0 AS esowner, ''::varchar AS databasename, ''::varchar AS esoptions
WHERE false;
CREATE VIEW pg_catalog.svv_external_tables AS
SELECT ''::varchar AS redshift_database_name, ''::varchar AS schemaname, ''::varchar AS tablename, ''::varchar AS tabletype,
       ''::varchar AS location, ''::varchar AS input_format, ''::varchar AS output_format, ''::varchar AS serialization_lib,
       ''::varchar AS serde_parameters, 0 AS compressed, ''::varchar AS parameters
WHERE false;
CREATE VIEW pg_catalog.svv_external_columns AS
SELECT ''::varchar AS redshift_database_name, ''::varchar AS schemaname, ''::varchar AS tablename, ''::varchar AS columnname,
       ''::varchar AS external_type, 0 AS columnnum, 0 AS part_key, ''::varchar AS is_nullable
WHERE false;

CREATE VIEW pg_catalog.svv_mv_info AS
SELECT current_database()::char(128) AS database_name, n.nspname::char(128) AS schema_name, o.rolname::char(128) AS user_name,
       pg_standin.long(c.relname)::char(128) AS name, left(pg_standin.is_stale(c.oid)::text, 1)::char(1) AS is_stale, 0 AS state,
       'f'::char(1) AS autorewrite, left(coalesce(t.autorefresh, false)::text, 1)::char(1) AS autorefresh
FROM pg_class c LEFT JOIN pg_standin.table_attribute t ON t.relid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
WHERE c.relkind = 'm' AND (o.rolname = current_user OR pg_standin.sees_others());

CREATE VIEW pg_catalog.svv_transactions AS
SELECT s.usename::varchar AS txn_owner, s.datname::varchar AS txn_db,
       split_part(l.virtualtransaction, '/', 1)::bigint * 4294967296 + split_part(l.virtualtransaction, '/', 2)::bigint AS xid, s.pid, s.xact_start AT TIME ZONE 'UTC' AS txn_start,
       l.mode::varchar AS lock_mode, CASE l.locktype WHEN 'relation' THEN 'relation' ELSE 'transactionid' END::varchar AS lockable_object_type,
       l.relation::integer AS relation, l.granted
FROM pg_locks l JOIN pg_standin.activity() s ON s.pid = l.pid LEFT JOIN pg_standin.relation r ON r.oid = l.relation
WHERE s.datname = current_database() AND s.usename <> 'standin' AND (s.usename = current_user OR pg_standin.sees_others())
  AND (l.locktype = 'virtualxid' OR l.locktype = 'relation' AND r.relkind = 'r' AND r.schema_name <> 'pg_catalog');

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
       pg_standin.type_name(c.atttypid, c.atttypmod) AS type,
       pg_standin.encoding(t, c.short, c.attnum, c.atttypid)::varchar AS encoding, coalesce(c.attnum = t.distkey, false) AS distkey,
       pg_standin.sort_position(t, c.attnum) AS sortkey, c.attnotnull AS "notnull"
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
  pg_catalog.sys_load_detail, pg_catalog.svv_relation_privileges,
  pg_catalog.svv_user_info, pg_catalog.svv_redshift_databases, pg_catalog.svv_external_schemas, pg_catalog.svv_external_tables,
  pg_catalog.svv_external_columns, pg_catalog.svv_mv_info, pg_catalog.svv_transactions, pg_catalog.svv_user_grants,
  pg_catalog.svv_schema_privileges, pg_catalog.svv_default_privileges, pg_catalog.svv_column_privileges,
  pg_catalog.svv_rls_attached_policy, pg_catalog.svv_attached_masking_policy TO PUBLIC;
REVOKE ALL ON pg_catalog.stl_load_errors, pg_catalog.stl_load_commits, pg_catalog.stv_db_isolation_level FROM PUBLIC;

-- The client names the columns, as for any function that returns records.
DROP FUNCTION IF EXISTS pg_catalog.pg_get_late_binding_view_cols();
CREATE FUNCTION pg_catalog.pg_get_late_binding_view_cols() RETURNS SETOF record LANGUAGE sql STABLE
AS $$ SELECT n.nspname, c.relname, a.attname, pg_standin.type_name(a.atttypid, a.atttypmod), a.attnum::integer
      FROM pg_standin.late_view v JOIN pg_class c ON c.oid = v.relid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped $$;
