-- Redshift's functions. What needs another grammar (NVL, DECODE, LISTAGG ...) is rewritten in the statement instead.

-- Raises an error from within an expression. What calls it is in a CASE, whose other arms are not evaluated.
CREATE SCHEMA IF NOT EXISTS pg_standin;
GRANT USAGE ON SCHEMA pg_standin TO PUBLIC;
CREATE OR REPLACE FUNCTION pg_standin.refuse(code text, message text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message;
END $$;

-- PostgreSQL's own of these names, which answer otherwise, stay under another name.
DO $do$
DECLARE
  line text;
BEGIN
  FOREACH line IN ARRAY ARRAY['split_part(text, text, integer)', 'regexp_replace(text, text, text)', 'regexp_replace(text, text, text, text)',
                              'regexp_replace(text, text, text, integer)', 'regexp_replace(text, text, text, integer, integer)',
                              'regexp_replace(text, text, text, integer, integer, text)', 'regexp_substr(text, text)', 'to_timestamp(double precision)'] LOOP
    IF to_regprocedure('pg_catalog.postgres_' || line) IS NULL THEN
      EXECUTE format('ALTER FUNCTION pg_catalog.%s RENAME TO postgres_%s', line, split_part(line, '(', 1));
    END IF;
  END LOOP;
END
$do$;

-- EXTRACT gives an INTEGER, of a TIMESTAMPTZ a DOUBLE PRECISION; PostgreSQL's gives a numeric, and stays under another name.
DO $do$
DECLARE
  source text;
BEGIN
  FOREACH source IN ARRAY ARRAY['timestamp', 'date', 'time', 'timetz', 'interval', 'timestamptz'] LOOP
    IF to_regprocedure(format('pg_catalog.postgres_extract(text, %s)', source)) IS NULL THEN
      EXECUTE format('ALTER FUNCTION pg_catalog.extract(text, %s) RENAME TO postgres_extract', source);
    END IF;
    EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.extract(text, %s) RETURNS %s LANGUAGE sql STABLE STRICT AS %L', source,
                   CASE source WHEN 'timestamptz' THEN 'double precision' ELSE 'integer' END,
                   CASE source WHEN 'timestamptz' THEN 'SELECT pg_catalog.postgres_extract($1, $2)::double precision'
                               ELSE 'SELECT trunc(CASE $1 WHEN ''millisecond'' THEN pg_catalog.postgres_extract($1, $2) % 1000'
                                    || ' WHEN ''microsecond'' THEN pg_catalog.postgres_extract($1, $2) % 1000000'
                                    || ' ELSE pg_catalog.postgres_extract($1, $2) END)::integer' END);
  END LOOP;
END
$do$;

-- Roots, powers, logarithms and deviations are DOUBLE PRECISION, of decimals and integers too (r_SQRT, r_STDDEV_functions).
UPDATE pg_proc SET proname = 'postgres_' || proname
WHERE pronamespace = 'pg_catalog'::regnamespace AND prorettype = 'numeric'::regtype
  AND proname IN ('sqrt', 'power', 'pow', 'exp', 'ln', 'log', 'log10', 'stddev', 'stddev_samp', 'stddev_pop', 'variance', 'var_samp', 'var_pop');

