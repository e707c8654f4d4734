-- The types PostgreSQL does not have. SUPER is JSON text kept as written, VARBYTE is bytea with a length.
DO $do$
BEGIN
  IF to_regtype('pg_catalog.super') IS NOT NULL THEN
    RETURN;
  END IF;
  CREATE TYPE pg_catalog.super;
  CREATE FUNCTION pg_catalog.super_in(cstring) RETURNS super LANGUAGE internal IMMUTABLE STRICT AS 'json_in';
  CREATE FUNCTION pg_catalog.super_out(super) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
  CREATE FUNCTION pg_catalog.super_recv(internal) RETURNS super LANGUAGE internal IMMUTABLE STRICT AS 'json_recv';
  CREATE FUNCTION pg_catalog.super_send(super) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'textsend';
  CREATE TYPE pg_catalog.super (INPUT = super_in, OUTPUT = super_out, RECEIVE = super_recv, SEND = super_send,
                                INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended);

  CREATE FUNCTION pg_catalog.super_eq(super, super) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'byteaeq';
  CREATE FUNCTION pg_catalog.super_ne(super, super) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'byteane';
  CREATE FUNCTION pg_catalog.super_lt(super, super) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'bytealt';
  CREATE FUNCTION pg_catalog.super_le(super, super) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'byteale';
  CREATE FUNCTION pg_catalog.super_gt(super, super) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'byteagt';
  CREATE FUNCTION pg_catalog.super_ge(super, super) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'byteage';
  CREATE FUNCTION pg_catalog.super_cmp(super, super) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'byteacmp';
  CREATE FUNCTION pg_catalog.super_hash(super) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'hashvarlena';
  CREATE OPERATOR pg_catalog.= (LEFTARG = super, RIGHTARG = super, FUNCTION = super_eq, COMMUTATOR = OPERATOR(pg_catalog.=),
                                NEGATOR = OPERATOR(pg_catalog.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
  CREATE OPERATOR pg_catalog.<> (LEFTARG = super, RIGHTARG = super, FUNCTION = super_ne, RESTRICT = neqsel, JOIN = neqjoinsel);
  CREATE OPERATOR pg_catalog.< (LEFTARG = super, RIGHTARG = super, FUNCTION = super_lt);
  CREATE OPERATOR pg_catalog.<= (LEFTARG = super, RIGHTARG = super, FUNCTION = super_le);
  CREATE OPERATOR pg_catalog.> (LEFTARG = super, RIGHTARG = super, FUNCTION = super_gt);
  CREATE OPERATOR pg_catalog.>= (LEFTARG = super, RIGHTARG = super, FUNCTION = super_ge);
  CREATE OPERATOR CLASS pg_catalog.super_ops DEFAULT FOR TYPE super USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 super_cmp(super, super);
  CREATE OPERATOR CLASS pg_catalog.super_ops DEFAULT FOR TYPE super USING hash AS
    OPERATOR 1 =, FUNCTION 1 super_hash(super);
  CREATE CAST (super AS json) WITHOUT FUNCTION;
  CREATE CAST (json AS super) WITHOUT FUNCTION AS ASSIGNMENT;

  CREATE TYPE pg_catalog.varbyte;
  CREATE FUNCTION pg_catalog.varbyte_in(cstring) RETURNS varbyte LANGUAGE internal IMMUTABLE STRICT AS 'byteain';
  CREATE FUNCTION pg_catalog.varbyte_out(varbyte) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout';
  CREATE FUNCTION pg_catalog.varbyte_recv(internal) RETURNS varbyte LANGUAGE internal IMMUTABLE STRICT AS 'bytearecv';
  CREATE FUNCTION pg_catalog.varbyte_send(varbyte) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'byteasend';
  CREATE FUNCTION pg_catalog.varbyte_typmod_in(cstring[]) RETURNS integer
    LANGUAGE internal IMMUTABLE STRICT AS 'varchartypmodin';
  CREATE FUNCTION pg_catalog.varbyte_typmod_out(integer) RETURNS cstring
    LANGUAGE internal IMMUTABLE STRICT AS 'varchartypmodout';
  CREATE TYPE pg_catalog.varbyte (INPUT = varbyte_in, OUTPUT = varbyte_out, RECEIVE = varbyte_recv, SEND = varbyte_send,
                                  TYPMOD_IN = varbyte_typmod_in, TYPMOD_OUT = varbyte_typmod_out,
                                  INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended);
  CREATE CAST (varbyte AS bytea) WITHOUT FUNCTION AS IMPLICIT;
  CREATE CAST (bytea AS varbyte) WITHOUT FUNCTION AS ASSIGNMENT;
END
$do$;

CREATE OR REPLACE FUNCTION pg_catalog.varbyte_fit(varbyte, integer, boolean) RETURNS varbyte
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF octet_length($1::bytea) > $2 - 4 THEN
    IF $3 THEN
      RETURN substring($1::bytea FROM 1 FOR $2 - 4)::varbyte;
    END IF;
    RAISE EXCEPTION USING ERRCODE = '22001', MESSAGE = format('value too long for type binary varying(%s)', $2 - 4);
  END IF;
  RETURN $1;
END $$;

CREATE OR REPLACE FUNCTION pg_catalog.super_from_varchar(varchar) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT to_json($1::text)::super $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_from_bigint(bigint) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT to_json($1)::super $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_from_numeric(numeric) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT to_json($1)::super $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_from_double(double precision) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT to_json($1)::super $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_from_boolean(boolean) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT to_json($1)::super $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_to_varchar(super) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT ($1::json #>> '{}')::varchar $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_to_bigint(super) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT ($1::json #>> '{}')::bigint $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_to_numeric(super) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT ($1::json #>> '{}')::numeric $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_to_boolean(super) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT ($1::json #>> '{}')::boolean $$;
CREATE OR REPLACE FUNCTION pg_catalog.varbyte_from_varchar(varchar) RETURNS varbyte LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT convert_to($1, 'UTF8')::varbyte $$;
CREATE OR REPLACE FUNCTION pg_catalog.varbyte_to_varchar(varbyte) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT convert_from($1::bytea, 'UTF8')::varchar $$;

DO $do$
DECLARE
  made CONSTANT text[] := ARRAY[
    'varbyte AS varbyte|varbyte_fit(varbyte, integer, boolean)|IMPLICIT',
    'varchar AS super|super_from_varchar(varchar)|ASSIGNMENT',
    'bigint AS super|super_from_bigint(bigint)|ASSIGNMENT',
    'numeric AS super|super_from_numeric(numeric)|ASSIGNMENT',
    'double precision AS super|super_from_double(double precision)|ASSIGNMENT',
    'boolean AS super|super_from_boolean(boolean)|ASSIGNMENT',
    'super AS varchar|super_to_varchar(super)|ASSIGNMENT',
    'super AS bigint|super_to_bigint(super)|ASSIGNMENT',
    'super AS numeric|super_to_numeric(super)|ASSIGNMENT',
    'super AS boolean|super_to_boolean(super)|ASSIGNMENT',
    'varchar AS varbyte|varbyte_from_varchar(varchar)|ASSIGNMENT',
    'varbyte AS varchar|varbyte_to_varchar(varbyte)|ASSIGNMENT'];
  line text;
BEGIN
  FOREACH line IN ARRAY made LOOP
    BEGIN
      EXECUTE format('CREATE CAST (%s) WITH FUNCTION %s AS %s', split_part(line, '|', 1), split_part(line, '|', 2),
                     split_part(line, '|', 3));
    EXCEPTION WHEN duplicate_object THEN
      NULL;
    END;
  END LOOP;
END
$do$;

-- Integers are booleans where one is asked for: WHERE 1 ("Type compatibility and conversion" of the guide).
UPDATE pg_cast SET castcontext = 'a' WHERE castsource = 'integer'::regtype AND casttarget = 'boolean'::regtype;
