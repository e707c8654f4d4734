"""How long somebody waits who types a command: for the help, for a plan, and for the demo where all is installed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks import harness, small_tables
from benchmarks.measure import Findings, Measure, Size
from benchmarks.rig import Rig
from benchmarks.tables import FIRST_DAY

PROGRAM = str(Path(sys.executable).with_name("aurora-dwh"))
HELP, PLAN = ("--help",), ("plan", "t0", "--day", str(FIRST_DAY))
LIMITS = {HELP: 0.3, PLAN: 1.0}
DEMO_MUST, DEMO_AIM = 45, 30


def measure(rig: Rig, size: Size) -> Findings:
    """Return the seconds of each command, medians of the rounds, and of one demo."""
    variables = small_tables.make(rig, "startup", 1, range(1))
    seconds: dict[tuple[str, ...], list[float]] = {arguments: [] for arguments in LIMITS}
    for arguments in LIMITS:
        _wall([PROGRAM, *arguments], variables)  # compiles what was not yet
    for _ in range(size.rounds):
        for arguments, taken in seconds.items():
            taken.append(_wall([PROGRAM, *arguments], variables))
    measures = [
        Measure(f"`aurora-dwh {arguments[0]}`, s", median(taken), LIMITS[arguments])
        for arguments, taken in seconds.items()
    ]
    demo = ["-m", "aurora_dwh.local.demo", "--state", str(rig.home / "demo"), "--scale", str(size.demo_scale)]
    wall = _wall([sys.executable, *demo], {})
    measures.append(Measure("`make demo`, all installed, s", wall, DEMO_MUST, DEMO_AIM, digits=0))
    return Findings("Startup", measures)


def _wall(command: list[str], variables: Mapping[str, str]) -> float:
    """Run a command and return how many seconds it took."""
    began = time.perf_counter()
    environment = harness.clean_environment(variables)
    subprocess.run(command, cwd=harness.ROOT, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began
