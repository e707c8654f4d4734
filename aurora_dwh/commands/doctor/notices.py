"""What `doctor` checks of whom loads tell of their end: channels of alerts, and QuickSight. Silent where there is none.

Nothing is sent and no refresh is started, so what only a message or a refresh can show is left to the first one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aurora_dwh.commands.doctor.check import SETTINGS_REMEDY, Attempts, Check, State
from aurora_dwh.orchestration.automation.alert_settings import AlertSettings, configured
from aurora_dwh.settings.aws import quicksight_client, sns_client
from aurora_dwh.settings.config import aws_region

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Catalog
    from aurora_dwh.catalog.quicksight import QuickSight

PROBE = "aurora-dwh-doctor"
"""The id of a refresh that there is not."""

_REFUSALS = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException")


def check(run: Attempts, catalog: Catalog | None) -> None:
    """Check the channels that the environment names and the datasets that the catalog names."""
    if configured():
        settings = run.attempt("alerts: settings", AlertSettings.from_env, remedy=SETTINGS_REMEDY)
        if settings and settings.topic_arn:
            run.add(check_topic(settings.topic_arn))
    if catalog is not None and catalog.quicksight is not None:
        _check_datasets(run, catalog.quicksight)


def check_topic(arn: str) -> Check:
    """Check that an SNS topic is there; to publish is another privilege, which only an alert can try."""
    name = "alerts: SNS topic"
    region = arn.split(":")[3]
    try:
        known = _allowed(lambda: sns_client(region).get_topic_attributes(TopicArn=arn))
    except Exception as error:  # whatever boto3 raises is the answer that the check was after
        return Check(name, State.FAILED, str(error), f"check ALERT_SNS_TOPIC_ARN, and allow sns:Publish on {arn}")
    if known is None:
        return Check(name, State.OK, "SNS answers; without sns:GetTopicAttributes it does not say whether it is there")
    return Check(name, State.OK, f"it is there, in {region}; the first alert tries sns:Publish")


def _check_datasets(run: Attempts, section: QuickSight) -> None:
    client = run.attempt(
        "quicksight: settings", lambda: quicksight_client(section.region or aws_region()), remedy=SETTINGS_REMEDY
    )
    if client is not None:
        run.add(*(check_dataset(client, section.account_id, each.dataset_id) for each in section.datasets.values()))


def check_dataset(client: Any, account_id: str, dataset_id: str) -> Check:
    """Check that a dataset is there, is in SPICE, and that this process may follow its refreshes."""
    name, dataset = f"quicksight: dataset {dataset_id}", {"AwsAccountId": account_id, "DataSetId": dataset_id}
    missing = client.exceptions.ResourceNotFoundException
    role = "allow this process quicksight:CreateIngestion and quicksight:DescribeIngestion on the dataset's ingestions"
    try:
        if _allowed(lambda: _described(client, dataset)) is None:
            return Check(
                name, State.FAILED, "the role may not follow its refreshes (quicksight:DescribeIngestion)", role
            )
        found = _allowed(lambda: client.describe_data_set(**dataset))
    except missing as error:
        remedy = (
            f"check dataset_id, account_id and region (`aws quicksight list-data-sets --aws-account-id {account_id}`)"
        )
        return Check(name, State.FAILED, str(error), remedy)
    except Exception as error:  # whatever boto3 raises is the answer that the check was after
        return Check(name, State.FAILED, str(error), "check the section quicksight of the catalog and the Region")
    if found is None:
        return Check(name, State.OK, "without quicksight:DescribeDataSet it does not say whether it is there")
    mode = found["DataSet"].get("ImportMode")
    if mode != "SPICE":
        return Check(name, State.FAILED, f"its import mode is {mode}", "set it to SPICE, or take it out of the catalog")
    return Check(name, State.OK, "it is in SPICE; the first refresh tries quicksight:CreateIngestion")


def _described(client: Any, dataset: dict[str, str]) -> Any:
    """Ask for a refresh that there is not: who may follow refreshes is told so."""
    try:
        return client.describe_ingestion(**dataset, IngestionId=PROBE)
    except client.exceptions.ResourceNotFoundException:
        return {}


def _allowed(ask: Callable[[], Any]) -> Any:
    """Return an answer; None where this process may not ask."""
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in _REFUSALS:
            return None
        raise
