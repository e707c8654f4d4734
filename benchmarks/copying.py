"""MySQL to Parquet: the product beside the C client and the peers, on tables of three shapes and several sizes.

One set of runs gives wall clock, the server's CPU and the process's memory. `mixed` is measured against the C client on
the text protocol; on the other shapes the better of the two protocols is the floor. Tools that take more than a minute
run in a set of their own, of fewer rounds. On small tables what is done before the first row and behind the last shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
MUSTS = {"mixed": (1.05, 0.95), "narrow": (1.45, 1.2), "wide": (1.6, 1.4)}
"""What the product's wall clock by the floor's must be for each shape, and is hoped to be."""

SLOW_ROUNDS = 2
"""At the most, of the peers that take some fifteen times as long: a tenth more or less is nothing beside that."""

Runs = dict[str, list[Outcome]]


def prepare(rig: Rig, size: Size) -> None:
    """Make the tables; the other modules use them too."""
    _make(rig, size.rows, SHAPES)


def _make(rig: Rig, rows: int, shapes: Iterable[str], suffix: str = "") -> None:
    for shape in shapes:
        name, columns = shape + suffix, SHAPES[shape]
        rig.execute(create(name, columns), fill(name, columns, rows // (10 if shape == "wide" else 1)))
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
        _shape("mixed", mixed),
        _against(peers.CONNECTORX, mixed, wrong),
        *(_against(peer, slow, wrong) for peer in peers.SLOW),
        _fastest({**slow, **mixed}, mixed),
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


def measure_smaller(rig: Rig, size: Size) -> Findings:
    """Return the figures of smaller tables: of one size all that must hold, of others how long `mixed` takes."""
    _make(rig, size.less_rows, SHAPES, "_less")
    less = {shape: interleaved(_programs(rig, f"{shape}_less", (peers.CONNECTORX,)), size.rounds) for shape in SHAPES}
    of_mixed = {size.less_rows: less["mixed"]}
    for rows in size.small_rows:
        _make(rig, rows, ("mixed",), f"_{rows}")
        of_mixed[rows] = interleaved(_programs(rig, f"mixed_{rows}", (peers.CONNECTORX,)), size.rounds)
    at = f", {size.less_rows:,} rows"
    measures = [
        *(_shape(shape, runs, at) for shape, runs in less.items()),
        _against(peers.CONNECTORX, less["mixed"], {}, at),
    ]
    cells = [
        [f"{rows:,}", name, f"{middle(of, lambda run: run.seconds):.2f}", f"{ratio(of, runs[TEXT]):.2f}"]
        for rows, runs in of_mixed.items()
        for name, of in runs.items()
    ]
    lines = ["`mixed`, medians:", *table(["rows", "program", "wall s", "/ C client text"], cells)]
    return Findings("Smaller tables", measures, lines)


def _programs(rig: Rig, shape: str, others: Sequence[Peer]) -> dict[str, Callable[[], Outcome]]:
    run = partial(rig.run, variables=rig.variables({shape: FULL}))
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


def _against(peer: Peer, runs: Runs, wrong: Mapping[str, str], at: str = "") -> Measure:
    errors = wrong.get(peer.name, "")
    name = f"{peer.name}{at}, wall / ours" + (f" ({errors})" if errors else "")
    return Measure(name, ratio(runs[peer.name], runs[OURS]), peer.least, peer.hoped, at_least=True)


def _fastest(runs: Runs, mixed: Runs) -> Measure:
    """Return how the product is beside the peer that is the fastest today."""
    peer = min(peers.PEERS, key=lambda peer: middle(runs[peer.name], lambda run: run.seconds))
    seconds = [middle(of, lambda run: run.seconds) for of in (runs[peer.name], mixed[OURS])]
    return Measure(
        f"the fastest of {len(peers.PEERS)} peers ({peer.name}), wall / ours",
        seconds[0] / seconds[1],
        1.3,
        1.6,
        at_least=True,
    )


def _shape(shape: str, runs: Runs, at: str = "") -> Measure:
    if shape == "mixed":
        name, floor = f"MySQL -> Parquet on the S3 stand-in{at}, wall / C client text", runs[TEXT]
    else:
        name = f"the same on the {shape} table{at} / the better C client"
        floor = min((runs[TEXT], runs[BINARY]), key=lambda of: middle(of, lambda run: run.seconds))
    return Measure(name, ratio(runs[OURS], floor), *MUSTS[shape])


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
