"""Quoting, the one place where a name or a value becomes SQL text for Redshift."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from hashlib import sha256

from aurora_dwh.core.schema import IDENTIFIER_LIMIT, fold


def identifier(name: str) -> str:
    """Return a quoted identifier, in lower case as Redshift keeps it.

    Raises:
        ValueError: The name is empty or longer than Redshift's 127 bytes, which it would cut silently.
    """
    folded = fold(name)
    if not folded or len(folded.encode()) > IDENTIFIER_LIMIT or "\0" in folded:
        raise ValueError(f"{name!r} cannot be a Redshift name: 1 to {IDENTIFIER_LIMIT} bytes are allowed")
    return '"' + folded.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """Return `"schema"."name"`."""
    return f"{identifier(schema)}.{identifier(name)}"


def identifiers(names: Iterable[str], *, of: str = "") -> str:
    """Return a comma-separated list of quoted names, each behind `of.` where an alias is given."""
    lead = f"{of}." if of else ""
    return ", ".join(lead + identifier(name) for name in names)


def role(iam_role: str) -> str:
    """Return what COPY names its role by: the namespace's default one, or an ARN."""
    return "default" if iam_role == "default" else literal(iam_role)


def beside(name: str, suffix: str) -> str:
    """Return the name of a table made beside another one: with an ASCII suffix, and a digest where that is too long."""
    if len(f"{name}{suffix}".encode()) <= IDENTIFIER_LIMIT:
        return f"{name}{suffix}"
    tail = f"_{sha256(name.encode()).hexdigest()[:8]}{suffix}"
    return name.encode()[: IDENTIFIER_LIMIT - len(tail)].decode(errors="ignore") + tail


def literal(value: str | bool | int | float | date | datetime | None) -> str:
    """Return a literal. Redshift reads backslashes in strings as escapes, so they are doubled as quotes are."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime):
        value = value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    elif isinstance(value, date):
        value = value.isoformat()
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
