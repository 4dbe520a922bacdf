"""Where operators are told: a place that takes posts, or does not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

WAIT_S = 90.0


class WebhookServer:
    """Takes JSON. ``statuses`` are answered one after the other, then 200; ``posts`` are those that it took."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.asked = 0
        self._came = asyncio.Event()
        app = web.Application()
        app.router.add_post("/hook", self._take)
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        self.led_elsewhere = 0
        self._server = TestServer(app)

    @property
    def url(self) -> str:
        """Where to post."""
        return str(self._server.make_url("/hook"))

    async def _take(self, request: web.Request) -> web.Response:
        self.asked += 1
        assert request.content_type == "application/json"
        body = await request.json()
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.posts.append(body)
        self._came.set()
        return web.Response(status=status, headers={"Location": "/elsewhere"} if 300 <= status < 400 else {})

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.led_elsewhere += 1
        return web.Response()

    async def wait_for(self, kind: str, state: str) -> dict[str, Any]:
        """Return the first post of that kind and state, once it has come."""
        async with asyncio.timeout(WAIT_S):
            while True:
                self._came.clear()
                for post in self.posts:
                    if (post["notice"]["kind"], post["state"]) == (kind, state):
                        return post
                await self._came.wait()


@contextlib.asynccontextmanager
async def webhook_server() -> AsyncIterator[WebhookServer]:
    """Run one for the length of the block."""
    hook = WebhookServer()
    await hook._server.start_server()
    try:
        yield hook
    finally:
        await hook._server.close()
