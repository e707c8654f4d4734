"""Dagster on ECS: one daemon, two webservers, and roles that each may do one thing."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import botocore.session
import dagster as dg
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.instance.ref import InstanceRef
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._grpc.types import ExecuteRunArgs
from ruamel.yaml import YAML
from typer.main import get_command

from aurora_dwh.catalog.model import PACKAGED_CATALOG, Catalog
from aurora_dwh.cli import app
from aurora_dwh.lake.layout import Layout
from aurora_dwh_tests.infra.authorization import listed
from aurora_dwh_tests.infra.conftest import Templates
from aurora_dwh_tests.infra.deployments import DEPLOYMENTS, HOST_NAME, MASK_KEY, WEBHOOK
from aurora_dwh_tests.infra.test_policies import deployments
from infra import commands
from infra.watch import EVERY, LINES_TO_DAYS, Watch

ROOT = Path(__file__).parents[2]

NOT_SET = {
    "AURORA_DWH_LOCATIONS": "set where the configuration has `platform.locations`, as in test_locations",
    "AURORA_USER": "the secret names the user",
    "AURORA_PASSWORD": "AURORA_SECRET_ID",
    "AURORA_IAM_AUTH": "AURORA_SECRET_ID",
    "AURORA_MASK_KEY": "AURORA_MASK_KEY_SECRET_ID",
    "AWS_ENDPOINT_URL_S3": "Amazon's own",
    "AWS_ENDPOINT_URL": "Amazon's own",
    "LAKE_SSE": "the bucket encrypts each object itself",
    "REDSHIFT_PORT": "the workgroup has the default",
    "REDSHIFT_USER": "the role names the user",
    "REDSHIFT_PASSWORD": "REDSHIFT_WORKGROUP",
    "REDSHIFT_SECRET_ID": "REDSHIFT_WORKGROUP",
    "REDSHIFT_TLS": "the default verifies",
    "REDSHIFT_IAM_ROLE": "the namespace's default role is the one that reads the lake",
    "REDSHIFT_STAGING_SCHEMA": "the default",
    "REDSHIFT_BI_SCHEMA": "the default, which grants and datasets name",
}
"""Setting -> why no container has it."""


LONGEST_OVERRIDES = 8192
"""Characters: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html"""

PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
(OF_A_LOCATION,) = re.findall(r'`("environment": \[.*?\])`', PAGE)
"""What stands beside `command`, where the command is for another catalog."""

STANDARD = [name for name in DEPLOYMENTS if "-small-" not in name]
SMALL = [name for name in DEPLOYMENTS if "-small-" in name]


def services(templates: Templates, name: str) -> list[dict[str, Any]]:
    """A service of each standard deployment."""
    found = [s for place, s in templates.of("AWS::ECS::Service") if s["ServiceName"] == name and "-small-" not in place]
    assert len(found) == len(STANDARD)
    return found


def containers(templates: Templates, name: str) -> list[dict[str, Any]]:
    found = [
        container
        for _, task in templates.of("AWS::ECS::TaskDefinition")
        for container in task["ContainerDefinitions"]
        if container["Name"] == name
    ]
    assert len(found) == len(DEPLOYMENTS)
    return found


def policies(templates: Templates, role: str, *, count: int | None = None) -> list[tuple[str, list[dict[str, Any]]]]:
    """Of a role of each deployment; in a small one webserver, daemon and code server have one, the webserver's."""
    found = [
        (place, policy["PolicyDocument"]["Statement"])
        for place, policy in templates.of("AWS::IAM::Policy")
        if f"{role}RoleDefaultPolicy" in place
    ]
    assert len(found) == (count or len(STANDARD if role.startswith(("Code", "Daemon")) else DEPLOYMENTS))
    return found


def actions(statements: list[dict[str, Any]]) -> set[str]:
    return {action for s in statements for action in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])}


