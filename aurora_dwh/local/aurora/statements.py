"""Which statement is which: the first pattern that matches a statement's first words names its function.

To teach the embedded Aurora another statement, write its function (of the session and the text) and put its pattern
into STATEMENTS before any broader one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from aurora_dwh.local.aurora import control, reads, writes
from aurora_dwh.local.aurora.errors import AuroraError, syntax_error
from aurora_dwh.local.aurora.results import Result
from aurora_dwh.local.aurora.session import Session

_COMMENTS: Final = re.compile(r"\A(?:\s+|/\*.*?\*/|--\s[^\n]*(?:\n|\Z)|#[^\n]*(?:\n|\Z))+", re.DOTALL)

_LIST: Final[tuple[tuple[str, Callable[[Session, str], Result]], ...]] = (
    (r"\(*\s*(SELECT|WITH)\b", reads.select),
    (r"(EXPLAIN|DESCRIBE|DESC)\b", reads.explain),
    (r"SHOW (DATABASES|SCHEMAS)\b", reads.show_databases),
    (r"SHOW (FULL )?TABLES\b", reads.show_tables),
    (r"SHOW (FULL )?(COLUMNS|FIELDS)\b", reads.show_columns),
    (r"SHOW (INDEX|INDEXES|KEYS)\b", reads.show_index),
    (r"SHOW CREATE (TABLE|VIEW)\b", reads.show_create_table),
    (r"SHOW GRANTS\b", reads.show_grants),
    (r"SHOW ((SESSION|GLOBAL) )?VARIABLES\b", reads.show_variables),
    (r"SHOW ((SESSION|GLOBAL) )?STATUS\b", reads.show_status),
    (r"SHOW (WARNINGS|ERRORS)\b", reads.show_nothing),
    (r"SHOW (MASTER|BINARY LOG|REPLICA|SLAVE) STATUS\b", reads.show_no_binary_log),
    (r"SHOW (FULL )?PROCESSLIST\b", reads.show_processes),
    (r"(INSERT|REPLACE)\b", writes.insert_rows),
    (r"UPDATE\b", writes.update),
    (r"DELETE\b", writes.delete),
    (r"CREATE (TEMPORARY )?TABLE\b", writes.create_table),
    (r"CREATE (UNIQUE )?INDEX\b", writes.create_index),
    (r"CREATE (OR REPLACE )?(\S+ )*?VIEW\b", writes.create_view),
    (r"CREATE (DATABASE|SCHEMA)\b", writes.create_schema),
    (r"DROP (DATABASE|SCHEMA)\b", writes.drop_schema),
    (r"DROP INDEX\b", writes.drop_index),
    (r"DROP (TEMPORARY )?(TABLE|VIEW)\b", writes.drop_table),
    (r"ALTER TABLE\b", writes.alter_table),
    (r"RENAME TABLE\b", writes.rename_table),
    (r"TRUNCATE\b", writes.truncate),
    (r"SET (NAMES|CHARACTER SET|CHARSET)\b", control.set_names),
    (r"SET ROLE\b", control.set_role),
    (r"(GRANT|REVOKE)\b", control.grant),
    (r"SET ((SESSION|GLOBAL) )?TRANSACTION\b", control.set_transaction),
    (r"SET\b", control.set_variables),
    (r"(START TRANSACTION|BEGIN)\b", control.start_transaction),
    (r"COMMIT\b", control.commit),
    (r"ROLLBACK\b", control.roll_back),
    (r"USE\b", control.use),
    (r"KILL\b", control.kill),
    (r"(LOCK|UNLOCK) TABLES?\b|FLUSH\b|ANALYZE\b", control.accept),
)
STATEMENTS: Final = tuple(
    (re.compile(r"\A" + pattern.replace(" ", r"\s+"), re.IGNORECASE), run) for pattern, run in _LIST
)
_READS: Final = re.compile(r"\A\(*\s*(?:SELECT|WITH)\b", re.IGNORECASE)


def execute(session: Session, sql: str) -> Result:
    """Run one statement.

    Raises:
        AuroraError: As MySQL would answer.
    """
    text = _COMMENTS.sub("", sql).rstrip().rstrip(";").rstrip()
    if not text:
        raise AuroraError(1065, "Query was empty")
    run = next((function for pattern, function in STATEMENTS if pattern.match(text)), None)
    if run is None:
        raise syntax_error(text)
    chosen = run
    session.begin_statement(limited=_READS.match(text) is not None)
    return session.guarded(lambda: chosen(session, text))
