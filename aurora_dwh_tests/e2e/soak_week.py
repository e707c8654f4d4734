"""A week of `dagster dev` with twenty tables, on a clock that is moved, with kills at random moments: `make soak`.

Its schedules and sensors do all the work, at the hours that they have. The clock goes on as always while runs are under
way, and is moved to the next hour of interest once none is. A run's worker, the code server and the daemon are killed
each day while they work, and started again as a supervisor of services does. SOAK_SEED repeats a week's moments.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import shutil
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import SensorInstigatorData
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import PARTITION_NAME_TAG

from aurora_dwh.catalog.model import PACKAGED_CATALOG
from aurora_dwh.core.days import span
from aurora_dwh.local import shop
from aurora_dwh.local.lake import LakeServer
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.local.s3 import S3Access
from aurora_dwh_tests.dagster_ui import ROOT
from aurora_dwh_tests.e2e.conftest import make_world
from aurora_dwh_tests.e2e.moved_clock import MovedClock
from aurora_dwh_tests.e2e.plant import CODE_SERVER, DAEMON, WORKER, Plant
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.polling import until
from aurora_dwh_tests.servers import Server, numbers
from aurora_dwh_tests.services import USER

FIRST, LAST = date(2024, 1, 7), date(2024, 1, 13)
"""A Sunday and the Saturday behind it: all tables are proven on the Sunday that follows."""

DAY = timedelta(days=1)
LOAD, PROOF, NOON = "01:00", "05:00", "12:00"
HOURS = ("01:25", "02:40", PROOF, "05:25", NOON)
"""When the clock stops behind the load: marts are built, what failed is requested again, the deadline is over."""

PATIENCE = 900.0
"""Seconds that a night's part may take on a busy machine; a run that never began is given up after 180."""

KILL_SECONDS = 15.0
SEED = int(os.environ.get("SOAK_SEED") or secrets.randbelow(10**6))

INCREMENTAL = tuple(f"incremental_{number}" for number in range(7))
REMOVING = tuple(f"removing_{number}" for number in range(2))
APPENDED = tuple(f"appended_{number}" for number in range(3))
WHOLE = tuple(f"whole_{number}" for number in range(3))
OWN = (*INCREMENTAL, *REMOVING, *APPENDED, *WHOLE)
GROWN = OWN[::3]
"""Those that get a column with a default in the middle of the week, which no cursor shows."""

TABLES = (*shop.TABLES, *OWN)
KINDS = ("missing", "extra", "stale", "duplicate", "late", "gone")
CATALOG = "".join(
    [f"  {name}: {{key: id, cursor: at, deadline: '03:30'}}\n" for name in INCREMENTAL]
    + [f"  {name}: {{key: id, cursor: at, deletes: remove, proof: daily}}\n" for name in REMOVING]
    + [f"  {name}: {{mode: append, key: id, cursor: at, deadline: '03:30'}}\n" for name in APPENDED]
    + [f"  {name}: {{mode: full, proof: daily}}\n" for name in WHOLE]
)


