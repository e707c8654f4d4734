"""Addresses of Amazon's console: where a person looks at the folder or the warehouse that an asset lies in.

Each partition of Regions has a console of its own:
https://docs.aws.amazon.com/general/latest/gr/console-service-quotas.html,
https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/using-govcloud-arns.html,
https://docs.amazonaws.cn/en_us/aws/latest/userguide/endpoints-arns.html.
"""

from __future__ import annotations

import re
from urllib.parse import quote

_CONSOLES = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
"""How the names of a partition's Regions begin -> its console; all others are in the partition `aws`."""

_ENDPOINT = re.compile(
    r"(?P<name>[^.]+)\.[^.]+\.(?P<region>[a-z0-9-]+)\.redshift(?P<serverless>-serverless)?\.amazonaws\.com(\.cn)?"
)


def s3_folder(bucket: str, folder: str, region: str) -> str:
    """Return the console's page of a folder, which is named without the slash at its end."""
    query = f"region={region}&prefix={quote(folder, safe='/')}/&showversions=false"
    return f"{_console(region)}/s3/buckets/{bucket}?{query}"


def redshift_endpoint(host: str) -> str | None:
    """Return the console's page of the cluster or the workgroup behind an endpoint; None where it is not Amazon's."""
    match = _ENDPOINT.fullmatch(host)
    if match is None:
        return None
    if match["serverless"]:
        return redshift_workgroup(match["name"], match["region"])
    return _redshift(match["region"], f"cluster-details?cluster={quote(match['name'], safe='')}")


def redshift_workgroup(name: str, region: str) -> str:
    """Return the console's page of a Serverless workgroup."""
    return _redshift(region, f"serverless-workgroup?workgroup={quote(name, safe='')}")


def _redshift(region: str, page: str) -> str:
    return f"{_console(region)}/redshiftv2/home?region={region}#{page}"


def _console(region: str) -> str:
    host = next((host for start, host in _CONSOLES.items() if region.startswith(start)), "console.aws.amazon.com")
    return f"https://{region}.{host}"
