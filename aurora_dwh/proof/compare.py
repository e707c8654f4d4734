"""Redshift's side: the source's keys and digests, which lie in the lake, against those of the staging table.

One statement gathers both sides by key and keeps the keys whose rows differ; a few more count them and name them. No
session is held while the source is walked: all of this comes after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aurora_dwh.core.models import Manifest
from aurora_dwh.core.schema import Column
from aurora_dwh.proof.digest import REDSHIFT, carried, carried_digest, comparable, staged_text
from aurora_dwh.proof.subject import Subject
from aurora_dwh.proof.verdict import DUPLICATE, EXTRA, LATE, MISSING, STALE, Key
from aurora_dwh.proof.walk import DIGEST
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.load.stage import Lake, Stage
from aurora_dwh.warehouse.load.statements import STAGE, staged
from aurora_dwh.warehouse.sql import identifier, literal

CANDIDATES = 100_000
"""Differing rows that are read a second time; of more, the first `SHOWN_CANDIDATES` are."""

SHOWN_CANDIDATES = 1_000

DIFFERING, UNLIKE, WRONG = "dwh_differing", "dwh_unlike", "dwh_wrong"
"""Temporary tables: the keys whose rows differ between source and target, those between the lake's last reading of a
table and the target, and those of the first that the second has."""

CARRIED = "_dwh_carried"
_THERE, _HERE, _VALUE, _SEEN, _AT = "_dwh_there", "_dwh_here", "_dwh_value", "_dwh_seen", "_dwh_at"
_BIG = "DECIMAL(38,0)"


@dataclass(frozen=True)
class Candidate:
    """A key whose rows differ at first sight."""

    key: Key  # its canonical texts, or of a table without a key the digests
    there: int  # how many rows the source has of it
    here: int  # how many Redshift has
    seen: int  # the sum of the source's digests


@dataclass(frozen=True)
class Compared:
    """What Redshift found."""

    source_rows: int  # the source's rows
    staged_rows: int  # the target's rows that count
    kinds: dict[str, int]  # rows by kind, at first sight; those that are late among them
    # the keys whose rows differ and are not late, as many as are to be looked at again
    candidates: tuple[Candidate, ...]
    is_whole: bool  # whether they are all


def compare(
    warehouse: Warehouse,
    lake: Lake,
    subject: Subject,
    keys: Manifest,
    last_reading: Manifest | None = None,
    staged_rows: int | None = None,
) -> Compared:
    """Compare the source's keys and digests with the target's rows.

    Args:
        keys: What was read of the source, as `walk.Walk` gives it.
        last_reading: Of a table that is copied whole, what it was loaded from last: rows that still are as they were
            then are late where the source has others by now.
        staged_rows: The target's rows, where they were counted already; None counts those that are compared.

    Raises:
        RulesError: The table was loaded from another source than that which the keys say.
        WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
    """

    def work(session: Session) -> Compared:
        subject.check_source(session, keys)
        stage = Stage(warehouse, lake, subject.target.label)
        stage.fill(session, [keys])
        session.execute(differing(subject, DIFFERING, keys_in_stage(subject)))
        found, late = DIFFERING, 0
        if last_reading and _is_any(session, DIFFERING):
            session.execute(f"DROP TABLE {identifier(STAGE)}")
            stage.fill(session, [last_reading])
            session.execute(differing(subject, UNLIKE, rows_in_stage(subject, last_reading)))
            session.execute(keep_unlike(subject))
            late = _rows(session, DIFFERING) - _rows(session, WRONG)
            found = WRONG
        rows = staged_rows
        if rows is None:
            rows = int(session.execute(count_rows(subject)).rows[0][0])
        counts = (int(number) for number in session.execute(count_kinds(subject, found)).rows[0])
        kinds = dict(zip((LATE, MISSING, EXTRA, DUPLICATE, STALE), counts, strict=True))
        kinds[LATE] += late
        candidates = [
            Candidate(tuple(None if text is None else str(text) for text in key), int(there), int(here), int(seen))
            for there, here, seen, *key in session.execute(candidate_keys(subject, found, CANDIDATES + 1)).rows
        ]
        is_whole = len(candidates) <= CANDIDATES
        shown = candidates if is_whole else candidates[:SHOWN_CANDIDATES]
        return Compared(keys.source_rows, rows, {kind: n for kind, n in kinds.items() if n}, tuple(shown), is_whole)

    return warehouse.persist(work)


def _is_any(session: Session, table: str) -> bool:
    return bool(session.execute(f"SELECT 1 AS one FROM {identifier(table)} LIMIT 1").rows)


def _rows(session: Session, table: str) -> int:
    return int(session.execute(f"SELECT COUNT(*) FROM {identifier(table)}").rows[0][0])


def key_names(subject: Subject) -> list[str]:
    """Return the names of the columns that tell rows apart, in the temporary tables."""
    if subject.key:
        return [column.target_name for column in subject.key]
    return [DIGEST, *([CARRIED] if carried(subject.schema) else [])]


def keys_in_stage(subject: Subject) -> str:
    """Return the SELECT of what was read of the source, which is on the stage."""
    at = identifier(subject.cursor.target_name) if subject.cursor else "NULL"
    more = carried_digest(carried(subject.schema), is_text=True)
    return _side(subject, identifier(STAGE), identifier(DIGEST), more, is_there=True, at=at)


def rows_in_stage(subject: Subject, manifest: Manifest) -> str:
    """Return the SELECT of the same of whole rows on the stage, each value as a load makes it."""
    columns = manifest.schema.columns
    values = ", ".join(
        f"{c.rule.load.format(identifier(c.target_name))} AS {identifier(c.target_name)}" for c in columns
    )
    rows = f"(SELECT {values} FROM {staged(manifest.schema, manifest.files)} s) s"
    return _rows_of(subject, rows, is_there=True)


def _rows_of(subject: Subject, rows: str, *, is_there: bool) -> str:
    digest = REDSHIFT.digest(comparable(subject.schema))
    more = carried_digest(carried(subject.schema), is_text=False)
    return _side(subject, rows, digest, more, is_there=is_there)


def _side(subject: Subject, rows: str, digest: str, more: str, *, is_there: bool, at: str = "NULL") -> str:
    """Return the SELECT of one side's keys, with how often each side has the row, its digests, and its cursor."""
    if subject.key:
        keys = [identifier(column.target_name) for column in subject.key]
    else:
        keys = [f"{digest} AS {identifier(DIGEST)}"]
        keys += [f"{more} AS {identifier(CARRIED)}"] if carried(subject.schema) else []
    sign = "" if is_there else "-"
    seen = digest if is_there else "0"
    value = f"{sign}CAST({digest} AS {_BIG})"
    if carried(subject.schema):
        value += f" {sign or '+'} CAST({more} AS {_BIG})"
    kind = subject.cursor.redshift_type if subject.cursor else "TIMESTAMP"
    columns = [
        *keys,
        f"{int(is_there)} AS {identifier(_THERE)}",
        f"{int(not is_there)} AS {identifier(_HERE)}",
        f"{value} AS {identifier(_VALUE)}",
        f"CAST({seen} AS {_BIG}) AS {identifier(_SEEN)}",
        f"CAST({at} AS {kind}) AS {identifier(_AT)}",
    ]
    return f"SELECT {', '.join(columns)} FROM {rows}"


