"""The errors a client sees, in Redshift's words.

Belongs here: the exception that carries a SQLSTATE and Redshift's message, and the one translation of PostgreSQL's
errors into Redshift's. Does not belong here: deciding *when* something is refused (see ``refuse`` and the loaders).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Fields = dict[str, str]
"""An ErrorResponse as PostgreSQL's protocol has it: one-letter field code -> text."""

ABORTED_TRANSACTION = "current transaction is aborted, commands ignored until end of transaction block"
BYTE_CHECK = re.compile(r"^rsb\$(\d+)\$")
"""Name of the check constraint that holds a character column to its length in bytes."""

NAVIGATION = re.compile(r"^function pg_catalog\.super_(?:get|elements|attributes)\(([^,)]+)")
"""PostgreSQL's words for a path that starts from another type than SUPER."""


class RedshiftError(Exception):
    """A statement refused the way Redshift refuses it.

    Args:
        sqlstate: five-character SQLSTATE.
        message: primary message.
        detail: the DETAIL text, if any.
        severity: ``ERROR``, or ``FATAL`` when the connection ends with it.
    """

    def __init__(self, sqlstate: str, message: str, detail: str | None = None, *, severity: str = "ERROR") -> None:
        super().__init__(f"{sqlstate}: {message}")
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.severity = severity

    @property
    def fields(self) -> Fields:
        """The error as protocol fields."""
        fields = {"S": self.severity, "V": self.severity, "C": self.sqlstate, "M": self.message}
        if self.detail is not None:
            fields["D"] = self.detail
        return fields


class UpstreamError(Exception):
    """PostgreSQL refused a statement; ``fields`` is its ErrorResponse as it came."""

    def __init__(self, fields: Fields) -> None:
        super().__init__(f"{fields.get('C')}: {fields.get('M')}")
        self.fields = fields

    @property
    def sqlstate(self) -> str:
        """The SQLSTATE PostgreSQL gave."""
        return self.fields.get("C", "XX000")


class UpstreamLostError(Exception):
    """The connection to PostgreSQL is gone (it was killed, or shut down)."""


def syntax_error(near: str) -> RedshiftError:
    """Returns the error of a statement whose grammar Redshift does not know."""
    return RedshiftError("42601", f'syntax error at or near "{near}"')


def unsupported(what: str) -> RedshiftError:
    """Returns the error of a feature Redshift parses but does not have."""
    return RedshiftError("0A000", f"{what} is not supported")


def block(error: str, code: int, context: str) -> str:
    """Returns the boxed DETAIL that Redshift's execution layer attaches to its errors."""
    rule = "-" * 47
    return f"\n  {rule}\n  error:  {error}\n  code:      {code}\n  context:   {context}\n  {rule}"


def spectrum_error(code: int, context: str) -> RedshiftError:
    """Returns the error of a columnar COPY: the message is generic, the DETAIL names file and column."""
    return RedshiftError("XX000", "Spectrum Scan Error", block("Spectrum Scan Error", code, context))


def serialization_failure(detail: str = "") -> RedshiftError:
    """Returns Redshift's error 1023; ``detail`` names the table where it is known."""
    table = match.group(1) if (match := re.search(r"relation (\d+)", detail)) else "0"
    cycle = ", ".join(dict.fromkeys(re.findall(r"transaction (\d+)", detail))) or "0, 0"
    return RedshiftError(
        "XX000",
        "1023",
        f"Serializable isolation violation on table - {table}, transactions forming the cycle are: {cycle} (pid:0)",
    )


def from_postgres(fields: Mapping[str, str]) -> Fields:
    """Translates PostgreSQL's error fields into what Redshift would have sent for the same fault."""
    code, message = fields.get("C", "XX000"), fields.get("M", "")
    kept = {k: v for k, v in fields.items() if k in "SVCMDH"}
    if code == "40001":
        return serialization_failure(f"{message} {fields.get('D', '')}").fields
    if code == "0A000" and message.startswith("cached plan must not change"):
        # It was made anew between a statement's preparation and its execution; Redshift's words for DDL beside it.
        return RedshiftError("XX000", "could not open relation with OID 0").fields
    if code == "23514" and (match := BYTE_CHECK.match(fields.get("n", ""))):
        return RedshiftError("22001", f"value too long for type character varying({match.group(1)})").fields
    if code == "23502":
        column = fields.get("c", "")
        text = f"Cannot insert a NULL value into column {column}"
        return RedshiftError("XX000", text, block(text, 8007, "query execution")).fields
    if code == "22003" and message == "numeric field overflow":
        text = "Numeric data overflow (result precision)"
        return RedshiftError("XX000", text, block(text, 1058, "numeric overflow")).fields
    if code == "21000" and "MERGE" in message:
        text = "Found multiple matches to update the same tuple."
        return RedshiftError("XX000", text, block(text, 8001, "MERGE")).fields
    return _about_super(code, message, fields) or kept


def _about_super(code: str, message: str, fields: Mapping[str, str]) -> Fields | None:
    if code == "42704" and message.endswith("array type for data type super"):
        return RedshiftError("0A000", "this operation on SUPER is not supported in the local stand-in: cast it").fields
    if code == "42883" and (match := NAVIGATION.match(message)):
        return RedshiftError(code, f"cannot navigate into a value of type {match.group(1)}, but into SUPER").fields
    if code == "22P02" and message.startswith("malformed array literal"):  # the other side of || is no string
        return RedshiftError("42883", "operator does not exist: || takes strings on both sides").fields
    if code == "22P02" and message.startswith("invalid input syntax for type json"):
        if "P" in fields:  # a literal, which PostgreSQL reads when it reads the statement
            text = "a string literal for SUPER is read as JSON in the local stand-in: write JSON_PARSE or '...'::SUPER"
            return RedshiftError("0A000", text).fields
        text = f"JSON_PARSE() error: {fields.get('D', message)}"
        return RedshiftError("XX000", text, block(text, 8001, "parsing of JSON")).fields
    return None
