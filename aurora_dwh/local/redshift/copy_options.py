"""The options of COPY: read from the statement into a structure, and checked against one another.

Belongs here: COPY's grammar, which option goes with which format, what the authorization clause may be. Does not belong
here: files (``sources``), rows (``parquet``, ``csv_load``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from aurora_dwh.local.redshift.errors import RedshiftError, syntax_error, unsupported
from aurora_dwh.local.redshift.sqltext import Name, Sql, Token, name_list, read_name

FLAGS = frozenset({
    "MANIFEST", "GZIP", "BZIP2", "LZOP", "ZSTD", "ESCAPE", "ACCEPTANYDATE", "BLANKSASNULL", "EMPTYASNULL",
    "EXPLICIT_IDS", "FILLRECORD", "IGNOREBLANKLINES", "IGNOREALLERRORS", "REMOVEQUOTES", "ROUNDEC", "TRIMBLANKS",
    "TRUNCATECOLUMNS", "NOLOAD", "SERIALIZETOJSON", "ENCRYPTED", "SSH",
})  # fmt: skip
STRINGS = frozenset({"DELIMITER", "QUOTE", "NULL", "DATEFORMAT", "TIMEFORMAT", "REGION", "MASTER_SYMMETRIC_KEY"})
NUMBERS = frozenset({"IGNOREHEADER", "MAXERROR", "COMPROWS", "READRATIO"})
SWITCHES = frozenset({"COMPUPDATE", "STATUPDATE"})
FORMATS = frozenset({"CSV", "PARQUET", "ORC", "AVRO", "JSON", "FIXEDWIDTH", "SHAPEFILE"})
KEYS = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
AUTHORIZATION = frozenset({"IAM_ROLE", "CREDENTIALS", *KEYS})

COLUMNAR_ALLOWED = frozenset(
    {"MANIFEST", "FILLRECORD", "ACCEPTINVCHARS", "STATUPDATE", "EXPLICIT_IDS", "SERIALIZETOJSON"} | AUTHORIZATION
)
CSV_REFUSED = ("ESCAPE", "FIXEDWIDTH", "REMOVEQUOTES")
CSV_READ = frozenset({"FORMAT", "MANIFEST", "NULL"} | AUTHORIZATION)
"""What of CSV's options the stand-in knows: those that are sent to it."""
_ROLE = re.compile(r"^arn:aws[a-z-]*:iam::\d+:role/\S+$")
_OCTAL = re.compile(r"^\\([0-7]{3})$")


@dataclass
class CopyOptions:
    """A COPY statement, read.

    ``given`` holds every option by its keyword: True for a flag, else its argument.
    """

    table: Name
    columns: list[str]
    source: str
    format: str = "DELIMITED"
    given: dict[str, str | int | bool] = field(default_factory=dict)

    def flag(self, keyword: str) -> bool:
        """Whether the option was given."""
        return keyword in self.given

    def text(self, keyword: str, default: str) -> str:
        """The argument of an option."""
        return str(self.given.get(keyword, default))


def read_copy(sql: Sql) -> CopyOptions:
    """Reads a COPY statement.

    Raises:
        RedshiftError: 42601 for what the grammar does not have, 0A000 for options that exclude each other.
    """
    table = read_name(sql, 1)
    columns: list[str] = []
    index = table.end
    if sql[index].text == "(":
        columns = name_list(sql, index)
        index = sql.close(index) + 1
    if not sql.at(index, "FROM") or sql[index + 1].kind != "string":
        raise syntax_error(sql[index if not sql.at(index, "FROM") else index + 1].text or "COPY")
    options = CopyOptions(table, columns, sql[index + 1].string)
    index += 2
    while index < len(sql):
        index = _option(sql, index, options)
    _check(options)
    return options


def _option(sql: Sql, index: int, options: CopyOptions) -> int:
    """Reads the option at ``index`` and returns the index behind it."""
    word = sql.upper(index)
    if word == "WITH":
        return index + 1
    if word in ("FORMAT", "AS") or word in FORMATS:
        return _format(sql, index, options)
    value, after = _argument(sql, word, index + 1)
    _set(options, word, value)
    return after


