"""A staging table made anew and swapped: its rows, its views and grants, and whatever comes between."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from aurora_dwh.commands.doctor.check import State
from aurora_dwh.commands.doctor.warehouse import check_column_grants, check_grants, check_policies
from aurora_dwh.core import retries
from aurora_dwh.core.models import DataError, Manifest
from aurora_dwh.core.schema import Column, TableSchema
from aurora_dwh.lake.store import Lake
from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.local.redshift.faults import Fault
from aurora_dwh.warehouse.connection import Warehouse
from aurora_dwh.warehouse.dependents import DependentError
from aurora_dwh.warehouse.errors import PassingError, WarehouseError
from aurora_dwh.warehouse.load.schema_drift import DriftError
from aurora_dwh.warehouse.load.statements import Target
from aurora_dwh.warehouse.load.transaction import load
from aurora_dwh.warehouse.rebuild import Rebuilt, rebuild
from aurora_dwh_tests.polling import until
from aurora_dwh_tests.services import BORDERS, SlowToCommit, each_statement, extract, query

ID = Column("id", "int", "int", nullable=False)
CHANGED = Column("changed", "datetime", "datetime")
SCHEMA = TableSchema("shop", "orders", (ID, Column("size", "int", "int"), CHANGED), ("id",))
RETYPED = replace(SCHEMA, columns=(ID, Column("size", "varchar", "varchar(9)", length=9), CHANGED))
TARGET = Target("staging", "orders", key=("id",), cursor="changed")
FIRST = date(2024, 1, 1)


def put(lake: Lake, day: int, rows: dict[int, Any], *, schema: TableSchema = SCHEMA) -> Manifest:
    changed = datetime(2024, 1, 1 + day, 12)  # noqa: DTZ001 - a wall clock
    found = [{"id": key, "size": size, "changed": changed} for key, size in rows.items()]
    return lake.write("orders", extract(schema, FIRST + timedelta(days=day), found))


def run(warehouse: Warehouse, lake: Lake, *manifests: Manifest, mode: str = "incremental") -> None:
    load(warehouse, lake, TARGET, mode, manifests, run_id="run")


def again(warehouse: Warehouse, lake: Lake, *, mode: str = "incremental", target: Target = TARGET) -> Rebuilt:
    return rebuild(warehouse, lake, target, mode, lambda: lake.loadable("orders", mode), table="orders")


def sizes(warehouse: Warehouse) -> dict[int, Any]:
    """Return the table's rows; a statement that meets a swap may be refused, and is asked again."""
    found = warehouse.persist(lambda session: session.execute("SELECT id, size FROM staging.orders ORDER BY id").rows)
    assert len(dict(found)) == len(found), "a key is there twice"
    return dict(found)


def tables(warehouse: Warehouse) -> list[str]:
    rows = query(warehouse, "SELECT table_name FROM svv_all_tables WHERE schema_name = 'staging' ORDER BY 1")
    return [name for (name,) in rows]


def test_a20_a_retyped_column_is_refused_with_the_command_that_the_rebuild_then_is(
    warehouse: Warehouse, lake: Lake
) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10, 2: 20}))
    last = put(lake, 1, {2: "twenty"}, schema=RETYPED)
    with pytest.raises(DriftError, match=r"'size' is INTEGER .* run `aurora-dwh rebuild orders --from source`"):
        run(warehouse, lake, last)
    put(lake, 0, {1: "ten", 2: "20"}, schema=RETYPED)
    done = again(warehouse, lake)
    assert sizes(warehouse) == {1: "ten", 2: "twenty"}
    assert (done.rows, done.days) == (2, (FIRST, last.day))
    assert tables(warehouse) == ["orders"]


