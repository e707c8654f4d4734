"""What is deployed, as typed values: the fields of the configuration and how they go together.

The forms of single fields are `config_fields`, reading the file is `config_file`, `config.example.yaml` shows them all.
What is made of them is in `stacks`. Nothing here needs AWS or the CDK.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path, PurePosixPath
from typing import Literal, TypeVar

import botocore.session
from pydantic import BaseModel, Field, field_validator, model_validator

from aurora_dwh.catalog.model import Catalog, location_catalog, marts_folder, transforms_folder
from infra.config_fields import (
    Account,
    BaseImage,
    CertificateArn,
    Cidr,
    DatabaseId,
    Email,
    Fields,
    GlueDatabase,
    Host,
    HostName,
    Https,
    Identifier,
    Image,
    InstanceClass,
    KeyArn,
    LocationName,
    LogDays,
    MySQLName,
    Name,
    Principal,
    Region,
    RouteTableId,
    SecretArn,
    SecurityGroupId,
    Sha256,
    SubnetId,
    TaskSize,
    TimeOfDay,
    VpcId,
)

ROOT = Path(__file__).parents[1]
LOCATIONS = Path("locations")
"""The folder of more locations' catalogs, in this repository and in the image."""

DEFAULT_REGION = "ap-northeast-1"
ZONES = {"ap-northeast-1": "acd", "ca-central-1": "abd"}
"""Regions whose first three zones are not a, b and c: nothing is looked up when the templates are made."""

REDSHIFT = "redshift-serverless"
TWO_ZONES = ("us-west-1",)
"""Regions in which an account has fewer zones than Redshift Serverless is given here."""

WIDEST = 8
"""The shortest prefix of addresses that may see a UI without sign-in: 10.0.0.0/8 is the largest private network."""

NEW_DATABASE = r"[A-Za-z][A-Za-z0-9_]{0,63}"
"""What RDS calls a database that it makes with a cluster:
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html"""

Model = TypeVar("Model", bound=BaseModel)


def _exactly_one(model: Model, *names: str) -> Model:
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        raise ValueError(f"write exactly one of {' and '.join(f'`{name}`' for name in names)}")
    return model


def _in_order(model: Model, least: str, most: str) -> Model:
    if getattr(model, least) > getattr(model, most):
        raise ValueError(f"{least} is more than {most}")
    return model


class NewNetwork(Fields):
    """A VPC of its own: private subnets in three zones, and public ones for nothing but the NAT gateways."""

    cidr: Cidr = "10.60.0.0/16"
    """The addresses of the VPC."""

    availability_zones: tuple[str, ...] = ()
    """Three zones of the Region; by default its first three."""

    nat_gateways: int = Field(default=1, ge=1, le=3)
    """1 is the cheapest; with 3 a zone that fails leaves the others their way out."""

    @model_validator(mode="after")
    def _three_zones(self) -> NewNetwork:
        if self.availability_zones and len(set(self.availability_zones)) != 3:
            raise ValueError("availability_zones: name three different zones; Redshift Serverless needs three")
        return self

    @model_validator(mode="after")
    def _room(self) -> NewNetwork:
        prefix = ipaddress.ip_network(self.cidr).prefixlen
        if not 16 <= prefix <= 20:
            raise ValueError(f"cidr: is /{prefix}; a VPC is /16 at most, and its six subnets need a /20 at least")
        return self


class Subnet(Fields):
    """A private subnet whose route table leads out through a NAT gateway."""

    id: SubnetId
    availability_zone: str
    route_table: RouteTableId


