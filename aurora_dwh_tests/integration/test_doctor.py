"""The checks of `aurora-dwh doctor` on real servers: each as it should be, and after the thing itself was broken."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from dagster._daemon.types import DaemonHeartbeat
from typer.testing import CliRunner

from aurora_dwh.catalog.model import Catalog
from aurora_dwh.cli import app
from aurora_dwh.commands.doctor import lake, run_checks, source, warehouse, worker
from aurora_dwh.commands.doctor.check import Check, State, clock_check
from aurora_dwh.instance import health
from aurora_dwh.local.lake import LakeServer
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.local.redshift.faults import Fault
from aurora_dwh.settings.aws import s3_client
from aurora_dwh.settings.config import LakeSettings, RedshiftSettings
from aurora_dwh.source import discovery
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.errors import WarehouseError
from aurora_dwh_tests.aws_endpoint import AwsEndpoint, AwsError
from aurora_dwh_tests.servers import Server, one_server
from aurora_dwh_tests.services import lake_variables, query

TABLES = (
    "CREATE TABLE orders (id INT PRIMARY KEY, changed TIMESTAMP NOT NULL, INDEX (changed)) ENGINE=InnoDB",
    "CREATE TABLE shops (id INT PRIMARY KEY, changed DATETIME NOT NULL DEFAULT NOW() ON UPDATE NOW(), INDEX (changed))",
    "CREATE TABLE country (code CHAR(2) PRIMARY KEY)",
)
CATALOG = """\
timezone: UTC
start_date: 2024-01-01
defaults: {cursor: changed, key: id}
tables:
  orders: {lookback: 1h}
  shops: {}
  country: {mode: full, key: code}
