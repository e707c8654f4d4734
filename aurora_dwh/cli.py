"""`aurora-dwh`: the command line. A command is a module of `commands` and one line here."""

from __future__ import annotations

from typing import Annotated

import typer

from aurora_dwh.commands import (
    dagster,
    discover,
    doctor,
    init,
    lake,
    local,
    mart,
    plan,
    proof,
    prune,
    purge,
    rebuild,
    verify,
)
from aurora_dwh.commands.console import read_dotenv, register, speak_plainly, stop_on_sigterm
from aurora_dwh.commands.output import Program

app = Program(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks show the values of variables, secrets among them
    help="Copies Amazon Aurora MySQL through S3 into Amazon Redshift, day by day.",
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"aurora-dwh {version('aurora-dwh')}")
        raise typer.Exit


@app.callback()
def begin(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_say_version, is_eager=True)
    ] = False,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="Read .env.NAME instead of .env; goes before the command.")
    ] = None,
) -> None:
    """Prepare for any command."""
    stop_on_sigterm()
    speak_plainly(read_dotenv)(target)


register(app, init.init, examples=init.EXAMPLES)
register(app, discover.discover, examples=discover.EXAMPLES)
register(app, doctor.doctor, examples=doctor.EXAMPLES, failed="a check failed")
register(app, plan.plan, examples=plan.EXAMPLES)
register(app, verify.verify, examples=verify.EXAMPLES, failed="a table differs or could not be compared")
register(app, proof.proof, examples=proof.EXAMPLES, failed="a table differed when it was last proven")
register(app, rebuild.rebuild, examples=rebuild.EXAMPLES)
register(app, purge.purge, examples=purge.EXAMPLES)
register(app, prune.prune, examples=prune.EXAMPLES)
register(app, dagster.dagster, examples=dagster.EXAMPLES, failed="as Dagster has it", keeps_options=True)
app.add_typer(lake.app, name="lake")
app.add_typer(mart.app, name="mart")
app.add_typer(local.app, name="local")
