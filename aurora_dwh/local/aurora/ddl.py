"""Reading MySQL's DDL: CREATE TABLE, ALTER TABLE.

A small parser of its own, because the types must be kept as they are written (display widths, members, collations,
fractions), which a parser that serves many SQL dialects does not promise. What the text means is `tables`; carrying it
out is `catalogue`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from aurora_dwh.local.aurora.errors import AuroraError, not_supported, syntax_error
from aurora_dwh.local.aurora.tables import CHARACTER_SET, CHARACTERS, COLLATION, Column, Index, Table

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<comment>--\s[^\n]*|\#[^\n]*|/\*.*?\*/)
    |(?P<name>`(?:[^`]|``)*`)
    |(?P<text>'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*")
    |(?P<word>[A-Za-z_$@\u0080-\uffff][\w$@]*)
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<mark>.))""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}
_ESCAPE: Final = re.compile(r"\\(.)|''|\"\"", re.DOTALL)

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


@dataclass(frozen=True)
class Token:
    """One token: its kind (name, text, word, number, mark) and its value without quotes."""

    kind: str
    value: str

    def is_word(self, *words: str) -> bool:
        """Whether this is one of these bare words or marks, whatever the case."""
        return self.kind in {"word", "mark"} and self.value.upper() in words


_END: Final = Token("end", "")


def unescape(literal: str) -> str:
    """The text of a quoted MySQL string literal."""
    quote, inside = literal[0], literal[1:-1]
    if "\\" not in inside and quote * 2 not in inside:
        return inside

    def one(match: re.Match[str]) -> str:
        escaped = match.group(1)
        if escaped is None:
            return quote if match.group() == quote * 2 else match.group()
        return _ESCAPES.get(escaped, escaped)

    return _ESCAPE.sub(one, inside)


def tokens_of(sql: str) -> list[Token]:
    """Split a statement; comments are dropped."""
    found = []
    for match in _TOKEN.finditer(sql.rstrip().rstrip(";")):
        kind = match.lastgroup or "mark"
        value = match.group(kind)
        if kind == "name":
            value = value[1:-1].replace("``", "`")
        elif kind == "text":
            value = unescape(value)
        if kind != "comment" and value.strip() + ("x" if kind in {"name", "text"} else ""):
            found.append(Token(kind, value))
    return found


class Reader:
    """A place in a statement's tokens."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self._tokens = tokens_of(sql)
        self._at = 0

    @property
    def next(self) -> Token:
        """The token to come."""
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def take(self) -> Token:
        """Step over one token."""
        token = self.next
        self._at += 1
        return token

    def skip(self, *words: str) -> bool:
        """Step over these words when they all come next."""
        ahead = self._tokens[self._at : self._at + len(words)]
        if len(ahead) == len(words) and all(token.is_word(word) for token, word in zip(ahead, words, strict=True)):
            self._at += len(words)
            return True
        return False

    def need(self, *words: str) -> None:
        """Step over these words, or fail."""
        if not self.skip(*words):
            raise self.error()

    def name(self) -> str:
        """An identifier, quoted or not."""
        token = self.take()
        if token.kind not in {"name", "word"}:
            self._at -= 1
            raise self.error()
        return token.value

    def table_name(self, schema: str) -> tuple[str, str]:
        """`schema`.`table`, or a table of the current schema."""
        first = self.name()
        return (first, self.name()) if self.skip(".") else (schema, first)

    def parenthesised(self) -> str:
        """The text of a balanced parenthesis, without the outer pair."""
        self.need("(")
        depth = 1
        words: list[str] = []
        while True:
            token = self.take()
            if token is _END:
                raise self.error()
            depth += {"(": 1, ")": -1}.get(token.value if token.kind == "mark" else "", 0)
            if depth == 0:
                return " ".join(words)
            words.append({"text": f"'{token.value}'", "name": f"`{token.value}`"}.get(token.kind, token.value))

    def error(self) -> AuroraError:
        """Error 1064 at this place."""
        rest = " ".join(token.value for token in self._tokens[self._at :])
        return syntax_error(rest or self.sql)


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
    table = Table(schema, name, tuple(columns), _ordered(indexes), comment=_table_options(reader).get("COMMENT", ""))
    _check(table)
    return table, lenient


def _check(table: Table) -> None:
    seen: set[str] = set()
    for column in table.columns:
        if column.name.lower() in seen:
            raise AuroraError(1060, f"Duplicate column name '{column.name}'")
        seen.add(column.name.lower())
    for index in table.indexes:
        for name in index.columns:
            if table.column(name) is None:
                raise AuroraError(1072, f"Key column '{name}' doesn't exist in table")


def _ordered(indexes: list[Index]) -> tuple[Index, ...]:
    return tuple(sorted(indexes, key=lambda index: (not index.primary, not index.unique)))


def _element(reader: Reader, columns: list[Column], indexes: list[Index]) -> None:
    index = _index(reader, indexes)
    if index is not None:
        indexes.append(index)
        return
    if reader.next.kind == "word" and reader.next.is_word("CONSTRAINT", "FOREIGN", "CHECK", "FULLTEXT", "SPATIAL"):
        _skip_element(reader)
        return
    column, key = _column(reader)
    columns.append(column)
    if key:
        indexes.append(Index("PRIMARY" if key == "PRIMARY" else column.name, (column.name,), unique=True))


def _index(reader: Reader, others: list[Index]) -> Index | None:
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
        if reader.next is _END:
            raise reader.error()
        if reader.next.is_word("("):
            reader.parenthesised()
        else:
            reader.take()


def _column(reader: Reader) -> tuple[Column, str]:
    column = _with_type(reader, Column(reader.name(), ""))
    key = ""
    while reader.next is not _END and not reader.next.is_word(",", ")", "FIRST", "AFTER"):
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
    while reader.next is not _END:
        name = reader.take().value.upper()
        reader.skip("=")
        if name in {"DEFAULT", "CHARACTER", ","}:
            continue
        options[name] = reader.take().value
    return options


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
        if reader.next is _END:
            break
        reader.need(",")
    after = replace(
        before, columns=tuple(change.columns), indexes=_ordered(change.surviving_indexes()), comment=change.comment
    )
    _check(after)
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
        index = _index(reader, self.indexes)
        if index is not None:
            self.indexes.append(index)
            return
        reader.skip("COLUMN")
        column, key = _column(reader)
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
        column, _ = _column(reader)
        position = self._position(column.name)
        self.columns.pop(position)
        self._place(reader, column, position)

    def _change(self, reader: Reader) -> None:
        reader.skip("COLUMN")
        position = self._position(reader.name())
        column, _ = _column(reader)
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
