-- Strings compare as in Redshift: byte by byte, trailing blanks insignificant, while storage and functions keep them.
--
-- PostgreSQL has exactly this comparison, for its type bpchar; here its functions take the place of those behind the
-- operators and index support of text and varchar. Every =, <>, <, join, IN, DISTINCT, GROUP BY, ORDER BY, and count(distinct)
-- goes through them, so nothing has to be rewritten in a statement. LIKE, position() and length() are untouched.
UPDATE pg_operator AS o SET oprcode = ('pg_catalog.' || m.becomes)::regproc
FROM (VALUES ('texteq', 'bpchareq'), ('textne', 'bpcharne'), ('text_lt', 'bpcharlt'), ('text_le', 'bpcharle'),
             ('text_gt', 'bpchargt'), ('text_ge', 'bpcharge')) AS m (was, becomes)
WHERE o.oprcode::oid = (SELECT p.oid FROM pg_proc p WHERE p.proname = m.was AND p.pronamespace = 'pg_catalog'::regnamespace)
  AND o.oprleft = 'text'::regtype AND o.oprright = 'text'::regtype;

UPDATE pg_amproc AS a SET amproc = ('pg_catalog.' || m.becomes)::regproc
FROM (VALUES ('bttextcmp', 'bpcharcmp'), ('bttextsortsupport', 'bpchar_sortsupport'), ('hashtext', 'hashbpchar'),
             ('hashtextextended', 'hashbpcharextended')) AS m (was, becomes)
WHERE a.amproc::oid = (SELECT p.oid FROM pg_proc p WHERE p.proname = m.was AND p.pronamespace = 'pg_catalog'::regnamespace)
  AND a.amproclefttype = 'text'::regtype AND a.amprocrighttype = 'text'::regtype
  AND a.amprocfamily IN (SELECT opcfamily FROM pg_opclass WHERE opcname IN ('text_ops', 'varchar_ops'));

-- Equal strings are no longer equal bytes: an index must not fold them into one entry.
DELETE FROM pg_amproc
WHERE amproc = 'pg_catalog.btvarstrequalimage'::regproc AND amproclefttype = 'text'::regtype
  AND amprocfamily IN (SELECT opcfamily FROM pg_opclass WHERE opcname IN ('text_ops', 'varchar_ops'));
