"""Puts Redshift's types, functions and system views into a PostgreSQL database.

Belongs here: running the SQL files of ``sql/`` once for each database, again when they change. They go into
pg_catalog, so that they are found whatever the search path is, as Redshift's own are.
"""

from __future__ import annotations

import hashlib
from importlib import resources

from aurora_dwh.local.redshift.upstream import Upstream

FILES = (
    "comparison.sql",
    "types.sql",
    "casts.sql",
    "functions.sql",
    "scalars.sql",
    "windows.sql",
    "super.sql",
    "records.sql",
    "catalog_tables.sql",
    "history.sql",
    "system_views.sql",
    "definition.sql",
)


def install(admin: Upstream) -> None:
    """Brings the database of ``admin``, a superuser's connection, up to date; does nothing when it is."""
    folder = resources.files("aurora_dwh.local.redshift") / "sql"
    scripts = [(folder / name).read_text(encoding="utf-8") for name in FILES]
    digest = hashlib.sha256("".join(scripts).encode()).hexdigest()
    known = admin.query("SELECT to_regclass('pg_standin.installed')::text")[0][0]
    if known and admin.query("SELECT digest FROM pg_standin.installed") == [(digest,)]:
        return
    admin.query("SET allow_system_table_mods = on")
    admin.query("BEGIN")
    for script in scripts:
        admin.query(script)
    admin.query(
        "CREATE TABLE IF NOT EXISTS pg_standin.installed (digest text); DELETE FROM pg_standin.installed;"
        f"INSERT INTO pg_standin.installed VALUES ('{digest}'); COMMIT"
    )
