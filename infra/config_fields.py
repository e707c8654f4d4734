"""The forms of single fields of the configuration: account numbers, ARNs, addresses, times of day."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

_ID = r"([0-9a-f]{8}|[0-9a-f]{17})"


def _form(pattern: str) -> StringConstraints:
    return StringConstraints(pattern=rf"^(?:{pattern})$")


Account = Annotated[str, _form(r"\d{12}")]
Region = Annotated[str, _form(r"[a-z]{2}(-[a-z]+)+-\d")]
Name = Annotated[str, _form(r"[a-z][a-z0-9-]{1,22}[a-z0-9]")]
Identifier = Annotated[str, _form(r"[a-z_][a-z0-9_]{0,62}")]
GlueDatabase = Annotated[str, _form(r"[a-z0-9_]{1,255}")]
Cidr = Annotated[str, _form(r"\d{1,3}(\.\d{1,3}){3}/\d{1,2}")]
TimeOfDay = Annotated[str, _form(r"([01]\d|2[0-3]):[0-5]\d")]
Email = Annotated[str, _form(r"[^@\s]+@[^@\s]+\.[^@\s]+")]
SecretArn = Annotated[str, _form(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+-[A-Za-z0-9]{6}")]
KeyArn = Annotated[str, _form(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+")]
CertificateArn = Annotated[str, _form(r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+")]
Image = Annotated[str, _form(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/[a-z0-9._/-]+:[\w.-]+")]
Https = Annotated[str, _form(r"https://\S+")]
Principal = Annotated[str, _form(r"arn:aws[a-z-]*:quicksight:[a-z0-9-]+:\d{12}:(user|group)/\S+")]
VpcId = Annotated[str, _form(rf"vpc-{_ID}")]
SubnetId = Annotated[str, _form(rf"subnet-{_ID}")]
RouteTableId = Annotated[str, _form(rf"rtb-{_ID}")]
SecurityGroupId = Annotated[str, _form(rf"sg-{_ID}")]
DatabaseId = Annotated[str, _form(r"[a-zA-Z][a-zA-Z0-9-]{0,62}")]
Host = Annotated[str, _form(r"[A-Za-z0-9.-]+")]
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653]