def test_there_is_never_more_than_one_daemon(templates: Templates) -> None:
    for daemon in services(templates, "daemon"):
        assert daemon["DesiredCount"] == 1
        assert daemon["DeploymentConfiguration"]["MaximumPercent"] == 100
        assert daemon["DeploymentConfiguration"]["MinimumHealthyPercent"] == 0
        assert daemon["LaunchType"] == "FARGATE"
        assert "CapacityProviderStrategy" not in daemon
    scaled = [properties for _, properties in templates.of("AWS::ApplicationAutoScaling::ScalableTarget")]
    assert len(scaled) == len(STANDARD)
    assert all("Webserver" in json.dumps(target["ResourceId"]) for target in scaled)
    assert {(target["MinCapacity"], target["MaxCapacity"]) for target in scaled} == {(2, 4)}


def test_two_webservers_stand_behind_the_load_balancer(templates: Templates) -> None:
    for webserver in services(templates, "webserver"):
        assert webserver["DesiredCount"] == 2
        (balancer,) = webserver["LoadBalancers"]
        assert (balancer["ContainerName"], balancer["ContainerPort"]) == ("webserver", 3000)


def test_processes_have_the_time_to_start_and_to_end_that_was_measured(templates: Templates) -> None:
    """`docs/sizing.md` has the figures: up to 99 seconds to an answer, 39 for a check, 41 to the end of a daemon."""
    for webserver in services(templates, "webserver"):
        assert webserver["HealthCheckGracePeriodSeconds"] > 99
    for name in ("code", "daemon"):
        for container in containers(templates, name):
            check = container["HealthCheck"]
            assert (check["StartPeriod"] > 99, check["Timeout"] > 39) == (True, True), name
    for name, seconds in (("code", 30), ("daemon", 120), ("run", 120), ("webserver", 120), ("watch", 30)):
        assert {container["StopTimeout"] for container in containers(templates, name)} == {seconds}, name


def test_the_code_server_is_found_by_name(templates: Templates) -> None:
    for code in services(templates, "code"):
        assert code["DesiredCount"] == 1
        assert len(code["ServiceRegistries"]) == 1
    hosts = [
        pair["Value"]
        for container in containers(templates, "webserver")
        for pair in container["Environment"]
        if pair["Name"] == "DAGSTER_CODE_HOST"
    ]
    assert sorted(hosts) == ["127.0.0.1"] * len(SMALL) + ["code.dwh.internal"] * len(STANDARD)


def test_a_small_platform_is_one_task_of_the_same_containers_without_a_load_balancer(templates: Templates) -> None:
    parts = ["code", "daemon", "watch", "webserver", "migrate"]
    for deployment in SMALL:
        resources = templates.stacks[deployment, "platform"]["Resources"]
        (service,) = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::ECS::Service"]
        assert service["DesiredCount"] == 1
        assert service["DeploymentConfiguration"]["MaximumPercent"] == 100  # there is never more than one daemon
        assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 0
        task = resources[service["TaskDefinition"]["Ref"]]["Properties"]
        held = {container["Name"]: container for container in task["ContainerDefinitions"]}
        assert list(held) == parts
        for waiting in ("daemon", "watch", "webserver"):
            assert held[waiting]["DependsOn"] == [{"Condition": "HEALTHY", "ContainerName": "code"}]
        alike = {
            container["Name"]: container
            for place, one in templates.of("AWS::ECS::TaskDefinition")
            if place.startswith(f"{deployment.replace('-small-', '-http-')}/")
            for container in one["ContainerDefinitions"]
        }
        for part in parts:
            for field in ("Command", "HealthCheck", "Essential"):
                assert held[part].get(field) == alike[part].get(field), (deployment, part)
        for kind in ("ElasticLoadBalancingV2", "ServiceDiscovery", "ApplicationAutoScaling"):
            assert not [one for one in resources.values() if f"::{kind}::" in one["Type"]], deployment


