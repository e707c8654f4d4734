"""What a crash leaves, measured: a day's step is stopped at each of its statements, and both sides are looked at.

A real process does the step, and proxies stop it at a statement by killing it or by cutting its connection. Before each
step the source's rows get a new version, so that a day is told from the one before; S3 and Redshift are read by plain
clients. Here belong the measuring and the table that docs/operation.md has of it, and its translation.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pyarrow.parquet as pq

from aurora_dwh.local.lake import LakeServer
from aurora_dwh.local.processes import wait_until
from aurora_dwh_tests.e2e import steps
from aurora_dwh_tests.e2e.kill_words import in_japanese
from aurora_dwh_tests.e2e.steps import Outcome, Step, StepProcess
from aurora_dwh_tests.e2e.world import Rows, World
from aurora_dwh_tests.proxies import CONNECT, GOODBYE, PASS, ROWS, Fate, mysql_proxy, redshift_proxy, s3_proxy

PAGE = Path(__file__).parents[2] / "docs" / "operation.md"
JAPANESE_PAGE = PAGE.parent / "ja" / PAGE.name
HEAD = ("statement", "`kill -9` before it", "cut before it", "cut after its answer")
DAY = "2024-01-02"
TABLE = "crash"

Server = Literal["Aurora", "S3", "Redshift"]
Call = tuple[Server, str]
Way = Literal["killed", "cut before", "cut after"]
WAYS: tuple[Way, ...] = ("killed", "cut before", "cut after")

SECTIONS: Mapping[str, tuple[Step, str]] = {
    "extraction": ("extract", "{key: id, cursor: changed}"),
    "incremental load": ("load", "{key: id, cursor: changed}"),
    "append load": ("load", "{mode: append, cursor: changed}"),
    "full load": ("load", "{mode: full}"),
}
"""Name -> the step that is stopped, and the table as the catalog has it."""

WORDS: Mapping[Server, Mapping[str, str]] = {
    "Aurora": {
        f"^{CONNECT}$": "connect",
        "^SET NAMES": "set the character set",
        "^SET ROLE ALL$": "use all roles",
        "^SET SESSION sql_select_limit": "set what decides rows and values",
        "^SHOW SESSION VARIABLES": "ask which other variables it has",
        "^SET SESSION transaction_isolation": "set those",
        "replica_host_status": "ask whether it is a reader",
        "^SHOW REPLICA STATUS": "ask whether it is a replica",
        r"information_schema\.COLUMNS": "read the columns and the comment",
        "INDEX_NAME = 'PRIMARY'": "read the primary key",
        r"information_schema\.STATISTICS": "read the indexes",
        "^START TRANSACTION": "begin the snapshot",
        "^SELECT UTC_TIMESTAMP": "read the clock",
        r"^\(SELECT UTC_TIMESTAMP": "read the clock and share the table's lock",
        r"^SELECT 1 FROM .* LIMIT 0$": "share the table's lock",
        "^SELECT CONNECTION_ID": "read which session and server it is",
        r"^SELECT \(SELECT COUNT\(\*\)": "count rows without a cursor and of the future",
        r"^SELECT COUNT\(\*\)": "count the rows",
        "^EXPLAIN": "`EXPLAIN` of the rows' `SELECT`",
        "^PREPARE": "prepare the rows' `SELECT`",
        "^EXECUTE": "run it",
        f"^{ROWS}$": "its rows are under way",
        "^CLOSE": "close it",
        "^ROLLBACK": "end the snapshot",
        f"^{GOODBYE}$": "disconnect",
    },
    "S3": {
        r"^GET \S+_manifest\.json$": "`GET` of the manifest",
        r"^POST \S+\?uploads": "begin a file in blocks",
        r"^PUT \S+partNumber=1$": "`PUT` of its first block",
        r"^PUT \S+partNumber=2$": "`PUT` of its last block",
        r"^POST \S+\.parquet\?uploadId": "complete the file",
        r"^PUT \S+\.parquet$": "`PUT` of a small file",
        r"^PUT \S+_manifest\.json$": "`PUT` of the manifest",
        r"^GET \S+list-type=2\S+delimiter=": "list the table's days",
        r"^GET \S+list-type=2": "list the day's files",
        r"^POST \S+\?delete": "delete the files before",
    },
    "Redshift": {
        f"^{CONNECT}$": "connect",
        "^SELECT pg_backend_pid": "read the session's number",
        "FROM svv_all_columns": "read the columns",
        "^SELECT table_name, day": "read what was loaded",
        "^BEGIN": "`BEGIN`",
        '^DELETE FROM "staging".* WHERE 1 = 0$': "lock the table",
        '^CREATE TEMP TABLE "dwh_stage"': "create the stage",
        "^COPY": "`COPY`",
        "pg_last_copy_count": "count the copied rows",
        '^CREATE TEMP TABLE "dwh_fresh"': "pick the newest rows",
        '^SELECT "_dwh_day", SUM': "count new and replaced rows",
        "^DELETE FROM": "`DELETE` of the rows before",
        '^INSERT INTO "staging"': "`INSERT`",
        '^SELECT "_dwh_day", COUNT': "check what stands now",
        '^INSERT INTO "dwh"."load_history"': "`INSERT` into the history",
        "^COMMIT": "`COMMIT`",
        f"^{GOODBYE}$": "disconnect",
    },
}
"""Server -> what a call looks like -> what it is in plain words. What comes first is found first."""


class Line:
    """The proxies' common memory: what was called, and at which call of a server the step is to be stopped."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._stop: tuple[Server, int, Fate] | None = None
        self._lock = threading.Lock()

    def meet(self, server: Server, text: str) -> Fate:
        """Note a call and say what becomes of it."""
        with self._lock:
            number = self.count(server)
            self.calls.append((server, " ".join(text.split())))
            if self._stop is not None and self._stop[:2] == (server, number):
                fate, self._stop = self._stop[2], None
                return fate
            return PASS

    def clear(self, stop: tuple[Server, int, Fate] | None) -> None:
        """Begin a new step, which is stopped once, at the call of that number, or nowhere."""
        with self._lock:
            self.calls.clear()
            self._stop = stop

    @property
    def is_due(self) -> bool:
        """Whether the step has not come to where it was to be stopped."""
        return self._stop is not None

    def count(self, server: Server, match: str = "") -> int:
        """Return how many calls of a server were made whose text matches."""
        return sum(of == server and re.search(match, text) is not None for of, text in self.calls)


