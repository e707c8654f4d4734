"""What stands already, asked of AWS before the first deploy: what to write of it, and whether what is written will do.

`--database` prints the sections `network` and `source` for a database that is named by nothing but its identifier.
Without it the configuration is compared with its VPC, of which the templates look up nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from infra.config import DEFAULT_REGION, Config, ExistingNetwork
from infra.config_file import ConfigError, read_config

FREE_ADDRESSES = {8: 9, 16: 13, 32: 13, 64: 21, 128: 37, 256: 69, 512: 133}
"""RPU -> addresses that must be free in each subnet of a workgroup with enhanced VPC routing:
https://docs.aws.amazon.com/redshift/latest/mgmt/serverless-usage-considerations.html"""

SECRET = "arn:aws:secretsmanager:..."  # noqa: S105 - what stands where the reader names one
ANYWHERE = "0.0.0.0/0"
LONGEST_LINE = 200
"""Characters of a line of YAML before it is broken: a subnet has one."""


class ExistingError(Exception):
    """What was asked for is not there; the message says what to do."""


@dataclass(frozen=True)
class Subnet:
    """A subnet as AWS has it.

    Attributes:
        id: Its id.
        zone: Its zone.
        free: How many addresses are free.
        table: Its route table: its own, or else the VPC's.
        way_out: What leads to the Internet: the id of a gateway; None where nothing does.
    """

    id: str
    zone: str
    free: int
    table: str
    way_out: str | None

    @property
    def is_private(self) -> bool:
        """Whether it has a way out, and nobody a way in."""
        return self.way_out is not None and not self.way_out.startswith("igw-")


@dataclass(frozen=True)
class Vpc:
    """A VPC as AWS has it.

    Attributes:
        cidrs: Its addresses.
        subnets: Its subnets by their ids.
        s3_tables: Route tables that have an S3 gateway endpoint, each with the stack that made it, "" where none did.
    """

    cidrs: list[str]
    subnets: dict[str, Subnet]
    s3_tables: dict[str, str]


def needed(base_rpu: int) -> int:
    """Return how many addresses must be free in each subnet for a workgroup of some RPU."""
    return next(free for rpu, free in FREE_ADDRESSES.items() if rpu >= base_rpu)


def look(ec2: Any, vpc_id: str) -> Vpc:
    """Ask EC2 for a VPC and what is in it.

    Args:
        ec2: A client.
        vpc_id: The VPC.
    """
    of_it = [{"Name": "vpc-id", "Values": [vpc_id]}]
    (vpc,) = ec2.describe_vpcs(VpcIds=[vpc_id])["Vpcs"]
    tables = ec2.describe_route_tables(Filters=of_it)["RouteTables"]
    by_subnet = {link.get("SubnetId"): table for table in tables for link in table["Associations"]}  # None: the VPC's
    subnets = {}
    for found in ec2.describe_subnets(Filters=of_it)["Subnets"]:
        table = by_subnet.get(found["SubnetId"], by_subnet.get(None, {"RouteTableId": "", "Routes": []}))
        subnets[found["SubnetId"]] = Subnet(
            id=found["SubnetId"],
            zone=found["AvailabilityZone"],
            free=found["AvailableIpAddressCount"],
            table=table["RouteTableId"],
            way_out=next((_gateway(r) for r in table["Routes"] if r.get("DestinationCidrBlock") == ANYWHERE), None),
        )
    endpoints = ec2.describe_vpc_endpoints(Filters=[*of_it, {"Name": "vpc-endpoint-type", "Values": ["Gateway"]}])
    s3_tables: dict[str, str] = {}
    for endpoint in endpoints["VpcEndpoints"]:
        if endpoint["ServiceName"].endswith(".s3"):
            tags = {tag["Key"]: tag["Value"] for tag in endpoint.get("Tags", ())}
            stack = tags.get("aws:cloudformation:stack-name", "")
            s3_tables |= dict.fromkeys(endpoint["RouteTableIds"], stack)
    return Vpc([one["CidrBlock"] for one in vpc["CidrBlockAssociationSet"]], subnets, s3_tables)


