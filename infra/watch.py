"""Measures of a running platform, a line of JSON a minute, from outside of Dagster: a dead daemon reports nothing.

It runs beside each webserver and asks its GraphQL. The lines go to CloudWatch, whose filters turn them into metrics.
Only the standard library is used, and only one webserver is asked.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.request
from collections.abc import Mapping
from datetime import datetime, timedelta
from datetime import time as time_of_day
from typing import Any
from zoneinfo import ZoneInfo

EVERY = 60.0
"""Seconds between two lines."""

WINDOW = timedelta(minutes=15)
"""How long a failed run is counted."""

HEALTH = """query ($since: Float!) {
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy lastHeartbeatTime } } }
  runsOrError(filter: {statuses: [FAILURE], updatedAfter: $since}, limit: 100) { ... on Runs { results { runId } } }
}"""
DAY = """query ($day: String!) {
  assetNodes { assetKey { path } isMaterializable isPartitioned
    latestMaterializationByPartition(partitions: [$day]) { timestamp } }
}"""


def measure(ui: str, deadline: time_of_day, zone: ZoneInfo, now: datetime) -> dict[str, float]:
    """Ask a webserver and return the measures.

    Args:
        ui: The webserver's address.
        deadline: When yesterday must have been loaded.
        zone: The catalog's timezone.
        now: The present, with its zone.

    Returns:
        daemon_silence_seconds: since the part of the daemon that was last heard longest ago; failed_runs: of the last
        15 minutes; days_late: tables whose yesterday is not loaded, 0 before the deadline; webserver_unreachable.

    Raises:
        OSError: The webserver does not answer.
        ValueError: It answers something else than measures can be taken from.
    """
    health = _ask(ui, HEALTH, {"since": (now - WINDOW).timestamp()})
    parts = [part for part in health["instance"]["daemonHealth"]["allDaemonStatuses"] if part["required"]]
    heard = min((part["lastHeartbeatTime"] or 0.0 for part in parts), default=0.0)
    local = now.astimezone(zone)
    late = 0
    if local.time() >= deadline:
        day = str(local.date() - timedelta(days=1))
        late = sum(1 for asset in _ask(ui, DAY, {"day": day})["assetNodes"] if _is_late(asset))
    return {
        "daemon_silence_seconds": round(now.timestamp() - heard, 1),
        "failed_runs": len(health["runsOrError"]["results"]),
        "days_late": late,
        "webserver_unreachable": 0,
    }


def _is_late(asset: Mapping[str, Any]) -> bool:
    """Staging tables are asked: a day that is there has passed the source and the lake."""
    counted = asset["isMaterializable"] and asset["isPartitioned"] and asset["assetKey"]["path"][0] == "staging"
    return bool(counted and not any(asset["latestMaterializationByPartition"]))


def _ask(ui: str, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{ui}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the webserver beside it
        said = json.load(answer)
    if "data" not in said or said.get("errors"):
        raise ValueError(f"the webserver refused the question: {said.get('errors')}")
    data: dict[str, Any] = said["data"]
    return data


def main() -> None:
    """Print a line a minute, for ever."""
    from aurora_dwh.catalog import Catalog

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ui", required=True, help="the webserver's address")
    parser.add_argument(
        "--deadline", required=True, type=time_of_day.fromisoformat, help="HH:MM, in the catalog's zone"
    )
    parser.add_argument("--once", action="store_true", help="print one line and end")
    arguments = parser.parse_args()
    zone = Catalog.load().zone
    while True:
        try:
            measures = measure(arguments.ui, arguments.deadline, zone, datetime.now(zone))
        except (OSError, ValueError, KeyError, TypeError) as error:
            measures = {"webserver_unreachable": 1}
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stdout.write(json.dumps(measures) + "\n")
        sys.stdout.flush()
        if arguments.once:
            return
        time.sleep(EVERY)


if __name__ == "__main__":
    main()
