-- Statements as sys_query_history and stl_query show them; the front hands over the records (history.py).
CREATE OR REPLACE FUNCTION pg_standin.query_type(query_text text) RETURNS text LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN query_text ~* E'^(\\s|/\\*.*?\\*/|--[^\n]*\n)*create\\s+((local\\s+)?(temp|temporary)\\s+)?table\\s.*\\sas\\s*\\(*\\s*(select|with)\\y' THEN 'CTAS'
                  ELSE CASE word WHEN 'WITH' THEN 'SELECT' WHEN 'SELECT' THEN 'SELECT' WHEN 'INSERT' THEN 'INSERT' WHEN 'UPDATE' THEN 'UPDATE'
                       WHEN 'DELETE' THEN 'DELETE' WHEN 'MERGE' THEN 'MERGE' WHEN 'COPY' THEN 'COPY' WHEN 'UNLOAD' THEN 'UNLOAD'
                       WHEN 'CREATE' THEN 'DDL' WHEN 'ALTER' THEN 'DDL' WHEN 'DROP' THEN 'DDL' WHEN 'TRUNCATE' THEN 'DDL'
                       WHEN '' THEN 'OTHER' ELSE 'UTILITY' END END
      FROM (SELECT upper(coalesce(substring(query_text FROM E'^(?:\\s|/\\*.*?\\*/|--[^\n]*\n|\\()*(\\w+)'), '')) AS word) AS first $$;

CREATE OR REPLACE FUNCTION pg_standin.sys_query_history(records json) RETURNS TABLE (
  user_id integer, query_id bigint, query_label char(320), transaction_id bigint, session_id integer, database_name char(128),
  query_type char(32), status char(10), result_cache_hit boolean, start_time timestamp, end_time timestamp, elapsed_time bigint,
  queue_time bigint, execution_time bigint, error_message char(512), returned_rows bigint, returned_bytes bigint, query_text char(4000),
  redshift_version char(256), usage_limit char(150), compute_type varchar(32), compile_time bigint, planning_time bigint,
  lock_wait_time bigint, service_class_id integer, service_class_name char(64), query_priority char(20), short_query_accelerated char(10),
  user_query_hash char(40), generic_query_hash char(40), query_hash_version integer, result_cache_query_id integer, username char(128))
LANGUAGE sql STABLE AS $$
SELECT u.oid::integer, q.query_id, 'default', q.transaction_id, q.session_id, q.database_name, pg_standin.query_type(q.query_text), q.status,
       false, postgres_to_timestamp(q.started) AT TIME ZONE 'UTC', postgres_to_timestamp(q.ended) AT TIME ZONE 'UTC', t.taken, 0, t.taken, left(q.error_message, 512),
       CASE WHEN pg_standin.query_type(q.query_text) = 'SELECT' THEN q.rows ELSE 0 END, NULL::bigint, left(q.query_text, 4000),
       '1.0.100000', NULL, 'primary', 0, 0, 0, -1, '', '', '', md5(q.query_text), NULL, 1, 0, q.user_name
FROM json_to_recordset(records) AS q (query_id bigint, transaction_id bigint, session_id integer, user_name text, database_name text, query_text text,
                                      started double precision, ended double precision, status text, error_message text, rows bigint)
JOIN pg_roles u ON u.rolname = q.user_name
CROSS JOIN LATERAL (SELECT ((coalesce(q.ended, extract(epoch FROM clock_timestamp())) - q.started) * 1000000)::bigint AS taken) t
WHERE q.user_name = current_user OR pg_standin.sees_others() $$;

-- Queries only: DDL and utilities are in stl_ddltext and stl_utilitytext.
CREATE OR REPLACE FUNCTION pg_standin.stl_query(records json) RETURNS TABLE (
  userid integer, query integer, label char(320), xid bigint, pid integer, database char(32), querytxt char(4000), starttime timestamp,
  endtime timestamp, aborted integer, insert_pristine integer, concurrency_scaling_status integer)
LANGUAGE sql STABLE AS $$
SELECT user_id, query_id::integer, query_label, transaction_id, session_id, database_name::char(32), query_text, start_time, end_time,
       (status IN ('failed', 'canceled'))::integer, 0, 0
FROM pg_standin.sys_query_history(records) WHERE query_type NOT IN ('DDL', 'UTILITY', 'OTHER') AND status <> 'running' $$;
