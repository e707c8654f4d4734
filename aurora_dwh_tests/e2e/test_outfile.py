"""`extract: outfile` from end to end: an embedded Aurora writes CSV by itself, and the warehouse holds it all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from aurora_dwh.cli import app
from aurora_dwh.commands.doctor import run_checks
from aurora_dwh.commands.doctor.check import Check, State
from aurora_dwh.core.models import Manifest
from aurora_dwh.lake.factory import open_lake
from aurora_dwh.local.aurora import outfile
from aurora_dwh.local.aurora.program import KINDS
from aurora_dwh.settings.config import LakeSettings
from aurora_dwh.source import export
from aurora_dwh.source.throttle import Throttle
from aurora_dwh_tests.e2e import type_samples
from aurora_dwh_tests.e2e.test_types import assert_equal, verify
from aurora_dwh_tests.e2e.test_types_policies import converted, refused, staged
from aurora_dwh_tests.e2e.type_samples import SAMPLES
from aurora_dwh_tests.e2e.world import World, chain, days
from aurora_dwh_tests.sampling import sample, soak
from aurora_dwh_tests.servers import servers_in_turn

both_servers = pytest.mark.parametrize("aurora", KINDS, indirect=True)
"""Marks tests about what the server writes; the others are about what becomes of it."""

DAY = "2024-01-01"
NOON = "'2023-12-31 12:00:00'"
ROWS = 60
"""Rows of samples: more than any type has edges; each of them becomes a part of its own."""


def manifest_of(table: str, day: str = DAY) -> Manifest:
    (manifest,) = open_lake().read(table, [date.fromisoformat(day)])
    return manifest


def assert_copied(world: World) -> None:
    """Compare every row of `t`."""
    there = sorted(world.ask_source("SELECT id, at, v, b FROM t"))
    here = world.ask_warehouse("SELECT id, at, v, b FROM staging.t")
    assert sorted((*row[:3], bytes.fromhex(row[3])) for row in here) == there
    assert there


def keys(prefix: str = "") -> list[str]:
    """Return every key in the lake that holds `prefix`."""
    settings = LakeSettings.from_env()
    listed = settings.client().list_objects_v2(Bucket=settings.bucket, Prefix=settings.prefix)
    return [one["Key"] for one in listed.get("Contents", ()) if prefix in one["Key"]]


def three_days(world: World, entry: str = "key: id, cursor: at") -> None:
    world.catalog(f"t: {{{entry}, extract: outfile}}")
    world.at_source("CREATE TABLE t (id INT PRIMARY KEY, at DATETIME(6), v TEXT, b VARBINARY(20), KEY (at))")
    with world.source() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO t VALUES (%s, %s, %s, %s)",
            [
                (
                    n,
                    f"2024-01-{1 + n % 3:02} 04:05:06.{n:06}",
                    f'row "{n}",\r\nof\\many \t',
                    n.to_bytes(2, "big") if n % 5 else b"",
                )
                for n in range(90)
            ],
        )


@both_servers
def test_the_types_arrive_exactly_by_way_of_csv(aurora_world: World) -> None:
    world, names = aurora_world, tuple(SAMPLES)
    world.catalog("every: {key: id, cursor: changed, extract: outfile}")
    world.at_source(type_samples.create("every"))
    with world.source(sql_mode="") as connection:
        type_samples.write(connection, "every", type_samples.rows(ROWS, 5), names)
    world.load(DAY, "every")
    assert_equal(world, "every", tuple(name for name in names if name != "j"))
    verdict = verify("every")
    assert verdict.equal, verdict.differences
    assert world.day_metadata("lake/every", DAY)["dagster/partition_row_count"] == ROWS
    manifest = manifest_of("every")
    assert manifest.files == "csv"
    assert len(manifest.parts) > 10
    assert_read_back_as_parquet_is(world, manifest)
    there = dict(world.ask_source("SELECT id, j FROM every"))
    here = dict(world.ask_warehouse("SELECT id, j FROM staging.every"))
    assert {k: v if v is None else json.loads(v) for k, v in there.items()} == {
        k: v if v is None else json.loads(v) for k, v in here.items()
    }
    assert here[1] == "null", "the document null is a value"


def assert_read_back_as_parquet_is(world: World, manifest: Manifest) -> None:
    """Compare the rows that Python gets from CSV with those that it gets from the same table's Parquet files."""
    own = ["_dwh_loaded_at"]
    from_csv = open_lake().reader([manifest]).read_all().sort_by("id").drop_columns(own)
    world.catalog("every: {key: id, cursor: changed}")
    run = world.run(DAY, None, [dg.AssetKey(["lake", "every"])])
    assert run.success, run.failures
    parquet = manifest_of("every")
    assert parquet.files == "parquet"
    from_parquet = open_lake().reader([parquet]).read_all().sort_by("id").drop_columns(own)
    assert from_csv.schema.equals(from_parquet.schema)
    for name in from_parquet.column_names:
        assert from_csv[name].combine_chunks().equals(from_parquet[name].combine_chunks()), name


