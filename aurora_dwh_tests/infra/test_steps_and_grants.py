"""What is done outside of templates: SQL for Redshift's users, commands for a source that stands already."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from aurora_dwh_tests.infra.deployments import DEPLOYMENTS
from infra import existing, grants
from infra.config_file import ConfigError, parse_config
from infra.steps import existing_source_steps

PLAIN = parse_config(DEPLOYMENTS["aurora-http-none-kept"])


def test_a_first_run_makes_the_users_and_grants() -> None:
    assert grants.statements(PLAIN, existing=set(), bi_password="pass") == [
        'CREATE USER "IAMR:dwh-run" PASSWORD DISABLE',
        'GRANT CREATE ON DATABASE "dwh" TO "IAMR:dwh-run"',
        'ALTER USER "IAMR:dwh-run" SYSLOG ACCESS UNRESTRICTED',
        'GRANT ROLE sys:monitor TO "IAMR:dwh-run"',
        "CREATE USER quicksight_reader PASSWORD 'md5d27625d27c14734fbac4e76040b4a954'",
        'CREATE SCHEMA IF NOT EXISTS staging AUTHORIZATION "IAMR:dwh-run"',
        'CREATE SCHEMA IF NOT EXISTS bi AUTHORIZATION "IAMR:dwh-run"',
        "GRANT USAGE ON SCHEMA staging TO quicksight_reader",
        "GRANT USAGE ON SCHEMA bi TO quicksight_reader",
        "GRANT SELECT ON ALL TABLES IN SCHEMA bi TO quicksight_reader",
        'ALTER DEFAULT PRIVILEGES FOR USER "IAMR:dwh-run" IN SCHEMA bi GRANT SELECT ON TABLES TO quicksight_reader',
    ]


def test_another_run_makes_no_user_twice() -> None:
    again = grants.statements(PLAIN, existing={"IAMR:dwh-run", grants.BI_USER}, bi_password="other")
    assert not [statement for statement in again if statement.startswith("CREATE USER")]
    assert again[3].startswith("ALTER USER quicksight_reader PASSWORD 'md5")
    assert grants.statements(PLAIN, existing={"IAMR:dwh-run"}, bi_password=None) == [
        'GRANT CREATE ON DATABASE "dwh" TO "IAMR:dwh-run"',
        'ALTER USER "IAMR:dwh-run" SYSLOG ACCESS UNRESTRICTED',
        'GRANT ROLE sys:monitor TO "IAMR:dwh-run"',
    ]


class Session:
    """A boto3 session whose clients are stubbed."""

    def __init__(self, *statements: tuple[str, dict[str, Any]]) -> None:
        self._clients = {
            name: boto3.client(name, "ap-northeast-1", aws_access_key_id="x", aws_secret_access_key="x")
            for name in ("redshift-data", "redshift-serverless")
        }
        namespace = {"namespace": {"adminPasswordSecretArn": "arn:secret"}}
        with_secret = Stubber(self._clients["redshift-serverless"])
        with_secret.add_response("get_namespace", namespace, {"namespaceName": "dwh"})
        with_secret.activate()
        data = Stubber(self._clients["redshift-data"])
        where = {"WorkgroupName": "dwh", "Database": "dwh", "SecretArn": "arn:secret"}
        for sql, described in statements:
            data.add_response("execute_statement", {"Id": "1"}, {"Sql": sql, **where})
            data.add_response("describe_statement", {"Id": "1", **described}, {"Id": "1"})
        data.activate()

    def client(self, name: str) -> Any:
        return self._clients[name]


def test_a_refused_statement_is_told_without_its_password() -> None:
    statement = "CREATE USER quicksight_reader PASSWORD 'md5abc'"
    session = Session((statement, {"Status": "FAILED", "Error": "ERROR: permission denied"}))
    with pytest.raises(grants.GrantError, match=r"^CREATE USER quicksight_reader: ERROR: permission denied$"):
        grants.Redshift(PLAIN, session).run(statement)


@pytest.mark.parametrize("program", [grants, existing])
def test_a_machine_without_credentials_is_told_so_in_a_line(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers credentials
    (tmp_path / "config.yaml").write_text(json.dumps(DEPLOYMENTS["aurora-http-none-kept"]))
    monkeypatch.setattr("sys.argv", ["program", "--config", str(tmp_path / "config.yaml")])
    with pytest.raises(SystemExit, match=r"^Unable to locate credentials$"):
        program.main()


def test_a_statement_is_waited_for() -> None:
    session = Session(("GRANT x", {"Status": "FINISHED", "HasResultSet": False}))
    assert grants.Redshift(PLAIN, session).run("GRANT x") == []


def test_an_existing_cluster_is_prepared_by_commands_in_their_order() -> None:
    assert PLAIN.source.existing
    steps = [step.command for step in existing_source_steps(PLAIN, PLAIN.source.existing, "arn:role")]
    assert steps[0].startswith(r"GRANT SELECT, SHOW VIEW ON `Shop-2\_eu`.* TO")
    assert "GRANT PROCESS ON *.* TO" in steps[0]
    assert steps[1] == "GRANT AWS_SELECT_S3_ACCESS TO '<user>'@'%';"
    assert "create-db-cluster-parameter-group" in steps[2]
    assert "ParameterName=aws_default_s3_role,ParameterValue=arn:role" in steps[3]
    assert "add-role-to-db-cluster --region ap-northeast-1 --db-cluster-identifier production" in steps[4]
    assert "reboot-db-instance" in steps[5]
    assert steps[6] == "aurora-dwh doctor"
    assert len(existing_source_steps(PLAIN, PLAIN.source.existing, None)) == 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Shop", "`Shop`.*"),
        ("1-shop", "`1-shop`.*"),
        ("a`b$c d", "`a``b$c d`.*"),
        ("100%_shop", r"`100\%\_shop`.*"),
        ("注文", "`<source.database>`.*"),
    ],
)
def test_any_database_of_mysql_may_be_a_source_and_is_granted_by_its_name_alone(name: str, shown: str) -> None:
    written = DEPLOYMENTS["aurora-http-none-kept"]
    config = parse_config({**written, "source": {**written["source"], "database": name}})
    assert config.source.existing
    (granted, *_) = existing_source_steps(config, config.source.existing, None)
    assert granted.command.startswith(f"GRANT SELECT, SHOW VIEW ON {shown} TO '<user>'@'%';")


@pytest.mark.parametrize("name", ["", "a" * 65, "shop ", "a\nb", "a\0b", "shop😀"])
def test_what_no_database_of_mysql_is_called_is_refused(name: str) -> None:
    written = DEPLOYMENTS["aurora-http-none-kept"]
    with pytest.raises(ConfigError, match=r"source.database: .*a MySQL database's name has"):
        parse_config({**written, "source": {**written["source"], "database": name}})
