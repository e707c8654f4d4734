-- Scalar functions that PostgreSQL has under no name.

-- Dates.
CREATE OR REPLACE FUNCTION pg_catalog.date_part_year(date) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT extract(year FROM $1)::integer $$;
CREATE OR REPLACE FUNCTION pg_catalog.next_day(timestamp, text) RETURNS date LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  names CONSTANT text[] := ARRAY['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
  asked CONSTANT text := lower(btrim($2));
BEGIN
  FOR number IN 0 .. 6 LOOP  -- Su, M, Tu, W, Th, F, Sa are the shortest names
    IF names[number + 1] LIKE asked || '%' AND length(asked) > (left(asked, 1) IN ('s', 't'))::integer THEN
      RETURN $1::date + (1 + (number - extract(dow FROM $1)::integer + 6) % 7);
    END IF;
  END LOOP;
  RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('invalid day name "%s"', $2);
END $$;

-- TO_DATE and TO_TIMESTAMP carry days, hours, minutes and seconds beyond their end, unless they are strict.
DO $do$
BEGIN
  IF to_regprocedure('pg_catalog.postgres_to_date(text, text)') IS NULL THEN
    ALTER FUNCTION pg_catalog.to_date(text, text) RENAME TO postgres_to_date;
    ALTER FUNCTION pg_catalog.to_timestamp(text, text) RENAME TO postgres_to_timestamp;
  END IF;
END
$do$;
CREATE OR REPLACE FUNCTION pg_catalog.carried_timestamp(text, text) RETURNS timestamptz LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
  source text := $1;
  beyond interval := '0';
  part text[];
  place integer;
  found text;
BEGIN
  FOREACH part SLICE 1 IN ARRAY ARRAY[['DD', '01', 'day'], ['HH24', '00', 'hour'], ['MI', '00', 'minute'], ['SS', '00', 'second']] LOOP
    place := strpos(replace(upper($2), 'HH24', 'HH'), left(part[1], 2));
    found := substr(source, place, 2);
    IF place > 0 AND found ~ '^[0-9]{2}$' THEN
      source := overlay(source PLACING part[2] FROM place);
      beyond := beyond + ((found::integer - part[2]::integer) || part[3])::interval;
    END IF;
  END LOOP;
  RETURN pg_catalog.postgres_to_timestamp(source, $2) + beyond;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.to_timestamp(text, text, boolean) RETURNS timestamptz LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
  RETURN pg_catalog.postgres_to_timestamp($1, $2);
EXCEPTION WHEN datetime_field_overflow THEN
  IF $3 THEN
    RAISE;
  END IF;
  RETURN pg_catalog.carried_timestamp($1, $2);
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.to_timestamp(text, text) RETURNS timestamptz LANGUAGE sql STABLE STRICT
AS $$ SELECT pg_catalog.to_timestamp($1, $2, false) $$;
CREATE OR REPLACE FUNCTION pg_catalog.to_date(text, text, boolean) RETURNS date LANGUAGE sql STABLE STRICT
AS $$ SELECT (pg_catalog.to_timestamp($1, $2, $3) AT TIME ZONE current_setting('timezone'))::date $$;
CREATE OR REPLACE FUNCTION pg_catalog.to_date(text, text) RETURNS date LANGUAGE sql STABLE STRICT
AS $$ SELECT pg_catalog.to_date($1, $2, false) $$;

-- Numbers.
CREATE OR REPLACE FUNCTION pg_catalog.round(double precision, integer) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT round($1::numeric, $2)::double precision $$;
CREATE OR REPLACE FUNCTION pg_catalog.trunc(double precision, integer) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT trunc($1::numeric, $2)::double precision $$;
DO $do$
DECLARE
  one text[];
BEGIN  -- beside those of double precision, an integer would take them
  FOREACH one SLICE 1 IN ARRAY ARRAY[['round', 'smallint'], ['round', 'integer'], ['round', 'bigint'],
                                     ['trunc', 'smallint'], ['trunc', 'integer'], ['trunc', 'bigint']] LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.%s(%s, integer) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT'
                   ' AS %L', one[1], one[2], format('SELECT %s($1::numeric, $2)', one[1]));
  END LOOP;
END
$do$;

-- Strings.
CREATE OR REPLACE FUNCTION pg_catalog.sha(text) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.sha1($1) $$;
CREATE OR REPLACE FUNCTION pg_catalog.soundex(text) RETURNS varchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  letters CONSTANT text := regexp_replace(upper($1), '[^A-Z]', '');
  code text := left(letters, 1);
  digit text;
  last text := translate(code, 'BFPVCGJKQSXZDTLMNRAEIOUYHW', '11112222222233455600000077');