class Week:
    """The source's days, the clock, and what happens on it."""

    def __init__(self, world: World, clock: MovedClock, plant: Plant) -> None:
        self.world, self.clock, self.plant = world, clock, plant
        self.random, self.moved = random.Random(SEED), 0.0
        self.kills: list[threading.Thread] = []
        self.killed = dict.fromkeys((DAEMON, CODE_SERVER, WORKER), 0)

    def say(self, text: str) -> None:
        print(f"{self.clock.now():%m-%d %H:%M:%S} {text}", flush=True)

    def move(self, moment: datetime) -> None:
        """Move the clock, and that of new sessions at the source."""
        self.clock.set(moment)
        self.moved = self.clock.timestamp()
        with self.world.server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() + {self.clock.seconds}'")

    def change(self, day: date, *, at: str) -> None:
        """Have the source's rows change on a day, as an application does."""
        moment, number = f"{day} {at}", int(f"{day:%m%d}{at[:2]}")
        texts = []
        for table in (*INCREMENTAL, *REMOVING, *APPENDED):
            if not table.startswith("appended"):
                texts.append(f"UPDATE {table} SET v = {number}, at = '{moment}' WHERE id % 7 = {number % 7}")
            rows = f"SELECT {number}000 + seq, '{moment}' + INTERVAL seq SECOND, seq FROM {numbers(60)}"
            texts.append(f"INSERT INTO {table} (id, at, v) {rows}")
        texts += [f"DELETE FROM {table} WHERE id % 31 = {number % 31}" for table in REMOVING]
        for table in WHOLE:
            texts.append(f"DELETE FROM {table} WHERE id % 13 = {number % 13}")
            texts.append(f"INSERT INTO {table} (id, at, v) SELECT {number}000 + seq, NULL, seq FROM {numbers(20)}")
        if moment == f"{FIRST + 3 * DAY} {NOON}":
            texts += [f"ALTER TABLE {table} ADD COLUMN note VARCHAR(20) DEFAULT 'new'" for table in GROWN]
        self.world.at_source(*texts)

    def under_way(self) -> list[dg.DagsterRun]:
        return list(self.world.instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)))

    def looked(self) -> bool:
        """Whether each sensor that looks at least every quarter of an hour has looked since the clock was moved."""
        states = {state.name: state.instigator_data for state in self.world.instance.all_instigator_state()}
        found = [states.get(name) for name in ("gaps", "marts", "freshness")]
        return all(isinstance(d, SensorInstigatorData) and (d.last_tick_timestamp or 0) >= self.moved for d in found)

    def settle(self) -> None:
        """Wait until the sensors have looked, what they asked for is done, and kills are over."""
        until(lambda: self.looked() and not self.under_way() and not self.killing(), PATIENCE, self.state)

    def state(self) -> str:
        states = [
            (s.name, getattr(s.instigator_data, "last_tick_timestamp", 0))
            for s in self.world.instance.all_instigator_state()
        ]
        runs = [f"{run.job_name} {run.tags.get(PARTITION_NAME_TAG)} {run.status.value}" for run in self.under_way()]
        return f"at {self.clock.now()} seed {SEED}: {runs} {self.clock.timestamp()} {states}"

    def killing(self) -> bool:
        return any(thread.is_alive() for thread in self.kills)

    def kill_soon(self, *victims: str) -> None:
        """Kill processes at random moments from now on."""
        for victim in victims:
            self.kills.append(
                threading.Thread(target=self._kill, args=(victim, self.random.uniform(0, KILL_SECONDS)), daemon=True)
            )
            self.kills[-1].start()

    def _kill(self, victim: str, seconds: float) -> None:
        threading.Event().wait(seconds)
        found = self.plant.kill(victim, PATIENCE / 8)
        self.killed[victim] += found
        self.say(f"{victim} {'killed' if found else 'not there'}, {seconds:.1f} s behind the hour")

    def begin(self, day: date, hour: str, job: str, *victims: str) -> None:
        """Have a schedule fire by itself, and processes killed meanwhile."""
        moment = datetime.fromisoformat(f"{day} {hour}")
        self.move(moment - timedelta(seconds=3))
        self.kill_soon(*victims)
        since = moment.replace(tzinfo=ZoneInfo(shop.TIMEZONE)).astimezone(timezone.utc)
        wanted = dg.RunsFilter(job_name=job, created_after=since)
        until(lambda: bool(self.world.instance.get_runs_count(wanted)), PATIENCE, self.state)

    def lacking(self, day: date) -> list[str]:
        """Return the assets that lack any day up to one."""
        due = set(span(str(shop.START), str(day)))
        assets = [f"{layer}/{table}" for table in TABLES for layer in ("lake", "staging")]
        return [asset for asset in assets if not due <= self.world.materialized_days(asset)]

    def unexpected(self) -> list[tuple[str, str, int]]:
        """Return what all proofs of a table have found of a kind, but for what no load can know of."""
        known = {*((table, "stale") for table in GROWN), *((table, "extra") for table in REMOVING)}
        return [
            (table, kind, count)
            for kind in ("missing", "extra", "duplicate", "stale")
            for table, count in self.world.ask_warehouse(
                f"SELECT SUBSTRING(table_name, 9), SUM({kind})::INTEGER FROM dwh.proof_history GROUP BY 1 ORDER BY 1"
            )
            if count and (table, kind) not in known
        ]

    def prove(self) -> dict[str, dict[str, int]]:
        """Have all tables proven by hand, and return what was found of each."""
        proven = self.plant.run("dagster", "job", "execute", "-m", "aurora_dwh.definitions", "-j", "proof")
        assert proven.returncode == 0, proven.stdout + proven.stderr
        told = self.plant.run("aurora-dwh", "proof", "--json")
        assert told.returncode == 0, told.stdout + told.stderr
        found = {one["table"]: {kind: one[kind] for kind in KINDS} for one in json.loads(told.stdout)}
        assert found.keys() == set(TABLES)
        return found

    def live(self, day: date) -> None:
        """Live through a day from its noon on, and through the night behind it up to noon."""
        with self.world.source(autocommit=False) as connection:
            shop.live(connection, first=day, last=day)
        self.change(day, at=NOON)
        victims = [DAEMON, CODE_SERVER, WORKER]
        self.random.shuffle(victims)
        at_load = self.random.randint(1, 3)
        self.begin(day + DAY, LOAD, "daily_load", *victims[:at_load])
        if day != LAST:
            self.change(day + DAY, at="01:00:30")  # while the day before is read
        self.settle()
        for hour in HOURS:
            if hour == PROOF:
                self.begin(day + DAY, hour, "proof", *victims[at_load:])
            else:
                self.move(datetime.fromisoformat(f"{day + DAY} {hour}"))
            self.settle()
        self.say(f"{day} lived; lacking: {self.lacking(day)}")


