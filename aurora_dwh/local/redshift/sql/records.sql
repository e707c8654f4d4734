-- What the stand-in records beside PostgreSQL's own catalog: distribution and sort keys, late-binding views, loads.
CREATE SCHEMA IF NOT EXISTS pg_standin;
GRANT USAGE ON SCHEMA pg_standin TO PUBLIC;

CREATE TABLE IF NOT EXISTS pg_standin.long_name (short text PRIMARY KEY, name text NOT NULL);
GRANT SELECT ON pg_standin.long_name TO PUBLIC;

CREATE TABLE IF NOT EXISTS pg_standin.table_attribute (
  relid oid PRIMARY KEY, diststyle text NOT NULL DEFAULT 'AUTO', distkey smallint, sortkey smallint[] NOT NULL DEFAULT '{}',
  sortstyle text NOT NULL DEFAULT 'AUTO', encodings jsonb NOT NULL DEFAULT '{}',
  autorefresh boolean NOT NULL DEFAULT false);
ALTER TABLE pg_standin.table_attribute ADD COLUMN IF NOT EXISTS autorefresh boolean NOT NULL DEFAULT false;
GRANT SELECT ON pg_standin.table_attribute TO PUBLIC;

-- Keys that are declared and not enforced. The numbers are above those that PostgreSQL gives its own objects.
CREATE TABLE IF NOT EXISTS pg_standin.declared (
  id bigint GENERATED ALWAYS AS IDENTITY (START 3000000000) PRIMARY KEY, relid oid NOT NULL, name name NOT NULL, kind "char" NOT NULL,
  columns smallint[] NOT NULL, refers oid NOT NULL, referred smallint[], UNIQUE (relid, name));
GRANT SELECT ON pg_standin.declared TO PUBLIC;

