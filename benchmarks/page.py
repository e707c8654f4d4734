"""The report: the figures of a run, written between the marks of docs/benchmarks.md, and the chart beside it.

A part that was measured again by itself stands behind the figures of the whole run, until the next of those. What a
whole run measured on another processor is kept in short.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from benchmarks.harness import ROOT
from benchmarks.measure import Findings, Measure, Size, table

PAGE = ROOT / "docs" / "benchmarks.md"
CHART = ROOT / "docs" / "img" / "benchmarks.svg"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
AGAIN_BEGIN, AGAIN_END = "<!-- measured again: begin -->", "<!-- measured again: end -->"
OTHERS_BEGIN, OTHERS_END = "<!-- other processors: begin -->", "<!-- other processors: end -->"

_ROW, _LABELS, _WIDTH = 30, 290, 860


def write(findings: Sequence[Findings], size: Size, versions: Mapping[str, str]) -> None:
    """Put a whole run's figures into the page and draw the chart; the text around the figures stays."""
    text = _with_other_processor(PAGE.read_text(encoding="utf-8"))
    text = _between(BEGIN, END, [*machine(size, versions), *_body(findings)], text)
    PAGE.write_text(_between(AGAIN_BEGIN, AGAIN_END, [], text), encoding="utf-8")
    CHART.parent.mkdir(exist_ok=True)
    CHART.write_text(chart({name: s for found in findings for name, s in found.bars.items()}), encoding="utf-8")


def write_again(findings: Sequence[Findings], size: Size, versions: Mapping[str, str]) -> None:
    """Put the figures of parts that were measured by themselves behind those of the last whole run."""
    lines = ["Measured again since, by itself:", "", *machine(size, versions), *_body(findings)]
    PAGE.write_text(_between(AGAIN_BEGIN, AGAIN_END, lines, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _with_other_processor(text: str) -> str:
    """Return the page with the tables of its last whole run kept in short where that was on another processor."""
    tables = re.findall(r"(?:^\|.*\n)+", _part(BEGIN, END, text), flags=re.MULTILINE)[:2]
    others = re.split(r"(?=^### )", _part(OTHERS_BEGIN, OTHERS_END, text), flags=re.MULTILINE)
    kept = {one.splitlines()[0].removeprefix("### "): one.strip() for one in others if one.startswith("### ")}
    if found := re.search(r"^\| CPU \| ([^,|]+)", "".join(tables), flags=re.MULTILINE):
        kept[found[1]] = "\n\n".join([f"### {found[1]}", *(one.strip() for one in tables)])
    kept.pop(_cpu(), None)
    return _between(OTHERS_BEGIN, OTHERS_END, ["\n\n".join(kept.values()), ""], text)


def _part(begin: str, end: str, text: str) -> str:
    return text.partition(begin)[2].partition(end)[0]


def _between(begin: str, end: str, lines: Sequence[str], text: str) -> str:
    figures = "\n".join([begin, "", *lines, end])
    return re.sub(f"{begin}.*{end}", lambda _: figures, text, flags=re.DOTALL)


def measures(findings: Sequence[Findings]) -> list[Measure]:
    """Return all figures in order."""
    return [measure for found in findings for measure in found.measures]


def summary(findings: Sequence[Findings]) -> list[str]:
    """Return the table of measures."""
    return table(["measure", "measured", "must", "aim", "reaches"], [m.cells for m in measures(findings)])


def machine(size: Size, versions: Mapping[str, str]) -> list[str]:
    """Return what the figures were measured on, without any name of the machine."""
    parts = {
        "CPU": f"{_cpu()}, {os.cpu_count()} cores, shared by servers and clients",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **versions,
        "load average at the end": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "rounds": str(size.rounds),
    }
    return table(["measured on", ""], [[name, value] for name, value in parts.items()])


def chart(bars: Mapping[str, float]) -> str:
    """Return an SVG of horizontal bars, seconds by program; one too long for the others is cut and says so."""
    shown = sorted(bars.items(), key=lambda bar: bar[1])
    longest = min(max(bars.values()), 3 * sorted(bars.values())[len(bars) // 2])
    size = f'width="{_WIDTH}" height="{_ROW * len(shown) + 10}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (name, seconds) in enumerate(shown):
        y = 5 + number * _ROW
        width = (_WIDTH - _LABELS - 110) * min(seconds, longest) / longest
        colour = "#d9480f" if name.startswith("aurora-dwh") else "#868e96" if name.startswith("C ") else "#4c6ef5"
        cut = " (bar cut)" if seconds > longest else ""
        lines += [
            f'<text x="{_LABELS - 8}" y="{y + 19}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_LABELS}" y="{y + 4}" width="{width:.1f}" height="{_ROW - 8}" fill="{colour}"/>',
            f'<text x="{_LABELS + width + 6:.1f}" y="{y + 19}">{seconds:.1f} s{cut}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _body(findings: Sequence[Findings]) -> list[str]:
    lines = summary(findings)
    if any(found.bars for found in findings):
        lines += [f"![Seconds to copy the table `mixed`](img/{CHART.name})", ""]
    for found in findings:
        if found.lines:
            lines += [f"### {found.title}", "", *found.lines, ""]
    return lines


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.*)", info.read_text()) if info.exists() else []
    return names[0] if names else platform.machine()
