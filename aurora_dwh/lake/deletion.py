"""Objects deleted in batches. S3 answers 200 also where it keeps some of them, and says of each why.

The codes are those of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from aurora_dwh.core import retries

_BATCH = 1000
"""Objects that S3 deletes in one request."""

_PASSING = frozenset({"InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable", "SlowDown"})
"""Why an object is kept now and may be deleted in a moment."""


def delete(client: Any, bucket: str, objects: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Delete objects, each by its `Key` and perhaps a `VersionId`.

    Returns:
        S3's answers of those that it keeps: `Key`, `Code` and `Message`.
    """
    policy, kept = retries.DELETION, []
    for start in range(0, len(objects), _BATCH):
        left = list(objects[start : start + _BATCH])
        for attempt in range(1, policy.attempts + 1):
            is_last = attempt == policy.attempts
            answer = client.delete_objects(Bucket=bucket, Delete={"Objects": left, "Quiet": True})
            refused = {(one["Key"], one.get("VersionId")): one for one in answer.get("Errors", ())}
            again = {of for of, one in refused.items() if not is_last and one.get("Code") in _PASSING}
            kept += [one for of, one in refused.items() if of not in again]
            left = [one for one in left if (one["Key"], one.get("VersionId")) in again]
            if not left:
                break
            time.sleep(policy.pause_after(attempt))
    return kept


def remove(client: Any, bucket: str, keys: Sequence[str]) -> None:
    """Delete objects that no manifest names.

    Raises:
        ClientError: S3 keeps some of them: whoever reads the folder without its manifest would find them.
    """
    from botocore.exceptions import ClientError

    if kept := delete(client, bucket, [{"Key": key} for key in keys]):
        text = (
            f"{kept[0].get('Message', '')} - S3 keeps {len(kept)} objects that no manifest names any more, such as "
            f"s3://{bucket}/{kept[0]['Key']}; allow this process s3:DeleteObject on them, or delete them"
        )
        raise ClientError({"Error": {"Code": kept[0]["Code"], "Message": text}}, "DeleteObjects")
