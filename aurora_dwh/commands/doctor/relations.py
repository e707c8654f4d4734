"""What `doctor` checks of the tables and views in Redshift: whose they are, their keys, and which nothing makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_dwh.catalog.model import marts_folder
from aurora_dwh.commands.doctor.check import Check, State
from aurora_dwh.core.rules import quoted
from aurora_dwh.core.schema import fold
from aurora_dwh.warehouse import load_history
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.dependents import is_materialized
from aurora_dwh.warehouse.load.statements import staging_target
from aurora_dwh.warehouse.marts.model import read_marts
from aurora_dwh.warehouse.sql import identifier, literal, qualified
from aurora_dwh.warehouse.table_keys import differences

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.settings.config import RedshiftSettings

_CUT_BYTES = 63
"""Where older catalogues cut names."""

_KINDS = {"r": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW"}


@dataclass(frozen=True)
class _Relation:
    schema: str
    name: str
    kind: str
    owner: str
    is_ours: bool

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"


def check_relations(session: Session, catalog: Catalog, settings: RedshiftSettings) -> Iterator[Check]:
    """Check what lies in the schemas that loads write to against the catalog and the marts."""
    staging, bi = fold(settings.staging_schema), fold(settings.bi_schema)
    targets = {fold(table.target): table for table in catalog.tables.values()}
    built = {fold(mart.name) for mart in read_marts(marts_folder())}
    [[user]] = session.execute("SELECT current_user").rows
    for found in _relations(session, (staging, bi, load_history.SCHEMA)):
        known = {staging: targets.keys(), bi: built}.get(found.schema)
        if known is not None and found.name not in known:
            if found.is_ours:
                yield _stray(found)
        elif not found.is_ours:
            yield Check(
                f"redshift: owner of {found.label}",
                State.FAILED,
                f"it belongs to {found.owner}: no column can be added, and it cannot be made anew",
                f"have that user or an administrator run ALTER TABLE {qualified(found.schema, found.name)} OWNER TO "
                f"{identifier(user)}",
            )
        elif found.schema == staging:
            table = targets[found.name]
            target = staging_target(table, staging)
            odd = differences(session, staging, found.name, dist_key=target.dist_key, sort_key=target.sort_key)
            if odd:
                yield Check(
                    f"redshift: keys of {found.label}",
                    State.WARNING,
                    "; ".join(odd),
                    f"run `aurora-dwh rebuild {quoted(table.name)}`",
                )


def _stray(found: _Relation) -> Check:
    """Return what is told of a table or view that nothing makes any more."""
    drop = f"DROP {_KINDS[found.kind]} {qualified(found.schema, found.name)}"
    return Check(
        f"redshift: {found.label}",
        State.WARNING,
        "nothing makes it any more: no table of the catalog and no mart is called so",
        f"if nobody else needs it, run {drop}",
    )


def _relations(session: Session, schemas: Sequence[str]) -> list[_Relation]:
    """Return the tables and views of schemas, in order, but for those whose long names may be cut."""
    rows = session.execute(
        "SELECT n.nspname, c.relname, "
        f"CASE WHEN c.relkind = 'v' AND {is_materialized('c')} THEN 'm' ELSE c.relkind END, "
        "pg_get_userbyid(c.relowner), "
        "(SELECT usesuper OR usesysid = c.relowner FROM pg_user WHERE usename = current_user) "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE n.nspname IN ({', '.join(map(literal, schemas))}) AND c.relkind IN ('r', 'v') ORDER BY 1, 2"
    ).rows
    return [
        _Relation(str(schema), str(name), str(kind), str(owner), bool(ours))
        for schema, name, kind, owner, ours in rows
        if len(str(name).encode()) < _CUT_BYTES
    ]
