"""A strict local stand-in for Amazon Redshift: it refuses what Redshift refuses.

A front that speaks Redshift's wire protocol, over a private PostgreSQL. See ``standin`` for the public face.

A client's statement goes ``session`` -> ``translate`` (``refuse``, then the module of its verb, then ``rewrite``) ->
a plan (``plans``), which PostgreSQL or the front carries out. What PostgreSQL lacks is in ``sql/``: types, functions,
system views, the catalog's tables as PostgreSQL 8.0 had them (``system_tables``), and the comparison of strings that
overlooks trailing blanks.

What it does not have, and answers with an error: navigation into SUPER (``a.b[0]``), PIVOT, FNV_HASH, jsonpaths
files, ORC, AVRO and fixed-width files, UNLOAD with PARTITION BY. What it does not imitate: error 1018 (a table newer
than the snapshot), queues, distribution, the truncation of ``CAST(x AS VARCHAR)`` to 256 bytes, and the string
literal that becomes a string in a SUPER column (write JSON_PARSE).
"""

from aurora_dwh.local.redshift.faults import Fault
from aurora_dwh.local.redshift.standin import RedshiftStandIn
from aurora_dwh.local.s3 import S3Access

__all__ = ["Fault", "RedshiftStandIn", "S3Access"]
