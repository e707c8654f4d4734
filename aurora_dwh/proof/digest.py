"""The SQL that turns rows into numbers on either side, so that equal rows, and only they, have equal numbers.

Each value has one canonical text, by MySQL's SQL over the source column and by Redshift's over the staging column. A
row's digest is one hash over the texts of all its values, computed where the row is. Texts of values are joined so that
no two rows can have one text: what may hold a separator has its length in front, and NULL has a mark that no value has.
What the source's SQL cannot bring to one text is carried to Redshift and compared there: JSON documents, by the text of
the source read as Redshift reads documents, and values that are hashed with a key, by the hash that the reader makes.
A zero's sign is not compared: to either side's SQL, 0 and -0 are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from aurora_dwh.core.schema import TEXT_TYPES, VARBYTE_LIMIT, Column, TableSchema
from aurora_dwh.source.quoting import identifier as mysql_identifier
from aurora_dwh.source.value_checks import NO_DATE
from aurora_dwh.warehouse.sql import identifier

DIGEST_DIGITS = 14
"""Hexadecimal digits that are kept of a SHA-256, the one hash that every version of MySQL, MariaDB and Redshift has:
56 bits, the most whole bytes that fit a signed 64-bit integer on both sides. A difference is not seen where the digests
of both sides, or their sums, are the same by chance: once in 2^56, which is 7 * 10^16."""

WIDE_BYTES = 2_000
"""What may have more bytes is hashed by itself: Redshift need not join long texts, nor MySQL more than
`max_allowed_packet` lets it."""

SHORT_BYTES = 500
"""Of a text that may have more than `WIDE_BYTES`, values up to these are joined as they are, which is half the work."""

JOINED_BYTES = 30_000
"""The most bytes of texts that are joined to be hashed together, less than the widest VARCHAR has."""

PIECE_BYTES = 32_000
"""Bytes of a binary value that are written as one hexadecimal text: Redshift fails on a text of more than 65,535."""

_NULL = "'~'"
"""What stands for NULL where a number, a length or a hash would stand."""

_NO_DATE = {"date": "'0000-00-00'", "moment": "'0000-00-00 00:00:00.000000'"}
"""What stands for NULL where a date would stand: the text of that which the default policy copies as NULL."""

_SHORT_TEXT = 64
"""Bytes of the longest text of a value that is neither a text nor binary."""

_MANTISSA = 2**52
_UTF8 = frozenset({"utf8mb4", "utf8mb3", "utf8", "ascii"})
"""Character sets whose bytes are UTF-8 as they are."""


@dataclass(frozen=True)
class Dialect:
    """One side's SQL."""

    name: str  # `Aurora` or `Redshift`, for people
    # column -> the expressions whose values, one behind the other, are its canonical text; the first is NULL for NULL,
    # and each other one where it has nothing to add
    texts: Callable[[Column], list[str]]
    item: Callable[[Column], list[str]]  # column -> expressions without NULLs that tell its value in a row's text
    join: Callable[[Sequence[str]], str]  # expressions -> one of their texts with a separator between them
    # expression of a text -> that of its digest: of Redshift a number, of Aurora its hexadecimal digits, as whoever
    # reads them makes a number of them at less cost than the server
    number: Callable[[str], str]

    def digest(self, columns: Iterable[Column]) -> str:
        """Return the expression of the digest of some columns' values, as `number` gives it."""
        groups = [self.join(items) for items in self._groups(columns)] or ["''"]
        return self.number(groups[0] if len(groups) == 1 else self.join([f"SHA2({group}, 256)" for group in groups]))

    def _groups(self, columns: Iterable[Column]) -> Iterator[list[str]]:
        """Yield the items of columns in groups whose texts together are not too long."""
        group: list[str] = []
        size = 0
        for column in columns:
            more = _item_bytes(column)
            if group and size + more > JOINED_BYTES:
                yield group
                group, size = [], 0
            group += self.item(column)
            size += more
        if group:
            yield group


def staged_text(column: Column) -> str:
    """Return Redshift's expression of a value's whole canonical text, NULL for NULL."""
    first, *rest = REDSHIFT.texts(column)
    tails = "".join(f" || COALESCE({piece}, '')" for piece in rest)
    return f"({first}{tails})"


