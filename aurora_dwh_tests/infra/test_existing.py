"""A VPC and a database that stand already: what is written of them, and what AWS would refuse of what is written."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from ruamel.yaml import YAML

from aurora_dwh_tests.infra.deployments import ACCOUNT, EXISTING_SOURCE, REGION, SUBNETS
from infra.config_file import parse_config
from infra.existing import SECRET, ExistingError, look, needed, problems, sections, written

VPC = "vpc-01234567"
NAT = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-01234567", "State": "active"}
INTERNET = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-01234567", "State": "active"}
LOCAL = {"DestinationCidrBlock": "10.1.0.0/16", "GatewayId": "local", "State": "active"}


def client(name: str) -> tuple[Any, Stubber]:
    made = boto3.client(name, REGION, aws_access_key_id="x", aws_secret_access_key="x")
    stub = Stubber(made)
    stub.activate()
    return made, stub


def ec2(*, free: int = 200, route: dict[str, Any] = NAT, endpoint: dict[str, Any] | None = None) -> Any:
    """A VPC as EC2 answers: three private subnets, of which the last has the VPC's own table, and a public one."""
    made, stub = client("ec2")
    of_it = {"Filters": [{"Name": "vpc-id", "Values": [VPC]}]}
    addresses = [{"CidrBlock": "10.1.0.0/16"}, {"CidrBlock": "100.64.0.0/16"}]
    stub.add_response("describe_vpcs", {"Vpcs": [{"CidrBlockAssociationSet": addresses}]}, {"VpcIds": [VPC]})
    tables = [
        {"RouteTableId": "rtb-00000000", "Associations": [{"SubnetId": "subnet-00000000"}], "Routes": [LOCAL, NAT]},
        {"RouteTableId": "rtb-00000001", "Associations": [{"SubnetId": "subnet-00000001"}], "Routes": [LOCAL, NAT]},
        {"RouteTableId": "rtb-00000002", "Associations": [{"Main": True}], "Routes": [LOCAL, route]},
        {"RouteTableId": "rtb-00000009", "Associations": [{"SubnetId": "subnet-00000009"}], "Routes": [INTERNET]},
    ]
    stub.add_response("describe_route_tables", {"RouteTables": tables}, of_it)
    of_subnets = [
        *((one["id"], one["availability_zone"], free if n == 2 else 100) for n, one in enumerate(SUBNETS)),
        ("subnet-00000009", "ap-northeast-1a", 4000),
    ]
    subnets = [
        {"SubnetId": subnet, "AvailabilityZone": zone, "AvailableIpAddressCount": count}
        for subnet, zone, count in of_subnets
    ]
    stub.add_response("describe_subnets", {"Subnets": subnets}, of_it)
    gateways = {"Filters": [*of_it["Filters"], {"Name": "vpc-endpoint-type", "Values": ["Gateway"]}]}
    stub.add_response("describe_vpc_endpoints", {"VpcEndpoints": [endpoint] if endpoint else []}, gateways)
    return made


S3 = {"ServiceName": f"com.amazonaws.{REGION}.s3", "RouteTableIds": ["rtb-00000001", "rtb-00000007"]}
DYNAMODB = {"ServiceName": f"com.amazonaws.{REGION}.dynamodb", "RouteTableIds": ["rtb-00000000"]}


def found(of: Any, *, network: dict[str, Any] | None = None, base_rpu: int = 8) -> list[str]:
    wanted = {"vpc_id": VPC, "cidr": "10.1.0.0/16", "subnets": SUBNETS, **(network or {})}
    config = parse_config(
        {
            "account": ACCOUNT,
            "name": "dwh",
            "network": {"existing": wanted},
            "source": {"existing": EXISTING_SOURCE},
            "warehouse": {"base_rpu": base_rpu, "max_rpu": 512},
        }
    )
    assert config.network.existing
    return list(problems(config, config.network.existing, look(of, VPC)))


def test_a_vpc_that_has_what_is_needed_has_no_problem() -> None:
    assert found(ec2()) == []
    assert found(ec2(free=9)) == []
    assert found(ec2(endpoint=DYNAMODB)) == []
    transit = {"DestinationCidrBlock": "0.0.0.0/0", "TransitGatewayId": "tgw-01234567", "State": "active"}
    assert found(ec2(route=transit)) == []


@pytest.mark.parametrize(("rpu", "addresses"), [(8, 9), (16, 13), (24, 13), (64, 21), (72, 37), (512, 133)])
def test_more_capacity_needs_more_free_addresses(rpu: int, addresses: int) -> None:
    """Amazon's table for workgroups with enhanced VPC routing, which this one has."""
    assert needed(rpu) == addresses


def test_too_few_free_addresses_are_told_with_their_subnet() -> None:
    said = "has 8 free addresses; Redshift Serverless needs 9 for 8 RPU: name another"
    assert found(ec2(free=8)) == [f"network.existing.subnets: subnet-00000002 {said}"]
    assert len(found(ec2(free=200), base_rpu=512)) == 2  # the other two, which have 100


def test_an_s3_endpoint_is_made_where_there_is_none_and_only_there() -> None:
    said = "network.existing.s3_endpoint: rtb-00000001 has an S3 endpoint already: write false"
    assert found(ec2(endpoint=S3)) == [said]
    ours = {**S3, "Tags": [{"Key": "aws:cloudformation:stack-name", "Value": "dwh-warehouse"}]}
    assert found(ec2(endpoint=ours)) == []
    bare = "network.existing.s3_endpoint: rtb-00000000, rtb-00000002 has no S3 endpoint: write true"
    assert found(ec2(endpoint=S3), network={"s3_endpoint": False}) == [bare]


