"""What is checked of a load inside its transaction, so that nothing is committed where data would be wrong.

Each function asks one statement and returns what it found, or raises `CheckError` with a few of the keys. What else is
checked of a load is checked where it is known: COPY's count by `stage`, the columns by `schema_drift`. How a check is
shown is `orchestration.assets.checks`' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from aurora_dwh.core.models import DataError, Manifest, shown
from aurora_dwh.core.rules import quoted
from aurora_dwh.core.schema import TableSchema, fold
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.errors import KEYS, ROWS, CheckError
from aurora_dwh.warehouse.load.statements import (
    DAY,
    DELETED,
    STAGE,
    Target,
    distinct_keys,
    exact_key,
    of_days,
    rows_without_key,
    same_key,
    unfit_rows,
)
from aurora_dwh.warehouse.sql import identifier, identifiers, literal

_COPIES = "_dwh_copies"

_MAY_BECOME_NULL = frozenset({"date", "datetime", "timestamp"})
"""DATA_TYPE of columns whose values a policy may turn into NULL though the source has none."""


def check_source_rows(target: Target, manifests: Iterable[Manifest]) -> None:
    """Raise a CheckError where the source gave other rows than lie in the lake."""
    for manifest in manifests:
        if manifest.source_rows != manifest.rows:
            raise CheckError(
                ROWS,
                f"{target.label} {manifest.day}: the source gave {manifest.source_rows} rows and the manifest has "
                f"{manifest.rows}; nothing was changed. Materialize that day of the lake again",
            )


def check_order(target: Target, manifests: Iterable[Manifest], loads: Sequence[tuple[datetime, datetime]]) -> None:
    """See that no reading that began after a load was done shows the source at an earlier moment than that load's.

    Of two readings the later one stands, by the source's moment: where that went back, rows would be taken for old.

    Args:
        loads: Of loads that are in the table, when the source was read and when they were done, in UTC.

    Raises:
        DataError: Such a one is among them.
    """
    for manifest in manifests:
        for read_at, loaded_at in loads:
            if manifest.begun_at is not None and loaded_at < manifest.begun_at and manifest.snapshot_at < read_at:
                raise DataError(
                    f"{target.label} {manifest.day}: its reading shows the source as it was at "
                    f"{shown(manifest.snapshot_at)}, and before it began the table was loaded with a reading of "
                    f"{shown(read_at)}; nothing was changed. The server that was read is behind, or its clock was set "
                    f"back: materialize lake/{manifest.table} for the day again when it has caught up. If the later "
                    f"moment is wrong, run {target.rebuild_anew(manifest.table)}"
                )


def check_fresh(session: Session, target: Target, schema: TableSchema, unfit: Sequence[int]) -> None:
    """See that the fresh rows of days can be told apart by their key; raises CheckError.

    Args:
        unfit: How many of the rows cannot be in the table, by the reasons of `statements.count_fresh`.
    """
    for number, (rows, explain) in enumerate(zip(unfit, (_without_key, _alike_keys, _one_key), strict=True)):
        if rows:
            shown = _shown(target, schema) if explain is _without_key else target.key
            found = session.execute(unfit_rows(target, number, shown)).rows
            raise explain(target, schema, rows, _rows(shown, found))


def check_keys_given(session: Session, target: Target, schema: TableSchema, staged: str) -> None:
    """See that no staged row lacks a part of its key, where the source's columns allow it; raises CheckError."""
    columns = [schema.column(name) for name in target.key]
    if any(column.nullable or column.data_type in _MAY_BECOME_NULL for column in columns):
        shown = _shown(target, schema)
        if found := session.execute(rows_without_key(target.key, shown, staged)).rows:
            raise _without_key(target, schema, len(found), _rows(shown, found))


def check_keys(session: Session, target: Target, table: str, staged: str) -> int | None:
    """See that the target has each key of `statements.staged`, and has it once; return how many rows it has now.

    Raises:
        CheckError: It lacks keys, or has some of them in several rows.
    """
    counted = session.execute(count_keys(target, staged)).rows
    for day, keys, missing, repeated, _ in counted:
        if day is not None and (missing or repeated):
            raise CheckError(
                KEYS,
                f"{target.label} {day}: of {keys} keys {missing} are not in the table after the load and {repeated} "
                f"are there more than once, such as {_such(session, wrong_keys(target, staged))}; nothing was changed. "
                f"If somebody else wrote to the table, run `aurora-dwh rebuild {quoted(table)}`",
            )
    return sum(int(rows) for *_, rows in counted) if counted else None


