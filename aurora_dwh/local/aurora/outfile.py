r"""SELECT ... INTO OUTFILE S3: what the server wrote to a file, cut into objects on S3, and a list of them.

Grammar and behaviour follow the Amazon Aurora User Guide, "Saving data from an Amazon Aurora MySQL DB cluster into text
files in an Amazon S3 bucket": `<prefix>.part_00000` and so on, then `<prefix>.manifest` with `s3-region://` addresses.
The rows are formatted by the real server's own OUTFILE: FORMAT TEXT is that, FORMAT CSV the same fields by RFC 4180,
with NULL as `\N`, which AWS does not document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from aurora_dwh.local import s3

ROLE: Final = "AWS_SELECT_S3_ACCESS"
PART_BYTES: Final = 6 * 10**9

_STRING = rb"(?:'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\")"
CLAUSE: Final = rb"""\bINTO\s+OUTFILE\s+S3\b\s*(?P<uri>STRING)
  (?P<charset>\s*CHARACTER\s+SET\s+\w+)?
  (?:\s*FORMAT\s+(?:(?P<csv>CSV)|TEXT)\b(?P<header>\s+HEADER\b)?)?
  (?P<layout>
    (?:\s*(?:FIELDS|COLUMNS)\b(?=\s+(?:TERMINATED|OPTIONALLY|ENCLOSED|ESCAPED))
      (?:\s+TERMINATED\s+BY\s*STRING)?(?:\s+(?:OPTIONALLY\s+)?ENCLOSED\s+BY\s*STRING)?(?:\s+ESCAPED\s+BY\s*STRING)?)?
    (?:\s*LINES\b(?=\s+(?:STARTING|TERMINATED))(?:\s+STARTING\s+BY\s*STRING)?(?:\s+TERMINATED\s+BY\s*STRING)?)?)
  (?:\s*MANIFEST\s+(?:(?P<manifest>ON)|OFF)\b)?
  (?:\s*OVERWRITE\s+(?:(?P<overwrite>ON)|OFF)\b)?
  (?:\s*ENCRYPTION\s+(?:ON|OFF|SSE_S3|SSE_KMS(?:\s*STRING)?))?""".replace(b"STRING", _STRING)
"""Aurora's clause as a regular expression (VERBOSE, IGNORECASE, DOTALL). What it does not match is left to the server,
which knows no `OUTFILE S3` and refuses it."""

_ESCAPED: Final = " FIELDS ESCAPED BY x'5c'"
"""By a backslash, which is the default unless sql_mode has NO_BACKSLASH_ESCAPES; in digits it is one in every mode."""

_ADDRESS: Final = re.compile(r"s3(?:-(?P<region>[a-z0-9-]+))?://(?P<bucket>[^/]+)/(?P<key>.+)\Z", re.DOTALL)
_S3_ERROR: Final = 63_985
_SYNTAX: Final = 1235


class ExportError(Exception):
    """An error that the client is to see.

    Attributes:
        code: MySQL's number of it.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Exports:
    """What a server may write to S3, shared by its sessions.

    Attributes:
        access: Where S3 is; None is a cluster without a role for it.
        part_bytes: Bytes after which a new part begins, at the end of a row.
    """

    access: s3.S3Access | None = None
    part_bytes: int = PART_BYTES

    @property
    def iam_role(self) -> str:
        """The value of the cluster parameter aws_default_s3_role."""
        return "" if self.access is None else "arn:aws:iam::000000000000:role/embedded-aurora"


@dataclass(frozen=True)
class Clause:
    """Where the rows of one statement go, and how.

    Attributes:
        address: The address that the files begin with.
        charset: The clause's CHARACTER SET, or nothing.
        layout: Its FIELDS and LINES, or nothing.
        is_csv: Whether the format is CSV.
        manifest: Whether a list of the files is written.
        overwrite: Whether files that are there are replaced.
    """

    address: str
    charset: str
    layout: str
    is_csv: bool
    manifest: bool
    overwrite: bool

    @classmethod
    def of(cls, found: re.Match[bytes]) -> Clause:
        """Return what a match of `CLAUSE` says.

        Raises:
            ExportError: It wants something that is not there here.
        """
        if found["header"] or (found["csv"] and found["layout"].strip()):
            raise ExportError(_SYNTAX, "The embedded Aurora doesn't yet support 'HEADER, and FIELDS or LINES of CSV'")
        charset = (found["charset"] or b"").decode()
        flags = {name: found[name] is not None for name in ("manifest", "overwrite")}
        return cls(_text(found["uri"]), charset, found["layout"].decode(), found["csv"] is not None, **flags)

    def to_file(self, path: Path) -> str:
        """Return the clause by which the real server writes the rows to a file."""
        quoted = str(path).replace("\\", "\\\\").replace("'", "''")
        layout = _ESCAPED if self.is_csv else self.layout
        return f"INTO OUTFILE '{quoted}'{self.charset}{layout}"


