"""Giving way: a reading ends its snapshot where somebody waits for the table, and is done again when that is over.

A snapshot keeps a lock on the table's definition. An ALTER TABLE that waits for it lets nobody pass, so the application
would stand still for as long as a long, slowed or stalled reading takes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pymysql
from pymysql.constants import ER

from aurora_dwh.core.models import DataError, GaveWay
from aurora_dwh.core.waiting import TIDY_SECONDS, is_interrupt
from aurora_dwh.source.connection import Connection, SourceError, cut, execute, explain
from aurora_dwh.source.locks import sees_others, told_waiting
from aurora_dwh.source.privileges import account
from aurora_dwh.source.refusals import code_of

if TYPE_CHECKING:
    import pyarrow as pa

LOOK_SECONDS: Final = 1.0
"""How often it is looked whether somebody waits; a reading that is over by then is never looked at."""

_WHO: Final = "SELECT CONNECTION_ID(), @@hostname, @@port, @@server_id"
"""A session's number, and what tells its server from others."""

_TRIES: Final = 5
"""How often a session is opened until it is one of the server that is read: a name may lead to several."""


_ELSEWHERE: Final = "AURORA_HOST leads to another server each time; name one server in it"


def once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that passes each text on once."""
    said: set[str] = set()

    def tell(text: str) -> None:
        if text not in said:
            said.add(text)
            warn(text)

    return tell


class Watch:
    """Looks, while a snapshot is held, whether somebody waits for the table, and ends the readers' sessions then.

    A thread with a session of its own does so: the reader's is busy, or its consumer is. As a context it watches.

    Args:
        connect: Opens a session, as `connection.connect` does.
        reader: The session that holds the snapshot, the first one where several read: they hold it up together.
        named: The table and day, as messages name them.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        reader: Connection,
        *,
        database: str,
        table: str,
        named: str,
        warn: Callable[[str], None],
    ) -> None:
        self._connect = connect
        self._database, self._table = database, table
        self._named = named
        self._warn = warn
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="giving-way", daemon=True)
        self._given: GaveWay | None = None
        self._is_cut = self._is_abandoned = False
        ((self._number, *self._server),) = execute(reader, _WHO)
        self._readers = {self._number: reader}

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if is_interrupt(error):
            self.abandon()
        self._over.set()
        self._thread.join(TIDY_SECONDS)

    def join(self) -> Connection | None:
        """Return one more session to read on, which is ended with the first; None where none of its server is had.

        Raises:
            SourceError: The source cannot be reached.
            DataError: It lets the user in no more.
        """
        session = self._connected()
        if session is None:
            self._warn(f"{self._named}: it is read by fewer connections, as {_ELSEWHERE}")
        else:
            ((number, *_),) = execute(session, _WHO)
            self._readers[number] = session
            if self._given is not None or self._is_abandoned:  # those that read were ended before this one was known
                del self._readers[number]
                session.close()
                return None
        return session

    def abandon(self) -> None:
        """End the readers' sessions, which nobody waits for any more, here and on the server; any thread may call it.

        A server that has closed connections to write to notices so only when it has rows to send.
        """
        self._is_abandoned = True
        for reader in list(self._readers.values()):
            cut(reader)
        self._over.set()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise GaveWay for what fails as the session was ended; end it where whoever reads in it gives way.

        Raises:
            GaveWay: The reading gave way.
        """
        try:
            yield
        except GaveWay as error:
            self._given, self._is_cut = error, True
            reader = self._readers[self._number]
            if reader.open:
                reader.close()
            raise
        except (pymysql.err.MySQLError, SourceError) as error:
            if self._given is None:
                raise
            self._is_cut = True
            raise self._given from error

    def over(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield batches of the reader's.

        Raises:
            GaveWay: The reading gave way.
        """
        with self.translated():
            yield from batches

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function that uses the reader's session; raises as `over`."""
        with self.translated():
            return function(*arguments)

    def check(self) -> None:
        """Raise GaveWay where what was handed out was cut short; what had been read to its end stands."""
        if self._given is not None and self._is_cut:
            raise self._given

    def _watch(self) -> None:
        session: Connection | None = None
        try:
            while not self._over.wait(LOOK_SECONDS):
                session = session or self._open()
                if session is None or self._look(session):
                    return
            if self._is_abandoned and (session := session or self._open()):
                self._kill(session)
        except (pymysql.err.MySQLError, SourceError, DataError) as error:
            if not self._is_abandoned:
                what = "whether somebody waits for the table is not known any more"
                self._warn(f"{self._named}: {what}: {explain(error)}")
        finally:
            if session is not None and session.open:
                session.close()

    def _open(self) -> Connection | None:
        """Return a session to look by, None where none could be had."""
        session = self._connected()
        if session is None:
            self._warn(
                f"table {self._table}: whether somebody waits for the table while it is read is not known, as "
                f"{_ELSEWHERE}"
            )
        elif not sees_others(session):
            who = account(partial(execute, session))
            self._warn(
                f"table {self._table}: whether other users' sessions wait for the table while it is read is "
                f"not known; run: GRANT PROCESS ON *.* TO {who}"
            )
        return session

    def _connected(self) -> Connection | None:
        """Return a session of the reader's server, None where none could be had."""
        for _ in range(_TRIES):
            session = self._connect()
            ((_, *server),) = execute(session, _WHO)
            if server == self._server:
                return session
            session.close()
        return None

    def _look(self, session: Connection) -> bool:
        """Return whether the reading had to give way."""
        who = told_waiting(session, self._database, self._table, self._number)
        if who:
            self._given = GaveWay(who)
            self._kill(session)
        return bool(who)

    def _kill(self, session: Connection) -> None:
        """End the readers' sessions on the server, those that are there still."""
        for number in list(self._readers):
            try:
                execute(session, f"KILL {number}")
            except pymysql.err.MySQLError as error:
                if code_of(error) != ER.NO_SUCH_THREAD:
                    raise
