"""`aurora-dwh doctor`: what each check finds and advises, and how the outcome is told."""

import json
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from aurora_dwh.catalog import Table
from aurora_dwh.cli import app
from aurora_dwh.commands import checks
from aurora_dwh.commands.checks import PROBE, Check, State, check_schemas, check_table, copy_a_row
from aurora_dwh.config import LakeSettings, RedshiftSettings
from aurora_dwh.source.connection import connect
from aurora_dwh.warehouse.errors import WarehouseError
from aurora_dwh_tests.mariadb import MariaDB

LAKE = LakeSettings(bucket="lake", prefix="dwh")
REDSHIFT = RedshiftSettings(database="dev", host="h", user="u")
RUNNER = CliRunner()


class Bucket:
    """An S3 client over a dict, which refuses the calls named."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.objects: dict[str, bytes] = {}
        self.seen: dict[str, bytes] = {}

    def _check(self, call: str) -> None:
        if call in self.refused:
            raise PermissionError(f"AccessDenied: {call}")

    def put_object(self, **place: Any) -> None:
        self._check("put")
        self.objects[place["Key"]] = self.seen[place["Key"]] = place["Body"]

    def get_object(self, **place: Any) -> dict[str, BytesIO]:
        self._check("get")
        return {"Body": BytesIO(self.objects[place["Key"]])}

    def delete_object(self, **place: Any) -> None:
        self._check("delete")
        self.objects.pop(place["Key"], None)


class FakeSession:
    """A Redshift session that answers by the first words that a statement holds."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.statements: list[str] = []

    def execute(self, statement: str) -> SimpleNamespace:
        self.statements.append(statement)
        for words, answer in self.answers.items():
            if words in statement:
                if isinstance(answer, Exception):
                    raise answer
                return SimpleNamespace(rows=answer)
        return SimpleNamespace(rows=[])

    def close(self) -> None:
        self.statements.append("close")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("AURORA_HOST", "AURORA_DATABASE", "LAKE_URI", "REDSHIFT_HOST", "AURORA_DWH_CATALOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def table(**fields: Any) -> Table:
    return Table.model_validate({"name": "t", "key": "id", "cursor": "u"} | fields)


@pytest.mark.parametrize(
    ("entry", "state", "detail", "remedy"),
    [
        (table(), State.OK, "", ""),
        (
            table(cursor="slow"),
            State.WARNING,
            "cursor slow has no index: each day scans the table",
            "CREATE INDEX `slow_idx` ON `{db}`.`t` (`slow`)",
        ),
        (
            table(cursor="gone"),
            State.FAILED,
            "table {db}.t has no column 'gone'",
            "GRANT SELECT ON `{db}`.`t`, or mend the table's entry in the catalog",
        ),
        (table(mode="full", cursor=None, key=(), exclude="slow"), State.OK, "", ""),
    ],
)
def test_a19_a_table_is_checked_on_a_real_server(
    mariadb: MariaDB, database: str, entry: Table, state: State, detail: str, remedy: str
) -> None:
    with mariadb.connect(database) as setup, setup.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, u DATETIME, slow DATETIME, INDEX (u))")
    connection = connect(**mariadb.arguments(database))
    expected = Check("aurora: table t", state, detail.format(db=database), remedy.format(db=database))
    assert check_table(connection, database, entry) == expected
    connection.close()


def test_a_missing_table_is_named(mariadb: MariaDB, database: str) -> None:
    connection = connect(**mariadb.arguments(database))
    found = check_table(connection, database, table())
    connection.close()
    assert found.state is State.FAILED
    assert f"table {database}.t is not there" in found.detail


