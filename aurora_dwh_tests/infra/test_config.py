"""The configuration's file: what is accepted, and that what is not is told by its place."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from aurora_dwh.commands.scaffold import Project, write
from aurora_dwh_tests.infra.deployments import (
    ACCOUNT,
    CERTIFICATE,
    EXISTING_NETWORK,
    EXISTING_SOURCE,
    MASK_KEY,
    SUBNETS,
    WEBHOOK,
)
from infra.config import Config
from infra.config_file import ConfigError, parse_config, read_config

SMALLEST: dict[str, Any] = {"account": ACCOUNT, "network": {"new": {}}, "source": {"new": {}}}
OWNER = f"arn:aws:quicksight:ap-northeast-1:{ACCOUNT}:user/default/analyst"
EXAMPLE = Path(__file__).parents[2] / "infra" / "config.example.yaml"


def wrong(**changes: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config({**SMALLEST, **changes}, "config.yaml")
    return caught.value.problems


def test_three_lines_are_a_deployment_in_tokyo_that_keeps_its_data() -> None:
    config = parse_config(SMALLEST)
    assert config.region == "ap-northeast-1"
    assert config.zones == ("ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d")
    assert not config.destroyable
    assert not config.platform.ui.internet_facing


def test_the_example_is_a_configuration_and_shows_every_field() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    read_config(EXAMPLE)
    for name in _fields(Config):
        assert f"{name}:" in text, name


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"account": 123456789012}, "config.yaml: account: must be a text; put 123456789012 in quotes"),
        ({"account": "12345"}, r"config.yaml: account: '12345' does not have the form \d{12}"),
        ({"acount": "1"}, "config.yaml: acount: is not a field"),
        (
            {"source": {"new": {}, "database": "shop-2"}},
            "config.yaml: source: database: 'shop-2', but RDS makes none that is not [A-Za-z][A-Za-z0-9_]{0,63}",
        ),
        ({"source": {}}, "config.yaml: source: write exactly one of `new` and `existing`"),
        (
            {"source": {"new": {}, "existing": EXISTING_SOURCE}},
            "config.yaml: source: write exactly one of `new` and `existing`",
        ),
        ({"source": {"new": {"min_acu": 9, "max_acu": 1}}}, "config.yaml: source.new: min_acu is more than max_acu"),
        (
            {"network": {"existing": {**EXISTING_NETWORK["existing"], "subnets": SUBNETS[:2] + SUBNETS[:1]}}},
            "config.yaml: network.existing: subnets: name subnets of three zones; Redshift Serverless needs three",
        ),
        (
            {"platform": {"ui": {"internet_facing": True}}},
            "config.yaml: platform.ui: internet_facing: needs `oidc`; Dagster's UI has no sign-in of its own",
        ),
        (
            {"platform": {"ui": {"certificate_arn": CERTIFICATE}}},
            "config.yaml: platform.ui: certificate_arn: needs `host_name`, the name that the certificate is for",
        ),
        (
            {"platform": {"ui": {"host_name": "https://dagster.example.com"}}},
            (
                "config.yaml: platform.ui.host_name: 'https://dagster.example.com' does not have the form "
                r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}"
            ),
        ),
        (
            {"platform": {"build": {"base": "python:3.12-slim-bookworm"}}},
            (
                "config.yaml: platform.build.base: 'python:3.12-slim-bookworm' does not have the form "
                r"[a-z0-9][\w.:/-]*@sha256:[0-9a-f]{64}"
            ),
        ),
        (
            {"platform": {"build": {"certificates_sha256": "latest"}}},
            "config.yaml: platform.build.certificates_sha256: 'latest' does not have the form [0-9a-f]{64}",
        ),
        (
            {"platform": {"run": {"cpu": 1024, "memory": 20480}}},
            "config.yaml: platform.run: memory: Fargate gives 1024 CPU units 2048 to 8192 MiB in steps of 1024",
        ),
        (
            {"platform": {"run": {"cpu": 8192, "memory": 17408}}},
            "config.yaml: platform.run: memory: Fargate gives 8192 CPU units 16384 to 61440 MiB in steps of 4096",
        ),
        (
            {"platform": {"daemon": {"cpu": 256, "memory": 1536}}},
            "config.yaml: platform.daemon: memory: Fargate gives 256 CPU units 512, 1024, 2048 MiB",
        ),
        (
            {"platform": {"catalog": "../catalog.yaml"}},
            "config.yaml: platform.catalog: '../catalog.yaml' is not in the image; put it at the repository's top",
        ),
        (
            {"platform": {"catalog": "aurora_dwh/none.yaml"}},
            "config.yaml: platform.catalog: there is no file aurora_dwh/none.yaml in the repository",
        ),
        (
            {"platform": {"ui": {"allowed_cidrs": ["10.0.0.5/8"]}}},
            "config.yaml: platform.ui.allowed_cidrs.0: is no network: 10.0.0.5/8 has host bits set",
        ),
        (
            {"platform": {"ui": {"allowed_cidrs": ["0.0.0.0/1", "128.0.0.0/1"]}}},
            "config.yaml: platform.ui: allowed_cidrs: 0.0.0.0/1 is wider than /8 and needs `oidc`; name your networks",
        ),
        (
            {"network": {"new": {"cidr": "10.0.0.0/22"}}},
            "config.yaml: network.new: cidr: is /22; a VPC is /16 at most, and its six subnets need a /20 at least",
        ),
        (
            {"network": {"new": {"cidr": "10.9.0.0/33"}}},
            "config.yaml: network.new.cidr: is no network: '10.9.0.0/33' does not appear to be an IPv4 or IPv6 network",
        ),
        (
            {"region": "us-west-1"},
            "config.yaml: region: an account has two zones in us-west-1, and Redshift Serverless needs three",
        ),
        ({"region": "ap-northeast-9"}, "config.yaml: region: Redshift Serverless is not in ap-northeast-9"),
        (
            {
                "network": {
                    "existing": {
                        **EXISTING_NETWORK["existing"],
                        "subnets": [*SUBNETS, {**SUBNETS[0], "availability_zone": "ap-northeast-10a"}],
                    }
                }
            },
            "config.yaml: network.existing.subnets: ap-northeast-10a is no zone of ap-northeast-1",
        ),
        (
            {"network": {"new": {"availability_zones": ["us-east-1a", "ap-northeast-1a", "ap-northeast-1c"]}}},
            "config.yaml: network.new.availability_zones: us-east-1a is no zone of ap-northeast-1",
        ),
        (
            {"source": {"existing": EXISTING_SOURCE}},
            "config.yaml: source.existing: needs `network.existing`, the VPC that the database is in or reached from",
        ),
        (
            {"network": {"new": {}}, "platform": {"alert_webhook_secret_arn": WEBHOOK}, "region": "eu-west-1"},
            "config.yaml: platform.alert_webhook_secret_arn: is not in eu-west-1, where everything else is",
        ),
        (
            {"source": {"new": {}, "mask_key_secret_arn": MASK_KEY}, "region": "eu-west-1"},
            "config.yaml: source.mask_key_secret_arn: is not in eu-west-1, where everything else is",
        ),
        (
            {"platform": {"size": "small", "ui": {"allowed_cidrs": ["10.0.0.0/8"]}}},
            "config.yaml: platform: ui: `size: small` has no load balancer; leave it out and use python -m infra.open",
        ),
        (
            {"platform": {"storage": {"instance": "t4g.micro"}}},
            r"config.yaml: platform.storage.instance: 't4g.micro' does not have the form db\.[a-z0-9]+\.[a-z0-9]+",
        ),
        (
            {"bi": {"owners": [OWNER], "marts": "docs"}},
            f"config.yaml: bi.marts: there is no mart, such as daily_sales.sql, in {EXAMPLE.parents[1] / 'docs'}",
        ),
    ],
)
def test_a_mistake_is_told_by_its_place_and_what_to_write(changes: dict[str, Any], said: str) -> None:
    assert wrong(**changes) == [said]


def test_all_mistakes_are_told_at_once() -> None:
    assert len(wrong(account=1, nets={}, warehouse={"base_rpu": 7, "max": 1})) == 4


@pytest.mark.parametrize(
    ("text", "said"), [("a: [", "is not YAML"), ("- a", "must hold fields"), (None, "cannot be read")]
)
def test_a_file_that_is_none_is_told_by_its_name(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "mine.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=f"mine.yaml: {said}"):
        read_config(file)


@pytest.mark.parametrize(
    ("variables", "source", "region"),
    [
        ({"AURORA_HOST": "127.0.0.1", "AURORA_PORT": "13306"}, ("127.0.0.1", 13306), "ap-northeast-1"),
        (
            {"AURORA_HOST": "blog.cluster-ro-abcdefghijkl.eu-central-1.rds.amazonaws.com"},
            ("blog.cluster-ro-abcdefghijkl.eu-central-1.rds.amazonaws.com", 3306),
            "eu-central-1",
        ),
        ({"AURORA_HOST": "db.example.com", "AWS_REGION": "us-west-2"}, ("db.example.com", 3306), "us-west-2"),
    ],
)
def test_the_file_of_a_new_project_is_a_configuration_once_its_catalog_is_in_the_repository(
    variables: dict[str, str], source: tuple[str, int], region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(
        folder=tmp_path / "my-blog",
        database="blog",
        table="post",
        target="post",
        asset="post",
        start=date(2024, 1, 1),
        variables={"REDSHIFT_DATABASE": "analysis", **variables},
        embedded=(),
    )
    write(project)
    file = project.folder / "infra" / "config.yaml"
    with pytest.raises(ConfigError, match=r"there is no file catalog\.yaml in the repository"):
        read_config(file)
    (tmp_path / "catalog.yaml").touch()
    monkeypatch.setattr("infra.config.ROOT", tmp_path)
    config = read_config(file)
    assert config.source.existing is not None
    assert (config.source.existing.host, config.source.existing.port) == source
    assert (config.source.database, config.warehouse.database) == ("blog", "analysis")
    assert config.region == region
    assert "infra/config.yaml" in (project.folder / "README.md").read_text()


def _fields(model: Any) -> set[str]:
    names = set(model.model_fields)
    for field in model.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if hasattr(part, "model_fields"):
                names |= _fields(part)
    return names
