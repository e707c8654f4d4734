"""Reading MySQL's CREATE TABLE.

A small parser of its own, because the types must be kept as they are written (members, collations, fractions), which a
parser that serves many SQL dialects does not promise. What the text means is `tables`; ALTER TABLE is `alter`; carrying
it out is `catalogue`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from aurora_dwh.local.aurora.errors import AuroraError, not_supported
from aurora_dwh.local.aurora.reader import END, Reader
from aurora_dwh.local.aurora.tables import CHARACTER_SET, CHARACTERS, COLLATION, Column, Index, Table

_SYNONYMS: Final = {
    "integer": "int",
    "int4": "int",
    "int8": "bigint",
    "dec": "decimal",
    "numeric": "decimal",
    "fixed": "decimal",
    "bool": "tinyint",
    "boolean": "tinyint",
    "real": "double",
    "character": "char",
    "serial": "bigint",
}
_TYPES: Final = CHARACTERS | {
    "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit", "year", "date", "time",
    "datetime", "timestamp", "json", "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob",
}  # fmt: skip


def parse_create_table(sql: str, schema: str) -> tuple[Table, bool]:
    """Read CREATE TABLE.

    Returns:
        The table, and whether IF NOT EXISTS was said.
    """
    reader = Reader(sql)
    reader.need("CREATE")
    reader.skip("TEMPORARY")
    reader.need("TABLE")
    lenient = reader.skip("IF", "NOT", "EXISTS")
    schema, name = reader.table_name(schema)
    if not reader.skip("("):
        raise not_supported("CREATE TABLE without a column list")
    columns: list[Column] = []
    indexes: list[Index] = []
    while True:
        _element(reader, columns, indexes)
        if reader.skip(")"):
            break
        reader.need(",")
    keyed = {column for index in indexes if index.primary for column in index.columns}
    columns = [replace(one, nullable=False) if one.name in keyed else one for one in columns]
    table = Table(schema, name, tuple(columns), ordered(indexes), comment=_table_options(reader).get("COMMENT", ""))
    check(table)
    return table, lenient


def check(table: Table) -> None:
    """Refuse a table with two columns of one name, or a key on a column that is not there."""
    seen: set[str] = set()
    for column in table.columns:
        if column.name.lower() in seen:
            raise AuroraError(1060, f"Duplicate column name '{column.name}'")
        seen.add(column.name.lower())
    for index in table.indexes:
        for name in index.columns:
            if table.column(name) is None:
                raise AuroraError(1072, f"Key column '{name}' doesn't exist in table")


def ordered(indexes: list[Index]) -> tuple[Index, ...]:
    """Indexes in MySQL's order: the primary key, unique ones, others."""
    return tuple(sorted(indexes, key=lambda index: (not index.primary, not index.unique)))


def _element(reader: Reader, columns: list[Column], indexes: list[Index]) -> None:
    index = read_index(reader, indexes)
    if index is not None:
        indexes.append(index)
        return
    if reader.next.kind == "word" and reader.next.is_word("CONSTRAINT", "FOREIGN", "CHECK", "FULLTEXT", "SPATIAL"):
        _skip_element(reader)
        return
    column, key = read_column(reader)
    columns.append(column)
    if key:
        indexes.append(Index("PRIMARY" if key == "PRIMARY" else column.name, (column.name,), unique=True))


def read_index(reader: Reader, others: list[Index]) -> Index | None:
    """An index definition, when one comes next; unnamed ones get the name that MySQL would give."""
    if reader.skip("PRIMARY", "KEY"):
        return Index("PRIMARY", _index_columns(reader), unique=True)
    unique = reader.skip("UNIQUE", "KEY") or reader.skip("UNIQUE", "INDEX") or reader.skip("UNIQUE")
    if not unique and not (reader.skip("KEY") or reader.skip("INDEX")):
        return None
    name = "" if reader.next.is_word("(") else reader.name()
    columns = _index_columns(reader)
    taken = {index.name for index in others}
    name = name or next(one for one in (columns[0], *(f"{columns[0]}_{n}" for n in range(2, 99))) if one not in taken)
    return Index(name, columns, unique=unique)


def _index_columns(reader: Reader) -> tuple[str, ...]:
    if reader.skip("USING"):
        reader.take()
    reader.need("(")
    names = []
    while True:
        names.append(reader.name())
        if reader.next.is_word("("):
            reader.parenthesised()
        if not reader.skip("ASC"):
            reader.skip("DESC")
        if reader.skip(")"):
            break
        reader.need(",")
    if reader.skip("USING"):
        reader.take()
    if reader.skip("COMMENT"):
        reader.take()
    return tuple(names)


def _skip_element(reader: Reader) -> None:
    while not reader.next.is_word(",", ")"):
        if reader.next is END:
            raise reader.error()
        if reader.next.is_word("("):
            reader.parenthesised()
        else:
            reader.take()