CREATE TABLE IF NOT EXISTS pg_standin.late_view (relid oid PRIMARY KEY, query text NOT NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON pg_standin.late_view TO PUBLIC;

CREATE TABLE IF NOT EXISTS pg_standin.load_history (
  user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name text, status text,
  table_name text, start_time timestamp, end_time timestamp, duration bigint, data_source text, file_format text,
  loaded_rows bigint, loaded_bytes bigint, source_file_count integer, source_file_bytes bigint,
  file_count_scanned integer, file_bytes_scanned bigint, error_count bigint, copy_job_id bigint);

CREATE TABLE IF NOT EXISTS pg_standin.load_error_detail (
  user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name text, table_id integer,
  start_time timestamp, file_name text, line_number bigint, column_name text, column_type text, column_length text,
  position integer, error_code integer, error_message text);

CREATE TABLE IF NOT EXISTS pg_standin.load_detail (
  user_id integer, query_id bigint, file_name text, bytes_scanned bigint, lines_scanned bigint, record_time timestamp,
  splits_scanned integer, start_time timestamp, end_time timestamp, file_etag text, file_last_modified timestamp);

CREATE OR REPLACE FUNCTION pg_standin.long(text) RETURNS varchar LANGUAGE sql STABLE
AS $$ SELECT CASE WHEN strpos($1, '~') > 0 THEN coalesce((SELECT n.name FROM pg_standin.long_name n WHERE n.short = $1), $1) ELSE $1 END::varchar $$;

-- Notes the attributes of a CREATE TABLE or ALTER TABLE; keys that "attributes" does not name stay as they are.
-- The path is the client's: what a key refers to may be named without its schema.
CREATE OR REPLACE FUNCTION pg_standin.record(relation regclass, attributes jsonb, like_of regclass DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  known pg_standin.table_attribute;
  key record;
BEGIN
  FOR key IN SELECT a.attname AS name, format_type(a.atttypid, NULL) AS kind FROM pg_attribute a
             WHERE a.attrelid = relation AND a.atttypid IN ('super'::regtype, 'varbyte'::regtype)
               AND (a.attname = attributes ->> 'distkey' OR attributes -> 'sortkey' ? a.attname::text) LOOP
    RAISE EXCEPTION USING ERRCODE = '0A000',
      MESSAGE = format('column "%s" of type %s cannot be a distribution or sort key', key.name, key.kind);
  END LOOP;
  IF relation IS NULL OR (SELECT relpersistence FROM pg_class WHERE oid = relation) = 't' THEN
    RETURN;
  END IF;
  SELECT * INTO known FROM pg_standin.table_attribute WHERE relid = relation;
  IF FOUND AND attributes ? 'keep' THEN
    RETURN;  -- CREATE TABLE IF NOT EXISTS of a table that is there
  ELSIF FOUND AND attributes ? 'new' THEN
    DELETE FROM pg_standin.table_attribute WHERE relid = relation;
    DELETE FROM pg_standin.declared WHERE relid = relation;
    known := NULL;
  END IF;
  IF like_of IS NOT NULL THEN
    SELECT * INTO known FROM pg_standin.table_attribute WHERE relid = like_of;
  END IF;
  INSERT INTO pg_standin.table_attribute (relid, diststyle, distkey, sortkey, sortstyle, encodings, autorefresh) VALUES (
    relation,
    coalesce(attributes ->> 'diststyle', known.diststyle, 'AUTO'),
    CASE WHEN attributes ? 'distkey'
         THEN (SELECT attnum FROM pg_attribute WHERE attrelid = relation AND attname = attributes ->> 'distkey')
         WHEN attributes ? 'diststyle' THEN NULL ELSE known.distkey END,
    CASE WHEN attributes ? 'sortkey'
         THEN ARRAY(SELECT a.attnum FROM jsonb_array_elements_text(attributes -> 'sortkey') WITH ORDINALITY k (name, i)
                    JOIN pg_attribute a ON a.attrelid = relation AND a.attname = k.name ORDER BY k.i)
         ELSE coalesce(known.sortkey, '{}') END,
    coalesce(attributes ->> 'sortstyle', known.sortstyle, 'AUTO'),
    coalesce(known.encodings, '{}') || coalesce(attributes -> 'encodings', '{}'),
    coalesce((attributes ->> 'autorefresh')::boolean, false))
  ON CONFLICT (relid) DO UPDATE SET diststyle = excluded.diststyle, distkey = excluded.distkey, sortkey = excluded.sortkey,
    sortstyle = excluded.sortstyle, encodings = excluded.encodings;
  PERFORM pg_standin.declare(relation, d) FROM jsonb_array_elements(attributes -> 'declared') d;
END $$;

-- The numbers of the columns that a JSON array names, in its order.
CREATE OR REPLACE FUNCTION pg_standin.numbers(relation oid, names jsonb) RETURNS smallint[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
  found smallint[] := ARRAY(SELECT a.attnum FROM jsonb_array_elements_text(names) WITH ORDINALITY n (name, i)
                            LEFT JOIN pg_attribute a ON a.attrelid = relation AND a.attname = n.name AND NOT a.attisdropped ORDER BY n.i);
BEGIN
  IF array_position(found, NULL) IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = '42703',
      MESSAGE = format('column "%s" named in key does not exist', names ->> array_position(found, NULL) - 1);
  END IF;
  RETURN found;
END $$;

-- Notes a key; without a name it gets the one that PostgreSQL would give it.
CREATE OR REPLACE FUNCTION pg_standin.declare(relation regclass, key jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  kind "char" := CASE key ->> 'kind' WHEN 'PRIMARY' THEN 'p' WHEN 'UNIQUE' THEN 'u' ELSE 'f' END;
  listed text := (SELECT string_agg(c, '_') FROM jsonb_array_elements_text(key -> 'columns') c);
  relation_name text := (SELECT relname FROM pg_class WHERE oid = relation);
  base text := relation_name || CASE kind WHEN 'p' THEN '_pkey' WHEN 'u' THEN '_' || listed || '_key' ELSE '_' || listed || '_fkey' END;
  chosen text := coalesce(key ->> 'name', base);
  turn integer := 0;
  parent regclass := key ->> 'refers';
  referred smallint[];
BEGIN
  IF key ? 'referred' THEN
    referred := pg_standin.numbers(parent, key -> 'referred');
  ELSIF parent IS NOT NULL THEN
    SELECT d.columns INTO referred FROM pg_standin.declared d WHERE d.relid = parent AND d.kind = 'p';
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('there is no primary key for referenced table "%s"', parent);
    END IF;
  END IF;
  WHILE EXISTS (SELECT FROM pg_standin.declared WHERE relid = relation AND name = chosen) LOOP
    IF key ->> 'name' IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = format('constraint "%s" for relation "%s" already exists', chosen, relation_name);
    END IF;
    turn := turn + 1;
    chosen := base || turn;
  END LOOP;
  INSERT INTO pg_standin.declared (relid, name, kind, columns, refers, referred)
  VALUES (relation, chosen, kind, pg_standin.numbers(relation, key -> 'columns'), coalesce(parent, 0), referred);
END $$;

CREATE OR REPLACE FUNCTION pg_standin.drop_constraint(relation regclass, constraint_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  DELETE FROM pg_standin.declared WHERE relid = relation AND name = constraint_name;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('constraint "%s" does not exist', constraint_name);
  END IF;
END $$;

-- Refuses a column that Redshift would not let go.
CREATE OR REPLACE FUNCTION pg_standin.check_droppable(relation regclass, column_name text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
  number smallint := (SELECT attnum FROM pg_attribute WHERE attrelid = relation AND attname = column_name AND NOT attisdropped);
BEGIN
  IF EXISTS (SELECT 1 FROM pg_standin.table_attribute WHERE relid = relation AND distkey = number) THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('cannot drop distkey column "%s"', column_name);
  ELSIF EXISTS (SELECT 1 FROM pg_standin.table_attribute WHERE relid = relation AND number = ANY (sortkey)) THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('cannot drop sortkey column "%s"', column_name);
  END IF;
END $$;

-- Refuses a change of a column's size that Redshift would refuse.
CREATE OR REPLACE FUNCTION pg_standin.check_resizable(relation regclass, column_name text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
  found record;
  encoding text;
BEGIN
  SELECT a.atttypid, a.atthasdef INTO found FROM pg_attribute a
  WHERE a.attrelid = relation AND a.attname = column_name AND NOT a.attisdropped;
  IF found.atttypid IS NULL THEN
    RETURN;  -- the ALTER that follows names the missing column
  END IF;
  IF found.atttypid <> 'varchar'::regtype THEN
    RAISE EXCEPTION USING ERRCODE = '0A000',
      MESSAGE = format('ALTER COLUMN TYPE is only supported for VARCHAR columns; "%s" is not one', column_name);
  ELSIF found.atthasdef THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('cannot alter type of column "%s" with a default', column_name);
  END IF;
  SELECT upper(t.encodings ->> column_name) INTO encoding FROM pg_standin.table_attribute t WHERE t.relid = relation;
  IF encoding IN ('BYTEDICT', 'RUNLENGTH', 'TEXT255', 'TEXT32K') THEN
    RAISE EXCEPTION USING ERRCODE = '0A000',
      MESSAGE = format('cannot alter type of column "%s" with encoding %s', column_name, lower(encoding));
  ELSIF EXISTS (SELECT 1 FROM pg_standin.declared d
                WHERE d.relid = relation AND pg_standin.numbers(relation, to_jsonb(ARRAY[column_name])) <@ d.columns) THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = format('cannot alter type of column "%s" with a constraint', column_name);
  END IF;
END $$;

-- Refuses a primary key or unique column that may be NULL (ALTER TABLE ADD PRIMARY KEY).
CREATE OR REPLACE FUNCTION pg_standin.check_not_null(relation regclass, columns text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
  loose text;
BEGIN
  SELECT c INTO loose FROM unnest(columns) c
  LEFT JOIN pg_attribute a ON a.attrelid = relation AND a.attname = c AND a.attnotnull WHERE a.attname IS NULL LIMIT 1;
  IF loose IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = '42P16', MESSAGE = format('column "%s" must be NOT NULL to be part of a primary key', loose);
  END IF;
END $$;

-- Gives every character column its check of the length in bytes, and computed columns of a CREATE TABLE AS a length.
CREATE OR REPLACE FUNCTION pg_standin.finish_table(relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  col record;
  bound integer;
  changes text[] := '{}';
  checks text[] := '{}';
BEGIN
  IF relation IS NULL THEN
    RETURN;
  END IF;
  FOR col IN SELECT a.attname, a.atttypid, a.atttypmod, a.attnum FROM pg_attribute a
             WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped LOOP
    IF col.atttypid = 'numeric'::regtype AND col.atttypmod < 0 THEN
      EXECUTE format('SELECT least(37, coalesce(max(scale(%I)), 0)) FROM %s', col.attname, relation) INTO bound;
      changes := changes || format('ALTER COLUMN %I TYPE numeric(38, %s)', col.attname, bound);
    ELSIF col.atttypid IN ('text'::regtype, 'name'::regtype) OR (col.atttypid = 'varchar'::regtype AND col.atttypmod < 0) THEN
      EXECUTE format('SELECT least(65535, greatest(256, max(octet_length(%I::text)))) FROM %s', col.attname, relation) INTO bound;
      changes := changes || format('ALTER COLUMN %I TYPE varchar(%s)', col.attname, bound);
    ELSIF col.atttypid = 'varchar'::regtype THEN
      bound := col.atttypmod - 4;
    ELSE
      CONTINUE;
    END IF;
    IF col.atttypid <> 'numeric'::regtype THEN
      checks := checks || format('ADD CONSTRAINT %I CHECK (octet_length(%I) <= %s) NOT VALID',
                                 format('rsb$%s$%s', bound, substr(md5(random()::text), 1, 12)), col.attname, bound);
    END IF;
  END LOOP;
  IF changes <> '{}' THEN
    EXECUTE format('ALTER TABLE %s %s', relation, array_to_string(changes, ', '));
  END IF;
  IF checks <> '{}' THEN
    EXECUTE format('ALTER TABLE %s %s', relation, array_to_string(checks, ', '));
  END IF;
END $$;

-- Replaces the check of a column's length in bytes after a change of its size.
CREATE OR REPLACE FUNCTION pg_standin.resize_check(relation regclass, column_name text, bytes integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  old name;
BEGIN
  FOR old IN SELECT c.conname FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
             WHERE c.conrelid = relation AND a.attname = column_name AND c.conname LIKE 'rsb$%' LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', relation, old);
  END LOOP;
  EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (octet_length(%I) <= %s)', relation,
                 format('rsb$%s$%s', bytes, substr(md5(random()::text), 1, 12)), column_name, bytes);
END $$;

-- Reads what another user's late-binding view reads: the rights are those of whoever made it.
CREATE OR REPLACE FUNCTION pg_standin.read(query text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$ BEGIN RETURN QUERY EXECUTE query; END $$;

-- Whether a user sees what other users did and were granted; it goes with the user, into all databases.
CREATE OR REPLACE FUNCTION pg_standin.set_syslog_access(user_name text, access text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  EXECUTE format('ALTER ROLE %I SET standin.syslog_access = %L', user_name, access);
END $$;

CREATE OR REPLACE FUNCTION pg_standin.syslog_access(configuration text[]) RETURNS varchar LANGUAGE sql STABLE
AS $$ SELECT CASE WHEN 'standin.syslog_access=UNRESTRICTED' = ANY (configuration) THEN 'UNRESTRICTED' ELSE 'RESTRICTED' END::varchar $$;

CREATE OR REPLACE FUNCTION pg_standin.sees_others() RETURNS boolean LANGUAGE sql STABLE
AS $$ SELECT rolsuper OR pg_standin.syslog_access(rolconfig) = 'UNRESTRICTED' FROM pg_roles WHERE rolname = current_user $$;

-- Redshift's own roles, of which these open what is hidden from others.
DO $$ DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['sys:monitor', 'sys:secadmin'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I', role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION pg_standin.has_role(role text) RETURNS boolean LANGUAGE sql STABLE
AS $$ SELECT pg_has_role(current_user, role, 'MEMBER') $$;

-- What a security administrator has attached to tables and views; it changes no row that is read here.
CREATE TABLE IF NOT EXISTS pg_standin.attached_policy (
  kind varchar NOT NULL, policy_name varchar NOT NULL, schema_name varchar NOT NULL, relation_name varchar NOT NULL,
  grantee varchar NOT NULL, grantee_type varchar NOT NULL);

CREATE OR REPLACE FUNCTION pg_standin.identity_type(grantee oid) RETURNS varchar LANGUAGE sql STABLE
AS $$ SELECT CASE WHEN grantee = 0 THEN 'public' WHEN (SELECT rolcanlogin FROM pg_roles WHERE oid = grantee) THEN 'user' ELSE 'role' END::varchar $$;

-- PostgreSQL itself shows a user no times of other users' sessions.
CREATE OR REPLACE FUNCTION pg_standin.activity() RETURNS SETOF pg_stat_activity LANGUAGE sql STABLE SECURITY DEFINER
AS $$ SELECT * FROM pg_catalog.pg_stat_activity $$;

-- Whether a materialized view has other rows than its query.
CREATE OR REPLACE FUNCTION pg_standin.is_stale(relation oid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  query text := rtrim(pg_catalog.postgres_get_viewdef(relation), ';');
  differs boolean;
BEGIN
  EXECUTE format('SELECT EXISTS ((TABLE %1$s EXCEPT ALL (%2$s)) UNION ALL ((%2$s) EXCEPT ALL TABLE %1$s))', relation::regclass, query) INTO differs;
  RETURN differs;
END $$;

CREATE OR REPLACE FUNCTION pg_standin.row_count(relation oid) RETURNS bigint LANGUAGE plpgsql STABLE COST 100000 AS $$
DECLARE
  total bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %s', relation::regclass) INTO total;
  RETURN total;
EXCEPTION WHEN insufficient_privilege OR undefined_table THEN
  RETURN NULL;
END $$;

-- The default encoding of a column of this type (ENCODE AUTO).
CREATE OR REPLACE FUNCTION pg_standin.default_encoding(type oid) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT CASE WHEN type IN ('varchar'::regtype, 'bpchar'::regtype, 'varbyte'::regtype) THEN 'lzo'
                  WHEN type IN ('boolean'::regtype, 'real'::regtype, 'double precision'::regtype) THEN 'none'
                  WHEN type = 'super'::regtype THEN 'zstd' ELSE 'az64' END $$;

CREATE OR REPLACE FUNCTION pg_standin.encoding(t pg_standin.table_attribute, name text, number smallint, type oid) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT lower(coalesce(replace(nullif(upper(t.encodings ->> name), 'AUTO'), 'RAW', 'none'),
                            CASE WHEN number = ANY (t.sortkey) THEN 'none' END, pg_standin.default_encoding(type))) $$;

CREATE OR REPLACE FUNCTION pg_standin.type_name(type oid, modifier integer) RETURNS varchar LANGUAGE sql STABLE
AS $$ SELECT CASE type WHEN 'varbyte'::regtype THEN 'binary varying' || coalesce('(' || nullif(modifier, -1) - 4 || ')', '')
                       ELSE format_type(type, modifier) END::varchar $$;

-- A column's place in the sort key, 0 outside it; in an interleaved one every second is negative.
CREATE OR REPLACE FUNCTION pg_standin.sort_position(t pg_standin.table_attribute, number smallint) RETURNS integer LANGUAGE sql STABLE
AS $$ SELECT coalesce(array_position(t.sortkey, number), 0)
             * CASE WHEN t.sortstyle = 'INTERLEAVED' AND array_position(t.sortkey, number) % 2 = 0 THEN -1 ELSE 1 END $$;
