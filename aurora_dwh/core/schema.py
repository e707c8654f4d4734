"""The one map: MySQL type -> Arrow type in the lake -> Redshift type.

Here belong the description of a column and of a table, and the rules that say how each MySQL type travels. Reading a
schema from a server is `source.discovery`; writing DDL from it is `warehouse.load.statements`. Sources of the rules:
the MySQL 8.0 reference manual (storage ranges) and Amazon Redshift's COPY from columnar formats (no coercion of types).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

VARCHAR_LIMIT = 65_535
"""Bytes in the widest Redshift VARCHAR, and in a string that COPY takes from Parquet."""

VARBYTE_LIMIT = 64_000
"""Bytes in a plain VARBYTE, the only VARBYTE that COPY loads from Parquet."""

IDENTIFIER_LIMIT = 127
"""Bytes in a Redshift identifier; a longer one is cut silently."""

TEMPORARY = "#"
"""How the name of a table begins that Redshift keeps for its session alone (Amazon Redshift, CREATE TABLE)."""

COLUMN_LIMIT = 1_600
"""Columns of a Redshift table (Amazon Redshift Management Guide, "Quotas and limits")."""

SYSTEM_COLUMNS = frozenset({"oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Names that no column of a Redshift table may have (Database Developer Guide, "CREATE TABLE")."""

MAX_PRECISION = 38
"""Digits of Redshift's DECIMAL."""

UTF8_BYTES_PER_CHARACTER = 4


FileFormat = Literal["parquet", "csv"]
"""What a day's files in the lake are: written by the worker, or by Aurora itself."""

CSV_NULL = "<aurora-dwh NULL>"
"""What stands for NULL in a CSV file. COPY takes every field that equals it for NULL, so no text may; it is checked."""

CSV_BYTES_LEAD = "00"
"""A byte in hexadecimal that all bytes begin with in a CSV file, and lose when they are loaded: to COPY, an empty field
that is no text is NULL."""


def fold(name: str) -> str:
    """Return the name that Redshift gives to a MySQL identifier: lower case (it folds quoted names too)."""
    return name.lower()


