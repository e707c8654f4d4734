r"""SELECT ... INTO OUTFILE S3: Aurora's statement that writes a result to S3 as text files, and a list of them.

Grammar and behaviour follow the Amazon Aurora User Guide, "Saving data from an Amazon Aurora MySQL DB cluster into text
files in an Amazon S3 bucket": `<prefix>.part_00000` and so on, then `<prefix>.manifest` with `s3-region://` addresses.
FORMAT TEXT is MySQL's own OUTFILE format; FORMAT CSV is RFC 4180, with NULL as `\N`, which AWS does not document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from aurora_dwh.local import s3
from aurora_dwh.local.aurora.errors import AuroraError, not_supported
from aurora_dwh.local.aurora.reader import Reader, spans_of
from aurora_dwh.local.aurora.values import format_double

ROLE: Final = "AWS_SELECT_S3_ACCESS"
PART_BYTES: Final = 6 * 10**9

_ADDRESS: Final = re.compile(r"s3(?:-(?P<region>[a-z0-9-]+))?://(?P<bucket>[^/]+)/(?P<key>.+)\Z", re.DOTALL)
_S3_ERROR: Final = 63_985


@dataclass
class Exports:
    """What a server may write to S3, shared by its sessions.

    Attributes:
        access: Where S3 is; None is a cluster without a role for it.
        part_bytes: Bytes after which a new part begins, at the end of a row.
        granted: Whether the account has the role that lets it export.
    """

    access: s3.S3Access | None = None
    part_bytes: int = PART_BYTES
    granted: bool = True

    @property
    def iam_role(self) -> str:
        """The value of the cluster parameter aws_default_s3_role."""
        return "" if self.access is None else "arn:aws:iam::000000000000:role/embedded-aurora"


@dataclass(frozen=True)
class Outfile:
    """The clause behind a SELECT: where to, and how."""

    address: str
    is_csv: bool = False
    header: bool = False
    terminated: str = "\t"
    enclosed: str = ""
    optionally: bool = False
    escaped: str = "\\"
    line_start: str = ""
    line_end: str = "\n"
    manifest: bool = False
    overwrite: bool = False


def split_outfile(sql: str) -> tuple[str, Outfile] | None:
    """Part a statement that ends with INTO OUTFILE S3 into its SELECT and the clause; None where it has none.

    Raises:
        AuroraError: The clause is not as Aurora's grammar has it.
    """
    spans = spans_of(sql)
    for at, (start, token) in enumerate(spans[:-2]):
        if token.is_word("INTO") and spans[at + 1][1].is_word("OUTFILE") and spans[at + 2][1].is_word("S3"):
            return sql[:start].rstrip(), _read(Reader(sql[start:]))
    return None


def _read(reader: Reader) -> Outfile:
    reader.need("INTO", "OUTFILE", "S3")
    given: dict[str, Any] = {"address": _string(reader)}
    if reader.skip("CHARACTER", "SET") and (charset := reader.name().lower()) not in ("utf8mb4", "utf8", "binary"):
        raise not_supported(f"CHARACTER SET {charset} of INTO OUTFILE S3")
    if reader.skip("FORMAT"):
        given["is_csv"] = _either(reader, "CSV", "TEXT")
        given["header"] = reader.skip("HEADER")
    if reader.skip("FIELDS") or reader.skip("COLUMNS"):
        _clauses(reader, given, _FIELDS)
    if reader.skip("LINES"):
        _clauses(reader, given, _LINES)
    for word in ("MANIFEST", "OVERWRITE"):
        if reader.skip(word):
            given[word.lower()] = _either(reader, "ON", "OFF")
    if reader.skip("ENCRYPTION"):
        _encryption(reader)
    if reader.next.kind != "end":
        raise reader.error()
    return Outfile(**given)


_FIELDS: Final = (
    (("TERMINATED", "BY"), "terminated"),
    (("OPTIONALLY", "ENCLOSED", "BY"), "optionally"),
    (("ENCLOSED", "BY"), "enclosed"),
    (("ESCAPED", "BY"), "escaped"),
)
_LINES: Final = ((("STARTING", "BY"), "line_start"), (("TERMINATED", "BY"), "line_end"))


def _clauses(reader: Reader, given: dict[str, Any], clauses: Iterable[tuple[tuple[str, ...], str]]) -> None:
    found = False
    for words, name in clauses:
        if reader.skip(*words):
            found = True
            given["enclosed" if name == "optionally" else name] = _string(reader)
            if name == "optionally":
                given["optionally"] = True
    if not found:
        raise reader.error()


def _string(reader: Reader) -> str:
    if reader.next.kind != "text":
        raise reader.error()
    return reader.take().value


def _either(reader: Reader, yes: str, no: str) -> bool:
    if reader.skip(yes):
        return True
    reader.need(no)
    return False


def _encryption(reader: Reader) -> None:
    """Step over how S3 is to encrypt the objects, which the embedded lake does not."""
    if not any(reader.skip(word) for word in ("ON", "OFF", "SSE_S3")):
        reader.need("SSE_KMS")
        if reader.next.kind == "text":
            reader.take()


def write(
    exports: Exports, clause: Outfile, titles: Iterable[str], rows: Iterable[Iterable[Any]], *, allowed: bool
) -> int:
    """Write rows to S3 and return how many they were. A failure leaves the parts that were uploaded before it.

    Args:
        exports: The server's side.
        clause: The clause.
        titles: The columns' names.
        rows: The rows, as cells.
        allowed: Whether the session's role that lets it export is active.

    Raises:
        AuroraError: A privilege, the cluster's role or S3 stands against it, or there are such files.
    """
    found = _ADDRESS.match(clause.address)
    if found is None:
        raise AuroraError(_S3_ERROR, f"S3 API returned error: Incorrect S3 URI: {clause.address}")
    if not allowed:
        raise AuroraError(1227, f"Access denied; you need (at least one of) the {ROLE} privilege(s) for this operation")
    if exports.access is None:
        raise AuroraError(
            _S3_ERROR,
            "S3 API returned error: Both aurora_select_into_s3_role and aws_default_s3_role are not specified, please "
            "see documentation for more details",
        )
    region = found["region"] or exports.access.region
    upload = Upload(s3.client(exports.access), region, found["bucket"], found["key"])
    try:
        upload.begin(overwrite=clause.overwrite)
        count = _write_parts(exports, clause, titles, rows, upload)
        if clause.manifest:
            upload.put_manifest()
    except (ClientError, BotoCoreError) as problem:
        raise AuroraError(_S3_ERROR, f"S3 API returned error: {problem}") from problem
    return count


class Upload:
    """The objects of one statement."""

    def __init__(self, client: Any, region: str, bucket: str, prefix: str) -> None:
        self._client = client
        self._region = region
        self._bucket = bucket
        self._prefix = prefix
        self._keys: list[str] = []

    def begin(self, *, overwrite: bool) -> None:
        """Refuse objects that are there already, or delete them."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{self._prefix}.")
        own = re.compile(re.escape(self._prefix) + r"\.(part_\d{5,}|manifest)\Z")
        for key in [one["Key"] for page in pages for one in page.get("Contents", ()) if own.match(one["Key"])]:
            if not overwrite:
                raise AuroraError(_S3_ERROR, f"S3 API returned error: File already exists: s3://{self._bucket}/{key}")
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def put_part(self, file: IO[bytes]) -> None:
        """Upload the next part."""
        key = f"{self._prefix}.part_{len(self._keys):05d}"
        file.seek(0)
        self._client.put_object(Bucket=self._bucket, Key=key, Body=file.read())
        self._keys.append(key)

    def put_manifest(self) -> None:
        """Upload the list of the parts."""
        entries = [{"url": f"s3-{self._region}://{self._bucket}/{key}"} for key in self._keys]
        body = json.dumps({"entries": entries}).encode()
        self._client.put_object(Bucket=self._bucket, Key=f"{self._prefix}.manifest", Body=body)