def test_a_small_storage_is_one_instance_that_takes_tls_only_and_is_kept(templates: Templates) -> None:
    instances = [(p, one) for p, one in templates.of("AWS::RDS::DBInstance", "platform") if p.startswith("instance-")]
    assert len(instances) == sum(1 for name in DEPLOYMENTS if name.startswith("instance-"))
    for place, instance in instances:
        assert (instance["DBInstanceClass"], instance["Engine"]) == ("db.t4g.micro", "postgres")
        assert instance["StorageEncrypted"] is True, place
        assert instance["DeletionProtection"] is ("destroyable" not in place)
    for _, group in templates.of("AWS::RDS::DBParameterGroup", "platform"):
        assert group["Parameters"]["rds.force_ssl"] == "1"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("code", commands.code_server()),
        ("migrate", commands.migrate()),
        ("daemon", commands.daemon()),
        ("webserver", commands.webserver()),
        ("watch", commands.watch("06:00")),
    ],
)
def test_containers_run_the_commands_that_the_topology_test_runs(
    templates: Templates, name: str, command: list[str]
) -> None:
    for container in containers(templates, name):
        assert container["Command"] == command
        assert container["LogConfiguration"]["LogDriver"] == "awslogs"


def test_the_daemon_and_the_code_server_are_restarted_when_they_are_ill(templates: Templates) -> None:
    for name, health in (("daemon", commands.daemon_health()), ("code", commands.code_server_health())):
        for container in containers(templates, name):
            assert container["HealthCheck"]["Command"] == ["CMD", *health]


def test_no_container_holds_a_password(templates: Templates) -> None:
    for name in ("code", "daemon", "webserver", "run"):
        for container in containers(templates, name):
            secrets = {secret["Name"] for secret in container["Secrets"]} - {"ALERT_WEBHOOK_URL"}
            assert secrets == {"DAGSTER_PG_USER", "DAGSTER_PG_PASSWORD"}
            names = {pair["Name"] for pair in container["Environment"]}
            assert "AURORA_SECRET_ID" in names
            assert not {name for name in names if "PASSWORD" in name}
            environment = {pair["Name"]: pair["Value"] for pair in container["Environment"]}
            assert environment["PGSSLMODE"] == "verify-full"
            assert environment["AURORA_TLS"] == "/opt/rds.pem"


def test_the_task_that_makes_the_sample_shop_cannot_log_in_to_dagsters_storage(templates: Templates) -> None:
    """Each container that has the password runs Dagster."""
    seen = 0
    for place, task in templates.of("AWS::ECS::TaskDefinition"):
        for container in task["ContainerDefinitions"]:
            has = {secret["Name"] for secret in container.get("Secrets", ())} >= {"DAGSTER_PG_PASSWORD"}
            assert has == (container["Name"] != "seed"), place
        seen += "/SeedTask" in place
    assert seen
    for place, statements in policies(templates, "SeedTaskExecution", count=seen):
        assert "secretsmanager:GetSecretValue" not in actions(statements), place


def test_costs_of_every_task_are_told_by_its_tags(templates: Templates) -> None:
    assert list(templates.of("AWS::ECS::Service"))
    for place, service in templates.of("AWS::ECS::Service"):
        assert service["PropagateTags"] == "SERVICE", place
    launcher = YAML(typ="safe").load((ROOT / "infra" / "dagster.yaml").read_text(encoding="utf-8"))["run_launcher"]
    assert launcher["config"]["run_task_kwargs"] == {"propagateTags": "TASK_DEFINITION"}
    shape = botocore.session.get_session().get_service_model("ecs").shape_for("RunTaskRequest")
    assert "TASK_DEFINITION" in shape.members["propagateTags"].enum
    for (deployment, stack), template in templates.stacks.items():
        for name, output in template["Outputs"].items() if stack == "platform" else ():
            if "run-task" in (value := json.dumps(output["Value"])):
                assert "--propagate-tags TASK_DEFINITION" in value, (deployment, name)


def test_the_webhook_is_a_secret_of_the_code_server_alone(templates: Templates) -> None:
    """Sensors, which send alerts, are evaluated there."""
    for place, task in templates.of("AWS::ECS::TaskDefinition"):
        for container in task["ContainerDefinitions"]:
            values = {secret["Name"]: secret["ValueFrom"] for secret in container.get("Secrets", ())}
            told = WEBHOOK if place.startswith("newInVpc-") and container["Name"] == "code" else None
            assert values.get("ALERT_WEBHOOK_URL") == told, place
            assert "ALERT_WEBHOOK_URL" not in {pair["Name"] for pair in container["Environment"]}
    readable = [place for place, statements in policies(templates, "CodeTaskExecution") if WEBHOOK in str(statements)]
    assert len(readable) == sum(1 for deployment in DEPLOYMENTS if deployment.startswith("newInVpc-"))