def comparable(schema: TableSchema) -> list[Column]:
    """Return the columns that SQL can compare by their texts: all but those that are carried."""
    return [column for column in schema.columns if not _is_carried(column)]


def carried(schema: TableSchema) -> list[Column]:
    """Return the columns whose values are carried to Redshift: documents, and those that are hashed with a key."""
    return [column for column in schema.columns if _is_carried(column)]


def _is_carried(column: Column) -> bool:
    return column.keyed or is_document(column)


def is_document(column: Column) -> bool:
    """Return whether a column holds JSON documents, whose texts differ where their contents do not."""
    return column.redshift_type == "SUPER"


def carried_digest(columns: Sequence[Column], *, is_text: bool) -> str:
    """Return Redshift's digest of what is carried, 0 of nothing; `is_text` where documents are texts yet."""
    named = [(column, identifier(column.target_name)) for column in columns]
    items = [_or_null(name) if column.keyed else _document(name, is_text=is_text) for column, name in named]
    return REDSHIFT.number(REDSHIFT.join(items)) if items else "0"


def _document(name: str, *, is_text: bool) -> str:
    value = f"JSON_PARSE({name})" if is_text else name
    # JSON_SERIALIZE(NULL) is the text 'null'.
    return f"CASE WHEN {value} IS NULL THEN {_NULL} ELSE SHA2(JSON_SERIALIZE({value}), 256) END"


def _item_bytes(column: Column) -> int:
    """Return how many bytes a column adds to a row's text at the most."""
    if _is_hashed(column):
        return SHORT_BYTES + _SHORT_TEXT * len(_pieces(column))
    return _capacity(column) + _SHORT_TEXT


def _capacity(column: Column) -> int:
    """Return how many bytes the canonical text of a column's values has at the most."""
    match family(column):
        case "text":
            return int(column.redshift_type.partition("(")[2].rstrip(")"))
        case "binary":
            return 2 * (VARBYTE_LIMIT if column.length is None else min(column.length, VARBYTE_LIMIT))
    return _SHORT_TEXT


def _is_hashed(column: Column) -> bool:
    return _capacity(column) > WIDE_BYTES


def _pieces(column: Column) -> list[tuple[int, int | None]]:
    """Return begin and length of the pieces that a binary column's values are written in; no length to the end."""
    if _capacity(column) <= 2 * PIECE_BYTES:
        return [(1, None)]
    return [(1, PIECE_BYTES), (PIECE_BYTES + 1, None)]


def _mysql_texts(column: Column) -> list[str]:
    name = column.read_as.format(mysql_identifier(column.name))
    if column.keyed:
        return [name]  # the bytes that are hashed
    kind = family(column)
    if kind in ("moment", "date"):
        pattern = "%Y-%m-%d %H:%i:%s.%f" if kind == "moment" else "%Y-%m-%d"
        return [f"CASE WHEN {NO_DATE.format(name)} THEN NULL ELSE DATE_FORMAT({name}, '{pattern}') END"]
    if kind == "binary":
        return _mysql_hex(column, name)
    if kind == "float":
        return [_mysql_float(name)]
    if kind == "text":
        return [_mysql_characters(column, name)]
    if kind == "document":
        return [f"CONVERT(CAST({name} AS CHAR) USING utf8mb4)"]
    return [f"CAST({_mysql_number(column, name)} AS CHAR)"]


def _mysql_item(column: Column) -> list[str]:
    name = column.read_as.format(mysql_identifier(column.name))
    kind = family(column)
    if kind in _NO_DATE:
        # A 30 February, which this lets through, differs at first sight, and `_mysql_texts` finds it equal.
        return [f"IF(DAY({name}) > 0, {_mysql_whole(column, name)}, {_NO_DATE[kind]})"]
    if kind == "text":
        text = _mysql_characters(column, name)
        short = f"IF(LENGTH({text}) <= {SHORT_BYTES}, {text}, SHA2({text}, 256))" if _is_hashed(column) else text
        items = [f"LENGTH({text})", short]
    elif kind == "binary":
        items = [f"SHA2({text}, 256)" if _is_hashed(column) else text for text in _mysql_hex(column, name)]
    elif kind == "float":
        items = [_mysql_float(name)]
    else:
        items = [_mysql_number(column, name)]
    if _is_given(column):
        return items
    if kind == "text":
        return [_or_null(items[0]), f"COALESCE({items[1]}, '')"]
    return [_or_null(item) for item in items]


