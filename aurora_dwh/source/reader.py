"""The columnar reader: a SELECT's rows as Arrow record batches, as fast as the wire brings them.

Rows are never Python objects: `protocol` asks, `packets` finds the rows, `rows` their fields, `decode` makes columns of
them. Which rows are asked for is the caller's business. The binary protocol is used where the server has it: numbers in
it cost the server a third of what it spends on printing them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pymysql

from aurora_dwh.core.models import DataError
from aurora_dwh.core.schema import TableSchema
from aurora_dwh.core.waiting import told, waiting
from aurora_dwh.source.connection import SourceError, explain, failure, is_timeout, mask_key_of
from aurora_dwh.source.internals import close_at_once
from aurora_dwh.source.value_policies import NULL_OR_TEXT, named_key, no_key
from aurora_dwh.source.wire import protocol
from aurora_dwh.source.wire.dates import Mask
from aurora_dwh.source.wire.decode import Decoded, decode
from aurora_dwh.source.wire.packets import BLOCK_BYTES, Block, BrokenStreamError, ErrorPacketError, blocks
from aurora_dwh.source.wire.rows import Field, split

if TYPE_CHECKING:
    from aurora_dwh.settings.mask_key import MaskKey
    from aurora_dwh.source.connection import Connection

_SHOWN_BYTES = 30

ZeroDates = Literal["null", "fail"]
Protocol = Literal["binary", "text"]
Changed = Callable[[str, str, Mask], None]


def read(
    connection: Connection,
    statement: str,
    schema: TableSchema,
    *,
    zero_dates: ZeroDates = "null",
    keys: Mapping[str, str] = MappingProxyType({}),
    changed: Changed = lambda *_: None,
    wire: Protocol = "binary",
    block_bytes: int = BLOCK_BYTES,
    is_first_known: bool = False,
) -> Generator[pa.RecordBatch, None, None]:
    """Yield the rows of a SELECT in batches of about `block_bytes`, some thousand rows each.

    The statement is sent when the first batch is asked for. A connection whose rows were not all taken is closed, as
    the rest of them would be taken for the next answer.

    Args:
        connection: An open connection, used for nothing else until the rows have been read.
        statement: A SELECT of the schema's columns, in their order, as `statement.select` writes it.
        zero_dates: What becomes of dates that the calendar does not have: `null` makes them NULL and counts them,
            `fail` raises.
        keys: The columns, by their folded names, that must have a value in each row -> what helps where a date in one
            is none.
        changed: Told, before a batch is yielded, the column and the reason for which values of it were made NULL, and
            in which of its rows.
        wire: The protocol; `binary` falls back to `text` where the server cannot prepare the statement.
        block_bytes: How many bytes are received before they are decoded.
        is_first_known: Whether the first row was read before: it comes in a batch of its own, and `changed` is told
            nothing of it.

    Raises:
        DataError: A value cannot be copied as it is, the statement does not fit the schema, or the server refuses it.
        SourceError: The server or the connection failed; another attempt may succeed.
        ConfigError: A column is to be hashed, and there is no key.
    """
    mask_key = mask_key_of(connection) if any(column.keyed for column in schema.columns) else None
    columns = _Columns(schema, zero_dates, keys, changed, mask_key)
    complete = False
    try:
        what = f"rows of {schema.database}.{schema.table} from Aurora"
        with waiting(what):
            result = wire == "binary" and protocol.execute_prepared(connection, statement)
            result = result or protocol.query(connection, statement)
        columns.check(result)
        received = blocks(result.stream, sequence=result.sequence, binary=result.binary, block_bytes=block_bytes)
        for block in told(received, what):
            if is_first_known:
                yield columns.plain(block[:1], result)
                is_first_known, block = False, block[1:]
            if len(block):
                yield columns.batch(block, result)
        complete = True
        if result.statement_id is not None:
            protocol.close(connection, result.statement_id)
    except ErrorPacketError as error:
        complete = True
        cause = protocol.error_of(error.packet)
        raise _failure(cause, schema) from cause
    except pymysql.err.Error as error:
        raise _failure(error, schema) from error
    except (BrokenStreamError, OSError) as error:
        raise SourceError(f"{schema.named}: the connection was lost: {explain(error)}") from error
    finally:
        if not complete:
            close_at_once(connection)  # without waiting for the server to send the rest


class _Columns:
    """What is known about the result's columns, and what was found in them."""

    def __init__(
        self,
        schema: TableSchema,
        zero_dates: ZeroDates,
        keys: Mapping[str, str],
        changed: Changed,
        mask_key: MaskKey | None,
    ) -> None:
        self._schema = schema
        self._arrow = schema.arrow_schema
        self._zero_dates = zero_dates
        self._keys = keys
        self._changed = changed
        self._mask_key = mask_key
        self._keyed = {column.target_name for column in schema.columns if column.keyed}

    def check(self, result: protocol.Result) -> None:
        """Refuse a result that is not the schema's: a table may have changed since its schema was read."""
        sent = [column.name.lower() for column in result.columns]
        if sent != self._arrow.names:
            raise DataError(
                f"{self._schema.named}: the server sends the columns {', '.join(sent)} where "
                f"{', '.join(self._arrow.names)} were asked for"
            )

    def batch(self, block: Block, result: protocol.Result) -> pa.RecordBatch:
        """Return a block's rows, and account for what was changed in them."""
        decoded = self._decoded(block, result)
        batch = self._batch(decoded)
        self._account(batch, decoded)
        return batch

    def plain(self, block: Block, result: protocol.Result) -> pa.RecordBatch:
        """Return a block's rows."""
        return self._batch(self._decoded(block, result))

    def _batch(self, decoded: Sequence[Decoded]) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([d.values for d in decoded], schema=self._arrow)

    def _decoded(self, block: Block, result: protocol.Result) -> list[Decoded]:
        decoded = []
        for field, column, target in zip(
            split(block, result.columns, binary=result.binary), result.columns, self._arrow, strict=True
        ):
            try:
                decoded.append(self._decode(field, column, target, result))
            except pa.ArrowInvalid as error:
                raise self._undecodable(block, result, target, field, error) from error
        return decoded

    def _decode(self, field: Field, column: protocol.WireColumn, target: pa.Field, result: protocol.Result) -> Decoded:
        """Return a column's values; of those that are hashed nothing is kept, and nothing is said of a wrong one."""
        if self._mask_key and target.name in self._keyed:
            return Decoded(self._mask_key.hashed_all(decode(field, column, pa.binary(), binary=result.binary).values))
        return decode(field, column, target.type, binary=result.binary)

    def _undecodable(
        self, block: Block, result: protocol.Result, target: pa.Field, values: Field, error: pa.ArrowInvalid
    ) -> DataError:
        """Return what to raise for a value that is not of its column's type, such as bytes that are no UTF-8."""
        where = f"{self._schema.named}, column {target.name!r}"
        texts = zip(values.starts, values.ends, strict=True) if pa.types.is_string(target.type) else ()
        for row, (start, end) in enumerate(texts):
            value = values.data[start:end].tobytes()
            if not _is_text(value):
                shown = value[:_SHOWN_BYTES].hex() + ("..." if len(value) > _SHOWN_BYTES else "")
                return DataError(
                    f"{where}{self._row_of(block, result, row)}: the bytes x'{shown}' are no valid UTF-8; "
                    "mend the row, or leave the column out with `exclude`"
                )
        return DataError(f"{where}: {error}")

    def _row_of(self, block: Block, result: protocol.Result, row: int) -> str:
        """Return which row of a block is meant, by those columns of its key that can be read."""
        one = block[row : row + 1]
        readable: dict[str, Decoded] = {}
        for field, column, target in zip(
            split(one, result.columns, binary=result.binary), result.columns, self._arrow, strict=True
        ):
            with suppress(pa.ArrowInvalid):
                readable[target.name] = self._decode(field, column, target, result)
        return self._row(readable, 0)

    def _account(self, batch: pa.RecordBatch, decoded: list[Decoded]) -> None:
        columns = dict(zip(self._arrow.names, decoded, strict=True))
        for name, column in columns.items():
            for reason, mask in column.converted.items():
                if name in self._keys or self._zero_dates == "fail":
                    index = int(mask.argmax())
                    helps = self._keys.get(name, NULL_OR_TEXT)
                    raise self._refusal(columns, name, reason, index, repr(column.original(index)), helps)
                self._changed(name, reason, mask)
        for name in self._keys:
            if batch.column(name).null_count:
                index = pc.index(batch.column(name).is_null(), True).as_py()
                helps = no_key(self._schema.column(name), self._schema, self._keys)
                raise self._refusal(columns, name, "no_key", index, "NULL", helps)

    def _refusal(
        self, columns: Mapping[str, Decoded], name: str, reason: str, index: int, shown: str, helps: str
    ) -> DataError:
        row = self._row(columns, index)
        return DataError(f"{self._schema.named}, column {name!r}: {reason.replace('_', ' ')}{row}: {shown}; {helps}")

    def _row(self, columns: Mapping[str, Decoded], index: int) -> str:
        """Return which row of a block is meant, by its key as it is in the source, as far as that is read."""
        names = [name for name in self._schema.copied_key if name in columns]
        key = named_key({name: columns[name].shown(index) for name in names})
        return f" in the row {key}" if key else ""


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _failure(error: pymysql.err.MySQLError, schema: TableSchema) -> Exception:
    """Return what to raise for a server's error."""
    hint = "; an index that begins with the cursor, or fewer rows, makes it shorter" if is_timeout(error) else ""
    return failure(schema.named, error, hint)
