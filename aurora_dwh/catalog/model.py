"""What is copied: catalog.yaml as typed values.

Here belong `Catalog` and `Table`, their fields and the rules between fields. What may be written for one field is
`fields`, reading the file with its line numbers is `file`, the errors are `errors`. Nothing
here connects to anything or imports an orchestrator: the module is read by every command and every code location.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta, tzinfo
from fnmatch import fnmatchcase
from pathlib import Path
from typing import ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from aurora_dwh.catalog.errors import CatalogError, Problem
from aurora_dwh.catalog.fields import (
    AnyName,
    AnyNames,
    Day,
    DayCount,
    Duration,
    Mask,
    Name,
    Names,
    Oversize,
    Owners,
    PauseAbove,
    Pools,
    Schedule,
    TableSchedule,
    Tags,
    ZeroDates,
    Zone,
)
from aurora_dwh.catalog.query import Query
from aurora_dwh.catalog.quicksight import QuickSight
from aurora_dwh.core.schema import IDENTIFIER_LIMIT, TEMPORARY, fold

__all__ = [
    "CATALOG_VARIABLE",
    "LOCATIONS_VARIABLE",
    "Catalog",
    "CatalogError",
    "Problem",
    "Table",
    "TableFields",
    "catalog_path",
    "location_catalog",
    "marts_folder",
    "table_problems",
    "transforms_folder",
    "used_columns",
]

CATALOG_VARIABLE = "AURORA_DWH_CATALOG"
"""The environment variable that names the catalog's file."""

LOCATIONS_VARIABLE = "AURORA_DWH_LOCATIONS"
"""The one that names the folder of more locations' catalogs."""

PACKAGED_CATALOG = Path(__file__).parents[1] / "sample_shop" / "catalog.yaml"
"""The sample shop's catalog, used where no other is named."""

HOURLY = "0 * * * *"
"""The cron of `schedule: hourly`."""

POINTLESS: dict[str, frozenset[str]] = {
    "incremental": frozenset({"keep"}),
    "append": frozenset({"keep"}),
    "full": frozenset({"connections", "cursor", "cursor_timezone", "deletes", "lookback", "repair"}),
}
"""Mode -> fields that mean nothing in it: dropped where `defaults` gives them, refused where the table itself does."""


def catalog_path() -> Path:
    """Return the file that AURORA_DWH_CATALOG names, or else the packaged sample shop's."""
    named = os.environ.get(CATALOG_VARIABLE)
    return Path(named) if named else PACKAGED_CATALOG


def location_catalog(name: str, folder: Path | None = None) -> Path:
    """Return a location's catalog, `<name>/catalog.yaml`, whether it is there or not.

    Args:
        name: The location's.
        folder: The folder of all locations; without it the one that AURORA_DWH_LOCATIONS names.
    """
    return (folder or Path(os.environ.get(LOCATIONS_VARIABLE) or "locations")) / name / "catalog.yaml"


def marts_folder(catalog: Path | None = None) -> Path:
    """Return the folder of a catalog's marts: `marts` beside its file, whether it is there or not.

    Args:
        catalog: The catalog's file; without it the one that is in use.
    """
    return (catalog or catalog_path()).with_name("marts")


def transforms_folder(catalog: Path | None = None) -> Path:
    """Return the folder of a catalog's transforms: `transforms` beside its file, whether it is there or not.

    Args:
        catalog: The catalog's file; without it the one that is in use.
    """
    return (catalog or catalog_path()).with_name("transforms")