class ExistingNetwork(Fields):
    """A VPC that stands already, such as the source's."""

    vpc_id: VpcId
    cidr: Cidr
    subnets: tuple[Subnet, ...] = Field(min_length=3)
    """Private subnets in three zones at least."""

    public_subnets: tuple[Subnet, ...] = ()
    """Only for `ui.internet_facing`: where its load balancer stands, in two zones at least."""

    s3_endpoint: bool = True
    """Whether to make an S3 gateway endpoint; false where the route tables have one."""

    @model_validator(mode="after")
    def _zones(self) -> ExistingNetwork:
        if len({subnet.availability_zone for subnet in self.subnets}) < 3:
            raise ValueError("subnets: name subnets of three zones; Redshift Serverless needs three")
        if self.public_subnets and len({subnet.availability_zone for subnet in self.public_subnets}) < 2:
            raise ValueError("public_subnets: name subnets of two zones; a load balancer needs two")
        return self


class Network(Fields):
    """Where everything runs. Exactly one of the two."""

    new: NewNetwork | None = None
    existing: ExistingNetwork | None = None

    @model_validator(mode="after")
    def _one(self) -> Network:
        return _exactly_one(self, "new", "existing")


class NewSource(Fields):
    """A new Aurora MySQL 3 cluster with the sample shop's database: a writer and a reader, Serverless v2."""

    min_acu: float = Field(default=0.5, ge=0.5, le=256, multiple_of=0.5)
    max_acu: float = Field(default=4, ge=1, le=256, multiple_of=0.5)
    backup_days: int = Field(default=7, ge=1, le=35)

    @model_validator(mode="after")
    def _range(self) -> NewSource:
        return _in_order(self, "min_acu", "max_acu")


class ExistingSource(Fields):
    """A database that stands already. Nothing of it is changed but one rule of its security group."""

    kind: Literal["aurora", "instance"] = "aurora"
    """aurora: an Aurora MySQL cluster. instance: RDS for MySQL or MariaDB, which has no `extract: outfile`."""

    id: DatabaseId
    """The cluster's or the instance's identifier."""

    host: Host
    """The endpoint to read from, the cluster's reader endpoint by preference."""

    port: int = Field(default=3306, ge=1, le=65535)
    secret_arn: SecretArn
    """A secret with `username` and `password` of a user that may SELECT the tables."""

    secret_key_arn: KeyArn | None = None
    """The KMS key of that secret, where it is not the account's default key."""

    security_group: SecurityGroupId
    """The database's security group, which gets a rule for the platform's tasks."""


class Source(Fields):
    """Where rows come from. Exactly one of `new` and `existing`."""

    database: MySQLName = "shop"
    """The MySQL database whose tables are copied, written as it is there."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    """The name that the lake and Redshift know the source by. Default: the database and the cluster's address."""

    mask_key_secret_arn: SecretArn | None = None
    """A secret whose whole text is the key of the catalog's `mask: hmac`. Runs alone may read it."""

    new: NewSource | None = None
    existing: ExistingSource | None = None

    @model_validator(mode="after")
    def _one(self) -> Source:
        if self.new and not re.fullmatch(NEW_DATABASE, self.database):
            raise ValueError(f"database: {self.database!r}, but RDS makes none that is not {NEW_DATABASE}")
        return _exactly_one(self, "new", "existing")


class Warehouse(Fields):
    """The lake's bucket and Redshift Serverless."""

    database: Identifier = "dwh"
    base_rpu: int = Field(default=8, ge=8, le=512, multiple_of=8)
    """Capacity that a query starts with, in RPU of 16 GB memory."""

    max_rpu: int = Field(default=64, ge=8, le=5632, multiple_of=8)
    """Capacity that scaling out may reach."""

    daily_rpu_hours: int = Field(default=64, ge=1)
    """RPU-hours a day. An alarm is sent at 80 per cent, and `over_limit` happens at 100."""

    over_limit: Literal["log", "deactivate"] = "log"
    """deactivate: queries of users are refused until the next day, the loads among them."""

    noncurrent_days: int = Field(default=30, ge=1)
    """How long replaced and deleted objects of the lake can be brought back."""

    glue_database: GlueDatabase | None = None
    """A new database of the Glue Data Catalog, in which Athena finds the lake's tables. Left out: there are none."""

    @model_validator(mode="after")
    def _range(self) -> Warehouse:
        return _in_order(self, "base_rpu", "max_rpu")


