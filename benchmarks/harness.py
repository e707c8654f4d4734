"""Running programs by turns and comparing them round by round.

Other work on the machine slows whoever runs at that moment. So each round runs every program once, the order moves on
by one with each round, and a ratio is the median of the rounds' ratios, not the ratio of two medians.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
_OWN_VARIABLES = ("AURORA_", "REDSHIFT_", "AWS_", "LAKE_", "DAGSTER_")


class ClientError(RuntimeError):
    """A measured program failed; the message ends with what it printed last."""


@dataclass(frozen=True)
class Outcome:
    """One run of one program.

    Attributes:
        seconds: Wall clock of the work by the program's own clock, without its start and imports.
        whole: Wall clock of the process from start to end, in seconds.
        peak_mb: The most memory that it had resident, in MB of 10^6 bytes.
        server_cpu: CPU seconds that the database server took meanwhile.
        said: All that the program said.
    """

    seconds: float
    whole: float
    peak_mb: float
    server_cpu: float
    said: Mapping[str, Any] = field(default_factory=dict)


def clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with the given settings as its only ones for the product."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_VARIABLES)}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def start(command: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a program whose output is to be read."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a program and return what it said with its last line.

    Raises:
        ClientError: It failed.
    """
    output, _ = process.communicate()
    if process.returncode:
        raise ClientError(f"{process.args!r} ended with {process.returncode}:\n{output[-4000:]}")
    said: dict[str, Any] = json.loads(output.splitlines()[-1])
    return said


def run(command: Sequence[str], variables: Mapping[str, str], server_cpu: Callable[[], float]) -> Outcome:
    """Run a program to its end.

    Args:
        command: The program and its arguments.
        variables: The settings that it finds in its environment.
        server_cpu: Tells the CPU seconds that the database server has taken so far.

    Raises:
        ClientError: It failed.
    """
    cpu, began = server_cpu(), time.perf_counter()
    said = finish(start(command, variables))
    return Outcome(said["seconds"], time.perf_counter() - began, said["peak_mb"], server_cpu() - cpu, said)


def interleaved(programs: Mapping[str, Callable[[], Outcome]], rounds: int) -> dict[str, list[Outcome]]:
    """Run all programs once in each round, each round beginning with another one, and return their runs by round."""
    names = list(programs)
    runs: dict[str, list[Outcome]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            runs[name].append(programs[name]())
            print(f"  round {number + 1}  {name:<40} {runs[name][-1].seconds:8.2f} s", file=sys.stderr, flush=True)
    return runs


def middle(runs: Sequence[Outcome], figure: Callable[[Outcome], float]) -> float:
    """Return the median of a figure over the rounds."""
    return median(figure(run) for run in runs)


def ratio(
    runs: Sequence[Outcome], base: Sequence[Outcome], figure: Callable[[Outcome], float] = lambda run: run.seconds
) -> float:
    """Return the median over the rounds of one program's figure by the other's."""
    return median(figure(one) / figure(other) for one, other in zip(runs, base, strict=True))
