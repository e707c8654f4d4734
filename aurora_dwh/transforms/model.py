"""Transforms: tables that are computed from the lake, day by day, by a file of SQL or a function in Python.

A transform reads what a day brought to tables of the lake, or the latest version of all of their rows, and gives the
day's rows of a table of its own. When it runs is `orchestration.assets.transforms`' business.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from aurora_dwh.catalog.fields import DayCount, Owners, Tags
from aurora_dwh.core import frames
from aurora_dwh.core.models import DataError
from aurora_dwh.core.sql_file import read_sql_file
from aurora_dwh.lake.reader import LAKE, LATEST, QueryError, inputs
from aurora_dwh.transforms.computed import ComputedTable, Stored

if TYPE_CHECKING:
    import pyarrow as pa

    from aurora_dwh.lake.reader import Query

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DAY = "day"
"""The parameter, of SQL and of a function, that is the day."""


class TransformError(DataError):
    """A transform that cannot be used; the message names it."""


class TransformHeader(Stored):
    """The header of a transform: how its rows are stored, and more."""

    description: str  # what a row is; the first line is shown in lists
    keep: DayCount | None = None  # how long the lake keeps each copy, where the mode is `full`. Without it: always
    staging: bool = False  # whether the rows are loaded into Redshift too
    target_table: str | None = None  # the table's name in Redshift. Without it: the transform's
    owners: Owners = ()  # who answers for it: e-mail addresses, or team:name
    tags: Tags = Field(default_factory=dict)  # labels for its assets


@dataclass(frozen=True)
class Transform:
    """A transform."""

    name: str  # its name, which its table has too
    header: TransformHeader  # how its rows are stored
    inputs: Sequence[tuple[str, str]]  # the tables that it reads: `lake` or `latest`, and the table
    compute: Callable[[Query, date], Any]  # gives the rows of a day, of any kind
    text: str  # its SQL or its program
    is_sql: bool = False  # which of them it is
    file: Path | None = None  # where it stands; None where nobody knows

    @cached_property
    def table(self) -> ComputedTable:
        """The table that it makes; raises FrameError where what the header says does not go together."""
        header = self.header
        return header.as_table(
            self.name,
            f"transform {self.name}",
            by_day=True,
            keep=header.keep,
            target_table=header.target_table or self.name,
            description=header.description,
            owners=header.owners,
            tags=header.tags,
        )

    def sql(self, day: date) -> str:
        """Return the SQL of a day, of a transform that is SQL."""
        return _rendered(self.text, day)

    def rows(self, query: Query, day: date) -> pa.RecordBatchReader:
        """Return the rows of a day, a batch at a time.

        Raises:
            FrameError: What it gives is no rows.
            MissingDayError: The lake lacks the day of a table that it reads.
            QueryError: DuckDB refused its SQL.
        """
        try:
            return frames.reader(self.compute(query, day))
        except frames.FrameError as error:
            raise frames.FrameError(f"transform {self.name}: {error}") from error
        except QueryError as error:
            raise QueryError(f"transform {self.name}: {error}") from error


def transform(
    *, description: str = "", latest: Iterable[str] = (), tables: Mapping[str, str] | None = None, **header: Any
) -> Callable[[Callable[..., Any]], Transform]:
    """Make a transform of a function, whose name it has.

    The function takes tables of the lake by the names of its parameters, each as the type that it is annotated with
    (`pandas.DataFrame`, `polars.DataFrame`, `polars.LazyFrame`, `pyarrow.Table`, `pyarrow.RecordBatchReader` or
    `duckdb.DuckDBPyRelation`), and gives rows as any of these. A parameter `day` is the day, a `datetime.date`.

    Args:
        description: What a row is; without it the function's docstring.
        latest: The parameters that are the latest version of each row of a table, not what the day brought.
        tables: Parameter -> table, where it has another name.
        header: `mode`, `key`, `dist_key`, `sort_key`, `columns`, `keep`, `staging`, `target_table`, `owners` and
            `tags`, as `TransformHeader` has them.

    Raises:
        TransformError: The header or a parameter is wrong.
    """

    def made(function: Callable[..., Any]) -> Transform:
        name, called = function.__name__, tables or {}
        told = description or inspect.getdoc(function) or f"What {name} computes."
        checked = _header(name, {**header, "description": told})
        kinds = typing.get_type_hints(function)
        parameters = [one for one in inspect.signature(function).parameters if one != _DAY]
        if strange := sorted({*latest, *called} - {*parameters}):
            raise TransformError(f"transform {name}: it has no parameter {', '.join(strange)}")
        for one in parameters:
            if not frames.is_kind(kinds.get(one)):
                raise TransformError(
                    f"transform {name}: annotate {one!r} with one of {', '.join(frames.KINDS)}, as which it is given"
                )
        given = {one: (LATEST if one in {*latest} else LAKE, called.get(one, one)) for one in parameters}
        takes_day = _DAY in inspect.signature(function).parameters

        def compute(query: Query, day: date) -> Any:
            values: dict[str, Any] = {}
            for one, (schema, table) in given.items():
                found = query.table(table, days=None if schema == LATEST else day)
                values[one] = _as(found, kinds[one])
            return function(**values, **({_DAY: day} if takes_day else {}))

        file = inspect.getsourcefile(function)
        read = sorted(set(given.values()))
        return Transform(name, checked, read, compute, inspect.getsource(function), file=Path(file) if file else None)

    return made


def transform_files(folder: Path) -> list[Path]:
    """Return the files of a folder that have transforms, in the order of their names."""
    return sorted([*folder.glob("*.sql"), *folder.glob("*.py")])


def read_transforms(folder: Path) -> list[Transform]:
    """Read the transforms of a folder, in the order of their files' names: of each `.sql` one, of each `.py` all.

    Raises:
        TransformError: One of them cannot be used.
    """
    files = transform_files(folder)
    return [found for file in files for found in ([read_sql(file)] if file.suffix == ".sql" else _read_python(file))]


def staged_tables(transforms: Iterable[Transform]) -> dict[str, str]:
    """Return the staging tables that transforms make: the table's name in Redshift -> the transform's."""
    return {one.table.target: one.name for one in transforms if one.header.staging}


def read_sql(path: Path) -> Transform:
    """Read a transform's file of SQL; raises a TransformError that names the file."""
    said, query = read_sql_file(path, TransformError)
    try:
        read = inputs(_rendered(query, date(2000, 1, 1)))
    except QueryError as error:
        raise TransformError(f"{path.name}: {error}") from error
    header = _header(path.stem, said if isinstance(said, dict) else {})

    def compute(lake: Query, day: date) -> Any:
        return lake.sql(_rendered(query, day), days=day)

    return Transform(path.stem, header, read, compute, query, is_sql=True, file=path)