"""
DROP_USER = "DROP USER IF EXISTS reader"


@pytest.fixture
def at_source(server: Server, database: str) -> Iterator[Callable[..., None]]:
    """Runs statements as root in a database with three tables and a user `reader` that may only read it."""

    def run(*statements: str) -> None:
        with server.connect(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    grants = (f"GRANT SELECT ON {database}.* TO reader", "GRANT PROCESS ON *.* TO reader")
    run(*TABLES, DROP_USER, "CREATE USER reader IDENTIFIED BY 'r'", *grants)
    yield run
    run("SET GLOBAL read_only = 0", "SET GLOBAL init_connect = ''", DROP_USER)


@pytest.fixture
def checked(
    server: Server,
    database: str,
    at_source: Callable[..., None],
    lake_server: LakeServer,
    redshift: RedshiftStandIn,
    warehouse: Warehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., dict[str, Check]]:
    """Runs all checks against servers on which everything is well but for what the test breaks."""
    del at_source, redshift
    assert warehouse.settings.password
    (tmp_path / "catalog.yaml").write_text(CATALOG, encoding="utf-8")
    variables = {
        "AURORA_HOST": server.host,
        "AURORA_PORT": str(server.port),
        "AURORA_DATABASE": database,
        "AURORA_USER": "reader",
        "AURORA_PASSWORD": "r",
        "AURORA_TLS": "disabled",
        **lake_variables(lake_server, f"s3://{lake_server.bucket}/doctor"),
        "REDSHIFT_HOST": str(warehouse.settings.host),
        "REDSHIFT_PORT": str(warehouse.settings.port),
        "REDSHIFT_DATABASE": warehouse.settings.database,
        "REDSHIFT_USER": str(warehouse.settings.user),
        "REDSHIFT_PASSWORD": warehouse.settings.password.get_secret_value(),
        "REDSHIFT_TLS": "disabled",
        "AURORA_DWH_CATALOG": str(tmp_path / "catalog.yaml"),
        "DAGSTER_HOME": str(tmp_path),
    }
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    def run(**changed: str) -> dict[str, Check]:
        for name, value in changed.items():
            monkeypatch.setenv(name, value)
        return {check.name: check for check in run_checks()}

    return run


def assert_only(checks: dict[str, Check], name: str, state: State, *words: str) -> None:
    """Expect a check to have come out so, with words in its detail or remedy, and no other to have failed."""
    check = checks[name]
    assert check.state is state, check
    for word in words:
        assert word in f"{check.detail} -> {check.remedy}"
    assert [c for c in checks.values() if c.state is State.FAILED and c.name != name] == []


def test_where_all_is_well_nothing_fails(checked: Callable[..., dict[str, Check]], at_source: Any) -> None:
    at_source("SET GLOBAL read_only = 1")
    found = checked()
    warned = {name for name, check in found.items() if check.state is not State.OK}
    hidden = {"redshift: column grants", "redshift: security policies"}
    assert warned == {"aurora: TLS", "redshift: TLS", "dagster: daemon", *hidden}
    assert "GiB free in " in found["worker: disk"].detail
    assert found["aurora: instance"].detail.endswith("a reader; no binlog is needed")
    assert found["aurora: privileges"].detail == "the user may only read"
    assert found["aurora: time zone"].detail.endswith("sessions read in UTC, so no time zone tables are needed")
    last = ["redshift: COPY from the lake", "worker: disk", "dagster: instance", "dagster: daemon", "dagster: runs"]
    assert list(found)[-5:] == last


@one_server
def test_what_is_printed_counts_tables_and_states(
    checked: Callable[..., dict[str, Check]], at_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "SMALL_ROWS", -1)  # no table is too small for advice
    at_source("ALTER TABLE orders DROP INDEX changed")
    checked()
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "2 of 3 can be read as the catalog says" in result.stdout
    assert "aurora: table orders" in result.stdout
    assert "aurora: table shops" not in result.stdout
    assert ", 0 failed" not in result.stdout
    assert CliRunner().invoke(app, ["doctor"], env={"REDSHIFT_PASSWORD": "wrong"}).exit_code == 1


def test_a_writer_is_warned_of(checked: Callable[..., dict[str, Check]]) -> None:
    assert_only(checked(), "aurora: instance", State.WARNING, "takes writes", "reader endpoint")


def test_c10_a_user_who_does_not_see_who_waits_is_warned_of_and_the_named_grant_helps(
    checked: Callable[..., dict[str, Check]], at_source: Any
) -> None:
    at_source("REVOKE PROCESS ON *.* FROM reader")
    found = checked()
    assert_only(found, "aurora: who waits", State.WARNING, "gives way to nobody")
    at_source(found["aurora: who waits"].remedy.partition(" run ")[2])
    assert checked()["aurora: who waits"].state is State.OK


@one_server
def test_o09_what_nothing_makes_any_more_is_told_with_its_command(
    checked: Callable[..., dict[str, Check]],
    warehouse: Warehouse,
    redshift: RedshiftStandIn,
    tmp_path: Path,
) -> None:
    header = "/*\nmaterialization: table\ndescription: d\ngrain: [id]\n*/\nSELECT id FROM staging."
    (tmp_path / "marts").mkdir()
    (tmp_path / "marts" / "kept.sql").write_text(header + "orders")
    for statement in (
        "CREATE SCHEMA staging",
        "CREATE SCHEMA bi",
        "CREATE TABLE staging.orders (id INTEGER, changed TIMESTAMP) SORTKEY (changed)",
        'CREATE TABLE staging."or""ders_of_old" (id INTEGER)',
        "CREATE TABLE bi.kept AS SELECT id FROM staging.orders",
        "CREATE TABLE bi.left AS SELECT id FROM staging.orders",
        "CREATE VIEW bi.gone AS SELECT id FROM staging.orders WITH NO SCHEMA BINDING",
        "CREATE VIEW bi.theirs AS SELECT id FROM staging.orders WITH NO SCHEMA BINDING",
        "CREATE MATERIALIZED VIEW bi.stored AS SELECT id FROM staging.orders",
    ):
        query(warehouse, statement)
    other = f"other_{secrets.token_hex(4)}"
    with redshift.admin(warehouse.settings.database) as admin:
        admin.query(f"CREATE ROLE {other}; ALTER VIEW bi.theirs OWNER TO {other}")
        found = checked()
        admin.query(f"DROP OWNED BY {other}; DROP ROLE {other}")
    told = {name: check for name, check in found.items() if name.startswith(("redshift: bi.", "redshift: staging."))}
    assert {name: check.state for name, check in told.items()} == dict.fromkeys(
        ("redshift: bi.gone", "redshift: bi.left", "redshift: bi.stored", 'redshift: staging.or"ders_of_old'),
        State.WARNING,
    )
    for check in told.values():
        drop = check.remedy.partition("run ")[2].partition(";")[0]
        query(warehouse, drop)
    assert not [name for name in checked() if name.startswith(("redshift: bi.", "redshift: staging."))]


@one_server
def test_a_mart_that_reads_a_misspelt_table_is_told_with_the_name(
    checked: Callable[..., dict[str, Check]], tmp_path: Path
) -> None:
    (tmp_path / "marts").mkdir()
    mart = "/*\nmaterialization: table\ndescription: d\ngrain: [id]\n*/\nSELECT id FROM staging.ordres"
    (tmp_path / "marts" / "odd.sql").write_text(mart)
    found = checked()["marts"]
    assert (found.state, found.remedy) == (State.FAILED, "mend the files named, see docs/marts.md")
    assert found.detail.endswith("did you mean `staging.orders`?")


@one_server
def test_o09_o19_a_table_of_another_user_or_of_other_keys_is_told_with_its_command(
    checked: Callable[..., dict[str, Check]], warehouse: Warehouse, redshift: RedshiftStandIn
) -> None:
    query(warehouse, "CREATE SCHEMA staging")
    for table in ("orders", "shops"):
        query(warehouse, f"CREATE TABLE staging.{table} (id INTEGER, changed TIMESTAMP) SORTKEY (id)")
    other = f"other_{secrets.token_hex(4)}"
    with redshift.admin(warehouse.settings.database) as admin:
        admin.query(f"CREATE ROLE {other}; ALTER TABLE staging.orders OWNER TO {other}")
        found = checked()
        owner = found["redshift: owner of staging.orders"]
        assert owner.state is State.FAILED
        assert other in owner.detail
        with pytest.raises(WarehouseError, match=r'must be owner.*run ALTER TABLE "staging"[.]"orders" OWNER TO'):
            query(warehouse, 'ALTER TABLE "staging"."orders" ADD COLUMN "a" INTEGER')
        admin.query(owner.remedy.partition("administrator run ")[2])
        admin.query(f"DROP ROLE {other}")
    keys = found["redshift: keys of staging.shops"]
    assert (keys.state, keys.detail) == (State.WARNING, "its sort_key is id, and changed is asked for")
    assert keys.remedy == "run `aurora-dwh rebuild shops`"
    assert "redshift: owner of staging.orders" not in checked()


def test_a_user_that_may_write_is_warned_of(
    checked: Callable[..., dict[str, Check]], database: str, at_source: Any
) -> None:
    at_source(f"GRANT INSERT, DELETE ON {database}.* TO reader")
    words = "the user may write: DELETE, INSERT -> make a user that has SELECT on the tables and nothing else"
    assert_only(checked(), "aurora: privileges", State.WARNING, words)


def test_a_role_and_a_column_whose_names_sound_like_writing_are_no_rights_to_write(
    checked: Callable[..., dict[str, Check]], database: str, at_source: Any
) -> None:
    at_source(
        f"REVOKE SELECT ON {database}.* FROM reader",
        "CREATE ROLE updaters",
        "GRANT updaters TO reader",
        *(f"GRANT SELECT ON {database}.{table} TO reader" for table in ("orders", "shops")),
        f"ALTER TABLE {database}.country ADD `DELETE` INT",
        f"GRANT SELECT (code, `DELETE`) ON {database}.country TO reader",
    )
    found = checked()
    at_source("DROP ROLE updaters")
    assert found["aurora: privileges"].detail == "the user may only read"


def test_a_table_that_may_not_be_read_fails(
    checked: Callable[..., dict[str, Check]], database: str, at_source: Any
) -> None:
    at_source(
        f"REVOKE SELECT ON {database}.* FROM reader",
        f"GRANT SELECT ON {database}.orders TO reader",
        f"GRANT SELECT ON {database}.country TO reader",
    )
    words = (
        f"table {database}.shops is not there, or this user may not read it",
        f"GRANT SELECT ON `{database}`.`shops`",
    )
    assert_only(checked(), "aurora: table shops", State.FAILED, *words)


def test_a19_a_cursor_without_an_index_is_warned_of(
    checked: Callable[..., dict[str, Check]], database: str, at_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_source("ALTER TABLE orders DROP INDEX changed")
    assert checked()["aurora: table orders"].state is State.OK  # there are no rows to scan
    monkeypatch.setattr(discovery, "SMALL_ROWS", -1)
    remedy = f"ALTER TABLE `{database}`.`orders` ADD INDEX (`changed`)"
    assert_only(checked(), "aurora: table orders", State.WARNING, "each day scans the table", remedy)


@pytest.fixture
def large(server: Server) -> Iterator[Server]:
    """Another server, which believes that `country` has 50 million rows and `orders` 32 TiB."""
    other = Server(server.program.kind)
    database = other.database()
    with other.connect(database) as connection, connection.cursor() as cursor:
        for statement in (
            *TABLES,
            "ALTER TABLE orders DROP INDEX changed",
            "UPDATE mysql.innodb_table_stats SET n_rows = 50000000 WHERE table_name IN ('country', 'orders')",
            f"UPDATE mysql.innodb_table_stats SET clustered_index_size = {2**31} WHERE table_name = 'orders'",
        ):
            cursor.execute(statement)
    other.kill()
    other.start()  # InnoDB reads its statistics when it opens a table for the first time
    yield other
    other.remove()


@one_server
def test_tables_too_large_to_be_copied_whole_or_to_be_scanned_on_this_disk_are_warned_of(
    checked: Callable[..., dict[str, Check]], large: Server
) -> None:
    disk = "worker: disk"
    found = checked(
        AURORA_DATABASE="test_1", AURORA_PORT=str(large.port), AURORA_USER=large.user, AURORA_PASSWORD=large.password
    )
    words = "about 50 million rows, and mode full reads them all every day", "indexed column that changes on update"
    assert_only(found, "aurora: table country", State.WARNING, *words)
    assert_only(found, disk, State.WARNING, "a range over an unindexed cursor may need 32,768.0 GiB", "set TMPDIR")


@one_server
def test_a_datetime_that_mysql_fills_in_another_zone_than_the_catalogs_is_warned_of(
    checked: Callable[..., dict[str, Check]], tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(CATALOG.replace("timezone: UTC", "timezone: Asia/Tokyo"), encoding="utf-8")
    found = checked()
    assert_only(found, "aurora: zone of shops.changed", State.WARNING, "takes it for Asia/Tokyo", "cursor_timezone")
    assert "aurora: zone of orders.changed" not in found  # a TIMESTAMP is an instant
    catalog.write_text(catalog.read_text().replace("shops: {}", "shops: {cursor_timezone: UTC}"), encoding="utf-8")
    assert "aurora: zone of shops.changed" not in checked()


@one_server
def test_clocks_that_differ_are_warned_of(checked: Callable[..., dict[str, Check]], at_source: Any) -> None:
    at_source("SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() - 3600'")
    words = "its clock and this machine's differ by 36", "NTP"
    assert_only(checked(), "aurora: clock", State.WARNING, *words)
    for minutes in (-1, 1):
        moved = clock_check("c", lambda: datetime.now(timezone.utc) + timedelta(minutes=minutes))  # noqa: B023
        assert moved.state is State.WARNING
    assert clock_check("c", lambda: datetime.now(timezone.utc) + timedelta(seconds=20)).state is State.OK


def test_a_reader_that_is_far_behind_is_warned_of() -> None:
    tables = {"t": {"key": "id", "cursor": "c", "lookback": "30s"}}
    catalog = Catalog.model_validate({"timezone": "UTC", "start_date": "2024-01-01", "tables": {
        name: {"name": name, **fields} for name, fields in tables.items()
    }})  # fmt: skip
    assert source.lag_check(timedelta(seconds=29), catalog) == Check(
        "aurora: replica lag", State.OK, "29.0 s behind the writer"
    )
    assert source.lag_check(timedelta(seconds=31), None).state is State.OK
    late = source.lag_check(timedelta(seconds=31), catalog)
    assert late.state is State.WARNING
    assert late.detail == "31.0 s behind the writer: rows may reach the reader after their day was read"
    assert late.remedy.startswith("set `lookback` well over 31.0 s in the catalog")


@one_server
def test_a_server_that_is_not_there_and_a_wrong_password_fail_alone(checked: Callable[..., dict[str, Check]]) -> None:
    assert_only(checked(AURORA_PASSWORD="x"), "aurora: connection", State.FAILED, "Access denied", "check host, port")
    assert_only(
        checked(AURORA_PASSWORD="r", REDSHIFT_PASSWORD="x"), "redshift: connection", State.FAILED, "security group"
    )


@one_server
def test_a_bucket_that_cannot_be_written_fails(checked: Callable[..., dict[str, Check]]) -> None:
    found = checked(AWS_SECRET_ACCESS_KEY="wrong")
    assert_only(found, "lake: list objects", State.FAILED, "SignatureDoesNotMatch", "check LAKE_URI and the Region")
    assert "redshift: COPY from the lake" not in found


@one_server
def test_p20_a_bucket_that_there_is_not_fails_and_is_not_made(
    checked: Callable[..., dict[str, Check]], s3: Any
) -> None:
    for _ in range(2):
        found = checked(LAKE_URI="s3://mistyped-bucket/lake")
        assert_only(found, "lake: list objects", State.FAILED, "NoSuchBucket", "check LAKE_URI and the Region")
        with pytest.raises(ClientError, match="NoSuchBucket"):
            s3.put_object(Bucket="mistyped-bucket", Key="lake/orders", Body=b"")
        assert "mistyped-bucket" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


@one_server
def test_a_server_that_writes_over_guarded_objects_fails(
    checked: Callable[..., dict[str, Check]], monkeypatch: pytest.MonkeyPatch, s3: Any, lake_server: LakeServer
) -> None:
    def forget(request: Any, **_: Any) -> None:
        del request.headers["If-None-Match"]

    broken = s3_client(lake_server.endpoint_url, lake_server.region)
    broken.meta.events.register("before-sign.s3.PutObject", forget)
    monkeypatch.setattr(LakeSettings, "client", lambda _: broken)
    found = checked()
    words = "a PUT with If-None-Match: * wrote over an object that was there", "use Amazon S3"
    assert_only(found, "lake: guarded put", State.FAILED, *words)
    assert s3.list_objects_v2(Bucket=lake_server.bucket, Prefix="doctor").get("KeyCount") == 0


@one_server
def test_the_checks_leave_nothing_in_the_bucket(
    checked: Callable[..., dict[str, Check]], s3: Any, lake_server: LakeServer
) -> None:
    assert checked()["redshift: COPY from the lake"].state is State.OK
    assert s3.list_objects_v2(Bucket=lake_server.bucket, Prefix="doctor").get("KeyCount") == 0


@one_server
def test_a_database_of_glue_that_is_not_there_or_refuses_fails(checked: Callable[..., dict[str, Check]]) -> None:
    asked: list[Any] = []

    def get_table(request: Any) -> Any:
        asked.append(request)
        if request["DatabaseName"] == "closed":
            raise AwsError("AccessDeniedException", "User: reader is not authorized to perform: glue:GetTable")
        missing = "Entity Not Found" if request["DatabaseName"] == "shop" else "Database shop_lake not found."
        raise AwsError("EntityNotFoundException", missing)

    assert "lake: Glue" not in checked()
    glue = AwsEndpoint("glue", {"GetTable": get_table})
    try:
        changed = {"AWS_ENDPOINT_URL_GLUE": glue.url, "AWS_REGION": "eu-west-1"}
        found = checked(LAKE_GLUE_DATABASE="shop_lake", **changed)
        words = "Database shop_lake not found", "aws glue create-database --database-input Name=shop_lake"
        assert_only(found, "lake: Glue", State.FAILED, *words)
        found = checked(LAKE_GLUE_DATABASE="closed")
        assert_only(found, "lake: Glue", State.FAILED, "not authorized", "glue:BatchCreatePartition")
        assert_only(checked(LAKE_GLUE_DATABASE="shop"), "lake: Glue", State.OK)
    finally:
        glue.close()
    assert len(asked) == 3


def amazon(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Stubber]:
    """Return a client of Amazon's S3 whose answers a test gives, in the shapes that botocore checks."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    client = s3_client(None, "eu-west-1")
    stub = Stubber(client)
    stub.activate()
    return client, stub


