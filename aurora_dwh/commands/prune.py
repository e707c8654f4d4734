"""`aurora-dwh prune`: runs that ended long ago removed from Dagster's storage, with their logs."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Annotated

import typer

from aurora_dwh.commands.speech import AsJson, say_json, work
from aurora_dwh.environment import ConfigError

EXAMPLES = (
    "aurora-dwh prune --before 2024-06-01 --dry-run",
    "aurora-dwh prune --before 2024-06-01",
)


def prune(
    before: Annotated[
        datetime,
        typer.Option(metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="A day in UTC; runs that ended before it go."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what there is, and remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove runs that ended before a day from Dagster's storage, with their logs, whosever they are.

    Which partitions are there stays known, with the last materialization of each and the last result of each check, so
    that nothing is loaded or built for it. Runs without success stay for as long as the sensor `gaps` counts them.
    `dagster dev` may run beside it.
    """
    import dagster as dg

    from aurora_dwh.automation.gaps import HORIZON
    from aurora_dwh.handoff import utc_now
    from aurora_dwh.instance.retention import Pruned, Retention

    if not os.environ.get("DAGSTER_HOME"):
        raise ConfigError(["DAGSTER_HOME is not set; set it to the folder with the instance's dagster.yaml"])
    moment = before.replace(tzinfo=timezone.utc)
    with dg.DagsterInstance.get() as instance:
        kept = Retention(instance)
        old = kept.old(moment, failed=min(moment, utc_now() - HORIZON))
        done = Pruned()
        with work("Runs", len(old)) as advance:
            for batch in kept.prune(old, is_dry=dry_run):
                done += batch
                advance(parts=batch.runs)
        if not dry_run:
            kept.compact()
    if as_json:
        say_json({"runs": done.runs, "events": done.events, "bytes": done.size, "removed": not dry_run})
    else:
        typer.echo(f"{'Would remove' if dry_run else 'Removed'} {done}")
