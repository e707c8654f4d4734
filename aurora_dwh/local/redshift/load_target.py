"""The table a COPY loads, and what its failures are made of.

Belongs here: the target's columns in load order, the checks of a column list, the error a loader raises for one
value. Does not belong here: reading files.
"""

from __future__ import annotations

from dataclasses import dataclass

from aurora_dwh.local.redshift.copy_options import CopyOptions
from aurora_dwh.local.redshift.errors import RedshiftError
from aurora_dwh.local.redshift.names import physical
from aurora_dwh.local.redshift.sqltext import Name, join_names
from aurora_dwh.local.redshift.upstream import Upstream, literal

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, NULL), a.atttypmod, a.attnotnull, a.attidentity <> '',
       pg_get_expr(d.adbin, d.adrelid), c.relkind, c.oid
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.oid = {relation}::regclass ORDER BY a.attnum"""


@dataclass(frozen=True)
class TableColumn:
    """One column of the target: PostgreSQL's name of its type without arguments, and the type modifier."""

    name: str
    type: str
    typmod: int
    not_null: bool
    identity: bool
    default: str | None

    @property
    def length(self) -> int:
        """Length in bytes of a character or binary type."""
        return self.typmod - 4

    @property
    def decimal(self) -> tuple[int, int]:
        """Precision and scale of a numeric."""
        return (self.typmod - 4) >> 16, (self.typmod - 4) & 0xFFFF

    @property
    def declared(self) -> str:
        """The type as Redshift's messages spell it."""
        if self.type in ("character varying", "character"):
            return f"{'varchar' if 'v' in self.type else 'char'}({self.length})"
        if self.type == "numeric":
            return "numeric({},{})".format(*self.decimal)
        return {"timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz"}.get(
            self.type, self.type
        )


class LoadError(Exception):
    """One value cannot be loaded; it becomes a row of sys_load_error_detail.

    Args:
        code: Redshift's load error code (1200 and up, or the 15007 of columnar files).
        reason: its text.
        column: the column, when one is at fault.
        line: line of a text file, row of a columnar one; from 1.
        value: the value at fault.
        report: the error the client gets; None for the generic "Load into table failed".
    """

    def __init__(
        self,
        code: int,
        reason: str,
        column: TableColumn | None = None,
        *,
        line: int = 0,
        value: str = "",
        report: RedshiftError | None = None,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.column = column
        self.line = line
        self.value = value
        self.report = report
        self.file = ""


@dataclass(frozen=True)
class Target:
    """The table and those of its columns that are loaded, in the order of the file's."""

    name: Name
    oid: int
    columns: list[TableColumn]

    @property
    def copy_list(self) -> str:
        """Quoted table name and column list, for PostgreSQL's COPY."""
        table = Name(tuple(physical(p) for p in self.name.parts), 0).sql
        return f"{table} ({join_names([c.name for c in self.columns])})"


def find_target(upstream: Upstream, options: CopyOptions) -> Target:
    """Looks up the target of a COPY.

    Raises:
        RedshiftError: a listed column does not exist, or a column without which no row can be is not listed.
        UpstreamError: there is no such table.
    """
    relation = Name(tuple(physical(p) for p in options.table.parts), 0)
    rows = upstream.query(_COLUMNS.format(relation=literal(relation.sql)))
    if not rows or rows[0][6] != "r":
        raise RedshiftError("42809", f'"{options.table.table}" is not a table')
    columns = [
        TableColumn(str(name), str(kind), int(typmod or -1), not_null == "t", identity == "t", default)
        for name, kind, typmod, not_null, identity, default, _, _ in rows
    ]
    chosen = _chosen(columns, options)
    return Target(options.table, int(rows[0][7] or 0), chosen)


def _chosen(columns: list[TableColumn], options: CopyOptions) -> list[TableColumn]:
    explicit = options.flag("EXPLICIT_IDS")
    if not options.columns:
        return [c for c in columns if explicit or not c.identity]
    by_name = {c.name: c for c in columns}
    chosen = []
    for name in map(physical, options.columns):
        if name not in by_name:
            raise RedshiftError("42703", f'column "{name}" of relation "{options.table.table}" does not exist')
        if by_name[name] in chosen:
            raise RedshiftError("42701", f'column "{name}" specified more than once')
        if by_name[name].identity and not explicit:
            raise RedshiftError("0A000", f'cannot set an identity column to a value: "{name}" (use EXPLICIT_IDS)')
        chosen.append(by_name[name])
    for column in columns:
        if column.not_null and column.default is None and not column.identity and column not in chosen:
            raise RedshiftError("42601", "NOT NULL column without DEFAULT must be included in column list")
    return chosen
