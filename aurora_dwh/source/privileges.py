"""What the session's user may read, and what an administrator runs where it may not.

MySQL lets a session use all of its roles at once, which `connection` asks for. MariaDB has one active role, and which
one is the administrator's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pymysql
from pymysql.constants import ER

from aurora_dwh.source.quoting import identifier, literal
from aurora_dwh.source.refusals import code_of

Ask = Callable[[str], Sequence[tuple[Any, ...]]]
"""Runs a query of the session's."""

_INACTIVE_ROLES = (
    "SELECT ROLE_NAME FROM information_schema.APPLICABLE_ROLES WHERE GRANTEE = CURRENT_USER() AND ROLE_NAME NOT IN "
    "(SELECT ROLE_NAME FROM information_schema.ENABLED_ROLES WHERE ROLE_NAME IS NOT NULL) ORDER BY ROLE_NAME"
)
"""MariaDB's; on MySQL, where the user's host is a column of its own, it finds none."""


def role_remedy(ask: Ask) -> str:
    """Return how a role becomes active that the user has and the session does not use; empty where there is none."""
    try:
        roles = [str(name) for (name,) in ask(_INACTIVE_ROLES)]
    except pymysql.err.MySQLError:  # a server without roles
        return ""
    if not roles:
        return ""
    statement = f"SET DEFAULT ROLE {identifier(roles[0])} FOR {account(ask)}"
    return f"the user has roles that are not active ({', '.join(roles)}); have an administrator run {statement}"


def grant_remedy(ask: Ask, database: str, table: str | None = None, columns: Sequence[str] = ()) -> str:
    """Return what lets the user read columns of a table, a table, or all tables of a database."""
    place = f"{identifier(database)}.*" if table is None else identifier(database, table)
    listed = f" ({', '.join(map(identifier, columns))})" if columns else ""
    return role_remedy(ask) or f"have an administrator run GRANT SELECT{listed} ON {place} TO {account(ask)}"


def is_denied(ask: Ask, database: str, table: str, column: str) -> bool:
    """Return whether the user may not read a column; one that is gone nobody is denied whose right reached to it.

    Raises:
        pymysql.err.MySQLError: The server or the connection failed.
    """
    try:
        ask(f"SELECT {identifier(column)} FROM {identifier(database, table)} LIMIT 0")
    except pymysql.err.MySQLError as error:
        if code_of(error) == ER.BAD_FIELD_ERROR:
            return False
        if code_of(error) in (ER.COLUMNACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR):
            return True
        raise
    return False


def account(ask: Ask) -> str:
    """Return the account that the session was let in as, as SQL names it."""
    ((name,),) = ask("SELECT CURRENT_USER()")
    user, _, host = str(name).rpartition("@")
    return f"{literal(user)}@{literal(host)}"
