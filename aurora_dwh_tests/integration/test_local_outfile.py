"""The embedded Aurora's SELECT ... INTO OUTFILE S3: its files, manifest and refusals are Aurora's own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest

from aurora_dwh.local.aurora import EmbeddedAurora, Exports
from aurora_dwh.local.aurora.program import KINDS
from aurora_dwh.local.lake import BUCKET, LakeServer
from aurora_dwh.local.s3 import S3Access
from aurora_dwh_tests.servers import running_aurora

Say = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="module", params=KINDS)
def aurora(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, lake_server: LakeServer
) -> Iterator[EmbeddedAurora]:
    """An embedded Aurora that may write to the lake, in parts of about 40 bytes."""
    access = S3Access(lake_server.endpoint_url, lake_server.region, lake_server.access_key, lake_server.secret_key)
    folder, exports = tmp_path_factory.mktemp("it's an aurora"), Exports(access, part_bytes=40)
    yield from running_aurora(folder, user="dba", password="sesame", exports=exports, kind=request.param)


@pytest.fixture
def say(aurora: EmbeddedAurora) -> Iterator[Say]:
    """Run a statement in a session whose role is active, on a table of odd values."""
    connection = pymysql.connect(**aurora.arguments(), autocommit=True)

    def run(statement: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) or [(cursor.rowcount,)]

    run("SET ROLE ALL")
    run("DROP TABLE IF EXISTS odd")
    run("CREATE TABLE odd (id INT PRIMARY KEY, t TEXT, n DOUBLE, b VARBINARY(9), at DATETIME(6))")
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO odd VALUES (%s, %s, %s, %s, %s)", ROWS)
    yield run
    connection.close()


ROWS = [
    (1, 'a "quoted", text', 0.1, b"\x00\xff", "2024-01-05 00:00:00.000001"),
    (2, "two\nlines\tand \\N", None, b"", None),
    (3, None, -1.0, None, "9999-12-31 23:59:59"),
    (4, "寿司🍣\r", 1e300, b"x", None),
]


@pytest.fixture
def prefix() -> str:
    """Where a test writes to."""
    return f"outfile-{secrets.token_hex(4)}/day"


def objects(s3: Any, prefix: str) -> dict[str, bytes]:
    """Return the objects under a prefix, by what follows it in their keys."""
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ())
    return {
        one["Key"].removeprefix(prefix): s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in listed
    }


def test_csv_is_cut_into_parts_between_rows_and_a_manifest_lists_them(say: Say, s3: Any, prefix: str) -> None:
    written = say(f"SELECT * FROM odd ORDER BY id INTO OUTFILE S3 's3://{BUCKET}/{prefix}' FORMAT CSV MANIFEST ON")
    assert written == [(4,)]
    found = objects(s3, prefix)
    assert list(found) == [".manifest", ".part_00000", ".part_00001", ".part_00002"]
    assert found[".part_00000"] == b'1,"a ""quoted"", text",0.1,\x00\xff,2024-01-05 00:00:00.000001\n'
    assert found[".part_00001"] == (b'2,"two\nlines\tand \\N",\\N,,\\N\n3,\\N,-1,\\N,9999-12-31 23:59:59.000000\n')
    assert found[".part_00002"] == '4,"寿司🍣\r",1e300,x,\\N\n'.encode()
    entries = [{"url": f"s3-us-east-1://{BUCKET}/{prefix}.part_0000{n}"} for n in range(3)]
    assert json.loads(found[".manifest"]) == {"entries": entries}


def test_text_is_the_default_and_escapes_as_mysql_does(say: Say, s3: Any, prefix: str) -> None:
    say(f"SELECT id, t, b FROM odd WHERE id < 4 INTO OUTFILE S3 's3-eu-west-1://{BUCKET}/{prefix}'")
    found = objects(s3, prefix)
    assert ".manifest" not in found
    whole = b"".join(found.values())
    assert whole == b'1\ta "quoted", text\t\\0\xff\n2\ttwo\\\nlines\\\tand \\\\N\t\n3\t\\N\t\\N\n'


def test_fields_and_lines_are_written_as_asked(say: Say, s3: Any, prefix: str) -> None:
    say(
        f"SELECT id, t FROM odd WHERE id <= 3 INTO OUTFILE S3 's3://{BUCKET}/{prefix}' FORMAT TEXT "
        "FIELDS TERMINATED BY ';' OPTIONALLY ENCLOSED BY '\"' LINES STARTING BY '>' TERMINATED BY '!' MANIFEST OFF "
        "OVERWRITE OFF ENCRYPTION SSE_KMS 'key'"
    )
    whole = b"".join(objects(s3, prefix).values())
    assert whole == b'>1;"a \\"quoted\\", text"!>2;"two\nlines\tand \\\\N"!>3;\\N!'


def test_a_result_without_rows_has_one_empty_part(say: Say, s3: Any, prefix: str) -> None:
    say(f"SELECT * FROM odd WHERE id = 9 INTO OUTFILE S3 's3://{BUCKET}/{prefix}' FORMAT CSV MANIFEST ON")
    assert objects(s3, prefix)[".part_00000"] == b""


def test_what_is_there_is_not_overwritten_unless_asked(say: Say, s3: Any, prefix: str) -> None:
    statement = f"SELECT id FROM odd INTO OUTFILE S3 's3://{BUCKET}/{prefix}' FORMAT CSV MANIFEST ON"
    say(statement)
    with pytest.raises(pymysql.err.MySQLError, match="File already exists") as refused:
        say(statement + " OVERWRITE OFF")
    assert refused.value.args[0] % 65_536 == 63_985  # PyMySQL reads it as a signed number
    say("DELETE FROM odd WHERE id > 1")
    say(statement + " OVERWRITE ON")
    assert objects(s3, prefix)[".part_00000"] == b"1\n"


def test_a_user_needs_the_role_and_must_have_set_it(say: Say, aurora: EmbeddedAurora, prefix: str) -> None:
    statement = f"SELECT 1 INTO OUTFILE S3 's3://{BUCKET}/{prefix}'"
    assert say("SELECT CURRENT_ROLE()") == [("`AWS_SELECT_S3_ACCESS`@`%`",)]
    say("SET ROLE NONE")
    with pytest.raises(pymysql.err.MySQLError, match="AWS_SELECT_S3_ACCESS") as refused:
        say(statement)
    assert refused.value.args[0] == 1227
    say("SET ROLE AWS_SELECT_S3_ACCESS")
    say(statement)
    say("CREATE USER other IDENTIFIED BY 'sesame'")
    login = {**aurora.arguments(), "user": "other", "database": None}
    with pymysql.connect(**login) as connection, connection.cursor() as cursor:
        for _ in ("not granted", "granted, and not set"):
            with pytest.raises(pymysql.err.MySQLError, match="AWS_SELECT_S3_ACCESS"):
                cursor.execute(statement + " OVERWRITE ON")
            say("GRANT AWS_SELECT_S3_ACCESS TO 'other'@'%'")
        cursor.execute("SET ROLE ALL")
        cursor.execute("SELECT CURRENT_ROLE()")
        assert cursor.fetchall() == (("`AWS_SELECT_S3_ACCESS`@`%`",),)
        cursor.execute(statement + " OVERWRITE ON")
    say("DROP USER other")


def test_all_roles_of_a_user_without_any_are_none(say: Say, aurora: EmbeddedAurora) -> None:
    say("CREATE USER other IDENTIFIED BY 'sesame'")
    login = {**aurora.arguments(), "user": "other", "database": None}
    with pymysql.connect(**login) as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE ALL")
        cursor.execute("SELECT CURRENT_ROLE()")
        assert cursor.fetchall() == (("NONE",),)
    say("DROP USER other")


def test_a_cluster_without_a_role_and_a_bucket_that_is_not_there_are_errors(
    say: Say, aurora: EmbeddedAurora, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(pymysql.err.MySQLError, match="S3 API returned error"):
        say("SELECT 1 INTO OUTFILE S3 's3://no-such-bucket/x'")
    with pytest.raises(pymysql.err.MySQLError, match="Incorrect S3 URI"):
        say("SELECT 1 INTO OUTFILE S3 '/tmp/x'")
    monkeypatch.setattr(aurora.exports, "access", None)
    with pytest.raises(pymysql.err.MySQLError, match="aws_default_s3_role are not specified"):
        say(f"SELECT 1 INTO OUTFILE S3 's3://{BUCKET}/x'")


@pytest.mark.parametrize(
    "clause",
    [
        "S3 's3://b/k' FORMAT XML",
        "S3 's3://b/k' MANIFEST",
        "S3 's3://b/k' OVERWRITE ON MANIFEST ON",
        "S3 's3://b/k' FIELDS",
        "S3 's3://b/k' FORMAT CSV HEADER",
        "S3",
        "'/tmp/x'",
    ],
)
def test_another_grammar_than_auroras_is_refused(say: Say, clause: str) -> None:
    with pytest.raises(pymysql.err.MySQLError):
        say(f"SELECT 1 INTO OUTFILE {clause}")