class Oidc(Fields):
    """The identity provider that people sign in with before they see the UI."""

    issuer: Https
    authorization_endpoint: Https
    token_endpoint: Https
    user_info_endpoint: Https
    client_id: str = Field(min_length=1)
    client_secret_arn: SecretArn
    """A secret whose JSON has the field `client_secret`."""


class Ui(Fields):
    """How people reach the Dagster UI, which has no sign-in of its own."""

    internet_facing: bool = False
    """false: from within the VPC and what is connected to it. true: from the Internet, behind `oidc`."""

    allowed_cidrs: tuple[Cidr, ...] = ()
    """The only addresses that may connect. Default: the VPC's own."""

    host_name: HostName | None = None
    """The name that people open it by, which you point at the load balancer. Default: the load balancer's own."""

    certificate_arn: CertificateArn | None = None
    """The certificate of `host_name`; without it the UI speaks HTTP, inside the VPC only."""

    oidc: Oidc | None = None

    @model_validator(mode="after")
    def _guarded(self) -> Ui:
        if self.internet_facing and not self.oidc:
            raise ValueError("internet_facing: needs `oidc`; Dagster's UI has no sign-in of its own")
        if self.oidc and not self.certificate_arn:
            raise ValueError("oidc: needs `certificate_arn`; a load balancer signs people in over HTTPS only")
        if self.certificate_arn and not self.host_name:
            raise ValueError("certificate_arn: needs `host_name`, the name that the certificate is for")
        for cidr in self.allowed_cidrs:
            if ipaddress.ip_network(cidr).prefixlen < WIDEST and not self.oidc:
                raise ValueError(f"allowed_cidrs: {cidr} is wider than /{WIDEST} and needs `oidc`; name your networks")
        if self.internet_facing and not self.allowed_cidrs:
            raise ValueError("internet_facing: name in `allowed_cidrs` who may connect, or 0.0.0.0/0")
        return self


class Storage(Fields):
    """The PostgreSQL that keeps Dagster's runs, events and schedules: Aurora Serverless v2, or one instance."""

    instance: InstanceClass | None = None
    """A class of RDS, such as db.t4g.micro: one instance in one zone in place of Aurora. Whether it is one is chosen
    once: what Dagster remembers does not move."""

    min_acu: float = Field(default=0.5, ge=0.5, le=256, multiple_of=0.5)
    max_acu: float = Field(default=2, ge=1, le=256, multiple_of=0.5)
    backup_days: int = Field(default=7, ge=1, le=35)

    @model_validator(mode="after")
    def _range(self) -> Storage:
        return _in_order(self, "min_acu", "max_acu")


class Build(Fields):
    """What the image is built from, where `image` names none. Left out: what is there on the day."""

    base: BaseImage | None = None
    """An image with Python 3.12 on Debian, by its digest: `python@sha256:...`."""

    certificates_sha256: Sha256 | None = None
    """The checksum of Amazon's authorities for RDS and Aurora; a build that fetches others fails."""

    rebuild: str | None = Field(default=None, pattern=r"^[\w.:-]{1,64}$")
    """Any word, such as the month: another one builds all of the image anew, with the security updates of the day."""


