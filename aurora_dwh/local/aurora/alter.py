"""Reading MySQL's ALTER TABLE: what a table becomes, and where each of its columns comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from aurora_dwh.local.aurora.ddl import check, ordered, read_column, read_index
from aurora_dwh.local.aurora.errors import AuroraError, not_supported
from aurora_dwh.local.aurora.reader import END, Reader
from aurora_dwh.local.aurora.tables import Column, Index, Table


def parse_alter_table(sql: str, schema: str, find: Callable[[str, str], Table]) -> tuple[Table, Table, dict[str, str]]:
    """Read ALTER TABLE ADD / DROP / MODIFY / CHANGE / RENAME COLUMN, ADD / DROP KEY, COMMENT.

    Args:
        sql: The statement.
        schema: The session's schema.
        find: Returns the table of a schema and name, or raises error 1146.

    Returns:
        The table before, the table after, and where each surviving column of it comes from (new name: old name).
    """
    reader = Reader(sql)
    reader.need("ALTER", "TABLE")
    before = find(*reader.table_name(schema))
    change = _Change(before)
    while True:
        change.apply(reader)
        if reader.next is END:
            break
        reader.need(",")
    after = replace(
        before, columns=tuple(change.columns), indexes=ordered(change.surviving_indexes()), comment=change.comment
    )
    check(after)
    return before, after, {name: change.origin[name] for name in change.origin if after.column(name)}


class _Change:
    """A table while it is being altered."""

    def __init__(self, table: Table) -> None:
        self.columns = list(table.columns)
        self.indexes = list(table.indexes)
        self.comment = table.comment
        self.origin = {column.name: column.name for column in table.columns}

    def surviving_indexes(self) -> list[Index]:
        names = {column.name for column in self.columns}
        kept = [replace(one, columns=tuple(name for name in one.columns if name in names)) for one in self.indexes]
        return [index for index in kept if index.columns]

    def apply(self, reader: Reader) -> None:
        for words, action in (
            (("ADD",), self._add),
            (("DROP",), self._drop),
            (("MODIFY",), self._modify),
            (("CHANGE",), self._change),
            (("RENAME", "COLUMN"), self._rename),
            (("COMMENT",), self._comment),
        ):
            if reader.skip(*words):
                action(reader)
                return
        raise not_supported(f"ALTER TABLE {reader.next.value}")

    def _position(self, name: str) -> int:
        for position, column in enumerate(self.columns):
            if column.name.lower() == name.lower():
                return position
        raise AuroraError(1054, f"Unknown column '{name}' in 'table definition'")

    def _add(self, reader: Reader) -> None:
        index = read_index(reader, self.indexes)
        if index is not None:
            self.indexes.append(index)
            return
        reader.skip("COLUMN")
        column, key = read_column(reader)
        if key:
            self.indexes.append(Index("PRIMARY" if key == "PRIMARY" else column.name, (column.name,), unique=True))
        self._place(reader, column, len(self.columns))

    def _place(self, reader: Reader, column: Column, otherwise: int) -> None:
        if reader.skip("FIRST"):
            otherwise = 0
        elif reader.skip("AFTER"):
            otherwise = self._position(reader.name()) + 1
        self.columns.insert(otherwise, column)

    def _drop(self, reader: Reader) -> None:
        if reader.skip("PRIMARY", "KEY"):
            self.indexes = [index for index in self.indexes if not index.primary]
            return
        if reader.skip("KEY") or reader.skip("INDEX"):
            name = reader.name()
            self.indexes = [index for index in self.indexes if index.name != name]
            return
        reader.skip("COLUMN")
        dropped = self.columns.pop(self._position(reader.name()))
        self.origin.pop(dropped.name, None)

    def _modify(self, reader: Reader) -> None:
        reader.skip("COLUMN")
        column, _ = read_column(reader)
        position = self._position(column.name)
        self.columns.pop(position)
        self._place(reader, column, position)

    def _change(self, reader: Reader) -> None:
        reader.skip("COLUMN")
        position = self._position(reader.name())
        column, _ = read_column(reader)
        self._moved(self.columns.pop(position).name, column.name)
        self._place(reader, column, position)

    def _rename(self, reader: Reader) -> None:
        position = self._position(reader.name())
        reader.need("TO")
        column = replace(self.columns[position], name=reader.name())
        self._moved(self.columns[position].name, column.name)
        self.columns[position] = column

    def _moved(self, old: str, new: str) -> None:
        self.origin[new] = self.origin.pop(old, old)
        self.indexes = [
            replace(index, columns=tuple(new if name == old else name for name in index.columns))
            for index in self.indexes
        ]

    def _comment(self, reader: Reader) -> None:
        reader.skip("=")
        self.comment = reader.take().value
