"""A lake that moves to another bucket, by the steps of docs/operation.md."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from aurora_dwh_tests.e2e.remedies import run
from aurora_dwh_tests.e2e.world import World, chain, days


def test_a_lake_that_was_copied_reads_from_the_old_bucket_until_its_days_are_read_again(
    world: World, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.catalog("orders: {key: id, cursor: at}")
    world.at_source(
        "CREATE TABLE orders (id INT PRIMARY KEY, at DATETIME NOT NULL, KEY (at))",
        *(f"INSERT INTO orders VALUES ({day}, '2024-01-0{day} 10:00:00')" for day in (1, 2, 3)),
    )
    world.load("2024-01-01", "orders", last="2024-01-02")
    old, new = world.variables["LAKE_URI"].removeprefix("s3://").partition("/"), "another-bucket"
    s3.create_bucket(Bucket=new)
    for item in s3.list_objects_v2(Bucket=old[0], Prefix=f"{old[2]}/")["Contents"]:  # as `aws s3 sync` does
        s3.copy_object(Bucket=new, Key=item["Key"], CopySource={"Bucket": old[0], "Key": item["Key"]})
    monkeypatch.setenv("LAKE_URI", f"s3://{new}/{old[2]}")
    assert run("rebuild orders").exit_code == 0
    lacking = world.run("2024-01-03", assets=chain("orders")[1:])
    assert f"no manifest for 2024-01-03 under s3://{new}/{old[2]}/" in lacking.failure
    assert "materialize those days of lake/orders first" in lacking.failure
    for day in days(1, 3):
        assert world.run(day, assets=[dg.AssetKey(["lake", "orders"])]).success
    for item in s3.list_objects_v2(Bucket=old[0], Prefix=f"{old[2]}/")["Contents"]:
        s3.delete_object(Bucket=old[0], Key=item["Key"])
    assert run("rebuild orders").exit_code == 0
    world.load("2024-01-03", "orders")
    world.assert_equal("orders")
