"""Where each asset's data lie, as far as the settings say so when the definitions are loaded.

Names are put together and nothing is asked; a variable that is missing leaves an address out, and is an error only
when a run needs it. Each partition of Regions has a console of its own:
https://docs.aws.amazon.com/general/latest/gr/console-service-quotas.html,
https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/using-govcloud-arns.html,
https://docs.amazonaws.cn/en_us/aws/latest/userguide/endpoints-arns.html.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from dagster import MetadataValue

from aurora_dwh.lake.layout import Layout
from aurora_dwh.settings.config import MYSQL_PORT, AuroraSettings, LakeSettings, RedshiftSettings, aws_region
from aurora_dwh.settings.environment import ConfigError, Environment
from aurora_dwh.settings.servers import ENVIRONMENT, Servers

Settings = TypeVar("Settings")

_CONSOLES = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
"""How the names of a partition's Regions begin -> its console; all others are in the partition `aws`."""

_ENDPOINT = re.compile(
    r"(?P<name>[^.]+)\.[^.]+\.(?P<region>[a-z0-9-]+)\.redshift(?P<serverless>-serverless)?\.amazonaws\.com(\.cn)?"
)


@dataclass(frozen=True)
class Addresses:
    """The three places between which tables are copied."""

    source: str | None  # `mysql://host:port/database`, None where it is not known
    layout: Layout | None  # the lake's layout, None where it is not known
    warehouse: str | None  # `redshift://host/database`, None where it is not known
    database: str | None  # Redshift's database, None where it is not known
    schemas: Mapping[str, str]  # what the schemas that marts name are called in this warehouse
    # the Region of the lake's bucket; None where it is not known, or the lake is not Amazon's S3
    s3_region: str | None = None
    # the warehouse's page in Amazon's console; None where it is not known, or is not Amazon's
    redshift_page: str | None = None
    glue: str | None = None  # the database of Glue in which Athena finds the lake's tables, None where there is none

    @staticmethod
    def from_env(environ: Mapping[str, str] | None = None) -> Addresses:
        """Read what the variables say."""
        env, region = Environment(os.environ if environ is None else environ), aws_region(environ)
        bucket, prefix = env.s3_uri("LAKE_URI")
        aurora = AuroraSettings(
            database=env.text("AURORA_DATABASE") or "", host=env.text("AURORA_HOST"), port=env.port("AURORA_PORT")
        )
        lake = LakeSettings(
            bucket=bucket,
            prefix=prefix,
            endpoint=env.text("AWS_ENDPOINT_URL_S3") or env.text("AWS_ENDPOINT_URL"),
            region=region,
            glue_database=env.text("LAKE_GLUE_DATABASE"),
        )
        redshift = RedshiftSettings(
            database=env.text("REDSHIFT_DATABASE") or "",
            host=env.text("REDSHIFT_HOST"),
            workgroup=env.text("REDSHIFT_WORKGROUP"),
            region=region,
            staging_schema=env.text("REDSHIFT_STAGING_SCHEMA") or "staging",
            bi_schema=env.text("REDSHIFT_BI_SCHEMA") or "bi",
        )
        return Addresses._of(aurora, lake, redshift)

    @staticmethod
    def of(servers: Servers) -> Addresses:
        """Return the places that settings name; what a function cannot say now is left out."""
        if servers == ENVIRONMENT:
            return Addresses.from_env()
        return Addresses._of(
            _known(servers.source) or AuroraSettings(database=""),
            _known(servers.lake) or LakeSettings(bucket=""),
            _known(servers.warehouse) or RedshiftSettings(database=""),
        )

    @staticmethod
    def _of(aurora: AuroraSettings, lake: LakeSettings, redshift: RedshiftSettings) -> Addresses:
        """Return the places of settings, which may lack anything."""
        source, host = aurora.database, redshift.host or redshift.workgroup
        return Addresses(
            source=f"mysql://{aurora.host}:{aurora.port or MYSQL_PORT}/{source}" if aurora.host and source else None,
            layout=Layout(lake.bucket, lake.prefix, source) if lake.bucket and source else None,
            warehouse=f"redshift://{host}/{redshift.database}" if host and redshift.database else None,
            database=redshift.database or None,
            schemas=redshift.schemas,
            s3_region=None if lake.endpoint else lake.region,
            redshift_page=_redshift_page(redshift.host, redshift.workgroup, redshift.region),
            glue=lake.glue_database,
        )

    def of_source(self, table: str) -> dict[str, Any]:
        """Return the metadata that say where a table of the source lies."""
        return {"dagster/uri": f"{self.source}/{quote(table, safe='')}"} if self.source else {}

    def of_lake(self, table: str) -> dict[str, Any]:
        """Return the metadata that say where a table's days lie in the lake."""
        if self.layout is None:
            return {}
        folder = self.layout.table(table)
        page = _s3_page(self.layout.bucket, folder, self.s3_region) if self.s3_region else None
        return {"dagster/uri": self.layout.url(folder) + "/", **_console(page)}

    def of_warehouse(self, schema: str, name: str) -> dict[str, Any]:
        """Return the metadata that say where a table lies in Redshift, in `staging` or `bi`."""
        called = self.schemas[schema]
        full = ".".join(part for part in (self.database, called, name) if part)
        uri = {"dagster/uri": f"{self.warehouse}/{called}/{quote(name, safe='')}"} if self.warehouse else {}
        return {"dagster/table_name": full, **uri, **_console(self.redshift_page)}


def _console(page: str | None) -> dict[str, Any]:
    return {"console": MetadataValue.url(page)} if page else {}


def _s3_page(bucket: str, folder: str, region: str) -> str:
    """Return the console's page of a folder, which is named without the slash at its end."""
    query = f"region={region}&prefix={quote(folder, safe='/')}/&showversions=false"
    return f"{_origin(region)}/s3/buckets/{bucket}?{query}"


def _redshift_page(host: str | None, workgroup: str | None, region: str | None) -> str | None:
    """Return the console's page of a cluster or a Serverless workgroup; None where it is not Amazon's."""
    kind, name = "workgroup", workgroup
    if host:
        match = _ENDPOINT.fullmatch(host)
        if match is None:
            return None
        kind, name, region = "workgroup" if match["serverless"] else "cluster", match["name"], match["region"]
    if not (name and region):
        return None
    page = {"workgroup": "serverless-workgroup", "cluster": "cluster-details"}[kind]
    return f"{_origin(region)}/redshiftv2/home?region={region}#{page}?{kind}={quote(name, safe='')}"


def _origin(region: str) -> str:
    host = next((host for start, host in _CONSOLES.items() if region.startswith(start)), "console.aws.amazon.com")
    return f"https://{region}.{host}"


def _known(ask: Callable[[], Settings]) -> Settings | None:
    try:
        return ask()
    except ConfigError:
        return None