def read_column(reader: Reader) -> tuple[Column, str]:
    """A column definition, and the key that it declares in passing: PRIMARY, UNIQUE or none."""
    column = _with_type(reader, Column(reader.name(), ""))
    key = ""
    while reader.next is not END and not reader.next.is_word(",", ")", "FIRST", "AFTER"):
        if reader.skip("PRIMARY", "KEY") or reader.skip("PRIMARY"):
            key, column = "PRIMARY", replace(column, nullable=False)
        elif reader.skip("UNIQUE", "KEY") or reader.skip("UNIQUE"):
            key = "UNIQUE"
        else:
            column = _with_attribute(reader, column)
    return _with_character_set(column), key


def _with_type(reader: Reader, column: Column) -> Column:
    written = reader.name().lower()
    if written == "double":
        reader.skip("PRECISION")
    data_type = _SYNONYMS.get(written, written)
    if data_type not in _TYPES:
        raise not_supported(f"type {written}")
    arguments: list[str] = []
    if reader.skip("("):
        while not reader.skip(")"):
            arguments.append(reader.take().value)
            reader.skip(",")
    unsigned = False
    while reader.next.is_word("UNSIGNED", "SIGNED", "ZEROFILL"):
        unsigned |= reader.take().value.upper() != "SIGNED"
    return replace(column, data_type=data_type, arguments=_arguments(written, data_type, arguments), unsigned=unsigned)


def _arguments(written: str, data_type: str, arguments: list[str]) -> tuple[str, ...]:
    if data_type in {"enum", "set"}:
        return tuple(arguments)
    if data_type == "decimal":
        return (arguments[0] if arguments else "10", arguments[1] if len(arguments) > 1 else "0")
    if written in {"bool", "boolean"}:
        return ("1",)
    if data_type in {"smallint", "mediumint", "int", "bigint", "year"}:
        return ()  # MySQL 8 drops the display width
    if data_type == "tinyint":
        return ("1",) if arguments == ["1"] else ()
    if data_type in {"char", "binary", "bit"}:
        return tuple(arguments) or ("1",)
    if data_type in {"datetime", "timestamp", "time"}:
        return () if arguments == ["0"] else tuple(arguments)
    return tuple(arguments) if data_type in {"varchar", "varbinary", "float", "double"} else ()


def _not_null(_: Reader, column: Column) -> Column:
    return replace(column, nullable=False)


def _null(_: Reader, column: Column) -> Column:
    return replace(column, nullable=True)


def _default(reader: Reader, column: Column) -> Column:
    if reader.next.is_word("("):
        return replace(column, default=reader.parenthesised(), default_is_expression=True)
    token = reader.take()
    if token.is_word("NULL"):
        return replace(column, default=None)
    if token.is_word("CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"):
        if reader.next.is_word("("):
            reader.parenthesised()
        return replace(column, default=column.current_timestamp, default_is_expression=True)
    if token.is_word("TRUE", "FALSE"):
        return replace(column, default="1" if token.is_word("TRUE") else "0")
    return replace(column, default=token.value)


def _on_update(reader: Reader, column: Column) -> Column:
    reader.take()
    if reader.next.is_word("("):
        reader.parenthesised()
    return replace(column, on_update=True)


def _comment(reader: Reader, column: Column) -> Column:
    return replace(column, comment=reader.take().value)


def _auto_increment(_: Reader, column: Column) -> Column:
    return replace(column, auto_increment=True, nullable=False)


def _character_set(reader: Reader, column: Column) -> Column:
    reader.skip("=")
    return replace(column, character_set=reader.name().lower())


def _collate(reader: Reader, column: Column) -> Column:
    return replace(column, collation=reader.name().lower())


def _generated(reader: Reader, column: Column) -> Column:
    raise not_supported(f"generated column {column.name}")


def _ignored(_: Reader, column: Column) -> Column:
    return column


_ATTRIBUTES: Final[tuple[tuple[tuple[str, ...], Callable[[Reader, Column], Column]], ...]] = (
    (("NOT", "NULL"), _not_null),
    (("NULL",), _null),
    (("DEFAULT",), _default),
    (("ON", "UPDATE"), _on_update),
    (("COMMENT",), _comment),
    (("AUTO_INCREMENT",), _auto_increment),
    (("CHARACTER", "SET"), _character_set),
    (("CHARSET",), _character_set),
    (("COLLATE",), _collate),
    (("GENERATED", "ALWAYS", "AS"), _generated),
    (("AS",), _generated),
    (("INVISIBLE",), _ignored),
    (("VISIBLE",), _ignored),
    (("KEY",), _ignored),
)


def _with_attribute(reader: Reader, column: Column) -> Column:
    for words, attribute in _ATTRIBUTES:
        if reader.skip(*words):
            return attribute(reader, column)
    raise reader.error()


def _with_character_set(column: Column) -> Column:
    if column.data_type not in CHARACTERS:
        return replace(column, character_set="", collation="")
    character_set = column.character_set or (column.collation.split("_")[0] or CHARACTER_SET)
    default = COLLATION if character_set == CHARACTER_SET else f"{character_set}_general_ci"
    return replace(column, character_set=character_set, collation=column.collation or default)


def _table_options(reader: Reader) -> dict[str, str]:
    options = {}
    while reader.next is not END:
        name = reader.take().value.upper()
        reader.skip("=")
        if name in {"DEFAULT", "CHARACTER", ","}:
            continue
        options[name] = reader.take().value
    return options
