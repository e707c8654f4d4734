"""What an existing source needs for `extract: outfile`, as commands to run: nothing of it is changed from here.

`aurora-dwh doctor` says afterwards whether all of it is in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_dwh.source.quoting import granted

if TYPE_CHECKING:
    from infra.config import Config, ExistingSource


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        purpose: Why.
        command: What to run; SQL where it says so in `purpose`.
    """

    purpose: str
    command: str


def existing_source_steps(config: Config, existing: ExistingSource, role_arn: str | None) -> list[Step]:
    """Return the steps in their order.

    Args:
        config: The whole configuration.
        existing: The database.
        role_arn: The role that may write to the lake; None where the database cannot export.
    """
    # CloudFormation gives a text back with question marks in the place of what is not ASCII:
    # https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/814
    name = config.source.database
    shown = granted(name) if name.isascii() else "`<source.database>`.*"
    steps = [
        Step(
            "SQL, as an administrator: the user of source.existing.secret_arn may read the tables over TLS, and see "
            "who waits for one that it reads",
            f"GRANT SELECT, SHOW VIEW ON {shown} TO '<user>'@'%'; "
            "GRANT PROCESS ON *.* TO '<user>'@'%'; ALTER USER '<user>'@'%' REQUIRE SSL;",
        )
    ]
    if role_arn is None:
        return steps
    group = f"{config.name}-source"
    region = f"--region {config.region}"
    return [
        *steps,
        Step(
            "SQL, as an administrator: the user may export to S3 (Aurora MySQL 2: GRANT SELECT INTO S3 ON *.*)",
            "GRANT AWS_SELECT_S3_ACCESS TO '<user>'@'%';",
        ),
        Step(
            "Only where the cluster uses a default parameter group, which cannot be changed: make one of its own",
            f"aws rds create-db-cluster-parameter-group {region} --db-cluster-parameter-group-name {group} "
            "--db-parameter-group-family aurora-mysql8.0 --description 'exports to S3' && "
            f"aws rds modify-db-cluster {region} --db-cluster-identifier {existing.id} "
            f"--db-cluster-parameter-group-name {group} --apply-immediately",
        ),
        Step(
            "Name the role in the cluster's parameter group (put its name in place of the last word where it has one), "
            "and let granted roles be active",
            f"aws rds modify-db-cluster-parameter-group {region} --parameters "
            f"ParameterName=aws_default_s3_role,ParameterValue={role_arn},ApplyMethod=pending-reboot "
            "ParameterName=activate_all_roles_on_login,ParameterValue=1,ApplyMethod=pending-reboot "
            f"--db-cluster-parameter-group-name {group}",
        ),
        Step(
            "Let the cluster use the role",
            f"aws rds add-role-to-db-cluster {region} --db-cluster-identifier {existing.id} --role-arn {role_arn}",
        ),
        Step(
            "Restart the cluster's instances at a quiet hour: the parameters hold from then on",
            f"aws rds describe-db-clusters {region} --db-cluster-identifier {existing.id} "
            "--query 'DBClusters[0].DBClusterMembers[].DBInstanceIdentifier' --output text | "
            f"xargs -n1 aws rds reboot-db-instance {region} --db-instance-identifier",
        ),
        Step("See that everything is in place", "aurora-dwh doctor"),
    ]
