"""Sets up a new source, inside its network: the sample shop, and the user that the platform reads it with.

Run once as an ECS task, by the command that the platform stack prints. Living the shop again changes nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date, timedelta
from typing import Any

import pymysql

from aurora_dwh.local import shop
from aurora_dwh.settings.aws import fetch_secret
from aurora_dwh.source.quoting import granted


def set_up(connection: pymysql.Connection[Any], *, user: str, password: str, database: str, export: bool) -> None:
    """Make the reading user, with no more than it needs, or bring it to that state.

    Args:
        connection: An administrator's.
        user: The user to read with.
        password: Its password.
        database: The database that it may read.
        export: Whether it may write query results to S3, which is Aurora's own privilege.
    """
    with connection.cursor() as cursor:
        cursor.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", (user, password))
        cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", (user, password))
        all_of_it = granted(database).replace("%", "%%")
        cursor.execute(f"GRANT SELECT, SHOW VIEW ON {all_of_it} TO %s@'%%'", (user,))
        cursor.execute("GRANT PROCESS ON *.* TO %s@'%%'", (user,))  # to see who waits for a table that is read
        if export:
            cursor.execute("GRANT AWS_SELECT_S3_ACCESS TO %s@'%%'", (user,))
    connection.commit()


def main() -> None:
    """Read where and who from the environment, and set up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=date.fromisoformat, default=shop.START, help="first day of the shop's life")
    parser.add_argument("--last", type=date.fromisoformat, help="last day; default: yesterday")
    arguments = parser.parse_args()
    admin, reader = (fetch_secret(os.environ[name], None) for name in ("SEED_ADMIN_SECRET", "AURORA_SECRET_ID"))
    last = arguments.last or date.today() - timedelta(days=1)  # noqa: DTZ011 - a day more or less is no matter
    database = os.environ["AURORA_DATABASE"]
    with pymysql.connect(
        host=os.environ["SEED_HOST"],
        user=admin["username"],
        password=admin["password"],
        database=database,
        ssl_ca=os.environ["AURORA_TLS"],
        ssl_verify_identity=True,
    ) as connection:
        set_up(connection, user=reader["username"], password=reader["password"], database=database, export=True)
        shop.create(connection)
        for table, rows in shop.live(connection, first=arguments.first, last=last).items():
            sys.stdout.write(f"{table}: {rows} rows written\n")


if __name__ == "__main__":
    main()