def test_schemas_that_exist_that_a_load_will_make_and_that_are_forbidden() -> None:
    session = FakeSession(
        **{
            "nspname = 'staging'": [("staging",)],
            "nspname = 'bi'": [("bi",)],
            "(current_user, 'staging', 'CREATE')": [(True,)],
            "(current_user, 'bi', 'CREATE')": [(False,)],
            "has_database_privilege": [(True,)],
        }
    )
    grant = 'GRANT ALL ON SCHEMA "bi" TO the user of the loads'
    assert list(check_schemas(session, REDSHIFT)) == [  # type: ignore[arg-type]
        Check("redshift: schema staging", State.OK, ""),
        Check("redshift: schema bi", State.FAILED, "CREATE is not allowed", grant),
        Check("redshift: schema dwh", State.OK, "made by the first load"),
    ]


def test_copy_of_a_row_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket()
    monkeypatch.setattr(LakeSettings, "client", lambda _: bucket)
    session = FakeSession(**{"SELECT count": [(1,)]})
    copy_a_row(session, REDSHIFT, LAKE)  # type: ignore[arg-type]
    assert bucket.objects == {}
    [data, manifest] = bucket.seen
    assert data.startswith(f"dwh/{PROBE}-")
    assert json.loads(bucket.seen[manifest])["entries"] == [
        {"url": f"s3://lake/{data}", "mandatory": True, "meta": {"content_length": len(bucket.seen[data])}}
    ]
    assert session.statements[1] == (
        f"COPY \"dwh_doctor\" FROM 's3://lake/{manifest}' IAM_ROLE default FORMAT AS PARQUET MANIFEST"
    )


def test_a_refused_or_empty_copy_leaves_nothing_behind_either(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket()
    monkeypatch.setattr(LakeSettings, "client", lambda _: bucket)
    with pytest.raises(WarehouseError, match="not authorized"):
        copy_a_row(FakeSession(COPY=WarehouseError("not authorized")), REDSHIFT, LAKE)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="COPY ended without an error and loaded 0 rows of 1"):
        copy_a_row(FakeSession(**{"SELECT count": [(0,)]}), REDSHIFT, LAKE)  # type: ignore[arg-type]
    assert bucket.objects == {}


@pytest.mark.parametrize(("refused", "states"), [((), "ok ok ok"), (("put",), "failed"), (("delete",), "ok ok failed")])
def test_the_bucket_is_written_read_and_emptied(
    environment: pytest.MonkeyPatch, refused: tuple[str, ...], states: str
) -> None:
    environment.setenv("LAKE_URI", "s3://lake/dwh")
    bucket = Bucket(*refused)
    environment.setattr(LakeSettings, "client", lambda _: bucket)
    found = [check for check in checks.run_checks() if check.name.endswith(" object")]
    assert " ".join(check.state.value for check in found) == states
    if refused:
        assert found[-1].detail == f"AccessDenied: {refused[0]}"
        assert found[-1].remedy.endswith("Object on arn:aws:s3:::lake/dwh*")


def test_nothing_set_up_fails_with_a_remedy_for_each(environment: pytest.MonkeyPatch) -> None:
    del environment
    result = RUNNER.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    found = {check["name"]: check for check in json.loads(result.stdout)}
    assert {name: check["state"] for name, check in found.items()} == {
        "catalog": "ok",
        "aurora: settings": "failed",
        "lake: settings": "failed",
        "redshift: settings": "failed",
    }
    assert found["lake: settings"]["detail"] == "LAKE_URI is not set: where the lake lies, such as s3://my-bucket/lake"
    assert found["lake: settings"]["remedy"] == "set the variables, see .env.example"


@pytest.mark.parametrize(("state", "code"), [(State.OK, 0), (State.WARNING, 0), (State.FAILED, 1)])
def test_only_a_failure_ends_with_1(monkeypatch: pytest.MonkeyPatch, state: State, code: int) -> None:
    monkeypatch.setattr(checks, "run_checks", lambda: [Check("[a] check", state, "found", "do this")])
    result = RUNNER.invoke(app, ["doctor"])
    assert result.exit_code == code
    shown = " ".join(result.stdout.replace("│", " ").split())
    assert f"[a] check {state.value} found -> do this" in shown.replace(" found  ", " found ")