def _mysql_quick_item(column: Column) -> list[str]:
    kind = family(column)
    if kind not in _NO_DATE:
        return _mysql_item(column)
    whole = _mysql_whole(column, name := column.read_as.format(mysql_identifier(column.name)))
    return [whole if whole == name and _is_given(column) else f"COALESCE({whole}, {_NO_DATE[kind]})"]


def _mysql_whole(column: Column, name: str) -> str:
    """Return a date, or a moment with all digits of its second."""
    return f"CAST({name} AS DATETIME(6))" if family(column) == "moment" and "(6)" not in column.column_type else name


def _is_given(column: Column) -> bool:
    """Return whether a column's values are never NULL, and are read as they are."""
    return not column.nullable and column.read_as == "{0}"


def _mysql_number(column: Column, name: str) -> str:
    # Adding 0 takes the leading zeros off a ZEROFILL column and a YEAR, and makes a number of a BIT.
    return f"{name} + 0" if column.data_type in ("bit", "year") or "zerofill" in column.column_type else name


def _mysql_characters(column: Column, name: str) -> str:
    if column.charset in _UTF8 and column.data_type in TEXT_TYPES and column.read_as == "{0}":
        return name
    return f"CONVERT(CAST({name} AS CHAR) USING utf8mb4)"


def _mysql_hex(column: Column, name: str) -> list[str]:
    pieces = _pieces(column)
    if len(pieces) == 1:
        return [f"HEX({name})"]
    value = f"CAST({name} AS BINARY)" if column.data_type == "vector" else name  # no function on strings takes it
    # Where nothing is left there is no such piece: MariaDB's ORACLE mode has NULL for it, and others an empty text.
    return [
        f"HEX(LEFT({value}, {size}))" if size else f"NULLIF(HEX(SUBSTRING({value}, {begin})), '')"
        for begin, size in pieces
    ]


def _mysql_float(name: str) -> str:
    value = f"({name} * 1e0)"
    return _float_text(value, floor_log2=f"FLOOR(LOG2(ABS({value})))", integer="SIGNED", text="CHAR")


def _redshift_texts(column: Column) -> list[str]:
    name = identifier(column.target_name)
    match family(column):
        case "moment":
            return [f"TO_CHAR({name}, 'YYYY-MM-DD HH24:MI:SS.US')"]
        case "date":
            return [f"TO_CHAR({name}, 'YYYY-MM-DD')"]
        case "float":
            value = f"CAST({name} AS DOUBLE PRECISION)"
            magnitude = f"CASE WHEN {name} = 0 THEN NULL ELSE ABS({value}) END"
            log = f"FLOOR(LN({magnitude}) / LN(2.0))"
            return [_float_text(value, floor_log2=log, integer="BIGINT", text="VARCHAR(64)")]
        case "binary":
            pieces = _pieces(column)
            if len(pieces) == 1:
                return [f"UPPER(FROM_VARBYTE({name}, 'hex'))"]
            values = [f"SUBSTRING({name}, {begin}{f', {size}' if size else ''})" for begin, size in pieces]
            first, rest = (f"UPPER(FROM_VARBYTE(CAST({v} AS VARBYTE({PIECE_BYTES})), 'hex'))" for v in values)
            return [first, f"NULLIF({rest}, '')"]
        case "document":
            return [f"CASE WHEN {name} IS NULL THEN NULL ELSE JSON_SERIALIZE({name}) END"]
        case "boolean":
            return [f"CASE WHEN {name} THEN '1' WHEN NOT {name} THEN '0' END"]
        case "number":
            return [f"CAST({name} AS VARCHAR(64))"]
    return [name]


def _redshift_item(column: Column) -> list[str]:
    texts = _redshift_texts(column)
    if (kind := family(column)) in _NO_DATE:
        return [f"COALESCE({texts[0]}, {_NO_DATE[kind]})"]
    if kind == "text":
        (text,) = texts
        size = f"OCTET_LENGTH({text})"
        short = f"CASE WHEN {size} <= {SHORT_BYTES} THEN {text} ELSE SHA2({text}, 256) END"
        return [_or_null(f"CAST({size} AS VARCHAR(16))"), f"COALESCE({short if _is_hashed(column) else text}, '')"]
    return [_or_null(f"SHA2({text}, 256)" if _is_hashed(column) else text) for text in texts]


