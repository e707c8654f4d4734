"""`aurora-dwh purge`: days leave the lake for good, and nothing else does."""

from __future__ import annotations

import json
import secrets
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.purge import Purge, PurgeError, Version
from aurora_dwh_tests.e2e.remedies import run
from aurora_dwh_tests.e2e.test_rules import BASE, filled, make, staged
from aurora_dwh_tests.e2e.world import World
from aurora_dwh_tests.sampling import soak

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(params=[True])
def bucket(request: pytest.FixtureRequest, world: World, s3: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The world's lake in a bucket of its own, which keeps versions unless a test says otherwise."""
    name = f"lake-{secrets.token_hex(4)}"
    s3.create_bucket(Bucket=name)
    if request.param:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    monkeypatch.setenv("LAKE_URI", f"s3://{name}/lake")
    return name


def bodies(s3: Any, bucket: str) -> dict[str, list[bytes]]:
    """Return what every version of every object holds."""
    found: dict[str, list[bytes]] = {}
    for one in s3.list_object_versions(Bucket=bucket).get("Versions", ()):
        body = s3.get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
        found.setdefault(one["Key"], []).append(body)
    return found


def of_day(objects: dict[str, Any], day: str) -> list[str]:
    return [key for key in objects if f"day={day}/" in key]


@pytest.mark.parametrize("bucket", [soak(False), True], ids=["plain bucket", "versioned bucket"], indirect=True)
def test_c11_a_day_is_removed_with_every_version_of_it(world: World, bucket: str, s3: Any) -> None:
    filled(world)
    world.load("2024-01-02", "person")  # so that a versioned bucket keeps an older reading
    before = bodies(s3, bucket)
    said = run("purge person --days 2024-01-02 --yes")
    assert said.exit_code == 0, said.text
    assert all(key in said.text for key in of_day(before, "2024-01-02"))
    after = bodies(s3, bucket)
    assert after == {key: body for key, body in before.items() if "day=2024-01-02/" not in key}
    assert len(of_day(after, "2024-01-01")) == len(of_day(after, "2024-01-03")) == 2
    left = s3.list_object_versions(Bucket=bucket, Prefix=f"lake/{world.database}/person/day=2024-01-02/")
    assert "Versions" not in left
    assert "DeleteMarkers" not in left
    assert len(staged(world)) == 6
    assert run("rebuild person").exit_code == 1, "the lake lacks what the table was loaded from"
    world.load("2024-01-02", "person")
    assert run("rebuild person").exit_code == 0
    world.assert_equal("person")


@pytest.mark.parametrize(("bucket", "days"), [(True, "2024-01-01...2024-01-03"), (False, "all")], indirect=["bucket"])
def test_c11_a_range_and_all_days_are_removed(world: World, bucket: str, s3: Any, days: str) -> None:
    make(world, {"person": BASE})
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):  # a range would leave a list of its parts in `_loads/`
        world.load(day, "person")
    other = f"lake/{world.database}/people/day=2024-01-01/_manifest.json"
    s3.put_object(Bucket=bucket, Key=other, Body=b"of another table")
    said = run(f"purge person --days {days} --yes --json")
    assert said.exit_code == 0, said.text
    assert json.loads(said.text)["objects"] == 6
    assert list(bodies(s3, bucket)) == [other]
    again = run(f"purge person --days {days}")
    assert again.exit_code == 0
    assert "0 objects" in again.text


def test_c11_what_was_exported_by_hand_goes_with_its_day(world: World, bucket: str, s3: Any) -> None:
    """Its files lie in the inbox, and those of a lake that was moved within the bucket where they lay before."""
    filled(world)
    inbox = f"lake/{world.database}/_arrivals/person/day=2024-01-02/export.part_00000"
    s3.put_object(Bucket=bucket, Key=inbox, Body=b"1,p@example.com")
    manifest = f"lake/{world.database}/person/day=2024-01-03/_manifest.json"
    body = json.loads(s3.get_object(Bucket=bucket, Key=manifest)["Body"].read())
    part = body["entries"][0]["url"].removeprefix(f"s3://{bucket}/")
    moved = part.replace("lake/", "old-lake/")
    s3.copy_object(Bucket=bucket, Key=moved, CopySource={"Bucket": bucket, "Key": part})
    body["entries"][0]["url"] = f"s3://{bucket}/{moved}"
    body["entries"].append({"url": "s3://elsewhere/part-0.parquet", "mandatory": True, "meta": {"content_length": 1}})
    s3.put_object(Bucket=bucket, Key=manifest, Body=json.dumps(body).encode())
    said = run("purge person --days 2024-01-02...2024-01-03 --yes")
    assert "s3://elsewhere/part-0.parquet lies in another bucket and is left there" in said.text
    left = bodies(s3, bucket)
    assert inbox not in left
    assert moved not in left
    assert of_day(left, "2024-01-01")


def test_c11_nothing_is_removed_unless_it_is_confirmed(
    world: World, bucket: str, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(world)
    before = bodies(s3, bucket)
    said = run("purge person --days 2024-01-02")
    assert said.exit_code == 2
    assert "there is no terminal to ask on" in said.text
    monkeypatch.setattr("aurora_dwh.commands.purge._is_asked", lambda: True)
    said = run("purge person --days 2024-01-02", typed="n\n")
    assert said.exit_code == 1
    assert "Remove all of this for good?" in said.text
    assert bodies(s3, bucket) == before
    assert run("purge person --days 2024-01-02", typed="y\n").exit_code == 0
    assert not of_day(bodies(s3, bucket), "2024-01-02")


def test_c11_what_is_no_day_is_refused(world: World) -> None:
    world.catalog("person: {mode: full}")
    for days in ("yesterday", "2024-01-05...2024-01-01", "2024-1-1", ""):
        said = run(f"purge person --days '{days}' --yes")
        assert said.exit_code == 2, days
        assert "--days" in said.text


def test_c11_a_table_that_the_catalog_has_no_more_is_purged_all_the_same(world: World, bucket: str, s3: Any) -> None:
    filled(world)
    world.catalog("other: {mode: full}")
    assert run("purge person --days all --yes").exit_code == 0
    assert bodies(s3, bucket) == {}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "ListObjectVersions")


def test_c11_a_process_that_may_not_see_versions_is_told_what_it_needs() -> None:
    client = Mock()
    client.get_paginator.return_value.paginate.return_value.__iter__ = Mock(side_effect=refusal("AccessDenied"))
    with pytest.raises(PurgeError, match=r"s3:ListBucketVersions on bucket b, and s3:DeleteObjectVersion"):
        Purge(client, Layout("b", "lake", "shop")).find("orders", None)


def test_c11_versions_that_s3_keeps_are_an_error() -> None:
    client = Mock()
    client.delete_objects.return_value = {"Errors": [{"Key": "k", "Code": "AccessDenied", "Message": "locked"}]}
    with pytest.raises(PurgeError, match=r"S3 keeps 1 versions, such as s3://b/k [(]AccessDenied: locked[)]"):
        Purge(client, Layout("b", "lake", "shop")).remove([Version("k", "1", 1, is_current=True)])