@pytest.mark.parametrize("encoding", ["BYTEDICT", "TEXT255"])
def test_a20_a_column_whose_encoding_keeps_it_from_being_widened_is_so_by_the_named_command(
    warehouse: Warehouse, lake: Lake, encoding: str
) -> None:
    """Somebody chose the encoding; Redshift says that such a column cannot be altered."""
    narrow, wide = (
        replace(SCHEMA, columns=(ID, Column("size", "varchar", f"varchar({size})", length=size), CHANGED))
        for size in (9, 90)
    )
    run(warehouse, lake, put(lake, 0, {1: "ten"}, schema=narrow))
    query(warehouse, f"ALTER TABLE {TARGET.sql} ALTER COLUMN size ENCODE {encoding}")
    later = put(lake, 1, {2: "t" * 90}, schema=wide)
    with pytest.raises(DriftError, match=r"does not widen a column in place .*`aurora-dwh rebuild orders`"):
        run(warehouse, lake, later)
    assert sizes(warehouse) == {1: "ten"}
    again(warehouse, lake)
    run(warehouse, lake, later)
    assert sizes(warehouse) == {1: "ten", 2: "t" * 90}


def test_a20_a_wider_type_takes_the_days_from_before_it(warehouse: Warehouse, lake: Lake) -> None:
    wide = replace(SCHEMA, columns=(ID, Column("size", "bigint", "bigint"), CHANGED))
    run(warehouse, lake, put(lake, 0, {1: 10, 2: 20}))
    last = put(lake, 1, {2: 2**40}, schema=wide)
    with pytest.raises(DriftError, match="'size' is INTEGER in Redshift and now BIGINT"):
        run(warehouse, lake, last)
    again(warehouse, lake)
    assert sizes(warehouse) == {1: 10, 2: 2**40}


