"""Statements about the session: SET, USE, transactions, KILL. Each is a function of the session and the text."""

from __future__ import annotations

import re
from typing import Any, Final

from aurora_dwh.local.aurora.errors import AuroraError, not_supported, syntax_error
from aurora_dwh.local.aurora.outfile import ROLE
from aurora_dwh.local.aurora.reader import Reader, unescape
from aurora_dwh.local.aurora.results import Done, Result
from aurora_dwh.local.aurora.session import Session
from aurora_dwh.local.aurora.translate import parse, translate

_ASSIGNMENT: Final = re.compile(
    r"\s*(?:(?:SESSION|GLOBAL|LOCAL|PERSIST)\s+|@@(?:(?:session|global|local)\.)?)?(?P<name>@?[\w.$]+)\s*:?=\s*"
    r"(?P<value>'(?:[^'\\]|''|\\.)*'|\"[^\"]*\"|[^,'\"()]+(?:\([^)]*\))?)\s*(?:,|\Z)",
    re.IGNORECASE | re.DOTALL,
)


def set_variables(session: Session, text: str) -> Result:
    """SET of system and user variables."""
    rest = re.sub(r"(?i)\ASET\s+", "", text)
    at = 0
    while at < len(rest):
        found = _ASSIGNMENT.match(rest, at)
        if found is None:
            raise syntax_error(rest[at:])
        at = found.end()
        if not found["name"].startswith("@"):
            session.variables.set(found["name"], _value(session, found["value"].strip()))
            if found["name"].lower() == "autocommit" and session.is_autocommit:
                session.commit()
    return Done()


def _value(session: Session, written: str) -> Any:
    if written[0] in "'\"":
        return unescape(written)
    if written.upper() == "DEFAULT":
        return None
    if written.isdigit():
        return int(written)
    if re.fullmatch(r"[\w.+-]+", written):
        return written
    cursor = session.sqlite.execute(translate(parse(f"SELECT {written}"), session.context()).sql)
    return cursor.fetchone()[0]


def set_role(session: Session, text: str) -> Result:
    """SET ROLE: there is one role, which lets a session write to S3."""
    wanted = re.split(r"\s+", text, maxsplit=2)[2].strip("`'\"").upper()
    if wanted not in ("ALL", "DEFAULT", "NONE", ROLE):
        raise syntax_error(text)
    if wanted == ROLE and not session.exports.granted:
        raise AuroraError(3530, f"`{ROLE}`@`%` is not granted to `{session.user}`@`%`")
    session.roles_active = wanted in ("ALL", ROLE)
    return Done()


def grant(session: Session, text: str) -> Result:
    """GRANT and REVOKE of the role that lets the account write to S3."""
    found = re.match(rf"(?i)\A(GRANT|REVOKE)\s+[`'\"]?{ROLE}[`'\"]?\s+(?:TO|FROM)\s", text)
    if found is None:
        raise not_supported("GRANT and REVOKE of other privileges")
    session.exports.granted = found.group(1).upper() == "GRANT"
    return Done()


def set_names(session: Session, text: str) -> Result:
    """SET NAMES, SET CHARACTER SET: this server speaks utf8mb4 only."""
    wanted = re.split(r"\s+", text)[-1 if "COLLATE" not in text.upper() else 2].strip("'\"").lower()
    if not wanted.startswith(("utf8", "default")):
        raise AuroraError(1115, f"Unknown character set: '{wanted}'")
    return Done()


def set_transaction(session: Session, text: str) -> Result:
    """SET [SESSION] TRANSACTION: the isolation is always a snapshot; READ ONLY is obeyed."""
    session.next_read_only = re.search(r"(?i)READ\s+ONLY", text) is not None
    return Done()


def start_transaction(session: Session, text: str) -> Result:
    """START TRANSACTION, BEGIN."""
    session.begin(
        read_only=re.search(r"(?i)READ\s+ONLY", text) is not None,
        snapshot=re.search(r"(?i)CONSISTENT\s+SNAPSHOT", text) is not None,
    )
    return Done()


def commit(session: Session, text: str) -> Result:
    """COMMIT."""
    session.commit()
    return Done()


def roll_back(session: Session, text: str) -> Result:
    """ROLLBACK."""
    session.roll_back()
    return Done()


def use(session: Session, text: str) -> Result:
    """USE schema."""
    reader = Reader(text)
    reader.need("USE")
    choose_schema(session, reader.name())
    return Done()


def choose_schema(session: Session, name: str) -> None:
    """Make `name` the session's schema, or error 1049."""
    if name not in session.catalogue.schemas() and name.lower() != "information_schema":
        raise AuroraError(1049, f"Unknown database '{name}'")
    session.schema = name


def kill(session: Session, text: str) -> Result:
    """KILL [CONNECTION | QUERY] number."""
    found = re.match(r"(?i)\AKILL\s+(?:(CONNECTION|QUERY)\s+)?(\d+)\Z", text)
    if found is None:
        raise syntax_error(text)
    session.kill(int(found.group(2)), (found.group(1) or "").upper() == "QUERY")
    return Done()


def accept(session: Session, text: str) -> Result:
    """Statements that have nothing to do here: LOCK TABLES, FLUSH, ANALYZE."""
    return Done()
