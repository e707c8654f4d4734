"""A database of the stand-in for a module, and the clients' programs with it as their warehouse.

The programs run as processes of their own: their environment, made by `make`, holds other versions than the product's.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redshift_connector

from aurora_dwh.local.lake import LakeServer
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh_tests.services import USER, empty_database

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parents[1] / ".venv-clients"
_numbers = itertools.count(1)


class Warehouse:
    """A database: asked as a client of the stand-in, or past it."""

    def __init__(self, redshift: RedshiftStandIn, database: str) -> None:
        self.redshift = redshift
        self.database = database
        self.connection = redshift_connector.connect(
            host=redshift.host,
            port=redshift.port,
            user=USER,
            password=redshift._password,
            database=database,
            ssl=False,
        )
        self.connection.autocommit = True

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements and return the rows of the last."""
        cursor = self.connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def postgres(self, query: str) -> list[tuple[str | None, ...]]:
        """Ask PostgreSQL behind the stand-in; values are its text."""
        with self.redshift.admin(self.database) as admin:
            return admin.query(query)


@pytest.fixture(scope="module")
def warehouse(redshift: RedshiftStandIn) -> Iterator[Warehouse]:
    with empty_database(redshift, f"clients_{next(_numbers)}") as database:
        redshift.statements.clear()
        made = Warehouse(redshift, database)
        yield made
        made.connection.close()


@pytest.fixture(scope="module")
def run(warehouse: Warehouse, lake_server: LakeServer) -> Callable[..., str]:
    """Runs a program of the clients' environment and returns what it prints."""
    if not (ENVIRONMENT / ".installed").exists():
        raise FileNotFoundError(f"{ENVIRONMENT} has no clients; `make {ENVIRONMENT.name}/.installed` installs them")
    settings = {
        "REDSHIFT_HOST": warehouse.redshift.host,
        "REDSHIFT_PORT": str(warehouse.redshift.port),
        "REDSHIFT_USER": USER,
        "REDSHIFT_PASSWORD": warehouse.redshift._password,
        "REDSHIFT_DATABASE": warehouse.database,
        "AWS_ENDPOINT_URL_S3": lake_server.endpoint_url,
        "AWS_DEFAULT_REGION": lake_server.region,
        "AWS_ACCESS_KEY_ID": lake_server.access_key,
        "AWS_SECRET_ACCESS_KEY": lake_server.secret_key,
        "NO_PROXY": "127.0.0.1",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_", "DBT_"))}

    def run(program: str, *arguments: str, folder: Path = HERE, **more: str) -> str:
        command = [str(ENVIRONMENT / "bin" / program), *arguments]
        environment = inherited | settings | more
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