BEGIN
  FOR i IN 2 .. length(letters) LOOP
    digit := translate(substr(letters, i, 1), 'BFPVCGJKQSXZDTLMNRAEIOUYHW', '11112222222233455600000077');
    IF digit BETWEEN '1' AND '6' AND digit <> last THEN
      code := code || digit;
    END IF;
    IF digit <> '7' THEN  -- H and W do not part equal codes; vowels do
      last := digit;
    END IF;
  END LOOP;
  RETURN CASE WHEN code = '' THEN '' ELSE rpad(left(code, 4), 4, '0') END;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.difference(text, text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN a = '' OR b = '' THEN (a = b)::integer ELSE
        (SELECT count(*)::integer FROM generate_series(1, 4) i WHERE substr(a, i, 1) = substr(b, i, 1)) END
      FROM (SELECT pg_catalog.soundex($1) AS a, pg_catalog.soundex($2) AS b) s $$;

-- 64-bit FNV-1a over a value's bytes; of an integer the lowest comes first.
CREATE OR REPLACE FUNCTION pg_catalog.fnv_of(bytea, bigint, boolean) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  high bigint := ($2 >> 32) & 4294967295;
  low bigint := $2 & 4294967295;
  last CONSTANT integer := octet_length($1) - 1;
BEGIN  -- the prime is 2^40 + 435
  FOR i IN 0 .. last LOOP
    low := low # get_byte($1, CASE WHEN $3 THEN last - i ELSE i END);
    high := (high * 435 + ((low * 435) >> 32) + (low << 8)) & 4294967295;
    low := (low * 435) & 4294967295;
  END LOOP;
  RETURN (high << 32) | low;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.no_fnv(text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = 'FNV_HASH of this type is not supported in the local stand-in: its bytes are not documented';
END $$;
DO $do$
DECLARE
  one text[];
BEGIN
  FOREACH one SLICE 1 IN ARRAY ARRAY[
      ['smallint', 'fnv_of(int2send($1), $2, true)'], ['integer', 'fnv_of(int4send($1), $2, true)'],
      ['bigint', 'fnv_of(int8send($1), $2, true)'], ['text', $$fnv_of(convert_to($1, 'UTF8'), $2, false)$$],
      ['varbyte', 'fnv_of($1::bytea, $2, false)'], ['boolean', 'no_fnv(NULL)'], ['numeric', 'no_fnv(NULL)'],
      ['real', 'no_fnv(NULL)'], ['double precision', 'no_fnv(NULL)'], ['date', 'no_fnv(NULL)'],
      ['timestamp', 'no_fnv(NULL)'], ['timestamptz', 'no_fnv(NULL)'], ['time', 'no_fnv(NULL)'], ['timetz', 'no_fnv(NULL)']] LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.fnv_hash(%s, bigint DEFAULT -3750763034362895579) RETURNS bigint'
                   ' LANGUAGE sql IMMUTABLE AS %L', one[1], 'SELECT pg_catalog.' || one[2]);
  END LOOP;
END
$do$;

-- Whether a value can be cast (TRY_CAST).
CREATE OR REPLACE FUNCTION pg_catalog.can_cast(anyelement, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  EXECUTE format('SELECT CAST($1 AS %s)', $2) USING $1;
  RETURN true;
EXCEPTION WHEN data_exception THEN
  RETURN false;
END $$;

CREATE OR REPLACE FUNCTION pg_catalog.json_serialize_to_varbyte(super) RETURNS varbyte LANGUAGE sql IMMUTABLE
AS $$ SELECT convert_to(coalesce($1::json::text, 'null'), 'UTF8')::varbyte $$;

-- JSON in strings. With null_if_invalid, what is no JSON is NULL.
CREATE OR REPLACE FUNCTION pg_catalog.can_json_parse(varchar) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN $1::json IS NOT NULL;
EXCEPTION WHEN invalid_text_representation THEN
  RETURN false;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.json_array_length(varchar, boolean) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN NOT $2 OR pg_catalog.is_valid_json_array($1) THEN pg_catalog.json_array_length($1) END $$;
CREATE OR REPLACE FUNCTION pg_catalog.json_extract_array_element_text(varchar, integer, boolean) RETURNS varchar
LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN NOT $3 OR pg_catalog.can_json_parse($1) THEN pg_catalog.json_extract_array_element_text($1, $2) END $$;
CREATE OR REPLACE FUNCTION pg_catalog.valid_json(varchar) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN pg_catalog.can_json_parse($1) THEN $1 END $$;
