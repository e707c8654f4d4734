"""The distribution and sort key that a table has, beside those that are asked for.

Where none is asked for, the choice is Redshift's: what it has chosen is no difference.
"""

from __future__ import annotations

from collections.abc import Sequence

from aurora_dwh.core.schema import fold
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.sql import literal


def differences(
    session: Session, schema: str, name: str, *, dist_key: str | None, sort_key: Sequence[str]
) -> list[str]:
    """Return in which of the keys that are asked for a table differs, in words."""
    if not (dist_key or sort_key):
        return []
    rows = session.execute(
        "SELECT column_name, distkey, sortkey FROM svv_redshift_columns WHERE database_name = current_database() "
        f"AND schema_name = {literal(fold(schema))} AND table_name = {literal(fold(name))}"
    ).rows
    dist = [str(column) for column, is_dist, _ in rows if is_dist]
    sort = [str(column) for column, _, place in sorted(rows, key=lambda row: abs(int(row[2] or 0))) if int(place or 0)]
    pairs = (("dist_key", [fold(dist_key)] if dist_key else [], dist), ("sort_key", [*map(fold, sort_key)], sort))
    return [
        f"its {key} is {', '.join(is_) or 'none'}, and {', '.join(asked)} is asked for"
        for key, asked, is_ in pairs
        if asked and asked != is_
    ]
