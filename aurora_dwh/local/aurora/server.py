"""The embedded Aurora itself: a folder, a port, an account, and a thread that serves clients."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from aurora_dwh.local.aurora.catalogue import Catalogue
from aurora_dwh.local.aurora.errors import AuroraError
from aurora_dwh.local.aurora.outfile import Exports
from aurora_dwh.local.aurora.session import Session, open_store
from aurora_dwh.local.aurora.wire import AuroraServer, Client

_WORKERS: Final = 32
_STOP_SECONDS: Final = 5.0


class EmbeddedAurora:
    """A MySQL server over one SQLite file.

    Args:
        state_dir: Folder of this server alone.
        user: The account's name.
        password: The account's password.
        database: The schema that exists from the start.
        port: Port on the loopback interface; 0 takes a free one.
        exports: What SELECT INTO OUTFILE S3 may do; without it the cluster has no role for S3.
    """

    host: Final = "127.0.0.1"

    def __init__(
        self,
        state_dir: Path,
        *,
        user: str,
        password: str,
        database: str = "shop",
        port: int = 0,
        exports: Exports | None = None,
    ) -> None:
        self.exports = exports or Exports()
        self._path = state_dir / "aurora.sqlite"
        self._user = user
        self._password = password
        self.database = database
        self._port = port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: AuroraServer | None = None
        self._stopping: asyncio.Event | None = None
        self._problem: BaseException | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    def is_alive(self) -> bool:
        """Whether it serves."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start serving; returns when clients can connect.

        Raises:
            OSError: The port is taken, or the folder cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        store = open_store(self._path)
        Catalogue(store).set_up(self.database)
        store.close()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), name="embedded-aurora", daemon=True)
        self._thread.start()
        ready.wait()
        if self._problem is not None:
            self._thread.join()
            raise self._problem

    def stop(self) -> None:
        """End all connections and stop. Does nothing when it does not run."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_STOP_SECONDS)
        self._thread = None

    def _serve(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._main(ready))
        except OSError as problem:
            self._problem = problem
        finally:
            ready.set()

    async def _main(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="embedded-aurora") as executor:
            server = AuroraServer(self._open_session, user=self._user, password=self._password, executor=executor)
            self._server = server
            await server.start_server(host=self.host, port=self._port)
            self._port = int(server.sockets()[0].getsockname()[1])
            ready.set()
            await self._stopping.wait()
            server.close()
            await server.disconnect_all(_STOP_SECONDS / 2)

    def _open_session(self, client: Client) -> Session:
        return Session(
            self._path,
            schema=self.database,
            user=self._user,
            connection_id=client.connection_id,
            kill=self._kill,
            exports=self.exports,
        )

    def _kill(self, connection_id: int, only_query: bool) -> None:
        if self._server is None or self._loop is None or not self._server.has_client(connection_id):
            raise AuroraError(1094, f"Unknown thread id: {connection_id}")
        server = self._server
        self._loop.call_soon_threadsafe(lambda: server.kill(connection_id, only_query=only_query))
