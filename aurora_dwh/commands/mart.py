"""`aurora-dwh mart`: marts tested on rows of one's own, and built from the terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aurora_dwh.commands.arguments import find_named, parse_days
from aurora_dwh.commands.console import FAILED, AsJson, fail, plain, read_dotenv_of, register, say_json, work
from aurora_dwh.commands.output import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aurora_dwh.warehouse.connection import Warehouse
    from aurora_dwh.warehouse.marts.cases import Cases
    from aurora_dwh.warehouse.marts.trial import Outcome

app = typer.Typer(no_args_is_help=True, help="Test marts on rows of your own, and build them.")


def complete_mart(context: typer.Context, incomplete: str) -> list[str]:
    """Return the marts whose names begin so."""
    from aurora_dwh.catalog.model import marts_folder

    read_dotenv_of(context)
    return sorted(file.stem for file in marts_folder().glob("*.sql") if file.stem.startswith(incomplete))


def try_marts(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...", help="Marts; without it, all that have a test file.", autocompletion=complete_mart
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build marts from the rows of their test files and compare; say row by row what differs.

    A mart's test file is NAME.test.yaml beside NAME.sql; docs/marts.md shows one. An embedded warehouse is started for
    it and removed again: yours is not asked, and no setting is needed but the catalog's.
    """
    from aurora_dwh.catalog.model import marts_folder
    from aurora_dwh.warehouse.marts.cases import cases_file, read_cases
    from aurora_dwh.warehouse.marts.model import read_mart
    from aurora_dwh.warehouse.marts.trial import try_case

    files = _tested(marts_folder(), names or [])
    found = [read_cases(read_mart(file), cases_file(file)) for file in files]
    tried: list[tuple[Cases, Outcome]] = []
    with work("Starting a warehouse", sum(len(one.cases) for one in found)) as advance, _warehouse() as warehouse:
        for cases in found:
            for case in cases.cases:
                tried.append((cases, try_case(warehouse, cases, case)))
                advance(f"Tried {cases.mart.name}")
    if as_json:
        say_json([_plain(cases, outcome) for cases, outcome in tried])
    else:
        _say_outcomes(tried)
    if not all(outcome.is_good for _, outcome in tried):
        raise typer.Exit(FAILED)


