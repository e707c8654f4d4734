"""Settings from the environment: how to reach Aurora, the lake and Redshift.

Here, and nowhere else, environment variables of connections are read and secrets are resolved. Each of the three can be
read alone. Reading opens no connection; a secret or an IAM token is fetched at each connect, so that rotation is seen.
`.env.example` lists the variables. What is copied is `catalog`.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from aurora_dwh.settings.aws import database_token, fetch_secret, fetch_text, s3_client
from aurora_dwh.settings.environment import DISABLED, VERIFY, VERIFY_CA, ConfigError, Environment
from aurora_dwh.settings.mask_key import LEAST_CHARACTERS, NO_KEY, WAYS, MaskKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import SecretStr

__all__ = ["AuroraSettings", "ConfigError", "LakeSettings", "RedshiftSettings", "aws_region"]

APPLICATION_NAME = "aurora-dwh"
MYSQL_PORT = 3306
REDSHIFT_PORT = 5439
CONNECT_TIMEOUT = 15
"""Seconds to wait for Aurora to take a connection."""

_ROLE = r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+"
_SSE = r"(AES256|aws:kms|aws:kms:dsse|arn:aws[a-z-]*:kms:\S+)?"
_GLUE_DATABASE = r"([a-z0-9_]{1,255})?"
_SCHEMA = r"[a-z_][a-z0-9_$]{0,126}"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class AuroraSettings:
    """How to reach the source. Exactly one of `password`, `secret_id` and `iam_auth` is set."""

    database: str  # the database whose tables are copied
    host: str | None = None  # the host, the cluster's reader endpoint by preference; None where the secret names it
    port: int | None = None  # the port; None where the secret may name it
    user: str | None = None  # the user; None where the secret names it
    password: SecretStr | None = None  # the user's password, which may be empty
    # name or ARN of a Secrets Manager secret with `username`, `password` and perhaps `host`, `port`
    secret_id: str | None = None
    iam_auth: bool = False  # whether a token of the process's IAM role is the password
    # `verify`, `disabled`, or the path of a file with the certificates to trust; where `verify-ca:` stands before the
    # path, the host's name is not verified
    tls: str = VERIFY
    region: str | None = None  # the AWS Region of secret and token; None leaves it to the AWS configuration
    # the name that the lake and Redshift know the source by; None has it made of database and address
    source: str | None = None
    mask_key: SecretStr | None = None  # the key of `mask: hmac`; None where the secret holds it, or none is needed
    mask_key_secret_id: str | None = None  # name or ARN of a Secrets Manager secret whose whole text is that key

    @staticmethod
    def from_env(environ: Mapping[str, str] | None = None) -> AuroraSettings:
        """Read the AURORA_* variables.

        Raises:
            ConfigError: Variables are missing or contradict one another.
        """
        return _read(environ, _aurora)

    @staticmethod
    def database_from_env(environ: Mapping[str, str] | None = None) -> str:
        """Read the source database's name alone, which the lake's layout needs too; raises ConfigError."""
        return _read(environ, _aurora_database)

    def connect_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `source.connection.connect`, with the secret or token fetched now.

        Raises:
            ConfigError: The secret, the token or the certificates cannot be had.
        """
        secret = fetch_secret(self.secret_id, self.region) if self.secret_id else {}
        host, port = self._address(secret)
        user = self.user or secret["username"]
        if self.iam_auth:
            password = database_token(host, port, user, self.region)
        else:
            password = secret["password"] if self.password is None else self.password.get_secret_value()
        tls = self._tls()
        return {
            "host": host,
            "port": port,
            "user": user,
            "password": password.encode(),  # a str would be sent as Latin-1
            "database": self.database,
            "charset": "utf8mb4",
            "connect_timeout": CONNECT_TIMEOUT,
            "program_name": APPLICATION_NAME,
            **({"mask_key": self.find_mask_key} if self.mask_key or self.mask_key_secret_id else {}),
            **({"ssl": tls} if tls else {"ssl_disabled": True}),
        }

    def find_mask_key(self) -> MaskKey:
        """Return the key of `mask: hmac`, fetched now where a secret holds it.

        Raises:
            ConfigError: There is none, it is too short, or the secret cannot be had.
        """
        name = WAYS[0 if self.mask_key else 1]
        if self.mask_key:
            key = self.mask_key.get_secret_value()
        elif self.mask_key_secret_id:
            key = fetch_text(self.mask_key_secret_id, self.region)
        else:
            raise ConfigError([NO_KEY])
        key = key.rstrip("\r\n")  # as a file ends that a secret is made of
        if key.startswith("{"):
            raise ConfigError([f"{name}: JSON is no key; the whole text is the key"])
        if len(key) < LEAST_CHARACTERS:
            raise ConfigError([f"{name}: the key has less than {LEAST_CHARACTERS} characters; `openssl rand -hex 32`"])
        return MaskKey(key.encode())

    def source_name(self) -> str:
        """Return the name that the lake and Redshift know the source by, which tells it from every other source.

        An Aurora cluster has one name under its reader and its writer endpoint, so a failover changes nothing. What
        moves to an address that cannot be known for the same source, as a snapshot that is restored into a new cluster,
        keeps its name by AURORA_SOURCE.

        Raises:
            ConfigError: The secret that names the host cannot be had.
        """
        if self.source:
            return self.source
        host, port = self._address(fetch_secret(self.secret_id, self.region) if self.secret_id else {})
        cluster = host.lower().replace(".cluster-ro-", ".cluster-")
        return f"{self.database}@{cluster}" + ("" if port == MYSQL_PORT else f":{port}")

    def _address(self, secret: Mapping[str, Any]) -> tuple[str, int]:
        return _address(self, secret, "AURORA", MYSQL_PORT)

    def _tls(self) -> ssl.SSLContext | None:
        if self.tls == DISABLED:
            return None
        file = self.tls.removeprefix(VERIFY_CA)
        try:
            context = ssl.create_default_context(cafile=None if file == VERIFY else file)
        except OSError:
            raise ConfigError([f"AURORA_TLS: {file!r} is not a file of certificates in PEM form"]) from None
        # Private authorities, RDS's among them, may lack extensions that Python 3.13's strict mode asks for. Chain and
        # host name are verified all the same. The chain ends at any certificate of the file, as since Python 3.13.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = file == self.tls
        return context


