"""The lake on S3: where a day lies, how its parts and manifest are written, and the IO manager in front of it.

`read` gives a table of it to whoever has no use for Redshift.
"""

from aurora_dwh.lake.reading import read

__all__ = ["read"]
