"""A strict local stand-in for Amazon Redshift: it refuses what Redshift refuses.

A front that speaks Redshift's wire protocol, over a private PostgreSQL. See ``standin`` for the public face.

A client's statement goes ``session`` -> ``translate`` (``refuse``, then the module of its verb, then ``rewrite``) ->
a plan (``plans``), which PostgreSQL or the front carries out. ``rewrite`` walks the tokens; what one needs to know more
for is in modules of its own: paths into SUPER (``scopes``, ``navigation``), the list of a SELECT (``selects``),
``pivot``, ``windows``, ``calls``. What PostgreSQL lacks is in ``sql/``: types, casts, functions, system views, and the
comparison of strings that overlooks trailing blanks.

What it does not have, and answers with an error:

- COPY by a jsonpaths file, ORC, AVRO and fixed-width files, UNLOAD with PARTITION BY: the product sends none.
- Spatial functions, HyperLogLog sketches (HLL itself counts), COLLATE(), CHECKSUM, TEXT_TO_INT_ALT, newer functions of
  arrays (ARRAY_CONTAINS, ARRAY_SORT, ...), external schemas, Python and Lambda functions: much work, seldom in a mart.
- A column alias in WHERE, HAVING or QUALIFY: the guide speaks of the SELECT list alone.
- An alias on the target of DELETE: it is not in the grammar of the guide.
- FNV_HASH of numbers with a fraction, dates and times; iteration over a SUPER value that is no array: the guide does
  not say what they give.
- COALESCE, CASE and the like over SUPER and another type, || with SUPER: what it takes is not documented; cast first.
- A subscript behind a call (``ARRAY(1, 2)[0]``); EXCLUDE over tables that share the name of a column; GROUP BY ALL
  beside ``*``; LAG and LEAD with IGNORE NULLS and an offset that is no number; PERCENTILE_CONT of dates: each has a
  plain way round.
- SHOW of another database than the session's; the last five columns of SHOW COLUMNS, SHOW VIEW, SHOW PROCEDURE.

What it does not imitate: queues, distribution, the truncation of ``CAST(x AS VARCHAR)`` to 256 bytes, the string
literal that becomes a string in a SUPER column (write JSON_PARSE), the strict modes of SUPER, PCRE beyond PostgreSQL's
own expressions, the digits of divisions within SUPER, and a SET of enable_case_sensitive_identifier that a ROLLBACK
takes back.
"""

from aurora_dwh.local.redshift.faults import Fault
from aurora_dwh.local.redshift.standin import RedshiftStandIn
from aurora_dwh.local.s3 import S3Access

__all__ = ["Fault", "RedshiftStandIn", "S3Access"]
