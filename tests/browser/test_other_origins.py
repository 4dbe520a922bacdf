"""Pages of other origins, in a real browser that holds our cookie: they open nothing and change nothing.

Another port of the same host is the same site to a browser, so the cookie goes along whatever its
``SameSite`` says: only the server's own look at the origin keeps such a page out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page

from tests.browser.conftest import Arrive
from tests.support.instances import Instance
from tests.support.wire_client import metric

Rooms = tuple[Instance, Instance]

DEADLINE_S = 45.0
# Opens a socket with the cookie and says hello; returns what came of it.
SOCKET = """base => new Promise(done => {
  const socket = new WebSocket(base.replace('http', 'ws') + '/ws', 'idling.v1');
  socket.onopen = () => socket.send(JSON.stringify({type: 'hello', client: {id: 'x', name: 'x', version: '1'}}));
  socket.onmessage = event => done(JSON.parse(event.data.split('\\n')[0]).type);
  socket.onerror = () => done('refused');
})"""
# What a page can send without asking first, and with asking; returns what it could read of the answers.
REQUESTS = """async base => {
  const body = JSON.stringify({mutations: [{mid: 'forged', name: 'profile.update', args: {bio: 'forged'}}]});
  const ask = async options => {
    try {
      const answer = await fetch(base + '/api/mutations', {method: 'POST', credentials: 'include', body, ...options});
      return answer.type === 'opaque' ? 'opaque' : answer.status;
    } catch {
      return 'unreadable';
    }
  };
  return [
    await ask({mode: 'no-cors', headers: {'Content-Type': 'text/plain'}}),
    await ask({headers: {'Content-Type': 'text/plain'}}),
    await ask({headers: {'Content-Type': 'application/json'}}),
  ];
}"""


@pytest_asyncio.fixture
async def foreign() -> AsyncIterator[str]:
    """A page of somebody else's on another port of this host."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>somebody else</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def from_page(page: Page, origin: str, script: str, base: str) -> Any:
    """Run a script as a page of ``origin`` would."""
    await page.goto(origin)
    return await page.evaluate(script, base)


async def test_a_page_of_another_port_opens_no_socket(rooms: Rooms, arrive: Arrive, foreign: str) -> None:
    """Refused before the upgrade, cookie or not; our own page, by the same script, comes in."""
    visitor = await (await arrive(rooms[0].url)).enter("Reading")
    page = await visitor.context.new_page()
    refused = 'idling_http_requests_total{method="GET",status="403"}'
    before = await metric(rooms[0].url, refused)
    assert await from_page(page, foreign, SOCKET, rooms[0].url) == "refused"
    async with asyncio.timeout(DEADLINE_S):
        while await metric(rooms[0].url, refused) < before + 1:
            await asyncio.sleep(0.1)
    assert await metric(rooms[0].url, refused) == before + 1
    assert await from_page(page, rooms[0].url, SOCKET, rooms[0].url) == "welcome"
    await page.close()


async def test_a_page_of_another_port_changes_nothing(rooms: Rooms, arrive: Arrive, foreign: str) -> None:
    """Neither by what a form could send nor by JSON; and it can read none of the answers."""
    visitor = await (await arrive(rooms[0].url)).enter("Reading")
    page = await visitor.context.new_page()
    assert await from_page(page, foreign, REQUESTS, rooms[0].url) == ["opaque", "unreadable", "unreadable"]
    assert (await visitor.state())["profile"]["bio"] == ""
    assert await from_page(page, rooms[0].url, REQUESTS, rooms[0].url) == [415, 415, 200]
    await page.close()