def test_the_masks_key_is_named_to_all_and_read_by_runs_alone(templates: Templates) -> None:
    for place, task in templates.of("AWS::ECS::TaskDefinition"):
        for container in task["ContainerDefinitions"]:
            environment = {pair["Name"]: pair["Value"] for pair in container["Environment"]}
            told = MASK_KEY if place.startswith("instance-") else None
            assert environment.get("AURORA_MASK_KEY_SECRET_ID") == told, place
            assert "AURORA_MASK_KEY" not in environment
    for role in ("Run", "Daemon", "Webserver", "Code"):
        for place, statements in policies(templates, role):
            may_read = any(
                MASK_KEY in str(s["Resource"]) and "secretsmanager:GetSecretValue" in actions([s]) for s in statements
            )
            assert may_read == (role == "Run" and place.startswith("instance-")), place


def test_every_setting_of_the_product_is_set_or_left_at_its_default_for_a_reason(templates: Templates) -> None:
    """A container of some deployment has each variable of .env.example, but for these."""
    text = (Path(__file__).parents[2] / ".env.example").read_text(encoding="utf-8")
    settings = {line.split("=")[0] for line in text.splitlines() if line and not line.startswith("#")}
    assert len(settings) > 20
    held = {pair["Name"] for code in containers(templates, "code") for pair in [*code["Environment"], *code["Secrets"]]}
    assert settings - held == set(NOT_SET)


def test_only_a_run_touches_data(templates: Templates) -> None:
    for place, statements in policies(templates, "Run"):
        said = actions(statements)
        assert {"secretsmanager:GetSecretValue", "s3:PutObject", "redshift-serverless:GetCredentials"} <= said, place
        assert not {action for action in said if action.startswith(("ecs:", "iam:", "sns:"))}, place
        assert ("quicksight:CreateIngestion" in said) == ("-quicksight-" in place)
        assert ("glue:BatchCreatePartition" in said) == place.startswith("aurora-"), place
    for role in ("Daemon", "Webserver", "Code"):
        for place, every in policies(templates, role):
            statements = [s for s in every if not json.dumps(s["Resource"]).endswith('/dagster/*"]]}')]  # logs
            data = ("secretsmanager:", "redshift", "s3:Put", "s3:Delete", "quicksight:", "glue:")
            assert not {action for action in actions(statements) if action.startswith(data)}, place


def test_the_code_server_may_list_what_was_exported_by_hand_and_nothing_else_of_the_lake(templates: Templates) -> None:
    prefix = Layout("bucket", "lake", "shop").inbox
    for place, statements in policies(templates, "Code"):
        reading = ("s3:Get", "s3:List")
        (listing,) = [s for s in statements if any(action.startswith(reading) for action in actions([s]))]
        assert listing["Action"] == "s3:ListBucket", place
        (allowed,) = listed(listing["Condition"]["StringLike"]["s3:prefix"])
        assert fnmatch.fnmatchcase(prefix, allowed)
        assert not fnmatch.fnmatchcase("lake/shop/orders/", allowed)


def test_the_daemon_starts_the_run_task_and_no_other(templates: Templates) -> None:
    for place, statements in policies(templates, "Daemon"):
        (run,) = [s for s in statements if s["Action"] == "ecs:RunTask"]
        assert run["Resource"]["Fn::Join"][1][-1].endswith(":task-definition/dwh-run:*"), place
        assert "ArnEquals" in run["Condition"]
        (passed,) = [s for s in statements if s["Action"] == "iam:PassRole"]
        assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        assert len(passed["Resource"]) == 2
        for statement in statements:
            if statement["Resource"] == "*":
                assert set(statement["Action"]) == {"ecs:DescribeTaskDefinition", "ec2:DescribeNetworkInterfaces"}