def _write_parts(
    exports: Exports, clause: Outfile, titles: Iterable[str], rows: Iterable[Iterable[Any]], upload: Upload
) -> int:
    """Write rows to files on local disk, each uploaded when it is full; there is a first one without rows, too."""
    line = _csv_line if clause.is_csv else _text_line(clause)
    count = 0
    with TemporaryFile(prefix="embedded-aurora-") as file:
        if clause.header:
            file.write(line(titles))
        for row in rows:
            if file.tell() >= exports.part_bytes:
                upload.put_part(file)
                file.seek(0)
                file.truncate()
            file.write(line(row))
            count += 1
        upload.put_part(file)
    return count


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return (format_double(value) if isinstance(value, float) else str(value)).encode()


_TO_QUOTE: Final = re.compile(rb'[",\r\n]')


def _csv_line(row: Iterable[Any]) -> bytes:
    return b",".join(b"\\N" if value is None else _csv_field(_bytes(value)) for value in row) + b"\n"


def _csv_field(field: bytes) -> bytes:
    return b'"' + field.replace(b'"', b'""') + b'"' if _TO_QUOTE.search(field) else field


def _text_line(clause: Outfile) -> Callable[[Iterable[Any]], bytes]:
    """Return what writes a row as MySQL's OUTFILE does: special characters behind the escape, NULL as escape and N."""
    terminated, quote, escape = clause.terminated.encode(), clause.enclosed.encode(), clause.escaped.encode()
    start, end = clause.line_start.encode(), clause.line_end.encode()
    special = {escape, quote} if quote else {escape, terminated[:1], end[:1]}
    pattern = re.compile(b"[" + b"".join(re.escape(one) for one in special if one) + rb"\x00]")

    def escaped(match: re.Match[bytes]) -> bytes:
        return escape + (b"0" if match.group() == b"\0" else match.group())

    def field(value: Any) -> bytes:
        if value is None:
            return escape + b"N" if escape else b"NULL"
        text = pattern.sub(escaped, _bytes(value)) if escape else _bytes(value)
        is_quoted = quote and (isinstance(value, (str, bytes)) or not clause.optionally)
        return quote + text + quote if is_quoted else text

    return lambda row: start + terminated.join(field(value) for value in row) + end
