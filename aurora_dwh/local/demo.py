"""`make demo`: a shop is seeded in the embedded Aurora, copied day by day into the embedded Redshift, and proven equal.

The shop lives 29 days, which are loaded as one range; then it lives one day more, in which orders of earlier days
change, and that day is loaded as the schedule would. It may be run again at any time, and ends the same.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date, timedelta
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from aurora_dwh.commands.verify import say_verdicts
from aurora_dwh.definitions import defs
from aurora_dwh.local import shop, stack
from aurora_dwh.local.shop_project import open_shop
from aurora_dwh.orchestration import runs
from aurora_dwh.proof.verdict import Verdict

MARTS = (
    ("daily_sales", "revenue DESC", ("order_day", "product_line", "orders", "units", "revenue")),
    ("stock_cover", "cover_days", ("product_id", "product_name", "quantity_stock", "units_14_days", "cover_days")),
)
"""The marts that are shown: name, order, columns."""


def main() -> int:
    """Run the demo; return 0 where every table is equal to its source."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--state", type=Path, default=stack.default_state(), help="folder of the embedded stack")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the shop; 1 is about 50,000 rows")
    parser.add_argument("--start", type=date.fromisoformat, help="the shop's first day; default: 30 days ago")
    arguments = parser.parse_args()
    console = Console()
    started = monotonic()
    was_running = stack.is_running(arguments.state)
    try:
        equal = _demo(console, arguments.state, arguments.start, arguments.scale)
    except (RuntimeError, OSError, ValueError) as error:
        console.print(f"[bold red]The demo failed:[/] {error}")
        return 1
    finally:
        if not was_running:
            stack.down(arguments.state)
    console.print(
        f"\nDone in {monotonic() - started:.0f} s. Look further: [bold]make dev[/] opens the graph, its runs and"
    )
    console.print("every statement in the Dagster UI on http://127.0.0.1:3000.")
    return 0 if equal else 1


def _demo(console: Console, state: Path, start: date | None, scale: float) -> bool:
    columns = (TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        step = progress.add_task("Starting Aurora, S3 and Redshift", total=1)
        stack.up(state)
        start = open_shop(state, start, scale).start
        last = shop.last_day(start=start)
        use(state)
        progress.update(step, completed=1)

        step = progress.add_task(f"The shop lives {shop.DAYS - 1} days", total=1)
        shop.reset(state)
        shop.live_embedded(state, last=last - timedelta(days=1), start=start, scale=scale)
        progress.update(step, completed=1)
        _load(progress, "One run loads them", start, last - timedelta(days=1))

        step = progress.add_task("The shop lives one day more", total=1)
        shop.live_embedded(state, first=last, last=last, start=start, scale=scale)
        progress.update(step, completed=1)
        _load(progress, "The daily job loads it", last, last)

        step = progress.add_task("The marts are built", total=1)
        runs.run(defs(), runs.MARTS, start, last, runs.partitioned(defs(), ("bi",)), lambda asset, day: None)
        runs.run(defs(), runs.MARTS, last, last, None, lambda asset, day: None)
        progress.update(step, completed=1)

        step = progress.add_task("Comparing every value", total=None)
        verdicts = _compared(progress, step)
    say_verdicts(verdicts)
    _show_marts(console)
    return all(verdict.equal for verdict in verdicts)


def use(state: Path) -> None:
    """Make this process use the embedded stack: its addresses, the sample shop's catalog, a Dagster home beside it."""
    os.environ.update(stack.environment(state))


def _load(progress: Progress, title: str, first: date, last: date) -> None:
    assets = runs.partitioned(defs(), ("lake", "staging"))
    step = progress.add_task(title, total=len(assets) * ((last - first).days + 1))
    seen: set[tuple[object, str]] = set()

    def on_day(asset: object, day: str) -> None:
        if day:
            seen.add((asset, day))
            progress.update(step, completed=len(seen))

    runs.run(defs(), runs.LOAD, first, last, None, on_day)


def _compared(progress: Progress, step: TaskID) -> list[Verdict]:
    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.proof.engine import compare_tables

    catalog = Catalog.load()
    tables = catalog.tables.values()
    progress.update(step, total=len(tables))
    verdicts = []
    for verdict in compare_tables(catalog, tables):
        verdicts.append(verdict)
        progress.advance(step)
    return verdicts


def _show_marts(console: Console) -> None:
    from aurora_dwh.settings.config import RedshiftSettings
    from aurora_dwh.warehouse.connection import Warehouse
    from aurora_dwh.warehouse.sql import qualified

    settings = RedshiftSettings.from_env()
    with Warehouse(settings).session() as session:
        for name, order, columns in MARTS:
            target = qualified(settings.bi_schema, name)
            table = Table(*columns, title=f"bi.{name}, first by {order.lower()}")
            for row in session.execute(f"SELECT {', '.join(columns)} FROM {target} ORDER BY {order} LIMIT 5").rows:
                table.add_row(*(str(value) for value in row))
            console.print(table)


if __name__ == "__main__":
    sys.exit(main())
