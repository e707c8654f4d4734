"""The project's own schema `dwh` in the warehouse: what was loaded and reconciled, and the rows writers take turns on.

`dwh.load_history` has a row for each load of a day, written in the transaction that loads the data: it is there exactly
when the data is. `dwh.reconcile_history` has one for each reconciliation, likewise. `dwh.load_lock` has a row for each
staging table; a writer updates it first, so that of two writers of one table the second waits, and is then refused by
Redshift (error 1023) and tries again on what the first one left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime

from aurora_dwh.warehouse.sql import identifier, literal, qualified

SCHEMA = "dwh"
HISTORY = qualified(SCHEMA, "load_history")
RECONCILIATIONS = qualified(SCHEMA, "reconcile_history")
LOCK = qualified(SCHEMA, "load_lock")

DDL = (
    f"CREATE SCHEMA IF NOT EXISTS {identifier(SCHEMA)}",
    f"""CREATE TABLE IF NOT EXISTS {HISTORY} (
  load_id VARCHAR(64) NOT NULL,
  run_id VARCHAR(64),
  table_name VARCHAR(255) NOT NULL,
  day DATE NOT NULL,
  mode VARCHAR(16) NOT NULL,
  manifest_url VARCHAR(2048) NOT NULL,
  attempt VARCHAR(64) NOT NULL,
  snapshot_at TIMESTAMP NOT NULL,
  rows_in_manifest BIGINT NOT NULL,
  rows_inserted BIGINT NOT NULL,
  rows_updated BIGINT NOT NULL,
  converted VARCHAR(65535) NOT NULL,
  loaded_at TIMESTAMP NOT NULL,
  in_target BOOLEAN NOT NULL
) DISTSTYLE AUTO SORTKEY AUTO""",
    f"""CREATE TABLE IF NOT EXISTS {RECONCILIATIONS} (
  reconcile_id VARCHAR(64) NOT NULL,
  run_id VARCHAR(64),
  table_name VARCHAR(255) NOT NULL,
  deletes VARCHAR(16) NOT NULL,
  snapshot_at TIMESTAMP NOT NULL,
  source_keys BIGINT NOT NULL,
  live_rows BIGINT NOT NULL,
  rows_gone BIGINT NOT NULL,
  rows_back BIGINT NOT NULL,
  reconciled_at TIMESTAMP NOT NULL
) DISTSTYLE AUTO SORTKEY AUTO""",
    f"CREATE TABLE IF NOT EXISTS {LOCK} (table_name VARCHAR(255) NOT NULL, loads BIGINT NOT NULL) DISTSTYLE ALL",
)
"""Statements that make the schema; each may run again."""


@dataclass(frozen=True)
class HistoryRow:
    """One load of one day, in the columns of `dwh.load_history`; times in UTC.

    `in_target` becomes FALSE when the table is made anew: what was loaded into the old one is not in the new one.
    """

    load_id: str
    run_id: str | None
    table_name: str
    day: date
    mode: str
    manifest_url: str
    attempt: str
    snapshot_at: datetime
    rows_in_manifest: int
    rows_inserted: int
    rows_updated: int
    converted: str
    loaded_at: datetime
    in_target: bool = True


@dataclass(frozen=True)
class ReconcileRow:
    """One reconciliation, in the columns of `dwh.reconcile_history`; times in UTC.

    `live_rows` are the target's before it, without those that were flagged already; `rows_gone` those of them that were
    removed or flagged, `rows_back` those whose flag was taken off.
    """

    reconcile_id: str
    run_id: str | None
    table_name: str
    deletes: str
    snapshot_at: datetime
    source_keys: int
    live_rows: int
    rows_gone: int
    rows_back: int
    reconciled_at: datetime


def insert_history(rows: Iterable[HistoryRow]) -> str:
    """Return the INSERT of loads."""
    names = ", ".join(identifier(f.name) for f in fields(HistoryRow))
    return f"INSERT INTO {HISTORY} ({names}) VALUES\n" + ",\n".join(_values(row) for row in rows)


def insert_reconciliation(row: ReconcileRow) -> str:
    """Return the INSERT of a reconciliation."""
    names = ", ".join(identifier(f.name) for f in fields(ReconcileRow))
    return f"INSERT INTO {RECONCILIATIONS} ({names}) VALUES\n{_values(row)}"


def _values(row: HistoryRow | ReconcileRow) -> str:
    return "(" + ", ".join(literal(value) for value in astuple(row)) + ")"


def find_load(load_id: str) -> str:
    """Return the query that tells whether a load was committed."""
    return f"SELECT COUNT(*) FROM {HISTORY} WHERE load_id = {literal(load_id)}"


def find_reconciliation(reconcile_id: str) -> str:
    """Return the query that tells whether a reconciliation was committed."""
    return f"SELECT COUNT(*) FROM {RECONCILIATIONS} WHERE reconcile_id = {literal(reconcile_id)}"


def last_snapshots(table: str) -> str:
    """Return the query for the latest reading of the source that each day of a table was loaded from."""
    return f"SELECT day, MAX(snapshot_at) FROM {HISTORY} WHERE table_name = {literal(table)} AND in_target GROUP BY day"


def known_loads(table: str, days: Iterable[date]) -> str:
    """Return the query for what some days of a table were loaded with, a day's latest load last.

    Among the rows is the load of the latest reading of the source, of whatever day.
    """
    name, listed = literal(table), ", ".join(literal(day) for day in sorted(days))
    latest = f"SELECT MAX(snapshot_at) FROM {HISTORY} WHERE table_name = {name} AND in_target"
    return (
        f"SELECT day, rows_in_manifest, snapshot_at, loaded_at, in_target FROM {HISTORY} WHERE table_name = {name} "
        f"AND (day IN ({listed}) OR snapshot_at = ({latest})) ORDER BY loaded_at"
    )


def forget(table: str) -> str:
    """Return the statement that marks a table's loads as no longer in it, for the moment when it is made anew."""
    return f"UPDATE {HISTORY} SET in_target = FALSE WHERE table_name = {literal(table)} AND in_target"


def take_turn(table: str) -> str:
    """Return the statement that makes this transaction the table's only writer."""
    return f"UPDATE {LOCK} SET loads = loads + 1 WHERE table_name = {literal(table)}"


def make_turn(table: str) -> str:
    """Return the statement that makes the row which `take_turn` updates."""
    name = literal(table)
    return f"INSERT INTO {LOCK} SELECT {name}, 0 WHERE NOT EXISTS (SELECT 1 FROM {LOCK} WHERE table_name = {name})"


def turns(table: str) -> str:
    """Return the query for how often a table was loaded: whoever sees the same number twice saw no load between."""
    return f"SELECT loads FROM {LOCK} WHERE table_name = {literal(table)}"


def adopt(table: str, name: str) -> str:
    """Return the statement that makes the loads of one table those of another, whose name it has got."""
    return f"UPDATE {HISTORY} SET table_name = {literal(name)} WHERE table_name = {literal(table)} AND in_target"