class TableFields(BaseModel):
    """Everything that can be written for a table, or in `defaults` for all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mode: Literal["incremental", "full", "append"] = "incremental"
    """How a day is copied. incremental: the rows whose cursor lies in the day, upserted by key. append: the same rows,
    the day replaced as one unit. full: the whole table, swapped atomically."""

    key: Names = ()
    """The columns that tell one row from another. Mode incremental needs it."""

    cursor: Name | None = None
    """The column that says when a row was last written. Modes incremental and append need it."""

    cursor_timezone: Zone | None = None
    """The zone of a DATETIME cursor's wall clock. Not used for a TIMESTAMP cursor, which is an instant. Default: the
    catalog's timezone."""

    lookback: Duration = timedelta(0)
    """How far before its day a load reaches, to catch rows that were committed late: 30s, 90m, 1h, 2d. In mode append
    the days that it reaches into are counted, and read and replaced where the count has changed."""

    soft_delete: Name | None = None
    """The column that the application fills when it deletes a row. It is copied as plain data."""

    deletes: Literal["keep", "flag", "remove"] = "keep"
    """What becomes of rows that are gone from the source: kept, flagged in _dwh_deleted, or removed."""

    proof: Literal["weekly", "daily", "monthly", "never"] = "weekly"
    """How often the table is proven equal to its source: on Sundays, each day, on the first of a month, or never."""

    repair: Literal["missing", "report", "all"] = "missing"
    """What a proof mends. missing: rows that are missing, stale or there twice; rows that are gone follow `deletes`.
    report: nothing. all: as missing, and rows that are gone are removed even where `deletes` keeps them."""

    include: Names = ()
    """The only columns to copy. Empty: all."""

    exclude: AnyNames = ()
    """Columns to leave out."""

    rename: dict[AnyName, Name] = Field(default_factory=dict)
    """Column -> its name in the lake and in Redshift. All other fields go on to name it as the source does."""

    filter: str | None = Field(default=None, min_length=1)
    """A condition in MySQL's SQL that rows must meet to be copied."""

    query: Query | None = None
    """A SELECT whose result is copied as the table's rows. Empty: those of the source's table of that name."""

    mask: dict[Name, Mask] = Field(default_factory=dict)
    """Column -> how its values are hidden before they reach the lake: sha256, hmac (a hash with a secret key), null,
    {value: ...} or {keep_last: n}."""

    extract: Literal["stream", "outfile"] = "stream"
    """Who writes the files: the worker, reading rows as a stream, or Aurora itself, by SELECT INTO OUTFILE S3."""

    dist_key: Name | None = None
    """The Redshift table's distribution key. Empty: Redshift decides."""

    sort_key: Names = ()
    """The Redshift table's sort key. Empty: the cursor."""

    keep: DayCount | None = None
    """How long the lake keeps each copy of a table of mode full: 90d. Empty: always. Never removed is the last one."""

    on_drift: Literal["evolve", "freeze"] = "evolve"
    """What a changed source schema does: new and wider columns are taken over, or the load fails."""

    zero_dates: ZeroDates = "null"
    """What becomes of dates that are none, such as 0000-00-00: NULL and counted, a failure, or a text column."""

    oversize: Oversize = "fail"
    """What becomes of values wider than Redshift holds: a failure, cut and counted, or NULL and counted."""

    nul_bytes: Literal["fail", "remove"] = "fail"
    """What becomes of NUL bytes in texts, which Redshift cannot hold: a failure, or taken out and counted."""

    target_table: Name | None = None
    """The table's name in Redshift. Default: the source's name in lower case."""

    chunk_rows: int | None = Field(default=None, ge=1, strict=True)
    """The most rows of one SELECT where most of a table is read, along its primary key. Empty: 1000000."""

    connections: int = Field(default=1, ge=1, le=8, strict=True)
    """How many connections read at once where most of a large table is read, as in a first load, each other ranges of
    its primary key. Mode full takes one."""

    max_rows_per_second: int | None = Field(default=None, ge=1, strict=True)
    """The most rows a second that are read of the table. Empty: as many as Aurora gives."""

    sample_rows: int = Field(default=3, ge=0, le=20, strict=True)
    """How many rows of a load its page shows, masked as the lake has them. Dagster's database keeps them. 0: none."""

    description: str = ""
    """What the table holds, shown on its assets."""

    owners: Owners = ()
    """Who answers for the table: e-mail addresses, or team:name."""

    schedule: TableSchedule = "daily"
    """When days are loaded: each day the day before, or on the first of a month all days of the month before. hourly,
    or a cron in the catalog's timezone: as daily, and between the running day besides, as far as it is."""

    deadline: Schedule | None = None
    """The time of day, in the catalog's timezone, by which the day before must be loaded. Empty: nothing checks it."""

    tags: Tags = Field(default_factory=dict)
    """Labels for the table's assets."""


