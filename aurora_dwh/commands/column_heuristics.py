"""What the names of columns and tables tell: when a row was written or made, whether a table is a log.

A name is a good sign and no proof. Only names are judged here; types and indexes are `suggest`'s business.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_UPDATE = re.compile(r"updat(e|ed|es|ing)?|modif(y|ied|ication)?|chang(e|ed|es)?|touched|mod|upd|mtime|edited|lastmod")
_MAKE = re.compile(
    r"creat(e|ed|ion)|insert(ed)?|register(ed)?|record(ed)?|logged|occur(red)?|receiv(ed|e)|made|added|sent|viewed|"
    r"visited|clicked|placed|ctime"
)
_AHEAD = re.compile(
    r"expir\w*|due|start\w*|end\w*|valid\w*|schedul\w*|delet\w*|remov\w*|next|until|cancel\w*|finish\w*|clos\w*|"
    r"birth\w*|last"
)
_DELETE = re.compile(r"del|delet(e|ed|ion)|removed")
_LOG = re.compile(
    r"logs?|events?|history|audit|views?|hits?|visits?|clicks?|impressions?|metrics?|measurements?|readings?|samples?|"
    r"trends?|trail|journal|tracking"
)
_TIME = re.compile(r"time|timestamp|ts|clock|date|at|when|ctime|mtime|touched|expiry|updated|created|modified")
_MOMENT = frozenset({"at", "date", "time", "datetime", "timestamp", "on"})
_ANY_ROW = _MOMENT | {"last", "ts", "dt", "tm", "day", "gmt", "utc", "row", "rec", "record", "is"}
"""Words that a column may have beside the one that tells, and still speak of its whole row."""

_ZONES = frozenset({"gmt", "utc"})


def words(name: str) -> list[str]:
    """Return the words of a name: `postModified_GMT` is post, modified, gmt."""
    return [word.lower() for word in _WORD.findall(name)]


def prefix(columns: Iterable[str]) -> str:
    """Return the word that most of a table's columns begin with, as `post` in wp_posts; empty where there is none."""
    names = [words(name) for name in columns]
    first = Counter(name[0] for name in names if len(name) > 1).most_common(1)
    return first[0][0] if first and first[0][1] * 2 > len(names) else ""


def is_update(name: str, *, table: str, prefix: str) -> bool:
    """Return whether a column tells when its row was last written; `password_changed_at` tells of a part of it."""
    own = {prefix} | {form for word in words(table) for form in (word, word.rstrip("s"))}
    others = [word for word in words(name) if not _UPDATE.fullmatch(word)]
    return len(others) < len(words(name)) and all(word in _ANY_ROW or word in own for word in others)


def is_creation(name: str) -> bool:
    """Return whether a column tells when its row was made."""
    spoken = words(name)
    if any(_AHEAD.fullmatch(word) or _UPDATE.fullmatch(word) for word in spoken):
        return False
    return any(_MAKE.fullmatch(word) for word in spoken) or bool(_MOMENT & {w for w in spoken if w not in _ZONES})


def is_deletion(name: str) -> bool:
    """Return whether a column tells that its row was deleted, or when."""
    spoken = words(name)
    return any(_DELETE.fullmatch(word) for word in spoken) and all(
        word in _ANY_ROW or _DELETE.fullmatch(word) for word in spoken
    )


def is_log(table: str) -> bool:
    """Return whether a table sounds as if its rows never change once they are there."""
    return any(_LOG.fullmatch(word) for word in words(table))


def is_utc(name: str) -> bool:
    """Return whether a column's name says that its clock is UTC's."""
    return bool(_ZONES.intersection(words(name)))


def is_time(name: str) -> bool:
    """Return whether a column sounds as if it holds a time, whatever its type."""
    return any(_TIME.fullmatch(word) for word in words(name))
