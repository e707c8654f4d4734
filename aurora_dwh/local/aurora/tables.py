"""What a table is: its columns with their MySQL types, its indexes, and `SHOW CREATE TABLE`.

Plain values only. Reading them from DDL is `ddl`, keeping them is `catalogue`, and what may be stored in a column is
`values`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

CHARACTER_SET: Final = "utf8mb4"
COLLATION: Final = "utf8mb4_0900_ai_ci"

# type: (digits when signed, digits when unsigned, bytes)
INTEGERS: Final = {
    "tinyint": (3, 3, 1),
    "smallint": (5, 5, 2),
    "mediumint": (7, 7, 3),
    "int": (10, 10, 4),
    "bigint": (19, 20, 8),
}
TEXT_BYTES: Final = {"tinytext": 255, "text": 65_535, "mediumtext": 16_777_215, "longtext": 4_294_967_295}
BLOB_BYTES: Final = {"tinyblob": 255, "blob": 65_535, "mediumblob": 16_777_215, "longblob": 4_294_967_295}
CHARACTERS: Final = frozenset({"char", "varchar", "enum", "set", *TEXT_BYTES})
BINARIES: Final = frozenset({"binary", "varbinary", *BLOB_BYTES})
TEMPORALS: Final = frozenset({"datetime", "timestamp", "date", "time"})
_CHARACTER_BYTES: Final = {"utf8mb4": 4, "utf8mb3": 3, "utf8": 3, "ascii": 1, "latin1": 1, "binary": 1}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: As written.
        data_type: MySQL's DATA_TYPE, lower case: `bigint`, `varchar`, `datetime`.
        arguments: What stood in parentheses: (10, 2) of a decimal, the members of an enum.
        unsigned: Whether the number has no sign.
        nullable: Whether NULL may be stored.
        default: The default's text; None when there is none or it is NULL.
        default_is_expression: Whether `default` is an expression (CURRENT_TIMESTAMP) and not a value.
        on_update: Whether each update sets the current time.
        auto_increment: Whether the server numbers the rows.
        comment: COLUMN_COMMENT.
        character_set: Of a text column; empty otherwise.
        collation: Of a text column; empty otherwise.
    """

    name: str
    data_type: str
    arguments: tuple[str, ...] = ()
    unsigned: bool = False
    nullable: bool = True
    default: str | None = None
    default_is_expression: bool = False
    on_update: bool = False
    auto_increment: bool = False
    comment: str = ""
    character_set: str = ""
    collation: str = ""

    @property
    def column_type(self) -> str:
        """MySQL's COLUMN_TYPE: `bigint unsigned`, `decimal(10,2)`, `enum('a','b')`."""
        if self.data_type in {"enum", "set"}:
            inside = ",".join(quote_text(member) for member in self.arguments)
        else:
            inside = ",".join(self.arguments)
        suffix = " unsigned" if self.unsigned else ""
        return f"{self.data_type}({inside}){suffix}" if inside else f"{self.data_type}{suffix}"

    @property
    def length(self) -> int | None:
        """CHARACTER_MAXIMUM_LENGTH."""
        if self.data_type in {"enum", "set"}:
            widths = [len(member) for member in self.arguments]
            return max(widths) if self.data_type == "enum" else sum(widths) + len(widths) - 1
        if self.data_type in {"char", "varchar", "binary", "varbinary"}:
            return int(self.arguments[0])
        return TEXT_BYTES.get(self.data_type, BLOB_BYTES.get(self.data_type))

    @property
    def octet_length(self) -> int | None:
        """CHARACTER_OCTET_LENGTH."""
        if self.length is None or self.data_type in TEXT_BYTES:
            return self.length
        return self.length * _CHARACTER_BYTES.get(self.character_set, 1)

    @property
    def precision(self) -> int | None:
        """NUMERIC_PRECISION."""
        if self.data_type in INTEGERS:
            return INTEGERS[self.data_type][1 if self.unsigned else 0]
        if self.data_type in {"decimal", "bit"}:
            return int(self.arguments[0])
        return {"double": 22, "float": 12}.get(self.data_type)

    @property
    def scale(self) -> int | None:
        """NUMERIC_SCALE."""
        if self.data_type == "decimal":
            return int(self.arguments[1])
        return 0 if self.data_type in INTEGERS else None

    @property
    def fraction(self) -> int | None:
        """DATETIME_PRECISION: digits after the second."""
        if self.data_type in {"datetime", "timestamp", "time"}:
            return int(self.arguments[0]) if self.arguments else 0
        return None

    @property
    def extra(self) -> str:
        """MySQL's EXTRA."""
        words = []
        if self.default_is_expression:
            words.append("DEFAULT_GENERATED")
        if self.auto_increment:
            words.append("auto_increment")
        if self.on_update:
            words.append(f"on update {self.current_timestamp}")
        return " ".join(words)

    @property
    def current_timestamp(self) -> str:
        """CURRENT_TIMESTAMP with this column's digits."""
        return f"CURRENT_TIMESTAMP({self.fraction})" if self.fraction else "CURRENT_TIMESTAMP"


