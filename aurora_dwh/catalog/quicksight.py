"""The catalog's section `quicksight`: which SPICE datasets are refreshed when which marts were rebuilt."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from aurora_dwh.catalog.fields import Duration, Names

_ACCOUNT = r"[0-9]{12}"
_REGION = r"[a-z]{2}(-[a-z]+)+-[0-9]"
_DATASET = r"[A-Za-z0-9_-]+"
_ASSET = r"[A-Za-z0-9_]+"


def _account(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(_ACCOUNT, value):
        return value
    raise ValueError(f'{value!r} is not an AWS account; write its 12 digits in quotes, such as "123456789012"')


def _region(value: str) -> str:
    if not re.fullmatch(_REGION, value):
        raise ValueError(f"{value!r} is not an AWS Region; write its code, such as ap-northeast-1")
    return value


def _dataset_id(value: str) -> str:
    if not re.fullmatch(_DATASET, value):
        raise ValueError(f"{value!r} is not a dataset's id; `aws quicksight list-data-sets` shows them")
    return value


def _asset_name(value: str) -> str:
    if not re.fullmatch(_ASSET, value):
        raise ValueError(f"{value!r} cannot name an asset; write letters, digits and _ only")
    return value


def _at_least_one(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("name the marts that the dataset reads, such as [daily_sales]")
    return value


class QuickSightDataset(BaseModel):
    """One SPICE dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    dataset_id: Annotated[
        str, AfterValidator(_dataset_id), WithJsonSchema({"type": "string", "pattern": f"^{_DATASET}$"})
    ]
    """The dataset's id in QuickSight."""

    marts: Annotated[Names, AfterValidator(_at_least_one)]
    """The marts that it reads. It is refreshed when one of them was rebuilt."""

    refresh: Literal["full", "incremental"] = "full"
    """full: everything is read again. incremental: what the dataset's own look-back window says."""

    timeout: Duration = timedelta(hours=1)
    """How long a refresh is followed. It goes on in QuickSight after that."""


class QuickSight(BaseModel):
    """The QuickSight account and its datasets."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    account_id: Annotated[
        str, BeforeValidator(_account), WithJsonSchema({"type": "string", "pattern": f"^{_ACCOUNT}$"})
    ]
    """The AWS account, 12 digits in quotes."""

    region: (
        Annotated[str, AfterValidator(_region), WithJsonSchema({"type": "string", "pattern": f"^{_REGION}$"})] | None
    ) = None
    """The datasets' AWS Region. Default: AWS_REGION."""

    datasets: dict[Annotated[str, AfterValidator(_asset_name)], QuickSightDataset] = Field(min_length=1)
    """The datasets, by the names of their assets."""
