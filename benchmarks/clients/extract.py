"""The product from MySQL to Parquet on S3: its own source and its own lake, without Dagster around them.

python -m benchmarks.clients.extract DAY TABLE...
python -m benchmarks.clients.extract --read-only DAY TABLE     # the rows are thrown away
python -m benchmarks.clients.extract --profile DAY TABLE       # says where the threads were, too
python -m benchmarks.clients.extract --seconds N DAY TABLE     # over and over for N seconds, having said `reading`
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.core.models import Extract
from aurora_dwh.lake.factory import open_lake
from aurora_dwh.source.factory import open_source, windows
from benchmarks.clients.import_warmup import warm_up_imports
from benchmarks.clients.output_format import Clock
from benchmarks.clients.sampler import Sampler

if TYPE_CHECKING:
    import pyarrow as pa


class Copying:
    """Copies days of tables as the assets do."""

    def __init__(self) -> None:
        self.rows = 0
        self.counting = 0.0
        self._catalog = Catalog.load()
        self._lake = open_lake()

    def copy(self, table: str, day: date) -> None:
        """Copy a table's day from the source into the lake."""
        for extract in self._extracts(table, day):
            self.rows += self._lake.write(table, extract).rows
            self.counting += extract.counted.seconds

    def read(self, table: str, day: date) -> None:
        """Read a table's day and throw the rows away."""
        for extract in self._extracts(table, day):
            self.rows += sum(batch.num_rows for batch in extract.batches)

    def keep_copying(self, table: str, day: date, seconds: float) -> None:
        """Copy a table again and again until the time is up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for extract in self._extracts(table, day):
                extract.batches = _until(end, extract.batches)
                self.rows += self._lake.write(table, extract).rows
                break

    def _extracts(self, table: str, day: date) -> Iterator[Extract]:
        entry = self._catalog.tables[table]
        source = open_source(self._catalog, logging.getLogger().warning)
        return source.extract(entry, windows(entry, self._catalog, [day]))


def _until(end: float, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        if time.monotonic() > end:
            return


def main(options: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    warm_up_imports("pyarrow.parquet", "aurora_dwh.source.reader", "aurora_dwh.source.value_fitting")
    copying = Copying()
    clock = Clock()
    sampler = Sampler() if options.profile else None
    for table in options.tables:
        if options.seconds:
            print("reading", flush=True)
            copying.keep_copying(table, options.day, options.seconds)
        elif options.read_only:
            copying.read(table, options.day)
        else:
            copying.copy(table, options.day)
    clock.say(rows=copying.rows, counting=copying.counting, profile=sampler.stop() if sampler else [])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("day", type=date.fromisoformat)
    parser.add_argument("tables", nargs="+")
    main(parser.parse_args())
