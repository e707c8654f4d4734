"""What settings are read from the environment, what drivers are told, and that no secret is ever shown."""

import inspect
import json
import re
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pymysql
import pytest
import redshift_connector

from aurora_dwh.catalog import model as catalog
from aurora_dwh.orchestration.automation import alert_settings
from aurora_dwh.settings import config
from aurora_dwh.settings.config import AuroraSettings, ConfigError, LakeSettings, RedshiftSettings
from aurora_dwh_tests.authority import Certified, trusted

PASSWORD = "s3cr3t-p\u00e4ss "
AURORA = {"AURORA_HOST": "reader", "AURORA_DATABASE": "shop", "AURORA_USER": "dwh", "AURORA_PASSWORD": PASSWORD}
LAKE = {"LAKE_URI": "s3://my-lake/dwh/"}
REDSHIFT = {
    "REDSHIFT_HOST": "wg",
    "REDSHIFT_DATABASE": "dev",
    "REDSHIFT_USER": "loader",
    "REDSHIFT_PASSWORD": PASSWORD,
}
NO_TLS = (
    "AURORA_TLS is neither verify nor disabled, nor the path of a file with certificates, "
    "nor verify-ca: and such a path"
)
SECRET = {"username": "from-secret", "password": PASSWORD, "host": "writer", "port": 3307}


def without(variables: dict[str, str], *names: str, **more: str) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name not in names} | more