class Platform(Fields):
    """Dagster on ECS Fargate."""

    catalog: str = "aurora_dwh/sample_shop/catalog.yaml"
    """The catalog, as a path in this repository; with its marts beside it, it becomes part of the image.
    `.dockerignore` says which files do."""

    @field_validator("catalog")
    @classmethod
    def _in_the_image(cls, catalog: str) -> str:
        path = PurePosixPath(catalog)
        if ".." in path.parts or (len(path.parts) > 1 and path.parts[0] != "aurora_dwh") or path.suffix != ".yaml":
            raise ValueError(f"{catalog!r} is not in the image; put it at the repository's top")
        if not (ROOT / path).is_file():
            raise ValueError(f"there is no file {catalog} in the repository")
        return catalog

    locations: tuple[LocationName, ...] = ()
    """More code locations, each with a code server of its own and a catalog, `locations/<name>/catalog.yaml` in this
    repository, with its marts beside it. No table or mart is in two of them."""

    @field_validator("locations")
    @classmethod
    def _have_catalogs(cls, locations: tuple[str, ...]) -> tuple[str, ...]:
        for name in locations:
            if not (ROOT / location_catalog(name, LOCATIONS)).is_file():
                raise ValueError(f"there is no file {location_catalog(name, LOCATIONS)} in the repository")
        if len(set(locations)) < len(locations) or "aurora_dwh" in locations:
            raise ValueError("each location has a name of its own, and `aurora_dwh` is the one of `catalog`")
        return locations

    image: Image | None = None
    """The address in ECR of an image that is built already; by default `infra/Dockerfile` is built when deploying."""

    architecture: Literal["x86_64", "arm64"] = "x86_64"
    """What the image is built for."""

    build: Build = Build()
    size: Literal["standard", "small"] = "standard"
    """small: webserver, daemon and code server are one task of the size `webserver`, without a load balancer."""

    ui: Ui = Ui()
    storage: Storage = Storage()
    webserver: TaskSize = TaskSize(cpu=512, memory=2048)
    webserver_max_tasks: int = Field(default=4, ge=2, le=20)
    """Two always run; more are started when those are busy."""

    code_server: TaskSize = TaskSize(cpu=512, memory=2048)
    daemon: TaskSize = TaskSize(cpu=512, memory=2048)
    run: TaskSize = TaskSize(cpu=2048, memory=8192)
    """The task of one run, which reads, writes and loads."""

    log_days: LogDays = 90
    """How long logs of tasks, and of steps in the Dagster UI, are kept."""

    alarm_emails: tuple[Email, ...] = ()
    """Who is told of alarms; each has to confirm the subscription once."""

    alert_webhook_secret_arn: SecretArn | None = None
    """A secret whose whole text is the address of a webhook that takes Slack's `{"text": ...}`; alerts go there too."""

    load_deadline: TimeOfDay = "06:00"
    """When yesterday must have been loaded, in the catalog's timezone; an alarm tells where it is not."""

    @model_validator(mode="after")
    def _without_balancer(self) -> Platform:
        if self.size == "small" and self.ui != Ui():
            raise ValueError("ui: `size: small` has no load balancer; leave it out and use python -m infra.open")
        if self.size == "small" and self.locations:
            raise ValueError("locations: `size: small` has one code server; set `size: standard`")
        return self


class Bi(Fields):
    """QuickSight: a connection into the VPC, a data source, and a dataset for each mart."""

    owners: tuple[Principal, ...] = Field(min_length=1)
    """Users or groups who may edit and share the datasets."""

    readers: tuple[Principal, ...] = ()
    """Users or groups who may build analyses on them."""

    import_mode: Literal["SPICE", "DIRECT_QUERY"] = "SPICE"
    """SPICE: a copy in QuickSight, refreshed as the catalog says. DIRECT_QUERY: each look queries Redshift."""

    marts: str | None = None
    """The folder of the marts' SQL files, absolute or from this repository. Default: `marts` beside the catalog."""


