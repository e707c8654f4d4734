"""What `doctor` checks of the days that were loaded: that they are on record, and that neighbours meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aurora_dwh.commands.doctor.check import Check, State
from aurora_dwh.core.days import counted
from aurora_dwh.core.rules import quoted
from aurora_dwh.lake.factory import open_lake
from aurora_dwh.source.coverage import mismatches, told
from aurora_dwh.warehouse import load_history
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.load.schema_drift import live_columns, look
from aurora_dwh.warehouse.load.standing import unrecorded
from aurora_dwh.warehouse.load.statements import DAY, Target, staging_target

if TYPE_CHECKING:
    from datetime import date

    from aurora_dwh.catalog.model import Catalog


def check_days(session: Session, catalog: Catalog, staging_schema: str) -> Iterator[Check]:
    """Check that no day of a table lacks what its neighbour leaves to it, as after a change of the catalog's zone.

    Redshift says which days were cut by other rules than the days before them, and the lake what they hold.
    """
    targets = {staging_target(table, staging_schema).label: table for table in catalog.tables.values()}
    found: dict[str, list[str]] = {}
    for label, *pair in _seams(session):
        if label in targets:
            table = targets[label]
            found.setdefault(label, []).extend(mismatches(table, catalog, open_lake().known(table.name, pair)))
    for label, texts in found.items():
        if texts:
            yield Check(
                f"redshift: days of {label}",
                State.WARNING,
                f"days do not meet: {told(texts)}",
                f"run `aurora-dwh rebuild {quoted(targets[label].name)} --from source`, or set the catalog back",
            )


def check_record(session: Session, catalog: Catalog, staging_schema: str) -> Iterator[Check]:
    """Check that `dwh.load_history` knows of each day that a staging table has rows of."""
    for table in catalog.tables.values():
        target = staging_target(table, staging_schema)
        live = look(session, target)
        if DAY in live.columns and (days := unrecorded(session, target, has_history=bool(live.history))):
            yield Check(
                f"redshift: record of {target.label}",
                State.FAILED,
                f"the table has rows of {counted(days)}, of which dwh.load_history knows no load",
                f"run `aurora-dwh rebuild {quoted(table.name)}`, which makes the table and its record anew",
            )


def _seams(session: Session) -> list[tuple[str, date, date]]:
    """Return the tables and days that were read by other rules than the days before them, with those days."""
    history = live_columns(session, Target(load_history.SCHEMA, load_history.HISTORY_NAME))
    return [(*row,) for row in session.execute(load_history.seams()).rows] if "rules" in history else []