def _read_python(path: Path) -> list[Transform]:
    spec = spec_from_file_location(f"aurora_dwh_transforms_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise TransformError(f"{path.name} is no module of Python")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    made = [value for value in vars(module).values() if isinstance(value, Transform)]
    own = [one for one in made if one.file is not None and one.file.resolve() == path.resolve()]
    if not own and not path.stem.startswith("_"):
        raise TransformError(
            f"{path.name} has no function that is a transform; write `@transform()` above it, or begin the file's name "
            "with _"
        )
    return own


def _header(name: str, said: Mapping[str, Any]) -> TransformHeader:
    if not _NAME.fullmatch(name):
        raise TransformError(f"transform {name}: a name has letters, digits and _, and begins with no digit")
    try:
        return TransformHeader.model_validate(said)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise TransformError(f"transform {name}: header: {told}") from None


def _rendered(query: str, day: date) -> str:
    """Return a query with its day in place of `:day`."""
    return re.sub(rf"(?<!:):{_DAY}\b", f"DATE '{day}'", query)


def _as(relation: Any, kind: Any) -> Any:
    """Return a relation as the type that is asked for."""
    import pyarrow as pa

    if isinstance(relation, kind):
        return relation
    return frames.frame(pa.RecordBatchReader.from_stream(relation), kind)
