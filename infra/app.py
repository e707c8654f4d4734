"""The CDK app: the configuration becomes stacks. `cdk` runs it by `infra/cdk.json`, in that folder.

It has to be the same folder: the names of files that `cdk` hands over are as seen from there. No call to AWS is made
here: names, zones and subnets come from the configuration.
"""

from __future__ import annotations

import sys
from pathlib import Path

import infra.node  # noqa: F401 - must come before aws_cdk

import aws_cdk as cdk  # isort: skip
from cdk_nag import AwsSolutionsChecks  # isort: skip
from constructs import Construct  # isort: skip

from aurora_dwh.warehouse.marts.model import MartError  # isort: skip
from infra.config import Config  # isort: skip
from infra.config_file import ConfigError, read_config  # isort: skip
from infra.stacks.bi import BiStack  # isort: skip
from infra.stacks.common import protected  # isort: skip
from infra.stacks.foundation import Foundation  # isort: skip
from infra.stacks.platform import Platform  # isort: skip
from infra.stacks.source import Source  # isort: skip
from infra.stacks.warehouse import Warehouse  # isort: skip

DEFAULT_CONFIG = Path(__file__).with_name("config.yaml")
"""Another is named with `cdk --context config=PATH`."""

CONTEXT = {
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/core:checkSecretUsage": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/aws-s3:createDefaultLoggingPolicy": True,
    "@aws-cdk/aws-ecs:disableExplicitDeploymentControllerForCircuitBreaker": True,
    "@aws-cdk/aws-rds:databaseProxyUniqueResourceName": True,
    "@aws-cdk/aws-ec2:restrictDefaultSecurityGroup": False,
    "@aws-cdk/core:defaultCrossStackReferences": "strong",
}
"""The CDK's feature flags, here so that tests and deployments have the same."""


def build(scope: Construct, config: Config) -> list[cdk.Stack]:
    """Make the stacks of a configuration, in the order in which they are deployed.

    Args:
        scope: An app, or a stage of one.
        config: What to deploy.
    """
    common = {
        "config": config,
        "env": cdk.Environment(account=config.account, region=config.region),
        "termination_protection": protected(scope, config),
        "tags": {"project": config.name, **config.tags},
    }
    foundation = Foundation(scope, f"{config.name}-foundation", **common)
    warehouse = Warehouse(scope, f"{config.name}-warehouse", foundation=foundation, **common)
    source = Source(scope, f"{config.name}-source", foundation=foundation, warehouse=warehouse, **common)
    platform = Platform(
        scope, f"{config.name}-platform", foundation=foundation, source=source, warehouse=warehouse, **common
    )
    stacks = [foundation, warehouse, source, platform]
    if config.bi:
        stacks.append(
            BiStack(
                scope,
                f"{config.name}-bi",
                bi=config.bi,
                foundation=foundation,
                warehouse=warehouse,
                **{**common, "termination_protection": False},  # it holds no data, and is what may be done without
            )
        )
    return stacks


def main() -> None:
    """Read the configuration and write the templates to where `cdk` looks for them."""
    app = cdk.App(context=CONTEXT)
    path = Path(app.node.try_get_context("config") or DEFAULT_CONFIG)
    try:
        build(app, read_config(path))
    except (ConfigError, MartError) as error:
        sys.exit(str(error))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


if __name__ == "__main__":
    main()
