"""The few calls of AWS that settings need: a secret, a database token, clients of S3, QuickSight and SNS.

boto3 is loaded at the first call. Each call has a session of its own: boto3's default session is not safe to share
between threads. What all of them share is what botocore knows of AWS' services, which takes longer to read than most
calls take; keys they do not share, so that each client begins with those that there are then. A client that is refused
for its keys looks them up anew. Errors name the secret or the service and never carry what was fetched.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from aurora_dwh.core import retries
from aurora_dwh.core.waiting import waiting
from aurora_dwh.settings.environment import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECT_SECONDS = 10
READ_SECONDS = 60
"""How long one attempt waits for a connection, and for the next bytes of an answer."""


_REFUSED_KEYS = frozenset(
    {
        "403",  # what S3 says to HEAD, whose answers have no text
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""Codes of services for a request whose keys they do not know or know no more."""

_LOOKED_UP = "aurora_dwh_looked_up"


def fetch_secret(secret_id: str, region: str | None) -> dict[str, Any]:
    """Return a Secrets Manager secret that holds `username` and `password`.

    Raises:
        ConfigError: It cannot be read, or is not what a database secret should be.
    """
    try:
        secret = json.loads(fetch_text(secret_id, region))
    except ValueError:
        secret = None
    if not isinstance(secret, dict) or not {"username", "password"} <= secret.keys():
        raise ConfigError([f"secret {secret_id!r} is not JSON with username and password"])
    return secret


def fetch_text(secret_id: str, region: str | None) -> str:
    """Return a Secrets Manager secret as it is, empty where it holds bytes; raises ConfigError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = _client(region, "secretsmanager").get_secret_value(SecretId=secret_id)
    except (BotoCoreError, ClientError) as error:
        raise ConfigError([f"secret {secret_id!r} cannot be read: {error}"]) from None
    return str(answer.get("SecretString", ""))


def database_token(host: str, port: int, user: str, region: str | None) -> str:
    """Return a token that opens a connection to Aurora within the next 15 minutes; raises ConfigError."""
    from botocore.exceptions import BotoCoreError

    try:
        token: str = _session(region).client("rds").generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
    except BotoCoreError as error:
        raise ConfigError([f"AURORA_IAM_AUTH: no token can be made: {error}"]) from None
    return token


def s3_client(endpoint: str | None, region: str | None, sse: str | None = None) -> Any:
    """Return an S3 client that tries failed requests again; a server other than Amazon's is spoken to path-style.

    Args:
        endpoint: The address of a server other than Amazon's.
        sse: How each object is to be encrypted: an algorithm of S3's, or the ARN of a KMS key; None as the bucket says.
    """
    config = _config(s3={"addressing_style": "path" if endpoint else "auto"})
    client = _told(_session(region).client("s3", endpoint_url=endpoint, config=config))
    if sse is not None:
        is_key = sse.startswith("arn:")
        asked = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": sse} if is_key else {"ServerSideEncryption": sse}
        for call in ("PutObject", "CreateMultipartUpload"):
            client.meta.events.register(f"provide-client-params.s3.{call}", lambda params, **_: {**params, **asked})
    return client


def quicksight_client(region: str | None) -> Any:
    """Return a QuickSight client that tries failed requests again; raises ConfigError without a Region."""
    return _regional(
        region, "quicksight", "QuickSight: set `region` in the catalog's section quicksight, or AWS_REGION"
    )


def glue_client(region: str | None) -> Any:
    """Return a Glue client that tries failed requests again; raises ConfigError without a Region."""
    return _regional(region, "glue", "LAKE_GLUE_DATABASE: set AWS_REGION, the Region of the Glue Data Catalog")


def sns_client(region: str) -> Any:
    """Return an SNS client that sends a request once, and waits no longer for its answer than for its connection."""
    once = _config(attempts=retries.ALERT.attempts, read_timeout=CONNECT_SECONDS)
    return _told(_session(region).client("sns", config=once))


def _regional(region: str | None, service: str, remedy: str) -> Any:
    """Return a client of a service that has no address without a Region; where none is known, the remedy is told."""
    from botocore.exceptions import NoRegionError

    try:
        return _client(region, service)
    except NoRegionError:
        raise ConfigError([remedy]) from None


def _client(region: str | None, service: str) -> Any:
    return _told(_session(region).client(service, config=_config()))


def _told(client: Any) -> Any:
    """Return a client that says what is waited for where an answer, with all its attempts, takes long."""
    call, service = client._make_api_call, client.meta.service_model.service_id

    def make_call(operation: str, arguments: Any) -> Any:
        with waiting(f"{service}'s answer to {operation}"):
            return call(operation, arguments)

    client._make_api_call = make_call
    return client


def _session(region: str | None) -> Any:
    import boto3
    from botocore.session import Session

    core = Session()
    core.register_component("data_loader", _models())
    core.register("needs-retry", _with_keys_of_now(core))
    return boto3.Session(botocore_session=core, region_name=region)


def _with_keys_of_now(core: Any) -> Callable[..., float | None]:
    """Return what has a request that was refused for its keys signed and sent once more with those that there are now.

    botocore keeps the keys of a credentials file for the client's life, however often the file is rotated. Those that
    expire, as a role's, it fetches anew by itself.
    """
    from botocore.credentials import Credentials
    from botocore.session import Session

    def renew(request_dict: dict[str, Any], response: Any = None, **_: Any) -> float | None:
        code = response and response[1].get("Error", {}).get("Code")
        context, held = request_dict["context"], core.get_credentials()
        if code not in _REFUSED_KEYS or _LOOKED_UP in context or type(held) is not Credentials:
            return None
        context[_LOOKED_UP] = True  # and not whether the keys differ: another thread may have renewed them meanwhile
        found = Session().get_credentials()
        if found is None:
            return None
        now = found.get_frozen_credentials()
        held.access_key, held.secret_key, held.token = now.access_key, now.secret_key, now.token
        return 0.0

    return renew


@cache
def _models() -> Any:
    """Return what reads and keeps the descriptions of services that come with botocore."""
    from botocore.loaders import create_loader

    return create_loader()


def _config(*, attempts: int | None = None, **more: Any) -> Any:
    """Return how a client of AWS tries again and when it gives up."""
    from botocore.config import Config

    tries = {"mode": "standard", "total_max_attempts": attempts or retries.REQUEST.attempts}
    return Config(**{"retries": tries, "connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, **more})
