"""`aurora-dwh`: the command line. A command is a module of `commands` and one line here."""

from __future__ import annotations

import typer

from aurora_dwh.commands import discover, doctor, local, plan, rebuild, verify
from aurora_dwh.commands.speech import speak_plainly

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks show the values of variables, secrets among them
    help="Copies Amazon Aurora MySQL through S3 into Amazon Redshift, day by day.",
)
app.command("discover")(speak_plainly(discover.discover))
app.command("doctor")(speak_plainly(doctor.doctor))
app.command("plan")(speak_plainly(plan.plan))
app.command("rebuild")(speak_plainly(rebuild.rebuild))
app.command("verify")(speak_plainly(verify.verify))
app.add_typer(local.app, name="local")