class Config(Fields):
    """The whole file."""

    account: Account
    region: Region = DEFAULT_REGION
    name: Name = "aurora-dwh"
    """The beginning of every name. Two deployments in one account need two names."""

    destroyable: bool = False
    """false: what holds data outlives its stack, and databases cannot be deleted. true: `cdk destroy` removes all."""

    tags: dict[str, str] = {}  # noqa: RUF012 - frozen, and pydantic copies it
    network: Network
    source: Source
    warehouse: Warehouse = Warehouse()
    platform: Platform = Platform()
    bi: Bi | None = None

    @property
    def zones(self) -> tuple[str, ...]:
        """The three zones of a new VPC."""
        named = self.network.new.availability_zones if self.network.new else ()
        return named or tuple(self.region + letter for letter in ZONES.get(self.region, "abc"))

    @property
    def ui_cidrs(self) -> tuple[str, ...]:
        """Who may connect to the UI."""
        network = self.network.new or self.network.existing
        return self.platform.ui.allowed_cidrs or ((network.cidr,) if network else ())

    @property
    def marts(self) -> Path:
        """The folder of the marts that become datasets."""
        named = self.bi and self.bi.marts
        return ROOT / named if named else marts_folder(ROOT / self.platform.catalog)

    @model_validator(mode="after")
    def _together(self) -> Config:
        problems = [*self._network_problems(), *self._arn_problems(), *self._location_problems()]
        if self.bi and not any(self.marts.glob("*.sql")):
            problems.append(f"bi.marts: there is no mart, such as daily_sales.sql, in {self.marts}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _network_problems(self) -> list[str]:
        problems = []
        existing = self.network.existing
        if self.source.existing and not existing:
            problems.append(
                "source.existing: needs `network.existing`, the VPC that the database is in or reached from"
            )
        if self.platform.ui.internet_facing and existing and not existing.public_subnets:
            problems.append("platform.ui.internet_facing: needs `network.existing.public_subnets`")
        session = botocore.session.get_session()  # its list of Regions is a file
        partitions = session.get_available_partitions()
        if not any(self.region in session.get_available_regions(REDSHIFT, partition) for partition in partitions):
            problems.append(f"region: Redshift Serverless is not in {self.region}")
        if self.region in TWO_ZONES:
            problems.append(f"region: an account has two zones in {self.region}, and Redshift Serverless needs three")
        used = [("network.new.availability_zones", zone) for zone in self.zones]
        for place in ("subnets", "public_subnets") if existing else ():
            used += [(f"network.existing.{place}", subnet.availability_zone) for subnet in getattr(existing, place)]
        for place, zone in used:
            if not re.fullmatch(f"{self.region}[a-z]", zone):
                problems.append(f"{place}: {zone} is no zone of {self.region}")
        return problems

    def _location_problems(self) -> list[str]:
        """Return what two locations have in common that belongs to one, or do not have that belongs to all."""
        if not self.platform.locations:
            return []
        from aurora_dwh.transforms.model import transform_files

        more = [location_catalog(name, LOCATIONS) for name in self.platform.locations]
        files = [Path(self.platform.catalog), *more]
        problems, owners = [], dict[str, Path]()
        for file in files:
            made = [f"staging.{table.target}" for table in Catalog.load(ROOT / file).tables.values()]
            made += [f"bi.{mart.stem}" for mart in sorted(marts_folder(ROOT / file).glob("*.sql"))]
            made += [f"staging.{one.stem}" for one in transform_files(transforms_folder(ROOT / file))]
            problems += [
                f"platform.locations: {name} is made by {owners[name]} and {file}; take it out of one of them"
                for name in made
                if owners.setdefault(name, file) != file
            ]
        return problems

    def _arn_problems(self) -> list[str]:
        existing, ui = self.source.existing, self.platform.ui
        arns = {
            "source.existing.secret_arn": existing and existing.secret_arn,
            "source.existing.secret_key_arn": existing and existing.secret_key_arn,
            "source.mask_key_secret_arn": self.source.mask_key_secret_arn,
            "platform.alert_webhook_secret_arn": self.platform.alert_webhook_secret_arn,
            "platform.ui.certificate_arn": ui.certificate_arn,
            "platform.ui.oidc.client_secret_arn": ui.oidc and ui.oidc.client_secret_arn,
        }
        return [
            f"{place}: is not in {self.region}, where everything else is"
            for place, arn in arns.items()
            if arn and arn.split(":")[3] != self.region
        ]
