"""A table's columns as Dagster shows them on an asset's page: types, comments, what may be NULL, and the key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dagster as dg

from aurora_dwh.core.schema import fold

Shown = tuple[str, str, str]
"""A column's name, its type in the place that is shown, and its comment."""


def table_schema(
    columns: Iterable[Shown], *, key: Sequence[str], required: Iterable[str] | None = None
) -> dg.TableSchema:
    """Return a table's columns as metadata, the key's in whatever case; `required` are never NULL, else the key's."""
    keys = {fold(name) for name in key}
    filled = keys if required is None else {fold(name) for name in required}

    def constraints(name: str) -> dg.TableColumnConstraints:
        is_key = fold(name) in keys
        return dg.TableColumnConstraints(
            nullable=fold(name) not in filled, unique=is_key and len(keys) == 1, other=["key"] if is_key else []
        )

    shown = [dg.TableColumn(name, kind, comment or None, constraints(name)) for name, kind, comment in columns]
    return dg.TableSchema(shown, dg.TableConstraints([f"key ({', '.join(key)})"] if key else []))
