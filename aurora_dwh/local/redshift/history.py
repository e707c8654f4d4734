"""What was run: the records behind ``sys_query_history`` and ``stl_query``.

Belongs here: noting a statement's course. Does not belong here: what the system tables look like (``system_tables``,
``sql/history.sql``). The records are kept in memory: they end with the stand-in, as Redshift's end after days. The
label of a query group is not among them.
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


class History:
    """The last statements of all sessions."""

    def __init__(self) -> None:
        self.ids = itertools.count(int(time.time()))  # unique in a data directory, since it starts from the clock
        self.queries: deque[Query] = deque(maxlen=REMEMBERED)

    def rows(self) -> list[dict[str, Any]]:
        """Returns all records, oldest first."""
        return [asdict(query) for query in self.queries.copy()]


class Course:
    """The statements of one session, one after the other."""

    def __init__(self, history: History, session_id: int, user: str, database: str) -> None:
        self._history = history
        self._session = (session_id, user, database)
        self._query: Query | None = None

    @property
    def query_id(self) -> int:
        """The number of the statement that was begun last."""
        return self._query.query_id if self._query else 0

    def begin(self, text: str, *, in_transaction: bool) -> None:
        """Notes a statement that starts, without its secrets, in the transaction of the one before or in its own."""
        number = next(self._history.ids)
        transaction = self._query.transaction_id if self._query and in_transaction else number
        self._query = Query(number, transaction, *self._session, _SECRET.sub(r"\1 '***'", text), time.time())
        self._history.queries.append(self._query)

    def count(self, tag: str) -> None:
        """Notes the rows that a command tag tells of."""
        rows = tag.rpartition(" ")[2]
        if self._query and rows.isdigit():
            self._query.rows = int(rows)

    def end(self, status: str, error: str | None = None) -> None:
        """Notes how the statement ended; what is said first stays."""
        if self._query and self._query.ended is None:
            self._query.ended, self._query.status, self._query.error_message = time.time(), status, error