-- Dates. The date part arrives in its full spelling: the front writes it out.
CREATE OR REPLACE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE
AS $$ SELECT date_trunc('second', statement_timestamp()::timestamp) $$;
CREATE OR REPLACE FUNCTION pg_catalog.sysdate() RETURNS timestamp LANGUAGE sql STABLE
AS $$ SELECT localtimestamp $$;
CREATE OR REPLACE FUNCTION pg_catalog.dateadd(text, bigint, timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT $3 + CASE $1 WHEN 'quarter' THEN make_interval(months => 3 * $2::int)
                          WHEN 'decade' THEN make_interval(years => 10 * $2::int)
                          WHEN 'century' THEN make_interval(years => 100 * $2::int)
                          WHEN 'millennium' THEN make_interval(years => 1000 * $2::int)
                          ELSE ($2 || ' ' || $1)::interval END $$;
CREATE OR REPLACE FUNCTION pg_catalog.dateadd(text, bigint, timestamptz) RETURNS timestamptz LANGUAGE sql STABLE STRICT
AS $$ SELECT pg_catalog.dateadd($1, $2, $3 AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' $$;
CREATE OR REPLACE FUNCTION pg_catalog.dateadd(text, bigint, date) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT pg_catalog.dateadd($1, $2, $3::timestamp) $$;
CREATE OR REPLACE FUNCTION pg_catalog.datediff(text, timestamp, timestamp) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE $1
    WHEN 'day' THEN $3::date - $2::date
    WHEN 'hour' THEN pg_catalog.postgres_extract('epoch', date_trunc('hour', $3) - date_trunc('hour', $2)) / 3600
    WHEN 'minute' THEN pg_catalog.postgres_extract('epoch', date_trunc('minute', $3) - date_trunc('minute', $2)) / 60
    WHEN 'second' THEN pg_catalog.postgres_extract('epoch', date_trunc('second', $3) - date_trunc('second', $2))
    WHEN 'millisecond' THEN pg_catalog.postgres_extract('epoch', date_trunc('millisecond', $3) - date_trunc('millisecond', $2)) * 1000
    WHEN 'microsecond' THEN pg_catalog.postgres_extract('epoch', $3 - $2) * 1000000
    WHEN 'week' THEN (date_trunc('week', $3)::date - date_trunc('week', $2)::date) / 7
    WHEN 'month' THEN 12 * (pg_catalog.postgres_extract('year', $3) - pg_catalog.postgres_extract('year', $2)) + pg_catalog.postgres_extract('month', $3) - pg_catalog.postgres_extract('month', $2)
    WHEN 'quarter' THEN 4 * (pg_catalog.postgres_extract('year', $3) - pg_catalog.postgres_extract('year', $2)) + pg_catalog.postgres_extract('quarter', $3) - pg_catalog.postgres_extract('quarter', $2)
    WHEN 'year' THEN pg_catalog.postgres_extract('year', $3) - pg_catalog.postgres_extract('year', $2)
    WHEN 'decade' THEN pg_catalog.postgres_extract('decade', $3) - pg_catalog.postgres_extract('decade', $2)
    WHEN 'century' THEN pg_catalog.postgres_extract('century', $3) - pg_catalog.postgres_extract('century', $2)
  END::bigint $$;
-- Of a DATE too it is a TIMESTAMP, and of a literal, which PostgreSQL would take for a timestamptz.
CREATE OR REPLACE FUNCTION pg_catalog.date_trunc(text, date) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT date_trunc($1, $2::timestamp) $$;
CREATE OR REPLACE FUNCTION pg_catalog.last_day(timestamp) RETURNS date LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT (date_trunc('month', $1) + interval '1 month - 1 day')::date $$;
CREATE OR REPLACE FUNCTION pg_catalog.add_months(timestamp, bigint) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN $1::date = pg_catalog.last_day($1)
                  THEN pg_catalog.last_day($1 + make_interval(months => $2::int)) + $1::time
                  ELSE $1 + make_interval(months => $2::int) END $$;
CREATE OR REPLACE FUNCTION pg_catalog.months_between(timestamp, timestamp) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT (12 * (pg_catalog.postgres_extract('year', $1) - pg_catalog.postgres_extract('year', $2)) + pg_catalog.postgres_extract('month', $1) - pg_catalog.postgres_extract('month', $2)
    + CASE WHEN pg_catalog.postgres_extract('day', $1) = pg_catalog.postgres_extract('day', $2)
             OR ($1::date = pg_catalog.last_day($1) AND $2::date = pg_catalog.last_day($2)) THEN 0
           ELSE (pg_catalog.postgres_extract('day', $1) - pg_catalog.postgres_extract('day', $2)
                 + (pg_catalog.postgres_extract('epoch', $1::time) - pg_catalog.postgres_extract('epoch', $2::time)) / 86400) / 31 END)::double precision $$;
CREATE OR REPLACE FUNCTION pg_catalog.convert_timezone(text, text, timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $3 AT TIME ZONE $1 AT TIME ZONE $2 $$;
CREATE OR REPLACE FUNCTION pg_catalog.convert_timezone(text, timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $2 AT TIME ZONE 'UTC' AT TIME ZONE $1 $$;
CREATE OR REPLACE FUNCTION pg_catalog.convert_timezone(text, timestamptz) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $2 AT TIME ZONE $1 $$;
CREATE OR REPLACE FUNCTION pg_catalog.trunc(timestamp) RETURNS date LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1::date $$;

-- Strings.
CREATE OR REPLACE FUNCTION pg_catalog.len(text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT length($1) $$;
CREATE OR REPLACE FUNCTION pg_catalog.textlen(text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT length($1) $$;
CREATE OR REPLACE FUNCTION pg_catalog.len(varbyte) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT octet_length($1::bytea) $$;
CREATE OR REPLACE FUNCTION pg_catalog.charindex(text, text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT strpos($2, $1) $$;
CREATE OR REPLACE FUNCTION pg_catalog.replicate(text, integer) RETURNS text LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT repeat($1, $2) $$;
-- Letters of all alphabets have their case; the database's own collation is that of bytes.
DO $do$
DECLARE
  name text;
  letters text := (SELECT collname FROM pg_collation WHERE collname IN ('pg_c_utf8', 'C.utf8', 'en_US.utf8') ORDER BY collname DESC LIMIT 1);
BEGIN
  FOREACH name IN ARRAY ARRAY['upper', 'lower', 'initcap'] LOOP
    CONTINUE WHEN letters IS NULL;
    IF to_regprocedure(format('pg_catalog.postgres_%s(text)', name)) IS NULL THEN
      EXECUTE format('ALTER FUNCTION pg_catalog.%s(text) RENAME TO postgres_%1$s', name);
    END IF;
    EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.%s(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS '
                   '$$ SELECT pg_catalog.postgres_%1$s($1 COLLATE pg_catalog.%I) $$', name, letters);
  END LOOP;
END
$do$;
CREATE OR REPLACE FUNCTION pg_catalog.split_part(text, text, integer) RETURNS text LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN $3 < 1 THEN pg_standin.refuse('22023', 'field position must be greater than zero') ELSE pg_catalog.postgres_split_part($1, $2, $3) END $$;
-- REGEXP_REPLACE replaces every occurrence from a position on.
CREATE OR REPLACE FUNCTION pg_catalog.regexp_replace(text, text, text, integer, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT left($1, greatest($4, 1) - 1)
             || pg_catalog.postgres_regexp_replace(substr($1, greatest($4, 1)), $2, $3, translate($5, 'cp', '') || 'g') $$;
CREATE OR REPLACE FUNCTION pg_catalog.regexp_replace(text, text, text, integer) RETURNS text LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT pg_catalog.regexp_replace($1, $2, $3, $4, '') $$;
CREATE OR REPLACE FUNCTION pg_catalog.regexp_replace(text, text, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT pg_catalog.postgres_regexp_replace($1, $2, $3, 'g') $$;
CREATE OR REPLACE FUNCTION pg_catalog.regexp_replace(text, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT pg_catalog.postgres_regexp_replace($1, $2, '', 'g') $$;
CREATE OR REPLACE FUNCTION pg_catalog.regexp_substr(text, text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT coalesce(substring($1 FROM $2), '') $$;
CREATE OR REPLACE FUNCTION pg_catalog.listagg_fit(text) RETURNS varchar LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN octet_length($1) > 65535 THEN pg_standin.refuse('XX000', 'Result size exceeds LISTAGG limit') ELSE $1 END::varchar $$;
CREATE OR REPLACE FUNCTION pg_catalog.strtol_any_base(text, integer) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  total numeric := 0;
  digit integer;
  body text := lower(ltrim($1, ' -+'));
BEGIN
  FOR i IN 1 .. length(body) LOOP
    digit := strpos('0123456789abcdefghijklmnopqrstuvwxyz', substr(body, i, 1)) - 1;
    IF digit < 0 OR digit >= $2 THEN
      RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = format('The input %s is not valid to be converted to base %s', $1, $2);
    END IF;
    total := total * $2 + digit;
  END LOOP;
  RETURN CASE WHEN left(ltrim($1), 1) = '-' THEN -total ELSE total END;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.strtol(text, integer) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN $2 = 16 AND $1 ~ '^ *[-+]?0[xX]' THEN pg_catalog.strtol_any_base(regexp_replace($1, '0[xX]', ''), $2)
                  WHEN $2 = 16 AND length($1) BETWEEN 1 AND 15 AND $1 ~ '^[0-9a-fA-F]+$'
                  THEN ('x' || lpad($1, 16, '0'))::bit(64)::bigint
                  ELSE pg_catalog.strtol_any_base($1, $2) END $$;

-- Digests.
CREATE OR REPLACE FUNCTION pg_catalog.sha2(text, integer) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT encode(CASE $2 WHEN 224 THEN sha224(convert_to($1, 'UTF8')) WHEN 384 THEN sha384(convert_to($1, 'UTF8'))
                           WHEN 512 THEN sha512(convert_to($1, 'UTF8')) WHEN 0 THEN sha256(convert_to($1, 'UTF8'))
                           WHEN 256 THEN sha256(convert_to($1, 'UTF8')) ELSE '' END, 'hex')::varchar $$;
CREATE OR REPLACE FUNCTION pg_catalog.sha1(text) RETURNS varchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  message bytea := convert_to($1, 'UTF8');
  size bigint := octet_length(message);
  mask CONSTANT bigint := 4294967295;
  a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; k bigint; turned bigint;
  h0 bigint := 1732584193; h1 bigint := 4023233417; h2 bigint := 2562383102; h3 bigint := 271733878; h4 bigint := 3285377520;
  w bigint[];
BEGIN
  message := message || decode('80', 'hex') || decode(repeat('00', ((119 - size % 64) % 64)::int), 'hex') || int8send(size * 8);
  FOR chunk IN 0 .. octet_length(message) / 64 - 1 LOOP
    FOR i IN 0 .. 15 LOOP
      w[i] := (get_byte(message, chunk * 64 + i * 4)::bigint << 24) | (get_byte(message, chunk * 64 + i * 4 + 1) << 16)
              | (get_byte(message, chunk * 64 + i * 4 + 2) << 8) | get_byte(message, chunk * 64 + i * 4 + 3);
    END LOOP;
    FOR i IN 16 .. 79 LOOP
      turned := w[i - 3] # w[i - 8] # w[i - 14] # w[i - 16];
      w[i] := ((turned << 1) | (turned >> 31)) & mask;
    END LOOP;
    a := h0; b := h1; c := h2; d := h3; e := h4;
    FOR i IN 0 .. 79 LOOP
      IF i < 20 THEN
        f := (b & c) | ((b # mask) & d); k := 1518500249;
      ELSIF i < 40 THEN
        f := b # c # d; k := 1859775393;
      ELSIF i < 60 THEN
        f := (b & c) | (b & d) | (c & d); k := 2400959708;
      ELSE
        f := b # c # d; k := 3395469782;
      END IF;
      turned := ((((a << 5) | (a >> 27)) & mask) + f + e + k + w[i]) & mask;
      e := d; d := c; c := ((b << 30) | (b >> 2)) & mask; b := a; a := turned;
    END LOOP;
    h0 := (h0 + a) & mask; h1 := (h1 + b) & mask; h2 := (h2 + c) & mask; h3 := (h3 + d) & mask; h4 := (h4 + e) & mask;
  END LOOP;
  RETURN lpad(to_hex(h0), 8, '0') || lpad(to_hex(h1), 8, '0') || lpad(to_hex(h2), 8, '0') || lpad(to_hex(h3), 8, '0')
         || lpad(to_hex(h4), 8, '0');
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.func_sha1(text) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT pg_catalog.sha1($1) $$;
CREATE OR REPLACE FUNCTION pg_catalog.crc32(text) RETURNS varchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  message bytea := convert_to($1, 'UTF8');
  crc bigint := 4294967295;
BEGIN
  FOR i IN 0 .. octet_length(message) - 1 LOOP
    crc := crc # get_byte(message, i);
    FOR bit IN 1 .. 8 LOOP
      crc := CASE WHEN crc & 1 = 1 THEN (crc >> 1) # 3988292384 ELSE crc >> 1 END;
    END LOOP;
  END LOOP;
  RETURN lpad(to_hex(crc # 4294967295), 8, '0');
END $$;

-- VARBYTE.
CREATE OR REPLACE FUNCTION pg_catalog.to_hex(varbyte) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT encode($1::bytea, 'hex')::varchar $$;
CREATE OR REPLACE FUNCTION pg_catalog.to_hex(varchar) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT encode(convert_to($1, 'UTF8'), 'hex')::varchar $$;
CREATE OR REPLACE FUNCTION pg_catalog.from_hex(varchar) RETURNS varbyte LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT decode($1, 'hex')::varbyte $$;
CREATE OR REPLACE FUNCTION pg_catalog.to_varbyte(varchar, varchar) RETURNS varbyte LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE lower($2) WHEN 'hex' THEN decode($1, 'hex') WHEN 'base64' THEN decode($1, 'base64')
             ELSE convert_to($1, 'UTF8') END::varbyte $$;
-- A text that is longer than a VARCHAR holds fails (estuary/connectors PR#2010).
CREATE OR REPLACE FUNCTION pg_catalog.from_varbyte(varbyte, varchar) RETURNS varchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  found text := CASE lower($2) WHEN 'hex' THEN encode($1::bytea, 'hex') WHEN 'base64' THEN encode($1::bytea, 'base64')
                ELSE convert_from($1::bytea, 'UTF8') END;
BEGIN
  IF octet_length(found) > 65535 THEN
    RAISE EXCEPTION 'String value exceeds the max size of 65535 bytes' USING ERRCODE = 'XX000';
  END IF;
  RETURN found;
END $$;

-- SUPER. Redshift keeps the order of keys and every digit of a number, and drops the blanks between tokens.
-- A key stands once in an object, and a string has 65,535 bytes at most: super-configurations of the guide.
CREATE OR REPLACE FUNCTION pg_standin.refused_document(document text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF document IS JSON AND NOT document IS JSON WITH UNIQUE KEYS THEN
    RETURN 'JSON_PARSE() error: duplicate attribute name in an object';
  ELSIF octet_length(document) > 65535 AND EXISTS (
    SELECT FROM pg_catalog.regexp_matches(document, E'"((?:[^"\\\\]|\\\\.)*)"', 'g') AS string WHERE octet_length(string[1]) > 65535) THEN
    RETURN 'JSON_PARSE() error: String value exceeds the max size of 65535 bytes';
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.json_parse(varchar) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN (NOT $1 IS JSON WITH UNIQUE KEYS OR octet_length($1) > 65535) AND pg_standin.refused_document($1) IS NOT NULL
                  THEN pg_standin.refuse('XX000', pg_standin.refused_document($1))
                  WHEN $1 ~ E'[ \t\n\r]' THEN pg_catalog.postgres_regexp_replace($1, E'("(?:[^"\\\\]|\\\\.)*")|\\s+', E'\\1', 'g')
                  ELSE $1 END::json::super $$;
CREATE OR REPLACE FUNCTION pg_catalog.json_parse(varbyte) RETURNS super LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT pg_catalog.json_parse(convert_from($1::bytea, 'UTF8')::varchar) $$;
CREATE OR REPLACE FUNCTION pg_catalog."json_serialize"(super) RETURNS varchar LANGUAGE sql IMMUTABLE
AS $$ SELECT coalesce($1::json::text, 'null')::varchar $$;
CREATE OR REPLACE FUNCTION pg_catalog.json_typeof(super) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT json_typeof($1::json)::varchar $$;
CREATE OR REPLACE FUNCTION pg_catalog.get_array_length(super) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT json_array_length($1::json) $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_valid_json(varchar) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN json_typeof($1::json) = 'object';
EXCEPTION WHEN invalid_text_representation THEN
  RETURN false;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.is_valid_json_array(varchar) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN json_typeof($1::json) = 'array';
EXCEPTION WHEN invalid_text_representation THEN
  RETURN false;
END $$;
DO $do$
BEGIN  -- with PostgreSQL's own of that name, a call with plain literals would be ambiguous
  IF to_regprocedure('pg_catalog.json_extract_path_text(json, text[])') IS NOT NULL THEN
    ALTER FUNCTION pg_catalog.json_extract_path_text(json, text[]) RENAME TO postgres_json_extract_path_text;
  END IF;
END
$do$;
CREATE OR REPLACE FUNCTION pg_catalog.json_extract_path_text(varchar, VARIADIC varchar[]) RETURNS varchar
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ($1::json #>> $2::text[])::varchar $$;
CREATE OR REPLACE FUNCTION pg_catalog.json_extract_array_element_text(varchar, integer) RETURNS varchar
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ($1::json ->> $2)::varchar $$;
CREATE OR REPLACE FUNCTION pg_catalog.json_array_length(varchar) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT json_array_length($1::json) $$;

-- Aggregates. The sum of BIGINT is a BIGINT, that of REAL a DOUBLE PRECISION: r_SUM of the guide.
UPDATE pg_aggregate SET aggtransfn = 'int8pl', aggfinalfn = 0, aggcombinefn = 'int8pl', aggserialfn = 0, aggdeserialfn = 0,
  aggmtransfn = 0, aggminvtransfn = 0, aggmfinalfn = 0, aggtranstype = 'bigint'::regtype, aggtransspace = 0, aggmtranstype = 0, aggmtransspace = 0
WHERE aggfnoid = 'pg_catalog.sum(bigint)'::regprocedure;
UPDATE pg_proc SET prorettype = 'bigint'::regtype WHERE oid = 'pg_catalog.sum(bigint)'::regprocedure;
DO $do$
BEGIN  -- without PostgreSQL's own, that of DOUBLE PRECISION is taken
  IF to_regprocedure('pg_catalog.sum(real)') IS NOT NULL THEN
    ALTER AGGREGATE pg_catalog.sum(real) RENAME TO postgres_sum;
  END IF;
END
$do$;
-- The average of integers is an integer (of BIGINT by a cast in the statement: ``decimals``).
CREATE OR REPLACE FUNCTION pg_catalog.int_avg(bigint[]) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT $1[2] / NULLIF($1[1], 0) $$;
UPDATE pg_aggregate SET aggfinalfn = 'pg_catalog.int_avg'::regproc, aggmfinalfn = 'pg_catalog.int_avg'::regproc
WHERE aggfnoid IN ('pg_catalog.avg(smallint)'::regprocedure, 'pg_catalog.avg(integer)'::regprocedure);
UPDATE pg_proc SET prorettype = 'bigint'::regtype
WHERE oid IN ('pg_catalog.avg(smallint)'::regprocedure, 'pg_catalog.avg(integer)'::regprocedure);

DO $do$
DECLARE
  kind text;
BEGIN  -- of integers it is a decimal: PostgreSQL would take them for DOUBLE PRECISION
  FOREACH kind IN ARRAY ARRAY['numeric', 'double precision', 'smallint', 'integer', 'bigint'] LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.median_of(%s[]) RETURNS %s LANGUAGE sql IMMUTABLE STRICT AS $$ '
      'SELECT avg(v::%2$s) FROM (SELECT v, row_number() OVER (ORDER BY v) AS i, count(*) OVER () AS n FROM unnest($1) v WHERE v IS NOT NULL) s '
      'WHERE i IN ((n + 1) / 2, (n + 2) / 2) $$', kind, CASE kind WHEN 'double precision' THEN kind ELSE 'numeric' END);
    EXECUTE format('CREATE OR REPLACE AGGREGATE pg_catalog.median(%1$s) (SFUNC = array_append, STYPE = %1$s[], FINALFUNC = median_of)', kind);
  END LOOP;
END
$do$;

-- The session's own counters: the front writes the value into the call.
CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_count(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_id(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_last_unload_count(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
CREATE OR REPLACE FUNCTION pg_catalog.pg_last_unload_id(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE
AS $$ SELECT 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.100000' $$;
CREATE OR REPLACE FUNCTION pg_catalog.current_user_id() RETURNS integer LANGUAGE sql STABLE
AS $$ SELECT oid::integer FROM pg_roles WHERE rolname = current_user $$;

-- Decimals. One of 19 digits is kept in 64 bits (r_Numeric_types201), and NaN is none. The cast that fits a value to precision
-- and scale is that of all ways into a column, too.
CREATE OR REPLACE FUNCTION pg_standin.fit_decimal(value numeric, modifier integer) RETURNS numeric LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN value = 'NaN' THEN pg_standin.refuse('XX000', 'NaN cannot be a decimal')::numeric
                  WHEN (modifier - 4) >> 16 = 19 AND abs(pg_catalog.numeric(value, modifier)) > 9223372036854775807 / 10::numeric ^ ((modifier - 4) & 2047)
                  THEN pg_standin.refuse('XX000', 'Numeric data overflow (result precision)')::numeric
                  ELSE pg_catalog.numeric(value, modifier) END $$;
CREATE OR REPLACE FUNCTION pg_standin.to_decimal(value double precision) RETURNS numeric LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN pg_catalog.float8eq(value, 'NaN') THEN pg_standin.refuse('XX000', 'NaN cannot be a decimal')::numeric ELSE pg_catalog.numeric(value) END $$;
CREATE OR REPLACE FUNCTION pg_standin.to_decimal(value real) RETURNS numeric LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN pg_catalog.float4eq(value, 'NaN') THEN pg_standin.refuse('XX000', 'NaN cannot be a decimal')::numeric ELSE pg_catalog.numeric(value) END $$;
UPDATE pg_cast SET castfunc = CASE castsource WHEN 'numeric'::regtype THEN 'pg_standin.fit_decimal(numeric, integer)'::regprocedure
                                   WHEN 'real'::regtype THEN 'pg_standin.to_decimal(real)'::regprocedure
                                   ELSE 'pg_standin.to_decimal(double precision)'::regprocedure END
WHERE casttarget = 'numeric'::regtype AND castsource IN ('numeric'::regtype, 'real'::regtype, 'double precision'::regtype);

-- A cast to VARCHAR(n) cuts at n bytes, never within a character.
CREATE OR REPLACE FUNCTION pg_standin.cut(value varchar, size integer) RETURNS varchar LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  bytes bytea := convert_to(value, 'UTF8');
BEGIN
  WHILE size > 0 AND get_byte(bytes, size) & 192 = 128 LOOP
    size := size - 1;
  END LOOP;
  RETURN convert_from(substring(bytes FROM 1 FOR size), 'UTF8');
END $$;
CREATE OR REPLACE FUNCTION pg_standin.fit_varchar(value varchar, modifier integer, is_cast boolean) RETURNS varchar LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN is_cast AND octet_length(value) > modifier - 4 THEN pg_standin.cut(value, modifier - 4)
                  ELSE pg_catalog.varchar(value, modifier, is_cast) END $$;
UPDATE pg_cast SET castfunc = 'pg_standin.fit_varchar(varchar, integer, boolean)'::regprocedure
WHERE castsource = 'varchar'::regtype AND casttarget = 'varchar'::regtype;

-- NaN is equal to nothing, nor more or less than anything (SDB). PostgreSQL's own operators, which ORDER BY and GROUP BY go
-- by, stay under other names.
DO $do$
DECLARE
  op record;
BEGIN
  FOR op IN SELECT o.oid, o.oprname, o.oprcode::text AS code, o.oprleft::regtype AS one, o.oprright::regtype AS other FROM pg_operator o
            WHERE o.oprname IN ('=', '<', '>', '<=', '>=') AND o.oprleft IN ('real'::regtype, 'double precision'::regtype)
              AND o.oprright IN ('real'::regtype, 'double precision'::regtype) AND o.oprcode::text NOT LIKE 'pg_standin.%' LOOP
    EXECUTE format('CREATE FUNCTION pg_standin.%1$s(%2$s, %3$s) RETURNS boolean LANGUAGE sql IMMUTABLE AS '
                   '$$ SELECT pg_catalog.%1$s($1, $2) AND pg_catalog.%4$sne($1, ''NaN'') AND pg_catalog.%5$sne($2, ''NaN'') $$',
                   op.code, op.one, op.other, CASE op.one::text WHEN 'real' THEN 'float4' ELSE 'float8' END,
                   CASE op.other::text WHEN 'real' THEN 'float4' ELSE 'float8' END);
    UPDATE pg_operator SET oprname = 'postgres ' || op.oprname WHERE oid = op.oid;
    EXECUTE format('CREATE OPERATOR pg_catalog.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = pg_standin.%s)',
                   op.oprname, op.one, op.other, op.code);
  END LOOP;
END
$do$;

-- Booleans become integers of every size.
DO $do$
DECLARE
  kind text;
BEGIN
  FOREACH kind IN ARRAY ARRAY['smallint', 'bigint'] LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION pg_standin.to_%1$s(boolean) RETURNS %1$s LANGUAGE sql IMMUTABLE STRICT AS '
                   '$$ SELECT $1::integer::%1$s $$', kind);
    IF NOT EXISTS (SELECT FROM pg_cast WHERE castsource = 'boolean'::regtype AND casttarget = kind::regtype) THEN
      EXECUTE format('CREATE CAST (boolean AS %1$s) WITH FUNCTION pg_standin.to_%1$s(boolean)', kind);
    END IF;
  END LOOP;
END
$do$;
