"""What IO managers are handed by assets and hand to them: rows of any kind, a partition or a range of them.

Here an asset's metadata, its partitions and the type of what it gives or asks for are understood; where the rows come
from or go to is the IO managers' business.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from aurora_dwh.core import frames
from aurora_dwh.core.days import ends
from aurora_dwh.core.frames import FrameError, name_of
from aurora_dwh.core.models import Extract, Manifest, Window
from aurora_dwh.core.rules import Rules
from aurora_dwh.core.schema import fold
from aurora_dwh.orchestration.io_managers.partitions import windows
from aurora_dwh.transforms.computed import ComputedTable, Storing, extract, rules_of, today

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.lake.store import Lake

PARTITION_EXPR = "partition_expr"
"""Dagster's name of the metadata that say which column tells the partition of a row."""

_DAY = "_dwh_partition"
"""The column that tells a row's day while rows are parted."""


def table_name(asset: dg.AssetKey, metadata: Mapping[str, Any]) -> str:
    """Return the name of an asset's table in the lake: what its metadata say, or its key without a leading `lake`."""
    said = Storing.of_metadata(asset.to_user_string(), metadata).table
    path = asset.path[1:] if len(asset.path) > 1 and asset.path[0] == "lake" else asset.path
    return said or "/".join(path)


@dataclass(frozen=True)
class Computed:
    """An asset whose rows are on their way into the lake."""

    asset: str  # the asset, as errors name it
    table: ComputedTable  # the table that the rows become
    storing: Storing  # what its metadata say
    rules: Rules  # what is kept beside the rows
    windows: Mapping[str, Window]  # partition -> its day, for those of the run; none where the asset has no partitions
    partition_expr: str | None = None  # the column that tells the day of a row, None where none is named

    @staticmethod
    def of(context: dg.OutputContext) -> Computed:
        """Return the asset that a step made; raises FrameError where its metadata or partitions are wrong."""
        asset, metadata = context.asset_key.to_user_string(), context.definition_metadata or {}
        storing, found = Storing.of_metadata(asset, metadata), windows(context)
        table = storing.as_table(
            table_name(context.asset_key, metadata),
            asset,
            by_day=context.has_asset_partitions,
            target_table=storing.target or fold(context.asset_key.path[-1]),
        )
        partitions = context.asset_partitions_def if context.has_asset_partitions else None
        zone = partitions.timezone if isinstance(partitions, dg.TimeWindowPartitionsDefinition) else "UTC"
        expression = metadata.get(PARTITION_EXPR)
        return Computed(
            asset, table, storing, rules_of(table, asset, zone), found, getattr(expression, "value", expression)
        )

    @property
    def keys(self) -> dict[date, str]:
        """The day of each partition."""
        return {window.day: key for key, window in self.windows.items()}

    def extracts(self, value: Any, lake: Lake) -> Iterator[Extract]:
        """Yield the days of rows, or of a mapping from partition to rows; raises FrameError where they are none."""
        before = lake.newest(self.table.name)
        for window, rows in self._by_day(value):
            try:
                yield extract(
                    rows,
                    self.table,
                    window,
                    self.rules,
                    columns=self.storing.columns,
                    before=before.schema if before else None,
                )
            except FrameError as error:
                raise FrameError(f"{self.asset} {window.day}: {error}") from error

    def _by_day(self, value: Any) -> Iterator[tuple[Window, pa.RecordBatchReader]]:
        if isinstance(value, Mapping):
            yield from self._of_mapping(value)
        elif not frames.is_rows(value):
            raise FrameError(
                f"{self.asset}{self._told}: the asset gave {name_of(type(value))}, which is no rows; return one of "
                f"{', '.join(frames.KINDS)}, or a mapping from partition to one"
            )
        elif len(self.windows) <= 1:
            yield next(iter(self.windows.values()), today()), frames.reader(value)
        elif self.partition_expr is None:
            raise FrameError(
                f"{self.asset}{self._told}: one {name_of(type(value))} is of {len(self.windows)} partitions; return a "
                f"mapping from partition to rows, or name the column that tells the day: "
                f'metadata={{"{PARTITION_EXPR}": "..."}}'
            )
        else:
            yield from self._split(frames.reader(value), fold(self.partition_expr))

    def _of_mapping(self, value: Mapping[Any, Any]) -> Iterator[tuple[Window, pa.RecordBatchReader]]:
        given = {str(key): rows for key, rows in value.items()}
        if given.keys() != self.windows.keys():
            raise FrameError(
                f"{self.asset}: the asset gave rows of {', '.join(sorted(given)) or 'nothing'}, and the run is of "
                f"{', '.join(sorted(self.windows)) or 'no partition'}"
            )
        for key, window in self.windows.items():
            try:
                yield window, frames.reader(given[key])
            except FrameError as error:
                raise FrameError(f"{self.asset} {key}: {error}") from error

    def _split(self, rows: pa.RecordBatchReader, column: str) -> Iterator[tuple[Window, pa.RecordBatchReader]]:
        """Yield the rows of each day of the run, by what a column says; meanwhile the others wait on local disk."""
        import pyarrow as pa

        from aurora_dwh.source.cursor import Span
        from aurora_dwh.source.wire.day_splitter import Split

        # Of the views that polars gives, Arrow neither takes rows nor makes dates.
        views = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
        rows = rows.cast(pa.schema([field.with_type(views.get(field.type, field.type)) for field in rows.schema]))
        own = rows.schema.names
        names = {fold(name): name for name in own}
        if column not in names:
            raise FrameError(f"{self.asset}: `{PARTITION_EXPR}` names {column!r}, which the rows do not have")
        days = [window.day for window in self.windows.values()]
        spans = [Span(day, day, day + timedelta(days=1)) for day in days]
        with Split(rows.schema.append(pa.field(_DAY, pa.date32())), _DAY, spans) as split:
            for batch in rows:
                told = batch.column(names[column]).cast(pa.date32(), safe=False)
                if strange := [day for day in told.unique().to_pylist() if day not in days]:
                    what = f"rows of {column!r} {strange[0]}, which is no day of the run"
                    raise FrameError(f"{self.asset}{self._told}: there are {what}")
                split.add(batch.append_column(_DAY, told), {})
            for window in self.windows.values():
                batches = (batch.select(own) for batch in split.rows(window.day))
                yield window, pa.RecordBatchReader.from_batches(rows.schema, batches)

    @property
    def _told(self) -> str:
        """The partitions, as errors name them behind the asset."""
        return f" {ends(sorted(self.windows))}".rstrip()


