"""A staging table made anew from the lake beside the old one, and put in its place at once.

For what cannot be changed in place: a column's type, another mode, key, dist or sort key; and for a table that is gone
or emptied. Readers see the old rows until they
see the new ones. A load that happens meanwhile is noticed, and its days are taken in before the swap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from aurora_dwh.core.days import listed
from aurora_dwh.core.models import DataError, Manifest, StaleManifestError, utc_now
from aurora_dwh.warehouse import dependents, load_history, locks
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.load import batches, schema_drift, standing
from aurora_dwh.warehouse.load import transaction as load
from aurora_dwh.warehouse.load.schema_drift import live_columns
from aurora_dwh.warehouse.load.stage import Lake
from aurora_dwh.warehouse.load.standing import Standing
from aurora_dwh.warehouse.load.statements import Target
from aurora_dwh.warehouse.table_swap import swap

_ROUNDS = 10
"""How often days are taken in that other loads brought meanwhile."""


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did: the days in the lake that the new table was loaded from, and its rows."""

    days: tuple[date, ...]
    rows: int


def rebuild(
    warehouse: Warehouse,
    lake: Lake,
    target: Target,
    mode: str,
    read: Callable[[], Sequence[Manifest]],
    *,
    table: str,
    is_read_anew: bool = False,
    loaded: Callable[[Sequence[Manifest]], None] = lambda _: None,
) -> Rebuilt:
    """Make a staging table anew and swap it.

    Args:
        read: Gives what in the lake the table is made of, as `Lake.loadable` does: in mode full, the latest reading.
        is_read_anew: Whether all of them were read for this, so that they need not go with what was loaded before.
        loaded: Told the days of each transaction that is done.

    Raises:
        DataError: The lake lacks days that the table was loaded from, they do not go with it, or a manifest's rows do
            not fit.
        WarehouseError: Redshift refused a statement. Whatever is raised, the old table stands as it was.
    """
    twin = target.twin
    warehouse.persist(partial(_clear, target=target, twin=twin))
    taken_in: dict[str, Manifest] = {}
    for _ in range(_ROUNDS):
        loads = warehouse.persist(partial(_loads, target=target))
        manifests = list(read())
        warehouse.persist(partial(_check, target, table, mode, manifests, is_read_anew))
        fresh = [m for m in manifests if m.url not in taken_in or taken_in[m.url].attempt != m.attempt]
        try:
            for group in _transactions(warehouse, twin, fresh):
                load.load(warehouse, lake, twin, mode, group, run_id=None, is_anew=True)
                taken_in |= {m.url: m for m in group}
                loaded(group)
        except StaleManifestError:
            continue  # a day was read anew meanwhile: the next round takes it in
        rows = _take_place(warehouse, target, twin, loads)
        if rows is not None:
            days = {m.day for m in taken_in.values() if not m.is_repair}
            return Rebuilt(tuple(sorted(days)), rows)
    raise DataError(f"{target.label} is loaded all the time; rebuild it when no run works on it. Nothing was changed")


def loaded_days(warehouse: Warehouse, target: Target) -> set[date]:
    """Return the days that a staging table was loaded with."""
    with warehouse.session() as session:
        if not schema_drift.look(session, target).history:
            return set()
        return {day for (day,) in session.execute(load_history.loaded_days(target.label)).rows}


def _clear(session: Session, target: Target, twin: Target) -> None:
    """See to what all tables rest on, and remove what a broken-off rebuild left; raises DependentError."""

    def needed() -> list[str]:
        schemas = schema_drift.missing_schemas(session, target.schema_name)
        return schemas + schema_drift.audit_tables(session, schema_drift.look(session, target))

    dependents.check(session, target.schema_name, target.name)
    schema_drift.settle(session, needed)
    session.execute(f"DROP TABLE IF EXISTS {twin.sql}")
    session.execute(load_history.forget(twin.label))


def _transactions(warehouse: Warehouse, twin: Target, manifests: Sequence[Manifest]) -> Iterator[list[Manifest]]:
    """Yield the days as they are loaded; the table is made as the latest reading has it, which may hold older ones."""
    if manifests:
        latest = max(manifests, key=lambda m: m.snapshot_at).schema
        try:
            for schema in (latest, *(m.schema for m in manifests)):
                warehouse.persist(partial(schema_drift.adapt, target=twin, schema=schema))
        except schema_drift.DriftError as error:
            raise DataError(
                f"table {latest.table}: days in the lake have columns of types that go into no one table, so nothing "
                f"was changed; read them again with {twin.rebuild_anew(latest.table)} ({error})"
            ) from error
    yield from batches.transactions(manifests)


def _take_place(warehouse: Warehouse, target: Target, twin: Target, loads: int) -> int | None:
    """Put the twin in the table's place and return its rows, or None where the table was loaded after `loads`."""
    is_there = False

    def look(session: Session) -> None:
        nonlocal is_there
        is_there = bool(live_columns(session, target))

    def work(session: Session) -> int | None:
        if is_there:
            locks.lock(session, target.sql)
        if _loads(session, target) != loads:
            return None
        rows = int(session.execute(f"SELECT COUNT(*) FROM {twin.sql}").rows[0][0])
        with locks.passing(*schema_drift.DONE_BY_ANOTHER):  # its first load made it meanwhile
            swap(session, target.schema_name, target.name, replacement=twin.name)
        session.execute(load_history.forget(target.label))
        session.execute(load_history.adopt(twin.label, target.label))
        return rows

    return warehouse.transaction(work, before=look, landed=partial(_has_place, twin=twin))


def _has_place(session: Session, twin: Target) -> bool:
    """Return whether the twin has got the table's name, once a COMMIT that is still under way has ended."""
    locks.await_writer(session, lambda: locks.lock(session, twin.sql), locks.GONE)
    return not live_columns(session, twin)


def _loads(session: Session, target: Target) -> int:
    return int(session.execute(load_history.count_loads(target.label)).rows[0][0])


def _check(
    target: Target, table: str, mode: str, manifests: Sequence[Manifest], is_read_anew: bool, session: Session
) -> None:
    """Refuse to make a table anew of which nothing is known, that would lack rows of the old one, or by other rules."""
    is_there = bool(live_columns(session, target))
    stands = standing.find(session, target, manifests[-1], is_new=not is_there) if manifests else Standing(target)
    if not (is_there or stands.days or stands.elsewhere):
        raise DataError(f"{target.label} does not exist, so there is nothing to rebuild; materialize its days")
    in_lake = {m.day: m.snapshot_at for m in manifests if not m.is_repair}
    loaded = {**(standing.unrecorded(session, target) if is_there else {}), **stands.snapshots}
    if mode == "full":
        newest = max(in_lake.values(), default=None)
        # A moment that has not come is that of a clock which went wrong.
        missing = [day for day, at in loaded.items() if newest is None or newest < at <= utc_now()]
    else:
        first = manifests[0].window if manifests else None  # which may hold what lay in days before it
        missing = [day for day in loaded if day not in in_lake and not (first and first.is_first and day < first.day)]
    if missing or not manifests:
        shown = listed(missing) if missing else "any day"
        raise DataError(
            f"{target.label}: the lake lacks what the table was loaded from ({shown}), so nothing was changed; "
            f"read it again with {target.rebuild_anew(table)}"
        )
    if not is_read_anew:
        stands.check_lake(mode, manifests)
