"""A figure with what it must be and what it is hoped to be, and the sizes at which figures are taken.

A whole run is to end in 75 minutes on two cores. The figures of copying are stated at 5,000,000 rows, as medians of
five rounds. What grows in proportion is measured on less, and what takes minutes each time fewer times.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rows: Rows of the tables `mixed` and `narrow`; `wide` has a tenth of them.
        big_rows: Rows of the table that peak memory is compared on.
        less_rows: Rows of tables, likewise, for which the same must hold as for the larger ones.
        small_rows: Rows of tables whose copying shows what a copy costs before its first row and behind its last.
        rounds: How often each program runs.
        every_type: Of so many types one is copied and compared; a peer takes a second for each.
        proof_rows: Rows of the tables that are proven on MySQL and beside a production load.
        tables: Tables of the daily run that has a target.
        more_tables: Tables of the one that is only reported; it shows whether the cost of a table stays the same.
        many_tables: Tables whose definitions are loaded.
        days: Days of the year whose events an instance holds.
        range_days: Days of the range that is loaded as one run.
        range_tables: Tables of that run; each more of them takes as long as the one before.
        staged_rows: Rows of the staging table that is called large, a hundred times those of the small one.
        chain_rows: Rows of the load of the whole chain.
        demo_scale: Size of the shop of `make demo`.
        oltp_seconds: Length of each spell of the OLTP load.
    """

    rows: int = 5_000_000
    big_rows: int = 20_000_000
    less_rows: int = 1_000_000
    small_rows: tuple[int, ...] = (100_000, 10_000)
    rounds: int = 5
    every_type: int = 1
    proof_rows: int = 1_000_000
    tables: int = 100
    more_tables: int = 300
    many_tables: int = 1_000
    days: int = 365
    range_days: int = 30
    range_tables: int = 30
    staged_rows: int = 10_000_000
    chain_rows: int = 1_000_000
    demo_scale: float = 1.0
    oltp_seconds: int = 20

    @property
    def fewer_rounds(self) -> int:
        """Rounds of what takes minutes each time."""
        return min(self.rounds, 3)


QUICK = Size(
    rows=100_000,
    big_rows=400_000,
    less_rows=50_000,
    small_rows=(10_000,),
    rounds=1,
    every_type=8,
    proof_rows=100_000,
    tables=5,
    more_tables=10,
    many_tables=10,
    days=10,
    range_days=5,
    range_tables=5,
    staged_rows=100_000,
    chain_rows=50_000,
    demo_scale=0.05,
    oltp_seconds=2,
)
"""Shows that everything runs; the figures mean nothing."""


@dataclass(frozen=True)
class Measure:
    """One figure.

    Attributes:
        name: What is measured.
        value: The figure.
        must: What it must reach; None for a figure that is only reported.
        aim: What it is hoped to reach.
        at_least: Whether more is better.
        digits: Digits after the point when it is shown.
    """

    name: str
    value: float
    must: float | None = None
    aim: float | None = None
    at_least: bool = False
    digits: int = 2

    @property
    def missed(self) -> bool:
        """Whether the figure is not what it must be."""
        return self.must is not None and not self._reaches(self.must)

    @property
    def verdict(self) -> str:
        """What the figure reaches, in a word."""
        if self.must is None:
            return "reported"
        if self.missed:
            return "missed"
        return "aim" if self.aim is not None and self._reaches(self.aim) else "must"

    @property
    def cells(self) -> list[str]:
        """The figure as a row of the table of measures."""
        sign = ">=" if self.at_least else "<="
        limits = ["" if limit is None else f"{sign} {limit:,.{self.digits}f}" for limit in (self.must, self.aim)]
        return [self.name, f"{self.value:,.{self.digits}f}", *limits, self.verdict]

    def _reaches(self, limit: float) -> bool:
        return self.value >= limit if self.at_least else self.value <= limit


@dataclass
class Findings:
    """What one module found.

    Attributes:
        title: The heading of its part of the report.
        measures: Its figures.
        lines: Its part of the report, in Markdown.
        bars: Seconds by program, for the chart.
    """

    title: str
    measures: list[Measure] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    bars: dict[str, float] = field(default_factory=dict)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a table in Markdown."""
    return ["", *(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)), ""]
