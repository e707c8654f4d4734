"""How one project's things are called in a code location, in which there may be other projects and a company's own.

Everything that has a name in Dagster gets it here: assets, groups, jobs, schedules, sensors, resources and pools.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import dagster as dg

from aurora_dwh.catalog.model import Table

_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def asset_name(table: str) -> str:
    """Return a table's name in asset keys: itself, where Dagster allows it, else what it allows and a digest."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", table)
    return plain if plain == table else f"{plain}_{sha256(table.encode()).hexdigest()[:6]}"


@dataclass(frozen=True)
class Names:
    """The names of one project's things."""

    # what every asset key begins with; its parts, with `_` between, begin the names of all else
    key_prefix: tuple[str, ...] = ()
    group_prefix: str = ""  # what the names of the asset groups begin with, without the `_` behind it

    @staticmethod
    def of(key_prefix: str | Sequence[str] | None, group_prefix: str | None) -> "Names":
        """Return the names that a project's prefixes give, which for groups is the key's where none is given.

        Raises:
            ValueError: A prefix is no name that Dagster takes.
        """
        prefix = (key_prefix,) if isinstance(key_prefix, str) else tuple(key_prefix or ())
        group = "_".join(prefix) if group_prefix is None else group_prefix
        for part in (*prefix, *([group] if group else [])):
            if not _PREFIX.fullmatch(part):
                raise ValueError(f"{part!r} cannot begin Dagster's names: write letters, digits and _, no digit first")
        return Names(prefix, group)

    def key(self, layer: str, name: str) -> dg.AssetKey:
        """Return the key of an asset of a layer."""
        return dg.AssetKey([*self.key_prefix, layer, name])

    def table_key(self, layer: str, table: Table) -> dg.AssetKey:
        """Return the key of a table's asset in a layer."""
        return self.key(layer, asset_name(table.name))

    def chain_keys(self, tables: Iterable[Table]) -> list[dg.AssetKey]:
        """Return the lake and staging assets of tables."""
        return [self.table_key(layer, table) for table in tables for layer in ("lake", "staging")]

    def group(self, layer: str) -> str:
        """Return the asset group of a layer."""
        return f"{self.group_prefix}_{layer}" if self.group_prefix else layer

    def of_project(self, name: str) -> str:
        """Return the name of a job, schedule, sensor, resource or pool."""
        return "_".join((*self.key_prefix, name))


PLAIN = Names()
"""The names of the only project in a code location."""