def test_databases_are_encrypted_and_take_tls_only(templates: Templates) -> None:
    clusters = list(templates.of("AWS::RDS::DBCluster"))
    assert clusters
    for place, cluster in clusters:
        assert cluster["StorageEncrypted"] is True, place
        assert cluster["DeletionProtection"] is ("destroyable" not in place)
    for place, instance in templates.of("AWS::RDS::DBInstance"):
        assert instance.get("PubliclyAccessible") is False, place
    for place, group in templates.of("AWS::RDS::DBClusterParameterGroup"):
        if "aurora-mysql" in group["Family"]:
            assert group["Parameters"]["require_secure_transport"] == "ON", place
            assert group["Parameters"]["activate_all_roles_on_login"] == "ON"
            assert "ExportRole" in json.dumps(group["Parameters"]["aws_default_s3_role"])
        else:
            assert group["Parameters"]["rds.force_ssl"] == "1", place


def test_a_new_cluster_is_associated_with_the_role_that_exports(templates: Templates) -> None:
    for place, cluster in templates.of("AWS::RDS::DBCluster", "source"):
        (associated,) = cluster["AssociatedRoles"]
        assert "ExportRole" in json.dumps(associated["RoleArn"]), place


def test_an_existing_source_is_changed_by_one_rule_only(templates: Templates) -> None:
    for (deployment, stack), template in templates.stacks.items():
        if stack == "source" and deployment.startswith(("aurora", "instance")):
            kinds = {resource["Type"] for resource in template["Resources"].values()}
            assert kinds <= {"AWS::EC2::SecurityGroupIngress", "AWS::IAM::Role", "AWS::IAM::Policy"}
            steps = "\n".join(
                output["Value"] for output in template["Outputs"].values() if isinstance(output["Value"], str)
            )
            assert "GRANT SELECT" in steps
            outputs = json.dumps(template["Outputs"])
            for step in ("AWS_SELECT_S3_ACCESS", "aws_default_s3_role", "add-role-to-db-cluster", "reboot-db-instance"):
                assert (step in outputs) == deployment.startswith("aurora"), (deployment, step)


def test_logs_are_kept_for_a_stated_time(templates: Templates) -> None:
    groups = list(templates.of("AWS::Logs::LogGroup"))
    assert groups
    for place, group in groups:
        assert group["RetentionInDays"] == 90, place


def test_the_ui_signs_people_in_where_it_faces_the_internet(templates: Templates) -> None:
    for place, balancer in templates.of("AWS::ElasticLoadBalancingV2::LoadBalancer"):
        assert balancer["Scheme"] == ("internet-facing" if "-internet-" in place else "internal")
    for place, listener in templates.of("AWS::ElasticLoadBalancingV2::Listener"):
        kinds = [action["Type"] for action in listener["DefaultActions"]]
        signed = any(word in place for word in ("-oidc-", "-internet-"))
        assert kinds == (["authenticate-oidc", "forward"] if signed else ["forward"]), place
        assert listener["Protocol"] == ("HTTP" if "-http-" in place else "HTTPS"), place
        if listener["Protocol"] == "HTTPS":
            assert "TLS13" in listener["SslPolicy"]
        if signed:
            assert "{{resolve:secretsmanager:" in json.dumps(listener["DefaultActions"][0])


def test_people_alerts_and_the_identity_provider_are_told_the_same_name(templates: Templates) -> None:
    """The certificate is for that name, and the callback leads to the host that was asked for."""
    for (deployment, stack), template in templates.stacks.items():
        if stack != "platform" or deployment in SMALL:  # which people open on their own machine
            continue
        outputs = {name: output["Value"] for name, output in template["Outputs"].items()}
        (code,) = [
            resource["Properties"]["ContainerDefinitions"][0]
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::ECS::TaskDefinition" and resource["Properties"]["Family"] == "dwh-code"
        ]
        (linked,) = [pair["Value"] for pair in code["Environment"] if pair["Name"] == "DAGSTER_UI_URL"]
        assert outputs["Url"] == linked, deployment
        if "-http-" in deployment:
            assert linked["Fn::Join"][1][0] == "http://"
            assert not {"UiTarget", "OidcCallback"} & set(outputs)
            continue
        assert linked == f"https://{HOST_NAME}", deployment
        assert outputs["UiTarget"]["Fn::GetAtt"][1] == "DNSName"
        called = f"https://{HOST_NAME}/oauth2/idpresponse" if "-https-" not in deployment else None
        assert outputs.get("OidcCallback") == called, deployment


