"""A strict local stand-in for Amazon Redshift: it refuses what Redshift refuses.

A front that speaks Redshift's wire protocol, over a private PostgreSQL. See ``standin`` for the public face.
"""

from aurora_dwh.local.redshift.faults import Fault
from aurora_dwh.local.redshift.plans import S3Access
from aurora_dwh.local.redshift.standin import RedshiftStandIn

__all__ = ["Fault", "RedshiftStandIn", "S3Access"]
