-- Window functions that PostgreSQL lacks, as aggregates over the frame that the front writes for them.

-- FIRST_VALUE, LAST_VALUE, LAG and LEAD with IGNORE NULLS. A strict transition passes over NULL.
CREATE OR REPLACE FUNCTION pg_catalog.keep_first(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT $1 $$;
CREATE OR REPLACE FUNCTION pg_catalog.keep_last(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT $2 $$;
CREATE OR REPLACE AGGREGATE pg_catalog.first_present(anyelement) (SFUNC = keep_first, STYPE = anyelement);
CREATE OR REPLACE AGGREGATE pg_catalog.last_present(anyelement) (SFUNC = keep_last, STYPE = anyelement);

-- LISTAGG(DISTINCT ...) OVER: the frame holds the values in their order, so that equal ones keep their first place.
CREATE OR REPLACE FUNCTION pg_catalog.list_once(text[], text, text) RETURNS text[] LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN $2 IS NULL OR $2 = ANY ($1[2:]) THEN $1
                  WHEN $1 IS NULL THEN ARRAY[coalesce($3, ''), $2] ELSE $1 || $2 END $$;
CREATE OR REPLACE FUNCTION pg_catalog.join_list(text[]) RETURNS text LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT array_to_string($1[2:], $1[1]) $$;
CREATE OR REPLACE AGGREGATE pg_catalog.list_distinct(text, text) (SFUNC = list_once, STYPE = text[], FINALFUNC = join_list);

-- MEDIAN of dates and times.
CREATE OR REPLACE FUNCTION pg_catalog.median_of(timestamp[]) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT min(v) + (max(v) - min(v)) / 2 FROM (
        SELECT v, row_number() OVER (ORDER BY v) AS i, count(*) OVER () AS n FROM unnest($1) v WHERE v IS NOT NULL) s
      WHERE i IN ((n + 1) / 2, (n + 2) / 2) $$;
CREATE OR REPLACE FUNCTION pg_catalog.median_of(date[]) RETURNS date LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT pg_catalog.median_of($1::timestamp[])::date $$;
CREATE OR REPLACE AGGREGATE pg_catalog.median(timestamp) (SFUNC = array_append, STYPE = timestamp[], FINALFUNC = median_of);
CREATE OR REPLACE AGGREGATE pg_catalog.median(date) (SFUNC = array_append, STYPE = date[], FINALFUNC = median_of);

-- PERCENTILE_CONT and PERCENTILE_DISC OVER: of the values of the partition, sorted.
CREATE OR REPLACE FUNCTION pg_catalog.percentile_cont_of(double precision[], double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT $1[floor(at)::int] + (at - floor(at)) * ($1[ceil(at)::int] - $1[floor(at)::int])
      FROM (SELECT 1 + $2 * (cardinality($1) - 1) AS at) p $$;
CREATE OR REPLACE FUNCTION pg_catalog.percentile_disc_of(anyarray, double precision) RETURNS anyelement
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1[greatest(1, ceil($2 * cardinality($1))::int)] $$;
