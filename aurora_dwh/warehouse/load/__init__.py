"""A day from the lake into its staging table: one transaction, its statements, and the checks before its COMMIT."""
