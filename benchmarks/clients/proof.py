"""The proof of a table, as its asset makes it, without Dagster around it.

python -m benchmarks.clients.proof --load TABLE          # reads all of it into the lake and loads it, first
python -m benchmarks.clients.proof TABLE                 # proves it, and mends what differs
python -m benchmarks.clients.proof --spoil N TABLE       # changes N rows of the staging table, before
python -m benchmarks.clients.proof --endless TABLE       # again and again until it is ended, having said `reading`
"""

from __future__ import annotations

import argparse
import logging
from contextlib import closing

from aurora_dwh.catalog.model import Catalog, Table
from aurora_dwh.lake.factory import open_lake
from aurora_dwh.proof.engine import Places
from aurora_dwh.proof.nightly import prove_and_repair
from aurora_dwh.settings.config import AuroraSettings, RedshiftSettings
from aurora_dwh.source.connection import connect
from aurora_dwh.source.factory import open_source, rules, windows
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.load.statements import staging_target
from aurora_dwh.warehouse.load.transaction import load
from benchmarks.clients.import_warmup import warm_up_imports
from benchmarks.clients.output_format import Clock


def load_whole(catalog: Catalog, table: Table, places: Places) -> None:
    """Load the catalog's first day, which holds all rows."""
    source = open_source(catalog, logging.getLogger().warning)
    target = staging_target(table, places.warehouse.settings.staging_schema)
    for extract in source.extract(table, windows(table, catalog, [catalog.start_date])):
        extract.rules = rules(table, catalog)
        manifest = places.lake.write(table.name, extract)
        load(places.warehouse, places.lake, target, table.mode, [manifest], run_id=None)


def spoil(table: Table, places: Places, rows: int) -> None:
    """Change a value of rows that are scattered over the staging table."""
    target = staging_target(table, places.warehouse.settings.staging_schema)
    with places.warehouse.session() as session:
        ((count, first),) = session.execute(f"SELECT COUNT(*), MIN(id) FROM {target.sql}").rows
        each = int(count) // rows
        session.execute(
            f"UPDATE {target.sql} SET quantity = quantity + 1 "
            f"WHERE MOD(id - {first}, {each}) = 0 AND id < {first} + {each * rows}"
        )


def main(options: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    warm_up_imports("pyarrow.parquet")
    catalog = Catalog.load()
    table, settings = catalog.tables[options.table], AuroraSettings.from_env()
    places = Places(open_lake(), Warehouse(RedshiftSettings.from_env()), catalog.pause_above)
    if options.load:
        clock = Clock()
        load_whole(catalog, table, places)
        clock.say()
        return
    if options.spoil:
        spoil(table, places, options.spoil)
    if options.endless:
        print("reading", flush=True)
    clock = Clock()
    with closing(connect(**settings.connect_arguments())) as connection:
        done = prove_and_repair(connection, settings.database, places, catalog, table, rules(table, catalog))
        while options.endless:
            prove_and_repair(connection, settings.database, places, catalog, table, rules(table, catalog))
    found = done.found
    clock.say(
        rows=found.source_rows,
        kinds=dict(found.kinds),
        differing=done.verdict.wrong,
        reading=found.reading,
        longest=found.longest,
        statements=found.statements,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--load", action="store_true")
    parser.add_argument("--endless", action="store_true")
    parser.add_argument("--spoil", type=int, default=0)
    parser.add_argument("table")
    main(parser.parse_args())
