"""What hangs on a table or a view, and goes with it where another one takes its place: views, grants, policies.

In Redshift a view is bound to the table that it was made on, not to its name, unless it is late-binding; grants and
policies are the table's too: https://docs.aws.amazon.com/redshift/latest/dg/t_rls_object_dependency.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import fold
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.sql import identifier, literal, qualified

SECURITY_ROLES = ("sys:secadmin", "sys:superuser")
"""Roles that see which policies are attached; to all others there seem to be none:
https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_RLS_ATTACHED_POLICY.html."""


class DependentError(DataError):
    """Something hangs on a table that would be lost with it; nothing was changed."""


@dataclass(frozen=True)
class View:
    """A view that is bound to a table, perhaps through other views."""

    oid: int  # its number
    schema: str
    name: str
    query: str  # its SELECT
    owner: str  # whose it is
    is_ours: bool  # whether the session's user may make it again

    @property
    def sql(self) -> str:
        """The quoted, qualified name."""
        return qualified(self.schema, self.name)

    @property
    def label(self) -> str:
        """The name as people write it."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Grant:
    """A privilege that was given."""

    privilege: str  # what it allows
    to: str  # to whom it was given, as SQL
    columns: tuple[str, ...] = ()  # the columns that it is about; none where it is about the whole
    with_option: bool = False  # whether it may be passed on


def views(session: Session, schema: str, name: str) -> list[View]:
    """Return the views that are bound to a table, over any number of views between; each behind those it reads."""
    found: dict[int, View] = {}
    layer = f"c.relname = {literal(fold(name))} AND n.nspname = {literal(fold(schema))}"
    while above := _views_on(session, layer):
        for view in above:
            found.pop(view.oid, None)  # a view over views of two layers belongs behind both
            found[view.oid] = view
        layer = f"c.oid IN ({', '.join(str(view.oid) for view in above)})"
    return list(found.values())


def grants(session: Session, schema: str, name: str) -> list[Grant]:
    """Return a table's or view's privileges, but for those that its owner has.

    Those of others are seen by a user who has SYSLOG ACCESS UNRESTRICTED, those on columns by one with sys:monitor:
    https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_COLUMN_PRIVILEGES.html.
    """
    of_whole = session.execute(
        "SELECT privilege_type, identity_type, identity_name, admin_option FROM svv_relation_privileges "
        f"WHERE namespace_name = {literal(fold(schema))} AND relation_name = {literal(fold(name))} "
        "AND identity_name <> current_user ORDER BY identity_type, identity_name, privilege_type"
    ).rows
    of_columns = session.execute(
        "SELECT privilege_type, identity_type, identity_name, column_name FROM svv_column_privileges "
        f"WHERE namespace_name = {literal(fold(schema))} AND relation_name = {literal(fold(name))} "
        "AND identity_name <> current_user ORDER BY identity_type, identity_name, privilege_type, column_name"
    ).rows
    found = [
        Grant(privilege, _identity(kind, who), with_option=bool(with_option) and kind == "user")
        for privilege, kind, who, with_option in of_whole
    ]
    columns: dict[tuple[str, str], list[str]] = {}
    for privilege, kind, who, column in of_columns:
        columns.setdefault((privilege, _identity(kind, who)), []).append(column)
    return found + [Grant(privilege, to, tuple(names)) for (privilege, to), names in columns.items()]


def check(session: Session, schema: str, name: str) -> list[View]:
    """Refuse to replace a table or view with what cannot be made again on what takes its place.

    Returns:
        The views that are bound to it, which can.

    Raises:
        DependentError: Policies are attached, as far as the user may know, or a view is another user's.
    """
    bound = views(session, schema, name)
    label = f"{fold(schema)}.{fold(name)}"
    if foreign := [view for view in bound if not view.is_ours]:
        told = ", ".join(f"{view.label} of {view.owner}" for view in foreign)
        raise DependentError(
            f"{label}: views of other users are bound to it, which only they can make again: {told}; nothing was "
            "changed. Have them dropped for as long as this takes, or made again WITH NO SCHEMA BINDING, which goes "
            "by the table's name"
        )
    places = [(schema, name), *((view.schema, view.name) for view in bound)]
    if secured := attached(session, places) if sees_policies(session) else []:
        raise DependentError(
            f"{label}: security policies are attached that would be gone with it: {', '.join(secured)}; nothing was "
            "changed. Have a security administrator detach them, run this again, and attach them to what is new"
        )
    return bound


def sees_policies(session: Session) -> bool:
    """Return whether the session's user is told which policies are attached."""
    return not roles(session).isdisjoint(SECURITY_ROLES)


def roles(session: Session) -> set[str]:
    """Return the roles that the session's user was granted; a superuser has that of superusers."""
    rows = session.execute(
        "SELECT role_name FROM svv_user_grants WHERE user_name = current_user UNION ALL "
        "SELECT 'sys:superuser' FROM svv_user_info WHERE user_name = current_user AND superuser"
    ).rows
    return {str(role) for (role,) in rows}


def attached(session: Session, relations: Iterable[tuple[str, str]]) -> list[str]:
    """Return the policies that tables or views have, in words, as far as they are shown to the session's user."""
    pairs = [(literal(fold(schema)), literal(fold(name))) for schema, name in relations]

    def among(schema: str, name: str) -> str:
        return " OR ".join(f"({schema} = {of} AND {name} = {one})" for of, one in pairs)

    rows = session.execute(
        "SELECT DISTINCT 'row-level security ' || polname AS policy, relschema || '.' || relname AS relation "
        f"FROM svv_rls_attached_policy WHERE {among('relschema', 'relname')} UNION "
        "SELECT DISTINCT 'masking ' || policy_name, schema_name || '.' || table_name "
        f"FROM svv_attached_masking_policy WHERE {among('schema_name', 'table_name')} ORDER BY 1, 2"
    ).rows
    return [f"{policy} on {relation}" for policy, relation in rows]


def is_materialized(relation: str) -> str:
    """Return the condition that a row of pg_class, a view, is a materialized one: both are of one kind in Redshift.

    They are told by their definition, as dbt-redshift does: macros/catalog/catalog.sql.
    """
    return f"pg_get_viewdef({relation}.oid) ILIKE '%create materialized view%'"


def _views_on(session: Session, table: str) -> Sequence[View]:
    """Return the views that read from it, but for materialized ones."""
    rows = session.execute(
        "SELECT DISTINCT v.oid, vn.nspname, v.relname, pg_get_viewdef(v.oid), pg_get_userbyid(v.relowner), "
        "(SELECT usesuper OR usesysid = v.relowner FROM pg_user WHERE usename = current_user) FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_depend d ON d.refobjid = c.oid "
        "JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class "
        "JOIN pg_namespace vn ON vn.oid = v.relnamespace "
        f"WHERE {table} AND v.oid <> c.oid AND v.relkind = 'v' AND NOT {is_materialized('v')} ORDER BY v.oid"
    ).rows
    return [
        View(int(oid), str(schema), str(name), query.strip().rstrip(";"), str(owner), bool(is_ours))
        for oid, schema, name, query, owner, is_ours in rows
    ]


def _identity(kind: str, name: str) -> str:
    if kind == "public":
        return "PUBLIC"
    return (f"{kind.upper()} " if kind in ("group", "role") else "") + identifier(name)
