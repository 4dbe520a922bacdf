"""A way to a server that can turn into a black hole: connections stay up, and nothing comes back over them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Blackhole:
    """Passes bytes between its own port and another one on loopback, until it swallows them."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    def swallow(self) -> None:
        """Pass nothing on any more, in either direction; new connections are taken as well."""
        self._is_open.clear()

    def let_through(self) -> None:
        """Pass everything on again."""
        self._is_open.set()

    def drop(self) -> None:
        """Forget what was swallowed with its connections, and let new ones through."""
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        self._is_open.set()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.add(far_writer)
            for source, sink in ((reader, far_writer), (far_reader, writer)):
                task = asyncio.create_task(self._pass_on(source, sink))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self._is_open.wait()
                sink.write(data)
                await sink.drain()
        sink.close()

    async def close(self) -> None:
        """End every connection."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()


@contextlib.asynccontextmanager
async def blackholes(target_port: int) -> AsyncIterator[Blackhole]:
    """Run one in front of ``target_port`` for the length of the block."""
    hole = Blackhole(target_port)
    server = await asyncio.start_server(hole._take, "127.0.0.1", 0)
    hole.port = server.sockets[0].getsockname()[1]
    try:
        yield hole
    finally:
        server.close()
        await hole.close()
