-- Implicit conversions that PostgreSQL does not make ("Type compatibility and conversion" of the guide).
--
-- Numbers, dates and times become strings wherever a string is asked for, and where they are compared with one; a boolean
-- does not. So || needs no operator for other types beside its own, and with them it would be ambiguous.
DO $do$
DECLARE
  kind text;
  target text;
BEGIN
  FOREACH kind IN ARRAY ARRAY['smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision', 'date', 'time', 'timetz',
                              'timestamp', 'timestamptz', 'oid'] LOOP
    FOREACH target IN ARRAY ARRAY['text', 'varchar'] LOOP
      BEGIN
        EXECUTE format('CREATE CAST (%s AS %s) WITH INOUT AS IMPLICIT', kind, target);
      EXCEPTION WHEN duplicate_object THEN
        NULL;
      END;
    END LOOP;
  END LOOP;
END
$do$;
DELETE FROM pg_operator WHERE oprname = '||' AND 'anynonarray'::regtype IN (oprleft, oprright);

-- Integers are booleans where one is asked for: WHERE 1.
UPDATE pg_cast SET castcontext = 'a' WHERE castsource = 'integer'::regtype AND casttarget = 'boolean'::regtype;

-- An integer's bytes, the highest first, are its VARBYTE.
CREATE OR REPLACE FUNCTION pg_catalog.varbyte_from_integer(smallint) RETURNS varbyte LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT int2send($1)::varbyte $$;
CREATE OR REPLACE FUNCTION pg_catalog.varbyte_from_integer(integer) RETURNS varbyte LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT int4send($1)::varbyte $$;
CREATE OR REPLACE FUNCTION pg_catalog.varbyte_from_integer(bigint) RETURNS varbyte LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT int8send($1)::varbyte $$;
DO $do$
DECLARE
  kind text;
BEGIN
  FOREACH kind IN ARRAY ARRAY['smallint', 'integer', 'bigint'] LOOP
    BEGIN
      EXECUTE format('CREATE CAST (%s AS varbyte) WITH FUNCTION varbyte_from_integer(%s)', kind, kind);
    EXCEPTION WHEN duplicate_object THEN
      NULL;
    END;
  END LOOP;
END
$do$;
