"""The days of a range in transactions: which go together, and which are loaded where some of them cannot be.

A day is never cut. Where a transaction is refused for what its rows are, it is halved and halved again, so that each
day is loaded but those that are refused for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from aurora_dwh.core.days import counted
from aurora_dwh.core.models import DataError, Manifest, StaleManifestError
from aurora_dwh.core.schema import Column
from aurora_dwh.warehouse.errors import PassingError, WarehouseError

STAGE_BYTES = 256 * 1024**3
"""Bytes of files that one transaction stages; a longer range is loaded in several, each of whole days."""

MOST_REFUSED = 3
"""After so many days that are refused for themselves no more is tried: what ails them ails the table."""


def transactions(manifests: Iterable[Manifest], *, stage_bytes: int = STAGE_BYTES) -> Iterator[list[Manifest]]:
    """Yield the days in order, in groups that one transaction can load.

    A group ends where a column's type or the files' format changes, since one stage has one type for a column, where a
    column is gone, whose values are counted that are lost by that, and where the stage is full. Repairs come behind all
    days, each for itself.
    """
    group: list[Manifest] = []
    kinds: dict[str, tuple[str, ...]] = {}
    size = 0
    for manifest in sorted(manifests, key=lambda m: (m.is_repair, m.day)):
        of_day = {column.target_name: _kinds(column) for column in manifest.schema.columns}
        starts_anew = (
            manifest.is_repair  # whose rows of one day with one key would be two rows of the source
            or not kinds.keys() <= of_day.keys()
            or any(kinds.get(name, kind) != kind for name, kind in of_day.items())
            or any(before.files != manifest.files for before in group)
        )
        if group and (starts_anew or size + manifest.size > stage_bytes):
            yield group
            group, kinds, size = [], {}, 0
        group.append(manifest)
        kinds |= of_day
        size += manifest.size
    if group:
        yield group


def load_all(manifests: Iterable[Manifest], load: Callable[[list[Manifest]], None]) -> None:
    """Load days, in as few transactions as can be; where some days are refused, all the others.

    Raises:
        DataError: Days were refused for what they are; that of the first one, with which others were and what stands.
        WarehouseError: Likewise. What else `load` raises ends all at once.
    """
    waiting = list(transactions(manifests))
    done: list[Manifest] = []
    refused: list[tuple[Manifest, DataError | WarehouseError]] = []
    whole: DataError | WarehouseError | None = None
    while waiting and len(refused) < MOST_REFUSED:
        group = waiting.pop(0)
        try:
            load(group)
        except (PassingError, StaleManifestError):
            raise
        except (DataError, WarehouseError) as error:
            whole = whole or error
            if len(group) == 1:
                refused.append((group[0], error))
            else:
                middle = len(group) // 2
                waiting[:0] = [group[:middle], group[middle:]]
        else:
            done += group
    if whole is None or not refused:
        return
    if not done:
        raise whole
    _, first = refused[0]
    left = [manifest.day for group in waiting for manifest in group]
    stopped, stands = (counted(manifest.day for manifest in some) for some in ([one for one, _ in refused], done))
    not_tried = f"; {counted(left)} not tried" if left else ""
    told = f"The range is stopped by {stopped}, of which nothing is loaded; loaded: {stands}{not_tried}"
    first.args = (f"{first}. {told}", *first.args[1:])
    raise first


def _kinds(column: Column) -> tuple[str, ...]:
    """Return a column's types on the stage and in the target, a VARCHAR's without its size, which can be the widest."""
    return tuple(re.sub(r"^VARCHAR\(\d+\)$", "VARCHAR", t) for t in (column.stage_type, column.redshift_type))
