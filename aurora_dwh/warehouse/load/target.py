"""Which staging table a table of the catalog has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_dwh.warehouse.load.statements import Target

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table


def staging_target(table: Table, schema: str) -> Target:
    """Return a catalog table's staging table."""
    return Target(
        schema_name=schema,
        name=table.target,
        key=tuple(map(table.copied, table.key)),
        cursor=table.cursor and table.copied(table.cursor),
        dist_key=table.dist_key and table.copied(table.dist_key),
        sort_key=tuple(map(table.copied, table.effective_sort_key)),
        frozen=table.on_drift == "freeze",
        flags_deletes=table.deletes == "flag",
        is_computed=table.is_computed,
    )
