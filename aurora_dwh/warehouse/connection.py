"""Sessions on Redshift, and whole transactions that are tried again when a failure may pass.

Nothing below the size of a transaction is ever tried again, and after COMMIT was sent the answer is looked up, not
guessed: the server may have committed though its reply was lost.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from aurora_dwh.core import retries
from aurora_dwh.core.waiting import require_wanted, say, tidy, waiting
from aurora_dwh.settings.environment import ConfigError
from aurora_dwh.settings.servers import ENVIRONMENT, Servers
from aurora_dwh.warehouse.errors import PassingError, WarehouseError, shown, translate

if TYPE_CHECKING:
    from aurora_dwh.settings.config import RedshiftSettings

T = TypeVar("T")
_log = logging.getLogger(__name__)

LOGIN_SECONDS = 20
"""How long a connection may take, and each answer of a login; a workgroup that sleeps has all attempts to wake in."""

WAKE_SECONDS = 90.0
"""How long the first statement of a session may take, which a workgroup that sleeps wakes for too."""

LOCK_SECONDS = 600.0
"""How long a statement may take that changes what a table is: it waits for every transaction that reads the table."""

STATEMENT_SECONDS = 6 * 3600.0
"""How long any other statement may take, as in Aurora; Redshift ends an open transaction after as long."""

_DDL = re.compile(r"\s*(ALTER|DROP|TRUNCATE|LOCK)\b", re.IGNORECASE)

BLOCKERS = (
    "SELECT DISTINCT held.txn_owner, held.pid, held.txn_start FROM svv_transactions wanted "
    "JOIN svv_transactions held ON held.relation = wanted.relation AND held.pid <> wanted.pid "
    "WHERE wanted.pid = {pid} AND wanted.granted = 'f' AND held.granted = 't' ORDER BY held.txn_start"
)
"""Who holds what a session waits for; a user without SYSLOG ACCESS UNRESTRICTED sees its own transactions alone:
https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_TRANSACTIONS.html."""


_UNKNOWN = (
    "who keeps it waiting is not told to this user; a superuser finds it by: SELECT txn_owner, pid, lock_mode, granted "
    "FROM svv_transactions WHERE relation = 'schema.table'::regclass"
)


def terminate(pid: int) -> str:
    """Return the statement that ends a session, which a user may do of its own and a superuser of any."""
    return f"SELECT pg_terminate_backend({pid})"


@dataclass(frozen=True)
class Answer:
    """A statement's outcome."""

    rows: list[tuple[Any, ...]]
    count: int  # the rows that a DML statement changed, -1 where unknown
    columns: tuple[tuple[str, int], ...] = ()  # the names of the rows' columns and their types' numbers
    # the columns' type modifiers, in which a VARCHAR has its length and a DECIMAL precision and scale
    modifiers: tuple[int, ...] = ()


class Session:
    """One connection in autocommit mode, so that BEGIN and COMMIT are said by whoever owns the transaction."""

    def __init__(self, connection: Any, aside: Callable[[], Session] | None = None) -> None:
        """Take over a connection of redshift_connector's; `aside` opens another to ask about it and to end it."""
        self._connection = connection
        self._aside = aside
        connection.autocommit = True
        self.statements: list[str] = []  # what was run so far, in order
        self.seconds: list[float] = []  # how long each of them took
        self.pid = 0  # the server's process id, which its system views call `session_id`
        # `began` is by the server's clock, in UTC.
        pid, self.began = self._execute("SELECT pg_backend_pid(), GETDATE()", WAKE_SECONDS).rows[0]
        self.pid = int(pid)
        self.statements.clear()
        self.seconds.clear()

    def execute(self, statement: str) -> Answer:
        """Run one statement; raises a WarehouseError where Redshift refuses it or does not answer in time."""
        return self._execute(statement, LOCK_SECONDS if _DDL.match(statement) else STATEMENT_SECONDS)

    def _execute(self, statement: str, most: float) -> Answer:
        self.statements.append(statement)
        started = time.monotonic()
        try:
            with waiting(f"Redshift's answer to: {shown(statement)}", self._blockers):
                self._connection._usock.settimeout(most)  # the driver has one time for the login and for this
                cursor = self._connection.cursor()
                cursor.execute(statement)
                rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
                described = [(name, int(kind)) for name, kind, *_ in cursor.description or ()]
                columns = tuple((n.decode() if isinstance(n, bytes) else str(n), kind) for n, kind in described)
                # The driver reads the types' modifiers, too, and leaves them out of `description`.
                modifiers = (column["type_modifier"] for column in (cursor.ps or {}).get("row_desc") or ())
                return Answer(rows, cursor.rowcount, columns, tuple(map(int, modifiers)))
        except Exception as error:  # the driver raises OSError, struct.error and others besides its own
            if time.monotonic() - started < most:
                raise translate(error, statement) from error
            raise self._given_up(statement, most) from error
        except BaseException as error:
            tidy(self._end, error)
            raise
        finally:
            self.seconds.append(time.monotonic() - started)

    def _given_up(self, statement: str, most: float) -> WarehouseError:
        """Return what to raise for a statement that took too long; Redshift ends it too, as far as it can be reached.

        A session's first statement may be answered at another attempt.
        """
        text = f"Redshift did not answer within {most:.0f} s: {shown(statement)}"
        if not self._aside or not self.pid:
            return PassingError(text, statement=statement)
        who = []
        for ask in (self._blockers, self._end):  # in this order: a session that has ended waits for nobody
            try:
                who.append(ask() or "")
            except (WarehouseError, ConfigError) as error:
                who.append(f"Redshift does not say who keeps it waiting ({error})")
        what = "It waits for every transaction that reads the table. " if _DDL.match(statement) else ""
        advice = "Run it again when they have ended, or end them: SELECT pg_terminate_backend(pid)"
        return WarehouseError(f"{text}; {who[0] or _UNKNOWN}. {what}{advice}", statement=statement)

    def _blockers(self) -> str:
        """Return who holds what this session waits for, empty where nobody is known to; raises WarehouseError."""
        held = self._ask_aside(BLOCKERS.format(pid=self.pid))
        return ", ".join(f"{str(owner).strip()} (pid {pid}) holds it since {since} UTC" for owner, pid, since in held)

    def _end(self) -> None:
        """Have Redshift end the session, whose statement would go on there, and keep its locks, when nobody waits."""
        self._ask_aside(terminate(self.pid))

    def _ask_aside(self, statement: str) -> list[tuple[Any, ...]]:
        """Return a statement's rows on another session, none where this one is not known yet or is that other."""
        if not self._aside or not self.pid:
            return []
        with closing(self._aside()) as other:
            return other._execute(statement, WAKE_SECONDS).rows

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        _close(self._connection)