def wanted(context: dg.InputContext) -> Any:
    """Return the type that an input is annotated with; without an annotation an Arrow table."""
    import pyarrow as pa

    kind = context.dagster_type.typing_type
    return pa.Table if kind is Any else kind


def given(
    asset: str, kind: Any, manifests: Mapping[str, Manifest], read: Callable[[Sequence[Manifest]], pa.RecordBatchReader]
) -> Any:
    """Return days, by partition, as the type that is asked for, whose rows `read` gives; raises FrameError."""
    if frames.is_kind(kind):
        return frames.frame(read([*manifests.values()]), kind)
    if kind is Manifest and len(manifests) == 1:
        return next(iter(manifests.values()))
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is list and parts == (Manifest,):
        return [*manifests.values()]
    if origin is dict and parts[0] is str and (frames.is_kind(parts[1]) or parts[1] is Manifest):
        return {key: given(asset, parts[1], {key: one}, read) for key, one in manifests.items()}
    told = f" {ends(sorted(manifests))}".rstrip()
    one = " (which is of one partition)" if kind is Manifest else ""
    raise FrameError(
        f"{asset}{told} can be taken as {', '.join(frames.KINDS)}, Manifest, list[Manifest], or dict[str, ...] of "
        f"these by partition, not as {name_of(kind)}{one}; annotate the input with one of them"
    )
