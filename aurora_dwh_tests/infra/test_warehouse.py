"""The lake and Redshift: private, encrypted, over TLS, and read by a role that may do nothing else."""

from __future__ import annotations

from typing import Any

from aurora_dwh_tests.infra.conftest import Templates
from aurora_dwh_tests.infra.deployments import DEPLOYMENTS


def all_of(templates: Templates, kind: str, stack: str | None = None) -> list[dict[str, Any]]:
    found = [properties for _, properties in templates.of(kind, stack)]
    assert found
    return found


def test_the_lake_is_versioned_and_forgets_old_attempts(templates: Templates) -> None:
    lakes = all_of(templates, "AWS::S3::Bucket", "warehouse")
    assert len(lakes) == len(DEPLOYMENTS)
    for lake in lakes:
        assert lake["VersioningConfiguration"] == {"Status": "Enabled"}
        rules = {rule["Id"]: rule for rule in lake["LifecycleConfiguration"]["Rules"]}
        assert rules["old-attempts"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
        assert rules["old-attempts"]["ExpiredObjectDeleteMarker"] is True
        assert rules["broken-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 3}
        assert "LoggingConfiguration" in lake


def test_redshift_is_private_and_refuses_connections_in_the_clear(templates: Templates) -> None:
    for workgroup in all_of(templates, "AWS::RedshiftServerless::Workgroup"):
        assert workgroup["PubliclyAccessible"] is False
        assert workgroup["EnhancedVpcRouting"] is True
        assert {"ParameterKey": "require_ssl", "ParameterValue": "true"} in workgroup["ConfigParameters"]
        assert len(workgroup["SubnetIds"]) == 3


def test_redshift_makes_its_administrators_secret_itself(templates: Templates) -> None:
    for namespace in all_of(templates, "AWS::RedshiftServerless::Namespace"):
        assert namespace["ManageAdminPassword"] is True
        assert "AdminUserPassword" not in namespace
        assert [namespace["DefaultIamRoleArn"]] == namespace["IamRoles"]


def test_the_default_role_reads_the_lake_and_nothing_else(templates: Templates) -> None:
    for place, policy in templates.of("AWS::IAM::Policy", "warehouse"):
        if "CopyRole" not in place:
            continue
        by_action = {statement["Action"]: statement for statement in policy["PolicyDocument"]["Statement"]}
        assert set(by_action) == {"s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"}
        (_, parts) = by_action["s3:GetObject"]["Resource"]["Fn::Join"]
        assert parts[1] == "/lake/*"
        assert by_action["s3:ListBucket"]["Condition"] == {"StringLike": {"s3:prefix": ["lake", "lake/*"]}}


def test_redshifts_hours_of_a_day_are_limited_and_watched(templates: Templates) -> None:
    for place, limit in templates.of("Custom::AWS", "warehouse"):
        text = str(limit["Create"])
        assert '"amount":64' in text
        assert f'"breachAction":"{"deactivate" if place.startswith("instance-") else "log"}"' in text
    alarms = [p for place, p in templates.of("AWS::CloudWatch::Alarm") if "UsageAlarm" in place]
    assert len(alarms) == len(DEPLOYMENTS)
    for alarm in alarms:
        assert alarm["Threshold"] == 64 * 3600 * 0.8
        assert len(alarm["AlarmActions"]) == 1


def test_s3_is_reached_inside_the_network(templates: Templates) -> None:
    for endpoint in all_of(templates, "AWS::EC2::VPCEndpoint", "warehouse"):
        assert endpoint["VpcEndpointType"] == "Gateway"
        assert len(endpoint["RouteTableIds"]) == 3