@pytest.fixture
def secrets_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A Secrets Manager that boto3 speaks to by HTTP; `answer` is what it says."""
    service = SimpleNamespace(status=200, answer={"SecretString": json.dumps(SECRET)}, asked=[])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            service.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps(service.answer).encode()
            self.send_response(service.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    yield service
    server.shutdown()
    server.server_close()


def problems(read: Any, variables: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(variables)
    return caught.value.problems


def all_problems(variables: dict[str, str]) -> list[str]:
    found: list[str] = []
    for settings in (AuroraSettings, LakeSettings, RedshiftSettings):
        try:
            settings.from_env(variables)
        except ConfigError as error:
            found += error.problems
    return found


CLUSTER = "shop.cluster-{}c9akciq32.ap-northeast-1.rds.amazonaws.com"


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "shop@reader"),
        ({"AURORA_PORT": "3306"}, "shop@reader"),
        ({"AURORA_PORT": "3307"}, "shop@reader:3307"),
        ({"AURORA_HOST": CLUSTER.format("ro-")}, f"shop@{CLUSTER.format('')}"),
        ({"AURORA_HOST": CLUSTER.format("").upper()}, "shop@shop.cluster-c9akciq32.ap-northeast-1.rds.amazonaws.com"),
        ({"AURORA_HOST": CLUSTER.format("ro-").replace("shop", "other", 1)}, f"shop@other{CLUSTER.format('')[4:]}"),
        ({"AURORA_DATABASE": "shop_2"}, "shop_2@reader"),
        ({"AURORA_SOURCE": "shop of the north", "AURORA_HOST": "elsewhere"}, "shop of the north"),
        ({"AURORA_SOURCE": " "}, "shop@reader"),
    ],
)
def test_c15_a_source_has_one_name_under_all_endpoints_of_its_cluster(more: dict[str, str], name: str) -> None:
    assert AuroraSettings.from_env(AURORA | more).source_name() == name


def test_c15_a_secret_may_name_the_source_s_address(secrets_manager: SimpleNamespace) -> None:
    settings = AuroraSettings.from_env({"AURORA_DATABASE": "shop", "AURORA_SECRET_ID": "x", "AWS_REGION": "r"})
    assert settings.source_name() == "shop@writer:3307"


def test_aurora_with_a_password() -> None:
    arguments = AuroraSettings.from_env(AURORA).connect_arguments()
    context = arguments.pop("ssl")
    assert arguments == {
        "host": "reader",
        "port": 3306,
        "user": "dwh",
        "password": PASSWORD.encode(),
        "database": "shop",
        "charset": "utf8mb4",
        "connect_timeout": 15,
        "program_name": "aurora-dwh",
    }
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_aurora_without_tls_and_with_a_file_of_certificates(tmp_path: Path) -> None:
    off = AuroraSettings.from_env(AURORA | {"AURORA_TLS": "disabled"}).connect_arguments()
    assert off["ssl_disabled"] is True
    assert "ssl" not in off

    bundle = tmp_path / "bundle.pem"
    bundle.write_text("not a certificate")
    settings = AuroraSettings.from_env(AURORA | {"AURORA_TLS": str(bundle)})
    with pytest.raises(ConfigError, match="is not a file of certificates in PEM form"):
        settings.connect_arguments()


def test_m12_the_host_s_name_is_left_out_only_with_a_file_and_never_for_a_token(tmp_path: Path) -> None:
    context = AuroraSettings.from_env(AURORA | {"AURORA_TLS": f"verify-ca:{_certificate(tmp_path)}"})._tls()
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert not context.check_hostname

    for value in ("verify-ca", "verify-ca:", "verify-ca:verify", "verify-ca:/none.pem"):
        assert problems(AuroraSettings.from_env, AURORA | {"AURORA_TLS": value}) == [NO_TLS]
    token = without(AURORA, "AURORA_PASSWORD", AURORA_IAM_AUTH="1", AURORA_TLS=f"verify-ca:{_certificate(tmp_path)}")
    assert problems(AuroraSettings.from_env, token) == [
        "AURORA_TLS contradicts AURORA_IAM_AUTH: a token must not go to a server of another name"
    ]


def test_m12_a_chain_ends_at_any_certificate_of_the_file_on_every_version_of_python(tmp_path: Path) -> None:
    context = AuroraSettings.from_env(AURORA | {"AURORA_TLS": str(_certificate(tmp_path))})._tls()
    assert context is not None
    assert context.check_hostname
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def _certificate(folder: Path) -> Path:
    return trusted(folder, "ca", Certified.authority("own"))


def test_a_secret_is_fetched_at_each_connect(secrets_manager: SimpleNamespace) -> None:
    env = {"AURORA_DATABASE": "shop", "AURORA_SECRET_ID": "prod/aurora", "AWS_REGION": "ap-northeast-1"}
    settings = AuroraSettings.from_env(env)
    assert secrets_manager.asked == []
    arguments = settings.connect_arguments()
    assert (arguments["host"], arguments["port"], arguments["user"]) == ("writer", 3307, "from-secret")

    secrets_manager.answer = {"SecretString": json.dumps(SECRET | {"password": "rotated"})}
    assert settings.connect_arguments()["password"] == b"rotated"
    assert secrets_manager.asked == [{"SecretId": "prod/aurora"}] * 2


def test_a_masks_key_is_a_variable_or_a_secrets_whole_text_and_is_fetched_when_it_is_needed(
    secrets_manager: SimpleNamespace,
) -> None:
    key = "0123456789abcdef" * 4
    given = AuroraSettings.from_env(AURORA | {"AURORA_MASK_KEY": key})
    named = AuroraSettings.from_env(AURORA | {"AURORA_MASK_KEY_SECRET_ID": "prod/mask", "AWS_REGION": "r"})
    secrets_manager.answer = {"SecretString": f"{key}\n"}
    find = named.connect_arguments()["mask_key"]
    assert secrets_manager.asked == []
    assert find() == given.find_mask_key()
    assert secrets_manager.asked == [{"SecretId": "prod/mask"}]
    assert key not in f"{given!r} {named!r} {find()!r} {given.connect_arguments()!r}"
    assert given.find_mask_key().fingerprint not in (
        key,
        AuroraSettings.from_env(AURORA | {"AURORA_MASK_KEY": key[::-1]}).find_mask_key().fingerprint,
    )


@pytest.mark.parametrize(
    ("variables", "answer", "message"),
    [
        ({}, "", "there is no key for `mask: hmac`; set AURORA_MASK_KEY or AURORA_MASK_KEY_SECRET_ID"),
        ({"AURORA_MASK_KEY": "x" * 31}, "", "AURORA_MASK_KEY: the key has less than 32 characters"),
        ({"AURORA_MASK_KEY_SECRET_ID": "x"}, "short", "AURORA_MASK_KEY_SECRET_ID: the key has less than 32 characters"),
        ({"AURORA_MASK_KEY_SECRET_ID": "x"}, json.dumps(SECRET), "AURORA_MASK_KEY_SECRET_ID: JSON is no key"),
    ],
)
def test_a_masks_key_that_is_none_is_told_without_it(
    secrets_manager: SimpleNamespace, variables: dict[str, str], answer: str, message: str
) -> None:
    secrets_manager.answer = {"SecretString": answer}
    settings = AuroraSettings.from_env(AURORA | {"AWS_REGION": "r"} | variables)
    with pytest.raises(ConfigError, match=message) as caught:
        settings.find_mask_key()
    assert "xxx" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    both = AURORA | {"AURORA_MASK_KEY": "x", "AURORA_MASK_KEY_SECRET_ID": "y"}
    assert problems(AuroraSettings.from_env, both) == [
        "AURORA_MASK_KEY_SECRET_ID contradicts AURORA_MASK_KEY: keep one of them"
    ]


def test_the_environment_s_host_wins_over_the_secret_s(secrets_manager: SimpleNamespace) -> None:
    env = without(AURORA, "AURORA_USER", "AURORA_PASSWORD", AURORA_SECRET_ID="x", AURORA_PORT="3308", AWS_REGION="r")
    arguments = AuroraSettings.from_env(env).connect_arguments()
    assert (arguments["host"], arguments["port"]) == ("reader", 3308)
    env = without(REDSHIFT, "REDSHIFT_USER", "REDSHIFT_PASSWORD", REDSHIFT_SECRET_ID="x", AWS_DEFAULT_REGION="r")
    arguments = RedshiftSettings.from_env(env).connect_arguments()
    assert (arguments["host"], arguments["port"], arguments["user"]) == ("wg", 3307, "from-secret")


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (200, {"SecretString": PASSWORD}, "secret 'x' is not JSON with username and password"),
        (
            200,
            {"SecretString": json.dumps({"password": PASSWORD})},
            "secret 'x' is not JSON with username and password",
        ),
        (200, {"SecretBinary": "AAAA"}, "secret 'x' is not JSON with username and password"),
        (
            200,
            {"SecretString": json.dumps({"username": "u", "password": PASSWORD})},
            "AURORA_SECRET_ID: 'x' holds no host; set AURORA_HOST",
        ),
        (400, {"__type": "ResourceNotFoundException", "message": "no such secret"}, "secret 'x' cannot be read: "),
    ],
)
def test_a_secret_that_is_of_no_use_is_named_and_not_shown(
    secrets_manager: SimpleNamespace, status: int, answer: dict[str, str], message: str
) -> None:
    secrets_manager.status, secrets_manager.answer = status, answer
    settings = AuroraSettings.from_env({"AURORA_DATABASE": "shop", "AURORA_SECRET_ID": "x", "AWS_REGION": "r"})
    with pytest.raises(ConfigError) as caught:
        settings.connect_arguments()
    assert str(caught.value).startswith(message)
    assert PASSWORD not in repr(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_an_iam_token_is_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    env = without(AURORA, "AURORA_PASSWORD", AURORA_IAM_AUTH="1", AWS_REGION="ap-northeast-1")
    token = AuroraSettings.from_env(env).connect_arguments()["password"].decode()
    assert token.startswith("reader:3306/?Action=connect&DBUser=dwh&X-Amz-Algorithm=")
    assert "ap-northeast-1%2Frds-db" in token


def test_an_iam_token_cannot_be_had_without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    env = without(AURORA, "AURORA_PASSWORD", AURORA_IAM_AUTH="1", AWS_REGION="r")
    with pytest.raises(ConfigError, match=r"^AURORA_IAM_AUTH: no token can be made: Unable to locate credentials$"):
        AuroraSettings.from_env(env).connect_arguments()


def test_redshift_with_a_password() -> None:
    assert RedshiftSettings.from_env(REDSHIFT).connect_arguments() == {
        "host": "wg",
        "port": 5439,
        "database": "dev",
        "user": "loader",
        "password": PASSWORD,
        "ssl": True,
        "sslmode": "verify-full",
        "max_prepared_statements": 0,
        "tcp_keepalive": True,
        "tcp_keepalive_idle": 60,
        "tcp_keepalive_interval": 30,
        "tcp_keepalive_count": 5,
        "application_name": "aurora-dwh",
    }
    assert RedshiftSettings.from_env(REDSHIFT | {"REDSHIFT_TLS": "disabled"}).connect_arguments()["ssl"] is False


def test_redshift_serverless_by_iam() -> None:
    env = {"REDSHIFT_DATABASE": "dev", "REDSHIFT_WORKGROUP": "dwh", "AWS_REGION": "ap-northeast-1"}
    expected = {
        "iam": True,
        "is_serverless": True,
        "serverless_work_group": "dwh",
        "region": "ap-northeast-1",
        "database": "dev",
        "ssl": True,
        "sslmode": "verify-full",
        "max_prepared_statements": 0,
        "tcp_keepalive": True,
        "tcp_keepalive_idle": 60,
        "tcp_keepalive_interval": 30,
        "tcp_keepalive_count": 5,
        "application_name": "aurora-dwh",
    }
    assert RedshiftSettings.from_env(env).connect_arguments() == expected
    arguments = RedshiftSettings.from_env(env | {"REDSHIFT_HOST": "wg.example"}).connect_arguments()
    assert arguments == expected | {"host": "wg.example", "port": 5439}


def test_the_drivers_know_every_argument(secrets_manager: SimpleNamespace) -> None:
    secret = {"AURORA_DATABASE": "d", "AURORA_SECRET_ID": "x", "AWS_REGION": "r"}
    workgroup = {"REDSHIFT_DATABASE": "d", "REDSHIFT_WORKGROUP": "w", "REDSHIFT_HOST": "h", "AWS_REGION": "r"}
    for aurora in (AURORA, AURORA | {"AURORA_TLS": "disabled"}, secret):
        inspect.signature(pymysql.connect).bind(**AuroraSettings.from_env(aurora).connect_arguments())
    for redshift in (REDSHIFT, REDSHIFT | {"REDSHIFT_TLS": "disabled"}, workgroup):
        inspect.signature(redshift_connector.connect).bind(**RedshiftSettings.from_env(redshift).connect_arguments())


@pytest.mark.parametrize(
    ("uri", "bucket", "prefix"),
    [("s3://lake", "lake", ""), ("s3://lake/", "lake", ""), ("s3://my.lake/a/b/", "my.lake", "a/b")],
)
def test_the_lake_s_address(uri: str, bucket: str, prefix: str) -> None:
    settings = LakeSettings.from_env({"LAKE_URI": uri})
    assert (settings.bucket, settings.prefix) == (bucket, prefix)
    assert settings.uri == uri.rstrip("/")


@pytest.mark.parametrize(
    "uri", ["lake", "https://lake/a", "s3://", "s3://Lake", "s3://lake/a//b", "s3://k:v@lake/a", "s3://["]
)
def test_what_is_no_address_of_a_lake_is_refused(uri: str) -> None:
    assert problems(LakeSettings.from_env, {"LAKE_URI": uri}) == ["LAKE_URI is not of the form s3://bucket/prefix"]


def test_a_database_of_glue_is_none_unless_it_is_named() -> None:
    assert LakeSettings.from_env(LAKE).glue_database is None
    assert LakeSettings.from_env(LAKE | {"LAKE_GLUE_DATABASE": "shop_lake"}).glue_database == "shop_lake"
    said = "LAKE_GLUE_DATABASE is not a name of small letters, digits and _"
    assert problems(LakeSettings.from_env, LAKE | {"LAKE_GLUE_DATABASE": "Shop-Lake"}) == [said]


@pytest.mark.parametrize("sse", ["aes256", "kms", "arn:aws:iam::123456789012:role/r", "aws:kms key"])
def test_o17_what_is_no_encryption_of_s3_is_refused(sse: str) -> None:
    said = "LAKE_SSE is not AES256, aws:kms, aws:kms:dsse or the ARN of a KMS key"
    assert problems(LakeSettings.from_env, LAKE | {"LAKE_SSE": sse}) == [said]


def test_the_s3_client_speaks_path_style_to_another_server() -> None:
    env = LAKE | {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "AWS_REGION": "ap-northeast-1"}
    client = LakeSettings.from_env(env).client()
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    assert client.meta.config.s3["addressing_style"] == "path"
    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 5}
    amazon = LakeSettings.from_env(LAKE | {"AWS_REGION": "ap-northeast-1"}).client()
    assert amazon.meta.config.s3["addressing_style"] == "auto"


def test_c21_a_password_may_be_empty_and_beside_another_way_in_counts_as_none() -> None:
    assert AuroraSettings.from_env(AURORA | {"AURORA_PASSWORD": ""}).connect_arguments()["password"] == b""
    token = AuroraSettings.from_env(AURORA | {"AURORA_PASSWORD": "", "AURORA_IAM_AUTH": "1"})
    assert (token.password, token.iam_auth) == (None, True)
    secret = AuroraSettings.from_env(without(AURORA, "AURORA_USER") | {"AURORA_PASSWORD": "", "AURORA_SECRET_ID": "x"})
    assert (secret.password, secret.secret_id) == (None, "x")


def test_every_missing_variable_is_named_at_once() -> None:
    assert all_problems({"AURORA_HOST": ""}) == [
        "none of AURORA_PASSWORD, AURORA_SECRET_ID, AURORA_IAM_AUTH is set: set one of them",
        "AURORA_HOST is not set: the host to read from, the cluster's reader endpoint by preference",
        "AURORA_USER is not set: the user to read with",
        "AURORA_DATABASE is not set: the database whose tables are copied",
        "LAKE_URI is not set: where the lake lies, such as s3://my-bucket/lake",
        "none of REDSHIFT_PASSWORD, REDSHIFT_SECRET_ID, REDSHIFT_WORKGROUP is set: set one of them",
        "REDSHIFT_HOST is not set: the endpoint of the workgroup or cluster",
        "REDSHIFT_USER is not set: the user to load with",
        "REDSHIFT_DATABASE is not set: the database to load into",
    ]


def test_contradictions_and_unusable_values_are_named_without_the_values() -> None:
    leaked = "value-in-the-wrong-place"
    env = (
        AURORA
        | REDSHIFT
        | LAKE
        | {"AURORA_SECRET_ID": "x", "AURORA_IAM_AUTH": "true", "AURORA_TLS": "disabled", "AURORA_PORT": leaked}
        | {"REDSHIFT_WORKGROUP": "w", "REDSHIFT_PASSWORD": "", "REDSHIFT_TLS": "disabled", "REDSHIFT_PORT": "70000"}
        | {"REDSHIFT_IAM_ROLE": leaked, "REDSHIFT_STAGING_SCHEMA": "Staging", "REDSHIFT_BI_SCHEMA": 'bi"; drop'}
    )
    found = all_problems(env)
    ways = ("AURORA_PASSWORD", "AURORA_SECRET_ID", "AURORA_IAM_AUTH")
    assert found == [
        f"{' and '.join(ways)} are set, which contradict each other: keep one of them",
        "AURORA_TLS contradicts AURORA_IAM_AUTH: a token must not travel in the clear",
        "AURORA_USER contradicts AURORA_SECRET_ID: the secret names the user",
        "AURORA_PORT is not a port; write a number from 1 to 65535",
        "REDSHIFT_TLS contradicts REDSHIFT_WORKGROUP: IAM credentials must not travel in the clear",
        "REDSHIFT_USER contradicts REDSHIFT_WORKGROUP: the IAM role names the user",
        "REDSHIFT_PORT is not a port; write a number from 1 to 65535",
        "REDSHIFT_IAM_ROLE is not `default` or a role's ARN",
        "REDSHIFT_STAGING_SCHEMA is not a name of small letters, digits, _ and $",
        "REDSHIFT_BI_SCHEMA is not a name of small letters, digits, _ and $",
    ]
    assert leaked not in repr(found)
    assert problems(AuroraSettings.from_env, AURORA | {"AURORA_IAM_AUTH": leaked, "AURORA_TLS": "/none.pem"}) == [
        "AURORA_IAM_AUTH is neither on nor off; write 1 or 0",
        NO_TLS,
    ]
    assert problems(RedshiftSettings.from_env, REDSHIFT | {"REDSHIFT_TLS": leaked}) == [
        "REDSHIFT_TLS is neither verify nor disabled"
    ]


def test_chained_roles_are_taken() -> None:
    roles = "arn:aws:iam::123456789012:role/a,arn:aws:iam::210987654321:role/path/b"
    assert RedshiftSettings.from_env(REDSHIFT | {"REDSHIFT_IAM_ROLE": roles}).iam_role == roles


def test_each_is_read_alone() -> None:
    assert LakeSettings.from_env(LAKE).bucket == "my-lake"
    assert AuroraSettings.from_env(AURORA).host == "reader"
    assert AuroraSettings.database_from_env({"AURORA_DATABASE": "shop"}) == "shop"
    assert RedshiftSettings.from_env(REDSHIFT).staging_schema == "staging"


def test_a28_no_secret_is_shown_by_settings() -> None:
    aurora, redshift = AuroraSettings.from_env(AURORA), RedshiftSettings.from_env(REDSHIFT)
    for text in (repr(aurora), str(aurora), f"{redshift}", repr(vars(aurora)), repr(vars(redshift))):
        assert PASSWORD not in text


def test_a28_no_secret_is_shown_by_an_error() -> None:
    for read, variables in (
        (AuroraSettings.from_env, AURORA | {"AURORA_DATABASE": ""}),
        (RedshiftSettings.from_env, REDSHIFT | {"REDSHIFT_SECRET_ID": "x"}),
    ):
        with pytest.raises(ConfigError) as caught:
            read(variables)
        assert PASSWORD not in str(caught.value) + repr(caught.value)


def test_the_example_lists_the_variables_that_are_read_and_no_others() -> None:
    source = "".join(inspect.getsource(module) for module in (config, catalog, alert_settings))
    read = set(re.findall(r'"((?:AURORA|LAKE|REDSHIFT|AWS|ALERT|DAGSTER)_[A-Z0-9_]+)"', source))
    example = Path(__file__).parents[2].joinpath(".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^([A-Z0-9_]+)=", example, re.MULTILINE)) == read


def test_the_example_is_read_as_nothing_set() -> None:
    example = Path(__file__).parents[2].joinpath(".env.example").read_text(encoding="utf-8")
    lines = dict(line.split("=", 1) for line in example.splitlines() if line and not line.startswith("#"))
    assert all_problems(lines) == all_problems({})
