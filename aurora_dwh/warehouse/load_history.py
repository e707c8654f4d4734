"""The project's own schema `dwh` in the warehouse: what was loaded and proven.

`dwh.load_history` has a row for each load of a day, written in the transaction that loads the data: it is there exactly
when the data is. It says by which mode, key and cursor they were loaded, and by which rules they were read; columns
that an older version did not make are added to its tables. `dwh.proof_history` has a row for each proof of a table.

All loads share these tables. An INSERT waits for no other one; an UPDATE locks the table, so it comes last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

from aurora_dwh.core.models import REPAIR
from aurora_dwh.warehouse.load.statements import DAY, LOADED_AT
from aurora_dwh.warehouse.sql import identifier, identifiers, literal, qualified

SCHEMA = "dwh"
HISTORY_NAME = "load_history"
HISTORY = qualified(SCHEMA, HISTORY_NAME)
PROOFS = qualified(SCHEMA, "proof_history")

_OF_DAYS = f"LEFT(attempt, {len(REPAIR)}) <> {literal(REPAIR)}"
"""The condition that a load is one of a day, and not a repair's, which is of single rows."""

_ADDED = {
    "key_columns": "VARCHAR(16384)",
    "cursor_column": "VARCHAR(512)",
    "rules": "VARCHAR(65535)",
    "rows_behind": "BIGINT",
}
"""Columns of `dwh.load_history`, with their types, that older versions did not make; NULL in rows of those."""

_LOADS = {
    "load_id": "VARCHAR(64) NOT NULL",
    "run_id": "VARCHAR(64)",
    "table_name": "VARCHAR(255) NOT NULL",
    "day": "DATE NOT NULL",
    "mode": "VARCHAR(16) NOT NULL",
    "manifest_url": "VARCHAR(2048) NOT NULL",
    "attempt": "VARCHAR(64) NOT NULL",
    "snapshot_at": "TIMESTAMP NOT NULL",
    "rows_in_manifest": "BIGINT NOT NULL",
    "rows_inserted": "BIGINT NOT NULL",
    "rows_updated": "BIGINT NOT NULL",
    "converted": "VARCHAR(65535) NOT NULL",
    "loaded_at": "TIMESTAMP NOT NULL",
    "in_target": "BOOLEAN NOT NULL",
}
"""The other columns: one row for a load of a day, times in UTC. `in_target` becomes FALSE when the table is made anew,
as what was loaded into the old one is not in the new one. Of those above, `key_columns` is a list in JSON, `rules` what
`Rules.to_text` gives, and `rows_behind` how many of the rows are of later days, as the newest day brings them."""

_PROOFS = {
    "proof_id": "VARCHAR(64) NOT NULL",
    "run_id": "VARCHAR(64)",
    "table_name": "VARCHAR(255) NOT NULL",
    "read_at": "TIMESTAMP NOT NULL",
    "proven_at": "TIMESTAMP NOT NULL",
    "source_rows": "BIGINT NOT NULL",
    "staged_rows": "BIGINT NOT NULL",
    "rows_proven": "BIGINT NOT NULL",
    **dict.fromkeys(("missing", "extra", "stale", "duplicate", "late", "gone"), "BIGINT NOT NULL"),
    "repaired": "BIGINT NOT NULL",
    "removed": "BIGINT NOT NULL",
    "differing": "BIGINT NOT NULL",
    "shown": "VARCHAR(65535) NOT NULL",
    "repairs": "VARCHAR(65535) NOT NULL",
    "seconds": "DOUBLE PRECISION NOT NULL",
}
"""The columns of `dwh.proof_history`: one row for a proof of a table, times in UTC. Rows by kind are those that were
found, `differing` those that were left when all was done; `shown` is a list in JSON of some of the rows that differed,
`repairs` one of what was done: which keys, why, and what they were read from."""

PROOF_COLUMNS = tuple(_PROOFS)


def _ddl(table: str, *lines: str) -> str:
    listed = ",\n  ".join(lines)
    return f"CREATE TABLE IF NOT EXISTS {table} (\n  {listed}\n) DISTSTYLE AUTO SORTKEY AUTO"


def _typed(columns: Mapping[str, str]) -> list[str]:
    return [f"{name} {kind}" for name, kind in columns.items()]


DDL = (_ddl(HISTORY, *_typed(_LOADS), ", ".join(_typed(_ADDED))), _ddl(PROOFS, *_typed(_PROOFS)))
"""Statements that make the schema's tables; each may run again."""


Row = Mapping[str, str | bool | int | float | date | datetime | None]
"""A row of one of the tables, by column."""


def insert_history(rows: Sequence[Row]) -> str:
    """Return the INSERT of loads, of which each says the same columns."""
    values = (", ".join(map(literal, row.values())) for row in rows)
    return f"INSERT INTO {HISTORY} ({identifiers(rows[0])}) VALUES\n" + ",\n".join(f"({one})" for one in values)


def insert_proof(row: Row) -> str:
    """Return the INSERT of a proof, which inserts it once however often it is run."""
    known = f"SELECT 1 AS one FROM {PROOFS} WHERE proof_id = {literal(row['proof_id'])}"
    values = ", ".join(map(literal, row.values()))
    return f"INSERT INTO {PROOFS} ({identifiers(row)}) SELECT {values} WHERE NOT EXISTS ({known})"


