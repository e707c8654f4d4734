"""Dagster's memory: the PostgreSQL that keeps runs, events, schedules and sensors."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from constructs import Construct

from infra.config import Config
from infra.stacks.common import UNPROTECTED, acknowledge, protected, removal
from infra.stacks.foundation import Foundation

DATABASE = "dagster"
PORT = 5432


def dagster_storage(scope: Construct, *, config: Config, foundation: Foundation) -> rds.DatabaseCluster:
    """Make the cluster, which only the platform's tasks reach."""
    security_group = ec2.SecurityGroup(
        scope, "Storage", vpc=foundation.vpc, description="PostgreSQL of Dagster", allow_all_outbound=False
    )
    security_group.add_ingress_rule(foundation.tasks, ec2.Port.tcp(PORT), "Dagster")
    engine = rds.DatabaseClusterEngine.aurora_postgres(version=rds.AuroraPostgresEngineVersion.VER_16_13)
    wanted = config.platform.storage
    cluster = rds.DatabaseCluster(
        scope,
        "StorageCluster",
        engine=engine,
        cluster_identifier=f"{config.name}-dagster",
        credentials=rds.Credentials.from_generated_secret(
            "dagster", exclude_characters=" %+~`#$&*()|[]{}:;<>?!'/@\"\\"
        ),
        default_database_name=DATABASE,
        writer=rds.ClusterInstance.serverless_v2("Writer"),
        serverless_v2_min_capacity=wanted.min_acu,
        serverless_v2_max_capacity=wanted.max_acu,
        vpc=foundation.vpc,
        vpc_subnets=foundation.private,
        security_groups=[security_group],
        parameter_group=rds.ParameterGroup(
            scope,
            "StorageParameters",
            engine=engine,
            description=f"{config.name}: TLS only",
            parameters={"rds.force_ssl": "1"},
        ),
        storage_encrypted=True,
        iam_authentication=True,
        backup=rds.BackupProps(retention=cdk.Duration.days(wanted.backup_days)),
        cloudwatch_logs_exports=["postgresql"],
        deletion_protection=protected(scope, config),
        removal_policy=removal(config),
    )
    reason = "Tasks get the password when they start: after a rotation the services have to be deployed again."
    acknowledge(cluster, "SMG4", reason)
    acknowledge(cluster, "RDS11", "The port is no secret: only the platform's security group reaches it.")
    if not protected(scope, config):
        acknowledge(cluster, "RDS10", UNPROTECTED)
    return cluster
