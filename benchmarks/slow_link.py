"""A way to a server that is as long as one likes, and that counts the round trips on it.

A round trip is an answer: bytes of the server behind bytes of the client. Each takes as much longer as the way is long,
and so does the opening of a connection. The way may be narrow too: each connection then has so many bytes a second of
what the server sends.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BYTES = 1 << 18

_LAG = 0.1
"""Seconds within which a limited way makes up for what it was late; a time without bytes is no credit."""


class SlowLink:
    """A proxy in front of a server, on a port of its own.

    Attributes:
        delay: Seconds that are added to each round trip from now on.
        bytes_a_second: What the server may send on each connection; None is no limit.
        trips: Round trips so far.
        connections: Connections so far.
        port: Where it listens.
    """

    def __init__(self, host: str, port: int) -> None:
        self.delay = 0.0
        self.bytes_a_second: float | None = None
        self.trips = 0
        self.connections = 0
        self.port = 0
        self._target = host, port

    async def listen(self) -> None:
        """Accept connections, in the running event loop."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_BYTES)
        self.port = server.sockets[0].getsockname()[1]

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self.connections += 1
        await asyncio.sleep(self.delay)
        server, to_server = await asyncio.open_connection(*self._target, limit=_BYTES)
        loop = asyncio.get_running_loop()
        later, asked = loop.call_later, False

        async def up() -> None:
            nonlocal asked
            while data := await client.read(_BYTES):
                asked = True
                later(self.delay, to_server.write, data)
            later(self.delay, to_server.close)

        async def down() -> None:
            nonlocal asked
            due = loop.time()
            while data := await server.read(_BYTES):
                self.trips += asked
                asked = False
                to_client.write(data)
                await to_client.drain()
                if self.bytes_a_second is not None:
                    due = max(due, loop.time() - _LAG) + len(data) / self.bytes_a_second
                    await asyncio.sleep(due - loop.time())
            to_client.close()

        with suppress(OSError):
            await asyncio.gather(up(), down())


@contextmanager
def running(*links: SlowLink) -> Iterator[None]:
    """Let proxies work in a thread until the context ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        for link in links:
            asyncio.run_coroutine_threadsafe(link.listen(), loop).result()
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