class Table(TableFields):
    """One table to copy. Raises pydantic's ValidationError where fields are wrong or do not go together."""

    is_computed: ClassVar[bool] = False
    """Whether an asset of Dagster computes the rows, and the source has no such table."""

    name: Name
    """The table's name in the source; one with a `query` has another name than the source's tables."""

    @property
    def target(self) -> str:
        """The table's name in Redshift."""
        return fold(self.target_table or self.name)

    def copied(self, column: str) -> str:
        """Return the name that a column of the source has in the lake and in Redshift."""
        return next((new for name, new in self.rename.items() if fold(name) == fold(column)), column)

    @property
    def keyed(self) -> tuple[str, ...]:
        """The columns that are hashed with the mask's key."""
        return tuple(name for name, mask in self.mask.items() if mask == "hmac")

    @property
    def cron(self) -> str | None:
        """When the running day is loaded, as a cron in the catalog's zone; None where it is not."""
        if self.schedule in ("daily", "monthly"):
            return None
        return HOURLY if self.schedule == "hourly" else self.schedule

    @property
    def effective_sort_key(self) -> tuple[str, ...]:
        """The sort key, which is the cursor where none is given; empty leaves it to Redshift."""
        if self.sort_key or self.cursor is None:
            return self.sort_key
        return (self.cursor,)

    def cursor_zone(self, default: tzinfo) -> tzinfo:
        """Return the zone of the cursor's wall clock, which is the catalog's where the table names none."""
        return ZoneInfo(self.cursor_timezone) if self.cursor_timezone else default

    def problems(self) -> Iterator["Complaint"]:
        """Yield each field that does not go together with the others, and what to do."""
        yield from table_problems(self)

    @model_validator(mode="after")
    def _fields_go_together(self) -> "Table":
        if problems := list(self.problems()):
            text = "; ".join(f"{field}: {message}" for field, message in problems)
            # The text is a format string to pydantic, so its braces travel in the context.
            raise PydanticCustomError("table_rules", "{text}", {"text": text, "problems": problems})
        return self


class Catalog(BaseModel):
    """What is copied, and when."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    timezone: Zone
    """The IANA time zone at whose midnight days are cut."""

    start_date: Day
    """The first day. Its partition holds all history up to its end."""

    schedule: Schedule = "01:00"
    """The time of day, in the catalog's timezone, when yesterday is loaded."""

    pause_above: PauseAbove | None = None
    """How busy Aurora may be before reading pauses. Empty: reading never pauses."""

    pools: Pools = Pools()
    """How many steps may work on a server at once, over all runs."""

    ignore: AnyNames = ()
    """Patterns of names of tables, such as tmp_*, that `discover` does not add. Empty: none."""

    tables: dict[str, Table]
    """The tables to copy, by name."""

    quicksight: QuickSight | None = None
    """The SPICE datasets of QuickSight that are refreshed after their marts. Empty: none."""

    def ignored_by(self, table: str) -> str | None:
        """Return the first pattern of `ignore` that a table's name is of, None where it is of none."""
        return next((pattern for pattern in self.ignore if fnmatchcase(table, pattern)), None)

    @property
    def zone(self) -> ZoneInfo:
        """The zone at whose midnight days are cut."""
        return ZoneInfo(self.timezone)

    @staticmethod
    def load(path: Path | None = None) -> "Catalog":
        """Read a catalog file.

        Args:
            path: The file; without it the one that AURORA_DWH_CATALOG names, or else the packaged sample shop's.

        Raises:
            CatalogError: The file is missing or wrong; it carries every problem found.
        """
        from aurora_dwh.catalog.file import read_catalog

        return read_catalog(path or catalog_path())


Complaint = tuple[str, str]
"""A field and what is wrong with it."""


def table_problems(table: Table) -> Iterator[Complaint]:
    """Yield each field that does not go together with the others, and what to do."""
    for rule in _RULES:
        yield from rule(table)


def _mode_needs(table: Table) -> Iterator[Complaint]:
    if table.mode == "incremental" and not table.key:
        remedy = (
            "add `key: [...]`, as `aurora-dwh discover --output suggested.yaml` finds one, or use mode full or append"
        )
        yield "key", f"mode incremental upserts rows by their key; {remedy}"
    if table.mode != "full" and table.cursor is None:
        remedy = "add `cursor: ...`, the column that says when a row was last written, or use mode full"
        yield "cursor", f"mode {table.mode} finds a day's rows by their cursor; {remedy}"
    if table.deletes != "keep" and table.mode != "full" and not table.key:
        yield "deletes", f"`deletes: {table.deletes}` finds rows by their key; add `key: [...]`, or keep them"


