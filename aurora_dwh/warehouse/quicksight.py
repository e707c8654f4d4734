"""A refresh of a SPICE dataset: started, or picked up where it runs already, and followed to its end.

API and statuses are those of QuickSight's CreateIngestion and DescribeIngestion.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, Literal

from aurora_dwh.core.models import DataError
from aurora_dwh.core.waiting import waiting

POLL_SECONDS = 10.0

_UNDER_WAY = ("INITIALIZED", "QUEUED", "RUNNING")
_TYPES = {"full": "FULL_REFRESH", "incremental": "INCREMENTAL_REFRESH"}

Say = Callable[[str], object]


class QuickSightError(DataError):
    """A refresh that failed, or that cannot be started; another attempt would fare the same way."""


class QuickSightUnreachableError(Exception):
    """QuickSight did not answer, or asked to be left alone for a while; another attempt may do better."""


@dataclass(frozen=True)
class Refreshed:
    """A refresh that came to its end."""

    ingestion_id: str  # its id
    rows: int  # rows that were read into SPICE
    dropped: int  # rows that QuickSight could not take
    total: int | None  # rows of the dataset afterwards; None where QuickSight does not say
    size: int  # bytes that were read
    seconds: int  # what it took


@dataclass(frozen=True)
class SpiceDataset:
    """A dataset of a QuickSight account."""

    client: Any  # a boto3 client of QuickSight
    account_id: str  # the AWS account
    dataset_id: str  # the dataset's id

    def refresh(self, state: str, how: Literal["full", "incremental"], timeout: timedelta, say: Say) -> Refreshed:
        """Refresh the dataset and wait for the end.

        A refresh that runs for the same state already, be it that a crashed run started it, is followed instead.

        Args:
            state: What the dataset's tables hold now, as letters, digits, `-` and `_`; ids of refreshes are made of it.

        Raises:
            QuickSightError: The refresh failed, was cancelled, took too long, or cannot be started.
            QuickSightUnreachableError: QuickSight did not answer.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        ingestion_id = self._started(state, how, say)
        status = None
        with waiting(f"refresh {ingestion_id} of dataset {self.dataset_id}"):
            while True:
                found = self._described(ingestion_id) or {"IngestionStatus": "INITIALIZED"}
                if found["IngestionStatus"] not in _UNDER_WAY:
                    return self._ended(ingestion_id, found)
                if found["IngestionStatus"] != status:
                    status = found["IngestionStatus"]
                    say(f"refresh {ingestion_id} is {status}{_queued(found)}")
                if time.monotonic() >= deadline:
                    raise QuickSightError(
                        f"refresh {ingestion_id} of dataset {self.dataset_id} is still {status} after {timeout}; it "
                        "goes on in QuickSight. Materialize the asset again to follow it, or set a longer `timeout`"
                    )
                time.sleep(POLL_SECONDS)

    def _started(self, state: str, how: str, say: Say) -> str:
        for number in count(1):
            ingestion_id = f"aurora-dwh-{state}-{number}"
            found = self._described(ingestion_id)
            if found is None:
                self._create(ingestion_id, how)
                return ingestion_id
            if found["IngestionStatus"] in _UNDER_WAY:
                say(f"picks up refresh {ingestion_id}, which runs already")
                return ingestion_id
        raise AssertionError("unreachable")

    def _create(self, ingestion_id: str, how: str) -> None:
        with self._named_errors():
            try:
                self.client.create_ingestion(**self._address(ingestion_id), IngestionType=_TYPES[how])
            except self.client.exceptions.ResourceExistsException:
                return  # by another run, a moment ago
            except self.client.exceptions.ResourceNotFoundException as error:
                raise QuickSightError(
                    f"there is no dataset {self.dataset_id} in account {self.account_id} and Region "
                    f"{self.client.meta.region_name}; `aws quicksight list-data-sets` shows them ({error})"
                ) from None

    def _described(self, ingestion_id: str) -> Mapping[str, Any] | None:
        with self._named_errors():
            try:
                answer = self.client.describe_ingestion(**self._address(ingestion_id))
            except self.client.exceptions.ResourceNotFoundException:
                return None
        ingestion: Mapping[str, Any] = answer["Ingestion"]
        return ingestion

    def _address(self, ingestion_id: str) -> dict[str, str]:
        return {"AwsAccountId": self.account_id, "DataSetId": self.dataset_id, "IngestionId": ingestion_id}

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        exceptions = self.client.exceptions
        try:
            yield
        except exceptions.AccessDeniedException as error:
            raise QuickSightError(
                f"QuickSight refuses: {error}. The role needs quicksight:CreateIngestion and "
                f"quicksight:DescribeIngestion on dataset {self.dataset_id} and its ingestions"
            ) from None
        except (exceptions.InvalidParameterValueException, exceptions.LimitExceededException) as error:
            raise QuickSightError(f"dataset {self.dataset_id} cannot be refreshed: {error}") from None
        except (BotoCoreError, ClientError) as error:
            raise QuickSightUnreachableError(f"QuickSight: {error}") from None

    def _ended(self, ingestion_id: str, found: Mapping[str, Any]) -> Refreshed:
        status = found["IngestionStatus"]
        if status != "COMPLETED":
            why = found.get("ErrorInfo", {})
            reason = (
                ": ".join(why[part] for part in ("Type", "Message") if why.get(part)) or "QuickSight gives no reason"
            )
            raise QuickSightError(f"refresh {ingestion_id} of dataset {self.dataset_id} is {status}: {reason}")
        rows = found.get("RowInfo", {})
        return Refreshed(
            ingestion_id,
            rows=rows.get("RowsIngested", 0),
            dropped=rows.get("RowsDropped", 0),
            total=rows.get("TotalRowsInDataset"),
            size=found.get("IngestionSizeInBytes", 0),
            seconds=found.get("IngestionTimeInSeconds", 0),
        )


def _queued(found: Mapping[str, Any]) -> str:
    queue = found.get("QueueInfo")
    return f" behind {queue['WaitingOnIngestion']}" if queue else ""
