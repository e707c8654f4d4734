"""The original: a table of the source as its application writes to it, and which days of it must be read again.

What is in the table is the server's business and never kept here. Kept is only which rows there are and when their
cursors stand, because from that follows what a warehouse may not know yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

import pymysql

from aurora_dwh_tests.integration.over_time.clock import DAY, INSTANT, Clock
from aurora_dwh_tests.servers import Server

EPOCH = datetime(2023, 1, 1, 12, tzinfo=timezone.utc)
"""When the oldest rows were written: long before the first day."""


@dataclass(frozen=True)
class Plain:
    """A column that is neither key nor cursor: its type, and whether it takes NULL."""

    type: str
    nullable: bool = True

    def value(self, number: int) -> object:
        """Return a value that the column takes, another one for another number as far as its type allows."""
        if self.nullable and number % 5 == 0:
            return None
        if self.type.startswith("VARCHAR"):
            size = int(self.type[8:-1])
            return ("é" * size if number % 3 == 0 else f"{number} ü")[:size]
        return number % 120


class Original:
    """The source's table under a clock.

    Attributes:
        due: The days whose last reading, if any, lacks something.
        ahead: Rows whose cursors are still to come, and that no reading with an open end has seen as they are.
        gone: Whether rows were deleted that a proof has not seen.
        retyped: Whether a column took a type that the one before does not hold.
    """

    def __init__(
        self, server: Server, database: str, name: str, clock: Clock, *, mode: str, cursor: str, lookback: timedelta
    ) -> None:
        self.name, self.clock = name, clock
        self.due: set[date] = set()
        self.ahead: set[int] = set()
        self.gone = self.retyped = False
        self._mode, self._cursor, self._lookback = mode, cursor, lookback
        self._connections = [server.connect(database) for _ in range(2)]
        for late in (False, True):
            self._run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", late=late)
            self._run("SET time_zone = '+00:00'", late=late)
        self._plain = {"note": Plain("VARCHAR(10)"), "number": Plain("INT")}
        self._ever = set(self._plain)
        self._written: dict[int, datetime | None] = {}  # live rows, and where their cursors stand
        self._late: dict[int, datetime | None] = {}  # rows that the open transaction wrote

    def create(self, *, indexed: bool) -> None:
        """Make the table, with rows from long ago."""
        self._run(
            f"CREATE TABLE `{self.name}` (id INT PRIMARY KEY, note VARCHAR(10), number INT, deleted_at DATETIME NULL, "
            f"touched {self._cursor} NULL DEFAULT NULL{', KEY (touched)' if indexed else ''})"
        )
        for key in (1, 2):
            self._put(key, key, EPOCH)

    def drop(self) -> None:
        """Remove the table and hang up."""
        self.end_late(commit=False)
        self._run(f"DROP TABLE `{self.name}`")
        for connection in self._connections:
            connection.close()

    @property
    def is_late(self) -> bool:
        """Whether a transaction is open."""
        return bool(self._late)

    # What the application does

    def write(self, key: int, number: int) -> None:
        """Insert or update a row, its cursor telling the time."""
        self._put(key, number, self.clock.now)

    def write_without_cursor(self, key: int, number: int, *, zero: bool = False) -> None:
        """Insert a row without a cursor, or update one and set its cursor NULL or zero."""
        if not zero:
            self._put(key, number, None)
            return
        with self._lenient():
            self._put(key, number, None, nothing="0000-00-00")

    def write_ahead(self, key: int, number: int, hours: int) -> None:
        """Write a row and set its cursor to a time that is still to come."""
        self._put(key, number, self.clock.now + timedelta(hours=hours))

    def write_silently(self, key: int, number: int) -> None:
        """Update a row and leave its cursor as it is."""
        if key in self._written:
            self._put(key, number, self._written[key])

    def write_back(self, key: int, number: int, ago: timedelta) -> None:
        """Write a row and set its cursor to a time that has passed."""
        self._put(key, number, self.clock.now - ago)

    def soft_delete(self, key: int) -> None:
        """Mark a row as deleted, as applications do that delete nothing."""
        if self._is_free(key) and key in self._written:
            shown = self.clock.calendar.shown(self.clock.now).replace(microsecond=0)
            cursor = self._stored(self.clock.now)
            self._run(f"UPDATE `{self.name}` SET deleted_at = %s, touched = %s WHERE id = %s", shown, cursor, key)
            self._changed(key, self.clock.now)

    def delete(self, key: int) -> None:
        """Delete a row for good."""
        if self._is_free(key) and key in self._written:
            self._run(f"DELETE FROM `{self.name}` WHERE id = %s", key)
            self.due |= self._whole_days(self._written.pop(key))
            self.ahead.discard(key)
            self.gone = True

    def begin_late(self, key: int, number: int) -> None:
        """Write a row in a transaction that stays open; its cursor tells the time of now."""
        if self._is_free(key):
            if not self._late:
                self._run("BEGIN", late=True)
            self._put(key, number, self.clock.now, late=True)

    def end_late(self, *, commit: bool) -> None:
        """End the open transaction, if one is."""
        self._run("COMMIT" if commit else "ROLLBACK", late=True)
        late, self._late = self._late, {}
        for key, cursor in late.items():
            if commit:
                self._changed(key, cursor)

    # What the application's developers do

    @contextmanager
    def doubled(self, key: int) -> Iterator[bool]:
        """Have a row twice, as after a change of the primary key; say whether there is one."""
        if self._late or key not in self._written:
            yield False
            return
        self.write(key, 1)
        with self._lenient():
            self._alter("DROP PRIMARY KEY, ADD KEY the_key (id)")
            self._run(f"INSERT INTO `{self.name}` SELECT * FROM `{self.name}` WHERE id = %s", key)
            try:
                yield True
            finally:
                self._run(f"DELETE FROM `{self.name}` WHERE id = %s LIMIT 1", key)
                self._alter("DROP KEY the_key, ADD PRIMARY KEY (id)")
        self.due.add(self.clock.today)

    def alter(self, change: str, column: str, number: int) -> None:
        """Change the columns, where the server lets us and no transaction is open."""
        if self._late:
            return
        try:
            getattr(self, f"_{change}")(column, number)
        except pymysql.err.Error:
            return  # values that do not fit, a name that is taken: the table is as it was

    def _add(self, column: str, number: int) -> None:
        place = ("", "FIRST", "AFTER id")[number % 3]
        kind = ("INT", "VARCHAR(10)")[number // 3 % 2]
        default = "" if number % 2 else f"NOT NULL DEFAULT '{number}'"
        self._alter(f"ADD COLUMN `{column}` {kind} {default} {place}")
        self._plain[column] = Plain(kind, nullable=not default)
        self._rewritten(bool(default) or column in self._ever)
        self.retyped |= column in self._ever

    def _drop(self, column: str, _: int) -> None:
        if column in self._plain:
            self._alter(f"DROP COLUMN `{column}`")
            self._ever.add(column)
            del self._plain[column]

    def _rename(self, column: str, number: int) -> None:
        new = COLUMNS[number % len(COLUMNS)]
        if column in self._plain and new not in self._plain:
            self._alter(f"CHANGE COLUMN `{column}` `{new}` {self._spelled(self._plain[column])}")
            self._ever.add(column)
            self._plain[new] = self._plain.pop(column)
            self._rewritten(True)
            self.retyped |= new in self._ever

    def _move(self, column: str, number: int) -> None:
        self._modify(column, place=("FIRST", "AFTER id", "AFTER touched")[number % 3])

    def _resize(self, column: str, number: int) -> None:
        kinds = {
            "VARCHAR": [f"VARCHAR({size})" for size in (5, 20, 40)],
            "INT": ["SMALLINT", "BIGINT", "VARCHAR(20)"],
            "SMALLINT": ["INT", "BIGINT", "VARCHAR(20)"],
            "BIGINT": ["INT", "SMALLINT", "VARCHAR(20)"],
        }
        if column in self._plain:
            before = self._plain[column].type.partition("(")[0]
            kind = kinds[before][number % 3]
            self._modify(column, type=kind)
            self._rewritten(before != "VARCHAR" and kind.startswith("VARCHAR"))
            self.retyped |= before != "VARCHAR"

    def _require(self, column: str, _: int) -> None:
        if column in self._plain:
            self._modify(column, nullable=not self._plain[column].nullable)

    def _modify(self, column: str, *, place: str = "", **changes: Any) -> None:
        if column in self._plain:
            changed = replace(self._plain[column], **changes)
            self._alter(f"MODIFY COLUMN `{column}` {self._spelled(changed)} {place}")
            self._plain[column] = changed

    @staticmethod
    def _spelled(column: Plain) -> str:
        return f"{column.type} {'NULL' if column.nullable else 'NOT NULL'}"

    def _alter(self, what: str) -> None:
        self._run(f"ALTER TABLE `{self.name}` {what}")

    # What a reader sees

    def rows(self) -> Counter[tuple[Any, ...]]:
        """Return the rows of the table, each in the order of `columns`."""
        names = ", ".join(f"`{name}`" for name in self.columns())
        rows = self._run(f"SELECT {names} FROM `{self.name}`")
        return Counter(tuple(None if _is_zero(value) else value for value in row) for row in rows)

    def keys(self) -> set[int]:
        """Return the keys of the table's rows."""
        return {key for (key,) in self._run(f"SELECT id FROM `{self.name}`")}

    def keys_since(self, day: date) -> set[int]:
        """Return the keys of the rows whose cursors stand in a day, behind it, or within its reach before it."""
        return {key for key, cursor in self._written.items() if cursor and self._start(day) <= cursor}

    def days_due(self) -> set[date]:
        """Return the days that must be read, each as it is read now."""
        return self.due | {self._day_for(self._written[key]) for key in self.ahead}

    def columns(self) -> list[str]:
        """Return the names of the table's columns, in order."""
        rows = self._run(f"SHOW COLUMNS FROM `{self.name}`")
        return [row[0] for row in rows]

    @contextmanager
    def being_read(self, days: set[date]) -> Iterator[set[date]]:
        """Take days as read, but for what is written meanwhile and but for those that are not in the set at the end."""
        done: set[date] = set()
        owed, self.due = self.due, set() if self._mode == "full" else self.due - days
        brought = {key: self._days_that_bring(key) for key in self.ahead}
        self.ahead = {key for key in brought if not brought[key] & days}
        try:
            yield done
        finally:
            if self._mode != "full" or not done:
                self.due |= owed - done
            self.ahead |= {key for key in brought if key in self._written and not brought[key] & done}

    # How it is kept

    def _put(
        self, key: int, number: int, cursor: datetime | None, *, late: bool = False, nothing: str | None = None
    ) -> None:
        if not self._is_free(key) and not late:
            return
        values = {name: column.value(number) for name, column in self._plain.items()}
        values |= {"id": key, "deleted_at": None, "touched": self._stored(cursor) or nothing}
        names, places = ", ".join(f"`{name}`" for name in values), ", ".join(["%s"] * len(values))
        updates = ", ".join(f"`{name}` = VALUES(`{name}`)" for name in values)
        self._run(
            f"INSERT INTO `{self.name}` ({names}) VALUES ({places}) ON DUPLICATE KEY UPDATE {updates}",
            *values.values(),
            late=late,
        )
        if late:
            self._late[key] = cursor
        else:
            self._changed(key, cursor)

    def _is_free(self, key: int) -> bool:
        """Return whether no open transaction has the row, for which others would wait."""
        return key not in self._late

    def _changed(self, key: int, cursor: datetime | None) -> None:
        """Take note of a committed row: some day must be read for it, today where its window reaches back so far."""
        was = {self._written[key]} if key in self._written else set()
        self._written[key] = cursor
        self.ahead.discard(key)
        if self._mode == "incremental" and cursor and cursor >= self.clock.calendar.end(self.clock.today):
            self.ahead.add(key)
        elif self._mode == "incremental":
            self.due.add(self._day_for(cursor))
        else:
            self.due |= set().union(*(self._whole_days(c) for c in {cursor, *was}))

    def _day_for(self, cursor: datetime | None) -> date:
        calendar, today = self.clock.calendar, self.clock.today
        if cursor is None:
            return calendar.first
        in_reach = calendar.start(today) - self._lookback <= cursor
        return today if in_reach else calendar.day_of(cursor)

    def _days_that_bring(self, key: int) -> set[date]:
        """Return the days whose reading now brings a row of the future: its own, and those that have an open end."""
        today, cursor = self.clock.today, self._written[key]
        open_days = [day for day in self.clock.calendar.days if day >= today - DAY]
        return {self._day_for(cursor)} | {day for day in open_days if cursor and self._start(day) <= cursor}

    def _start(self, day: date) -> datetime:
        calendar = self.clock.calendar
        return EPOCH if day == calendar.first else calendar.start(day) - self._lookback

    def _whole_days(self, cursor: datetime | None) -> set[date]:
        """Return the days that hold a row where a day is replaced as a whole; none where rows go by their key."""
        calendar = self.clock.calendar
        if self._mode == "incremental":
            return set()
        if cursor is None or self._mode == "full":
            return {calendar.first}
        shown = calendar.shown(cursor)
        if self._cursor == "DATE":
            shown = datetime.combine(shown.date(), time()) + DAY - INSTANT
        return {calendar.day_of(cursor)} | calendar.days_showing(shown)

    def _rewritten(self, is_so: bool) -> None:
        """Take note that a change of columns gave rows other values, of which no cursor tells."""
        if is_so:
            self.due |= {day for day in self.clock.calendar.days if day <= self.clock.today}

    def _stored(self, cursor: datetime | None) -> date | None:
        if cursor is None:
            return None
        is_instant = self._cursor.startswith("TIMESTAMP")
        shown = cursor.replace(tzinfo=None) if is_instant else self.clock.calendar.shown(cursor)
        if self._cursor == "DATE":
            return shown.date()
        return shown if self._cursor.endswith("(6)") else shown.replace(microsecond=0)

    @contextmanager
    def _lenient(self) -> Iterator[None]:
        """Let the session write any date, and alter a table that has such."""
        self._run("SET SESSION sql_mode = ''")
        try:
            yield
        finally:
            self._run("SET SESSION sql_mode = DEFAULT")

    def _run(self, statement: str, *values: object, late: bool = False) -> list[tuple[Any, ...]]:
        with self._connections[late].cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())


def _is_zero(value: object) -> bool:
    """Return whether a value is a date that is none, which the driver gives as a text."""
    return isinstance(value, str) and value.startswith("0000-00-00")


COLUMNS = ("note", "number", "extra", "other")
"""Names that plain columns may have."""

CHANGES = ("add", "drop", "rename", "move", "resize", "require")
"""What `Original.alter` does."""
