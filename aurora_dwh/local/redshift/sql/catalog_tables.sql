-- PostgreSQL's own catalog with the columns that it has in Redshift, which stem from PostgreSQL 8.0 and from its columnar
-- tables. Statements that name these tables are sent to the views here (system_tables.py); what clients read of them is in
-- sqlalchemy-redshift's reflection, dbt-redshift's catalog and awslabs/amazon-redshift-utils' AdminViews.
CREATE OR REPLACE FUNCTION pg_standin.encodings() RETURNS text[] LANGUAGE sql IMMUTABLE
AS $$ SELECT ARRAY['none', 'bytedict', 'delta', 'delta32k', 'lzo', 'mostly8', 'mostly16', 'mostly32', 'runlength', 'text255', 'text32k', 'zstd', 'az64'] $$;
CREATE OR REPLACE FUNCTION pg_catalog.format_encoding(integer) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT (pg_standin.encodings())[$1 + 1]::varchar $$;

CREATE OR REPLACE VIEW pg_standin.pg_class AS
SELECT c.oid, c.relname, c.relnamespace, c.reltype, c.relowner, c.relam, c.relfilenode, c.reltablespace, c.relpages, c.reltuples,
       c.reltoastrelid, c.relhasindex, c.relisshared, CASE c.relkind WHEN 'm' THEN 'v' ELSE c.relkind END AS relkind, c.relnatts,
       c.relhasrules, c.relacl,
       (CASE WHEN c.relkind <> 'r' THEN 0 ELSE CASE t.diststyle WHEN 'EVEN' THEN 0 WHEN 'KEY' THEN 1 WHEN 'ALL' THEN 8 ELSE 9 END END)::smallint AS reldiststyle
FROM pg_catalog.pg_class c LEFT JOIN pg_standin.table_attribute t ON t.relid = c.oid
WHERE c.relnamespace NOT IN ('pg_standin'::regnamespace, 'pg_toast'::regnamespace);

-- The columns of late-binding views are known to pg_get_late_binding_view_cols() alone.
CREATE OR REPLACE VIEW pg_standin.pg_attribute AS
SELECT a.attrelid, a.attname, a.atttypid, a.attstattarget, a.attlen, a.attnum, a.attndims, a.atttypmod, a.attbyval, a.attstorage,
       a.attalign, a.attnotnull, a.atthasdef, a.attisdropped, a.attislocal, a.attinhcount,
       coalesce(a.attnum = t.distkey, false) AS attisdistkey, pg_standin.sort_position(t, a.attnum) AS attsortkeyord,
       (CASE WHEN c.relkind = 'r' AND a.attnum > 0 THEN array_position(pg_standin.encodings(), pg_standin.encoding(t, a.attname, a.attnum, a.atttypid)) - 1 ELSE 0 END)::smallint
         AS attencodingtype
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_standin.table_attribute t ON t.relid = a.attrelid
WHERE NOT EXISTS (SELECT FROM pg_standin.late_view v WHERE v.relid = a.attrelid);

CREATE OR REPLACE VIEW pg_standin.pg_attrdef AS
SELECT oid, adrelid, adnum, adbin, pg_get_expr(adbin, adrelid) AS adsrc FROM pg_catalog.pg_attrdef;

CREATE OR REPLACE VIEW pg_standin.pg_constraint AS
SELECT d.id::oid AS oid, d.name AS conname, c.relnamespace AS connamespace, d.kind AS contype, false AS condeferrable, false AS condeferred,
       d.relid AS conrelid, 0::oid AS contypid, d.refers AS confrelid, d.columns AS conkey, d.referred AS confkey, NULL::text AS consrc
FROM pg_standin.declared d JOIN pg_catalog.pg_class c ON c.oid = d.relid;
CREATE OR REPLACE FUNCTION pg_standin.listed(relation oid, numbers smallint[]) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY n.i) FROM unnest(numbers) WITH ORDINALITY n (number, i)
      JOIN pg_catalog.pg_attribute a ON a.attrelid = relation AND a.attnum = n.number $$;
