"""Rows that are gone from the source, removed from a staging table or flagged, by keys that were looked up twice.

One transaction: lock the table, flag or remove. Only rows that were read before the source was asked count as gone: one
that was read later may well be newer. More than a share of the table is refused, for that is rather a wrong source than
deleted rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import ceil

from aurora_dwh.core.models import DataError
from aurora_dwh.warehouse import load_history
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.load import schema_drift
from aurora_dwh.warehouse.load import statements as sql
from aurora_dwh.warehouse.load.statements import Target
from aurora_dwh.warehouse.locks import lock

MAX_SHARE = 0.1
"""The share of the live rows that may go at once, where nothing else is said."""


class TooManyGoneError(DataError):
    """More rows are gone than may go at once: rather a wrong source than deleted rows."""


def prepare(warehouse: Warehouse, target: Target) -> None:
    """See to it that the staging table has the flag that it needs, and that proofs have their table.

    Raises:
        DataError: The staging table does not exist.
        WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
    """

    def work(session: Session) -> None:
        if not schema_drift.live_columns(session, target):
            raise DataError(f"{target.label} does not exist, so there is nothing to prove; load its days first")

        def needed() -> list[str]:
            live = schema_drift.look(session, target)
            flag = schema_drift.missing_flag(target, live.columns)
            return [*schema_drift.audit_tables(session, live), *flag]

        schema_drift.settle(session, needed)

    warehouse.persist(work)


def check_share(
    target: Target, table: str, *, gone: int, live: int, source_rows: int, max_share: float, shown: Sequence[str]
) -> None:
    """Refuse to take more rows away than is likely to be right.

    Args:
        live: The table's rows, without those that are flagged already.
        max_share: The share of the live rows, from 0 to 1, that may be gone; 1 allows all of them.

    Raises:
        TooManyGoneError: It is more, or all of a source that is empty.
    """
    is_empty = source_rows == 0 and max_share < 1
    if not gone or (gone / live <= max_share and not is_empty):  # 29 rows are more than 0.29 * 100, which is 28.99...
        return
    what = "the source is empty" if not source_rows else f"at most {max_share:.1%} may be"
    raise TooManyGoneError(
        f"{target.label}: {gone:,} of {live:,} rows ({gone / live:.1%}) are gone from the source, such as "
        f"{'; '.join(shown)}, and {what}; none was taken away. If they were deleted on purpose, materialize "
        f"proof/{table} again with the run config `max_share: {min(1.0, ceil(100 * gone / live) / 100)}`"
    )


def remove(warehouse: Warehouse, target: Target, conditions: Sequence[str], at: datetime, *, flags: bool) -> None:
    """Remove the rows that conditions in Redshift's SQL select, or flag them; doing it twice is the same as once.

    Args:
        at: The moment of the source at which they were gone; rows that were read later stay.

    Raises:
        WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
    """
    write = sql.flag_rows if flags else sql.delete_rows

    def work(session: Session) -> None:
        lock(session, target.sql)
        for condition in conditions:
            session.execute(write(target, condition, at))
        if not flags and not session.execute(f"SELECT 1 AS one FROM {target.sql} LIMIT 1").rows:
            session.execute(load_history.forget(target.label))  # else its next load would miss what was loaded before

    warehouse.transaction(work)