def _gateway(route: dict[str, Any]) -> str | None:
    if route.get("State") == "blackhole":
        return None
    targets = ("NatGatewayId", "GatewayId", "TransitGatewayId", "NetworkInterfaceId", "VpcPeeringConnectionId")
    return next((route[name] for name in targets if name in route), None)


def problems(config: Config, existing: ExistingNetwork, vpc: Vpc) -> Iterator[str]:
    """Yield what AWS would refuse, or would do without, as sentences with the field and the remedy.

    Args:
        config: The configuration.
        existing: Its VPC.
        vpc: The same as AWS has it.
    """
    if existing.cidr not in vpc.cidrs:
        yield f"network.existing.cidr: {existing.vpc_id} has {', '.join(vpc.cidrs)}, not {existing.cidr}"
    for place in ("subnets", "public_subnets"):
        for written in getattr(existing, place):
            subnet, where = vpc.subnets.get(written.id), f"network.existing.{place}: {written.id}"
            if subnet is None:
                yield f"{where} is not in {existing.vpc_id}"
                continue
            if written.availability_zone != subnet.zone:
                yield f"{where} is in {subnet.zone}, not {written.availability_zone}"
            if written.route_table != subnet.table:
                yield f"{where} has the route table {subnet.table}, not {written.route_table}"
            lacking = _private(subnet, config) if place == "subnets" else _public(subnet)
            yield from (f"{where} has {what}" for what in lacking)
    yield from (
        f"network.existing.s3_endpoint: {what}" for what in _endpoint(existing, vpc, f"{config.name}-warehouse")
    )


def _private(subnet: Subnet, config: Config) -> Iterator[str]:
    if not subnet.is_private:
        yield f"no way out through a NAT gateway: give its route table a route for {ANYWHERE}, or name another"
    rpu = config.warehouse.base_rpu
    if subnet.free < needed(rpu):
        yield f"{subnet.free} free addresses; Redshift Serverless needs {needed(rpu)} for {rpu} RPU: name another"


def _public(subnet: Subnet) -> Iterator[str]:
    if not (subnet.way_out or "").startswith("igw-"):
        yield f"no way in from the Internet: its route for {ANYWHERE} is to an Internet gateway"


def _endpoint(existing: ExistingNetwork, vpc: Vpc, stack: str) -> Iterator[str]:
    """A route table takes one S3 endpoint; `stack` makes ours."""
    tables = {written.route_table for written in existing.subnets}
    taken = {table for table in tables & vpc.s3_tables.keys() if vpc.s3_tables[table] != stack}
    if existing.s3_endpoint and taken:
        yield f"{', '.join(sorted(taken))} has an S3 endpoint already: write false"
    if not existing.s3_endpoint and (bare := tables - vpc.s3_tables.keys()):
        yield f"{', '.join(sorted(bare))} has no S3 endpoint: write true"


def sections(identifier: str, ec2: Any, rds: Any) -> dict[str, Any]:
    """Return what to write in the configuration of a database and its VPC.

    Args:
        identifier: The cluster's or the instance's.
        ec2: A client.
        rds: A client.

    Raises:
        ExistingError: There is no such database, or its VPC lacks private subnets in three zones.
    """
    source, vpc_id = _database(identifier, rds)
    vpc = look(ec2, vpc_id)
    best: dict[str, Subnet] = {}
    for subnet in sorted(vpc.subnets.values(), key=lambda one: (one.free, one.id)):
        if subnet.is_private:
            best[subnet.zone] = subnet
    if len(best) < 3:
        raise ExistingError(
            f"{vpc_id} has private subnets with a way out in {len(best)} zones ({', '.join(sorted(best)) or 'none'}): "
            "Redshift Serverless needs three, so make what is missing, each with a route through a NAT gateway"
        )
    chosen = sorted(sorted(best.values(), key=lambda one: -one.free)[:3], key=lambda one: one.zone)
    network = {
        "vpc_id": vpc_id,
        "cidr": vpc.cidrs[0],
        "subnets": [
            _in_a_line({"id": one.id, "availability_zone": one.zone, "route_table": one.table}) for one in chosen
        ],
        "s3_endpoint": not any(one.table in vpc.s3_tables for one in chosen),
    }
    return {"network": {"existing": network}, "source": source}