def test_a_bucket_that_is_open_or_not_encrypted_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    client, stub = amazon(monkeypatch)
    blocks = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    stub.add_response("get_public_access_block", {"PublicAccessBlockConfiguration": blocks})
    stub.add_response(
        "get_public_access_block", {"PublicAccessBlockConfiguration": blocks | {"BlockPublicPolicy": False}}
    )
    stub.add_client_error("get_public_access_block", "NoSuchPublicAccessBlockConfiguration")
    stub.add_client_error("get_public_access_block", "AccessDenied")
    assert [c.state for c in lake.check_public_access(client, "b")] == [State.OK]
    assert [c.detail for c in lake.check_public_access(client, "b")] == ["the bucket does not set BlockPublicPolicy"]
    assert [c.state for c in lake.check_public_access(client, "b")] == [State.WARNING]
    assert list(lake.check_public_access(client, "b")) == []

    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    stub.add_response("get_bucket_encryption", {"ServerSideEncryptionConfiguration": {"Rules": [rule]}})
    stub.add_client_error("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError")
    assert [c.detail for c in lake.check_encryption(client, "b")] == ["objects are encrypted by aws:kms"]
    assert [c.state for c in lake.check_encryption(client, "b")] == [State.WARNING]


@pytest.mark.parametrize(
    ("location", "host", "state"),
    [
        ("eu-west-1", "wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com", State.OK),
        ("EU", "cluster.abc.eu-west-1.redshift.amazonaws.com", State.OK),
        (None, "wg.123456789012.us-east-1.redshift-serverless.amazonaws.com", State.OK),
        ("eu-west-1", "wg.123456789012.ap-northeast-1.redshift-serverless.amazonaws.com", State.FAILED),
        ("eu-west-1", None, State.FAILED),
    ],
)
def test_a_bucket_of_another_region_fails(
    monkeypatch: pytest.MonkeyPatch, location: str | None, host: str | None, state: State
) -> None:
    client, stub = amazon(monkeypatch)
    stub.add_response(
        "get_bucket_location", {"LocationConstraint": location} if location else {"LocationConstraint": ""}
    )
    region = lake.bucket_region(client, "b")
    assert region
    settings = RedshiftSettings(database="d", host=host, region="us-east-2")
    (found,) = warehouse.check_region(region, settings)
    assert found.state is state
    if state is State.FAILED:
        assert "and the bucket in eu-west-1; COPY of Parquet crosses no Regions" in found.detail


