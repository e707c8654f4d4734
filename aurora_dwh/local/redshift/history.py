"""What was run: the records behind ``sys_query_history`` and ``stl_query``.

Belongs here: noting a statement's course. Does not belong here: what the system tables look like (``system_tables``,
``sql/history.sql``). The records are kept in memory: they end with the stand-in, as Redshift's end after days.
"""

from __future__ import annotations

import itertools
import re
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

REMEMBERED = 10_000
_SECRET = re.compile(
    r"\b(PASSWORD|CREDENTIALS|ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)(\s+AS)?\s+'(?:[^'\\]|\\.|'')*'",
    re.IGNORECASE | re.DOTALL,
)


@dataclass
class Query:
    """One statement; times are seconds since 1970, ``ended`` is None while it runs."""

    query_id: int
    transaction_id: int
    session_id: int
    user_name: str
    database_name: str
    query_text: str
    started: float
    ended: float | None = None
    status: str = "running"
    error_message: str | None = None
    rows: int = 0

    def end(self, status: str, error: str | None = None) -> None:
        """Notes how the statement ended; what it says first stays."""
        if self.ended is None:
            self.ended, self.status, self.error_message = time.time(), status, error


class History:
    """The last statements of all sessions."""

    def __init__(self) -> None:
        self._ids = itertools.count(int(time.time()))  # unique in a data directory, since it starts from the clock
        self._queries: deque[Query] = deque(maxlen=REMEMBERED)

    def begin(self, text: str, *, session_id: int, user: str, database: str, transaction_id: int | None) -> Query:
        """Notes a statement that starts, in the transaction with the number or in one of its own, without secrets."""
        number = next(self._ids)
        masked = _SECRET.sub(r"\1 '***'", text)
        query = Query(number, transaction_id or number, session_id, user, database, masked, time.time())
        self._queries.append(query)
        return query

    def rows(self) -> list[dict[str, Any]]:
        """Returns all records, oldest first."""
        return [asdict(query) for query in self._queries.copy()]
