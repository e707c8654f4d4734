"""The lake on S3: where a day lies, how its parts and manifest are written, and who reads them.

`read` gives a table of it to whoever has no use for Redshift.
"""

from aurora_dwh.lake.reader import read

__all__ = ["read"]
