"""Warehouse: the lake's bucket, Redshift Serverless, and the way between them that stays inside AWS."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_redshiftserverless as redshift
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import custom_resources as custom
from constructs import Construct

from infra.config import Config
from infra.grants import BI_USER
from infra.stacks.common import (
    BASIC_EXECUTION,
    REDSHIFT_PORT,
    acknowledge,
    bucket_finding,
    keep_exports,
    lake_access,
    private_bucket,
    removal,
    service,
)
from infra.stacks.foundation import Foundation

LAKE_PREFIX = "lake"
"""What every key of the lake begins with: `LAKE_URI` is s3://bucket/lake."""

TLS = {"require_ssl": "true", "use_fips_ssl": "false"}
"""Parameters of the workgroup: a connection in the clear is refused."""

ALARM_SHARE = 0.8
"""Of the daily RPU-hours, when the alarm is sent."""


class Warehouse(cdk.Stack):
    """The lake and Redshift.

    Attributes:
        lake: The bucket of the lake.
        security_group: Redshift's; whoever connects adds a rule for port 5439.
        workgroup: Redshift's compute, which clients connect to.
        namespace: Redshift's database and users.
        bi_secret: QuickSight's user. It is here because `infra.grants` makes that user before QuickSight connects, and
            always, as the name of a secret that was kept could not be given again.
    """

    def __init__(self, scope: Construct, name: str, *, config: Config, foundation: Foundation, **stack: Any) -> None:
        super().__init__(scope, name, **stack)
        self.lake = self._lake(config, foundation)
        if not config.network.existing or config.network.existing.s3_endpoint:
            ec2.GatewayVpcEndpoint(
                self,
                "S3Endpoint",
                vpc=foundation.vpc,
                service=ec2.GatewayVpcEndpointAwsService.S3,
                subnets=[foundation.private],
            )
        self.security_group = ec2.SecurityGroup(
            self, "Redshift", vpc=foundation.vpc, description="Redshift Serverless", allow_all_outbound=True
        )
        self.security_group.add_ingress_rule(foundation.tasks, ec2.Port.tcp(REDSHIFT_PORT), "runs")
        self.namespace = self._namespace(config, self._copy_role(config))
        self.workgroup = self._workgroup(config, foundation)
        self.bi_secret = self._bi_secret(config)
        if config.warehouse.glue_database:
            glue.CfnDatabase(
                self,
                "GlueDatabase",
                catalog_id=cdk.Aws.ACCOUNT_ID,
                database_input=glue.CfnDatabase.DatabaseInputProperty(
                    name=config.warehouse.glue_database, description=f"The lake of {config.name}, for Athena"
                ),
            ).apply_removal_policy(removal(config))
        self._usage_limit(config)
        self._usage_alarm(config, foundation)
        self._outputs(config)
        keep_exports(
            self,
            self.security_group.security_group_id,
            self.workgroup.attr_workgroup_endpoint_address,
            self.bi_secret.secret_arn,
        )

    @property
    def lake_uri(self) -> str:
        """The lake's address, as LAKE_URI takes it."""
        return f"s3://{self.lake.bucket_name}/{LAKE_PREFIX}"

    def _lake(self, config: Config, foundation: Foundation) -> s3.Bucket:
        kept = cdk.Duration.days(config.warehouse.noncurrent_days)
        return private_bucket(
            self,
            "Lake",
            config=config,
            versioned=True,
            access_logs=foundation.log_bucket,
            rules=[
                # A day that is loaded again replaces its manifest and removes the parts of older attempts.
                s3.LifecycleRule(
                    id="old-attempts", enabled=True, noncurrent_version_expiration=kept,
                    expired_object_delete_marker=True,
                ),
                s3.LifecycleRule(
                    id="broken-uploads", enabled=True, abort_incomplete_multipart_upload_after=cdk.Duration.days(3)
                ),
            ],
        )  # fmt: skip

    def _copy_role(self, config: Config) -> iam.Role:
        role = iam.Role(
            self,
            "CopyRole",
            role_name=f"{config.name}-redshift-copy",
            description="Redshift's default role: COPY reads the lake, and nothing else",
            assumed_by=iam.CompositePrincipal(
                service("redshift", self.account), service("redshift-serverless", self.account)
            ),
        )
        for statement in lake_access(self.lake, LAKE_PREFIX, write=False):
            role.add_to_policy(statement)
        acknowledge(
            role.node.find_child("DefaultPolicy"),
            bucket_finding(self, self.lake, LAKE_PREFIX),
            "COPY reads any object of the lake, and of the lake alone: the bucket and its prefix are named.",
        )
        return role

    def _namespace(self, config: Config, role: iam.Role) -> redshift.CfnNamespace:
        namespace = redshift.CfnNamespace(
            self,
            "Namespace",
            namespace_name=config.name,
            db_name=config.warehouse.database,
            admin_username="dwhadmin",
            manage_admin_password=True,  # Redshift makes the secret and rotates it
            default_iam_role_arn=role.role_arn,
            iam_roles=[role.role_arn],
            log_exports=["userlog", "connectionlog", "useractivitylog"],
        )
        # The copied tables can be made again from the lake; the marts and grants of a warehouse in use cannot.
        namespace.apply_removal_policy(removal(config))
        return namespace

    def _workgroup(self, config: Config, foundation: Foundation) -> redshift.CfnWorkgroup:
        workgroup = redshift.CfnWorkgroup(
            self,
            "Workgroup",
            workgroup_name=config.name,
            namespace_name=self.namespace.namespace_name,
            base_capacity=config.warehouse.base_rpu,
            max_capacity=config.warehouse.max_rpu,
            publicly_accessible=False,
            enhanced_vpc_routing=True,  # COPY goes through the S3 endpoint, not over the Internet
            subnet_ids=foundation.vpc.select_subnets(
                subnets=foundation.private.subnets, subnet_type=foundation.private.subnet_type
            ).subnet_ids,
            security_group_ids=[self.security_group.security_group_id],
            config_parameters=[
                redshift.CfnWorkgroup.ConfigParameterProperty(parameter_key=key, parameter_value=value)
                for key, value in TLS.items()
            ],
        )
        workgroup.add_resource_dependency(self.namespace)
        return workgroup

    def _usage_limit(self, config: Config) -> None:
        """CloudFormation has no type for a usage limit, so a small function of the CDK's makes the API calls."""
        limit = {"amount": config.warehouse.daily_rpu_hours, "breachAction": config.warehouse.over_limit}
        call = {"service": "redshift-serverless", "output_paths": ["usageLimit.usageLimitId"]}
        limit_id = {"usageLimitId": custom.PhysicalResourceIdReference()}
        resource = custom.AwsCustomResource(
            self,
            "UsageLimit",
            install_latest_aws_sdk=False,
            on_create=custom.AwsSdkCall(
                **call,
                action="createUsageLimit",
                parameters={
                    "resourceArn": self.workgroup.attr_workgroup_workgroup_arn,
                    "usageType": "serverless-compute",
                    "period": "daily",
                    **limit,
                },
                physical_resource_id=custom.PhysicalResourceId.from_response("usageLimit.usageLimitId"),
            ),
            on_update=custom.AwsSdkCall(**call, action="updateUsageLimit", parameters={**limit_id, **limit}),
            on_delete=custom.AwsSdkCall(**call, action="deleteUsageLimit", parameters=limit_id),
            policy=custom.AwsCustomResourcePolicy.from_statements(
                [
                    iam.PolicyStatement(
                        actions=[f"redshift-serverless:{verb}UsageLimit" for verb in ("Create", "Update", "Delete")],
                        resources=["*"],
                    )
                ]
            ),
        )
        acknowledge(
            resource,
            "IAM5[Resource::*]",
            "These actions know no resources: with one named, each call would be denied. "
            "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonredshiftserverless.html",
        )
        acknowledge(
            self,
            f"IAM4[Policy::{BASIC_EXECUTION}]",
            "The CDK's function for API calls logs by Amazon's own policy; the rest of its role is made here.",
        )

    def _usage_alarm(self, config: Config, foundation: Foundation) -> None:
        rpu_seconds = cloudwatch.Metric(
            namespace="AWS/Redshift-Serverless",
            metric_name="ComputeSeconds",
            dimensions_map={"Workgroup": config.name},
            statistic="Sum",
            period=cdk.Duration.days(1),
        )
        alarm = rpu_seconds.create_alarm(
            self,
            "UsageAlarm",
            alarm_name=f"{config.name}-redshift-usage",
            alarm_description=f"Redshift has used {ALARM_SHARE:.0%} of its RPU-hours of a day",
            threshold=config.warehouse.daily_rpu_hours * 3600 * ALARM_SHARE,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(foundation.alarms))

    def _bi_secret(self, config: Config) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(
            self,
            "BiReader",
            secret_name=f"{config.name}-quicksight",
            description="The user that QuickSight reads the marts with",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps({"username": BI_USER}),
                generate_string_key="password",
                exclude_punctuation=True,
                password_length=32,
            ),
            removal_policy=removal(config),
        )
        acknowledge(secret, "SMG4", "`python -m infra.grants` puts a changed password into Redshift.")
        return secret

    def _outputs(self, config: Config) -> None:
        cdk.CfnOutput(self, "LakeUri", value=self.lake_uri)
        cdk.CfnOutput(self, "RedshiftHost", value=self.workgroup.attr_workgroup_endpoint_address)
        cdk.CfnOutput(self, "RedshiftDatabase", value=config.warehouse.database)