def test_a_day_is_aurora_s_parts_and_the_product_s_manifest(aurora_world: World, s3: Any) -> None:
    world = aurora_world
    three_days(world)
    world.load("2024-01-02", "t")
    world_rows = world.ask_source("SELECT COUNT(*) FROM t WHERE at >= '2024-01-02' AND at < '2024-01-03'")
    manifest = manifest_of("t", "2024-01-02")
    assert [(manifest.rows,)] == world_rows
    assert len(manifest.parts) > 1
    settings = LakeSettings.from_env()
    home = f"{settings.prefix}/{world.database}/t/day=2024-01-02"
    assert sorted(keys()) == sorted([f"{home}/_manifest.json", *(p.url.split("/", 3)[3] for p in manifest.parts)])
    body = json.loads(s3.get_object(Bucket=settings.bucket, Key=f"{home}/_manifest.json")["Body"].read())
    assert all(e["mandatory"] is True and e["url"].startswith("s3://") for e in body["entries"])
    statements = world.day_metadata("lake/t", "2024-01-02")["statement"]
    assert "COALESCE(CONCAT('00', HEX(`b`)), '<aurora-dwh NULL>') AS `b`" in str(statements)
    assert "NULL AS '<aurora-dwh NULL>' MANIFEST" in world.day_metadata("staging/t", "2024-01-02")["statements"]


@pytest.mark.parametrize(
    "entry", [soak("key: id, cursor: at"), "mode: append, cursor: at", soak("mode: full"), "key: b, cursor: at"]
)
def test_a_range_of_days_is_loaded_and_loaded_again(aurora_world: World, entry: str) -> None:
    world = aurora_world
    three_days(world, entry)
    if entry.startswith("key: b"):
        world.at_source("DELETE FROM t WHERE b = x'' AND id > 0")
    world.load("2024-01-01", "t", last="2024-01-03")
    assert_copied(world)
    world.load("2024-01-02", "t")
    world.load("2024-01-01", "t", last="2024-01-03")
    assert_copied(world)
    assert world.materialized_days("lake/t") == set(days(1, 3))
    assert verify("t").equal


def test_days_of_both_formats_are_one_range_one_rebuild_and_one_table_of_rows(aurora_world: World) -> None:
    world = aurora_world
    three_days(world)
    world.load("2024-01-01", "t")
    world.catalog("t: {key: id, cursor: at}")
    world.load("2024-01-02", "t")
    world.catalog("t: {key: id, cursor: at, extract: outfile}")
    world.load("2024-01-03", "t")
    lake = open_lake()
    manifests = lake.read("t", [date(2024, 1, n) for n in (1, 2, 3)])
    assert [m.files for m in manifests] == ["csv", "parquet", "csv"]
    rows = lake.reader(manifests).read_all().to_pylist()
    assert sorted((r["id"], r["v"], r["b"], r["at"]) for r in rows) == sorted(
        world.ask_source("SELECT id, v, b, at FROM t")
    )
    assert {str(r["_dwh_day"]) for r in rows} == set(days(1, 3))
    world.ask_warehouse("DELETE FROM staging.t")
    # Files of two formats are loaded in several transactions, of which the first does not make the table whole.
    assert "`aurora-dwh rebuild t`" in world.run("2024-01-01", "2024-01-03", _staging("t")).failure

    for origin in ("lake", "source"):
        world.ask_warehouse("DELETE FROM staging.t")
        done = CliRunner().invoke(app, ["rebuild", "t", "--from", origin])
        assert done.exit_code == 0, done.output
        assert_copied(world)
    assert {m.files for m in lake.all("t")} == {"csv"}


