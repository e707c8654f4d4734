-- SUPER: navigation, unnesting, types of values, comparisons, arithmetic, casts ("Querying semistructured data" of the guide).
--
-- Reading is lax: what is not there, or is of another type, is NULL. The text between brackets and dots arrives here as calls
-- that the front writes (navigation.py).

CREATE OR REPLACE FUNCTION pg_catalog.super_get(super, text) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT ($1::json -> $2)::super $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_get(super, bigint) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN $2 >= 0 THEN ($1::json -> $2::integer)::super END $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_get(super, integer) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN $2 >= 0 THEN ($1::json -> $2)::super END $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_elements(super) RETURNS TABLE (element super, index bigint)
LANGUAGE plpgsql IMMUTABLE STRICT ROWS 10 AS $$
BEGIN
  IF json_typeof($1::json) NOT IN ('array', 'null') THEN
    RAISE EXCEPTION USING ERRCODE = '0A000',
      MESSAGE = 'iteration over a SUPER value that is no array is not supported in the local stand-in: what it gives is not documented';
  END IF;
  RETURN QUERY SELECT e.value::super, e.place - 1
    FROM json_array_elements(CASE json_typeof($1::json) WHEN 'array' THEN $1::json ELSE '[]' END) WITH ORDINALITY AS e (value, place);
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_attributes(super) RETURNS TABLE (element super, attribute varchar)
LANGUAGE sql IMMUTABLE STRICT ROWS 10
AS $$ SELECT value::super, key::varchar FROM json_each(CASE json_typeof($1::json) WHEN 'object' THEN $1::json ELSE '{}' END) $$;

-- What a value is. JSON null is neither scalar, array nor object.
CREATE OR REPLACE FUNCTION pg_catalog.super_is(super, text) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$ SELECT coalesce(json_typeof($1::json) = $2, false) $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_is_whole(super, numeric) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN pg_catalog.super_is($1, 'number') AND $1::json::text ~ '^-?[0-9]+$'
                  THEN $1::json::text::numeric BETWEEN -$2 AND $2 - 1 ELSE false END $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_array(super) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT super_is($1, 'array') $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_object(super) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT super_is($1, 'object') $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_boolean(super) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT super_is($1, 'boolean') $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_varchar(super) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT super_is($1, 'string') $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_char(super) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$ SELECT super_is($1, 'string') AND $1::json #>> '{}' ~ '^[[:ascii:]]*$' $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_scalar(super) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$ SELECT coalesce(json_typeof($1::json) IN ('string', 'number', 'boolean'), false) $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_smallint(super) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT super_is_whole($1, 2.0 ^ 15) $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_integer(super) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT super_is_whole($1, 2.0 ^ 31) $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_bigint(super) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT super_is_whole($1, 2.0 ^ 63) $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_float(super) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$ SELECT super_is($1, 'number') AND $1::json::text ~ '[eE]' $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_decimal(super) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$ SELECT super_is($1, 'number') AND $1::json::text !~ '[eE]' $$;
CREATE OR REPLACE FUNCTION pg_catalog.json_size(super) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT octet_length($1::json::text)::bigint $$;

-- Casts from SUPER: NULL where the value cannot be one of that type. All that is not exact in JSON is tried as text.
DO $do$
DECLARE
  one text[];
BEGIN
  FOREACH one SLICE 1 IN ARRAY ARRAY[
      ['smallint', 'super_to_numeric($1)'], ['integer', 'super_to_numeric($1)'], ['bigint', 'super_to_numeric($1)'],
      ['real', '$1::json #>> ''{}'''], ['double precision', '$1::json #>> ''{}'''], ['numeric', '$1::json #>> ''{}'''],
      ['boolean', 'CASE WHEN super_is_whole($1, 2.0 ^ 63) THEN ($1::json::text <> ''0'')::text ELSE $1::json #>> ''{}'' END'], ['date', '$1::json #>> ''{}'''], ['timestamp', '$1::json #>> ''{}'''],
      ['timestamptz', '$1::json #>> ''{}'''], ['time', '$1::json #>> ''{}'''], ['varchar', '$1::json #>> ''{}'''],
      ['bpchar', '$1::json #>> ''{}''']] LOOP
    EXECUTE format($body$CREATE OR REPLACE FUNCTION pg_catalog.super_to_%s(super) RETURNS %s LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN CASE WHEN json_typeof($1::json) IN ('string', 'number', 'boolean') THEN (%s)::%s END;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END $$$body$, replace(one[1], 'double precision', 'double'), one[1], one[2], one[1]);
    BEGIN
      EXECUTE format('CREATE CAST (super AS %s) WITH FUNCTION super_to_%s(super) AS ASSIGNMENT', one[1],
                     replace(one[1], 'double precision', 'double'));
    EXCEPTION WHEN duplicate_object THEN
      NULL;
    END;
  END LOOP;
