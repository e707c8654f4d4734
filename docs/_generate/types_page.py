"""docs/types.md, written from the one map of types: `python -m docs._generate.types_page`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aurora_dwh.core.schema import CSV_BYTES_LEAD, CSV_NULL, TYPE_RULES, VARBYTE_LIMIT, VARCHAR_LIMIT, Column, TypeRule
from docs._generate.types_probes import section

PAGE = Path(__file__).parents[1] / "types.md"

_SAMPLES = {
    "DECIMAL(p,s), p > 38": Column("c", "decimal", "decimal(60,4)", precision=60, scale=4),
    "DECIMAL(p,s)": Column("c", "decimal", "decimal(12,2)", precision=12, scale=2),
    "BIT(2..63)": Column("c", "bit", "bit(8)", precision=8),
    "BIT(64)": Column("c", "bit", "bit(64)", precision=64),
    "CHAR, VARCHAR, TEXT family": Column("c", "varchar", "varchar(100)", length=100),
    "ENUM, SET": Column("c", "enum", "enum('large','small')"),
    "UUID, INET4, INET6": Column("c", "uuid", "uuid"),
}
"""A column for the rows of the map whose types depend on lengths."""

_INTRODUCTION = f"""# Types: MySQL to Parquet to Redshift

Each column of a source table travels by one row of this map. The page is written from `aurora_dwh/core/schema.py`.

Redshift's COPY changes no types, so the Parquet type is exactly what the Redshift column wants. Where a column is loaded
as another type first, the table says so. Files that Aurora writes by itself (`extract: outfile`) are CSV and end in the same
Redshift types: NULL is `{CSV_NULL}` there, bytes are hexadecimal behind `{CSV_BYTES_LEAD}`, all else is MySQL's text.

Limits that matter: a VARCHAR holds {VARCHAR_LIMIT:,} bytes, a VARBYTE that COPY fills
{VARBYTE_LIMIT:,} bytes.
"""

_POLICIES = """## When a value does not fit

The catalog says per table what happens; each value that is changed is counted by column and reason in the day's manifest,
in the metadata of the materialisation and in `dwh.load_history`. `fail` names the table, the column, the row's key and the
value.

| field | values | what it is for |
|---|---|---|
| `zero_dates` | `null` (default), `fail`, `text` | Dates that the calendar does not have: 0000-00-00, 2021-00-00. `text` keeps the column as VARCHAR(104). |
| `oversize` | `fail` (default), `truncate`, `null` | Values of more bytes than Redshift holds. Texts are cut between characters; JSON cannot be cut. |
| `nul_bytes` | `fail` (default), `remove` | The byte 00 in a text, which no Redshift text can hold. |

What is in the `key` is never changed, as two rows could become one: a date that is none, a NUL byte and too many bytes in
it fail the day whatever the policy, and so does NULL. A date stays what it is with `zero_dates: text`; a mask `sha256` keeps
keys apart whatever their length.

Whether two keys are one and the same is a matter of the collation in MySQL, and of bytes in Redshift. Under a collation that
takes no notice of case or accents (`_ci`, as the default is, or `_ai`), a row whose key is changed from `ABC` to `abc` is one row
in Aurora; the next load brings it to Redshift as a new one, beside the old one. `aurora-dwh verify` names the old row, and the
table's `deletes` policy removes or flags it. `aurora-dwh discover` warns of such keys. A collation that ends in `_bin` compares as
Redshift does, but for blanks at the end, which not all of them heed.

Texts that are no valid UTF-8 always fail the day: the server converts every character set to UTF-8, so they are a sign of
damage.

What a policy changed is no difference to `aurora-dwh verify`: Aurora computes the same change there by SQL.

A mask (`mask` in the catalog) is computed by the source, `hmac` by the worker, and changes the type: `sha256` and `hmac` give
VARCHAR(256) with 64 hexadecimal digits, of a text's UTF-8 whatever its character set; a fixed value and `keep_last` give a VARCHAR,
`null` keeps the type.
"""


def page() -> str:
    """Return the page's text."""
    rows = [
        ("MySQL", "Parquet (Arrow)", "Redshift", "may not fit", "example", ""),
        ("---",) * 6,
        *(_row(rule) for rule in TYPE_RULES),
    ]
    return "\n".join([_INTRODUCTION, *map(_line, rows), "", _POLICIES, section()])


def _row(rule: TypeRule) -> tuple[str, ...]:
    column = _SAMPLES.get(rule.mysql) or _plain(rule)
    redshift = f"{column.redshift_type}"
    if column.stage_type != column.redshift_type:
        redshift += f", loaded as {column.stage_type}"
    if rule.mysql in _SAMPLES:
        redshift += f" for {column.column_type.upper()}"
    policies = ", ".join(f"`{policy}`" for policy in rule.policies)
    original, copied = rule.example
    example = f"`{original}`" if original == copied else f"`{original}` → `{copied}`"
    return rule.mysql, str(column.arrow_type), redshift, policies, example, rule.note


def _plain(rule: TypeRule) -> Column:
    kind = min(rule.data_types)
    names = (f"{kind} unsigned", kind) if "UNSIGNED" in rule.mysql and "[" not in rule.mysql else (kind,)
    return Column("c", kind, names[0], length=16)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
