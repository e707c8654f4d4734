"""A table put in another's place: one rename, and the views and grants that held on to the old table come along.

In Redshift a view is bound to the table that it was made on, not to its name, and grants are the table's too; so views
are made again by their own text, and grants are given again, in the transaction that renames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aurora_dwh.schema import fold
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.sql import identifier, literal, qualified


@dataclass(frozen=True)
class _View:
    oid: int
    schema: str
    name: str
    query: str

    @property
    def sql(self) -> str:
        return qualified(self.schema, self.name)


def swap(session: Session, schema: str, name: str, *, replacement: str) -> None:
    """Put a table in the place of another of its schema, inside the caller's transaction; the old one is dropped.

    Readers wait for the transaction or see the old rows. Late-binding views go by the name and need nothing. What else
    depends on the old table, such as a materialized view, makes Redshift refuse the DROP, and so the whole.

    Args:
        session: A session with an open transaction, of a user who owns the tables and the views on them, and who may
            see what others were granted (`ALTER USER ... SYSLOG ACCESS UNRESTRICTED`).
        schema: The schema of both tables.
        name: The table that is replaced; it may be gone.
        replacement: The table that takes its place.

    Raises:
        WarehouseError: Redshift refused, as where a view needs a column that the new table lacks.
    """
    views = _bound_views(session, schema, name)
    given = [*grants(session, schema, name), *(g for view in views for g in grants(session, view.schema, view.name))]
    for view in reversed(views):
        session.execute(f"DROP VIEW {view.sql}")
    session.execute(f"DROP TABLE IF EXISTS {qualified(schema, name)}")
    session.execute(f"ALTER TABLE {qualified(schema, replacement)} RENAME TO {identifier(name)}")
    for view in views:
        session.execute(f"CREATE VIEW {view.sql} AS {view.query}")
    for grant in given:
        session.execute(grant)


def grants(session: Session, schema: str, name: str) -> list[str]:
    """Return the statements that give a table's or view's privileges again, but for those that its owner has."""
    rows = session.execute(
        "SELECT privilege_type, identity_type, identity_name, admin_option FROM svv_relation_privileges "
        f"WHERE namespace_name = {literal(fold(schema))} AND relation_name = {literal(fold(name))} "
        "AND identity_name <> current_user ORDER BY identity_type, identity_name, privilege_type"
    ).rows
    return [
        f"GRANT {privilege} ON {qualified(schema, name)} TO {_identity(kind, who)}"
        f"{' WITH GRANT OPTION' if with_option and kind == 'user' else ''}"
        for privilege, kind, who, with_option in rows
    ]


def _bound_views(session: Session, schema: str, name: str) -> list[_View]:
    """Return the views that are bound to a table, over any number of views between; each behind those it reads."""
    found: dict[int, _View] = {}
    layer = f"c.relname = {literal(fold(name))} AND n.nspname = {literal(fold(schema))}"
    while views := _views_on(session, layer):
        for view in views:
            found.pop(view.oid, None)  # a view over views of two layers belongs behind both
            found[view.oid] = view
        layer = f"c.oid IN ({', '.join(str(view.oid) for view in views)})"
    return list(found.values())


def _views_on(session: Session, table: str) -> Sequence[_View]:
    rows = session.execute(
        "SELECT DISTINCT v.oid, vn.nspname, v.relname, pg_get_viewdef(v.oid) FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_depend d ON d.refobjid = c.oid "
        "JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class "
        "JOIN pg_namespace vn ON vn.oid = v.relnamespace "
        f"WHERE {table} AND v.oid <> c.oid AND v.relkind = 'v' ORDER BY v.oid"
    ).rows
    return [_View(int(oid), schema, name, query.strip().rstrip(";")) for oid, schema, name, query in rows]


def _identity(kind: str, name: str) -> str:
    if kind == "public":
        return "PUBLIC"
    return (f"{kind.upper()} " if kind in ("group", "role") else "") + identifier(name)
