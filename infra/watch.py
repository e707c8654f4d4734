"""Measures of a running platform as lines of JSON, from outside of Dagster's processes: a dead daemon reports nothing.

It runs once, beside the daemon of which there is one, and asks Dagster's storage and the code server. What is due it
knows from the catalog, so that a code server that is gone does not look like one that lacks nothing. The lines go to
CloudWatch, whose filters turn them into metrics; what could not be asked is left out, and a measure that is missing for
long is an alarm (`infra.stacks.alarms`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import dagster as dg

from aurora_dwh.catalog.model import Catalog, location_catalog
from aurora_dwh.instance import code_server
from aurora_dwh.orchestration.assets.names import Names
from aurora_dwh.orchestration.automation.freshness import due_day, late_assets
from infra.workspace import servers

EVERY = 60.0
"""Seconds between two lines."""

LINES_TO_DAYS = 10
"""Each so many lines it is asked which days are there."""

WINDOW = timedelta(minutes=15)
"""How long a failed run is counted."""


@dataclass(frozen=True)
class Watch:
    """What is asked, and of whom.

    Attributes:
        instance: Dagster's storage.
        catalogs: The tables of each location, and the zone of their days, by what its names begin with.
        deadline: When the day before must have been loaded, HH:MM, for tables that say nothing else.
        code: Host and port of each code server.
    """

    instance: dg.DagsterInstance
    catalogs: Mapping[str | None, Catalog]
    deadline: str
    code: Sequence[tuple[str, int]]

    def measures(self, now: datetime, *, days: bool) -> dict[str, float]:
        """Return the measures that could be taken; the reason is written to stderr for each that could not.

        Args:
            now: The moment, aware.
            days: Whether to ask for the tables' days too.
        """
        asked: dict[str, Callable[[datetime], float]] = {
            "daemon_silence_seconds": self.daemon_silence_seconds,
            "failed_runs": self.failed_runs,
            "location_error": self.location_error,
            **({"days_late": self.days_late} if days else {}),
        }
        taken = {}
        for name, measure in asked.items():
            try:
                taken[name] = measure(now)
            except Exception as error:
                sys.stderr.write(f"{name}: {type(error).__name__}: {error}\n")
        return taken

    def daemon_silence_seconds(self, now: datetime) -> float:
        """Return for how long that part of the daemon is silent which was last heard longest ago."""
        heard = self.instance.get_daemon_heartbeats()
        parts = [heard.get(part) for part in self.instance.get_required_daemon_types()]
        return round(now.timestamp() - min((part.timestamp if part else 0.0 for part in parts), default=0.0), 1)

    def failed_runs(self, now: datetime) -> int:
        """Return how many runs failed of late."""
        return self.instance.get_runs_count(
            dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - WINDOW)
        )

    def location_error(self, now: datetime) -> int:
        """Return how many code servers do not answer, or could not load their definitions."""
        errors = {f"{host}:{port}": code_server.location_error(host, port) for host, port in self.code}
        for server, error in errors.items():
            if error:
                sys.stderr.write(f"location_error: {server}: {error}\n")
        return sum(map(bool, errors.values()))

    def days_late(self, now: datetime) -> int:
        """Return how many tables lack the last day that is due: of monthly ones, the last day of a month.

        A day that is in Redshift has passed the source and the lake.
        """
        due = {
            Names.of(prefix, None).table_key("staging", one): day
            for prefix, catalog in self.catalogs.items()
            for one in catalog.tables.values()
            if (day := due_day(one, catalog, now, deadline=self.deadline)) >= catalog.start_date
        }
        return len(late_assets(self.instance, due))


def main() -> None:
    """Print a line a minute, for ever."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deadline", required=True, help="HH:MM, in the catalog's zone")
    parser.add_argument("--once", action="store_true", help="print one line and end")
    arguments = parser.parse_args()
    code = servers(os.environ)
    catalogs: dict[str | None, Catalog] = {None: Catalog.load()}
    catalogs |= {name: Catalog.load(location_catalog(name)) for name in list(code)[1:]}
    with dg.DagsterInstance.get() as instance:
        watch = Watch(instance, catalogs, arguments.deadline, list(code.values()))
        line = 0
        while True:
            measures = watch.measures(datetime.now(timezone.utc), days=line % LINES_TO_DAYS == 0)
            sys.stdout.write(json.dumps(measures) + "\n")
            sys.stdout.flush()
            if arguments.once:
                return
            line += 1
            time.sleep(EVERY)


if __name__ == "__main__":
    main()
