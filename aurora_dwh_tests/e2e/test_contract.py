"""The contract suite: green on the stand-in, and each of its lines fails with the stand-in, or the bucket, bent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import aurora_dwh
from aurora_dwh.cli import app
from aurora_dwh.commands.doctor.contract import report, scratch
from aurora_dwh.commands.doctor.contract.assumption import findings
from aurora_dwh.local.redshift import wire
from aurora_dwh.local.redshift.session import Session
from aurora_dwh.settings.config import LakeSettings, RedshiftSettings
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh_tests.e2e.world import World

pytestmark = pytest.mark.timeout(600)


PRODUCT = Path(aurora_dwh.__file__).parent
VIEWS = re.compile(r"\b(?:FROM|JOIN) ((?:svv|sys|stl|stv|pg)_[a-z_]+)\b")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in compiles nothing: what has not ended after a second and a half waits."""
    monkeypatch.setattr(scratch, "PATIENCE", 1.5)


def test_all_that_is_assumed_holds_on_the_stand_in_and_is_told_without_names(world: World, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--contract", str(tmp_path / "contract.json")])
    text = (tmp_path / "contract.json").read_text()
    found = json.loads(text)
    assert [one for one in found if not one["holds"]] == []
    assert done.exit_code == 0
    assert f"{len(found)} of {len(found)} hold" in done.output
    names = ("AURORA", "_TLS", "REGION", "AWS_EC2")
    hidden = [value for name, value in world.variables.items() if not any(word in name for word in names)]
    assert [value for value in hidden if len(value) > 3 and value in text] == []
    assert world.ask_warehouse("SELECT COUNT(*) FROM pg_namespace WHERE nspname LIKE 'dwh_contract%'") == [(0,)]
    asked = set(VIEWS.findall(" ".join(statement for one in found for statement in one["statements"])))
    files = [file for file in PRODUCT.rglob("*.py") if not {"local", "contract"} & set(file.relative_to(PRODUCT).parts)]
    read = {name for file in files for name in VIEWS.findall(file.read_text(encoding="utf-8"))}
    assert read - asked == set(), "no assumption is about what the product reads of it"


Bend = Callable[[pytest.MonkeyPatch], None]


def sql(pattern: str, replacement: str) -> Bend:
    """Have the stand-in take a statement for another one."""

    def bend(patch: pytest.MonkeyPatch) -> None:
        parse = Session._on_parse

        def bent(self: Session, payload: bytes) -> None:
            name, offset = wire.split_cstring(payload)
            text, offset = wire.split_cstring(payload, offset)
            text = re.sub(pattern, replacement, text)
            parse(self, wire.cstring(name) + wire.cstring(text) + payload[offset:])

        patch.setattr(Session, "_on_parse", bent)

    return bend


def without(method: str) -> Bend:
    """Have the stand-in leave something out."""
    return lambda patch: patch.setattr(Session, method, lambda *_: None)


def bucket(event: str, change: Callable[[dict[str, Any]], object]) -> Bend:
    """Have the bucket's client change what is asked, or what is answered."""

    def bend(patch: pytest.MonkeyPatch) -> None:
        make = LakeSettings.client

        def made(self: LakeSettings) -> Any:
            client = make(self)

            def handle(params: Any = None, parsed: Any = None, **_: Any) -> Any:
                change(parsed if params is None else params)
                return params

            client.meta.events.register(event, handle)
            return client

        patch.setattr(LakeSettings, "client", made)

    return bend


UNLOCKED = without("_lock")
EMPTY = sql(r"^SELECT v FROM (\S+) ORDER", r"SELECT NULL FROM \1 ORDER")
TYPED = ", ".join(f"c{number}" for number in range(1, 11))

BENDS: dict[str, Bend] = {
    "S3: a new object where there is one": bucket(
        "provide-client-params.s3.PutObject", lambda asked: asked.pop("IfNoneMatch", None)
    ),
    "S3: an object in the place of another version": bucket(
        "provide-client-params.s3.PutObject", lambda asked: asked.pop("IfMatch", None)
    ),
    "S3: what was put is listed at once": bucket(
        "after-call.s3.ListObjectsV2", lambda answer: answer.update(KeyCount=0)
    ),
    "S3: an upload in parts is there when it is complete, and not before": bucket(
        "after-call.s3.HeadObject", lambda answer: answer.update(ContentLength=1)
    ),
    "SQL: JSON_SERIALIZE of NULL is a text": sql(r"JSON_SERIALIZE\(v\)", "NULLIF(JSON_SERIALIZE(v), 'null')"),
    "SQL: JSON's null is not NULL": sql(r"JSON_PARSE\('null'\) IS NULL", "TRUE"),
    "SQL: JSON keeps order, digits and characters": sql(r"1\.50", "1.5"),
    "SQL: a digest is the source's": sql(", 1, 15", ", 1, 14"),
    "SQL: MOD cuts towards zero": sql(r"MOD\(.*\)", "3"),
    "SQL: blanks at a text's end are nothing to =": sql(r"\) = CAST", ") <> CAST"),
    "SQL: the database has snapshot isolation": sql("database_isolation_level", "'Serializable'"),
    "SQL: the user sees the grants of others": sql("superuser OR syslog_access = 'UNRESTRICTED'", "FALSE"),
    "SQL: a hexadecimal text that is too long": sql(r"FROM_VARBYTE\(v, 'hex'\)", "'x'"),
    "SQL: svv_all_columns spells types as the product reads them": sql("data_type,", "'odd' AS data_type,"),
    "SQL: a temporary table has the types of its query": sql(r"AS SELECT \*", f"AS SELECT c0 + 1 AS c0, {TYPED}"),
    "catalog: a view on a table is found, and who may make it again": sql("v[.]relkind = 'v'", "FALSE"),
    "catalog: a grant on a table is told": sql("FROM svv_relation_privileges WHERE", "\\g<0> FALSE AND"),
    "catalog: a grant on columns is told": sql("FROM svv_column_privileges WHERE", "\\g<0> FALSE AND"),
    "catalog: a table's distribution and sort key are told": sql("distkey, sortkey", "FALSE AS distkey, 0 AS sortkey"),
    "catalog: the user's roles are told": sql("FROM svv_user_grants", "FROM svv_no_grants"),
    "catalog: attached security policies can be asked for": sql("FROM svv_rls_attached_policy", "FROM svv_no_policy"),
    "catalog: who keeps a session waiting is told": sql("wanted.granted = 'f'", "FALSE"),
    "catalog: a user ends a session of its own": sql(r"pg_terminate_backend\(\d+\)", "TRUE"),
    "COPY: VARBYTE": sql(r"LENGTH\(v\)", "1"),
    "COPY: DECIMAL of 1 to 38 digits": sql("ORDER BY 1 DESC", "ORDER BY 1"),
    "COPY: pg_last_copy_count within a transaction": sql(r"pg_last_copy_count\(\)", "2"),
    "COPY: ROLLBACK takes its rows back": sql("^ROLLBACK$", "COMMIT"),
    "COPY: a manifest that names another size": sql("^COPY .*", "SELECT 1"),
    "COPY: a value that is too long is told with file, line and column": sql("session_id = ", "0 = "),
    "locks: an UPDATE waits for one of the same row": UNLOCKED,
    "locks: an UPDATE waits for one of another row": UNLOCKED,
    "locks: a DELETE of no row waits for another": UNLOCKED,
    "locks: an INSERT waits for a DELETE of no row": UNLOCKED,
    "locks: an UPDATE waits for a DELETE of no row": UNLOCKED,
    "locks: a SELECT does not wait for an UPDATE": sql(r"^UPDATE (\S+) .*", r"LOCK TABLE \1"),
    "locks: an INSERT does not wait for a SELECT": sql(r"^SELECT n FROM (\S+)$", r"LOCK TABLE \1"),
    "locks: writers of two tables do not wait": sql(r"^UPDATE \S+ SET n = 1$", "SELECT 1 / 0"),
    "locks: an ALTER waits for a SELECT": sql(r"^SELECT n FROM \S+$", "SELECT 1"),
    "locks: who waited goes on with what the one before left": UNLOCKED,
    "locks: who has read before and waited is told to try again": sql(r"^SELECT n FROM \S+$", "ROLLBACK"),
    "locks: the second CREATE TABLE of a name": sql(r"^CREATE TABLE \S+ \(a", "CREATE TEMP TABLE own (a"),
    "locks: a table that is younger than the snapshot": without("_check_age"),
    "locks: a VARCHAR is not widened in a transaction": sql("^ALTER TABLE .*", "SELECT 1"),
}
"""What is assumed -> how the stand-in or the bucket is bent; the types of COPY that are not named lose their values."""


@contextmanager
def bent(name: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        BENDS.get(name, EMPTY)(patch)
        yield


def test_each_line_fails_where_what_it_assumes_does_not_hold(world: World) -> None:
    assumed = report.assumptions()
    names = [one.name for one in assumed]
    assert sorted(BENDS.keys() - set(names)) == []
    assert all(name in BENDS or name.startswith("COPY: ") for name in names)
    blind = []
    with opened() as common:
        for one in assumed:
            with bent(one.name), opened() if one.name.startswith("S3: ") else reconnected(common) as place:
                (found,) = findings(place, [one])
            assert "Error: " not in found.found or "COPY" in one.name or "svv_no_" in found.found, found
            if found.holds or not found.meaning:
                blind.append(one.name)
    assert blind == []


def opened() -> scratch.Scratch:
    """Return where assumptions are measured, with a client of the bucket as it is bent now."""
    return scratch.Scratch(Warehouse(RedshiftSettings.from_env()), LakeSettings.from_env())


@contextmanager
def reconnected(place: scratch.Scratch) -> Iterator[scratch.Scratch]:
    """Give it with new sessions, which are served by the stand-in as it is bent now."""
    for name in ("first", "second"):
        getattr(place, name).close()
        setattr(place, name, place.warehouse.connect())
    yield place