def _staging(table: str) -> list[Any]:
    return [dg.AssetKey(["staging", table])]


def test_a_day_without_rows_runs_no_export(aurora_world: World) -> None:
    world = aurora_world
    three_days(world)
    world.load("2024-01-03", "t")
    before = len(world.staged_rows("t"))
    world.load("2024-01-04", "t")
    assert manifest_of("t", "2024-01-04").parts == ()
    assert len(world.staged_rows("t")) == before
    assert not keys("day=2024-01-04/part-")


def test_a23_a_stale_file_under_the_prefix_is_not_loaded_and_a_missing_one_fails(aurora_world: World, s3: Any) -> None:
    world = aurora_world
    three_days(world)
    settings = LakeSettings.from_env()
    stale = f"{settings.prefix}/{world.database}/t/day=2024-01-02/part-old-000.part_00000"
    s3.put_object(Bucket=settings.bucket, Key=stale, Body=b'1,2024-01-02,"stale",00,2024-01-02,2024-01-02\n')
    world.load("2024-01-02", "t")
    assert not world.ask_warehouse("SELECT id FROM staging.t WHERE v = 'stale'")
    part = manifest_of("t", "2024-01-02").parts[-1].url.split("/", 3)[3]
    s3.delete_object(Bucket=settings.bucket, Key=part)
    world.ask_warehouse("DELETE FROM staging.t")
    run = world.run("2024-01-02", None, _staging("t"))
    assert not run.success
    assert part.rpartition("/")[2] in run.failure
    assert world.ask_warehouse("SELECT COUNT(*) FROM staging.t") == [(0,)]


def test_a26_a_bad_field_is_named_by_file_line_column_and_value(aurora_world: World, s3: Any) -> None:
    world = aurora_world
    three_days(world)
    world.load("2024-01-02", "t")
    part = manifest_of("t", "2024-01-02").parts[1].url
    bucket, _, key = part.removeprefix("s3://").partition("/")
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    lines = body.split(b"\n")
    at = next(n for n, line in enumerate(lines) if n and line[:1].isdigit())
    lines[at] = b"x" + lines[at][1:]
    s3.put_object(Bucket=bucket, Key=key, Body=b"\n".join(lines))
    run = world.run("2024-01-02", None, _staging("t"))
    assert not run.success
    value = lines[at].partition(b",")[0].decode()
    for word in (part, f"line {at + 1}", "column id", f"value {value!r}", "code 1207"):
        assert word in run.failure


