"""One client's session: its SQLite connection, transaction, variables and clock.

What each statement does with them is in `reads`, `writes` and `control`; which statement is which is in `statements`.
Everything here is synchronous and runs in a worker thread; the wire is `wire`.
"""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from aurora_dwh.local.aurora.catalogue import Catalogue
from aurora_dwh.local.aurora.errors import AuroraError, syntax_error, unknown_column
from aurora_dwh.local.aurora.functions import register
from aurora_dwh.local.aurora.outfile import ROLE, Exports
from aurora_dwh.local.aurora.translate import Context
from aurora_dwh.local.aurora.variables import Variables

_T = TypeVar("_T")
_BUSY_SECONDS: Final = 30.0
_PROGRESS_STEPS: Final = 20_000


def open_store(path: Path) -> sqlite3.Connection:
    """Open the SQLite file of an embedded Aurora, with MySQL's functions."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")  # readers keep their snapshot while a writer writes
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA legacy_alter_table = ON")  # a table may be rebuilt under a view
    register(connection)
    return connection


class Session:
    """What one connection knows.

    Args:
        path: The SQLite file.
        schema: The schema to begin with.
        user: The authenticated user.
        connection_id: The server's number for this connection.
        kill: Ends the connection of that number, or only its statement when the second argument is true.
        exports: What the server may write to S3.
    """

    def __init__(
        self,
        path: Path,
        *,
        schema: str,
        user: str,
        connection_id: int,
        kill: Callable[[int, bool], None],
        exports: Exports,
    ) -> None:
        self.schema = schema
        self.user = user
        self.connection_id = connection_id
        self.kill = kill
        self.variables = Variables(aws_default_s3_role=exports.iam_role)
        self.exports = exports
        self.roles_active = False
        self.sqlite = open_store(path)
        self.catalogue = Catalogue(self.sqlite)
        self.next_read_only = False
        self.last_insert_id = 0
        self._read_only = False
        self._lock = threading.Lock()
        self._deadline = float("inf")
        self._now = dt.datetime.now(dt.timezone.utc)
        self.sqlite.set_progress_handler(lambda: int(time.monotonic() > self._deadline), _PROGRESS_STEPS)

    @property
    def may_export(self) -> bool:
        """Whether the role that lets a session write to S3 is granted and active."""
        return self.exports.granted and self.roles_active

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self.sqlite.in_transaction

    @property
    def is_autocommit(self) -> bool:
        """Whether each statement commits itself."""
        return bool(self.variables.get("autocommit"))

    def begin_statement(self, *, limited: bool) -> None:
        """Set the statement's clock, and its deadline when `max_execution_time` applies to it."""
        limit = self.variables.get("max_execution_time")
        self._deadline = time.monotonic() + limit / 1000 if limit and limited else float("inf")
        self._now = dt.datetime.now(dt.timezone.utc)

    def now(self, digits: int, *, utc: bool = False) -> str:
        """The statement's time on the session's clock (or UTC), as DATETIME text."""
        moment = self._now + dt.timedelta(seconds=0 if utc else self.variables.offset)
        return moment.strftime("%Y-%m-%d %H:%M:%S") + (f".{moment:%f}"[: digits + 1] if digits else "")

    def context(self) -> Context:
        """What a statement's meaning depends on."""
        return Context(
            schema=self.schema,
            find=self.catalogue.table,
            variable=self.variables.get,
            functions={
                "NOW": self.now,
                "CURRENT_TIMESTAMP": self.now,
                "LOCALTIME": self.now,
                "LOCALTIMESTAMP": self.now,
                "SYSDATE": self.now,
                "UTC_TIMESTAMP": lambda digits: self.now(digits, utc=True),
                "CURDATE": lambda _: self.now(0)[:10],
                "CURRENT_DATE": lambda _: self.now(0)[:10],
                "UTC_DATE": lambda _: self.now(0, utc=True)[:10],
                "CURRENT_TIME": lambda digits: self.now(digits)[11:],
                "CURTIME": lambda digits: self.now(digits)[11:],
                "CONNECTION_ID": lambda _: self.connection_id,
                "LAST_INSERT_ID": lambda _: self.last_insert_id,
                "VERSION": lambda _: self.variables.get("version"),
                "CURRENT_VERSION": lambda _: self.variables.get("version"),
                "AURORA_VERSION": lambda _: self.variables.get("aurora_version"),
                "DATABASE": lambda _: self.schema,
                "SCHEMA": lambda _: self.schema,
                "CURRENT_SCHEMA": lambda _: self.schema,
                "USER": lambda _: f"{self.user}@localhost",
                "SESSION_USER": lambda _: f"{self.user}@localhost",
                "CURRENT_ROLE": lambda _: f"`{ROLE}`@`%`" if self.may_export else "NONE",
                "CURRENT_USER": lambda _: f"{self.user}@%",
            },
            offset=self.variables.offset,
        )

    # --- transactions ----------------------------------------------------------------------------------------------

    def begin(self, *, read_only: bool, snapshot: bool) -> None:
        """START TRANSACTION: commits what is open."""
        self.commit()
        self.sqlite.execute("BEGIN")
        self._read_only = read_only or self.next_read_only
        self.next_read_only = False
        if snapshot:
            self.catalogue.schemas()  # SQLite takes its snapshot at the first read

    def commit(self) -> None:
        """COMMIT; without a transaction, nothing."""
        if self.sqlite.in_transaction:
            self.sqlite.execute("COMMIT")
        self._read_only = False

    def roll_back(self) -> None:
        """ROLLBACK; without a transaction, nothing."""
        if self.sqlite.in_transaction:
            self.sqlite.execute("ROLLBACK")
        self._read_only = False

    def reading(self) -> None:
        """Open the transaction that a SELECT opens when autocommit is off."""
        if not self.is_autocommit and not self.sqlite.in_transaction:
            self.sqlite.execute("BEGIN")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All or nothing of what is written inside, in the open transaction or in one of its own."""
        if self._read_only:
            raise AuroraError(1792, "Cannot execute statement in a READ ONLY transaction.")
        alone = not self.sqlite.in_transaction
        self.sqlite.execute("BEGIN IMMEDIATE" if alone else "SAVEPOINT one_statement")
        try:
            yield
        except BaseException:
            if self.sqlite.in_transaction:
                if alone:
                    self.sqlite.execute("ROLLBACK")
                else:
                    self.sqlite.execute("ROLLBACK TO one_statement")
                    self.sqlite.execute("RELEASE one_statement")
            raise
        if not alone:
            self.sqlite.execute("RELEASE one_statement")
        elif self.is_autocommit:
            self.sqlite.execute("COMMIT")

    @contextmanager
    def defining(self) -> Iterator[None]:
        """A DDL statement: it commits what is open before it, and itself."""
        self.commit()
        with self.writing():
            yield
        self.commit()

    # --- care ------------------------------------------------------------------------------------------------------

    def guarded(self, work: Callable[[], _T]) -> _T:
        """Run `work` alone on this session, with SQLite's errors as MySQL's."""
        with self._lock:
            try:
                return work()
            except sqlite3.Error as problem:
                raise self._as_mysql(problem) from problem
            except RecursionError as problem:
                raise AuroraError(1436, "Thread stack overrun: the statement is nested too deeply") from problem

    def interrupt(self) -> None:
        """Stop the statement that runs now; callable from any thread, also on a session that has just ended."""
        with suppress(sqlite3.ProgrammingError):
            self.sqlite.interrupt()

    def close(self) -> None:
        """Roll back and let go of the database."""
        self.interrupt()
        with self._lock:
            self.sqlite.close()

    def _as_mysql(self, problem: sqlite3.Error) -> AuroraError:
        text = str(problem)
        cause = problem.__context__
        if isinstance(cause, AuroraError):
            return cause
        if "interrupted" in text:
            if time.monotonic() > self._deadline:
                return AuroraError(3024, "Query execution was interrupted, maximum statement execution time exceeded")
            return AuroraError(1317, "Query execution was interrupted")
        for pattern, error in _SQLITE_ERRORS:
            found = pattern.search(text)
            if found:
                return error(*found.groups())
        return AuroraError(1105, f"Unknown error: {text}")


def _duplicate(columns: str) -> AuroraError:
    table = columns.split(",")[0].strip().rpartition(".")[0]
    return AuroraError(1062, f"Duplicate entry for key '{table.rpartition('.')[2]}' ({columns})")


def _null(column: str) -> AuroraError:
    return AuroraError(1048, f"Column '{column.rpartition('.')[2]}' cannot be null")


_SQLITE_ERRORS: Final[tuple[tuple[re.Pattern[str], Callable[..., AuroraError]], ...]] = (
    (re.compile(r"no such column: (.+)"), lambda name: unknown_column(name.replace('"', "").replace("`", ""))),
    (re.compile(r"ambiguous column name: (.+)"), lambda name: AuroraError(1052, f"Column '{name}' is ambiguous")),
    (re.compile(r"no such function: (.+)"), lambda name: AuroraError(1305, f"FUNCTION {name} does not exist")),
    (re.compile(r"UNIQUE constraint failed: (.+)"), _duplicate),
    (re.compile(r"NOT NULL constraint failed: (.+)"), _null),
    (
        re.compile(r"database is locked"),
        lambda: AuroraError(1213, "Deadlock found when trying to get lock; try restarting transaction"),
    ),
    (
        re.compile(r"near \"(.*)\": syntax error|wrong number of arguments to function (.+)"),
        lambda *at: syntax_error(at[0] or at[1]),
    ),
)
