"""One check of `doctor`: its state, what was found, and what to do about it. Nothing is checked here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import TypeVar

from aurora_dwh.source.connection import explain

T = TypeVar("T")

SETTINGS_REMEDY = "set the variables, see .env.example"

MOST_SKEW = timedelta(seconds=30)
"""By how much clocks may differ before days are cut at the wrong moment."""


class State(str, Enum):
    """How a check came out; a warning is not a failure."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Check:
    """One check and its outcome."""

    name: str  # what was checked; the system's name, a colon, and the rest
    state: State  # how it came out
    detail: str = ""  # what was found
    remedy: str = ""  # what to do; empty where nothing is to be done


class Attempts:
    """The checks of one run, in order; `progress` is told each check's name once it was made."""

    def __init__(self, progress: Callable[[str], object] = lambda _: None) -> None:
        self.checks: list[Check] = []
        self._progress = progress

    def attempt(self, name: str, work: Callable[[], T], *, remedy: str) -> T | None:
        """Do a piece of work and note how it came out; return its result, None where it failed."""
        try:
            result = work()
        except Exception as error:  # whatever a driver raises is the answer that the check was after
            self.add(Check(name, State.FAILED, explain(error), remedy))
            return None
        self.add(Check(name, State.OK))
        return result

    def gather(self, name: str, make: Callable[[], Iterable[Check]]) -> None:
        """Note checks as they are made; where one cannot be, that is a failed check of the name."""
        try:
            for check in make():
                self.add(check)
        except Exception as error:  # as above
            self.add(Check(name, State.FAILED, explain(error)))

    def add(self, *checks: Check) -> None:
        """Note checks that were made elsewhere."""
        for check in checks:
            self.checks.append(check)
            self._progress(check.name)


def ok_or_warning(name: str, trouble: str, detail: str, remedy: str) -> Check:
    """Return a warning where there is trouble, which is then the detail, else a check that is well."""
    return Check(name, State.WARNING, trouble, remedy) if trouble else Check(name, State.OK, detail)


def clock_check(name: str, ask: Callable[[], datetime]) -> Check:
    """Compare another system's clock with this machine's.

    Args:
        ask: Returns the other clock's time, aware; the time that the answer takes is allowed for.
    """
    before = datetime.now(timezone.utc)
    there = ask()
    after = datetime.now(timezone.utc)
    skew = max(before - there, there - after, timedelta(0))
    seconds = f"{skew.total_seconds():.0f} s"
    return ok_or_warning(
        name,
        f"its clock and this machine's differ by {seconds}" if skew > MOST_SKEW else "",
        f"its clock and this machine's differ by {seconds}",
        "let this machine keep its time by NTP (chrony, systemd-timesyncd)",
    )
