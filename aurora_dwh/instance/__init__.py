"""Where a Dagster instance keeps runs and events: Dagster's own storages, with connections that are kept.

Dagster opens a connection for every access, some ninety for a table and day, and closes it behind it. That is nearly
half of what a run of many small tables takes on SQLite, and more on PostgreSQL. Files, tables and settings are
Dagster's own, so that an instance can go back to its storages at any time.
"""

REQUESTED_BY = "aurora_dwh/requested_by"
"""The tag of runs that the product's own sensors request, none of which relies on Dagster to know a run by its key."""
