"""What a command's arguments name: tables of the catalog, days, and how a shell completes them."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from aurora_dwh.commands.console import read_dotenv_of
from aurora_dwh.core.days import between
from aurora_dwh.core.spelling import near_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_dwh.catalog.model import Catalog, Table

T = TypeVar("T")

RANGE = "..."
"""What stands between the first and the last day of a range, as in Dagster's own `--partition-range`."""


def complete_table(context: typer.Context, incomplete: str) -> list[str]:
    """Return the catalog's tables that begin so; none where the catalog cannot be read."""
    from aurora_dwh.catalog.model import Catalog, CatalogError

    read_dotenv_of(context)
    try:
        return sorted(name for name in Catalog.load().tables if name.startswith(incomplete))
    except CatalogError:
        return []


OneTable = Annotated[
    str, typer.Argument(metavar="TABLE", help="A table of the catalog.", autocompletion=complete_table)
]
OptionalTable = Annotated[
    str | None,
    typer.Argument(
        metavar="TABLE",
        help="A table of the catalog, or a pattern such as 'sales_*' in quotes; without it, all of them.",
        autocompletion=complete_table,
    ),
]
Day = Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="The day; without it, yesterday.")]
Days = Annotated[
    str | None,
    typer.Option(metavar="A|A...B", help="A day, YYYY-MM-DD, or each day of a range; without it, all rows at once."),
]


def find_table(catalog: Catalog, name: str) -> Table:
    """Return the table of that name; raises BadParameter, which offers near names, where there is none."""
    return find_named(catalog.tables, name, "is not in the catalog", hint="TABLE")


def find_named(known: Mapping[str, T], name: str, refusal: str, *, hint: str) -> T:
    """Return what has that name.

    Args:
        refusal: What is said of a name that is not known.
        hint: The parameter that the name was given for.

    Raises:
        BadParameter: It is not known; the message offers names that are near.
    """
    if name in known:
        return known[name]
    near = near_words(name, known, n=3) or sorted(known)[:5]
    raise typer.BadParameter(f"{name!r} {refusal}; did you mean {', '.join(near)}?", param_hint=hint)


def find_loaded(catalog: Catalog, name: str) -> Table:
    """Return the table, of the catalog or a transform, that is loaded into Redshift; raises as `find_table`."""
    from aurora_dwh.catalog.model import transforms_folder
    from aurora_dwh.transforms.model import read_transforms

    if name not in catalog.tables:
        for one in read_transforms(transforms_folder()):
            if one.name == name and one.header.staging:
                return one.table
    return find_table(catalog, name)


def find_tables(catalog: Catalog, name: str | None) -> list[Table]:
    """Return the table of that name, those whose names a pattern is of, or all where none is named.

    Raises:
        BadParameter: The catalog has none of that name or pattern; the message offers names that are near.
    """
    if not name:
        return list(catalog.tables.values())
    found = [table for table in catalog.tables.values() if fnmatchcase(table.name, name)]
    return [catalog.tables[name]] if name in catalog.tables else found or [find_table(catalog, name)]


def parse_day(text: str, catalog: Catalog) -> date:
    """Return a day; raises BadParameter where the text is none, or lies before the catalog's first."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write it as YYYY-MM-DD", param_hint="--day") from None
    if day < catalog.start_date:
        reason = f"{day} lies before the catalog's start_date {catalog.start_date}, whose partition holds all before it"
        raise typer.BadParameter(reason, param_hint="--day")
    return day


def parse_days(text: str | None, catalog: Catalog) -> list[date]:
    """Return the days of `A` or `A...B`, both included, none where nothing is named; raises BadParameter."""
    return [] if text is None else parse_range(text, lambda day: parse_day(day, catalog), hint="--day")


def parse_range(text: str, parse: Callable[[str], date], *, hint: str) -> list[date]:
    """Return the days of `A` or `A...B`, both included.

    Args:
        parse: Reads one day; what it raises is raised.

    Raises:
        BadParameter: The range ends before it begins.
    """
    first, is_range, last = text.partition(RANGE)
    start = parse(first)
    end = parse(last) if is_range else start
    if end < start:
        raise typer.BadParameter(f"{text!r} ends before it begins", param_hint=hint)
    return between(start, end)