def _redshift_join(items: Sequence[str]) -> str:
    """Return the joined texts, in pairs: those of a wide table would else be nested too deep."""
    joined = list(items)
    while len(joined) > 1:
        pairs = zip(joined[::2], joined[1::2], strict=False)
        joined = [f"({one} || '|' || {other})" for one, other in pairs] + joined[len(joined) // 2 * 2 :]
    return joined[0]


def _or_null(text: str) -> str:
    return f"COALESCE({text}, {_NULL})"


def _float_text(value: str, *, floor_log2: str, integer: str, text: str) -> str:
    """Return sign, mantissa and exponent of a double as text: neither side prints all of a double's digits.

    Dividing by a power of two is exact. The logarithm may be off by one next to a power of two, so the quotient is
    brought back to [1, 2) before it becomes the 53-bit integer that it stands for.
    """
    exponent = f"GREATEST(LEAST({floor_log2}, 1023), -1022)"
    quotient = f"(ABS({value}) / POWER(2e0, {exponent}))"
    mantissa = (
        f"CASE WHEN {quotient} >= 2 THEN {quotient} * {_MANTISSA // 2} WHEN {quotient} < 1 AND {exponent} > -1022 "
        f"THEN {quotient} * {_MANTISSA * 2} ELSE {quotient} * {_MANTISSA} END"
    )
    shift = (
        f"CASE WHEN {quotient} >= 2 THEN {exponent} + 1 WHEN {quotient} < 1 AND {exponent} > -1022 "
        f"THEN {exponent} - 1 ELSE {exponent} END"
    )
    parts = (f"CAST(CAST({mantissa} AS {integer}) AS {text})", f"CAST(CAST({shift} AS {integer}) AS {text})")
    sign = f"CASE WHEN {value} < 0 THEN '-' ELSE '' END"
    # NULL is said first: GREATEST and LEAST pass over it in Redshift.
    joined = f"CONCAT(CONCAT(CONCAT({sign}, {parts[0]}), 'p'), {parts[1]})"
    return f"CASE WHEN {value} IS NULL THEN NULL WHEN {value} = 0 THEN '0' ELSE {joined} END"


def float_of(text: str) -> float:
    """Return the double that a canonical text of one stands for."""
    mantissa, _, exponent = text.partition("p")
    return float(int(mantissa)) * 2.0**-52 * 2.0 ** int(exponent) if exponent else 0.0


def family(column: Column) -> str:
    """Return which kind of expressions a column's values take."""
    return _FAMILIES.get(column.redshift_type.partition("(")[0], "text")


_FAMILIES = {
    "SMALLINT": "number",
    "INTEGER": "number",
    "BIGINT": "number",
    "DECIMAL": "number",
    "BOOLEAN": "boolean",
    "REAL": "float",
    "DOUBLE PRECISION": "float",
    "DATE": "date",
    "TIMESTAMP": "moment",
    "VARBYTE": "binary",
    "SUPER": "document",
}
"""Redshift type -> the family of expressions; every other type is text."""

AURORA = Dialect(
    "Aurora",
    _mysql_texts,
    _mysql_item,
    # As bytes: columns of several collations have no common one.
    lambda items: f"CONCAT_WS(_binary'|', {', '.join(items)})",
    lambda text: f"LEFT(SHA2({text}, 256), {DIGEST_DIGITS})",
)
QUICK = replace(AURORA, item=_mysql_quick_item)
"""Aurora's SQL for what is looked at more closely where it differs. Of a date that the calendar does not have, such as
0 May, it says that it differs from the NULL that Redshift has for it: to ask costs a twentieth of a scan for a date."""

REDSHIFT = Dialect(
    "Redshift",
    _redshift_texts,
    _redshift_item,
    _redshift_join,
    lambda text: f"STRTOL(SUBSTRING(SHA2({text}, 256), 1, {DIGEST_DIGITS}), 16)",
)
