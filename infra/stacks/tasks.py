"""The containers: one image, one command line and one role for each, and the environment that the product reads."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from aurora_dwh.catalog.model import LOCATIONS_VARIABLE
from infra.commands import CODE_PORT
from infra.config import LOCATIONS, Config
from infra.config_fields import TaskSize
from infra.stacks.common import acknowledge, removal, service
from infra.stacks.foundation import Foundation
from infra.stacks.source import Source
from infra.stacks.storage import DATABASE, PORT, Storage
from infra.stacks.warehouse import Warehouse
from infra.workspace import VARIABLE

ROOT = Path(__file__).parents[2]
CERTIFICATES = "/opt/rds.pem"
UNPINNED = {
    "base": "docker buildx imagetools inspect python:3.12-slim-bookworm",
    "certificates_sha256": "curl -s https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem | sha256sum",
}
"""Fields of `platform.build` -> the command that tells their values, as in docs/deployment.md."""

# Measured on two shared cores, for a catalog of 10 tables and one of 1,000: docs/sizing.md has the table.
START = 180
"""Seconds in which a process need not answer. To its first answer a code server took 4.9 and 12.3 seconds of CPU, a
webserver 5 and 10, a daemon 4.3 and 12.1: on half a vCPU 25 seconds, and 68 to 99 where six others had the cores."""

CHECK = 60
"""Seconds that a check may take, the most that ECS allows: Dagster's own take 2.9 seconds of CPU of a code server, 5.6
of a daemon, and took up to 39 where others had the cores."""

LONGEST_STOP = 120
"""Seconds from SIGTERM to SIGKILL, the most that Fargate allows. A daemon ends in 3 to 6, and in 41 with 1,000 tables;
a webserver in 2 to 9; a run within 5, wherever it is."""

SHORT_STOP = 30
"""The same of what loses nothing. A code server ends in 1; where a tick is under way it waits for that, however long it
takes, and a tick that is cut off is done again."""


def container_image(scope: Construct, config: Config) -> ecs.ContainerImage:
    """Return the image of all containers: built from this repository when deploying, or one that is named."""
    platform = config.platform
    if platform.image:
        account, region, name, tag = re.split(r"\.dkr\.ecr\.|\.amazonaws\.com/|:|@", platform.image, maxsplit=3)
        repository = ecr.Repository.from_repository_arn(
            scope, "Repository", f"arn:aws:ecr:{region}:{account}:repository/{name}"
        )
        return ecs.ContainerImage.from_ecr_repository(repository, tag)
    for name, command in UNPINNED.items():
        if not getattr(platform.build, name):
            what = f"platform.build.{name} is not set: the image is made of what is there today. {command} tells it"
            cdk.Annotations.of(scope).add_info(what)
    built_for = assets.Platform.LINUX_ARM64 if platform.architecture == "arm64" else assets.Platform.LINUX_AMD64
    return ecs.ContainerImage.from_docker_image_asset(
        assets.DockerImageAsset(
            scope,
            "Image",
            directory=str(ROOT),
            file="infra/Dockerfile",
            platform=built_for,
            build_args={name.upper(): value for name, value in platform.build.model_dump().items() if value},
        )
    )


def product_environment(config: Config, foundation: Foundation, source: Source, warehouse: Warehouse) -> dict[str, str]:
    """What `aurora_dwh` reads, as in .env.example. Secrets are named and not held: the product fetches them."""
    return {
        "AURORA_DWH_CATALOG": f"/opt/aurora-dwh/{config.platform.catalog}",
        **({LOCATIONS_VARIABLE: f"/opt/aurora-dwh/{LOCATIONS}"} if config.platform.locations else {}),
        "AURORA_HOST": source.host,
        "AURORA_PORT": str(source.port),
        "AURORA_DATABASE": config.source.database,
        "AURORA_SECRET_ID": source.reader_secret.secret_arn,
        "AURORA_TLS": CERTIFICATES,
        **({"AURORA_SOURCE": config.source.name} if config.source.name else {}),
        **({"AURORA_MASK_KEY_SECRET_ID": key} if (key := config.source.mask_key_secret_arn) else {}),
        "LAKE_URI": warehouse.lake_uri,
        **({"LAKE_GLUE_DATABASE": config.warehouse.glue_database} if config.warehouse.glue_database else {}),
        "REDSHIFT_HOST": warehouse.workgroup.attr_workgroup_endpoint_address,
        "REDSHIFT_WORKGROUP": config.name,
        "REDSHIFT_DATABASE": config.warehouse.database,
        "ALERT_SNS_TOPIC_ARN": foundation.alarms.topic_arn,
        "AWS_REGION": config.region,
        "AWS_DEFAULT_REGION": config.region,
    }


def dagster_environment(config: Config, foundation: Foundation, storage: Storage) -> dict[str, str]:
    """What `infra/dagster.yaml` and `infra/workspace.yaml` read, but for what only some containers have."""
    return {
        "DAGSTER_PG_HOST": storage.host,
        "DAGSTER_PG_PORT": str(PORT),
        "DAGSTER_PG_DATABASE": DATABASE,
        "PGSSLMODE": "verify-full",
        "DAGSTER_LOG_BUCKET": foundation.log_bucket.bucket_name,
        "DAGSTER_CODE_HOST": "127.0.0.1" if config.platform.size == "small" else f"code.{config.name}.internal",
        "DAGSTER_CODE_PORT": str(CODE_PORT),
        **({VARIABLE: json.dumps(more)} if (more := _more_servers(config)) else {}),
    }


def _more_servers(config: Config) -> dict[str, tuple[str, int]]:
    """Return the code servers of the locations beside the default one."""
    return {name: (f"{code_name(name)}.{config.name}.internal", CODE_PORT) for name in config.platform.locations}


def code_name(location: str) -> str:
    """Return what a location's code server is called in names of tasks and hosts, which have no underscore."""
    return f"code-{location.replace('_', '-')}"