@dataclass(frozen=True)
class Column:
    """One column of a MySQL table, as information_schema.COLUMNS describes it."""

    name: str  # the column's name as in MySQL, case kept
    data_type: str  # MySQL's DATA_TYPE, lower case: `decimal`
    column_type: str  # MySQL's COLUMN_TYPE, lower case but for members: `decimal(12,2) unsigned`, `enum('a','b')`
    nullable: bool = True  # whether NULL is allowed
    length: int | None = None  # characters of a text type, bytes of a binary type
    precision: int | None = None  # digits of a DECIMAL, bits of a BIT
    scale: int | None = None  # digits behind the point of a DECIMAL
    comment: str = ""  # the column's comment in MySQL
    charset: str = ""  # MySQL's name of the character set of a text's bytes; empty for what is no text
    # SQL that the source computes instead of the column itself, which stands in it as `{0}`; the type attributes then
    # describe its result. So a masked value never leaves the database
    read_as: str = "{0}"
    # whether what is read is hashed with the mask's key before anything else is done with it; the type attributes then
    # describe the hash
    keyed: bool = False
    renamed: str | None = None  # the column's name in the copy, where the catalog gives it another one

    def reading(self, expression: str) -> Column:
        """Return the column with one more expression around what is read, which stands in it as `{0}`."""
        return replace(self, read_as=expression.format(self.read_as))

    @property
    def target_name(self) -> str:
        """The column's name in the lake and in Redshift."""
        return fold(self.renamed or self.name)

    @property
    def source_name(self) -> str:
        """The column's name in the source, folded, by which the catalog names it in whatever case."""
        return fold(self.name)

    @property
    def unsigned(self) -> bool:
        """Whether the type is UNSIGNED (ZEROFILL implies it)."""
        return "unsigned" in self.column_type or "zerofill" in self.column_type

    @property
    def members(self) -> tuple[str, ...]:
        """The members of an ENUM or SET, unescaped."""
        return tuple(m.replace("''", "'") for m in re.findall(r"'((?:[^']|'')*)'", self.column_type))

    @cached_property
    def rule(self) -> TypeRule:
        """The row of the map that this column's type falls under; raises UnsupportedTypeError where there is none."""
        for rule in TYPE_RULES:
            if self.data_type in rule.data_types and rule.applies(self):
                return rule
        raise UnsupportedTypeError(f"column {self.name!r}: MySQL type {self.column_type!r} is not known")

    @property
    def arrow_type(self) -> pa.DataType:
        """The column's type in Arrow and so in the lake's Parquet files."""
        return self.rule.arrow(self)

    @property
    def stage_type(self) -> str:
        """The Redshift type that COPY loads the column's Parquet values into."""
        return (self.rule.stage or self.rule.redshift)(self)

    def stage_type_of(self, files: FileFormat) -> str:
        """Return the Redshift type that COPY loads the column's values into from files of a format."""
        return (self._csv_stage if files == "csv" else None) or self.stage_type

    def staged_value(self, quoted: str, files: FileFormat) -> str:
        """Return the SQL of the column's value, by its quoted name, on a stage that files of a format filled."""
        return f"SUBSTRING({quoted}, 2)" if files == "csv" and self._csv_stage else quoted

    @property
    def _csv_stage(self) -> str | None:
        return f"VARBYTE({VARBYTE_LIMIT + 1})" if self.redshift_type == "VARBYTE" else None

    @property
    def redshift_type(self) -> str:
        """The column's Redshift type in the staging table."""
        return self.rule.redshift(self)

    @property
    def byte_limit(self) -> int | None:
        """The bytes that a value may have in Redshift, None where every value of the type fits."""
        return self.rule.byte_limit(self) if self.rule.byte_limit else None


