"""Dagster's UI as a process of its own, and what tests ask it: its GraphQL, as the browser does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from aurora_dwh.local.processes import free_ports
from aurora_dwh_tests.polling import until

ROOT = Path(__file__).parents[1]
UI_SECONDS = 240.0

_LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_TERMINATE = """mutation ($id: String!, $policy: TerminateRunPolicy) {
  terminateRun(runId: $id, terminatePolicy: $policy) { __typename ... on TerminateRunFailure { message } } }"""
_SENSOR = """query ($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) { ... on Sensor { id } } }"""
_STOP_SENSOR = """mutation ($id: String!) { stopSensor(id: $id) { __typename } }"""
_STATUS = """query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"""
_EVENTS = """query ($id: ID!) { logsForRun(runId: $id, limit: 1000) { ... on EventConnection {
  events { __typename ... on MessageEvent { message eventType } } } } }"""


class Api:
    """The UI's own API.

    Args:
        url: The UI's address.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data of a query or mutation."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self._url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            said: dict[str, Any] = json.load(answer)
        assert "errors" not in said, said
        data: dict[str, Any] = said["data"]
        return data

    def launch(
        self, job: str, day: str, *assets: str, last: str | None = None, location: str = "aurora_dwh.definitions"
    ) -> str:
        """Launch a day of assets, or a range as one run, and return the run's id."""
        tags = {ASSET_PARTITION_RANGE_START_TAG: day, ASSET_PARTITION_RANGE_END_TAG: last or day}
        tags = tags if last else {PARTITION_NAME_TAG: day}
        params = {
            "selector": {
                "repositoryLocationName": location,
                "repositoryName": "__repository__",
                "jobName": job,
                "assetSelection": [{"path": asset.split("/")} for asset in assets],
            },
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        launched = self.ask(_LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def stop_sensor(self, name: str, location: str = "aurora_dwh.definitions") -> None:
        """Switch a sensor off, as the page of automation does."""
        selector = {"repositoryLocationName": location, "repositoryName": "__repository__", "sensorName": name}
        found = self.ask(_SENSOR, selector=selector)["sensorOrError"]["id"]
        answer = self.ask(_STOP_SENSOR, id=found)["stopSensor"]
        assert answer["__typename"] == "StopSensorMutationResult", answer

    def terminate(self, run: str, policy: str = "SAFE_TERMINATE") -> None:
        """Terminate a run, as the UI's button does."""
        answer = self.ask(_TERMINATE, id=run, policy=policy)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def status(self, run: str) -> str:
        """Return how a run is."""
        return str(self.ask(_STATUS, id=run)["runOrError"]["status"])

    def events(self, run: str) -> list[tuple[str, str]]:
        """Return the type, empty for a line of the log, and the message of each of a run's events."""
        found = self.ask(_EVENTS, id=run)["logsForRun"]["events"]
        return [(event.get("eventType") or "", event.get("message") or "") for event in found]

    def await_status(self, run: str, *wanted: str, seconds: float = 240.0) -> float:
        """Wait until a run is as it is wanted, and return how many seconds that took."""
        return until(
            lambda: self.status(run) in wanted, seconds, lambda: f"{self.status(run)}: {self.events(run)[-8:]}"
        )


@dataclass(frozen=True)
class Served:
    """A program that serves Dagster's UI: its address, and the first process of its group."""

    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kill all its processes at once, as a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def served(
    program: str, arguments: list[str], environment: dict[str, str], log: Path, folder: Path = ROOT
) -> Iterator[Served]:
    """Run a program that serves Dagster's UI in a folder, and give it once it answers.

    The program is one of this environment's, or a path to another's.
    """
    (port,) = free_ports(1)
    with log.open("wb") as output:
        server = subprocess.Popen(
            [Path(sys.executable).parent / program, *arguments, "-h", "127.0.0.1", "-p", str(port)],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a group of its own, code servers included
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await(f"{url}/server_info", server, log)
        yield Served(url, server)
    finally:
        _end_group(server)


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + UI_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"Dagster's UI does not answer:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.3)


def _end_group(server: subprocess.Popen[bytes]) -> None:
    """End the server and its children, which would otherwise wait for 45 seconds for a heartbeat."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
