"""What a session's variables are set to, and why: every one that can change a value or a number of rows, or end it.

A server's administrator sets them for people, and a session of the product gets them like any other. Left as they are
those that decide how the catalog's `filter` is read, so that it means what it means to whoever tried it on that server:
the flags of `sql_mode`, `old_mode`, `default_week_format`, `lc_time_names`, `div_precision_increment`,
`group_concat_max_len`. What the product writes itself means the same under any of them. `max_allowed_packet` no session
can set: where it cut a value, the server warns, and `export` looks for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from aurora_dwh.source.quoting import literal

LOCK_TIMEOUT: Final = timedelta(seconds=5)
"""How long a statement waits for a table that somebody else has locked, before it is told and tried again."""

WRITE_TIMEOUT: Final = timedelta(minutes=30)
"""How long the server waits for a client that does not take rows, as while an upload is retried."""

_READ_TIMEOUT: Final = timedelta(minutes=10)
"""How long the server waits for the rest of a statement."""

IDLE_TIMEOUT: Final = timedelta(hours=8)
"""How long the server keeps a session without a statement, as while Redshift answers or a day is uploaded; it is the
default of MySQL and MariaDB, and an administrator may have set far less for people."""

_MOST: Final = 2**64 - 1


@dataclass(frozen=True)
class Variable:
    """A session variable."""

    name: str  # its name
    value: str  # what it is set to, as SQL
    reason: str  # what it would do otherwise

    @property
    def assignment(self) -> str:
        """The variable and its value, as SET has them."""
        return f"{self.name} = {self.value}"


def _seconds(span: timedelta) -> str:
    return f"{int(span.total_seconds())}"


ROWS: Final = (
    Variable("sql_select_limit", f"{_MOST}", "ends each result after so many rows, without a word"),
    Variable("sql_big_selects", "1", "refuses a SELECT of more rows than `max_join_size`"),
    Variable("time_zone", "'+00:00'", "decides which wall clock a TIMESTAMP shows, and what NOW() is in a `filter`"),
    Variable(
        "sql_mode",
        "REPLACE(REPLACE(@@SESSION.sql_mode, 'PAD_CHAR_TO_FULL_LENGTH', LEFT('-', 0)), 'EMPTY_STRING_IS_NULL', "
        "LEFT('-', 0))",
        "pads a CHAR, which is another value then, and in another order than its index; or takes an empty text that is "
        "written, as in a key's condition, for NULL",
    ),
    Variable("sql_auto_is_null", "0", "takes `id IS NULL` for the row that was inserted last"),
    Variable("max_sort_length", "1024", "compares so many bytes only where rows are sorted"),
)
"""What every server has, and a person who exports by hand needs too."""

SESSION: Final = (
    Variable("autocommit", "1", "lets each SELECT begin a transaction, whose locks and view of the rows stay"),
    Variable("completion_type", "NO_CHAIN", "begins another transaction behind a snapshot's end, or ends the session"),
    Variable("sql_buffer_result", "0", "writes each result to a temporary table before its first row is sent"),
    Variable("lock_wait_timeout", _seconds(LOCK_TIMEOUT), "waits for another's lock for a year, or for no time"),
    Variable("wait_timeout", _seconds(IDLE_TIMEOUT), "ends a session that asks for nothing for a while"),
    Variable("net_write_timeout", _seconds(WRITE_TIMEOUT), "ends a session that does not take its rows at once"),
    Variable("net_read_timeout", _seconds(_READ_TIMEOUT), "ends a session whose statement arrives slowly"),
)
"""What every server has, and what becomes of a session is decided by."""

_OF_SOME: Final = (
    Variable("transaction_isolation", "'REPEATABLE-READ'", "shows each SELECT of a day other rows"),
    Variable("tx_isolation", "'REPEATABLE-READ'", "as transaction_isolation, on MariaDB before 11.1"),
    Variable("transaction_read_only", "1", "lets a session write"),
    Variable("tx_read_only", "1", "as transaction_read_only, on MariaDB before 11.1"),
    Variable("show_gipk_in_create_table_and_information_schema", "1", "hides a generated primary key: a column less"),
    Variable("system_versioning_asof", "DEFAULT", "shows the rows of system-versioned tables as they once were"),
    Variable("idle_transaction_timeout", "0", "ends a session whose snapshot waits, as for an upload"),
    Variable("idle_readonly_transaction_timeout", "0", "as idle_transaction_timeout, for one that only reads"),
    Variable("max_session_mem_used", f"{2**63 - 1}", "ends a statement that needs more memory"),
)
"""What only some servers have. The rest of them knows no other way than the one wanted."""


_had: dict[str, frozenset[str]] = {}
"""Server -> the names of those that it has: asked for once, as they are its version's."""


def prepare(run: Callable[[str], Sequence[tuple[Any, ...]]], statement_timeout: timedelta, server: str) -> None:
    """Set a session's variables.

    Args:
        statement_timeout: How long a SELECT may run on the server.
        server: Tells the server, and its version, from others.

    Raises:
        pymysql.err.Error: The server or the connection failed.
    """
    unset, of_some = [*ROWS, *SESSION], (*_OF_SOME, *_limits(statement_timeout))
    if server not in _had:
        run(setting(unset))  # before the question, whose answer a `sql_select_limit` would shorten too
        names = ", ".join(literal(variable.name) for variable in of_some)
        found = run(f"SHOW SESSION VARIABLES WHERE Variable_name IN ({names})")
        _had[server], unset = frozenset(str(row[0]) for row in found), []
    run(setting([*unset, *(variable for variable in of_some if variable.name in _had[server])]))


def setting(variables: Sequence[Variable]) -> str:
    """Return the statement that sets variables."""
    return f"SET SESSION {', '.join(variable.assignment for variable in variables)}"


def _limits(statement_timeout: timedelta) -> tuple[Variable, ...]:
    """Return the limits of a statement: MySQL counts in milliseconds and for SELECTs only, MariaDB in seconds."""
    seconds = statement_timeout.total_seconds()
    reason = "ends a SELECT that runs for longer, or lets one run that is forgotten"
    return (
        Variable("max_execution_time", f"{int(seconds * 1000)}", reason),
        Variable("max_statement_time", f"{seconds:g}", reason),
    )
