"""`aurora-dwh init`: a project of one's own, from a database to a folder in which `dagster dev` works."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import available_timezones

import typer

from aurora_dwh.commands.console import FAILED, MISUSED, fail
from aurora_dwh.commands.output import is_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_dwh.catalog.model import Catalog, Table

EXAMPLES = (
    "aurora-dwh init shop",
    "aurora-dwh init shop --source mysql://reader@127.0.0.1:3306/shop --lake embedded --warehouse embedded",
    "aurora-dwh init shop --lake s3://my-bucket/lake --warehouse redshift-serverless://my-workgroup/dev",
    "aurora-dwh init shop --tables 'sales_*'",
)

EMBEDDED = "embedded"

_KEPT = ("AURORA_", "REDSHIFT_", "LAKE_", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_PROFILE")
"""Variables of the environment that a project keeps in its `.env`; AWS's own credentials stay where they are."""

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The project's folder. Default: the current one.")]
SourceUrl = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="URL",
        help="mysql://user@host:port/database. Default: the AURORA_* variables, or a question.",
    ),
]
LakeUrl = Annotated[
    str | None,
    typer.Option("--lake", metavar="URL", help="s3://bucket/prefix, or `embedded`. Default: LAKE_URI, or embedded."),
]
WarehouseUrl = Annotated[
    str | None,
    typer.Option(
        "--warehouse",
        metavar="URL",
        help="redshift://user@host:port/database, redshift-serverless://workgroup/database (by IAM), or `embedded`. "
        "Default: the REDSHIFT_* variables, or embedded.",
    ),
]
Zone = Annotated[
    str | None,
    typer.Option(metavar="ZONE", help="The zone at whose midnight days are cut. Default: the database's, or UTC."),
]
Tables = Annotated[
    str | None,
    typer.Option(metavar="PATTERN", help="Only the tables and views of such names, as 'sales_*'. Default: all."),
]
Tls = Annotated[
    str | None, typer.Option(metavar="TLS", help="As AURORA_TLS: verify, disabled, or a file of certificates.")
]


def init(
    folder: Folder = Path(),
    source: SourceUrl = None,
    lake: LakeUrl = None,
    warehouse: WarehouseUrl = None,
    zone: Zone = None,
    tables: Tables = None,
    tls: Tls = None,
) -> None:
    """Write a project of your own: a catalog of your database's tables, a first mart, and what Dagster needs.

    Source, lake and warehouse are tried first, and nothing is written where one of them does not answer. What no option
    and no variable says is asked for in a terminal. Passwords are asked for too, or taken from AURORA_PASSWORD and
    REDSHIFT_PASSWORD; AURORA_SECRET_ID and REDSHIFT_SECRET_ID name secrets instead. Without AWS the lake and the
    warehouse are embedded servers on this machine, which are started and go on.
    """
    folder = folder.resolve()
    answers = _Answers(asks=is_terminal(sys.stdin) and is_terminal(sys.stdout))
    if zone is not None and zone not in available_timezones():
        raise typer.BadParameter(
            f"{zone!r} is not a time zone; write an IANA name such as Asia/Tokyo", param_hint="--zone"
        )
    _refuse_existing(folder, ["catalog.yaml", ".env", "pyproject.toml", "workspace.yaml", "dagster.yaml"])
    answers.take_source(source, tls)
    embedded = answers.take_lake(lake) + answers.take_warehouse(warehouse)
    os.environ.update(answers.variables)
    _try_source()
    with _started(folder / ".aurora-dwh", embedded) as leading:
        answers.variables |= leading
        _try_servers()
        catalog, table = _discovered(folder / "catalog.yaml", zone, tables)
        _write(folder, catalog, table, answers, embedded)


