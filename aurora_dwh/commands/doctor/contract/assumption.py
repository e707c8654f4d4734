"""One assumption, and how all of them are measured: what was found of each, told without any name of the account."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import monotonic

from aurora_dwh.commands.doctor.contract.scratch import Scratch


@dataclass(frozen=True)
class Assumption:
    """Something that the product rests on."""

    name: str  # what it is about
    expected: str  # what is found where it holds
    meaning: str  # what follows where it does not
    measure: Callable[[Scratch], str]  # finds out


@dataclass(frozen=True)
class Finding:
    """What was found of an assumption."""

    name: str  # the assumption's name
    expected: str  # what was to be found
    found: str  # what was
    holds: bool  # whether that is the same
    meaning: str  # what follows; empty where it holds
    seconds: float  # how long it took
    statements: tuple[str, ...]  # what was run


def findings(
    scratch: Scratch, assumptions: Iterable[Assumption], progress: Callable[[str], object] = lambda _: None
) -> Iterator[Finding]:
    """Measure assumptions, one after the other; one that cannot be measured does not hold, and the next one follows.

    Args:
        progress: Is told each one's name once it was measured.
    """
    hide = _hider(scratch)
    for one in assumptions:
        scratch.reset()
        began = monotonic()
        try:
            found = one.measure(scratch)
        except Exception as error:  # whatever it is, it is what was found
            found = f"{type(error).__name__}: {error}"
        holds = found == one.expected
        statements = tuple(hide(statement) for statement in scratch.statements)
        seconds = round(monotonic() - began, 1)
        yield Finding(one.name, one.expected, hide(found), holds, "" if holds else one.meaning, seconds, statements)
        progress(one.name)


def _hider(scratch: Scratch) -> Callable[[str], str]:
    """Return what takes the names of the account out of a text."""
    settings = scratch.warehouse.settings
    names = {
        scratch.schema: "scratch",
        scratch.lake.bucket: "bucket",
        scratch.lake.prefix: "prefix",
        settings.host: "host",
        settings.workgroup: "workgroup",
        settings.user: "user",
        settings.database: "database",
        settings.iam_role if settings.iam_role != "default" else None: "role",
    }
    known = {str(name): word for name, word in names.items() if name}
    pattern = re.compile("|".join(re.escape(name) for name in sorted(known, key=len, reverse=True)))
    arn = re.compile(r"arn:[\w-]+:[\w-]*:[\w-]*:\d*:\S+|\b\d{12}\b")
    return lambda text: arn.sub("account", pattern.sub(lambda found: f"<{known[found[0]]}>", text))