@dataclass(frozen=True)
class Index:
    """One index; `PRIMARY` is the primary key."""

    name: str
    columns: tuple[str, ...]
    unique: bool = False

    @property
    def primary(self) -> bool:
        """Whether this is the primary key."""
        return self.name == "PRIMARY"


@dataclass(frozen=True)
class Table:
    """One table or view of a schema."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()
    comment: str = ""
    created: str = ""
    view: str = ""

    @property
    def stored_name(self) -> str:
        """The name of its SQLite table."""
        return f"{self.schema}.{self.name}"

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Columns of the primary key, in key order; empty when there is none."""
        return next((index.columns for index in self.indexes if index.primary), ())

    def column(self, name: str) -> Column | None:
        """The column of that name, whatever its case."""
        folded = name.lower()
        return next((column for column in self.columns if column.name.lower() == folded), None)

    def key_of(self, column: Column) -> str:
        """MySQL's COLUMN_KEY: PRI, UNI, MUL or nothing."""
        leading = [index for index in self.indexes if index.columns[0] == column.name]
        if column.name in self.primary_key:
            return "PRI"
        if any(index.unique and len(index.columns) == 1 for index in leading):
            return "UNI"
        return "MUL" if leading else ""

    def with_columns(self, columns: tuple[Column, ...]) -> Table:
        """The same table with other columns."""
        return replace(self, columns=columns)

    def to_json(self) -> str:
        """For the catalogue."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Table:
        """From the catalogue."""
        value: dict[str, Any] = json.loads(text)
        columns = tuple(Column(**{**one, "arguments": tuple(one["arguments"])}) for one in value.pop("columns"))
        indexes = tuple(Index(**{**one, "columns": tuple(one["columns"])}) for one in value.pop("indexes"))
        return Table(**value, columns=columns, indexes=indexes)


def quote_name(name: str) -> str:
    """A MySQL identifier in backticks."""
    return "`" + name.replace("`", "``") + "`"


def quote_text(text: str) -> str:
    """A string literal as MySQL prints it."""
    return "'" + text.replace("'", "''") + "'"


def show_create(table: Table) -> str:
    """The statement that `SHOW CREATE TABLE` prints."""
    if table.view:
        return f"CREATE VIEW {quote_name(table.name)} AS {table.view}"
    lines = [_column_line(column) for column in table.columns]
    for index in table.indexes:
        names = ",".join(quote_name(name) for name in index.columns)
        head = "PRIMARY KEY" if index.primary else f"{'UNIQUE ' if index.unique else ''}KEY {quote_name(index.name)}"
        lines.append(f"{head} ({names})")
    body = ",\n  ".join(lines)
    comment = f" COMMENT={quote_text(table.comment)}" if table.comment else ""
    return (
        f"CREATE TABLE {quote_name(table.name)} (\n  {body}\n) ENGINE=InnoDB "
        f"DEFAULT CHARSET={CHARACTER_SET} COLLATE={COLLATION}{comment}"
    )


def _column_line(column: Column) -> str:
    words = [quote_name(column.name), column.column_type]
    if column.character_set and (column.character_set, column.collation) != (CHARACTER_SET, COLLATION):
        words.append(f"CHARACTER SET {column.character_set} COLLATE {column.collation}")
    if not column.nullable:
        words.append("NOT NULL")
    elif column.data_type == "timestamp":
        words.append("NULL")
    if column.default is not None:
        words.append(f"DEFAULT {column.default if column.default_is_expression else quote_text(column.default)}")
    elif column.nullable and column.data_type not in {*TEXT_BYTES, *BLOB_BYTES, "json"}:
        words.append("DEFAULT NULL")
    if column.auto_increment:
        words.append("AUTO_INCREMENT")
    if column.on_update:
        words.append(f"ON UPDATE {column.current_timestamp}")
    if column.comment:
        words.append(f"COMMENT {quote_text(column.comment)}")
    return " ".join(words)