def build_mart(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A mart.", autocompletion=complete_mart)],
    day: Annotated[
        str | None,
        typer.Option(metavar="A|A...B", help="Of an incremental mart: a day, YYYY-MM-DD, or each day of a range."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build the mart NAME in the warehouse now, from what is in staging; print its rows and checks.

    It is a run of Dagster's in this process, kept in the instance that DAGSTER_HOME names, so that the asset's page
    shows it and no sensor builds it again. Where the project has a `key_prefix`, materialize the asset there instead.
    """
    from aurora_dwh.catalog.model import Catalog, marts_folder
    from aurora_dwh.definitions import defs
    from aurora_dwh.orchestration.runs import materialize
    from aurora_dwh.warehouse.marts.model import read_mart

    catalog = Catalog.load()
    marts = {file.stem: file for file in marts_folder().glob("*.sql")}
    mart = read_mart(_find(marts, name))
    days, kind = parse_days(day, catalog), mart.header.materialization
    if (kind == "incremental") != bool(days):
        reason = f"{name} is a {kind}, of which no day is built alone; leave it out"
        if not days:
            reason = f"{name} is built by days; name one, or a range as 2024-01-05...2024-01-07"
        raise typer.BadParameter(reason, param_hint="--day")
    with work(f"Building bi/{name}", None):
        done = materialize(defs(), "bi", name, days)
    if as_json:
        checks = [
            {
                "name": one.check_name,
                "passed": one.passed,
                "description": one.description or "",
                "figures": {name: value.value for name, value in one.metadata.items()},
            }
            for one in done.checks
        ]
        say_json({"mart": name, "days": [one.isoformat() for one in days], "run": done.run_id, "checks": checks})
        return
    for one in done.checks:
        colour = typer.colors.GREEN if one.passed else typer.colors.YELLOW
        say(plain(f"bi/{name}: {one.check_name}: {one.description or ''}"), colour=colour)


def _tested(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the files of the marts that are to be tested; raises BadParameter where a name is no mart's."""
    from aurora_dwh.core.spelling import near_match
    from aurora_dwh.warehouse.marts.cases import SUFFIX, cases_file

    marts = {file.stem: file for file in sorted(folder.glob("*.sql"))}
    tests = [file.name for file in sorted(folder.glob(f"*{SUFFIX}"))]
    for stray in (one for one in tests if one.removesuffix(SUFFIX) not in marts):
        near = near_match(stray, [f"{name}{SUFFIX}" for name in marts])
        fail(f"{stray}: beside it is no mart of that name{near or '; call it as the file of its mart'}")
    files = [_find(marts, name) for name in names] or [f for f in marts.values() if cases_file(f).exists()]
    if lacking := [file.stem for file in files if not cases_file(file).exists()]:
        fail(f"{', '.join(lacking)}: no test; write {cases_file(marts[lacking[0]])}, as docs/marts.md shows")
    if not files:
        fail(f"no mart in {folder} has a test; write NAME{SUFFIX} beside NAME.sql, as docs/marts.md shows")
    return files


def _find(marts: dict[str, Path], name: str) -> Path:
    """Return the file of a mart; raises BadParameter where there is none of that name."""
    return find_named(marts, name, "is no mart", hint="NAME")


@contextmanager
def _warehouse() -> Iterator[Warehouse]:
    """Give an embedded warehouse of our own, in a folder that is removed with all that is in it."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from pydantic import SecretStr

    from aurora_dwh.local.processes import random_secret
    from aurora_dwh.local.redshift import RedshiftStandIn
    from aurora_dwh.settings.config import RedshiftSettings
    from aurora_dwh.warehouse.connection import Warehouse

    user, password, database = "aurora_dwh", random_secret(), "dev"
    with TemporaryDirectory(prefix="aurora-dwh-mart-") as folder:
        server = RedshiftStandIn(Path(folder), s3=None, user=user, password=password, database=database)
        try:
            server.start()
            yield Warehouse(
                RedshiftSettings(
                    database=database,
                    host=server.host,
                    port=server.port,
                    user=user,
                    password=SecretStr(password),
                    tls="disabled",
                )
            )
        finally:
            server.remove()


def _say_outcomes(tried: Sequence[tuple[Cases, Outcome]]) -> None:
    for cases, outcome in tried:
        lead = plain(f"{cases.file}: {outcome.case}")
        if outcome.is_good:
            say(f"{lead}: as expected", colour=typer.colors.GREEN)
        for what in (outcome.error, *map(str, outcome.differences)):
            if what:
                say(f"{lead}: {plain(what)}", colour=typer.colors.RED)
    good = sum(outcome.is_good for _, outcome in tried)
    typer.echo(f"{good} of {len(tried)} cases as expected")


def _plain(cases: Cases, outcome: Outcome) -> dict[str, Any]:
    return {
        "mart": cases.mart.name,
        "file": cases.file,
        "case": outcome.case,
        "passed": outcome.is_good,
        "rows": outcome.rows,
        "error": outcome.error or None,
        "differences": [
            {
                "kind": one.kind,
                "row": {name: _value(value) for name, value in one.row.items()},
                **(
                    {"column": one.column, "expected": _value(one.expected), "found": _value(one.found)}
                    if one.column
                    else {}
                ),
            }
            for one in outcome.differences
        ],
    }


def _value(value: Any) -> Any:
    """Return a value as JSON has it: numbers, truth, nothing and texts as themselves, all others as text."""
    from aurora_dwh.warehouse.marts.trial import shown

    return value if value is None or isinstance(value, bool | int | float | str) else shown(value)


register(
    app,
    try_marts,
    name="test",
    examples=("aurora-dwh mart test", "aurora-dwh mart test daily_sales", "aurora-dwh mart test daily_sales --json"),
    failed="a mart is not as expected, or could not be built",
)
register(
    app,
    build_mart,
    name="run",
    examples=("aurora-dwh mart run daily_sales", "aurora-dwh mart run daily_page_views --day 2024-01-05...2024-01-07"),
    failed="the mart could not be built, or a check failed",
)
