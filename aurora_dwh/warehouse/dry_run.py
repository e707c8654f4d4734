"""What a load would send, without sending it: the load's own code runs against a session that only writes down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date

from aurora_dwh.core.models import Manifest
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.warehouse.connection import Answer, Session, Warehouse
from aurora_dwh.warehouse.load import checks, schema_drift
from aurora_dwh.warehouse.load import transaction as load
from aurora_dwh.warehouse.load.statements import COPY_COUNT, Target, count_fresh, create_table, texts_of
from aurora_dwh.warehouse.marts import build as mart_build
from aurora_dwh.warehouse.marts import checks as mart_checks
from aurora_dwh.warehouse.marts.model import Mart, render
from aurora_dwh.warehouse.sql import identifier, qualified


class _Notebook(Session):
    """A session without a server; answers that a load depends on are given, all others have no rows."""

    def __init__(self, answers: Mapping[str, tuple[object, ...]]) -> None:
        self.statements: list[str] = []
        self.seconds: list[float] = []
        self.pid = 0
        self._answers = answers

    def execute(self, statement: str) -> Answer:
        self.statements.append(statement)
        self.seconds.append(0.0)
        return Answer([self._answers[statement]] if statement in self._answers else [], 1)


class _OwnManifest:
    """A lake in which each day's own manifest is the one to copy."""

    @contextmanager
    def copy_manifest(self, manifests: Sequence[Manifest]) -> Iterator[str]:
        yield manifests[0].url

    def is_current(self, manifests: Sequence[Manifest]) -> bool:
        return bool(manifests)

    def value(self, manifests: Sequence[Manifest], url: str, row: int, column: str) -> str | None:
        return None


def first_load(target: Target, schema: TableSchema) -> list[str]:
    """Return the statements that make a staging table before its first load."""
    return [*schema_drift.foundations(_Notebook({}), target, schema_drift.Live({})), create_table(target, schema)]


def load_of(warehouse: Warehouse, target: Target, mode: str, manifest: Manifest) -> list[str]:
    """Return the statements of the transaction that loads one day; the warehouse is not contacted."""
    count = checks.count_rows(target, texts_of(target, manifest.schema), [manifest.day.isoformat()])
    answers: dict[str, tuple[object, ...]] = {COPY_COUNT: (manifest.rows,), count: (manifest.day, *[manifest.rows] * 3)}
    if target.key:  # rows are replaced, of which nothing is known
        answers[count_fresh(target)] = (manifest.day, 0, manifest.rows, 0, 0, 0, None, None)
    notebook = _Notebook(answers)
    work = load.Load(warehouse, _OwnManifest(), target, mode, [manifest], run_id=None)
    return ["BEGIN", *work.run(notebook, schema_drift.Preparation()).statements]


def build_of(mart: Mart, schemas: Mapping[str, str], days: tuple[date, date] | None, *, is_first: bool) -> list[str]:
    """Return the statements of the transaction that builds a mart, or it for the first time, with its checks."""
    header = mart.header
    is_view = header.materialization == "view"
    rows = qualified(schemas["bi"], mart.name) if is_view else identifier(mart_build.BUILT)
    answers: dict[str, tuple[object, ...]] = {
        mart_checks.count_mart(rows, header.grain, list(header.sums)): (1, 1, *[0] * len(header.sums)),
        mart_checks.wanted_sums(header, render=lambda text: render(text, schemas, days)): (0,) * len(header.sums),
    }
    if not is_first:  # its keys are then as the header has them
        mart = replace(mart, header=header.model_copy(update={"dist_key": None, "sort_key": ()}))
    work, notebook = mart_build.Build(mart, schemas, days), _Notebook(answers)
    done = work.view(notebook, "") if is_view else work.table(notebook, "" if is_first else mart_build.TABLE)
    return ["BEGIN", *done.statements, "COMMIT"]
