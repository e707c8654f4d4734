"""The embedded Aurora: a real MySQL or MariaDB server behind a thin front that adds what only Aurora has.

From the machine to the client: `program` finds a server and `install` takes one, `database` runs it, `front` stands
before it, `outfile` writes exports to S3, `embedded` is the whole.
"""

from aurora_dwh.local.aurora.embedded import EmbeddedAurora
from aurora_dwh.local.aurora.outfile import Exports

__all__ = ["EmbeddedAurora", "Exports"]
