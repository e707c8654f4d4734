"""The same days as `dagster_day` loads, by the same SQL and the same calls of S3, in a loop without Dagster.

python -m benchmarks.clients.bare_day DAY
python -m benchmarks.clients.bare_day FIRST LAST    # a range
"""

from __future__ import annotations

import sys
import time
from datetime import date

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.core.days import between
from aurora_dwh.lake.factory import open_lake
from aurora_dwh.settings.config import RedshiftSettings
from aurora_dwh.source.factory import open_source, windows
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.load import batches
from aurora_dwh.warehouse.load import transaction as load
from aurora_dwh.warehouse.load.statements import staging_target
from benchmarks.clients.import_warmup import warm_up_imports
from benchmarks.clients.output_format import Clock


def main(first: date, last: date) -> None:
    """Load the days of one table after the other."""
    warm_up_imports("pyarrow.parquet", "redshift_connector")
    clock, loading = Clock(), 0.0
    days = between(first, last)
    catalog, lake, warehouse = Catalog.load(), open_lake(), Warehouse(RedshiftSettings.from_env())
    for table in catalog.tables.values():
        source = open_source(catalog, warn=print)
        for extract in source.extract(table, windows(table, catalog, days)):
            lake.write(table.name, extract)
        began = time.perf_counter()
        target = staging_target(table, warehouse.settings.staging_schema)
        for manifests in batches.transactions(lake.read(table.name, days)):
            load.load(warehouse, lake, target, table.mode, manifests, run_id="bare")
        loading += time.perf_counter() - began
    clock.say(loading=loading)


if __name__ == "__main__":
    main(date.fromisoformat(sys.argv[1]), date.fromisoformat(sys.argv[-1]))
