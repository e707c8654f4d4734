"""BI tables built in Redshift from a file of SQL: model, build, checks, and trials on given rows."""
