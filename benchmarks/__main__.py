"""`python -m benchmarks`: measures, prints the table, writes docs/benchmarks.md, fails where a "must" is missed."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks import (
    beside_oltp,
    copying,
    daily_run,
    day_range,
    definitions,
    first_load,
    history,
    large_target,
    memory,
    one_day,
    page,
    proof,
    reading,
    record,
    slow_network,
    startup,
    typed,
    whole_chain,
    writers,
)
from benchmarks.measure import QUICK, Findings, Size
from benchmarks.rig import Rig

Part = Callable[[Rig, Size], "list[Findings]"]


def _copying(rig: Rig, size: Size) -> list[Findings]:
    exactness, wrong = typed.measure(rig, size)
    return [copying.measure(rig, size, wrong), copying.profile(rig), exactness]


PARTS: dict[str, Part] = {
    "copying": _copying,
    "smaller": lambda rig, size: [copying.measure_smaller(rig, size)],
    "reading": lambda rig, size: [reading.measure(rig, size)],
    "first_load": lambda rig, size: [first_load.measure(rig, size)],
    "memory": lambda rig, size: [memory.measure(rig, size)],
    "one_day": lambda rig, size: [one_day.measure(rig, size)],
    "proof": lambda rig, size: [proof.measure(rig, size)],
    "writers": lambda rig, size: [writers.measure(rig, size)],
    "beside_oltp": lambda rig, size: [beside_oltp.measure(rig, size)],
    "daily_run": lambda rig, size: [daily_run.measure(rig, size)],
    "definitions": lambda rig, size: [definitions.measure(rig, size)],
    "record": lambda rig, size: [record.measure(rig, size)],
    "history": lambda rig, size: [history.measure(rig, size)],
    "large_target": lambda rig, size: [large_target.measure(rig, size)],
    "slow_network": lambda rig, size: [slow_network.measure(rig, size)],
    "range": lambda rig, size: [day_range.measure(rig, size)],
    "startup": lambda rig, size: [startup.measure(rig, size)],
    "whole_chain": lambda rig, size: [whole_chain.measure(rig, size)],
}


def run(size: Size, parts: list[str]) -> tuple[list[Findings], dict[str, str]]:
    """Measure, and return what was found and the versions of the servers."""
    with Rig() as rig:
        print(f"making the tables: {size.rows:,} rows", file=sys.stderr, flush=True)
        copying.prepare(rig, size)
        return list(_found(rig, size, parts)), rig.versions


def _found(rig: Rig, size: Size, parts: list[str]) -> Iterator[Findings]:
    for part in parts:
        print(f"{part}:", file=sys.stderr, flush=True)
        began = time.monotonic()
        for found in PARTS[part](rig, size):
            print("\n".join([f"\n## {found.title}", "", *found.lines]), flush=True)
            yield found
        print(f"{part} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def main() -> None:
    """Run from the command line; a quick run is too small for a figure to be missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all, where none is named")
    parser.add_argument(
        "--quick", action="store_true", help="show that all runs, in a few minutes; the page stays as it is"
    )
    parser.add_argument("--rows", type=int, help="rows of the tables; the page stays as it is")
    parser.add_argument("--rounds", type=int, help="how often each program runs; the page says so")
    options = parser.parse_args()
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    chosen = {"rows": options.rows, "big_rows": (options.rows or 0) * 4, "rounds": options.rounds}
    size = replace(QUICK if options.quick else Size(), **{name: n for name, n in chosen.items() if n})
    findings, versions = run(size, options.parts or list(PARTS))
    print("\n".join(page.summary(findings) + page.machine(size, versions)))
    if size == Size() and not options.parts:
        page.write(findings, size, versions)
    elif size.rows == Size().rows:
        page.write_again(findings, size, versions)
    missed = [measure.name for measure in page.measures(findings) if measure.missed]
    if missed and not options.quick:
        sys.exit("missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