def _argument(sql: Sql, word: str, after: int) -> tuple[str | int | bool, int]:
    """Reads the argument of option ``word`` and returns it with the index behind it; True for a flag."""
    if word in FLAGS:
        return True, after
    if word == "IAM_ROLE" and sql.at(after, "DEFAULT"):
        return "default", after + 1
    if word in SWITCHES:
        given = sql.upper(after) in ("ON", "OFF", "TRUE", "FALSE", "PRESET")
        return (sql.upper(after), after + 1) if given else (True, after)
    after += sql.at(after, "AS")
    token = sql[after]
    if word in STRINGS or word in AUTHORIZATION:
        value = _string(sql, after)
        return (_null(token, value) if word == "NULL" else value), after + 1
    if word in NUMBERS and token.kind in ("number", "string"):
        return int(token.text.strip("'")), after + 1
    if word == "ENCODING":
        return token.upper.strip("'").upper(), after + 1
    if word == "ACCEPTINVCHARS":
        return (token.string, after + 1) if token.kind == "string" else ("?", after)
    raise syntax_error(sql[after if word in NUMBERS else after - 1].text or word)


def _format(sql: Sql, index: int, options: CopyOptions) -> int:
    if sql.at(index, "FORMAT"):
        index += 1
    if sql.at(index, "AS"):
        index += 1
    word = sql.upper(index)
    if word not in FORMATS:
        raise syntax_error(sql[index].text)
    _set(options, "FORMAT", word)
    options.format = word
    index += 1
    if word in ("JSON", "AVRO", "FIXEDWIDTH"):
        index += sql.at(index, "AS")
        _string(sql, index)
        index += 1
    return index


def _set(options: CopyOptions, word: str, value: str | int | bool) -> None:
    if word in options.given:
        raise RedshiftError("42601", "conflicting or redundant options")
    options.given[word] = value


def _string(sql: Sql, index: int) -> str:
    if sql[index].kind != "string":
        raise syntax_error(sql[index].text)
    return sql[index].string


def _null(token: Token, value: str) -> str:
    r"""The sentinel of NULL: ``\N`` and octal ``\011`` keep their own meaning here."""
    body = token.text[1:-1]
    if body in (r"\N", r"\\N"):
        return r"\N"
    if match := _OCTAL.match(body.replace("\\\\", "\\")):
        return chr(int(match.group(1), 8))
    return "\0" if body in (r"\0", r"\\0") else value


def _check(options: CopyOptions) -> None:
    _check_authorization(options)
    if options.format in ("PARQUET", "ORC"):
        _check_columnar(options)
    if options.format not in ("PARQUET", "CSV"):
        raise unsupported(f"FORMAT {options.format} in the local stand-in")
    if options.format == "CSV":
        _check_csv(options)
    if not options.source.startswith("s3://"):
        raise RedshiftError("0A000", f"COPY from '{options.source}' is not supported: only s3:// in the local stand-in")


def _check_columnar(options: CopyOptions) -> None:
    for keyword in options.given:
        if keyword != "FORMAT" and keyword not in COLUMNAR_ALLOWED:
            name = "NULL AS" if keyword == "NULL" else keyword
            raise RedshiftError("0A000", f"{name} argument is not supported for {options.format} based COPY")


def _check_csv(options: CopyOptions) -> None:
    for keyword in options.given:
        if keyword in CSV_REFUSED:
            raise RedshiftError("0A000", f"CSV is not compatible with {keyword}")
        if keyword == "SERIALIZETOJSON":
            raise RedshiftError("0A000", "SERIALIZETOJSON is not supported for CSV based COPY")
        if keyword not in CSV_READ:
            raise unsupported(f"{keyword} of a text COPY in the local stand-in")


def _check_authorization(options: CopyOptions) -> None:
    check_authorization({k: str(v) for k, v in options.given.items() if k in AUTHORIZATION})


def check_authorization(given: dict[str, str]) -> None:
    """Refuses a COPY or UNLOAD whose authorization is missing, doubled or not of the right form."""
    kinds = [k for k in ("IAM_ROLE", "CREDENTIALS") if k in given] + (["keys"] if "ACCESS_KEY_ID" in given else [])
    if not kinds:
        raise RedshiftError("42601", "No authorization specified: IAM_ROLE, CREDENTIALS or ACCESS_KEY_ID is required")
    if len(kinds) > 1:
        raise RedshiftError("42601", "conflicting or redundant options")
    role = given.get("IAM_ROLE", "default")
    credentials = given.get("CREDENTIALS", "")
    if credentials.startswith("aws_iam_role="):
        role = credentials.partition("=")[2]
    elif credentials and "aws_access_key_id=" not in credentials:
        raise RedshiftError("XX000", "Invalid credentials. Must be of the format: credentials 'aws_iam_role=...'")
    if role != "default" and not all(_ROLE.match(part.strip()) for part in role.split(",")):
        raise RedshiftError("XX000", f"Invalid IAM role: {role}")
    if "ACCESS_KEY_ID" in given and "SECRET_ACCESS_KEY" not in given:
        raise RedshiftError("42601", "SECRET_ACCESS_KEY is required with ACCESS_KEY_ID")
