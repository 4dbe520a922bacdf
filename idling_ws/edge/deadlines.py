"""Deadlines for who sends slowly: a request has to arrive, head and body, or its connection ends.

aiohttp waits for a first head as long as the client likes. One scan a second over the
connections that never sent one costs less than a timer for each; sockets that were
upgraded are not among them. It leans on ``RequestHandler`` counting its requests, which a
test pins. Between two requests the keep-alive time-out holds, whatever trickles in.
"""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from idling_ws.tasks import Tasks

HEAD_S = 10.0
BODY_S = 10.0
# What is left of a body after its answer was sent is read for so long.
LINGER_S = 2.0
SCAN_EVERY_S = 1.0

log = logging.getLogger(__name__)


class HeadDeadlines:
    """Ends the connections of ``server`` whose first request head does not come. ``ended`` counts them."""

    def __init__(self, server: web.Server, *, head_s: float = HEAD_S) -> None:
        self._server = server
        self._head_s = head_s
        self._since: dict[web.RequestHandler, float] = {}
        self._tasks = Tasks()
        self.ended = 0

    def start(self) -> None:
        """Begin to look."""
        self._tasks.start(self._run(), "head-deadlines")

    async def stop(self) -> None:
        """Look no more."""
        await self._tasks.stop()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SCAN_EVERY_S)
            try:
                self.scan(asyncio.get_running_loop().time())
            except Exception:
                log.exception("slow connections could not be looked for")

    def scan(self, now: float) -> None:
        """End what waited too long; remember what is new."""
        waiting: dict[web.RequestHandler, float] = {}
        for handler in self._server.connections:
            if handler._request_count:  # noqa: SLF001 -- there is no public way to know; pinned by a test
                continue
            since = self._since.get(handler, now)
            if now - since >= self._head_s:
                handler.force_close()
                self.ended += 1
            else:
                waiting[handler] = since
        self._since = waiting


async def read_body(request: web.Request) -> bytes:
    """Return the body. Raises ``HTTPRequestTimeout`` when it takes too long to come."""
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        request.protocol.close()  # what still trickles in is no further request
        raise web.HTTPRequestTimeout(text="The body took too long to arrive.") from None
