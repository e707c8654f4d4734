"""The containers: one image, one command line and one role for each, and the environment that the product reads."""

from __future__ import annotations

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

from infra.commands import CODE_PORT
from infra.config import Config
from infra.config_fields import TaskSize
from infra.stacks.common import acknowledge, removal
from infra.stacks.foundation import Foundation
from infra.stacks.source import Source
from infra.stacks.storage import DATABASE, PORT, Storage
from infra.stacks.warehouse import Warehouse

ROOT = Path(__file__).parents[2]
CERTIFICATES = "/opt/rds.pem"


def container_image(scope: Construct, config: Config) -> ecs.ContainerImage:
    """Return the image of all containers: built from this repository when deploying, or one that is named."""
    platform = config.platform
    if platform.image:
        account, region, name, tag = re.split(r"\.dkr\.ecr\.|\.amazonaws\.com/|:", platform.image)
        repository = ecr.Repository.from_repository_arn(
            scope, "Repository", f"arn:aws:ecr:{region}:{account}:repository/{name}"
        )
        return ecs.ContainerImage.from_ecr_repository(repository, tag)
    build = assets.Platform.LINUX_ARM64 if platform.architecture == "arm64" else assets.Platform.LINUX_AMD64
    return ecs.ContainerImage.from_docker_image_asset(
        assets.DockerImageAsset(
            scope,
            "Image",
            directory=str(ROOT),
            file="infra/Dockerfile",
            platform=build,
        )
    )


def product_environment(config: Config, foundation: Foundation, source: Source, warehouse: Warehouse) -> dict[str, str]:
    """What `aurora_dwh` reads, as in .env.example. Secrets are named and not held: the product fetches them."""
    return {
        "AURORA_DWH_CATALOG": f"/opt/aurora-dwh/{config.platform.catalog}",
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
    }


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
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
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
        acknowledge(definition, "ECS2", "Addresses and names only; passwords come from Secrets Manager.")
        token = "The right to ask ECR for a token has no resource; the repository itself is named."  # noqa: S105
        acknowledge(definition.obtain_execution_role(), "IAM5[Resource::*]", token)
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
        port: int | None = None,
    ) -> logs.LogGroup:
        """Add a container and return where its output goes."""
        group = log_group(self.scope, self.config, name)
        storage = self.storage.secret
        definition.add_container(
            name,
            image=self.image,
            command=command,
            environment={**self.environment, **(extra or {})},
            secrets={
                "DAGSTER_PG_USER": ecs.Secret.from_secrets_manager(storage, "username"),
                "DAGSTER_PG_PASSWORD": ecs.Secret.from_secrets_manager(storage, "password"),
                **(secrets or {}),
            },
            logging=ecs.LogDrivers.aws_logs(stream_prefix=name, log_group=group),
            essential=essential,
            port_mappings=[ecs.PortMapping(container_port=port)] if port else None,
            health_check=_health(health) if health else None,
            stop_timeout=None if not essential else cdk.Duration.seconds(120),
        )
        return group


def _health(command: list[str]) -> ecs.HealthCheck:
    return ecs.HealthCheck(
        command=["CMD", *command],
        interval=cdk.Duration.seconds(60),
        timeout=cdk.Duration.seconds(30),
        retries=5,
        start_period=cdk.Duration.seconds(180),
    )


def _retention(days: int) -> str:
    """The CDK names the periods."""
    names = {1: "ONE_DAY", 3: "THREE_DAYS", 5: "FIVE_DAYS", 7: "ONE_WEEK", 14: "TWO_WEEKS", 30: "ONE_MONTH",
             60: "TWO_MONTHS", 90: "THREE_MONTHS", 120: "FOUR_MONTHS", 150: "FIVE_MONTHS", 180: "SIX_MONTHS",
             365: "ONE_YEAR", 400: "THIRTEEN_MONTHS", 545: "EIGHTEEN_MONTHS", 731: "TWO_YEARS", 1827: "FIVE_YEARS",
             3653: "TEN_YEARS"}  # fmt: skip
    return names[days]