def _mode_forbids(table: Table) -> Iterator[Complaint]:
    reason = "the whole table is copied" if table.mode == "full" else "its days are the table's rows, not copies of it"
    for field in sorted(POINTLESS[table.mode]):
        if getattr(table, field) != TableFields.model_fields[field].default:
            why = _ONE_MOMENT if field == "connections" else reason
            yield field, f"mode {table.mode} takes no {field}: {why}; leave it out"


_ONE_MOMENT = "the copy is the table at one moment, which several connections do not see"


def _one_connection(table: Table) -> Iterator[Complaint]:
    if table.connections > 1 and table.query is not None:
        yield "connections", "a `query` has no primary key to part its rows by; write `1` for this table"
    elif table.connections > 1 and table.extract == "outfile":
        yield "connections", "with `extract: outfile` Aurora writes by one connection; write `1` for this table"


def _export_forbids(table: Table) -> Iterator[Complaint]:
    if table.extract == "outfile" and table.query is not None:
        reason = "Aurora would write fewer digits of a DOUBLE that is computed than it has"
        yield "extract", f"`extract: outfile` takes no `query`: {reason}; write `extract: stream` for this table"
    if table.extract == "outfile" and table.max_rows_per_second is not None:
        reason = "Aurora writes an export at its own speed"
        yield "max_rows_per_second", f"`extract: outfile` has no ceiling, as {reason}; write `null` for this table"
    if table.extract == "outfile" and table.keyed:
        yield "extract", "Aurora has no key to hash with, so a table with `mask: hmac` is read by `extract: stream`"


def _named_once(table: Table) -> Iterator[Complaint]:
    for field in ("key", "include", "exclude", "sort_key", "mask", "rename"):
        seen: dict[str, str] = {}
        for name in getattr(table, field):
            if fold(name) in seen:
                both = f"{seen[fold(name)]!r} and {name!r}"
                yield field, f"{both} are one column in Redshift, which folds names to lower case; name it once"
            seen[fold(name)] = name


def _renamed_once(table: Table) -> Iterator[Complaint]:
    seen: dict[str, str] = {}
    for name, renamed in table.rename.items():
        if fold(renamed) in seen:
            yield "rename", f"{seen[fold(renamed)]!r} and {name!r} both become {fold(renamed)!r}; choose another name"
        seen[fold(renamed)] = name


def _used_columns_are_copied(table: Table) -> Iterator[Complaint]:
    included, excluded = {fold(n) for n in table.include}, {fold(n) for n in table.exclude}
    for field, name in used_columns(table):
        if fold(name) in excluded:
            yield "exclude", f"{name!r} is the table's {field} and must be copied; take it off the list"
        elif included and fold(name) not in included:
            yield "include", f"{name!r} is the table's {field} and must be copied; add it to the list"
    for name in sorted(included & excluded):
        yield "exclude", f"{name!r} is in `include` too; take it off one of the lists"


def used_columns(table: Table) -> Iterator[tuple[str, str]]:
    """Yield each column that the copy depends on, once, with the first field that names it."""
    seen: set[str] = set()
    uses: Iterable[tuple[str, tuple[str | None, ...]]] = (
        ("key", table.key),
        ("cursor", (table.cursor,)),
        ("soft_delete", (table.soft_delete,)),
        ("dist_key", (table.dist_key,)),
        ("sort_key", table.sort_key),
        ("mask", tuple(table.mask)),
        ("rename", tuple(table.rename)),
    )
    for field, names in uses:
        for name in names:
            if name is not None and fold(name) not in seen:
                seen.add(fold(name))
                yield field, name


def _target_fits(table: Table) -> Iterator[Complaint]:
    if (size := len(table.target.encode())) > IDENTIFIER_LIMIT:
        limit = f"Redshift cuts names at {IDENTIFIER_LIMIT}"
        yield "target_table", f"the name is {size} bytes long and {limit}; set a shorter `target_table`"
    if table.target.startswith(TEMPORARY):
        reason = f"Redshift takes {table.target!r} for a temporary table, as it begins with {TEMPORARY}"
        yield "target_table", f"{reason}; set another `target_table`"


_RULES: tuple[Callable[[Table], Iterator[Complaint]], ...] = (
    _mode_needs,
    _mode_forbids,
    _one_connection,
    _export_forbids,
    _named_once,
    _renamed_once,
    _used_columns_are_copied,
    _target_fits,
)
