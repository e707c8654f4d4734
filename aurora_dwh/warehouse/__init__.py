"""The warehouse, Amazon Redshift: connection, load transaction, marts, rebuild, and the record of loads."""