class Bench:
    """A table of its own in a section's mode, whose first version is loaded, and clients that look at both sides."""

    def __init__(self, world: World, s3: Any, line: Line, variables: Mapping[str, str], section: str) -> None:
        self.line = line
        self.step, table = SECTIONS[section]
        self._world, self._s3, self._variables = world, s3, variables
        bucket, _, prefix = variables["LAKE_URI"].removeprefix("s3://").partition("/")
        self._bucket = bucket
        self._manifest_key = f"{prefix}/{world.database}/{TABLE}/day={DAY}/_manifest.json"
        world.catalog(f"{TABLE}: {table}")
        world.at_source(
            f"CREATE TABLE {TABLE} (id INT PRIMARY KEY, version INT NOT NULL, changed DATETIME(6) NOT NULL, "
            "note TEXT, KEY (changed))"
        )
        rows, size = (140, 48_000) if self.step == "extract" else (20, 10)
        with world.source() as connection, connection.cursor() as cursor:
            statement = f"INSERT INTO {TABLE} VALUES (%s, 0, '{DAY} 10:00:00' + INTERVAL %s MICROSECOND, %s)"
            cursor.executemany(statement, [(n, n, secrets.token_urlsafe(size)) for n in range(rows)])
        self.change()
        self.done()
        self.change()
        self.done()
        self.statements = self._called()

    def change(self) -> Rows:
        """Give every row of the source its next version, do what comes before the step, and return the day's rows."""
        self._world.at_source(
            f"UPDATE {TABLE} SET version = version + 1, changed = changed + INTERVAL 1 SECOND",
            f"ANALYZE TABLE {TABLE}",  # or the server's plan, and with it what is asked, may change by the way
        )
        if self.step == "load":
            steps.extract(TABLE, DAY)
        return self.in_source()

    def done(self, loads: int = 1) -> None:
        """Do the step undisturbed, and expect the day to be exact and in the history so many times."""
        outcome = self.run()
        assert outcome == Outcome(), f"the step cannot be done: {outcome}"
        self.assert_exact(loads)

    def _called(self) -> list[tuple[Server, int, str]]:
        """Return the last step's calls: server, number among that server's, plain words."""
        found: list[tuple[Server, int, str]] = []
        for server in WORDS:
            texts = [text for of, text in self.line.calls if of == server]
            found += [(server, number, _in_words(server, text)) for number, text in enumerate(texts)]
        return found

    def assert_exact(self, loads: int = 1) -> None:
        """Compare the day with the source's rows; each load of it must be in the history, and no other."""
        assert self.in_source() == self.in_lake()
        if self.step == "load":
            assert self.in_lake() == self.in_table()
            assert self.loads() == loads, f"the history has the day's reading {self.loads()} times, not {loads}"

    def run(self, stop: tuple[Server, int, Way] | None = None) -> Outcome | None:
        """Do the step in a process of its own and return how it ended, None where it was killed."""
        started = threading.Event()

        def kill() -> None:
            started.wait(steps.SECONDS)
            process.kill()

        fates: dict[Way, Fate] = {
            "killed": Fate("before", kill),
            "cut before": Fate("before"),
            "cut after": Fate("after"),
        }
        self.line.clear(stop and (stop[0], stop[1], fates[stop[2]]))
        process = StepProcess(self._variables, self.step, TABLE, DAY)
        started.set()
        outcome = process.wait()
        # The last words of a process that has ended may still be on their way.
        arrived = wait_until(lambda: not self.line.is_due, 5)
        assert arrived, f"the step came to no {stop}: {self.line.calls}"
        return outcome

    def written(self) -> Rows:
        """Return the day as it is where the step writes."""
        return self.in_table() if self.step == "load" else self.in_lake()

    def in_source(self) -> Rows:
        """Return each row's id and version in the source."""
        return Counter(self._world.ask_source(f"SELECT id, version FROM {TABLE}"))

    def in_lake(self) -> Rows:
        """Return the rows of the files that the day's manifest names, which must all be as it says."""
        found: Rows = Counter()
        for entry in self._manifest()["entries"]:
            key = entry["url"].removeprefix(f"s3://{self._bucket}/")
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            assert len(body) == entry["meta"]["content_length"]
            rows = pq.read_table(io.BytesIO(body), columns=["id", "version"])
            found.update(zip(*rows.to_pydict().values(), strict=True))
        return found

    def in_table(self) -> Rows:
        """Return the rows of the staging table."""
        return Counter(self._world.ask_warehouse(f"SELECT id, version FROM staging.{TABLE}"))

    def loads(self) -> int:
        """Return how often the history has the manifest that stands."""
        attempt = self._manifest()["aurora_dwh"]["attempt"]
        ((count,),) = self._world.ask_warehouse(f"SELECT COUNT(*) FROM dwh.load_history WHERE attempt = '{attempt}'")
        return int(count)

    def _manifest(self) -> Any:
        return json.loads(self._s3.get_object(Bucket=self._bucket, Key=self._manifest_key)["Body"].read())


