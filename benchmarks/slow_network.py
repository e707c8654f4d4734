"""What a day of one table costs where the servers are far: its time with and without the way, and its round trips.

The way to each server is a proxy: as long as in another zone for Aurora, and as through endpoints for S3 and Redshift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count

from benchmarks import small_tables
from benchmarks.harness import Outcome, interleaved, middle, ratio
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.rig import Rig
from benchmarks.slow_link import SlowLink, running
from benchmarks.small_tables import ROWS_A_DAY
from benchmarks.tables import FIRST_DAY

DELAYS = {"Aurora": 0.002, "S3": 0.010, "Redshift": 0.010}
LOGIN = {"Aurora": 1, "S3": 0, "Redshift": 2}
"""Round trips of a login, which are not counted; a server with TLS has more."""

FAR, NEAR = "far servers", "near servers"


def measure(rig: Rig, size: Size) -> Findings:
    """Return the time of a day through long ways by that through short ones, and the round trips to each server."""
    variables = small_tables.make(rig, "network", 1, range(2 * size.rounds + 1))
    days = (FIRST_DAY + timedelta(days=number) for number in count())
    rig.run("bare_day", next(days), variables=variables)  # makes the staging table
    links = {
        "Aurora": SlowLink(rig.server.host, rig.server.port),
        "S3": SlowLink("127.0.0.1", int(rig.lake.endpoint_url.rpartition(":")[2])),
        "Redshift": SlowLink(rig.redshift.host, rig.redshift.port),
    }
    with running(*links.values()):
        through = {
            **variables,
            "AURORA_PORT": str(links["Aurora"].port),
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{links['S3'].port}",
            "REDSHIFT_PORT": str(links["Redshift"].port),
        }

        def run(is_far: bool) -> Outcome:
            before = {name: (link.trips, link.connections) for name, link in links.items()}
            for name, link in links.items():
                link.delay = DELAYS[name] if is_far else 0.0
            done = rig.run("dagster_day", next(days), variables=through)
            return replace(done, said={**done.said, "trips": _trips(links, before), "opened": _opened(links, before)})

        runs = interleaved({FAR: partial(run, True), NEAR: partial(run, False)}, size.rounds)
    trips = {name: middle(runs[FAR], lambda run, of=name: run.said["trips"][of]) for name in links}  # type: ignore[misc]
    rows = [
        [name, f"{DELAYS[name] * 1000:.0f}", f"{trips[name]:.0f}", str(runs[FAR][-1].said["opened"][name])]
        for name in links
    ]
    slower = middle(runs[FAR], lambda run: run.seconds) - middle(runs[NEAR], lambda run: run.seconds)
    found = Findings(
        "Slow network",
        [Measure("a day of one table, servers that are far / near", ratio(runs[FAR], runs[NEAR]))],
        [
            f"A day of {ROWS_A_DAY} rows by Dagster takes {slower:.2f} s longer where the servers are far.",
            *table(["server", "ms added to a round trip", "round trips without logins", "connections"], rows),
        ],
    )
    for name in links:
        found.measures.append(Measure(f"round trips of a table and day to {name}", trips[name], digits=0))
    return found


def _trips(links: Mapping[str, SlowLink], before: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """Return the round trips to each server since then, but for those of logins."""
    opened = _opened(links, before)
    return {name: link.trips - before[name][0] - LOGIN[name] * opened[name] for name, link in links.items()}


def _opened(links: Mapping[str, SlowLink], before: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    return {name: link.connections - before[name][1] for name, link in links.items()}
