"""The benchmark suite's own arithmetic, its page and what it makes; nothing is timed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree

import dagster as dg
import pytest

from aurora_dwh_tests.instances import PROJECT_SETTINGS
from benchmarks import page, year
from benchmarks.harness import Outcome, interleaved, middle, ratio
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.slow_link import SlowLink


def outcome(seconds: float, cpu: float = 0.0) -> Outcome:
    return Outcome(seconds, seconds + 1, peak_mb=10.0, server_cpu=cpu)


@pytest.mark.parametrize(
    ("value", "at_least", "verdict"),
    [
        (1.0, False, "aim"), (1.2, False, "aim"), (1.21, False, "must"), (1.4, False, "must"), (1.41, False, "missed"),
        (1.0, True, "missed"), (1.3, True, "must"), (1.4, True, "aim"), (9.0, True, "aim"),
    ],
)  # fmt: skip
def test_a_figure_reaches_its_aim_its_must_or_neither(value: float, at_least: bool, verdict: str) -> None:
    must, aim = (1.3, 1.4) if at_least else (1.4, 1.2)
    measure = Measure("m", value, must, aim, at_least=at_least)
    assert measure.verdict == verdict
    assert measure.missed == (verdict == "missed")


def test_a_figure_without_a_must_is_reported_and_never_missed() -> None:
    measure = Measure("rows a second", 1234567.0, digits=0)
    assert (measure.verdict, measure.missed) == ("reported", False)
    assert measure.cells == ["rows a second", "1,234,567", "", "", "reported"]


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    ours = [outcome(2.0), outcome(30.0), outcome(4.0)]  # something else slowed the second round, both programs alike
    theirs = [outcome(1.0), outcome(10.0), outcome(4.0)]
    assert ratio(ours, theirs) == 2.0
    assert middle(ours, lambda run: run.seconds) == 4.0


def test_each_round_runs_every_program_once_and_begins_with_another() -> None:
    order: list[str] = []

    def program(name: str) -> Outcome:
        order.append(name)
        return outcome(len(order))

    runs = interleaved({name: lambda name=name: program(name) for name in "abc"}, 4)  # type: ignore[misc]
    assert "".join(order) == "abc" + "bca" + "cab" + "abc"
    assert [len(of) for of in runs.values()] == [4, 4, 4]
    assert [run.seconds for run in runs["a"]] == [1, 6, 8, 10]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page and a chart of some findings, in a folder of their own."""
    target = tmp_path / "benchmarks.md"
    target.write_text(page.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(page, "PAGE", target)
    monkeypatch.setattr(page, "CHART", tmp_path / "img" / "benchmarks.svg")
    bars = {"aurora-dwh -> Parquet <S3>": 2.0, "C client": 1.0, "a slow one": 100.0, "another": 3.0}
    findings = [
        Findings(
            "Copying", [Measure("wall / C client", 1.1, 1.4, 1.2)], ["said \\1 of it", *table(["a"], [["b"]])], bars
        ),
        Findings("Only told", lines=["text"]),
    ]
    for _ in range(2):  # written again, the page does not grow
        page.write(findings, Size(), {"MariaDB": "10"})
    return target


def test_the_page_gets_the_figures_between_its_marks_and_keeps_its_text(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    before, _, rest = text.partition(page.BEGIN)
    figures, _, after = rest.partition(page.END)
    assert text.count(page.BEGIN) == text.count(page.END) == 1
    assert before.startswith("# Benchmarks")
    assert "## Where the time goes" in after
    assert "| wall / C client | 1.10 | <= 1.40 | <= 1.20 | aim |" in figures
    assert "said \\1 of it\n\n| a |\n| --- |\n| b |\n" in figures
    assert figures.count("### Copying") == figures.count("### Only told") == 1
    assert "| MariaDB | 10 |" in figures
    assert "(img/benchmarks.svg)" in figures


def test_a_part_by_itself_stands_behind_the_whole_run_until_the_next_of_those(written: Path) -> None:
    whole = written.read_text(encoding="utf-8")
    proof = [Findings("Proof", [Measure("memory", 149, 150)], ["of late"])]
    page.write_again([Findings("Other")], Size(), {})
    page.write_again(proof, Size(rounds=3), {"MariaDB": "11"})
    text = written.read_text(encoding="utf-8")
    figures, again = text.partition(page.END)[0], text.partition(page.AGAIN_BEGIN)[2].partition(page.AGAIN_END)[0]
    assert figures == whole.partition(page.END)[0]
    assert "### Proof\n\nof late" in again
    assert "| MariaDB | 11 |" in again
    assert "| rounds | 3 |" in again
    page.write([Findings("Only told", lines=["text"], bars={"one": 1.0})], Size(), {})
    assert "of late" not in written.read_text(encoding="utf-8")


def test_a_whole_run_keeps_in_short_what_another_processor_measured(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def others() -> str:
        return written.read_text(encoding="utf-8").partition(page.OTHERS_BEGIN)[2].partition(page.OTHERS_END)[0]

    here, before = page._cpu(), others()
    assert f"### {here}\n" not in before
    for cpu, value in (("One", 1.0), ("Two", 2.0), ("One", 3.0)):
        monkeypatch.setattr(page, "_cpu", lambda cpu=cpu: cpu)
        page.write([Findings("Copying", [Measure("wall", value, 9)], ["at length"], {"one": 1.0})], Size(), {})
    assert others().startswith(before.rstrip())
    assert f"### {here}\n" in others()
    assert "| wall / C client | 1.10 |" in others()
    assert "### Two\n" in others()
    assert "| wall | 2.00 | <= 9.00 |" in others()
    assert "### One\n" not in others()
    assert "at length" not in others()


def test_the_chart_is_an_image_with_a_bar_for_each_program(written: Path) -> None:
    chart = ElementTree.parse(written.parent / "img" / "benchmarks.svg").getroot()
    bars = [element for element in chart.iter() if element.tag.endswith("rect")][1:]
    texts = [element.text for element in chart.iter() if element.tag.endswith("text")]
    assert len(bars) == 4
    assert [text for text in texts if text and "cut" in text] == ["100.0 s (bar cut)"]
    assert "aurora-dwh -> Parquet <S3>" in texts
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert widths == sorted(widths)
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.1)


def test_a_year_has_a_run_a_day_and_the_real_one_stays_the_newest(tmp_path: Path) -> None:
    @dg.asset(
        partitions_def=dg.DailyPartitionsDefinition("2024-01-01"), check_specs=[dg.AssetCheckSpec("c", asset="a")]
    )
    def a() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(passed=True, check_name="c")

    (tmp_path / "dagster.yaml").write_text(PROJECT_SETTINGS.read_text())
    newest, days, history = date(2024, 3, 31), 5, tmp_path / "history"
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        run = dg.materialize([a], instance=instance, partition_key=str(newest)).run_id
    year.copy_logs(history / "runs", run, days)
    for database in (history / "runs.db", history / "runs" / "index.db"):
        year.write(f"sqlite:///{database}", run, newest, days)
    wanted = [str(newest - timedelta(days=number)) for number in range(days)]
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        runs = instance.get_runs()
        events = instance.fetch_materializations(a.key, limit=10).records
        last = instance.get_latest_materialization_event(a.key)
        checks = instance.event_log_storage.get_asset_check_execution_history(next(iter(a.check_keys)), limit=10)
        assert [found.tags["dagster/partition"] for found in runs] == wanted
        assert runs[0].run_id == run
        assert [event.partition_key for event in events] == wanted
        assert [event.run_id for event in events] == [found.run_id for found in runs]
        assert [event.timestamp for event in events] == sorted((event.timestamp for event in events), reverse=True)
        assert instance.get_materialized_partitions(a.key) == set(wanted)
        assert last is not None
        assert last.run_id == run
        assert list(dict.fromkeys(check.run_id for check in checks)) == [found.run_id for found in runs]


def test_a_slow_link_counts_answers_and_holds_what_is_sent() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async def talk() -> tuple[SlowLink, float]:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        link = SlowLink("127.0.0.1", server.sockets[0].getsockname()[1])
        await link.listen()
        link.delay = 0.05
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        clock = asyncio.get_running_loop().time
        began = clock()
        for _ in range(3):
            writer.write(b"asked")
            assert await reader.readexactly(5) == b"asked"
        seconds = clock() - began
        writer.close()
        assert await reader.read() == b""
        server.close()
        return link, seconds

    link, seconds = asyncio.run(talk())
    assert (link.trips, link.connections) == (3, 1)
    assert seconds >= 4 * link.delay  # the connection, and three answers


def test_a_narrow_link_gives_each_connection_its_bytes_a_second() -> None:
    size = 300_000

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(size))
        writer.close()

    async def take() -> float:
        server = await asyncio.start_server(send, "127.0.0.1", 0)
        link = SlowLink("127.0.0.1", server.sockets[0].getsockname()[1])
        link.bytes_a_second = 1_000_000
        await link.listen()
        clock = asyncio.get_running_loop().time
        began = clock()
        opened = [await asyncio.open_connection("127.0.0.1", link.port) for _ in range(2)]
        assert [len(data) for data in await asyncio.gather(*(reader.read(-1) for reader, _ in opened))] == [size] * 2
        seconds = clock() - began
        for _, writer in opened:
            writer.close()
        server.close()
        return seconds

    seconds = asyncio.run(take())
    assert seconds >= 0.19  # of what came, but for the tenth of a second that may be made up for