class Warehouse:
    """Redshift as the rest of the product sees it."""

    def __init__(self, settings: RedshiftSettings) -> None:
        self.settings = settings

    def connect(self) -> Session:
        """Open a session, at the first attempt or not at all.

        Raises:
            WarehouseError: There is no way there, or Redshift refused the user or the database.
            ConfigError: The settings' secret cannot be had.
        """
        return self._open(aside=self._open)

    def _open(self, aside: Callable[[], Session] | None = None) -> Session:
        import redshift_connector

        where = f"connect to {self.settings.host or self.settings.workgroup}"
        arguments = self.settings.connect_arguments()  # its ConfigError would not pass
        try:
            with waiting(f"Redshift: {where}"):
                connection = redshift_connector.connect(**arguments, timeout=LOGIN_SECONDS)
        except Exception as error:  # driver, network and AWS errors alike
            raise translate(error, where) from None  # the cause may hold the connection's arguments
        try:
            return Session(connection, aside)
        except BaseException:
            _close(connection)
            raise

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give a session, connected with patience: a Serverless workgroup may have to wake first.

        Raises:
            WarehouseError: Redshift refused the user or the database; a PassingError after all attempts.
        """
        session = _patiently(self.connect)
        try:
            yield session
        finally:
            session.close()

    def persist(self, work: Callable[[Session], T]) -> T:
        """Run `work`, which may be done twice, on a session, and again on a new one where a failure may pass.

        Raises:
            WarehouseError: The failure does not pass, or did not within all attempts.
        """

        def attempt() -> T:
            with closing(self.connect()) as session:
                return work(session)

        return _patiently(attempt)

    def transaction(
        self,
        work: Callable[[Session], T],
        *,
        before: Callable[[Session], None] = lambda _: None,
        landed: Callable[[Session], bool] = lambda _: False,
    ) -> T:
        """Run `work` between BEGIN and COMMIT, again where a failure may pass; return what it returned in the end.

        Args:
            work: What to do; it may be called several times, each time after a ROLLBACK on a new session.
            before: Done on the same session before BEGIN, in each attempt anew; its statements each commit.
            landed: Asked on a new session after a COMMIT whose answer was lost: is the work there? Without it, work
                must be such that doing it twice is the same as once.

        Raises:
            WarehouseError: The failure does not pass, or did not within all attempts.
        """

        def attempt(session: Session) -> T:
            before(session)
            session.statements.clear()
            session.seconds.clear()
            session.execute("BEGIN")
            result = work(session)
            require_wanted()
            try:
                session.execute("COMMIT")
            except PassingError:
                if self.persist(landed):
                    return result
                raise
            return result

        return self.persist(attempt)


def open_warehouse(servers: Servers = ENVIRONMENT) -> Warehouse:
    """Return a project's warehouse, which is not opened yet; raises ConfigError."""
    return Warehouse(servers.warehouse())


def _patiently(work: Callable[[], T]) -> T:
    policy = retries.TRANSACTION
    for attempt in range(1, policy.attempts + 1):
        try:
            return work()
        except PassingError as error:
            if attempt == policy.attempts:
                raise
            wait = policy.pause_after(attempt)
            say(f"attempt {attempt} of {policy.attempts} failed, next in {wait:.1f} s: {error}")
            time.sleep(wait)
    raise AssertionError  # the loop returns or raises


def _close(connection: Any) -> None:
    try:
        connection.close()
    except Exception:  # a broken connection cannot say goodbye, and nothing depends on it
        _log.debug("closing a broken connection", exc_info=True)
