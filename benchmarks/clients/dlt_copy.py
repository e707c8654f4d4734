"""dlt from MySQL to Parquet files on local disk, as its documentation has it. Runs in the peers' environment.

    python -m benchmarks.clients.dlt_copy connectorx|pyarrow DRIVER FOLDER TABLE...

A table that cannot be copied does not keep the next from being tried; its error is said.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib import import_module
from pathlib import Path

import dlt
from dlt.sources.sql_database import sql_table

from benchmarks.clients.output_format import Clock

STREAM = {"return_type": "arrow_stream"}
"""Without it connectorx holds the whole table in memory."""


def copy(backend: str, driver: str, folder: Path, table: str) -> None:
    """Copy one table into FOLDER/copy/TABLE/*.parquet."""
    pipeline = dlt.pipeline(
        f"bench_{table}",
        destination=dlt.destinations.filesystem(bucket_url=folder.as_uri()),
        dataset_name="copy",
        pipelines_dir=str(folder / "pipelines"),
    )
    user, password, host, port, database = (
        os.environ[f"AURORA_{name}"] for name in ("USER", "PASSWORD", "HOST", "PORT", "DATABASE")
    )
    source = sql_table(
        f"{driver}://{user}:{password}@{host}:{port}/{database}",
        table=table,
        backend=backend,
        backend_kwargs={"conn": f"mysql://{user}:{password}@{host}:{port}/{database}", **STREAM}
        if backend == "connectorx"
        else {},
    )
    pipeline.run(source, loader_file_format="parquet", write_disposition="replace")


def main(backend: str, driver: str, folder: str, *tables: str) -> None:
    """Copy the tables into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("pyarrow.parquet", "sqlalchemy", "connectorx" if backend == "connectorx" else "pymysql"):
        import_module(name)  # dlt imports it while it copies, which is not to be measured
    errors = {}
    clock = Clock()
    for table in tables:
        try:
            copy(backend, driver, Path(folder), table)
        except BaseException as error:  # a panic of connectorx is not an Exception
            errors[table] = (str(error).strip().splitlines() or [repr(error)])[-1][:300]
    clock.say(errors=errors)


if __name__ == "__main__":
    main(*sys.argv[1:])