def test_people_are_told_of_what_goes_wrong(templates: Templates) -> None:
    wanted = {"dwh-failed-runs", "dwh-daemon-silence-seconds", "dwh-location-error", "dwh-days-late",
              "dwh-no-webserver", "dwh-redshift-usage"}  # fmt: skip
    for deployment in DEPLOYMENTS:
        told = wanted - {"dwh-no-webserver"} if deployment in SMALL else wanted  # of a load balancer
        alarms = {
            alarm["AlarmName"]: alarm
            for place, alarm in templates.of("AWS::CloudWatch::Alarm")
            if place.startswith(f"{deployment}/")
        }
        assert set(alarms) == told
        assert all(alarms[name]["AlarmActions"] for name in told)
    for place, filter_ in templates.of("AWS::Logs::MetricFilter"):
        (metric,) = filter_["MetricTransformations"]
        assert metric["MetricValue"] == f"$.{metric['MetricName']}", place


def test_what_the_watch_writes_are_the_measures_that_alarms_are_made_of(templates: Templates) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        watch = Watch(instance, {None: Catalog.load(PACKAGED_CATALOG)}, "06:00", [("127.0.0.1", 1)])
        written = set(watch.measures(datetime.now(timezone.utc), days=True))
    filters = [filter_["MetricTransformations"][0] for _, filter_ in templates.of("AWS::Logs::MetricFilter")]
    assert {metric["MetricName"] for metric in filters} == written


def test_what_nobody_can_ask_is_an_alarm_and_a_deploy_is_none(templates: Templates) -> None:
    """A daemon is away for some minutes when it is replaced, and so is the watch beside it; a webserver is not."""
    for (deployment, stack), template in templates.stacks.items():
        for logical, resource in template["Resources"].items() if stack == "platform" else ():
            if resource["Type"] != "AWS::CloudWatch::Alarm":
                continue
            alarm = resource["Properties"]
            place, name = f"{deployment}/{logical}", alarm["AlarmName"]
            seconds = alarm["Period"] * alarm["EvaluationPeriods"]
            if name == "dwh-failed-runs":  # counted for 15 minutes: none is lost while the watch is away
                assert alarm["TreatMissingData"] == "missing", place
            else:
                assert alarm["TreatMissingData"] == "breaching", place
                assert seconds >= (600 if name == "dwh-no-webserver" else 900), place
            assert alarm["Period"] >= 2 * EVERY * (LINES_TO_DAYS / 2 if name == "dwh-days-late" else 1), place
            service = "Webserver" if name == "dwh-no-webserver" or deployment in SMALL else "Daemon"
            assert any(one.startswith(service) for one in resource["DependsOn"]), place  # not before anybody measures


def test_dagsters_database_is_migrated_once_and_before_all_that_has_the_new_image(templates: Templates) -> None:
    for (deployment, stack), template in templates.stacks.items():
        if stack != "platform":
            continue
        resources = template["Resources"]
        of_tasks = {
            name: {container["Name"]: container for container in one["Properties"]["ContainerDefinitions"]}
            for name, one in resources.items()
            if one["Type"] == "AWS::ECS::TaskDefinition"
        }
        ((task, held),) = [(name, one) for name, one in of_tasks.items() if "migrate" in one]
        migrate = held["migrate"]
        assert migrate["Command"] == commands.migrate()
        assert migrate["Essential"] is False  # a task goes on when it has ended, and only then
        assert migrate["RestartPolicy"]["Enabled"] is False
        assert "StartTimeout" not in migrate  # it may take as long as it takes
        assert held["code"]["DependsOn"] == [{"Condition": "SUCCESS", "ContainerName": "migrate"}]
        used = {name: one for name, one in resources.items() if one["Type"] == "AWS::ECS::Service"}
        (first,) = [name for name, one in used.items() if one["Properties"]["TaskDefinition"]["Ref"] == task]
        for name, one in used.items():
            assert name == first or first in one["DependsOn"], (deployment, name)