def differing(subject: Subject, name: str, there: str) -> str:
    """Return the statement that keeps in a temporary table the keys whose rows differ from the other side's SELECT."""
    here = _rows_of(subject, f"{subject.target.sql} WHERE {subject.gathered}", is_there=False)
    names = ", ".join(identifier(name) for name in key_names(subject))
    # Texts that differ in blanks at the end are one to Redshift.
    lengths = "".join(
        f", OCTET_LENGTH({identifier(c.target_name)})" for c in subject.key if c.redshift_type.startswith("VARCHAR")
    )
    sums = ", ".join(f"SUM({identifier(column)}) AS {identifier(column)}" for column in (_THERE, _HERE, _SEEN))
    return (
        f"CREATE TEMP TABLE {identifier(name)} AS\n"
        f"SELECT {names}, {sums}, MAX({identifier(_AT)}) AS {identifier(_AT)}\n"
        f"FROM (\n  {there}\n  UNION ALL\n  {here}\n) r\n"
        f"GROUP BY {names}{lengths}\n"
        f"HAVING SUM({identifier(_THERE)}) <> SUM({identifier(_HERE)}) OR SUM({identifier(_VALUE)}) <> 0"
    )


def keep_unlike(subject: Subject) -> str:
    """Return the statement that keeps those of the differing keys whose rows are not as the lake has them either."""
    same = " AND ".join(_same(name, column) for name, column in _key_columns(subject))
    return (
        f"CREATE TEMP TABLE {identifier(WRONG)} AS\n"
        f"SELECT d.* FROM {identifier(DIFFERING)} d JOIN {identifier(UNLIKE)} u ON {same}"
    )


