"""Which rows a proof found to be gone from the source: their keys, beside the table's days in the lake.

The days keep such rows, since they are what the source had. Whoever makes the latest version of each row of them leaves
out those that were read before the source was asked and did not have them any more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from aurora_dwh.core.models import DataError


@dataclass(frozen=True)
class Gone:
    """Rows that are gone."""

    columns: Sequence[str]  # the columns that tell them, named as in the lake
    # their values as text: bytes in hexadecimal, a moment as `2024-01-05 00:00:00.000000`
    keys: Sequence[Sequence[str | None]]
    at: datetime  # when the source did not have them any more, by its clock in UTC

    def to_json(self) -> bytes:
        """Return the record as it is stored."""
        return json.dumps(asdict(self) | {"at": self.at.isoformat()}, ensure_ascii=False).encode()

    @staticmethod
    def from_json(data: bytes, url: str) -> Gone:
        """Return the record that `to_json` wrote; raises DataError where it is none."""
        try:
            said = json.loads(data)
            return Gone(
                tuple(said["columns"]), [tuple(key) for key in said["keys"]], datetime.fromisoformat(said["at"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{url} is no record of rows that are gone ({error!r}); delete it") from error
