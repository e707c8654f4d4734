"""Engines that read MySQL by a statement of their own, to Parquet files on local disk. Runs in the peers' environment.

    python -m benchmarks.clients.engine_copy duckdb|chdb FOLDER TABLE...

A table that cannot be copied does not keep the next from being tried; its error is said.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from benchmarks.clients.output_format import Clock

USER, PASSWORD, HOST, PORT, DATABASE = (
    os.environ[f"AURORA_{name}"] for name in ("USER", "PASSWORD", "HOST", "PORT", "DATABASE")
)


def duckdb(folder: Path) -> Callable[[str, Path], object]:
    """Return what copies a table by DuckDB, whose extension is called otherwise in the package that it comes in."""
    import duckdb

    (found,) = files("duckdb_extension_mysql").joinpath("extensions", f"v{duckdb.__version__}").iterdir()
    extension = folder / "mysql_scanner.duckdb_extension"
    extension.write_bytes(found.read_bytes())
    engine = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    engine.execute(f"LOAD '{extension}'")
    login = f"host={HOST} port={PORT} user={USER} password={PASSWORD} database={DATABASE}"
    engine.execute(f"ATTACH '{login}' AS source (TYPE mysql, READ_ONLY)")
    return lambda table, file: engine.execute(f"COPY source.{table} TO '{file}' (FORMAT parquet, COMPRESSION zstd)")


def chdb(_: Path) -> Callable[[str, Path], object]:
    """Return what copies a table by chDB, which is ClickHouse in the process."""
    import chdb

    chdb.query("SELECT 1")
    source = f"mysql('{HOST}:{PORT}', '{DATABASE}', '{{}}', '{USER}', '{PASSWORD}')"
    return lambda table, file: chdb.query(
        f"SELECT * FROM {source.format(table)} INTO OUTFILE '{file}' FORMAT Parquet "
        "SETTINGS output_format_parquet_compression_method = 'zstd'"
    )


ENGINES = {"duckdb": duckdb, "chdb": chdb}


def main(engine: str, folder: str, *tables: str) -> None:
    """Copy the tables into FOLDER/copy/TABLE/0.parquet; the folder is emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)
    errors = {}
    copy = ENGINES[engine](Path(folder))
    clock = Clock()
    for table in tables:
        file = Path(folder, "copy", table, "0.parquet")
        file.parent.mkdir(parents=True)
        try:
            copy(table, file)
        except Exception as error:
            errors[table] = (str(error).strip().splitlines() or [repr(error)])[0][:300]
    clock.say(errors=errors)


if __name__ == "__main__":
    main(*sys.argv[1:])
