"""The border between the product's errors and Dagster's: one line that names asset and cause, and whether to try again.

Dagster's own message for a step that was tried to the end is "Exceeded max_retries"; nobody should have to dig for the
reason beneath it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from aurora_dwh.core.models import DataError
from aurora_dwh.core.retries import STEP
from aurora_dwh.orchestration.stopping import RetryOfFailures
from aurora_dwh.settings.environment import ConfigError
from aurora_dwh.source.connection import explain
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh.warehouse.load.copy_errors import CopyError

RETRY = RetryOfFailures(
    max_retries=STEP.attempts - 1, delay=STEP.pause, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
"""The policy of steps that talk to a server."""

_REFUSED_BY_AWS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "InvalidClientTokenId",
        "NoCredentialsError",
        "NoSuchBucket",
        "PartialCredentialsError",
        "PermanentRedirect",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""AWS' codes, and names of botocore's errors, for what is wrong with a policy, a name or a setting."""


@contextmanager
def named_failures(asset: dg.AssetKey, *, attempts_left: bool = True) -> Iterator[None]:
    """Turn errors that end a step into a Dagster failure named by asset: those that would come again, and the last.

    An error that may pass is not one as long as the step has attempts left.
    """
    try:
        yield
    except (dg.Failure, dg.DagsterError):
        raise
    except Exception as error:
        if attempts_left and _may_pass(error):
            raise
        metadata: dict[str, dg.MetadataValue] = {"asset": dg.MetadataValue.asset(asset)}
        if isinstance(error, CopyError) and error.bad:
            metadata["bad_values"] = dg.MetadataValue.md(error.markdown)
        if isinstance(error, WarehouseError | CopyError) and error.statement:
            metadata["statement"] = dg.MetadataValue.md(f"```sql\n{error.statement}\n```")
        raise dg.Failure(_named(asset, _said(error)), metadata=metadata, allow_retries=False) from error


def attempts_left(context: dg.InputContext | dg.OutputContext | dg.AssetExecutionContext) -> bool:
    """Return whether the step's retry policy has an attempt left after this one."""
    if isinstance(context, dg.AssetExecutionContext):
        policy, before = context.op_def.retry_policy, context.retry_number
    else:
        policy, before = context.step_context.op_retry_policy, context.step_context.previous_attempt_count
    return policy is not None and before < policy.max_retries


def _may_pass(error: Exception) -> bool:
    if _is_of_aws(error):
        return not _REFUSED_BY_AWS.intersection({type(error).__name__, _code(error)})
    return isinstance(error, PassingError) or not isinstance(error, DataError | WarehouseError | ConfigError)


def _is_of_aws(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in ("boto3", "botocore", "s3transfer")


def _code(error: Exception) -> str:
    """Return the code of a service's error, empty where it did not answer."""
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""


def _named(asset: dg.AssetKey, text: str) -> str:
    name = asset.to_user_string()
    return text if text.startswith((f"{name}:", f"{name} ")) else f"{name}: {text}"


def _said(error: Exception) -> str:
    """Return an error's text, introduced by who said it where the text does not."""
    if type(error).__module__.partition(".")[0] == "aurora_dwh":
        return str(error)
    return f"{_service(error) if _is_of_aws(error) else type(error).__name__}: {explain(error)}"


def _service(error: Exception) -> str:
    """Return the AWS service whose client raised an error; botocore's errors do not name it, their traceback does."""
    from botocore.client import BaseClient

    for frame, _ in traceback.walk_tb(error.__traceback__):
        client = frame.f_locals.get("self")
        if isinstance(client, BaseClient):
            return str(client.meta.service_model.service_id)
    return "AWS"
