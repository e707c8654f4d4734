"""The stage: a temporary table that COPY fills from the lake, with every row counted and every failure explained.

What becomes of the staged rows is `transaction`'s and `proof`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Protocol

from aurora_dwh.core.days import ends
from aurora_dwh.core.models import Manifest, StaleManifestError
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.warehouse.connection import Session, Warehouse
from aurora_dwh.warehouse.errors import ROWS, CheckError, PassingError, WarehouseError
from aurora_dwh.warehouse.load import copy_errors, schema_drift
from aurora_dwh.warehouse.load import statements as sql
from aurora_dwh.warehouse.load.copy_errors import CopyError


class Lake(Protocol):
    """What the stage needs of the lake: one manifest for several days, and what lies in the files."""

    def copy_manifest(self, manifests: Sequence[Manifest]) -> AbstractContextManager[str]:
        """Give the address of a manifest that COPY can read for all the days at once."""

    def is_current(self, manifests: Sequence[Manifest]) -> bool:
        """Return whether the manifests are still those that the lake has in their places."""

    def value(self, manifests: Sequence[Manifest], url: str, row: int, column: str) -> str | None:
        """Return a value of a part as text, by its row or line from 1; None where it cannot be read."""


@dataclass(frozen=True)
class Stage:
    """How a stage is filled: from which lake, in which warehouse, and on behalf of which table, as errors name it."""

    warehouse: Warehouse
    lake: Lake
    label: str

    def fill(self, session: Session, manifests: Sequence[Manifest]) -> TableSchema:
        """Make the stage of the session and COPY the days into it, in their order; their files are of one format.

        Returns:
            The stage's columns: those of all the days, however the source changed between them.

        Raises:
            CopyError: COPY failed on a value.
            CheckError: It loaded another number of rows than the manifests say.
            StaleManifestError: A day was extracted again meanwhile.
            WarehouseError: Redshift refused a statement, or was lost.
        """
        columns = union([next(days).schema for _, days in groupby(manifests, key=lambda m: m.schema.columns)])
        (files,) = {m.files for m in manifests}
        session.execute(sql.create_stage(columns, files))
        filled = (m for m in manifests if m.rows)  # COPY refuses a manifest without files
        for _, group in groupby(filled, key=lambda m: m.schema.columns):
            days = list(group)
            with self.lake.copy_manifest(days) as url:
                self._copy(session, sql.copy(days[0].schema, url, self.warehouse.settings.iam_role, files), days)
        for day in {m.day for m in manifests if m.written_day != m.day}:  # in mode full, where the stage has one day
            session.execute(sql.set_day(day))
        return columns

    def named(self, manifests: Sequence[Manifest]) -> str:
        """Return the table and the days, as errors name them."""
        return f"{self.label} {ends([manifest.day for manifest in manifests])}"

    def _copy(self, session: Session, statement: str, manifests: Sequence[Manifest]) -> None:
        try:
            session.execute(statement)
        except PassingError:
            raise
        except WarehouseError as error:
            self._check_current(manifests)
            raise self._failed(session, error, manifests) from error
        copied = int(session.execute(sql.COPY_COUNT).rows[0][0])
        expected = sum(m.rows for m in manifests)
        if copied != expected:
            self._check_current(manifests)
            raise CheckError(
                ROWS,
                f"{self.named(manifests)}: COPY loaded {copied} rows and the manifest has {expected}; nothing was "
                f"changed in {self.label}. Materialize those days of the lake again",
            )
        if len(manifests) == 1:  # COPY went by the manifest's address, where another of as many rows may lie by now
            self._check_current(manifests)

    def _check_current(self, manifests: Sequence[Manifest]) -> None:
        if not self.lake.is_current(manifests):
            raise StaleManifestError(
                f"{self.named(manifests)}: the lake's day was extracted again while it was loaded; nothing was changed"
            )

    def _failed(self, session: Session, error: WarehouseError, manifests: Sequence[Manifest]) -> CopyError:
        bad: Sequence[copy_errors.BadValue] = ()
        try:
            with closing(self.warehouse.connect()) as other:  # the failed session has no transaction left to ask in
                find = partial(self.lake.value, manifests)
                bad = copy_errors.bad_values(other, find, error, pid=session.pid, since=session.began)
            found = "".join(f"{one} " for one in bad)
        except Exception as unclear:  # whatever it is: COPY's own error is what must be told
            found = f"What Redshift wrote down of it cannot be read ({unclear}). "
        text = f"{self.named(manifests)}: COPY failed, nothing was changed. {found}{error}"
        return CopyError(text, bad=bad, statement=error.statement)


def union(schemas: Sequence[TableSchema]) -> TableSchema:
    """Return a schema with every column of the days, each as the latest day has it, but for the widest VARCHAR."""
    columns: dict[str, Column] = {}
    for column in (c for schema in schemas for c in schema.columns):
        before = columns.get(column.target_name)
        is_wider = before and schema_drift.exceeds(before.redshift_type, column.redshift_type)
        columns[column.target_name] = before if before and is_wider else column
    last = schemas[-1]
    return TableSchema(last.database, last.table, tuple(columns.values()), last.primary_key, last.comment)