def test_a20_days_whose_types_go_into_no_one_table_are_to_be_read_again(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    put(lake, 1, {2: "twenty"}, schema=RETYPED)
    with pytest.raises(
        DataError, match=r"table orders: .* go into no one table, .*`aurora-dwh rebuild orders --from source`"
    ):
        again(warehouse, lake)
    assert sizes(warehouse) == {1: 10}


def test_a25_after_a_rebuild_days_load_as_before_and_old_ones_do_not_rewind(warehouse: Warehouse, lake: Lake) -> None:
    old = put(lake, 0, {1: 10, 2: 20})
    run(warehouse, lake, old, put(lake, 1, {2: 21}))
    again(warehouse, lake)
    run(warehouse, lake, old)
    run(warehouse, lake, put(lake, 2, {1: 12}))
    assert sizes(warehouse) == {1: 12, 2: 21}


@pytest.mark.parametrize("mode", ["append", "full"])
def test_a_table_without_a_key_is_rebuilt_and_knows_what_it_was_loaded_from(
    warehouse: Warehouse, lake: Lake, mode: str
) -> None:
    days = [put(lake, 0, {1: 10}), put(lake, 1, {2: 20, 3: 30})]
    run(warehouse, lake, *days, mode=mode)
    before = sizes(warehouse)
    again(warehouse, lake, mode=mode)
    assert sizes(warehouse) == before == ({1: 10, 2: 20, 3: 30} if mode == "append" else {2: 20, 3: 30})
    run(warehouse, lake, days[0], mode=mode)
    assert sizes(warehouse) == before


def test_a21_views_and_grants_come_along(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    for statement in (
        "CREATE SCHEMA bi",
        "CREATE VIEW bi.big AS SELECT id, size FROM staging.orders WHERE size > 5",
        "CREATE VIEW bi.both AS SELECT b.id FROM bi.big b JOIN staging.orders o ON o.id = b.id",
        "CREATE VIEW bi.late AS SELECT id FROM staging.orders WITH NO SCHEMA BINDING",
        "CREATE USER analyst PASSWORD 'Analyst123'",
        "GRANT SELECT ON staging.orders TO analyst",
        "GRANT SELECT, DELETE ON bi.both TO analyst WITH GRANT OPTION",
        "GRANT SELECT ON bi.big TO PUBLIC",
    ):
        query(warehouse, statement)
    again(warehouse, lake)
    run(warehouse, lake, put(lake, 1, {2: 20, 3: 3}))
    assert query(warehouse, "SELECT id FROM bi.big ORDER BY 1") == [(1,), (2,)]
    assert query(warehouse, "SELECT id FROM bi.both ORDER BY 1") == [(1,), (2,)]
    assert query(warehouse, "SELECT id FROM bi.late ORDER BY 1") == [(1,), (2,), (3,)]
    given = (
        "SELECT relation_name, identity_name, privilege_type, admin_option FROM svv_relation_privileges "
        "WHERE namespace_name IN ('staging', 'bi') AND identity_name <> current_user ORDER BY 1, 2, 3"
    )
    assert query(warehouse, given) == [
        ("big", "public", "SELECT", False),
        ("both", "analyst", "DELETE", True),
        ("both", "analyst", "SELECT", True),
        ("orders", "analyst", "SELECT", False),
    ]


@pytest.mark.parametrize("sees_others", [True, False])
def test_a21_a_user_who_sees_the_grants_of_others_gives_them_again(
    warehouse: Warehouse, lake: Lake, sees_others: bool
) -> None:
    """Of others `doctor` warns, who lose them."""
    runner, analyst = (f"{name}_{secrets.token_hex(4)}" for name in ("runner", "analyst"))
    query(warehouse, f"CREATE USER {runner} PASSWORD 'Runner123'")
    query(warehouse, f"CREATE USER {analyst} PASSWORD 'Analyst123'")
    query(warehouse, f"GRANT CREATE ON DATABASE {warehouse.settings.database} TO {runner}")
    ordinary = Warehouse(replace(warehouse.settings, user=runner, password=SecretStr("Runner123")))
    run(ordinary, lake, put(lake, 0, {1: 10}))
    query(ordinary, f"GRANT SELECT ON staging.orders TO {analyst}")
    with ordinary.session() as session:
        warned = check_grants(session)
    assert warned.state == State.WARNING
    if sees_others:
        query(warehouse, warned.remedy.partition("run ")[2])
        with ordinary.session() as session:
            assert check_grants(session).state == State.OK
    again(ordinary, lake)
    assert query(ordinary, f"SELECT has_table_privilege('{analyst}', 'staging.orders', 'select')") == [(sees_others,)]


def test_a21_a_view_that_cannot_follow_leaves_everything_as_it_was(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    query(warehouse, "CREATE VIEW staging.doubled AS SELECT size * 2 AS size FROM staging.orders")
    put(lake, 0, {1: "ten"}, schema=RETYPED)
    with pytest.raises(
        DependentError, match=r"view staging[.]doubled cannot be made again .*varying.*nothing was changed"
    ):
        again(warehouse, lake)
    assert sizes(warehouse) == {1: 10}
    assert query(warehouse, "SELECT size FROM staging.doubled") == [(20,)]


WIDE, WIDER = (
    replace(SCHEMA, columns=(ID, Column("size", "varchar", f"varchar({size})", length=size), CHANGED))
    for size in (9, 90)
)


@pytest.fixture
def analyst(warehouse: Warehouse, redshift: RedshiftStandIn) -> Iterator[Warehouse]:
    """The warehouse as another user, who has a schema of their own and may read staging."""
    name = f"analyst_{secrets.token_hex(4)}"
    with redshift.admin(str(warehouse.settings.database)) as admin:
        admin.query(f"CREATE ROLE {name} LOGIN PASSWORD 'Other12345'; CREATE SCHEMA ana AUTHORIZATION {name}")
        query(warehouse, "CREATE SCHEMA staging")
        query(warehouse, f"GRANT USAGE ON SCHEMA staging TO {name}")
        yield Warehouse(replace(warehouse.settings, user=name, password=SecretStr("Other12345")))
        admin.query(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def test_o10_a_column_that_a_view_keeps_from_being_widened_is_so_by_the_named_command(
    warehouse: Warehouse, lake: Lake
) -> None:
    run(warehouse, lake, put(lake, 0, {1: "ten"}, schema=WIDE))
    query(warehouse, "CREATE VIEW staging.seen AS SELECT size FROM staging.orders")
    query(warehouse, "CREATE VIEW staging.above AS SELECT size FROM staging.seen")
    later = put(lake, 1, {2: "t" * 90}, schema=WIDER)
    under = r"under the views staging[.]seen, staging[.]above, which the rebuild makes again"
    with pytest.raises(DriftError, match=rf"does not widen a column in place {under} .*`aurora-dwh rebuild orders`"):
        run(warehouse, lake, later)
    assert sizes(warehouse) == {1: "ten"}
    again(warehouse, lake)
    run(warehouse, lake, later)
    assert sizes(warehouse) == {1: "ten", 2: "t" * 90}
    assert query(warehouse, "SELECT COUNT(*) FROM staging.above") == [(2,)]


def test_o19_a_view_of_another_user_is_named_before_anything_is_read_and_what_to_do_works(
    warehouse: Warehouse, analyst: Warehouse, lake: Lake
) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    query(warehouse, f"GRANT SELECT ON staging.orders TO {analyst.settings.user}")
    query(analyst, "CREATE VIEW ana.sizes AS SELECT size FROM staging.orders")
    said = rf"staging[.]orders: views of other users .*: ana[.]sizes of {analyst.settings.user}; nothing was changed"

    def unread() -> list[Manifest]:
        raise AssertionError("read before it was refused")

    with pytest.raises(DependentError, match=rf"{said}.*WITH NO SCHEMA BINDING"):
        rebuild(warehouse, lake, TARGET, "incremental", unread, table="orders")
    query(analyst, "DROP VIEW ana.sizes")
    query(analyst, "CREATE VIEW ana.sizes AS SELECT size FROM staging.orders WITH NO SCHEMA BINDING")
    again(warehouse, lake)
    assert query(analyst, "SELECT size FROM ana.sizes") == [(10,)]


def test_o19_what_else_hangs_on_a_table_is_told_and_everything_is_as_it_was(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    query(warehouse, "CREATE MATERIALIZED VIEW staging.kept AS SELECT size FROM staging.orders")
    with pytest.raises(DependentError, match=r"something that is not a view hangs on it.*nothing was changed. Drop it"):
        again(warehouse, lake)
    query(warehouse, "DROP MATERIALIZED VIEW staging.kept")
    again(warehouse, lake)
    assert sizes(warehouse) == {1: 10}


def test_o11_grants_on_columns_come_along_with_a_table_and_its_views(
    warehouse: Warehouse, analyst: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    query(warehouse, "CREATE VIEW staging.seen AS SELECT id, size FROM staging.orders")
    who = analyst.settings.user
    query(warehouse, f"GRANT SELECT (id, size), UPDATE (size) ON staging.orders TO {who}")
    query(warehouse, f"GRANT SELECT (size) ON staging.seen TO {who}")
    with closing(warehouse.connect()) as session:
        warned = check_column_grants(session)
        assert warned.state is State.WARNING
    with redshift.admin(str(warehouse.settings.database)) as admin:
        admin.query('GRANT "sys:monitor" TO dwh')
        try:
            with closing(warehouse.connect()) as session:
                assert check_column_grants(session).state is State.OK
            again(warehouse, lake)
        finally:
            admin.query('REVOKE "sys:monitor" FROM dwh')
    assert query(analyst, "SELECT id, size FROM staging.orders") == [(1, 10)]
    assert query(analyst, "SELECT size FROM staging.seen") == [(10,)]
    for refused in ("SELECT changed FROM staging.orders", "SELECT id FROM staging.seen"):
        with pytest.raises(WarehouseError, match="permission denied"):
            query(analyst, refused)


@pytest.mark.parametrize("kind", ["rls", "masking"])
@pytest.mark.parametrize("relation", ["orders", "seen"])
def test_o11_a_table_with_a_security_policy_is_not_replaced_and_doctor_says_where_they_are_hidden(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, kind: str, relation: str
) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    query(warehouse, "CREATE VIEW staging.seen AS SELECT id, size FROM staging.orders")
    with closing(warehouse.connect()) as session:
        assert check_policies(session).state is State.WARNING
    with redshift.admin(str(warehouse.settings.database)) as admin:  # as ATTACH leaves it
        admin.query(
            f"INSERT INTO pg_standin.attached_policy VALUES ('{kind}', 'hush', 'staging', '{relation}', 'a', 'role')"
        )
        admin.query('GRANT "sys:secadmin" TO dwh')
        try:
            with closing(warehouse.connect()) as session:
                assert check_policies(session).state is State.OK
            name = "row-level security" if kind == "rls" else "masking"
            said = (
                rf"policies are attached that would be gone with it: {name} hush on staging[.]{relation}; nothing was"
            )
            with pytest.raises(DependentError, match=said):
                again(warehouse, lake)
            admin.query("DELETE FROM pg_standin.attached_policy")
            again(warehouse, lake)
        finally:
            admin.query('REVOKE "sys:secadmin" FROM dwh')


def test_a21_readers_never_see_the_table_empty_or_gone(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    put(lake, 0, {1: "ten"}, schema=RETYPED)
    redshift.faults.add(Fault("^ALTER TABLE .* RENAME", "delay", seconds=0.3))
    seen: list[dict[int, Any]] = []

    def rebuild_seen() -> None:
        rebuild(
            warehouse, lake, TARGET, "incremental", lambda: lake.all("orders"), table="orders",
            loaded=lambda _: seen.append(sizes(warehouse)),
        )  # fmt: skip

    swapping = threading.Thread(target=rebuild_seen)
    swapping.start()
    while swapping.is_alive():
        seen.append(sizes(warehouse))
    swapping.join()
    assert {1: 10} in seen
    assert all(rows in ({1: 10}, {1: "ten"}) for rows in seen)
    assert sizes(warehouse) == {1: "ten"}


def test_a24_days_that_are_loaded_meanwhile_are_taken_in(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    others = [(1, {2: 20}), (0, {1: 11})]

    def busy(_: Sequence[Manifest]) -> None:
        if others:
            run(warehouse, lake, put(lake, *others.pop(0)))

    done = rebuild(warehouse, lake, TARGET, "incremental", lambda: lake.all("orders"), table="orders", loaded=busy)
    assert sizes(warehouse) == {1: 11, 2: 20}
    assert done.rows == 2


@pytest.mark.parametrize("is_there", [True, False], ids=["table", "no table"])
def test_a24_a_first_load_beside_the_swap_makes_it_look_again(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, is_there: bool
) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    if not is_there:
        query(warehouse, f"DROP TABLE {TARGET.sql}")
    redshift.faults.add(Fault("RENAME TO", "delay", seconds=1))
    swapping = threading.Thread(target=lambda: again(warehouse, lake))
    redshift.statements.clear()
    swapping.start()
    until(lambda: any("RENAME TO" in statement for statement in list(redshift.statements)))
    run(warehouse, lake, put(lake, 0, {1: 11}))
    swapping.join(60)
    assert sizes(warehouse) == {1: 11}


def test_a24_a_table_that_is_loaded_all_the_time_stays_as_it_is(warehouse: Warehouse, lake: Lake) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))

    def restless() -> list[Manifest]:
        found = lake.all("orders")
        run(warehouse, lake, put(lake, 0, {1: 11}))
        return found

    with pytest.raises(DataError, match=r"staging[.]orders is loaded all the time"):
        rebuild(warehouse, lake, TARGET, "incremental", restless, table="orders")
    assert sizes(warehouse) == {1: 11}


def test_days_that_the_lake_lacks_are_named_and_nothing_changes(warehouse: Warehouse, lake: Lake, s3: Any) -> None:
    gone = put(lake, 0, {1: 10})
    run(warehouse, lake, gone, put(lake, 1, {2: 20}))
    s3.delete_object(Bucket=lake.layout.bucket, Key=lake.layout.key(gone.url))
    with pytest.raises(DataError, match=r"lacks .*[(]2024-01-01[)].*`aurora-dwh rebuild orders --from source`"):
        again(warehouse, lake)
    assert sizes(warehouse) == {1: 10, 2: 20}
    s3.delete_object(Bucket=lake.layout.bucket, Key=lake.layout.manifest("orders", FIRST + timedelta(days=1)))
    with pytest.raises(DataError, match="`aurora-dwh rebuild orders --from source`"):
        again(warehouse, lake)


def test_a_table_that_is_not_there_is_not_rebuilt(warehouse: Warehouse, lake: Lake) -> None:
    put(lake, 0, {1: 10})
    with pytest.raises(DataError, match="does not exist, so there is nothing to rebuild; materialize its days"):
        again(warehouse, lake)


@pytest.mark.parametrize(
    ("action", "when", "of"),
    [
        ("1023", "before", "BEGIN|CREATE|DROP"),
        ("drop", "after", "COMMIT|ALTER"),
        pytest.param("1023", "before", "", marks=pytest.mark.soak),
        pytest.param("drop", "after", BORDERS, marks=pytest.mark.soak),
    ],
)
def test_a15_a_crash_at_any_statement_of_a_rebuild_is_overcome(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, action: Any, when: Any, of: str
) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    query(warehouse, "CREATE VIEW staging.seen AS SELECT id FROM staging.orders")
    query(warehouse, "GRANT SELECT ON staging.seen TO PUBLIC")
    public = "SELECT has_table_privilege('public', 'staging.seen', 'select')"

    for failing in each_statement(redshift, action, when, of=of):
        with failing:
            again(warehouse, lake)
        assert sizes(warehouse) == {1: 10}
        assert query(warehouse, "SELECT id FROM staging.seen") == [(1,)]
        assert query(warehouse, public) == [(True,)]
        assert tables(warehouse) == ["orders", "seen"]


@pytest.mark.parametrize(
    ("action", "of"), [("57014", "COMMIT|ALTER"), pytest.param("drop", "", marks=pytest.mark.soak)]
)
def test_a15_a_rebuild_that_fails_for_good_leaves_the_table_and_a_re_run_does_it(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn, monkeypatch: pytest.MonkeyPatch, action: Any, of: str
) -> None:
    monkeypatch.setattr(retries, "TRANSACTION", replace(retries.TRANSACTION, attempts=1))
    run(warehouse, lake, put(lake, 0, {1: 10}))
    again(warehouse, lake)  # later ones find tables of the record, which the first one makes

    for failing in each_statement(redshift, action, "before", of=of):
        before, after = {1: 10 + failing.turn}, {1: 11 + failing.turn}
        put(lake, 0, after)
        with suppress(PassingError), failing:
            again(warehouse, lake)
        assert sizes(warehouse) == (before if failing.met else after)
        again(warehouse, lake)
        assert sizes(warehouse) == after
        assert tables(warehouse) == ["orders"]


def test_a24_whether_a_rebuild_landed_is_known_once_its_commit_has_ended(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    slow = SlowToCommit(redshift, warehouse)
    again(slow, lake)
    assert slow.said == [True, True]  # the load of the new table, and the swap


def test_a_lost_answer_to_the_swap_s_commit_is_looked_up(
    warehouse: Warehouse, lake: Lake, redshift: RedshiftStandIn
) -> None:
    run(warehouse, lake, put(lake, 0, {1: 10}))
    renamed: list[bool] = []

    def drop_the_next_commit(_: Sequence[Manifest]) -> None:
        if not renamed:
            renamed.append(True)
            redshift.faults.add(Fault("^COMMIT", "drop", when="after"))

    rebuild(
        warehouse, lake, TARGET, "incremental", lambda: lake.all("orders"), table="orders", loaded=drop_the_next_commit
    )
    assert sizes(warehouse) == {1: 10}
    assert tables(warehouse) == ["orders"]
