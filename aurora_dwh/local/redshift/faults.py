"""Faults that a test puts into the warehouse: conflicts, cancellations, dropped connections, slowness.

Belongs here: which fault meets which statement. Does not belong here: carrying it out (see ``session``).
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Literal

Action = Literal["1023", "57014", "drop", "delay"]
When = Literal["before", "after"]


@dataclass(frozen=True)
class Fault:
    """One fault, for the statements whose text as sent matches ``match``.

    Args:
        match: regular expression, searched in the statement without regard to case.
        action: ``1023`` (serializable isolation violation), ``57014`` (query cancelled), ``drop`` (the connection is
            cut) or ``delay``.
        when: before the statement runs or after it; ``after`` a COMMIT the work is done although the client sees a
            failure.
        times: how many statements it meets before it is used up.
        skip: how many statements that match it lets pass before.
        seconds: length of a ``delay``, at the most.
        until: what ends a ``delay`` before.
    """

    match: str
    action: Action
    when: When = "before"
    times: int = 1
    skip: int = 0
    seconds: float = 0.0
    until: threading.Event = field(default_factory=threading.Event, compare=False)


class Faults:
    """The faults still to come; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[tuple[Fault, int]] = []  # with how many statements that match are still to come

    def add(self, fault: Fault) -> None:
        """Arms ``fault``."""
        with self._lock:
            self._left.append((fault, fault.skip + fault.times))

    @property
    def pending(self) -> int:
        """How many faults have not met all their statements yet."""
        with self._lock:
            return len(self._left)

    def clear(self) -> None:
        """Disarms everything."""
        with self._lock:
            self._left.clear()

    def take(self, statement: str, when: When) -> list[Fault]:
        """Returns the faults that ``statement`` meets now, and counts them as used."""
        with self._lock:
            met: list[Fault] = []
            left: list[tuple[Fault, int]] = []
            for fault, times in self._left:
                meets = fault.when == when and bool(re.search(fault.match, statement.strip(), re.IGNORECASE))
                if meets and times <= fault.times:
                    met.append(fault)
                if times - meets > 0:
                    left.append((fault, times - meets))
            self._left = left
            return met