def log_group(scope: Construct, config: Config, name: str) -> logs.LogGroup:
    """Make the group that a container's output, or a session's, is kept in."""
    return logs.LogGroup(
        scope,
        f"{name.capitalize()}Log",
        log_group_name=f"/{config.name}/{name}",
        retention=logs.RetentionDays[_retention(config.platform.log_days)],
        removal_policy=removal(config),
    )


@dataclass(frozen=True)
class Tasks:
    """Makes task definitions that have image, environment, logs and storage's password in common."""

    scope: Construct
    config: Config
    image: ecs.ContainerImage
    environment: dict[str, str]
    storage: Storage

    def definition(self, name: str, size: TaskSize) -> ecs.FargateTaskDefinition:
        """Make a task definition with a role of its own that may do nothing yet."""
        arm = self.config.platform.architecture == "arm64"
        role = iam.Role(
            self.scope,
            f"{name.capitalize()}Role",
            role_name=f"{self.config.name}-{name}",
            description=f"What the containers of Dagster's {name} may do",
            # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
            assumed_by=service("ecs-tasks", self.config.account, always_names_account=True),
        )
        definition = ecs.FargateTaskDefinition(
            self.scope,
            f"{name.capitalize()}Task",
            family=f"{self.config.name}-{name}",
            cpu=size.cpu,
            memory_limit_mib=size.memory,
            task_role=role,
            runtime_platform=ecs.RuntimePlatform(
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
                cpu_architecture=ecs.CpuArchitecture.ARM64 if arm else ecs.CpuArchitecture.X86_64,
            ),
        )
        execution = definition.obtain_execution_role()
        trust = service("ecs-tasks", self.config.account).policy_fragment.conditions
        execution.node.default_child.add_property_override("AssumeRolePolicyDocument.Statement.0.Condition", trust)
        acknowledge(definition, "ECS2", "Addresses and names only; passwords come from Secrets Manager.")
        token = "The right to ask ECR for a token has no resource; the repository itself is named."  # noqa: S105
        acknowledge(execution, "IAM5[Resource::*]", token)
        return definition

    def container(
        self,
        definition: ecs.FargateTaskDefinition,
        name: str,
        command: list[str],
        *,
        extra: dict[str, str] | None = None,
        secrets: dict[str, ecs.Secret] | None = None,
        health: list[str] | None = None,
        essential: bool = True,
        ends: bool = False,
        port: int | None = None,
        storage: bool = True,
        stop: int = LONGEST_STOP,
    ) -> logs.LogGroup:
        """Add a container and return where its output goes.

        It has `stop` seconds from SIGTERM to SIGKILL; one without Dagster does not get its storage's password. One that
        `ends` is not started again.
        """
        group = log_group(self.scope, self.config, name)
        login = {"DAGSTER_PG_USER": "username", "DAGSTER_PG_PASSWORD": "password"} if storage else {}
        definition.add_container(
            name,
            image=self.image,
            command=command,
            environment={**self.environment, **(extra or {})},
            secrets={
                **{key: ecs.Secret.from_secrets_manager(self.storage.secret, part) for key, part in login.items()},
                **(secrets or {}),
            },
            logging=ecs.LogDrivers.aws_logs(stream_prefix=name, log_group=group),
            essential=essential,
            enable_restart_policy=not (essential or ends),  # whatever is essential is started again with its task
            port_mappings=[ecs.PortMapping(container_port=port)] if port else None,
            health_check=_health(health) if health else None,
            stop_timeout=cdk.Duration.seconds(stop),
        )
        return group


def _health(command: list[str]) -> ecs.HealthCheck:
    return ecs.HealthCheck(
        command=["CMD", *command],
        interval=cdk.Duration.seconds(60),
        timeout=cdk.Duration.seconds(CHECK),
        retries=5,
        start_period=cdk.Duration.seconds(START),
    )


def _retention(days: int) -> str:
    """The CDK names the periods."""
    names = {1: "ONE_DAY", 3: "THREE_DAYS", 5: "FIVE_DAYS", 7: "ONE_WEEK", 14: "TWO_WEEKS", 30: "ONE_MONTH",
             60: "TWO_MONTHS", 90: "THREE_MONTHS", 120: "FOUR_MONTHS", 150: "FIVE_MONTHS", 180: "SIX_MONTHS",
             365: "ONE_YEAR", 400: "THIRTEEN_MONTHS", 545: "EIGHTEEN_MONTHS", 731: "TWO_YEARS", 1827: "FIVE_YEARS",
             3653: "TEN_YEARS"}  # fmt: skip
    return names[days]