@dataclass(frozen=True, kw_only=True)
class LakeSettings:
    """Where the lake lies. Credentials and Region are the standard AWS configuration's business."""

    bucket: str  # the S3 bucket
    prefix: str = ""  # what every key begins with, without slashes at its ends; empty for the bucket's top
    endpoint: str | None = None  # the address of an S3 server other than Amazon's
    region: str | None = None  # the AWS Region; None leaves it to the AWS configuration
    sse: str | None = None  # how objects are to be encrypted, as `s3_client` takes it; None leaves it to the bucket
    # the database of the Glue Data Catalog in which Athena finds the tables; None for no such tables
    glue_database: str | None = None

    @property
    def uri(self) -> str:
        """The lake's address, `s3://bucket/prefix`."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @staticmethod
    def from_env(environ: Mapping[str, str] | None = None) -> LakeSettings:
        """Read LAKE_URI and the AWS variables that place the lake.

        Raises:
            ConfigError: Variables are missing or cannot be used.
        """
        return _read(environ, _lake)

    def client(self) -> Any:
        """Return a boto3 S3 client for these settings; it may be shared by threads."""
        return s3_client(self.endpoint, self.region, self.sse)


@dataclass(frozen=True, kw_only=True)
class RedshiftSettings:
    """How to reach the warehouse. Exactly one of `password`, `secret_id` and `workgroup` is set."""

    database: str
    host: str | None = None  # the endpoint's host; None where the secret or the workgroup names it
    port: int | None = None  # the port; None where the secret or the workgroup may name it
    user: str | None = None  # the user; None where the secret or the IAM role names it
    password: SecretStr | None = None  # the user's password
    # name or ARN of a Secrets Manager secret with `username`, `password` and perhaps `host`, `port`
    secret_id: str | None = None
    workgroup: str | None = None  # the Serverless workgroup whose temporary credentials the process's IAM role may have
    tls: str = VERIFY  # `verify` or `disabled`
    region: str | None = None  # the AWS Region of secret and workgroup; None leaves it to the AWS configuration
    iam_role: str = "default"  # the role that COPY reads the lake with: `default`, or ARNs with commas between
    staging_schema: str = "staging"  # the schema of the copied tables
    bi_schema: str = "bi"  # the schema of the marts

    @property
    def schemas(self) -> dict[str, str]:
        """What the schemas that marts name are called in this warehouse."""
        return {"staging": self.staging_schema, "bi": self.bi_schema}

    @staticmethod
    def from_env(environ: Mapping[str, str] | None = None) -> RedshiftSettings:
        """Read the REDSHIFT_* variables.

        Raises:
            ConfigError: Variables are missing or contradict one another.
        """
        return _read(environ, _redshift)

    def connect_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `redshift_connector.connect`, with the secret fetched now.

        Raises:
            ConfigError: The secret cannot be had.
        """
        return {
            "database": self.database,
            "application_name": APPLICATION_NAME,
            "max_prepared_statements": 0,  # a reused statement can outlive the table that it was prepared for
            # A line that is dead in silence, as behind a NAT gateway, is noticed within minutes instead of hours.
            "tcp_keepalive": True,
            "tcp_keepalive_idle": 60,
            "tcp_keepalive_interval": 30,
            "tcp_keepalive_count": 5,
            **({"ssl": False} if self.tls == DISABLED else {"ssl": True, "sslmode": "verify-full"}),
            **(self._workgroup_arguments() if self.workgroup else self._password_arguments()),
        }

    def _workgroup_arguments(self) -> dict[str, Any]:
        known = {"host": self.host, "port": self.port or (REDSHIFT_PORT if self.host else None), "region": self.region}
        return {
            "iam": True,
            "is_serverless": True,
            "serverless_work_group": self.workgroup,
            **{name: value for name, value in known.items() if value is not None},
        }

    def _password_arguments(self) -> dict[str, Any]:
        secret = fetch_secret(self.secret_id, self.region) if self.secret_id else {}
        host, port = _address(self, secret, "REDSHIFT", REDSHIFT_PORT)
        return {
            "host": host,
            "port": port,
            "user": self.user or secret.get("username"),
            "password": self.password.get_secret_value() if self.password else secret["password"],
        }