def check_rows(session: Session, target: Target, texts: Sequence[str], manifests: Sequence[Manifest]) -> int:
    """See that the target has just the rows of some days, each with a key of its own where the table has one.

    How many rows it has now of all days is returned. Of `texts` see `statements.texts_of`.

    Raises:
        CheckError: It has another number of rows, or several with one key.
    """
    days = [manifest.day.isoformat() for manifest in manifests]
    answer = session.execute(count_rows(target, texts, days)).rows
    found = {day: (int(rows), int(keys)) for day, rows, keys, _ in answer}
    for manifest in manifests:
        rows, keys = found.get(manifest.day, (0, 0))
        if rows != manifest.rows:
            raise CheckError(
                ROWS,
                f"{target.label} {manifest.day}: the table has {rows} rows of the day after the load and the manifest "
                f"has {manifest.rows}; nothing was changed. Load the day again",
            )
        if keys != rows:
            raise CheckError(
                KEYS,
                f"{target.label} {manifest.day}: {rows} rows have {keys} keys ({', '.join(target.key)}), such as "
                f"{_such(session, repeated_keys(target, texts, days))} several times; nothing was changed. "
                f"{_better_key(target, manifest.schema)}, or {target.filter_rows()}",
            )
    return int(answer[0][3])


def _without_key(target: Target, schema: TableSchema, rows: int, such: str) -> CheckError:
    empty = [schema.column(name).name for name in target.key if schema.column(name).nullable]
    conditions = " AND ".join(f"{name} IS NOT NULL" for name in empty or target.key)
    return CheckError(
        KEYS,
        f"{target.label}: rows have NULL in their key ({', '.join(target.key)}), such as {such}, which is no key; "
        f"nothing was changed. {_better_key(target, schema)}, or {target.filter_rows(conditions)}",
    )


def _alike_keys(target: Target, schema: TableSchema, rows: int, such: str) -> CheckError:
    return CheckError(
        KEYS,
        f"{target.label}: rows differ only in blanks at the end of their key, such as {such}, and Redshift takes such "
        "keys for one; nothing was changed. If Aurora has one of the rows alone, as one that was renamed, run "
        f"{target.rebuild_anew(schema.table)}. If it has both, {target.filter_rows()}, or mask the key column with "
        "sha256",
    )


def _one_key(target: Target, schema: TableSchema, rows: int, such: str) -> CheckError:
    return CheckError(
        KEYS,
        f"{target.label}: {rows} rows of one reading have their key ({', '.join(target.key)}) in common, such as "
        f"{such}; nothing was changed. {_better_key(target, schema)} and run "
        f"`aurora-dwh rebuild {quoted(schema.table)}`, or {target.filter_rows()}",
    )


def _better_key(target: Target, schema: TableSchema) -> str:
    """Return what to do about a key, which names the source's own where that is another one."""
    own = schema.copied_key
    is_other = own and set(own) != {fold(name) for name in target.key}
    which = f", such as the source's primary key ({', '.join(own)})" if is_other else ""
    return f"Name the columns that tell rows apart in `key`{which}"


def _shown(target: Target, schema: TableSchema) -> tuple[str, ...]:
    """Return the columns to tell rows by whose key is not whole: the source's primary key, or the cursor, as well."""
    copied = {column.target_name for column in schema.columns}
    more = (*schema.copied_key, *((target.cursor,) if target.cursor else ()))
    names = dict.fromkeys(fold(name) for name in (*target.key, *more))
    return tuple(name for name in names if name in copied)


