"""The forms of single fields of the configuration: account numbers, ARNs, addresses, times of day."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

_ID = r"([0-9a-f]{8}|[0-9a-f]{17})"


def _form(pattern: str) -> StringConstraints:
    return StringConstraints(pattern=rf"^(?:{pattern})$")


def _network(cidr: str) -> str:
    """Refuse addresses that there are not, and those of a machine in place of a network's."""
    try:
        ipaddress.ip_network(cidr)
    except ValueError as error:
        raise ValueError(f"is no network: {error}") from None
    return cidr


def _mysql_name(name: str) -> str:
    """Refuse what no database of MySQL is called: https://dev.mysql.com/doc/refman/8.0/en/identifiers.html."""
    if not 1 <= len(name) <= 64:
        raise ValueError(f"a MySQL database's name has 1 to 64 characters, and not {len(name)}")
    if name.endswith(" ") or not name.isprintable() or max(name) > "\uffff":
        raise ValueError(f"{name!r}: a MySQL database's name has no space at its end and no character beyond U+FFFF")
    return name


Account = Annotated[str, _form(r"\d{12}")]
Region = Annotated[str, _form(r"[a-z]{2}(-[a-z]+)+-\d")]
Name = Annotated[str, _form(r"[a-z][a-z0-9-]{1,22}[a-z0-9]")]
Identifier = Annotated[str, _form(r"[a-z_][a-z0-9_]{0,62}")]
MySQLName = Annotated[str, AfterValidator(_mysql_name)]
GlueDatabase = Annotated[str, _form(r"[a-z0-9_]{1,255}")]
Cidr = Annotated[str, _form(r"\d{1,3}(\.\d{1,3}){3}/\d{1,2}"), AfterValidator(_network)]
TimeOfDay = Annotated[str, _form(r"([01]\d|2[0-3]):[0-5]\d")]
Email = Annotated[str, _form(r"[^@\s]+@[^@\s]+\.[^@\s]+")]
SecretArn = Annotated[str, _form(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+-[A-Za-z0-9]{6}")]
KeyArn = Annotated[str, _form(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+")]
CertificateArn = Annotated[str, _form(r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+")]
Sha256 = Annotated[str, _form(r"[0-9a-f]{64}")]
BaseImage = Annotated[str, _form(r"[a-z0-9][\w.:/-]*@sha256:[0-9a-f]{64}")]
Image = Annotated[
    str, _form(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/[a-z0-9._/-]+(:[\w.-]+|@sha256:[0-9a-f]{64})")
]
LocationName = Annotated[str, _form(r"[a-z]([a-z0-9_]{0,18}[a-z0-9])?")]
HostName = Annotated[str, _form(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}"), StringConstraints(max_length=253)]
Https = Annotated[str, _form(r"https://\S+")]
Principal = Annotated[str, _form(r"arn:aws[a-z-]*:quicksight:[a-z0-9-]+:\d{12}:(user|group)/\S+")]
VpcId = Annotated[str, _form(rf"vpc-{_ID}")]
SubnetId = Annotated[str, _form(rf"subnet-{_ID}")]
RouteTableId = Annotated[str, _form(rf"rtb-{_ID}")]
SecurityGroupId = Annotated[str, _form(rf"sg-{_ID}")]
DatabaseId = Annotated[str, _form(r"[a-zA-Z][a-zA-Z0-9-]{0,62}")]
InstanceClass = Annotated[str, _form(r"db\.[a-z0-9]+\.[a-z0-9]+")]
Host = Annotated[str, _form(r"[A-Za-z0-9.-]+")]
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653]

MEMORY = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}
"""Fargate's CPU units -> the MiB that it gives them:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size"""


class Fields(BaseModel):
    """A section of the file: its fields' docstrings are their descriptions, and no others may be there."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class TaskSize(Fields):
    """A Fargate task."""

    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384]
    """CPU units; 1024 are one vCPU."""

    memory: int = Field(ge=512, le=122880)
    """MiB, one of those that Fargate gives that CPU."""

    @model_validator(mode="after")
    def _pair(self) -> TaskSize:
        given = MEMORY[self.cpu]
        if self.memory not in given:
            steps = f"{given[0]} to {given[-1]} MiB in steps of {given.step}" if isinstance(given, range) else ""
            listed = steps or f"{', '.join(str(one) for one in given)} MiB"
            raise ValueError(f"memory: Fargate gives {self.cpu} CPU units {listed}")
        return self
