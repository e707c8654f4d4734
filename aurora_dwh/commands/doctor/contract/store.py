"""What S3 does with objects, as the lake relies on it.

Sources: "Conditional writes" and "Amazon S3 data consistency model" of the S3 User Guide.
"""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from aurora_dwh.commands.doctor.contract.assumption import Assumption
from aurora_dwh.commands.doctor.contract.scratch import Scratch

_BLOCK = 5 * 1024 * 1024


def assumptions() -> Iterator[Assumption]:
    """Yield what is assumed of S3."""
    races = "two runs that extract one day at once may overwrite one another; use Amazon S3, or let no two run"
    yield Assumption("S3: a new object where there is one", "refused 412", races, _put_over)
    yield Assumption("S3: an object in the place of another version", "refused 412", races, _put_other)
    yield Assumption("S3: what was put is listed at once", "listed", "days may be taken for missing", _listed)
    yield Assumption(
        "S3: an upload in parts is there when it is complete, and not before",
        "not there, then 5242885 bytes",
        "files that were not written to their end may be taken for whole ones",
        _parts,
    )


def _refused(error: ClientError) -> str:
    return f"refused {error.response.get('ResponseMetadata', {}).get('HTTPStatusCode')}"


def _put_over(scratch: Scratch) -> str:
    scratch.put("over", b"first")
    try:
        scratch.client.put_object(Bucket=scratch.lake.bucket, Key=scratch.key("over"), Body=b"again", IfNoneMatch="*")
    except ClientError as error:
        return _refused(error)
    return "it was overwritten"


def _put_other(scratch: Scratch) -> str:
    place = {"Bucket": scratch.lake.bucket, "Key": scratch.key("other")}
    scratch.put("other", b"first")
    etag = scratch.client.head_object(**place)["ETag"]
    scratch.put("other", b"second")
    try:
        scratch.client.put_object(**place, Body=b"third", IfMatch=etag)
    except ClientError as error:
        return _refused(error)
    return "it was overwritten"


def _listed(scratch: Scratch) -> str:
    scratch.put("listed", b"x")
    found = scratch.client.list_objects_v2(Bucket=scratch.lake.bucket, Prefix=scratch.key("listed"))
    return "listed" if found.get("KeyCount") == 1 else "not listed"


def _parts(scratch: Scratch) -> str:
    place = {"Bucket": scratch.lake.bucket, "Key": scratch.key("parts")}
    upload = scratch.client.create_multipart_upload(**place)["UploadId"]
    sent = [
        {"PartNumber": n, "ETag": scratch.client.upload_part(**place, UploadId=upload, PartNumber=n, Body=body)["ETag"]}
        for n, body in ((1, bytes(_BLOCK)), (2, b"tail."))
    ]
    try:
        scratch.client.head_object(**place)
        before = "there"
    except ClientError:
        before = "not there"
    scratch.client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": sent})
    return f"{before}, then {scratch.client.head_object(**place)['ContentLength']} bytes"