END
$do$;

-- Any value as SUPER. Dates and times are refused, as "Limitations" of the guide says.
CREATE OR REPLACE FUNCTION pg_catalog.super_of(super) RETURNS super LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
CREATE OR REPLACE FUNCTION pg_catalog.no_super_of(text) RETURNS super LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = '42846', MESSAGE = format('cannot cast type %s to super', $1);
END $$;
DO $do$
DECLARE
  kind text;
BEGIN
  FOREACH kind IN ARRAY ARRAY['text', 'bpchar', 'smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision', 'boolean'] LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.super_of(%s) RETURNS super LANGUAGE sql IMMUTABLE'
                   ' AS ''SELECT to_json($1)::super''', kind);
    BEGIN
      EXECUTE format('CREATE CAST (%s AS super) WITH FUNCTION super_of(%s) AS ASSIGNMENT', kind, kind);
    EXCEPTION WHEN duplicate_object THEN
      NULL;
    END;
  END LOOP;
  BEGIN
    CREATE CAST (varchar AS super) WITH FUNCTION super_of(text) AS ASSIGNMENT;
  EXCEPTION WHEN duplicate_object THEN
    NULL;
  END;
  FOREACH kind IN ARRAY ARRAY['date', 'time', 'timetz', 'timestamp', 'timestamptz'] LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.super_of(%s) RETURNS super LANGUAGE sql IMMUTABLE'
                   ' AS ''SELECT pg_catalog.no_super_of(''%L'')''', kind, kind);
  END LOOP;
END
$do$;

-- Arrays and objects.
CREATE OR REPLACE FUNCTION pg_catalog.super_array(VARIADIC json[]) RETURNS super LANGUAGE sql IMMUTABLE
AS $$ SELECT ('[' || coalesce(string_agg(coalesce(e::text, 'null'), ',' ORDER BY n), '') || ']')::json::super
      FROM unnest($1) WITH ORDINALITY AS u (e, n) $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_object(text[], json[]) RETURNS super LANGUAGE sql IMMUTABLE
AS $$ SELECT ('{' || coalesce(string_agg(to_json(k)::text || ':' || coalesce(v::text, 'null'), ',' ORDER BY n), '') || '}')::json::super
      FROM unnest($1, $2) WITH ORDINALITY AS u (k, v, n) $$;
CREATE OR REPLACE FUNCTION pg_catalog.array_concat(super, super) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT super_array(VARIADIC ARRAY(SELECT json_array_elements($1::json)) || ARRAY(SELECT json_array_elements($2::json))) $$;
CREATE OR REPLACE FUNCTION pg_catalog.array_flatten(super) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT super_array(VARIADIC ARRAY(SELECT i FROM json_array_elements($1::json) WITH ORDINALITY AS o (e, n),
        LATERAL json_array_elements(CASE json_typeof(e) WHEN 'array' THEN e ELSE json_build_array(e) END) WITH ORDINALITY AS f (i, m)
        ORDER BY n, m)) $$;
CREATE OR REPLACE FUNCTION pg_catalog.subarray(super, integer, integer) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT super_array(VARIADIC ARRAY(SELECT e FROM json_array_elements($1::json) WITH ORDINALITY AS u (e, n)
        WHERE n > first AND n <= first + $3 ORDER BY n))
      FROM (SELECT CASE WHEN $2 < 0 THEN json_array_length($1::json) + $2 ELSE $2 END AS first) p $$;
CREATE OR REPLACE FUNCTION pg_catalog.split_to_array(text, text DEFAULT ',') RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT super_array(VARIADIC ARRAY(SELECT to_json(p) FROM unnest(string_to_array($1, $2)) p)) $$;

-- Order and equality. Numbers compare as numbers, strings as strings, arrays and objects in depth; values of different types
-- are never equal, and neither is less. ORDER BY and GROUP BY have the total order of "Order by" in the guide.
CREATE OR REPLACE FUNCTION pg_catalog.super_order(super, super) RETURNS integer LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  ranks CONSTANT text[] := ARRAY['null', 'boolean', 'number', 'string', 'array', 'object'];
  kind CONSTANT text := json_typeof($1::json);
  step integer := array_position(ranks, kind) - array_position(ranks, json_typeof($2::json));
