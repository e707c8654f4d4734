"""MySQL to Parquet: the product beside the C client and the peers, on tables of three shapes.

One set of runs gives wall clock, the server's CPU and the process's memory. The targets are those of the table `mixed`
against the C client on the text protocol; on the other shapes the better of the two protocols is the floor. Tools that
take more than a minute run in a set of their own, of fewer rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from benchmarks import peers
from benchmarks.harness import ClientError, Outcome, interleaved, middle, ratio
from benchmarks.measure import Findings, Measure, Size, table
from benchmarks.peers import Peer
from benchmarks.rig import Rig
from benchmarks.tables import FIRST_DAY, MIXED, NARROW, WIDE, create, fill

TEXT, BINARY = "C client, text, rows thrown away", "C client, binary, rows thrown away"
READ, OURS = "aurora-dwh, rows thrown away", "aurora-dwh -> Parquet on S3"
SHAPES = {"mixed": MIXED, "narrow": NARROW, "wide": WIDE}
FULL = "{mode: full}"
SLOW_ROUNDS = 2
"""At the most, of the peers that take some fifteen times as long: a tenth more or less is nothing beside that."""

Runs = dict[str, list[Outcome]]


def prepare(rig: Rig, size: Size) -> None:
    """Make the tables; the other modules use them too."""
    for shape, columns in SHAPES.items():
        rig.execute(create(shape, columns), fill(shape, columns, size.rows // (10 if shape == "wide" else 1)))
    rig.settle()


def measure(rig: Rig, size: Size, wrong: Mapping[str, str]) -> Findings:
    """Return the figures of all shapes.

    Args:
        rig: The servers, with the tables made.
        size: How many rounds.
        wrong: What each tool got wrong in the type table, in a few words, by its name.
    """
    mixed = interleaved(_programs(rig, "mixed", (peers.CONNECTORX,)), size.rounds)
    beside_slow = _programs(rig, "mixed", peers.SLOW)
    for name in (BINARY, READ):
        del beside_slow[name]
    slow = interleaved(beside_slow, min(size.rounds, SLOW_ROUNDS))
    others = {
        shape: interleaved(_programs(rig, shape, (peers.CONNECTORX,)), size.rounds) for shape in ("narrow", "wide")
    }
    found = Findings(
        "MySQL to Parquet",
        bars={name: middle(runs, lambda run: run.seconds) for name, runs in {**slow, **mixed}.items()},
    )
    found.measures = [
        Measure("MySQL -> Parquet on the S3 stand-in, wall / C client text", ratio(mixed[OURS], mixed[TEXT]), 1.4, 1.2),
        _against(peers.CONNECTORX, mixed, wrong),
        *(_against(peer, slow, wrong) for peer in peers.SLOW),
        Measure(
            "server CPU / C client text",
            ratio(mixed[OURS], mixed[TEXT], lambda run: run.server_cpu),
            *(1.0, 0.85),
        ),
        *(_shape(shape, runs) for shape, runs in others.items()),
    ]
    found.lines += _runs("mixed", mixed, wrong)
    found.lines += [f"Slow ones, {SLOW_ROUNDS} rounds at the most:", *_runs("mixed", slow, wrong)]
    for shape, runs in others.items():
        found.lines += _runs(shape, runs, wrong)
    return found


def profile(rig: Rig) -> Findings:
    """Return where the product's threads are while it copies `mixed`."""
    run = rig.run("extract", "--profile", FIRST_DAY, "mixed", variables=rig.variables({"mixed": FULL}))
    rows = [[thread, place, f"{share:.0%}"] for thread, place, share in run.said["profile"] if share >= 0.02]
    lines = [f"Threads of one copy of `mixed` ({run.seconds:.2f} s), looked at every 4 ms: where each runs or waits."]
    return Findings("Where the time goes", lines=lines + table(["thread", "place", "share of the time"], rows))


def _programs(rig: Rig, shape: str, others: Sequence[Peer]) -> dict[str, Callable[[], Outcome]]:
    run = partial(rig.run, variables=rig.variables(dict.fromkeys(SHAPES, FULL)))
    folder = rig.home / "peer"
    python = peers.python()
    return {
        TEXT: partial(run, "floor", "text", shape),
        BINARY: partial(run, "floor", "binary", shape),
        READ: partial(run, "extract", "--read-only", FIRST_DAY, shape),
        OURS: partial(run, "extract", FIRST_DAY, shape),
        **{peer.name: partial(_whole, partial(run, *peer.command, folder, shape, python=python)) for peer in others},
    }


def _whole(copy: Callable[[], Outcome]) -> Outcome:
    """Run a peer, which must not have failed: what it copied wrongly shows in the type table."""
    run = copy()
    if run.said["errors"]:
        raise ClientError(f"a peer copied nothing: {run.said['errors']}")
    return run


def _against(peer: Peer, runs: Runs, wrong: Mapping[str, str]) -> Measure:
    errors = wrong.get(peer.name, "")
    name = f"{peer.name}, wall / ours" + (f" ({errors})" if errors else "")
    return Measure(name, ratio(runs[peer.name], runs[OURS]), peer.least, peer.hoped, at_least=True)


def _shape(shape: str, runs: Runs) -> Measure:
    floor = min((runs[TEXT], runs[BINARY]), key=lambda of: middle(of, lambda run: run.seconds))
    return Measure(f"the same on the {shape} table / the better C client", ratio(runs[OURS], floor))


def _runs(shape: str, runs: Runs, wrong: Mapping[str, str]) -> list[str]:
    rows = [
        [
            name,
            f"{middle(of, lambda run: run.seconds):.2f}",
            f"{ratio(of, runs[TEXT]):.2f}",
            f"{middle(of, lambda run: run.server_cpu):.2f}",
            f"{middle(of, lambda run: run.peak_mb):.0f}",
            wrong.get(name, ""),
        ]
        for name, of in runs.items()
    ]
    head = ["program", "wall s", "/ C client text", "server CPU s", "peak MB", "types"]
    return [f"`{shape}`, medians:", *table(head, rows)]
