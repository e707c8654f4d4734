"""What stands in the warehouse of a table by `dwh.load_history`, and whether days that are to be loaded go with it.

One query tells it. A load contradicts it that has another source, mode, key or cursor, that finds the table gone or
emptied, or that begins under another name what lies under one already. What an older version wrote has no rules: of its
loads the mode is known, and by the manifest's address the database and the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from aurora_dwh.core.days import counted
from aurora_dwh.core.models import DataError, Manifest
from aurora_dwh.core.rules import Rules, is_other_source, other_source, quoted
from aurora_dwh.core.schema import fold
from aurora_dwh.warehouse import load_history
from aurora_dwh.warehouse.connection import Session
from aurora_dwh.warehouse.load.statements import Target

_DAY = timedelta(days=1)
_DAY_FOLDER = "/day="


class RecordError(DataError):
    """A load that contradicts what the table was loaded with; the message names the command that carries it over."""


@dataclass(frozen=True)
class Loading:
    """The load of a day that stands, in the columns of `load_history.standing`."""

    table_name: str  # the staging table
    day: date
    rows: int  # rows in its manifest
    rows_behind: int  # how many of them are of later days
    snapshot_at: datetime  # when they were read, in UTC
    loaded_at: datetime  # when they were loaded, in UTC
    in_target: bool  # whether they are in the table as it is now
    mode: str  # the table's mode then
    key: Sequence[str] | None  # the folded key columns, None where they are not known
    cursor: str | None  # the folded cursor column, None where there was none or it is not known
    origin: tuple[str, ...]  # the database and the table whose folder its manifest lies in
    rules: Rules | None  # the rules that the day was read by, where they are known

    @property
    def is_finished(self) -> bool:
        """Whether the day had ended when it was read, as far as it is known in which zone."""
        if self.rules is None:
            return True
        return self.snapshot_at >= datetime.combine(self.day + _DAY, time.min, ZoneInfo(self.rules.timezone))


@dataclass(frozen=True)
class Standing:
    """What stands of a staging table."""

    target: Target  # the staging table
    # day -> its load, in the order in which they were loaded
    days: Mapping[date, Loading] = field(default_factory=dict)
    elsewhere: Sequence[Loading] = ()  # loads of the same days in the lake that are in staging tables of other names
    is_empty: bool = False  # whether the table has no rows
    is_new: bool = False  # whether it is not there, or was made just now

    @property
    def last(self) -> Loading | None:
        """The last load whose rows are in the table, None where nothing is."""
        return next((load for load in reversed([*self.days.values()]) if load.in_target), None)

    @property
    def snapshots(self) -> dict[date, datetime]:
        """The latest reading that each day in the table was loaded from."""
        return {day: load.snapshot_at for day, load in self.days.items() if load.in_target}

    def rules(self, days: Sequence[date]) -> dict[date, Rules]:
        """Return the rules of days in the table, where they are known, but for some days."""
        return {day: load.rules for day, load in self.days.items() if load.in_target and load.rules and day not in days}

    def check_source(self, manifest: Manifest) -> None:
        """Refuse rows of another source by a RulesError; by what an older version wrote, by a RecordError."""
        last = self.last
        if last is None:
            return
        if last.rules and manifest.rules and is_other_source(last.rules, manifest.rules):
            raise other_source(f"{self.target.label} was", last.rules, manifest.rules)
        if last.key is None and last.origin != (manifest.schema.database, manifest.table):
            before, now = ".".join(last.origin), f"{manifest.schema.database}.{manifest.table}"
            raise RecordError(
                f"{self.target.label} was loaded from {before}, and this is {now}; nothing was changed. Give the table "
                "another name in Redshift with `target_table`"
            )

    def check_lake(self, mode: str, manifests: Sequence[Manifest]) -> None:
        """Refuse to make the table anew from days in the lake that do not serve for it.

        Raises:
            RulesError: They are of another source.
            RecordError: They are not all of what was loaded, or were read in another mode or by another cursor, where
                they do not say so themselves.
        """
        for manifest in manifests:
            self.check_source(manifest)
            if is_other_source(manifests[0].rules, manifest.rules):
                raise RecordError(self._from_source(manifest.table, "the days in the lake are of two sources"))
        table = manifests[0].table
        if self.last is not None and any(manifest.rules is None for manifest in manifests):
            for change, can_use_lake in self._changes(self.last, mode):
                if not can_use_lake:
                    raise RecordError(self._from_source(table, f"it was {change}"))

    def _from_source(self, table: str, reason: str) -> str:
        return (
            f"{self.target.label}: {reason}, so nothing was changed; read the table again with "
            f"{self.target.rebuild_anew(table)}"
        )

    def check(self, mode: str, manifests: Sequence[Manifest]) -> bool:
        """Refuse days that contradict what stands.

        Returns:
            Whether the table is to be taken for a new one, as it holds nothing of what was loaded and the days make it
            whole.

        Raises:
            RulesError: They are of another source.
            RecordError: The table was loaded in another mode, by another key or cursor, or does not hold what was
                loaded.
        """
        last, table = self.last, manifests[0].table
        for manifest in manifests:
            self.check_source(manifest)
        if last is not None and (changes := list(self._changes(last, mode))):
            told = ", and ".join(text for text, _ in changes)
            from_lake = all(can_use_lake for _, can_use_lake in changes)
            command = f"`aurora-dwh rebuild {quoted(table)}`" if from_lake else self.target.rebuild_anew(table)
            raise RecordError(
                f"{self.target.label} was {told}; nothing was changed. To carry the table over, run {command}; or set "
                "the catalog back"
            )
        return self._check_rows(mode, manifests)

    def _changes(self, last: Loading, mode: str) -> Iterator[tuple[str, bool]]:
        """Yield what the table was loaded with and is not now, and whether the lake's days serve for it as they are."""
        if last.mode != mode:
            # The days of a full table are copies of it, those of an incremental one have the rows that moved twice.
            yield f"loaded in mode {last.mode}, and the catalog says {mode}", (last.mode, mode) == _ONLY_KEYED
        key = sorted(fold(name) for name in self.target.key)
        if last.mode == mode == "incremental" and last.key is not None and list(last.key) != key:
            yield f"loaded by the key {', '.join(last.key)}, and the catalog says {', '.join(key)}", True
        cursor = fold(self.target.cursor) if self.target.cursor else None
        if "full" not in (last.mode, mode) and last.key is not None and last.cursor != cursor:
            yield f"loaded by the cursor {last.cursor}, and the catalog says {cursor}", False

    def _check_rows(self, mode: str, manifests: Sequence[Manifest]) -> bool:
        """Refuse to go on where the table lacks what was loaded; for the result see `check`."""
        coming = {manifest.day for manifest in manifests}
        if not self.days:
            self._check_elsewhere(mode, manifests[0], coming)
        if not self.is_empty or not any(load.rows for load in self.days.values() if load.in_target):
            return False
        lost = {day for day, load in self.days.items() if load.in_target and load.rows} - coming
        if lost and mode != "full":
            loaded = [day for day, load in self.days.items() if load.in_target]
            raise RecordError(
                f"{self.target.label} is {'not there' if self.is_new else 'empty'}, though it was loaded with "
                f"{counted(loaded)}; nothing was changed. To load them again from the lake, run "
                f"`aurora-dwh rebuild {quoted(manifests[0].table)}`"
            )
        return True

    def _check_elsewhere(self, mode: str, manifest: Manifest, coming: set[date]) -> None:
        """Refuse to begin a table with some of the days that lie in one of another name."""
        there: dict[str, set[date]] = {}
        for load in self.elsewhere:
            if load.in_target and load.rows and not is_other_source(load.rules, manifest.rules):
                there.setdefault(load.table_name, set()).add(load.day)
        for name, days in there.items():
            if mode != "full" and days - coming:
                raise RecordError(
                    f"{name} was loaded with {counted(days)} and {self.target.label} with none of them; nothing was "
                    f"changed. To load all of them from the lake, run `aurora-dwh rebuild {quoted(manifest.table)}`"
                )


