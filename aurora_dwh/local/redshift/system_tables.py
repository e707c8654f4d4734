"""System tables that PostgreSQL has otherwise than Redshift, or not at all.

Belongs here: which names of relations are answered by what (``sql/catalog_tables.sql``, ``sql/history.sql``): it takes
their place in a query as a late-binding view's text does. Does not belong here: system views that need no more than
their own SQL (``sql/system_views.sql``).
"""

from __future__ import annotations

import json

from aurora_dwh.local.redshift.history import History
from aurora_dwh.local.redshift.rewrite import LateQuery, ViewKey
from aurora_dwh.local.redshift.sqltext import Sql
from aurora_dwh.local.redshift.upstream import literal

_CATALOG: dict[ViewKey, LateQuery] = {
    (schema, name): LateQuery(f"SELECT * FROM pg_standin.{name}")
    for name in ("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_indexes", "pg_views")
    for schema in (None, "pg_catalog")
}
for _name in ("columns", "views"):
    _CATALOG["information_schema", _name] = LateQuery(f"SELECT * FROM pg_standin.information_schema_{_name}")
_RECORDS = ("sys_query_history", "stl_query")


def system_tables(sql: Sql, history: History) -> dict[ViewKey, LateQuery]:
    """Returns the system tables that the statement may name."""
    named = [name for name in _RECORDS if name.upper() in sql.words]
    if not named:
        return dict(_CATALOG)
    records = literal(json.dumps(history.rows()))
    recorded = {name: LateQuery(f"SELECT * FROM pg_standin.{name}({records})") for name in named}
    return _CATALOG | {(schema, name): late for name, late in recorded.items() for schema in (None, "pg_catalog")}
