"""Dagster's memory: the PostgreSQL that keeps runs, events, schedules and sensors.

It is a server even where it is small: runs are tasks of their own, and SQLite's locks are not to be trusted on a shared
file system such as EFS (https://www.sqlite.org/faq.html#q5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.config import Config
from infra.stacks.common import UNPROTECTED, acknowledge, protected, removal
from infra.stacks.foundation import Foundation

DATABASE = "dagster"
PORT = 5432


@dataclass(frozen=True)
class Storage:
    """Where it is, and the secret of the user that Dagster has in it."""

    host: str
    secret: secretsmanager.ISecret


def dagster_storage(scope: Construct, *, config: Config, foundation: Foundation) -> Storage:
    """Make the database, which only the platform's tasks reach."""
    security_group = ec2.SecurityGroup(
        scope, "Storage", vpc=foundation.vpc, description="PostgreSQL of Dagster", allow_all_outbound=False
    )
    security_group.add_ingress_rule(foundation.tasks, ec2.Port.tcp(PORT), "Dagster")
    wanted = config.platform.storage
    credentials = rds.Credentials.from_generated_secret("dagster", exclude_characters=" %+~`#$&*()|[]{}:;<>?!'/@\"\\")
    common: dict[str, Any] = {
        "vpc": foundation.vpc,
        "vpc_subnets": foundation.private,
        "security_groups": [security_group],
        "credentials": credentials,
        "storage_encrypted": True,
        "iam_authentication": True,
        "cloudwatch_logs_exports": ["postgresql"],
        "deletion_protection": protected(scope, config),
        "removal_policy": removal(config),
    }
    if wanted.instance:
        made: rds.DatabaseCluster | rds.DatabaseInstance = _instance(scope, config, wanted.instance, common)
        host = made.instance_endpoint.hostname
    else:
        made = _cluster(scope, config, common)
        host = made.cluster_endpoint.hostname
    reason = "Tasks get the password when they start: after a rotation the services have to be deployed again."
    acknowledge(made, "SMG4", reason)
    acknowledge(made, "RDS11", "The port is no secret: only the platform's security group reaches it.")
    if not protected(scope, config):
        acknowledge(made, "RDS10", UNPROTECTED)
    assert made.secret  # noqa: S101 - its credentials are generated
    return Storage(host, made.secret)


def _cluster(scope: Construct, config: Config, common: dict[str, Any]) -> rds.DatabaseCluster:
    engine = rds.DatabaseClusterEngine.aurora_postgres(version=rds.AuroraPostgresEngineVersion.VER_16_13)
    wanted = config.platform.storage
    return rds.DatabaseCluster(
        scope,
        "StorageCluster",
        engine=engine,
        cluster_identifier=f"{config.name}-dagster",
        default_database_name=DATABASE,
        writer=rds.ClusterInstance.serverless_v2("Writer"),
        serverless_v2_min_capacity=wanted.min_acu,
        serverless_v2_max_capacity=wanted.max_acu,
        parameter_group=_tls_only(scope, config, engine),
        backup=rds.BackupProps(retention=cdk.Duration.days(wanted.backup_days)),
        **common,
    )


def _instance(scope: Construct, config: Config, size: str, common: dict[str, Any]) -> rds.DatabaseInstance:
    engine = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_16_13)
    instance = rds.DatabaseInstance(
        scope,
        "StorageInstance",
        engine=engine,
        instance_type=ec2.InstanceType(size.removeprefix("db.")),
        instance_identifier=f"{config.name}-dagster",
        database_name=DATABASE,
        storage_type=rds.StorageType.GP3,
        allocated_storage=20,
        max_allocated_storage=200,
        parameter_group=_tls_only(scope, config, engine),
        backup_retention=cdk.Duration.days(config.platform.storage.backup_days),
        **common,
    )
    acknowledge(instance, "RDS3", "One zone, as the configuration says; its backups outlive the zone.")
    return instance


def _tls_only(scope: Construct, config: Config, engine: rds.IEngine) -> rds.ParameterGroup:
    return rds.ParameterGroup(
        scope,
        "StorageParameters",
        engine=engine,
        description=f"{config.name}: TLS only",
        parameters={"rds.force_ssl": "1"},
    )
