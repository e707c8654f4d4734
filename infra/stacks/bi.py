"""BI: QuickSight's way into the network, its data source, and a dataset for each mart.

QuickSight itself, its users and groups must be there: CloudFormation cannot subscribe an account.
"""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_quicksight as quicksight
from constructs import Construct

from infra.config import Bi, Config
from infra.datasets import read_datasets
from infra.stacks.common import REDSHIFT_PORT, acknowledge, service
from infra.stacks.foundation import Foundation
from infra.stacks.warehouse import Warehouse

# QuickSight takes these sets of actions whole, and refuses any other choice of them.
SOURCE_OWNER = ["DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource", "UpdateDataSource",
                "DeleteDataSource", "UpdateDataSourcePermissions"]  # fmt: skip
DATASET_READER = ["DescribeDataSet", "DescribeDataSetPermissions", "PassDataSet", "DescribeIngestion", "ListIngestions"]
DATASET_OWNER = [*DATASET_READER, "UpdateDataSet", "DeleteDataSet", "CreateIngestion", "CancelIngestion",
                 "UpdateDataSetPermissions"]  # fmt: skip
NETWORK_ACTIONS = ["CreateNetworkInterface", "ModifyNetworkInterfaceAttribute", "DeleteNetworkInterface",
                   "DescribeSubnets", "DescribeSecurityGroups"]  # fmt: skip


class BiStack(cdk.Stack):
    """What dashboards stand on."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        config: Config,
        bi: Bi,
        foundation: Foundation,
        warehouse: Warehouse,
        **stack: Any,
    ) -> None:
        super().__init__(scope, name, **stack)
        self._config, self._bi = config, bi
        connection = self._connection(foundation, warehouse)
        source = self._source(connection, warehouse)
        for mart, columns in read_datasets(config.marts).items():
            self._dataset(mart, columns, source)

    def _connection(self, foundation: Foundation, warehouse: Warehouse) -> quicksight.CfnVPCConnection:
        role = iam.Role(
            self,
            "NetworkRole",
            role_name=f"{self._config.name}-quicksight-network",
            description="QuickSight makes its network interfaces",
            assumed_by=service("quicksight", self.account),
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=[f"ec2:{action}" for action in NETWORK_ACTIONS], resources=["*"])
        )
        acknowledge(
            role.node.find_child("DefaultPolicy"),
            "IAM5[Resource::*]",
            "QuickSight demands these actions without a resource when it checks the role.",
        )
        group = ec2.SecurityGroup(
            self, "QuickSight", vpc=foundation.vpc, description="QuickSight", allow_all_outbound=False
        )
        # QuickSight's interfaces do not remember connections, so that answers need a rule of their own.
        group.add_ingress_rule(warehouse.security_group, ec2.Port.all_tcp(), "answers of Redshift")
        group.add_egress_rule(warehouse.security_group, ec2.Port.tcp(REDSHIFT_PORT), "Redshift")
        ec2.CfnSecurityGroupIngress(
            self,
            "ToRedshift",
            description="QuickSight",
            group_id=warehouse.security_group.security_group_id,
            source_security_group_id=group.security_group_id,
            ip_protocol="tcp",
            from_port=REDSHIFT_PORT,
            to_port=REDSHIFT_PORT,
        )
        connection = quicksight.CfnVPCConnection(
            self,
            "Connection",
            aws_account_id=self.account,
            vpc_connection_id=self._config.name,
            name=self._config.name,
            role_arn=role.role_arn,
            security_group_ids=[group.security_group_id],
            subnet_ids=foundation.vpc.select_subnets(
                subnets=foundation.private.subnets, subnet_type=foundation.private.subnet_type
            ).subnet_ids,
        )
        connection.node.add_dependency(role)
        return connection

    def _source(self, connection: quicksight.CfnVPCConnection, warehouse: Warehouse) -> quicksight.CfnDataSource:
        return quicksight.CfnDataSource(
            self,
            "Source",
            aws_account_id=self.account,
            data_source_id=self._config.name,
            name=self._config.name,
            type="REDSHIFT",
            data_source_parameters=quicksight.CfnDataSource.DataSourceParametersProperty(
                redshift_parameters=quicksight.CfnDataSource.RedshiftParametersProperty(
                    database=self._config.warehouse.database,
                    host=warehouse.workgroup.attr_workgroup_endpoint_address,
                    port=REDSHIFT_PORT,
                )
            ),
            credentials=quicksight.CfnDataSource.DataSourceCredentialsProperty(
                secret_arn=warehouse.bi_secret.secret_arn
            ),
            vpc_connection_properties=quicksight.CfnDataSource.VpcConnectionPropertiesProperty(
                vpc_connection_arn=connection.attr_arn
            ),
            ssl_properties=quicksight.CfnDataSource.SslPropertiesProperty(disable_ssl=False),
            permissions=[
                quicksight.CfnDataSource.ResourcePermissionProperty(
                    principal=owner, actions=[f"quicksight:{action}" for action in SOURCE_OWNER]
                )
                for owner in self._bi.owners
            ],
        )

    def _dataset(self, mart: str, columns: dict[str, str], source: quicksight.CfnDataSource) -> None:
        dataset = quicksight.CfnDataSet
        permissions = [(owner, DATASET_OWNER) for owner in self._bi.owners]
        permissions += [(reader, DATASET_READER) for reader in self._bi.readers]
        dataset(
            self,
            f"Dataset-{mart}",
            aws_account_id=self.account,
            data_set_id=f"{self._config.name}-{mart}",
            name=mart,
            import_mode=self._bi.import_mode,
            physical_table_map={
                "mart": dataset.PhysicalTableProperty(
                    relational_table=dataset.RelationalTableProperty(
                        data_source_arn=source.attr_arn,
                        schema="bi",
                        name=mart,
                        input_columns=[
                            dataset.InputColumnProperty(name=name, type=kind) for name, kind in columns.items()
                        ],
                    )
                )
            },
            ingestion_wait_policy=dataset.IngestionWaitPolicyProperty(wait_for_spice_ingestion=False),
            permissions=[
                dataset.ResourcePermissionProperty(
                    principal=principal, actions=[f"quicksight:{action}" for action in actions]
                )
                for principal, actions in permissions
            ],
        )
