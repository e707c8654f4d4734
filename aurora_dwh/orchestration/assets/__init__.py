"""The asset graph: a chain for each source table, the marts on top of them, and their checks."""
