"""What a measured program says of itself: seconds without its imports, rows, and the peak memory of its process."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any


class Clock:
    """Runs from its making on; a program makes it when all is imported and nothing is connected."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def say(self, **more: Any) -> None:
        """Print the seconds since the beginning, those of CPU, this process's peak, and what else there is to say."""
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak_mb(), **more}), flush=True)


def peak_mb() -> float:
    """Return the most memory that this process, or a child that it waited for, had resident, in MB of 10^6 bytes."""
    return max(_own_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _UNIT) / 1e6


def _own_peak() -> int:
    """Return bytes; `ru_maxrss` would include what the parent had before this program was loaded into its copy."""
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


_UNIT = 1 if sys.platform == "darwin" else 1024
