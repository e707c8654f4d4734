"""A year in a Dagster instance: what it wrote of one run, written once more for each of the days before.

The copies are made in SQL. Each has a run, a day and times of its own, also in the texts of its events, and smaller
ids than the run that was real, which stays the newest. Nothing is pruned: all events of all days are there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, DateTime, Float, MetaData, String, Table, create_engine, func, select, text
from sqlalchemy.engine import Connection

GROWING = ("event_logs", "asset_event_tags", "asset_check_executions", "runs", "run_tags")
"""Tables of Dagster's that have rows of each run."""

REFERENCES = ("event_id", "evaluation_event_storage_id", "materialization_event_storage_id")
"""Their columns that name an event by its id."""


def write(url: str, run: str, day: date, days: int) -> None:
    """Write days before a run into one database of an instance, whose only run it is.

    Args:
        url: The database's address.
        run: The run's id.
        day: The day that it loaded.
        days: How many days there are to be then, with that one.
    """
    engine, tables = create_engine(url), MetaData()
    tables.reflect(engine, only=lambda name, _: name in (*GROWING, "asset_keys"))
    with engine.begin() as connection:
        for name in filter(tables.tables.__contains__, GROWING):
            _repeat(connection, tables.tables[name], tables, run, day, days)
        if "asset_keys" in tables.tables:  # the days of an asset, which the UI keeps when it has counted them
            connection.execute(tables.tables["asset_keys"].update().values(cached_status_data=None))
        connection.execute(text("ANALYZE"))
    engine.dispose()


def copy_logs(folder: Path, run: str, days: int) -> None:
    """Make as many files of single runs as there are days: SQLite has one for each, which the UI opens for its log."""
    for number in range(1, days):
        shutil.copyfile(folder / f"{run}.db", folder / f"{_run_before(run, number)}.db")


def _repeat(connection: Connection, table: Table, tables: MetaData, run: str, day: date, days: int) -> None:
    span = connection.execute(select(func.max(table.c.id))).scalar_one_or_none() or 0
    events = tables.tables.get("event_logs")
    # By then the ids of events were moved: what names them moves as far.
    moved = 0 if events is None else connection.execute(select(func.max(events.c.id))).scalar_one() // days
    steps = {"id": span, **(dict.fromkeys(REFERENCES, moved))}
    up = {name: table.c[name] + step * (days - 1) for name, step in steps.items() if name in table.c}
    connection.execute(table.update().values(up))
    names = [column.name for column in table.c]
    for number in range(1, days):
        values = list(_values(connection, table, steps, (run, _run_before(run, number)), day, number))
        copies = select(*values).where(table.c.id > span * (days - 1))
        connection.execute(table.insert().from_select(names, copies))
    if connection.dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence(table.name, "id")
        connection.execute(select(func.setval(sequence, span * days)))


def _values(
    connection: Connection, table: Table, steps: dict[str, int], runs: tuple[str, str], day: date, number: int
) -> Iterator[ColumnElement[object]]:
    """Yield what each column holds in the copy of some days before."""
    for column in table.c:
        if column.name in steps:
            yield column - steps[column.name] * number
        elif isinstance(column.type, DateTime) and connection.dialect.name == "sqlite":
            yield func.strftime("%Y-%m-%d %H:%M:%f", column, f"-{number} days")
        elif isinstance(column.type, DateTime):
            yield column - timedelta(days=number)
        elif isinstance(column.type, Float):
            yield column - number * 86_400
        elif isinstance(column.type, String):
            of_run = func.replace(column, *runs)
            yield func.replace(of_run, day.isoformat(), (day - timedelta(days=number)).isoformat())
        else:
            yield column


def _run_before(run: str, number: int) -> str:
    """Return the id of the copy of a run some days before."""
    return f"{run[:-12]}{number:012}"
