"""The proof of a table as the schedule runs it: prove, mend, look again, record."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING

from aurora_dwh.core.models import DataError, utc_now
from aurora_dwh.proof.engine import Places, Proof, keeps_gone, look_again, prove
from aurora_dwh.proof.repair import Repair, Repaired
from aurora_dwh.proof.verdict import GONE, KINDS, LATE, Verdict, count, first_of_each
from aurora_dwh.source.connection import Connection
from aurora_dwh.warehouse import load_history, removal
from aurora_dwh.warehouse.load.statements import staging_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_dwh.catalog.model import Catalog, Table
    from aurora_dwh.core.rules import Rules

_SHOWN_CHARACTERS = 15_000
"""Characters of JSON that a VARCHAR has room for whatever they are."""


@dataclass(frozen=True)
class Outcome:
    """A table proven, and mended as the catalog says."""

    found: Verdict  # what was found
    verdict: Verdict  # what is left, after what was mended
    repaired: Repaired = field(default_factory=Repaired)  # what was done

    @property
    def mended(self) -> Mapping[str, int]:
        """Kind -> rows that differed and do so no more."""
        left = self.verdict.kinds
        return {kind: n - left.get(kind, 0) for kind, n in self.found.kinds.items() if n > left.get(kind, 0)}


def prove_and_repair(
    connection: Connection,
    database: str,
    places: Places,
    catalog: Catalog,
    table: Table,
    rules: Rules,
    *,
    run_id: str | None = None,
    max_share: float = removal.MAX_SHARE,
) -> Outcome:
    """Prove a table, mend what differs as the catalog says, look at it again, and record all of it.

    Args:
        max_share: The share of the live rows, from 0 to 1, that may be gone from the source.

    Returns:
        What was found and done. Where not all could be mended, `repaired.refused` says why.

    Raises:
        DataError: The table cannot be read as the catalog says, or was loaded from another source.
        SourceError: The source failed, and another attempt may succeed.
        WarehouseError: Redshift refused a statement, or was out of reach for all attempts.
    """
    started = monotonic()
    target = staging_target(table, places.warehouse.settings.staging_schema)
    removal.prepare(places.warehouse, target)
    proof = prove(connection, database, places, catalog, table, rules=rules)
    found, done = proof.verdict, Repaired()
    repair = Repair(connection, places, catalog, table, rules, run_id, max_share)
    try:
        if repair.is_lost(proof):
            repair.make_anew(done)
            proof = prove(connection, database, places, catalog, table, rules=rules)
        repair.mend(proof, done)
    except DataError as error:
        done.refused = error
    finally:
        verdict = _left(connection, places, proof, repair, done)
        outcome = Outcome(found, replace(verdict, seconds=monotonic() - started), done)
        _record(places, target.label, outcome, run_id)
    return outcome


def _left(connection: Connection, places: Places, proof: Proof, repair: Repair, done: Repaired) -> Verdict:
    """Return what is left of what was found, once it was mended."""
    if not done.done:
        return proof.verdict
    left = look_again(
        connection, places, proof.subject, proof.candidates, is_kept=keeps_gone(repair.table, is_mended=True)
    )
    kinds = count(left)
    kinds[LATE] += proof.verdict.kinds.get(LATE, 0) - count(proof.found)[LATE]
    wrong = [one for one in left if one.kind in KINDS]
    return replace(
        proof.verdict,
        kinds={kind: rows for kind, rows in kinds.items() if rows},
        columns=proof.verdict.columns if wrong else {},
        shown=first_of_each(wrong),
        examined=proof.verdict.examined + sum(one.copies[0] for one in left),
    )


def _record(places: Places, label: str, outcome: Outcome, run_id: str | None) -> None:
    """Write the row of `dwh.proof_history`."""
    found, left = outcome.found, outcome.verdict
    row: load_history.Row = {
        "proof_id": secrets.token_hex(16),
        "run_id": run_id,
        "table_name": label,
        "read_at": left.read_at or utc_now(),
        "proven_at": utc_now(),
        "source_rows": left.source_rows,
        "staged_rows": left.staged_rows,
        "rows_proven": left.proven,
        **{kind: found.kinds.get(kind, 0) for kind in (*KINDS, LATE, GONE)},
        "repaired": outcome.repaired.rows,
        "removed": outcome.repaired.removed,
        "differing": left.wrong,
        "shown": _short([str(one) for one in found.shown]),
        "repairs": _short(outcome.repaired.done),
        "seconds": round(left.seconds, 3),
    }
    places.warehouse.persist(lambda session: session.execute(load_history.insert_proof(row)))


def _short(items: Sequence[object]) -> str:
    """Return a list as JSON, with as many of its items as there is room for."""
    kept = list(items)
    while len(text := json.dumps(kept, ensure_ascii=False)) > _SHOWN_CHARACTERS:
        kept = _fewer(kept)
    return text


def _fewer(items: list[object]) -> list[object]:
    """Return a list with half of its longest item's keys, else half of its items."""
    for item in items:
        if isinstance(item, dict) and len(item.get("keys", ())) > 1:
            return [
                {**one, "keys": one["keys"][: len(one["keys"]) // 2]}
                if isinstance(one, dict) and "keys" in one
                else one
                for one in items
            ]
    return items[: len(items) // 2]