def last_proofs(tables: Collection[str]) -> str:
    """Return the query for the last proof of each of some tables, and when each was last proven equal.

    Its columns are `PROOF_COLUMNS`, and `equal_at`, which is NULL where a table never was.
    """
    return (
        f"SELECT {identifiers(PROOF_COLUMNS)}, equal_at\n"
        f"FROM (\n"
        f"  SELECT p.*, ROW_NUMBER() OVER (PARTITION BY table_name ORDER BY proven_at DESC) AS nth,\n"
        f"    MAX(CASE WHEN differing = 0 THEN read_at END) OVER (PARTITION BY table_name) AS equal_at\n"
        f"  FROM {PROOFS} p\n"
        f"  WHERE table_name IN ({', '.join(map(literal, tables))})\n"
        f") p\n"
        f"WHERE nth = 1"
    )


def find_load(load_id: str) -> str:
    """Return the query that tells whether a load was committed."""
    return f"SELECT COUNT(*) FROM {HISTORY} WHERE load_id = {literal(load_id)}"


def standing(table: str, target: str | None, place: str, rules: str | None) -> str:
    """Return the query for what is known of a table: of each of its days the load that stands, the last of them last.

    That is the load of the latest reading, of those that are in the table if there is one. A staging table of another
    name that was loaded from the same days in the lake is told of as well. The columns are those of `Loading`.

    Args:
        target: Its quoted name, None where it does not exist.
        place: What the addresses of its days' manifests begin with.
        rules: The rules of the days that are to be loaded, which are told as an empty text; None where they have none.
    """
    has_rows = f"(SELECT COUNT(*) FROM (SELECT 1 AS one FROM {target} LIMIT 1) t)" if target else "0"
    known = "rules" if rules is None else f"CASE WHEN rules = {literal(rules)} THEN '' ELSE rules END AS rules"
    return (
        f"SELECT table_name, day, rows_in_manifest, NVL(rows_behind, 0), snapshot_at, loaded_at, in_target, mode, "
        f"key_columns, cursor_column, manifest_url, {known}, {has_rows}\n"
        f"FROM (\n"
        f"  SELECT h.*, ROW_NUMBER() OVER (PARTITION BY table_name, day "
        f"ORDER BY CASE WHEN in_target THEN 0 ELSE 1 END, snapshot_at DESC, loaded_at DESC) AS of_day\n"
        f"  FROM {HISTORY} h\n"
        f"  WHERE (table_name = {literal(table)} OR LEFT(manifest_url, {len(place)}) = {literal(place)}) "
        f"AND {_OF_DAYS}\n"
        f") h\n"
        f"WHERE of_day = 1\n"
        f"ORDER BY loaded_at"
    )


def seams() -> str:
    """Return the query for the days of all tables that were read by other rules than the day before them in the table.

    The columns are the table, that day before, and the day.
    """
    by = "OVER (PARTITION BY table_name ORDER BY day)"
    return (
        f"SELECT table_name, day_before, day\n"
        f"FROM (\n"
        f"  SELECT table_name, day, rules, LAG(day) {by} AS day_before, LAG(rules) {by} AS rules_before\n"
        f"  FROM (\n"
        f"    SELECT table_name, day, rules, ROW_NUMBER() OVER (PARTITION BY table_name, day "
        f"ORDER BY snapshot_at DESC, loaded_at DESC) AS of_day\n"
        f"    FROM {HISTORY}\n"
        f"    WHERE in_target\n"
        f"  ) h\n"
        f"  WHERE of_day = 1\n"
        f") s\n"
        f"WHERE rules <> rules_before\n"
        f"ORDER BY table_name, day"
    )


def readings(table: str) -> str:
    """Return the query for the reading of the source that each day in a table was loaded from last.

    Its rows are the day, the moment of the source in UTC, and the name of the extraction.
    """
    return (
        f"SELECT day, snapshot_at, attempt\n"
        f"FROM (\n"
        f"  SELECT h.*, ROW_NUMBER() OVER (PARTITION BY day ORDER BY snapshot_at DESC, loaded_at DESC) AS of_day\n"
        f"  FROM {HISTORY} h\n"
        f"  WHERE table_name = {literal(table)} AND in_target AND {_OF_DAYS}\n"
        f") h\n"
        f"WHERE of_day = 1"
    )


def loaded_days(table: str) -> str:
    """Return the query for the days that are in a table."""
    return f"SELECT DISTINCT day FROM {HISTORY} WHERE table_name = {literal(table)} AND in_target"


def unrecorded(table: str, target: str, *, has_history: bool) -> str:
    """Return the query for the days that rows of a table are of and that nothing was loaded of by the record.

    Its rows are the day, and the latest moment of the source, in UTC, at which rows of it were read.
    """
    known = f" WHERE {identifier(DAY)} NOT IN ({loaded_days(table)})" if has_history else ""
    return (
        f"SELECT {identifier(DAY)}, MAX({identifier(LOADED_AT)}) FROM {target}{known} "
        f"GROUP BY {identifier(DAY)} ORDER BY {identifier(DAY)}"
    )


def missing_columns(live: Collection[str]) -> list[str]:
    """Return the statements that give `dwh.load_history` the columns that it lacks; none where it is not there."""
    return [
        f"ALTER TABLE {HISTORY} ADD COLUMN {identifier(name)} {kind}"
        for name, kind in _ADDED.items()
        if live and name not in live
    ]


def forget(table: str) -> str:
    """Return the statement that marks a table's loads as no longer in it, for the moment when it is made anew."""
    return f"UPDATE {HISTORY} SET in_target = FALSE WHERE table_name = {literal(table)} AND in_target"


def count_loads(table: str) -> str:
    """Return the query for how often a table was loaded: whoever sees the same number twice saw no load between."""
    return f"SELECT COUNT(*) FROM {HISTORY} WHERE table_name = {literal(table)}"


def adopt(table: str, name: str) -> str:
    """Return the statement that makes the loads of one table those of another, whose name it has got."""
    return f"UPDATE {HISTORY} SET table_name = {literal(name)} WHERE table_name = {literal(table)} AND in_target"
