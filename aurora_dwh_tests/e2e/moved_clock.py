"""A wall clock that a test moves, for processes that are started with its environment. Linux alone has it."""

from __future__ import annotations

import os
import struct
import subprocess
import time
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

_SOURCE = Path(__file__).with_suffix(".c")


class MovedClock:
    """A clock that goes on at its own pace from wherever it was set.

    Args:
        folder: Where what moves it is kept.
        zone: In which it is set and read.
    """

    def __init__(self, folder: Path, zone: ZoneInfo) -> None:
        self._zone, self._file = zone, folder / "moved_clock"
        self.seconds = 0
        """How far it is from the machine's."""
        library = folder / "moved_clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, _SOURCE], check=True)
        self._file.write_bytes(struct.pack("l", 0))
        self.environment = {"LD_PRELOAD": str(library), "MOVED_CLOCK": str(self._file)}

    def now(self) -> datetime:
        """Return what it shows, as a wall clock of its zone."""
        return datetime.fromtimestamp(time.time() + self.seconds, self._zone).replace(tzinfo=None)

    def timestamp(self) -> float:
        """Return what it shows in seconds since 1970."""
        return time.time() + self.seconds

    def set(self, moment: datetime) -> None:
        """Set it to a moment of its zone's wall clock."""
        self.seconds = round(moment.replace(tzinfo=self._zone).timestamp() - time.time())
        descriptor = os.open(self._file, os.O_WRONLY)
        os.write(descriptor, struct.pack("l", self.seconds))
        os.close(descriptor)

    def ahead(self, moment: datetime) -> timedelta:
        """Return how long it takes until it shows a moment."""
        return moment - self.now()
