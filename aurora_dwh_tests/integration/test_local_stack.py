"""The embedded stack: up, down, status, environment, and what a kill leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pymysql
import pytest
import redshift_connector

from aurora_dwh.catalog.model import Catalog, marts_folder
from aurora_dwh.local import shop, stack
from aurora_dwh.local.processes import is_running, read_json, start_time, wait_until
from aurora_dwh.local.shop_project import live_on, open_shop, yesterday
from aurora_dwh_tests.instances import Storage

ALL_VARIABLES = {
    "aurora": {"HOST", "PORT", "DATABASE", "USER", "PASSWORD", "TLS", "SOURCE"},
    "redshift": {"HOST", "PORT", "DATABASE", "USER", "PASSWORD", "TLS", "IAM_ROLE"},
}
LAKE_VARIABLES = {
    "LAKE_URI", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION",
    "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED",
}  # fmt: skip
ONLY_AURORA = frozenset({"lake", "warehouse"})
ONLY_LAKE = frozenset({"aurora", "warehouse"})
"""What starts and ends soonest."""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    stack.down(folder)


def pids(state: Path) -> list[tuple[int, str]]:
    note = read_json(state / "stack.json")
    return [(one["pid"], one["started"]) for one in (note, *note["parts"].values())]


def aurora_of(environment: dict[str, str]) -> pymysql.Connection[Any]:
    return pymysql.connect(
        host=environment["AURORA_HOST"],
        port=int(environment["AURORA_PORT"]),
        user=environment["AURORA_USER"],
        password=environment["AURORA_PASSWORD"],
        database=environment["AURORA_DATABASE"],
        autocommit=True,
    )


def warehouse_of(environment: dict[str, str]) -> Any:
    return redshift_connector.connect(
        host=environment["REDSHIFT_HOST"],
        port=int(environment["REDSHIFT_PORT"]),
        user=environment["REDSHIFT_USER"],
        password=environment["REDSHIFT_PASSWORD"],
        database=environment["REDSHIFT_DATABASE"],
        ssl=False,
    )


def test_up_serves_all_parts_and_down_keeps_data_and_ports_and_no_log_has_secrets(state: Path) -> None:
    info = stack.up(state)
    assert info.started_now
    assert stack.is_running(state)
    environment = stack.environment(state)
    expected = {f"{part.upper()}_{name}" for part, names in ALL_VARIABLES.items() for name in names}
    assert set(environment) == expected | LAKE_VARIABLES | {"DAGSTER_HOME"}
    assert Path(environment["DAGSTER_HOME"]).is_dir()
    assert environment["LAKE_URI"] == "s3://aurora-dwh-lake/lake"
    assert environment["AURORA_TLS"] == environment["REDSHIFT_TLS"] == "disabled"

    again = stack.up(state)
    assert (again.pid, again.started_now) == (info.pid, False)

    conditions = stack.status(state)
    assert set(conditions) == set(stack.PARTS)
    assert all(one.running and one.pid and one.address and one.size for one in conditions.values())
    assert stat.S_IMODE((state / "stack.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((state / "credentials.json").stat().st_mode) == 0o600

    with aurora_of(environment) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO kept VALUES (7)")
    s3 = s3_of(environment)
    s3.put_object(Bucket="aurora-dwh-lake", Key="lake/kept", Body=b"7")
    with warehouse_of(environment) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE kept AS SELECT 7 AS id")
        connection.commit()

    processes = pids(state)
    stack.down(state)
    assert not any(is_running(*one) for one in processes)
    assert {one.state for one in stack.status(state).values()} == {"stopped"}
    with pytest.raises(stack.StackError, match="aurora-dwh local up"):
        stack.environment(state)
    stack.down(state)  # nothing runs: nothing to do

    stack.up(state)
    assert stack.environment(state) == environment
    with aurora_of(environment) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM kept")
        assert cursor.fetchall() == ((7,),)
    assert s3.get_object(Bucket="aurora-dwh-lake", Key="lake/kept")["Body"].read() == b"7"
    with warehouse_of(environment) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT id FROM kept")
        assert list(cursor.fetchone()) == [7]

    shop.reset(state)
    stack.down(state)
    logs = "".join(path.read_text(encoding="utf-8", errors="replace") for path in state.rglob("*.log"))
    for name in ("AURORA_PASSWORD", "REDSHIFT_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        assert environment[name] not in logs


def s3_of(environment: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def test_a_killed_supervisor_leaves_no_orphans_and_up_recovers(state: Path) -> None:
    info = stack.up(state)
    environment = stack.environment(state)
    processes = pids(state)
    os.kill(info.pid, signal.SIGKILL)
    if sys.platform.startswith("linux"):  # elsewhere the next `up` or `down` ends them
        assert wait_until(lambda: not any(is_running(*one) for one in processes), 60)
    assert wait_until(lambda: not stack.is_running(state), 5)
    assert {one.state for one in stack.status(state).values()} == {"dead"}
    assert stack.up(state).started_now
    assert not any(is_running(*one) for one in processes)
    assert stack.environment(state) == environment


@pytest.mark.parametrize("part", stack.PARTS)
def test_a_part_that_dies_is_noticed_and_up_restarts_the_stack(state: Path, part: str) -> None:
    others = frozenset(stack.PARTS) - {part}
    stack.up(state, without=others)
    pid = stack.status(state)[part].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: stack.status(state)[part].state == "dead", 5)
    assert not stack.is_running(state)
    assert stack.up(state, without=others).started_now
    assert stack.status(state)[part].running


def test_parts_left_out_are_not_in_the_environment(state: Path) -> None:
    stack.up(state, without=ONLY_AURORA)
    assert {name.split("_")[0] for name in stack.environment(state)} == {"AURORA", "DAGSTER"}
    assert [one.state for one in stack.status(state).values()] == ["running", "left out", "left out"]
    assert stack.up(state, without=frozenset({"warehouse"})).started_now  # other parts are wanted: a new stack
    assert stack.status(state)["lake"].running
    with pytest.raises(ValueError, match="no such part: moon"):
        stack.up(state, without=frozenset({"moon"}))


def test_a_reused_pid_is_not_taken_for_the_stack(state: Path) -> None:
    stack.up(state, without=ONLY_LAKE)
    note = read_json(state / "stack.json")
    stack.down(state)
    note["pid"] = note["parts"]["lake"]["pid"] = os.getpid()  # this process now has the number
    (state / "stack.json").write_text(json.dumps(note), encoding="utf-8")
    assert not stack.is_running(state)
    assert stack.up(state, without=ONLY_LAKE).started_now


def test_a_port_that_is_taken_meanwhile_is_replaced(state: Path) -> None:
    stack.up(state, without=ONLY_AURORA)
    before = stack.environment(state)
    stack.down(state)
    with socket.create_server(("127.0.0.1", int(before["AURORA_PORT"]))):
        stack.up(state, without=ONLY_AURORA)
        after = stack.environment(state)
    assert after["AURORA_PORT"] != before["AURORA_PORT"]
    assert after["AURORA_SOURCE"] == before["AURORA_SOURCE"], "what was loaded is known to be of this source"


def test_a_failing_part_is_named_and_nothing_is_left(state: Path) -> None:
    state.mkdir()
    (state / "aurora").write_text("not a folder", encoding="utf-8")
    with pytest.raises(stack.StackError, match=r"did not start: .*(File exists|Not a directory)"):
        stack.up(state, without=frozenset({"warehouse"}))
    assert not stack.is_running(state)
    assert not (state / "stack.json").exists()
    pid_file = read_json(state / "lake" / "weed.pid")
    assert not is_running(pid_file.get("pid"), pid_file.get("started"))


def test_a_state_folder_made_anew_at_the_same_path_starts_empty(tmp_path: Path) -> None:
    # Its PostgreSQL may lie outside of it (run as root), where a deleted folder's data outlives it.
    for _ in range(2):
        folder = tmp_path / "deep" / "state"
        storage = Storage(folder)
        storage.query("CREATE TABLE kept (id INT)")
        storage.close()
        storage = Storage(folder)
        assert storage.query("SELECT count(*) FROM kept") == [(0,)]  # the same folder keeps its data
        shutil.rmtree(folder)  # and its server, still running, gives way
    storage.close()


def test_two_callers_at_once_start_one_stack_that_does_not_hold_their_output(state: Path) -> None:
    program = (
        "from pathlib import Path; from aurora_dwh.local import stack;"
        f"print(stack.up(Path({str(state)!r}), without=frozenset({set(ONLY_LAKE)})).pid)"
    )
    command, pipe = [sys.executable, "-c", program], subprocess.PIPE
    callers = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    answers = {caller.communicate(timeout=60)[0].strip() for caller in callers}  # which waits for the pipes' ends
    assert len(answers) == 1
    assert stack.is_running(state)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_supervisor_in_order(state: Path, sign: signal.Signals) -> None:
    info = stack.up(state, without=ONLY_LAKE)
    started = start_time(info.pid)
    os.kill(info.pid, sign)
    assert wait_until(lambda: not is_running(info.pid, started), 10)
    assert "stopped" in (state / "supervisor.log").read_text(encoding="utf-8")


def test_the_shop_lives_on_while_the_stack_runs_and_without_a_project_keeps_its_days(state: Path) -> None:
    stack.up(state, without=ONLY_AURORA)
    assert shop.lived_until(state) is None
    shop.reset(state)
    assert shop.lived_until(state) is None
    whole = shop.live_embedded(state, last=shop.last_day(4), scale=0.1)
    assert shop.lived_until(state) == shop.last_day(4)
    shop.reset(state)
    first = shop.live_embedded(state, last=shop.last_day(3), scale=0.1)
    second = shop.live_embedded(state, first=shop.last_day(4), last=shop.last_day(4), scale=0.1)
    assert {table: first[table] + second[table] for table in first} == whole
    assert open_shop(state).start == shop.START
    live_on(state)
    assert shop.lived_until(state) == shop.last_day(4)


def test_the_shop_of_a_state_folder_has_lived_until_yesterday_and_stays_the_same(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.up(state, without=ONLY_AURORA)
    assert "AURORA_DWH_CATALOG" not in stack.environment(state)
    before = yesterday()
    project = open_shop(state, scale=0.1)
    assert before <= shop.last_day(start=project.start) <= yesterday()
    assert open_shop(state) == project
    for other in ({"start": shop.START}, {"scale": 1.0}):
        with pytest.raises(ValueError, match=f"opened on {project.start} with scale 0.1; run `make clean`"):
            open_shop(state, **other)
    monkeypatch.setenv("AURORA_DWH_CATALOG", stack.environment(state)["AURORA_DWH_CATALOG"])
    catalog = Catalog.load()
    assert (catalog.start_date, set(catalog.tables)) == (project.start, set(shop.TABLES))
    assert {path.name for path in marts_folder().glob("*.sql")} >= {"daily_sales.sql", "stock_cover.sql"}
    shop.reset(state)
    shop.live_embedded(state, last=shop.last_day(2, start=project.start), start=project.start, scale=0.1)
    live_on(state)
    assert shop.lived_until(state) == yesterday()


def test_the_default_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(stack.STATE_VARIABLE, str(tmp_path / "chosen"))
    assert stack.default_state() == tmp_path / "chosen"
    monkeypatch.delenv(stack.STATE_VARIABLE)
    monkeypatch.chdir(tmp_path)
    assert stack.default_state() == tmp_path / ".aurora-dwh"
