"""The benchmark suite's own arithmetic and its page; nothing is timed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import page
from benchmarks.harness import Outcome, interleaved, middle, ratio
from benchmarks.measure import Findings, Measure, Size, table


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
