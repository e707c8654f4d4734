"""A strict local stand-in for Amazon Redshift: it refuses what Redshift refuses.

A front that speaks Redshift's wire protocol, over a private PostgreSQL. See ``standin`` for the public face.

A client's statement goes ``session`` -> ``translate`` (``refuse``, then the module of its verb, then ``rewrite``, then
``refuse_tree`` and ``decimals`` by the tree that PostgreSQL makes of it) -> a plan (``plans``), which PostgreSQL or the
front carries out. What PostgreSQL lacks is in ``sql/``: types, functions, system views, and the comparison of strings
that overlooks trailing blanks.

What it does not have, and answers with an error, because nothing sends it: navigation into SUPER (``a.b[0]``), PIVOT,
FNV_HASH, COPY of anything but Parquet and plain CSV (delimited text, JSON, compression, headers, MAXERROR), ALTER TABLE
APPEND, UNLOAD with PARTITION BY.

What it does not imitate: queues, distribution. Where it is laxer than Redshift, or answers otherwise, by decision:

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
