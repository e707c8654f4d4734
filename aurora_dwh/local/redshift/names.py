"""Identifiers: Redshift's 127 bytes on PostgreSQL's 63, and the words Redshift reserves.

Belongs here: folding, truncating and shortening names, the reserved words. Does not belong here: where in a statement
a name stands (see ``refuse`` and ``rewrite``).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable

MAX_BYTES = 127
POSTGRES_BYTES = 63
MARK = "~"

# Words Redshift reserves and PostgreSQL lets pass as names. PostgreSQL itself refuses the others.
RESERVED = frozenset(
    [
        "AES128",
        "AES256",
        "ALLOWOVERWRITE",
        "AZ64",
        "BACKUP",
        "BINARY",
        "BLANKSASNULL",
        "BYTEDICT",
        "BZIP2",
        "CREDENTIALS",
        "CURRENT_USER_ID",
        "DEFLATE",
        "DEFRAG",
        "DELTA",
        "DELTA32K",
        "DISABLE",
        "EMPTYASNULL",
        "ENABLE",
        "ENCODE",
        "ENCRYPT",
        "ENCRYPTION",
        "EXPLICIT",
        "GLOBALDICT256",
        "GLOBALDICT64K",
        "GZIP",
        "IDENTITY",
        "IGNORE",
        "LUN",
        "LUNS",
        "LZO",
        "LZOP",
        "MINUS",
        "MOSTLY16",
        "MOSTLY32",
        "MOSTLY8",
        "NEW",
        "NULLS",
        "OFF",
        "OFFLINE",
        "OID",
        "OLD",
        "OPEN",
        "PARALLEL",
        "PARTITION",
        "PERCENT",
        "PERMISSIONS",
        "PIVOT",
        "RAW",
        "READRATIO",
        "RECOVER",
        "REJECTLOG",
        "RESORT",
        "RESPECT",
        "RESTORE",
        "SNAPSHOT",
        "SYSDATE",
        "SYSTEM",
        "TAG",
        "TDES",
        "TEXT255",
        "TEXT32K",
        "TIMESTAMP",
        "TOP",
        "TRUNCATECOLUMNS",
        "UNNEST",
        "UNPIVOT",
        "WALLET",
        "WITHOUT",
    ]
)
FORBIDDEN_COLUMNS = frozenset({"oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


def truncate(name: str) -> str:
    """Returns ``name`` cut to Redshift's 127 bytes, never within a character."""
    return name.encode()[:MAX_BYTES].decode(errors="ignore")


def physical(name: str) -> str:
    """Returns the name PostgreSQL knows: ``name`` itself, or a digest of it when it is too long for PostgreSQL."""
    name = truncate(name)
    encoded = name.encode()
    if len(encoded) <= POSTGRES_BYTES:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return encoded[: POSTGRES_BYTES - 17].decode(errors="ignore") + MARK + digest


class LongNames:
    """The full names behind the shortened ones, for column headings and the system views."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full: dict[str, str] = {}

    def learn(self, names: dict[str, str]) -> None:
        """Adds ``shortened -> full`` pairs."""
        with self._lock:
            self._full.update(names)

    def full(self, name: str) -> str:
        """Returns the full name behind ``name``."""
        return self._full.get(name, name) if MARK in name else name

    def expand(self, text: str) -> str:
        """Returns a message with full names in the place of shortened ones."""
        if MARK in text:
            with self._lock:
                known = list(self._full.items())
            for short, full in known:
                text = text.replace(short, full)
        return text


def shortened(names: Iterable[str]) -> dict[str, str]:
    """Returns ``shortened -> full`` for those of ``names`` that PostgreSQL cannot hold."""
    return {physical(name): truncate(name) for name in names if len(name.encode()) > POSTGRES_BYTES}