class _Answers:
    """What the user said, as variables of the environment, which go into `.env`: by options, by it, or when asked."""

    def __init__(self, *, asks: bool) -> None:
        self._asks = asks
        self.variables = {name: value for name, value in sorted(os.environ.items()) if name.startswith(_KEPT) and value}
        self.variables.pop("AURORA_DWH_CATALOG", None)
        self.variables.pop("AURORA_DWH_STATE", None)

    def take_source(self, url: str | None, tls: str | None) -> None:
        """Take the source's address, and ask for what is missing."""
        if url is None and "AURORA_DATABASE" not in self.variables:
            if not self._asks:
                raise typer.BadParameter("name the database: mysql://user@host:port/database", param_hint="--source")
            url = typer.prompt("Source (mysql://user@host:port/database)")
        if url is not None:
            parts = _parsed(url, ("mysql",), "--source", "mysql://user@host:port/database")
            self._set_server("AURORA", parts, default_port=3306)
        if tls is not None:
            self.variables["AURORA_TLS"] = tls
        self._ask_password("AURORA", ("AURORA_PASSWORD", "AURORA_SECRET_ID", "AURORA_IAM_AUTH"))

    def take_lake(self, url: str | None) -> tuple[str, ...]:
        """Take the lake's address; return the parts to embed."""
        url = url or self.variables.get("LAKE_URI") or self._asked("Lake (s3://bucket/prefix)")
        if url == EMBEDDED:
            return ("lake",)
        self.variables["LAKE_URI"] = url
        return ()

    def take_warehouse(self, url: str | None) -> tuple[str, ...]:
        """Take the warehouse's address, and ask for what is missing; return the parts to embed."""
        if url is None and "REDSHIFT_DATABASE" in self.variables:
            return ()
        url = url or self._asked("Warehouse (redshift://user@host:port/database)")
        if url == EMBEDDED:
            return ("warehouse",)
        form = "redshift://user@host:port/database or redshift-serverless://workgroup/database"
        parts = _parsed(url, ("redshift", "redshift-serverless"), "--warehouse", form)
        if parts.scheme == "redshift-serverless":
            self.variables |= {"REDSHIFT_WORKGROUP": str(parts.hostname), "REDSHIFT_DATABASE": _database(parts)}
        else:
            self._set_server("REDSHIFT", parts, default_port=5439)
            self._ask_password("REDSHIFT", ("REDSHIFT_PASSWORD", "REDSHIFT_SECRET_ID"))
        return ()

    def _asked(self, what: str) -> str:
        return str(typer.prompt(what, default=EMBEDDED)) if self._asks else EMBEDDED

    def _set_server(self, prefix: str, parts: SplitResult, *, default_port: int) -> None:
        self.variables |= {
            f"{prefix}_HOST": str(parts.hostname),
            f"{prefix}_PORT": str(parts.port or default_port),
            f"{prefix}_DATABASE": _database(parts),
            **({f"{prefix}_USER": unquote(parts.username)} if parts.username else {}),
        }

    def _ask_password(self, prefix: str, ways: tuple[str, ...]) -> None:
        if any(name in self.variables or name in os.environ for name in ways):
            self.variables |= {name: os.environ[name] for name in ways if name in os.environ}
            return
        if not self._asks:
            raise typer.BadParameter(f"set one of {', '.join(ways)} in the environment", param_hint=prefix)
        user = self.variables.get(f"{prefix}_USER", "the user")
        self.variables[f"{prefix}_PASSWORD"] = typer.prompt(f"Password of {user}", hide_input=True, default="")


def _parsed(url: str, schemes: tuple[str, ...], option: str, form: str) -> SplitResult:
    """Return the parts of an address; it may hold no password, which would stay in the shell's history."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in schemes and parts.hostname and parts.path.strip("/") and (parts.port or True)
    except ValueError:
        whole = False
    if not whole:
        raise typer.BadParameter(f"write {form}", param_hint=option)
    if parts.password is not None:
        raise typer.BadParameter("leave the password out: it is asked for, or a variable holds it", param_hint=option)
    return parts


def _database(parts: SplitResult) -> str:
    return unquote(parts.path.strip("/"))


def _refuse_existing(folder: Path, names: list[str]) -> None:
    if there := [name for name in names if (folder / name).exists()]:
        fail(f"{folder} has {', '.join(there)} already, and is left as it is; name another folder", code=MISUSED)


def _try_source() -> None:
    from aurora_dwh.settings.config import AuroraSettings
    from aurora_dwh.source.connection import open_session

    open_session(AuroraSettings.from_env()).close()


@contextmanager
def _started(state: Path, embedded: tuple[str, ...]) -> Iterator[Mapping[str, str]]:
    """Start the embedded parts, and yield the variables that lead to them; where what follows fails, they end."""
    if not embedded:
        yield {}
        return
    from aurora_dwh.local import stack

    stack.up(state, without=frozenset(stack.PARTS) - set(embedded))
    try:
        leading = stack.environment(state)
        del leading["DAGSTER_HOME"]
        os.environ.update(leading)
        yield leading
    except BaseException:
        stack.down(state)
        raise


def _try_servers() -> None:
    """Try lake and warehouse; end the command where one does not do what a load needs of it."""
    from aurora_dwh.commands.doctor import lake as of_lake
    from aurora_dwh.commands.doctor import say_checks
    from aurora_dwh.commands.doctor import warehouse as of_warehouse
    from aurora_dwh.commands.doctor.check import Attempts

    run = Attempts(lambda _: None)
    bucket = of_lake.check(run)
    of_warehouse.check(run, None, bucket)
    if any(check.state == "failed" for check in run.checks):
        say_checks(run.checks)
        raise typer.Exit(FAILED)


def _discovered(path: Path, zone: str | None, pattern: str | None) -> tuple[Catalog, Table]:
    """Write the catalog, and return it with a table for the example: one that is copied by days, where there is any."""
    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.commands.discover import add_tables
    from aurora_dwh.settings.config import AuroraSettings

    file, say = add_tables(AuroraSettings.from_env(), path, zone=zone, pattern=pattern)
    if not file.tables:
        say()
        fail("the database has no table that can be copied")
    file.save()
    say()
    catalog = Catalog.load(path)
    ranks = {"incremental": 0, "append": 1, "full": 2}
    return catalog, min(catalog.tables.values(), key=lambda table: (ranks[table.mode], table.name))


def _write(folder: Path, catalog: Catalog, table: Table, answers: _Answers, embedded: tuple[str, ...]) -> None:
    from aurora_dwh.commands import scaffold
    from aurora_dwh.orchestration.assets.names import asset_name

    own = {"AURORA_DWH_CATALOG": "catalog.yaml", "DAGSTER_HOME": str(folder)}
    project = scaffold.Project(
        folder=folder,
        database=answers.variables["AURORA_DATABASE"],
        table=table.name,
        target=table.target,
        asset=asset_name(table.name),
        start=catalog.start_date,
        variables=own | answers.variables,
        embedded=embedded,
    )
    for name in scaffold.write(project):
        typer.echo(f"wrote {name}")
    typer.echo(f"\nGo on with: cd {folder} && dagster dev")
