"""A table's cursor as its readings use it: which rows a day has, where one day ends, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timezone, tzinfo
from typing import TYPE_CHECKING, TypedDict

from aurora_dwh.core.models import Window
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.source.windows import CursorRules, bounds, condition

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table


class ExtractCursor(TypedDict):
    """What an `Extract` says of its cursor."""

    cursor: str | None
    cursor_zone: tzinfo
    ends_before: date | None


@dataclass(frozen=True)
class Span:
    """The half-open range of the cursor that a day takes, in dates or datetimes as the cursor's column shows them.

    Without a start it takes all before its end, without an end all behind its start.
    """

    day: date
    start: date | None
    end: date | None


@dataclass(frozen=True)
class TableCursor:
    """The cursor of a table that is copied by day; of a table that is copied whole, none."""

    table: Table  # the table as in the catalog
    schema: TableSchema  # its selected columns
    zone: tzinfo  # the catalog's zone, which the cursor's wall clock has where the table says nothing of its own

    @property
    def column(self) -> Column | None:
        """The cursor's column."""
        name = None if self.table.mode == "full" else self.table.cursor
        return None if name is None else self.schema.column(name)

    def where(self, window: Window) -> tuple[str, ...]:
        """Return the conditions of a window's rows in MySQL's SQL, the catalog's `filter` among them.

        Raises:
            DataError: The cursor's type cannot tell when a row was written.
        """
        column, own = self.column, (self.table.filter,) if self.table.filter is not None else ()
        return own if column is None else (condition(column, window, **self._rules), *own)

    def bounds(self, window: Window) -> tuple[date | None, date]:
        """Return the range of the cursor's values in a window, as `windows.bounds` does, of a table that has one."""
        return bounds(self.schema.column(self.table.cursor or ""), window, **self._rules)

    def span(self, window: Window) -> Span:
        """Return the range of the cursor's values that are a day's among rows that were read at once."""
        start, end = self.bounds(window)
        return Span(window.day, start, None if window.is_open else end)

    def said(self, window: Window) -> ExtractCursor:
        """Return what an extract says of its cursor, none where it has no moments."""
        column = self.column
        if column is None:
            return {"cursor": None, "cursor_zone": timezone.utc, "ends_before": None}
        shown_in = timezone.utc if column.data_type == "timestamp" else self._rules["cursor_zone"]
        end = self.bounds(window)[1] if window.is_open else None
        return {"cursor": column.target_name, "cursor_zone": shown_in, "ends_before": end}

    @property
    def _rules(self) -> CursorRules:
        zone = self.table.cursor_zone(self.zone)
        return {"table": self.table.name, "cursor_zone": zone, "once": self.table.mode == "append"}
