"""`aurora-dwh prune`: runs that ended long ago removed from Dagster's storage, with their logs."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

import typer

from aurora_dwh.commands.console import AsJson, say_json, work

EXAMPLES = ("aurora-dwh prune --before 2024-06-01 --dry-run", "aurora-dwh prune --before 2024-06-01")


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
    from aurora_dwh.core.models import utc_now
    from aurora_dwh.instance.health import open_instance
    from aurora_dwh.instance.retention import Pruned, Retention
    from aurora_dwh.orchestration.automation.gaps import HORIZON

    moment = before.replace(tzinfo=timezone.utc)
    with open_instance() as instance:
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
