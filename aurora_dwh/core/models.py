"""The small typed values that pass between source, lake and warehouse, which never import one another.

A `Window` is the slice of a table that one day stands for; an `Extract` is one day's rows on their way out of the
source; a `Manifest` is one day's rows as they lie in the lake. Nothing here opens a connection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any

from aurora_dwh.core.schema import FileFormat, TableSchema

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.core.rules import Rules


REPAIR = "repair-"
"""What the names of extractions begin with that read single rows again, and no day."""


class DataError(Exception):
    """Data or a schema that cannot be copied as it is: trying again would fail the same way."""


class StaleManifestError(Exception):
    """A day was written anew in the lake while its earlier state was loaded: another attempt loads the new one."""


class GaveWay(Exception):  # noqa: N818 - that is no error: whoever takes extracts goes on to the next
    """A reading was ended for the sake of those who wait for the table, or of a busy source.

    Nothing of what was read may be kept. The next extract or export is of the same day again.
    """


@dataclass(frozen=True)
class Window:
    """The half-open span `[start, end)` of the cursor that one day stands for."""

    day: date  # the partition's day in the catalog's zone
    # lower bound as an instant in UTC, lookback included; None in the first partition, which holds all history and
    # the rows whose cursor is NULL
    start: datetime | None
    end: datetime  # upper bound as an instant in UTC, which is the day's end
    # whether the rows behind the end are read too, whatever their cursor, as of the newest day that is due
    is_open: bool = False

    @property
    def is_first(self) -> bool:
        """Whether the window is the first partition's."""
        return self.start is None

    def to_json(self) -> dict[str, Any]:
        """Return the window as JSON-ready values."""
        return {
            "day": self.day.isoformat(),
            "start": self.start.isoformat() if self.start else None,
            "end": self.end.isoformat(),
            "open": self.is_open,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Window:
        """Return the window that `to_json` wrote; what an earlier version wrote was never open."""
        return Window(
            day=date.fromisoformat(data["day"]),
            start=datetime.fromisoformat(data["start"]) if data["start"] else None,
            end=datetime.fromisoformat(data["end"]),
            is_open=data.get("open", False),
        )


@dataclass(frozen=True)
class Lookup:
    """How the source is asked whether rows that were read once are still in it, whatever became of them since."""

    columns: tuple[str, ...]  # the columns that tell its rows apart, named as in the lake
    # takes their values in some rows and returns how many of these rows there are; None where the source has no
    # index to find them by
    count: Callable[[Sequence[tuple[Any, ...]]], int | None]


@dataclass
class SourceCount:
    """What the source itself counted of the rows that are read, in the snapshot that they are read in."""

    rows: int | None = None  # how many it counted, which is as many as were read; None where it did not count
    reason: str = "the reading has not ended"  # why it did not
    seconds: float = 0.0  # how long it took
    given: int | None = None  # how many rows were given in all; None while more may come


@dataclass(frozen=True)
class Strays:
    """Rows of a table that readings of its days do not see; None where nothing counts them cheaply."""

    # rows whose cursor is NULL or zero, which come with the first day alone and not with this one
    without_cursor: int | None = None
    in_future: int | None = None  # rows whose cursor is later than the reading


@dataclass
class Extract:
    """One day's rows on their way out of the source; `batches` is read once."""

    schema: TableSchema  # the selected columns, in source order
    window: Window  # the day that the rows belong to
    # the moment of the source, in UTC, that the rows show: its clock when the consistent snapshot was taken; of a
    # replica, when it was last known to have all that the writer had
    snapshot_at: datetime
    batches: Iterator[pa.RecordBatch]  # the rows, columns named and typed as `schema.arrow_schema` says
    # filled while the batches are read: `(column, reason) -> values` that a policy changed
    converted: Counter[tuple[str, str]] = field(default_factory=Counter)
    statement: str = ""  # the SELECT that reads the rows, for display
    also: Sequence[Window] = ()  # windows of earlier days that the very same rows stand for, as in mode full
    # filled while the batches are read: what reading waited for, to spare the source -> seconds
    waited: dict[str, float] = field(default_factory=dict)
    counted: SourceCount = field(default_factory=SourceCount)
    # the column, named as in `batches`, that says when a row was written; None where there is none
    cursor: str | None = None
    cursor_zone: tzinfo = timezone.utc  # the zone of the cursor's wall clock
    rules: Rules | None = None  # what shapes the rows; None where it is not known
    lookup: Lookup | None = None  # how to ask for rows of an earlier reading; None where nothing tells them apart
    ends_before: date | None = None  # of an open window, the first value of the cursor that is behind the day
    begun_at: datetime | None = None  # this machine's clock (UTC) when the snapshot was taken
    strays: Strays = Strays()  # rows that no day's reading sees
    # called where the rest of the batches is not wanted, so that the source stops making them; it may be called
    # while another thread takes one of them, which then fails
    abandon: Callable[[], object] = lambda: None
    rows_read: int = field(init=False, default=0)  # how many rows `batches` has given so far
    rows_behind: int = field(init=False, default=0)  # how many of them have a cursor that is behind the day
    # the greatest cursor among them, as an instant in UTC; None where there is none
    newest_at: datetime | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.batches = self._counted(self.batches)

    def _counted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass the batches on, and keep what is known of the rows in them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for batch in batches:
            self.rows_read += batch.num_rows
            if self.cursor is not None and batch.num_rows:
                cursor = batch.column(self.cursor)
                newest = as_instant(pc.max(cursor).as_py(), self.cursor_zone)
                self.newest_at = max(filter(None, (self.newest_at, newest)), default=None)
                if self.ends_before is not None:
                    behind = pc.greater_equal(cursor, pa.scalar(self.ends_before, cursor.type))
                    self.rows_behind += pc.sum(behind).as_py() or 0
            yield batch


def as_instant(moment: date | datetime | None, zone: tzinfo) -> datetime | None:
    """Return a cursor's value as an instant in UTC; a date is its first moment."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time.min)
    try:
        return moment.replace(tzinfo=zone).astimezone(timezone.utc)
    except OverflowError:  # the first or the last day that there is
        return moment.replace(tzinfo=timezone.utc)


@dataclass
class Export:
    """One day's rows that the source itself writes to S3, as soon as it is told where to."""

    schema: TableSchema  # the selected columns, in source order
    window: Window  # the day that the rows belong to
    snapshot_at: datetime  # as of an `Extract`
    rows: int  # how many rows there are
    newest_at: datetime | None  # the greatest cursor among them, as an instant in UTC; None where there is none
    converted: Mapping[tuple[str, str], int]  # `(column, reason) -> values` that a policy changes
    statement: str  # the SELECT of the rows, for display
    # takes an address (`s3://bucket/key`) that all files are to begin with, writes the files, and returns the
    # addresses of the source's own manifests that list them. It is called before the next export is asked for
    write: Callable[[str], Sequence[str]]
    # what counting and writing waited for, to spare the source -> seconds
    waited: Mapping[str, float] = field(default_factory=dict)
    rules: Rules | None = None  # what shapes the rows; None where it is not known
    lookup: Lookup | None = None  # how to ask for rows of an earlier reading; None where nothing tells them apart
    rows_behind: int = 0  # how many of the rows have a cursor that is behind the day
    begun_at: datetime | None = None  # this machine's clock (UTC) when the snapshot was taken
    strays: Strays = Strays()  # rows that no day's reading sees
    also: Sequence[Window] = ()  # as of an `Extract`


@dataclass(frozen=True)
class Readings:
    """What an asset of the source hands over: its days, each read when it is asked for."""

    extracts: Iterable[Extract | Export]  # the days
    keep: timedelta | None = None  # how long the lake keeps each copy of the table; None where it keeps all


@dataclass(frozen=True)
class Part:
    """One file of a day: its address (`s3://bucket/key`), size in bytes, and rows, None where they were not counted."""

    url: str
    size: int
    rows: int | None


@dataclass(frozen=True)
class Manifest:
    """One day of one table as it lies in the lake."""

    table: str  # the table's name in the catalog
    url: str  # address of the manifest object itself
    attempt: str  # name of the extraction that wrote the parts
    schema: TableSchema  # the columns of the parts, in file order
    window: Window  # the day's window
    snapshot_at: datetime  # when, by the source's clock in UTC, the rows were as they are here
    source_rows: int  # how many rows the source gave
    parts: tuple[Part, ...]  # the files, none where the day has no rows
    converted: dict[str, dict[str, int]]  # `column -> reason -> values` that a policy changed
    files: FileFormat = "parquet"  # what the parts are
    rules: Rules | None = None  # what shaped the rows; None where a version wrote them that knew no rules
    # how many rows the source itself counted in the same snapshot; None where it did not
    counted_rows: int | None = None
    rows_behind: int = 0  # how many of the rows have a cursor that is behind the day, as an open window takes them
    # the clock of the machine that read them, in UTC, when it began; None where it is not known
    begun_at: datetime | None = None
    strays: Strays = Strays()  # rows that no day's reading sees, as they were then
    # all days, in order, that share the parts, as those of one reading do in mode full; none where the parts are
    # this day's alone
    days: tuple[date, ...] = ()

    @property
    def day(self) -> date:
        """The partition's day."""
        return self.window.day

    @property
    def written_day(self) -> date:
        """The day that stands in the rows of the parts: of days that share them the last."""
        return self.days[-1] if self.days else self.day

    @property
    def is_finished(self) -> bool:
        """Whether the day had ended when it was read."""
        return self.snapshot_at >= self.window.end

    @property
    def is_repair(self) -> bool:
        """Whether it is of single rows that a proof read again, and of no day."""
        return self.attempt.startswith(REPAIR)

    @property
    def rows(self) -> int:
        """Rows in all parts; of parts that the source wrote by itself, as many as it counted."""
        rows = [part.rows for part in self.parts]
        return self.source_rows if None in rows else sum(filter(None, rows))

    @property
    def converted_values(self) -> int:
        """How many values a policy changed."""
        return sum(count for reasons in self.converted.values() for count in reasons.values())

    @property
    def size(self) -> int:
        """Bytes in all parts."""
        return sum(part.size for part in self.parts)


def utc_now() -> datetime:
    """Return this machine's clock, aware and in UTC."""
    return datetime.now(timezone.utc)


def wall_clock(moment: datetime) -> datetime:
    """Return what a clock in UTC shows at an aware moment, without a zone."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None)


def shown(moment: datetime) -> str:
    """Return an aware moment as messages write it: in UTC, to the millisecond."""
    return f"{wall_clock(moment).isoformat(sep=' ', timespec='milliseconds')} UTC"


def told_strays(strays: Strays, cursor: str, *, is_upserted: bool) -> list[str]:
    """Return, in sentences, which rows of a table no day brings, and what helps.

    Args:
        strays: The rows.
        is_upserted: Whether the newest day has an open end, so that rows of the future come with it.
    """
    found = []
    if strays.without_cursor:
        found.append(
            f"{strays.without_cursor:,} rows have no {cursor!r}, which is NULL or zero, and come with the first day "
            "alone; materialize that day again when such rows were added or changed, or fill the column"
        )
    if strays.in_future:
        when = "again with each newest day, and with no other" if is_upserted else "with no day before that time"
        found.append(
            f"{strays.in_future:,} rows have a {cursor!r} that is still to come, and are read {when}; correct the "
            "column, or `cursor_timezone` where it is the zone of another clock"
        )
    return found
