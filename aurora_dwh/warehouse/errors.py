"""What went wrong in the warehouse, told apart by one question: would trying again help?

redshift_connector raises ProgrammingError for nearly everything, with the server's fields in a dict; a lost connection
may come as InterfaceError, OperationalError or a plain OSError.
"""

from __future__ import annotations

import re

from aurora_dwh.core.models import DataError
from aurora_dwh.core.spelling import beginning

ROWS, KEYS, SCHEMA, RULES, VOLUME, CURSOR = "rows", "keys", "schema", "rules", "volume", "cursor"
"""The checks of a load."""

_PASSING_STATES = ("40001", "40P01", "57014", "57P01", "57P02", "57P03", "53300")
"""SQLSTATEs of a lost race, a deadlock, a cancelled query, a server that shuts down or starts, too many connections."""

_PASSING_TEXT = re.compile(
    r"^(ERROR:\s*)?(1023|1018)\b|serializable isolation violation|could not serialize|deadlock detected"
    r"|could not complete because of conflict with concurrent transaction"
    r"|could not open relation with OID \d+|table \d+ dropped by concurrent transaction",
    re.IGNORECASE,
)
"""Redshift's serializable isolation violation and «table is newer than the snapshot», told by the number that the text
begins with: further on, the same digits may be a length, or part of a file's name. And what a statement meets beside
another session's CREATE, ALTER or DROP, which has no SQLSTATE of its own (XX000) and is gone at the next attempt:
https://github.com/dbt-labs/dbt-adapters/issues/1533, https://github.com/dbt-labs/dbt-redshift/issues/974,
https://github.com/dbt-labs/dbt-core/pull/825."""

_SHOWN = 300
"""Characters of a statement that errors show."""

_NOT_OWNER = re.compile(r"must be owner of")
_NAME = r'"(?:[^"]|"")+"'
_RELATION = re.compile(rf"(?:ALTER|DROP) (?:TABLE|VIEW) (?:IF EXISTS )?({_NAME}\.{_NAME})")


class WarehouseError(Exception):
    """A statement that Redshift refused, or work that could not be finished there."""

    def __init__(self, message: str, *, statement: str = "", state: str = "") -> None:
        super().__init__(message)
        self.statement = statement  # its text, which never holds a secret
        self.state = state  # the SQLSTATE, empty where there is none


class PassingError(WarehouseError):
    """A failure that a later attempt may not meet: a lost connection, a lost race, a cancelled query."""


class CheckError(DataError):
    """A check that found data that would be wrong, so that nothing of them was committed; `check` is its name."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(message)
        self.check = check


def translate(error: Exception, statement: str) -> WarehouseError:
    """Return the project's error for one that the driver raised while it ran `statement`."""
    first = error.args[0] if error.args else None
    fields = first if isinstance(first, dict) else {}  # the server's, none where it did not answer
    state = str(fields.get("C", ""))
    if not fields:
        text = f"connection to Redshift lost ({_reason(error)}) in: {shown(statement)}"
        return PassingError(text, statement=statement)
    message = " - ".join(str(fields[k]) for k in ("M", "D", "H") if fields.get(k))
    text = f"Redshift {state}: {message} in: {shown(statement)}{_remedy(message, statement)}"
    passing = state in _PASSING_STATES or state.startswith("08") or bool(_PASSING_TEXT.search(message))
    return (PassingError if passing else WarehouseError)(text, statement=statement, state=state)


def _remedy(message: str, statement: str) -> str:
    """Return what lets a user do what only an owner may, where the statement names whose."""
    named = _RELATION.match(statement) if _NOT_OWNER.search(message) else None
    if named is None:
        return ""
    return (
        f"; it belongs to another user: have that one or an administrator run ALTER TABLE {named[1]} OWNER TO this "
        "process's user, whom `aurora-dwh doctor` names"
    )


def _reason(error: BaseException) -> str:
    """Return what went wrong on the wire; the driver wraps the socket's own error in a tuple."""
    inner = error.args[0] if error.args else None
    if isinstance(inner, tuple) and inner and isinstance(inner[-1], BaseException):
        return str(inner[-1])
    return str(error.args[-1]) if len(error.args) == 2 and isinstance(error.args[-1], BaseException) else str(error)


def shown(statement: str) -> str:
    """Return a statement on one line, and of a long one its beginning."""
    return beginning(statement, _SHOWN)