@one_server
def test_schemas_that_may_not_be_made_or_filled_fail(
    checked: Callable[..., dict[str, Check]], redshift: RedshiftStandIn, warehouse: Warehouse
) -> None:
    name, user = warehouse.settings.database, warehouse.settings.user
    assert checked()["redshift: schema staging"] == Check(
        "redshift: schema staging", State.OK, "made by the first load"
    )
    with redshift.admin(name) as admin:
        admin.query("CREATE SCHEMA bi")
        admin.query(f"GRANT USAGE ON SCHEMA bi TO {user}")
        admin.query("CREATE SCHEMA staging")
        admin.query(f"GRANT ALL ON SCHEMA staging TO {user}")
        admin.query(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
        admin.query(f"REVOKE CREATE ON DATABASE {name} FROM {user}, PUBLIC")
    found = checked()
    assert found["redshift: schema staging"].state is State.OK
    forbidden = [found[f"redshift: schema {schema}"] for schema in ("bi", "dwh")]
    assert [check.state for check in forbidden] == [State.FAILED, State.FAILED]
    run = "have an administrator run "
    assert forbidden[0].remedy == f'{run}GRANT ALL ON SCHEMA "bi" TO "{user}"'
    assert forbidden[1].remedy == f'{run}GRANT CREATE ON DATABASE "{name}" TO "{user}"'
    with redshift.admin(name) as admin:
        for check in forbidden:
            admin.query(check.remedy.removeprefix(run))
    assert {check.state for label, check in checked().items() if label.startswith("redshift: schema")} == {State.OK}


@one_server
def test_a_copy_that_is_refused_fails_and_leaves_nothing_behind(
    checked: Callable[..., dict[str, Check]], redshift: RedshiftStandIn, s3: Any, lake_server: LakeServer
) -> None:
    redshift.faults.add(Fault("^COPY", "57014"))
    words = "attach a role to the namespace (REDSHIFT_IAM_ROLE: default)", "s3:ListBucket"
    assert_only(checked(), "redshift: COPY from the lake", State.FAILED, *words)
    assert s3.list_objects_v2(Bucket=lake_server.bucket, Prefix="doctor").get("KeyCount") == 0


@one_server
def test_a_daemon_that_is_silent_is_warned_of(
    checked: Callable[..., dict[str, Check]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    checked()
    now = datetime.now(timezone.utc).timestamp()
    with dg.DagsterInstance.get() as instance:
        for name in health.DAEMONS:
            instance.add_daemon_heartbeat(DaemonHeartbeat(now, name, "id", []))
    assert worker.check_daemons() == Check("dagster: daemon", State.OK, "alive")
    with dg.DagsterInstance.get() as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(now - 400, "SCHEDULER", "id", []))
    silent = worker.check_daemons()
    assert (silent.state, silent.detail) == (State.WARNING, "no heartbeat of scheduler in the last 5 minutes")

    (tmp_path / "dagster.yaml").write_text("no_such_setting: 1\n", encoding="utf-8")
    assert_only(checked(), "dagster: instance", State.FAILED, "no_such_setting", "mend dagster.yaml")
    monkeypatch.delenv("DAGSTER_HOME")
    assert_only({c.name: c for c in run_checks()}, "dagster: instance", State.WARNING, "set DAGSTER_HOME to a folder")


@one_server
def test_json_has_every_table_and_every_part_of_a_check(checked: Callable[..., dict[str, Check]]) -> None:
    checked()
    found = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert {tuple(check) for check in found} == {("name", "state", "detail", "remedy")}
    assert {"aurora: table orders", "aurora: table shops", "aurora: table country"} <= {
        check["name"] for check in found
    }