def test_what_is_not_as_it_is_written_is_told_by_its_field() -> None:
    wrong = [{**SUBNETS[0], "route_table": "rtb-00000005"}, {**SUBNETS[1], "id": "subnet-0000000f"}, SUBNETS[2]]
    hole = {**NAT, "State": "blackhole"}
    network = {
        "cidr": "10.2.0.0/16",
        "subnets": wrong,
        "public_subnets": [SUBNETS[0], {**SUBNETS[1], "id": "subnet-00000009"}],
    }
    no_way_out = "no way out through a NAT gateway: give its route table a route for 0.0.0.0/0, or name another"
    no_way_in = "no way in from the Internet: its route for 0.0.0.0/0 is to an Internet gateway"
    assert found(ec2(route=hole), network=network) == [
        "network.existing.cidr: vpc-01234567 has 10.1.0.0/16, 100.64.0.0/16, not 10.2.0.0/16",
        "network.existing.subnets: subnet-00000000 has the route table rtb-00000000, not rtb-00000005",
        "network.existing.subnets: subnet-0000000f is not in vpc-01234567",
        f"network.existing.subnets: subnet-00000002 has {no_way_out}",
        f"network.existing.public_subnets: subnet-00000000 has {no_way_in}",
        "network.existing.public_subnets: subnet-00000009 is in ap-northeast-1a, not ap-northeast-1c",
        "network.existing.public_subnets: subnet-00000009 has the route table rtb-00000009, not rtb-00000001",
    ]


def rds(answer: dict[str, Any], *, is_instance: bool = False) -> Any:
    made, stub = client("rds")
    group = {"DBSubnetGroupName": "default", "VpcId": VPC}
    groups = [{"VpcSecurityGroupId": "sg-01234567", "Status": "active"}]
    if is_instance:
        stub.add_client_error("describe_db_clusters", "DBClusterNotFoundFault", expected_params=ANY_OF)
        instance = {"DBSubnetGroup": group, "VpcSecurityGroups": groups, **answer}
        stub.add_response("describe_db_instances", {"DBInstances": [instance]}, {"DBInstanceIdentifier": "production"})
    else:
        cluster = {"DBSubnetGroup": "default", "VpcSecurityGroups": groups, **answer}
        stub.add_response("describe_db_clusters", {"DBClusters": [cluster]}, ANY_OF)
        stub.add_response("describe_db_subnet_groups", {"DBSubnetGroups": [group]}, {"DBSubnetGroupName": "default"})
    return made


ANY_OF = {"DBClusterIdentifier": ANY}
CLUSTER = {
    "Engine": "aurora-mysql",
    "DatabaseName": "shop",
    "Endpoint": "production.cluster-abc.ap-northeast-1.rds.amazonaws.com",
    "ReaderEndpoint": "production.cluster-ro-abc.ap-northeast-1.rds.amazonaws.com",
    "Port": 3306,
}


@pytest.mark.parametrize("endpoint", [None, S3])
def test_the_identifier_of_a_cluster_is_enough_for_all_but_its_secret(endpoint: dict[str, Any] | None) -> None:
    """What is printed is a configuration as soon as the secret is named and the account."""
    text = written(sections("production", ec2(endpoint=endpoint), rds(CLUSTER)))
    assert f"{SECRET}  # of a secret with username and password of a user that may read\n" in text
    read = YAML(typ="safe").load(text.replace(SECRET, EXISTING_SOURCE["secret_arn"]))
    config = parse_config({"account": ACCOUNT, **read})
    existing, network = config.source.existing, config.network.existing
    assert existing is not None
    assert network is not None
    assert (existing.kind, existing.host, existing.port) == ("aurora", CLUSTER["ReaderEndpoint"], 3306)
    assert (existing.security_group, config.source.database) == ("sg-01234567", "shop")
    assert (network.vpc_id, network.cidr, network.s3_endpoint) == (VPC, "10.1.0.0/16", endpoint is None)
    assert [subnet.model_dump() for subnet in network.subnets] == SUBNETS  # and not the public one, though it has more


def test_a_name_that_yaml_would_take_for_something_else_is_still_a_name() -> None:
    text = written(sections("production", ec2(), rds({**CLUSTER, "DatabaseName": "true"})))
    assert YAML(typ="safe").load(text)["source"]["database"] == "true"


def test_an_instance_is_found_as_well() -> None:
    instance = {"Engine": "mariadb", "Endpoint": {"Address": "db.abc.rds.amazonaws.com", "Port": 3307}}
    source = sections("production", ec2(), rds(instance, is_instance=True))["source"]
    assert "database" not in source
    assert (source["existing"]["kind"], source["existing"]["port"]) == ("instance", 3307)


def test_what_cannot_be_a_source_is_told() -> None:
    with pytest.raises(ExistingError, match="production is aurora-postgresql; a source is MySQL or MariaDB"):
        sections("production", ec2(), rds({**CLUSTER, "Engine": "aurora-postgresql"}))
    with pytest.raises(ExistingError, match=r"in 2 zones \(ap-northeast-1a, ap-northeast-1c\): Redshift"):
        sections("production", ec2(route=LOCAL), rds(CLUSTER))
    made, stub = client("rds")
    stub.add_client_error("describe_db_clusters", "DBClusterNotFoundFault")
    stub.add_client_error("describe_db_instances", "DBInstanceNotFound")
    with pytest.raises(ExistingError, match="there is no cluster and no instance production in this Region"):
        sections("production", ec2(), made)
