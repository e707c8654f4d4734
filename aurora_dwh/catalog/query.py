"""A table's `query`: the SELECT of the user's own whose result is copied, as far as its text can be judged.

The server reads it as a derived table, in a session that may only read: what is no single SELECT it refuses, too. Here
it is refused when the catalog is read, with its line. Which columns the result has a server knows (`source.query`).
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

_PASSED_OVER = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`[^`]*`|--(?=\s|$)[^\n]*|#[^\n]*|/\*(?!M?!).*?\*/", re.DOTALL
)
"""Texts, quoted names and comments, whose words say nothing; a comment that begins with /*! is run, and is none."""

_CHANGES = re.compile(r"\b(INTO|FOR\s+(?:UPDATE|SHARE)|LOCK\s+IN\s+SHARE\s+MODE)\b", re.IGNORECASE)
"""Clauses by which a SELECT writes, or locks rows and reads them as they are behind the snapshot."""

_PLACEHOLDER = re.compile(r":[^\W\d]\w*|\?")


def _query(value: str) -> str:
    """Return a query without the semicolon behind it."""
    words = _PASSED_OVER.sub(lambda found: " " * len(found[0]), value)
    statement, _, more = words.partition(";")
    if not statement.strip():
        raise ValueError("holds no statement; write a SELECT")
    if more.strip(" \t\r\n;"):
        raise ValueError("holds several statements; write one SELECT")
    word = found[0] if (found := re.search(r"\w+", statement)) else statement.strip()
    if word.upper() not in ("SELECT", "WITH"):
        raise ValueError(f"begins with {word!r}; write a SELECT, or WITH and a SELECT")
    if found := _CHANGES.search(statement):
        raise ValueError(f"writes or locks by {found[0]!r}, and a query may only read; take that clause out")
    if found := _PLACEHOLDER.search(statement):
        raise ValueError(
            f"holds the placeholder {found[0]!r}, and nothing is put in there; name a column of the result in "
            "`cursor`, by which each day's rows are asked for around the query"
        )
    return value[: len(statement)].strip()


Query = Annotated[str, AfterValidator(_query), WithJsonSchema({"type": "string", "minLength": 1})]
