"""Who waits for whom, and how who comes too late is told.

Sources: "Serializable isolation", "Managing concurrent write operations" and ALTER TABLE of the Developer Guide.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aurora_dwh.commands.doctor.contract.assumption import Assumption
from aurora_dwh.commands.doctor.contract.scratch import PASSING, Scratch
from aurora_dwh.warehouse.load.schema_drift import DONE_BY_ANOTHER
from aurora_dwh.warehouse.locks import lock

_CHANGE, _OTHER = "UPDATE {t} SET n = n + 1 WHERE id = 1", "UPDATE {t} SET n = n + 1 WHERE id = 2"
_NONE, _ADD, _READ = "DELETE FROM {t} WHERE 1 = 0", "INSERT INTO {t} (id, n) VALUES (3, 0)", "SELECT n FROM {t}"
_ALTER, _TWO = "ALTER TABLE {t} ADD COLUMN m INTEGER", "UPDATE {s} SET n = 1"
_GOES_ON, _WAITS = "done", "waits, then done"

_TWICE = "two loads of one table may each miss what the other wrote; let no two runs load it at once (`pools: 1`)"
_SLOW = "loads, builds and readers wait for one another; correctness does not rest on it"

_PAIRS = (
    ("an UPDATE waits for one of the same row", _CHANGE, _CHANGE, _WAITS, _TWICE),
    ("an UPDATE waits for one of another row", _CHANGE, _OTHER, _WAITS, _TWICE),
    ("a DELETE of no row waits for another", _NONE, _NONE, _WAITS, _TWICE),
    ("an INSERT waits for a DELETE of no row", _NONE, _ADD, _WAITS, _TWICE),
    ("an UPDATE waits for a DELETE of no row", _NONE, _CHANGE, _WAITS, _TWICE),
    ("a SELECT does not wait for an UPDATE", _CHANGE, _READ, _GOES_ON, _SLOW),
    ("an INSERT does not wait for a SELECT", _READ, _ADD, _GOES_ON, _SLOW),
    ("writers of two tables do not wait", _CHANGE, _TWO, _GOES_ON, _SLOW),
    ("an ALTER waits for a SELECT", _READ, _ALTER, _WAITS, "readers of a table that gets a column may fail"),
)


def assumptions() -> Iterator[Assumption]:
    """Yield what is assumed of locks."""
    for name, holds, comes, expected, meaning in _PAIRS:
        yield Assumption(f"locks: {name}", expected, meaning, partial(_meet, holds, comes))
    yield Assumption("locks: who waited goes on with what the one before left", "6", _TWICE, _go_on)
    yield Assumption(
        "locks: who has read before and waited is told to try again",
        f"waits, then {PASSING}",
        "a mart's build that reads before it locks may keep rows of another build; the product locks first",
        _too_late,
    )
    yield Assumption(
        "locks: the second CREATE TABLE of a name",
        "waits, then it is there",
        "two first loads of a table at once: one fails, and is to be launched again",
        _make_twice,
    )
    yield Assumption(
        "locks: a table that is younger than the snapshot",
        PASSING,
        "a build beside a rebuild may fail for good, or find no row; launch it again",
        _young,
    )
    yield Assumption(
        "locks: a VARCHAR is not widened in a transaction",
        "refused 25001",
        "nothing: the product widens before it begins one",
        _widen,
    )


def _table(scratch: Scratch) -> str:
    table = scratch.name()
    scratch.run(
        scratch.first,
        f"CREATE TABLE {table} (id INTEGER, n INTEGER, note VARCHAR(10))",
        f"INSERT INTO {table} (id, n) VALUES (1, 0), (2, 0)",
    )
    return table


def _meet(holds: str, comes: str, scratch: Scratch) -> str:
    """Return what becomes of a statement while another transaction has run one on the same table."""
    names = {"t": _table(scratch), "s": _table(scratch)}
    scratch.run(scratch.first, "BEGIN", holds.format(**names))
    coming = scratch.beside("BEGIN", comes.format(**names))
    scratch.run(scratch.first, "COMMIT")
    return coming.ended()


def _go_on(scratch: Scratch) -> str:
    table = _table(scratch)
    scratch.run(scratch.first, "BEGIN")
    lock(scratch.first, table)
    scratch.run(scratch.first, f"UPDATE {table} SET n = 5")
    coming = scratch.beside("BEGIN", _NONE.format(t=table), f"UPDATE {table} SET n = n + 1", "COMMIT")
    scratch.run(scratch.first, "COMMIT")
    ended = coming.ended()
    ((most,),) = scratch.rows(f"SELECT MAX(n) FROM {table}")
    return str(most) if ended == _WAITS else ended


def _too_late(scratch: Scratch) -> str:
    table = _table(scratch)
    scratch.run(scratch.second, "BEGIN", _READ.format(t=table))
    scratch.run(scratch.first, "BEGIN", _CHANGE.format(t=table))
    coming = scratch.beside(_CHANGE.format(t=table))
    scratch.run(scratch.first, "COMMIT")
    return coming.ended()


def _make_twice(scratch: Scratch) -> str:
    table = scratch.name()
    scratch.run(scratch.first, "BEGIN", f"CREATE TABLE {table} (a INTEGER)")
    coming = scratch.beside("BEGIN", f"CREATE TABLE {table} (a INTEGER)")
    scratch.run(scratch.first, "COMMIT")
    waits, _, state = coming.ended().rpartition("refused ")
    return f"{waits}it is there" if state in DONE_BY_ANOTHER else f"{waits}refused {state}"


def _young(scratch: Scratch) -> str:
    table, young = _table(scratch), scratch.name("young")
    scratch.run(scratch.second, "BEGIN", _READ.format(t=table))
    scratch.run(scratch.first, f"CREATE TABLE {young} (a INTEGER)")
    return scratch.told(scratch.second, f"SELECT a FROM {young}")


def _widen(scratch: Scratch) -> str:
    table = _table(scratch)
    return scratch.told(scratch.first, "BEGIN", f"ALTER TABLE {table} ALTER COLUMN note TYPE VARCHAR(20)")
