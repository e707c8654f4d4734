"""A strict local stand-in for Amazon Redshift: it refuses what Redshift refuses.

A front that speaks Redshift's wire protocol, over a private PostgreSQL. See ``standin`` for the public face.

A client's statement goes ``session`` -> ``translate`` (``refuse``, then the module of its verb, then ``rewrite``, then
``refuse_tree`` and ``decimals`` by the tree that PostgreSQL makes of it) -> a plan (``plans``), which PostgreSQL or the
front carries out. ``rewrite`` walks the tokens; what one needs to know more for is in modules of its own: paths into
SUPER (``scopes``, ``navigation``), the list of a SELECT (``selects``), ``pivot``, ``windows``, ``calls``. What
PostgreSQL lacks is in ``sql/``: types, casts, functions, system views, the catalog's tables as PostgreSQL 8.0 had them
(``system_tables``), and the comparison of strings that overlooks trailing blanks.

What it does not have, and answers with an error:

- COPY of anything but Parquet and plain CSV (delimited text, JSON, compression, headers, MAXERROR), ALTER TABLE APPEND,
  UNLOAD with PARTITION BY or a key of its own: nothing sends them.
- Spatial functions, HyperLogLog sketches (HLL itself counts), COLLATE(), CHECKSUM, TEXT_TO_INT_ALT, newer functions of
  arrays (ARRAY_CONTAINS, ARRAY_SORT, ...), external schemas, Python and Lambda functions: much work, seldom in a mart.
- A column alias in HAVING or QUALIFY: the guide speaks of the SELECT list, and sqlalchemy-redshift of WHERE.
- An alias on the target of DELETE: it is not in the grammar of the guide.
- FNV_HASH of numbers with a fraction, dates and times; iteration over a SUPER value that is no array: the guide does
  not say what they give.
- COALESCE, CASE and the like over SUPER and another type, || with SUPER: what it takes is not documented; cast first.
- A lateral alias in a subquery that iterates over SUPER of the query around; a subscript behind a call
  (``ARRAY(1, 2)[0]``); EXCLUDE over tables that share the name of a column; GROUP BY ALL beside ``*``; LAG and LEAD
  with IGNORE NULLS and an offset that is no number; PERCENTILE_CONT of dates: each has a plain way round.
- SHOW of another database than the session's; the last five columns of SHOW COLUMNS, SHOW VIEW, SHOW PROCEDURE.

What it does not imitate: queues, distribution, the strict modes of SUPER, PCRE beyond PostgreSQL's own expressions, the
digits of divisions within SUPER, and a SET of one of Redshift's own parameters (``parameters``) that ends with its
transaction. Where it is laxer than Redshift, or answers otherwise, by decision:

- A statement of more than 20,000 characters keeps PostgreSQL's digits, and its correlations are not looked at.
- A decimal that a recursive WITH computes, or where PostgreSQL objects to a cast of it, keeps PostgreSQL's digits: its
  tree is read only of statements that it takes.
- PERCENTILE_CONT of integers and decimals is a DOUBLE PRECISION; MOD, ``%`` and MEDIAN of decimals have no declared
  precision: the guide gives no rule for it.
- A string literal becomes a string in a SUPER column where it is a value of INSERT or UPDATE itself; deeper, in a CASE
  or a UNION, it is read as a document.
- ``<>`` and NOT take NaN as PostgreSQL does: what Redshift answers was measured for ``=``, ``<`` and ``>`` alone.
- SUBSTR, LOG and the privileges of other users are answered beside tables, though the guide lists the functions as the
  leader node's: they are in wide use.
"""

from aurora_dwh.local.redshift.faults import Fault
from aurora_dwh.local.redshift.standin import RedshiftStandIn
from aurora_dwh.local.s3 import S3Access

__all__ = ["Fault", "RedshiftStandIn", "S3Access"]