def _database(identifier: str, rds: Any) -> tuple[dict[str, Any], str]:
    """Return the section `source`, and the VPC."""
    try:
        (found,) = rds.describe_db_clusters(DBClusterIdentifier=identifier)["DBClusters"]
    except rds.exceptions.DBClusterNotFoundFault:
        return _instance(identifier, rds)
    (group,) = rds.describe_db_subnet_groups(DBSubnetGroupName=found["DBSubnetGroup"])["DBSubnetGroups"]
    host, name = found.get("ReaderEndpoint") or found["Endpoint"], found.get("DatabaseName")
    return _source(found, "aurora", identifier, host, found["Port"], name), group["VpcId"]


def _instance(identifier: str, rds: Any) -> tuple[dict[str, Any], str]:
    try:
        (found,) = rds.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"]
    except rds.exceptions.DBInstanceNotFoundFault:
        raise ExistingError(f"there is no cluster and no instance {identifier} in this Region") from None
    host, port = found["Endpoint"]["Address"], found["Endpoint"]["Port"]
    return _source(found, "instance", identifier, host, port, found.get("DBName")), found["DBSubnetGroup"]["VpcId"]


def _source(
    found: dict[str, Any], kind: str, identifier: str, host: str, port: int, name: str | None
) -> dict[str, Any]:
    if not any(engine in found["Engine"] for engine in ("mysql", "mariadb")):
        raise ExistingError(f"{identifier} is {found['Engine']}; a source is MySQL or MariaDB")
    existing = CommentedMap(
        kind=kind,
        id=identifier,
        host=host,
        port=port,
        secret_arn=SECRET,
        security_group=found["VpcSecurityGroups"][0]["VpcSecurityGroupId"],
    )
    existing.yaml_add_eol_comment("of a secret with username and password of a user that may read", "secret_arn")
    return {**({"database": name} if name else {}), "existing": existing}


def main() -> None:
    """Print what to write of a database, or what is wrong with what is written."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="the identifier of a cluster or an instance of RDS")
    parser.add_argument("--region", default=DEFAULT_REGION, help="with --database")
    parser.add_argument("--config", type=Path, default=Path("infra/config.yaml"))
    arguments = parser.parse_args()
    try:
        if arguments.database:
            clients = (boto3.client(name, region_name=arguments.region) for name in ("ec2", "rds"))
            sys.stdout.write(written(sections(arguments.database, *clients)))
            return
        config = read_config(arguments.config)
        existing = config.network.existing
        if existing is None:
            sys.exit(f"{arguments.config}: network.new is made by the stacks; there is nothing to compare")
        found = list(problems(config, existing, look(boto3.client("ec2", region_name=config.region), existing.vpc_id)))
    except (ConfigError, ExistingError, BotoCoreError, ClientError) as error:
        sys.exit(str(error))
    if found:
        sys.exit("\n".join(f"{arguments.config}: {problem}" for problem in found))
    sys.stdout.write(f"{existing.vpc_id} is as {arguments.config} says, and has what is needed\n")


def written(found: dict[str, Any]) -> str:
    """Return sections as they are written in the configuration."""
    text, yaml = StringIO(), YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = LONGEST_LINE
    yaml.dump(found, text)
    return text.getvalue()


def _in_a_line(values: dict[str, Any]) -> CommentedMap:
    made = CommentedMap(values)
    made.fa.set_flow_style()
    return made


if __name__ == "__main__":
    main()
