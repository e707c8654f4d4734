"""`aurora-dwh dagster`: Dagster's own command line, in the environment of a target."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

EXAMPLES = ("aurora-dwh dagster dev", "aurora-dwh --target prod dagster dev --port 3001")

_SUPERSEDED = "ignore:Function `"
"""Of each of its commands Dagster 1.13 says that one of `dg` is to take its place; not all of them are there yet."""


def dagster(
    arguments: Annotated[list[str], typer.Argument(metavar="ARGUMENT...", help="A command of Dagster's, and its own.")],
) -> None:
    """Run a command of Dagster with what .env says, or .env.NAME where a target was chosen.

    Dagster itself reads .env alone. DAGSTER_HOME belongs into the file, too: each target has a history of its own.
    """
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), _SUPERSEDED]))
    os.execv(sys.executable, [sys.executable, "-m", "dagster", *arguments])  # noqa: S606 - no shell is wanted
