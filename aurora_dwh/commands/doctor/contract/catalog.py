"""What Redshift's views tell of tables, grants, policies and sessions, asked by the product's own queries.

Sources: SVV_RELATION_PRIVILEGES, SVV_COLUMN_PRIVILEGES, SVV_REDSHIFT_COLUMNS, SVV_USER_GRANTS, SVV_RLS_ATTACHED_POLICY,
SVV_ATTACHED_MASKING_POLICY, SVV_TRANSACTIONS and PG_TERMINATE_BACKEND of the Developer Guide. Nobody could be found who
has measured how pg_depend leads from a table to the views on it.
"""

from __future__ import annotations

from collections.abc import Iterator

from aurora_dwh.commands.doctor.contract.assumption import Assumption
from aurora_dwh.commands.doctor.contract.scratch import PASSING, Scratch
from aurora_dwh.warehouse import dependents
from aurora_dwh.warehouse.connection import BLOCKERS, terminate
from aurora_dwh.warehouse.table_keys import differences

_LOST = "grants are lost where a table is made anew (a rebuild, a mart whose columns change); give them again behind it"


def assumptions() -> Iterator[Assumption]:
    """Yield what is assumed of views and functions about tables, users and sessions."""
    yield Assumption(
        "catalog: a view on a table is found, and who may make it again",
        "seen, by this user",
        "a rebuild of a table with views on it fails, and changes nothing; drop them for as long as it takes",
        _views,
    )
    yield Assumption("catalog: a grant on a table is told", "SELECT to PUBLIC", _LOST, _grant)
    yield Assumption("catalog: a grant on columns is told", "SELECT to PUBLIC (a)", _LOST, _column_grant)
    yield Assumption(
        "catalog: a table's distribution and sort key are told",
        "as they were made",
        "`doctor` and marts take keys for others than they are; leave dist_key and sort_key of marts out",
        _keys,
    )
    yield Assumption(
        "catalog: the user's roles are told",
        "told",
        "`doctor`, a rebuild and a mart whose columns change fail, and change nothing",
        _roles,
    )
    yield Assumption(
        "catalog: attached security policies can be asked for",
        "none is attached",
        "a rebuild by a security administrator fails, and changes nothing; let another user run it",
        _policies,
    )
    yield Assumption(
        "catalog: who keeps a session waiting is told",
        "the other session",
        "the log of a run that waits names nobody; a superuser finds them in svv_transactions",
        _blocker,
    )
    yield Assumption(
        "catalog: a user ends a session of its own",
        PASSING,
        "a statement that nobody waits for any more goes on in Redshift, with its locks, until it ends by itself",
        _end,
    )


def _made(scratch: Scratch, keys: str = "") -> tuple[str, str]:
    """Make a table and return its schema and its name, without quotes."""
    table = scratch.name("told")
    scratch.run(scratch.first, f"CREATE TABLE {table} (a INTEGER, b INTEGER){keys}")
    return scratch.schema, table.rpartition(".")[2].strip('"')


def _views(scratch: Scratch) -> str:
    schema, name = _made(scratch)
    scratch.run(scratch.first, f'CREATE VIEW "{schema}"."seen_{name}" AS SELECT a FROM "{schema}"."{name}"')
    found = scratch.ask(scratch.first, lambda session: dependents.views(session, schema, name))
    return ", ".join(f"{view.name[:4]}, {'by this user' if view.is_ours else view.owner}" for view in found) or "none"


def _grant(scratch: Scratch) -> str:
    schema, name = _made(scratch)
    scratch.run(scratch.first, f'GRANT SELECT ON "{schema}"."{name}" TO PUBLIC')
    return _told(scratch, schema, name)


def _column_grant(scratch: Scratch) -> str:
    schema, name = _made(scratch)
    scratch.run(scratch.first, f'GRANT SELECT (a) ON "{schema}"."{name}" TO PUBLIC')
    return _told(scratch, schema, name)


def _told(scratch: Scratch, schema: str, name: str) -> str:
    found = scratch.ask(scratch.first, lambda session: dependents.grants(session, schema, name))
    texts = (f"{one.privilege} to {one.to} ({', '.join(one.columns)})".removesuffix(" ()") for one in found)
    return "; ".join(texts) or "none"


def _keys(scratch: Scratch) -> str:
    schema, name = _made(scratch, " DISTKEY (a) SORTKEY (b, a)")
    wrong = scratch.ask(
        scratch.first, lambda session: differences(session, schema, name, dist_key="a", sort_key=("b", "a"))
    )
    return "; ".join(wrong) or "as they were made"


def _roles(scratch: Scratch) -> str:
    scratch.ask(scratch.first, dependents.roles)
    return "told"


def _policies(scratch: Scratch) -> str:
    place = _made(scratch)
    found = scratch.ask(scratch.first, lambda session: dependents.attached(session, [place]))
    return ", ".join(found) or "none is attached"


def _blocker(scratch: Scratch) -> str:
    schema, name = _made(scratch)
    scratch.run(scratch.first, "BEGIN", f'DELETE FROM "{schema}"."{name}"')
    coming = scratch.beside("BEGIN", f'DELETE FROM "{schema}"."{name}"')
    holders = {int(pid) for _, pid, _ in scratch.rows(BLOCKERS.format(pid=scratch.second.pid))}
    scratch.run(scratch.first, "COMMIT")
    coming.ended()
    return "the other session" if holders == {scratch.first.pid} else f"{len(holders)} sessions"


def _end(scratch: Scratch) -> str:
    scratch.rows(terminate(scratch.second.pid))
    return scratch.told(scratch.second, "SELECT 1")
