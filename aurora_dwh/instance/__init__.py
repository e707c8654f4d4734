"""Where a Dagster instance keeps runs and events: Dagster's own storages, with connections that are kept.

Dagster opens a connection for every event, some forty for a table and day, and closes it behind it. That is most of
what a run of many small tables takes, on SQLite and on PostgreSQL alike. Files, tables and settings are Dagster's own,
so that an instance can go back to its storages at any time.
"""
