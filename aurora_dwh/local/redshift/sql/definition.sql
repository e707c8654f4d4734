-- A table as the statement that would make it: SHOW TABLE.
CREATE OR REPLACE FUNCTION pg_standin.definition(relation regclass) RETURNS varchar LANGUAGE plpgsql STABLE AS $$
DECLARE
  body text;
  keys text;
  head text;
  tail text;
BEGIN
  SELECT format('CREATE TABLE %I.%I', r.schema_name, r.table_name) INTO head FROM pg_standin.relation r
  WHERE r.oid = relation AND r.relkind = 'r';
  IF head IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = '42809', MESSAGE = format('%s is not a table', relation);
  END IF;
  SELECT string_agg('    ' || quote_ident(c.column_name) || ' '
           || pg_standin.type_name(c.atttypid, c.atttypmod)
           || CASE WHEN c.column_default IS NULL THEN '' ELSE ' DEFAULT ' || c.column_default END
           || CASE WHEN c.attnotnull THEN ' NOT NULL' ELSE '' END
           || ' ENCODE ' || replace(pg_standin.encoding(t, c.short, c.attnum, c.atttypid), 'none', 'raw')
           || CASE WHEN c.attnum = t.distkey THEN ' distkey' ELSE '' END, E',\n' ORDER BY c.attnum)
  INTO body FROM pg_standin.col c LEFT JOIN pg_standin.table_attribute t ON t.relid = c.relid WHERE c.relid = relation;
  SELECT string_agg(format(E',\n    %s (%s)', CASE d.kind WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END,
                           pg_standin.listed(relation, d.columns)), '' ORDER BY d.id)
  INTO keys FROM pg_standin.declared d WHERE d.relid = relation AND d.kind <> 'f';
  SELECT ' DISTSTYLE ' || coalesce(t.diststyle, 'AUTO')
         || coalesce(' ' || nullif(nullif(t.sortstyle, 'COMPOUND'), 'AUTO'), '')
         || coalesce(' SORTKEY (' || nullif((SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.n)
              FROM unnest(t.sortkey) WITH ORDINALITY AS k (number, n)
              JOIN pg_attribute a ON a.attrelid = relation AND a.attnum = k.number), '') || ')', '')
  INTO tail FROM pg_standin.table_attribute t WHERE t.relid = relation;
  RETURN head || E' (\n' || body || coalesce(keys, '') || E'\n)' || coalesce(tail, ' DISTSTYLE AUTO') || ';';
END $$;
