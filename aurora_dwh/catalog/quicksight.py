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


def _matching(pattern: str, complaint: str) -> AfterValidator:
    """Return what refuses other texts than those of a pattern, with a complaint behind the text."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} {complaint}")
        return value

    return AfterValidator(check)


_IS_REGION = _matching(_REGION, "is not an AWS Region; write its code, such as ap-northeast-1")
_IS_DATASET = _matching(_DATASET, "is not a dataset's id; `aws quicksight list-data-sets` shows them")
_IS_ASSET = _matching(_ASSET, "cannot name an asset; write letters, digits and _ only")


def _at_least_one(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("name the marts that the dataset reads, such as [daily_sales]")
    return value


class QuickSightDataset(BaseModel):
    """One SPICE dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    dataset_id: Annotated[str, _IS_DATASET, WithJsonSchema({"type": "string", "pattern": f"^{_DATASET}$"})]
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

    region: Annotated[str, _IS_REGION, WithJsonSchema({"type": "string", "pattern": f"^{_REGION}$"})] | None = None
    """The datasets' AWS Region. Default: AWS_REGION."""

    datasets: dict[Annotated[str, _IS_ASSET], QuickSightDataset] = Field(min_length=1)
    """The datasets, by the names of their assets."""
