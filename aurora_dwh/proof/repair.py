"""Rows that a proof found to differ, mended: read from the source by key, through the lake, by the ordinary load.

How depends on the table's mode. In mode incremental the rows are read again into a place of their own in the lake, and
upserted as rows of a later reading. In mode append the days that they are of are read and replaced as units. A table
that is copied whole is mended by its next load. Rows that are gone from the source follow the catalog's `deletes`. A
staging table without rows is first made anew from the lake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from aurora_dwh.core.models import DataError, Manifest
from aurora_dwh.core.rules import Rules, check_days, quoted
from aurora_dwh.lake.gone import Gone
from aurora_dwh.proof.compare import Candidate
from aurora_dwh.proof.engine import Places, Proof
from aurora_dwh.proof.look import Look
from aurora_dwh.proof.verdict import DUPLICATE, EXTRA, MISSING, STALE, Found
from aurora_dwh.source.by_key import rows_by_key
from aurora_dwh.source.connection import Connection
from aurora_dwh.source.cursor import TableCursor
from aurora_dwh.source.factory import read_days
from aurora_dwh.source.throttle import Throttle
from aurora_dwh.source.windows import window
from aurora_dwh.warehouse import rebuild as warehouse_rebuild
from aurora_dwh.warehouse import removal
from aurora_dwh.warehouse.load import batches
from aurora_dwh.warehouse.load import transaction as load
from aurora_dwh.warehouse.load.statements import Target, staging_target

if TYPE_CHECKING:
    from aurora_dwh.catalog.fields import PauseAbove
    from aurora_dwh.catalog.model import Catalog, Table

KEYS_RECORDED = 1_000
"""Keys of a repair that are recorded beside the address of all of them."""


@dataclass
class Repaired:
    """What was done."""

    rows: int = 0  # rows that were read again from the source; in mode append, those of whole days
    removed: int = 0  # rows that were removed or flagged
    # each repair as it is recorded: what was done, why, to which keys, and from where
    done: list[dict[str, Any]] = field(default_factory=list)
    refused: DataError | None = None  # why rows that differ were left as they are; None where they were not

    def note(self, what: str, found: Iterable[Found], **more: Any) -> None:
        """Record a repair."""
        rows = list(found)
        kinds = sorted({one.kind for one in rows})
        self.done.append({"what": what, "why": kinds, "keys": [one.label for one in rows[:KEYS_RECORDED]], **more})


@dataclass(frozen=True)
class Repair:
    """The repair of one table."""

    connection: Connection  # a session on the source
    places: Places  # where to work
    catalog: Catalog
    table: Table
    rules: Rules  # what shapes its rows now, its source among it
    run_id: str | None = None  # the Dagster run, for the audit table
    max_share: float = removal.MAX_SHARE  # the share of the live rows, from 0 to 1, that may be gone

    @property
    def takes_away(self) -> bool:
        """Whether rows that are gone from the source are taken away."""
        policy = self.table.repair
        return self.table.mode != "full" and policy != "report" and (self.table.deletes != "keep" or policy == "all")

    def is_lost(self, proof: Proof) -> bool:
        """Return whether the staging table has lost all of its rows."""
        verdict = proof.verdict
        is_empty = not verdict.staged_rows and bool(verdict.kinds.get(MISSING))
        return is_empty and self.table.repair != "report" and self.table.mode != "full"

    def make_anew(self, done: Repaired) -> None:
        """Make the staging table anew from the lake.

        Raises:
            DataError: The lake lacks days that it was loaded from, or they do not go with it.
            WarehouseError: Redshift refused a statement.
        """
        lake, name = self.places.lake, self.table.name

        def days() -> Sequence[Manifest]:
            found = lake.loadable(name, self.table.mode)
            remedy = f"Read them from Aurora again with `aurora-dwh rebuild {quoted(name)} --from source`"
            check_days(self.rules, found, remedy=remedy)
            return found

        made = warehouse_rebuild.rebuild(self.places.warehouse, lake, self._target, self.table.mode, days, table=name)
        done.done.append({"what": "made anew from the lake", "why": [MISSING], "rows": made.rows})

    def mend(self, proof: Proof, done: Repaired) -> None:
        """Mend what a proof found.

        Args:
            done: Is told what was done.

        Raises:
            DataError: Rows cannot be copied as they are, or too many differ.
            SourceError: The source failed, and another attempt may succeed.
            WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
        """
        if self.table.repair == "report" or self.table.mode == "full":
            return
        if not proof.verdict.is_looked_at:
            name = quoted(self.table.name)
            raise DataError(
                f"{self._target.label}: {proof.verdict.wrong:,} rows differ, too many to mend one by one; run "
                f"`aurora-dwh rebuild {name}`, or `aurora-dwh rebuild {name} --from source` where the lake does not "
                "have them either"
            )
        extra = [one for one in proof.found if one.kind == EXTRA]
        if extra and self.takes_away and proof.subject.key:
            self._take_away(proof, extra, done)
        wrong = [one for one in proof.found if one.kind in (MISSING, STALE, DUPLICATE)]
        if self.table.mode == "append":
            without_key = extra if self.takes_away and not proof.subject.key else []
            self._read_days(proof, [*wrong, *without_key], done)
        elif wrong:
            self._read_rows(proof, wrong, done)

    @property
    def _target(self) -> Target:
        return staging_target(self.table, self.places.warehouse.settings.staging_schema)

    def _take_away(self, proof: Proof, extra: Sequence[Found], done: Repaired) -> None:
        target, verdict = self._target, proof.verdict
        rows = sum(one.rows for one in extra)
        try:
            removal.check_share(
                target,
                self.table.name,
                gone=rows,
                live=verdict.staged_rows,
                source_rows=verdict.source_rows,
                max_share=self.max_share,
                shown=[one.label for one in extra[:3]],
            )
        except removal.TooManyGoneError as error:
            done.refused = error
            return
        # First in the lake: what Redshift does not have any more, no later proof would find.
        keys = [one.key for one in extra]
        gone = Gone([column.target_name for column in proof.subject.key], keys, proof.at)
        self.places.lake.write_gone(self.table.name, gone)
        self._delete(proof, extra, flags=target.flags_deletes)
        done.removed += rows
        done.note("flagged" if target.flags_deletes else "removed", extra)

    def _delete(self, proof: Proof, found: Sequence[Found], *, flags: bool) -> None:
        look = self._look(proof)
        conditions = look.staged_conditions(_of(found, proof.candidates))
        removal.remove(self.places.warehouse, self._target, conditions, proof.at, flags=flags)

    def _read_rows(self, proof: Proof, wrong: Sequence[Found], done: Repaired) -> None:
        """Read rows again by key, write them into the lake, and upsert them."""
        if twice := [one for one in wrong if one.kind == DUPLICATE]:
            self._delete(proof, twice, flags=False)  # else the upsert finds each of them
        lake, table = self.places.lake, self.table
        self._throttle(self.places.pause_above).pause(f"repair of {table.name}")
        conditions = self._look(proof).source_conditions(_of(wrong, proof.candidates))
        day = proof.subject.newest or self.catalog.start_date
        with rows_by_key(
            self.connection,
            table,
            proof.subject.source,
            conditions,
            self._throttle(None),  # it is a moment's reading, which does not pause within its snapshot
            day=day,
            reached=proof.reached,
            rules=self.rules,
        ) as extract:
            manifest = lake.write_repair(table.name, extract)
        done.rows += manifest.rows
        done.note("read again", wrong, manifest=manifest.url)
        if manifest.rows:
            load.load(self.places.warehouse, lake, self._target, table.mode, [manifest], run_id=self.run_id)

    def _throttle(self, limits: PauseAbove | None) -> Throttle:
        ceiling = self.table.max_rows_per_second
        return Throttle(self.connection, ceiling=ceiling, limits=limits, warn=self.places.warn)

    def _read_days(self, proof: Proof, wrong: Sequence[Found], done: Repaired) -> None:
        days = sorted({day for one in wrong for day in (*one.days, *self._days_of(proof, one))})
        if not days:
            return
        lake, table = self.places.lake, self.table
        had = partial(lake.columns, table.name)
        today = proof.at.astimezone(self.catalog.zone).date()  # a table that is loaded by the hour has rows of it
        extracts = read_days(
            table, self.catalog, days, self.places.warn, had=had, settings=self.places.source, today=today
        )
        manifests = [manifest for manifest, _ in lake.write_each(extracts)]
        for group in batches.transactions(manifests):
            load.load(self.places.warehouse, lake, self._target, table.mode, group, run_id=self.run_id)
        done.rows += sum(manifest.rows for manifest in manifests)
        done.note("days read again", wrong, days=[day.isoformat() for day in days])

    def _days_of(self, proof: Proof, one: Found) -> list[date]:
        """Return the day that a row of the source is of, by its cursor; none for one that is still to come."""
        if not one.copies[0]:
            return []
        first = self.catalog.start_date
        if one.written is None:
            return [first]
        is_date = len(one.written) == len("2024-01-05")
        value = date.fromisoformat(one.written) if is_date else datetime.fromisoformat(one.written)
        cursor = TableCursor(self.table, proof.subject.schema, self.catalog.zone)
        middle = date.fromisoformat(one.written[:10])
        for day in (max(first, middle + timedelta(days=n)) for n in (-1, 0, 1)):
            start, end = cursor.bounds(window(day, zone=self.catalog.zone, start_date=first))
            if (start is None or start <= value) and value < end:
                return [day] if day < proof.at.astimezone(self.catalog.zone).date() else []
        return []

    def _look(self, proof: Proof) -> Look:
        return Look(self.connection, self.places.warehouse, proof.subject)


def _of(found: Iterable[Found], candidates: Sequence[Candidate]) -> list[Candidate]:
    keys = {one.key for one in found}
    return [candidate for candidate in candidates if candidate.key in keys]
