"""What a command's arguments name: a table of the catalog."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from aurora_dwh.catalog import Catalog, Table


def find_table(catalog: Catalog, name: str) -> Table:
    """Return the table of that name.

    Raises:
        BadParameter: The catalog has none; the message offers names that are near.
    """
    if name in catalog.tables:
        return catalog.tables[name]
    near = get_close_matches(name, catalog.tables, n=3) or sorted(catalog.tables)[:5]
    raise typer.BadParameter(f"{name!r} is not in the catalog; did you mean {', '.join(near)}?", param_hint="TABLE")
