"""Sessions for work on one table after the other: what ends one table's session is no reason to pass over the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from pymysql.err import MySQLError

from aurora_dwh.source.connection import Connection, explain

_LOST: Final = frozenset({0, 1053, 1153, 1159, 1161, 1927, 2006, 2013, 2055, 3169, 4031})
"""Errors after which there is no session any more: the server ended it (SHUTDOWN, KILL, a timeout, a statement that is
longer than it takes), or the network did. 0 is the driver's, for a session that was lost before."""


class Sessions:
    """One session after the other: the same one as long as it lives, another where it was lost.

    Args:
        connect: Opens a session, as `connection.connect` does; it is called at once, and raises what it raises.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection = connect()

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Give a session that the server still knows.

        Raises:
            SourceError: There was none any more, and the source is out of reach.
            DataError: As before, and the source lets the user in no more.
        """
        if not self._is_alive():
            self._connection = self._connect()
        try:
            yield self._connection
        except MySQLError as error:
            if is_lost(error):
                self.close()
            raise

    def _is_alive(self) -> bool:
        if not self._connection.open:
            return False
        try:
            self._connection.ping(reconnect=False)
        except MySQLError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """End the session, if there is one."""
        if self._connection.open:
            self._connection.close()


def is_lost(error: MySQLError) -> bool:
    """Return whether a session is gone with an error, so that whatever comes next needs another one."""
    return bool(error.args) and error.args[0] in _LOST


def describe(error: MySQLError) -> str:
    """Return what an error is about and what the driver says of it, in one line."""
    return f"the connection to Aurora was lost: {explain(error)}" if is_lost(error) else f"Aurora: {explain(error)}"
