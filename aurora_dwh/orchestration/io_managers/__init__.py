"""IO managers: rows of an asset, a partition or a range of them, to and from the lake and Redshift."""