BEGIN
  IF step = 0 AND kind = 'number' THEN
    step := sign($1::json::text::numeric - $2::json::text::numeric);
  ELSIF step = 0 AND kind = 'string' THEN
    step := bttextcmp(rtrim($1::json #>> '{}', ' '), rtrim($2::json #>> '{}', ' '));
  ELSIF step = 0 THEN
    step := jsonb_cmp($1::json::text::jsonb, $2::json::text::jsonb);
  END IF;
  RETURN step;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_hash_of(super) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE json_typeof($1::json) WHEN 'number' THEN hash_numeric($1::json::text::numeric)
                  WHEN 'string' THEN hashtext(rtrim($1::json #>> '{}', ' ')) ELSE jsonb_hash($1::json::text::jsonb) END $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_comparable(super, super) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT json_typeof($1::json) = json_typeof($2::json) $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_compute(super, text, super) RETURNS super LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  one numeric;
  other numeric;
BEGIN
  IF $2 = '+' AND pg_catalog.super_is($1, 'string') AND pg_catalog.super_is($3, 'string') THEN
    RETURN to_json(($1::json #>> '{}') || ($3::json #>> '{}'))::super;
  ELSIF NOT (pg_catalog.super_is($1, 'number') AND pg_catalog.super_is($3, 'number')) THEN
    RETURN NULL;
  END IF;
  one := $1::json::text;
  other := $3::json::text;
  RETURN to_json(CASE $2 WHEN '+' THEN one + other WHEN '-' THEN one - other WHEN '*' THEN one * other
                      WHEN '%' THEN one % other
                      WHEN '/' THEN CASE WHEN scale(one) = 0 AND scale(other) = 0 THEN div(one, other) ELSE one / other END END)::super;
END $$;

UPDATE pg_amproc SET amproc = 'pg_catalog.super_order'::regproc WHERE amproc = 'pg_catalog.super_cmp'::regproc;
UPDATE pg_amproc SET amproc = 'pg_catalog.super_hash_of'::regproc WHERE amproc = 'pg_catalog.super_hash'::regproc;

-- The operators of the index keep a name of their own: beside an operator of (super, super), PostgreSQL would read any
-- string literal as JSON. So a literal is a string, as it is in Redshift; and without an array type so it is in an IN list.
UPDATE pg_operator SET oprname = '~' || oprname || '~'
WHERE oprleft = 'super'::regtype AND oprright = 'super'::regtype AND oprname IN ('=', '<>', '<', '<=', '>', '>=');
UPDATE pg_type SET typarray = 0 WHERE oid = 'pg_catalog.super'::regtype;

DO $do$
DECLARE
  one text[];
  operator text[];
  kinds text[];
BEGIN
  -- Those of the index: total.
  FOREACH operator SLICE 1 IN ARRAY ARRAY[['eq', '='], ['ne', '<>'], ['lt', '<'], ['le', '<='], ['gt', '>'], ['ge', '>=']] LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.super_%s(super, super) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT'
                   ' AS ''SELECT pg_catalog.super_order($1, $2) %s 0''', operator[1], operator[2]);
  END LOOP;
  -- Those of queries: beside anything, and anything beside them. (text, super) and (super, text) take the literals.
  FOREACH kinds SLICE 1 IN ARRAY ARRAY[['super', 'anynonarray'], ['super', 'text'], ['text', 'super'], ['smallint', 'super'],
                                       ['integer', 'super'], ['bigint', 'super'], ['numeric', 'super'], ['real', 'super'],
                                       ['double precision', 'super'], ['boolean', 'super'], ['super', 'smallint'],
                                       ['super', 'integer'], ['super', 'bigint'], ['super', 'numeric'], ['super', 'real'],
                                       ['super', 'double precision'], ['super', 'boolean']] LOOP
    FOREACH operator SLICE 1 IN ARRAY ARRAY[
        ['eq', '=', 'boolean', 'super_comparable(a, b) AND super_order(a, b) = 0'],
        ['ne', '<>', 'boolean', 'NOT super_comparable(a, b) OR super_order(a, b) <> 0'],
        ['lt', '<', 'boolean', 'CASE WHEN super_comparable(a, b) THEN super_order(a, b) < 0 END'],
        ['le', '<=', 'boolean', 'CASE WHEN super_comparable(a, b) THEN super_order(a, b) <= 0 END'],
        ['gt', '>', 'boolean', 'CASE WHEN super_comparable(a, b) THEN super_order(a, b) > 0 END'],
        ['ge', '>=', 'boolean', 'CASE WHEN super_comparable(a, b) THEN super_order(a, b) >= 0 END'],
        ['plus', '+', 'super', $$super_compute(a, '+', b)$$], ['minus', '-', 'super', $$super_compute(a, '-', b)$$],
        ['times', '*', 'super', $$super_compute(a, '*', b)$$], ['by', '/', 'super', $$super_compute(a, '/', b)$$],
        ['rest', '%', 'super', $$super_compute(a, '%', b)$$]] LOOP
      EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.super_query_%s(%s, %s) RETURNS %s LANGUAGE sql IMMUTABLE STRICT AS %L',
                     operator[1], kinds[1], kinds[2], operator[3],
                     format('SELECT %s FROM (SELECT pg_catalog.super_of($1) AS a, pg_catalog.super_of($2) AS b) v', operator[4]));
      BEGIN
        EXECUTE format('CREATE OPERATOR pg_catalog.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = super_query_%s)',
                       operator[2], kinds[1], kinds[2], operator[1]);
      EXCEPTION WHEN duplicate_function THEN
        NULL;
      END;
    END LOOP;
  END LOOP;
  CREATE OR REPLACE FUNCTION pg_catalog.super_negative(super) RETURNS super LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT pg_catalog.super_compute('0'::json::super, '-', $1) $$;
  CREATE OR REPLACE FUNCTION pg_catalog.super_positive(super) RETURNS super LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT pg_catalog.super_compute('0'::json::super, '+', $1) $$;
  CREATE OR REPLACE FUNCTION pg_catalog.super_like(super, text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT CASE json_typeof($1::json) WHEN 'string' THEN $1::json #>> '{}' LIKE $2 END $$;
  CREATE OR REPLACE FUNCTION pg_catalog.super_unlike(super, text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT CASE json_typeof($1::json) WHEN 'string' THEN $1::json #>> '{}' NOT LIKE $2 END $$;
  BEGIN
    CREATE OPERATOR pg_catalog.+ (RIGHTARG = super, FUNCTION = super_positive);
    CREATE OPERATOR pg_catalog.- (RIGHTARG = super, FUNCTION = super_negative);
    CREATE OPERATOR pg_catalog.~~ (LEFTARG = super, RIGHTARG = text, FUNCTION = super_like);
    CREATE OPERATOR pg_catalog.!~~ (LEFTARG = super, RIGHTARG = text, FUNCTION = super_unlike);
  EXCEPTION WHEN duplicate_function THEN
    NULL;
  END;
END
$do$;

-- Functions of numbers. ABS keeps the scale, the others drop it.
CREATE OR REPLACE FUNCTION pg_catalog.super_number(super) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN pg_catalog.super_is($1, 'number') THEN $1::json::text::numeric END $$;
DO $do$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['abs', 'ceil', 'ceiling', 'floor', 'round', 'sign', 'trunc'] LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.%s(super) RETURNS super LANGUAGE sql IMMUTABLE STRICT AS %L', name,
                   format('SELECT to_json(%s(pg_catalog.super_number($1)))::super', name));
  END LOOP;
END
$do$;
CREATE OR REPLACE FUNCTION pg_catalog.decimal_scale(super) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT scale(pg_catalog.super_number($1)) $$;
CREATE OR REPLACE FUNCTION pg_catalog.decimal_precision(super) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT length(regexp_replace(pg_catalog.super_number($1)::text, '[^0-9]', '')) $$;

-- Aggregates over the numbers among the values; the least and the greatest are those of the total order.
CREATE OR REPLACE FUNCTION pg_catalog.super_add(numeric[], super) RETURNS numeric[] LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN pg_catalog.super_is($2, 'number')
                  THEN ARRAY[coalesce($1[1], 0) + $2::json::text::numeric, coalesce($1[2], 0) + 1] ELSE $1 END $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_total(numeric[]) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT to_json($1[1])::super $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_mean(numeric[]) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT to_json(trim_scale($1[1] / $1[2]))::super $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_lesser(super, super) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN pg_catalog.super_order($2, $1) < 0 THEN $2 ELSE $1 END $$;
CREATE OR REPLACE FUNCTION pg_catalog.super_greater(super, super) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN pg_catalog.super_order($2, $1) > 0 THEN $2 ELSE $1 END $$;
CREATE OR REPLACE AGGREGATE pg_catalog.sum(super) (SFUNC = super_add, STYPE = numeric[], FINALFUNC = super_total);
CREATE OR REPLACE AGGREGATE pg_catalog.avg(super) (SFUNC = super_add, STYPE = numeric[], FINALFUNC = super_mean);
CREATE OR REPLACE AGGREGATE pg_catalog.min(super) (SFUNC = super_lesser, STYPE = super);
CREATE OR REPLACE AGGREGATE pg_catalog.max(super) (SFUNC = super_greater, STYPE = super);