def test_a_statement_that_fails_leaves_no_part_and_another_attempt_mends_it(
    aurora_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = aurora_world
    three_days(world)
    real, calls = outfile.Upload.put_part, []

    def broken(self: outfile.Upload, body: bytes) -> None:
        calls.append(len(keys("/part-")))
        if len(calls) in (3, 5):
            raise outfile.ExportError(63_985, "S3 API returned error: SlowDown")
        real(self, body)

    monkeypatch.setattr(outfile.Upload, "put_part", broken)
    run = world.run("2024-01-02", None, chain("t"))
    assert not run.success
    assert "Aurora did not write the rows to s3://" in run.failure
    assert "SlowDown (MySQL error 63985)" in run.failure
    assert max(calls) == 2, "parts were there when it failed"
    assert not keys()
    assert not world.materialized_days("lake/t")
    world.load("2024-01-02", "t")
    assert manifest_of("t", "2024-01-02").rows == 30


def test_a_manifest_that_never_comes_or_lists_what_is_not_there_fails(
    aurora_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = aurora_world
    three_days(world)
    with monkeypatch.context() as patched:
        patched.setattr(outfile.Upload, "put_manifest", lambda self: None)
        assert "is not there: Aurora writes it last, so the export did not end" in refused_day(world)
    real = outfile.Upload.put_manifest

    def one_gone(self: outfile.Upload) -> None:
        real(self)
        self._client.delete_object(Bucket=self._bucket, Key=self._keys[1])

    monkeypatch.setattr(outfile.Upload, "put_manifest", one_gone)
    assert "part_00001, which is not there" in refused_day(world)
    assert not keys()


def refused_day(world: World) -> str:
    run = world.run("2024-01-02", None, chain("t"))
    assert not run.success
    return run.failure


@pytest.mark.parametrize("aurora", sample(KINDS, "mariadb"), indirect=True)
def test_policies_are_counted_by_aurora_and_masks_computed_there(aurora_world: World) -> None:
    world = aurora_world
    world.catalog(
        "big: {key: id, cursor: at, oversize: truncate, nul_bytes: remove, extract: outfile, "
        "mask: {s: sha256, k: {keep_last: 2}, n: null}}"
    )
    world.at_source(
        "CREATE TABLE big (id INT PRIMARY KEY, at DATETIME, t LONGTEXT, b LONGBLOB, d DATE, s TEXT, k VARCHAR(20), "
        "n VARBINARY(9), KEY (at))"
    )
    with world.source(sql_mode="ALLOW_INVALID_DATES") as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO big VALUES (%s, '2023-12-31 12:00:00', %s, %s, %s, %s, %s, %s)",
            [
                (1, "🍣" * 16_384, b"x" * 64_001, "0000-00-00", "secret", "secret", b"secret"),
                (2, "a\0b", b"\0", "2024-02-29", None, None, None),
                (3, None, None, None, "", "", b""),
            ],
        )
    world.load(DAY, "big")
    assert staged(world, "big", "t, b, d, k, n") == [
        ("🍣" * 16_383, "78" * 64_000, None, "****et", None),
        ("ab", "00", date(2024, 2, 29), None, None),
        (None, None, None, "", None),
    ]
    assert converted(world, "big") == {
        "b": {"oversize": 1},
        "d": {"zero_date": 1},
        "t": {"nul_bytes": 1, "oversize": 1},
    }
    assert verify("big").equal, verify("big").differences


REFUSED = {
    "oversize": ("LONGTEXT", "x" * 65_536, "65,536 bytes, and Redshift's VARCHAR(65535) holds 65,535"),
    "nul bytes": ("TEXT", "a\0b", "holds a NUL byte, which no Redshift text can; set `nul_bytes: remove`"),
    "zero date": ("DATE", "0000-00-00", "zero date in the row id = 7: '0000-00-00'; mend the row"),
    "mark": ("TEXT", "<aurora-dwh NULL>", "a CSV file takes this very text for NULL; set `extract: stream`"),
    "document": ("JSON", json.dumps("x" * 65_534), "set `oversize: "),
}


@servers_in_turn("kind", REFUSED, server="aurora")
def test_a_value_that_csv_or_redshift_cannot_hold_fails_the_day_and_is_named(aurora_world: World, kind: str) -> None:
    world = aurora_world
    column, value, message = REFUSED[kind]
    world.catalog("t: {key: id, cursor: at, zero_dates: fail, extract: outfile}")
    world.at_source(f"CREATE TABLE t (id INT PRIMARY KEY, at DATETIME, v {column}, KEY (at))")
    with world.source(sql_mode="") as connection, connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO t VALUES (6, {NOON}, NULL), (7, {NOON}, %s)", (value,))
    failure = refused(world, "t")
    assert message in failure
    assert "id = 7" in failure
    assert f"day {DAY}" in failure
    assert not keys()


def test_a_large_table_is_written_by_several_statements_in_one_snapshot(
    aurora_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = aurora_world
    three_days(world, "mode: full")
    monkeypatch.setattr(export, "_row_bytes", lambda *_: 1024**3)
    world.load("2024-01-02", "t")
    assert_copied(world)
    statements = {part.url.rpartition(".part_")[0][-3:] for part in manifest_of("t", "2024-01-02").parts}
    assert statements == {"000", "001", "002", "003"}
    assert manifest_of("t", "2024-01-02").rows == 90


def test_what_lets_aurora_write_is_checked_beforehand(aurora_world: World, poor: str) -> None:
    world = aurora_world
    three_days(world)
    exports = world.server.exports  # type: ignore[attr-defined]
    assert f"run on the writer: {poor}" in refused_day(world)
    world.at_source(poor)
    access, exports.access = exports.access, None
    try:
        assert "set the cluster parameter aws_default_s3_role" in refused_day(world)
    finally:
        exports.access = access
    world.load("2024-01-02", "t")


@pytest.fixture
def poor(aurora_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make the product use an account that may read and nothing else; return what grants it Aurora's role."""
    aurora_world.at_source("CREATE USER poor IDENTIFIED BY 'sesame'", "GRANT SELECT ON *.* TO poor")
    monkeypatch.setenv("AURORA_USER", "poor")
    monkeypatch.setenv("AURORA_PASSWORD", "sesame")
    yield "GRANT AWS_SELECT_S3_ACCESS TO 'poor'@'%'"
    aurora_world.at_source("DROP USER poor")


def exports_checked() -> list[Check]:
    return [check for check in run_checks() if check.name == "aurora: SELECT INTO OUTFILE S3"]


def test_doctor_has_aurora_write_a_row_where_a_table_is_exported(aurora_world: World, poor: str) -> None:
    world = aurora_world
    three_days(world)
    (check,) = exports_checked()
    assert check.state is State.FAILED
    assert poor in check.detail
    assert "docs/catalog.md" in check.remedy
    world.at_source(poor)
    (check,) = exports_checked()
    assert (check.state, check.detail) == (State.OK, "")
    assert not keys()
    world.catalog("t: {key: id, cursor: at}")
    assert exports_checked() == []


def test_the_plan_shows_what_aurora_runs_and_what_csv_cannot_carry(aurora_world: World) -> None:
    world = aurora_world
    world.catalog("t: {key: id, cursor: at, oversize: null, extract: outfile}")
    world.at_source("CREATE TABLE t (id INT PRIMARY KEY, at DATETIME, v TEXT, d LONGBLOB, KEY (at))")
    said = CliRunner().invoke(app, ["plan", "t", "--day", "2024-01-02"])
    assert said.exit_code == 0, said.output
    export, load = said.output.partition("INTO OUTFILE S3 's3://")[::2]
    assert export.index("COUNT(*), MAX(`at`)") < export.index("COALESCE(CONVERT(CASE WHEN OCTET_LENGTH(")
    assert "/t/day=2024-01-02/part-plan-000'\nCHARACTER SET utf8mb4\nFORMAT CSV\nMANIFEST ON\nOVERWRITE OFF;" in load
    assert "FORMAT AS CSV NULL AS '<aurora-dwh NULL>' MANIFEST;" in load
    assert said.output.splitlines()[-6:] == [
        "-- column at: dates that the calendar does not have become NULL and are counted",
        "-- column v: NUL bytes in texts fail the day",
        "-- column v: texts that read '<aurora-dwh NULL>', which stands for NULL, fail the day",
        "-- column v: values of more than 65,535 bytes become NULL and are counted",
        "-- column d: values of more than 64,000 bytes become NULL and are counted",
        "-- column d: values whose hexadecimal digits are more than `max_allowed_packet` fail the day",
    ]


def test_a_busy_source_is_waited_for_before_the_count_and_before_each_statement(
    aurora_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = aurora_world
    three_days(world, "mode: full")
    happened: list[str] = []
    begin = outfile.Upload.begin

    def rest(self: Throttle, *, is_between_selects: bool) -> Iterator[None]:
        assert is_between_selects
        happened.append("rest")
        self._waited["threads_running"] = 1.5
        yield

    def uploading(self: outfile.Upload) -> None:
        happened.append("write")
        begin(self)

    monkeypatch.setattr(Throttle, "rest", rest)
    monkeypatch.setattr(outfile.Upload, "begin", uploading)
    monkeypatch.setattr(export, "_row_bytes", lambda *_: 1024**3 // 2)
    world.load("2024-01-02", "t")
    assert happened == ["rest", "rest", "write", "rest", "write"]
    assert world.day_metadata("lake/t", "2024-01-02")["seconds_waited"] == 1.5
