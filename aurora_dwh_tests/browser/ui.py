"""A running Dagster UI, what its stack holds, and the pages that tests turn to."""

from __future__ import annotations

import io
import json
import re
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pymysql
import redshift_connector
from botocore.config import Config
from playwright.sync_api import Locator, Page, expect

PICTURES = Path(__file__).parents[2] / "screenshots"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
RUN_SECONDS = 240.0
"""How long a run may take on a busy machine, its launch included."""


@dataclass(frozen=True)
class UI:
    """A running UI and the environment of its stack.

    Attributes:
        url: Its address.
        variables: The environment that leads to the stack.
    """

    url: str
    variables: Mapping[str, str]

    def staged(self, table: str) -> int:
        """Return the rows of a staging table, 0 where it is not there."""
        named = f"schemaname = 'staging' AND tablename = '{table}'"
        ((is_there,),) = self.in_warehouse(f"SELECT COUNT(*) FROM pg_tables WHERE {named}")
        if not is_there:
            return 0
        ((rows,),) = self.in_warehouse(f"SELECT COUNT(*) FROM staging.{table}")
        return int(rows)

    def in_warehouse(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement on the warehouse, committed; none where it has no rows."""
        with redshift_connector.connect(
            host=self.variables["REDSHIFT_HOST"],
            port=int(self.variables["REDSHIFT_PORT"]),
            database=self.variables["REDSHIFT_DATABASE"],
            user=self.variables["REDSHIFT_USER"],
            password=self.variables["REDSHIFT_PASSWORD"],
            ssl=False,
        ) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def at_source(self, query: str) -> Any:
        """Return the one value of a query on Aurora."""
        connection = pymysql.connect(
            host=self.variables["AURORA_HOST"],
            port=int(self.variables["AURORA_PORT"]),
            database=self.variables["AURORA_DATABASE"],
            user=self.variables["AURORA_USER"],
            password=self.variables["AURORA_PASSWORD"],
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]

    def runs(self, **tags: str) -> list[dict[str, Any]]:
        """Return the runs with all of these tags (`partition="2024-01-05"`), newest first, by the UI's API."""
        query = """query ($filter: RunsFilter) { runsOrError(filter: $filter) { ... on Runs {
            results { runId status tags { key value } } } } }"""
        wanted = [{"key": f"dagster/{name}", "value": value} for name, value in tags.items()]
        found: list[dict[str, Any]] = self._asked(query, filter={"tags": wanted})["runsOrError"]["results"]
        return found

    def told(self, run: Mapping[str, Any]) -> str:
        """Return how a run ended: its status, and what its steps failed of."""
        query = """query ($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
            ... on ExecutionStepFailureEvent { stepKey error { message causes { message } } } } } } }"""
        events = self._asked(query, run=run["runId"])["logsForRun"].get("events", ())
        return f"{run['status']} {[event for event in events if event]}"

    def _asked(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            data: dict[str, Any] = json.loads(answer.read())["data"]
        return data

    def ended(self, status: str, *, seconds: float = RUN_SECONDS, **tags: str) -> str:
        """Wait for the run with these tags to end with a status, and return its id."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = [run for run in self.runs(**tags) if run["status"] in ENDED]
            if found:
                assert found[0]["status"] == status, self.told(found[0])
                return str(found[0]["runId"])
            time.sleep(0.5)
        raise AssertionError(f"no run with {tags} has ended: {self.runs()}")

    def materialize(self, page: Page, asset: str) -> str:
        """Materialize an asset without days from its page, wait for success, and return the run's id."""
        before = {run["runId"] for run in self.runs()}
        page.goto(f"{self.url}/assets/{asset}")
        page.get_by_text(re.compile("^Materialize")).first.click()
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            automatic = {run["runId"] for run in self.runs(from_automation_condition="true")}  # of marts
            others = before | automatic
            ended = [run for run in self.runs() if run["runId"] not in others and run["status"] in ENDED]
            if ended:
                assert ended[0]["status"] == "SUCCESS", self.told(ended[0])
                return str(ended[0]["runId"])
            time.sleep(0.5)
        raise AssertionError(f"{asset} was not materialized: {self.runs()}")

    def damage(self, table: str, day: str, *, column: str, row: int, value: str) -> str:
        """Put another value into a day's part in the lake, as a program that is not ours might; return its address."""
        s3 = boto3.client(
            "s3",
            endpoint_url=self.variables["AWS_ENDPOINT_URL_S3"],
            region_name=self.variables["AWS_REGION"],
            aws_access_key_id=self.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )
        bucket, _, prefix = self.variables["LAKE_URI"].removeprefix("s3://").partition("/")
        folder = f"{prefix}/{self.variables['AURORA_DATABASE']}/{table}/day={day}".lstrip("/")
        manifest = json.loads(s3.get_object(Bucket=bucket, Key=f"{folder}/_manifest.json")["Body"].read())
        entry = manifest["entries"][0]
        part = entry["url"].removeprefix(f"s3://{bucket}/")
        rows = pq.read_table(io.BytesIO(s3.get_object(Bucket=bucket, Key=part)["Body"].read()))
        values = rows[column].to_pylist()
        values[row - 1] = value
        place = rows.schema.get_field_index(column)
        changed = rows.set_column(place, rows.schema.field(place), pa.array(values, rows.schema.field(place).type))
        buffer = io.BytesIO()
        pq.write_table(changed, buffer)
        s3.put_object(Bucket=bucket, Key=part, Body=buffer.getvalue())
        entry["meta"]["content_length"] = len(buffer.getvalue())
        s3.put_object(Bucket=bucket, Key=f"{folder}/_manifest.json", Body=json.dumps(manifest).encode())
        return str(entry["url"])


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page, for people to look at."""
    PICTURES.mkdir(exist_ok=True)
    page.wait_for_timeout(1_000)  # fonts and the graph's layout come last
    page.screenshot(path=PICTURES / f"{name}.png")


def lineage(ui: UI, page: Page, selection: str) -> None:
    """Open the graph with only the selected assets in it."""
    page.goto(f"{ui.url}/asset-groups")
    materialize = page.get_by_text(re.compile(r"^Materialize all"))
    expect(materialize).to_be_visible()
    before = materialize.inner_text()
    page.locator(".CodeMirror").last.click()
    page.keyboard.type(selection)
    page.keyboard.press("Enter")
    expect(page.get_by_text(before)).to_be_hidden()


def choose_days(page: Page, days: str) -> Locator:
    """Open the dialog that materializes what is shown, and choose days in it, as `2024-01-05` or `[a...b]`."""
    page.get_by_text(re.compile("^Materialize")).first.click()
    dialog = page.get_by_role("dialog")
    # It begins with a quarter of a year, of which it may know nothing.
    dialog.get_by_text("Show all partitions").or_(dialog.get_by_text("Clear", exact=True)).first.click()
    field = dialog.get_by_placeholder("ex: ")
    field.fill(days)
    field.press("Tab")
    return dialog
