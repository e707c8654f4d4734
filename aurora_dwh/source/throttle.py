"""Sparing the source: a ceiling on rows a second, and a pause while the server is busier than the catalog allows.

Whoever reads calls `rest` between two SELECTs, so that no result is open on the server while one waits, and between two
batches only of a SELECT that cannot be cut into pieces. A pause is spent without a snapshot: `pause` comes before one,
and `rest` gives way where the source stays busy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Lock
from typing import TYPE_CHECKING, Final

import pymysql

from aurora_dwh.core.models import GaveWay
from aurora_dwh.core.waiting import waiting
from aurora_dwh.source.connection import Connection, SourceError, execute, explain
from aurora_dwh.source.replication import STOPPED, is_unknown, is_untold, replica_statuses, seconds_behind

if TYPE_CHECKING:
    from aurora_dwh.catalog.fields import PauseAbove

LOOK_SECONDS: Final = 1.0
"""How often the server is asked how busy it is, and the longest that `rest` waits before it gives its caller a turn."""

GRACE_SECONDS: Final = 5.0
"""How long a reading waits within its snapshot, as a server is above a limit for a moment now and then."""

_AURORA_LAG: Final = (
    "SELECT MAX(REPLICA_LAG_IN_MILLISECONDS) FROM information_schema.replica_host_status "
    "WHERE SESSION_ID <> 'MASTER_SESSION_ID'"
)


class Throttle:
    """Waits on behalf of one extraction, whose connection it asks; several threads may read for it.

    Args:
        connection: The connection that the rows are read on: another might lead to another replica. Where a reading
            begins anew on another one, `connection` is set to it.
        ceiling: The most rows a second, None for no ceiling.
        limits: How busy the server may be, None for no limit.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        ceiling: int | None,
        limits: PauseAbove | None,
        warn: Callable[[str], None],
    ) -> None:
        self.connection = connection
        self._ceiling = ceiling
        self._limits = limits
        self._warn = warn
        self._next_look = self._due = self._resumed = time.monotonic()
        self._probes = _probes(limits)
        self._waited: dict[str, float] = {}
        self._is_told = False
        self._taking, self._resting = Lock(), Lock()

    def begin(self) -> dict[str, float]:
        """Begin a day, and return what it waited for since the one before: the catalog's field -> seconds.

        What its reading will wait for is added.
        """
        if self._is_told:
            self._waited = {}
        self._is_told = True
        return self._waited

    def took(self, rows: int) -> None:
        """Note rows that were read since the last rest."""
        if self._ceiling is not None:
            # Time in which nothing was asked for is no credit for a burst later.
            with self._taking:
                self._due = max(self._due, self._resumed) + rows / self._ceiling

    def rest(self, *, is_between_selects: bool, connection: Connection | None = None) -> Iterator[None]:
        """Wait until more may be read. Yields once a second meanwhile, so that whoever reads can stop.

        Of several threads one waits, and the others for that one: what is waited is waited once.

        Args:
            is_between_selects: Whether the connection is free, so that the server can be asked how busy it is.
            connection: The connection that this thread reads on; None is the extraction's.

        Raises:
            GaveWay: The server stays too busy: reading is to pause without a snapshot.
            SourceError: The server could not be asked.
        """
        with waiting("the source, as the catalog bounds how fast it is read"), self._resting:
            while (ahead := self._due - time.monotonic()) > 0:
                self._wait("max_rows_per_second", min(ahead, LOOK_SECONDS))
                yield
            if is_between_selects and self._probes and time.monotonic() >= self._next_look:
                began = time.monotonic()
                while busy := self._busy(connection or self.connection):
                    field, what = busy
                    if time.monotonic() - began >= GRACE_SECONDS:
                        raise GaveWay(what)
                    self._wait(field, LOOK_SECONDS)
                    yield
                self._next_look = time.monotonic() + LOOK_SECONDS
        self._resumed = time.monotonic()

    def pause(self, named: str) -> None:
        """Wait until the server is no busier than the catalog allows. No snapshot may be held meanwhile.

        Args:
            named: The table and day, as messages name them.

        Raises:
            SourceError: The server was too busy for as long as the catalog lets a pause last.
        """
        if self._limits is None:
            return
        if self._is_told:
            self._waited, self._is_told = {}, False
        began, end, warned = time.monotonic(), self._limits.give_up_after, False
        with waiting(f"the source to be less busy, to read {named}"):
            while busy := self._busy(self.connection):
                field, what = busy
                if not warned:
                    self._warn(f"{named}: {what}; reading pauses until it is not, for {end} at the most")
                    warned = True
                if time.monotonic() - began >= end.total_seconds():
                    raise SourceError(
                        f"{named}: reading was paused for {end}, and still {what}; run it when the source is less "
                        "busy, or raise `pause_above` or its `give_up_after` in the catalog"
                    )
                self._wait(field, LOOK_SECONDS)
        if warned:
            self._warn(f"{named}: reading goes on after {time.monotonic() - began:.0f} s")

    def _busy(self, connection: Connection) -> tuple[str, str] | None:
        """Return the catalog's field that the server is above, and what it says; None where there is none."""
        for field, (limit, probe) in list(self._probes.items()):
            try:
                value = probe(connection)
            except pymysql.err.MySQLError as error:
                if not is_untold(connection, error):
                    raise SourceError(f"asking how busy the source is: {explain(error)}") from error
                del self._probes[field]
                self._warn(f"`pause_above.{field}` has no effect, as the server does not tell: {explain(error)}")
            else:
                if value is not None and value > limit:
                    return field, _told(field, value, limit)
        return None

    def _wait(self, field: str, seconds: float) -> None:
        began = time.monotonic()
        time.sleep(seconds)
        self._waited[field] = self._waited.get(field, 0.0) + time.monotonic() - began


def _told(field: str, value: float, limit: float) -> str:
    if value == STOPPED:
        return "replication has stopped"
    unit = " s" if field == "replica_lag" else ""
    return f"{field} is {value:,.6g}{unit}, above {limit:,.6g}{unit}"


def _probes(limits: PauseAbove | None) -> dict[str, tuple[float, Callable[[Connection], float | None]]]:
    found: dict[str, tuple[float, Callable[[Connection], float | None]]] = {}
    if limits and limits.threads_running is not None:
        found["threads_running"] = limits.threads_running, threads_running
    if limits and limits.replica_lag is not None:
        found["replica_lag"] = limits.replica_lag.total_seconds(), replica_lag
    return found


def threads_running(connection: Connection) -> float | None:
    """Return how many statements the server runs at the moment, this one among them."""
    rows = execute(connection, "SHOW GLOBAL STATUS LIKE 'Threads_running'")
    return float(rows[0][1]) if rows else None


def replica_lag(connection: Connection) -> float | None:
    """Return how many seconds the replicas are behind: of Aurora all, else the server that is asked.

    None where there is no replica; infinite where a replica has stopped.
    """
    try:
        ((milliseconds,),) = execute(connection, _AURORA_LAG)
    except pymysql.err.MySQLError as error:
        if not is_unknown(error):
            raise
        return max(map(seconds_behind, replica_statuses(connection)), default=None)
    return None if milliseconds is None else float(milliseconds) / 1000
