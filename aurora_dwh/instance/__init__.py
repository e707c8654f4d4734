"""Where a Dagster instance keeps runs and events: Dagster's own storages, with connections that are kept.

Dagster opens a connection for every access, some ninety for a table and day, and closes it behind it. That is nearly
half of what a run of many small tables takes on SQLite, and more on PostgreSQL. Files, tables and settings are
Dagster's own, so that an instance can go back to its storages at any time.
"""

COLUMNS = "dagster/column_schema"
"""The metadata of a materialization whose columns an asset's page shows, as long as it is the asset's last one."""

SAMPLE = "sample"
"""The metadata of a materialization that has a few of its rows."""
