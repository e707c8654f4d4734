"""What a load would send, without sending it: the load's own code runs against a session that only writes down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aurora_dwh.handoff import Manifest
from aurora_dwh.schema import TableSchema
from aurora_dwh.warehouse import drift, load
from aurora_dwh.warehouse.connection import Answer, Session, Warehouse
from aurora_dwh.warehouse.statements import COPY_COUNT, Target


class _Notebook(Session):
    """A session without a server; COPY is said to have loaded what the manifest has."""

    def __init__(self, rows: int) -> None:
        self.statements: list[str] = []
        self.pid = 0
        self._rows = rows

    def execute(self, statement: str) -> Answer:
        self.statements.append(statement)
        return Answer([(self._rows,)] if statement == COPY_COUNT else [], 1)


class _OwnManifest:
    """A lake in which each day's own manifest is the one to copy."""

    @contextmanager
    def copy_manifest(self, manifests: Sequence[Manifest]) -> Iterator[str]:
        yield manifests[0].url

    def is_current(self, manifests: Sequence[Manifest]) -> bool:
        return bool(manifests)

    def value(self, url: str, row: int, column: str) -> str | None:
        return None


def first_load(target: Target, schema: TableSchema) -> list[str]:
    """Return the statements that make a staging table before its first load."""
    return drift.preparation(target, schema, live={})


def load_of(warehouse: Warehouse, target: Target, mode: str, manifest: Manifest) -> list[str]:
    """Return the statements of the transaction that loads one day.

    Args:
        warehouse: Redshift's settings; it is not contacted.
        target: The staging table.
        mode: The table's mode.
        manifest: The day as it would be in the lake.
    """
    notebook = _Notebook(manifest.rows)
    work = load.Load(warehouse, _OwnManifest(), target, mode, [manifest], run_id=None)
    return ["BEGIN", *work.run(notebook).statements]
