"""Amazon's Service Authorization Reference, of which cfn-lint has a copy, and the resources of a template as ARNs.

https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

REFERENCE = json.loads((files("cfnlint.data.AdditionalSpecs") / "Policies.json").read_text(encoding="utf-8"))
HERE = {"${Partition}": "aws", "${Region}": "[a-z0-9-]*", "${Account}": "[0-9]*"}
SHARPER = {("s3", "bucket"): r"arn:aws:s3:::[^/]+", ("s3", "object"): r"arn:aws:s3:::[^/]+/.+"}
"""Types whose form in the copy is that of another type as well."""

ARNS = {
    "AWS::EC2::SecurityGroup": "ec2:r:1:security-group/x",
    "AWS::EC2::Subnet": "ec2:r:1:subnet/x",
    "AWS::ECS::Cluster": "ecs:r:1:cluster/x",
    "AWS::ECS::TaskDefinition": "ecs:r:1:task-definition/x:1",
    "AWS::IAM::Role": "iam::1:role/x",
    "AWS::KMS::Key": "kms:r:1:key/x",
    "AWS::Logs::LogGroup": "logs:r:1:log-group:x:*",
    "AWS::RDS::DBCluster": "secretsmanager:r:1:secret:x",  # its secret's, which is the only ARN that is asked of it
    "AWS::RedshiftServerless::Workgroup": "redshift-serverless:r:1:workgroup/x",
    "AWS::S3::Bucket": "s3:::x",
    "AWS::SNS::Topic": "sns:r:1:x",
    "AWS::SecretsManager::Secret": "secretsmanager:r:1:secret:x",
    "AWS::SecretsManager::SecretTargetAttachment": "secretsmanager:r:1:secret:x",
}
"""Type of CloudFormation -> an ARN of that type."""

PSEUDO = {"AWS::Partition": "aws", "AWS::Region": "r", "AWS::AccountId": "1", "AWS::URLSuffix": "amazonaws.com"}


def listed(value: Any) -> list[Any]:
    """Return a statement's field, which may be one value or several, as several."""
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True)
class Deployment:
    """The templates of one deployment, which take values from one another.

    Attributes:
        stacks: Stack without its prefix -> template.
    """

    stacks: dict[str, dict[str, Any]]

    def text(self, stack: str, value: Any) -> str:
        """Return a value of a template as the text that it becomes, with invented ids."""
        if isinstance(value, str):
            return value
        ((function, argument),) = value.items()
        if function == "Fn::Join":
            return str(argument[0]).join(self.text(stack, part) for part in argument[1])
        if function == "Fn::ImportValue":
            for other, template in self.stacks.items():
                for output in template.get("Outputs", {}).values():
                    if output.get("Export", {}).get("Name") == argument:
                        return self.text(other, output["Value"])
        if function == "Ref" and argument in PSEUDO:
            return PSEUDO[argument]
        logical = argument if function == "Ref" else argument[0]
        kind = self.stacks[stack]["Resources"][logical]["Type"]
        if function == "Ref" and kind in ("AWS::S3::Bucket", "AWS::Logs::LogGroup"):
            return "x"
        return f"arn:aws:{ARNS[kind]}"


def known(action: str) -> dict[str, list[str]]:
    """Return the actions that an action of a policy stands for, with the types of resource that each takes."""
    service, name = action.lower().split(":")
    actions = REFERENCE.get(service, {}).get("Actions", {})
    return {f"{service}:{one}": actions[one].get("Resources", []) for one in actions if fnmatch.fnmatchcase(one, name)}


def takes(action: str, kind: str, arn: str) -> bool:
    """Say whether an ARN is of a type of resource that an action takes."""
    service = action.split(":")[0]
    forms = {name.lower(): form.get("ARNFormats", ()) for name, form in REFERENCE[service]["Resources"].items()}
    patterns = [SHARPER.get((service, kind.lower()), pattern) for pattern in forms.get(kind.lower(), ())]
    for placeholder, pattern in HERE.items():
        patterns = [one.replace(placeholder, pattern) for one in patterns]
    return any(re.fullmatch(pattern, arn) for pattern in patterns)