_ONLY_KEYED = ("append", "incremental")
"""The one change of mode for which the days in the lake serve: a key sorts out what came twice."""


def find(session: Session, target: Target, manifest: Manifest, *, is_new: bool = False) -> Standing:
    """Ask what stands of a table; `dwh.load_history` is there with all of its columns.

    Args:
        session: In the load's transaction, where what is found must last.
        manifest: The latest of the days that are to be loaded.
        is_new: Whether the table is not there, or was made just now.
    """
    rules = manifest.rules.to_text() if manifest.rules else None
    place = manifest.url.rsplit("/", 2)[0] + _DAY_FOLDER
    rows = session.execute(load_history.standing(target.label, None if is_new else target.sql, place, rules)).rows
    loads = [_loading(manifest.rules, row[:-1]) for row in rows]
    return Standing(
        target,
        {load.day: load for load in loads if load.table_name == target.label},
        [load for load in loads if load.table_name not in (target.label, target.twin.label)],
        is_empty=any(row[-1] == 0 for row in rows),
        is_new=is_new,
    )


def unrecorded(session: Session, target: Target, *, has_history: bool = True) -> dict[date, datetime]:
    """Return the days of rows in a table of which the record knows no load, with the latest reading of each.

    Somebody removed `dwh.load_history`, or put the rows there.
    """
    rows = session.execute(load_history.unrecorded(target.label, target.sql, has_history=has_history)).rows
    return {day: at.replace(tzinfo=timezone.utc) for day, at in rows if day is not None}


def _loading(of_load: Rules | None, row: Sequence[Any]) -> Loading:
    """Return a row of `load_history.standing`; `of_load` are the rules of the days that are to be loaded."""
    (table, day, rows, rows_behind, snapshot_at, loaded_at, in_target, mode, key, cursor, url, rules) = row
    return Loading(
        table,
        day,
        int(rows),
        int(rows_behind),
        snapshot_at.replace(tzinfo=timezone.utc),
        loaded_at.replace(tzinfo=timezone.utc),
        in_target,
        mode,
        None if key is None else json.loads(key),
        cursor,
        tuple(unquote(folder) for folder in url.rpartition(_DAY_FOLDER)[0].split("/")[-2:]),
        of_load if rules == "" else None if rules is None else Rules.from_json(json.loads(rules)),
    )