@dataclass(frozen=True)
class TableSchema:
    """A MySQL table's columns in source order, with its primary key and comment, or those of a query's result."""

    database: str
    table: str  # the table's name; the query's in the catalog
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()  # its columns; none where there is none
    comment: str = ""  # the table's comment
    # the SELECT whose result the rows are; None where they are the table's. A manifest has it in its rules
    query: str | None = None

    def column(self, name: str) -> Column:
        """Return the column of that name in the source or in the copy, however its case is written.

        No column has in the copy a name that another one has in the source.

        Raises:
            KeyError: The table has no such column.
        """
        for column in self.columns:
            if fold(name) in (column.target_name, column.source_name):
                return column
        raise KeyError(f"{self.named} has no column {name!r}")

    @property
    def named(self) -> str:
        """The table as errors name it."""
        return f"table {self.database}.{self.table}"

    @property
    def copied_key(self) -> tuple[str, ...]:
        """The primary key's columns by their names in the copy, whether they are copied or not."""
        names = {column.source_name: column.target_name for column in self.columns}
        return tuple(names.get(fold(name), fold(name)) for name in self.primary_key)

    @property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema of the rows that are read, names folded; nullable, as a zero date may become NULL."""
        import pyarrow as pa

        return pa.schema([pa.field(c.target_name, c.arrow_type) for c in self.columns])

    def select(self, *, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> TableSchema:
        """Return the schema with only the columns that the catalog asks for.

        Args:
            include: Column names to keep; empty keeps all.

        Raises:
            KeyError: A name is not a column of the table.
            ValueError: No column is left, or two columns fold to one name.
        """
        wanted = {self.column(n).name for n in include} or {c.name for c in self.columns}
        wanted -= {self.column(n).name for n in exclude}
        kept = tuple(c for c in self.columns if c.name in wanted)
        if not kept:
            raise ValueError(f"{self.named}: include and exclude leave no column")
        seen: dict[str, str] = {}
        for column in kept:
            if (other := seen.setdefault(column.target_name, column.name)) != column.name:
                raise ValueError(
                    f"{self.named}: columns {other!r} and {column.name!r} both become "
                    f"{column.target_name!r} in Redshift, which folds names to lower case; leave one out with `exclude`"
                )
        return replace(self, columns=kept)

    def to_json(self) -> dict[str, Any]:
        """Return the schema as JSON-ready values, for the manifest."""
        return {name: value for name, value in asdict(self).items() if name != "query"}

    @staticmethod
    def from_json(data: dict[str, Any]) -> TableSchema:
        """Return the schema that `to_json` wrote."""
        return TableSchema(
            database=data["database"],
            table=data["table"],
            columns=tuple(Column(**c) for c in data["columns"]),
            primary_key=tuple(data["primary_key"]),
            comment=data["comment"],
        )


class UnsupportedTypeError(ValueError):
    """A MySQL type that the map has no row for."""


@dataclass(frozen=True)
class TypeRule:
    """One row of the map."""

    mysql: str  # the type as the documentation names it
    data_types: frozenset[str]  # the DATA_TYPE values that the row covers
    arrow: Callable[[Column], pa.DataType]  # column -> Arrow type
    redshift: Callable[[Column], str]  # column -> Redshift type in the staging table
    # column -> Redshift type that COPY loads into, where it is not `redshift`
    stage: Callable[[Column], str] | None = None
    load: str = "{}"  # SQL that turns the stage's value (`{}`) into the target's, where it is not the value itself
    # column -> bytes that Redshift holds at the most, where MySQL can hold more
    byte_limit: Callable[[Column], int] | None = None
    # whether the row covers this column, where DATA_TYPE does not decide alone
    applies: Callable[[Column], bool] = lambda _: True
    policies: tuple[str, ...] = ()  # the catalog's fields that say what becomes of values that do not fit
    example: tuple[str, str] = ("", "")  # a value in MySQL, and what it is in Redshift
    note: str = ""  # what a reader of the documentation should know


def _arrow(kind: str) -> Callable[[Column], pa.DataType]:
    """Return a rule's Arrow type by its factory's name; Arrow is imported only when a row is read."""

    def make(_: Column) -> pa.DataType:
        import pyarrow as pa

        return pa.timestamp("us") if kind == "timestamp" else getattr(pa, kind)()

    return make


def _arrow_decimal(column: Column) -> pa.DataType:
    import pyarrow as pa

    return pa.decimal128(*_digits(column))


def _digits(column: Column) -> tuple[int, int]:
    """Return precision and scale; 19 digits become 20, as do BIGINT UNSIGNED and BIT(64).

    Redshift keeps up to 19 digits in 64 bits, in which those beyond 2^63-1 have no room, whatever the scale:
    https://docs.aws.amazon.com/redshift/latest/dg/r_Numeric_types201.html.
    """
    if column.data_type != "decimal":
        return 20, 0
    return 20 if column.precision == 19 else column.precision or 10, column.scale or 0


def _just(redshift: str) -> Callable[[Column], str]:
    return lambda _: redshift


def _decimal(column: Column) -> str:
    return "DECIMAL({},{})".format(*_digits(column))


def _varchar_bytes(column: Column) -> int:
    characters = column.length if column.length is not None else VARCHAR_LIMIT
    return max(1, min(UTF8_BYTES_PER_CHARACTER * characters, VARCHAR_LIMIT))


def _members_varchar(column: Column) -> str:
    sizes = [len(m.encode()) for m in column.members] or [1]
    widest = max(sizes) if column.data_type == "enum" else sum(sizes) + len(sizes) - 1
    return f"VARCHAR({max(1, min(widest, VARCHAR_LIMIT))})"


def _bits(column: Column) -> int:
    return column.precision or 1


def _rule(mysql: str, *data_types: str, **rest: Any) -> TypeRule:
    return TypeRule(mysql, frozenset(data_types), **rest)


def _signed(column: Column) -> bool:
    return not column.unsigned


DATED = ("date", "datetime", "timestamp")
"""The types of a date or a moment, whose values the calendar may not have."""

TEXT_TYPES = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")
"""DATA_TYPE of the types whose values are characters of any number."""
TEXTUAL_LENGTHS = {"uuid": 36, "inet4": 15, "inet6": 39}
"""DATA_TYPE of MariaDB's types that are bytes inside and text outside -> characters of the longest text, all ASCII."""

