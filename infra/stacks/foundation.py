"""Foundation: the network, the bucket that logs go to, and the topic that alarms are sent to."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.commands import CODE_PORT, UI_PORT
from infra.config import Config, ExistingNetwork, NewNetwork, Subnet
from infra.stacks.common import acknowledge, keep_exports, private_bucket, removal, service


class Foundation(cdk.Stack):
    """What the other stacks stand on.

    Attributes:
        vpc: The network, made here or standing already.
        private: Its subnets that everything runs in.
        public: Its subnets for a load balancer that faces the Internet, and for nothing else.
        log_bucket: Where access logs, flow logs and the steps' own output go, and leave after some time.
        tasks: The security group of Containers of Dagster, which databases let in.
        balancer: The security group of the UI's load balancer.
        alarms: Where alarms are sent.
    """

    def __init__(self, scope: Construct, name: str, *, config: Config, **stack: Any) -> None:
        super().__init__(scope, name, **stack)
        self._config = config
        self.log_bucket = self._log_bucket(config)
        self.alarms = self._alarms(config)
        if config.network.new:
            self.vpc: ec2.IVpc = self._new_network(config, config.network.new)
            self.private = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
            self.public = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)
            keep_exports(self, *(subnet.subnet_id for subnet in self.vpc.public_subnets))
        elif config.network.existing:
            self.vpc = self._existing_network(config.network.existing)
            self.private = self._existing_subnets(config.network.existing.subnets)
            self.public = self._existing_subnets(config.network.existing.public_subnets)
        self.tasks = ec2.SecurityGroup(
            self, "Tasks", vpc=self.vpc, description="Containers of Dagster", allow_all_outbound=True
        )
        self.tasks.add_ingress_rule(self.tasks, ec2.Port.tcp(CODE_PORT), "gRPC to the code server")
        self.balancer = self._balancer(config)
        keep_exports(self, self.balancer.security_group_id)  # a small platform has no load balancer
        cdk.CfnOutput(self, "AlarmTopic", value=self.alarms.topic_arn)

    @property
    def availability_zones(self) -> list[str]:
        """The zones of the Region, which the CDK would ask AWS for when a VPC is made."""
        return list(self._config.zones)

    def may_publish(self) -> list[iam.PolicyStatement]:
        """Return what a role needs to write to the topic of alarms, which is encrypted."""
        return [
            iam.PolicyStatement(actions=["sns:Publish"], resources=[self.alarms.topic_arn]),
            iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[self._key.key_arn]),
        ]

    def _new_network(self, config: Config, wanted: NewNetwork) -> ec2.Vpc:
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(wanted.cidr),
            max_azs=len(config.zones),
            nat_gateways=wanted.nat_gateways,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=26, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="Private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=22),
            ],
        )
        vpc.add_flow_log(
            "Rejected",
            destination=ec2.FlowLogDestination.to_s3(self.log_bucket, "vpc/"),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        return vpc

    def _existing_network(self, existing: ExistingNetwork) -> ec2.IVpc:
        zones = sorted({subnet.availability_zone for subnet in existing.subnets})
        return ec2.Vpc.from_vpc_attributes(
            self, "Vpc", vpc_id=existing.vpc_id, vpc_cidr_block=existing.cidr, availability_zones=zones
        )

    def _existing_subnets(self, subnets: tuple[Subnet, ...]) -> ec2.SubnetSelection:
        return ec2.SubnetSelection(
            subnets=[
                ec2.Subnet.from_subnet_attributes(
                    self,
                    subnet.id,
                    subnet_id=subnet.id,
                    availability_zone=subnet.availability_zone,
                    route_table_id=subnet.route_table,
                )
                for subnet in subnets
            ]
        )

    def _balancer(self, config: Config) -> ec2.SecurityGroup:
        ui = config.platform.ui
        group = ec2.SecurityGroup(self, "Balancer", vpc=self.vpc, description="Dagster UI", allow_all_outbound=False)
        port = ec2.Port.tcp(443 if ui.certificate_arn else 80)
        for cidr in config.ui_cidrs:
            group.add_ingress_rule(ec2.Peer.ipv4(cidr), port, "who may see the UI")
            if cidr == "0.0.0.0/0":
                acknowledge(group, "EC23", "HTTPS only, and nobody passes who is not signed in by OIDC.")
        if ui.oidc:
            group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "the identity provider")
        group.add_egress_rule(self.tasks, ec2.Port.tcp(UI_PORT), "the webservers")
        self.tasks.add_ingress_rule(group, ec2.Port.tcp(UI_PORT), "the UI's load balancer")
        return group

    def _log_bucket(self, config: Config) -> s3.Bucket:
        days = cdk.Duration.days(config.platform.log_days)
        bucket = private_bucket(
            self, "Logs", config=config, rules=[s3.LifecycleRule(id="expire", enabled=True, expiration=days)]
        )
        acknowledge(bucket, "S1", "It holds access logs itself; a log of the log would grow without end.")
        return bucket

    def _alarms(self, config: Config) -> sns.Topic:
        self._key = key = kms.Key(
            self,
            "AlarmKey",
            description=f"{config.name}: what alarms say",
            enable_key_rotation=True,
            removal_policy=removal(config),
        )
        # Amazon's own key for SNS cannot be used by CloudWatch, whose alarms would then be lost without a word.
        key.grant(service("cloudwatch", self.account), "kms:Decrypt", "kms:GenerateDataKey")
        topic = sns.Topic(self, "Alarms", topic_name=f"{config.name}-alarms", master_key=key, enforce_ssl=True)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        for address in config.platform.alarm_emails:
            topic.add_subscription(subscriptions.EmailSubscription(address))
        return topic
