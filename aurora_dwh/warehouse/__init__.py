"""The warehouse, Amazon Redshift: connection, DDL, the load transaction, marts, and the IO manager in front of them."""
