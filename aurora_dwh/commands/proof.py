"""`aurora-dwh proof`: when each table was last proven equal, and what was found and mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from aurora_dwh.commands.arguments import OptionalTable, find_tables
from aurora_dwh.commands.console import FAILED, AsJson, plain, say_json
from aurora_dwh.commands.output import figures, say_table, texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from aurora_dwh.catalog.model import Table
    from aurora_dwh.warehouse.connection import Warehouse

EXAMPLES = ("aurora-dwh proof", "aurora-dwh proof orders_master --json")

_KINDS = ("missing", "extra", "stale", "duplicate", "late", "gone")


def proof(table: OptionalTable = None, as_json: AsJson = False) -> None:
    """Print for each table when it was last proven, whether it was equal, and what was found and mended.

    Nothing is compared: it is what `dwh.proof_history` says of the proofs that the schedule `proof` runs. To compare
    now, run `aurora-dwh verify`, which mends nothing, or materialize `proof/<table>`.
    """
    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.warehouse.connection import open_warehouse

    tables = find_tables(Catalog.load(), table)
    found = last_proofs(open_warehouse(), tables)
    if as_json:
        say_json([_plain(one, found.get(one.name)) for one in tables])
    else:
        _say(tables, found)
    if any(row is not None and row["differing"] for row in found.values()):
        raise typer.Exit(FAILED)


def last_proofs(warehouse: Warehouse, tables: Sequence[Table]) -> dict[str, dict[str, Any]]:
    """Return the row of each table's last proof by column; tables that never were proven are left out."""
    from aurora_dwh.warehouse import load_history
    from aurora_dwh.warehouse.errors import WarehouseError

    names = [*load_history.PROOF_COLUMNS, "equal_at"]
    labels = {f"{warehouse.settings.staging_schema}.{table.target}": table.name for table in tables}
    try:
        rows = warehouse.persist(lambda session: session.execute(load_history.last_proofs(list(labels))).rows)
    except WarehouseError as error:
        if error.state not in ("42P01", "3F000"):  # no table of proofs yet, or no schema for it
            raise
        rows = []
    found = (dict(zip(names, row, strict=True)) for row in rows)
    return {labels[row["table_name"]]: row for row in found}


def _say(tables: Sequence[Table], found: Mapping[str, dict[str, Any]]) -> None:
    rows: list[list[object]] = []
    for table in tables:
        row = found.get(table.name)
        name = plain(table.name)
        if row is None:
            rows.append([name, "never", *[""] * 4, ("not proven", "yellow")])
            continue
        told = ", ".join(f"{row[kind]:,} {kind}" for kind in _KINDS if row[kind])
        mended = ", ".join(
            f"{row[count]:,} {what}"
            for count, what in (("repaired", "read again"), ("removed", "taken away"))
            if row[count]
        )
        share = f"{row['rows_proven']:,} of {row['source_rows']:,}"
        outcome = ("different", "bold red") if row["differing"] else ("equal", "green")
        rows.append([name, _moment(row["read_at"]), share, told, mended, _moment(row["equal_at"]), outcome])
    say_table(
        ["table", "proven", *figures("rows equal"), *texts("found", "mended"), "last equal", ""],
        rows,
        title="Proofs, the last of each table",
    )


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def _plain(table: Table, row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {"table": table.name, "proven_at": None}
    moments = {name: row[name] and row[name].isoformat() for name in ("read_at", "proven_at", "equal_at")}
    counts = ("source_rows", "staged_rows", "rows_proven", *_KINDS, "repaired", "removed", "differing")
    return {
        "table": table.name,
        **moments,
        "equal": not row["differing"],
        **{name: int(row[name]) for name in counts},
        "seconds": float(row["seconds"]),
    }
