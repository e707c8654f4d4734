"""How the embedded servers reach S3, in the place of the IAM roles that the real ones have."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config


@dataclass(frozen=True)
class S3Access:
    """An S3 server and the keys to it.

    Args:
        endpoint_url: the S3 server.
        region: its region name.
        access_key: access key id.
        secret_key: secret access key.
    """

    endpoint_url: str
    region: str
    access_key: str
    secret_key: str


@functools.lru_cache(maxsize=8)
def client(access: S3Access) -> Any:
    """Returns the S3 client for ``access``; boto3's clients may be shared by threads."""
    return boto3.client(
        "s3",
        endpoint_url=access.endpoint_url,
        region_name=access.region,
        aws_access_key_id=access.access_key,
        aws_secret_access_key=access.secret_key,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3}),
    )
