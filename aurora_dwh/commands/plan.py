"""`aurora-dwh plan`: every statement that a day of a table would run, in order. Nothing is read or written."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from aurora_dwh.commands.arguments import Day, complete_table, find_table, parse_day
from aurora_dwh.commands.console import AsJson, plain, say_json
from aurora_dwh.commands.output import console, is_terminal

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Table

EXAMPLES = (
    "aurora-dwh plan orders_master",
    "aurora-dwh plan orders_master --day 2024-01-05",
    "aurora-dwh plan orders_master --day 2024-01-05 --by-hand",
    "aurora-dwh plan orders_master --json > plan.json",
    "aurora-dwh plan daily_sales",
)


@dataclass(frozen=True)
class Step:
    """Statements that are run together, in order."""

    heading: str  # where they run, and what for
    statements: list[str]  # their texts


@dataclass(frozen=True)
class Plan:
    """What a day of a table runs."""

    table: str  # the table's name in the source
    day: date
    steps: list[Step]  # what is run, in order
    # what cannot be carried, and what becomes of it; that the day has not ended
    notes: list[str] = field(default_factory=list)


ByHand = Annotated[
    bool, typer.Option("--by-hand", help="Print what a person runs to export the day, which the platform takes in.")
]


Planned = Annotated[
    str,
    typer.Argument(
        metavar="TABLE", help="A table of the catalog, a mart or a transform.", autocompletion=complete_table
    ),
]


def plan(table: Planned, day: Day = None, by_hand: ByHand = False, as_json: AsJson = False) -> None:
    """Print every SQL statement that a day of TABLE would run; run none of them.

    The table's columns are read from Aurora's information_schema. Redshift and the lake are not asked. Of an
    incremental table the newest day that is due has an open end, as a load of it now would read it. Of a mart the
    statements are those of its build, and of a transform the SQL on the lake; no server is asked for them.
    """
    made = make_plan(table, day, is_by_hand=by_hand)
    if as_json:
        say_json({**asdict(made), "day": made.day.isoformat()})
    else:
        _say(made)


def _say(made: Plan) -> None:
    """Print the statements; where they are piped on, as SQL alone: headings are comments and lines stay whole."""
    from rich.syntax import Syntax
    from rich.text import Text

    out, is_shown = console(), is_terminal(sys.stdout)
    for number, step in enumerate(made.steps, start=1):
        heading = plain(f"{number}. {step.heading}")
        if is_shown:
            out.rule(Text(heading, style="bold"), align="left")
        else:
            typer.echo(f"-- {heading}")
        for statement in step.statements:
            if is_shown:
                out.print(Syntax(statement + ";", "sql", background_color="default", word_wrap=True))
            else:
                typer.echo(statement + ";")
        typer.echo()
    for note in made.notes:
        typer.echo(f"-- {plain(note)}")


def make_plan(name: str, written_day: str | None, *, is_by_hand: bool = False) -> Plan:
    """Return what a day of the table of that name would run.

    Args:
        written_day: The day as text; None is yesterday in the catalog's zone.
        is_by_hand: Whether a person is to export the day.

    Raises:
        BadParameter: The catalog has no such table or day, or the table's days are not exported by hand.
        DataError: Aurora has no such table.
    """
    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.core.models import Manifest, Part, utc_now
    from aurora_dwh.lake.factory import open_lake
    from aurora_dwh.source.factory import open_source, rules, windows
    from aurora_dwh.source.value_checks import told
    from aurora_dwh.warehouse import dry_run as warehouse_plan
    from aurora_dwh.warehouse.connection import open_warehouse
    from aurora_dwh.warehouse.load.statements import staging_target

    catalog = Catalog.load()
    today = datetime.now(catalog.zone).date()
    day = parse_day(written_day or (today - timedelta(days=1)).isoformat(), catalog)
    if name not in catalog.tables and (of_file := _of_file(name, day)):
        return of_file
    table = find_table(catalog, name)
    source = open_source(catalog, lambda text: typer.echo(f"-- {text}", err=True))
    schema = source.schema(table)
    (span,) = source.opened(table, windows(table, catalog, [day]))

    lake = open_lake().layout
    carried = told(schema, table) if is_by_hand or table.extract == "outfile" else []
    if is_by_hand and table.query is not None:
        raise typer.BadParameter(f"{table.name} has a `query`, whose days nobody exports by hand; leave --by-hand out")
    if is_by_hand:
        place = lake.url(lake.arrival(table.name, day, f"{utc_now():%Y%m%dT%H%M%S%f}"))
        statements = source.export_statements(table, schema, span, place, is_by_hand=True)
        return Plan(table.name, day, [Step(f"Aurora, by hand: export {table.name} {day}", statements)], carried)
    warehouse = open_warehouse()
    target = staging_target(table, warehouse.settings.staging_schema)
    manifest = Manifest(
        table=table.name,
        url=lake.url(lake.manifest(table.name, day)),
        attempt="plan",
        schema=schema,
        window=span,
        snapshot_at=utc_now(),
        source_rows=1,
        parts=(Part(lake.url(lake.part(table.name, day, "plan", 0)), size=1, rows=1),),
        converted={},
        files="parquet" if table.extract == "stream" else "csv",
        rules=rules(table, catalog),
    )
    if table.extract == "stream":
        reading = Step(f"Aurora: read {table.name} {day}", [source.statement(table, schema, span)])
    else:
        place = lake.url(lake.export(table.name, day, "plan")) + "000"
        statements = source.export_statements(table, schema, span, place)
        reading = Step(f"Aurora: count {table.name} {day} and write it to S3", statements)
    steps = [
        reading,
        Step(f"Redshift: before the first load of {target.label}", warehouse_plan.first_load(target, schema)),
        Step(f"Redshift: load {day}", warehouse_plan.load_of(warehouse, target, table.mode, manifest)),
    ]
    return Plan(table.name, day, steps, [*carried, *([_running(table, day)] if day == today else [])])


def _of_file(name: str, day: date) -> Plan | None:
    """Return what a mart or a transform of that name runs; None where there is none."""
    from aurora_dwh.catalog.model import marts_folder, transforms_folder
    from aurora_dwh.settings.config import RedshiftSettings
    from aurora_dwh.transforms.model import read_transforms
    from aurora_dwh.warehouse.dry_run import build_of
    from aurora_dwh.warehouse.marts.model import read_mart

    file = marts_folder() / f"{name}.sql"
    if file.is_file():
        mart, schemas = read_mart(file), RedshiftSettings.from_env().schemas
        kind = mart.header.materialization
        days = (day, day + timedelta(days=1)) if kind == "incremental" else None
        builds = {"build": False} if kind == "view" else {"the first build": True, "each build after it": False}
        steps = [
            Step(f"Redshift: {what} of {schemas['bi']}.{name}", build_of(mart, schemas, days, is_first=is_first))
            for what, is_first in builds.items()
        ]
        return Plan(name, day, steps)
    for one in read_transforms(transforms_folder()):
        if one.name == name:
            read = ", ".join(f"{schema}.{table}" for schema, table in one.inputs)
            loaded = f", and loads it into staging.{one.table.target}" if one.header.staging else ""
            told = f"reads {read}, writes {day} of lake/{name}{loaded} (mode {one.table.mode})"
            steps = [Step(f"DuckDB: compute {name} {day}", [one.sql(day).strip()])] if one.is_sql else []
            return Plan(name, day, steps, [told])
    return None


def _running(table: Table, day: date) -> str:
    """Return what is to be known of the running day's statements."""
    if table.cron:
        return f"{day} is the running day, which today_load reads so at `{table.cron}`; the night reads the whole of it"
    return f"{day} is the running day, which nothing reads before it has ended, with `schedule: {table.schedule}`"
