"""Tables as programs in Python have them: Arrow, pandas, polars, DuckDB; each turned into record batches and back.

pandas, polars and DuckDB are none of the package's requirements: whoever has such a value, or asks for one by its type,
has them. What columns become in the lake and in Redshift is `arrow_columns`' business.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from aurora_dwh.core.models import DataError

if TYPE_CHECKING:
    import pyarrow as pa

KINDS: Mapping[str, str] = {
    "pyarrow.Table": "read into memory",
    "pyarrow.RecordBatchReader": "read once, a batch at a time",
    "pandas.DataFrame": "whole numbers as pandas' nullable types, so that NULL turns none into a float",
    "polars.DataFrame": "read into memory",
    "polars.LazyFrame": "read into memory",
    "duckdb.DuckDBPyRelation": "in a database of its own, which spills to disk",
}
"""What rows can be given as, by the type that is asked for, and what is to be known of it."""


DUCKDB_MEMORY = "1GiB"
"""Memory of one DuckDB; what is sorted, joined or grouped beyond it is spilled to disk."""


class FrameError(DataError):
    """Rows that cannot be taken or given as what they are, or are asked for."""


def required(package: str) -> Any:
    """Import what is none of the requirements; raises a FrameError that says how it is installed."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise FrameError(f"{package} is not installed; run `pip install 'aurora-dwh[{package}]'`") from error


def name_of(kind: Any) -> str:
    """Return a type's name as people write it, by its package: `pandas.DataFrame`."""
    if not isinstance(kind, type):
        return str(kind)
    package = kind.__module__.partition(".")[0].lstrip("_")
    package = "pyarrow" if package == "pyarrow" else package
    return kind.__qualname__ if package == "builtins" else f"{package}.{kind.__qualname__}"


def is_kind(kind: Any) -> bool:
    """Return whether rows can be given as a type."""
    return name_of(kind) in KINDS


def is_rows(value: Any) -> bool:
    """Return whether a value is rows that `reader` takes."""
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__") or _name(value) in _TAKEN


def reader(value: Any) -> pa.RecordBatchReader:
    """Return rows as record batches: whatever has Arrow's C stream interface, as all the kinds have.

    https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html

    Raises:
        FrameError: The value is no rows.
    """
    import pyarrow as pa

    if _name(value) in _TAKEN:
        value = _TAKEN[_name(value)](value)
    if hasattr(value, "__arrow_c_stream__"):
        found = pa.RecordBatchReader.from_stream(value)
        index = [name for name in found.schema.names if name.startswith("__index_level_")]  # pandas' without a name
        return _without(found, index) if index else found
    raise FrameError(f"{name_of(type(value))} is no rows; give one of {', '.join(KINDS)}")


def frame(rows: pa.RecordBatchReader, kind: Any) -> Any:
    """Return rows as the type that is asked for.

    Args:
        rows: The rows, which are read once.
        kind: One of the types that `KINDS` names.

    Raises:
        FrameError: Rows cannot be given so.
    """
    try:
        make = _GIVEN[name_of(kind)]
    except KeyError:
        raise FrameError(f"rows can be given as {', '.join(KINDS)}, not as {name_of(kind)}") from None
    return make(rows)


def relation(rows: pa.RecordBatchReader) -> Any:
    """Return rows as a DuckDB relation, to be asked any number of times; what memory does not hold lies on disk."""
    connection = duckdb_connection()
    connection.register("given", rows)
    connection.execute("CREATE TEMP TABLE rows AS FROM given")
    connection.unregister("given")
    return connection.table("rows")


def duckdb_connection() -> Any:
    """Return a DuckDB of its own, whose memory is bounded; what it does not hold lies in the folder for such files.

    Raises:
        FrameError: DuckDB is not installed.
    """
    connection = required("duckdb").connect()
    connection.execute(f"SET memory_limit = '{DUCKDB_MEMORY}'")
    ((bar,),) = connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()
    if bar:  # it is written to stdout; in Jupyter without ipywidgets there is none, and any setting of it is refused
        connection.execute("SET enable_progress_bar = false")
    connection.execute("SET preserve_insertion_order = false")  # else rows wait in memory for their turn
    connection.execute("SET temp_directory = ?", [str(Path(gettempdir(), f"aurora-dwh-duckdb-{os.getpid()}"))])
    return connection


def _name(value: Any) -> str:
    return name_of(type(value))


def _of_dataset(value: Any) -> Any:
    return value.scanner().to_reader()


def _of_batch(value: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches([value])


_TAKEN: Mapping[str, Callable[[Any], Any]] = {
    "polars.LazyFrame": lambda value: value.collect(engine="streaming"),
    "pyarrow.RecordBatch": _of_batch,
    "pyarrow.FileSystemDataset": _of_dataset,
    "pyarrow.InMemoryDataset": _of_dataset,
    "pyarrow.UnionDataset": _of_dataset,
}
"""How what has no stream of its own comes to one, by the name of its type."""


def _without(rows: pa.RecordBatchReader, names: list[str]) -> pa.RecordBatchReader:
    import pyarrow as pa

    kept = pa.schema([field for field in rows.schema if field.name not in names])
    return pa.RecordBatchReader.from_batches(kept, (batch.select(kept.names) for batch in rows))


def _pandas(rows: pa.RecordBatchReader) -> Any:
    import pyarrow as pa

    pandas = required("pandas")
    whole = {getattr(pa, name.lower())(): getattr(pandas, f"{name}Dtype")() for name in ("Int16", "Int32", "Int64")}
    return rows.read_all().to_pandas(types_mapper={**whole, pa.bool_(): pandas.BooleanDtype()}.get)


_GIVEN: Mapping[str, Callable[[Any], Any]] = {
    "pyarrow.Table": lambda rows: rows.read_all(),
    "pyarrow.RecordBatchReader": lambda rows: rows,
    "pandas.DataFrame": _pandas,
    "polars.DataFrame": lambda rows: required("polars").from_arrow(rows.read_all()),
    "polars.LazyFrame": lambda rows: required("polars").from_arrow(rows.read_all()).lazy(),
    "duckdb.DuckDBPyRelation": relation,
}
