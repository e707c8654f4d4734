"""Redshift's users and their grants: run once after deploying, from anywhere, over the Data API. Nothing is done twice.

The runs' user is the IAM role's and has no password. QuickSight's reads the marts; its password travels as a digest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.config import Config
from infra.config_file import ConfigError, read_config

BI_USER = "quicksight_reader"
READ = ("staging", "bi")
"""Schemas that marts are made of and in."""


class GrantError(Exception):
    """Redshift refused a statement; the message has the statement without its password, and the reason."""


def quoted(name: str) -> str:
    """Return an identifier in quotes."""
    return '"' + name.replace('"', '""') + '"'


def runner(config: Config) -> str:
    """The database user that Redshift gives to the role of runs."""
    return f"IAMR:{config.name}-run"


def statements(config: Config, *, existing: set[str], bi_password: str | None) -> list[str]:
    """Return the SQL that is still to run.

    Args:
        config: The deployment.
        existing: The users that there are.
        bi_password: The password of QuickSight's user; None where there is no QuickSight.
    """
    user = quoted(runner(config))
    database = quoted(config.warehouse.database)
    known = {name.lower() for name in existing}  # Redshift folds names
    made = [] if runner(config).lower() in known else [f"CREATE USER {user} PASSWORD DISABLE"]
    made.append(f"GRANT CREATE ON DATABASE {database} TO {user}")
    # Whoever makes a table anew gives its grants again, and sees those of others only so:
    # https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_RELATION_PRIVILEGES.html
    made.append(f"ALTER USER {user} SYSLOG ACCESS UNRESTRICTED")
    # And those on columns: https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_COLUMN_PRIVILEGES.html
    made.append(f"GRANT ROLE sys:monitor TO {user}")
    if bi_password is None:
        return made
    digest = hashlib.md5((bi_password + BI_USER).encode(), usedforsecurity=False).hexdigest()
    verb = "ALTER" if BI_USER in known else "CREATE"
    return [
        *made,
        f"{verb} USER {BI_USER} PASSWORD 'md5{digest}'",
        # Whoever makes the marts is who can let others read them, today's and those to come.
        *(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {user}" for schema in READ),
        # Of a late-binding view the schemas that it reads are looked up as whoever reads it, not the tables:
        # https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html
        *(f"GRANT USAGE ON SCHEMA {schema} TO {BI_USER}" for schema in READ),
        f"GRANT SELECT ON ALL TABLES IN SCHEMA bi TO {BI_USER}",
        f"ALTER DEFAULT PRIVILEGES FOR USER {user} IN SCHEMA bi GRANT SELECT ON TABLES TO {BI_USER}",
    ]


class Redshift:
    """Statements over the Data API, as the administrator whose secret Redshift keeps."""

    def __init__(self, config: Config, session: Any) -> None:
        self._client = session.client("redshift-data")
        namespace = session.client("redshift-serverless").get_namespace(namespaceName=config.name)["namespace"]
        self._where = {
            "WorkgroupName": config.name,
            "Database": config.warehouse.database,
            "SecretArn": namespace["adminPasswordSecretArn"],
        }

    def run(self, statement: str) -> list[str]:
        """Run a statement to its end and return the first column of its rows.

        Raises:
            GrantError: Redshift refused it.
        """
        made = self._client.execute_statement(Sql=statement, **self._where)
        while (answer := self._client.describe_statement(Id=made["Id"]))["Status"] not in (
            "FINISHED",
            "FAILED",
            "ABORTED",
        ):
            time.sleep(0.5)
        if answer["Status"] != "FINISHED":
            raise GrantError(f"{statement.split(' PASSWORD')[0]}: {answer.get('Error', answer['Status'])}")
        if not answer.get("HasResultSet"):
            return []
        pages = self._client.get_paginator("get_statement_result").paginate(Id=made["Id"])
        return [row[0]["stringValue"] for page in pages for row in page["Records"]]


def grant(config: Config, session: Any) -> Iterator[str]:
    """Run what is missing, and yield each statement that was run, without its password.

    Args:
        config: The deployment.
        session: A session of boto3.
    """
    password = None
    if config.bi:
        secret = session.client("secretsmanager").get_secret_value(SecretId=f"{config.name}-quicksight")
        password = json.loads(secret["SecretString"])["password"]
    redshift = Redshift(config, session)
    existing = set(redshift.run("SELECT usename FROM pg_user"))
    for statement in statements(config, existing=existing, bi_password=password):
        redshift.run(statement)
        yield statement.split(" PASSWORD")[0]


def main() -> None:
    """Read the configuration, look at which users there are, and run what is missing."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("infra/config.yaml"))
    arguments = parser.parse_args()
    try:
        config = read_config(arguments.config)
        for done in grant(config, boto3.Session(region_name=config.region)):
            sys.stdout.write(f"done: {done}\n")
    except (ConfigError, GrantError, BotoCoreError, ClientError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
