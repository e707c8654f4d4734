"""Tables whose rows an asset of Dagster computes: how they are stored, and a day of their rows on its way to the lake.

They lie in the lake and in Redshift as the source's tables do, written and loaded by the same code. What differs is
said here: such a table has no cursor, its types come from its rows, and a day that is computed again may have any rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from aurora_dwh.catalog.fields import OWN_PREFIX, Name, Names
from aurora_dwh.catalog.model import Complaint, Table
from aurora_dwh.core.frames import FrameError
from aurora_dwh.core.models import Extract, Window, utc_now
from aurora_dwh.core.rules import COMPUTED, Rules
from aurora_dwh.core.schema import fold
from aurora_dwh.transforms.arrow_columns import conformed, declared_column, schema_of

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.core.schema import TableSchema

PREFIX = "aurora_dwh/"
"""How the names begin of an asset's metadata that say how its rows are stored."""


class ComputedTable(Table):
    """A table whose rows are computed: one of the catalog's in every way, but that no cursor finds them."""

    is_computed: ClassVar[bool] = True

    sample_rows: int = 0
    """None, as nobody could say that they are not to be shown."""

    def problems(self) -> Iterator[Complaint]:
        """Yield each field that does not go together with the others, and what to do."""
        return (complaint for complaint in super().problems() if complaint[0] != "cursor")


class Stored(BaseModel):
    """How rows that are computed are stored."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    # `incremental` upserts the rows of a day by key, `append` replaces the day as one unit, `full` replaces the whole
    # table. Without it: by key where there is one, else the day; of an asset without partitions, all
    mode: Literal["incremental", "full", "append"] | None = None
    key: Names = ()  # the columns that tell one row from another
    dist_key: Name | None = None  # the Redshift table's distribution key
    sort_key: Names = ()  # the Redshift table's sort key
    # column -> type, where the rows' own is not to be taken: MySQL's names, such as `varchar(40)`
    columns: dict[Name, str] = Field(default_factory=dict)

    @field_validator("columns")
    @classmethod
    def _types_are_known(cls, columns: dict[str, str]) -> dict[str, str]:
        for name, text in columns.items():
            try:
                declared_column(name, text)
            except FrameError as error:
                raise ValueError(str(error)) from None
        return columns

    def as_table(self, name: str, asset: str, *, by_day: bool, **fields: Any) -> ComputedTable:
        """Return the table.

        Args:
            by_day: Whether the rows come in days; else each time are all.

        Raises:
            FrameError: What is said does not go together.
        """
        mode = self.mode or (("incremental" if self.key else "append") if by_day else "full")
        if not by_day and mode != "full":
            raise FrameError(f"{asset}: mode {mode} is of days, and the asset has no partitions; leave the mode out")
        fields |= {"mode": mode, "key": self.key, "dist_key": self.dist_key, "sort_key": self.sort_key}
        try:
            return ComputedTable(name=name, **fields)
        except ValidationError as error:
            raise FrameError(f"{asset}: {'; '.join(one['msg'] for one in error.errors())}") from None


class Storing(Stored):
    """How an asset's rows are stored, as its metadata say it: `aurora_dwh/key` and so on."""

    table: Name | None = None  # the table's name in the lake. Without it: the asset's key, without a leading `lake`
    target: Name | None = None  # the table's name in Redshift. Without it: the last part of the asset's key
    # the schema in Redshift. Without it: the part of the key before, `staging` and `bi` as they are called in this
    # warehouse; of a key of one part, the staging schema
    schema_name: str | None = Field(default=None, alias="schema")
    # the column that tells the day of a row in Redshift, where aurora-dwh did not load it
    day_column: str | None = None

    @staticmethod
    def of_metadata(asset: str, metadata: Mapping[str, Any]) -> Storing:
        """Return what an asset's metadata say.

        Args:
            metadata: Its metadata; those with other names are somebody else's.

        Raises:
            FrameError: Something in them is wrong.
        """
        said = {name.removeprefix(PREFIX): value for name, value in metadata.items() if name.startswith(PREFIX)}
        try:
            return Storing.model_validate({name: getattr(value, "value", value) for name, value in said.items()})
        except ValidationError as error:
            told = "; ".join(f"{PREFIX}{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise FrameError(f"{asset}: its metadata are wrong: {told}") from None


def rules_of(table: Table, asset: str, zone: str) -> Rules:
    """Return the rules of a computed table's rows: which asset made them, and how they are loaded."""
    return Rules(
        source=f"{COMPUTED}{asset}",
        table=table.name,
        mode=table.mode,
        key=sorted(map(fold, table.key)),
        cursor=None,
        cursor_timezone=None,
        timezone=zone,
        start_date="",
        include=(),
        exclude=(),
        filter=None,
        mask={},
        zero_dates=table.zero_dates,
        oversize=table.oversize,
        nul_bytes=table.nul_bytes,
    )


def today() -> Window:
    """Return the window of what is written now and is of no day: all of it, under the day of the writing (UTC)."""
    now = utc_now()
    return Window(now.date(), None, datetime.combine(now.date(), time(), timezone.utc) + timedelta(days=1))


def extract(
    rows: pa.RecordBatchReader,
    table: Table,
    window: Window,
    rules: Rules,
    *,
    columns: Mapping[str, str] | None = None,
    before: TableSchema | None = None,
    statement: str = "",
) -> Extract:
    """Return a day's computed rows on their way into the lake.

    Args:
        rows: The rows, which are read once; the product's own columns among them are left out, and made anew.
        columns: Column -> type, as `Storing.columns`.

    Raises:
        FrameError: A column has no type in Redshift.
    """
    import pyarrow as pa

    kept = [name for name in rows.schema.names if not fold(name).startswith(OWN_PREFIX)]
    fields = pa.schema([field for field in rows.schema if field.name in kept])
    schema = schema_of(fields, table=table.name, database="lake", key=table.key, declared=columns, before=before)
    batches = conformed((batch.select(kept) for batch in rows), schema)
    now = utc_now()
    return Extract(schema, window, now, batches, rules=rules, begun_at=now, statement=statement)
