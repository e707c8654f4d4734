"""What `doctor` checks of the lake: objects can be written, read, guarded and deleted; the bucket is not open."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from aurora_dwh.commands.doctor.check import SETTINGS_REMEDY, Attempts, Check, State, clock_check, ok_or_warning
from aurora_dwh.lake.athena import GLUE_ACTIONS
from aurora_dwh.lake.factory import open_glue
from aurora_dwh.settings.config import LakeSettings

if TYPE_CHECKING:
    from datetime import datetime

PROBE = ".aurora-dwh-doctor"
"""How the objects begin that the checks put into the lake and delete again."""

_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


@dataclass(frozen=True)
class Bucket:
    """A lake that works."""

    settings: LakeSettings  # where it lies
    region: str | None  # the bucket's Region; None where nobody says


def check(run: Attempts) -> Bucket | None:
    """Check the lake; return it where objects can be written, read and deleted."""
    settings = run.attempt("lake: settings", LakeSettings.from_env, remedy=SETTINGS_REMEDY)
    if settings is None or not _check_objects(run, settings):
        return None
    client = settings.client()
    run.add(clock_check("lake: clock", lambda: _now(client, settings)))
    if settings.endpoint is None:  # only Amazon's buckets have these
        run.add(*check_encryption(client, settings.bucket), *check_public_access(client, settings.bucket))
    if settings.glue_database:
        run.attempt("lake: Glue", _look_up_glue, remedy=_glue_remedy(settings.glue_database))
    return Bucket(settings, None if settings.endpoint else bucket_region(client, settings.bucket))


def _look_up_glue() -> None:
    if glue := open_glue():
        glue.look_up()


def _glue_remedy(name: str) -> str:
    actions = ", ".join(f"glue:{action}" for action in GLUE_ACTIONS)
    return (
        f"make the database with `aws glue create-database --database-input Name={name}`, and allow this process "
        f"{actions} on it and its tables"
    )


def probe_key(settings: LakeSettings) -> str:
    """Return the key of an object that no one else writes."""
    return "/".join(part for part in (settings.prefix, f"{PROBE}-{uuid.uuid4().hex}") if part)


def _check_objects(run: Attempts, settings: LakeSettings) -> bool:
    """Check that objects can be written, read and deleted; return whether they can."""
    client, key = settings.client(), probe_key(settings)
    place = {"Bucket": settings.bucket, "Key": key}
    objects = f"arn:aws:s3:::{settings.bucket}/{settings.prefix}*"
    steps: tuple[tuple[str, str, Callable[[], Any]], ...] = (
        (
            "list objects",  # first: what there is no bucket of says so here, also where a PUT would make one
            f"s3:ListBucket on arn:aws:s3:::{settings.bucket}",
            lambda: client.list_objects_v2(Bucket=settings.bucket, Prefix=key),
        ),
        ("put object", f"s3:PutObject on {objects}", lambda: client.put_object(**place, Body=b"doctor")),
        ("get object", f"s3:GetObject on {objects}", lambda: client.get_object(**place)["Body"].read()),
        ("guarded put", f"s3:PutObject on {objects}", lambda: _put_over(client, place)),
        ("delete object", f"s3:DeleteObject on {objects}", lambda: client.delete_object(**place)),
    )
    for verb, action, step in steps:
        remedy = f"check LAKE_URI and the Region, and allow this process {action}"
        if verb == "put object":
            remedy += ", or set LAKE_SSE, where the bucket demands that a request names its encryption"
        if verb == "guarded put":
            remedy = "use Amazon S3, or a server that knows If-None-Match: two loads of a day must not both write it"
        run.attempt(f"lake: {verb}", step, remedy=remedy)
        if run.checks[-1].state is State.FAILED:
            return False
    return True


def _put_over(client: Any, place: dict[str, str]) -> None:
    """Put an object where one is and only if none is; raises ValueError where that is not refused."""
    from botocore.exceptions import ClientError

    try:
        client.put_object(**place, Body=b"again", IfNoneMatch="*")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 412:
            return
        raise
    client.delete_object(**place)
    raise ValueError("a PUT with If-None-Match: * wrote over an object that was there")


def check_encryption(client: Any, bucket: str) -> Iterator[Check]:
    """Say how a bucket encrypts its objects, where this process may know."""
    answer = _answer(
        lambda: client.get_bucket_encryption(Bucket=bucket), "ServerSideEncryptionConfigurationNotFoundError"
    )
    if answer is None:
        return
    rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    ways = [rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in rules]
    yield ok_or_warning(
        "lake: encryption",
        "" if ways else "the bucket does not encrypt its objects",
        f"objects are encrypted by {''.join(ways[:1])}",
        f"aws s3api put-bucket-encryption --bucket {bucket} with SSE-S3 or a KMS key",
    )


def check_public_access(client: Any, bucket: str) -> Iterator[Check]:
    """Check that a bucket cannot be opened to the public, where this process may know."""
    answer = _answer(lambda: client.get_public_access_block(Bucket=bucket), "NoSuchPublicAccessBlockConfiguration")
    if answer is None:
        return
    blocks = answer.get("PublicAccessBlockConfiguration", {})
    missing = [name for name in _BLOCKS if not blocks.get(name)]
    trouble = f"the bucket does not set {', '.join(missing)}" if missing else ""
    remedy = f"aws s3api put-public-access-block --bucket {bucket} with all four settings true"
    yield ok_or_warning("lake: public access", trouble, "blocked", remedy)


def bucket_region(client: Any, bucket: str) -> str | None:
    """Return a bucket's Region, None where this process may not know."""
    answer = _answer(lambda: client.get_bucket_location(Bucket=bucket))
    if answer is None:
        return None
    named: str | None = answer["LocationConstraint"]
    return {"": "us-east-1", "EU": "eu-west-1"}.get(named or "", named)  # Amazon's names of old


def _answer(ask: Callable[[], Any], none: str = "") -> Any:
    """Return an answer, an empty one where the error says that there is none, None where nothing can be known."""
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        return {} if none and error.response["Error"]["Code"] == none else None


def _now(client: Any, settings: LakeSettings) -> datetime:
    answer = client.list_objects_v2(Bucket=settings.bucket, Prefix=settings.prefix, MaxKeys=1)
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