def _rows(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as text, each value behind its column's name."""
    return "; ".join(", ".join(f"{name}={value!r}" for name, value in zip(names, row, strict=True)) for row in rows)


def check_days_apart(session: Session, target: Target, texts: Sequence[str], manifests: Sequence[Manifest]) -> None:
    """See that no row of some days of an append table is in another day as well, as one whose cursor moved is.

    Raises:
        CheckError: A key is in two days.
    """
    found = session.execute(keys_in_two_days(target, texts, [m.day.isoformat() for m in manifests])).rows
    if found:
        days = sorted({other for _, other, *_ in found})
        keys = ", ".join(repr(key[0] if len(key) == 1 else tuple(key)) for _, _, *key in found)
        there, table = ", ".join(day.isoformat() for day in days), manifests[0].table
        raise CheckError(
            KEYS,
            f"{target.label} {found[0][0]}: keys ({', '.join(target.key)}) such as {keys} are in {there} as well, as "
            f"rows are whose cursor has moved; nothing was changed. Materialize lake/{table} and staging/{table} for "
            f"{there} again, then this day. A `lookback` that reaches so far does that by itself",
        )


def _such(session: Session, statement: str) -> str:
    return ", ".join(repr(row[0] if len(row) == 1 else row) for row in session.execute(statement).rows)


def count_keys(target: Target, staged: str = f'"{STAGE}"') -> str:
    """Return the query for how many keys a day brought, how many the target lacks, and how many it has twice.

    Behind them are the target's rows with these keys. Its other rows are counted with them, in one scan of it, without
    a day.
    """
    day, copies = identifier(DAY), identifier(_COPIES)
    return (
        f"SELECT {day}, COUNT(*), SUM(CASE WHEN {copies} = 0 THEN 1 ELSE 0 END), "
        f"SUM(CASE WHEN {copies} > 1 THEN 1 ELSE 0 END), SUM({copies})\n"
        f"FROM {_keys_in_target(target, staged)}\nGROUP BY {day}"
    )


def wrong_keys(target: Target, staged: str = f'"{STAGE}"') -> str:
    """Return the query for a few of the keys that a day brought and that the target lacks or has twice."""
    wrong = f"{_keys_in_target(target, staged)} WHERE {identifier(_COPIES)} <> 1 AND {identifier(DAY)} IS NOT NULL"
    return f"SELECT {identifiers(target.key)} FROM {wrong} LIMIT 3"


def _keys_in_target(target: Target, staged: str) -> str:
    """Return the subquery of staged keys with the last day that brought each and its rows in the target.

    The target's rows without a staged key are one more, which has neither a key nor a day.
    """
    day, copies = identifier(DAY), identifier(_COPIES)
    key, of_stage = identifiers(target.key), identifiers(target.key, of="s")
    return (
        f"(\n"
        f"  SELECT {key}, MAX({day}) AS {day}, SUM({copies}) AS {copies}\n"
        f"  FROM (\n"
        f"    SELECT {key}, {day}, 0 AS {copies} FROM {staged} r\n"
        f"    UNION ALL\n"
        f"    SELECT {of_stage}, CAST(NULL AS DATE), COUNT(*)\n"
        f"    FROM {target.sql} t\n"
        f"    LEFT JOIN {distinct_keys(target.key, staged)} s ON {same_key(target.key, 't', 's')}\n"
        f"    GROUP BY {of_stage}\n"
        f"  ) b\n"
        f"  GROUP BY {key}\n"
        f") k"
    )


def count_rows(target: Target, texts: Sequence[str], days: Iterable[str]) -> str:
    """Return the query for the target's rows of some days, for how many keys they have, and for all of its rows.

    Blanks count at the end of `texts`, which are those of `statements.texts_of`.
    """
    day, all_rows = identifier(DAY), f"(SELECT COUNT(*) FROM {target.sql})"
    if not target.key:
        return f"SELECT {day}, COUNT(*), COUNT(*), {all_rows}\nFROM {target.sql}\n{of_days(days)}\nGROUP BY {day}"
    counts = f"SUM({identifier(_COPIES)}), COUNT(*), {all_rows}"
    return f"SELECT {day}, {counts}\nFROM {_copies_of_keys(target, texts, days)}\nGROUP BY {day}"


def repeated_keys(target: Target, texts: Sequence[str], days: Iterable[str]) -> str:
    """Return the query for a few of the keys that several rows of a day have; for the arguments see `count_rows`."""
    copies = _copies_of_keys(target, texts, days)
    return f"SELECT {identifiers(target.key)} FROM {copies} WHERE {identifier(_COPIES)} > 1 LIMIT 3"


def keys_in_two_days(target: Target, texts: Sequence[str], days: Iterable[str]) -> str:
    """Return the query for a few of the keys that are in one of the days and in another day; see `count_rows`.

    A row that is flagged as deleted may have its key again.
    """
    day, listed = identifier(DAY), ", ".join(literal(day) for day in days)
    live = f" AND NOT t.{identifier(DELETED)}" if target.flags_deletes else ""
    return (
        f"SELECT s.{day}, t.{day}, {identifiers(target.key, of='s')}\n"
        f"FROM {target.sql} s\n"
        f"JOIN {target.sql} t ON {exact_key(target.key, texts, 's', 't')} AND t.{day} <> s.{day}{live}\n"
        f"WHERE s.{day} IN ({listed})\n"
        f"LIMIT 3"
    )


def _copies_of_keys(target: Target, texts: Sequence[str], days: Iterable[str]) -> str:
    day, key = identifier(DAY), identifiers(target.key)
    sizes = "".join(f", OCTET_LENGTH({identifier(name)})" for name in texts)
    return (
        f"(\n"
        f"  SELECT {day}, {key}, COUNT(*) AS {identifier(_COPIES)}\n"
        f"  FROM {target.sql}\n"
        f"  {of_days(days)}\n"
        f"  GROUP BY {day}, {key}{sizes}\n"
        f") k"
    )