def test_the_watch_runs_once_and_is_started_again_when_it_ends(templates: Templates) -> None:
    for place, task in templates.of("AWS::ECS::TaskDefinition"):
        watches = [one for one in task["ContainerDefinitions"] if one["Name"] == "watch"]
        assert bool(watches) == (("/WebserverTask" if "-small-" in place else "/DaemonTask") in place), place
        for watch in watches:
            assert watch["Essential"] is False
            assert watch["RestartPolicy"]["Enabled"] is True


def test_a_command_is_printed_that_runs_any_other_beside_the_databases(templates: Templates) -> None:
    model = botocore.session.get_session().get_service_model("ecs").operation_model("RunTask").input_shape
    printed = 0
    for name, deployment in deployments(templates):
        template = deployment.stacks["platform"]
        for output, family in (("RunCommand", "run"), ("SeedCommand", "seed")):
            if output not in template["Outputs"]:
                assert output == "SeedCommand"
                continue
            words = shlex.split(deployment.text("platform", template["Outputs"][output]["Value"]))
            assert words[:3] == ["aws", "ecs", "run-task"], name
            options = dict(zip(words[3::2], words[4::2], strict=True))
            assert {xform_name(member) for member in model.members} >= {
                option.removeprefix("--").replace("-", "_") for option in options if option != "--region"
            }
            assert (options["--cluster"], options["--task-definition"]) == ("dwh", f"dwh-{family}")
            assert re.fullmatch(
                r"awsvpcConfiguration=\{subnets=\[[^]]+\],securityGroups=\[[^]]+\]\}",
                options["--network-configuration"],
            )
            if output == "RunCommand":
                overrides = json.loads(options["--overrides"])
                (override,) = overrides["containerOverrides"]
                assert override == {"name": "run", "command": ["aurora-dwh", "doctor"]}
                override |= json.loads(f"{{{OF_A_LOCATION}}}")
                report = ParamValidator().validate(
                    {"taskDefinition": options["--task-definition"], "overrides": overrides}, model
                )
                assert not report.has_errors(), report.generate_report()
                assert len(json.dumps(overrides)) < LONGEST_OVERRIDES
                printed += 1
    assert printed == len(DEPLOYMENTS)


def test_a_runs_task_is_told_less_than_ecs_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the launcher says, by the settings of the image; which tables a run loads is told by Dagster's database."""
    shutil.copy(ROOT / "infra" / "dagster.yaml", tmp_path)
    for name in set(re.findall(r"env: (\w+)", (tmp_path / "dagster.yaml").read_text(encoding="utf-8"))):
        monkeypatch.setenv(name, "x")
    place = RepositoryPythonOrigin("/usr/local/bin/python", ModuleCodePointer(commands.LOCATION, "defs"))
    told = ExecuteRunArgs(JobPythonOrigin("daily_load", place), str(uuid4()), InstanceRef.from_dir(str(tmp_path)))
    overrides = {"containerOverrides": [{"name": "run", "command": told.get_command_args()}]}
    assert len(json.dumps(overrides)) < LONGEST_OVERRIDES * 3 / 4


def test_the_pages_commands_are_taken_by_the_image_s_program() -> None:
    table = PAGE.partition("\n### Commands beside the databases\n")[2].partition("\n## ")[0]
    lists = [json.loads(one.replace("\\|", "|")) for one in re.findall(r"`(\[\".*?\])`", table)]
    shells = [command[2].split(" > ")[0].split() for command in lists if command[0] == "sh"]
    taken = [command for command in [*lists, *shells] if command[0] == "aurora-dwh"]
    assert {command[1] for command in taken} >= {"doctor", "verify", "proof", "rebuild", "lake", "discover", "prune"}
    for _, *words in taken:
        program: Any = get_command(app)
        while hasattr(program, "commands"):
            program = program.commands[words.pop(0)]
        program.make_context("one", words)  # raises where an argument is wrong or missing