@contextmanager
def bench(world: World, lake_server: LakeServer, s3: Any, section: str) -> Iterator[Bench]:
    """Give a section's bench, behind proxies of its own."""
    line = Line()
    s3_at = urlsplit(lake_server.endpoint_url)
    with ExitStack() as stack:
        aurora = mysql_proxy(world.server.host, world.server.port, partial(line.meet, "Aurora"))
        redshift = redshift_proxy(world.redshift.host, world.redshift.port, partial(line.meet, "Redshift"))
        lake = s3_proxy(s3_at.hostname or "", s3_at.port or 0, partial(line.meet, "S3"))
        variables = {
            "AURORA_PORT": str(stack.enter_context(aurora)),
            "REDSHIFT_PORT": str(stack.enter_context(redshift)),
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{stack.enter_context(lake)}",
        }
        yield Bench(world, s3, line, {**world.variables, **variables}, section)


def _in_words(server: Server, text: str) -> str:
    for match, words in WORDS[server].items():
        if re.search(match, text):
            return words
    raise AssertionError(f"a call that has no words in WORDS: {server}: {text}")


def cell(on: Bench, server: Server, number: int, way: Way) -> str:
    """Stop the step at a call, and return in words what was found.

    Raises:
        AssertionError: What stands is neither the day nor what was there before, or doing the step again does not make
            the day exact.
    """
    before, rows = on.written(), on.change()
    outcome = on.run((server, number, way))
    now = on.written()
    assert now in (before, rows), "the day is half there"
    if on.step == "load":
        assert on.loads() == (now == rows), "the history does not say what the table has"
    state = "whole" if now == rows else "as before"
    if outcome == Outcome():
        assert now == rows, "the step succeeded without its day"
        on.assert_exact()
        return state if way == "killed" else f"{state}; {_went_on(on)}"  # it was killed while it ended
    if outcome is not None:
        assert re.search(f"{TABLE}|Aurora|S3", outcome.error), f"an error that names nothing: {outcome.error}"
        assert outcome.again, f"an error that ends the run: {outcome.error}"
    on.done(loads=1 + (now == rows))
    return state if outcome is None else f"{state}; step again"


def _went_on(on: Bench) -> str:
    """Return how a step overcame that its connection was cut."""
    line = on.line
    if line.count("Redshift", r'^SELECT COUNT\(\*\) FROM "dwh"."load_history" WHERE load_id'):
        return "looked up" if line.count("Redshift", "^COMMIT") == 1 else "looked up, transaction again"
    if line.count("Redshift", "^BEGIN") > 1:
        return "transaction again"
    if line.count("Redshift", f"^{CONNECT}$") > 1:
        return "connected again"
    usual = sum(server == "S3" for server, _, _ in on.statements)
    return "request again" if line.count("S3") > usual else "goes on"


def documented(section: str, page: Path = PAGE) -> list[list[str]]:
    """Return the rows of a section's table as a page has it, without its head."""
    begin, end = _marks(section)
    table = page.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0].strip()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def document(section: str, rows: Sequence[Sequence[str]]) -> None:
    """Put a section's table in its place in docs/operation.md, and in Japanese in docs/ja/operation.md."""
    _write(PAGE, section, HEAD, rows)
    _write(JAPANESE_PAGE, section, in_japanese(HEAD), [in_japanese(row) for row in rows])


def _write(page: Path, section: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    begin, end = _marks(section)
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
    page.write_text(f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def _marks(section: str) -> tuple[str, str]:
    return f"<!-- crash in {section}: begin -->", f"<!-- crash in {section}: end -->"
