"""What a day in the lake is not replaced by: rows of another source, and a reading that has lost rows.

Both are found before the new manifest is written. A day that is read again may well have fewer rows: those that were
written since lie in a later day. So the source is asked whether rows of the earlier reading are still in it, by a
sample of their keys; where nothing tells rows apart, their number decides, unless the mode lets them move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aurora_dwh.core.models import DataError, Lookup, Manifest
from aurora_dwh.core.rules import Rules, is_other_source, other_source, quoted
from aurora_dwh.lake.contents import sample
from aurora_dwh.lake.layout import Layout

MAX_SHARE = 0.1
"""The share of an earlier reading's rows that may be gone when the day is read again, as in a proof."""

FEW_ROWS = 3
"""So many may always be gone, unless none is left: of a small day that is a large share."""

SAMPLE_ROWS = 200
"""Rows of an earlier reading that the source is asked for."""


class ShrunkenDayError(DataError):
    """A day of which rows are gone from the source that an earlier reading of it has: rather purged than deleted."""


class Guard:
    """What is asked before a day's manifest is written; `latest` gives that of a table's latest day, if any."""

    def __init__(self, client: Any, layout: Layout, latest: Callable[[str], Manifest | None]) -> None:
        self._client, self._layout, self._latest = client, layout, latest
        self._known: dict[str, Rules] = {}

    def saw_latest(self, table: str, latest: Manifest | None) -> None:
        """Take note of a table's latest day, which somebody else has asked for; `check_source` then need not."""
        if latest and latest.rules:
            self._known[table] = latest.rules

    def check_source(self, table: str, before: Manifest | None, rules: Rules | None) -> None:
        """Refuse, by a RulesError, another source than that of the table's latest day; a table is looked at once."""
        known = self._known.get(table, before and before.rules)
        if rules is None or (known and not is_other_source(known, rules)):
            return
        latest = self._latest(table)
        if latest and latest.rules and is_other_source(latest.rules, rules):
            raise other_source(f"lake/{table} was", latest.rules, rules)
        self._known[table] = rules

    def check_rows_kept(self, before: Manifest | None, now: Manifest, lookup: Lookup | None) -> None:
        """Refuse, by a ShrunkenDayError, a reading from which more rows of the day's earlier one are gone than may."""
        if (
            before is None
            or is_other_source(before.rules, now.rules)
            or (now.rules is not None and now.rules.is_computed)
            or not _is_much(before.rows - now.rows, before.rows)
        ):
            return
        gone = _gone(self._client, self._layout, before, now, lookup)
        if gone is None:
            return
        raise ShrunkenDayError(
            f"lake/{now.table}: {now.day} had {before.rows:,} rows when it was read at "
            f"{before.snapshot_at:%Y-%m-%d %H:%M:%S} UTC, and Aurora has {now.rows:,} of it now{gone}; nothing was "
            "changed. If they were removed on purpose and the lake is to lose them too, run "
            f"`aurora-dwh purge {quoted(now.table)} --days {now.day}` and materialize the day again"
        )


def _gone(client: Any, layout: Layout, before: Manifest, now: Manifest, lookup: Lookup | None) -> str | None:
    """Return in words how many of a sample are gone, an empty text where numbers decide, None where they may be."""
    if lookup is not None and (keys := {*sample(client, layout, before, lookup.columns, SAMPLE_ROWS)}):
        there = lookup.count([*keys])
        if there is not None:
            missing = max(0, len(keys) - there)
            told = f"; {missing} of {len(keys)} rows of that reading are not in it any more"
            return told if _is_much(missing * before.rows / len(keys), before.rows) else None
    return "" if _is_alike(before, now) else None


def _is_much(gone: float, of: int) -> bool:
    """Return whether it is more than may be gone, or all that there was."""
    return gone > max(MAX_SHARE * of, FEW_ROWS) or gone >= of > 0


def _is_alike(before: Manifest, now: Manifest) -> bool:
    """Return whether both readings are of the same rows, had the source not changed, and none moves to another day."""
    if now.rules is None or now.rules.mode == "incremental" or before.window != now.window:
        return False
    shaping = ("source", "table", "mode", "cursor", "cursor_timezone", "filter")
    return before.rules is None or not before.rules.differences(now.rules, shaping)
