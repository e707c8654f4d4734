"""catalog.yaml: which tables are copied, and how. Its fields, its file, and what is said of mistakes in it."""
