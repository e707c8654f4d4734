"""What is checked of a load inside its transaction, so that nothing is committed where data would be wrong.

Each function asks one statement and returns what it found, or raises `CheckError` with a few of the keys. What else is
checked of a load is checked where it is known: COPY's count by `stage`, the columns by `drift`. How a check is shown is
`assets.checks`' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aurora_dwh.handoff import Manifest
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.errors import KEYS, ROWS, CheckError
from aurora_dwh.warehouse.sql import identifier, identifiers
from aurora_dwh.warehouse.statements import DAY, STAGE, Target, of_days, same_key

_COPIES = "_dwh_copies"


def check_source_rows(target: Target, manifests: Iterable[Manifest]) -> None:
    """Compare the rows that the source gave with those that lie in the lake.

    Raises:
        CheckError: They differ.
    """
    for manifest in manifests:
        if manifest.source_rows != manifest.rows:
            raise CheckError(
                ROWS,
                f"{target.label} {manifest.day}: the source gave {manifest.source_rows} rows and the manifest has "
                f"{manifest.rows}; nothing was changed. Materialize that day of the lake again",
            )


def check_keys(session: Session, target: Target, staged: str) -> None:
    """See that the target has each key on the stage, and has it once.

    Args:
        session: A session in the load's transaction.
        target: The staging table.
        staged: The staged rows, as `statements.staged` gives them.

    Raises:
        CheckError: It lacks keys, or has some of them in several rows.
    """
    for day, keys, missing, repeated in session.execute(count_keys(target, staged)).rows:
        if missing or repeated:
            raise CheckError(
                KEYS,
                f"{target.label} {day}: of {keys} keys {missing} are not in the table after the load and {repeated} "
                f"are there more than once, such as {_such(session, wrong_keys(target, staged))}; nothing was changed. "
                "If somebody else wrote to the table, run `aurora-dwh rebuild` for it",
            )


def check_rows(session: Session, target: Target, texts: Sequence[str], manifests: Sequence[Manifest]) -> None:
    """See that the target has just the rows of some days, each with a key of its own where the table has one.

    Args:
        session: A session in the load's transaction.
        target: The staging table.
        texts: Those of its key columns that are a VARCHAR.
        manifests: The days that were written.

    Raises:
        CheckError: It has another number of rows, or several with one key.
    """
    days = [manifest.day.isoformat() for manifest in manifests]
    found = {day: (int(rows), int(keys)) for day, rows, keys in session.execute(count_rows(target, texts, days)).rows}
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
                "Correct `key` in the catalog, or leave rows out with `filter`",
            )


def _such(session: Session, statement: str) -> str:
    return ", ".join(repr(row[0] if len(row) == 1 else row) for row in session.execute(statement).rows)


def count_keys(target: Target, staged: str = f'"{STAGE}"') -> str:
    """Return the query for how many keys a day brought, how many the target lacks, and how many it has twice."""
    day, copies = identifier(DAY), identifier(_COPIES)
    return (
        f"SELECT {day}, COUNT(*), SUM(CASE WHEN {copies} = 0 THEN 1 ELSE 0 END), "
        f"SUM(CASE WHEN {copies} > 1 THEN 1 ELSE 0 END)\nFROM {_keys_in_target(target, staged)}\nGROUP BY {day}"
    )


def wrong_keys(target: Target, staged: str = f'"{STAGE}"') -> str:
    """Return the query for a few of the keys that a day brought and that the target lacks or has twice."""
    wrong = f"{_keys_in_target(target, staged)} WHERE {identifier(_COPIES)} <> 1"
    return f"SELECT {identifiers(target.key)} FROM {wrong} LIMIT 3"


def _keys_in_target(target: Target, staged: str) -> str:
    day, key = identifier(DAY), identifiers(target.key, of="s")
    return (
        f"(\n"
        f"  SELECT s.{day}, {key}, COUNT(t.{identifier(target.key[0])}) AS {identifier(_COPIES)}\n"
        f"  FROM (SELECT DISTINCT {day}, {identifiers(target.key)} FROM {staged} r) s\n"
        f"  LEFT JOIN {target.sql} t ON {same_key(target.key, 's', 't')}\n"
        f"  GROUP BY s.{day}, {key}\n"
        f") k"
    )


def count_rows(target: Target, texts: Sequence[str], days: Iterable[str]) -> str:
    """Return the query for the target's rows of some days, and for how many keys they have.

    Args:
        target: The staging table.
        texts: Those of its key columns that are a VARCHAR, in which blanks at the end count here.
        days: The days.
    """
    day = identifier(DAY)
    if not target.key:
        return f"SELECT {day}, COUNT(*), COUNT(*)\nFROM {target.sql}\n{of_days(days)}\nGROUP BY {day}"
    copies = identifier(_COPIES)
    return f"SELECT {day}, SUM({copies}), COUNT(*)\nFROM {_copies_of_keys(target, texts, days)}\nGROUP BY {day}"


def repeated_keys(target: Target, texts: Sequence[str], days: Iterable[str]) -> str:
    """Return the query for a few of the keys that several rows of a day have; for the arguments see `count_rows`."""
    copies = _copies_of_keys(target, texts, days)
    return f"SELECT {identifiers(target.key)} FROM {copies} WHERE {identifier(_COPIES)} > 1 LIMIT 3"


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
