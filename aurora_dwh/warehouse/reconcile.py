"""The reconciliation: rows that are gone from the source are removed from a staging table, or flagged.

One transaction: take the table's turn, stage the source's keys, find the rows that they lack, refuse what is too much
to be true, flag or remove, audit. Only rows that were read before the keys count as gone: one that was read later may
well be newer than the keys.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timezone

from aurora_dwh.handoff import DataError, Manifest, utc_now
from aurora_dwh.schema import TableSchema
from aurora_dwh.warehouse import audit, drift, standing
from aurora_dwh.warehouse import statements as sql
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.load import in_turn, take_turn
from aurora_dwh.warehouse.stage import Lake, Stage
from aurora_dwh.warehouse.statements import Target

MAX_SHARE = 0.1
"""The share of the live rows that may go at once, where nothing else is said."""


class TooManyGoneError(DataError):
    """More rows are gone than may go at once: rather a wrong source than deleted rows."""


@dataclass(frozen=True)
class Reconciled:
    """What a reconciliation found and did.

    Attributes:
        source_keys: Keys in the source.
        live_rows: Rows of the staging table before, without those that were flagged already.
        gone: Those of them that were removed or flagged.
        back: Flagged rows whose key is in the source again, and whose flag was taken off.
        statements: What was run.
    """

    source_keys: int
    live_rows: int
    gone: int
    back: int
    statements: tuple[str, ...]

    @property
    def share(self) -> float:
        """The share of the live rows that was gone, from 0 to 1."""
        return self.gone / self.live_rows if self.live_rows else 0.0


def prepare(warehouse: Warehouse, target: Target) -> None:
    """See to it that the staging table is there, has the flag that it needs, and that its audit has a table.

    Raises:
        DataError: The staging table does not exist.
        WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
    """

    def work(session: Session) -> None:
        if not drift.live_columns(session, target):
            raise DataError(f"{target.label} does not exist, so nothing can be gone from it; load its days first")

        def needed() -> list[str]:
            live = drift.look(session, target)
            return [*audit.DDL, *audit.missing_columns(live.history), *drift.missing_flag(target, live.columns)]

        drift.settle(session, needed)

    warehouse.persist(work)


def reconcile(
    warehouse: Warehouse,
    lake: Lake,
    target: Target,
    keys: Manifest,
    *,
    max_share: float = MAX_SHARE,
    run_id: str | None = None,
) -> Reconciled:
    """Remove the rows that are gone from the source, or flag them where the target flags deletes.

    Args:
        warehouse: Redshift.
        lake: The lake that the keys are in.
        target: The staging table, as `prepare` leaves it.
        keys: All the source's keys as they were at one moment.
        max_share: The share of the live rows, from 0 to 1, that may be gone; 1 allows all of them.
        run_id: The Dagster run, for the audit table.

    Raises:
        TooManyGoneError: More is gone than may be, or all of a source that is empty. Nothing was changed.
        DataError: The keys' types are not the target's, or COPY loaded another number of keys than there are.
        WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
    """
    work = _Work(warehouse, lake, target, keys, max_share, run_id)
    return warehouse.transaction(work.run, landed=work.landed)


@dataclass(frozen=True)
class _Work:
    warehouse: Warehouse
    lake: Lake
    target: Target
    keys: Manifest
    max_share: float
    run_id: str | None
    reconcile_id: str = field(default_factory=lambda: secrets.token_hex(16))

    def landed(self, session: Session) -> bool:
        """Return whether this work was committed, once a COMMIT that is still under way has ended."""
        query = audit.find_reconciliation(self.reconcile_id)
        return in_turn(self.warehouse, session, self.target, lambda s: bool(s.execute(query).rows[0][0]))

    def run(self, session: Session) -> Reconciled:
        """Run every statement between BEGIN and COMMIT."""
        target, read_at = self.target, self.keys.snapshot_at.astimezone(timezone.utc)
        take_turn(self.warehouse, session, target)
        standing.find(session, target, self.keys).check_source(self.keys)
        self._check_types(session, self.keys.schema)
        schema = Stage(self.warehouse, self.lake, target.label).fill(session, [self.keys])
        texts = sql.texts_of(target, schema)
        session.execute(sql.find_gone(target, texts, read_at))
        gone, live = (int(count) for count in session.execute(sql.count_gone(target)).rows[0])
        self._check_share(session, gone, live)
        back = 0
        if target.flags_deletes:
            session.execute(sql.flag_gone(target, texts, read_at))
            back = session.execute(sql.unflag(target, texts, read_at)).count
        else:
            session.execute(sql.delete_gone(target, texts, read_at))
            if gone and gone == live:
                session.execute(audit.forget(target.label))  # else its next load would miss what was loaded before
        session.execute(audit.insert_reconciliation(self._audited(gone, live, back)))
        return Reconciled(self.keys.rows, live, gone, back, (*session.statements, "COMMIT"))

    def _check_types(self, session: Session, schema: TableSchema) -> None:
        """Refuse to compare keys of different types: that would find each of them gone."""
        live = drift.live_columns(session, self.target)
        for column in schema.columns:
            there = live[column.target_name].type if column.target_name in live else "not there"
            if not (drift.holds(there, column.redshift_type) or drift.holds(column.redshift_type, there)):
                raise drift.DriftError(
                    f"{self.target.label}: key column {column.target_name!r} is {there} in Redshift and now "
                    f"{column.redshift_type} ({column.column_type} in MySQL); nothing was changed; "
                    f"run {drift.rebuild_to(column, there, schema.table)}"
                )

    def _check_share(self, session: Session, gone: int, live: int) -> None:
        source_is_empty = self.keys.rows == 0 and self.max_share < 1
        if gone <= self.max_share * live and not (gone and source_is_empty):
            return
        rows = session.execute(sql.gone_keys(self.target)).rows
        shown = ", ".join(repr(row[0] if len(row) == 1 else row) for row in rows)
        what = "the source is empty" if not self.keys.rows else f"at most {self.max_share:.1%} may be"
        raise TooManyGoneError(
            f"{self.target.label}: {gone:,} of {live:,} rows ({gone / live:.1%}) are gone from the source, such as "
            f"{shown}, and {what}; nothing was changed. If they were deleted on purpose, materialize "
            f"reconcile again with the run config `max_share: {min(1.0, _above(gone / live))}`"
        )

    def _audited(self, gone: int, live: int, back: int) -> audit.ReconcileRow:
        return audit.ReconcileRow(
            reconcile_id=self.reconcile_id,
            run_id=self.run_id,
            table_name=self.target.label,
            deletes="flag" if self.target.flags_deletes else "remove",
            snapshot_at=self.keys.snapshot_at.astimezone(timezone.utc),
            source_keys=self.keys.rows,
            live_rows=live,
            rows_gone=gone,
            rows_back=back,
            reconciled_at=utc_now(),
        )


def _above(share: float) -> float:
    """Return the share rounded up to whole hundredths."""
    return -(-share * 100 // 1) / 100