DO $do$
BEGIN  -- PostgreSQL calls its own function whatever is put in its place
  IF to_regprocedure('pg_catalog.postgres_get_constraintdef(oid)') IS NULL THEN
    ALTER FUNCTION pg_catalog.pg_get_constraintdef(oid) RENAME TO postgres_get_constraintdef;
    ALTER FUNCTION pg_catalog.pg_get_constraintdef(oid, boolean) RENAME TO postgres_get_constraintdef;
    ALTER FUNCTION pg_catalog.pg_get_viewdef(oid) RENAME TO postgres_get_viewdef;
    ALTER FUNCTION pg_catalog.pg_get_viewdef(oid, boolean) RENAME TO postgres_get_viewdef;
  END IF;
END
$do$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_get_constraintdef(oid) RETURNS text LANGUAGE sql STABLE STRICT
AS $$ SELECT CASE kind WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' ELSE 'FOREIGN KEY' END || ' (' || pg_standin.listed(relid, columns) || ')'
             || CASE WHEN kind = 'f' THEN ' REFERENCES ' || refers::regclass::text || '(' || pg_standin.listed(refers, referred) || ')' ELSE '' END
      FROM pg_standin.declared WHERE id = $1::bigint $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_get_constraintdef(oid, boolean) RETURNS text LANGUAGE sql STABLE STRICT
AS $$ SELECT pg_catalog.pg_get_constraintdef($1) $$;

-- A view's query; of late-binding and of materialized views the whole statement.
CREATE OR REPLACE FUNCTION pg_catalog.pg_get_viewdef(oid) RETURNS text LANGUAGE sql STABLE STRICT
AS $$ SELECT CASE WHEN v.relid IS NOT NULL THEN 'create view ' || $1::regclass::text || ' as ' || v.query || ' with no schema binding;'
                  WHEN c.relkind = 'm' THEN 'create materialized view ' || $1::regclass::text || ' as' || pg_catalog.postgres_get_viewdef($1)
                  ELSE pg_catalog.postgres_get_viewdef($1) END
      FROM pg_catalog.pg_class c LEFT JOIN pg_standin.late_view v ON v.relid = c.oid WHERE c.oid = $1 $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_get_viewdef(oid, boolean) RETURNS text LANGUAGE sql STABLE STRICT
AS $$ SELECT pg_catalog.pg_get_viewdef($1) $$;
CREATE OR REPLACE VIEW pg_standin.pg_views AS
SELECT n.nspname AS schemaname, c.relname AS viewname, pg_get_userbyid(c.relowner) AS viewowner, pg_catalog.pg_get_viewdef(c.oid) AS definition
FROM pg_catalog.pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND n.nspname <> 'pg_standin';
CREATE OR REPLACE VIEW pg_standin.information_schema_views AS
SELECT current_database()::varchar AS table_catalog, schemaname::varchar AS table_schema, viewname::varchar AS table_name, definition::varchar AS view_definition,
       'NONE'::varchar AS check_option, 'NO'::varchar AS is_updatable, 'NO'::varchar AS is_insertable_into
FROM pg_standin.pg_views WHERE has_table_privilege(format('%I.%I', schemaname, viewname), 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');

-- The indexes that PostgreSQL would have for keys; awswrangler reads a table's primary key from here.
CREATE OR REPLACE VIEW pg_standin.pg_indexes AS
SELECT n.nspname AS schemaname, c.relname AS tablename, d.name AS indexname, NULL::name AS tablespace,
       format('CREATE UNIQUE INDEX %I ON %I.%I USING btree (%s)', d.name, n.nspname, c.relname, pg_standin.listed(d.relid, d.columns)) AS indexdef
FROM pg_standin.declared d JOIN pg_catalog.pg_class c ON c.oid = d.relid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE d.kind <> 'f';

CREATE OR REPLACE VIEW pg_standin.information_schema_columns AS
SELECT * FROM information_schema.columns i
WHERE NOT EXISTS (SELECT FROM pg_standin.late_view v JOIN pg_catalog.pg_class c ON c.oid = v.relid
                  WHERE c.relname = i.table_name AND c.relnamespace::regnamespace::text = quote_ident(i.table_schema));

GRANT SELECT ON pg_standin.pg_class, pg_standin.pg_attribute, pg_standin.pg_attrdef, pg_standin.pg_constraint, pg_standin.pg_indexes,
  pg_standin.pg_views, pg_standin.information_schema_columns, pg_standin.information_schema_views TO PUBLIC;
