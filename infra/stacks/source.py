"""Source: a new Aurora MySQL 3 cluster for the sample shop, or what a database that stands already lacks.

An existing database is not changed from here but for one rule of its security group, which the platform adds; what it
needs besides is printed as commands by `infra.steps`.
"""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.config import Config, ExistingSource, NewSource
from infra.stacks.common import UNPROTECTED, acknowledge, bucket_finding, lake_access, protected, removal, service
from infra.stacks.foundation import Foundation
from infra.stacks.warehouse import LAKE_PREFIX, Warehouse
from infra.steps import existing_source_steps

PORT = 3306
READER = "dwh_reader"
TLS = {"require_secure_transport": "ON", "tls_version": "TLSv1.2,TLSv1.3"}
ROTATION = "SMG4"
NOT_ROTATED = "The platform reads it at each connect, so it may be rotated at any time; by which function is yours."


class Source(cdk.Stack):
    """Where rows are read.

    Attributes:
        security_group: The database's.
        host: The endpoint to read from.
        port: Its port.
        reader_secret: The secret of the user to read with.
        admin_secret: The secret of a new cluster's administrator; None for an existing database.
        writer_host: A new cluster's writer; None for an existing database.
    """

    def __init__(
        self, scope: Construct, name: str, *, config: Config, foundation: Foundation, warehouse: Warehouse, **stack: Any
    ) -> None:
        super().__init__(scope, name, **stack)
        self.admin_secret: secretsmanager.ISecret | None = None
        self.writer_host: str | None = None
        existing = config.source.existing
        export_role = None if existing and existing.kind == "instance" else self._export_role(config, warehouse)
        if existing:
            self._existing(config, existing, export_role)
        elif config.source.new and export_role:
            self._new(config, config.source.new, foundation, export_role)
        ec2.CfnSecurityGroupIngress(
            self,
            "FromTasks",
            description="Dagster's runs",
            group_id=self.security_group.security_group_id,
            source_security_group_id=foundation.tasks.security_group_id,
            ip_protocol="tcp",
            from_port=self.port,
            to_port=self.port,
        )

    def _export_role(self, config: Config, warehouse: Warehouse) -> iam.Role:
        """`extract: outfile` lets Aurora itself write to the lake, by this role."""
        role = iam.Role(
            self,
            "ExportRole",
            role_name=f"{config.name}-aurora-export",
            description="Aurora writes query results into the lake: SELECT ... INTO OUTFILE S3",
            assumed_by=service("rds", self.account, always_names_account=True),
        )
        for statement in lake_access(warehouse.lake, LAKE_PREFIX, write=True):
            role.add_to_policy(statement)
        acknowledge(
            role.node.find_child("DefaultPolicy"),
            bucket_finding(self, warehouse.lake, LAKE_PREFIX),
            "Aurora names the parts that it writes; they are below the lake's prefix and nowhere else.",
        )
        return role

    def _new(self, config: Config, new: NewSource, foundation: Foundation, export_role: iam.Role) -> None:
        engine = rds.DatabaseClusterEngine.aurora_mysql(version=rds.AuroraMysqlEngineVersion.VER_3_10_4)
        security_group = ec2.SecurityGroup(
            self, "Database", vpc=foundation.vpc, description="Aurora MySQL", allow_all_outbound=True
        )
        parameters = rds.ParameterGroup(
            self,
            "Parameters",
            engine=engine,
            description=f"{config.name}: TLS only, exports to S3",
            parameters={
                **TLS,
                "aws_default_s3_role": export_role.role_arn,
                "activate_all_roles_on_login": "ON",  # else AWS_SELECT_S3_ACCESS is granted and not active
                "server_audit_logging": "1",
                "server_audit_events": "CONNECT,QUERY_DCL,QUERY_DDL",
            },
        )
        cluster = rds.DatabaseCluster(
            self,
            "Cluster",
            engine=engine,
            cluster_identifier=f"{config.name}-source",
            credentials=rds.Credentials.from_generated_secret("dwhadmin"),
            default_database_name=config.source.database,
            writer=rds.ClusterInstance.serverless_v2("Writer"),
            readers=[rds.ClusterInstance.serverless_v2("Reader", scale_with_writer=True)],
            serverless_v2_min_capacity=new.min_acu,
            serverless_v2_max_capacity=new.max_acu,
            vpc=foundation.vpc,
            vpc_subnets=foundation.private,
            security_groups=[security_group],
            parameter_group=parameters,
            storage_encrypted=True,
            iam_authentication=True,
            backup=rds.BackupProps(retention=cdk.Duration.days(new.backup_days)),
            cloudwatch_logs_exports=["audit", "error", "slowquery"],
            deletion_protection=protected(self, config),
            removal_policy=removal(config),
        )
        cluster.node.default_child.associated_roles = [
            rds.CfnDBCluster.DBClusterRoleProperty(role_arn=export_role.role_arn)
        ]
        self.reader_secret: secretsmanager.ISecret = secretsmanager.Secret(
            self,
            "Reader",
            description="The user that the platform reads Aurora with",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps({"username": READER}),
                generate_string_key="password",
                exclude_punctuation=True,
                password_length=32,
            ),
            removal_policy=removal(config),
        )
        acknowledge(self.reader_secret, ROTATION, NOT_ROTATED)
        acknowledge(cluster, ROTATION, NOT_ROTATED)
        acknowledge(cluster, "RDS11", "The port is no secret: only the platform's security group reaches it.")
        acknowledge(cluster, "RDS14", "Aurora MySQL 3 has no backtrack on Serverless v2; there are backups.")
        acknowledge(cluster, "RDS16", "The general log would hold every statement of the application, values included.")
        if not protected(self, config):
            acknowledge(cluster, "RDS10", UNPROTECTED)
        self.security_group: ec2.ISecurityGroup = security_group
        self.host, self.port = cluster.cluster_read_endpoint.hostname, PORT
        self.admin_secret, self.writer_host = cluster.secret, cluster.cluster_endpoint.hostname

    def _existing(self, config: Config, existing: ExistingSource, export_role: iam.Role | None) -> None:
        self.security_group = ec2.SecurityGroup.from_security_group_id(self, "Database", existing.security_group)
        self.reader_secret = secretsmanager.Secret.from_secret_complete_arn(self, "Reader", existing.secret_arn)
        self.host, self.port = existing.host, existing.port
        steps = existing_source_steps(config, existing, export_role.role_arn if export_role else None)
        for number, step in enumerate(steps, start=1):
            cdk.CfnOutput(self, f"Step{number}", value=step.command, description=step.purpose)
