"""What COPY makes of the product's Parquet files, type by type, and what it tells.

Sources: "COPY from columnar data formats", "Data types" and PG_LAST_COPY_COUNT of the Developer Guide. Nobody could be
found who has measured dates before 1582 or the count within a transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from aurora_dwh.commands.doctor.contract.assumption import Assumption
from aurora_dwh.commands.doctor.contract.scratch import Scratch
from aurora_dwh.warehouse.errors import WarehouseError
from aurora_dwh.warehouse.load.copy_errors import bad_values

if TYPE_CHECKING:
    import pyarrow as pa

_OTHERWISE = "days with such values are not what the source has, which a proof finds; take `verify` of each such table"
_LONG = 64_000


def assumptions() -> Iterator[Assumption]:
    """Yield what is assumed of COPY."""
    for name, (kind, arrow, values) in _types().items():
        measure = partial(_copied, kind, arrow, values)
        yield Assumption(f"COPY: {name}", "each value as it was", _OTHERWISE, measure)
    yield Assumption("COPY: DECIMAL of 1 to 38 digits", "each value as it was", _OTHERWISE, _decimals)
    yield Assumption(
        "COPY: pg_last_copy_count within a transaction", "3", "each load fails with the check `rows`", _count
    )
    yield Assumption("COPY: ROLLBACK takes its rows back", "0 rows", "a load that fails may leave rows", _rolled_back)
    yield Assumption(
        "COPY: a manifest that names another size",
        "refused",
        "a file that was replaced while it was loaded may not be noticed by its size; the count of rows is",
        _other_size,
    )
    yield Assumption(
        "COPY: a value that is too long is told with file, line and column",
        "file, line and column",
        "the error of a COPY that fails does not name the value; look it up in sys_load_error_detail",
        _told,
    )


def _types() -> dict[str, tuple[str, Any, list[Any]]]:
    import pyarrow as pa

    return {
        "SMALLINT": ("SMALLINT", pa.int16(), [-32768, 32767, None]),
        "INTEGER": ("INTEGER", pa.int32(), [-(2**31), 2**31 - 1]),
        "BIGINT": ("BIGINT", pa.int64(), [-(2**63), 2**63 - 1]),
        "REAL": ("REAL", pa.float32(), [0.5, -1.25, 2.0**-126]),
        "DOUBLE PRECISION": ("DOUBLE PRECISION", pa.float64(), [0.1, 1 / 3, -1.7976931348623157e308]),
        "BOOLEAN": ("BOOLEAN", pa.bool_(), [True, False, None]),
        "DATE, before 1582 too": ("DATE", pa.date32(), [date(600, 12, 2), date(1582, 10, 4), date(9999, 12, 31)]),
        "TIMESTAMP, before 1582 too": (
            "TIMESTAMP",
            pa.timestamp("us"),
            [datetime(1000, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)],  # noqa: DTZ001 - a wall clock
        ),
        "VARCHAR": ("VARCHAR(40)", pa.string(), ["", "a ", "Zoë 東京 😀", "it's\\n", None]),
        "VARBYTE": (f"VARBYTE({_LONG})", pa.binary(), [b"", b"\x00\xff", b"\x01" * _LONG]),
    }


def _copied(kind: str, arrow: Any, values: list[Any], scratch: Scratch) -> str:
    import pyarrow as pa

    column = "v"
    if "BYTE" in kind:
        column = (
            "FROM_VARBYTE(CAST(SUBSTRING(v, 1, 100) AS VARBYTE(100)), 'hex') || '/' || CAST(LENGTH(v) AS VARCHAR(9))"
        )
    table = scratch.name("copied")
    rows = pa.table({"v": pa.array(values, arrow), "place": pa.array(range(len(values)), pa.int32())})
    scratch.run(scratch.first, f"CREATE TABLE {table} (v {kind}, place INTEGER)")
    scratch.run(scratch.first, scratch.copy(table, scratch.manifest(rows)))
    found = [value for (value,) in scratch.rows(f"SELECT {column} FROM {table} ORDER BY place")]
    if "BYTE" in kind:
        values = [f"{value[:100].hex()}/{len(value)}" for value in values]
    wrong = [f"{one!r} is {other!r}" for one, other in zip(values, found, strict=True) if one != other]
    return "; ".join(wrong)[:500] or "each value as it was"


def _decimals(scratch: Scratch) -> str:
    """Of each precision the greatest value and the least, with no digit behind the point and with as many as may be."""
    import pyarrow as pa

    digits = [n for n in range(1, 39) if n != 19]  # which become 20
    kinds = {f"d{n}_{scale}": (n, scale) for n in digits for scale in {0, min(n, 37)}}
    most = {name: Decimal((0, (9,) * n, -scale)) for name, (n, scale) in kinds.items()}
    table = scratch.name("decimals")
    columns = ", ".join(f"{name} DECIMAL({n},{scale})" for name, (n, scale) in kinds.items())
    rows = pa.table(
        {name: pa.array([most[name], most[name].copy_negate()], pa.decimal128(*kinds[name])) for name in kinds}
    )
    scratch.run(scratch.first, f"CREATE TABLE {table} ({columns})", scratch.copy(table, scratch.manifest(rows)))
    found = scratch.rows(f"SELECT * FROM {table} ORDER BY 1 DESC")
    wrong = [
        name
        for place, name in enumerate(kinds)
        if [row[place] for row in found] != [most[name], most[name].copy_negate()]
    ]
    return f"wrong: {', '.join(wrong)}" if wrong else "each value as it was"


def _three(scratch: Scratch) -> tuple[str, pa.Table]:
    import pyarrow as pa

    table = scratch.name("three")
    scratch.run(scratch.first, f"CREATE TABLE {table} (n INTEGER)")
    return table, pa.table({"n": pa.array([1, 2, 3], pa.int32())})


def _count(scratch: Scratch) -> str:
    table, rows = _three(scratch)
    ((count,),) = scratch.rows("BEGIN", scratch.copy(table, scratch.manifest(rows)), "SELECT pg_last_copy_count()")
    return str(count)


def _rolled_back(scratch: Scratch) -> str:
    table, rows = _three(scratch)
    copy = scratch.copy(table, scratch.manifest(rows))
    ((count,),) = scratch.rows("BEGIN", copy, "ROLLBACK", f"SELECT COUNT(*) FROM {table}")
    return f"{count} rows"


def _other_size(scratch: Scratch) -> str:
    table, rows = _three(scratch)
    return scratch.told(scratch.first, scratch.copy(table, scratch.manifest(rows, meta={"content_length": 7}))).split()[
        0
    ]


def _told(scratch: Scratch) -> str:
    import pyarrow as pa

    table = scratch.name("narrow")
    manifest = scratch.manifest(pa.table({"note": ["x", "x" * 50]}))
    scratch.run(scratch.first, f"CREATE TABLE {table} (note VARCHAR(10))")
    try:
        scratch.run(scratch.first, scratch.copy(table, manifest))
    except WarehouseError as error:
        failed, first = error, scratch.first
        found = scratch.ask(
            scratch.second, lambda other: bad_values(other, lambda *_: None, failed, pid=first.pid, since=first.began)
        )
    else:
        return "it was loaded"
    body = scratch.client.get_object(Bucket=scratch.lake.bucket, Key=manifest.partition(f"{scratch.lake.bucket}/")[2])
    url = json.loads(body["Body"].read())["entries"][0]["url"]
    if not found:
        return "nothing"
    one = found[0]
    parts = (("file", one.file == url), ("line", one.line == 2), ("column", one.column == "note"))
    return ", ".join(word for word, is_told in parts if is_told).replace(", column", " and column") or "nothing of it"
