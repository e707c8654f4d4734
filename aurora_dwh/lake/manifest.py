"""The manifest's JSON: what Redshift's `COPY ... MANIFEST` reads, and beside it what the product knows of the day.

COPY wants `entries` with `url`, `mandatory` and, for Parquet, `meta.content_length`; it passes over other keys, as it
does over those that `UNLOAD ... MANIFEST VERBOSE` writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from aurora_dwh.core.models import DataError, Manifest, Part, Strays, Window
from aurora_dwh.core.rules import Rules
from aurora_dwh.core.schema import TableSchema

FORMAT = 1
"""The version of the product's own part; a reader refuses one that it does not know."""

SHARED = 2
"""That of days that share their parts, which a reader of the first would take for the day's own."""


class ManifestError(DataError, ValueError):
    """An object in a manifest's place that this version of the product cannot read."""


def entries(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """Return COPY's list of files for the parts."""
    counted = ((part, {} if part.rows is None else {"record_count": part.rows}) for part in parts)
    return [{"url": p.url, "mandatory": True, "meta": {"content_length": p.size, **count}} for p, count in counted]


def copy_json(parts: Iterable[Part]) -> bytes:
    """Return a manifest with nothing but COPY's list of files."""
    return json.dumps({"entries": entries(parts)}).encode()


def to_json(manifest: Manifest) -> bytes:
    """Return the manifest as it is stored."""
    body = {
        "entries": entries(manifest.parts),
        "aurora_dwh": {
            "format": SHARED if manifest.days else FORMAT,
            "table": manifest.table,
            "attempt": manifest.attempt,
            "files": manifest.files,
            "rows": manifest.source_rows,
            "counted_rows": manifest.counted_rows,
            "rows_behind": manifest.rows_behind,
            "strays": asdict(manifest.strays),
            "window": manifest.window.to_json(),
            "days": [day.isoformat() for day in manifest.days],
            "snapshot_at": manifest.snapshot_at.isoformat(),
            "begun_at": manifest.begun_at and manifest.begun_at.isoformat(),
            "converted": manifest.converted,
            "schema": manifest.schema.to_json(),
            "rules": manifest.rules and manifest.rules.to_json(),
        },
    }
    return json.dumps(body, ensure_ascii=False, indent=1).encode()


def from_json(data: bytes, url: str) -> Manifest:
    """Return the manifest that `to_json` wrote; raises ManifestError where this version knows none such."""
    try:
        body = json.loads(data)
        own = body["aurora_dwh"]
        if own["format"] not in (FORMAT, SHARED):
            raise ManifestError(f"{url}: manifest format {own['format']} is not known to this version")
        return Manifest(
            table=own["table"],
            url=url,
            attempt=own["attempt"],
            schema=TableSchema.from_json(own["schema"]),
            window=Window.from_json(own["window"]),
            snapshot_at=datetime.fromisoformat(own["snapshot_at"]),
            source_rows=own["rows"],
            parts=tuple(
                Part(e["url"], e["meta"]["content_length"], e["meta"].get("record_count")) for e in body["entries"]
            ),
            converted=own["converted"],
            files=own["files"],
            rules=Rules.from_json(own["rules"]) if own.get("rules") else None,
            counted_rows=own.get("counted_rows"),
            rows_behind=own.get("rows_behind", 0),
            strays=Strays(**own.get("strays", {})),
            begun_at=datetime.fromisoformat(own["begun_at"]) if own.get("begun_at") else None,
            days=tuple(date.fromisoformat(day) for day in own.get("days", ())),
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(
            f"{url} is not a manifest of aurora-dwh ({error!r}); materialize that day of the lake again"
        ) from error


def by_column(converted: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Return `(column, reason) -> values` as a manifest has it, `column -> reason -> values`."""
    found: dict[str, dict[str, int]] = {}
    for (column, reason), count in sorted(converted.items()):
        found.setdefault(column, {})[reason] = count
    return found