def _key_columns(subject: Subject) -> list[tuple[str, Column | None]]:
    columns: Sequence[Column | None] = subject.key or [None] * len(key_names(subject))
    return list(zip(key_names(subject), columns, strict=True))


def _same(name: str, column: Column | None) -> str:
    one, other = f"d.{identifier(name)}", f"u.{identifier(name)}"
    same = f"{one} = {other}"
    if column and column.redshift_type.startswith("VARCHAR"):
        same += f" AND OCTET_LENGTH({one}) = OCTET_LENGTH({other})"
    return f"({same} OR ({one} IS NULL AND {other} IS NULL))" if column and column.nullable else same


def _is_late(subject: Subject) -> str:
    if subject.late is None:
        return "FALSE"
    start, end = (literal(moment) for moment in subject.late)
    return f"COALESCE({identifier(_AT)} >= {start} AND {identifier(_AT)} < {end}, FALSE)"


def count_rows(subject: Subject) -> str:
    """Return the query for the target's rows that are compared."""
    return f"SELECT COUNT(*) FROM {subject.target.sql} WHERE {subject.gathered}"


def count_kinds(subject: Subject, table: str) -> str:
    """Return the query for the rows of each kind: late, missing, extra, duplicate, stale."""
    there, here, late = identifier(_THERE), identifier(_HERE), _is_late(subject)
    counts = [
        f"CASE WHEN {late} THEN {there} ELSE 0 END",
        f"CASE WHEN NOT {late} AND {there} > {here} THEN {there} - {here} ELSE 0 END",
        f"CASE WHEN NOT {late} AND {there} = 0 THEN {here} ELSE 0 END",
        f"CASE WHEN NOT {late} AND {there} > 0 AND {here} > {there} THEN {here} - {there} ELSE 0 END",
        f"CASE WHEN NOT {late} AND {there} = {here} THEN {there} ELSE 0 END",
    ]
    return f"SELECT {', '.join(f'COALESCE(SUM({one}), 0)' for one in counts)}\nFROM {identifier(table)}"


def candidate_keys(subject: Subject, table: str, most: int) -> str:
    """Return the query for the differing keys that are not late, as canonical texts, in the order of the key."""
    columns = [identifier(name) if column is None else staged_text(column) for name, column in _key_columns(subject)]
    names = ", ".join(identifier(name) for name in key_names(subject))
    figures = ", ".join(identifier(column) for column in (_THERE, _HERE, _SEEN))
    return (
        f"SELECT {figures}, {', '.join(columns)}\nFROM {identifier(table)}\n"
        f"WHERE NOT {_is_late(subject)}\nORDER BY {names}\nLIMIT {most:d}"
    )
