"""What a container of the image finds: its environment, and a PostgreSQL that it reaches over TCP."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Any

from aurora_dwh.local.redshift.postgres import SUPERUSER
from aurora_dwh_tests.instances import Storage

ROOT = Path(__file__).parents[2]


class ReachableStorage(Storage):
    """A PostgreSQL for Dagster that listens on a TCP port, as Aurora does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        super().close()

    def _serve(self, ready: threading.Event) -> None:
        async def listen() -> None:
            listener = await asyncio.start_server(self._forward, "127.0.0.1", 0)
            self.port: int = listener.sockets[0].getsockname()[1]
            ready.set()

        async def hang_up(forwarding: set[asyncio.Task[Any]]) -> None:
            for task in forwarding:
                task.cancel()
            await asyncio.gather(*forwarding, return_exceptions=True)

        self._loop.run_until_complete(listen())
        self._loop.run_forever()
        self._loop.run_until_complete(hang_up(asyncio.all_tasks(self._loop)))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(self.server.socket_path))
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer), return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


def image_environment(home: Path, storage: ReachableStorage) -> dict[str, str]:
    """Return the environment of any container of Dagster's, but for what `infra/dagster.yaml` reads of AWS.

    Args:
        home: What stands for the image's folder of Dagster.
        storage: Dagster's database.
    """
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "DAGSTER_HOME": str(home),
        "DAGSTER_PG_HOST": "127.0.0.1",
        "DAGSTER_PG_PORT": str(storage.port),
        "DAGSTER_PG_DATABASE": "dagster",
        "DAGSTER_PG_USER": SUPERUSER,
        "DAGSTER_PG_PASSWORD": "none asked for",
    }