@pytest.fixture
def week(
    mysql: Server,
    dagster_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Week]:
    """A shop and more tables with a week of history, and a plant that has it loaded."""
    # An S3 server without users, which lets in whoever asks: signatures have another clock than its own.
    folder = tmp_path / "lake"
    folder.mkdir()
    (folder / "credentials.json").write_text('{"access_key": "", "secret_key": ""}', encoding="utf-8")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anybody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anybody")
    lake = LakeServer(folder)
    lake.start()
    access = S3Access(lake.endpoint_url, lake.region, "anybody", "anybody")
    redshift = RedshiftStandIn(tmp_path / "redshift", s3=access, user=USER, password=secrets.token_hex(8))
    redshift.start()
    lake.access_key = lake.secret_key = "anybody"
    instance = dg.DagsterInstance.ephemeral()
    clock = MovedClock(tmp_path, ZoneInfo(shop.TIMEZONE))
    with make_world(
        mysql, mysql.database(), lake, redshift, dagster_home, instance, tmp_path / "world", monkeypatch
    ) as world:
        settings = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
        settings = re.sub(r"(poll_interval|free_slots_after_run_end)_seconds: \d+", r"\1_seconds: 3", settings)
        (world.home / "dagster.yaml").write_text(settings, encoding="utf-8")
        world.at_source(
            f"CREATE USER reader IDENTIFIED BY '{mysql.password}'",
            f"GRANT SELECT ON {world.database}.* TO reader",
        )
        environment = {**os.environ, **world.variables, **clock.environment, "AURORA_USER": "reader"}
        environment["AURORA_SOURCE"] = "shop"
        _open(world)
        with Plant(tmp_path, environment) as plant, dg.DagsterInstance.get() as world.instance:
            made = Week(world, clock, plant)
            made.move(datetime.fromisoformat(f"{FIRST} {NOON}"))
            last = FIRST - DAY
            loaded = plant.run(
                "dagster", "asset", "materialize", "-m", "aurora_dwh.definitions",
                "--select", "group:lake or group:staging", "--partition-range", f"{shop.START}...{last}",
            )  # fmt: skip
            assert loaded.returncode == 0, loaded.stdout + loaded.stderr
            assert not made.lacking(last)
            made.settle()
            yield made
        world.at_source("SET GLOBAL init_connect = ''", "DROP USER reader")
    redshift.remove()
    lake.stop()


def _open(world: World) -> None:
    """Make the source's tables with their history, the catalog, and the marts beside it."""
    with world.source(autocommit=False) as connection:
        shop.create(connection)
        shop.live(connection, last=FIRST - DAY)
    for table in OWN:
        world.at_source(
            f"CREATE TABLE {table} (id INT PRIMARY KEY, at DATETIME NULL, v INT, KEY (at))",
            f"INSERT INTO {table} SELECT seq, '2024-01-02' + INTERVAL seq HOUR, seq FROM {numbers(90)}",
        )
    shutil.copytree(PACKAGED_CATALOG.parent / "marts", world.catalog_file.parent / "marts")
    world.catalog_file.write_text(f"{PACKAGED_CATALOG.read_text(encoding='utf-8')}\n{CATALOG}", encoding="utf-8")


@pytest.mark.timeout(7200)
def test_a_week_of_kills_ends_with_all_days_there_and_proven(week: Week) -> None:
    print(f"SOAK_SEED={SEED}")
    for day in span(str(FIRST), str(LAST)):
        week.live(date.fromisoformat(day))
    late = datetime.fromisoformat(f"{LAST + DAY} 13:10")
    while week.lacking(LAST) and late < datetime.fromisoformat(f"{LAST + 3 * DAY} 00:00"):
        week.move(late)
        week.settle()
        late += timedelta(minutes=70)
    assert not week.lacking(LAST), f"SOAK_SEED={SEED}"
    assert min(week.killed.values()) > 0, week.killed
    print(f"killed: {week.killed}, started: {week.plant.starts}")
    assert week.unexpected() == [], "the schedule's own proofs have mended what loads had lost"
    week.prove()  # in the place of a proof that was killed twice
    week.world.assert_equal(*TABLES)
    assert {table: found for table, found in week.prove().items() if any(found.values())} == {}
