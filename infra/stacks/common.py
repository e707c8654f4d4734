"""What several stacks do the same way: keeping or removing data, private buckets, and why a rule does not apply."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct, IConstruct

from infra.config import Config

REDSHIFT_PORT = 5439
BASIC_EXECUTION = "arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
"""As cdk-nag writes it."""


UNPROTECTED = "The configuration says that everything may be destroyed, or nothing is in it before the first deploy."
FIRST = "first"
"""The context of a first deploy, `--context first=true`: what it leaves where it fails can be removed."""


def removal(config: Config) -> cdk.RemovalPolicy:
    """What becomes of data when its stack is deleted. What a failed deploy has only just made goes with it.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
    """
    return cdk.RemovalPolicy.DESTROY if config.destroyable else cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE


def protected(scope: Construct, config: Config) -> bool:
    """Whether a stack or a database is to refuse its deletion: from the second deploy on, unless all may go."""
    return not config.destroyable and not scope.node.try_get_context(FIRST)


def keep_exports(stack: cdk.Stack, *values: str) -> None:
    """Export values whether or not another stack takes them.

    A stack is deployed before those that take its exports, and CloudFormation refuses to remove one that is taken yet.
    """
    for value in values:
        stack.export_value(value)


def service(name: str, account: str, *, always_names_account: bool = False) -> iam.ServicePrincipal:
    """Return a service that may assume a role, on behalf of resources of this account and of no other's.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html

    Args:
        name: The service's, such as `ecs-tasks`.
        account: This one.
        always_names_account: Whether the service's pages say that it names the account whenever it assumes a role. Of
            another one a request is refused that names another account, and one that names none is not: it would not
            work at all.
    """
    operator = "StringEquals" if always_names_account else "StringEqualsIfExists"
    return iam.ServicePrincipal(f"{name}.amazonaws.com", conditions={operator: {"aws:SourceAccount": account}})


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """Say why a rule of cdk-nag does not apply to a construct and what is in it.

    Args:
        construct: The construct.
        rule: `IAM5`, or with the one finding that is meant, `IAM5[Resource::*]`.
        reason: Why it is right as it is.
    """
    cdk.Validations.of(construct).acknowledge(
        cdk.Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=reason)
    )


def private_bucket(
    scope: Construct,
    name: str,
    *,
    config: Config,
    rules: list[s3.LifecycleRule],
    versioned: bool = False,
    access_logs: s3.IBucket | None = None,
) -> s3.Bucket:
    """Make a bucket that is encrypted, reached over TLS only, and never public."""
    return s3.Bucket(
        scope,
        name,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        versioned=versioned,
        lifecycle_rules=rules,
        server_access_logs_bucket=access_logs,
        server_access_logs_prefix=f"s3/{name.lower()}/" if access_logs else None,
        # A bucket that has objects cannot be deleted, which would end a rollback; its name is in nobody's way.
        removal_policy=cdk.RemovalPolicy.DESTROY if config.destroyable else cdk.RemovalPolicy.RETAIN,
        auto_delete_objects=config.destroyable,
    )


def lake_access(bucket: s3.IBucket, prefix: str, *, write: bool) -> list[iam.PolicyStatement]:
    """Return what a role needs to read, or to read and write, the objects below a prefix and nothing else."""
    actions = ["s3:GetObject"]
    if write:
        actions += ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    return [
        iam.PolicyStatement(actions=actions, resources=[bucket.arn_for_objects(f"{prefix}/*")]),
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[bucket.bucket_arn],
            conditions={"StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}},
        ),
        iam.PolicyStatement(actions=["s3:GetBucketLocation"], resources=[bucket.bucket_arn]),
    ]


def finding(stack: cdk.Stack, arn: str) -> str:
    """Return an ARN that holds references as cdk-nag writes it: `<Logical.Arn>/rest`."""
    return _written(stack.resolve(arn))


def bucket_finding(stack: cdk.Stack, bucket: s3.IBucket, prefix: str) -> str:
    """Return the finding that a role may touch any object below a prefix, as cdk-nag writes it.

    A bucket of another stack is written by the name of its export.
    """
    owner = cdk.Stack.of(bucket)
    here = owner.node.path == stack.node.path
    arn = bucket.bucket_arn if here else owner.export_value(bucket.bucket_arn)
    return f"IAM5[Resource::{finding(stack, arn)}/{prefix}/*]"


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::ImportValue":
        return str(argument)
    if function == "Fn::Join":
        return "".join(_written(part) for part in argument[1])
    return f"<{'.'.join(argument) if isinstance(argument, list) else argument}>"