BINARY_TYPES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
GEOMETRY_TYPES = (
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection",
)  # fmt: skip

TYPE_RULES: tuple[TypeRule, ...] = (
    _rule("TINYINT [UNSIGNED], BOOL", "tinyint", arrow=_arrow("int16"), redshift=_just("SMALLINT"),
          example=("-128, 255", "-128, 255"), note="TINYINT(1) too: it stores -128..127, not only 0 and 1."),
    _rule("SMALLINT", "smallint", applies=_signed, arrow=_arrow("int16"), redshift=_just("SMALLINT"),
          example=("-32768", "-32768")),
    _rule("SMALLINT UNSIGNED", "smallint", arrow=_arrow("int32"), redshift=_just("INTEGER"),
          example=("65535", "65535")),
    _rule("MEDIUMINT [UNSIGNED]", "mediumint", arrow=_arrow("int32"), redshift=_just("INTEGER"),
          example=("16777215", "16777215")),
    _rule("INT", "int", applies=_signed, arrow=_arrow("int32"), redshift=_just("INTEGER"),
          example=("-2147483648", "-2147483648")),
    _rule("INT UNSIGNED", "int", arrow=_arrow("int64"), redshift=_just("BIGINT"),
          example=("4294967295", "4294967295")),
    _rule("BIGINT", "bigint", applies=_signed, arrow=_arrow("int64"), redshift=_just("BIGINT"),
          example=("-9223372036854775808", "-9223372036854775808")),
    _rule("BIGINT UNSIGNED, SERIAL", "bigint", arrow=_arrow_decimal, redshift=_decimal,
          example=("18446744073709551615", "18446744073709551615"),
          note="DECIMAL(19,0) ends at 2^63-1 in Redshift."),
    _rule("DECIMAL(p,s), p > 38", "decimal", arrow=_arrow("string"),
          applies=lambda c: (c.precision or 0) > MAX_PRECISION, redshift=lambda c: f"VARCHAR({(c.precision or 0) + 3})",
          example=("10000000000000000000000000000000000000000.0001", "the same digits, as text"),
          note="Redshift ends at 38 digits; sign, point and a leading zero are the 3 more."),
    _rule("DECIMAL(p,s)", "decimal", arrow=_arrow_decimal, redshift=_decimal, example=("12.50", "12.50"),
          note="DECIMAL(20,s) for DECIMAL(19,s), which ends at 2^63-1 in Redshift, the point aside."),
    _rule("FLOAT", "float", arrow=_arrow("float32"), redshift=_just("REAL"), example=("16777216", "16777216"),
          note="Bit-exact; MySQL's own text of a FLOAT is rounded to 6 digits."),
    _rule("DOUBLE, REAL", "double", arrow=_arrow("float64"), redshift=_just("DOUBLE PRECISION"),
          example=("0.1", "0.1"), note="Bit-exact."),
    _rule("BIT(1)", "bit", applies=lambda c: _bits(c) == 1, arrow=_arrow("bool_"), redshift=_just("BOOLEAN"),
          example=("b'1'", "true")),
    _rule("BIT(2..63)", "bit", applies=lambda c: _bits(c) < 64, arrow=_arrow("int64"), redshift=_just("BIGINT"),
          example=("b'101'", "5")),
    _rule("BIT(64)", "bit", arrow=_arrow_decimal, redshift=_decimal,
          example=("64 ones", "18446744073709551615")),
    _rule("YEAR", "year", arrow=_arrow("int16"), redshift=_just("SMALLINT"), example=("2024", "2024")),
    _rule("DATE", "date", arrow=_arrow("date32"), redshift=_just("DATE"), policies=("zero_dates",),
          example=("0600-12-02", "0600-12-02")),
    _rule("DATETIME(0..6)", "datetime", arrow=_arrow("timestamp"), redshift=_just("TIMESTAMP"),
          policies=("zero_dates",), example=("9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"),
          note="The wall clock, unchanged."),
    _rule("TIMESTAMP(0..6)", "timestamp", arrow=_arrow("timestamp"), redshift=_just("TIMESTAMP"),
          policies=("zero_dates",), example=("2024-01-05 09:00:00 in Tokyo", "2024-01-05 00:00:00"),
          note="In UTC, whatever the server's zone."),
    _rule("TIME(0..6)", "time", arrow=_arrow("string"), redshift=_just("VARCHAR(18)"),
          example=("-838:59:59", "-838:59:59"),
          note="MySQL's range is -838:59:59 to 838:59:59; Redshift's TIME ends at 24:00."),
    _rule("CHAR, VARCHAR, TEXT family", *TEXT_TYPES, arrow=_arrow("string"),
          redshift=lambda c: f"VARCHAR({_varchar_bytes(c)})", byte_limit=_varchar_bytes,
          policies=("oversize", "nul_bytes"), example=("'', ' ', 'NULL', '寿司🍣'", "the same"),
          note="4 bytes a character, 65,535 at the most; every character set of MySQL becomes UTF-8."),
    _rule("ENUM, SET", "enum", "set", arrow=_arrow("string"), redshift=_members_varchar,
          policies=("nul_bytes",), example=("'a,b'", "'a,b'"), note="The text; ENUM's invalid value 0 is ''."),
    _rule("UUID, INET4, INET6", *TEXTUAL_LENGTHS, arrow=_arrow("string"),
          redshift=lambda c: f"VARCHAR({TEXTUAL_LENGTHS[c.data_type]})",
          example=("2001:DB8::1", "2001:db8::1"), note="MariaDB's; the text that the server shows, in lower case."),
    _rule("JSON", "json", arrow=_arrow("string"), stage=_just(f"VARCHAR({VARCHAR_LIMIT})"), load="JSON_PARSE({})",
          redshift=_just("SUPER"), byte_limit=lambda _: VARCHAR_LIMIT, policies=("oversize",),
          example=('{"a": null}', '{"a":null}'),
          note="COPY loads the text, the upsert parses it. JSON's null is not SQL's NULL. MariaDB's JSON is LONGTEXT."),
    _rule("BINARY, VARBINARY, BLOB family", *BINARY_TYPES, arrow=_arrow("binary"), redshift=_just("VARBYTE"),
          byte_limit=lambda _: VARBYTE_LIMIT, policies=("oversize",), example=("x'00FF00'", "00ff00"),
          note="Every byte, trailing zeros of BINARY(n) too."),
    _rule("VECTOR", "vector", arrow=_arrow("binary"), redshift=_just("VARBYTE"),
          byte_limit=lambda _: VARBYTE_LIMIT, policies=("oversize",), example=("[1, 2.5]", "0000803f00002040"),
          note="MySQL 9 and MariaDB 11.7: 4 bytes a number, a FLOAT with its low byte first."),
    _rule("GEOMETRY family", *GEOMETRY_TYPES, arrow=_arrow("binary"), redshift=_just("VARBYTE"),
          byte_limit=lambda _: VARBYTE_LIMIT, policies=("oversize",), example=("POINT(1 2)", "25 bytes"),
          note="MySQL's own bytes: 4 of SRID, then WKB."),
)  # fmt: skip