def aws_region(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the AWS Region that the environment names; None leaves it to the AWS configuration."""
    return _read(environ, _region)


def _read(variables: Mapping[str, str] | None, make: Callable[[Environment], T]) -> T:
    environment = Environment(os.environ if variables is None else variables)
    settings = make(environment)
    if environment.problems:
        raise ConfigError(environment.problems)
    return settings


def _address(
    settings: AuroraSettings | RedshiftSettings, secret: Mapping[str, Any], variables: str, port: int
) -> tuple[str, int]:
    """Return a server's host and port, of which its secret has what the settings leave out; raises ConfigError."""
    host = settings.host or secret.get("host")
    if not host:
        raise ConfigError([f"{variables}_SECRET_ID: {settings.secret_id!r} holds no host; set {variables}_HOST"])
    return str(host), int(settings.port or secret.get("port") or port)


def _aurora(env: Environment) -> AuroraSettings:
    ways = ("AURORA_PASSWORD", "AURORA_SECRET_ID", "AURORA_IAM_AUTH")
    secret_id, iam_auth = env.text(ways[1]), env.flag(ways[2])
    # The account that is named may have an empty password; beside another way in, that is a variable left empty.
    is_only_way = secret_id is None and not iam_auth and env.text("AURORA_USER") is not None
    password = env.secret(ways[0], may_be_empty=is_only_way)
    env.only_one(ways, (password is not None, secret_id is not None, iam_auth))
    tls = env.tls("AURORA_TLS", file_allowed=True)
    if iam_auth and tls == DISABLED:
        env.problems.append("AURORA_TLS contradicts AURORA_IAM_AUTH: a token must not travel in the clear")
    if iam_auth and tls.startswith(VERIFY_CA):
        env.problems.append("AURORA_TLS contradicts AURORA_IAM_AUTH: a token must not go to a server of another name")
    mask_key, mask_key_secret_id = env.secret("AURORA_MASK_KEY"), env.text("AURORA_MASK_KEY_SECRET_ID")
    if mask_key is not None:
        env.forbidden(WAYS[1], f"{WAYS[0]}: keep one of them")
    if secret_id is None:
        env.required("AURORA_HOST", "the host to read from, the cluster's reader endpoint by preference")
        env.required("AURORA_USER", "the user to read with")
    else:
        env.forbidden("AURORA_USER", "AURORA_SECRET_ID: the secret names the user")
    return AuroraSettings(
        database=_aurora_database(env),
        host=env.text("AURORA_HOST"),
        port=env.port("AURORA_PORT"),
        user=env.text("AURORA_USER"),
        password=password,
        secret_id=secret_id,
        iam_auth=iam_auth,
        tls=tls,
        region=_region(env),
        source=env.text("AURORA_SOURCE"),
        mask_key=mask_key,
        mask_key_secret_id=mask_key_secret_id,
    )


def _aurora_database(env: Environment) -> str:
    return env.required("AURORA_DATABASE", "the database whose tables are copied")


def _lake(env: Environment) -> LakeSettings:
    bucket, prefix = env.s3_uri("LAKE_URI")
    endpoint = env.text("AWS_ENDPOINT_URL_S3") or env.text("AWS_ENDPOINT_URL")
    sse = env.matching("LAKE_SSE", _SSE, "AES256, aws:kms, aws:kms:dsse or the ARN of a KMS key", "") or None
    name = "a name of small letters, digits and _"
    glue = env.matching("LAKE_GLUE_DATABASE", _GLUE_DATABASE, name, "") or None
    return LakeSettings(
        bucket=bucket, prefix=prefix, endpoint=endpoint, region=_region(env), sse=sse, glue_database=glue
    )


def _redshift(env: Environment) -> RedshiftSettings:
    ways = ("REDSHIFT_PASSWORD", "REDSHIFT_SECRET_ID", "REDSHIFT_WORKGROUP")
    password, secret_id, workgroup = env.secret(ways[0]), env.text(ways[1]), env.text(ways[2])
    env.only_one(ways, [way is not None for way in (password, secret_id, workgroup)])
    tls = env.tls("REDSHIFT_TLS", file_allowed=False)
    if workgroup and tls == DISABLED:
        env.problems.append("REDSHIFT_TLS contradicts REDSHIFT_WORKGROUP: IAM credentials must not travel in the clear")
    if secret_id is not None:
        env.forbidden("REDSHIFT_USER", "REDSHIFT_SECRET_ID: the secret names the user")
    elif workgroup is not None:
        env.forbidden("REDSHIFT_USER", "REDSHIFT_WORKGROUP: the IAM role names the user")
    else:
        env.required("REDSHIFT_HOST", "the endpoint of the workgroup or cluster")
        env.required("REDSHIFT_USER", "the user to load with")
    schema = "a name of small letters, digits, _ and $"
    return RedshiftSettings(
        database=env.required("REDSHIFT_DATABASE", "the database to load into"),
        host=env.text("REDSHIFT_HOST"),
        port=env.port("REDSHIFT_PORT"),
        user=env.text("REDSHIFT_USER"),
        password=password,
        secret_id=secret_id,
        workgroup=workgroup,
        tls=tls,
        region=_region(env),
        iam_role=env.matching(
            "REDSHIFT_IAM_ROLE", f"default|{_ROLE}(,{_ROLE})*", "`default` or a role's ARN", "default"
        ),
        staging_schema=env.matching("REDSHIFT_STAGING_SCHEMA", _SCHEMA, schema, "staging"),
        bi_schema=env.matching("REDSHIFT_BI_SCHEMA", _SCHEMA, schema, "bi"),
    )


def _region(env: Environment) -> str | None:
    """Return the Region; boto3 alone does not look at AWS_REGION, which AWS sets in its own runtimes."""
    return env.text("AWS_REGION") or env.text("AWS_DEFAULT_REGION")
