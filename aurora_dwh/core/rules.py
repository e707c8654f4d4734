"""What shapes a table's rows on their way from the source: which source, and what the catalog said when they were read.

Each day in the lake carries the rules that it was read by, and so does each row of `dwh.load_history`. Days of
different rules do not go together: one that was read before a column was masked would bring it back in the clear. Here
is how rules are compared; who asks, and when, is `lake`'s and `warehouse`'s business. What was written by a version
that knew no rules has none: of it is known what its columns show, and nothing else.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from aurora_dwh.core.days import counted
from aurora_dwh.core.models import DataError, Manifest
from aurora_dwh.core.schema import fold

if TYPE_CHECKING:
    from aurora_dwh.catalog.model import Catalog, Table

CONTENTS = ("query", "mask", "include", "exclude", "filter", "rename")
"""What decides which values and rows may be in a table at all."""

SHAPE = (*CONTENTS, "zero_dates", "oversize", "nul_bytes", "timezone", "cursor_timezone")
"""What decides how a row looks that is read, and which day it belongs to."""

CUTS = ("timezone", "cursor_timezone", "start_date")
"""What decides where one day ends and the next begins."""

KEYED = "hmac"
"""What stands before the key's fingerprint in the mask of a column that was hashed with a key."""

COMPUTED = "asset "
"""How the source's name begins of rows that an asset of Dagster computes."""

_LONGEST = 4_000
"""Characters of one rule that are kept as they are; of a longer one a digest is, by which it is known again."""


