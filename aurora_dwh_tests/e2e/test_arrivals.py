"""Days exported by hand: from what `plan --by-hand` prints to rows in staging that equal the source's."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from aurora_dwh.cli import app
from aurora_dwh.core.models import utc_now
from aurora_dwh.lake.factory import open_lake
from aurora_dwh.orchestration.automation import manual_exports
from aurora_dwh.orchestration.automation.manual_exports_job import ArrivalsError
from aurora_dwh.settings.config import LakeSettings
from aurora_dwh_tests.e2e.test_outfile import assert_copied, keys, manifest_of, three_days
from aurora_dwh_tests.e2e.test_types import verify
from aurora_dwh_tests.e2e.world import QUIET, World
from aurora_dwh_tests.sampling import soak

DAY = "2024-01-02"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass
class Tick:
    """What became of a tick, of the run of the intake that it requested, and of the ticks after that run.

    Attributes:
        run_requests: The loads that were requested.
        asset_events: What the run recorded.
        said: What was said of the rest: why the tick was skipped, what the run logged.
        failures: Why the run failed.
    """

    run_requests: list[dg.RunRequest]
    asset_events: list[dg.AssetMaterialization | dg.AssetObservation]
    said: str
    failures: list[str]


class Sensor:
    """The sensor of a code location, ticked by hand, with the cursor that it left."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cursor: str | None = None

    def evaluate(self) -> dg.SensorResult:
        """Evaluate the sensor, and store what Dagster's daemon would store."""
        definitions = self.world.definitions()
        with dg.build_sensor_context(
            instance=self.world.instance, cursor=self.cursor, definitions=definitions
        ) as context:
            (found,) = [one for one in definitions.sensors or () if one.name == "arrivals"]
            assert isinstance(found, dg.SensorDefinition)
            result = found(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def tick(self) -> Tick:
        """Evaluate the sensor, run the intake if it asks for that, and evaluate it again, until it asks no more."""
        first = self.evaluate()
        asked = list(first.run_requests or ())
        done = Tick([], [], str(first.skip_reason), [])
        while asked:
            request = asked.pop(0)
            if request.job_name != "arrivals":
                done.run_requests.append(request)
                continue
            assert request.run_key
            result = (
                self.world.definitions()
                .resolve_job_def("arrivals")
                .execute_in_process(
                    run_config={**QUIET, **request.run_config},
                    instance=self.world.instance,
                    tags={**request.tags, "dagster/run_key": request.run_key},
                    raise_on_error=False,
                )
            )
            done.failures += [str(e.step_failure_data.error) for e in result.all_events if e.is_step_failure]
            for entry in self.world.instance.all_logs(result.run_id):
                if event := entry.asset_materialization or entry.asset_observation:
                    done.asset_events.append(event)
                done.said += "" if entry.dagster_event else f"\n{entry.user_message}"
            asked += self.evaluate().run_requests or ()
        return done

    def run(self, request: dg.RunRequest) -> None:
        """Run what the sensor asked for."""
        assert request.partition_key
        assert request.asset_selection
        run = self.world.run(request.partition_key, None, request.asset_selection)
        assert run.success, run.failures


def by_hand(world: World, day: str = DAY, table: str = "t", run: bool = True, leave_out: str = "nothing") -> list[str]:
    """Return what a DBA is to run, and run it in a plain client."""
    made = CliRunner().invoke(app, ["plan", table, "--day", day, "--by-hand", "--json"])
    assert made.exit_code == 0, made.output
    (step,) = json.loads(made.output)["steps"]
    statements = [one for one in step["statements"] if leave_out not in one]
    if run:
        world.at_source(*statements)
    return statements


def put(s3: Any, name: str, body: bytes) -> None:
    settings = LakeSettings.from_env()
    s3.put_object(Bucket=settings.bucket, Key=open_lake().layout.inbox + name, Body=body)


@pytest.mark.parametrize("extract", [soak("stream"), "outfile"])
def test_a_day_exported_by_hand_is_taken_in_recorded_and_loaded(aurora_world: World, extract: str) -> None:
    world = aurora_world
    three_days(world)
    world.catalog(f"t: {{key: id, cursor: at, extract: {extract}}}")
    sensor = Sensor(world)
    assert not sensor.tick().run_requests
    by_hand(world)
    result = sensor.tick()
    (request,) = result.run_requests or ()
    assert request.partition_key == DAY
    assert request.asset_selection == [dg.AssetKey(["staging", "t"])]
    assert world.materialized_days("lake/t") == {DAY}
    shown = world.day_metadata("lake/t", DAY)
    assert shown["dagster/partition_row_count"] == 30
    manifest = manifest_of("t", DAY)
    assert (manifest.files, manifest.rows, len(manifest.parts) > 1) == ("csv", 30, True)
    assert all("/_arrivals/t/day=2024-01-02/" in part.url for part in manifest.parts)
    sensor.run(request)
    world.load("2024-01-01", "t")
    world.load("2024-01-03", "t")
    assert_copied(world)
    assert verify("t").equal

    again = sensor.tick()
    assert not again.run_requests
    assert not again.asset_events

    sensor.cursor = json.dumps(json.loads(sensor.cursor or "")["settled"])  # as versions kept it that had no such runs
    assert "nothing new among 1 arrivals" in sensor.tick().said
    sensor.cursor = None  # the cursor was lost: the same day is asked for by the same key, which Dagster runs once
    (repeated,) = sensor.tick().run_requests or ()
    assert repeated.run_key == request.run_key

    world.load(DAY, "t")
    assert not [key for key in keys("_arrivals") if ".part_" in key and "-count" not in key], (
        "read again, they are gone"
    )
    sensor.cursor = None
    assert not sensor.tick().run_requests
    assert_copied(world)


def test_a_day_without_rows_and_a_second_export_are_taken_in(aurora_world: World) -> None:
    world = aurora_world
    three_days(world)
    sensor = Sensor(world)
    by_hand(world, "2024-01-09")
    (empty,) = sensor.tick().run_requests or ()
    sensor.run(empty)
    assert manifest_of("t", "2024-01-09").parts == ()
    first = [one.replace("/day=2024-01-02/", "/day=2024-01-02/first-") for one in by_hand(world, run=False)]
    world.at_source(*first)
    (request,) = sensor.tick().run_requests or ()
    sensor.run(request)
    world.at_source("UPDATE t SET v = 'changed' WHERE id = 1")
    by_hand(world)
    (request,) = sensor.tick().run_requests or ()
    sensor.run(request)
    assert world.ask_warehouse("SELECT v FROM staging.t WHERE id = 1") == [("changed",)]


def test_a_day_that_was_read_since_it_was_exported_stands(aurora_world: World) -> None:
    world = aurora_world
    three_days(world)
    by_hand(world)
    world.load(DAY, "t")
    attempt = manifest_of("t", DAY).attempt
    result = Sensor(world).tick()
    assert "was read again since it was exported by hand, which stands" in result.said
    assert not result.asset_events
    assert not result.run_requests
    assert manifest_of("t", DAY).attempt == attempt


REFUSED = {
    "json": (b"not JSON", "is not a manifest as Aurora writes it"),
    "none": (b'{"entries": []}', "lists no files"),
    "other": (b'{"entries": [{"url": "s3-us-east-1://elsewhere/x"}]}', "is not in bucket"),
    "missing": (b'{"entries": [{"url": "s3-us-east-1://aurora-dwh-lake/INBOXt/day=2024-01-02/missing.part_00000"}]}',
                "which is not there"),
}  # fmt: skip


def test_a_malformed_manifest_is_said_once_and_stops_nothing(aurora_world: World, s3: Any) -> None:
    world = aurora_world
    three_days(world)
    for name, (body, _) in REFUSED.items():
        put(s3, f"t/day=2024-01-02/{name}.manifest", body.replace(b"INBOX", open_lake().layout.inbox.encode()))
        put(s3, f"t/day=2024-01-02/{name}-count.part_00000", b"1,2\n")
    by_hand(world, "2024-01-03")
    sensor = Sensor(world)
    result = sensor.tick()
    assert [r.partition_key for r in result.run_requests or ()] == ["2024-01-03"]
    refused = [event for event in result.asset_events if isinstance(event, dg.AssetObservation)]
    assert [event.partition for event in refused] == [DAY] * len(REFUSED)
    said = [str(event.description) for event in refused]
    for name, (_, message) in REFUSED.items():
        (about,) = [text for text in said if f"/{name}.manifest" in text]
        assert message in about
    assert world.materialized_days("lake/t") == {"2024-01-03"}
    assert not sensor.tick().asset_events


def test_files_that_are_not_of_the_table_or_the_day_are_refused(aurora_world: World, s3: Any) -> None:
    world = aurora_world
    three_days(world)
    statements = by_hand(world, run=False)

    def exported(name: str, *changes: tuple[str, str]) -> str:
        texts = [one.replace("/day=2024-01-02/", f"/day=2024-01-02/{name}-") for one in statements]
        for old, new in changes:
            assert any(old in text for text in texts), old
            texts = [text.replace(old, new) for text in texts]
        world.at_source(*texts)
        (event,) = sensor.tick().asset_events
        return str(event.description)

    sensor = Sensor(world)
    dropped = "COALESCE(CONVERT(`v` USING utf8mb4), '<aurora-dwh NULL>') AS `v`,"
    assert "its first row has 5 fields, and table t wants 6: id, at, v, b, _dwh_day" in exported("a", (dropped, ""))
    assert "is of the day '2024-01-07'" in exported("b", ("'2024-01-02' AS `_dwh_day`", "'2024-01-07' AS `_dwh_day`"))
    assert "which is no moment" in exported("c", ("UTC_TIMESTAMP(6) AS", "'soon' AS"))
    assert "the count beside it has" in exported("d", ("SELECT COUNT(*), MAX(`at`),", "SELECT"))
    put(s3, "nothing/day=2024-01-02/x.manifest", b"{}")
    put(s3, "x.manifest", b"{}")
    put(s3, "t/day=2023-12-01/x.manifest", b"{}")
    put(s3, "t/day=2023-12-01/x-count.part_00000", b"1\n")
    said = sensor.tick().said
    for part in ("no table 'nothing'", "and this is another place", "before the catalog's first day"):
        assert part in said
    assert not world.materialized_days("lake/t")


def test_a_day_waits_for_its_count_and_for_its_end(
    aurora_world: World, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = aurora_world
    three_days(world)
    sensor = Sensor(world)
    statements = by_hand(world, leave_out="-count'")
    put(s3, "t/day=2999-01-01/x.manifest", b"{}")
    said = sensor.tick().said
    assert "waits for its count" in said
    assert "waits for its day to end" in said
    with monkeypatch.context() as patched:
        patched.setattr(manual_exports, "PATIENCE", -manual_exports.PATIENCE)
        (event,) = sensor.tick().asset_events
        assert "--by-hand`, all of them in one transaction" in str(event.description)
    (rows,) = [one for one in statements if "INTO OUTFILE" in one]
    place = rows.partition("INTO OUTFILE S3 '")[2].partition("'")[0]
    (count,) = [one for one in by_hand(world, run=False) if "-count'" in one]
    world.at_source("SET ROLE ALL", re.sub(r"S3 '[^']*'", f"S3 '{place}-count'", count))
    assert len(sensor.tick().run_requests or ()) == 1


def test_values_that_the_policies_refuse_are_not_taken_in(aurora_world: World) -> None:
    world = aurora_world
    three_days(world)
    world.at_source("UPDATE t SET v = 'a\\0b' WHERE id = 4")
    by_hand(world)
    (event,) = Sensor(world).tick().asset_events
    assert "1 values of column 'v' do not fit (nul bytes)" in str(event.description)
    world.catalog("t: {key: id, cursor: at, nul_bytes: remove, extract: outfile}")
    by_hand(world)
    sensor = Sensor(world)
    (request, *_) = sensor.tick().run_requests or ()
    sensor.run(request)
    assert manifest_of("t", DAY).converted == {"v": {"nul_bytes": 1}}
    assert world.ask_warehouse("SELECT v FROM staging.t WHERE id = 4") == [("ab",)]


def test_c20_a_name_that_redshift_would_cut_is_told_of_an_arrival_too(aurora_world: World) -> None:
    three_days(aurora_world)
    by_hand(aurora_world)
    long = "顧" * 43
    aurora_world.at_source(f"ALTER TABLE t ADD `{long}` INT")
    (event,) = Sensor(aurora_world).tick().asset_events
    assert f"its name has 129 bytes, and Redshift cuts names at 127; leave it out with `exclude: [{long}]`" in str(
        event.description
    )


def test_no_more_than_some_arrivals_are_taken_in_by_a_run(
    aurora_world: World, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = aurora_world
    three_days(world)
    for n in range(5):
        put(s3, f"t/day=2024-01-02/{n}.manifest", b"no JSON")
        put(s3, f"t/day=2024-01-02/{n}-count.part_00000", b"1,2\n")
    monkeypatch.setattr(manual_exports, "ARRIVALS_PER_RUN", 2)
    assert len(Sensor(world).tick().asset_events) == 5
    assert len(world.instance.get_runs(dg.RunsFilter(job_name="arrivals"))) == 3


def test_o16_a_source_out_of_reach_fails_the_run_and_a_later_one_tries_again(
    aurora_world: World, monkeypatch: pytest.MonkeyPatch, s3: Any
) -> None:
    world = aurora_world
    three_days(world)
    by_hand(world)
    sensor = Sensor(world)
    with monkeypatch.context() as patched:
        patched.setenv("AURORA_PORT", "1")  # the sensor does not ask the source
        failed = sensor.tick()
        (failure,) = failed.failures
        assert "day=2024-01-02/" in failure
        assert "is tried again: cannot connect to Aurora" in failure
        assert not failed.run_requests
        put(s3, "x.manifest", b"{}")  # what can be said of others is said all the same, once
        assert "and this is another place" in sensor.tick().said
        assert not sensor.evaluate().run_requests, "the one that failed is left alone for a while"
    moment = utc_now()
    monkeypatch.setattr(manual_exports, "utc_now", lambda: moment + 2 * manual_exports.PATIENCE)
    assert [request.partition_key for request in sensor.tick().run_requests] == [DAY]


def test_an_arrival_is_asked_for_once_while_its_run_goes_on_and_again_where_there_is_none(
    aurora_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_days(aurora_world)
    by_hand(aurora_world)
    sensor = Sensor(aurora_world)
    (asked,) = sensor.evaluate().run_requests or ()
    run = aurora_world.instance.create_run_for_job(
        aurora_world.definitions().resolve_job_def("arrivals"),
        run_config=asked.run_config,
        tags={**asked.tags, "dagster/run_key": str(asked.run_key)},
    )
    assert not sensor.evaluate().run_requests
    aurora_world.instance.delete_run(run.run_id)
    assert not sensor.evaluate().run_requests
    moment = utc_now()
    monkeypatch.setattr(manual_exports, "utc_now", lambda: moment + 2 * manual_exports.PATIENCE)
    assert len(sensor.tick().run_requests) == 1


def test_o16_a_lake_out_of_reach_fails_the_tick(aurora_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_URI", "s3://no-such-bucket/x")
    aurora_world.catalog("t: {key: id, cursor: at, extract: outfile}")
    with pytest.raises(ArrivalsError, match=r"the lake's inbox cannot be read: .*NoSuchBucket"):
        Sensor(aurora_world).evaluate()


def test_o16_keys_that_are_rotated_in_their_file_are_those_of_the_next_tick_and_request(
    aurora_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = aurora_world
    three_days(world)
    by_hand(world)
    keys_file = tmp_path / "credentials"
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys_file))
    in_use = "".join(f"{name.lower()} = {world.variables[name]}\n" for name in KEYS)
    retired = "aws_access_key_id = AKRETIRED\naws_secret_access_key = no-more\n"
    settings, sensor = LakeSettings.from_env(), Sensor(world)

    keys_file.write_text(f"[default]\n{retired}", encoding="utf-8")
    with pytest.raises(ArrivalsError, match="InvalidAccessKeyId"):
        sensor.tick()
    running = settings.client()  # as that of a run that goes on
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        running.list_objects_v2(Bucket=settings.bucket)

    keys_file.write_text(f"[default]\n{in_use}", encoding="utf-8")
    assert len(sensor.tick().run_requests or ()) == 1
    running.head_bucket(Bucket=settings.bucket)
    running.put_object(Bucket=settings.bucket, Key=f"{settings.prefix}/rotated", Body=io.BytesIO(b"whole"))
    assert running.get_object(Bucket=settings.bucket, Key=f"{settings.prefix}/rotated")["Body"].read() == b"whole"