def _text(literal: bytes) -> str:
    quote, inner = literal[:1], literal[1:-1]
    return re.sub(rb"\\(.)", rb"\1", inner.replace(quote * 2, quote), flags=re.DOTALL).decode()


class Upload:
    """The objects of one statement.

    Args:
        exports: The server's side.
        clause: Where they go.

    Raises:
        ExportError: The address is none, or the cluster has no role for S3.
    """

    def __init__(self, exports: Exports, clause: Clause) -> None:
        found = _ADDRESS.match(clause.address)
        if found is None:
            raise ExportError(_S3_ERROR, f"S3 API returned error: Incorrect S3 URI: {clause.address}")
        if exports.access is None:
            raise ExportError(
                _S3_ERROR,
                "S3 API returned error: Both aurora_select_into_s3_role and aws_default_s3_role are not specified, "
                "please see documentation for more details",
            )
        self._client: Any = s3.client(exports.access)
        self._region = found["region"] or exports.access.region
        self._bucket, self._prefix = found["bucket"], found["key"]
        self._clause, self._part_bytes = clause, exports.part_bytes
        self._keys: list[str] = []

    def write(self, file: Path) -> None:
        """Put the rows of a file into objects; a failure leaves those that were put before it.

        Raises:
            ExportError: S3 refused, or there are such objects.
        """
        try:
            self.begin()
            for part in _parts(_rows(file, self._clause), self._part_bytes):
                self.put_part(part)
            if self._clause.manifest:
                self.put_manifest()
        except (ClientError, BotoCoreError) as problem:
            raise ExportError(_S3_ERROR, f"S3 API returned error: {problem}") from problem

    def begin(self) -> None:
        """Refuse objects that are there already, or delete them."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{self._prefix}.")
        own = re.compile(re.escape(self._prefix) + r"\.(part_\d{5,}|manifest)\Z")
        for key in [one["Key"] for page in pages for one in page.get("Contents", ()) if own.match(one["Key"])]:
            if not self._clause.overwrite:
                raise ExportError(_S3_ERROR, f"S3 API returned error: File already exists: s3://{self._bucket}/{key}")
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def put_part(self, body: bytes) -> None:
        """Upload the next part."""
        key = f"{self._prefix}.part_{len(self._keys):05d}"
        self._client.put_object(Bucket=self._bucket, Key=key, Body=body)
        self._keys.append(key)

    def put_manifest(self) -> None:
        """Upload the list of the parts."""
        entries = [{"url": f"s3-{self._region}://{self._bucket}/{key}"} for key in self._keys]
        body = json.dumps({"entries": entries}).encode()
        self._client.put_object(Bucket=self._bucket, Key=f"{self._prefix}.manifest", Body=body)


def _parts(rows: Iterator[bytes], most: int) -> Iterator[bytes]:
    """Yield rows together, as many as reach `most` bytes; there is a first part without rows, too."""
    part = bytearray()
    is_first = True
    for row in rows:
        if len(part) >= most:
            yield bytes(part)
            is_first = False
            part.clear()
        part += row
    if part or is_first:
        yield bytes(part)


_ROW: Final = re.compile(rb"((?:[^\\\n]|\\.)*)\n", re.DOTALL)
_FIELD: Final = re.compile(rb"((?:[^\\\t]|\\.)*)(?:\t|\Z)", re.DOTALL)
_TO_QUOTE: Final = re.compile(rb'[",\r\n]')


def _rows(file: Path, clause: Clause) -> Iterator[bytes]:
    """Yield the rows of a file as the objects have them.

    A layout of the client's own is one piece, as what ends a row there is the client's business too.
    """
    written = file.read_bytes()
    if clause.layout.strip():
        yield written
    elif clause.is_csv:
        for row in _ROW.finditer(written):
            yield b",".join(map(_csv_field, _fields(row[1]))) + b"\n"
    else:
        for row in _ROW.finditer(written):
            yield row[0]


def _fields(row: bytes) -> list[bytes]:
    if b"\\" not in row:
        return row.split(b"\t")
    ends = [match.end(1) for match in _FIELD.finditer(row)]
    last = ends.index(len(row))
    return [row[start:end] for start, end in zip([0, *(end + 1 for end in ends)], ends[: last + 1], strict=False)]


def _csv_field(field: bytes) -> bytes:
    if field == rb"\N":
        return field
    plain = re.sub(rb"\\(.)", lambda escaped: b"\0" if escaped[1] == b"0" else escaped[1], field, flags=re.DOTALL)
    return b'"' + plain.replace(b'"', b'""') + b'"' if _TO_QUOTE.search(plain) else plain