class RulesError(DataError):
    """Days that were read by other rules than those that they are to be loaded by."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What shaped rows; names of columns are folded, and lists are in no order."""

    source: str | None  # the source's name, as `AuroraSettings.source_name` gives it; None where it does not matter
    table: str  # the table's name in the source
    mode: str  # the table's mode
    key: Sequence[str]  # the columns that told rows apart, by their names in the copy
    cursor: str | None  # the column that said when a row was written, by its name in the copy
    cursor_timezone: str | None  # the zone of the cursor's wall clock
    timezone: str  # the zone at whose midnight days were cut
    start_date: str  # the first day, as text
    include: Sequence[str] | str  # the only columns that were read; none where all were
    exclude: Sequence[str] | str  # columns that were left out
    filter: str | None  # the condition that rows met
    # column -> how its values were hidden; of those that were hashed with a key, its fingerprint too
    mask: Mapping[str, Any] | str
    zero_dates: str  # what became of dates that are none
    oversize: str  # what became of values wider than Redshift holds
    nul_bytes: str  # what became of NUL bytes
    rename: Mapping[str, str] | str = field(default_factory=dict)  # column in the source -> its other name in the copy
    query: str | None = None  # the SELECT whose result the rows were; None where they were a table's

    @property
    def is_computed(self) -> bool:
        """Whether an asset computed the rows, so that a day that is computed again may have any rows."""
        return (self.source or "").startswith(COMPUTED)

    @staticmethod
    def of(table: Table, catalog: Catalog, *, source: str | None, mask_key: str | None = None) -> Rules:
        """Return a table's rules as the catalog has them now; `mask_key` is the fingerprint of `mask: hmac`'s key."""
        masks = {fold(name): mask if isinstance(mask, str) else mask.model_dump() for name, mask in table.mask.items()}
        masks |= {fold(name): {KEYED: mask_key} for name in table.keyed}
        return Rules(
            source=source,
            table=table.name,
            mode=table.mode,
            key=_folded(map(table.copied, table.key)),
            cursor=table.cursor and fold(table.copied(table.cursor)),
            cursor_timezone=table.cursor_timezone or (catalog.timezone if table.cursor else None),
            timezone=catalog.timezone,
            start_date=catalog.start_date.isoformat(),
            include=_short(_folded(table.include)),
            exclude=_short(_folded(table.exclude)),
            filter=_short(table.filter and table.filter.strip()),
            mask=_short(masks),
            zero_dates=table.zero_dates,
            oversize=table.oversize,
            nul_bytes=table.nul_bytes,
            query=_short(table.query),
            rename=_short({fold(name): fold(renamed) for name, renamed in table.rename.items()}),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the rules as JSON-ready values; one that has a default is there where it says something else."""
        defaults = {f.name: _default(f) for f in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}

    def to_text(self) -> str:
        """Return the rules as a text that equal rules have alike."""
        return json.dumps(self.to_json(), ensure_ascii=False, sort_keys=True)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Rules:
        """Return the rules that `to_json` wrote; what another version had besides is passed over.

        Raises:
            KeyError: Something is missing.
        """
        known = (f.name for f in fields(Rules) if f.name in data or _default(f) is MISSING)
        return Rules(**{name: data[name] for name in known})

    def differences(self, now: Rules, names: Iterable[str]) -> list[str]:
        """Return what of the named rules is another one now, in words."""
        return [_told(name, getattr(self, name), getattr(now, name)) for name in names if not self._agrees(now, name)]

    def _agrees(self, now: Rules, name: str) -> bool:
        ours, theirs = (getattr(rules, name) for rules in (self, now))
        return (list(ours) == list(theirs)) if isinstance(ours, list | tuple) else bool(ours == theirs)


def _default(of: Field[Any]) -> Any:
    """Return what a rule is where nothing says it, `MISSING` where it has to be said."""
    return of.default if of.default_factory is MISSING else of.default_factory()


def check_days(wanted: Rules, manifests: Iterable[Manifest], *, remedy: str) -> None:
    """Refuse days that were read by rules which do not go with the catalog's.

    Args:
        wanted: The table's rules as the catalog has them now; its source is not compared.
        remedy: What to do, as a sentence without its point.

    Raises:
        RulesError: There are such days; the message names them, what differs, and the remedy.
    """
    days: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        for difference in _clashes(wanted, manifest):
            days.setdefault(difference, []).append(manifest)
    if days:
        clashing = {manifest.day for found in days.values() for manifest in found}
        raise RulesError(
            f"lake/{wanted.table} was read by other rules than the catalog has now ({', '.join(days)}) on "
            f"{counted(clashing)}; nothing was changed. {remedy}"
        )


def quoted(table: str) -> str:
    """Return a table's name as it is typed into a shell."""
    return shlex.quote(table)


def _clashes(wanted: Rules, manifest: Manifest) -> list[str]:
    """Return in words why a day does not go with the rules."""
    if manifest.rules is None:
        return _clashes_of_columns(wanted, manifest)
    names = [*CONTENTS, *(("cursor",) if wanted.mode != "full" else ())]
    if (manifest.rules.mode, wanted.mode) != ("append", "incremental"):  # a key sorts out what came twice
        names.append("mode")
    return manifest.rules.differences(wanted, names)


def _clashes_of_columns(wanted: Rules, manifest: Manifest) -> list[str]:
    """Return what a day's columns alone show: that one is there which is to be left out, or in the clear."""
    names = {column.target_name for column in manifest.schema.columns}
    clear = {column.target_name for column in manifest.schema.columns if column.read_as == "{0}"}
    left_out = names & set(wanted.exclude) if not isinstance(wanted.exclude, str) else set()
    if wanted.include and not isinstance(wanted.include, str):
        left_out |= names - set(wanted.include)
    masked = clear & set(wanted.mask) if not isinstance(wanted.mask, str) else set()
    renamed = names & set(wanted.rename) if not isinstance(wanted.rename, str) else set()
    told = {"include or exclude": left_out, "mask": masked, "rename": renamed}
    return [f"{rule} of {', '.join(sorted(columns))}" for rule, columns in told.items() if columns]


def _told(name: str, before: Any, now: Any) -> str:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        columns = {column for column in {*before, *now} if before.get(column) != now.get(column)}
        is_key = all(_is_keyed(rules.get(column)) for rules in (before, now) for column in columns)
        return f"{name} of {', '.join(sorted(columns))}" + (" by another key" if is_key else "")
    if name in ("include", "exclude") and not isinstance(before, str) and not isinstance(now, str):
        return f"{name} of {', '.join(sorted(set(before) ^ set(now)))}"
    if name in CONTENTS:
        return name
    return f"{name} {_word(before)}, now {_word(now)}"


def _is_keyed(mask: Any) -> bool:
    return isinstance(mask, Mapping) and KEYED in mask


def _word(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else ", ".join(value) or "none"


def _folded(names: Iterable[str]) -> list[str]:
    return sorted(fold(name) for name in names)


def _short(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return value if len(text) <= _LONGEST else f"sha256:{sha256(text.encode()).hexdigest()}"


def rebuild_anew(table: str, *, is_computed: bool) -> str:
    """Return the command that makes a staging table of rows that are read, or computed, again.

    Args:
        is_computed: Whether an asset computes the rows, so that Aurora has none of them.
    """
    if is_computed:
        return f"`aurora-dwh rebuild {quoted(table)}` once all days of lake/{table} were materialized again"
    return f"`aurora-dwh rebuild {quoted(table)} --from source`"


def other_source(what: str, before: Rules, now: Rules) -> RulesError:
    """Return the error for rows of another source; `what` says where they would come: `staging.orders was`."""
    told = f"{what} loaded from table {before.table} of {before.source}, and this is table {now.table} of {now.source}"
    if now.is_computed:
        own = "a table of its own, by `aurora_dwh/table` among its metadata"
        return RulesError(f"{told}; nothing was changed. Give each asset {own}")
    return RulesError(
        f"{told}; nothing was changed. Give each source a LAKE_URI of its own and a staging table of its own, by "
        "`target_table` or REDSHIFT_STAGING_SCHEMA. If both are one source under two addresses, set AURORA_SOURCE="
        f"{shlex.quote(before.source or '')} and go on. If the new one is to take the place of the other, run "
        f"{rebuild_anew(now.table, is_computed=False)}"
    )


def is_other_source(before: Rules | None, now: Rules | None) -> bool:
    """Return whether two readings are known to be of different sources, or of different tables of one."""
    return before is not None and now is not None and (before.source, before.table) != (now.source, now.table)
